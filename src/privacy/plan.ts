/**
 * The plan: sampler, noise multiplier, clipping, divisor and steps as one immutable object, so that what is accounted for is what runs.
 * Nobody can pass a foreign data loader: batches come out of the plan (`poissonBatch`), and so does the event that prices it.
 *
 * This file holds the contract; planDpSgd and the sampler are below it.
 */
import type { RandomSource } from '../random/index.ts'
import type { NeighboringRelation, PrivacyEvent, PrivacyUnit } from './event.ts'

/** How a gradient is bounded; the sensitivity of the clipped sum follows from it. */
export type ClippingPolicy =
  | { readonly kind: 'flat'; readonly maxGradNorm: number }
  | { readonly kind: 'per-block'; readonly maxGradNorms: readonly number[] }
  | { readonly kind: 'automatic'; readonly maxGradNorm: number; readonly stability: number }
  /** Andrew et al. 2021. Part of the noise budget pays for the noisy unclipped fraction: z_Δ = (z⁻² − (2σ_b)⁻²)^(−1/2). */
  | {
      readonly kind: 'adaptive'
      readonly initialMaxGradNorm: number
      readonly targetQuantile: number
      readonly learningRate: number
      readonly countNoiseStdDev: number
    }

/** A constant, or one value a step (composed exactly). */
export type Schedule = number | readonly number[]

export interface PrivatePlan {
  readonly privacyUnit: PrivacyUnit
  readonly neighboringRelation: NeighboringRelation
  readonly batchSelection: 'poisson'
  /** Rows the sampler runs over: taken as public (statement). */
  readonly datasetSize: number
  readonly sampleRate: Schedule
  readonly steps: number
  /** σ of the composed release per step (gradients, and the unclipped count under adaptive clipping), ÷ sensitivity. */
  readonly noiseMultiplier: Schedule
  readonly clipping: ClippingPolicy
  /** Constant divisor of the noisy sum: sampleRate · datasetSize at step 0, never a realised batch size. */
  readonly expectedBatchSize: number
  readonly delta: number
}

/** What the plan's steps from (inclusive) to (exclusive) release, as one event; the whole plan is planEvent(plan, 0, plan.steps). */
export type PlanEvent = (plan: PrivatePlan, from: number, to: number) => PrivacyEvent

/**
 * Draws step `step`'s Poisson sample by geometric skipping: every row independently with chance sampleRate. May be empty.
 * @param out Uint32Array with room for the largest batch the caller can hold
 * @returns number of rows written
 * @throws TacetError unsafe-plan if the sample does not fit (dropping rows would not be Poisson sampling)
 */
export type PoissonBatch = (plan: PrivatePlan, step: number, random: RandomSource, out: Uint32Array) => number
