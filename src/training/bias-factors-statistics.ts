/**
 * The statistics that `bias-factors` releases, before noise: each a pure function of rows and of earlier releases, next to the L2 distance that
 * adding or removing one rating can move it. docs/mechanisms/bias-factors.md has the proofs; the test beside this file checks them on
 * neighbouring data. No noise here (privacy/mechanisms), no accounting.
 *
 * Every row enters through `clip`, which also turns NaN into a number inside the bound: a row that arithmetic has broken must not break the
 * promise. Values are on the normalised scale (`ratingColumns`).
 */
import type { Interactions } from '../data/index.ts'
import { TacetError } from '../errors.ts'

/** Training rows as columns: `values` are ratings on the normalised scale. */
export interface RatingColumns {
  readonly persons: Uint32Array
  readonly items: Uint32Array
  /** Float32Array, in [−2.5, 1.5]. */
  readonly values: Float32Array
}

/** A public affine map: a scale of any width becomes 4 wide, 62.5 % of it becomes 0 (explicit ratings lean to the upper half): 3.5 of 1…5. */
export interface NormalisedScale {
  readonly centre: number
  readonly unit: number
}

/** Bounds of a normalised rating, whatever the scale. */
export const lowestValue = -2.5
export const highestValue = 1.5

/** @throws TacetError invalid-argument when the data has no explicit rating scale */
export function normalisedScale(data: Interactions): NormalisedScale & { readonly min: number; readonly max: number } {
  const scale = data.ratingScale
  if (data.feedback !== 'explicit' || !scale || !(scale.min < scale.max))
    throw new TacetError(
      'invalid-argument',
      `${data.name} has ${data.feedback} feedback without a rating scale; bias-factors predicts ratings`,
      {
        wayOut: 'Give explicit ratings with their public scale (--rating-scale MIN:MAX for tables).',
      },
    )
  return { min: scale.min, max: scale.max, unit: (scale.max - scale.min) / 4, centre: scale.min + 0.625 * (scale.max - scale.min) }
}

/**
 * Copies `rows` of the data into columns; a rating outside the public scale is clipped to it.
 * @throws TacetError malformed-data for a rating that is not a number
 */
export function ratingColumns(data: Interactions, rows: Uint32Array): RatingColumns {
  const { centre, unit } = normalisedScale(data)
  const persons = new Uint32Array(rows.length)
  const items = new Uint32Array(rows.length)
  const values = new Float32Array(rows.length)
  for (let k = 0; k < rows.length; k++) {
    const row = rows[k] as number
    const value = ((data.values[row] as number) - centre) / unit
    if (Number.isNaN(value)) throw new TacetError('malformed-data', `row ${row} of ${data.name} has no rating (${data.values[row]})`)
    persons[k] = data.users[row] as number
    items[k] = data.items[row] as number
    values[k] = Math.min(highestValue, Math.max(lowestValue, value))
  }
  return { persons, items, values }
}

/** `value` limited to [−bound, bound]; NaN becomes −bound. */
export function clip(value: number, bound: number): number {
  if (value > bound) return bound
  // not Math.max, which would let NaN pass
  if (value > -bound) return value
  return -bound
}

/** Per-coordinate scales that give the six moments about equal weight in their joint noise. */
const momentScales = (bound: number) => [1, 1 / 2, 1 / 4, 1, 1 / 2, 1 / bound] as const

/**
 * Joint moments of the ratings x and of c = clip(x, bound): (n, Σx/2, Σx²/4, Σc, Σcx/2, Σc²/bound).
 * @returns Float64Array[6]; `unscaleMoments` undoes the scales
 */
export function momentStatistic(values: Float32Array, bound: number): Float64Array {
  const out = new Float64Array(6)
  const scales = momentScales(bound)
  for (const value of values) {
    const x = clip(value, -lowestValue)
    const c = clip(x, bound)
    const row = [1, x, x * x, c, c * x, c * c] as const
    for (let j = 0; j < 6; j++) out[j] = (out[j] as number) + (row[j] as number) * (scales[j] as number)
  }
  return out
}

/** √(1 + (r/2)² + (r²/4)² + b² + (br/2)² + b²) with r = 2.5 the largest |x| and b the bound of c. */
export function momentSensitivity(bound: number): number {
  const r = -lowestValue
  return Math.hypot(1, r / 2, (r * r) / 4, bound, (bound * r) / 2, bound)
}

export function unscaleMoments(noisy: Float64Array, bound: number): Float64Array {
  const scales = momentScales(bound)
  return noisy.map((value, j) => value / (scales[j] as number))
}

/**
 * Per group (an item, or a person): countWeight · number of rows, and Σ clip(value, bound).
 * @returns Float64Array[2 · groups]: counts first, then sums. Sensitivity √(countWeight² + bound²).
 */
export function countAndSumStatistic(
  groupOf: Uint32Array,
  groups: number,
  values: Float32Array,
  { bound, countWeight }: { bound: number; countWeight: number },
): Float64Array {
  const out = new Float64Array(2 * groups)
  for (let r = 0; r < groupOf.length; r++) {
    const g = groupOf[r] as number
    out[g] = (out[g] as number) + countWeight
    out[groups + g] = (out[groups + g] as number) + clip(values[r] as number, bound)
  }
  return out
}

export const countAndSumSensitivity = ({ bound, countWeight }: { bound: number; countWeight: number }) => Math.hypot(countWeight, bound)

/** Per group Σ clip(value, bound). Float64Array[groups]; sensitivity `bound`. */
export function sumStatistic(groupOf: Uint32Array, groups: number, values: Float32Array, bound: number): Float64Array {
  const out = new Float64Array(groups)
  for (let r = 0; r < groupOf.length; r++) {
    const g = groupOf[r] as number
    out[g] = (out[g] as number) + clip(values[r] as number, bound)
  }
  return out
}

/**
 * Per group Σ clip(value, bound) · vector of the row's other side.
 * @param vectors Float64Array[others · dimension], earlier releases or public, every row's norm ≤ some cap
 * @returns Float64Array[groups · dimension]; sensitivity bound · cap
 */
export function responseStatistic(
  groupOf: Uint32Array,
  groups: number,
  otherOf: Uint32Array,
  vectors: Float64Array,
  dimension: number,
  values: Float32Array,
  bound: number,
): Float64Array {
  const out = new Float64Array(groups * dimension)
  for (let r = 0; r < groupOf.length; r++) {
    const value = clip(values[r] as number, bound)
    const g = (groupOf[r] as number) * dimension
    const v = (otherOf[r] as number) * dimension
    for (let j = 0; j < dimension; j++) out[g + j] = (out[g + j] as number) + value * (vectors[v + j] as number)
  }
  return out
}

/** Residuals are bounded by this before their mean is taken: nearly all are inside. */
export const wideBound = 2.5

/**
 * What clipping at `bound` does to the residuals e, over all rows: (Σ clip(e, bound), Σ clip(e, 2.5), #{|e| < bound}/2, Σ clip(e, bound)²/(2·bound)).
 * @returns Float64Array[4]
 */
export function calibrationStatistic(residuals: Float32Array, bound: number): Float64Array {
  let clipped = 0
  let wide = 0
  let inside = 0
  let square = 0
  for (const e of residuals) {
    const c = clip(e, bound)
    clipped += c
    wide += clip(e, wideBound)
    if (Math.abs(e) < bound) inside++
    square += c * c
  }
  return Float64Array.of(clipped, wide, inside / 2, square / (2 * bound))
}

/** √(b² + 2.5² + (1/2)² + (b/2)²) */
export const calibrationSensitivity = (bound: number) => Math.hypot(bound, wideBound, 1 / 2, bound / 2)

/**
 * Count and residual sum of the rows at or after a fixed public time: (n, Σ clip(e, 2.5)) over rows with `recent[r] = 1`.
 * @returns Float64Array[2]; sensitivity √(1 + 2.5²)
 */
export function recencyStatistic(residuals: Float32Array, recent: Uint8Array): Float64Array {
  let count = 0
  let sum = 0
  for (let r = 0; r < residuals.length; r++) {
    if (recent[r] !== 1) continue
    count++
    sum += clip(residuals[r] as number, wideBound)
  }
  return Float64Array.of(count, sum)
}

export const recencySensitivity = Math.hypot(1, wideBound)
