/**
 * One optimiser step over one batch, as the loop sees it. The engine owns parameters, optimiser state and scratch memory; it clips per example
 * by book-keeping and draws the noise fused with the update. It does not sample batches (privacy/plan.ts), count ε, or decide how many steps.
 */
import type { NamedTensors } from '../models/index.ts'

export type Clipping =
  | { readonly kind: 'none' }
  /** min(1, C/‖g‖) over the whole gradient. */
  | { readonly kind: 'flat'; readonly maxGradNorm: number }
  /** One bound a block; the joint sensitivity is √Σ C_b². */
  | { readonly kind: 'per-block'; readonly maxGradNorms: readonly number[] }
  /** AUTO-S (Bu et al. 2023): C / (‖g‖ + stability). Sensitivity C. */
  | { readonly kind: 'automatic'; readonly maxGradNorm: number; readonly stability: number }

export type Optimizer =
  | { readonly kind: 'sgd'; readonly learningRate: number; readonly momentum: number }
  | { readonly kind: 'adam'; readonly learningRate: number; readonly beta1: number; readonly beta2: number; readonly epsilon: number }

export interface StepSettings {
  /** Constant: the expected batch size. Never the realised one. */
  readonly divisor: number
  readonly clipping: Clipping
  /** Standard deviation of the noise on the clipped sum, σ · sensitivity, in gradient units. 0 only without privacy. */
  readonly noiseStdDev: number
  readonly optimizer: Optimizer
}

/** Private facts about one step: they never leave the training zone unpriced. */
export interface StepReport {
  readonly lossSum: number
  /** Examples whose gradient norm was above the bound. */
  readonly clipped: number
  /** Examples with a NaN or infinite gradient: they contributed 0. */
  readonly invalid: number
}

export interface StepEngine {
  readonly kernelsName: string
  readonly parameterCount: number
  readonly blocks: readonly { readonly name: string; readonly offset: number; readonly shape: readonly number[] }[]
  /** Live view of the flat parameters. */
  readonly parameters: Float32Array
  /**
   * One step on `rows[0 … count−1]` (row numbers into the engine's training columns; 0 rows is a legal Poisson batch: noise only).
   * @throws RangeError if count exceeds the engine's largest batch
   */
  step(rows: Uint32Array, count: number, settings: StepSettings): StepReport
  predict(users: Uint32Array, items: Uint32Array, out: Float32Array): void
  /** Optimiser moments and step counter for a checkpoint (never generator state: privacy-rules 16). */
  saveState(): NamedTensors
  loadState(state: NamedTensors): void
  close(): void
}
