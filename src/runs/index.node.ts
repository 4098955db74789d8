/** Runs, the parts that touch files: training into a run folder, resuming, evaluating, recommending. */
export type { RunConfig } from './config.ts'
export { makeFolders, RUN_FORMAT_VERSION } from './folder.node.ts'
export type { RunModel } from './model.ts'
export { resumeAnyRun, taskOfRun, trainRun } from './ranking/dispatch.node.ts'
export {
  evaluateRankingRun,
  type LoadedRankingRun,
  loadRankingRelease,
  loadRankingRun,
  type RankingReader,
  type RankingRelease,
  recommendFromRankingRun,
} from './ranking/read.node.ts'
export { resumeRankingRun, trainRanking } from './ranking/train.node.ts'
export { evaluateRun, type LoadedRun, loadRun, recommendFromRun } from './read.node.ts'
export { resumeRun, train } from './train.node.ts'
