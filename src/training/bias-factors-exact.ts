/**
 * `bias-factors` without privacy: the same model fitted to the rows themselves, by coordinate descent (one coordinate of all persons, then of all
 * items, in closed form). The honest reference for what privacy costs. Everything here is an exact function of private rows: nothing is priced,
 * so nothing of it may be called private.
 *
 * @see Yu et al. 2012, "Scalable coordinate descent approaches to parallel matrix factorization" (CCD++)
 */
import type { Interactions } from '../data/index.ts'
import { fillNormals, type RandomSource } from '../random/index.ts'
import { columnsOf, type FeatureMatrix, itemFeatures, matrixOf, personFeatures, whiten } from './bias-factors-features.ts'
import { solveSymmetric } from './bias-factors-linear.ts'
import type { RatingColumns } from './bias-factors-statistics.ts'

/** The model on the normalised scale, in double precision. */
export interface NormalisedFactors {
  readonly offset: number
  readonly personBias: Float64Array
  readonly itemBias: Float64Array
  readonly dimension: number
  readonly personVectors: Float64Array
  readonly itemVectors: Float64Array
}

/** Chosen on a later cut of MovieLens 1M's training rows: docs/decisions/0006-bias-factors.md. */
const settings = {
  dimension: 16,
  sweeps: 4,
  biasPenalty: 5,
  /** Penalty on a coordinate: constant + perRow · rows. */
  constantPenalty: 6,
  perRowPenalty: 0.07,
  featurePenalty: 50,
}

export function fitBiasFactorsExactly({
  data,
  columns,
  itemMetadata,
  random,
  onProgress,
}: {
  data: Interactions
  columns: RatingColumns
  itemMetadata: boolean
  random: RandomSource
  onProgress?: (done: number, stage: string) => void
}): NormalisedFactors {
  const { persons: personOf, items: itemOf, values } = columns
  const persons = data.userIds.length
  const items = data.itemIds.length
  const d = settings.dimension
  const rows = values.length
  let mean = 0
  for (const value of values) mean += value / rows
  const residuals = values.map((value) => value - mean)
  const personRows = new Float64Array(persons)
  const itemRows = new Float64Array(items)
  for (let r = 0; r < rows; r++) {
    const p = personOf[r] as number
    const i = itemOf[r] as number
    personRows[p] = (personRows[p] as number) + 1
    itemRows[i] = (itemRows[i] as number) + 1
  }
  const features = whiten(personFeatures(data, { broad: true }), { weights: null, meanSquareNorm: 'per-coordinate', cap: 5 })
  // popular items are better, whatever else is known of them; the mean item is where the rows are, so weights follow the rows
  const ofItems = whiten(matrixOf(items, [itemRows.map((n) => Math.log1p(n)), ...(itemMetadata ? columnsOf(itemFeatures(data)) : [])]), {
    weights: itemRows,
    meanSquareNorm: 'per-coordinate',
    cap: 5,
  })
  const personBias = new Float64Array(persons)
  const itemBias = new Float64Array(items)

  const fitBiases = (rounds: number) => {
    for (let round = 0; round < rounds; round++) {
      const itemSums = new Float64Array(items)
      for (let r = 0; r < rows; r++) {
        const i = itemOf[r] as number
        itemSums[i] = (itemSums[i] as number) + (residuals[r] as number)
      }
      const sumsOfItems = itemSums.map((sum, i) => sum + (itemRows[i] as number) * (itemBias[i] as number))
      const itemPrior = predictFromFeatures(
        ofItems,
        sumsOfItems.map((sum, i) => sum / Math.max(1, itemRows[i] as number)),
        itemRows.map((n) => n / (n + settings.biasPenalty)),
      )
      const itemStep = sumsOfItems.map((sum, i) => {
        const fitted = (sum + settings.biasPenalty * (itemPrior[i] as number)) / ((itemRows[i] as number) + settings.biasPenalty)
        const step = fitted - (itemBias[i] as number)
        itemBias[i] = fitted
        return step
      })
      const personSums = new Float64Array(persons)
      for (let r = 0; r < rows; r++) {
        const p = personOf[r] as number
        const e = (residuals[r] as number) - (itemStep[itemOf[r] as number] as number)
        residuals[r] = e
        personSums[p] = (personSums[p] as number) + e
      }
      const sums = personSums.map((sum, p) => sum + (personRows[p] as number) * (personBias[p] as number))
      const prior = predictFromFeatures(
        features,
        sums.map((sum, p) => sum / Math.max(1, personRows[p] as number)),
        personRows.map((n) => n / (n + settings.biasPenalty)),
      )
      const personStep = sums.map((sum, p) => {
        const fitted = (sum + settings.biasPenalty * (prior[p] as number)) / ((personRows[p] as number) + settings.biasPenalty)
        const step = fitted - (personBias[p] as number)
        personBias[p] = fitted
        return step
      })
      for (let r = 0; r < rows; r++) residuals[r] = (residuals[r] as number) - (personStep[personOf[r] as number] as number)
    }
  }
  fitBiases(8)

  const personColumns = Array.from({ length: d }, () => new Float32Array(persons))
  const itemColumns = Array.from({ length: d }, () => {
    const start = new Float32Array(items)
    fillNormals(start, random, 0.3)
    return start
  })
  const priors = Array.from({ length: d }, () => new Float64Array(persons))
  const numerators = new Float64Array(persons)
  const denominators = new Float64Array(persons)
  const itemNumerators = new Float64Array(items)
  const itemDenominators = new Float64Array(items)
  const penalty = (n: number) => settings.constantPenalty + settings.perRowPenalty * n
  for (let sweep = 0; sweep < settings.sweeps; sweep++) {
    for (let j = 0; j < d; j++) {
      onProgress?.((sweep * d + j) / (settings.sweeps * d), 'coordinate descent')
      const p = personColumns[j] as Float32Array
      const q = itemColumns[j] as Float32Array
      // e + p·q: what this coordinate has to explain
      for (let r = 0; r < rows; r++)
        residuals[r] = (residuals[r] as number) + (p[personOf[r] as number] as number) * (q[itemOf[r] as number] as number)
      for (let inner = 0; inner < 2; inner++) {
        numerators.fill(0)
        denominators.fill(0)
        for (let r = 0; r < rows; r++) {
          const person = personOf[r] as number
          const x = q[itemOf[r] as number] as number
          numerators[person] = (numerators[person] as number) + (residuals[r] as number) * x
          denominators[person] = (denominators[person] as number) + x * x
        }
        const prior = priors[j] as Float64Array
        if (sweep > 0 || inner > 0)
          prior.set(
            predictFromFeatures(
              features,
              Float64Array.from(p),
              denominators.map((n) => n / (n + settings.constantPenalty)),
            ),
          )
        for (let person = 0; person < persons; person++) {
          const lambda = penalty(personRows[person] as number)
          p[person] = ((numerators[person] as number) + lambda * (prior[person] as number)) / ((denominators[person] as number) + lambda)
        }
        itemNumerators.fill(0)
        itemDenominators.fill(0)
        for (let r = 0; r < rows; r++) {
          const item = itemOf[r] as number
          const x = p[personOf[r] as number] as number
          itemNumerators[item] = (itemNumerators[item] as number) + (residuals[r] as number) * x
          itemDenominators[item] = (itemDenominators[item] as number) + x * x
        }
        for (let item = 0; item < items; item++)
          q[item] = (itemNumerators[item] as number) / ((itemDenominators[item] as number) + penalty(itemRows[item] as number))
      }
      for (let r = 0; r < rows; r++)
        residuals[r] = (residuals[r] as number) - (p[personOf[r] as number] as number) * (q[itemOf[r] as number] as number)
      if (sweep === 0 && j % 8 === 7) fitBiases(1)
    }
    fitBiases(1)
  }
  return {
    offset: mean,
    personBias,
    itemBias,
    dimension: d,
    personVectors: interleave(personColumns, persons),
    itemVectors: interleave(itemColumns, items),
  }
}

function interleave(columns: readonly Float32Array[], rows: number): Float64Array {
  const out = new Float64Array(rows * columns.length)
  columns.forEach((column, j) => {
    for (let r = 0; r < rows; r++) out[r * columns.length + j] = column[r] as number
  })
  return out
}

/** Ridge regression of one number a row on its features, evaluated for every row: where people and items with few ratings start. */
function predictFromFeatures(features: FeatureMatrix, target: Float64Array, weights: Float64Array): Float64Array {
  const { rows, columns: k, data } = features
  const out = new Float64Array(rows)
  if (k === 0) return out
  const a = new Float64Array(k * k)
  const b = new Float64Array(k)
  for (let j = 0; j < k; j++) a[j * k + j] = settings.featurePenalty
  for (let r = 0; r < rows; r++) {
    const w = weights[r] as number
    if (w === 0) continue
    for (let j = 0; j < k; j++) {
      const x = w * (data[r * k + j] as number)
      b[j] = (b[j] as number) + x * (target[r] as number)
      for (let l = 0; l <= j; l++) a[j * k + l] = (a[j * k + l] as number) + x * (data[r * k + l] as number)
    }
  }
  for (let j = 0; j < k; j++) for (let l = 0; l < j; l++) a[l * k + j] = a[j * k + l] as number
  const weightsOfFeatures = solveSymmetric(a, b)
  for (let r = 0; r < rows; r++) {
    let sum = 0
    for (let j = 0; j < k; j++) sum += (data[r * k + j] as number) * (weightsOfFeatures[j] as number)
    out[r] = sum
  }
  return out
}
