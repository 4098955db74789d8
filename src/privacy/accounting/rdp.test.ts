/** Rényi curves against quadratures of the definition written here, and the prices of seed 000. */
import { describe, expect, test } from 'vitest'
import type { PrivacyEvent } from '../event.ts'
import { rdpAccountant, rdpAt } from './rdp.ts'

/** ln of the trapezoidal ∫ exp(log f), 40 standard deviations wide: an oracle that shares nothing with the curves. */
function logIntegral(log: (z: number) => number, from: number, to: number, points = 20_000): number {
  const step = (to - from) / points
  let high = -Infinity
  for (let i = 0; i <= points; i++) high = Math.max(high, log(from + i * step))
  let sum = 0
  for (let i = 0; i <= points; i++) sum += Math.exp(log(from + i * step) - high)
  return high + Math.log(sum * step)
}
const logNormal = (z: number, mean: number, sigma: number) =>
  -((z - mean) ** 2) / (2 * sigma * sigma) - Math.log(sigma * Math.sqrt(2 * Math.PI))
const logSum = (a: number, b: number) => Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)))
const renyi = (logP: (z: number) => number, logQ: (z: number) => number, alpha: number, reach: number) =>
  logIntegral((z) => alpha * logP(z) + (1 - alpha) * logQ(z), -reach, reach) / (alpha - 1)

describe('Rényi divergences', () => {
  const cases: [q: number, sigma: number, alpha: number][] = [
    [0.1, 1, 1.5],
    [0.1, 1, 2],
    [0.3, 0.7, 3.25],
    [0.02, 2, 20],
    [0.02, 2, 20.5],
    [0.5, 1.3, 64],
    [0.2, 0.5, 7.9],
  ]
  test.each(cases)('Poisson-sampled Gaussian, q = %d, σ = %d, α = %d', (q, sigma, alpha) => {
    const logQ = (z: number) => logNormal(z, 0, sigma)
    const logP = (z: number) => logSum(Math.log1p(-q) + logQ(z), Math.log(q) + logNormal(z, 1, sigma))
    const expected = Math.max(renyi(logP, logQ, alpha, alpha + 20 * sigma), renyi(logQ, logP, alpha, alpha + 20 * sigma))
    const event: PrivacyEvent = { kind: 'poisson-sampled', sampleRate: q, event: { kind: 'gaussian', noiseMultiplier: sigma } }
    expect(Math.abs(rdpAt(event, alpha) / expected - 1)).toBeLessThan(1e-9)
    // Under replacement the pair is two mixtures.
    const logOther = (z: number) => logSum(Math.log1p(-q) + logQ(z), Math.log(q) + logNormal(z, -1, sigma))
    const replaced = renyi(logP, logOther, alpha, 2 * alpha + 20 * sigma)
    expect(Math.abs(rdpAt(event, alpha, 'replace-one') / replaced - 1)).toBeLessThan(1e-9)
  })

  test('fractional orders are exact where another library adds the absolute values of an alternating series', () => {
    // The right value is a quadrature to 40 digits (test/vectors); dp_accounting 0.6.0 prints the other.
    const event: PrivacyEvent = { kind: 'poisson-sampled', sampleRate: 0.01, event: { kind: 'gaussian', noiseMultiplier: 0.8 } }
    expect(Math.abs(rdpAt(event, 1.5) / 0.00027331070004038853 - 1)).toBeLessThan(1e-9)
    expect(rdpAt(event, 1.5)).toBeLessThan(0.00029565910208408986)
  })

  test('a mixture of Gaussians, both directions', () => {
    const [sigma, shifts, chances] = [1.2, [0, 1, 2, 5], [0.8, 0.1, 0.07, 0.03]]
    const logQ = (z: number) => logNormal(z, 0, sigma)
    const logP = (z: number) => shifts.map((shift, i) => Math.log(chances[i]!) + logNormal(z, shift, sigma)).reduce(logSum)
    const event: PrivacyEvent = {
      kind: 'mixture-of-gaussians',
      standardDeviation: sigma,
      sensitivities: shifts,
      samplingProbabilities: chances,
    }
    for (const alpha of [1.3, 2, 6.5]) {
      const expected = Math.max(renyi(logP, logQ, alpha, 5 * alpha + 50), renyi(logQ, logP, alpha, 5 * alpha + 50))
      expect(Math.abs(rdpAt(event, alpha) / expected - 1)).toBeLessThan(1e-9)
    }
  })

  test('Laplace, sampled and not', () => {
    const [b, q] = [2, 0.2]
    const logLaplace = (z: number, mean: number) => -Math.abs(z - mean) / b - Math.log(2 * b)
    const logQ = (z: number) => logLaplace(z, 0)
    for (const [rate, event] of [
      [1, { kind: 'laplace', noiseMultiplier: b }],
      [q, { kind: 'poisson-sampled', sampleRate: q, event: { kind: 'laplace', noiseMultiplier: b } }],
    ] as [number, PrivacyEvent][]) {
      const logP = (z: number) => (rate === 1 ? logLaplace(z, 1) : logSum(Math.log1p(-rate) + logQ(z), Math.log(rate) + logLaplace(z, 1)))
      for (const alpha of [1.5, 4, 30]) {
        // Kinks at 0 and 1 fall on grid points, so the trapezoidal rule converges at second order.
        const one = (p: (z: number) => number, r: (z: number) => number) =>
          logIntegral((z) => alpha * p(z) + (1 - alpha) * r(z), -80, 81, 161_000) / (alpha - 1)
        expect(Math.abs(rdpAt(event, alpha) / Math.max(one(logP, logQ), one(logQ, logP)) - 1)).toBeLessThan(1e-5)
      }
    }
  })

  test('order 1 is the Kullback–Leibler divergence, and the curve is continuous there', () => {
    const events: PrivacyEvent[] = [
      { kind: 'poisson-sampled', sampleRate: 0.1, event: { kind: 'gaussian', noiseMultiplier: 1 } },
      { kind: 'laplace', noiseMultiplier: 3 },
      { kind: 'pure', epsilon: 0.7 },
      { kind: 'poisson-sampled', sampleRate: 0.1, event: { kind: 'laplace', noiseMultiplier: 1 } },
      { kind: 'mixture-of-gaussians', standardDeviation: 1, sensitivities: [0, 1, 2], samplingProbabilities: [0.9, 0.05, 0.05] },
    ]
    for (const event of events) expect(Math.abs(rdpAt(event, 1) / rdpAt(event, 1 + 1e-6) - 1)).toBeLessThan(1e-5)
  })

  test('order ∞ is the worst loss', () => {
    expect(rdpAt({ kind: 'gaussian', noiseMultiplier: 1 }, Infinity)).toBe(Infinity)
    expect(rdpAt({ kind: 'laplace', noiseMultiplier: 4 }, Infinity)).toBe(0.25)
    expect(rdpAt({ kind: 'pure', epsilon: 0.5 }, Infinity)).toBeCloseTo(0.5, 14)
    expect(rdpAt({ kind: 'discrete-laplace', parameter: 0.5, sensitivity: 3 }, Infinity)).toBeCloseTo(1.5, 14)
    expect(rdpAt({ kind: 'randomized-response', noiseParameter: 0.5, buckets: 4 }, Infinity, 'replace-one')).toBeCloseTo(Math.log(5), 14)
    expect(rdpAt({ kind: 'approximate', epsilon: 1, delta: 1e-9 }, 2)).toBe(Infinity)
    expect(rdpAt({ kind: 'non-private' }, 2)).toBe(Infinity)
  })

  test('orders below 1 are refused', () => {
    expect(() => rdpAt({ kind: 'gaussian', noiseMultiplier: 1 }, 0.5)).toThrow(/alpha/)
    expect(() => rdpAt({ kind: 'gaussian', noiseMultiplier: 1 }, Number.NaN)).toThrow(/alpha/)
  })
})

describe('prices by RDP', () => {
  const rate = 512 / 800167
  const price = (sigma: number) =>
    rdpAccountant()
      .compose({ kind: 'poisson-sampled', sampleRate: rate, event: { kind: 'gaussian', noiseMultiplier: sigma } }, 7814)
      .epsilon(1e-5)

  test('the five rows of seed 000 come out without a grid artefact', () => {
    const rows = [0.6503, 0.1402, 0.0682, 0.0461, 0.0358]
    for (const [i, expected] of rows.entries()) expect(Math.abs(price(i + 1).epsilon / expected - 1)).toBeLessThan(0.003)
  })

  test('no order anywhere on a dense grid does better than the one found', () => {
    for (const sigma of [0.6, 1, 2.5]) {
      const { epsilon, optimalOrder } = price(sigma)
      const event: PrivacyEvent = { kind: 'poisson-sampled', sampleRate: rate, event: { kind: 'gaussian', noiseMultiplier: sigma } }
      let best = Infinity
      for (let alpha = 1.05; alpha < 200; alpha *= 1.02) {
        best = Math.min(best, 7814 * rdpAt(event, alpha) + Math.log1p(-1 / alpha) - (Math.log(1e-5) + Math.log(alpha)) / (alpha - 1))
      }
      expect(epsilon).toBeLessThan(best * 1.0001)
      expect(epsilon).toBeGreaterThan(best * 0.997)
      expect(optimalOrder).toBeGreaterThan(2)
    }
  })

  test('a person with thousands of rows is priced at an order close to 1', () => {
    const chances = [0.3, 0.36, 0.22, 0.09, 0.03]
    const event: PrivacyEvent = {
      kind: 'mixture-of-gaussians',
      standardDeviation: 0.5,
      sensitivities: [0, 1, 2, 3, 4],
      samplingProbabilities: chances,
    }
    const { epsilon, optimalOrder } = rdpAccountant().compose(event, 1000).epsilon(1e-5)
    expect(optimalOrder).toBeLessThan(1.2)
    expect(epsilon).toBeGreaterThan(1000)
  })
})
