/** Personal budgets by sampling: rates by level, what they cost, and who is really drawn. */
import { describe, expect, test } from 'vitest'
import { positivesFrom } from '../../data/index.ts'
import { type PrivacyEvent, pldAccountant } from '../../privacy/index.ts'
import { seededRandom } from '../../random/index.ts'
import { atRate, levelRates, levelScales, personScales } from './personal-budgets.ts'
import { rankingTrainer, resolveParameters } from './registry.ts'
import { exactSteps, type PersonObjective, planPersonSteps } from './user-dp-sgd.ts'

const delta = 1e-6
const levels = [1, 2, 4]
const priceOf = (events: readonly PrivacyEvent[]) =>
  events.reduce((accountant, event) => accountant.compose(event), pldAccountant()).epsilon(delta).epsilon

describe('rates by level', () => {
  test.for<[string, PrivacyEvent, number]>([
    ['full batches', { kind: 'repeated', times: 16, event: { kind: 'gaussian', noiseMultiplier: 5 } }, 1],
    [
      'Poisson batches',
      {
        kind: 'repeated',
        times: 100,
        event: { kind: 'poisson-sampled', sampleRate: 0.1, event: { kind: 'gaussian', noiseMultiplier: 1.6 } },
      },
      0.1,
    ],
  ])('%s: each level stays within its ε and uses nearly all of it; the highest has the plan itself', ([_name, steps, sampleRate]) => {
    const beside: PrivacyEvent[] = [{ kind: 'gaussian', noiseMultiplier: 6 }]
    const rates = levelRates(levels, { delta, steps, sampleRate, beside })
    const scales = levelScales(levels, delta)
    expect(rates.at(-1)).toBe(sampleRate)
    for (const [at, level] of levels.slice(0, -1).entries()) {
      const spent = priceOf([{ kind: 'gaussian', noiseMultiplier: 6 / scales[at]! }, atRate(steps, rates[at]!)])
      expect(spent).toBeLessThanOrEqual(level)
      expect(spent).toBeGreaterThan(0.95 * level)
      expect(rates[at]).toBeLessThan(rates[at + 1]!)
    }
  })

  test('steps of another kind have no rate', () => {
    expect(() => atRate({ kind: 'laplace', noiseMultiplier: 1 }, 0.5)).toThrow('cannot be sampled by level')
  })
})

describe('who is drawn', () => {
  const people = 60
  const seen = new Uint32Array(people)
  /** Counts who contributes: each person has one item, their own number. */
  const objective: PersonObjective = {
    tables: [{ name: 'items', rows: people, width: 1 }],
    addGradient({ history }, into) {
      seen[history[0] as number]!++
      const at = into.row(0, history[0] as number)
      into.values[at] = 1
    },
  }
  const likes = positivesFrom(
    Array.from({ length: people }, (_, person) => [person]),
    people,
  )

  test('each person with their own rate (χ² over 4,000 steps, false-alarm rate 1e-6)', () => {
    const steps = 4000
    const plan = planPersonSteps({
      model: 'test',
      sampling: 'people',
      personCount: people,
      interactionsPerPerson: 1,
      sampleRate: 0.2,
      steps,
      clipping: { kind: 'flat', maxGradNorm: 1 },
      privacy: { unit: 'user', epsilon: 8, delta, alongside: [] },
    })
    const keep = Float64Array.from({ length: people }, (_, person) => [1, 0.5, 0.1][person % 3] as number)
    for (const _ of exactSteps({ objective, likes, plan, random: seededRandom(5), keep }));
    let statistic = 0
    for (const [person, chance] of keep.entries()) {
      const rate = 0.2 * chance
      statistic += (seen[person]! - steps * rate) ** 2 / (steps * rate * (1 - rate))
    }
    // χ² with 60 degrees of freedom is above 131 with a chance below 1e-6.
    expect(statistic).toBeLessThan(131)
    expect(() => [...exactSteps({ objective, likes, plan, random: seededRandom(5), keep: keep.fill(0) })]).toThrow('kept in their steps')
  })
})

describe('item-fold-in', () => {
  const trainer = rankingTrainer('item-fold-in')
  const random = seededRandom(3)
  const personCount = 400
  const itemCount = 60
  const positives = positivesFrom(
    Array.from({ length: personCount }, (_, person) => {
      const own = new Set<number>()
      while (own.size < 9) own.add(2 * Math.floor(random.nextDouble() * 30) + (random.nextDouble() < 0.9 ? person % 2 : 1 - (person % 2)))
      return [...own]
    }),
    itemCount,
  )
  const privacy = { unit: 'user', epsilon: 4, delta, alongside: [{ kind: 'gaussian', noiseMultiplier: 9 }] } as const
  const fitWith = async (levelOf: Uint8Array | null, parameters = {}) => {
    const spent: PrivacyEvent[] = []
    const personBudgets = levelOf === null ? undefined : { levels, levelOf }
    const ranker = await trainer.fit({
      positives,
      itemTable: null,
      parameters: resolveParameters(trainer, parameters),
      privacy,
      random: seededRandom(1),
      spend: (event) => void spent.push(event),
      personBudgets,
      personScale: personBudgets && personScales(personBudgets, delta),
    })
    return { parameters: ranker.parameters(), spent }
  }

  test('is the same to the bit where everybody has the highest level, and another where somebody has not; events never move', async () => {
    const plain = await fitWith(null)
    const highest = await fitWith(new Uint8Array(personCount).fill(2))
    expect(highest.parameters).toEqual(plain.parameters)
    const mixed = await fitWith(Uint8Array.from({ length: personCount }, (_, person) => person % 3))
    expect(mixed.parameters).not.toEqual(plain.parameters)
    expect(mixed.spent).toEqual(plain.spent)
  })

  test('says beforehand what each level spends, within its ε with what lies alongside', () => {
    const scales = levelScales(levels, delta)
    const own = trainer.levelEvents?.({ parameters: resolveParameters(trainer, {}), privacy, personCount, itemCount, levels }) ?? []
    expect(own).toHaveLength(levels.length)
    for (const [at, level] of levels.entries()) {
      const spent = priceOf([...own[at]!, { kind: 'gaussian', noiseMultiplier: 9 / scales[at]! }])
      expect(spent).toBeLessThanOrEqual(level * (1 + 1e-9))
      expect(spent).toBeGreaterThan(0.95 * level)
    }
  })

  test('refuses levels where interactions are sampled, before it spends', async () => {
    await expect(fitWith(new Uint8Array(personCount), { sampling: 2 })).rejects.toThrow('personal budgets sample people')
  })
})
