/**
 * Training examples out of likes alone: every like once an epoch in a fresh random order, and beside each some items that the person does not have,
 * drawn uniformly. Uniform over the catalogue, so a draw says nothing about what others like; still not a private sampler (privacy/plan.ts has
 * those): batches here have a fixed size and no like is left out.
 */
import { itemsOf, type Positives } from '../../data/index.ts'
import { TacetError } from '../../errors.ts'
import type { RandomSource } from '../../random/index.ts'

export interface LikeSampler {
  /** Likes an epoch: all but those of people who have every item, for whom there is nothing to compare with. */
  readonly likes: number
  /**
   * The next likes of the epoch, at most `count`; 0 at its end, after which the next epoch begins.
   * @param people Uint32Array[≥ count]: who
   * @param preferred Uint32Array[≥ count]: what they liked
   * @param others Uint32Array[≥ count · negatives]: items they do not have, those of like n at n · negatives
   */
  next(count: number, people: Uint32Array, preferred: Uint32Array, others: Uint32Array, negatives: number): number
}

/** @throws TacetError invalid-argument if there is not one like to learn from */
export function createLikeSampler(positives: Positives, random: RandomSource): LikeSampler {
  const { personCount, itemCount, items } = positives
  const owner = new Uint32Array(items.length)
  let likes = 0
  const order = new Uint32Array(items.length)
  for (let person = 0; person < personCount; person++) {
    const [from, to] = [positives.offsets[person] as number, positives.offsets[person + 1] as number]
    owner.fill(person, from, to)
    if (to - from < itemCount) for (let at = from; at < to; at++) order[likes++] = at
  }
  if (likes === 0)
    throw new TacetError(
      'invalid-argument',
      `there is nothing to learn from: ${items.length} likes, none of which could have been of another item`,
    )
  const words = new Uint32Array(4096)
  let used = words.length
  /** Uniform on 0 … n − 1; the bias of at most n/2³² is far below what any model notices. */
  const below = (n: number): number => {
    if (used === words.length) {
      random.fillWords(words)
      used = 0
    }
    return Math.floor(((words[used++] as number) / 2 ** 32) * n)
  }
  let at = likes

  return {
    likes,
    next(count, people, preferred, others, negatives) {
      if (at === likes) {
        at = 0
        for (let i = likes - 1; i > 0; i--) {
          const j = below(i + 1)
          const swapped = order[i] as number
          order[i] = order[j] as number
          order[j] = swapped
        }
      } else if (at < 0) {
        at = likes
        return 0
      }
      const filled = Math.min(count, likes - at)
      for (let n = 0; n < filled; n++) {
        const like = order[at + n] as number
        const person = owner[like] as number
        people[n] = person
        preferred[n] = items[like] as number
        const own = itemsOf(positives, person)
        for (let k = 0; k < negatives; k++) {
          let item = below(itemCount)
          while (holds(own, item)) item = below(itemCount)
          others[n * negatives + k] = item
        }
      }
      at += filled
      // The end of the epoch is told by the call after its last likes.
      if (at === likes) at = -1
      return filled
    },
  }
}

/** A batch size for `likes`: that many steps an epoch, as long as the batch stays within bounds. Steps, not epochs, are what training is made of. */
export const shareOf = (likes: number, steps: number, [least, most]: readonly [number, number]): number =>
  Math.min(most, Math.max(least, Math.ceil(likes / steps)))

/** Whether an ascending list holds `item`. */
function holds(list: Uint32Array, item: number): boolean {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((list[middle] as number) < item) low = middle + 1
    else high = middle
  }
  return list[low] === item
}
