/**
 * Stochastic gradient descent of factor models on likes, in one kernel memory: the vectors of people and of items, the likes they are fitted to,
 * and epochs of steps over them. One engine for training everybody's vectors and for folding one stranger in against fixed items (itemRate 0).
 *
 * Sequential and without threads: step n + 1 sees what step n wrote, so that a seed gives one result. Not private: a step reads one like of one
 * person and writes into vectors that everybody shares.
 */
import type { Positives } from '../../data/index.ts'
import { TacetError } from '../../errors.ts'
import { createArena, createRankingKernels, padded, type RankingKernels } from '../../kernels/index.ts'

export interface DescentShape {
  readonly personCount: number
  readonly itemCount: number
  readonly dimension: number
  /** Most likes that `setLikes` is ever given. */
  readonly likes: number
  /** Items drawn beside each like, ≥ 1. */
  readonly negatives: number
  /** Pairwise only: step against the one of them that scores highest, instead of against each. */
  readonly hardest?: boolean
  /** `pairwise`: the liked item above the drawn one (BPR). `pointwise`: liked or not, by itself (logistic matrix factorisation). */
  readonly loss: 'pairwise' | 'pointwise'
  /** Pairwise only: whether items have biases; pointwise models always have them. */
  readonly itemBias: boolean
}

export interface DescentRates {
  readonly person: number
  readonly item: number
  /** Factor of ½‖·‖² of what a step touches, ≥ 0. */
  readonly decay: number
}

export interface FactorDescent {
  /** Row length: the dimension rounded up; what is beyond it must be 0, and stays 0. */
  readonly width: number
  /** Float32Array[people × width]: views into the memory that steps write to. */
  readonly personFactors: Float32Array
  readonly itemFactors: Float32Array
  readonly personBias: Float32Array
  readonly itemBias: Float32Array
  /** Added to every pointwise score. */
  intercept: number
  /**
   * What the following epochs learn from. Likes of people who have every item are left out: there is nothing to compare them with.
   * @returns how many are left
   */
  setLikes(positives: Positives): number
  /** Four words, the state of the generator that shuffles and draws. */
  setState(words: ArrayLike<number>): void
  /** One step for each like and draw, in a fresh random order. @returns mean loss before each step; NaN where it diverged, 0 without likes */
  epoch(rates: DescentRates): number
}

/** Likes whose draws are made before their steps: small enough to stay in the cache. */
const BATCH = 1024

export function createFactorDescent(
  shape: DescentShape,
  createKernels: (byteLength: number) => RankingKernels = createRankingKernels,
): FactorDescent {
  const { personCount, itemCount, negatives, likes: capacity, loss } = shape
  const width = padded(shape.dimension)
  const arena = createArena()
  const at = {
    personFactors: arena.allocate(personCount * width),
    itemFactors: arena.allocate(itemCount * width),
    personBias: arena.allocate(personCount),
    itemBias: arena.allocate(itemCount),
    offsets: arena.allocate(personCount + 1),
    items: arena.allocate(capacity),
    owner: arena.allocate(capacity),
    order: arena.allocate(capacity),
    people: arena.allocate(BATCH),
    preferred: arena.allocate(BATCH),
    others: arena.allocate(BATCH * negatives),
    state: arena.allocate(4),
  }
  const kernels = createKernels(arena.byteLength)
  const floats = (pointer: number, length: number) => new Float32Array(kernels.buffer, pointer, length)
  const words = (pointer: number, length: number) => new Uint32Array(kernels.buffer, pointer, length)
  const order = words(at.order, capacity)
  const owner = words(at.owner, capacity)
  let likes = 0
  // All zero is the one state that the generator never leaves: a caller who forgets `setState` shall not draw item 0 forever.
  words(at.state, 4).set([1, 2, 3, 4])

  const descent: FactorDescent = {
    width,
    personFactors: floats(at.personFactors, personCount * width),
    itemFactors: floats(at.itemFactors, itemCount * width),
    personBias: floats(at.personBias, personCount),
    itemBias: floats(at.itemBias, itemCount),
    intercept: 0,
    setLikes({ offsets, items }) {
      if (items.length > capacity || offsets.length !== personCount + 1)
        throw new TacetError('internal', `factor descent over ${personCount} people and ${capacity} likes was given ${items.length}`)
      words(at.offsets, offsets.length).set(offsets)
      words(at.items, items.length).set(items)
      likes = 0
      for (let person = 0; person < personCount; person++) {
        const [from, to] = [offsets[person] as number, offsets[person + 1] as number]
        owner.fill(person, from, to)
        if (to - from < itemCount) for (let like = from; like < to; like++) order[likes++] = like
      }
      return likes
    },
    setState(state) {
      words(at.state, 4).set(state)
      words(at.state, 4)[3]! |= 1
    },
    epoch({ person, item, decay }) {
      kernels.shuffle(likes, at.order, at.state)
      let total = 0
      for (let from = 0; from < likes; from += BATCH) {
        const count = Math.min(BATCH, likes - from)
        const { people, preferred, others, personFactors, itemFactors, personBias, itemBias } = at
        kernels.sampleOthers(
          count,
          negatives,
          itemCount,
          at.order + 4 * from,
          at.owner,
          at.offsets,
          at.items,
          at.state,
          people,
          preferred,
          others,
        )
        total +=
          loss === 'pairwise'
            ? kernels.pairwiseSteps(
                count,
                negatives,
                shape.hardest ? 1 : 0,
                width,
                people,
                preferred,
                others,
                personFactors,
                itemFactors,
                shape.itemBias ? itemBias : 0,
                person,
                item,
                decay,
              )
            : kernels.pointwiseSteps(
                count,
                negatives,
                width,
                people,
                preferred,
                others,
                personFactors,
                itemFactors,
                personBias,
                itemBias,
                descent.intercept,
                person,
                item,
                decay,
              )
      }
      return likes === 0 ? 0 : total / (likes * (loss === 'pointwise' ? negatives + 1 : shape.hardest ? 1 : negatives))
    },
  }
  return descent
}

/** The first `dimension` coordinates of each row. */
export function withoutPadding(rows: Float32Array, width: number, dimension: number): Float32Array {
  if (width === dimension) return rows.slice()
  const count = rows.length / width
  const out = new Float32Array(count * dimension)
  for (let row = 0; row < count; row++) out.set(rows.subarray(row * width, row * width + dimension), row * dimension)
  return out
}
