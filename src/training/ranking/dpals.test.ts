import { describe, expect, test } from 'vitest'
import { type Positives, positivesFrom } from '../../data/index.ts'
import { personVectors } from '../../models/index.ts'
import { fillNormals, seededRandom } from '../../random/index.ts'
import { dpalsTrainer, headRows, itemMoments, itemSums, unitRows, upperGram } from './dpals.ts'
import { resolveParameters } from './registry.ts'

const random = seededRandom(11)
const uniform = () => random.nextWord() / 2 ** 32
const normals = (count: number, scale = 1) => {
  const out = new Float64Array(count)
  fillNormals(out, random, scale)
  return Float32Array.from(out)
}

/** Somebody who is as awkward as can be: nothing, one thing, everything, the same thing twice, or at random. */
function awkwardPerson(items: number, kind: number): number[] {
  const all = Array.from({ length: items }, (_, item) => item)
  if (kind === 0) return []
  if (kind === 1) return [Math.floor(uniform() * items)]
  if (kind === 2) return all
  if (kind === 3) return [...all, ...all]
  return all.filter(() => uniform() < 0.4)
}

describe('one person more moves a statistic by no more than 1', () => {
  const pairs = 10_000
  const dimension = 3
  const norm = (a: Float64Array, b: Float64Array) => Math.sqrt(a.reduce((sum, value, at) => sum + (value - (b[at] as number)) ** 2, 0))

  test(`over ${pairs} neighbouring data sets, awkward people and extreme item vectors included`, () => {
    const worst = { sums: 0, gram: 0, moments: 0 }
    for (let pair = 0; pair < pairs; pair++) {
      const items = 1 + Math.floor(uniform() * 7)
      const head = Uint32Array.from({ length: items }, (_, item) => item)
      const lists = Array.from({ length: 2 }, () => awkwardPerson(items, 4))
      const without: Positives = positivesFrom(lists, items)
      const withOne = positivesFrom([...lists, awkwardPerson(items, pair % 5)], items)
      const factors = normals(items * dimension, 10 ** (uniform() * 3 - 1.5))
      const weights = Float64Array.from({ length: items }, () => 10 ** (uniform() * 4 - 1))
      const statistics = (positives: Positives) => {
        const rows = headRows(positives, head)
        const people = unitRows(personVectors({ itemFactors: factors, dimension, unobservedWeight: 0.4, ridge: 0.5 }, rows), dimension)
        return {
          sums: itemSums(rows, people, weights, dimension),
          gram: upperGram(people, dimension),
          moments: itemMoments(rows, people, weights, dimension),
        }
      }
      const [before, after] = [statistics(without), statistics(withOne)]
      for (const name of ['sums', 'gram', 'moments'] as const) worst[name] = Math.max(worst[name], norm(before[name], after[name]))
    }
    for (const moved of Object.values(worst)) {
      expect(moved).toBeLessThanOrEqual(1)
      // The bound is nearly reached: a probe that moved nothing would prove nothing.
      expect(moved).toBeGreaterThan(0.99)
    }
  })

  test('and would be seen to move by more if rows were not weighted down', () => {
    const items = 5
    const rows = positivesFrom([[0, 1, 2, 3, 4]], items)
    const people = Float32Array.from([1, 0, 0])
    const sums = itemSums(rows, people, new Float64Array(items).fill(1), dimension)
    expect(Math.hypot(...sums)).toBeCloseTo(1, 6)
    // Without the scale each of five items would get a whole vector: √5.
    const unscaled = new Float64Array(sums.length).map((_, at) => people[at % dimension] as number)
    expect(Math.hypot(...unscaled)).toBeCloseTo(Math.sqrt(5), 6)
  })
})

test('a vector that is not finite adds nothing', () => {
  const rows = unitRows(Float32Array.from([Number.NaN, 1, Number.POSITIVE_INFINITY, 0, 3, 4]), 2)
  expect([...rows.subarray(0, 4)]).toEqual([0, 0, 0, 0])
  expect(Math.hypot(...rows.subarray(4))).toBeCloseTo(1, 5)
})

test('the scaled upper triangle has the Frobenius norm of the whole matrix', () => {
  const people = normals(12)
  const full = new Float64Array(9)
  for (let start = 0; start < 12; start += 3)
    for (let i = 0; i < 3; i++)
      for (let j = 0; j < 3; j++)
        full[i * 3 + j] = (full[i * 3 + j] as number) + (people[start + i] as number) * (people[start + j] as number)
  expect(Math.hypot(...upperGram(people, 3))).toBeCloseTo(Math.hypot(...full), 5)
})

test('item moments are released when asked for, at a price of their own', () => {
  const privacy = { unit: 'user', epsilon: 2, delta: 1e-6, alongside: [] } as const
  const plan = (parameters: Record<string, number>) =>
    dpalsTrainer.plan?.({ parameters: resolveParameters(dpalsTrainer, parameters), privacy, personCount: 100, itemCount: 50 }) ?? []
  expect(plan({ sweeps: 3 })).toHaveLength(1 + 3 * 2)
  expect(plan({ sweeps: 3, itemMoments: 1 })).toHaveLength(1 + 3 * 3)
})

test('no row stops a fit that has paid: the smallest ridge there may be solves people of one item, of all, and of none', async () => {
  const rows = [...Array.from({ length: 40 }, (_, item) => [item]), Array.from({ length: 40 }, (_, item) => item), []]
  const fitWith = (ridge: number) =>
    dpalsTrainer.fit({
      positives: positivesFrom(Array.from({ length: 6 }, () => rows).flat(), 40),
      itemTable: null,
      parameters: resolveParameters(dpalsTrainer, { ridge, unobservedWeight: 0, dimension: 24 }),
      privacy: { unit: 'user', epsilon: 4, delta: 1e-6, alongside: [] },
      random: seededRandom(3),
      spend: () => {},
    })
  expect((await fitWith(0.01)).itemCount).toBe(40)
  expect(() => fitWith(1e-9)).toThrow('ridge')
})
