/**
 * `item-gram`: item factors from one (noisy) item-item Gram matrix. A person's vector is the sum of the factors of what they liked, folded in from
 * their own history and kept nowhere; items without factors follow in the order of popularity. Item-side tensors only.
 *
 * Scores of a person over the items with factors: ((x∘inward)·F·Fᵀ + q·(x∘inward·p₀)·p₀) ∘ outward, standardised over what they have not seen, plus
 * the standardised popularity. With public content, what the catalogue says of every item takes the place of popularity, and items without factors
 * stand among the others by it. How the tensors are made, and from what, is the trainer's business.
 */
import { TacetError } from '../../errors.ts'
import type { NamedTensors, Ranked } from '../model.ts'
import { expectTensor } from '../safetensors.ts'
import { type ContentParts, contentScorer, contentTensors, loadContentParts } from './content.ts'
import { shares } from './content-popularity.ts'
import { vectorOf } from './popularity.ts'
import { type Person, type Ranker, scoreSome, topItems } from './ranker.ts'

export interface ItemGramParts {
  /** Float32Array[itemCount] */
  readonly popularity: Float32Array
  /** Uint32Array[m]: distinct items with factors; empty: the model is popularity. */
  readonly items: Uint32Array
  /** Float32Array[m]: weight of an item in a history; 0 where it has factors but is not folded in. */
  readonly inward: Float32Array
  /** Float32Array[m]: factor of an item's score. */
  readonly outward: Float32Array
  /** Float32Array[m]: p₀. */
  readonly direction: Float32Array
  /** Float32Array[m × rank]: row a is items[a]'s. */
  readonly factors: Float32Array
  readonly rank: number
  /** q: how much of the popularity direction stays in a person's scores. */
  readonly alongWeight: number
  /** b: how much popularity counts beside a person's own scores, in their standard deviations. */
  readonly popularityWeight: number
  /** Public content and how much the standardised scores count beside its logarithm; then popularityWeight is not used. */
  readonly content?: { readonly parts: ContentParts; readonly gramWeight: number } | undefined
}

/** The tensors of `parts`: the file format. */
export function itemGramTensors(parts: ItemGramParts): NamedTensors {
  const m = parts.items.length
  return {
    popularity: { shape: [parts.popularity.length], data: parts.popularity },
    items: { shape: [m], data: Float32Array.from(parts.items) },
    inward: { shape: [m], data: parts.inward },
    outward: { shape: [m], data: parts.outward },
    direction: { shape: [m], data: parts.direction },
    factors: { shape: [m, parts.rank], data: parts.factors },
    blend: { shape: [3], data: Float32Array.of(parts.alongWeight, parts.popularityWeight, parts.content?.gramWeight ?? 0) },
    ...(parts.content ? contentTensors(parts.content.parts) : {}),
  }
}

/** @throws TacetError corrupt-run */
export function loadItemGram(tensors: NamedTensors): Ranker {
  const label = 'item-gram'
  const popularity = vectorOf(tensors, 'popularity', label)
  const m = tensors['items']?.data.length ?? 0
  const rank = tensors['factors']?.shape[1] ?? 0
  const items = expectTensor(tensors, 'items', [m], label)
  const blend = expectTensor(tensors, 'blend', [3], label)
  if (new Set(items).size < m || !items.every((item) => Number.isInteger(item) && item >= 0 && item < popularity.length))
    throw new TacetError('corrupt-run', `${label}: the tensor items must name distinct items below ${popularity.length}`, {
      wayOut: 'restore the file from a copy, or train again',
    })
  return createItemGram({
    popularity,
    items: Uint32Array.from(items),
    inward: expectTensor(tensors, 'inward', [m], label),
    outward: expectTensor(tensors, 'outward', [m], label),
    direction: expectTensor(tensors, 'direction', [m], label),
    factors: expectTensor(tensors, 'factors', [m, rank], label),
    rank,
    alongWeight: blend[0] as number,
    popularityWeight: blend[1] as number,
    content: tensors['content.level']
      ? { parts: loadContentParts(tensors, popularity.length, label), gramWeight: blend[2] as number }
      : undefined,
  })
}

export function createItemGram(parts: ItemGramParts): Ranker {
  const { popularity, items, inward, outward, direction, factors, rank } = parts
  // As the file stores them, so that a model read back scores the same.
  const [alongWeight, popularityWeight] = [Math.fround(parts.alongWeight), Math.fround(parts.popularityWeight)]
  const itemCount = popularity.length
  const m = items.length
  const places = new Int32Array(itemCount).fill(-1)
  items.forEach((item, place) => {
    places[item] = place
  })
  const prior = standardised(Float64Array.from(items, (item) => popularity[item] as number)).map((z) => popularityWeight * z)
  const tail = tailOrder(popularity, places)
  const content = parts.content && contentScorer(loadContentParts(contentTensors(parts.content.parts), itemCount, 'item-gram'))
  const gramWeight = Math.fround(parts.content?.gramWeight ?? 0)
  const base = new Float64Array(content ? itemCount : 0)
  const lengths = Float64Array.from({ length: m }, (_, place) => Math.sqrt(similarity(factors, rank, place, place)))

  /** Scores of the items with factors, not standardised, in `own`. */
  const own = new Float64Array(m)
  const vector = new Float64Array(rank)
  const liked = new Uint8Array(m)
  function fold(history: Uint32Array): void {
    vector.fill(0)
    liked.fill(0)
    let along = 0
    for (const item of history) {
      const place = places[item] ?? -1
      if (place < 0 || liked[place] === 1) continue
      liked[place] = 1
      const weight = inward[place] as number
      if (weight === 0) continue
      along += weight * (direction[place] as number)
      for (let r = 0, at = place * rank; r < rank; r++, at++) (vector[r] as number) += weight * (factors[at] as number)
    }
    for (let place = 0, at = 0; place < m; place++) {
      let sum = alongWeight * along * (direction[place] as number)
      for (let r = 0; r < rank; r++, at++) sum += (factors[at] as number) * (vector[r] as number)
      own[place] = sum * (outward[place] as number)
    }
  }

  function scoreOne(history: Uint32Array, out: Float32Array): void {
    fold(history)
    let [count, sum, squares] = [0, 0, 0]
    for (let place = 0; place < m; place++) {
      if (liked[place] === 1) continue
      const value = own[place] as number
      count++
      sum += value
      squares += value * value
    }
    const mean = count > 0 ? sum / count : 0
    const spread = count > 0 ? Math.sqrt(Math.max(0, squares / count - mean * mean)) : 0
    const scale = spread > 1e-9 * Math.abs(mean) && spread > 0 ? 1 / spread : 0
    if (content) {
      content.score(history, base)
      out.set(base)
      for (let place = 0; place < m; place++) {
        const item = items[place] as number
        out[item] = (base[item] as number) + gramWeight * ((own[place] as number) - mean) * scale
      }
      return
    }
    let lowest = 0
    for (let place = 0; place < m; place++) {
      const score = ((own[place] as number) - mean) * scale + (prior[place] as number)
      if (score < lowest) lowest = score
      out[items[place] as number] = score
    }
    // Below every item with factors, in the order of popularity.
    for (let at = 0; at < tail.length; at++) out[tail[at] as number] = lowest - 1 - at / tail.length
  }

  const ranker: Ranker = {
    name: 'item-gram',
    itemCount,
    personCount: 0,
    foldsIn: rank > 0 || content !== undefined,
    score: (userIndex, wanted, out) => scoreSome(ranker, userIndex, wanted, out),
    scoreAll(people: readonly Person[], out) {
      for (const [at, { history }] of people.entries()) scoreOne(history, out.subarray(at * itemCount, (at + 1) * itemCount))
    },
    similarItems(item, n): Ranked[] {
      const place = places[item] ?? -1
      if (place < 0 || !((lengths[place] as number) > 0)) {
        if (!content) return []
        const likeness = Float32Array.from({ length: itemCount }, (_, other) => content.likeness(item, other))
        return topItems(likeness, n, { exclude: Uint32Array.of(item) })
      }
      const cosines = Float32Array.from({ length: m }, (_, other) => {
        const norm = (lengths[place] as number) * (lengths[other] as number)
        return norm > 0 ? similarity(factors, rank, place, other) / norm : 0
      })
      return topItems(cosines, n, { exclude: Uint32Array.of(place) }).map(({ item: other, score }) => ({
        item: items[other] as number,
        score,
      }))
    },
    reasons({ history }, item, n): Ranked[] {
      const place = places[item] ?? -1
      if (place < 0) return content ? shares(history, (liked) => content.likeness(liked, item), n) : []
      return shares(
        history,
        (liked) => {
          const from = places[liked] ?? -1
          if (from < 0) return 0
          const along = alongWeight * (direction[from] as number) * (direction[place] as number)
          return (inward[from] as number) * (similarity(factors, rank, from, place) + along)
        },
        n,
      )
    },
    parameters: () => itemGramTensors(parts),
  }
  return ranker
}

function similarity(factors: Float32Array, rank: number, a: number, b: number): number {
  let sum = 0
  for (let r = 0; r < rank; r++) sum += (factors[a * rank + r] as number) * (factors[b * rank + r] as number)
  return sum
}

/** To mean 0 and standard deviation 1; all 0 where they are equal. */
function standardised(values: Float64Array): Float64Array {
  const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
  const spread = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length))
  return values.map((value) => (spread > 0 ? (value - mean) / spread : 0))
}

/** Items without factors, most popular first. */
function tailOrder(popularity: Float32Array, places: Int32Array): Uint32Array {
  return Uint32Array.from(popularity.keys())
    .filter((item) => places[item] === -1)
    .sort((a, b) => (popularity[b] as number) - (popularity[a] as number) || a - b)
}
