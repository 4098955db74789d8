/**
 * From attack scores to a verdict: the best lower bound over attacks and methods, each given its share of the error probability, and the power
 * that decides whether silence means anything.
 */
import type { RandomSource } from '../random/index.ts'
import { type ClaimFamily, familyEpsilonLowerBound, independentErrorRates, independentRefutes, refutesTradeOff } from './f-dp.ts'
import { countGuesses, oneRunAudit } from './one-run.ts'

/** one-run: Steinke et al. 2023 at (ε, δ) · one-run-curve: Mahloujifar et al. 2024 · independent-canaries: Clopper–Pearson, noise independent as claimed. */
export type BoundMethod = 'one-run' | 'one-run-curve' | 'independent-canaries'

export type Verdict = 'holds' | 'violated' | 'inconclusive'

const methods = 3
/** Below this chance of seeing halved noise, silence is no evidence. */
export const NEEDED_POWER = 0.8

export interface LowerBound {
  readonly epsilonLowerBound: number
  readonly method: BoundMethod
  readonly attack: string
}

/** Largest ε refuted by any attack and method, all together at `confidence` (Bonferroni over attacks × methods). */
export function lowerBound({
  scores,
  included,
  delta,
  confidence,
  family,
}: {
  scores: Readonly<Record<string, ArrayLike<number>>>
  included: readonly boolean[]
  delta: number
  confidence: number
  family: ClaimFamily
}): LowerBound {
  const names = Object.keys(scores)
  const shared = 1 - (1 - confidence) / (names.length * methods)
  let best: LowerBound = { epsilonLowerBound: 0, method: 'one-run', attack: names[0] as string }
  const offer = (epsilonLowerBound: number, method: BoundMethod, attack: string) => {
    if (epsilonLowerBound > best.epsilonLowerBound) best = { epsilonLowerBound, method, attack }
  }
  for (const [attack, values] of Object.entries(scores)) {
    offer(oneRunAudit({ scores: values, included, delta, confidence: shared }).epsilonLowerBound, 'one-run', attack)
    const count = countGuesses({ scores: values, included, guesses: Math.max(2, Math.round(included.length / 20)) & ~1 })
    offer(
      familyEpsilonLowerBound(family, (curve) => refutesTradeOff(count, curve, shared)),
      'one-run-curve',
      attack,
    )
    const rates = independentErrorRates({ scores: values, included, confidence: shared })
    offer(
      familyEpsilonLowerBound(family, (curve) => independentRefutes(rates, curve)),
      'independent-canaries',
      attack,
    )
  }
  return best
}

/** Share of simulated audits of a trainer with halved noise that refute the claim (member 1 of the family). */
export function detectionPower({
  canaries,
  simulateScores,
  family,
  confidence,
  attackCount,
  random,
  audits = 25,
}: {
  canaries: number
  simulateScores: (included: readonly boolean[], random: RandomSource) => ArrayLike<number>
  family: ClaimFamily
  confidence: number
  attackCount: number
  random: RandomSource
  audits?: number
}): number {
  const shared = 1 - (1 - confidence) / (attackCount * methods)
  const claim = family.inverseBlowUpAt(1)
  let caught = 0
  for (let audit = 0; audit < audits; audit++) {
    const included = Array.from({ length: canaries }, () => random.nextDouble() < 0.5)
    const rates = independentErrorRates({ scores: simulateScores(included, random), included, confidence: shared })
    if (independentRefutes(rates, claim)) caught++
  }
  return caught / audits
}

/** violated: more than claimed was found, or a conformance check failed · holds: nothing was, and halved noise would have been · else inconclusive. */
export function verdictOf({
  claimedEpsilon,
  epsilonLowerBound,
  power,
  conformanceFailed,
}: {
  claimedEpsilon: number
  epsilonLowerBound: number
  power: number
  conformanceFailed: boolean
}): Verdict {
  if (conformanceFailed || epsilonLowerBound > claimedEpsilon) return 'violated'
  return power >= NEEDED_POWER ? 'holds' : 'inconclusive'
}
