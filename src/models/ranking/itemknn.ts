/**
 * Item neighbourhoods: an item's score is the sum of its likenesses to what the person has, over its nearest neighbours alone. Knows nobody: a
 * stranger's history is all it asks for, and every reason is a term of the score.
 *
 * An item none of whose neighbours is in the history scores below every other, in order of popularity. Likenesses come from exact co-occurrence
 * counts: not a release that is private for anybody.
 *
 * @see Deshpande & Karypis 2004, "Item-based top-N recommendation algorithms"
 */
import { TacetError } from '../../errors.ts'
import type { NamedTensors, Ranked } from '../model.ts'
import { expectTensor } from '../safetensors.ts'
import { sharesOf } from './factor-ranker.ts'
import { type Ranker, scoreSome } from './ranker.ts'

/** The neighbours of item i, most alike first: neighbours[i · k …], with likenesses > 0; where there are fewer than k, likeness 0 ends the row. */
export interface ItemNeighbours {
  readonly itemCount: number
  readonly k: number
  /** Uint32Array[items × k] */
  readonly neighbours: Uint32Array
  /** Float32Array[items × k], descending in a row */
  readonly likeness: Float32Array
  /** Float32Array[items], ≥ 0: for items that nothing speaks for. */
  readonly popularity: Float32Array
}

export function createItemKnn(model: ItemNeighbours): Ranker {
  const { itemCount, k, neighbours, likeness, popularity } = model
  // For each item those that count it as a neighbour: what a history adds to.
  const starts = new Uint32Array(itemCount + 1)
  const held = (at: number) => (likeness[at] as number) > 0
  for (let at = 0; at < neighbours.length; at++) if (held(at)) starts[(neighbours[at] as number) + 1]!++
  for (let item = 0; item < itemCount; item++) (starts[item + 1] as number) += starts[item] as number
  const scored = new Uint32Array(starts[itemCount] as number)
  const weight = new Float32Array(scored.length)
  const next = starts.slice()
  for (let item = 0; item < itemCount; item++)
    for (let at = item * k; at < (item + 1) * k; at++) {
      if (!held(at)) continue
      const to = next[neighbours[at] as number]++
      scored[to] = item
      weight[to] = likeness[at] as number
    }
  const prior = popularity.map((count) => -1 / (1 + count))
  const likenessOf = (item: number, liked: number): number => {
    for (let at = item * k; at < (item + 1) * k && held(at); at++) if (neighbours[at] === liked) return likeness[at] as number
    return 0
  }

  const ranker: Ranker = {
    name: 'itemknn',
    itemCount,
    personCount: 0,
    foldsIn: true,
    score: (userIndex, items, out) => scoreSome(ranker, userIndex, items, out),
    scoreAll(people, out) {
      out.fill(0, 0, people.length * itemCount)
      for (const [person, { history }] of people.entries()) {
        const row = out.subarray(person * itemCount, (person + 1) * itemCount)
        for (const liked of history)
          for (let at = starts[liked] as number; at < (starts[liked + 1] as number); at++)
            row[scored[at] as number] = (row[scored[at] as number] as number) + (weight[at] as number)
        for (let item = 0; item < itemCount; item++) if (row[item] === 0) row[item] = prior[item] as number
      }
    },
    similarItems(item, n) {
      const similar: Ranked[] = []
      for (let at = item * k; at < (item + 1) * k && held(at) && similar.length < n; at++)
        similar.push({ item: neighbours[at] as number, score: likeness[at] as number })
      return similar
    },
    reasons: ({ history }, item, n) => sharesOf(history, (liked) => likenessOf(item, liked), n),
    parameters: (): NamedTensors => ({
      neighbours: { shape: [itemCount, k], data: Float32Array.from(neighbours) },
      likeness: { shape: [itemCount, k], data: likeness },
      popularity: { shape: [itemCount], data: popularity },
    }),
  }
  return ranker
}

/** @throws TacetError corrupt-run if the tensors do not fit together, or name an item there is not */
export function loadItemKnn(tensors: NamedTensors): Ranker {
  const [itemCount = 0, k = 0] = tensors['neighbours']?.shape ?? []
  const neighbours = expectTensor(tensors, 'neighbours', [itemCount, k], 'itemknn')
  for (const item of neighbours)
    if (!(Number.isInteger(item) && item >= 0 && item < itemCount))
      throw new TacetError('corrupt-run', `itemknn: a neighbour is item ${item} of ${itemCount}`, {
        wayOut: 'Restore the file from a copy, or train again.',
      })
  return createItemKnn({
    itemCount,
    k,
    neighbours: Uint32Array.from(neighbours),
    likeness: expectTensor(tensors, 'likeness', [itemCount, k], 'itemknn'),
    popularity: expectTensor(tensors, 'popularity', [itemCount], 'itemknn'),
  })
}
