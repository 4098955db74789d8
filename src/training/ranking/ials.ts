/**
 * Trains `ials` by alternating ridge solves, exactly (no conjugate gradients): a half-sweep is one batch of small Cholesky solves in the kernels.
 * The objective, which no half-sweep can raise, is in models/ranking/ials.ts. Refused under privacy; `dpals` is the private relative.
 */
import { type Positives, transposed } from '../../data/index.ts'
import { checkNumber, TacetError } from '../../errors.ts'
import { linearAlgebra } from '../../kernels/index.ts'
import { createIals, type IalsObjective, ialsBase, ialsRidge } from '../../models/index.ts'
import { fillNormals, type RandomSource } from '../../random/index.ts'
import { refuseAllUnits, refuseUnder } from './linear-refusal.ts'
import type { RankingTrainer } from './trainer.ts'

/** Vectors of the rows of `rows`, the other side's held still: each the exact minimiser of the objective. Float32Array[rows × dimension] */
export function ialsHalfSweep(rows: Positives, factors: Float32Array, dimension: number, objective: IalsObjective): Float32Array {
  return linearAlgebra().ridgeRows({
    rows,
    factors,
    dimension,
    base: ialsBase(factors, dimension, objective),
    ridge: Float32Array.from({ length: rows.personCount }, (_, row) =>
      ialsRidge(objective, (rows.offsets[row + 1] as number) - (rows.offsets[row] as number), rows.itemCount),
    ),
  })
}

/** The objective, in doubles; without the constant 1 of each like. For tests and curves: it costs as much as a sweep. */
export function ialsLoss(
  positives: Positives,
  personFactors: Float32Array,
  itemFactors: Float32Array,
  dimension: number,
  objective: IalsObjective,
): number {
  const { personCount, itemCount, offsets, items } = positives
  const square = (factors: Float32Array) => {
    const out = new Float64Array(dimension * dimension)
    for (let at = 0; at < factors.length; at += dimension)
      for (let a = 0; a < dimension; a++)
        for (let b = 0; b < dimension; b++) (out[a * dimension + b] as number) += (factors[at + a] as number) * (factors[at + b] as number)
    return out
  }
  const [people, catalogue] = [square(personFactors), square(itemFactors)]
  let loss = objective.unobservedWeight * people.reduce((sum, value, at) => sum + value * (catalogue[at] as number), 0)
  const likes = new Float64Array(itemCount)
  const norm = (factors: Float32Array, row: number) =>
    factors.subarray(row * dimension, (row + 1) * dimension).reduce((sum, value) => sum + value * value, 0)
  for (let person = 0; person < personCount; person++) {
    const [start, end] = [offsets[person] as number, offsets[person + 1] as number]
    loss += ialsRidge(objective, end - start, itemCount) * norm(personFactors, person)
    for (let at = start; at < end; at++) {
      const item = items[at] as number
      ;(likes[item] as number)++
      let score = 0
      for (let k = 0; k < dimension; k++)
        score += (personFactors[person * dimension + k] as number) * (itemFactors[item * dimension + k] as number)
      loss += (score - 1) ** 2
    }
  }
  for (let item = 0; item < itemCount; item++) loss += ialsRidge(objective, likes[item] as number, personCount) * norm(itemFactors, item)
  return loss
}

export interface IalsFit {
  readonly personFactors: Float32Array
  readonly itemFactors: Float32Array
}

/** Standard deviation of a starting vector's length; the first half-sweep only needs directions. */
const START_LENGTH = 0.1

/**
 * The sweeps, one at a time: people, then items. After the last one, solve for the people once more to have the vectors that fold-in would give.
 * @param random the starting item vectors
 */
export function* ialsSweeps(positives: Positives, dimension: number, objective: IalsObjective, random: RandomSource): Generator<IalsFit> {
  const byItem = transposed(positives)
  let itemFactors: Float32Array = new Float32Array(positives.itemCount * dimension)
  fillNormals(itemFactors, random.split('item-factors'), START_LENGTH / Math.sqrt(dimension))
  for (;;) {
    const personFactors = ialsHalfSweep(positives, itemFactors, dimension, objective)
    itemFactors = ialsHalfSweep(byItem, personFactors, dimension, objective)
    yield { personFactors, itemFactors }
  }
}

export const ialsTrainer: RankingTrainer = {
  name: 'ials',
  about: 'matrix factorisation of likes by alternating least squares (iALS); grows with the likes, not with the catalogue squared',
  parameters: {
    dimension: { default: 64, atLeast: 1, atMost: 512, integer: true, about: 'length of a vector' },
    sweeps: { default: 10, atLeast: 1, integer: true, about: 'times that people and items are solved' },
    unobserved: {
      default: 16,
      above: 0,
      about: 'weight of all pairs of a person and an item together, liked or not, where all likes together weigh 1',
    },
    regularization: { default: 0.005, above: 0, about: 'λ' },
    frequencyExponent: { default: 1, atLeast: 0, atMost: 1, about: 'ν: how far regularisation grows with the number of likes' },
  },
  ...refuseAllUnits('ials', 'dpals', 'the equations of every item sum the vectors of everybody who likes it'),
  fit({ positives, parameters, privacy, random, onProgress, signal }) {
    refuseUnder(privacy, ialsTrainer)
    const { dimension, sweeps, unobserved, regularization, frequencyExponent } = parameters as {
      readonly [name in 'dimension' | 'sweeps' | 'unobserved' | 'regularization' | 'frequencyExponent']: number
    }
    checkNumber('likes', positives.items.length, { atLeast: 1 })
    // As single precision stores it, so that a model folds in as before when it is read back.
    const objective = {
      unobservedWeight: Math.fround((unobserved * positives.items.length) / (positives.personCount * positives.itemCount)),
      regularization: Math.fround(regularization),
      frequencyExponent: Math.fround(frequencyExponent),
    }
    let done = 0
    for (const { itemFactors } of ialsSweeps(positives, dimension, objective, random)) {
      done++
      onProgress?.('sweeps', done, sweeps)
      if (signal?.aborted) throw new TacetError('interrupted', `training of ials was interrupted after sweep ${done} of ${sweeps}`)
      if (done < sweeps) continue
      return createIals(
        { shape: [positives.itemCount, dimension], data: itemFactors },
        { shape: [positives.personCount, dimension], data: ialsHalfSweep(positives, itemFactors, dimension, objective) },
        objective,
      )
    }
    throw new TacetError('internal', 'ials ended without a sweep')
  },
}
