import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../random/index.ts'
import { gaussianEpsilon } from './gaussian.ts'
import { drawTrials, expectedTrials, priceRandomSearch, trialChance, trialsOfMean } from './random-search.ts'

const gaussian = (noiseMultiplier: number) => ({ kind: 'gaussian', noiseMultiplier }) as const

describe('the number of trials', () => {
  test.for([-0.5, 0, 0.5, 1, 2])('has its chances and its mean at η = %f', (eta) => {
    const count = { eta, gamma: 0.05 }
    const chances = Array.from({ length: 3000 }, (_, at) => trialChance(count, at + 1))
    expect(chances.reduce((sum, chance) => sum + chance, 0)).toBeCloseTo(1, 8)
    expect(chances.reduce((sum, chance, at) => sum + chance * (at + 1), 0)).toBeCloseTo(expectedTrials(count), 6)
  })

  test('is geometric at η = 1', () => {
    expect(expectedTrials({ eta: 1, gamma: 0.1 })).toBeCloseTo(10, 12)
    expect(trialChance({ eta: 1, gamma: 0.1 }, 3)).toBeCloseTo(0.1 * 0.9 ** 2, 12)
  })

  test('can be asked for by its mean', () => {
    fc.assert(
      fc.property(fc.double({ min: 1.1, max: 500, noNaN: true }), fc.double({ min: -0.9, max: 2, noNaN: true }), (mean, eta) => {
        expect(expectedTrials(trialsOfMean(mean, eta)) / mean).toBeCloseTo(1, 4)
      }),
      { numRuns: 200, seed: 5 },
    )
  })

  test('is drawn with its chances (χ² over 20,000 draws, false-alarm rate 1e-6)', () => {
    const count = trialsOfMean(4, 0)
    const random = seededRandom(3)
    const drawn = new Array<number>(10).fill(0)
    const n = 20_000
    for (let at = 0; at < n; at++) drawn[Math.min(9, drawTrials(count, random) - 1)]!++
    const expected = Array.from({ length: 9 }, (_, at) => n * trialChance(count, at + 1))
    expected.push(n - expected.reduce((sum, value) => sum + value, 0))
    const statistic = drawn.reduce((sum, value, at) => sum + (value - expected[at]!) ** 2 / expected[at]!, 0)
    // χ² with 9 degrees of freedom exceeds 45.1 with a chance of 9e-7.
    expect(statistic).toBeLessThan(45.1)
  })
})

describe('the price', () => {
  const delta = 1e-6

  /**
   * A plain reading of Theorem 2 on a Gaussian trial, whose curve is λ/(2σ²): nested search over both orders on a fine grid.
   */
  function byHand(sigma: number, eta: number, gamma: number): number {
    const mean = Math.log(expectedTrials({ eta, gamma }))
    let best = Number.POSITIVE_INFINITY
    for (let a = 1.02; a < 400; a *= 1.01)
      for (let b = 1.02; b < 400; b *= 1.01) {
        const rdp = a / (2 * sigma ** 2) + (1 + eta) * ((1 - 1 / b) * (b / (2 * sigma ** 2)) + Math.log(1 / gamma) / b) + mean / (a - 1)
        best = Math.min(best, rdp + Math.log(1 - 1 / a) - Math.log(delta * a) / (a - 1))
      }
    return best
  }

  test.for<[number, number, number]>([
    [4, 0, 0.1],
    [4, 1, 0.1],
    [10, 0, 0.01],
    [2, 0.5, 0.2],
  ])('is that of the theorem: σ = %f, η = %f, γ = %f', ([sigma, eta, gamma]) => {
    const { epsilon } = priceRandomSearch({ trial: gaussian(sigma), count: { eta, gamma }, delta })
    expect(epsilon / byHand(sigma, eta, gamma)).toBeCloseTo(1, 2)
  })

  test('is more than that of one trial, and less than that of as many as are expected', () => {
    const trial = gaussian(5)
    const count = trialsOfMean(20)
    const { epsilon } = priceRandomSearch({ trial, count, delta })
    expect(epsilon).toBeGreaterThan(gaussianEpsilon({ mu: 1 / 5, delta }))
    expect(epsilon).toBeLessThan(gaussianEpsilon({ mu: Math.sqrt(20) / 5, delta }))
  })

  test('grows with the number of trials and falls with the noise', () => {
    const price = (sigma: number, mean: number) => priceRandomSearch({ trial: gaussian(sigma), count: trialsOfMean(mean), delta }).epsilon
    for (const mean of [2, 5, 20]) expect(price(5, mean * 2)).toBeGreaterThan(price(5, mean))
    for (const sigma of [2, 5, 20]) expect(price(sigma * 2, 8)).toBeLessThan(price(sigma, 8))
  })

  test('has none for a trial that may reveal everything', () => {
    const trial = { kind: 'approximate', epsilon: 1, delta: 1e-7 } as const
    expect(() => priceRandomSearch({ trial, count: trialsOfMean(5), delta })).toThrow('reveals everything')
  })
})
