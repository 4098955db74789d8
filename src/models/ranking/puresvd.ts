/**
 * PureSVD (Cremonesi, Koren & Turrin 2010): the 0/1 matrix projected on its leading right singular vectors. A person's vector is the sum of the
 * vectors of the items they like, so a stranger is folded in by the same sum, and each item of a history has its own part of a score.
 */
import type { NamedTensors, TensorData } from '../model.ts'
import { createFactorRanker, loadFactors, sharesOf } from './factor-ranker.ts'
import type { Ranker } from './ranker.ts'

/**
 * @param itemFactors [items × dimension]: right singular vectors, orthonormal columns
 * @param personFactors [people × dimension]: the sums over their training rows
 */
export function createPureSvd(itemFactors: TensorData, personFactors: TensorData): Ranker {
  const { data } = itemFactors
  const dimension = itemFactors.shape[1] as number
  const foldIn = (history: Uint32Array): Float32Array => {
    const vector = new Float64Array(dimension)
    for (const item of history) for (let k = 0; k < dimension; k++) (vector[k] as number) += data[item * dimension + k] as number
    return Float32Array.from(vector)
  }
  const product = (a: number, b: number): number => {
    let sum = 0
    for (let k = 0; k < dimension; k++) sum += (data[a * dimension + k] as number) * (data[b * dimension + k] as number)
    return sum
  }
  return createFactorRanker({
    name: 'puresvd',
    itemFactors,
    personFactors,
    foldIn,
    reasons: ({ history }, item, n) => sharesOf(history, (liked) => product(liked, item), n),
  })
}

/** @throws TacetError corrupt-run */
export function loadPureSvd(tensors: NamedTensors): Ranker {
  const { itemFactors, personFactors } = loadFactors(tensors, 'puresvd')
  return createPureSvd(itemFactors, personFactors ?? { shape: [0, itemFactors.shape[1] as number], data: new Float32Array(0) })
}
