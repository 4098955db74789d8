/**
 * The private item mean: what a private model has to beat at the same price. One Gaussian release of every item's count and sum, each mean shrunk to
 * the noisy global mean by the known noise. Constant and exact item mean, which are not private, are in evaluation.
 *
 * Unit: one rating added or removed. The catalogue and the rating scale are taken as public.
 */
import type { Interactions } from '../data/index.ts'
import { TacetError } from '../errors.ts'
import type { PredictPairs } from '../models/index.ts'
import { gaussianMu, type PrivacyEvent, releaseGaussian, type Spend } from '../privacy/index.ts'
import type { RandomSource } from '../random/index.ts'
import { countAndSumSensitivity, countAndSumStatistic, lowestValue, normalisedScale, ratingColumns } from './bias-factors-statistics.ts'

export interface PrivateItemMean {
  /** Rating per pair, whoever the person is; within the rating scale. */
  readonly predict: PredictPairs
  /** Float32Array[items], in rating units. */
  readonly itemMeans: Float32Array
  readonly events: readonly PrivacyEvent[]
  readonly mu: number
  /** μ for one person with k ratings of different items: √k · mu. */
  userPriceOf(ratings: number): number
}

/** Variance of item means about the global one, and of a row about its item's mean, on the normalised scale: public guesses, not fitted. */
const itemSpread = 0.3
const rowVariance = 1

/**
 * @throws TacetError invalid-argument (implicit feedback, ε or δ out of range), empty-data, malformed-data; whatever `spend` throws
 */
export function trainPrivateItemMean({
  data,
  trainRows,
  privacy,
  random,
  spend,
}: {
  data: Interactions
  trainRows: Uint32Array
  privacy: { readonly epsilon: number; readonly delta: number }
  random: RandomSource
  spend: Spend
}): PrivateItemMean {
  const { min, max, centre, unit } = normalisedScale(data)
  if (trainRows.length === 0)
    throw new TacetError('empty-data', `${data.name}: there are no training rows`, {
      wayOut: 'Give data with ratings before the cut of the split.',
    })
  const columns = ratingColumns(data, trainRows)
  const mu = gaussianMu(privacy)
  const items = data.itemIds.length
  const options = { bound: -lowestValue, countWeight: 1 }
  const sensitivity = countAndSumSensitivity(options)
  const events: PrivacyEvent[] = []
  const noisy = releaseGaussian(countAndSumStatistic(columns.items, items, columns.values, options), {
    sensitivity,
    noiseMultiplier: 1 / mu,
    random,
    spend: (event) => {
      spend(event)
      events.push(event)
    },
  })
  let rows = 0
  let total = 0
  for (let i = 0; i < items; i++) {
    rows += noisy[i] as number
    total += noisy[items + i] as number
  }
  const noiseVariance = (sensitivity / mu) ** 2
  // a global mean that the noise drowns is the centre of the scale
  const evidence = Math.max(0, rows)
  const globalMean = (evidence * total) / (evidence * evidence + items * noiseVariance)
  const itemMeans = new Float32Array(items)
  for (let i = 0; i < items; i++) {
    const n = Math.max(0, noisy[i] as number)
    const surprise = (noisy[items + i] as number) - n * globalMean
    const gain = (itemSpread * n) / (itemSpread * n * n + n * rowVariance + noiseVariance * (1 + globalMean ** 2))
    itemMeans[i] = Math.min(max, Math.max(min, centre + unit * (globalMean + gain * surprise)))
  }
  return {
    itemMeans,
    events,
    mu,
    userPriceOf: (ratings) => Math.sqrt(ratings) * mu,
    predict(_users, wanted, out) {
      for (let k = 0; k < wanted.length; k++) out[k] = itemMeans[wanted[k] as number] as number
    },
  }
}
