/**
 * Implicit ALS (Hu, Koren & Volinsky 2008, in the form of Rendle, Krichene, Zhang & Koren 2022): vectors x of people and y of items that minimise
 *
 *   Σ over likes (x·y − 1)² + α₀ Σ over all pairs (x·y)² + λ Σ over people and items (likes + α₀ · the other side's count)^ν ‖vector‖².
 *
 * With the items held still a person's vector is one ridge solve over their own history, so a stranger gets the vector that they would have had
 * as somebody of the training rows, and every score splits into a part for each liked item (Hu et al., section 5).
 */
import { TacetError } from '../../errors.ts'
import { linearAlgebra } from '../../kernels/index.ts'
import type { NamedTensors, TensorData } from '../model.ts'
import { expectTensor } from '../safetensors.ts'
import { createFactorRanker, loadFactors, sharesOf } from './factor-ranker.ts'
import type { Person, Ranker } from './ranker.ts'

export interface IalsObjective {
  /** α₀ ≥ 0: weight of a pair that nobody is known to like, where a like weighs 1 (+ α₀). */
  readonly unobservedWeight: number
  /** λ > 0 */
  readonly regularization: number
  /** ν, 0 … 1: how far a vector's regularisation grows with its number of likes. */
  readonly frequencyExponent: number
}

/** λ·(likes + α₀·others)^ν */
export const ialsRidge = (
  { unobservedWeight, regularization, frequencyExponent }: IalsObjective,
  likes: number,
  otherSide: number,
): number => regularization * (likes + unobservedWeight * otherSide) ** frequencyExponent

/** α₀·YᵀY: what every row of the other side pays. Float32Array[dimension²] */
export function ialsBase(factors: Float32Array, dimension: number, { unobservedWeight }: IalsObjective): Float32Array {
  const depth = factors.length / dimension
  return linearAlgebra()
    .multiply(factors, factors, { rows: dimension, depth, columns: dimension, transposeA: true })
    .map((value) => value * unobservedWeight)
}

/**
 * @param personFactors null: everybody is folded in
 * @throws TacetError corrupt-run if shapes or settings make no model
 */
export function createIals(itemFactors: TensorData, personFactors: TensorData | null, objective: IalsObjective): Ranker {
  const { data } = itemFactors
  const [itemCount = 0, dimension = 0] = itemFactors.shape
  const { unobservedWeight, regularization, frequencyExponent } = objective
  if (!(unobservedWeight >= 0 && regularization > 0 && frequencyExponent >= 0))
    throw new TacetError(
      'corrupt-run',
      `ials: weight ${unobservedWeight}, regularisation ${regularization} and exponent ${frequencyExponent} make no model`,
      { wayOut: 'Restore the file from a copy, or train again.' },
    )
  let base: Float32Array | null = null

  /** The vectors of the history, one after the other. */
  const gathered = (history: Uint32Array): Float32Array => {
    const out = new Float32Array(history.length * dimension)
    for (const [at, item] of history.entries()) out.set(data.subarray(item * dimension, (item + 1) * dimension), at * dimension)
    return out
  }
  const ridgeOf = (history: Uint32Array) => ialsRidge(objective, history.length, itemCount)

  const foldIn = (history: Uint32Array): Float32Array => {
    if (history.length === 0) return new Float32Array(dimension)
    base ??= ialsBase(data, dimension, objective)
    return linearAlgebra().ridgeRows({
      rows: {
        personCount: 1,
        itemCount: history.length,
        offsets: Uint32Array.of(0, history.length),
        items: Uint32Array.from(history.keys()),
      },
      factors: gathered(history),
      base,
      ridge: Float32Array.of(ridgeOf(history)),
      dimension,
    })
  }

  return createFactorRanker({
    name: 'ials',
    itemFactors,
    personFactors,
    foldIn,
    extra: { fold_in: { shape: [3], data: Float32Array.of(unobservedWeight, regularization, frequencyExponent) } },
    // score(i) = yᵢ·x = yᵢᵀ·W·Σⱼ yⱼ with W = (base + ridge + Σ y·yᵀ)⁻¹: the part of j is (W·yᵢ)·yⱼ.
    reasons({ history }: Person, item, n) {
      if (history.length === 0) return []
      base ??= ialsBase(data, dimension, objective)
      const liked = gathered(history)
      const matrix = linearAlgebra().multiply(liked, liked, {
        rows: dimension,
        depth: history.length,
        columns: dimension,
        transposeA: true,
      })
      for (let at = 0; at < matrix.length; at++) (matrix[at] as number) += base[at] as number
      for (let k = 0; k < dimension; k++) (matrix[k * dimension + k] as number) += ridgeOf(history)
      const direction = linearAlgebra().solveEach(matrix, data.slice(item * dimension, (item + 1) * dimension), dimension, 1)
      return sharesOf(
        history,
        (from) => {
          let sum = 0
          for (let k = 0; k < dimension; k++) sum += (direction[k] as number) * (data[from * dimension + k] as number)
          return sum
        },
        n,
      )
    },
  })
}

/** @throws TacetError corrupt-run */
export function loadIals(tensors: NamedTensors): Ranker {
  const { itemFactors, personFactors } = loadFactors(tensors, 'ials')
  const [unobservedWeight, regularization, frequencyExponent] = expectTensor(tensors, 'fold_in', [3], 'ials') as unknown as [
    number,
    number,
    number,
  ]
  return createIals(itemFactors, personFactors, { unobservedWeight, regularization, frequencyExponent })
}
