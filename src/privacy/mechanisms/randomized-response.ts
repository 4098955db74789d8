/**
 * Randomised response over `buckets` answers: with chance `noiseParameter` the answer is replaced by a uniform one, else it is told.
 * ε = ln(1 + buckets · (1 − p) / p) for one answer of one person; local: nobody needs to be trusted with the true answer.
 */
import { checkNumber, TacetError } from '../../errors.ts'
import type { RandomSource } from '../../random/index.ts'
import type { PrivacyEvent, Spend } from '../event.ts'
import { bernoulli, exactRational, uniformBelow } from './exact.ts'

export interface RandomizedResponseRelease {
  /** p: chance of a uniform answer instead of the true one, in (0, 1]; the double is used exactly. */
  readonly noiseParameter: number
  /** Number of possible answers, ≥ 2. */
  readonly buckets: number
  readonly random: RandomSource
  readonly spend: Spend
}

/**
 * The p whose price is at most ε: buckets / (e^ε + buckets − 1), rounded up so that the price is never above the target.
 * @throws TacetError invalid-argument if ε is not positive, or so large that p is lost in rounding (above 700)
 */
export function noiseParameterFor(epsilon: number, buckets: number): number {
  checkNumber('epsilon', epsilon, { above: 0, atMost: 700 })
  checkNumber('buckets', buckets, { atLeast: 2, atMost: 2 ** 32, integer: true })
  // expm1 keeps 1 − p accurate at small ε. Each factor outweighs the rounding of what it multiplies.
  const odds = (Math.expm1(epsilon) / buckets) * (1 - 2 ** -49)
  return Math.min(1, (1 / (1 + odds)) * (1 + 2 ** -51))
}

/** What one `releaseRandomizedResponse` spends. */
export function randomizedResponseEvent({
  noiseParameter,
  buckets,
}: Pick<RandomizedResponseRelease, 'noiseParameter' | 'buckets'>): PrivacyEvent {
  checkNumber('noiseParameter', noiseParameter, { above: 0, atMost: 1 })
  checkNumber('buckets', buckets, { atLeast: 2, atMost: 2 ** 32, integer: true })
  return { kind: 'randomized-response', noiseParameter, buckets }
}

/**
 * Tells one answer, or a uniform one. Spends before it draws.
 * @param value the true answer, 0 … buckets − 1
 */
export function releaseRandomizedResponse(value: number, release: RandomizedResponseRelease): number {
  const event = randomizedResponseEvent(release)
  if (!(Number.isInteger(value) && value >= 0 && value < release.buckets))
    throw new TacetError('invalid-argument', `the answer is not an integer from 0 to ${release.buckets - 1}`)
  const { numerator, denominator } = exactRational('noiseParameter', release.noiseParameter)
  release.spend(event)
  return bernoulli(numerator, denominator, release.random) ? uniformBelow(release.buckets, release.random) : value
}

/**
 * Unbiased estimate of how many people hold each answer, from the answers told. Post-processing: costs nothing.
 * @param told told[a] = number of people who told answer a
 */
export function estimateFrequencies(told: ArrayLike<number>, noiseParameter: number): Float64Array {
  checkNumber('noiseParameter', noiseParameter, { above: 0, below: 1 })
  const total = Array.from(told).reduce((sum, n) => sum + n, 0)
  return Float64Array.from(told, (n) => (n - (total * noiseParameter) / told.length) / (1 - noiseParameter))
}
