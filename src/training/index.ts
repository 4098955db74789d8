/** Training: the loop that pays before it draws, its checkpoints, recipes, and the models that are trained without a loop. */
export { type CheckpointPin, decodeCheckpoint, encodeCheckpoint } from './checkpoint.ts'
export type { Clipping, Optimizer, StepEngine, StepReport, StepSettings } from './engine.ts'
export { type Averaging, type LoopOutcome, type LoopState, runTrainingLoop, type ShuffledBatches, type TrainingLoop } from './loop.ts'
export { createWideAndDeepEngine, type WideAndDeepEngine, type WideAndDeepEngineOptions } from './step-engine.ts'
