/**
 * What every ranking model offers once trained. Scores are for ordering the items of one person: they are finite, larger is better, and two
 * people's scores (or two models') are not on one scale. A model never sees privacy; which of its tensors may be released is the trainer's word.
 */
import type { NamedTensors, Ranked, Recommender } from '../model.ts'

/** Somebody to rank for. */
export interface Person {
  /** Row the model was trained with, or null: a stranger, known by their history alone. */
  readonly userIndex: number | null
  /** Uint32Array: distinct dense item indices that they liked, ascending; may be empty. */
  readonly history: Uint32Array
}

export interface Ranker extends Recommender {
  readonly itemCount: number
  /** Rows of people among the parameters; 0 for a model that holds items only (its person side is folded in from a history). */
  readonly personCount: number
  /** True if a stranger's history gives a personal list. False: strangers get the model's prior (popularity, or an error `cannot-fold-in`). */
  readonly foldsIn: boolean
  /**
   * Scores of the whole catalogue for several people: out[p · itemCount + i], Float32Array[people.length × itemCount], every cell written.
   * Does not leave out what they have seen: `topItems` does. Batches of 64 … 512 people are a good size.
   */
  scoreAll(people: readonly Person[], out: Float32Array): void
  /** The most similar items, best first, without the item itself; never more than n. Computed from the parameters alone. */
  similarItems(item: number, n: number): Ranked[]
  /** "Because you liked …": the items of the history that speak most for `item`, with their share of its score; empty where the model has no such thing. */
  reasons(person: Person, item: number, n: number): Ranked[]
  parameters(): NamedTensors
}

/** `Recommender.score` by way of `scoreAll`, for a person of the model without a history. */
export function scoreSome(ranker: Pick<Ranker, 'itemCount' | 'scoreAll'>, userIndex: number, items: Uint32Array, out: Float32Array): void {
  const all = new Float32Array(ranker.itemCount)
  ranker.scoreAll([{ userIndex, history: new Uint32Array(0) }], all)
  for (const [at, item] of items.entries()) out[at] = all[item] as number
}

/**
 * Exact top n of one person's scores: best first, equal scores by item index.
 * @param scores Float32Array[itemCount]; finite
 * @param exclude items that may not be listed (ascending or not)
 * @param candidates the only items that may be listed; default: all
 */
export function topItems(
  scores: Float32Array,
  n: number,
  { exclude, candidates }: { readonly exclude?: Uint32Array; readonly candidates?: Uint32Array } = {},
): Ranked[] {
  const barred = new Uint8Array(scores.length)
  if (exclude) for (const item of exclude) barred[item] = 1
  // A heap of the n best so far, worst at the root: most of the catalogue is turned away by one comparison.
  const heap: Ranked[] = []
  const worse = (a: Ranked, b: Ranked) => a.score < b.score || (a.score === b.score && a.item > b.item)
  const down = (start: number) => {
    let at = start
    for (;;) {
      let least = at
      for (const child of [2 * at + 1, 2 * at + 2])
        if (child < heap.length && worse(heap[child] as Ranked, heap[least] as Ranked)) least = child
      if (least === at) return
      ;[heap[at], heap[least]] = [heap[least] as Ranked, heap[at] as Ranked]
      at = least
    }
  }
  const offer = (item: number) => {
    const score = scores[item] as number
    if (heap.length === n) {
      const root = heap[0] as Ranked
      if (!(score > root.score || (score === root.score && item < root.item))) return
      if (barred[item]) return
      heap[0] = { item, score }
      down(0)
      return
    }
    if (barred[item]) return
    heap.push({ item, score })
    let at = heap.length - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!worse(heap[at] as Ranked, heap[parent] as Ranked)) break
      ;[heap[at], heap[parent]] = [heap[parent] as Ranked, heap[at] as Ranked]
      at = parent
    }
  }
  if (n > 0) {
    if (candidates) for (const item of candidates) offer(item)
    else for (let item = 0; item < scores.length; item++) offer(item)
  }
  return heap.sort((a, b) => (worse(a, b) ? 1 : -1))
}
