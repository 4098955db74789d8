/**
 * What every recommender offers once trained, and what a network offers the trainer. Models never see privacy: a model says how to
 * score, and gives the trainer per-example gradient norms and clipped sums; noise, budgets and plans are the trainer's business.
 */

export interface TensorData {
  readonly shape: readonly number[]
  readonly data: Float32Array
}
export type NamedTensors = Readonly<Record<string, TensorData>>

export interface Ranked {
  readonly item: number
  readonly score: number
}

/** A trained rating predictor or ranker over dense indices. */
export interface Recommender {
  readonly name: string
  /** Writes one score per item into `out` (same length as `items`); an item or person never trained on gets the model's prior. */
  score(userIndex: number, items: Uint32Array, out: Float32Array): void
  /** Everything that must be stored to score again; keys and shapes are the model's file format. */
  parameters(): NamedTensors
}

/** Predictions for parallel columns of (user, item): a Recommender's `score` for evaluation, in bulk. */
export type PredictPairs = (users: Uint32Array, items: Uint32Array, out: Float32Array) => void
