/**
 * Trains `ease` in closed form: with G = XᵀX and P = (G + λ·1)⁻¹, weights[j, i] = −P[j, i] ÷ P[i, i] off the diagonal (Steck 2019, "Embarrassingly
 * shallow autoencoders for sparse data"). One Gram matrix and one inverse in single precision; refused under privacy.
 */
import { itemCounts, type Positives, transposed } from '../../data/index.ts'
import { TacetError } from '../../errors.ts'
import { linearAlgebra } from '../../kernels/index.ts'
import { createEase } from '../../models/index.ts'
import { refuseAllUnits, refuseUnder } from './linear-refusal.ts'
import type { RankingTrainer } from './trainer.ts'

/** Items that are solved densely, at most: 12,000² numbers are 0.58 GB, of which three copies exist for a moment. */
export const EASE_ITEM_LIMIT = 12_000

/** The `count` items that most people have, by index ascending; equal counts by index. */
function mostPopular(counts: Uint32Array, count: number): Uint32Array {
  return Uint32Array.from(counts.keys())
    .sort((a, b) => (counts[b] as number) - (counts[a] as number) || a - b)
    .slice(0, count)
    .sort()
}

/** The same rows with only the items of `head`, renumbered by their place in it. */
function restrictedTo({ personCount, itemCount, offsets, items }: Positives, head: Uint32Array): Positives {
  if (head.length === itemCount) return { personCount, itemCount, offsets, items }
  const place = new Int32Array(itemCount).fill(-1)
  for (const [at, item] of head.entries()) place[item] = at
  const kept = new Uint32Array(items.length)
  const starts = new Uint32Array(personCount + 1)
  let length = 0
  for (let person = 0; person < personCount; person++) {
    for (let at = offsets[person] as number; at < (offsets[person + 1] as number); at++) {
      const to = place[items[at] as number] as number
      if (to >= 0) kept[length++] = to
    }
    starts[person + 1] = length
  }
  return { personCount, itemCount: head.length, offsets: starts, items: kept.subarray(0, length) }
}

/** (G + λ·1)⁻¹ with G = XᵀX. Float32Array[items × items] */
function inverseByItems(positives: Positives, lambda: number): Float32Array {
  const n = positives.itemCount
  const gram = linearAlgebra().gramMatrix(positives)
  for (let i = 0; i < n; i++) (gram[i * n + i] as number) += lambda
  return linearAlgebra().invertPositiveDefinite(gram, n)
}

/** The same as (1 − Xᵀ·(X·Xᵀ + λ·1)⁻¹·X) ÷ λ (Woodbury): only a matrix of people is inverted, for data of few people and many items. */
function inverseByPeople(positives: Positives, lambda: number): Float32Array {
  const { personCount, itemCount } = positives
  const algebra = linearAlgebra()
  const byItem = transposed(positives)
  const half = algebra.multiplySparse(byItem, inverseByItems(byItem, lambda), personCount)
  const flipped = new Float32Array(half.length)
  for (let i = 0; i < itemCount; i++) for (let p = 0; p < personCount; p++) flipped[p * itemCount + i] = half[i * personCount + p] as number
  const out = algebra.multiplySparse(byItem, flipped, itemCount)
  for (let at = 0; at < out.length; at++) out[at] = -(out[at] as number) / lambda
  for (let i = 0; i < itemCount; i++) (out[i * itemCount + i] as number) += 1 / lambda
  return out
}

/**
 * The weights of the closed form.
 * @param lambda > 0
 * @returns Float32Array[items × items], 0 on the diagonal
 */
export function easeWeights(positives: Positives, lambda: number): Float32Array {
  const n = positives.itemCount
  const weights = 2 * positives.personCount < n ? inverseByPeople(positives, lambda) : inverseByItems(positives, lambda)
  const scale = Float32Array.from({ length: n }, (_, i) => -1 / (weights[i * n + i] as number))
  for (let j = 0; j < n; j++) {
    const row = weights.subarray(j * n, (j + 1) * n)
    for (let i = 0; i < n; i++) row[i] = (row[i] as number) * (scale[i] as number)
    row[j] = 0
  }
  return weights
}

export const easeTrainer: RankingTrainer = {
  name: 'ease',
  about: 'a linear item-to-item model in closed form (EASE): the strongest simple model; catalogues of up to some 12,000 items',
  parameters: {
    lambda: { default: 500, above: 0, about: 'ridge added to each item’s own count, in people' },
    items: {
      default: 0,
      atLeast: 0,
      atMost: EASE_ITEM_LIMIT,
      integer: true,
      about: `0 = all; otherwise only so many of the most popular items get weights (at most ${EASE_ITEM_LIMIT})`,
    },
  },
  ...refuseAllUnits('ease', 'item-gram', 'its weights come from the exact counts of who likes which items together, of everybody'),
  fit({ positives, parameters, privacy, onProgress }) {
    refuseUnder(privacy, easeTrainer)
    const { lambda, items } = parameters as { readonly lambda: number; readonly items: number }
    const { itemCount } = positives
    const size = items === 0 ? itemCount : Math.min(items, itemCount)
    if (size > EASE_ITEM_LIMIT || itemCount > 2 ** 24)
      throw new TacetError(
        'invalid-argument',
        `ease needs ${((4 * size * size) / 1e9).toFixed(1)} GB for each matrix of ${size} × ${size} items, and three at a time; it solves at most ${EASE_ITEM_LIMIT}`,
        {
          wayOut: `keep the most popular items (--param items=${EASE_ITEM_LIMIT}), or take ials or puresvd, which grow with the likes`,
          details: { itemCount, limit: EASE_ITEM_LIMIT },
        },
      )
    const counts = itemCounts(positives)
    const largest = counts.reduce((most, count) => Math.max(most, count), 1)
    const head = mostPopular(counts, size)
    onProgress?.('solve', 0, 1)
    const weights = easeWeights(restrictedTo(positives, head), lambda)
    onProgress?.('solve', 1, 1)
    return createEase({ weights, head, prior: Float32Array.from(counts, (count) => count / largest) })
  },
}
