/**
 * The lists of many people at once, exact, for any ranker: scores in batches, then the best n of each row in WASM. For one person `topItems` does
 * the same over plain arrays.
 */
import { createArena, createRankingKernels, padded } from '../../kernels/index.ts'
import type { Person, Ranker } from './ranker.ts'

export interface TopLists {
  /** Row length of `items` and `scores`. */
  readonly n: number
  /** Uint32Array[people × n]: person p's list, best first, is items[p · n … p · n + lengths[p] − 1]; 0 beyond. */
  readonly items: Uint32Array
  /** Float32Array[people × n] */
  readonly scores: Float32Array
  /** Uint32Array[people]: shorter than n where fewer items may be listed. */
  readonly lengths: Uint32Array
}

/**
 * The n best items of each person, equal scores by item index, without what they have. A score that is not a number is never listed.
 * @param exclude what may not be listed to people[p]; default their history
 */
export function topLists(
  ranker: Pick<Ranker, 'name' | 'itemCount' | 'scoreAll'>,
  people: readonly Person[],
  n: number,
  exclude: (person: number) => Uint32Array = (person) => (people[person] as Person).history,
): TopLists {
  const { itemCount } = ranker
  const length = Math.min(n, itemCount)
  const out: TopLists = {
    n: length,
    items: new Uint32Array(people.length * length),
    scores: new Float32Array(people.length * length),
    lengths: new Uint32Array(people.length),
  }
  const batch = Math.max(1, Math.min(people.length, 256, Math.floor(2 ** 22 / Math.max(1, itemCount))))
  const width = padded(itemCount)
  const arena = createArena()
  const at = {
    scores: arena.allocate(batch * width),
    items: arena.allocate(batch * length),
    best: arena.allocate(batch * length),
    lengths: arena.allocate(batch),
  }
  const kernels = createRankingKernels(arena.byteLength)
  const rows = new Float32Array(kernels.buffer, at.scores, batch * width)
  const scores = new Float32Array(batch * itemCount)
  for (let from = 0; from < people.length; from += batch) {
    const count = Math.min(batch, people.length - from)
    ranker.scoreAll(people.slice(from, from + count), scores.subarray(0, count * itemCount))
    for (let row = 0; row < count; row++) {
      rows.set(scores.subarray(row * itemCount, (row + 1) * itemCount), row * width)
      const barred = exclude(from + row)
      for (let e = 0; e < barred.length; e++) rows[row * width + (barred[e] as number)] = Number.NEGATIVE_INFINITY
    }
    kernels.topRows(count, itemCount, width, length, at.scores, at.items, at.best, at.lengths)
    const lengths = new Uint32Array(kernels.buffer, at.lengths, count)
    for (let row = 0; row < count; row++) {
      const filled = lengths[row] as number
      const base = (from + row) * length
      out.lengths[from + row] = filled
      out.items.set(new Uint32Array(kernels.buffer, at.items + 4 * row * length, filled), base)
      out.scores.set(new Float32Array(kernels.buffer, at.best + 4 * row * length, filled), base)
    }
  }
  return out
}
