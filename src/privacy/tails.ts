/**
 * Tail probabilities for the checks of samplers and noise: χ², normal, binomial, Kolmogorov–Smirnov. Each check turns its statistic into the
 * chance of seeing one as extreme from a correct program, and compares that with a stated false-alarm rate.
 *
 * For deciding whether a program is right, not for pricing: the accountants have their own, one-sided arithmetic.
 */
import { erfc, logBinomialPmf, logGamma, normalCdf } from './accounting/special.ts'

/** Regularised upper incomplete gamma function Q(a, x), a > 0: series below a + 1, Lentz's continued fraction above. */
function upperGamma(a: number, x: number): number {
  if (x <= 0) return 1
  const scale = Math.exp(a * Math.log(x) - x - logGamma(a))
  if (x < a + 1) {
    let term = 1 / a
    let sum = term
    for (let n = 1; Math.abs(term) > 1e-17 * sum; n++) {
      term *= x / (a + n)
      sum += term
    }
    return Math.max(0, 1 - scale * sum)
  }
  let b = x + 1 - a
  let c = 1e300
  let d = 1 / b
  let h = d
  for (let n = 1; n < 1e6; n++) {
    const an = -n * (n - a)
    b += 2
    d = 1 / (an * d + b)
    c = b + an / c
    const step = c * d
    h *= step
    if (Math.abs(step - 1) < 1e-15) break
  }
  return scale * h
}

/** Regularised lower incomplete gamma function, accurate where it is small. */
function lowerGamma(a: number, x: number): number {
  if (x <= 0) return 0
  if (x >= a + 1) return 1 - upperGamma(a, x)
  let term = 1 / a
  let sum = term
  for (let n = 1; term > 1e-17 * sum; n++) {
    term *= x / (a + n)
    sum += term
  }
  return Math.exp(a * Math.log(x) - x - logGamma(a)) * sum
}

/** P(χ² with `degrees` ≥ x); degrees need not be an integer. */
export const chiSquareAbove = (x: number, degrees: number): number => upperGamma(degrees / 2, x / 2)

/** P(χ² with `degrees` ≤ x). */
export const chiSquareBelow = (x: number, degrees: number): number => lowerGamma(degrees / 2, x / 2)

/** Chance of a χ² at least as extreme on either side. */
export const chiSquareTwoSided = (x: number, degrees: number): number =>
  Math.min(1, 2 * Math.min(chiSquareAbove(x, degrees), chiSquareBelow(x, degrees)))

/** P(|Z| ≥ |z|) of a standard normal. */
export const normalTwoSided = (z: number): number => erfc(Math.abs(z) / Math.SQRT2)

/** Upper bound of P(D ≥ statistic), D the Kolmogorov–Smirnov distance of `count` draws from their own distribution (Massart 1990). */
export const kolmogorovSmirnovAbove = (statistic: number, count: number): number =>
  Math.min(1, 2 * Math.exp(-2 * count * statistic * statistic))

/** Largest distance between the empirical distribution of `values` (sorted in place) and N(0, 1). */
export function normalDistance(values: Float64Array): number {
  values.sort()
  let largest = 0
  for (let i = 0; i < values.length; i++) {
    const expected = normalCdf(values[i] as number)
    largest = Math.max(largest, expected - i / values.length, (i + 1) / values.length - expected)
  }
  return largest
}

/** Two-sided chance of `count` or something as far out under Binomial(trials, rate): twice the smaller tail, exactly summed. */
export function binomialTwoSided(count: number, trials: number, rate: number): number {
  let below = 0
  let at = 0
  for (let k = 0; k <= count; k++) {
    at = Math.exp(logBinomialPmf(trials, k, rate))
    below += at
  }
  return Math.min(1, 2 * Math.min(below, Math.max(0, 1 - below + at)))
}

/**
 * χ² of observed counts against expected ones, neighbouring cells pooled until each expects at least 5.
 * @returns the chance of a statistic at least as large
 */
export function goodnessOfFit(observed: readonly number[], expected: readonly number[]): number {
  let statistic = 0
  let cells = 0
  let pooledObserved = 0
  let pooledExpected = 0
  let lastObserved = 0
  let lastExpected = 0
  for (let i = 0; i < expected.length; i++) {
    pooledObserved += observed[i] as number
    pooledExpected += expected[i] as number
    if (pooledExpected < 5) continue
    statistic += (pooledObserved - pooledExpected) ** 2 / pooledExpected
    lastObserved = pooledObserved
    lastExpected = pooledExpected
    pooledObserved = 0
    pooledExpected = 0
    cells++
  }
  // What is left over joins the last full cell.
  if (cells > 0 && (pooledObserved > 0 || pooledExpected > 0)) {
    statistic -= (lastObserved - lastExpected) ** 2 / lastExpected
    statistic += (lastObserved + pooledObserved - lastExpected - pooledExpected) ** 2 / (lastExpected + pooledExpected)
  }
  return cells < 2 ? 1 : chiSquareAbove(statistic, cells - 1)
}
