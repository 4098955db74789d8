/**
 * What the integer mechanisms share: how far one unit moves a vector of integers, the event that follows, and adding the noise.
 */
import { checkNumber, TacetError } from '../../errors.ts'
import type { PrivacyEvent, Spend } from '../event.ts'

export interface IntegerSensitivity {
  /** Most that one unit moves any one coordinate: an integer ≥ 1. */
  readonly sensitivity: number
  /** Most coordinates that one unit moves (default 1: a histogram in which each unit lies in one cell). */
  readonly maxCoordinates?: number | undefined
}

/**
 * Noise on each coordinate is independent, so one unit that moves `maxCoordinates` of them by at most `sensitivity` is, at worst, that many
 * releases of one coordinate moved by exactly that much (shifts of log-concave noise are ordered: a shorter shift is dominated).
 */
export function perCoordinateEvent(event: PrivacyEvent, { sensitivity, maxCoordinates = 1 }: IntegerSensitivity): PrivacyEvent {
  checkNumber('sensitivity', sensitivity, { atLeast: 1, atMost: Number.MAX_SAFE_INTEGER, integer: true })
  checkNumber('maxCoordinates', maxCoordinates, { atLeast: 1, integer: true })
  return maxCoordinates === 1 ? event : { kind: 'repeated', times: maxCoordinates, event }
}

/** Checks the values, spends, and only then draws. */
export function addNoise(values: ArrayLike<number>, event: PrivacyEvent, spend: Spend, draw: () => bigint): number[] {
  for (let i = 0; i < values.length; i++)
    if (!Number.isSafeInteger(values[i]))
      throw new TacetError('invalid-argument', `value ${i} is not a safe integer; integer mechanisms take integers`, {
        wayOut: 'Round to a grid first, and count the rounding in the sensitivity.',
      })
  spend(event)
  return Array.from(values, (value) => clampToSafe(BigInt(value) + draw()))
}

/** A sum beyond ±(2⁵³ − 1) is reported as that bound: post-processing, so the promise is untouched. */
function clampToSafe(sum: bigint): number {
  const bound = BigInt(Number.MAX_SAFE_INTEGER)
  return Number(sum > bound ? bound : sum < -bound ? -bound : sum)
}
