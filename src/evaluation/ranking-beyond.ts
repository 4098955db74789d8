/**
 * What lists do beyond being right: how much of the catalogue they show, how evenly, how novel, how popular, how varied, and whether popular
 * items get more of the chances. Pure functions over lists of dense item numbers; which definition bears which name is in ranking-metrics.ts.
 *
 * Scores that tie across the cut make a list random; every function here takes each item's chance to be listed (`inclusion`), and returns an exact
 * expectation except where it says "of the expected exposure" (Gini, entropy: not linear in it).
 */
import { forEachTie } from './ranking.ts'

/** The first k ranks of one person. Columns are parallel. */
export interface TopList {
  /** Dense item numbers, every item that can be among the first k. */
  readonly items: Uint32Array
  /** Chance of each to be among the first k: 1 without ties. */
  readonly inclusion: Float64Array
  /** Expected Σ 1/log2(rank + 1) over the ranks ≤ k that each holds. */
  readonly discounts: Float64Array
  /** Item → run of tied items it belongs to, as exclusive end (runs are disjoint, so the end names one). */
  readonly runEnds: Uint32Array
  /** Number of filled ranks, ≤ k. */
  readonly length: number
}

/** Cuts a ranking of item numbers at k. */
export function topList(items: Uint32Array, tieEnds: Uint32Array | undefined, k: number): TopList {
  const length = Math.min(k, items.length)
  const reach = tieEnds === undefined ? length : (tieEnds.find((end) => end >= length) ?? 0)
  const inclusion = new Float64Array(reach)
  const discounts = new Float64Array(reach)
  const runEnds = new Uint32Array(reach)
  forEachTie({ gains: new Float64Array(reach), ...(tieEnds === undefined ? {} : { tieEnds }) }, length, (start, end, cut) => {
    let discount = 0
    for (let i = start; i < cut; i++) discount += 1 / Math.log2(i + 2)
    inclusion.fill((cut - start) / (end - start), start, end)
    discounts.fill(discount / (end - start), start, end)
    runEnds.fill(end, start, end)
  })
  return { items: items.subarray(0, reach), inclusion, discounts, runEnds, length }
}

/** Expected number of lists that hold each item. @returns Float64Array[itemCount] */
export function exposure(lists: readonly TopList[], itemCount: number): Float64Array {
  const counts = new Float64Array(itemCount)
  for (const list of lists) addExposure(counts, list)
  return counts
}

/** One list more in `exposure`. */
export function addExposure(counts: Float64Array, { items, inclusion }: TopList): void {
  for (let i = 0; i < items.length; i++) counts[items[i] as number] = (counts[items[i] as number] as number) + (inclusion[i] as number)
}

/** Expected number of distinct items in any list. */
export function distinctItems(lists: readonly TopList[], itemCount: number): number {
  const absent = new Float64Array(itemCount).fill(1)
  for (const list of lists) multiplyAbsence(absent, list)
  return expectedDistinct(absent)
}

/** One list more in each item's chance to be in none: `absent` starts as ones. */
export function multiplyAbsence(absent: Float64Array, { items, inclusion }: TopList): void {
  for (let i = 0; i < items.length; i++)
    absent[items[i] as number] = (absent[items[i] as number] as number) * (1 - (inclusion[i] as number))
}

export function expectedDistinct(absent: Float64Array): number {
  let sum = 0
  for (const chance of absent) sum += 1 - chance
  return sum
}

/**
 * Gini coefficient of counts c sorted ascending: Σ (2j − n − 1)·c_j / (n·Σc), j = 1 … n. 0: all alike; (n − 1)/n: one item has everything.
 * `normalised` divides by n − 1 in place of n, so that the top is 1.
 * @returns NaN for no counts or all zero; 0 for one item
 */
export function gini(counts: Float64Array, { normalised = false }: { normalised?: boolean } = {}): number {
  const sorted = Float64Array.from(counts).sort()
  const n = sorted.length
  let weighted = 0
  let total = 0
  for (let j = 0; j < n; j++) {
    weighted += (2 * j - n + 1) * (sorted[j] as number)
    total += sorted[j] as number
  }
  if (total === 0) return Number.NaN
  if (n === 1) return 0
  return weighted / (total * (normalised ? n - 1 : n))
}

/** Shannon entropy −Σ p log p of counts as shares, in bits; NaN for all zero. */
export function entropyBits(counts: Float64Array): number {
  let total = 0
  for (const count of counts) total += count
  if (total === 0) return Number.NaN
  let sum = 0
  for (const count of counts) if (count > 0) sum -= (count / total) * Math.log2(count / total)
  return sum
}

/** Mean of a number per item over one list's slots (each by its chance); NaN for an empty list. */
export function slotMean({ items, inclusion, length }: TopList, of: (item: number) => number): number {
  let sum = 0
  for (let i = 0; i < items.length; i++) sum += (inclusion[i] as number) * of(items[i] as number)
  return length === 0 ? Number.NaN : sum / length
}

/** Mean of a number per item over one list's slots weighted by 1/log2(rank + 1) (Vargas & Castells 2011); NaN for an empty list. */
export function discountedSlotMean({ items, discounts, length }: TopList, of: (item: number) => number): number {
  let sum = 0
  let weights = 0
  for (let i = 0; i < items.length; i++) {
    sum += (discounts[i] as number) * of(items[i] as number)
    weights += discounts[i] as number
  }
  return length === 0 ? Number.NaN : sum / weights
}

/** Mean distance over the unordered pairs of one list, each pair by its chance to be in it together; NaN for fewer than two slots. */
export function meanPairDistance({ items, inclusion, runEnds, length }: TopList, distance: (a: number, b: number) => number): number {
  if (length < 2) return Number.NaN
  let sum = 0
  let start = 0
  for (let a = 1; a < items.length; a++) {
    if (runEnds[a] !== runEnds[a - 1]) start = a
    // Two of the same run of n: m(m − 1)/(n(n − 1)) of its orders hold both, where m of its places are within the list.
    const n = (runEnds[a] as number) - start
    const m = Math.min(length, runEnds[a] as number) - start
    const together = n < 2 ? 0 : (m * (m - 1)) / (n * (n - 1))
    for (let b = 0; b < a; b++) {
      const chance = b >= start ? together : (inclusion[a] as number) * (inclusion[b] as number)
      if (chance > 0) sum += chance * distance(items[a] as number, items[b] as number)
    }
  }
  return sum / ((length * (length - 1)) / 2)
}

/**
 * The short head: the most popular items that together hold at least `share` of all interactions, the fewest that do; items as popular as the
 * least popular of them belong to it too, so that it does not hang on the order of ties.
 * @param counts Float64Array[itemCount], ≥ 0 @returns Uint8Array[itemCount], 1 = head
 */
export function shortHead(counts: Float64Array, share: number): Uint8Array {
  const sorted = Float64Array.from(counts).sort().reverse()
  const total = sorted.reduce((sum, count) => sum + count, 0)
  let held = 0
  let least = Number.POSITIVE_INFINITY
  for (const count of sorted) {
    if (held >= share * total * (1 - 1e-12)) break
    held += count
    least = count
  }
  return Uint8Array.from(counts, (count) => (count >= least && count > 0 ? 1 : 0))
}

/** Population standard deviation ÷ mean of the groups' rates: 0 where all are served alike; NaN where every rate is 0. */
export function relativeSpread(rates: readonly number[]): number {
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length
  const variance = rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length
  return mean === 0 ? Number.NaN : Math.sqrt(variance) / mean
}

/** 1 − cosine similarity, 0 … 2; NaN if one of the vectors is zero. */
export function cosineDistance(a: readonly number[], b: readonly number[]): number {
  let dot = 0
  let aa = 0
  let bb = 0
  for (let i = 0; i < a.length; i++) {
    dot += (a[i] as number) * (b[i] as number)
    aa += (a[i] as number) ** 2
    bb += (b[i] as number) ** 2
  }
  return 1 - dot / Math.sqrt(aa * bb)
}

/** 1 − |∩|/|∪| of two sets; two empty sets are alike (0): missing labels must not look like variety. */
export function jaccardDistance<T>(a: ReadonlySet<T>, b: ReadonlySet<T>): number {
  let shared = 0
  for (const entry of a) if (b.has(entry)) shared++
  const union = a.size + b.size - shared
  return union === 0 ? 0 : 1 - shared / union
}
