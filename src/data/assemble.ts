/**
 * From parsed rows to `Interactions`: growing columns, one row a pair, vocabularies in a fixed order. Pure.
 *
 * One row a pair: a person has at most one row an item, since every sensitivity in privacy/ is stated for that. Where a file has more,
 * explicit feedback keeps the latest by time (without times, or at equal times, the last in the file: people change their minds), implicit
 * feedback keeps the first row and adds the weights up (its time becomes the latest), and a data set with its own split keeps the first
 * (train is read before test, so an overlap never leaves a train row in test). `duplicateRows` counts what went.
 */
import { TacetError } from '../errors.ts'
import { compareIds, type IdIndex } from './ids.ts'
import type { AttributeColumn, Interactions, ItemTable, RatingScale } from './interactions.ts'

/** Columns that grow geometrically: no object a row. */
export interface Rows {
  readonly length: number
  push(user: number, item: number, value: number, timestamp: number): void
  finish(): { users: Uint32Array; items: Uint32Array; values: Float32Array; timestamps: Float64Array | null }
}

export function createRows({ timestamps: hasTimestamps }: { timestamps: boolean }): Rows {
  let capacity = 1 << 14
  let length = 0
  let users = new Uint32Array(capacity)
  let items = new Uint32Array(capacity)
  let values = new Float32Array(capacity)
  let timestamps = new Float64Array(hasTimestamps ? capacity : 0)

  function grow(): void {
    capacity *= 2
    const oldUsers = users
    users = new Uint32Array(capacity)
    users.set(oldUsers)
    const oldItems = items
    items = new Uint32Array(capacity)
    items.set(oldItems)
    const oldValues = values
    values = new Float32Array(capacity)
    values.set(oldValues)
    if (!hasTimestamps) return
    const oldTimestamps = timestamps
    timestamps = new Float64Array(capacity)
    timestamps.set(oldTimestamps)
  }

  return {
    get length() {
      return length
    },
    push(user, item, value, timestamp) {
      if (length === capacity) grow()
      users[length] = user
      items[length] = item
      values[length] = value
      if (hasTimestamps) timestamps[length] = timestamp
      length++
    },
    finish: () => ({
      users: users.slice(0, length),
      items: items.slice(0, length),
      values: values.slice(0, length),
      timestamps: hasTimestamps ? timestamps.slice(0, length) : null,
    }),
  }
}

/** A vocabulary: a public table in its own order, or the ids met in the interactions. */
export interface Vocabulary {
  readonly index: IdIndex
  readonly source: 'public-table' | 'from-interactions'
}

export interface Parts {
  readonly name: string
  readonly path: string
  readonly feedback: 'explicit' | 'implicit'
  readonly ratingScale: RatingScale | null
  readonly ratingScaleSource?: 'format' | 'declared' | 'inferred'
  readonly rows: Rows
  readonly users: Vocabulary
  readonly items: Vocabulary
  readonly userAttributes?: readonly AttributeColumn[]
  readonly itemTable?: ItemTable | null
  /** Rows from this one on are the data set's own test rows. */
  readonly testFrom?: number
  /** Or the side of each row, one by one. */
  readonly sides?: Uint8Array
  /** Ids were added in their final order already. */
  readonly keepOrder?: boolean
  readonly skippedLines: number
  readonly publicCutTimestamp?: number | undefined
}

/**
 * @throws TacetError empty-data when no row is left
 */
export function assemble(parts: Parts): Interactions {
  if (parts.rows.length === 0) {
    throw new TacetError('empty-data', `${parts.path} holds no interactions${skippedClause(parts.skippedLines)}`, {
      wayOut: 'Give a data set with at least one rating.',
      details: { path: parts.path, skippedLines: parts.skippedLines },
    })
  }
  const columns = parts.rows.finish()
  const userIds = vocabularyInOrder(parts.users, columns.users, parts.keepOrder)
  const itemIds = vocabularyInOrder(parts.items, columns.items, parts.keepOrder)
  const givenSplit = parts.sides ?? (parts.testFrom === undefined ? null : new Uint8Array(columns.users.length).fill(1, parts.testFrom))
  const policy = givenSplit ? 'first' : parts.feedback === 'explicit' ? 'latest' : 'sum'
  const keep = rowsToKeep(columns, userIds.length, itemIds.length, policy)
  const pick = <T extends Uint32Array | Uint8Array | Float32Array | Float64Array>(column: T): T =>
    keep === null ? column : ((column as Float64Array).filter((_, row) => keep[row] === 1) as unknown as T)
  const users = pick(columns.users)
  const duplicateRows = columns.users.length - users.length
  return {
    name: parts.name,
    feedback: parts.feedback,
    ratingScale: parts.ratingScale,
    ...(parts.ratingScale ? { ratingScaleSource: parts.ratingScaleSource ?? 'format' } : {}),
    users,
    items: pick(columns.items),
    values: pick(columns.values),
    timestamps: columns.timestamps && pick(columns.timestamps),
    userIds,
    itemIds,
    vocabulary: { users: parts.users.source, items: parts.items.source },
    userAttributes: parts.userAttributes ?? [],
    itemTable: parts.itemTable ?? null,
    givenSplit: givenSplit && pick(givenSplit),
    skippedLines: parts.skippedLines,
    duplicateRows,
    ...(parts.publicCutTimestamp === undefined ? {} : { publicCutTimestamp: parts.publicCutTimestamp }),
  }
}

function skippedClause(skipped: number): string {
  return skipped === 0 ? '' : ` (${skipped} bad line${skipped === 1 ? '' : 's'} skipped)`
}

/** Ids in their final order; renumbers `column` when that is not the order in which they were met. */
function vocabularyInOrder({ index, source }: Vocabulary, column: Uint32Array, keepOrder = false): string[] {
  const ids = index.ids()
  if (keepOrder || source === 'public-table') return ids
  const order = Array.from(ids, (_, i) => i).sort((a, b) => compareIds(ids[a] as string, ids[b] as string))
  const rank = new Uint32Array(ids.length)
  order.forEach((old, now) => {
    rank[old] = now
  })
  for (let row = 0; row < column.length; row++) column[row] = rank[column[row] as number] as number
  return order.map((old) => ids[old] as string)
}

/** 1 for rows that stay, or null when every row does. May change values and times of rows that stay (policy `sum`). */
function rowsToKeep(
  { users, items, values, timestamps }: ReturnType<Rows['finish']>,
  userCount: number,
  itemCount: number,
  policy: 'latest' | 'sum' | 'first',
): Uint8Array | null {
  const { rows, offsets } = rowsByUser(users, userCount)
  // For each item the row (+1) in which the current person has it; `met` tells entries of this person from leftovers.
  const rowOf = new Uint32Array(itemCount)
  const met = new Uint32Array(itemCount)
  let keep: Uint8Array | null = null
  for (let user = 0; user < userCount; user++) {
    for (let k = offsets[user] as number; k < (offsets[user + 1] as number); k++) {
      const row = rows[k] as number
      const item = items[row] as number
      if (met[item] !== user + 1) {
        met[item] = user + 1
        rowOf[item] = row
        continue
      }
      keep ??= new Uint8Array(users.length).fill(1)
      const earlier = rowOf[item] as number
      if (policy === 'latest' && !(timestamps && (timestamps[row] as number) < (timestamps[earlier] as number))) {
        keep[earlier] = 0
        rowOf[item] = row
        continue
      }
      keep[row] = 0
      if (policy !== 'sum') continue
      values[earlier] = (values[earlier] as number) + (values[row] as number)
      if (timestamps) timestamps[earlier] = Math.max(timestamps[earlier] as number, timestamps[row] as number)
    }
  }
  return keep
}

/**
 * Row numbers grouped by person, in row order within a person (a counting sort).
 * @returns rows: Uint32Array[n]; offsets: Uint32Array[userCount + 1], person u's rows are `rows[offsets[u] … offsets[u+1])`
 */
export function rowsByUser(users: Uint32Array, userCount: number): { rows: Uint32Array; offsets: Uint32Array } {
  const offsets = new Uint32Array(userCount + 1)
  for (let row = 0; row < users.length; row++) {
    const next = (users[row] as number) + 1
    offsets[next] = (offsets[next] as number) + 1
  }
  for (let user = 0; user < userCount; user++) offsets[user + 1] = (offsets[user + 1] as number) + (offsets[user] as number)
  const next = offsets.slice(0, userCount)
  const rows = new Uint32Array(users.length)
  for (let row = 0; row < users.length; row++) {
    const user = users[row] as number
    rows[next[user] as number] = row
    next[user] = (next[user] as number) + 1
  }
  return { rows, offsets }
}
