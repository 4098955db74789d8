/** Runs: the shapes of a training request and its report. The pipeline and the run folder are Node-only: index.node.ts. */

export { defaultDelta, type RankingConfig, rankingModelNames, rankingSplitNames } from './ranking/config.ts'
export type {
  GateReport,
  RankingEvaluateReport,
  RankingFigures,
  RankingOptions,
  RankingPrivacyFile,
  RankingRecommendReport,
  RankingTrainReport,
  Reason,
  RunRequest,
} from './ranking/types.ts'
export type {
  ErrorFigures,
  EvaluateReport,
  ModelName,
  PersonSpent,
  PrivacyFile,
  RecipeName,
  RecommendReport,
  RunIo,
  TrainReport,
  TrainRequest,
} from './types.ts'
