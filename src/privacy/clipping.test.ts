import { describe, expect, test } from 'vitest'
import { seededRandom } from '../random/index.ts'
import { adaptiveClipStep, type ClippingPolicy, checkClipping, gradientShare, sensitivityOf } from './clipping.ts'

const adaptive = { kind: 'adaptive', initialMaxGradNorm: 2, targetQuantile: 0.5, learningRate: 0.2, countNoiseStdDev: 5 } as const

test('the sensitivity is the bound, and over blocks the root of the sum of squares', () => {
  expect(sensitivityOf({ kind: 'flat', maxGradNorm: 0.7 })).toBe(0.7)
  expect(sensitivityOf({ kind: 'automatic', maxGradNorm: 0.7, stability: 0.01 })).toBe(0.7)
  expect(sensitivityOf({ kind: 'per-block', maxGradNorms: [3, 4] })).toBe(5)
  expect(sensitivityOf(adaptive)).toBe(2)
  expect(sensitivityOf(adaptive, 0.3)).toBe(0.3)
})

describe('adaptive clipping', () => {
  test('gradients and count together cost exactly the noise multiplier of the step', () => {
    for (const z of [0.1, 0.5, 1, 2, 9.99]) {
      const gradient = gradientShare(adaptive, z)
      const count = 2 * adaptive.countNoiseStdDev
      expect((gradient ** -2 + count ** -2) ** -0.5 / z).toBeCloseTo(1, 12)
      expect(gradient).toBeGreaterThan(z)
    }
  })

  test('agrees with the split of Andrew et al.: z = 1, σ_b = 0.625 leaves z_Δ = 1.6667', () => {
    // 1/1.25² = 0.64, 1 − 0.64 = 0.36, 0.36^(−1/2) = 5/3
    expect(gradientShare({ ...adaptive, countNoiseStdDev: 0.625 }, 1)).toBeCloseTo(5 / 3, 12)
  })

  test('a count that alone costs more than the step is refused', () => {
    for (const z of [10, 11]) expect(() => gradientShare(adaptive, z)).toThrow(expect.objectContaining({ code: 'unsafe-plan' }))
    expect(gradientShare({ kind: 'flat', maxGradNorm: 1 }, 10)).toBe(10)
  })

  test('the bound finds the target quantile of gradient norms', () => {
    const random = seededRandom(1)
    let bound = 20
    // norms uniform on (0, 4): the median is 2
    for (let step = 0; step < 400; step++) {
      const unclipped = Math.round(1000 * Math.min(1, bound / 4))
      ;({ maxGradNorm: bound } = adaptiveClipStep(adaptive, bound, { unclipped, batchSize: 1000 }, 1000, random))
    }
    expect(bound).toBeGreaterThan(1.9)
    expect(bound).toBeLessThan(2.1)
  })

  test('the divisor is the expected batch: an empty batch moves the bound by noise only, a large one is not divided away', () => {
    const still = { ...adaptive, countNoiseStdDev: 1e-9 }
    const empty = adaptiveClipStep(still, 2, { unclipped: 0, batchSize: 0 }, 100, seededRandom(1))
    expect(empty.noisyUnclippedFraction).toBeCloseTo(0.5, 6)
    const large = adaptiveClipStep(still, 2, { unclipped: 200, batchSize: 200 }, 100, seededRandom(1))
    expect(large.noisyUnclippedFraction).toBeCloseTo(1.5, 6)
  })

  test('one row moves the noisy fraction by half a row, whether it was clipped or not', () => {
    const still = { ...adaptive, countNoiseStdDev: 1e-12 }
    const fraction = (unclipped: number, batchSize: number) =>
      adaptiveClipStep(still, 2, { unclipped, batchSize }, 100, seededRandom(1)).noisyUnclippedFraction
    expect(Math.abs(fraction(31, 61) - fraction(30, 60))).toBeCloseTo(0.005, 9)
    expect(Math.abs(fraction(30, 61) - fraction(30, 60))).toBeCloseTo(0.005, 9)
  })

  test('the noise on the fraction has standard deviation σ_b ÷ expected batch', () => {
    const random = seededRandom(2)
    let squares = 0
    const draws = 20_000
    for (let i = 0; i < draws; i++)
      squares += (adaptiveClipStep(adaptive, 1, { unclipped: 50, batchSize: 100 }, 100, random).noisyUnclippedFraction - 0.5) ** 2
    // relative standard error of a variance √(2/draws) = 0.01; five of them: false-alarm rate 6e-7
    expect(Math.abs(squares / draws / 0.05 ** 2 - 1)).toBeLessThan(0.05)
  })
})

test.each<[string, ClippingPolicy]>([
  ['a zero bound', { kind: 'flat', maxGradNorm: 0 }],
  ['an infinite bound', { kind: 'flat', maxGradNorm: Number.POSITIVE_INFINITY }],
  ['NaN', { kind: 'automatic', maxGradNorm: Number.NaN, stability: 0.01 }],
  ['no blocks', { kind: 'per-block', maxGradNorms: [] }],
  ['a zero in a block', { kind: 'per-block', maxGradNorms: [1, 0] }],
  ['zero stability', { kind: 'automatic', maxGradNorm: 1, stability: 0 }],
  ['a quantile of one', { ...adaptive, targetQuantile: 1 }],
  ['no noise on the count', { ...adaptive, countNoiseStdDev: 0 }],
  ['an unknown kind', { kind: 'ghost' } as unknown as ClippingPolicy],
])('%s is refused', (_, clipping) => {
  expect(() => checkClipping(clipping)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
})
