/**
 * The two baselines every model must stand beside, without privacy: one constant for everybody, and each item's mean. Both read training rows
 * exactly, so they are private facts like any metric; the noisy item mean a release could use instead is a mechanism of training.
 */

import type { Interactions } from '../data/index.ts'
import { TacetError } from '../errors.ts'
import type { PredictPairs } from '../models/index.ts'

/** Predicts the mean training rating for everybody. @throws TacetError empty-data if there are no training rows */
export function constantBaseline(data: Interactions, trainRows: Uint32Array): PredictPairs {
  const mean = meanRating(data, trainRows)
  return (users, _items, out) => {
    out.fill(mean, 0, users.length)
  }
}

/** Predicts each item's mean training rating; an item without training rows gets the overall mean. */
export function itemMeanBaseline(data: Interactions, trainRows: Uint32Array): PredictPairs {
  const overall = meanRating(data, trainRows)
  const sums = new Float64Array(data.itemIds.length)
  const counts = new Uint32Array(data.itemIds.length)
  for (const row of trainRows) {
    const item = data.items[row] as number
    sums[item] = (sums[item] as number) + (data.values[row] as number)
    counts[item] = (counts[item] as number) + 1
  }
  const means = Float32Array.from(sums, (sum, item) => (counts[item] === 0 ? overall : sum / (counts[item] as number)))
  return (_users, items, out) => {
    for (let i = 0; i < items.length; i++) out[i] = means[items[i] as number] as number
  }
}

function meanRating(data: Interactions, rows: Uint32Array): number {
  if (rows.length === 0)
    throw new TacetError('empty-data', 'there are no training rows', { wayOut: 'give data with rows before the cut of the split' })
  let sum = 0
  for (const row of rows) sum += data.values[row] as number
  return sum / rows.length
}
