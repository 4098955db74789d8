/**
 * Who is served how well: a metric by groups of people (gender, age, activity), and how often relevant items are found by groups of items
 * (popularity). Groups by rank (activity, popularity) are read off the data at hand: they describe, they are not for a private run's training.
 * Figures are exact functions of private rows (privacy-rules 1); small groups may single people out.
 */
import { type Interactions, itemsOf, type Positives, type RankedPeople } from '../data/index.ts'
import { TacetError } from '../errors.ts'
import type { RankerEvaluation } from './evaluate-ranker.ts'
import { shortHead } from './ranking-beyond.ts'

/** Groups of people (aligned with RankedPeople.users) or of items (by dense item index). */
export interface Groups {
  /** "gender", "age", "activity", "popularity". */
  readonly name: string
  readonly labels: readonly string[]
  /** Int32Array: index into labels, −1 = unknown. */
  readonly of: Int32Array
}

export interface GroupFigures {
  readonly name: string
  /** Groups with at least one value, in the order of their labels. */
  readonly groups: readonly {
    readonly label: string
    /** People (or relevant items) with a value. */
    readonly count: number
    readonly mean: number
    /** Of the mean, from the spread within the group; NaN for one value. */
    readonly standardError: number
  }[]
  /** Largest minus smallest mean; NaN with fewer than two groups. */
  readonly gap: number
  /** Mean absolute difference of the means over the pairs of groups; NaN with fewer than two groups. */
  readonly mad: number
  /** Smallest mean. */
  readonly worst: number
}

/**
 * Means of a metric by group, with the gaps of `tacet metrics --list` (group-gap, group-mad, group-worst).
 * @param values Float64Array aligned with groups.of; NaN is left out
 * @throws TacetError empty-data if no group has a value; invalid-argument if lengths differ
 */
export function groupMetrics(values: ArrayLike<number>, groups: Groups): GroupFigures {
  if (values.length !== groups.of.length)
    throw new TacetError(
      'invalid-argument',
      `${values.length} values and ${groups.of.length} entries of ${groups.name}; they must be aligned`,
    )
  const members: number[][] = groups.labels.map(() => [])
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number
    if (!Number.isNaN(value)) members[groups.of[i] as number]?.push(value)
  }
  const found = members.flatMap((own, group) => {
    if (own.length === 0) return []
    const mean = own.reduce((sum, value) => sum + value, 0) / own.length
    const squares = own.reduce((sum, value) => sum + (value - mean) ** 2, 0)
    const standardError = own.length < 2 ? Number.NaN : Math.sqrt(squares / (own.length - 1) / own.length)
    return [{ label: groups.labels[group] as string, count: own.length, mean, standardError }]
  })
  if (found.length === 0) throw new TacetError('empty-data', `nobody with a value belongs to a group of ${groups.name}`)
  const means = found.map(({ mean }) => mean)
  const pairs = means.flatMap((a, i) => means.slice(0, i).map((b) => Math.abs(a - b)))
  return {
    name: groups.name,
    groups: found,
    gap: pairs.length === 0 ? Number.NaN : Math.max(...means) - Math.min(...means),
    mad: pairs.length === 0 ? Number.NaN : pairs.reduce((sum, pair) => sum + pair, 0) / pairs.length,
    worst: Math.min(...means),
  }
}

/** Lower ends of the age groups that MovieLens 1M uses. */
const ages = [18, 25, 35, 45, 50, 56]

/**
 * People by an attribute of the data set; null where it has none of that name. Ages are cut as in MovieLens 1M, other numbers at their quartiles.
 */
export function attributeGroups(data: Interactions, users: Uint32Array, name: string): Groups | null {
  const column = data.userAttributes.find((entry) => entry.name === name)
  if (column === undefined) return null
  const values = Float64Array.from(users, (user) => column.values[user] as number)
  if (column.categories !== null)
    return { name, labels: column.categories, of: Int32Array.from(values, (value) => (Number.isNaN(value) ? -1 : value)) }
  return name === 'age' ? { name, ...byBounds(values, ages) } : { name, ...byQuantiles(values, 4) }
}

/**
 * People by how much is known of them: quarters by the length of their history.
 * @param history row p belongs to person p of the evaluation
 */
export function activityGroups(history: Positives): Groups {
  const sizes = Float64Array.from({ length: history.personCount }, (_, p) => itemsOf(history, p).length)
  return { name: 'activity', ...byQuantiles(sizes, 4) }
}

/**
 * Items by how often they occur in training: the fewest most popular ones that hold a third of all interactions, those that hold the next
 * third, and the rest. Items with equal counts are in one group.
 */
export function popularityGroups(counts: ArrayLike<number>): Groups {
  const heads = [1 / 3, 2 / 3].map((share) => shortHead(Float64Array.from(counts), share))
  const of = Int32Array.from(counts, (_, item) => heads.filter((head) => head[item] === 0).length)
  return { name: 'popularity', labels: ['popular', 'middle', 'rare'], of }
}

/**
 * Recall@k by groups of items: of all relevant items of the group, the share that is among the first k of the person who likes it. Each
 * (person, item) pair counts the same; over head and tail, PopREO is its relative spread.
 * @param k one of the evaluation's cutoffs
 */
export function recallByItemGroup(
  evaluation: Pick<RankerEvaluation, 'inclusion'>,
  people: Pick<RankedPeople, 'relevant'>,
  items: Groups,
  k: number,
): GroupFigures {
  return groupMetrics(evaluation.inclusion(k), { ...items, of: Int32Array.from(people.relevant.items, (item) => items.of[item] as number) })
}

/** Groups below, between and from the given bounds on, ascending. */
function byBounds(values: Float64Array, bounds: readonly number[]): Pick<Groups, 'labels' | 'of'> {
  const labels = bounds.flatMap((bound, i) => {
    const next = bounds[i + 1]
    const own = next === undefined ? `${bound}+` : `${bound}–${next - 1}`
    return i === 0 ? [`under ${bound}`, own] : [own]
  })
  const of = Int32Array.from(values, (value) => (Number.isNaN(value) ? -1 : bounds.filter((bound) => value >= bound).length))
  return { labels, of }
}

/** Groups of about the same size by rank; equal values are in one group, so there may be fewer. */
function byQuantiles(values: Float64Array, parts: number): Pick<Groups, 'labels' | 'of'> {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort()
  const bounds = [
    ...new Set(Array.from({ length: parts - 1 }, (_, i) => sorted[Math.ceil(((i + 1) * sorted.length) / parts)] as number)),
  ].filter((bound) => bound > (sorted[0] as number))
  const of = Int32Array.from(values, (value) => (Number.isNaN(value) ? -1 : bounds.filter((bound) => value >= bound).length))
  const labels = Array.from({ length: bounds.length + 1 }, (_, group) => {
    const own = sorted.filter((value) => bounds.filter((bound) => value >= bound).length === group)
    return own[0] === own.at(-1) ? `${own[0]}` : `${own[0]}–${own.at(-1)}`
  })
  return { labels, of }
}
