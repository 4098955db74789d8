/**
 * The head of a catalogue: the items that get vectors, chosen, weighted and centred by one popularity release. A function of that release: with a
 * private one nothing here costs anything. With exact counts it is as private as they are.
 */
import { itemsOf, type Positives } from '../../data/index.ts'

/** Which items have vectors, how they weigh, and where the average row points. */
export interface Head {
  /** Item of each head position, most popular first. */
  readonly items: Uint32Array
  /** Head position of each item, or −1. */
  readonly positionOf: Int32Array
  /** Float64Array[head]: popularity, at least `least`. */
  readonly popularity: Float64Array
  readonly weights: Float64Array
  /** Unit vector: where the average weighted row points. */
  readonly direction: Float64Array
}

/** @param least popularity below this reads as this: one standard deviation of a noisy release */
export function headOf(popularity: Float64Array, size: number, damping: number, least: number): Head {
  const items = Uint32Array.from(popularity.keys())
    .sort((a, b) => (popularity[b] as number) - (popularity[a] as number) || a - b)
    .subarray(0, size)
  const positionOf = new Int32Array(popularity.length).fill(-1)
  for (const [position, item] of items.entries()) positionOf[item] = position
  const kept = Float64Array.from(items, (item) => Math.max(popularity[item] as number, least))
  const weights = kept.map((p) => p ** -damping)
  const direction = kept.map((p, at) => p * (weights[at] as number))
  const norm = Math.sqrt(direction.reduce((sum, x) => sum + x * x, 0))
  return { items, positionOf, popularity: kept, weights, direction: direction.map((x) => x / norm) }
}

/** The likes of everybody among the head items, by head position. */
export function restrictedTo(head: Head, likes: Positives): Positives {
  const offsets = new Uint32Array(likes.personCount + 1)
  const items: number[] = []
  for (let person = 0; person < likes.personCount; person++) {
    let last = -1
    for (const item of itemsOf(likes, person)) {
      const position = head.positionOf[item] as number
      // A name twice in a row counts once: what follows supposes distinct items.
      if (position >= 0 && item !== last) items.push(position)
      last = item
    }
    offsets[person + 1] = items.length
  }
  return { personCount: likes.personCount, itemCount: head.items.length, offsets, items: Uint32Array.from(items) }
}
