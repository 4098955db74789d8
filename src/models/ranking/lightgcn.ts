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
  readonly dimensions: number
  /** Float32Array[people × dimensions], smoothed. */
  readonly people: Float32Array
  /** Float32Array[items × dimensions], smoothed. */
  readonly items: Float32Array
  /** Float32Array[items × dimensions]: an item's part in the vector of a new node, before ÷ √(size of the history). */
  readonly entering: Float32Array
  /** Float32Array[dimensions] */
  readonly meanPerson: Float32Array
}

export function createLightGcnRanker({ dimensions, people, items, entering, meanPerson }: LightGcnVectors): Ranker {
  const itemCount = items.length / dimensions
  const matrix = (data: Float32Array) => ({ shape: [data.length / dimensions, dimensions], data })
  const enteringOf = (item: number) => entering.subarray(item * dimensions, (item + 1) * dimensions)
  return createFactorRanker({
    name: 'lightgcn',
    personFactors: matrix(people),
    itemFactors: matrix(items),
    extra: { entering_items: { shape: [itemCount, dimensions], data: entering }, mean_person: { shape: [dimensions], data: meanPerson } },
    foldIn(history) {
      if (history.length === 0) return meanPerson
      const vector = new Float32Array(dimensions)
      for (const liked of history)
        enteringOf(liked).forEach((value, k) => {
          vector[k]! += value
        })
      return vector.map((value) => value / Math.sqrt(history.length))
    },
    reasons: ({ history }, item, n) =>
      sharesOf(
        history,
        (liked) => enteringOf(liked).reduce((sum, value, k) => sum + value * (items[item * dimensions + k] as number), 0),
        n,
      ),
  })
}

/** @throws TacetError corrupt-run */
export function loadLightGcn(tensors: NamedTensors): Ranker {
  const { itemFactors, personFactors } = loadFactors(tensors, 'lightgcn')
  const [itemCount = 0, dimensions = 0] = itemFactors.shape
  return createLightGcnRanker({
    dimensions,
    people: personFactors?.data ?? expectTensor(tensors, 'person_factors', [0, dimensions], 'lightgcn'),
    items: itemFactors.data,
    entering: expectTensor(tensors, 'entering_items', [itemCount, dimensions], 'lightgcn'),
    meanPerson: expectTensor(tensors, 'mean_person', [dimensions], 'lightgcn'),
  })
}
