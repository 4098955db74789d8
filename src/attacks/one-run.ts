/**
 * Privacy auditing with one training run (Steinke, Nasr & Jagielski 2023): m canaries are put in or left out by independent fair coins, the
 * attacker guesses r of the coins and abstains on the rest, and v correct guesses refute every (ε, δ) that makes so many improbable.
 *
 * A bound here speaks of the run it saw and of add-or-remove of one canary. It proves a claim wrong, never right: no power, no verdict.
 */
import { checkNumber } from '../errors.ts'
import { binomialAtLeast, binomialPmf, bisect } from './binomial.ts'

/**
 * P[at least `correct` right guesses] under (ε, δ)-DP, at most (Theorem 5.2 with the δ term of its Appendix D).
 * @param canaries m, coins tossed · @param guesses r ≤ m · @param correct v ≤ r
 */
export function oneRunPValue({ canaries, guesses, correct, epsilon, delta }: OneRunCount & { epsilon: number; delta: number }): number {
  const q = 1 / (1 + Math.exp(-epsilon))
  const beta = binomialAtLeast(correct, guesses, q)
  if (delta === 0) return beta
  let alpha = 0
  let sum = 0
  let term = binomialPmf(correct, guesses, q)
  for (let i = 1; i <= correct; i++) {
    const k = correct - i
    term *= ((k + 1) / (guesses - k)) * ((1 - q) / q)
    sum += term
    if (sum > i * alpha) alpha = sum / i
    // The average can only fall once what is left cannot raise it.
    if (i > 1 && 1 / i < alpha) break
  }
  return Math.min(1, beta + alpha * delta * 2 * canaries)
}

export interface OneRunCount {
  readonly canaries: number
  readonly guesses: number
  readonly correct: number
}

/**
 * Largest ε refuted at the given confidence: 0 when nothing is.
 * @param confidence e.g. 0.999
 */
export function oneRunEpsilonLowerBound(count: OneRunCount, delta: number, confidence: number): number {
  checkNumber('canaries', count.canaries, { atLeast: 1, integer: true })
  checkNumber('guesses', count.guesses, { atLeast: 0, atMost: count.canaries, integer: true })
  checkNumber('correct', count.correct, { atLeast: 0, atMost: count.guesses, integer: true })
  checkNumber('delta', delta, { atLeast: 0, below: 1 })
  checkNumber('confidence', confidence, { above: 0.5, below: 1 })
  const refuted = (epsilon: number) => oneRunPValue({ ...count, epsilon, delta }) < 1 - confidence
  if (!refuted(0)) return 0
  // The bisection closes on the border from the accepted side; the refuted side is what may be claimed.
  const border = bisect(0, 50, (epsilon) => !refuted(epsilon))
  return Math.max(0, border - 1e-9)
}

/**
 * The bound after guessing "in" on the `guesses/2` highest scores and "out" on the `guesses/2` lowest, for each number of guesses tried; the best one,
 * with the confidence shared out among them (Bonferroni), so that trying many costs what it should.
 * @param scores one per canary: higher means "was in" · @param included the coins
 */
export function oneRunAudit({
  scores,
  included,
  delta,
  confidence,
  guessCounts,
}: {
  scores: ArrayLike<number>
  included: ArrayLike<boolean | number>
  delta: number
  confidence: number
  guessCounts?: readonly number[]
}): { epsilonLowerBound: number; guesses: number; correct: number; canaries: number } {
  const canaries = scores.length
  const tried = [...new Set((guessCounts ?? defaultGuessCounts(canaries)).map((r) => Math.min(canaries, r) & ~1).filter((r) => r >= 2))]
  let best = { epsilonLowerBound: 0, guesses: 0, correct: 0, canaries }
  for (const guesses of tried) {
    const { correct } = countGuesses({ scores, included, guesses })
    const shared = 1 - (1 - confidence) / tried.length
    const epsilonLowerBound = oneRunEpsilonLowerBound({ canaries, guesses, correct }, delta, shared)
    if (epsilonLowerBound > best.epsilonLowerBound || best.guesses === 0) best = { epsilonLowerBound, guesses, correct, canaries }
  }
  return best
}

/**
 * Guesses "in" on the `guesses/2` highest scores and "out" on the `guesses/2` lowest, and counts the right ones. Ties break by index, which knows
 * nothing of the coins.
 */
export function countGuesses({
  scores,
  included,
  guesses,
}: {
  scores: ArrayLike<number>
  included: ArrayLike<boolean | number>
  guesses: number
}): OneRunCount {
  const canaries = scores.length
  const order = Array.from({ length: canaries }, (_, i) => i).sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b)
  let correct = 0
  for (let i = 0; i < guesses / 2; i++) {
    if (included[order[i] as number]) correct++
    if (!included[order[canaries - 1 - i] as number]) correct++
  }
  return { canaries, guesses, correct }
}

function defaultGuessCounts(canaries: number): number[] {
  return [0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1].map((share) => Math.round(share * canaries))
}
