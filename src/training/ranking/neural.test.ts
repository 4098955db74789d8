import { describe, expect, test } from 'vitest'
import { itemsOf, type Positives, positivesFrom } from '../../data/index.ts'
import { fitFoldIn, loadRanker, neuMfParts, topItems } from '../../models/index.ts'
import { seededRandom } from '../../random/index.ts'
import { neuMfTrainer } from './neumf.ts'
import { resolveParameters } from './registry.ts'
import { wideAndDeepRankingTrainer } from './wide-and-deep.ts'

const itemCount = 40

/** Two tastes of 20 items; each person has about half of their own. Person 7 likes nothing. */
function world(): Positives {
  const random = seededRandom(8)
  return positivesFrom(
    Array.from({ length: 120 }, (_, person) =>
      person === 7 ? [] : Array.from({ length: 20 }, (_, n) => 2 * n + (person % 2)).filter(() => random.nextDouble() < 0.5),
    ),
    itemCount,
  )
}
const positives = world()
const catalogue = {
  titles: null,
  genreNames: ['even', 'odd', 'none of them'],
  genres: Array.from({ length: itemCount }, (_, item) => (item === 11 ? [] : item % 4 === 0 ? [0, 2] : [item % 2])),
  years: Float32Array.from({ length: itemCount }, (_, item) => (item === 5 ? Number.NaN : 1950 + item)),
}

const trainers = [neuMfTrainer, wideAndDeepRankingTrainer]
const train = (
  trainer: (typeof trainers)[number],
  given: Record<string, number> = {},
  extra: Partial<Parameters<(typeof trainer)['fit']>[0]> = {},
) =>
  trainer.fit({
    positives,
    itemTable: catalogue,
    parameters: resolveParameters(trainer, { epochs: 30, batchSize: 256, learningRate: 0.01, ...given }),
    privacy: null,
    random: seededRandom(5),
    spend: () => {},
    ...extra,
  })

/** Of the five first of each person's list, how many are of their taste: half of 595 by chance. */
function ofTheirTaste(ranker: Awaited<ReturnType<typeof train>>, strangers: boolean): number {
  const scores = new Float32Array(itemCount)
  let right = 0
  for (let person = 0; person < positives.personCount; person++) {
    const history = itemsOf(positives, person)
    if (history.length === 0) continue
    ranker.scoreAll([{ userIndex: strangers ? null : person, history }], scores)
    right += topItems(scores, 5, { exclude: history }).filter(({ item }) => item % 2 === person % 2).length
  }
  return right
}

describe.each([
  ['neumf', neuMfTrainer, {}],
  ['its product alone (GMF)', neuMfTrainer, { tower: 0 }],
  ['its tower alone (MLP)', neuMfTrainer, { product: 0, towerDimension: 16, firstLayer: 32, regularisation: 0 }],
  ['without hidden layers', neuMfTrainer, { layers: 0, towerDimension: 7 }],
  ['wide-and-deep', wideAndDeepRankingTrainer, {}],
] as const)('%s', (_, trainer, given) => {
  test('learns who likes what, for those it was trained with and for strangers with the same histories', async () => {
    const ranker = await train(trainer, given)
    for (const strangers of [false, true]) expect(ofTheirTaste(ranker, strangers), `strangers: ${strangers}`).toBeGreaterThan(560)
  })
})

test('neumf with neither product nor tower is refused, and each half has only its own parameters', async () => {
  await expect(async () => train(neuMfTrainer, { product: 0, tower: 0 })).rejects.toThrow('nothing to learn')
  const names = async (given: Record<string, number>) => Object.keys((await train(neuMfTrainer, { epochs: 1, ...given })).parameters())
  expect((await names({ tower: 0 })).filter((name) => /deep/.test(name))).toEqual([])
  expect((await names({ product: 0 })).filter((name) => /product/.test(name))).toEqual([])
})

test('wide-and-deep does without a catalogue, and reads back what it saw of one', async () => {
  const bare = await train(wideAndDeepRankingTrainer, { epochs: 2 }, { itemTable: null })
  expect(Object.keys(bare.parameters()).some((name) => /genres|year/.test(name))).toBe(false)
  const ranker = await train(wideAndDeepRankingTrainer, { epochs: 2 })
  const tensors = ranker.parameters()
  expect([...tensors['item.genres.offsets']!.data].slice(0, 4)).toEqual([0, 2, 3, 4])
  expect(tensors['item.year']!.data[0]).toBe(0)
  expect(tensors['item.year']!.data[itemCount - 1]).toBe(1)
  const again = loadRanker('wide-and-deep', tensors)
  const [before, after] = [ranker, again].map((each) => {
    const scores = new Float32Array(2 * itemCount)
    each.scoreAll(
      [
        { userIndex: 3, history: itemsOf(positives, 3) },
        { userIndex: null, history: Uint32Array.of(1, 5, 11) },
      ],
      scores,
    )
    return scores
  })
  expect(after).toEqual(before)
})

describe.each(trainers.map((trainer) => [trainer.name, trainer] as const))('%s', (name, trainer) => {
  test('a file that lacks a tensor is corrupt, whichever it is', async () => {
    const tensors = (await train(trainer, { epochs: 1 })).parameters()
    for (const missing of Object.keys(tensors)) {
      // Nothing but their presence tells that there are features, or a last hidden layer of this width.
      if (/^item\.(genres\.offsets|year)$/.test(missing)) continue
      const { [missing]: _, ...rest } = tensors
      expect(() => loadRanker(name, rest), missing).toThrow()
    }
  })

  test('who liked nothing is guessed as a stranger without a history is', async () => {
    const ranker = await train(trainer, { epochs: 3 })
    const scores = new Float32Array(2 * itemCount)
    const history = new Uint32Array(0)
    ranker.scoreAll(
      [
        { userIndex: 7, history },
        { userIndex: null, history },
      ],
      scores,
    )
    expect(scores.subarray(0, itemCount)).toEqual(scores.subarray(itemCount))
  })

  test('a reason is an item of the history that the score would miss', async () => {
    const ranker = await train(trainer)
    const history = Uint32Array.of(0, 2, 4, 7)
    const reasons = ranker.reasons({ userIndex: null, history }, 10, 3)
    expect(reasons.length).toBeGreaterThan(0)
    expect(reasons.map(({ item }) => item)).not.toContain(7)
  })

  test('a penalty keeps the embeddings small', async () => {
    const sizeOf = async (regularisation: number) =>
      Object.entries((await train(trainer, { regularisation })).parameters())
        .filter(([tensor]) => /^embedding\.(user|item)/.test(tensor))
        .reduce((sum, [, { data }]) => sum + data.reduce((inner, value) => inner + value * value, 0), 0)
    expect(await sizeOf(0.3)).toBeLessThan(0.5 * (await sizeOf(0)))
  })

  test('training stops when asked to', async () => {
    const controller = new AbortController()
    const onProgress = (_: string, done: number) => done === 3 && controller.abort()
    await expect(async () => train(trainer, {}, { signal: controller.signal, onProgress })).rejects.toThrow('epoch 4')
  })
})

test('the fold-in finds the linear map from histories to embeddings where there is one', () => {
  const parts = neuMfParts({ personCount: positives.personCount, itemCount, productDimension: 3, towerDimension: 2, hiddenLayers: [4] })
  const { network } = parts.pairs
  const random = seededRandom(4)
  network.parameters.forEach((_, at) => {
    network.parameters[at] = 2 * random.nextDouble() - 1
  })
  const block = (table: string) => {
    const { offset, shape } = network.blocks.find(({ name }) => name === `embedding.${table}`)!
    return network.parameters.subarray(offset, offset + shape[0]! * shape[1]!)
  }
  const truth = Float64Array.from({ length: 6 * 5 }, () => 2 * random.nextDouble() - 1)
  for (let person = 0; person < positives.personCount; person++) {
    const history = itemsOf(positives, person)
    const description = [0, 1, 2, 3, 4].map((column) => {
      const [values, width, at] =
        column < 3 ? ([block('item.product'), 3, column] as const) : ([block('item.deep'), 2, column - 3] as const)
      return history.reduce((sum, item) => sum + values[item * width + at]!, 0) / Math.sqrt(Math.max(1, history.length))
    })
    for (let o = 0; o < 5; o++) {
      const value = [...description, 1].reduce((sum, x, i) => sum + x * truth[i * 5 + o]!, 0)
      if (o < 3) block('user.product')[person * 3 + o] = value
      else block('user.deep')[person * 2 + o - 3] = value
    }
  }
  const map = fitFoldIn(parts, (person) => itemsOf(positives, person))
  // The ridge is a hundredth of a mean square: it bends little.
  map.forEach((value, at) => {
    expect(Math.abs(value - truth[at]!), `${at}`).toBeLessThan(0.05)
  })
})
