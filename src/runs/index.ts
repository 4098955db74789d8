/** Runs: the shapes of a training request and its report. The pipeline and the run folder are Node-only: index.node.ts. */
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
