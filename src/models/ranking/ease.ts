/**
 * EASE (Steck 2019): a linear model from liked items to scored items, score of i = Σ over the history's items j of weights[j, i]. Holds items only:
 * a person is their history. This file scores; the closed form that finds the weights is in training/ranking/ease.ts.
 *
 * The weights are dense over `head` (all items, or the most popular ones of a large catalogue). Items outside it follow below the others in order
 * of the prior, which also ranks for a history with nothing of the head in it.
 */
import { TacetError } from '../../errors.ts'
import type { NamedTensors } from '../model.ts'
import { expectTensor } from '../safetensors.ts'
import { sharesOf } from './factor-ranker.ts'
import { type Ranker, scoreSome, topItems } from './ranker.ts'

export interface Ease {
  /** Float32Array[head × head]: row j is what liking item head[j] adds to the score of each item of the head; 0 on the diagonal. */
  readonly weights: Float32Array
  /** Item indices, ascending: what the rows and columns of `weights` stand for. */
  readonly head: Uint32Array
  /** Float32Array[items], 0 … 1: the order of items about which nothing else is known, more popular first. */
  readonly prior: Float32Array
}

/** @throws TacetError corrupt-run if sizes do not fit together */
export function createEase({ weights, head, prior }: Ease): Ranker {
  const itemCount = prior.length
  const size = head.length
  if (weights.length !== size * size || head.some((item, at) => item >= itemCount || (at > 0 && item <= (head[at - 1] as number))))
    throw new TacetError('corrupt-run', `ease: ${weights.length} weights and a head of ${size} of ${itemCount} items do not fit together`, {
      wayOut: 'Restore the file from a copy, or train again.',
    })
  /** Item → its row in weights, or −1. */
  const rowOf = new Int32Array(itemCount).fill(-1)
  for (const [row, item] of head.entries()) rowOf[item] = row
  const weightOf = (liked: number, item: number): number => {
    const [row, column] = [rowOf[liked] as number, rowOf[item] as number]
    return row < 0 || column < 0 ? 0 : (weights[row * size + column] as number)
  }

  const sums = new Float32Array(size)
  const ranker: Ranker = {
    name: 'ease',
    itemCount,
    personCount: 0,
    foldsIn: true,
    score: (userIndex, items, out) => scoreSome(ranker, userIndex, items, out),
    scoreAll(people, out) {
      for (const [at, { history }] of people.entries()) {
        const scores = out.subarray(at * itemCount, (at + 1) * itemCount)
        const target = size === itemCount ? scores : sums
        target.fill(0)
        let known = 0
        for (const item of history) {
          const row = rowOf[item] as number
          if (row < 0) continue
          known++
          const from = row * size
          for (let i = 0; i < size; i++) target[i] = (target[i] as number) + (weights[from + i] as number)
        }
        if (known === 0) scores.set(prior)
        else if (target !== scores) {
          let lowest = Number.POSITIVE_INFINITY
          for (const score of sums) lowest = Math.min(lowest, score)
          for (let item = 0; item < itemCount; item++) scores[item] = lowest - 2 + (prior[item] as number)
          for (let i = 0; i < size; i++) scores[head[i] as number] = sums[i] as number
        }
      }
    },
    similarItems(item, n) {
      const row = rowOf[item] as number
      if (row < 0) return []
      return topItems(weights.subarray(row * size, (row + 1) * size), n, { exclude: Uint32Array.of(row) }).map((ranked) => ({
        item: head[ranked.item] as number,
        score: ranked.score,
      }))
    },
    reasons: ({ history }, item, n) => sharesOf(history, (liked) => weightOf(liked, item), n),
    parameters: () => ({
      item_weights: { shape: [size, size], data: weights },
      item_prior: { shape: [itemCount], data: prior },
      // Exact in single precision: a head has far fewer than 2²⁴ items, and so has a catalogue that it is cut from (checked when training).
      ...(size === itemCount ? {} : { head_items: { shape: [size], data: Float32Array.from(head) } }),
    }),
  }
  return ranker
}

/** @throws TacetError corrupt-run */
export function loadEase(tensors: NamedTensors): Ranker {
  const itemCount = tensors['item_prior']?.shape[0] ?? 0
  const size = tensors['head_items']?.shape[0] ?? itemCount
  return createEase({
    weights: expectTensor(tensors, 'item_weights', [size, size], 'ease'),
    prior: expectTensor(tensors, 'item_prior', [itemCount], 'ease'),
    head:
      tensors['head_items'] === undefined
        ? Uint32Array.from({ length: itemCount }, (_, item) => item)
        : Uint32Array.from(expectTensor(tensors, 'head_items', [size], 'ease')),
  })
}
