/** Evaluation: error of rating predictions, and the non-private baselines beside which every figure stands. Private rows in, private figures out. */
export { constantBaseline, itemMeanBaseline } from './baselines.ts'
export { evaluateRatings, mae, measureErrors, type RatingErrors, ratingResiduals, rmse } from './ratings.ts'
