import { describe, expect, test } from 'vitest'
import { releaseGaussian } from '../privacy/index.ts'
import { seededRandom } from '../random/index.ts'
import { type GaussianMechanism, type RankingPrivacy, type RankingTrainer, rankingTrainer } from '../training/index.ts'
import { auditPeople, peopleConformance } from './people-audit.ts'
import { verdictOf } from './verdict.ts'

const delta = 1e-6
const privacyAt = (epsilon: number): RankingPrivacy => ({ unit: 'user', epsilon, delta, alongside: [] })
const halved: GaussianMechanism = (statistic, request) =>
  releaseGaussian(statistic, { ...request, noiseMultiplier: request.noiseMultiplier / 2 })

const audit = (trainer: RankingTrainer, epsilon: number, seed: number, canaries: number, mechanism?: GaussianMechanism) =>
  auditPeople({
    trainer,
    parameters: {},
    privacy: privacyAt(epsilon),
    canaries,
    confidence: 0.999,
    random: seededRandom(seed),
    ...(mechanism ? { mechanism } : {}),
  })

describe.each(['popularity', 'item-gram', 'dpals'])('people as canaries of %s', (name) => {
  const trainer = rankingTrainer(name)

  test('on correct code the bound stays below the claim in 20 of 20 seeded runs', { timeout: 240_000 }, async () => {
    for (let seed = 0; seed < 20; seed++) expect((await audit(trainer, 4, seed, 120)).epsilonLowerBound).toBeLessThanOrEqual(4)
  })

  test('half the noise is refuted by the bound, and the audit knew that it would see it', { timeout: 240_000 }, async () => {
    const canaries = 480
    const epsilon = 8
    const honest = await audit(trainer, epsilon, 1, canaries)
    expect(honest.power).toBeGreaterThanOrEqual(0.8)
    expect(verdictOf({ claimedEpsilon: epsilon, ...honest, conformanceFailed: false })).toBe('holds')
    expect((await audit(trainer, epsilon, 1, canaries, halved)).epsilonLowerBound).toBeGreaterThan(epsilon)
  })
})

test('at a small ε the audit says that it is inconclusive', async () => {
  const result = await audit(rankingTrainer('item-gram'), 0.1, 1, 100)
  expect(verdictOf({ claimedEpsilon: 0.1, ...result, conformanceFailed: false })).toBe('inconclusive')
})

test('a trainer without releases of its own to watch is refused', async () => {
  await expect(audit(rankingTrainer('item-fold-in'), 4, 1, 20)).rejects.toThrow('item-fold-in')
})

const conformance = async (trainer: RankingTrainer, mechanism?: GaussianMechanism, seed = 1) =>
  (
    await peopleConformance({
      trainer,
      parameters: {},
      privacy: privacyAt(4),
      random: seededRandom(seed),
      neighbours: 20,
      ...(mechanism ? { mechanism } : {}),
    })
  )
    .filter(({ passed }) => !passed)
    .map(({ name }) => name)

describe('conformance of releases of people', () => {
  test.for(['popularity', 'item-gram', 'dpals', 'content-popularity'])('%s passes every check', async (name) => {
    for (let seed = 1; seed <= 3; seed++) expect(await conformance(rankingTrainer(name), undefined, seed)).toEqual([])
  })

  /** item-gram with something done to its request or its result: bugs as somebody would write them. */
  const itemGram = rankingTrainer('item-gram')
  const withBug = (change: Pick<RankingTrainer, 'fit'>): RankingTrainer => ({ ...itemGram, ...change })

  test('half the noise fails the noise variance', async () => {
    expect(await conformance(itemGram, halved)).toContain('noise-variance (release 1)')
  })

  test('a person clipped per interaction, not as a whole, fails the sensitivity', async () => {
    // Every like comes in as a person of its own: each row has norm 1, and their owner has as many as they like.
    const bug = withBug({
      fit: (request) => {
        const { positives } = request
        const count = positives.items.length
        return itemGram.fit({
          ...request,
          positives: { ...positives, personCount: count, offsets: Uint32Array.from({ length: count + 1 }, (_, at) => at) },
        })
      },
    })
    expect(await conformance(bug)).toContain('sensitivity (release 2)')
  })

  test('head items chosen by raw counts fail the post-processing check', async () => {
    const bug = withBug({
      fit: async (request) => {
        const ranker = await itemGram.fit(request)
        const counts = new Uint32Array(request.positives.itemCount)
        for (const item of request.positives.items) counts[item]!++
        const parameters = ranker.parameters()
        const head = Float32Array.from(counts.keys()).sort((a, b) => counts[b]! - counts[a]! || a - b)
        return { ...ranker, parameters: () => ({ ...parameters, head: { shape: [head.length], data: head } }) }
      },
    })
    expect(await conformance(bug)).toContain('post-processing')
  })

  test('centring that nobody paid for fails the post-processing check', async () => {
    const bug = withBug({
      fit: async (request) => {
        const ranker = await itemGram.fit(request)
        const mean = request.positives.items.length / request.positives.personCount
        const parameters = ranker.parameters()
        const popularity = parameters.popularity!
        return {
          ...ranker,
          parameters: () => ({ ...parameters, popularity: { ...popularity, data: popularity.data.map((value) => value - mean) } }),
        }
      },
    })
    expect(await conformance(bug)).toContain('post-processing')
  })

  test('fold-in vectors saved in the release fail both checks of the file', async () => {
    const bug = withBug({
      fit: async (request) => {
        const ranker = await itemGram.fit(request)
        const { personCount, offsets } = request.positives
        const vectors = Float32Array.from({ length: personCount * 2 }, (_, at) => offsets[(at >> 1) + 1]! - offsets[at >> 1]!)
        return {
          ...ranker,
          parameters: () => ({ ...ranker.parameters(), people: { shape: [personCount, 2], data: vectors } }),
        }
      },
    })
    expect(await conformance(bug)).toEqual(['post-processing', 'no-person-vectors'])
  })

  test('a release that is drawn and not paid for fails the plan', async () => {
    const bug = withBug({
      fit: (request) => {
        let first = true
        return itemGram.fit({
          ...request,
          spend: (event) => {
            if (!first) request.spend(event)
            first = false
          },
        })
      },
    })
    expect(await conformance(bug)).toContain('planned')
  })
})
