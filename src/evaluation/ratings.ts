/**
 * Error of rating predictions on rows a model was not trained on: RMSE and MAE, predictions clipped to the public scale of the data.
 *
 * What comes out is an exact function of private rows: it belongs under a run's `private/` folder or in a study on public research data, not
 * in a release (privacy-rules 1). Ranking metrics are not here. A prediction that is not finite is an error and never a silent zero.
 */

import type { Interactions } from '../data/index.ts'
import { TacetError } from '../errors.ts'
import type { PredictPairs } from '../models/index.ts'

export interface RatingErrors {
  readonly rmse: number
  readonly mae: number
}

/** Rows scored at once: bounds the memory of a predictor, changes nothing else. */
const CHUNK_ROWS = 65_536

/**
 * Root mean squared error, in rating units.
 * @param predictions Float32Array[n] @param truths Float32Array[n], n ≥ 1
 * @throws TacetError empty-data if n = 0, diverged if a prediction is not finite, internal if the lengths differ
 */
export function rmse(predictions: ArrayLike<number>, truths: ArrayLike<number>): number {
  return measureErrors(predictions, truths).rmse
}

/** Mean absolute error, in rating units; arguments and errors as in `rmse`. */
export function mae(predictions: ArrayLike<number>, truths: ArrayLike<number>): number {
  return measureErrors(predictions, truths).mae
}

/** Both errors of parallel columns; arguments and errors as in `rmse`. Sums are kept in doubles. */
export function measureErrors(predictions: ArrayLike<number>, truths: ArrayLike<number>): RatingErrors {
  if (predictions.length !== truths.length)
    throw new TacetError('internal', `${predictions.length} predictions were given for ${truths.length} ratings`)
  if (truths.length === 0) throw nothingToEvaluate()
  let squares = 0
  let absolutes = 0
  for (let i = 0; i < truths.length; i++) {
    const error = checkPrediction(predictions[i] as number, i) - (truths[i] as number)
    squares += error * error
    absolutes += Math.abs(error)
  }
  return { rmse: Math.sqrt(squares / truths.length), mae: absolutes / truths.length }
}

/**
 * Errors of `predict` on the given rows, each prediction clipped to `data.ratingScale` where there is one.
 * @param rows row numbers into `data`, at least one
 * @throws TacetError empty-data for no rows, diverged for a prediction that is not finite
 */
export function evaluateRatings(predict: PredictPairs, data: Interactions, rows: Uint32Array): RatingErrors {
  if (rows.length === 0) throw nothingToEvaluate()
  let squares = 0
  let absolutes = 0
  forEachPrediction(predict, data, rows, (prediction, truth) => {
    const error = prediction - truth
    squares += error * error
    absolutes += Math.abs(error)
  })
  return { rmse: Math.sqrt(squares / rows.length), mae: absolutes / rows.length }
}

/**
 * Signed errors (clipped prediction − rating) of each row, for box plots and significance tests. Private: one number about one person each.
 * @returns Float32Array[rows.length]
 */
export function ratingResiduals(predict: PredictPairs, data: Interactions, rows: Uint32Array): Float32Array {
  const residuals = new Float32Array(rows.length)
  forEachPrediction(predict, data, rows, (prediction, truth, index) => {
    residuals[index] = prediction - truth
  })
  return residuals
}

/** Calls `visit(prediction, truth, index)` for each row in order, scoring in chunks. */
function forEachPrediction(
  predict: PredictPairs,
  data: Interactions,
  rows: Uint32Array,
  visit: (prediction: number, truth: number, index: number) => void,
): void {
  const size = Math.min(CHUNK_ROWS, rows.length)
  const users = new Uint32Array(size)
  const items = new Uint32Array(size)
  const out = new Float32Array(size)
  const low = data.ratingScale?.min ?? Number.NEGATIVE_INFINITY
  const high = data.ratingScale?.max ?? Number.POSITIVE_INFINITY
  for (let from = 0; from < rows.length; from += size) {
    const count = Math.min(size, rows.length - from)
    for (let i = 0; i < count; i++) {
      const row = rows[from + i] as number
      users[i] = data.users[row] as number
      items[i] = data.items[row] as number
    }
    predict(users.subarray(0, count), items.subarray(0, count), out.subarray(0, count))
    for (let i = 0; i < count; i++) {
      const prediction = Math.min(high, Math.max(low, checkPrediction(out[i] as number, from + i)))
      visit(prediction, data.values[rows[from + i] as number] as number, from + i)
    }
  }
}

function checkPrediction(prediction: number, index: number): number {
  if (!Number.isFinite(prediction))
    throw new TacetError('diverged', `the prediction for evaluated row ${index} is ${prediction}; training has diverged`, {
      wayOut: 'lower --learning-rate or --max-grad-norm',
    })
  return prediction
}

function nothingToEvaluate(): TacetError {
  return new TacetError('empty-data', 'there are no rows to evaluate on', {
    wayOut: 'choose another --split, or give data with rows after the cut',
  })
}
