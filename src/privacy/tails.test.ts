import { expect, test } from 'vitest'
import {
  binomialTwoSided,
  chiSquareAbove,
  chiSquareBelow,
  goodnessOfFit,
  kolmogorovSmirnovAbove,
  normalDistance,
  normalTwoSided,
} from './tails.ts'

test('χ² tails agree with their closed forms for one, two and four degrees of freedom', () => {
  for (const x of [0.01, 0.5, 2, 10, 40, 200]) {
    expect(chiSquareAbove(x, 2) / Math.exp(-x / 2)).toBeCloseTo(1, 11)
    expect(chiSquareAbove(x, 4) / ((1 + x / 2) * Math.exp(-x / 2))).toBeCloseTo(1, 11)
    expect(chiSquareAbove(x, 1) / normalTwoSided(Math.sqrt(x))).toBeCloseTo(1, 11)
    expect(chiSquareAbove(x, 7) + chiSquareBelow(x, 7)).toBeCloseTo(1, 12)
  }
})

test('χ² with many degrees of freedom meets the normal approximation with its skewness term', () => {
  const degrees = 1e5
  const normal = normalTwoSided(3) / 2
  // Edgeworth: φ(z) · (z² − 1) · skewness / 6, skewness √(8/degrees)
  const skew = ((Math.exp(-4.5) / Math.sqrt(2 * Math.PI)) * 8 * Math.sqrt(8 / degrees)) / 6
  expect(chiSquareAbove(degrees + 3 * Math.sqrt(2 * degrees), degrees)).toBeCloseTo(normal + skew, 5)
  expect(chiSquareBelow(degrees - 3 * Math.sqrt(2 * degrees), degrees)).toBeCloseTo(normal - skew, 5)
})

test('the lower χ² tail stays positive where its complement is one', () => {
  // P(χ²₁₀ ≤ x) → (x/2)⁵ / 5! for small x
  expect(chiSquareBelow(1e-6, 10) / (0.5e-6 ** 5 / 120)).toBeCloseTo(1, 5)
})

test('binomial tails are exact', () => {
  expect(binomialTwoSided(0, 10, 0.5)).toBeCloseTo(2 / 1024, 12)
  expect(binomialTwoSided(10, 10, 0.5)).toBeCloseTo(2 / 1024, 12)
  expect(binomialTwoSided(5, 10, 0.5)).toBe(1)
})

test('the Kolmogorov–Smirnov distance of quantiles is half a step, and of a shifted sample its shift', () => {
  const n = 101
  const values = Float64Array.from({ length: n }, (_, i) => (i - 50) * 10)
  expect(normalDistance(values)).toBeCloseTo(0.5, 2)
  expect(kolmogorovSmirnovAbove(0.5, n)).toBeLessThan(1e-20)
})

test('goodness of fit pools thin cells and notices a wrong distribution', () => {
  const expected = [0.1, 1, 50, 100, 50, 1, 0.1]
  expect(goodnessOfFit([0, 1, 52, 97, 51, 1, 0], expected)).toBeGreaterThan(0.5)
  expect(goodnessOfFit([20, 30, 26, 50, 26, 30, 20], expected)).toBeLessThan(1e-10)
})
