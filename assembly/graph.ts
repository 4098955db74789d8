/**
 * The kernels of src/kernels/graph.ts in WASM SIMD: sums over the neighbours of a node, and the pairwise loss over their vectors. What each one
 * means is said there and done plainly in graph-reference.ts. Memory is imported and laid out by the caller; nothing here allocates.
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

// @ts-ignore: decorator
@inline function finish(addend: usize, out: usize, keep: v128, factor: v128, sum: v128): void {
  v128.store(out, madd(factor, sum, f32x4.mul(keep, v128.load(addend))))
}

/** 32 columns of a row: eight sums stay in registers while its neighbours pass. */
// @ts-ignore: decorator
@inline function sum32(from: usize, to: usize, source: usize, row: usize, addend: usize, out: usize, keep: v128, factor: v128): void {
  let s0 = f32x4.splat(0)
  let s1 = f32x4.splat(0)
  let s2 = f32x4.splat(0)
  let s3 = f32x4.splat(0)
  let s4 = f32x4.splat(0)
  let s5 = f32x4.splat(0)
  let s6 = f32x4.splat(0)
  let s7 = f32x4.splat(0)
  for (let at = from; at < to; at += 4) {
    const x = source + <usize>load<u32>(at) * row
    s0 = f32x4.add(s0, v128.load(x))
    s1 = f32x4.add(s1, v128.load(x, 16))
    s2 = f32x4.add(s2, v128.load(x, 32))
    s3 = f32x4.add(s3, v128.load(x, 48))
    s4 = f32x4.add(s4, v128.load(x, 64))
    s5 = f32x4.add(s5, v128.load(x, 80))
    s6 = f32x4.add(s6, v128.load(x, 96))
    s7 = f32x4.add(s7, v128.load(x, 112))
  }
  finish(addend, out, keep, factor, s0)
  finish(addend + 16, out + 16, keep, factor, s1)
  finish(addend + 32, out + 32, keep, factor, s2)
  finish(addend + 48, out + 48, keep, factor, s3)
  finish(addend + 64, out + 64, keep, factor, s4)
  finish(addend + 80, out + 80, keep, factor, s5)
  finish(addend + 96, out + 96, keep, factor, s6)
  finish(addend + 112, out + 112, keep, factor, s7)
}

export function neighbourSums(
  rows: i32, width: i32, offsets: usize, neighbours: usize, source: usize, factors: usize, addend: usize, addendFactor: f32, out: usize,
): void {
  const row = <usize>width << 2
  const keep = f32x4.splat(addendFactor)
  for (let r: i32 = 0; r < rows; r++) {
    const from = neighbours + (<usize>load<u32>(offsets + (<usize>r << 2)) << 2)
    const to = neighbours + (<usize>load<u32>(offsets + (<usize>r << 2), 4) << 2)
    const factor = v128.load32_splat(factors + (<usize>r << 2))
    const base = <usize>r * row
    let j: i32 = 0
    for (; j + 32 <= width; j += 32) {
      const column = <usize>j << 2
      sum32(from, to, source + column, row, addend + base + column, out + base + column, keep, factor)
    }
    for (; j < width; j += 4) {
      const column = <usize>j << 2
      let s = f32x4.splat(0)
      for (let at = from; at < to; at += 4) s = f32x4.add(s, v128.load(source + column + <usize>load<u32>(at) * row))
      finish(addend + base + column, out + base + column, keep, factor, s)
    }
  }
}

export function addScaledRows(rows: i32, width: i32, factors: usize, source: usize, out: usize): void {
  for (let r: i32 = 0; r < rows; r++) {
    const factor = v128.load32_splat(factors + (<usize>r << 2))
    const base = <usize>(r * width) << 2
    for (let j: usize = base; j < base + (<usize>width << 2); j += 16)
      v128.store(out + j, madd(factor, v128.load(source + j), v128.load(out + j)))
  }
}

export function pairwise(
  count: i32, width: i32, left: usize, preferred: usize, other: usize, vectors: usize, gradient: usize,
): f64 {
  const row = <usize>width << 2
  let loss: f64 = 0
  for (let n: i32 = 0; n < count; n++) {
    const at = <usize>n << 2
    const u = <usize>load<u32>(left + at) * row
    const i = <usize>load<u32>(preferred + at) * row
    const j = <usize>load<u32>(other + at) * row
    let s = f32x4.splat(0)
    for (let k: usize = 0; k < row; k += 16)
      s = madd(v128.load(vectors + u + k), f32x4.sub(v128.load(vectors + i + k), v128.load(vectors + j + k)), s)
    const margin: f64 = sumLanes(s)
    // softplus(−margin) and its slope −σ(−margin), without overflow on either side.
    const e = Math.exp(-Math.abs(margin))
    loss += Math.log1p(e) + Math.max(0, -margin)
    const slope = f32x4.splat(<f32>(-(margin >= 0 ? e : 1) / (1 + e)))
    for (let k: usize = 0; k < row; k += 16) {
      const person = f32x4.mul(slope, v128.load(vectors + u + k))
      const difference = f32x4.sub(v128.load(vectors + i + k), v128.load(vectors + j + k))
      v128.store(gradient + u + k, madd(slope, difference, v128.load(gradient + u + k)))
      v128.store(gradient + i + k, f32x4.add(v128.load(gradient + i + k), person))
      v128.store(gradient + j + k, f32x4.sub(v128.load(gradient + j + k), person))
    }
  }
  return loss
}

export function adam(
  count: i32, parameters: usize, gradient: usize, m: usize, v: usize, scale: f32, alpha: f32, beta1: f32, beta2: f32, epsilon: f32,
): void {
  const s = f32x4.splat(scale)
  const a = f32x4.splat(alpha)
  const b1 = f32x4.splat(beta1)
  const c1 = f32x4.splat(1 - beta1)
  const b2 = f32x4.splat(beta2)
  const c2 = f32x4.splat(1 - beta2)
  const e = f32x4.splat(epsilon)
  for (let k: usize = 0; k < <usize>count << 2; k += 16) {
    const g = f32x4.mul(v128.load(gradient + k), s)
    const first = madd(b1, v128.load(m + k), f32x4.mul(c1, g))
    const second = madd(b2, v128.load(v + k), f32x4.mul(c2, f32x4.mul(g, g)))
    v128.store(m + k, first)
    v128.store(v + k, second)
    v128.store(parameters + k, f32x4.sub(v128.load(parameters + k), f32x4.div(f32x4.mul(a, first), f32x4.add(f32x4.sqrt(second), e))))
    v128.store(gradient + k, f32x4.splat(0))
  }
}
