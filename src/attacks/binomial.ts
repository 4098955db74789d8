/**
 * Binomial tails and intervals in the log domain: what the audits' p-values stand on. Exact sums, no normal approximation.
 */
import { logBinomialPmf } from '../privacy/index.ts'

/** P[Bin(trials, p) = k]. */
export function binomialPmf(k: number, trials: number, p: number): number {
  return k < 0 || k > trials ? 0 : Math.exp(logBinomialPmf(trials, k, p))
}

/** P[Bin(trials, p) ≥ k], summed over the smaller tail. */
export function binomialAtLeast(k: number, trials: number, p: number): number {
  if (k <= 0) return 1
  if (k > trials) return 0
  if (p <= 0) return 0
  if (p >= 1) return 1
  // Each term follows from its neighbour, so a tail costs one ln Γ and a handful of products.
  const odds = p / (1 - p)
  let tail = 0
  if (k > trials * p) {
    let term = binomialPmf(k, trials, p)
    for (let i = k; i <= trials && term > tail * 1e-17; i++) {
      tail += term
      term *= ((trials - i) / (i + 1)) * odds
    }
    return Math.min(1, tail)
  }
  let term = binomialPmf(k - 1, trials, p)
  for (let i = k - 1; i >= 0 && term > tail * 1e-17; i--) {
    tail += term
    term *= i / ((trials - i + 1) * odds)
  }
  return Math.max(0, 1 - tail)
}

/** Smallest x in [low, high] with `isTrue(x)`, for a predicate that turns from false to true once; 60 halvings. */
export function bisect(low: number, high: number, isTrue: (x: number) => boolean): number {
  let a = low
  let b = high
  for (let i = 0; i < 60; i++) {
    const middle = (a + b) / 2
    if (isTrue(middle)) b = middle
    else a = middle
  }
  return b
}

/** One-sided Clopper–Pearson bounds on a proportion after `successes` of `trials`, each at confidence 1 − alpha. */
export function clopperPearson(successes: number, trials: number, alpha: number): { lower: number; upper: number } {
  const lower = successes === 0 ? 0 : bisect(0, 1, (p) => binomialAtLeast(successes, trials, p) > alpha)
  const upper = successes === trials ? 1 : bisect(0, 1, (p) => 1 - binomialAtLeast(successes + 1, trials, p) < alpha)
  return { lower, upper }
}
