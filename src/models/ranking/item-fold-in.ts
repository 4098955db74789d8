/**
 * item-fold-in: a ranking model of item vectors only. A person is the normalised sum of the input vectors of what they liked, worked out when a
 * list is wanted and kept nowhere; their score of an item is that vector times the item's output vector, plus the item's own bias. There is no
 * tensor with a row a person. Knows no privacy: where the tables come from is the trainer's business.
 */
import { TacetError } from '../../errors.ts'
import type { NamedTensors, Ranked } from '../model.ts'
import { expectTensor } from '../safetensors.ts'
import { type Person, type Ranker, scoreSome, topItems } from './ranker.ts'

export interface ItemFoldInTables {
  readonly itemCount: number
  readonly dimensions: number
  /** Float32Array[items × dimensions]: what liking an item adds to a person's vector; all 0 for an item that says nothing of taste. */
  readonly input: Float32Array
  /** Float32Array[items × dimensions]: what an item is scored by. */
  readonly output: Float32Array
  /** Float32Array[items]: the score of an item for somebody without a history. */
  readonly bias: Float32Array
  /** Float32Array[items]: the popularity that the model was made with, a count or a release; kept for whoever compares. */
  readonly popularity: Float32Array
}

const label = 'item-fold-in'

/** @throws TacetError corrupt-run if lengths do not fit */
export function createItemFoldIn({ itemCount, dimensions, input, output, bias, popularity }: ItemFoldInTables): Ranker {
  if (
    [input, output].some(({ length }) => length !== itemCount * dimensions) ||
    [bias, popularity].some(({ length }) => length !== itemCount)
  )
    throw new TacetError('corrupt-run', `item-fold-in of ${itemCount} items × ${dimensions}: its tables have other lengths`)

  /** The person's vector, of length 1; all 0 for somebody whose items say nothing. */
  function foldIn(history: Uint32Array, vector: Float64Array): void {
    vector.fill(0)
    for (const item of history) for (let c = 0; c < dimensions; c++) (vector[c] as number) += input[item * dimensions + c] as number
    let square = 0
    for (const x of vector) square += x * x
    const scale = square > 0 ? 1 / Math.sqrt(square) : 0
    for (let c = 0; c < dimensions; c++) (vector[c] as number) *= scale
  }

  const ranker: Ranker = {
    name: label,
    itemCount,
    personCount: 0,
    foldsIn: true,
    score: (userIndex, items, out) => scoreSome(ranker, userIndex, items, out),

    scoreAll(people, out) {
      const vector = new Float64Array(dimensions)
      const single = new Float32Array(dimensions)
      for (const [at, { history }] of people.entries()) {
        foldIn(history, vector)
        single.set(vector)
        const base = at * itemCount
        for (let item = 0; item < itemCount; item++) {
          let score = bias[item] as number
          for (let c = 0, from = item * dimensions; c < dimensions; c++) score += (single[c] as number) * (output[from + c] as number)
          out[base + item] = score
        }
      }
    },

    /** Cosine of output vectors. */
    similarItems(item, n) {
      const norm = (i: number) => {
        let square = 0
        for (let c = 0; c < dimensions; c++) square += (output[i * dimensions + c] as number) ** 2
        return Math.sqrt(square)
      }
      const own = norm(item)
      if (!(own > 0)) return []
      const cosines = new Float32Array(itemCount)
      const silent: number[] = [item]
      for (let other = 0; other < itemCount; other++) {
        const length = norm(other)
        if (!(length > 0)) {
          silent.push(other)
          continue
        }
        let dot = 0
        for (let c = 0; c < dimensions; c++) dot += (output[item * dimensions + c] as number) * (output[other * dimensions + c] as number)
        cosines[other] = dot / (own * length)
      }
      return topItems(cosines, n, { exclude: Uint32Array.from(silent) })
    },

    /** What each liked item adds to the score of `item`; those that add something, most first. */
    reasons({ history }: Person, item: number, n: number): Ranked[] {
      const vector = new Float64Array(dimensions)
      for (const liked of history) for (let c = 0; c < dimensions; c++) (vector[c] as number) += input[liked * dimensions + c] as number
      let square = 0
      for (const x of vector) square += x * x
      if (!(square > 0)) return []
      const length = Math.sqrt(square)
      return Array.from(history, (liked) => {
        let dot = 0
        for (let c = 0; c < dimensions; c++) dot += (input[liked * dimensions + c] as number) * (output[item * dimensions + c] as number)
        return { item: liked, score: dot / length }
      })
        .filter(({ score }) => score > 0)
        .sort((a, b) => b.score - a.score || a.item - b.item)
        .slice(0, n)
    },

    parameters: () => ({
      'itemFoldIn.input': { shape: [itemCount, dimensions], data: input },
      'itemFoldIn.output': { shape: [itemCount, dimensions], data: output },
      'itemFoldIn.bias': { shape: [itemCount], data: bias },
      popularity: { shape: [itemCount], data: popularity },
    }),
  }
  return ranker
}

/** @throws TacetError corrupt-run */
export function loadItemFoldIn(tensors: NamedTensors): Ranker {
  const [itemCount = 0, dimensions = 0] = tensors['itemFoldIn.input']?.shape ?? []
  return createItemFoldIn({
    itemCount,
    dimensions,
    input: expectTensor(tensors, 'itemFoldIn.input', [itemCount, dimensions], label),
    output: expectTensor(tensors, 'itemFoldIn.output', [itemCount, dimensions], label),
    bias: expectTensor(tensors, 'itemFoldIn.bias', [itemCount], label),
    popularity: expectTensor(tensors, 'popularity', [itemCount], label),
  })
}
