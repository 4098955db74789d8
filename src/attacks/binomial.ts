/**
 * Binomial tails and intervals in the log domain: what the audits' p-values stand on. Exact sums, no normal approximation.
 */

/** ln Γ(x) for x > 0 (Lanczos, g = 7, n = 9; relative error below 1e-13). */
export function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x)
  const shifted = x - 1
  let sum = 0.99999999999980993
  for (let i = 0; i < lanczos.length; i++) sum += (lanczos[i] as number) / (shifted + i + 1)
  const t = shifted + 7.5
  return 0.5 * Math.log(2 * Math.PI) + (shifted + 0.5) * Math.log(t) - t + Math.log(sum)
}

const lanczos = [
  676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905, -0.13857109526572012,
  9.9843695780195716e-6, 1.5056327351493116e-7,
]

/** P[Bin(trials, p) = k]. */
export function binomialPmf(k: number, trials: number, p: number): number {
  if (k < 0 || k > trials) return 0
  if (p <= 0) return k === 0 ? 1 : 0
  if (p >= 1) return k === trials ? 1 : 0
  return Math.exp(logGamma(trials + 1) - logGamma(k + 1) - logGamma(trials - k + 1) + k * Math.log(p) + (trials - k) * Math.log1p(-p))
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
