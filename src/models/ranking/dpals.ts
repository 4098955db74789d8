/**
 * Implicit alternating least squares of which only the item side exists: item vectors on a head of popular items, and each person's vector solved
 * from their own history when they ask. Items outside the head follow in order of popularity.
 *
 * Scores of the head are standardised person by person before popularity is added, so a person with a short history leans on popularity no less
 * and no more than one with a long history.
 */
import { positivesFrom } from '../../data/index.ts'
import { TacetError } from '../../errors.ts'
import { linearAlgebra, type RidgeRows } from '../../kernels/index.ts'
import type { NamedTensors, Ranked } from '../model.ts'
import { expectTensor } from '../safetensors.ts'
import { type Ranker, scoreSome, topItems } from './ranker.ts'

export interface DpalsModel {
  readonly itemCount: number
  readonly dimension: number
  /** Uint32Array[m], distinct: the items that have a vector, most popular first. */
  readonly head: Uint32Array
  /** Float32Array[m × dimension] */
  readonly itemFactors: Float32Array
  /** Float32Array[itemCount]: how popular each item is; noisy where the model is private. */
  readonly popularity: Float32Array
  /** Weight of the items a person does not have, ≥ 0, against 1 of those they have. */
  readonly unobservedWeight: number
  /** Added to the diagonal of a person's system, > 0. */
  readonly ridge: number
  /** Standard deviations of popularity added to a standardised score. */
  readonly popularityBlend: number
}

/** Each row of `histories` (head positions) solved for a person vector: Float32Array[people × dimension]; an empty history gives 0. */
export function personVectors(
  { itemFactors, dimension, unobservedWeight, ridge }: Pick<DpalsModel, 'itemFactors' | 'dimension' | 'unobservedWeight' | 'ridge'>,
  histories: RidgeRows['rows'],
): Float32Array {
  const algebra = linearAlgebra()
  const rows = itemFactors.length / dimension
  const base = algebra.multiply(itemFactors, itemFactors, { rows: dimension, depth: rows, columns: dimension, transposeA: true })
  for (let at = 0; at < base.length; at++) base[at] = (base[at] as number) * unobservedWeight
  return algebra.ridgeRows({
    rows: histories,
    factors: itemFactors,
    base,
    ridge: new Float32Array(histories.personCount).fill(ridge),
    dimension,
  })
}

export function createDpalsRanker(given: DpalsModel): Ranker {
  // As the file will hold them: a model read back gives the same scores to the bit.
  const model = {
    ...given,
    unobservedWeight: Math.fround(given.unobservedWeight),
    ridge: Math.fround(given.ridge),
    popularityBlend: Math.fround(given.popularityBlend),
  }
  const { itemCount, dimension, head, itemFactors, popularity } = model
  const positionOf = new Int32Array(itemCount).fill(-1)
  for (const [position, item] of head.entries()) positionOf[item] = position
  const blend = standardised(Float32Array.from(head, (item) => popularity[item] as number)).map((z) => z * model.popularityBlend)
  const tail = tailScores(popularity, positionOf)
  const inHead = (history: Uint32Array) => Array.from(history, (item) => positionOf[item] as number).filter((position) => position >= 0)
  const norms = Float32Array.from(head, (_, position) => Math.hypot(...rowOf(position)))

  function rowOf(position: number): Float32Array {
    return itemFactors.subarray(position * dimension, (position + 1) * dimension)
  }

  const ranker: Ranker = {
    name: 'dpals',
    itemCount,
    personCount: 0,
    foldsIn: true,
    scoreAll(people, out) {
      const histories = positivesFrom(
        people.map(({ history }) => inHead(history)),
        head.length,
      )
      const vectors = personVectors(model, histories)
      const raw = linearAlgebra().multiply(vectors, itemFactors, {
        rows: people.length,
        depth: dimension,
        columns: head.length,
        transposeB: true,
      })
      for (let person = 0; person < people.length; person++) {
        const scores = standardised(raw.subarray(person * head.length, (person + 1) * head.length))
        let lowest = Number.POSITIVE_INFINITY
        for (let position = 0; position < head.length; position++) {
          const score = (scores[position] as number) + (blend[position] as number)
          lowest = Math.min(lowest, score)
          out[person * itemCount + (head[position] as number)] = score
        }
        for (let item = 0; item < itemCount; item++)
          if (positionOf[item] === -1) out[person * itemCount + item] = lowest - 1 + (tail[item] as number)
      }
    },
    score: (userIndex, items, out) => scoreSome(ranker, userIndex, items, out),
    similarItems(item, n) {
      const position = positionOf[item] as number
      if (position < 0) return []
      const scores = new Float32Array(itemCount)
      for (let other = 0; other < head.length; other++)
        scores[head[other] as number] = dot(rowOf(position), rowOf(other)) / ((norms[position] as number) * (norms[other] as number) || 1)
      return topItems(scores, n, { candidates: head, exclude: Uint32Array.of(item) })
    },
    reasons(person, item, n) {
      const position = positionOf[item] as number
      const history = inHead(person.history)
      if (position < 0 || history.length === 0) return []
      const pull = pullOf(model, history, position)
      return history
        .map((other): Ranked => ({ item: head[other] as number, score: dot(pull, rowOf(other)) }))
        .sort((a, b) => b.score - a.score || a.item - b.item)
        .slice(0, n)
    },
    parameters: (): NamedTensors => ({
      item_factors: { shape: [head.length, dimension], data: itemFactors },
      head: { shape: [head.length], data: Float32Array.from(head) },
      popularity: { shape: [itemCount], data: popularity },
      settings: { shape: [3], data: Float32Array.of(model.unobservedWeight, model.ridge, model.popularityBlend) },
    }),
  }
  return ranker
}

/** A person's score of an item is Σ over their items j of v_jᵀ·A⁻¹·v_item, A their own system: this is A⁻¹·v_item, so each term is one product. */
function pullOf(
  { itemFactors, dimension, unobservedWeight, ridge }: DpalsModel,
  history: readonly number[],
  position: number,
): Float32Array {
  const algebra = linearAlgebra()
  const rows = itemFactors.length / dimension
  const matrix = algebra.multiply(itemFactors, itemFactors, { rows: dimension, depth: rows, columns: dimension, transposeA: true })
  for (let at = 0; at < matrix.length; at++) matrix[at] = (matrix[at] as number) * unobservedWeight
  for (let i = 0; i < dimension; i++) {
    for (const other of history)
      for (let j = 0; j < dimension; j++)
        matrix[i * dimension + j] =
          (matrix[i * dimension + j] as number) +
          (itemFactors[other * dimension + i] as number) * (itemFactors[other * dimension + j] as number)
    matrix[i * dimension + i] = (matrix[i * dimension + i] as number) + ridge
  }
  return algebra.solveEach(matrix, itemFactors.slice(position * dimension, (position + 1) * dimension), dimension, 1)
}

/** @throws TacetError corrupt-run if the tensors do not fit together */
export function loadDpals(tensors: NamedTensors): Ranker {
  const itemCount = tensors.popularity?.shape[0] ?? 0
  const [headSize = 0, dimension = 0] = tensors.item_factors?.shape ?? []
  const popularity = expectTensor(tensors, 'popularity', [itemCount])
  const itemFactors = expectTensor(tensors, 'item_factors', [headSize, dimension])
  const head = expectTensor(tensors, 'head', [headSize])
  const [unobservedWeight, ridge, popularityBlend] = expectTensor(tensors, 'settings', [3]) as unknown as [number, number, number]
  for (const item of head)
    if (!(Number.isInteger(item) && item >= 0 && item < itemCount))
      throw new TacetError('corrupt-run', `the model's head names item ${item} of ${itemCount}`, {
        wayOut: 'restore the file from a copy, or train again',
      })
  return createDpalsRanker({
    itemCount,
    dimension,
    head: Uint32Array.from(head),
    itemFactors,
    popularity,
    unobservedWeight,
    ridge,
    popularityBlend,
  })
}

/** 0 … −1 in order of popularity, for what comes after the head. */
function tailScores(popularity: Float32Array, positionOf: Int32Array): Float32Array {
  const items = Array.from(positionOf.keys()).filter((item) => positionOf[item] === -1)
  items.sort((a, b) => (popularity[b] as number) - (popularity[a] as number) || a - b)
  const scores = new Float32Array(popularity.length)
  for (const [rank, item] of items.entries()) scores[item] = -rank / items.length
  return scores
}

/** Mean 0 and standard deviation 1; all zero where every value is the same. */
function standardised(values: Float32Array): Float32Array {
  let mean = 0
  for (const value of values) mean += value / values.length
  let variance = 0
  for (const value of values) variance += (value - mean) ** 2 / values.length
  const scale = variance > 0 ? 1 / Math.sqrt(variance) : 0
  return values.map((value) => (value - mean) * scale)
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number)
  return sum
}
