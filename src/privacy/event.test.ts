import { describe, expect, test } from 'vitest'
import { TacetError } from '../errors.ts'
import { type PrivacyEvent, parsePrivacyEvent } from './event.ts'

const everyKind: PrivacyEvent[] = [
  { kind: 'gaussian', noiseMultiplier: 1.5 },
  { kind: 'laplace', noiseMultiplier: 2 },
  { kind: 'discrete-gaussian', sigma: 3, sensitivity: 2 },
  { kind: 'discrete-laplace', parameter: 0.5, sensitivity: 1 },
  { kind: 'skellam', variance: 100, l1Sensitivity: 10, l2Sensitivity: 3 },
  { kind: 'randomized-response', noiseParameter: 0.3, buckets: 4 },
  { kind: 'exponential', epsilon: 0.5 },
  { kind: 'permute-and-flip', epsilon: 0.5 },
  { kind: 'pure', epsilon: 0 },
  { kind: 'approximate', epsilon: 1, delta: 1e-6 },
  { kind: 'zcdp', rho: 0.1 },
  { kind: 'zcdp', rho: 0.1, xi: 0.01 },
  { kind: 'poisson-sampled', sampleRate: 0.01, event: { kind: 'gaussian', noiseMultiplier: 1 } },
  { kind: 'sampled-without-replacement', datasetSize: 100, sampleSize: 10, event: { kind: 'gaussian', noiseMultiplier: 1 } },
  { kind: 'sampled-with-replacement', datasetSize: 100, sampleSize: 10, event: { kind: 'gaussian', noiseMultiplier: 1 } },
  { kind: 'mixture-of-gaussians', standardDeviation: 1, sensitivities: [0, 1], samplingProbabilities: [0.9, 0.1] },
  { kind: 'tree-aggregation', noiseMultiplier: 3, stepCounts: [10, 20] },
  { kind: 'repeated', times: 3, event: { kind: 'composed', events: [{ kind: 'non-private' }] } },
]

const codeOf = (json: unknown): string => {
  try {
    parsePrivacyEvent(json)
    return 'taken'
  } catch (error) {
    if (error instanceof TacetError) return error.code
    throw error
  }
}

describe('reading a privacy event', () => {
  test.each(everyKind)('$kind comes back as it was written', (event) => {
    expect(parsePrivacyEvent(JSON.parse(JSON.stringify(event)))).toEqual(event)
  })

  test('a kind nobody knows is unsupported, however deep it sits', () => {
    expect(codeOf({ kind: 'gaussain', noiseMultiplier: 1 })).toBe('unsupported-event')
    expect(codeOf({ kind: 'repeated', times: 2, event: { kind: 'composed', events: [{ kind: 'teleport' }] } })).toBe('unsupported-event')
    expect(codeOf({ kind: 'toString' })).toBe('unsupported-event')
  })

  test.each([
    ['no noise', { kind: 'gaussian', noiseMultiplier: 0 }],
    ['NaN', { kind: 'gaussian', noiseMultiplier: Number.NaN }],
    ['a number in quotes', { kind: 'gaussian', noiseMultiplier: '1' }],
    ['a missing field', { kind: 'laplace' }],
    ['a surplus field', { kind: 'gaussian', noiseMultiplier: 1, times: 5 }],
    ['a chance above 1', { kind: 'poisson-sampled', sampleRate: 1.1, event: { kind: 'pure', epsilon: 1 } }],
    ['half a repetition', { kind: 'repeated', times: 1.5, event: { kind: 'pure', epsilon: 1 } }],
    ['negative ε', { kind: 'pure', epsilon: -1 }],
    ['more sampled than there is', { kind: 'sampled-without-replacement', datasetSize: 5, sampleSize: 6, event: { kind: 'non-private' } }],
    [
      'chances that do not add up',
      { kind: 'mixture-of-gaussians', standardDeviation: 1, sensitivities: [0, 1], samplingProbabilities: [0.5, 0.4] },
    ],
    [
      'lists of different length',
      { kind: 'mixture-of-gaussians', standardDeviation: 1, sensitivities: [1], samplingProbabilities: [0.5, 0.5] },
    ],
    ['no steps', { kind: 'tree-aggregation', noiseMultiplier: 1, stepCounts: [] }],
    ['a list where an event belongs', { kind: 'repeated', times: 1, event: [] }],
    ['null', null],
  ])('refuses %s', (_, json) => {
    expect(codeOf(json)).toBe('invalid-argument')
  })

  test('refuses events that nest without end', () => {
    let event: unknown = { kind: 'pure', epsilon: 1 }
    for (let i = 0; i < 300; i++) event = { kind: 'repeated', times: 1, event }
    expect(codeOf(event)).toBe('invalid-argument')
  })
})
