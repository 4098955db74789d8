/**
 * Clipping policies: which L2 sensitivity each gives the clipped sum, what the adaptive one pays for its count, and how it moves its bound.
 * The clipping itself happens in the kernels (norms by book-keeping) and the noise is drawn there too; this file is the arithmetic that the
 * plan and the trainer must agree on.
 *
 * Sensitivities are for one row added, removed or zeroed (Poisson sampling). Replacing one row by another doubles them; the accountant
 * does that from the relation, the noise does not change.
 */
import { checkNumber, TacetError } from '../errors.ts'
import { fillNormals, type RandomSource } from '../random/index.ts'

/** How a gradient is bounded; the sensitivity of the clipped sum follows from it. */
export type ClippingPolicy =
  /** min(1, C/‖g‖) over the whole gradient. */
  | { readonly kind: 'flat'; readonly maxGradNorm: number }
  /** One bound a block, each block clipped to its own; the joint sensitivity is √Σ C_b². */
  | { readonly kind: 'per-block'; readonly maxGradNorms: readonly number[] }
  /** AUTO-S (Bu et al. 2023): every gradient is scaled by C / (‖g‖ + stability), so that its norm is below C. */
  | { readonly kind: 'automatic'; readonly maxGradNorm: number; readonly stability: number }
  /** Andrew et al. 2021. Part of the noise budget pays for the noisy unclipped fraction: z_Δ = (z⁻² − (2σ_b)⁻²)^(−1/2). */
  | {
      readonly kind: 'adaptive'
      readonly initialMaxGradNorm: number
      readonly targetQuantile: number
      readonly learningRate: number
      /** σ_b: standard deviation of the noise on the count of unclipped rows, in rows. */
      readonly countNoiseStdDev: number
    }

/** Throws `invalid-argument` unless every bound is positive and finite; returns a frozen copy. */
export function checkClipping(clipping: ClippingPolicy): ClippingPolicy {
  switch (clipping.kind) {
    case 'flat':
      return Object.freeze({ kind: 'flat', maxGradNorm: checkNumber('maxGradNorm', clipping.maxGradNorm, { above: 0 }) })
    case 'per-block':
      if (clipping.maxGradNorms.length === 0)
        throw new TacetError('invalid-argument', 'maxGradNorms is empty; per-block clipping needs one bound for every block')
      return Object.freeze({
        kind: 'per-block',
        maxGradNorms: Object.freeze(clipping.maxGradNorms.map((bound, i) => checkNumber(`maxGradNorms[${i}]`, bound, { above: 0 }))),
      })
    case 'automatic':
      return Object.freeze({
        kind: 'automatic',
        maxGradNorm: checkNumber('maxGradNorm', clipping.maxGradNorm, { above: 0 }),
        stability: checkNumber('stability', clipping.stability, { above: 0 }),
      })
    case 'adaptive':
      return Object.freeze({
        kind: 'adaptive',
        initialMaxGradNorm: checkNumber('initialMaxGradNorm', clipping.initialMaxGradNorm, { above: 0 }),
        targetQuantile: checkNumber('targetQuantile', clipping.targetQuantile, { above: 0, below: 1 }),
        learningRate: checkNumber('clipping learningRate', clipping.learningRate, { above: 0 }),
        countNoiseStdDev: checkNumber('countNoiseStdDev', clipping.countNoiseStdDev, { above: 0 }),
      })
    default:
      throw new TacetError('invalid-argument', `clipping ${JSON.stringify((clipping as { kind: unknown }).kind)} is not known`, {
        wayOut: 'Use flat, per-block, automatic or adaptive.',
      })
  }
}

/**
 * L2 sensitivity of the clipped sum to one row, in gradient units.
 * @param currentMaxGradNorm the bound in force at this step, for adaptive clipping (default: the initial one); ignored otherwise
 */
export function sensitivityOf(clipping: ClippingPolicy, currentMaxGradNorm?: number): number {
  switch (clipping.kind) {
    case 'flat':
    case 'automatic':
      return clipping.maxGradNorm
    case 'per-block':
      return Math.hypot(...clipping.maxGradNorms)
    case 'adaptive':
      return currentMaxGradNorm ?? clipping.initialMaxGradNorm
  }
}

/**
 * Noise multiplier left for the gradients when a step's release as a whole costs `noiseMultiplier`.
 *
 * Under adaptive clipping a step releases the pair (clipped sum, Σ(bᵢ − ½)) with bᵢ = 1 where the row was not clipped: one row moves the
 * second by ½, so its multiplier is 2σ_b, and z⁻² = z_Δ⁻² + (2σ_b)⁻² (Andrew et al. 2021, Theorem 1).
 * @throws TacetError unsafe-plan if z ≥ 2σ_b: the count alone would cost more than the whole step may
 */
export function gradientShare(clipping: ClippingPolicy, noiseMultiplier: number): number {
  if (clipping.kind !== 'adaptive') return noiseMultiplier
  const countMultiplier = 2 * clipping.countNoiseStdDev
  if (noiseMultiplier >= countMultiplier)
    throw new TacetError(
      'unsafe-plan',
      `noise multiplier ${noiseMultiplier} is not below 2 · countNoiseStdDev = ${countMultiplier}: counting the unclipped rows would cost more than the whole step may`,
      { wayOut: 'Raise countNoiseStdDev (a twentieth of the expected batch size is usual) or lower the noise multiplier.' },
    )
  // (z⁻² − y⁻²)^(−1/2) = z / √((1 − z/y)(1 + z/y)), without cancellation where z is near y
  const ratio = noiseMultiplier / countMultiplier
  return noiseMultiplier / Math.sqrt((1 - ratio) * (1 + ratio))
}

/** What adaptive clipping counts in one step. Private: only its noisy form may leave, as `adaptiveClipStep` makes it. */
export interface UnclippedCount {
  /** Rows of the batch whose gradient norm was at or below the bound in force. */
  readonly unclipped: number
  /** Rows in the batch. */
  readonly batchSize: number
}

/**
 * Moves the bound of adaptive clipping: C ← C · exp(−η(b̄ − γ)), b̄ the noisy unclipped fraction.
 *
 * b̄ = ½ + (Σ(bᵢ − ½) + N(0, σ_b²)) / expectedBatchSize: the divisor is constant, so an empty batch is no special case and the realised size
 * stays inside the noise. The draw is already paid for in the step's event (`planEvent`): spend that before calling this.
 * @param expectedBatchSize the plan's constant divisor
 */
export function adaptiveClipStep(
  clipping: Extract<ClippingPolicy, { kind: 'adaptive' }>,
  currentMaxGradNorm: number,
  { unclipped, batchSize }: UnclippedCount,
  expectedBatchSize: number,
  random: RandomSource,
): { maxGradNorm: number; noisyUnclippedFraction: number } {
  checkNumber('currentMaxGradNorm', currentMaxGradNorm, { above: 0 })
  checkNumber('expectedBatchSize', expectedBatchSize, { above: 0 })
  checkNumber('batchSize', batchSize, { atLeast: 0, integer: true })
  checkNumber('unclipped', unclipped, { atLeast: 0, atMost: batchSize, integer: true })
  const noise = new Float64Array(1)
  fillNormals(noise, random, clipping.countNoiseStdDev)
  const noisyUnclippedFraction = 0.5 + (unclipped - batchSize / 2 + (noise[0] as number)) / expectedBatchSize
  return {
    maxGradNorm: currentMaxGradNorm * Math.exp(-clipping.learningRate * (noisyUnclippedFraction - clipping.targetQuantile)),
    noisyUnclippedFraction,
  }
}
