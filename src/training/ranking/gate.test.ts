/** The gate: one vote a person, one event, inside ε, and how often it is wrong. */
import { expect, test } from 'vitest'
import { createPopularity } from '../../models/index.ts'
import { gaussianMu, type PrivacyEvent, pldAccountant } from '../../privacy/index.ts'
import { seededRandom } from '../../random/index.ts'
import {
  baselineEvent,
  decideGate,
  gateClip,
  gateErrorChance,
  gateEvent,
  gateShare,
  gateVotes,
  peopleForGate,
  popularityStage,
} from './gate.ts'

test('one person more or less moves the votes by at most 1, whatever the differences are', () => {
  const random = seededRandom(3)
  const wild = () =>
    [0, 1, -1, Infinity, -Infinity, Number.NaN, 1e308, random.nextDouble() - 0.5, gateClip * random.nextDouble()][
      Math.floor(9 * random.nextDouble())
    ] as number
  let largest = 0
  for (let pair = 0; pair < 10_000; pair++) {
    const others = Array.from({ length: Math.floor(6 * random.nextDouble()) }, wild)
    const moved = Math.abs(gateVotes([...others, wild()]) - gateVotes(others))
    expect(moved).toBeLessThanOrEqual(1 + 1e-12)
    largest = Math.max(largest, moved)
  }
  expect(largest).toBeCloseTo(1, 12)
})

test('spends its event before it draws, and a refusal ends it', () => {
  const event = gateEvent({ epsilon: 1, delta: 1e-6 })
  const order: string[] = []
  const random = {
    ...seededRandom(1),
    nextDouble() {
      order.push('draw')
      return 0.5
    },
  }
  const { noiseStdDev } = decideGate({ differences: [0.1], event, random, spend: (spent) => void order.push(spent.kind) })
  expect(order.slice(0, 2)).toEqual(['gaussian', 'draw'])
  expect(noiseStdDev).toBeCloseTo(1 / (gaussianMu({ epsilon: 1, delta: 1e-6 }) * Math.sqrt(gateShare)), 9)
  const refuse = () => {
    throw new Error('refused')
  }
  order.length = 0
  expect(() => decideGate({ differences: [0.1], event, random, spend: refuse })).toThrow('refused')
  expect(order).toEqual([])
  expect(() => decideGate({ differences: [1], event: { kind: 'pure', epsilon: 1 }, random, spend: () => {} })).toThrow(/Gaussian/)
})

test('gate, baseline and the rest of μ² compose to ε', () => {
  for (const epsilon of [0.5, 4]) {
    const target = { epsilon, delta: 1e-6 }
    const baseline = baselineEvent('bpr', target)!
    const rest = 1 - gateShare - baseline.share
    const own: PrivacyEvent = { kind: 'gaussian', noiseMultiplier: 1 / (gaussianMu(target) * Math.sqrt(rest)) }
    const price = [gateEvent(target), baseline.event, own].reduce((sum, event) => sum.compose(event), pldAccountant()).epsilon(1e-6).epsilon
    expect(price / epsilon).toBeCloseTo(1, 4)
    expect(price).toBeLessThanOrEqual(epsilon * (1 + 1e-6))
  }
  expect(
    ['item-gram', 'dpals', 'content-popularity', 'popularity'].map((model) => baselineEvent(model, { epsilon: 1, delta: 1e-6 })),
  ).toEqual([null, null, null, null])
})

test('is wrong as often as it says: 4,000 askings against the formula, false-alarm rate 1e-6', () => {
  const target = { epsilon: 1, delta: 1e-6 }
  const random = seededRandom(17)
  // Votes of +1 and −1 only: mean .1 over 300 people.
  const [people, chanceFor, askings] = [300, 0.55, 4_000]
  const stated = gateErrorChance({ ...target, people, meanVote: 2 * chanceFor - 1 })
  let wrong = 0
  for (let asking = 0; asking < askings; asking++) {
    const differences = Array.from({ length: people }, () => (random.nextDouble() < chanceFor ? 0.3 : -0.3))
    if (!decideGate({ differences, event: gateEvent(target), random, spend: () => {} }).beatsPrivatePopularity) wrong++
  }
  expect(stated).toBeGreaterThan(0.1)
  expect(Math.abs(wrong / askings - stated)).toBeLessThan(4.9 * Math.sqrt((stated * (1 - stated)) / askings) + 0.004)
})

test('states its errors: .5 without a difference, small where most people are served better', () => {
  expect(gateErrorChance({ epsilon: 1, delta: 1e-6, people: 500, meanVote: 0 })).toBeCloseTo(0.5, 12)
  expect(gateErrorChance({ epsilon: 0.5, delta: 1e-6, people: 500, meanVote: 0.19 })).toBeLessThan(0.07)
  expect(gateErrorChance({ epsilon: 1, delta: 1e-6, people: 500, meanVote: 0.47 })).toBeLessThan(1e-6)
})

test('keeps out a twentieth of the people, a hundred where a tenth allows it, at most 2,000, and somebody', () => {
  expect([5, 100, 943, 1_500, 6_040, 50_000].map(peopleForGate)).toEqual([1, 10, 94, 100, 302, 1_000])
})

test('finds the popularity that a model released as its first stage', () => {
  const model = createPopularity(Float32Array.of(3, 1))
  expect(popularityStage(model).parameters()).toEqual(model.parameters())
  expect(() => popularityStage({ ...model, parameters: () => ({}) })).toThrow(/no popularity/)
})
