/** Prices by PLD against published rows and against direct calculations that share no code with it. */
import { describe, expect, test } from 'vitest'
import type { NeighboringRelation, PrivacyEvent } from '../event.ts'
import { pldAccountant } from './pld.ts'
import { priceDpSgd } from './price.ts'
import { normalCdf } from './special.ts'

const rate = 512 / 800167
const sampled = (noiseMultiplier: number, sampleRate = rate): PrivacyEvent => ({
  kind: 'poisson-sampled',
  sampleRate,
  event: { kind: 'gaussian', noiseMultiplier },
})
const price = (event: PrivacyEvent, times: number, delta = 1e-5, relation: NeighboringRelation = 'add-or-remove-one') =>
  pldAccountant(relation).compose(event, times).epsilon(delta) as { epsilon: number; epsilonLower: number }

describe('seed 000 by PLD', () => {
  test('the five rows, never below by more than 0.1 %, with a lower bound within 0.1 %', () => {
    for (const [i, expected] of [0.25689, 0.09303, 0.05703, 0.04087, 0.03168].entries()) {
      const { epsilon, epsilonLower } = price(sampled(i + 1), 7814)
      expect(epsilon / expected).toBeGreaterThan(0.999)
      expect(epsilon / expected).toBeLessThan(1.002)
      expect(epsilonLower / epsilon).toBeGreaterThan(0.999)
    }
  })

  test('under replacement', () => {
    for (const [i, expected] of [0.4261, 0.1845, 0.1183, 0.0866, 0.0681].entries()) {
      // The published figures come from a grid of 1e-4, which adds up to 1.5 % here.
      const { epsilon } = price(sampled(i + 1), 7814, 1e-5, 'replace-one')
      expect(epsilon / expected).toBeGreaterThan(0.98)
      expect(epsilon / expected).toBeLessThan(1.001)
    }
  })

  test.each([
    [77, 1, 41.2],
    [77, 5, 3.8],
    [16, 3, 1.18],
    [1851, 1, 7975],
    [1851, 5, 315],
  ])('a person with %d rows at σ = %d', (maxExamplesPerUser, noiseMultiplier, expected) => {
    const { epsilon, privacyUnit } = priceDpSgd({ noiseMultiplier, sampleRate: rate, steps: 7814, delta: 1e-5, maxExamplesPerUser })
    expect(Math.abs(epsilon / expected - 1)).toBeLessThan(0.004)
    expect(privacyUnit).toBe('user')
  })
})

/** Inverse of a growing function by bisection. */
function root(f: (z: number) => number, target: number, low: number, high: number): number {
  for (let i = 0; i < 55; i++) {
    const middle = (low + high) / 2
    if (f(middle) < target) low = middle
    else high = middle
  }
  return (low + high) / 2
}

describe('against direct calculation', () => {
  test('two Poisson-sampled Gaussian steps: a double integral', () => {
    for (const [q, sigma, delta] of [
      [0.1, 1, 1e-5],
      [0.3, 0.6, 1e-3],
      [0.5, 2, 1e-6],
    ] as const) {
      const loss = (z: number) => Math.log1p(q * Math.expm1((2 * z - 1) / (2 * sigma * sigma)))
      const density = (z: number) => Math.exp((-z * z) / (2 * sigma * sigma)) / (sigma * Math.sqrt(2 * Math.PI))
      /** H(P‖Q)(eˣ), or with P and Q exchanged, by the crossing of the loss. */
      const divergence = (x: number, removed: boolean) => {
        if (removed) {
          if (x <= Math.log1p(-q)) return 1 - Math.exp(x)
          const z = root(loss, x, -100, 400)
          return (1 - q) * normalCdf(-z / sigma) + q * normalCdf((1 - z) / sigma) - Math.exp(x) * normalCdf(-z / sigma)
        }
        if (-x <= Math.log1p(-q)) return 0
        const z = root(loss, -x, -100, 400)
        return normalCdf(z / sigma) - Math.exp(x) * ((1 - q) * normalCdf(z / sigma) + q * normalCdf((z - 1) / sigma))
      }
      const twice = (epsilon: number, removed: boolean) => {
        let sum = 0
        const step = 0.02 * sigma
        for (let z = -12 * sigma; z < 1 + 14 * sigma; z += step) {
          const weight = removed ? density(z) * (1 - q) + q * density(z - 1) : density(z)
          sum += weight * divergence(epsilon - (removed ? loss(z) : -loss(z)), removed)
        }
        return sum * step
      }
      const delta2 = (epsilon: number) => Math.max(twice(epsilon, true), twice(epsilon, false))
      let [low, high] = [0, 30]
      for (let i = 0; i < 18; i++) {
        const middle = (low + high) / 2
        if (delta2(middle) > delta) low = middle
        else high = middle
      }
      const { epsilon, epsilonLower } = price(sampled(sigma, q), 2, delta)
      expect(epsilon).toBeGreaterThan(low * (1 - 1e-4))
      expect(epsilon).toBeLessThan(high * (1 + 1e-4))
      expect(epsilonLower).toBeLessThan(high * (1 + 1e-4))
      expect(epsilonLower).toBeGreaterThan(low * (1 - 2e-3))
    }
  })

  test('ε-DP twenty times over: a sum of binomial terms, to ten digits, at every δ', () => {
    const [each, times] = [0.3, 20]
    const p = 1 / (1 + Math.exp(-each))
    const exact = (epsilon: number) => {
      let sum = 0
      let binomial = 1
      for (let k = 0; k <= times; k++) {
        const loss = (2 * k - times) * each
        if (loss > epsilon) sum += binomial * p ** k * (1 - p) ** (times - k) * -Math.expm1(epsilon - loss)
        binomial *= (times - k) / (k + 1)
      }
      return sum
    }
    const accountant = pldAccountant().compose({ kind: 'pure', epsilon: each }, times)
    for (const epsilon of [0, 0.5, 1.5, 2.95, 4, 5.9]) {
      expect(Math.abs(accountant.delta(epsilon) / exact(epsilon) - 1)).toBeLessThan(1e-8)
      const found = accountant.epsilon(exact(epsilon))
      expect(Math.abs(found.epsilon - epsilon)).toBeLessThan(1e-6)
      expect(found.epsilonLower).toBeLessThanOrEqual(found.epsilon)
      expect(found.epsilonLower).toBeGreaterThan(epsilon - 1e-6)
    }
    expect(accountant.delta(6.1)).toBe(0)
    expect(accountant.delta(6)).toBe(0)
    expect(accountant.epsilon(0).epsilon).toBeCloseTo(6, 12)
  })

  test('many Gaussian steps on a grid agree with the closed form down to δ = 1e-15', () => {
    // Two mixtures that are Gaussians in all but name (a chance of 1e-13 elsewhere) are composed on the grid.
    const event: PrivacyEvent = {
      kind: 'mixture-of-gaussians',
      standardDeviation: 20,
      sensitivities: [1, 1.0000001],
      samplingProbabilities: [0.5, 0.5],
    }
    for (const delta of [1e-3, 1e-6, 1e-10, 1e-15]) {
      const exact = pldAccountant().compose({ kind: 'gaussian', noiseMultiplier: 20 }, 100).epsilon(delta).epsilon
      const { epsilon, epsilonLower } = price(event, 100, delta)
      expect(epsilon / exact).toBeGreaterThan(1 - 1e-6)
      expect(epsilon / exact).toBeLessThan(1 + 5e-4)
      expect(epsilonLower / exact).toBeLessThan(1 + 1e-6)
      expect(epsilonLower / exact).toBeGreaterThan(1 - 5e-3)
    }
  })

  test('a mixture of two points is Poisson sampling', () => {
    const mixture: PrivacyEvent = {
      kind: 'mixture-of-gaussians',
      standardDeviation: 2,
      sensitivities: [0, 2],
      samplingProbabilities: [0.95, 0.05],
    }
    expect(price(mixture, 200).epsilon).toBeCloseTo(price(sampled(1, 0.05), 200).epsilon, 3)
  })

  test('different releases together cost more than either and less than their sum', () => {
    const [a, b]: PrivacyEvent[] = [sampled(1, 0.02), { kind: 'laplace', noiseMultiplier: 4 }]
    const both = pldAccountant().compose(a!, 300).compose(b!, 5).epsilon(1e-5).epsilon
    const [alone, other] = [price(a!, 300).epsilon, price(b!, 5).epsilon]
    expect(both).toBeGreaterThan(Math.max(alone, other))
    expect(both).toBeLessThan(alone + other)
  })

  test('a schedule with its own σ at each of hundreds of steps is priced in bins: on the safe side, within a few per cent', () => {
    const schedule = (steps: number, sigma: (share: number) => number): PrivacyEvent => ({
      kind: 'composed',
      events: Array.from({ length: steps }, (_, i) => sampled(sigma(i / steps), 0.01)),
    })
    // 150 different σ, in bins, against every second of them twice: once on the dear side, once on the cheap one, both exact.
    const { epsilon, epsilonLower } = price(
      schedule(150, (share) => 1 + 0.1 * share),
      1,
    )
    const dear = price(
      schedule(75, (share) => 1 + 0.1 * share),
      2,
    )
    const cheap = price(
      schedule(75, (share) => 1 + 0.1 * (share + 1 / 150)),
      2,
    )
    expect(epsilonLower).toBeLessThanOrEqual(dear.epsilon)
    expect(epsilon).toBeGreaterThanOrEqual(cheap.epsilonLower)
    expect(epsilonLower / epsilon).toBeGreaterThan(0.97)
    expect(epsilon / dear.epsilon).toBeLessThan(1.02)
  })

  test('what reveals everything with a chance above δ has no ε, whatever stands beside it, and says so without a grid', () => {
    const gaussian: PrivacyEvent = { kind: 'gaussian', noiseMultiplier: 1 }
    const beside = (delta: number) =>
      pldAccountant().compose({ kind: 'composed', events: [gaussian, { kind: 'approximate', epsilon: 0, delta }] })
    for (const delta of [1, 0.5, 1.1e-5]) expect(beside(delta).epsilon(1e-5)).toEqual({ epsilon: Infinity, epsilonLower: Infinity })
    expect(beside(1).delta(3)).toBe(1)
    expect(beside(0.9e-5).epsilon(1e-5).epsilon).toBeLessThan(10)
  })

  test('tree aggregation is the Gaussian of its depth', () => {
    const tree = pldAccountant('replace-special').compose({ kind: 'tree-aggregation', noiseMultiplier: 4, stepCounts: [7, 8] })
    expect(tree.mu).toBeCloseTo(Math.sqrt(4) / 4, 14)
  })

  test('a planted half of the noise is not taken for the whole', () => {
    expect(price(sampled(0.5), 7814).epsilon).toBeGreaterThan(10 * price(sampled(1), 7814).epsilon)
  })

  test('in one relation the sensitivity is twice that of another', () => {
    const at = (relation: NeighboringRelation, noiseMultiplier: number) =>
      price({ kind: 'gaussian', noiseMultiplier }, 3, 1e-5, relation).epsilon
    expect(at('replace-one', 4)).toBeCloseTo(at('add-or-remove-one', 2), 12)
    expect(at('replace-special', 2)).toBe(at('add-or-remove-one', 2))
    // Sampled replacement costs more than add-or-remove, less than twice the sensitivity sampled.
    const [add, replace, doubled] = [
      price(sampled(1, 0.05), 100),
      price(sampled(1, 0.05), 100, 1e-5, 'replace-one'),
      price(sampled(0.5, 0.05), 100),
    ]
    expect(replace.epsilon).toBeGreaterThan(add.epsilon)
    expect(replace.epsilon).toBeLessThan(doubled.epsilon)
  })
})
