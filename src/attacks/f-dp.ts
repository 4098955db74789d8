/**
 * Auditing a whole trade-off curve. A claim (ε, δ) is one point of a curve; a Gaussian mechanism leaks most of what an attacker can see far from
 * δ = 1e-5, so testing the curve refutes far more. Two tests:
 *
 * - `refutesTradeOff`, in one run and for any mechanism (Mahloujifar, Melis & Chaudhuri 2024, "Auditing f-differential privacy in one run");
 * - `independentRefutes`, for canaries whose noise the claimed mechanism makes independent (each has parameters no other row touches): false
 *   accusations and misses are then plain proportions (Clopper–Pearson; Nasr et al. 2023). Much stronger, but the independence is part of
 *   what it tests: a rejection says "not this mechanism", which is still a rejection of the claim.
 *
 * A curve is given by its inverse blow-up x ↦ f(1 − x): the least probability an event can keep when its probability is x and one canary is
 * removed. Every under-estimate of f is safe: it is harder to refute.
 */
import { probit } from 'simple-statistics'
import { checkNumber, TacetError } from '../errors.ts'
import { gaussianDelta, gaussianEpsilon } from '../privacy/index.ts'
import { clopperPearson } from './binomial.ts'
import type { OneRunCount } from './one-run.ts'

/** x in [0, 1] ↦ f(1 − x) for a symmetric trade-off function f. */
export type InverseBlowUp = (x: number) => number

/**
 * Whether `correct` right guesses out of `guesses` on `canaries` fair coins refute f-DP at the confidence. Follows the paper's recursion on
 * h (the chance of a wrong guess at some rank) and r (the chance of a right one), each scaled by the significance.
 */
export function refutesTradeOff({ canaries, guesses, correct }: OneRunCount, inverseBlowUp: InverseBlowUp, confidence: number): boolean {
  checkNumber('guesses', guesses, { atLeast: 0, atMost: canaries, integer: true })
  checkNumber('correct', correct, { atLeast: 0, atMost: guesses, integer: true })
  const significance = 1 - confidence
  let right = (significance * correct) / canaries
  let wrong = (significance * (guesses - correct)) / canaries
  for (let i = correct - 1; i >= 0; i--) {
    const next = Math.max(wrong, inverseBlowUp(Math.min(1, right)))
    if (next === wrong) break
    right = Math.min(1, right + (i / (guesses - i)) * (next - wrong))
    wrong = next
  }
  return right + wrong > guesses / canaries
}

/**
 * The inverse blow-up of a privacy profile given at finitely many points: f is at least the upper envelope of the lines each (ε, δ(ε)) permits,
 * in both directions, so leaving points out is conservative.
 * @param profile pairs (ε ≥ 0, δ(ε))
 */
export function inverseBlowUpOfProfile(profile: readonly (readonly [epsilon: number, delta: number])[]): InverseBlowUp {
  const lines = profile.map(([epsilon, delta]) => ({ up: Math.exp(epsilon), down: Math.exp(-epsilon), delta }))
  return (x) => {
    let least = 0
    for (const { up, down, delta } of lines) least = Math.max(least, down * (x - delta), 1 - delta - up * (1 - x))
    return least
  }
}

/**
 * Claims of growing strength, member 1 the claim under audit: say, the same mechanism with its noise divided by t. Bounds are read off the members,
 * so a coarse list is conservative.
 */
export interface ClaimFamily {
  /** Ascending, > 0. */
  readonly members: readonly number[]
  /** ε of member t at the audited δ; grows with t. */
  readonly epsilonAt: (t: number) => number
  readonly inverseBlowUpAt: (t: number) => InverseBlowUp
}

/**
 * The largest ε at the audited δ whose family member is refuted; 0 if not even the weakest one is. The family must have the mechanism's own
 * shape: a refuted member says "leaks more than this mechanism with this much noise".
 */
export function familyEpsilonLowerBound(family: ClaimFamily, refutes: (inverseBlowUp: InverseBlowUp) => boolean): number {
  let refuted = -1
  let standing = family.members.length
  while (standing - refuted > 1) {
    const middle = (refuted + standing) >> 1
    if (refutes(family.inverseBlowUpAt(family.members[middle] as number))) refuted = middle
    else standing = middle
  }
  return refuted < 0 ? 0 : family.epsilonAt(family.members[refuted] as number)
}

/** `count` members from 1/reach to reach in equal ratios, 1 among them. */
export function geometricMembers(count: number, reach: number): number[] {
  const half = Math.floor(count / 2)
  return Array.from({ length: 2 * half + 1 }, (_, i) => reach ** ((i - half) / half))
}

/** A Gaussian mechanism of this μ, in closed form. */
export function gaussianClaimFamily(mu: number, delta: number): ClaimFamily {
  return {
    members: geometricMembers(400, 32),
    epsilonAt: (t) => gaussianEpsilon({ mu: t * mu, delta }),
    inverseBlowUpAt: (t) =>
      inverseBlowUpOfProfile(
        Array.from({ length: 60 }, (_, i) => {
          const epsilon = i * 0.08 * t * mu * Math.max(1, t * mu)
          return [epsilon, gaussianDelta({ mu: t * mu, epsilon })] as const
        }),
      ),
  }
}

/** Proportions of a threshold test on independent canaries, bounded from above at the confidence. */
export interface ErrorRates {
  readonly falsePositiveRate: number
  readonly falseNegativeRate: number
}

/** Whether upper bounds on both error rates lie below the curve: a test that good cannot exist under f-DP. */
export function independentRefutes({ falsePositiveRate, falseNegativeRate }: ErrorRates, inverseBlowUp: InverseBlowUp): boolean {
  return falseNegativeRate < inverseBlowUp(1 - falsePositiveRate)
}

/**
 * Upper confidence bounds on the error rates of "score above a threshold means in". The threshold is chosen on every fourth canary and judged on
 * the others, so that choosing it costs nothing.
 * @throws TacetError invalid-argument if a half has no canary that was in, or none that was out
 */
export function independentErrorRates({
  scores,
  included,
  confidence,
}: {
  scores: ArrayLike<number>
  included: ArrayLike<boolean | number>
  confidence: number
}): ErrorRates {
  const rates = (wanted: (i: number) => boolean, threshold: number, alpha: number): ErrorRates => {
    let members = 0
    let others = 0
    let missed = 0
    let accused = 0
    for (let i = 0; i < scores.length; i++) {
      if (!wanted(i)) continue
      const guess = (scores[i] as number) > threshold
      if (included[i]) {
        members++
        if (!guess) missed++
      } else {
        others++
        if (guess) accused++
      }
    }
    if (members === 0 || others === 0) {
      throw new TacetError('invalid-argument', `${members} canaries were in and ${others} out; an audit needs both`, {
        wayOut: 'Insert more canaries.',
      })
    }
    return {
      falsePositiveRate: clopperPearson(accused, others, alpha).upper,
      falseNegativeRate: clopperPearson(missed, members, alpha).upper,
    }
  }
  const scouts = Array.from({ length: Math.ceil(scores.length / 4) }, (_, i) => scores[i * 4] as number).sort((a, b) => a - b)
  // Farthest from the diagonal in normal coordinates: the μ of the Gaussian test with these error rates.
  const separation = ({ falsePositiveRate, falseNegativeRate }: ErrorRates) => -probit(falsePositiveRate) - probit(falseNegativeRate)
  let threshold = 0
  let best = Number.NEGATIVE_INFINITY
  for (let i = 0; i < 40; i++) {
    const candidate = scouts[Math.floor(((i + 0.5) / 40) * scouts.length)] as number
    const value = separation(rates((j) => j % 4 === 0, candidate, 0.05))
    if (value > best) {
      best = value
      threshold = candidate
    }
  }
  return rates((i) => i % 4 !== 0, threshold, (1 - confidence) / 2)
}
