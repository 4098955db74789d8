/** Evaluation: error of rating predictions, and the non-private baselines beside which every figure stands. Private rows in, private figures out. */
export { constantBaseline, itemMeanBaseline } from './baselines.ts'
export {
  type Candidates,
  type CatalogueFacts,
  type EvaluationRequest,
  evaluateRanker,
  type RankerEvaluation,
} from './evaluate-ranker.ts'
export { type FrozenRanker, fingerprintOf, freeze, openTest } from './frozen.ts'
export {
  type AveragePrecisionDivisor,
  auc,
  averagePrecision,
  type GainKind,
  hitRate,
  hits,
  meanPrecisionAtCuts,
  ndcg,
  type PersonRanking,
  precision,
  recall,
  reciprocalRank,
} from './ranking.ts'
export {
  cosineDistance,
  discountedSlotMean,
  distinctItems,
  entropyBits,
  exposure,
  gini,
  jaccardDistance,
  meanPairDistance,
  relativeSpread,
  shortHead,
  slotMean,
  type TopList,
  topList,
} from './ranking-beyond.ts'
export { answerRankingCase, type RankingCaseAnswer } from './ranking-cases.ts'
export {
  activityGroups,
  attributeGroups,
  type GroupFigures,
  type Groups,
  groupMetrics,
  popularityGroups,
  recallByItemGroup,
} from './ranking-groups.ts'
export { commonRules, findRankingMetric, type RankingAnswer, type RankingMetric, rankingMetric, rankingMetrics } from './ranking-metrics.ts'
export type { RankingOptions, RankingQuestion } from './ranking-question.ts'
export {
  benjaminiHochberg,
  bootstrapMean,
  compareRankers,
  holm,
  type Interval,
  normalTwoSided,
  type PairedTTest,
  pairedTTest,
  type RankerComparison,
  studentTwoSided,
  type WilcoxonTest,
  wilcoxonSignedRank,
} from './ranking-significance.ts'
export { evaluateRatings, mae, measureErrors, type RatingErrors, ratingResiduals, rmse } from './ratings.ts'
