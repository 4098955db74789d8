/** The gate: how far one person can move it, what it costs, how often it errs, and when it need not ask. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { positivesFrom, type RankedPeople } from '../../data/index.ts'
import { createPopularity, type Person, type Ranker } from '../../models/index.ts'
import { gaussianMu, type PrivacyEvent, pldAccountant } from '../../privacy/index.ts'
import { type RandomSource, seededRandom } from '../../random/index.ts'
import { gateVotes } from '../../training/index.ts'
import { askGate, differencesOf, type GatePlan, gateOf } from './gate.ts'

const itemCount = 40
const popularity = createPopularity(Float32Array.from({ length: itemCount }, (_, item) => itemCount - item))
/** Ranks first what has the parity of the history's first item; by popularity inside a parity. */
const taste: Ranker = {
  ...popularity,
  name: 'taste',
  foldsIn: true,
  scoreAll(people: readonly Person[], out: Float32Array) {
    for (const [at, { history }] of people.entries())
      for (let item = 0; item < itemCount; item++)
        out[at * itemCount + item] = (history.length > 0 && item % 2 === (history[0] as number) % 2 ? 1_000 : 0) + itemCount - item
  },
  parameters: () => ({ taste: { shape: [1], data: Float32Array.of(1) } }),
}

function peopleOf(list: readonly { readonly history: readonly number[]; readonly relevant: readonly number[] }[]): RankedPeople {
  const history = positivesFrom(
    list.map((person) => person.history),
    itemCount,
  )
  return {
    users: Uint32Array.from(list.keys()),
    history,
    seen: history,
    relevant: positivesFrom(
      list.map((person) => person.relevant),
      itemCount,
    ),
    strangers: true,
  }
}

/** What is released with noise. */
const sumOfVotes = (people: RankedPeople) => gateVotes(differencesOf(taste, popularity, people))
const plan = gateOf({ privacy: { unit: 'user', epsilon: 2, delta: 1e-6 }, model: 'item-gram' }, 2_000) as GatePlan
const ask = (model: Ranker, people: RankedPeople, random: RandomSource, keepAnyway = false) => {
  const spent: PrivacyEvent[] = []
  const report = askGate(plan, {
    model,
    baseline: popularity,
    people,
    random,
    spend: (event) => void spent.push(event),
    keepAnyway,
    delta: 1e-6,
  })
  return { report, spent }
}
/** `count` people who like `own` of the parity of their history, or of the other one. */
const crowd = (count: number, loyal: boolean) =>
  peopleOf(Array.from({ length: count }, () => ({ history: [1, 3, 5], relevant: loyal ? [21, 23, 25] : [0, 2, 4] })))

describe('one person', () => {
  const distinct = (most: number) => fc.uniqueArray(fc.integer({ min: 0, max: itemCount - 1 }), { minLength: 0, maxLength: most })
  const person = fc
    .tuple(fc.oneof(distinct(6), distinct(itemCount - 1)), fc.oneof(distinct(4), distinct(itemCount)))
    .map(([history, looked]) => ({ history, relevant: looked.filter((item) => !history.includes(item)) }))
    .filter(({ relevant }) => relevant.length > 0)

  test('moves the sum by at most one, whatever they liked: 10,000 people, everything, one thing and the least popular among them', () => {
    fc.assert(
      fc.property(person, (one) => {
        const term = sumOfVotes(peopleOf([one]))
        expect(Math.abs(term)).toBeLessThanOrEqual(1)
      }),
      { numRuns: 10_000, seed: 4 },
    )
    expect(Math.abs(sumOfVotes(crowd(1, true)))).toBe(1)
    expect(sumOfVotes(crowd(1, false))).toBe(-1)
  })

  test('adds to the sum of the others, and changes nobody else’s term', () => {
    fc.assert(
      fc.property(fc.array(person, { minLength: 1, maxLength: 12 }), (list) => {
        const apart = list.reduce((sum, one) => sum + sumOfVotes(peopleOf([one])), 0)
        expect(sumOfVotes(peopleOf(list))).toBeCloseTo(apart, 9)
      }),
      { numRuns: 200, seed: 5 },
    )
  })
})

test('the comparison takes 2 % of μ², is spent before the answer, and only once', () => {
  const mu = gaussianMu({ epsilon: 2, delta: 1e-6 })
  expect(plan.event).toEqual({ kind: 'gaussian', noiseMultiplier: 1 / (mu * Math.sqrt(0.02)) })
  const { report, spent } = ask(taste, crowd(300, true), seededRandom(1))
  expect(spent).toEqual([plan.event])
  expect(report.epsilon).toBeCloseTo(pldAccountant().compose(plan.event).epsilon(1e-6).epsilon, 9)
  let drawn = 0
  const refusing = () => {
    throw new Error('refused')
  }
  const watched = { ...seededRandom(1), fill: () => drawn++ } as unknown as RandomSource
  expect(() =>
    askGate(plan, {
      model: taste,
      baseline: popularity,
      people: crowd(5, true),
      random: watched,
      spend: refusing,
      keepAnyway: false,
      delta: 1e-6,
    }),
  ).toThrow('refused')
  expect(drawn).toBe(0)
})

test('the baseline spends its share and no more, where its ε alone would be 0 too', () => {
  for (const [epsilon, delta] of [
    [2, 1e-6],
    [0.01, 0.01],
  ] as const) {
    const { baseline, alongside } = gateOf({ privacy: { unit: 'user', epsilon, delta }, model: 'bpr' }, 2_000) as GatePlan
    const [, planned] = alongside as readonly { readonly noiseMultiplier?: number }[]
    expect(gaussianMu(baseline as NonNullable<typeof baseline>) * (planned?.noiseMultiplier as number)).toBeCloseTo(1, 6)
  }
})

test('a model that everybody is better off with is kept, one that everybody is worse off with is not (each wrong less than once in a million)', () => {
  // 300 people are 19 standard deviations of the noise from zero, where the verdict turns.
  for (let seed = 0; seed < 40; seed++) {
    expect(ask(taste, crowd(300, true), seededRandom(seed)).report).toMatchObject({ beatsPrivatePopularity: true, saved: 'taste' })
    expect(ask(taste, crowd(300, false), seededRandom(seed)).report).toMatchObject({
      beatsPrivatePopularity: false,
      saved: 'popularity',
      kept: false,
    })
  }
  expect(ask(taste, crowd(300, false), seededRandom(1), true).report).toMatchObject({ beatsPrivatePopularity: false, saved: 'taste' })
})

test('a model that lists as popularity does is popularity: nothing is asked, and nothing is spent', () => {
  const disguised = { ...popularity, name: 'item-gram' }
  const { report, spent } = ask(disguised, crowd(300, true), seededRandom(1))
  expect(spent).toEqual([])
  expect(report).toMatchObject({ beatsPrivatePopularity: false, saved: 'popularity', kept: false, event: null, epsilon: 0 })
})
