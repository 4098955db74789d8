/**
 * Puts a data set into the vocabulary a model was trained with: the same person and the same item under the same dense index, whatever order the
 * files list them in. A row about somebody or something the model has never heard of is an error that names the id, unless the vocabulary has a
 * row for everything unnamed (private-vocabulary.ts).
 */
import type { AttributeColumn, Interactions } from '../data/index.ts'
import { TacetError } from '../errors.ts'

/** Stands last in a vocabulary that was chosen privately, for every id it does not name. No reader lets an empty id in. */
export const unnamedId = ''

/** External ids in the order of the model's rows. */
export interface Vocabulary {
  readonly userIds: readonly string[]
  readonly itemIds: readonly string[]
}

/**
 * `data` with dense indices of `vocabulary`; the same object if they agree already. People and items of the vocabulary that `data` lacks keep
 * their row, with attributes unknown.
 * @throws TacetError unknown-id if a row's person or item is not in the vocabulary, and the vocabulary has no row for those
 */
export function alignToVocabulary(data: Interactions, vocabulary: Vocabulary): Interactions {
  if (same(data.userIds, vocabulary.userIds) && same(data.itemIds, vocabulary.itemIds)) return data
  const users = translation(data.userIds, vocabulary.userIds)
  const items = translation(data.itemIds, vocabulary.itemIds)
  const translate = (column: Uint32Array, to: Int32Array, ids: readonly string[], known: readonly string[], what: string): Uint32Array =>
    column.map((index) => {
      const found = to[index] as number
      if (found >= 0) return found
      if (known.at(-1) === unnamedId) return known.length - 1
      throw new TacetError('unknown-id', `${what} ${ids[index]} of ${data.name} is not among the ${what}s this model was trained with`, {
        wayOut: 'use the data set the run was trained on, or train again',
        details: { [what]: ids[index] },
      })
    })
  return {
    ...data,
    users: translate(data.users, users, data.userIds, vocabulary.userIds, 'user'),
    items: translate(data.items, items, data.itemIds, vocabulary.itemIds, 'item'),
    userIds: vocabulary.userIds,
    itemIds: vocabulary.itemIds,
    userAttributes: data.userAttributes.map((column) => alignColumn(column, users, vocabulary.userIds.length)),
    itemTable: data.itemTable && {
      ...data.itemTable,
      titles: data.itemTable.titles && scatter(data.itemTable.titles, items, vocabulary.itemIds.length, ''),
      genres: scatter(data.itemTable.genres, items, vocabulary.itemIds.length, []),
      years: data.itemTable.years && Float32Array.from(scatter([...data.itemTable.years], items, vocabulary.itemIds.length, Number.NaN)),
    },
  }
}

function alignColumn(column: AttributeColumn, to: Int32Array, size: number): AttributeColumn {
  return { ...column, values: Float32Array.from(scatter([...column.values], to, size, Number.NaN)) }
}

function scatter<Value>(values: readonly Value[], to: Int32Array, size: number, missing: Value): Value[] {
  const out = new Array<Value>(size).fill(missing)
  for (const [index, value] of values.entries()) if ((to[index] as number) >= 0) out[to[index] as number] = value
  return out
}

/** Index in `to` of each id in `from`, −1 where there is none. */
function translation(from: readonly string[], to: readonly string[]): Int32Array {
  const index = new Map(to.map((id, i) => [id, i]))
  return Int32Array.from(from, (id) => index.get(id) ?? -1)
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i])
}
