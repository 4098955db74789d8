/**
 * Discrete Gaussian mechanism: adds integer noise with P(k) ∝ exp(−k²/2σ²) to integer statistics. The mechanism for counts and histograms
 * that leave the system: unlike floating-point Gaussian noise it has no rounding to attack (Mironov 2012; Jin et al. 2022).
 *
 * Slower than float noise by some orders of magnitude, and sums of it are not quite discrete Gaussian again: not for training, and not for
 * noise that several parties add up.
 */
import { checkNumber } from '../../errors.ts'
import type { RandomSource } from '../../random/index.ts'
import type { PrivacyEvent, Spend } from '../event.ts'
import { sampleDiscreteLaplace } from './discrete-laplace.ts'
import { bernoulliExp, exactRational, type Rational } from './exact.ts'
import { addNoise, type IntegerSensitivity, perCoordinateEvent } from './integers.ts'

/**
 * One draw with P(k) ∝ exp(−k²/2σ²).
 * @param sigma > 0
 * @see Canonne, Kamath & Steinke 2020, Algorithm 3: discrete Laplace of scale t = ⌊σ⌋ + 1, kept with chance exp(−(|y| − σ²/t)²/2σ²)
 */
export function sampleDiscreteGaussian({ numerator, denominator }: Rational, random: RandomSource): bigint {
  const t = numerator / denominator + 1n
  const squaredNumerator = numerator * numerator
  const squaredDenominator = denominator * denominator
  const laplace = { numerator: 1n, denominator: t }
  // With σ² = a/b: (|y| − a/bt)² / (2a/b) = (|y|·b·t − a)² / (2·a·b·t²)
  const scale = squaredDenominator * t
  const below = 2n * squaredNumerator * scale * t
  for (;;) {
    const y = sampleDiscreteLaplace(laplace, random)
    const distance = (y < 0n ? -y : y) * scale - squaredNumerator
    if (bernoulliExp(distance * distance, below, random)) return y
  }
}

export interface DiscreteGaussianRelease extends IntegerSensitivity {
  /** σ > 0, in units of the values; the double is used exactly. */
  readonly sigma: number
  readonly random: RandomSource
  readonly spend: Spend
}

/** What `releaseDiscreteGaussian` spends. */
export function discreteGaussianEvent({
  sigma,
  sensitivity,
  maxCoordinates,
}: Omit<DiscreteGaussianRelease, 'random' | 'spend'>): PrivacyEvent {
  checkNumber('sigma', sigma, { above: 0 })
  return perCoordinateEvent({ kind: 'discrete-gaussian', sigma, sensitivity }, { sensitivity, maxCoordinates })
}

/**
 * Adds independent discrete Gaussian noise to every value. Spends before it draws.
 * @param values integers, |value| < 2⁵³; not modified
 * @returns the noisy integers, unclamped (clamp afterwards: it costs nothing)
 * @throws TacetError invalid-argument for values, σ or sensitivity out of range; whatever `spend` throws
 */
export function releaseDiscreteGaussian(values: ArrayLike<number>, release: DiscreteGaussianRelease): number[] {
  const sigma = exactRational('sigma', release.sigma)
  return addNoise(values, discreteGaussianEvent(release), release.spend, () => sampleDiscreteGaussian(sigma, release.random))
}
