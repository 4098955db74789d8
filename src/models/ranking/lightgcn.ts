/**
 * LightGCN once trained: vectors of people and items smoothed over the graph of likes, scored by their product (He et al. 2020). The graph itself is
 * not needed any more.
 *
 * A stranger enters as a new node would: their vector is Σ_l over layers of their items' vectors one layer down, ÷ √(their number · each item's degree).
 * What the items contribute is kept beside them (`entering_items`), so that this is exactly what smoothing gives a new node that had no vector of
 * its own, but for the trace that it would leave in everybody else's. Somebody without any history gets the mean person (`mean_person`).
 */
import type { NamedTensors } from '../model.ts'
import { expectTensor } from '../safetensors.ts'
import { createFactorRanker, loadFactors, sharesOf } from './factor-ranker.ts'
import type { Ranker } from './ranker.ts'

export interface LightGcnVectors {
  readonly dimension: number
  /** Float32Array[people × dimension], smoothed. */
  readonly people: Float32Array
  /** Float32Array[items × dimension], smoothed. */
  readonly items: Float32Array
  /** Float32Array[items × dimension]: an item's part in the vector of a new node, before ÷ √(size of the history). */
  readonly entering: Float32Array
  /** Float32Array[dimension] */
  readonly meanPerson: Float32Array
}

export function createLightGcnRanker({ dimension, people, items, entering, meanPerson }: LightGcnVectors): Ranker {
  const itemCount = items.length / dimension
  const matrix = (data: Float32Array) => ({ shape: [data.length / dimension, dimension], data })
  const enteringOf = (item: number) => entering.subarray(item * dimension, (item + 1) * dimension)
  return createFactorRanker({
    name: 'lightgcn',
    personFactors: matrix(people),
    itemFactors: matrix(items),
    extra: { entering_items: { shape: [itemCount, dimension], data: entering }, mean_person: { shape: [dimension], data: meanPerson } },
    foldIn(history) {
      if (history.length === 0) return meanPerson
      const vector = new Float32Array(dimension)
      for (const liked of history)
        enteringOf(liked).forEach((value, k) => {
          vector[k]! += value
        })
      return vector.map((value) => value / Math.sqrt(history.length))
    },
    reasons: ({ history }, item, n) =>
      sharesOf(
        history,
        (liked) => enteringOf(liked).reduce((sum, value, k) => sum + value * (items[item * dimension + k] as number), 0),
        n,
      ),
  })
}

/** @throws TacetError corrupt-run */
export function loadLightGcn(tensors: NamedTensors): Ranker {
  const { itemFactors, personFactors } = loadFactors(tensors, 'lightgcn')
  const [itemCount = 0, dimension = 0] = itemFactors.shape
  return createLightGcnRanker({
    dimension,
    people: personFactors?.data ?? expectTensor(tensors, 'person_factors', [0, dimension], 'lightgcn'),
    items: itemFactors.data,
    entering: expectTensor(tensors, 'entering_items', [itemCount, dimension], 'lightgcn'),
    meanPerson: expectTensor(tensors, 'mean_person', [dimension], 'lightgcn'),
  })
}
