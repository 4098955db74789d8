/** The plain build of the kernels of ranking.ts, sums in doubles: what each means, and the fallback where WASM SIMD is missing. */
import type { Pointer } from './kernels.ts'
import type { RankingKernels } from './ranking.ts'

/** Items a panel of `packItems`: score rows are as wide as the next multiple. */
export const PANEL_ITEMS = 8
/** People a tile of `scoreBlock`: vectors and score rows exist up to the next multiple. */
export const TILE_PEOPLE = 4

/** Loss and slope of a margin m: softplus(−m), and how much stronger a step pulls it up, −d softplus(−m)/dm = σ(−m). */
export function logisticLoss(margin: number): { readonly loss: number; readonly pull: number } {
  const e = Math.exp(-Math.abs(margin))
  return { loss: Math.log1p(e) + Math.max(0, -margin), pull: (margin >= 0 ? e : 1) / (1 + e) }
}

export function referenceRankingKernels(byteLength: number): RankingKernels {
  const buffer = new ArrayBuffer(Math.ceil(byteLength / 65536) * 65536)
  const f = new Float32Array(buffer)
  const u = new Uint32Array(buffer)
  const at = (pointer: Pointer) => pointer >>> 2
  const word = (pointer: Pointer, index: number) => u[at(pointer) + index] as number
  const float = (pointer: Pointer, index: number) => f[at(pointer) + index] as number

  /** Uniform on 0 … n − 1: the high half of word · n, exactly as 64-bit integers have it. */
  function below(state: Pointer, n: number): number {
    const s = at(state)
    const [s0, s1, s2, s3] = [u[s] as number, u[s + 1] as number, u[s + 2] as number, u[s + 3] as number]
    const drawn = Math.imul(rotl(Math.imul(s1, 5), 7), 9) >>> 0
    u[s] = s0 ^ s3 ^ s1
    u[s + 1] = s1 ^ s2 ^ s0
    u[s + 2] = s2 ^ s0 ^ (s1 << 9)
    u[s + 3] = rotl(s3 ^ s1, 11)
    return Math.floor(((drawn >>> 16) * n + Math.floor(((drawn & 0xffff) * n) / 65536)) / 65536)
  }

  return {
    name: 'reference',
    buffer,

    shuffle(count, order, state) {
      for (let i = count - 1; i > 0; i--) {
        const j = below(state, i + 1)
        const swapped = word(order, i)
        u[at(order) + i] = word(order, j)
        u[at(order) + j] = swapped
      }
    },

    sampleOthers(count, negatives, itemCount, order, owner, offsets, items, state, people, preferred, others) {
      for (let n = 0; n < count; n++) {
        const like = word(order, n)
        const person = word(owner, like)
        u[at(people) + n] = person
        u[at(preferred) + n] = word(items, like)
        const own = u.subarray(at(items) + word(offsets, person), at(items) + word(offsets, person + 1))
        for (let k = 0; k < negatives; k++) {
          let item = below(state, itemCount)
          while (holds(own, item)) item = below(state, itemCount)
          u[at(others) + n * negatives + k] = item
        }
      }
    },

    pairwiseSteps(
      count,
      negatives,
      hardest,
      width,
      people,
      preferred,
      others,
      personFactors,
      itemFactors,
      itemBias,
      personRate,
      itemRate,
      decay,
    ) {
      const score = (person: number, item: number) => {
        let sum = itemBias ? float(itemBias, item) : 0
        for (let k = 0; k < width; k++) sum += float(personFactors, person * width + k) * float(itemFactors, item * width + k)
        return sum
      }
      let total = 0
      for (let n = 0; n < count; n++) {
        const person = word(people, n)
        const first = word(preferred, n)
        const drawn = u.subarray(at(others) + n * negatives, at(others) + (n + 1) * negatives)
        const stepped = hardest
          ? [drawn.reduce((best, item) => (score(person, item) > score(person, best) ? item : best), drawn[0] as number)]
          : drawn
        for (const second of stepped) {
          const p = at(personFactors) + person * width
          const [i, j] = [at(itemFactors) + first * width, at(itemFactors) + second * width]
          const { loss, pull } = logisticLoss(score(person, first) - score(person, second))
          total += loss
          for (let k = 0; k < width; k++) {
            const [vp, vi, vj] = [f[p + k] as number, f[i + k] as number, f[j + k] as number]
            f[p + k] = vp + personRate * (pull * (vi - vj) - decay * vp)
            f[i + k] = vi + itemRate * (pull * vp - decay * vi)
            f[j + k] = vj + itemRate * (-pull * vp - decay * vj)
          }
          if (itemBias) {
            ;(f[at(itemBias) + first] as number) += itemRate * (pull - decay * float(itemBias, first))
            ;(f[at(itemBias) + second] as number) += itemRate * (-pull - decay * float(itemBias, second))
          }
        }
      }
      return total
    },

    pointwiseSteps(
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
      intercept,
      personRate,
      itemRate,
      decay,
    ) {
      let total = 0
      for (let n = 0; n < count; n++) {
        const person = word(people, n)
        for (let k = -1; k < negatives; k++) {
          const label = k < 0 ? 1 : -1
          const item = k < 0 ? word(preferred, n) : word(others, n * negatives + k)
          const [p, q] = [at(personFactors) + person * width, at(itemFactors) + item * width]
          let score = intercept + float(personBias, person) + float(itemBias, item)
          for (let c = 0; c < width; c++) score += (f[p + c] as number) * (f[q + c] as number)
          const { loss, pull } = logisticLoss(label * score)
          total += loss
          for (let c = 0; c < width; c++) {
            const [vp, vq] = [f[p + c] as number, f[q + c] as number]
            f[p + c] = vp + personRate * (label * pull * vq - decay * vp)
            f[q + c] = vq + itemRate * (label * pull * vp - decay * vq)
          }
          ;(f[at(personBias) + person] as number) += personRate * (label * pull - decay * float(personBias, person))
          ;(f[at(itemBias) + item] as number) += itemRate * (label * pull - decay * float(itemBias, item))
        }
      }
      return total
    },

    packItems(itemCount, dimension, itemFactors, panels) {
      for (let item = 0; item < Math.ceil(itemCount / PANEL_ITEMS) * PANEL_ITEMS; item++)
        for (let k = 0; k < dimension; k++)
          f[at(panels) + panelCell(item, k, dimension)] = item < itemCount ? float(itemFactors, item * dimension + k) : 0
    },

    scoreBlock(rows, itemCount, dimension, vectors, panels, itemBias, out) {
      const width = Math.ceil(itemCount / PANEL_ITEMS) * PANEL_ITEMS
      for (let r = 0; r < rows; r++)
        for (let item = 0; item < itemCount; item++) {
          let sum = itemBias ? float(itemBias, item) : 0
          for (let k = 0; k < dimension; k++) sum += float(vectors, r * dimension + k) * float(panels, panelCell(item, k, dimension))
          f[at(out) + r * width + item] = sum
        }
    },

    topRows(rows, itemCount, width, n, scores, topItems, topScores, lengths) {
      for (let r = 0; r < rows; r++) {
        const row = f.subarray(at(scores) + r * width, at(scores) + r * width + itemCount)
        const order = Array.from(row.keys())
          .filter((item) => (row[item] as number) > Number.NEGATIVE_INFINITY)
          .sort((a, b) => (row[b] as number) - (row[a] as number) || a - b)
          .slice(0, n)
        u[at(lengths) + r] = order.length
        for (const [place, item] of order.entries()) {
          u[at(topItems) + r * n + place] = item
          f[at(topScores) + r * n + place] = row[item] as number
        }
      }
    },
  }
}

const rotl = (x: number, by: number) => (x << by) | (x >>> (32 - by))

/** Where coordinate k of an item lies among the panels. */
const panelCell = (item: number, k: number, dimension: number) =>
  (Math.floor(item / PANEL_ITEMS) * dimension + k) * PANEL_ITEMS + (item % PANEL_ITEMS)

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
