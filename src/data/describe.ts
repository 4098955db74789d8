/**
 * Facts about a data set for people and for `--json`: exact functions of private rows, so they belong on the owner's screen, not in a release
 * (privacy-rules, rule 1). Pure.
 */
import type { Interactions, RatingScale, Split } from './interactions.ts'
import { availableSplits } from './splits.ts'

export interface Spread {
  readonly min: number
  readonly median: number
  readonly mean: number
  readonly max: number
}

export interface DatasetDescription {
  readonly name: string
  readonly feedback: Interactions['feedback']
  /** People with at least one interaction. */
  readonly users: number
  /** Rows of the public user table, null without one. */
  readonly userTable: number | null
  /** Distinct items with at least one interaction. */
  readonly items: number
  /** Rows of the public catalogue, null without one. */
  readonly catalogue: number | null
  readonly interactions: number
  /** interactions ÷ (users · items). */
  readonly density: number
  readonly ratingScale: RatingScale | null
  readonly ratingScaleSource: 'format' | 'declared' | 'inferred' | null
  /** Rating → rows, by rating; null for implicit feedback, and when there are more than 100 different ratings. */
  readonly ratings: Readonly<Record<string, number>> | null
  /** Mean of the ratings or weights. */
  readonly meanValue: number
  /** Seconds since 1970. */
  readonly timestamps: { readonly first: number; readonly last: number } | null
  readonly publicCutTimestamp: number | null
  readonly userAttributes: readonly {
    readonly name: string
    readonly kind: 'categorical' | 'numeric'
    readonly categories: readonly string[] | null
    readonly unknown: number
  }[]
  readonly itemMetadata: { readonly titles: boolean; readonly genres: readonly string[]; readonly years: boolean } | null
  readonly vocabulary: Interactions['vocabulary']
  readonly perUser: Spread
  readonly perItem: Spread
  readonly skippedLines: number
  readonly duplicateRows: number
  /** Kinds that `splitInteractions` accepts for this data. */
  readonly splits: readonly Split['kind'][]
}

/** Describes a data set; JSON-able. Spreads are over people and items with at least one interaction. */
export function describeDataset(data: Interactions): DatasetDescription {
  const perUser = countsOf(data.users, data.userIds.length)
  const perItem = countsOf(data.items, data.itemIds.length)
  const interactions = data.users.length
  const { timestamps, itemTable, vocabulary } = data
  return {
    name: data.name,
    feedback: data.feedback,
    users: perUser.length,
    userTable: vocabulary.users === 'public-table' ? data.userIds.length : null,
    items: perItem.length,
    catalogue: vocabulary.items === 'public-table' ? data.itemIds.length : null,
    interactions,
    density: interactions === 0 ? 0 : interactions / (perUser.length * perItem.length),
    ratingScale: data.ratingScale,
    ratingScaleSource: data.ratingScale ? (data.ratingScaleSource ?? 'format') : null,
    ratings: data.feedback === 'explicit' ? histogram(data.values) : null,
    meanValue: interactions === 0 ? 0 : data.values.reduce((sum, value) => sum + value, 0) / interactions,
    timestamps: timestamps && interactions > 0 ? extremes(timestamps) : null,
    publicCutTimestamp: data.publicCutTimestamp ?? null,
    userAttributes: data.userAttributes.map(({ name, kind, categories, values }) => ({
      name,
      kind,
      categories,
      unknown: values.reduce((count, value) => count + (Number.isNaN(value) ? 1 : 0), 0),
    })),
    itemMetadata: itemTable && { titles: itemTable.titles !== null, genres: itemTable.genreNames, years: itemTable.years !== null },
    vocabulary,
    perUser: spreadOf(perUser),
    perItem: spreadOf(perItem),
    skippedLines: data.skippedLines,
    duplicateRows: data.duplicateRows ?? 0,
    splits: availableSplits(data),
  }
}

/** The four figures that a training report repeats: people and items are those with at least one interaction. */
export function datasetSize(data: Interactions): { name: string; users: number; items: number; interactions: number } {
  return {
    name: data.name,
    users: countsOf(data.users, data.userIds.length).length,
    items: countsOf(data.items, data.itemIds.length).length,
    interactions: data.users.length,
  }
}

/** Ascending positive counts. */
function countsOf(column: Uint32Array, size: number): Uint32Array {
  const counts = new Uint32Array(size)
  for (let row = 0; row < column.length; row++) counts[column[row] as number] = (counts[column[row] as number] as number) + 1
  return counts.filter((count) => count > 0).sort()
}

function spreadOf(sorted: Uint32Array): Spread {
  const n = sorted.length
  if (n === 0) return { min: 0, median: 0, mean: 0, max: 0 }
  const median = ((sorted[(n - 1) >> 1] as number) + (sorted[n >> 1] as number)) / 2
  return { min: sorted[0] as number, median, mean: sorted.reduce((sum, count) => sum + count, 0) / n, max: sorted[n - 1] as number }
}

function extremes(timestamps: Float64Array): { first: number; last: number } {
  let first = Number.POSITIVE_INFINITY
  let last = Number.NEGATIVE_INFINITY
  for (const time of timestamps) {
    if (time < first) first = time
    if (time > last) last = time
  }
  return { first, last }
}

const MAX_DISTINCT_RATINGS = 100

function histogram(values: Float32Array): Record<string, number> | null {
  const counts = new Map<number, number>()
  for (const value of values) {
    counts.set(value, (counts.get(value) ?? 0) + 1)
    if (counts.size > MAX_DISTINCT_RATINGS) return null
  }
  return Object.fromEntries([...counts].sort(([a], [b]) => a - b).map(([value, count]) => [shortestFloat32(value), count]))
}

/** The shortest decimal that reads back as the same 32-bit float: 0.1 and not 0.10000000149011612. */
export function shortestFloat32(value: number): string {
  for (let digits = 6; digits < 9; digits++) {
    const text = String(Number(value.toPrecision(digits)))
    if (Math.fround(Number(text)) === value) return text
  }
  return String(Number(value.toPrecision(9)))
}
