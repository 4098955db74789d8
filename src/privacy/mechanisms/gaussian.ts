/**
 * Gaussian mechanism on a vector of real statistics, in floating point: what the staged models release.
 *
 * Not hardened against rounding: the low bits of a float sum can tell more than the real-valued mechanism does (Mironov 2012; Jin et al. 2022).
 * Figures that go to outsiders one by one use the discrete Gaussian. Does not clip: the caller bounds what one unit does to the vector.
 */
import { checkNumber, TacetError } from '../../errors.ts'
import { fillNormals, type RandomSource } from '../../random/index.ts'
import type { Spend } from '../event.ts'

export interface GaussianRelease {
  /** L2 distance that one unit can move the whole vector, > 0, in the vector's unit. */
  readonly sensitivity: number
  /** σ ÷ sensitivity, > 0, finite. */
  readonly noiseMultiplier: number
  readonly random: RandomSource
  readonly spend: Spend
}

/**
 * Adds N(0, (noiseMultiplier · sensitivity)²) to every coordinate. Spends `gaussian` once, before it draws.
 * @param vector Float64Array[d], finite; not modified
 * @returns new Float64Array[d]
 * @throws TacetError unsafe-plan for a noise multiplier that is not positive and finite, invalid-argument otherwise; whatever `spend` throws
 */
export function releaseGaussian(vector: Float64Array, { sensitivity, noiseMultiplier, random, spend }: GaussianRelease): Float64Array {
  checkNumber('sensitivity', sensitivity, { above: 0 })
  if (!(noiseMultiplier > 0 && Number.isFinite(noiseMultiplier)))
    throw new TacetError('unsafe-plan', `noiseMultiplier is ${noiseMultiplier}: without finite positive noise there is no promise`, {
      wayOut: 'Give a noise multiplier above 0.',
    })
  const stdDev = checkNumber('noiseMultiplier · sensitivity', noiseMultiplier * sensitivity, { above: 0 })
  for (let i = 0; i < vector.length; i++)
    if (!Number.isFinite(vector[i])) throw new TacetError('invalid-argument', `coordinate ${i} of the statistic is not a finite number`)
  spend({ kind: 'gaussian', noiseMultiplier })
  const noisy = new Float64Array(vector.length)
  fillNormals(noisy, random, stdDev)
  for (let i = 0; i < vector.length; i++) noisy[i] = (noisy[i] as number) + (vector[i] as number)
  return noisy
}
