/**
 * LightGCN once trained: vectors of people and items smoothed over the graph of likes, scored by their product (He et al. 2020). The graph itself is
 * not needed any more.
 *
 * A stranger's vector is guessed from the normalised sum of their items' vectors, by the map of history-map.ts; on MovieLens 1M it ranks nearly as
 * well as the vectors of the people trained with (decision 0012). Somebody without any history gets the mean person.
 */
import type { NamedTensors } from '../model.ts'
import { expectTensor } from '../safetensors.ts'
import { createFactorRanker, loadFactors, sharesOf } from './factor-ranker.ts'
import { putGuess } from './history-map.ts'
import type { Ranker } from './ranker.ts'

export interface LightGcnVectors {
  readonly dimension: number
  /** Float32Array[people × dimension], smoothed. */
  readonly people: Float32Array
  /** Float32Array[items × dimension], smoothed. */
  readonly items: Float32Array
  /** Float32Array[(dimension + 1) × dimension], of `fitHistoryMap`. */
  readonly foldIn: Float32Array
  /** Float32Array[dimension] */
  readonly meanPerson: Float32Array
}

export function createLightGcnRanker({ dimension, people, items, foldIn, meanPerson }: LightGcnVectors): Ranker {
  const matrix = (data: Float32Array) => ({ shape: [data.length / dimension, dimension], data })
  const itemTable = [{ values: items, width: dimension }]
  const scratch = new Float32Array(dimension + 1)
  const vectorOf = (history: ArrayLike<number>): Float32Array => {
    if (history.length === 0) return meanPerson
    const vector = new Float32Array(dimension)
    putGuess(itemTable, [{ values: vector, width: dimension }], foldIn, history, 0, scratch)
    return vector
  }
  const score = (vector: Float32Array, item: number) => vector.reduce((sum, x, k) => sum + x * (items[item * dimension + k] as number), 0)
  return createFactorRanker({
    name: 'lightgcn',
    personFactors: matrix(people),
    itemFactors: matrix(items),
    extra: {
      'fold-in.weights': { shape: [dimension + 1, dimension], data: foldIn },
      mean_person: { shape: [dimension], data: meanPerson },
    },
    foldIn: vectorOf,
    // By what the score of a stranger with this history would lose without each of its items.
    reasons({ history }, item, n) {
      const whole = score(vectorOf(history), item)
      return sharesOf(history, (liked) => whole - score(vectorOf(history.filter((other) => other !== liked)), item), n)
    },
  })
}

/** @throws TacetError corrupt-run */
export function loadLightGcn(tensors: NamedTensors): Ranker {
  const { itemFactors, personFactors } = loadFactors(tensors, 'lightgcn')
  const [, dimension = 0] = itemFactors.shape
  return createLightGcnRanker({
    dimension,
    people: personFactors?.data ?? expectTensor(tensors, 'person_factors', [0, dimension], 'lightgcn'),
    items: itemFactors.data,
    foldIn: expectTensor(tensors, 'fold-in.weights', [dimension + 1, dimension], 'lightgcn'),
    meanPerson: expectTensor(tensors, 'mean_person', [dimension], 'lightgcn'),
  })
}
