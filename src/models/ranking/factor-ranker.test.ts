import { describe, expect, test } from 'vitest'
import { positivesFrom } from '../../data/index.ts'
import { seededRandom } from '../../random/index.ts'
import { createBprRanker, loadBpr } from './bpr.ts'
import { createFactorRanker, loadFactors, sharesOf } from './factor-ranker.ts'
import type { Person } from './ranker.ts'
import { topItems } from './ranker.ts'
import { topLists } from './top-lists.ts'

const [people, itemCount, dimension] = [70, 43, 5]
const random = seededRandom(2)
const matrix = (rows: number) => ({
  shape: [rows, dimension],
  data: Float32Array.from({ length: rows * dimension }, () => random.nextDouble() - 0.5),
})
const personFactors = matrix(people)
const itemFactors = matrix(itemCount)
const itemBias = Float32Array.from({ length: itemCount }, () => random.nextDouble() - 0.5)
const row = ({ data }: { data: Float32Array }, at: number) => data.subarray(at * dimension, (at + 1) * dimension)
const product = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, k) => sum + value * b[k]!, 0)
const noHistory = new Uint32Array(0)

test('a score is the product of the vectors plus the bias, for any number of people', () => {
  const ranker = createFactorRanker({ name: 'example', personFactors, itemFactors, itemBias })
  for (const count of [1, 31, 32, 33, 70]) {
    const out = new Float32Array(count * itemCount)
    ranker.scoreAll(
      Array.from({ length: count }, (_, at) => ({ userIndex: people - 1 - at, history: noHistory })),
      out,
    )
    for (let at = 0; at < out.length; at++) {
      const [person, item] = [people - 1 - Math.floor(at / itemCount), at % itemCount]
      expect(out[at]).toBeCloseTo(product(row(personFactors, person), row(itemFactors, item)) + itemBias[item]!, 5)
    }
  }
})

test('who has no row is folded in, and without a fold-in refused with a way out', () => {
  const foldIn = (history: Uint32Array) => Float32Array.from({ length: dimension }, (_, k) => history.length + k)
  const ranker = createFactorRanker({ name: 'example', personFactors, itemFactors, foldIn })
  const out = new Float32Array(2 * itemCount)
  ranker.scoreAll(
    [
      { userIndex: people, history: Uint32Array.of(1, 4) },
      { userIndex: null, history: noHistory },
    ],
    out,
  )
  for (let item = 0; item < itemCount; item++) {
    expect(out[item]).toBeCloseTo(product(Float32Array.of(2, 3, 4, 5, 6), row(itemFactors, item)), 4)
    expect(out[itemCount + item]).toBeCloseTo(product(Float32Array.of(0, 1, 2, 3, 4), row(itemFactors, item)), 4)
  }
  const rowsOnly = createFactorRanker({ name: 'example', personFactors, itemFactors })
  expect(rowsOnly.foldsIn).toBe(false)
  const ask = (userIndex: number | null) => () => rowsOnly.scoreAll([{ userIndex, history: Uint32Array.of(1) }], out)
  expect(ask(null)).toThrow('cannot tell what somebody else would like')
  expect(ask(people)).toThrow(`no row for person ${people}`)
})

test('factors that do not fit together are refused', () => {
  const wrong = { shape: [itemCount, dimension + 1], data: new Float32Array(itemCount * (dimension + 1)) }
  expect(() => createFactorRanker({ name: 'example', personFactors, itemFactors: wrong })).toThrow('do not fit together')
  expect(() => createFactorRanker({ name: 'example', personFactors, itemFactors, itemBias: new Float32Array(3) })).toThrow('3 biases')
  const tensors = createFactorRanker({ name: 'example', personFactors, itemFactors, itemBias }).parameters()
  expect(loadFactors(tensors, 'example')).toEqual({ personFactors, itemFactors, itemBias })
  expect(() => loadFactors({ ...tensors, person_factors: { shape: [2, 3], data: new Float32Array(6) } }, 'example')).toThrow(
    'person_factors has shape [2, 3]',
  )
})

test('similar items are those of largest cosine, whatever their length', () => {
  const ranker = createFactorRanker({ name: 'example', personFactors: null, itemFactors, foldIn: () => new Float32Array(dimension) })
  const cosine = (a: number, b: number) =>
    product(row(itemFactors, a), row(itemFactors, b)) / Math.hypot(...row(itemFactors, a)) / Math.hypot(...row(itemFactors, b))
  const expected = Array.from({ length: itemCount }, (_, other) => other)
    .filter((other) => other !== 6)
    .sort((a, b) => cosine(6, b) - cosine(6, a))
    .slice(0, 8)
  expect(ranker.similarItems(6, 8).map(({ item }) => item)).toEqual(expected)
  const reasons = ranker.reasons({ userIndex: null, history: Uint32Array.of(1, 2, 3, 4, 5, 9) }, 6, 6)
  for (const { item, score } of reasons) {
    expect(score).toBeGreaterThan(0)
    expect(cosine(6, item)).toBeGreaterThan(0)
  }
})

test('shares are of what speaks for an item, and leave out what does not', () => {
  const weights = new Map([
    [3, 1],
    [5, -2],
    [8, 3],
    [9, 0],
    [11, 1],
  ])
  const shares = (n: number) => sharesOf(Uint32Array.from(weights.keys()), (item) => weights.get(item)!, n)
  expect(shares(9).map(({ item }) => item)).toEqual([8, 3, 11])
  for (const [at, share] of [0.6, 0.2, 0.2].entries()) expect(shares(9)[at]!.score).toBeCloseTo(share, 6)
  expect(shares(1).map(({ item }) => item)).toEqual([8])
  expect(sharesOf(Uint32Array.of(5), () => -1, 3)).toEqual([])
})

describe('lists of many people', () => {
  const histories = Array.from({ length: people }, (_, person) =>
    Uint32Array.from({ length: itemCount }, (_, item) => item).filter(() => random.nextDouble() < (person % 7 === 0 ? 1 : 0.4)),
  )
  const persons: Person[] = histories.map((history, userIndex) => ({ userIndex, history }))

  test.each([1, 10, 43, 60])('the first %i are those of the list of each person alone', (n) => {
    // Whole numbers, so that scores tie.
    const coarse = { ...itemFactors, data: itemFactors.data.map((value) => Math.round(value)) }
    for (const factors of [itemFactors, coarse]) {
      const ranker = createFactorRanker({ name: 'example', personFactors, itemFactors: factors })
      const lists = topLists(ranker, persons, n)
      expect(lists.n).toBe(Math.min(n, itemCount))
      for (const [person, each] of persons.entries()) {
        const scores = new Float32Array(itemCount)
        ranker.scoreAll([each], scores)
        const expected = topItems(scores, n, { exclude: each.history })
        const from = person * lists.n
        expect([...lists.items.subarray(from, from + lists.lengths[person]!)]).toEqual(expected.map(({ item }) => item))
        expect([...lists.scores.subarray(from, from + lists.lengths[person]!)]).toEqual(expected.map(({ score }) => score))
      }
    }
  })

  test('other items may be excluded instead, and nobody at all gets no list', () => {
    const ranker = createFactorRanker({ name: 'example', personFactors, itemFactors })
    const all = topLists(ranker, persons, itemCount, () => noHistory)
    expect([...new Set(all.lengths)]).toEqual([itemCount])
    expect(topLists(ranker, [], 5).items).toEqual(new Uint32Array(0))
  })
})

describe('folding a stranger into bpr', () => {
  const settings = { negatives: 2, learningRate: 0.1, regularisation: 0.05, epochs: 40, intercept: -1, personBias: 0.25 }
  const model = { personFactors, itemFactors, itemBias, prior: Float32Array.of(0.1, 0, -0.2, 0, 0.3) }
  const scoresOf = (ranker: ReturnType<typeof createBprRanker>, history: Uint32Array) => {
    const out = new Float32Array(itemCount)
    ranker.scoreAll([{ userIndex: null, history }], out)
    return out
  }

  test.each(['pairwise', 'pointwise'] as const)(
    '%s: a history lifts what it holds and what is like it, the same way every time',
    (loss) => {
      const ranker = createBprRanker({ ...model, foldIn: { ...settings, hardest: loss === 'pairwise', loss } })
      const history = Uint32Array.of(3, 8, 21)
      const [nobody, somebody] = [scoresOf(ranker, noHistory), scoresOf(ranker, history)]
      for (let item = 0; item < itemCount; item++)
        expect(nobody[item]).toBeCloseTo(product(model.prior, row(itemFactors, item)) + itemBias[item]!, 5)
      const lift = (items: Iterable<number>) => {
        const list = [...items]
        const rest = Array.from({ length: itemCount }, (_, item) => item).filter((item) => !list.includes(item))
        const mean = (of: number[], scores: Float32Array) => of.reduce((sum, item) => sum + scores[item]! / of.length, 0)
        return mean(list, somebody) - mean(rest, somebody) - mean(list, nobody) + mean(rest, nobody)
      }
      expect(lift(history)).toBeGreaterThan(0.1)
      // Another stranger in between leaves nothing behind.
      scoresOf(ranker, Uint32Array.of(1, 2))
      expect(scoresOf(ranker, history)).toEqual(somebody)
      expect(scoresOf(loadBpr(ranker.parameters()), history)).toEqual(somebody)
    },
  )

  test('who has every item is nobody in particular: there is nothing to compare with', () => {
    const ranker = createBprRanker({ ...model, foldIn: { ...settings, hardest: true, loss: 'pairwise' } })
    const all = Uint32Array.from({ length: itemCount }, (_, item) => item)
    expect(scoresOf(ranker, all)).toEqual(scoresOf(ranker, noHistory))
    expect(positivesFrom([all], itemCount).items.length).toBe(itemCount)
  })
})
