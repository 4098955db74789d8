/** Models: how to score, and what a trainer needs for per-example clipping. Never sees privacy. */
export type { NamedTensors, PredictPairs, Ranked, Recommender, TensorData } from './model.ts'
