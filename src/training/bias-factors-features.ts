/**
 * Public features of persons (user table) and items (catalogue) as columns of numbers. They are read from the public tables only, never from
 * ratings: centring, scaling and whitening are over the tables' rows. That these tables are public is an assumption a statement has to print.
 */
import type { Interactions } from '../data/index.ts'
import { eigenSymmetric } from './bias-factors-linear.ts'

/** Row-major matrix. */
export interface FeatureMatrix {
  readonly rows: number
  readonly columns: number
  readonly data: Float64Array
}

/** A categorical column with more codes than this says next to nothing per code (post codes, towns) and is left out. */
const MAX_CATEGORIES = 32
const MAX_GENRES = 64

/**
 * Person attributes as numbers: numeric columns standardised and their squares, categorical ones (and numbers that are codes) one column a
 * code. `broad: false` leaves out columns with more than 8 codes: what each item responds to must be few.
 */
export function personFeatures(data: Interactions, { broad }: { broad: boolean }): FeatureMatrix {
  const rows = data.userIds.length
  const columns: Float64Array[] = []
  for (const { values, categories } of data.userAttributes) {
    if (categories === null) {
      const z = standardised(values)
      if (z) columns.push(z, centred(z.map((x) => x * x)))
    } else if (categories.length <= (broad ? MAX_CATEGORIES : 8)) {
      // the first code is what the others are compared with
      for (let code = 1; code < categories.length; code++)
        columns.push(centred(Float64Array.from(values, (value) => (value === code ? 1 : 0))))
    }
  }
  return matrixOf(rows, columns)
}

/** Genres (one column each) and the release year with bends at the quantiles of the catalogue. Empty when there is no item table. */
export function itemFeatures(data: Interactions): FeatureMatrix {
  const rows = data.itemIds.length
  const table = data.itemTable
  if (!table) return matrixOf(rows, [])
  const sizes = new Float64Array(table.genreNames.length)
  for (const genres of table.genres) for (const genre of genres) sizes[genre] = (sizes[genre] as number) + 1
  const kept = Array.from(sizes.keys())
    .sort((a, b) => (sizes[b] as number) - (sizes[a] as number) || a - b)
    .slice(0, MAX_GENRES)
  const columnOf = new Map(kept.map((genre, column) => [genre, column]))
  const columns = kept.map(() => new Float64Array(rows))
  table.genres.forEach((genres, item) => {
    for (const genre of genres) {
      const column = columnOf.get(genre)
      if (column !== undefined) (columns[column] as Float64Array)[item] = 1
    }
  })
  if (table.years) {
    const years = table.years
    const known = Float64Array.from(years.filter((year) => Number.isFinite(year))).sort()
    if (known.length > 0) {
      const quantile = (q: number) => known[Math.min(known.length - 1, Math.floor(q * known.length))] as number
      const newest = quantile(0.9)
      const perDecades = (f: (year: number) => number) => Float64Array.from(years, (year) => (Number.isFinite(year) ? f(year) / 20 : 0))
      columns.push(perDecades((year) => year - newest))
      for (const q of [0.1, 0.25, 0.4, 0.55, 0.7]) columns.push(perDecades((year) => Math.max(0, quantile(q) - year)))
    }
  }
  return matrixOf(rows, columns)
}

/**
 * Centres, turns to uncorrelated coordinates of equal mean square, and caps every row's norm.
 * @param weights weight of each row (public, or noisy releases): null = all equal
 * @param meanSquareNorm the mean squared norm of a row before capping: `per-coordinate` = one per coordinate kept, or a number
 * @param cap no row of the result is longer
 */
export function whiten(
  { rows, columns, data }: FeatureMatrix,
  { weights, meanSquareNorm, cap }: { weights: Float64Array | null; meanSquareNorm: 'per-coordinate' | number; cap: number },
): FeatureMatrix {
  const means = new Float64Array(columns)
  let totalWeight = 0
  for (let r = 0; r < rows; r++) {
    const w = weights ? (weights[r] as number) : 1
    totalWeight += w
    for (let j = 0; j < columns; j++) means[j] = (means[j] as number) + w * (data[r * columns + j] as number)
  }
  if (columns === 0 || !(totalWeight > 0)) return matrixOf(rows, [])
  for (let j = 0; j < columns; j++) means[j] = (means[j] as number) / totalWeight
  const covariance = new Float64Array(columns * columns)
  for (let r = 0; r < rows; r++) {
    const w = (weights ? (weights[r] as number) : 1) / totalWeight
    for (let j = 0; j < columns; j++) {
      const x = w * ((data[r * columns + j] as number) - (means[j] as number))
      for (let l = 0; l <= j; l++)
        covariance[j * columns + l] =
          (covariance[j * columns + l] as number) + x * ((data[r * columns + l] as number) - (means[l] as number))
    }
  }
  for (let j = 0; j < columns; j++) for (let l = 0; l < j; l++) covariance[l * columns + j] = covariance[j * columns + l] as number
  const { values, vectors } = eigenSymmetric(covariance, columns)
  // below 1e-4 of the largest, a direction is a column that repeats others
  const kept = values.findIndex((value) => !(value > 1e-4 * (values[0] as number)))
  const dimension = kept < 0 ? columns : kept
  const size = meanSquareNorm === 'per-coordinate' ? 1 : Math.sqrt(meanSquareNorm / Math.max(1, dimension))
  const out = new Float64Array(rows * dimension)
  for (let r = 0; r < rows; r++) {
    for (let k = 0; k < dimension; k++) {
      let sum = 0
      for (let j = 0; j < columns; j++)
        sum += ((data[r * columns + j] as number) - (means[j] as number)) * (vectors[j * columns + k] as number)
      out[r * dimension + k] = (sum / Math.sqrt(values[k] as number)) * size
    }
  }
  capRows(out, dimension, cap)
  return { rows, columns: dimension, data: out }
}

/** Shortens every row of `matrix` that is longer than `cap` to it, in place. A row that is not finite becomes 0. */
export function capRows(matrix: Float64Array, dimension: number, cap: number): void {
  if (dimension === 0) return
  for (let from = 0; from < matrix.length; from += dimension) {
    let square = 0
    for (let j = 0; j < dimension; j++) square += (matrix[from + j] as number) ** 2
    if (square <= cap * cap) continue
    // a hair below the cap, so that rounding cannot carry the norm above it
    const factor = Number.isFinite(square) ? (cap * (1 - 1e-12)) / Math.sqrt(square) : 0
    for (let j = 0; j < dimension; j++) matrix[from + j] = factor === 0 ? 0 : (matrix[from + j] as number) * factor
  }
}

export function matrixOf(rows: number, columns: readonly Float64Array[]): FeatureMatrix {
  const data = new Float64Array(rows * columns.length)
  columns.forEach((column, j) => {
    for (let r = 0; r < rows; r++) data[r * columns.length + j] = column[r] as number
  })
  return { rows, columns: columns.length, data }
}

export function columnsOf({ rows, columns, data }: FeatureMatrix): Float64Array[] {
  return Array.from({ length: columns }, (_, j) => Float64Array.from({ length: rows }, (_, r) => data[r * columns + j] as number))
}

/** Unknown values are the mean. Null when all known values are equal. */
function standardised(values: Float32Array): Float64Array | null {
  let count = 0
  let sum = 0
  for (const value of values) {
    if (!Number.isFinite(value)) continue
    count++
    sum += value
  }
  const mean = sum / count
  let square = 0
  for (const value of values) if (Number.isFinite(value)) square += (value - mean) ** 2
  const deviation = Math.sqrt(square / count)
  // five deviations: one mistyped age must not own the scale of the squares
  return deviation > 0
    ? Float64Array.from(values, (v) => (Number.isFinite(v) ? Math.max(-5, Math.min(5, (v - mean) / deviation)) : 0))
    : null
}

function centred(column: Float64Array): Float64Array {
  let sum = 0
  for (const x of column) sum += x
  return column.map((x) => x - sum / column.length)
}
