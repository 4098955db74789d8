/**
 * The kernels of src/kernels/ranking.ts in WASM SIMD: sampled examples, stochastic gradient steps of factor models, score blocks and exact top
 * lists. What each one means is said there and done plainly in ranking-reference.ts. Memory is imported and laid out by the caller; nothing here
 * allocates.
 */

/** a·b + c; fused where the build allows. */
// @ts-ignore: decorator
@inline function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return v128.relaxed_madd<f32>(a, b, c)
  return f32x4.add(f32x4.mul(a, b), c)
}

// @ts-ignore: decorator
@inline function sumLanes(a: v128): f32 {
  return f32x4.extract_lane(a, 0) + f32x4.extract_lane(a, 1) + (f32x4.extract_lane(a, 2) + f32x4.extract_lane(a, 3))
}

/** The next word of xoshiro128** (Blackman & Vigna 2021). */
// @ts-ignore: decorator
@inline function nextWord(state: usize): u32 {
  const s0 = load<u32>(state)
  let s1 = load<u32>(state, 4)
  let s2 = load<u32>(state, 8)
  let s3 = load<u32>(state, 12)
  const word = rotl<u32>(s1 * 5, 7) * 9
  const t = s1 << 9
  s2 ^= s0
  s3 ^= s1
  store<u32>(state, s0 ^ s3, 0)
  store<u32>(state, s1 ^ s2, 4)
  store<u32>(state, s2 ^ t, 8)
  store<u32>(state, rotl<u32>(s3, 11), 12)
  return word
}

// @ts-ignore: decorator
@inline function below(state: usize, n: u32): u32 {
  return <u32>((<u64>nextWord(state) * <u64>n) >> 32)
}

export function shuffle(count: i32, order: usize, state: usize): void {
  for (let i = count - 1; i > 0; i--) {
    const a = order + (<usize>i << 2)
    const b = order + (<usize>below(state, <u32>i + 1) << 2)
    const swapped = load<u32>(a)
    store<u32>(a, load<u32>(b))
    store<u32>(b, swapped)
  }
}

export function sampleOthers(
  count: i32, negatives: i32, itemCount: u32, order: usize, owner: usize, offsets: usize, items: usize, state: usize,
  people: usize, preferred: usize, others: usize,
): void {
  for (let n: usize = 0; n < <usize>count << 2; n += 4) {
    const like = <usize>load<u32>(order + n) << 2
    const person = load<u32>(owner + like)
    store<u32>(people + n, person)
    store<u32>(preferred + n, load<u32>(items + like))
    const bounds = offsets + (<usize>person << 2)
    const from = items + (<usize>load<u32>(bounds) << 2)
    const length = load<u32>(bounds, 4) - load<u32>(bounds)
    const first = others + n * <usize>negatives
    for (let k: usize = 0; k < <usize>negatives << 2; k += 4) {
      let item: u32
      do {
        item = below(state, itemCount)
        // The last one of the person's items that is ≤ item, without a branch that depends on the draw.
        let base = from
        let rest = length
        while (rest > 1) {
          const half = rest >> 1
          const middle = base + (<usize>half << 2)
          base = select<usize>(middle, base, load<u32>(middle) <= item)
          rest -= half
        }
        if (load<u32>(base) != item) break
      } while (true)
      store<u32>(first + k, item)
    }
  }
}

/** Π (1 + e^−|margin|) stays below this before its logarithm is added to a loss: one logarithm for hundreds of steps. */
const FULL: f64 = 1e300

/** ⟨p, q⟩ of two rows. */
// @ts-ignore: decorator
@inline function dotRows(row: usize, p: usize, q: usize): f32 {
  let s0 = f32x4.splat(0)
  let s1 = f32x4.splat(0)
  let k: usize = 0
  for (; k + 32 <= row; k += 32) {
    s0 = madd(v128.load(p + k), v128.load(q + k), s0)
    s1 = madd(v128.load(p + k, 16), v128.load(q + k, 16), s1)
  }
  if (k < row) s0 = madd(v128.load(p + k), v128.load(q + k), s0)
  return sumLanes(f32x4.add(s0, s1))
}

/** Σ of the losses of a call is loss + log(product). */
let loss: f64 = 0
let product: f64 = 1

/** Adds softplus(−margin) to the loss; σ(−margin), without overflow on either side. */
// @ts-ignore: decorator
@inline function pullOf(margin: f32): f32 {
  const e = Mathf.exp(-Mathf.abs(margin))
  product *= 1 + <f64>e
  if (!(product < FULL)) {
    loss += Math.log(product)
    product = 1
  }
  loss += <f64>Mathf.max(0, -margin)
  return (margin >= 0 ? e : 1) / (1 + e)
}

/** One step on a liked item, whose score is given where it is known, and one that is not. */
// @ts-ignore: decorator
@inline function pairwiseStep(
  margin: f32, row: usize, p: usize, i: usize, j: usize, firstBias: usize, secondBias: usize, personRate: f32, itemRate: f32, decay: f32,
): void {
  const pull = pullOf(margin)
  const personPull = f32x4.splat(personRate * pull)
  const itemPull = f32x4.splat(itemRate * pull)
  const keepPerson = f32x4.splat(1 - personRate * decay)
  const keepItem = f32x4.splat(1 - itemRate * decay)
  for (let k: usize = 0; k < row; k += 16) {
    const vp = v128.load(p + k)
    const vi = v128.load(i + k)
    const vj = v128.load(j + k)
    v128.store(p + k, madd(personPull, f32x4.sub(vi, vj), f32x4.mul(keepPerson, vp)))
    const moved = f32x4.mul(itemPull, vp)
    v128.store(i + k, madd(keepItem, vi, moved))
    v128.store(j + k, f32x4.sub(f32x4.mul(keepItem, vj), moved))
  }
  if (firstBias) {
    const keep: f32 = 1 - itemRate * decay
    store<f32>(firstBias, keep * load<f32>(firstBias) + itemRate * pull)
    store<f32>(secondBias, keep * load<f32>(secondBias) - itemRate * pull)
  }
}

export function pairwiseSteps(
  count: i32, negatives: i32, hardest: i32, width: i32, people: usize, preferred: usize, others: usize, personFactors: usize,
  itemFactors: usize, itemBias: usize, personRate: f32, itemRate: f32, decay: f32,
): f64 {
  const row = <usize>width << 2
  loss = 0
  product = 1
  for (let n: usize = 0; n < <usize>count << 2; n += 4) {
    const p = personFactors + <usize>load<u32>(people + n) * row
    const first = <usize>load<u32>(preferred + n)
    const i = itemFactors + first * row
    const firstBias = itemBias ? itemBias + (first << 2) : 0
    const drawn = others + n * <usize>negatives
    if (hardest) {
      let best: f32 = -Infinity
      let second: usize = <usize>load<u32>(drawn)
      for (let draw: usize = 0; draw < <usize>negatives << 2; draw += 4) {
        const item = <usize>load<u32>(drawn + draw)
        let score = dotRows(row, p, itemFactors + item * row)
        if (itemBias) score += load<f32>(itemBias + (item << 2))
        if (score > best) {
          best = score
          second = item
        }
      }
      let score = dotRows(row, p, i)
      if (itemBias) score += load<f32>(firstBias)
      const secondBias = itemBias ? itemBias + (second << 2) : 0
      pairwiseStep(score - best, row, p, i, itemFactors + second * row, firstBias, secondBias, personRate, itemRate, decay)
    } else {
      for (let draw: usize = 0; draw < <usize>negatives << 2; draw += 4) {
        const second = <usize>load<u32>(drawn + draw)
        const j = itemFactors + second * row
        const secondBias = itemBias ? itemBias + (second << 2) : 0
        let margin = dotRows(row, p, i) - dotRows(row, p, j)
        if (itemBias) margin += load<f32>(firstBias) - load<f32>(secondBias)
        pairwiseStep(margin, row, p, i, j, firstBias, secondBias, personRate, itemRate, decay)
      }
    }
  }
  return loss + Math.log(product)
}

/** One step on one labelled pair. */
// @ts-ignore: decorator
@inline function pointwiseStep(
  liked: bool, row: usize, p: usize, q: usize, personBias: usize, itemBias: usize, intercept: f32, personRate: f32, itemRate: f32, decay: f32,
): void {
  const score = intercept + load<f32>(personBias) + load<f32>(itemBias) + dotRows(row, p, q)
  const error = pullOf(liked ? score : -score)
  const pull = liked ? error : -error
  const personPull = f32x4.splat(personRate * pull)
  const itemPull = f32x4.splat(itemRate * pull)
  const keepPerson = f32x4.splat(1 - personRate * decay)
  const keepItem = f32x4.splat(1 - itemRate * decay)
  for (let k: usize = 0; k < row; k += 16) {
    const vp = v128.load(p + k)
    const vq = v128.load(q + k)
    v128.store(p + k, madd(personPull, vq, f32x4.mul(keepPerson, vp)))
    v128.store(q + k, madd(itemPull, vp, f32x4.mul(keepItem, vq)))
  }
  store<f32>(personBias, load<f32>(personBias) * (1 - personRate * decay) + personRate * pull)
  store<f32>(itemBias, load<f32>(itemBias) * (1 - itemRate * decay) + itemRate * pull)
}

export function pointwiseSteps(
  count: i32, negatives: i32, width: i32, people: usize, preferred: usize, others: usize, personFactors: usize, itemFactors: usize,
  personBias: usize, itemBias: usize, intercept: f32, personRate: f32, itemRate: f32, decay: f32,
): f64 {
  const row = <usize>width << 2
  loss = 0
  product = 1
  for (let n: usize = 0; n < <usize>count << 2; n += 4) {
    const person = <usize>load<u32>(people + n)
    const p = personFactors + person * row
    const b = personBias + (person << 2)
    let item = <usize>load<u32>(preferred + n)
    pointwiseStep(true, row, p, itemFactors + item * row, b, itemBias + (item << 2), intercept, personRate, itemRate, decay)
    const drawn = others + n * <usize>negatives
    for (let draw: usize = 0; draw < <usize>negatives << 2; draw += 4) {
      item = <usize>load<u32>(drawn + draw)
      pointwiseStep(false, row, p, itemFactors + item * row, b, itemBias + (item << 2), intercept, personRate, itemRate, decay)
    }
  }
  return loss + Math.log(product)
}

/** Items a panel: for each coordinate the values of eight items side by side. */
const PANEL: usize = 8

export function packItems(itemCount: i32, dimension: i32, itemFactors: usize, panels: usize): void {
  const lines = <usize>dimension
  for (let from: usize = 0; from < <usize>itemCount; from += PANEL) {
    const panel = panels + ((from * lines) << 2)
    for (let lane: usize = 0; lane < PANEL; lane++)
      for (let k: usize = 0; k < lines; k++) {
        const value: f32 = from + lane < <usize>itemCount ? load<f32>(itemFactors + (((from + lane) * lines + k) << 2)) : 0
        store<f32>(panel + ((k * PANEL + lane) << 2), value)
      }
  }
}

/** Scores of four people for the eight items of a panel. */
// @ts-ignore: decorator
@inline function scoreTile(row: usize, vectors: usize, panel: usize, bias0: v128, bias1: v128, out: usize, outRow: usize): void {
  let a0 = bias0, a1 = bias1, b0 = bias0, b1 = bias1, c0 = bias0, c1 = bias1, d0 = bias0, d1 = bias1
  const second = vectors + row
  const third = second + row
  const fourth = third + row
  for (let k: usize = 0; k < row; k += 4) {
    const left = v128.load(panel + (k << 3))
    const right = v128.load(panel + (k << 3), 16)
    const a = v128.load32_splat(vectors + k)
    a0 = madd(a, left, a0)
    a1 = madd(a, right, a1)
    const b = v128.load32_splat(second + k)
    b0 = madd(b, left, b0)
    b1 = madd(b, right, b1)
    const c = v128.load32_splat(third + k)
    c0 = madd(c, left, c0)
    c1 = madd(c, right, c1)
    const d = v128.load32_splat(fourth + k)
    d0 = madd(d, left, d0)
    d1 = madd(d, right, d1)
  }
  v128.store(out, a0)
  v128.store(out, a1, 16)
  v128.store(out + outRow, b0)
  v128.store(out + outRow, b1, 16)
  v128.store(out + 2 * outRow, c0)
  v128.store(out + 2 * outRow, c1, 16)
  v128.store(out + 3 * outRow, d0)
  v128.store(out + 3 * outRow, d1, 16)
}

export function scoreBlock(rows: i32, itemCount: i32, dimension: i32, vectors: usize, panels: usize, itemBias: usize, out: usize): void {
  const row = <usize>dimension << 2
  const width = (<usize>itemCount + PANEL - 1) & ~(PANEL - 1)
  const outRow = width << 2
  for (let from: usize = 0; from < width; from += PANEL) {
    const panel = panels + from * row
    let bias0 = f32x4.splat(0)
    let bias1 = f32x4.splat(0)
    if (itemBias) {
      bias0 = v128.load(itemBias + (from << 2))
      bias1 = v128.load(itemBias + (from << 2), 16)
    }
    for (let r: usize = 0; r < <usize>rows; r += 4)
      scoreTile(row, vectors + r * row, panel, bias0, bias1, out + r * outRow + (from << 2), outRow)
  }
}

/** Whether entry (score, item) belongs behind (otherScore, otherItem). */
// @ts-ignore: decorator
@inline function behind(score: f32, item: u32, otherScore: f32, otherItem: u32): bool {
  return score < otherScore || (score == otherScore && item > otherItem)
}

/** Puts an entry where it belongs in the heap of `length` entries (the last of a list at the root), from the root downwards. */
function siftDown(length: usize, score: f32, item: u32, scores: usize, items: usize): void {
  let at: usize = 0
  while (true) {
    let child: usize = 2 * at + 1
    if (child >= length) break
    const right = child + 1
    if (
      right < length &&
      behind(load<f32>(scores + (right << 2)), load<u32>(items + (right << 2)), load<f32>(scores + (child << 2)), load<u32>(items + (child << 2)))
    )
      child = right
    const childScore = load<f32>(scores + (child << 2))
    const childItem = load<u32>(items + (child << 2))
    if (!behind(childScore, childItem, score, item)) break
    store<f32>(scores + (at << 2), childScore)
    store<u32>(items + (at << 2), childItem)
    at = child
  }
  store<f32>(scores + (at << 2), score)
  store<u32>(items + (at << 2), item)
}

/** The n first of one row; how many there were. */
function topRow(itemCount: usize, n: usize, scores: usize, topItems: usize, topScores: usize): usize {
  let filled: usize = 0
  let item: usize = 0
  for (; item < itemCount && filled < n; item++) {
    const score = load<f32>(scores + (item << 2))
    if (!(score > -Infinity)) continue
    let at = filled++
    while (at > 0) {
      const parent = (at - 1) >> 1
      const parentScore = load<f32>(topScores + (parent << 2))
      // Items come in ascending order: of equal scores the newcomer is behind.
      if (parentScore < score) break
      store<f32>(topScores + (at << 2), parentScore)
      store<u32>(topItems + (at << 2), load<u32>(topItems + (parent << 2)))
      at = parent
    }
    store<f32>(topScores + (at << 2), score)
    store<u32>(topItems + (at << 2), <u32>item)
  }
  if (filled === n && n > 0) {
    let least = load<f32>(topScores)
    while (item < itemCount) {
      // Most of a catalogue is turned away eight at a time.
      if (item + 8 <= itemCount) {
        const bound = f32x4.splat(least)
        const at = scores + (item << 2)
        if (!v128.any_true(v128.or(f32x4.gt(v128.load(at), bound), f32x4.gt(v128.load(at, 16), bound)))) {
          item += 8
          continue
        }
      }
      const to = min<usize>(item + 8, itemCount)
      for (; item < to; item++) {
        const score = load<f32>(scores + (item << 2))
        if (!(score > least)) continue
        siftDown(n, score, <u32>item, topScores, topItems)
        least = load<f32>(topScores)
      }
    }
  }
  // Taking the root away again and again fills the list from its end.
  for (let rest = filled; rest > 1; rest--) {
    const last = (rest - 1) << 2
    const score = load<f32>(topScores)
    const worst = load<u32>(topItems)
    const movedScore = load<f32>(topScores + last)
    const movedItem = load<u32>(topItems + last)
    siftDown(rest - 1, movedScore, movedItem, topScores, topItems)
    store<f32>(topScores + last, score)
    store<u32>(topItems + last, worst)
  }
  return filled
}

export function topRows(rows: i32, itemCount: i32, width: i32, n: i32, scores: usize, topItems: usize, topScores: usize, lengths: usize): void {
  for (let r: usize = 0; r < <usize>rows; r++) {
    const list = (r * <usize>n) << 2
    const length = topRow(<usize>itemCount, <usize>n, scores + ((r * <usize>width) << 2), topItems + list, topScores + list)
    store<u32>(lengths + (r << 2), <u32>length)
  }
}
