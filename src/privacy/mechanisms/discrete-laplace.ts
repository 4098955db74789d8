/**
 * Discrete Laplace mechanism (two-sided geometric): adds integer noise with P(k) ∝ exp(−parameter·|k|) to integer statistics. Pure
 * ε-differential privacy with ε = parameter · sensitivity, exact: no floating point decides anything.
 *
 * For counts and other integers. Whoever has real values rounds them to a grid first and counts the rounding in the sensitivity.
 */
import { checkNumber } from '../../errors.ts'
import type { RandomSource } from '../../random/index.ts'
import type { PrivacyEvent, Spend } from '../event.ts'
import { bernoulli, bernoulliExp, exactRational, type Rational, uniformBelowBig } from './exact.ts'
import { addNoise, type IntegerSensitivity, perCoordinateEvent } from './integers.ts'

/**
 * One draw with P(k) ∝ exp(−|k|·parameter).
 * @param parameter > 0
 * @see Canonne, Kamath & Steinke 2020, Algorithm 2
 */
export function sampleDiscreteLaplace({ numerator: s, denominator: t }: Rational, random: RandomSource): bigint {
  for (;;) {
    const u = t === 1n ? 0n : uniformBelowBig(t, random)
    if (!bernoulliExp(u, t, random)) continue
    let v = 0n
    while (bernoulliExp(1n, 1n, random)) v++
    const magnitude = (u + t * v) / s
    const negative = bernoulli(1n, 2n, random)
    // Zero has one sign only: without this it would come out twice as often.
    if (negative && magnitude === 0n) continue
    return negative ? -magnitude : magnitude
  }
}

export interface DiscreteLaplaceRelease extends IntegerSensitivity {
  /** P(k) ∝ exp(−parameter·|k|), > 0; the double is used exactly. */
  readonly parameter: number
  readonly random: RandomSource
  readonly spend: Spend
}

/** What `releaseDiscreteLaplace` spends. */
export function discreteLaplaceEvent({
  parameter,
  sensitivity,
  maxCoordinates,
}: Omit<DiscreteLaplaceRelease, 'random' | 'spend'>): PrivacyEvent {
  checkNumber('parameter', parameter, { above: 0 })
  return perCoordinateEvent({ kind: 'discrete-laplace', parameter, sensitivity }, { sensitivity, maxCoordinates })
}

/**
 * Adds independent discrete Laplace noise to every value. Spends before it draws.
 * @param values integers, |value| < 2⁵³; not modified
 * @returns the noisy integers, unclamped (clamp afterwards: it costs nothing)
 * @throws TacetError invalid-argument for values, parameter or sensitivity out of range; whatever `spend` throws
 */
export function releaseDiscreteLaplace(values: ArrayLike<number>, release: DiscreteLaplaceRelease): number[] {
  const parameter = exactRational('parameter', release.parameter)
  return addNoise(values, discreteLaplaceEvent(release), release.spend, () => sampleDiscreteLaplace(parameter, release.random))
}
