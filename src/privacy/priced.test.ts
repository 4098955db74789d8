import { describe, expect, test } from 'vitest'
import { pldAccountant } from './accounting/pld.ts'
import { rdpAccountant } from './accounting/rdp.ts'
import { type PrivacyEvent, parsePrivacyEvent } from './event.ts'
import { discreteGaussianEvent } from './mechanisms/discrete-gaussian.ts'
import { discreteLaplaceEvent } from './mechanisms/discrete-laplace.ts'
import { noiseParameterFor, randomizedResponseEvent } from './mechanisms/randomized-response.ts'
import { partitionSelectionEvent, planPartitionSelection } from './partition-selection.ts'
import { personEvent, planDpSgd, planEvent } from './plan.ts'

// What mechanisms and plans spend must be what the accountants can price: an event nobody can bound is an error at the worst moment.
const clipping = { kind: 'flat', maxGradNorm: 1 } as const
const ml1m = (noiseMultiplier: number) =>
  planDpSgd({ privacyUnit: 'rating', datasetSize: 800_167, expectedBatchSize: 512, epochs: 5, noiseMultiplier, delta: 1e-5, clipping })
const pld = (event: PrivacyEvent, delta = 1e-5) => pldAccountant('add-or-remove-one').compose(event).epsilon(delta)

test.each<[string, 'add-or-remove-one' | 'replace-one', PrivacyEvent]>([
  ['a plan', 'add-or-remove-one', planEvent(ml1m(3), 0, 100)],
  [
    'a plan with schedules and a full batch',
    'add-or-remove-one',
    planEvent(
      planDpSgd({
        privacyUnit: 'user',
        datasetSize: 1000,
        sampleRate: [0.1, 0.1, 1],
        steps: 3,
        noiseMultiplier: [2, 3, 4],
        delta: 1e-5,
        clipping,
      }),
      0,
      3,
    ),
  ],
  ['a person in a plan', 'add-or-remove-one', personEvent(ml1m(3), 3, 0, 10)],
  ['discrete Gaussian counts', 'add-or-remove-one', discreteGaussianEvent({ sigma: 3, sensitivity: 1, maxCoordinates: 5 })],
  ['discrete Laplace counts', 'add-or-remove-one', discreteLaplaceEvent({ parameter: 0.3, sensitivity: 2, maxCoordinates: 3 })],
  ['a randomised answer', 'replace-one', randomizedResponseEvent({ noiseParameter: noiseParameterFor(1, 5), buckets: 5 })],
  [
    'a partition selection',
    'add-or-remove-one',
    partitionSelectionEvent(planPartitionSelection({ privacyUnit: 'user', maxPartitionsPerUnit: 10, sigma: 20, thresholdDelta: 1e-6 })),
  ],
  ['a choice by the exponential mechanism', 'add-or-remove-one', { kind: 'exponential', epsilon: 0.5 }],
  ['a choice by permute-and-flip', 'add-or-remove-one', { kind: 'permute-and-flip', epsilon: 0.5 }],
])('%s is priced by both accountants, also after a round trip through JSON, RDP never below the PLD', (_, relation, event) => {
  const stored = parsePrivacyEvent(JSON.parse(JSON.stringify(event)))
  expect(stored).toEqual(event)
  const near = pldAccountant(relation).compose(stored).epsilon(1e-5)
  const bound = rdpAccountant(relation).compose(stored).epsilon(1e-5)
  expect(near.epsilon).toBeGreaterThan(0)
  expect(near.epsilon).toBeLessThanOrEqual(bound.epsilon * 1.001)
  expect(bound.epsilon).toBeLessThan(20)
})

describe('a person of k ratings in the ML-1M plan (figures of an independent computation with dp_accounting)', () => {
  test.each([
    [16, 3, 1.18],
    [77, 3, 7.08],
    [132, 3, 13.7],
    [1851, 3, 805],
    [77, 5, 3.8],
  ])('k = %d at σ = %d costs %d', (ratings, sigma, epsilon) => {
    expect(pld(personEvent(ml1m(sigma), ratings)).epsilon / epsilon).toBeCloseTo(1, 1.6)
  })

  test('never costs less with more ratings', () => {
    let last = pld(planEvent(ml1m(5), 0, 500)).epsilon
    for (const ratings of [2, 5, 20, 200]) {
      const next = pld(personEvent(ml1m(5), ratings, 0, 500)).epsilon
      expect(next).toBeGreaterThan(last)
      last = next
    }
  })
})

test('randomised response costs what it was made for', () => {
  const event = randomizedResponseEvent({ noiseParameter: noiseParameterFor(1.25, 7), buckets: 7 })
  const { epsilon } = pldAccountant('replace-one').compose(event).epsilon(0)
  expect(epsilon).toBeCloseTo(1.25, 9)
  expect(epsilon).toBeLessThanOrEqual(1.25 * (1 + 1e-12))
})
