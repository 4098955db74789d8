/** Private popularity, item-gram, content-popularity: their bounds, their budget, what is in the file. All statistical checks have fixed seeds. */
import { describe, expect, test } from 'vitest'
import { type ItemTable, itemCounts, itemsOf, type Positives, positivesFrom } from '../../data/index.ts'
import { createPopularity, decodeSafetensors, encodeSafetensors, loadRanker, type Ranker, topItems } from '../../models/index.ts'
import { gaussianMu, type PrivacyEvent, pldAccountant } from '../../privacy/index.ts'
import { seededRandom } from '../../random/index.ts'
import { contentPopularityTrainer } from './content-popularity.ts'
import { itemGramTrainer, planItemGram } from './item-gram.ts'
import { checkItemGramSensitivity, itemGramConformance, type PlantedItemGramBug, plantedItemGramBugs } from './item-gram-conformance.ts'
import { checkNoPersonVectors } from './person-conformance.ts'
import { popularityTrainer } from './popularity.ts'
import { popularityLevel } from './popularity-level.ts'
import { resolveParameters } from './registry.ts'
import type { RankingPrivacy, RankingTrainer } from './trainer.ts'

const itemCount = 158
const personCount = 1501

/** Three tastes, popularity falling by the item: enough people for the guard at ε = 4. */
function world(): Positives {
  const random = seededRandom(11)
  return positivesFrom(
    Array.from({ length: personCount }, (_, person) => {
      const likes = new Set<number>()
      while (likes.size < 8 + (person % 17)) {
        const near = Math.floor(itemCount * random.nextDouble() ** 1.5)
        const own = random.nextDouble() < 0.85 ? near - (near % 3) + (person % 3) : near
        if (own < itemCount) likes.add(own)
      }
      return [...likes]
    }),
    itemCount,
  )
}
const positives = world()
const table: ItemTable = {
  titles: null,
  genreNames: ['a', 'b', 'c'],
  genres: Array.from({ length: itemCount }, (_, item) => [item % 3]),
  years: Float32Array.from({ length: itemCount }, (_, item) => (item === 0 ? Number.NaN : 1980 + (item % 9))),
}

async function train(
  trainer: RankingTrainer,
  given: Record<string, number> = {},
  {
    privacy = {},
    itemTable = table as ItemTable | null,
    seed = 1,
  }: { privacy?: Partial<RankingPrivacy> | null; itemTable?: ItemTable | null; seed?: number } = {},
) {
  const spent: PrivacyEvent[] = []
  const full: RankingPrivacy | null = privacy && { unit: 'user', epsilon: 4, delta: 1e-6, alongside: [], ...privacy }
  const parameters = resolveParameters(trainer, given)
  const ranker = await trainer.fit({
    positives,
    itemTable,
    parameters,
    privacy: full,
    random: seededRandom(seed),
    spend: (event) => void spent.push(event),
  })
  const planned = full && trainer.plan?.({ parameters, privacy: full, personCount, itemCount })
  return { ranker, spent, planned }
}

const priceOf = (events: readonly PrivacyEvent[], delta = 1e-6) =>
  events.reduce((accountant, event) => accountant.compose(event), pldAccountant()).epsilon(delta).epsilon

/** Share of the ten best unseen items that are of the person's own taste. */
function ownTaste(ranker: Ranker): number {
  const out = new Float32Array(itemCount)
  let own = 0
  for (let person = 0; person < 60; person++) {
    const history = itemsOf(positives, person)
    ranker.scoreAll([{ userIndex: null, history }], out)
    own += topItems(out, 10, { exclude: history }).filter(({ item }) => item % 3 === person % 3).length
  }
  return own / 600
}

describe('bounds on what one person adds', () => {
  test('hold over 12,000 neighbouring pairs with adversarial people, and are reached', () => {
    const results = checkItemGramSensitivity({ pairs: 4_000, random: seededRandom(21) })
    expect(results.map(({ name }) => name)).toEqual(['popularity-sensitivity', 'gram-sensitivity', 'extension-sensitivity'])
    for (const { name, passed, statistic } of results) {
      expect(passed, name).toBe(true)
      // A bound that nothing comes near would hide a mistake as well as it hides a person.
      expect(statistic, name).toBeGreaterThan(0.999)
    }
  })

  test('the conformance checks pass on the trainer', () => {
    for (const { name, passed, detail } of itemGramConformance()) expect(passed, `${name}: ${detail}`).toBe(true)
  })

  test.each(Object.entries(plantedItemGramBugs))('%s is caught by its check, and by no other', (bug, { check }) => {
    const failed = itemGramConformance({ bug: bug as PlantedItemGramBug }).filter(({ passed }) => !passed)
    expect(failed.map(({ name }) => name)).toEqual([check])
  })
})

describe('the budget', () => {
  const total = gaussianMu({ epsilon: 4, delta: 1e-6 })
  const beside: PrivacyEvent[] = [{ kind: 'gaussian', noiseMultiplier: 1 / (total * Math.sqrt(0.02)) }]

  test.each([
    ['popularity', popularityTrainer, {}, 1],
    ['content-popularity', contentPopularityTrainer, {}, 1],
    ['item-gram', itemGramTrainer, {}, 2],
    ['item-gram with content', itemGramTrainer, { content: 1 }, 2],
    ['item-gram with a second pass', itemGramTrainer, { secondPass: 1 }, 3],
    ['item-gram under its guard', itemGramTrainer, { guardSignal: 1e6 }, 1],
    ['item-gram under its guard on released counts', itemGramTrainer, { guardItems: 158, secondPass: 1, popularityShare: 0.01 }, 3],
  ] as const)('%s spends what it planned, and all of ε with what lies beside it', async (_name, trainer, given, releases) => {
    const { spent, planned } = await train(trainer, given, { privacy: { alongside: beside } })
    expect(spent).toEqual(planned)
    expect(spent).toHaveLength(releases)
    const price = priceOf([...spent, ...beside])
    expect(price).toBeLessThanOrEqual(4 * (1 + 1e-9))
    expect(price).toBeGreaterThan(3.999)
  })

  test('events beside it that are no Gaussians are priced too', async () => {
    const alongside: PrivacyEvent[] = [{ kind: 'laplace', noiseMultiplier: 2 }]
    const { spent } = await train(popularityTrainer, {}, { privacy: { alongside } })
    const price = priceOf([...spent, ...alongside])
    expect(price).toBeLessThanOrEqual(4 * (1 + 1e-9))
    expect(price).toBeGreaterThan(3.99)
  })

  test('a budget that others have used up, and the promise to a single rating, are refused before anything is spent', async () => {
    const alongside: PrivacyEvent[] = [{ kind: 'gaussian', noiseMultiplier: 1 / total }]
    await expect(train(itemGramTrainer, {}, { privacy: { alongside } })).rejects.toThrow(/leaves nothing/)
    for (const trainer of [popularityTrainer, contentPopularityTrainer, itemGramTrainer])
      await expect(train(trainer, {}, { privacy: { unit: 'rating' } })).rejects.toMatchObject({
        code: 'unsafe-plan',
        wayOut: 'Use --privacy-unit user.',
      })
  })

  test('the plan depends on sizes and ε alone: shares, head and guard', () => {
    const plan = (mu: number, people: number, items: number, given = {}) =>
      planItemGram({ parameters: resolveParameters(itemGramTrainer, given), mu, personCount: people, itemCount: items })
    expect(plan(0.1, 1000, 500)).toMatchObject({ mus: [0.1], headSize: 0 })
    expect(plan(0.1, 1000, 500).guard).toContain('below 250')
    const { mus, headSize, guard } = plan(1, 6000, 3700)
    expect(guard).toBeNull()
    expect(headSize).toBe(Math.round(6.5 * Math.sqrt(6000) * (3700 / 4000) ** (1 / 7)))
    expect(mus[0]! ** 2).toBeCloseTo(0.1, 12)
    expect(mus[0]! ** 2 + mus[1]! ** 2).toBeCloseTo(1, 12)
    expect(plan(0.2, 6000, 3700).mus[0]! ** 2 / 0.2 ** 2).toBeCloseTo(3700 / (20 * 1200), 12)
    expect(plan(0.05, 6000, 3700).mus[0]! ** 2 / 0.05 ** 2).toBeCloseTo(0.3, 12)
    // A catalogue so large that a head would be noise.
    expect(plan(1, 2000, 50_000).guard).toContain('below 3125')
    expect(plan(1, 6000, 40, {}).headSize).toBe(40)
  })
})

describe('the model', () => {
  test('learns taste at ε = 4, more than popularity holds, and nothing of it under the guard', async () => {
    const popularity = ownTaste((await train(popularityTrainer)).ranker)
    expect(popularity).toBeLessThan(0.45)
    // A third would be chance.
    for (const [trainer, given] of [
      [itemGramTrainer, {}],
      [itemGramTrainer, { secondPass: 1 }],
      [itemGramTrainer, { content: 1 }],
      [contentPopularityTrainer, {}],
    ] as const)
      expect(ownTaste((await train(trainer, given)).ranker), JSON.stringify(given)).toBeGreaterThan(popularity + 0.25)
    const guarded = await train(itemGramTrainer, { guardSignal: 1e6 })
    expect(guarded.ranker.foldsIn).toBe(false)
    expect(ownTaste(guarded.ranker)).toBeLessThan(0.45)
  })

  test('under the guard all looks at popularity count by what they paid for', async () => {
    const given = { guardSignal: 0, secondPass: 1, popularityShare: 0.2 }
    const looks = await train(itemGramTrainer, given, { privacy: { epsilon: 0.5 } })
    expect(looks.ranker.foldsIn).toBe(false)
    expect(looks.spent).toHaveLength(3)
    const counts = itemCounts(positives)
    const released = looks.ranker.parameters()['popularity']!.data
    const sd = 1 / gaussianMu({ epsilon: 0.5, delta: 1e-6 })
    // Weighted counts are exact multiples of 1/√30 here: nobody has more than 24 likes. χ² with 158 degrees: 1e-6 two-sided is 88 … 259.
    const square = counts.reduce((sum, count, item) => sum + ((released[item]! - count / Math.sqrt(30)) / sd) ** 2, 0)
    expect(square).toBeGreaterThan(88)
    expect(square).toBeLessThan(259)
  })

  test.each([
    ['item-gram', itemGramTrainer, {}],
    ['item-gram with everything', itemGramTrainer, { content: 1, secondPass: 1 }],
    ['content-popularity', contentPopularityTrainer, {}],
    ['popularity', popularityTrainer, {}],
  ] as const)('%s: the saved file has nothing of a single person, and scores the same when read', async (name, trainer, given) => {
    const { ranker } = await train(trainer, given)
    const bytes = encodeSafetensors(ranker.parameters(), { format: 'tacet-model-1', model: trainer.name })
    const { tensors } = decodeSafetensors(bytes, 'model.safetensors')
    const histories = [0, 1, 2, 3].map((person) => {
      const row = new Float32Array(itemCount)
      for (const item of itemsOf(positives, person)) row[item] = 1
      return row
    })
    expect(checkNoPersonVectors(tensors, personCount, histories), name).toMatchObject({ passed: true })
    // The file does not grow with the number of people: every axis is items, factors, genres or settings.
    const rank = ranker.parameters()['factors']?.shape[1] ?? 0
    const withFactors = ranker.parameters()['items']?.shape[0] ?? 0
    for (const [tensor, { shape }] of Object.entries(tensors))
      for (const axis of shape) expect([itemCount, withFactors, rank, 3, 5], `${name}: ${tensor} [${shape}]`).toContain(axis)
    const [out, again] = [new Float32Array(itemCount), new Float32Array(itemCount)]
    const people = [{ userIndex: null, history: itemsOf(positives, 4) }]
    ranker.scoreAll(people, out)
    loadRanker(trainer.name, tensors).scoreAll(people, again)
    expect(again).toEqual(out)
  })

  test('a damaged file is refused', async () => {
    const { ranker } = await train(itemGramTrainer)
    const tensors = ranker.parameters()
    const twice = { ...tensors, items: { ...tensors['items']!, data: Float32Array.from(tensors['items']!.data).fill(1) } }
    expect(() => loadRanker('item-gram', twice)).toThrow(/distinct items/)
    expect(() => loadRanker('item-gram', { popularity: tensors['popularity']! })).toThrow(/no tensor/)
  })

  test('without a history the list is that of popularity', async () => {
    const { ranker } = await train(itemGramTrainer)
    const popularity = createPopularity(ranker.parameters()['popularity']!.data)
    const [ours, theirs] = [new Float32Array(itemCount), new Float32Array(itemCount)]
    const nobody = [{ userIndex: null, history: new Uint32Array(0) }]
    ranker.scoreAll(nobody, ours)
    popularity.scoreAll(nobody, theirs)
    expect(topItems(ours, 20).map(({ item }) => item)).toEqual(topItems(theirs, 20).map(({ item }) => item))
  })

  test('an item named twice in a history counts once', async () => {
    const { ranker } = await train(itemGramTrainer)
    const [once, twice] = [new Float32Array(itemCount), new Float32Array(itemCount)]
    ranker.scoreAll([{ userIndex: null, history: Uint32Array.of(1, 4, 7) }], once)
    ranker.scoreAll([{ userIndex: null, history: Uint32Array.of(1, 4, 4, 4, 7) }], twice)
    expect(twice).toEqual(once)
  })

  test('content without a catalogue is refused before anything is spent', async () => {
    const bare: ItemTable = { titles: null, genreNames: [], genres: [], years: null }
    for (const itemTable of [null, bare]) {
      await expect(train(contentPopularityTrainer, {}, { itemTable })).rejects.toThrow(/catalogue/)
      await expect(train(itemGramTrainer, { content: 1 }, { itemTable })).rejects.toThrow(/catalogue/)
    }
    const spent: PrivacyEvent[] = []
    await expect(
      (async () =>
        itemGramTrainer.fit({
          positives,
          itemTable: null,
          parameters: resolveParameters(itemGramTrainer, { content: 1 }),
          privacy: { unit: 'user', epsilon: 1, delta: 1e-6, alongside: [] },
          random: seededRandom(1),
          spend: (event) => void spent.push(event),
        }))(),
    ).rejects.toThrow()
    expect(spent).toEqual([])
  })
})

describe('the level of popularity', () => {
  test('is above 0, keeps the order of what was released, and draws what is noise together', () => {
    const random = seededRandom(5)
    const released = Float64Array.from({ length: 400 }, (_, item) => (item < 40 ? 400 / (1 + item) : 0) + 6 * (random.nextDouble() - 0.5))
    const level = popularityLevel(released, 2)
    const order = Array.from(released.keys()).sort((a, b) => released[a]! - released[b]!)
    for (let at = 0; at < order.length; at++) {
      expect(level[order[at]!]).toBeGreaterThan(0)
      if (at > 0) expect(level[order[at]!]!).toBeGreaterThanOrEqual(level[order[at - 1]!]! * (1 - 1e-12))
    }
    expect(level[0]! / released[0]!).toBeCloseTo(1, 1)
    expect(Math.max(...level.subarray(100))).toBeLessThan(3)
  })

  test('of exact counts is the counts, and half of the smallest for none', () => {
    expect([...popularityLevel(Float64Array.of(4, 0, 2), 0)]).toEqual([4, 1, 2])
    expect([...popularityLevel(Float64Array.of(0, 0), 0)]).toEqual([1, 1])
    expect(popularityLevel(Float64Array.of(1e9, -1e9, 0), 3).every((value) => value > 0 && Number.isFinite(value))).toBe(true)
  })
})
