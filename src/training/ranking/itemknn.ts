/**
 * Trains `itemknn`: the cosine of items as sets of people, in which who has much counts for less, shrunk where few people have both, and the
 * nearest items kept.
 *
 * Not private: a likeness is a ratio of two exact counts, and one person moves as many of them as they have pairs of items.
 */
import { itemCounts, type Positives, transposed } from '../../data/index.ts'
import { TacetError } from '../../errors.ts'
import { createItemKnn, type ItemNeighbours } from '../../models/index.ts'
import type { RankingFitRequest, RankingTrainer } from './trainer.ts'

export const itemKnnTrainer: RankingTrainer = {
  name: 'itemknn',
  about: "an item's likeness to what a person has: cosine of who has both, over its nearest neighbours",
  parameters: {
    neighbours: { default: 200, atLeast: 1, integer: true, about: 'neighbours of each item that are kept' },
    shrinkage: { default: 20, atLeast: 0, about: 'people added to the denominator of each cosine: rare pairs count less' },
    personWeight: {
      default: 1,
      atLeast: 0,
      atMost: 2,
      about: 'p: a person with n items counts n^−p; 0: everybody alike, 1: rows of unit length',
    },
  },
  privateFor: [],
  refusal: {
    reason: 'itemknn is made of exact co-occurrence counts, and one person with n items moves n² of them',
    wayOut: 'Use item-gram, which releases a clipped and noised co-occurrence matrix, or train with --no-privacy.',
  },
  fit({ positives, parameters, privacy, onProgress, signal }: RankingFitRequest) {
    if (privacy !== null) {
      const { reason, wayOut } = itemKnnTrainer.refusal as { reason: string; wayOut: string }
      throw new TacetError('unsafe-plan', reason, { wayOut, details: { model: 'itemknn', unit: privacy.unit } })
    }
    return createItemKnn(
      nearestItems(positives, {
        neighbours: parameters['neighbours'] as number,
        shrinkage: parameters['shrinkage'] as number,
        personWeight: parameters['personWeight'] as number,
        onItem(item) {
          if (item % 256 === 0) onProgress?.('item', item, positives.itemCount)
          if (signal?.aborted) throw new TacetError('interrupted', `training of itemknn was interrupted at item ${item}`)
        },
      }),
    )
  },
}

/**
 * likeness(i, j) = w(i ∧ j) ÷ (√(w(i)·w(j)) + shrinkage), w the weights of the people who have an item, or both: n^−personWeight for n items, on a
 * scale on which a like weighs 1 on average. Kept: the largest of each item, equal ones by index. Time is Σ n² over people with n items; memory
 * is the result and one row.
 */
export function nearestItems(
  positives: Positives,
  options: {
    readonly neighbours: number
    readonly shrinkage: number
    readonly personWeight: number
    readonly onItem?: (item: number) => void
  },
): ItemNeighbours {
  const { personCount, itemCount, offsets, items } = positives
  const { offsets: starts, items: people } = transposed(positives)
  const length = (person: number) => (offsets[person + 1] as number) - (offsets[person] as number)
  const weight = Float64Array.from({ length: personCount }, (_, person) =>
    length(person) === 0 ? 0 : length(person) ** -options.personWeight,
  )
  const ofItem = new Float64Array(itemCount)
  let total = 0
  for (let person = 0; person < personCount; person++) {
    total += length(person) * (weight[person] as number)
    for (let e = offsets[person] as number; e < (offsets[person + 1] as number); e++)
      (ofItem[items[e] as number] as number) += weight[person] as number
  }
  const shrinkage = (options.shrinkage * total) / Math.max(1, items.length)
  const k = Math.max(1, Math.min(options.neighbours, itemCount - 1))
  const neighbours = new Uint32Array(itemCount * k)
  const likeness = new Float32Array(itemCount * k)
  const both = new Float64Array(itemCount)
  const touched = new Uint32Array(itemCount)
  const cosine = new Float32Array(itemCount)
  for (let item = 0; item < itemCount; item++) {
    options.onItem?.(item)
    let found = 0
    for (let at = starts[item] as number; at < (starts[item + 1] as number); at++) {
      const person = people[at] as number
      const to = offsets[person + 1] as number
      const own = weight[person] as number
      for (let e = offsets[person] as number; e < to; e++) {
        const other = items[e] as number
        if (both[other] === 0) touched[found++] = other
        both[other] = (both[other] as number) + own
      }
    }
    const nearest: number[] = []
    for (let n = 0; n < found; n++) {
      const other = touched[n] as number
      if (other !== item) {
        cosine[other] = (both[other] as number) / (Math.sqrt((ofItem[item] as number) * (ofItem[other] as number)) + shrinkage)
        nearest.push(other)
      }
      both[other] = 0
    }
    nearest.sort((a, b) => (cosine[b] as number) - (cosine[a] as number) || a - b)
    for (let at = 0; at < Math.min(k, nearest.length); at++) {
      neighbours[item * k + at] = nearest[at] as number
      likeness[item * k + at] = cosine[nearest[at] as number] as number
    }
  }
  return { itemCount, k, neighbours, likeness, popularity: Float32Array.from(itemCounts(positives)) }
}
