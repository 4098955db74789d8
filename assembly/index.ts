/**
 * The kernels of src/kernels/kernels.ts in WASM SIMD; what each one means is said there and done plainly in reference.ts.
 *
 * Compiled twice (scripts/build-kernels.ts): baseline SIMD, and with relaxed SIMD, where `madd` becomes one fused instruction.
 * Memory is imported and laid out by the caller; nothing here allocates. Rows are walked exactly: four at a time, then one at a time, so that
 * no row past the end is ever read into a sum.
 */

/** a·b + c; fused where the build allows. */
// @ts-ignore: decorator
@inline function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return v128.relaxed_madd<f32>(a, b, c)
  return f32x4.add(f32x4.mul(a, b), c)
}

/** v where a > 0 or a is NaN, else 0. */
// @ts-ignore: decorator
@inline function maskBy(v: v128, a: v128): v128 {
  return v128.andnot(v, f32x4.le(a, f32x4.splat(0)))
}

/** max(v, 0) that keeps NaN. */
// @ts-ignore: decorator
@inline function rectify(v: v128): v128 {
  return v128.andnot(v, f32x4.lt(v, f32x4.splat(0)))
}

/** [Σa, Σb, Σc, Σd] over lanes. */
// @ts-ignore: decorator
@inline function sum4(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7))
  const cd = f32x4.add(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7))
  return f32x4.add(v128.shuffle<i32>(ab, cd, 0, 1, 4, 5), v128.shuffle<i32>(ab, cd, 2, 3, 6, 7))
}

// @ts-ignore: decorator
@inline function sumLanes(a: v128): f32 {
  return f32x4.extract_lane(a, 0) + f32x4.extract_lane(a, 1) + (f32x4.extract_lane(a, 2) + f32x4.extract_lane(a, 3))
}

// --- Matrix product -------------------------------------------------------------------------------------------------------------------------
// C[r, j] = init + Σ_k A[r, k]·B[k, j] in panels of 8 (or 4) columns and 4 (or 1) rows. A has any row and column step, which makes the same
// loop serve forward (rows of x), backward (rows of delta) and gradient (columns of x).

const BIAS: i32 = 0 // init from extra[j]; rectify if flag
const MASK: i32 = 1 // init 0; mask by activation `extra` if flag
const ADD: i32 = 2 // init from C

// @ts-ignore: decorator
@inline function start(mode: i32, extra: usize, c: usize): v128 {
  if (mode == BIAS) return v128.load(extra)
  if (mode == ADD) return v128.load(c)
  return f32x4.splat(0)
}

// @ts-ignore: decorator
@inline function finish(mode: i32, flag: i32, extra: usize, c: usize, v: v128): void {
  if (flag) v = mode == BIAS ? rectify(v) : maskBy(v, v128.load(extra))
  v128.store(c, v)
}

function matmul(
  mode: i32, flag: i32, rows: i32, depth: i32, columns: i32,
  a: usize, aRow: usize, aStep: usize, b: usize, bRow: usize, c: usize, cRow: usize, extra: usize, extraRow: usize,
): void {
  let j: i32 = 0
  for (; j + 8 <= columns; j += 8) {
    const bPanel = b + (<usize>j << 2)
    let r: i32 = 0
    for (; r + 4 <= rows; r += 4) {
      let a0 = a + <usize>r * aRow
      let a1 = a0 + aRow
      let a2 = a1 + aRow
      let a3 = a2 + aRow
      const c0 = c + <usize>r * cRow + (<usize>j << 2)
      const c1 = c0 + cRow
      const c2 = c1 + cRow
      const c3 = c2 + cRow
      const e0 = extra + <usize>r * extraRow + (<usize>j << 2)
      const e1 = e0 + extraRow
      const e2 = e1 + extraRow
      const e3 = e2 + extraRow
      let s00 = start(mode, e0, c0)
      let s01 = start(mode, e0 + 16, c0 + 16)
      let s10 = start(mode, e1, c1)
      let s11 = start(mode, e1 + 16, c1 + 16)
      let s20 = start(mode, e2, c2)
      let s21 = start(mode, e2 + 16, c2 + 16)
      let s30 = start(mode, e3, c3)
      let s31 = start(mode, e3 + 16, c3 + 16)
      let bk = bPanel
      for (let k: i32 = depth; k > 0; k--) {
        const b0 = v128.load(bk)
        const b1 = v128.load(bk, 16)
        const x0 = v128.load32_splat(a0)
        s00 = madd(x0, b0, s00)
        s01 = madd(x0, b1, s01)
        const x1 = v128.load32_splat(a1)
        s10 = madd(x1, b0, s10)
        s11 = madd(x1, b1, s11)
        const x2 = v128.load32_splat(a2)
        s20 = madd(x2, b0, s20)
        s21 = madd(x2, b1, s21)
        const x3 = v128.load32_splat(a3)
        s30 = madd(x3, b0, s30)
        s31 = madd(x3, b1, s31)
        a0 += aStep
        a1 += aStep
        a2 += aStep
        a3 += aStep
        bk += bRow
      }
      finish(mode, flag, e0, c0, s00)
      finish(mode, flag, e0 + 16, c0 + 16, s01)
      finish(mode, flag, e1, c1, s10)
      finish(mode, flag, e1 + 16, c1 + 16, s11)
      finish(mode, flag, e2, c2, s20)
      finish(mode, flag, e2 + 16, c2 + 16, s21)
      finish(mode, flag, e3, c3, s30)
      finish(mode, flag, e3 + 16, c3 + 16, s31)
    }
    for (; r < rows; r++) {
      let a0 = a + <usize>r * aRow
      const c0 = c + <usize>r * cRow + (<usize>j << 2)
      const e0 = extra + <usize>r * extraRow + (<usize>j << 2)
      let s00 = start(mode, e0, c0)
      let s01 = start(mode, e0 + 16, c0 + 16)
      let bk = bPanel
      for (let k: i32 = depth; k > 0; k--) {
        const x0 = v128.load32_splat(a0)
        s00 = madd(x0, v128.load(bk), s00)
        s01 = madd(x0, v128.load(bk, 16), s01)
        a0 += aStep
        bk += bRow
      }
      finish(mode, flag, e0, c0, s00)
      finish(mode, flag, e0 + 16, c0 + 16, s01)
    }
  }
  for (; j < columns; j += 4) {
    const bPanel = b + (<usize>j << 2)
    let r: i32 = 0
    for (; r + 4 <= rows; r += 4) {
      let a0 = a + <usize>r * aRow
      let a1 = a0 + aRow
      let a2 = a1 + aRow
      let a3 = a2 + aRow
      const c0 = c + <usize>r * cRow + (<usize>j << 2)
      const c1 = c0 + cRow
      const c2 = c1 + cRow
      const c3 = c2 + cRow
      const e0 = extra + <usize>r * extraRow + (<usize>j << 2)
      const e1 = e0 + extraRow
      const e2 = e1 + extraRow
      const e3 = e2 + extraRow
      let s0 = start(mode, e0, c0)
      let s1 = start(mode, e1, c1)
      let s2 = start(mode, e2, c2)
      let s3 = start(mode, e3, c3)
      let bk = bPanel
      for (let k: i32 = depth; k > 0; k--) {
        const b0 = v128.load(bk)
        s0 = madd(v128.load32_splat(a0), b0, s0)
        s1 = madd(v128.load32_splat(a1), b0, s1)
        s2 = madd(v128.load32_splat(a2), b0, s2)
        s3 = madd(v128.load32_splat(a3), b0, s3)
        a0 += aStep
        a1 += aStep
        a2 += aStep
        a3 += aStep
        bk += bRow
      }
      finish(mode, flag, e0, c0, s0)
      finish(mode, flag, e1, c1, s1)
      finish(mode, flag, e2, c2, s2)
      finish(mode, flag, e3, c3, s3)
    }
    for (; r < rows; r++) {
      let a0 = a + <usize>r * aRow
      const c0 = c + <usize>r * cRow + (<usize>j << 2)
      const e0 = extra + <usize>r * extraRow + (<usize>j << 2)
      let s0 = start(mode, e0, c0)
      let bk = bPanel
      for (let k: i32 = depth; k > 0; k--) {
        s0 = madd(v128.load32_splat(a0), v128.load(bk), s0)
        a0 += aStep
        bk += bRow
      }
      finish(mode, flag, e0, c0, s0)
    }
  }
}

export function denseForward(
  rows: i32, inWidth: i32, outWidth: i32, x: usize, xStride: i32, weights: usize, bias: usize, out: usize, outStride: i32, relu: i32,
): void {
  matmul(BIAS, relu, rows, inWidth, outWidth, x, <usize>xStride << 2, 4, weights, <usize>outWidth << 2, out, <usize>outStride << 2, bias, 0)
}

export function denseBackward(
  rows: i32, outWidth: i32, inWidth: i32, delta: usize, deltaStride: i32, weightsTransposed: usize,
  activation: usize, activationStride: i32, out: usize, outStride: i32, relu: i32,
): void {
  matmul(
    MASK, relu, rows, outWidth, inWidth, delta, <usize>deltaStride << 2, 4, weightsTransposed, <usize>inWidth << 2,
    out, <usize>outStride << 2, activation, <usize>activationStride << 2,
  )
}

export function denseGradient(
  rows: i32, inWidth: i32, outWidth: i32, x: usize, xStride: i32, delta: usize, deltaStride: i32, gradient: usize,
): void {
  matmul(ADD, 0, inWidth, rows, outWidth, x, 4, <usize>xStride << 2, delta, <usize>deltaStride << 2, gradient, <usize>outWidth << 2, 0, 0)
}

// --- Embeddings -----------------------------------------------------------------------------------------------------------------------------

// @ts-ignore: decorator
@inline function copyRow(source: usize, target: usize, n: i32): void {
  let k: i32 = 0
  for (; k + 4 <= n; k += 4) v128.store(target + (<usize>k << 2), v128.load(source + (<usize>k << 2)))
  if (k + 2 <= n) {
    i64.store(target + (<usize>k << 2), i64.load(source + (<usize>k << 2)))
    k += 2
  }
  if (k < n) f32.store(target + (<usize>k << 2), f32.load(source + (<usize>k << 2)))
}

/** target += weight·source */
// @ts-ignore: decorator
@inline function addRow(source: usize, target: usize, n: i32, weight: f32): void {
  const w = f32x4.splat(weight)
  let k: i32 = 0
  for (; k + 4 <= n; k += 4)
    v128.store(target + (<usize>k << 2), madd(v128.load(source + (<usize>k << 2)), w, v128.load(target + (<usize>k << 2))))
  for (; k < n; k++) f32.store(target + (<usize>k << 2), f32.load(target + (<usize>k << 2)) + weight * f32.load(source + (<usize>k << 2)))
}

export function gatherRows(rows: i32, dimensions: i32, table: usize, indices: usize, out: usize, outStride: i32): void {
  for (let r: i32 = 0; r < rows; r++) {
    copyRow(table + ((<usize>load<u32>(indices + (<usize>r << 2)) * <usize>dimensions) << 2), out + (<usize>(r * outStride) << 2), dimensions)
  }
}

export function scatterRows(
  rows: i32, dimensions: i32, gradient: usize, indices: usize, delta: usize, deltaStride: i32, factors: usize,
): void {
  for (let r: i32 = 0; r < rows; r++) {
    const target = gradient + ((<usize>load<u32>(indices + (<usize>r << 2)) * <usize>dimensions) << 2)
    addRow(delta + (<usize>(r * deltaStride) << 2), target, dimensions, factors ? f32.load(factors + (<usize>r << 2)) : 1)
  }
}

export function gatherBags(
  rows: i32, dimensions: i32, table: usize, entities: usize, offsets: usize, bagIndices: usize, mean: i32, out: usize, outStride: i32,
): void {
  for (let r: i32 = 0; r < rows; r++) {
    const entity = load<u32>(entities + (<usize>r << 2))
    const from = load<u32>(offsets + (<usize>entity << 2))
    const to = load<u32>(offsets + (<usize>entity << 2), 4)
    const weight: f32 = mean && to > from ? <f32>1 / <f32>(to - from) : 1
    const target = out + (<usize>(r * outStride) << 2)
    for (let k: i32 = 0; k < dimensions; k++) f32.store(target + (<usize>k << 2), 0)
    for (let b = from; b < to; b++)
      addRow(table + ((<usize>load<u32>(bagIndices + (<usize>b << 2)) * <usize>dimensions) << 2), target, dimensions, weight)
  }
}

export function scatterBags(
  rows: i32, dimensions: i32, gradient: usize, entities: usize, offsets: usize, bagIndices: usize, mean: i32, delta: usize, deltaStride: i32,
  factors: usize,
): void {
  for (let r: i32 = 0; r < rows; r++) {
    const entity = load<u32>(entities + (<usize>r << 2))
    const from = load<u32>(offsets + (<usize>entity << 2))
    const to = load<u32>(offsets + (<usize>entity << 2), 4)
    const factor: f32 = factors ? f32.load(factors + (<usize>r << 2)) : 1
    const weight: f32 = mean && to > from ? factor / <f32>(to - from) : factor
    const source = delta + (<usize>(r * deltaStride) << 2)
    for (let b = from; b < to; b++)
      addRow(source, gradient + ((<usize>load<u32>(bagIndices + (<usize>b << 2)) * <usize>dimensions) << 2), dimensions, weight)
  }
}

export function tableSquaredNorms(rows: i32, dimensions: i32, features: i32, descriptors: usize, out: usize): void {
  for (let r: i32 = 0; r < rows; r++) {
    let total: f64 = 0
    for (let p: i32 = 0; p < features; p++) {
      const left = descriptors + <usize>(p * 24)
      const leftIndex = load<u32>(<usize>load<u32>(left, 8) + (<usize>r << 2))
      const leftOffsets = <usize>load<u32>(left, 12)
      const leftList = leftOffsets ? <usize>load<u32>(left, 16) : <usize>load<u32>(left, 8)
      const leftFrom = leftOffsets ? load<u32>(leftOffsets + (<usize>leftIndex << 2)) : <u32>r
      const leftTo = leftOffsets ? load<u32>(leftOffsets + (<usize>leftIndex << 2), 4) : <u32>r + 1
      const leftWeight: f64 = leftOffsets && load<u32>(left, 20) && leftTo > leftFrom ? 1 / <f64>(leftTo - leftFrom) : 1
      const leftDelta = <usize>load<u32>(left) + ((<usize>r * <usize>load<u32>(left, 4)) << 2)
      for (let q: i32 = 0; q <= p; q++) {
        const right = descriptors + <usize>(q * 24)
        const rightIndex = load<u32>(<usize>load<u32>(right, 8) + (<usize>r << 2))
        const rightOffsets = <usize>load<u32>(right, 12)
        const rightList = rightOffsets ? <usize>load<u32>(right, 16) : <usize>load<u32>(right, 8)
        const rightFrom = rightOffsets ? load<u32>(rightOffsets + (<usize>rightIndex << 2)) : <u32>r
        const rightTo = rightOffsets ? load<u32>(rightOffsets + (<usize>rightIndex << 2), 4) : <u32>r + 1
        const rightWeight: f64 = rightOffsets && load<u32>(right, 20) && rightTo > rightFrom ? 1 / <f64>(rightTo - rightFrom) : 1
        const rightDelta = <usize>load<u32>(right) + ((<usize>r * <usize>load<u32>(right, 4)) << 2)
        let coincidences: i32 = 0
        for (let i = leftFrom; i < leftTo; i++) {
          const row = load<u32>(leftList + (<usize>i << 2))
          for (let j = rightFrom; j < rightTo; j++) coincidences += i32(row == load<u32>(rightList + (<usize>j << 2)))
        }
        let dot: f64 = 0
        for (let k: i32 = 0; k < dimensions; k++)
          dot += <f64>f32.load(leftDelta + (<usize>k << 2)) * <f64>f32.load(rightDelta + (<usize>k << 2))
        // A product that is not finite times no coincidence is NaN: a bad example shows.
        total += dot * <f64>coincidences * leftWeight * rightWeight * (p == q ? 1 : 2)
      }
    }
    f32.store(out + (<usize>r << 2), f32.load(out + (<usize>r << 2)) + <f32>total)
  }
}

// --- Rows -----------------------------------------------------------------------------------------------------------------------------------

export function unitForward(rows: i32, units: i32, x: usize, weights: usize, bias: usize, out: usize, outStride: i32): void {
  for (let r: i32 = 0; r < rows; r++) {
    const value = v128.load32_splat(x + (<usize>r << 2))
    const target = out + (<usize>(r * outStride) << 2)
    for (let j: i32 = 0; j < units; j += 4) {
      const at = <usize>j << 2
      v128.store(target + at, rectify(madd(value, v128.load(weights + at), v128.load(bias + at))))
    }
  }
}

export function rowDot(rows: i32, width: i32, x: usize, xStride: i32, weights: usize, bias: usize, out: usize): void {
  const row = <usize>xStride << 2
  let r: i32 = 0
  for (; r + 4 <= rows; r += 4) {
    const x0 = x + <usize>r * row
    const x1 = x0 + row
    const x2 = x1 + row
    const x3 = x2 + row
    let s0 = f32x4.splat(0)
    let s1 = f32x4.splat(0)
    let s2 = f32x4.splat(0)
    let s3 = f32x4.splat(0)
    for (let j: i32 = 0; j < width; j += 4) {
      const at = <usize>j << 2
      const w = v128.load(weights + at)
      s0 = madd(v128.load(x0 + at), w, s0)
      s1 = madd(v128.load(x1 + at), w, s1)
      s2 = madd(v128.load(x2 + at), w, s2)
      s3 = madd(v128.load(x3 + at), w, s3)
    }
    v128.store(out + (<usize>r << 2), f32x4.add(sum4(s0, s1, s2, s3), v128.load32_splat(bias)))
  }
  for (; r < rows; r++) {
    const x0 = x + <usize>r * row
    let s0 = f32x4.splat(0)
    for (let j: i32 = 0; j < width; j += 4) s0 = madd(v128.load(x0 + (<usize>j << 2)), v128.load(weights + (<usize>j << 2)), s0)
    f32.store(out + (<usize>r << 2), sumLanes(s0) + f32.load(bias))
  }
}

export function outerBackward(
  rows: i32, width: i32, error: usize, weights: usize, activation: usize, activationStride: i32, out: usize, outStride: i32, relu: i32,
): void {
  for (let r: i32 = 0; r < rows; r++) {
    const value = v128.load32_splat(error + (<usize>r << 2))
    const active = activation + (<usize>(r * activationStride) << 2)
    const target = out + (<usize>(r * outStride) << 2)
    if (relu) {
      for (let j: i32 = 0; j < width; j += 4) {
        const at = <usize>j << 2
        v128.store(target + at, maskBy(f32x4.mul(value, v128.load(weights + at)), v128.load(active + at)))
      }
    } else {
      for (let j: i32 = 0; j < width; j += 4) {
        const at = <usize>j << 2
        v128.store(target + at, f32x4.mul(value, v128.load(weights + at)))
      }
    }
  }
}

export function rowSquaredNorms(rows: i32, width: i32, x: usize, xStride: i32, out: usize): void {
  const row = <usize>xStride << 2
  const whole = width & ~3
  let r: i32 = 0
  for (; r + 4 <= rows; r += 4) {
    const x0 = x + <usize>r * row
    const x1 = x0 + row
    const x2 = x1 + row
    const x3 = x2 + row
    let s0 = f32x4.splat(0)
    let s1 = f32x4.splat(0)
    let s2 = f32x4.splat(0)
    let s3 = f32x4.splat(0)
    let j: i32 = 0
    for (; j < whole; j += 4) {
      const at = <usize>j << 2
      const v0 = v128.load(x0 + at)
      s0 = madd(v0, v0, s0)
      const v1 = v128.load(x1 + at)
      s1 = madd(v1, v1, s1)
      const v2 = v128.load(x2 + at)
      s2 = madd(v2, v2, s2)
      const v3 = v128.load(x3 + at)
      s3 = madd(v3, v3, s3)
    }
    for (; j < width; j++) {
      const at = <usize>j << 2
      const v0 = v128.load32_zero(x0 + at)
      s0 = madd(v0, v0, s0)
      const v1 = v128.load32_zero(x1 + at)
      s1 = madd(v1, v1, s1)
      const v2 = v128.load32_zero(x2 + at)
      s2 = madd(v2, v2, s2)
      const v3 = v128.load32_zero(x3 + at)
      s3 = madd(v3, v3, s3)
    }
    v128.store(out + (<usize>r << 2), sum4(s0, s1, s2, s3))
  }
  for (; r < rows; r++) {
    const x0 = x + <usize>r * row
    let s0 = f32x4.splat(0)
    let j: i32 = 0
    for (; j < whole; j += 4) {
      const v0 = v128.load(x0 + (<usize>j << 2))
      s0 = madd(v0, v0, s0)
    }
    for (; j < width; j++) {
      const v0 = v128.load32_zero(x0 + (<usize>j << 2))
      s0 = madd(v0, v0, s0)
    }
    f32.store(out + (<usize>r << 2), sumLanes(s0))
  }
}

export function multiplyAccumulate(rows: i32, a: usize, addend: f32, b: usize, out: usize): void {
  const plus = f32x4.splat(addend)
  let r: i32 = 0
  for (; r + 4 <= rows; r += 4) {
    const at = <usize>r << 2
    const left = a ? f32x4.add(v128.load(a + at), plus) : plus
    v128.store(out + at, madd(left, v128.load(b + at), v128.load(out + at)))
  }
  for (; r < rows; r++) {
    const at = <usize>r << 2
    const left = a ? f32.load(a + at) + addend : addend
    f32.store(out + at, f32.load(out + at) + left * f32.load(b + at))
  }
}

export function multiply(rows: i32, a: usize, b: usize, out: usize): void {
  let r: i32 = 0
  for (; r + 4 <= rows; r += 4) {
    const at = <usize>r << 2
    v128.store(out + at, f32x4.mul(v128.load(a + at), v128.load(b + at)))
  }
  for (; r < rows; r++) {
    const at = <usize>r << 2
    f32.store(out + at, f32.load(a + at) * f32.load(b + at))
  }
}

export function clipFactors(
  rows: i32, squaredNorms: usize, validity: usize, mode: i32, bound: f32, stability: f32, factors: usize,
): i32 {
  let clipped: i32 = 0
  for (let r: i32 = 0; r < rows; r++) {
    const at = <usize>r << 2
    const norm = sqrt<f32>(f32.load(squaredNorms + at))
    const valid = f32.load(validity + at)
    // Written so that NaN fails both tests.
    if (!(valid < f32.MAX_VALUE && norm < f32.MAX_VALUE)) {
      f32.store(factors + at, 0)
      continue
    }
    const over = norm > bound
    clipped += i32(over)
    f32.store(factors + at, mode ? bound / (norm + stability) : over ? bound / norm : 1)
  }
  return clipped
}

export function scaleRows(rows: i32, width: i32, x: usize, xStride: i32, factors: usize): void {
  for (let r: i32 = 0; r < rows; r++) {
    const scalar = f32.load(factors + (<usize>r << 2))
    const factor = f32x4.splat(scalar)
    const row = x + (<usize>(r * xStride) << 2)
    let j: i32 = 0
    for (; j + 4 <= width; j += 4) v128.store(row + (<usize>j << 2), f32x4.mul(v128.load(row + (<usize>j << 2)), factor))
    for (; j < width; j++) f32.store(row + (<usize>j << 2), f32.load(row + (<usize>j << 2)) * scalar)
  }
}

export function columnSums(rows: i32, width: i32, x: usize, xStride: i32, weights: usize, out: usize): void {
  const row = <usize>xStride << 2
  let j: i32 = 0
  for (; j + 16 <= width; j += 16) {
    const target = out + (<usize>j << 2)
    let s0 = v128.load(target)
    let s1 = v128.load(target, 16)
    let s2 = v128.load(target, 32)
    let s3 = v128.load(target, 48)
    let p = x + (<usize>j << 2)
    if (weights) {
      for (let r: i32 = 0; r < rows; r++) {
        const w = v128.load32_splat(weights + (<usize>r << 2))
        s0 = madd(v128.load(p), w, s0)
        s1 = madd(v128.load(p, 16), w, s1)
        s2 = madd(v128.load(p, 32), w, s2)
        s3 = madd(v128.load(p, 48), w, s3)
        p += row
      }
    } else {
      for (let r: i32 = 0; r < rows; r++) {
        s0 = f32x4.add(v128.load(p), s0)
        s1 = f32x4.add(v128.load(p, 16), s1)
        s2 = f32x4.add(v128.load(p, 32), s2)
        s3 = f32x4.add(v128.load(p, 48), s3)
        p += row
      }
    }
    v128.store(target, s0)
    v128.store(target, s1, 16)
    v128.store(target, s2, 32)
    v128.store(target, s3, 48)
  }
  for (; j < width; j += 4) {
    const target = out + (<usize>j << 2)
    let s0 = v128.load(target)
    let p = x + (<usize>j << 2)
    for (let r: i32 = 0; r < rows; r++) {
      s0 = weights ? madd(v128.load(p), v128.load32_splat(weights + (<usize>r << 2)), s0) : f32x4.add(v128.load(p), s0)
      p += row
    }
    v128.store(target, s0)
  }
}

export function pack(rows: i32, columns: i32, source: usize, out: usize, outStride: i32): void {
  for (let r: i32 = 0; r < rows; r++) copyRow(source + (<usize>(r * columns) << 2), out + (<usize>(r * outStride) << 2), columns)
}

export function packTransposed(rows: i32, columns: i32, source: usize, out: usize, outStride: i32): void {
  for (let c: i32 = 0; c < columns; c++) {
    let from = source + (<usize>c << 2)
    let to = out + (<usize>(c * outStride) << 2)
    for (let r: i32 = 0; r < rows; r++) {
      f32.store(to, f32.load(from))
      from += <usize>columns << 2
      to += 4
    }
  }
}

export function unpackAdd(rows: i32, columns: i32, source: usize, sourceStride: i32, out: usize): void {
  for (let r: i32 = 0; r < rows; r++) addRow(source + (<usize>(r * sourceStride) << 2), out + (<usize>(r * columns) << 2), columns, 1)
}

// --- Randomness -----------------------------------------------------------------------------------------------------------------------------

// @ts-ignore: decorator
@inline function rotate16(x: v128): v128 {
  return v128.shuffle<i16>(x, x, 1, 0, 3, 2, 5, 4, 7, 6)
}
// @ts-ignore: decorator
@inline function rotate8(x: v128): v128 {
  return v128.or(i32x4.shl(x, 8), i32x4.shr_u(x, 24))
}
// @ts-ignore: decorator
@inline function rotate12(x: v128): v128 {
  return v128.or(i32x4.shl(x, 12), i32x4.shr_u(x, 20))
}
// @ts-ignore: decorator
@inline function rotate7(x: v128): v128 {
  return v128.or(i32x4.shl(x, 7), i32x4.shr_u(x, 25))
}

/** Writes rows a, b, c, d (one word of four blocks each) as four words of four blocks. */
// @ts-ignore: decorator
@inline function storeTransposed(out: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab0 = v128.shuffle<i32>(a, b, 0, 4, 1, 5)
  const ab1 = v128.shuffle<i32>(a, b, 2, 6, 3, 7)
  const cd0 = v128.shuffle<i32>(c, d, 0, 4, 1, 5)
  const cd1 = v128.shuffle<i32>(c, d, 2, 6, 3, 7)
  v128.store(out, v128.shuffle<i32>(ab0, cd0, 0, 1, 4, 5))
  v128.store(out, v128.shuffle<i32>(ab0, cd0, 2, 3, 6, 7), 64)
  v128.store(out, v128.shuffle<i32>(ab1, cd1, 0, 1, 4, 5), 128)
  v128.store(out, v128.shuffle<i32>(ab1, cd1, 2, 3, 6, 7), 192)
}

export function chacha20(state: usize, out: usize, blocks: i32): void {
  let block: i32 = 0
  // Four blocks side by side: vector i holds word i of each.
  for (; block + 4 <= blocks; block += 4) {
    const i0 = v128.load32_splat(state)
    const i1 = v128.load32_splat(state, 4)
    const i2 = v128.load32_splat(state, 8)
    const i3 = v128.load32_splat(state, 12)
    const counters = i32x4.add(v128.load32_splat(state, 48), i32x4(0, 1, 2, 3))
    let x0 = i0
    let x1 = i1
    let x2 = i2
    let x3 = i3
    let x4 = v128.load32_splat(state, 16)
    let x5 = v128.load32_splat(state, 20)
    let x6 = v128.load32_splat(state, 24)
    let x7 = v128.load32_splat(state, 28)
    let x8 = v128.load32_splat(state, 32)
    let x9 = v128.load32_splat(state, 36)
    let x10 = v128.load32_splat(state, 40)
    let x11 = v128.load32_splat(state, 44)
    let x12 = counters
    let x13 = v128.load32_splat(state, 52)
    let x14 = v128.load32_splat(state, 56)
    let x15 = v128.load32_splat(state, 60)
    for (let round: i32 = 0; round < 10; round++) {
      x0 = i32x4.add(x0, x4); x1 = i32x4.add(x1, x5); x2 = i32x4.add(x2, x6); x3 = i32x4.add(x3, x7)
      x12 = rotate16(v128.xor(x12, x0)); x13 = rotate16(v128.xor(x13, x1)); x14 = rotate16(v128.xor(x14, x2)); x15 = rotate16(v128.xor(x15, x3))
      x8 = i32x4.add(x8, x12); x9 = i32x4.add(x9, x13); x10 = i32x4.add(x10, x14); x11 = i32x4.add(x11, x15)
      x4 = rotate12(v128.xor(x4, x8)); x5 = rotate12(v128.xor(x5, x9)); x6 = rotate12(v128.xor(x6, x10)); x7 = rotate12(v128.xor(x7, x11))
      x0 = i32x4.add(x0, x4); x1 = i32x4.add(x1, x5); x2 = i32x4.add(x2, x6); x3 = i32x4.add(x3, x7)
      x12 = rotate8(v128.xor(x12, x0)); x13 = rotate8(v128.xor(x13, x1)); x14 = rotate8(v128.xor(x14, x2)); x15 = rotate8(v128.xor(x15, x3))
      x8 = i32x4.add(x8, x12); x9 = i32x4.add(x9, x13); x10 = i32x4.add(x10, x14); x11 = i32x4.add(x11, x15)
      x4 = rotate7(v128.xor(x4, x8)); x5 = rotate7(v128.xor(x5, x9)); x6 = rotate7(v128.xor(x6, x10)); x7 = rotate7(v128.xor(x7, x11))
      x0 = i32x4.add(x0, x5); x1 = i32x4.add(x1, x6); x2 = i32x4.add(x2, x7); x3 = i32x4.add(x3, x4)
      x15 = rotate16(v128.xor(x15, x0)); x12 = rotate16(v128.xor(x12, x1)); x13 = rotate16(v128.xor(x13, x2)); x14 = rotate16(v128.xor(x14, x3))
      x10 = i32x4.add(x10, x15); x11 = i32x4.add(x11, x12); x8 = i32x4.add(x8, x13); x9 = i32x4.add(x9, x14)
      x5 = rotate12(v128.xor(x5, x10)); x6 = rotate12(v128.xor(x6, x11)); x7 = rotate12(v128.xor(x7, x8)); x4 = rotate12(v128.xor(x4, x9))
      x0 = i32x4.add(x0, x5); x1 = i32x4.add(x1, x6); x2 = i32x4.add(x2, x7); x3 = i32x4.add(x3, x4)
      x15 = rotate8(v128.xor(x15, x0)); x12 = rotate8(v128.xor(x12, x1)); x13 = rotate8(v128.xor(x13, x2)); x14 = rotate8(v128.xor(x14, x3))
      x10 = i32x4.add(x10, x15); x11 = i32x4.add(x11, x12); x8 = i32x4.add(x8, x13); x9 = i32x4.add(x9, x14)
      x5 = rotate7(v128.xor(x5, x10)); x6 = rotate7(v128.xor(x6, x11)); x7 = rotate7(v128.xor(x7, x8)); x4 = rotate7(v128.xor(x4, x9))
    }
    const target = out + (<usize>block << 6)
    storeTransposed(target, i32x4.add(x0, i0), i32x4.add(x1, i1), i32x4.add(x2, i2), i32x4.add(x3, i3))
    storeTransposed(
      target + 16,
      i32x4.add(x4, v128.load32_splat(state, 16)), i32x4.add(x5, v128.load32_splat(state, 20)),
      i32x4.add(x6, v128.load32_splat(state, 24)), i32x4.add(x7, v128.load32_splat(state, 28)),
    )
    storeTransposed(
      target + 32,
      i32x4.add(x8, v128.load32_splat(state, 32)), i32x4.add(x9, v128.load32_splat(state, 36)),
      i32x4.add(x10, v128.load32_splat(state, 40)), i32x4.add(x11, v128.load32_splat(state, 44)),
    )
    storeTransposed(
      target + 48,
      i32x4.add(x12, counters), i32x4.add(x13, v128.load32_splat(state, 52)),
      i32x4.add(x14, v128.load32_splat(state, 56)), i32x4.add(x15, v128.load32_splat(state, 60)),
    )
    store<u32>(state, load<u32>(state, 48) + 4, 48)
  }
  // One block: a vector is a row of the state, and diagonals are rotated rows.
  for (; block < blocks; block++) {
    let a = v128.load(state)
    let b = v128.load(state, 16)
    let c = v128.load(state, 32)
    let d = v128.load(state, 48)
    for (let round: i32 = 0; round < 20; round++) {
      a = i32x4.add(a, b)
      d = rotate16(v128.xor(d, a))
      c = i32x4.add(c, d)
      b = rotate12(v128.xor(b, c))
      a = i32x4.add(a, b)
      d = rotate8(v128.xor(d, a))
      c = i32x4.add(c, d)
      b = rotate7(v128.xor(b, c))
      if (round & 1) {
        b = v128.shuffle<i32>(b, b, 3, 0, 1, 2)
        c = v128.shuffle<i32>(c, c, 2, 3, 0, 1)
        d = v128.shuffle<i32>(d, d, 1, 2, 3, 0)
      } else {
        b = v128.shuffle<i32>(b, b, 1, 2, 3, 0)
        c = v128.shuffle<i32>(c, c, 2, 3, 0, 1)
        d = v128.shuffle<i32>(d, d, 3, 0, 1, 2)
      }
    }
    const target = out + (<usize>block << 6)
    v128.store(target, i32x4.add(a, v128.load(state)))
    v128.store(target, i32x4.add(b, v128.load(state, 16)), 16)
    v128.store(target, i32x4.add(c, v128.load(state, 32)), 32)
    v128.store(target, i32x4.add(d, v128.load(state, 48)), 48)
    store<u32>(state, load<u32>(state, 48) + 1, 48)
  }
}

/** REFINE_BELOW of kernels.ts. */
const REFINE_BELOW: u32 = 1 << 14

/** Room for two vectors. */
const scratch: usize = memory.data(32, 16)

/** Constants of `normals`, four lanes each, as bits: a load is cheaper than building the vector anew in every round of the loop. */
const constants: usize = memory.data<i32>([
  1056964608, 1056964608, 1056964608, 1056964608, // 0.5
  864026624, 864026624, 864026624, 864026624, // 5.960464477539063e-08
  16384, 16384, 16384, 16384, // 16384
  1060439283, 1060439283, 1060439283, 1060439283, // 1060439283
  1065353216, 1065353216, 1065353216, 1065353216, // 1
  16777215, 16777215, 16777215, 16777215, // 16777215
  -1283457024, -1283457024, -1283457024, -1283457024, // -5.960464477539063e-08
  1032855995, 1032855995, 1032855995, 1032855995, // 0.070376836292
  -1108618824, -1108618824, -1108618824, -1108618824, // -0.1151461031
  1039082778, 1039082778, 1039082778, 1039082778, // 0.1167699874
  -1107403441, -1107403441, -1107403441, -1107403441, // -0.12420140846
  1041361343, 1041361343, 1041361343, 1041361343, // 0.14249322787
  -1104499120, -1104499120, -1104499120, -1104499120, // -0.16668057665
  1045221036, 1045221036, 1045221036, 1045221036, // 0.20000714765
  -1098907652, -1098907652, -1098907652, -1098907652, // -0.24999993993
  1051372202, 1051372202, 1051372202, 1051372202, // 0.33333331174
  1060205080, 1060205080, 1060205080, 1060205080, // 0.6931471805599453
  -1073741824, -1073741824, -1073741824, -1073741824, // -2
  536870912, 536870912, 536870912, 536870912, // 536870912
  818483163, 818483163, 818483163, 818483163, // 1.4629180792671596e-09
  -1186160135, -1186160135, -1186160135, -1186160135, // -0.00019515295891
  1007190942, 1007190942, 1007190942, 1007190942, // 0.0083321608736
  -1104500061, -1104500061, -1104500061, -1104500061, // -0.16666654611
  936179150, 936179150, 936179150, 936179150, // 2.443315711809948e-05
  -1162476006, -1162476006, -1162476006, -1162476006, // -0.001388731625493765
  1026206373, 1026206373, 1026206373, 1026206373, // 0.04166664568298827
  -1090519040, -1090519040, -1090519040, -1090519040, // -0.5
  1, 1, 1, 1, // 1
  2, 2, 2, 2, // 2
  -65536, -65536, -65536, -65536, // -65536
])

/** Words drawn from the reserve by the call under way. */
let reserveUsed: i32 = 0

/** `uniform`, where lanes of `word` are small replaced by (word·2³² + one reserve word + ½) / 2⁵⁶. */
function refine(uniform: v128, word: v128, reserve: usize, reserveWords: i32): v128 {
  v128.store(scratch, uniform)
  v128.store(scratch, word, 16)
  for (let lane: usize = 0; lane < 16; lane += 4) {
    const w = load<u32>(scratch + lane, 16)
    if (w >= REFINE_BELOW) continue
    if (reserveUsed < reserveWords) {
      const extra = load<u32>(reserve + (<usize>reserveUsed << 2))
      f32.store(scratch + lane, <f32>((<f64>w * 4294967296.0 + <f64>extra + 0.5) * 1.3877787807814457e-17))
    }
    reserveUsed++
  }
  return v128.load(scratch)
}

/**
 * Two vectors of radii and two of angles at a time, so that a constant is loaded once for both: √(−2·ln u), u = (word + ½)/2²⁴ or refined; then
 * radius·cos and radius·sin of π·angleWord/2³¹.
 */
export function normals(count: i32, words: usize, reserve: usize, reserveWords: i32, out: usize): i32 {
  reserveUsed = 0
  for (let group: i32 = 0; group < count; group += 16) {
    const wordA = i32x4.shr_u(v128.load(words), 8)
    const wordB = i32x4.shr_u(v128.load(words, 16), 8)
    const half = v128.load(constants, 0)
    let k = v128.load(constants, 16)
    let uniformA = f32x4.mul(f32x4.add(f32x4.convert_i32x4_s(wordA), half), k)
    let uniformB = f32x4.mul(f32x4.add(f32x4.convert_i32x4_s(wordB), half), k)
    k = v128.load(constants, 32)
    if (v128.any_true(v128.or(i32x4.lt_s(wordA, k), i32x4.lt_s(wordB, k)))) {
      uniformA = refine(uniformA, wordA, reserve, reserveWords)
      uniformB = refine(uniformB, wordB, reserve, reserveWords)
    }
    // u = 2^e·(1 + f) with 1 + f in [√½, √2), then a polynomial (Cephes logf). Above √½, where e = 0, f comes from the integer word: rounding
    // u first would make small radii coarse.
    k = v128.load(constants, 48)
    const exponentA = i32x4.shr_s(i32x4.sub(uniformA, k), 23)
    const exponentB = i32x4.shr_s(i32x4.sub(uniformB, k), 23)
    k = v128.load(constants, 64)
    const mantissaA = f32x4.sub(i32x4.sub(uniformA, i32x4.shl(exponentA, 23)), k)
    const mantissaB = f32x4.sub(i32x4.sub(uniformB, i32x4.shl(exponentB, 23)), k)
    k = v128.load(constants, 80)
    let nearA = f32x4.add(f32x4.convert_i32x4_s(i32x4.sub(k, wordA)), half)
    let nearB = f32x4.add(f32x4.convert_i32x4_s(i32x4.sub(k, wordB)), half)
    k = v128.load(constants, 96)
    nearA = f32x4.mul(nearA, k)
    nearB = f32x4.mul(nearB, k)
    const none = i32x4.splat(0)
    const fA = v128.bitselect(nearA, mantissaA, i32x4.eq(exponentA, none))
    const fB = v128.bitselect(nearB, mantissaB, i32x4.eq(exponentB, none))
    k = v128.load(constants, 112)
    let c = v128.load(constants, 128)
    let pA = madd(k, fA, c)
    let pB = madd(k, fB, c)
    c = v128.load(constants, 144)
    pA = madd(pA, fA, c)
    pB = madd(pB, fB, c)
    c = v128.load(constants, 160)
    pA = madd(pA, fA, c)
    pB = madd(pB, fB, c)
    c = v128.load(constants, 176)
    pA = madd(pA, fA, c)
    pB = madd(pB, fB, c)
    c = v128.load(constants, 192)
    pA = madd(pA, fA, c)
    pB = madd(pB, fB, c)
    c = v128.load(constants, 208)
    pA = madd(pA, fA, c)
    pB = madd(pB, fB, c)
    c = v128.load(constants, 224)
    pA = madd(pA, fA, c)
    pB = madd(pB, fB, c)
    c = v128.load(constants, 240)
    pA = madd(pA, fA, c)
    pB = madd(pB, fB, c)
    pA = f32x4.add(fA, f32x4.mul(f32x4.mul(fA, fA), f32x4.sub(f32x4.mul(pA, fA), half)))
    pB = f32x4.add(fB, f32x4.mul(f32x4.mul(fB, fB), f32x4.sub(f32x4.mul(pB, fB), half)))
    k = v128.load(constants, 256)
    c = v128.load(constants, 272)
    const radiusA = f32x4.sqrt(f32x4.mul(madd(f32x4.convert_i32x4_s(exponentA), k, pA), c))
    const radiusB = f32x4.sqrt(f32x4.mul(madd(f32x4.convert_i32x4_s(exponentB), k, pB), c))

    // The top bits of an angle are the quadrant, exactly; the rest is within ±π/4 (Cephes sinf, cosf).
    const third = v128.load(words, 32)
    const angleWordA = v128.or(i32x4.shl(v128.load(words), 24), i32x4.shr_u(v128.and(third, v128.load(constants, 464)), 8))
    const angleWordB = v128.or(i32x4.shl(v128.load(words, 16), 24), i32x4.shr_u(i32x4.shl(third, 16), 8))
    k = v128.load(constants, 288)
    const quadrantA = i32x4.shr_s(i32x4.add(angleWordA, k), 30)
    const quadrantB = i32x4.shr_s(i32x4.add(angleWordB, k), 30)
    k = v128.load(constants, 304)
    const angleA = f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(angleWordA, i32x4.shl(quadrantA, 30))), k)
    const angleB = f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(angleWordB, i32x4.shl(quadrantB, 30))), k)
    const squareA = f32x4.mul(angleA, angleA)
    const squareB = f32x4.mul(angleB, angleB)
    k = v128.load(constants, 320)
    c = v128.load(constants, 336)
    let sinA = madd(k, squareA, c)
    let sinB = madd(k, squareB, c)
    c = v128.load(constants, 352)
    sinA = madd(sinA, squareA, c)
    sinB = madd(sinB, squareB, c)
    sinA = madd(f32x4.mul(sinA, squareA), angleA, angleA)
    sinB = madd(f32x4.mul(sinB, squareB), angleB, angleB)
    k = v128.load(constants, 368)
    c = v128.load(constants, 384)
    let cosA = madd(k, squareA, c)
    let cosB = madd(k, squareB, c)
    c = v128.load(constants, 400)
    cosA = madd(cosA, squareA, c)
    cosB = madd(cosB, squareB, c)
    k = v128.load(constants, 416)
    c = v128.load(constants, 64)
    cosA = madd(f32x4.mul(cosA, squareA), squareA, madd(squareA, k, c))
    cosB = madd(f32x4.mul(cosB, squareB), squareB, madd(squareB, k, c))
    const one = v128.load(constants, 432)
    const two = v128.load(constants, 448)
    const oddA = i32x4.eq(v128.and(quadrantA, one), one)
    const oddB = i32x4.eq(v128.and(quadrantB, one), one)
    v128.store(out, f32x4.mul(radiusA, v128.xor(v128.bitselect(sinA, cosA, oddA), i32x4.shl(v128.and(i32x4.add(quadrantA, one), two), 30))))
    v128.store(out, f32x4.mul(radiusA, v128.xor(v128.bitselect(cosA, sinA, oddA), i32x4.shl(v128.and(quadrantA, two), 30))), 16)
    v128.store(out, f32x4.mul(radiusB, v128.xor(v128.bitselect(sinB, cosB, oddB), i32x4.shl(v128.and(i32x4.add(quadrantB, one), two), 30))), 32)
    v128.store(out, f32x4.mul(radiusB, v128.xor(v128.bitselect(cosB, sinB, oddB), i32x4.shl(v128.and(quadrantB, two), 30))), 48)
    words += 48
    out += 64
  }
  return reserveUsed > reserveWords ? -1 : reserveUsed
}

// --- Optimisers -----------------------------------------------------------------------------------------------------------------------------

export function adam(
  count: i32, parameters: usize, gradient: usize, m: usize, v: usize, noise: usize, noiseStdDev: f32, scale: f32,
  alpha: f32, beta1: f32, beta2: f32, epsilon: f32,
): void {
  const zero = f32x4.splat(0)
  const deviation = f32x4.splat(noiseStdDev)
  const factor = f32x4.splat(scale)
  const b1 = f32x4.splat(beta1)
  const b2 = f32x4.splat(beta2)
  const c1 = f32x4.splat(1 - beta1)
  const c2 = f32x4.splat(1 - beta2)
  const step = f32x4.splat(alpha)
  const tiny = f32x4.splat(epsilon)
  const end = <usize>count << 2
  for (let at: usize = 0; at < end; at += 16) {
    let g = v128.load(gradient + at)
    if (noise) g = madd(v128.load(noise + at), deviation, g)
    g = f32x4.mul(g, factor)
    const first = madd(g, c1, f32x4.mul(v128.load(m + at), b1))
    const second = madd(f32x4.mul(g, g), c2, f32x4.mul(v128.load(v + at), b2))
    v128.store(m + at, first)
    v128.store(v + at, second)
    const move = f32x4.div(f32x4.mul(step, first), f32x4.add(f32x4.sqrt(second), tiny))
    v128.store(parameters + at, f32x4.sub(v128.load(parameters + at), move))
    v128.store(gradient + at, zero)
  }
}

export function sgd(
  count: i32, parameters: usize, gradient: usize, m: usize, noise: usize, noiseStdDev: f32, scale: f32, learningRate: f32, momentum: f32,
): void {
  const zero = f32x4.splat(0)
  const deviation = f32x4.splat(noiseStdDev)
  const factor = f32x4.splat(scale)
  const rate = f32x4.splat(-learningRate)
  const keep = f32x4.splat(momentum)
  const end = <usize>count << 2
  for (let at: usize = 0; at < end; at += 16) {
    let g = v128.load(gradient + at)
    if (noise) g = madd(v128.load(noise + at), deviation, g)
    const velocity = madd(v128.load(m + at), keep, f32x4.mul(g, factor))
    v128.store(m + at, velocity)
    v128.store(parameters + at, madd(velocity, rate, v128.load(parameters + at)))
    v128.store(gradient + at, zero)
  }
}
