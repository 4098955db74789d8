import { describe, expect, test } from 'vitest'
import { itemsOf, positivesFrom } from '../../data/index.ts'
import { loadRanker, topItems } from '../../models/index.ts'
import { seededRandom } from '../../random/index.ts'
import { createGraphModel, lightGcnTrainer } from './lightgcn.ts'
import { resolveParameters } from './registry.ts'

// Person 2 and item 4 are connected with nobody.
const lists = [[0, 1], [1, 2, 3], [], [0], [0, 1, 2, 3]]
const itemCount = 5
const positives = positivesFrom(lists, itemCount)
const personCount = lists.length
const nodes = personCount + itemCount
const settings = { dimension: 5, layers: 3, epochs: 1, batchSize: 16, learningRate: 0.01, regularisation: 0.3, initialStdDev: 0.7 }

/** D^−½·A·D^−½ written out. */
const operator = (() => {
  const a = Array.from({ length: nodes }, () => new Float64Array(nodes))
  for (const [person, items] of lists.entries())
    for (const item of items) {
      a[person]![personCount + item] = 1
      a[personCount + item]![person] = 1
    }
  const degrees = a.map((row) => row.reduce((sum, value) => sum + value, 0))
  return a.map((row, r) => row.map((value, c) => (value === 0 ? 0 : value / Math.sqrt(degrees[r]! * degrees[c]!))))
})()
const times = (m: readonly Float64Array[], x: readonly Float64Array[]) =>
  m.map((row) => x[0]!.map((_, k) => row.reduce((sum, value, n) => sum + value * x[n]![k]!, 0)))
/** [x, Âx, …, Â^depth x] */
function powers(x: readonly Float64Array[], depth: number) {
  const all = [x]
  for (let l = 0; l < depth; l++) all.push(times(operator, all.at(-1)!))
  return all
}
const smooth = (x: readonly Float64Array[], depth: number) => {
  const all = powers(x, depth)
  return x.map((row, n) => row.map((_, k) => all.reduce((sum, power) => sum + power[n]![k]!, 0) / (depth + 1)))
}
const rowsOf = (flat: Float32Array, width: number) =>
  Array.from({ length: flat.length / width }, (_, n) => Float64Array.from(flat.subarray(n * width, n * width + settings.dimension)))
const close = (got: readonly Float64Array[], expected: readonly Float64Array[]) => {
  for (const [n, row] of expected.entries())
    for (const [k, value] of row.entries()) expect(Math.abs(got[n]![k]! - value), `${n}, ${k}`).toBeLessThan(2e-6)
}

describe.each([0, 1, 2, 3, 4])('over %i layers', (layers) => {
  const model = createGraphModel(positives, { ...settings, layers }, seededRandom(3))
  const start = rowsOf(model.start, model.width)

  test('smoothing is the mean of the powers of the normalised adjacency matrix', () => {
    model.smooth()
    close(rowsOf(model.vectors, model.width), smooth(start, layers))
    expect(model.start.every((value, at) => at % model.width < settings.dimension || value === 0)).toBe(true)
  })

  test('the gradient of the start vectors is the slope of loss and penalty, by central differences of the dense form', () => {
    model.smooth()
    const triples = [
      [0, 0, 2],
      [0, 1, 4],
      [1, 3, 0],
      [4, 0, 4],
      [3, 0, 1],
    ] as const
    const columns = [0, 1, 2].map((c) => Uint32Array.from(triples, (triple) => triple[c as 0]!)) as [Uint32Array, Uint32Array, Uint32Array]
    const lossOf = (x: readonly Float64Array[]) => {
      const e = smooth(x, layers)
      const square = (row: Float64Array) => row.reduce((sum, value) => sum + value * value, 0)
      return triples.reduce(
        (sums, [person, preferred, other]) => {
          const margin = e[person]!.reduce(
            (sum, value, k) => sum + value * (e[personCount + preferred]![k]! - e[personCount + other]![k]!),
            0,
          )
          const penalty = [person, personCount + preferred, personCount + other].reduce((sum, node) => sum + square(x[node]!), 0)
          return { loss: sums.loss + Math.log1p(Math.exp(-margin)), penalised: sums.penalised + (settings.regularisation / 2) * penalty }
        },
        { loss: 0, penalised: 0 },
      )
    }
    const loss = model.accumulate(...columns, triples.length)
    expect(loss).toBeCloseTo(lossOf(start).loss, 4)
    for (let n = 0; n < nodes; n++)
      for (let k = 0; k < settings.dimension; k++) {
        const moved = (by: number) => {
          const { loss, penalised } = lossOf(start.map((row, r) => (r === n ? row.with(k, row[k]! + by) : row)))
          return loss + penalised
        }
        const slope = (moved(1e-4) - moved(-1e-4)) / 2e-4
        expect(Math.abs(model.gradient[n * model.width + k]! - slope), `${n}, ${k}`).toBeLessThan(5e-6)
      }
  })
})

const small = (given: Record<string, number> = {}) => resolveParameters(lightGcnTrainer, { epochs: 30, dimension: 6, ...given })
const train = (extra: Partial<Parameters<typeof lightGcnTrainer.fit>[0]> = {}) =>
  lightGcnTrainer.fit({
    positives,
    itemTable: null,
    parameters: small(),
    privacy: null,
    random: seededRandom(5),
    spend: () => {},
    ...extra,
  })

test('who liked nothing is ranked for as the mean person, and nobody is told of an item that nobody liked by its random start', async () => {
  const ranker = await train()
  const { person_factors, item_factors, mean_person } = ranker.parameters()
  const d = mean_person!.data.length
  expect(person_factors!.data.subarray(2 * d, 3 * d)).toEqual(mean_person!.data)
  expect(item_factors!.data.subarray(4 * d).every((value) => value === 0)).toBe(true)
  const scores = new Float32Array(2 * itemCount)
  ranker.scoreAll(
    [
      { userIndex: null, history: new Uint32Array(0) },
      { userIndex: 2, history: new Uint32Array(0) },
    ],
    scores,
  )
  expect(scores.subarray(0, itemCount)).toEqual(scores.subarray(itemCount))
  expect(topItems(scores.subarray(0, itemCount), 5).at(-1)).toBeDefined()
})

test('it learns who likes what, and ranks for a stranger much as for the person with the same history', async () => {
  // Two tastes of 20 items; each person has half of their own.
  const random = seededRandom(8)
  const world = positivesFrom(
    Array.from({ length: 120 }, (_, person) =>
      Array.from({ length: 20 }, (_, n) => 2 * n + (person % 2)).filter(() => random.nextDouble() < 0.5),
    ),
    40,
  )
  const ranker = await train({ positives: world, parameters: small({ epochs: 60, batchSize: 256 }) })
  for (const stranger of [false, true]) {
    const scores = new Float32Array(40)
    let right = 0
    for (let person = 0; person < 120; person++) {
      const history = itemsOf(world, person)
      ranker.scoreAll([{ userIndex: stranger ? null : person, history }], scores)
      right += topItems(scores, 5, { exclude: history }).filter(({ item }) => item % 2 === person % 2).length
    }
    // By chance half of 600.
    expect(right, stranger ? 'strangers' : 'own vectors').toBeGreaterThan(570)
  }
})

test('training stops when asked to', async () => {
  const controller = new AbortController()
  await expect(
    (async () => train({ signal: controller.signal, onProgress: (_, done) => done === 3 && controller.abort() }))(),
  ).rejects.toThrow('epoch 4')
})

test('a file that lacks a tensor, or has one of another size, is corrupt', async () => {
  const tensors = (await train()).parameters()
  for (const name of Object.keys(tensors)) {
    const { [name]: _, ...rest } = tensors
    expect(() => loadRanker('lightgcn', rest), name).toThrow(/tensor|has no/)
  }
  expect(() => loadRanker('lightgcn', { ...tensors, mean_person: { shape: [3], data: new Float32Array(3) } })).toThrow('mean_person')
})
