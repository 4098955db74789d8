/** Models: how to score, and what a trainer needs for per-example clipping. Never sees privacy. */
export type { NamedTensors, PredictPairs, Ranked, Recommender, TensorData } from './model.ts'
export { decodeSafetensors, encodeSafetensors, expectTensor, type SafetensorsFile } from './safetensors.ts'
