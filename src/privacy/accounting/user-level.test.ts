/**
 * The two ways to a promise to whole people, rows sampled (ELS) or people sampled (ULS), against figures worked out elsewhere with a PLD
 * accountant (mixtures of Gaussians for a person who holds several of the sampled rows). Printed there to three digits, compared to 1 %.
 */
import { describe, expect, test } from 'vitest'
import { priceDpSgd } from './price.ts'

describe('rows are sampled: 800,167 ratings, batches of 512 expected, 7,814 steps, δ = 1e-5', () => {
  const plan = { sampleRate: 512 / 800_167, steps: 7_814, delta: 1e-5 }
  test.for<[rows: number, noiseMultiplier: number, epsilon: number]>([
    [16, 1, 5.61],
    [16, 3, 1.18],
    [16, 5, 0.66],
    [20, 1, 7.29],
    [20, 5, 0.84],
    [77, 1, 41.2],
    [77, 3, 7.08],
    [77, 5, 3.8],
    [132, 3, 13.7],
    [132, 5, 7.14],
    [132, 1, 90],
    [1851, 3, 805],
    [1851, 5, 315],
  ])('a person with %i ratings at σ = %f: ε = %f', ([maxExamplesPerUser, noiseMultiplier, epsilon]) => {
    const price = priceDpSgd({ ...plan, maxExamplesPerUser, noiseMultiplier })
    expect(price.privacyUnit).toBe('user')
    expect(Math.abs(price.epsilon / epsilon - 1)).toBeLessThan(0.01)
  })
})

describe('people are sampled: the noise for an ε at δ = 1e-5', () => {
  const epsilons = [0.5, 1, 2, 4, 8]
  test.for<[sampleRate: number, steps: number, noiseMultipliers: number[]]>([
    [0.1, 200, [10.08, 5.43, 3.01, 1.76, 1.13]],
    [0.05, 500, [7.98, 4.3, 2.4, 1.45, 0.97]],
    [1, 20, [31.4, 16.7, 8.92, 4.84, 2.68]],
  ])('q = %f, T = %i', ([sampleRate, steps, noiseMultipliers]) => {
    for (const [at, targetEpsilon] of epsilons.entries()) {
      const price = priceDpSgd({ sampleRate, steps, delta: 1e-5, targetEpsilon, privacyUnit: 'user' })
      expect(price.privacyUnit).toBe('user')
      expect(price.epsilon).toBeLessThanOrEqual(targetEpsilon)
      expect(Math.abs(price.noiseMultiplier / (noiseMultipliers[at] as number) - 1)).toBeLessThan(0.01)
    }
  })
})

test('a rating is not priced by what a person holds, and no other unit is known', () => {
  const plan = { sampleRate: 0.1, steps: 10, delta: 1e-5, noiseMultiplier: 2 }
  expect(() => priceDpSgd({ ...plan, privacyUnit: 'rating', maxExamplesPerUser: 5 })).toThrow('maxExamplesPerUser')
  expect(() => priceDpSgd({ ...plan, privacyUnit: 'household' as 'user' })).toThrow('household')
})
