/** Training: the loop that pays before it draws, its checkpoints, recipes, and the models that are trained without a loop. */
export { type PrivateItemMean, trainPrivateItemMean } from './baselines.ts'
export {
  type BiasFactorsRequest,
  type BiasFactorsResult,
  biasFactorsPlan,
  personMu,
  type Release,
  runStages,
  trainBiasFactors,
} from './bias-factors.ts'
export { type PlannedStage, planStages, type StageName, type StagePlan } from './bias-factors-stages.ts'
export { ratingColumns } from './bias-factors-statistics.ts'
export { type CheckpointPin, decodeCheckpoint, encodeCheckpoint } from './checkpoint.ts'
export type { Clipping, Optimizer, StepEngine, StepReport, StepSettings } from './engine.ts'
export { type Averaging, type LoopOutcome, type LoopState, runTrainingLoop, type ShuffledBatches, type TrainingLoop } from './loop.ts'
export {
  type PrivateFigure,
  type PrivateMetrics,
  type PrivateMetricsPlan,
  planPrivateMetrics,
  privatelyReleasable,
  privateMetrics,
  releasePrivateMetrics,
} from './private-metrics.ts'
export {
  baselineEvent,
  baselineShare,
  decideGate,
  type GateDecision,
  gateClip,
  gateErrorChance,
  gateEvent,
  gateShare,
  gateVotes,
  peopleForGate,
  popularityStage,
} from './ranking/gate.ts'
export { tasteObjective } from './ranking/item-fold-in.ts'
export { type ItemGramPlan, planItemGram } from './ranking/item-gram.ts'
export {
  checkGramNoise,
  checkItemGramSensitivity,
  checkReleasesOnly,
  type ItemGramConformanceOptions,
  itemGramConformance,
  type PlantedItemGramBug,
  plantedItemGramBugs,
} from './ranking/item-gram-conformance.ts'
export { createLazyTable, type LazyTable, requirePlainSgd } from './ranking/lazy-noise.ts'
export { createNormalStream, type NormalStream } from './ranking/normal-stream.ts'
export { budgetOfMu, squaredMu } from './ranking/person-budget.ts'
export {
  checkNoPersonVectors,
  type PersonScene,
  type PlantedPersonBug,
  personConformance,
  plantedPersonBugs,
  withFoldInVectors,
} from './ranking/person-conformance.ts'
export {
  checkLevels,
  type LevelPrice,
  levelScales,
  type PersonalBudgets,
  personScales,
  priceByLevel,
  readPersonalBudgets,
  spentByLevel,
} from './ranking/personal-budgets.ts'
export { pairwiseObjective } from './ranking/private-bpr.ts'
export { rankingTrainer, rankingTrainers, resolveParameters } from './ranking/registry.ts'
export { choosePersonSampling, type SamplingChoice, samplingReport } from './ranking/sampling-choice.ts'
export type { GaussianMechanism, ParameterSpec, RankingFitRequest, RankingPrivacy, RankingTrainer } from './ranking/trainer.ts'
export {
  type CrossPersonOperator,
  type PersonObjective,
  type PersonPlan,
  type PersonSampling,
  planPersonSteps,
  refuseCrossPerson,
  runPersonSteps,
} from './ranking/user-dp-sgd.ts'
export {
  type ClippingName,
  clippingNames,
  loopOf,
  networkData,
  type RecipeName,
  type RecipeOverrides,
  type RecipeRequest,
  recipeNames,
  resolveRecipe,
  type WideAndDeepSettings,
  wideAndDeepSettings,
} from './recipes.ts'
export { createWideAndDeepEngine, type GradientHelpers, type WideAndDeepEngine, type WideAndDeepEngineOptions } from './step-engine.ts'
