/**
 * Choosing one of several candidates by a score that reads private data: the exponential mechanism and permute-and-flip. Both choose the best
 * candidate more often than others and are ε-differentially private; permute-and-flip is never worse in expected score (McKenna & Sheldon 2020).
 *
 * Scores are exact: integers, or rationals over one denominator. Only the winner may leave; its score is another release.
 */
import { checkNumber, TacetError } from '../../errors.ts'
import type { RandomSource } from '../../random/index.ts'
import type { Spend } from '../event.ts'
import { bernoulliExp, exactRational, uniformBelow } from './exact.ts'

export interface SelectionRelease {
  /** Price of the choice, > 0; the double is used exactly. */
  readonly epsilon: number
  /** Most that one unit changes any one score, in the scores' unit: an integer ≥ 1. */
  readonly sensitivity: number | bigint
  readonly random: RandomSource
  readonly spend: Spend
}

/**
 * Exponential mechanism: candidate i with chance ∝ exp(ε · scoreᵢ / (2 · sensitivity)), by rejection from a uniform candidate.
 * Takes up to as many tries as there are candidates, on average.
 * @param scores integers (number or bigint), at least one. A rational score a/b over a common b: pass a, with sensitivity · b
 * @returns index of the chosen candidate
 * @see McSherry & Talwar 2007
 */
export function exponentialMechanism(scores: ArrayLike<number> | readonly bigint[], release: SelectionRelease): number {
  const keep = prepare(scores, 'exponential', release)
  for (;;) {
    const candidate = uniformBelow(scores.length, release.random)
    if (keep(candidate)) return candidate
  }
}

/**
 * Permute-and-flip: candidates in random order, each taken with chance exp(ε · (scoreᵢ − best) / (2 · sensitivity)); the first taken wins.
 * One pass at most.
 * @param scores as for `exponentialMechanism`
 * @returns index of the chosen candidate
 * @see McKenna & Sheldon 2020, Algorithm 1
 */
export function permuteAndFlip(scores: ArrayLike<number> | readonly bigint[], release: SelectionRelease): number {
  const keep = prepare(scores, 'permute-and-flip', release)
  const order = Uint32Array.from({ length: scores.length }, (_, i) => i)
  for (let left = order.length; left > 0; left--) {
    const at = uniformBelow(left, release.random)
    const candidate = order[at] as number
    if (keep(candidate)) return candidate
    order[at] = order[left - 1] as number
  }
  throw new TacetError('internal', 'permute-and-flip passed over the best candidate, which is always taken')
}

/** Checks, spends, and returns the coin that keeps candidate i with chance exp(−ε · (best − scoreᵢ) / (2 · sensitivity)). */
function prepare(
  scores: ArrayLike<number> | readonly bigint[],
  kind: 'exponential' | 'permute-and-flip',
  { epsilon, sensitivity, random, spend }: SelectionRelease,
): (candidate: number) => boolean {
  if (scores.length === 0) throw new TacetError('invalid-argument', 'there is nothing to choose from: scores is empty')
  checkNumber('epsilon', epsilon, { above: 0 })
  if (typeof sensitivity === 'number')
    checkNumber('sensitivity', sensitivity, { atLeast: 1, atMost: Number.MAX_SAFE_INTEGER, integer: true })
  else if (sensitivity < 1n) throw new TacetError('invalid-argument', `sensitivity is ${sensitivity}; it must be an integer ≥ 1`)
  const exact = Array.from(scores as ArrayLike<number | bigint>, (score, i) => {
    if (typeof score !== 'bigint' && !Number.isSafeInteger(score))
      throw new TacetError('invalid-argument', `score ${i} is not a safe integer; scores are integers over one denominator`)
    return BigInt(score)
  })
  let best = exact[0] as bigint
  for (const score of exact) if (score > best) best = score
  const { numerator, denominator } = exactRational('epsilon', epsilon)
  const below = 2n * BigInt(sensitivity) * denominator
  spend({ kind, epsilon })
  return (candidate) => bernoulliExp((best - (exact[candidate] as bigint)) * numerator, below, random)
}
