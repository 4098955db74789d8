import { expect, test } from 'vitest'
import { itemsOf, positivesFrom } from '../../data/index.ts'
import type { Ranker } from '../../models/index.ts'
import { seededRandom } from '../../random/index.ts'
import { bprTrainer } from './bpr.ts'
import { resolveParameters } from './registry.ts'

const [people, itemCount] = [120, 40]
const random = seededRandom(5)
/** Even and odd people like even and odd items, nine times of ten; the last two people have nothing, and everything. */
const positives = positivesFrom(
  Array.from({ length: people }, (_, person) => {
    if (person >= people - 2) return person === people - 1 ? Array.from({ length: itemCount }, (_, item) => item) : []
    return Array.from({ length: itemCount }, (_, item) => item).filter(
      (item) => random.nextDouble() < ((item + person) % 2 === 0 ? 0.36 : 0.04),
    )
  }),
  itemCount,
)

const train = (given: Record<string, number> = {}, signal?: AbortSignal) =>
  bprTrainer.fit({
    positives,
    itemTable: null,
    parameters: { ...resolveParameters(bprTrainer, {}), dimension: 6, ...given },
    privacy: null,
    random: seededRandom(1),
    spend: () => undefined,
    ...(signal ? { signal } : {}),
  }) as Promise<Ranker>

function scoresOf(ranker: Ranker, person: number, known: boolean): Float32Array {
  const out = new Float32Array(itemCount)
  ranker.scoreAll([{ userIndex: known ? person : null, history: itemsOf(positives, person) }], out)
  return out
}

/** Share of pairs (item of one's taste, item of the other) in the right order, of what a person does not have. */
function orderedPairs(ranker: Ranker, known: boolean): number {
  let [right, all] = [0, 0]
  for (let person = 0; person < people - 2; person++) {
    const scores = scoresOf(ranker, person, known)
    const own = new Set(itemsOf(positives, person))
    for (let a = person % 2; a < itemCount; a += 2)
      for (let b = 1 - (person % 2); b < itemCount; b += 2)
        if (!own.has(a) && !own.has(b)) {
          all++
          if (scores[a]! > scores[b]!) right++
        }
  }
  return right / all
}

test.each([
  ['pairwise, the hardest of five', {}],
  ['pairwise, each of two', { negatives: 2, hardest: 0 }],
  ['pairwise without biases, a width that is padded', { itemBias: 0, dimension: 7 }],
  ['pointwise', { loss: 1, negatives: 4 }],
])('%s: tastes are told apart, for people by their row and by their history alone', async (_, parameters) => {
  const ranker = await train(parameters)
  expect(orderedPairs(ranker, true)).toBeGreaterThan(0.75)
  expect(orderedPairs(ranker, false)).toBeGreaterThan(0.75)
})

test('who had nothing to train on is ranked for as a stranger without a history', async () => {
  const ranker = await train()
  expect(scoresOf(ranker, people - 2, true)).toEqual(scoresOf(ranker, people - 2, false))
  expect(scoresOf(ranker, people - 1, true).every(Number.isFinite)).toBe(true)
})

test('another seed gives other factors, the same one the same', async () => {
  const [first, again] = [await train(), await train()]
  expect(again.parameters()).toEqual(first.parameters())
  const other = (await bprTrainer.fit({
    positives,
    itemTable: null,
    parameters: { ...resolveParameters(bprTrainer, {}), dimension: 6 },
    privacy: null,
    random: seededRandom(2),
    spend: () => undefined,
  })) as Ranker
  expect(other.parameters()['item_factors']).not.toEqual(first.parameters()['item_factors'])
})

test('training that diverged, or was interrupted, gives no model', async () => {
  await expect(train({ initialStdDev: 1e30 })).rejects.toThrow('bpr diverged in epoch 1')
  const stop = new AbortController()
  stop.abort()
  await expect(train({}, stop.signal)).rejects.toThrow('interrupted after epoch 0 of 30')
})
