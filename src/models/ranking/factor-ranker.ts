/**
 * The ranker of every model that is two sets of vectors: a person's score of an item is the product of their vectors, plus the item's bias. How
 * the vectors were found (BPR, implicit ALS, a truncated SVD, a graph) and how a stranger's vector comes out of their history is not known here:
 * it is handed in. With `personFactors: null` nobody has a row and everybody is folded in.
 *
 * Rows of people are private to them: whoever releases a model that holds some releases them (the trainers refuse that under a person's privacy).
 */
import { TacetError } from '../../errors.ts'
import type { NamedTensors, Ranked, TensorData } from '../model.ts'
import { expectTensor } from '../safetensors.ts'
import { factorScorer } from './factor-scores.ts'
import { type Person, type Ranker, scoreSome, topItems } from './ranker.ts'

/** What a factor model is. */
export interface Factors {
  /** [people × dimension]; null: the model holds items only. */
  readonly personFactors: TensorData | null
  /** [items × dimension] */
  readonly itemFactors: TensorData
  /** Float32Array[items], added to every person's scores. */
  readonly itemBias?: Float32Array | null
  /** Stored beside the factors under names of their own: what the model needs to fold in, for one. */
  readonly extra?: NamedTensors
}

/** A person's vector out of their history (ascending items; may be empty): Float32Array[dimension], finite. */
export type FoldIn = (history: Uint32Array) => Float32Array

export interface FactorRankerOptions extends Factors {
  readonly name: string
  /** Absent: a person without a row is refused. */
  readonly foldIn?: FoldIn
  /** Share of each item of a history in a score. Default: cosine with the recommended item, where it is positive. */
  readonly reasons?: Ranker['reasons']
}

/** @throws TacetError corrupt-run if shapes do not fit together */
export function createFactorRanker(options: FactorRankerOptions): Ranker {
  const { name, personFactors, itemFactors, foldIn, extra = {} } = options
  const itemBias = options.itemBias ?? null
  const [itemCount = 0, dimension = 0] = itemFactors.shape
  const personCount = personFactors?.shape[0] ?? 0
  if (
    itemFactors.shape.length !== 2 ||
    itemFactors.data.length !== itemCount * dimension ||
    (personFactors !== null && (personFactors.shape.length !== 2 || personFactors.shape[1] !== dimension)) ||
    (itemBias !== null && itemBias.length !== itemCount)
  )
    throw new TacetError(
      'corrupt-run',
      `${name}: item factors [${itemFactors.shape}], person factors [${personFactors?.shape ?? 'none'}] and ${itemBias?.length ?? 'no'} biases do not fit together`,
      { wayOut: 'Restore the file from a copy, or train again.' },
    )
  const rowOf = (item: number) => itemFactors.data.subarray(item * dimension, (item + 1) * dimension)
  let scorer: ReturnType<typeof factorScorer> | null = null
  let norms: Float64Array | null = null
  const normOf = (item: number): number => {
    norms ??= Float64Array.from({ length: itemCount }, (_, each) => Math.sqrt(dot(rowOf(each), rowOf(each))))
    return norms[item] as number
  }
  const cosine = (a: number, b: number) => dot(rowOf(a), rowOf(b)) / (normOf(a) * normOf(b) || 1)

  function vectorOf({ userIndex, history }: Person): Float32Array {
    if (userIndex !== null && userIndex < personCount)
      return (personFactors as TensorData).data.subarray(userIndex * dimension, (userIndex + 1) * dimension)
    if (foldIn !== undefined) return foldIn(history)
    throw new TacetError(
      'unknown-id',
      userIndex === null
        ? `${name} ranks for the ${personCount} people it was trained with, and cannot tell what somebody else would like`
        : `${name} has no row for person ${userIndex}: it was trained with ${personCount} people`,
      { wayOut: 'Ask for somebody it was trained with, or train a model that folds a history in.' },
    )
  }

  const ranker: Ranker = {
    name,
    itemCount,
    personCount,
    foldsIn: foldIn !== undefined,
    score: (userIndex, items, out) => scoreSome(ranker, userIndex, items, out),
    scoreAll(people, out) {
      const vectors = new Float32Array(people.length * dimension)
      for (const [at, person] of people.entries()) vectors.set(vectorOf(person), at * dimension)
      scorer ??= factorScorer(itemFactors.data, itemBias, itemCount, dimension)
      scorer(vectors, out)
    },
    similarItems(item, n) {
      const scores = Float32Array.from({ length: itemCount }, (_, other) => cosine(item, other))
      return topItems(scores, n, { exclude: Uint32Array.of(item) })
    },
    reasons: options.reasons ?? (({ history }, item, n) => sharesOf(history, (liked) => cosine(item, liked), n)),
    parameters: () => ({
      ...extra,
      item_factors: itemFactors,
      ...(personFactors === null ? {} : { person_factors: personFactors }),
      ...(itemBias === null ? {} : { item_bias: { shape: [itemCount], data: itemBias } }),
    }),
  }
  return ranker
}

/**
 * Reads back what `parameters` of a factor ranker gave, `extra` tensors aside.
 * @throws TacetError corrupt-run
 */
export function loadFactors(tensors: NamedTensors, label: string): Required<Omit<Factors, 'extra'>> {
  const [itemCount = 0, dimension = 0] = tensors['item_factors']?.shape ?? []
  const personCount = tensors['person_factors']?.shape[0] ?? 0
  const matrix = (name: string, rows: number): TensorData => ({
    shape: [rows, dimension],
    data: expectTensor(tensors, name, [rows, dimension], label),
  })
  return {
    itemFactors: matrix('item_factors', itemCount),
    personFactors: tensors['person_factors'] === undefined ? null : matrix('person_factors', personCount),
    itemBias: tensors['item_bias'] === undefined ? null : expectTensor(tensors, 'item_bias', [itemCount], label),
  }
}

/**
 * Which items of a history speak for something, as shares of what all of them say for it; those that say nothing or speak against it are left out.
 * @param weightOf how much an item of the history speaks for it
 */
export function sharesOf(history: Uint32Array, weightOf: (liked: number) => number, n: number): Ranked[] {
  const weights = Float32Array.from(history, (liked) => Math.max(0, weightOf(liked)))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  if (!(total > 0)) return []
  return topItems(weights, n)
    .filter(({ score }) => score > 0)
    .map(({ item: position, score }) => ({ item: history[position] as number, score: score / total }))
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number)
  return sum
}
