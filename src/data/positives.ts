/**
 * Who liked what, as a compressed sparse row matrix of ones: what ranking models are trained on and what lists are measured against.
 * One entry a (person, item) pair. Knows nothing of splits (ranking-splits.ts) or of models.
 */
import { checkNumber } from '../errors.ts'
import type { Interactions } from './interactions.ts'

/** A 0/1 matrix of people × items by rows: the items of person p are items[offsets[p]] … items[offsets[p + 1] − 1], ascending, distinct. */
export interface Positives {
  readonly personCount: number
  readonly itemCount: number
  /** Uint32Array[personCount + 1] */
  readonly offsets: Uint32Array
  /** Uint32Array[number of pairs], dense item indices */
  readonly items: Uint32Array
}

export const noPositives = (personCount: number, itemCount: number): Positives => ({
  personCount,
  itemCount,
  offsets: new Uint32Array(personCount + 1),
  items: new Uint32Array(0),
})

/** The items of one person, ascending: a view. */
export const itemsOf = ({ offsets, items }: Positives, person: number): Uint32Array =>
  items.subarray(offsets[person] as number, offsets[person + 1] as number)

/** Builds the matrix from one ascending-or-not list of distinct items a person. */
export function positivesFrom(lists: readonly (readonly number[] | Uint32Array)[], itemCount: number): Positives {
  const offsets = new Uint32Array(lists.length + 1)
  for (const [person, list] of lists.entries()) offsets[person + 1] = (offsets[person] as number) + list.length
  const items = new Uint32Array(offsets[lists.length] as number)
  for (const [person, list] of lists.entries()) items.set(Uint32Array.from(list).sort(), offsets[person])
  return { personCount: lists.length, itemCount, offsets, items }
}

/** The same ones by columns: for each item (as "person") the people who have it, ascending. */
export function transposed({ personCount, itemCount, offsets, items }: Positives): Positives {
  const starts = new Uint32Array(itemCount + 1)
  for (const item of items) starts[item + 1]!++
  for (let item = 0; item < itemCount; item++) (starts[item + 1] as number) += starts[item] as number
  const people = new Uint32Array(items.length)
  const next = starts.slice()
  for (let person = 0; person < personCount; person++)
    for (let at = offsets[person] as number; at < (offsets[person + 1] as number); at++) people[next[items[at] as number]++] = person
  return { personCount: itemCount, itemCount: personCount, offsets: starts, items: people }
}

/** How many people have each item: Uint32Array[itemCount]. An exact count: private. */
export function itemCounts({ itemCount, items }: Positives): Uint32Array {
  const counts = new Uint32Array(itemCount)
  for (const item of items) (counts[item] as number)++
  return counts
}

/**
 * Rows that count as "liked".
 * @param minRating lowest rating that counts; ignored on data without ratings (every row counts there)
 * @returns row numbers, ascending
 */
export function positiveRows(data: Interactions, minRating: number | null): Uint32Array {
  const rows = Uint32Array.from(data.users.keys())
  if (minRating === null || data.feedback === 'implicit') return rows
  checkNumber('min-rating', minRating)
  return rows.filter((row) => (data.values[row] as number) >= minRating)
}
