/**
 * The kernels of src/kernels/linear-algebra.ts in WASM SIMD, single precision; src/kernels/linear-algebra-wasm.ts lays out the memory and calls
 * them. Everything large is a matrix product: Cholesky, the triangular inverse and LᵀL are halved again and again (recursion) down to blocks of
 * 64 rows, and what is left between the halves is one product.
 *
 * Compiled twice, as assembly/index.ts is: baseline SIMD, and with relaxed SIMD, where `madd` becomes one fused instruction. Memory is imported and
 * laid out by the caller; nothing here allocates. Steps between rows are bytes; `work` is WORK_BYTES of scratch.
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

// --- Product --------------------------------------------------------------------------------------------------------------------------------
// Packed in blocks: A in panels of 4 rows, B in panels of 8 columns, DEPTH deep, so that the inner loop reads two streams and keeps a 4 × 8 tile of
// C in registers. Rows and columns past the edge are packed as 0 and their part of the tile is thrown away.

const DEPTH: i32 = 256
const ROWS: i32 = 128
const COLUMNS: i32 = 512
const PACKED_A: usize = 0
const PACKED_B: usize = PACKED_A + (<usize>ROWS * DEPTH << 2)
const TILE: usize = PACKED_B + (<usize>COLUMNS * DEPTH << 2)
/** Three blocks of BASE × BASE floats for the triangular recursions. */
const BASE: i32 = 64
const BASE_ROW: usize = <usize>BASE << 2
const BLOCK: usize = TILE + 128
/** Below which nothing of the caller's may lie: scratch of `multiply` and the recursions. */
const WORK_BYTES: usize = BLOCK + 2 * BASE_ROW * BASE

export function workBytes(): usize {
  return WORK_BYTES
}

/** Four lanes of a panel, `depth` steps: target[k·targetStep + lane]. Lanes from `valid` on are 0. */
function packLanes(source: usize, laneStep: usize, depthStep: usize, valid: i32, depth: i32, target: usize, targetStep: usize): void {
  let k: i32 = 0
  if (valid >= 4 && laneStep == 4) {
    for (; k < depth; k++) {
      v128.store(target, v128.load(source))
      source += depthStep
      target += targetStep
    }
    return
  }
  if (valid >= 4 && depthStep == 4) {
    for (; k + 4 <= depth; k += 4) {
      const r0 = v128.load(source)
      const r1 = v128.load(source + laneStep)
      const r2 = v128.load(source + 2 * laneStep)
      const r3 = v128.load(source + 3 * laneStep)
      const low01 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5)
      const low23 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5)
      const high01 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7)
      const high23 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7)
      v128.store(target, v128.shuffle<i64>(low01, low23, 0, 2))
      v128.store(target + targetStep, v128.shuffle<i64>(low01, low23, 1, 3))
      v128.store(target + 2 * targetStep, v128.shuffle<i64>(high01, high23, 0, 2))
      v128.store(target + 3 * targetStep, v128.shuffle<i64>(high01, high23, 1, 3))
      source += 16
      target += 4 * targetStep
    }
  }
  for (; k < depth; k++) {
    for (let lane: i32 = 0; lane < 4; lane++)
      store<f32>(target + (<usize>lane << 2), lane < valid ? load<f32>(source + <usize>lane * laneStep) : 0)
    source += depthStep
    target += targetStep
  }
}

// @ts-ignore: decorator
@inline function writeTile(c: usize, sum: v128, alpha: v128, add: i32): void {
  v128.store(c, add ? madd(alpha, sum, v128.load(c)) : f32x4.mul(alpha, sum))
}

/** A 4 × 8 tile of C (+)= alpha · panel of A · panel of B. */
function tile(depth: i32, a: usize, b: usize, c: usize, cRow: usize, alpha: f32, add: i32): void {
  let s00 = f32x4.splat(0)
  let s01 = s00
  let s10 = s00
  let s11 = s00
  let s20 = s00
  let s21 = s00
  let s30 = s00
  let s31 = s00
  for (let k: i32 = depth; k > 0; k--) {
    const b0 = v128.load(b)
    const b1 = v128.load(b, 16)
    const x0 = v128.load32_splat(a)
    s00 = madd(x0, b0, s00)
    s01 = madd(x0, b1, s01)
    const x1 = v128.load32_splat(a, 4)
    s10 = madd(x1, b0, s10)
    s11 = madd(x1, b1, s11)
    const x2 = v128.load32_splat(a, 8)
    s20 = madd(x2, b0, s20)
    s21 = madd(x2, b1, s21)
    const x3 = v128.load32_splat(a, 12)
    s30 = madd(x3, b0, s30)
    s31 = madd(x3, b1, s31)
    a += 16
    b += 32
  }
  const factor = f32x4.splat(alpha)
  const c1 = c + cRow
  const c2 = c1 + cRow
  const c3 = c2 + cRow
  writeTile(c, s00, factor, add)
  writeTile(c + 16, s01, factor, add)
  writeTile(c1, s10, factor, add)
  writeTile(c1 + 16, s11, factor, add)
  writeTile(c2, s20, factor, add)
  writeTile(c2 + 16, s21, factor, add)
  writeTile(c3, s30, factor, add)
  writeTile(c3 + 16, s31, factor, add)
}

/**
 * C = (add ? C : 0) + alpha · A[rows × depth] · B[depth × columns], any steps. `lower`: only tiles that reach the diagonal or lie below it are
 * written (the upper part of those on it is garbage). C may not overlap A or B.
 */
export function multiply(
  rows: i32, depth: i32, columns: i32, a: usize, aRow: usize, aStep: usize, b: usize, bRow: usize, bStep: usize, c: usize, cRow: usize,
  alpha: f32, add: i32, lower: i32, work: usize,
): void {
  if (depth == 0) {
    if (!add) for (let r: i32 = 0; r < rows; r++) memory.fill(c + <usize>r * cRow, 0, <usize>columns << 2)
    return
  }
  for (let j0: i32 = 0; j0 < columns; j0 += COLUMNS) {
    const blockColumns = min(COLUMNS, columns - j0)
    for (let k0: i32 = 0; k0 < depth; k0 += DEPTH) {
      const blockDepth = min(DEPTH, depth - k0)
      const keep = add | i32(k0 > 0)
      for (let j: i32 = 0; j < blockColumns; j += 8) {
        const source = b + <usize>k0 * bRow + <usize>(j0 + j) * bStep
        const target = work + PACKED_B + (<usize>j * blockDepth << 2)
        packLanes(source, bStep, bRow, blockColumns - j, blockDepth, target, 32)
        packLanes(source + 4 * bStep, bStep, bRow, blockColumns - j - 4, blockDepth, target + 16, 32)
      }
      for (let r0: i32 = 0; r0 < rows; r0 += ROWS) {
        const blockRows = min(ROWS, rows - r0)
        if (lower && r0 + blockRows <= j0) continue
        for (let r: i32 = 0; r < blockRows; r += 4)
          packLanes(
            a + <usize>(r0 + r) * aRow + <usize>k0 * aStep, aRow, aStep, blockRows - r, blockDepth,
            work + PACKED_A + (<usize>r * blockDepth << 2), 16,
          )
        for (let j: i32 = 0; j < blockColumns; j += 8) {
          const panelB = work + PACKED_B + (<usize>j * blockDepth << 2)
          for (let r: i32 = 0; r < blockRows; r += 4) {
            if (lower && r0 + r + 3 < j0 + j) continue
            const panelA = work + PACKED_A + (<usize>r * blockDepth << 2)
            const target = c + <usize>(r0 + r) * cRow + (<usize>(j0 + j) << 2)
            const tileRows = min(4, blockRows - r)
            const tileColumns = min(8, blockColumns - j)
            if (tileRows == 4 && tileColumns == 8) {
              tile(blockDepth, panelA, panelB, target, cRow, alpha, keep)
              continue
            }
            tile(blockDepth, panelA, panelB, work + TILE, 32, alpha, 0)
            for (let y: i32 = 0; y < tileRows; y++)
              for (let x: i32 = 0; x < tileColumns; x++) {
                const cell = target + <usize>y * cRow + (<usize>x << 2)
                const sum = load<f32>(work + TILE + (<usize>(y * 8 + x) << 2))
                store<f32>(cell, keep ? load<f32>(cell) + sum : sum)
              }
          }
        }
      }
    }
  }
}

// --- Small systems --------------------------------------------------------------------------------------------------------------------------
// A = UᵀU by rows of U, which are contiguous. `n` and the row step are multiples of 4 numbers: the caller pads with a unit diagonal.

/** A pivot below this share of its diagonal entry is rounding: 16 units in the last place. */
const PIVOT_FLOOR: f32 = 16 * 5.9604645e-8

/** x[from … n) += f · y[from … n), from rounded down to a multiple of 4 (what is touched below `from` is below the diagonal, and garbage). */
// @ts-ignore: decorator
@inline function addScaled(n: i32, from: i32, f: f32, y: usize, x: usize): void {
  const factor = f32x4.splat(f)
  for (let j: i32 = from & ~3; j < n; j += 4) {
    const at = <usize>j << 2
    v128.store(x + at, madd(factor, v128.load(y + at), v128.load(x + at)))
  }
}

/**
 * U in place of the upper triangle of A. `pivots` holds the diagonal that pivots are measured against, and 1 ÷ diagonal of U afterwards.
 * @returns the row at which A stops being positive definite, or −1
 */
function factorise(n: i32, a: usize, aRow: usize, pivots: usize): i32 {
  for (let k: i32 = 0; k < n; k += 4) {
    // Four rows of U, each reduced by those above it among the four…
    for (let r: i32 = k; r < k + 4; r++) {
      const row = a + <usize>r * aRow
      for (let q: i32 = k; q < r; q++) {
        const above = a + <usize>q * aRow
        addScaled(n, r, -load<f32>(above + (<usize>r << 2)), above, row)
      }
      const pivot = load<f32>(row + (<usize>r << 2))
      const diagonal = load<f32>(pivots + (<usize>r << 2))
      if (!(pivot > PIVOT_FLOOR * diagonal && pivot < Infinity)) return r
      const inverse: f32 = 1 / sqrt<f32>(pivot)
      store<f32>(pivots + (<usize>r << 2), inverse)
      const factor = f32x4.splat(inverse)
      for (let j: i32 = r & ~3; j < n; j += 4) {
        const at = row + (<usize>j << 2)
        v128.store(at, f32x4.mul(factor, v128.load(at)))
      }
    }
    // …then all four taken from every row below: one read and write of it for four products.
    const u0 = a + <usize>k * aRow
    const u1 = u0 + aRow
    const u2 = u1 + aRow
    const u3 = u2 + aRow
    for (let r: i32 = k + 4; r < n; r++) {
      const row = a + <usize>r * aRow
      const cell = <usize>r << 2
      const f0 = f32x4.neg(v128.load32_splat(u0 + cell))
      const f1 = f32x4.neg(v128.load32_splat(u1 + cell))
      const f2 = f32x4.neg(v128.load32_splat(u2 + cell))
      const f3 = f32x4.neg(v128.load32_splat(u3 + cell))
      for (let j: i32 = r & ~3; j < n; j += 4) {
        const at = <usize>j << 2
        const first = madd(f1, v128.load(u1 + at), madd(f0, v128.load(u0 + at), v128.load(row + at)))
        v128.store(row + at, madd(f3, v128.load(u3 + at), madd(f2, v128.load(u2 + at), first)))
      }
    }
  }
  return -1
}

// @ts-ignore: decorator
@inline function copyDiagonal(n: i32, a: usize, aRow: usize, target: usize): void {
  for (let k: i32 = 0; k < n; k++) store<f32>(target + (<usize>k << 2), load<f32>(a + <usize>k * aRow + (<usize>k << 2)))
}

/** UᵀU·x = b, in place of b[n]. */
function substitute(n: i32, u: usize, uRow: usize, pivots: usize, b: usize): void {
  for (let k: i32 = 0; k < n; k++) {
    const at = <usize>k << 2
    const y = load<f32>(b + at) * load<f32>(pivots + at)
    const row = u + <usize>k * uRow
    // What lies in U below the diagonal is garbage: the head of the vector is walked singly.
    let j: i32 = k + 1
    for (; j & 3; j++) {
      const cell = <usize>j << 2
      store<f32>(b + cell, load<f32>(b + cell) - y * load<f32>(row + cell))
    }
    if (j < n) addScaled(n, j, -y, row, b)
    store<f32>(b + at, y)
  }
  for (let k: i32 = n - 1; k >= 0; k--) {
    const row = u + <usize>k * uRow
    let sum: f32 = load<f32>(b + (<usize>k << 2))
    let j: i32 = k + 1
    for (; j & 3; j++) sum -= load<f32>(row + (<usize>j << 2)) * load<f32>(b + (<usize>j << 2))
    let sums = f32x4.splat(0)
    for (; j < n; j += 4) sums = madd(v128.load(row + (<usize>j << 2)), v128.load(b + (<usize>j << 2)), sums)
    store<f32>(b + (<usize>k << 2), (sum - sumLanes(sums)) * load<f32>(pivots + (<usize>k << 2)))
  }
}

/**
 * `count` systems of n rows (a multiple of 4), matrices and right sides one after the other; solutions in place of the right sides.
 * @returns the system that is not positive definite · n + its row, or −1
 */
export function solveEach(count: i32, n: i32, matrices: usize, sides: usize, pivots: usize): i32 {
  const row = <usize>n << 2
  for (let c: i32 = 0; c < count; c++) {
    copyDiagonal(n, matrices, row, pivots)
    const failed = factorise(n, matrices, row, pivots)
    if (failed >= 0) return c * n + failed
    substitute(n, matrices, row, pivots, sides)
    matrices += row * n
    sides += row
  }
  return -1
}

/** Vectors gathered at a time: 128 · 64 numbers are 32 KB. */
const CHUNK: i32 = 128

/** a (upper triangle, by tiles) += Σ of the outer products of `count` vectors of n numbers; n is a multiple of 4, rows of n. */
function addOuterProducts(n: i32, count: i32, vectors: usize, a: usize): void {
  const row = <usize>n << 2
  for (let r: i32 = 0; r < n; r += 4) {
    let j: i32 = r
    for (; j + 8 <= n; j += 8) {
      let x = vectors + (<usize>r << 2)
      let y = vectors + (<usize>j << 2)
      const c0 = a + <usize>r * row + (<usize>j << 2)
      const c1 = c0 + row
      const c2 = c1 + row
      const c3 = c2 + row
      let s00 = v128.load(c0)
      let s01 = v128.load(c0, 16)
      let s10 = v128.load(c1)
      let s11 = v128.load(c1, 16)
      let s20 = v128.load(c2)
      let s21 = v128.load(c2, 16)
      let s30 = v128.load(c3)
      let s31 = v128.load(c3, 16)
      for (let k: i32 = count; k > 0; k--) {
        const y0 = v128.load(y)
        const y1 = v128.load(y, 16)
        const x0 = v128.load32_splat(x)
        s00 = madd(x0, y0, s00)
        s01 = madd(x0, y1, s01)
        const x1 = v128.load32_splat(x, 4)
        s10 = madd(x1, y0, s10)
        s11 = madd(x1, y1, s11)
        const x2 = v128.load32_splat(x, 8)
        s20 = madd(x2, y0, s20)
        s21 = madd(x2, y1, s21)
        const x3 = v128.load32_splat(x, 12)
        s30 = madd(x3, y0, s30)
        s31 = madd(x3, y1, s31)
        x += row
        y += row
      }
      v128.store(c0, s00)
      v128.store(c0, s01, 16)
      v128.store(c1, s10)
      v128.store(c1, s11, 16)
      v128.store(c2, s20)
      v128.store(c2, s21, 16)
      v128.store(c3, s30)
      v128.store(c3, s31, 16)
    }
    if (j < n) {
      let x = vectors + (<usize>r << 2)
      let y = vectors + (<usize>j << 2)
      const c0 = a + <usize>r * row + (<usize>j << 2)
      let s0 = v128.load(c0)
      let s1 = v128.load(c0 + row)
      let s2 = v128.load(c0 + 2 * row)
      let s3 = v128.load(c0 + 3 * row)
      for (let k: i32 = count; k > 0; k--) {
        const y0 = v128.load(y)
        s0 = madd(v128.load32_splat(x), y0, s0)
        s1 = madd(v128.load32_splat(x, 4), y0, s1)
        s2 = madd(v128.load32_splat(x, 8), y0, s2)
        s3 = madd(v128.load32_splat(x, 12), y0, s3)
        x += row
        y += row
      }
      v128.store(c0, s0)
      v128.store(c0 + row, s1)
      v128.store(c0 + 2 * row, s2)
      v128.store(c0 + 3 * row, s3)
    }
  }
}

/**
 * One ridge solve a row: (base + ridge[r]·1 + Σ y·yᵀ)·w = Σ y over the vectors y of the row. Vectors have n numbers (a multiple of 4; the base is
 * padded with a unit diagonal). Empty rows give 0.
 * @param scratch n·n + n + CHUNK·n numbers
 * @returns the row whose matrix is not positive definite, or −1
 */
export function ridgeRows(
  rows: i32, n: i32, offsets: usize, items: usize, factors: usize, base: usize, ridge: usize, out: usize, scratch: usize,
): i32 {
  const row = <usize>n << 2
  const matrix = scratch
  const pivots = matrix + row * n
  const gathered = pivots + row
  for (let r: i32 = 0; r < rows; r++) {
    const first = load<u32>(offsets + (<usize>r << 2))
    const end = load<u32>(offsets + (<usize>(r + 1) << 2))
    memory.fill(out, 0, row)
    if (end > first) {
      memory.copy(matrix, base, row * n)
      const extra = load<f32>(ridge + (<usize>r << 2))
      for (let k: i32 = 0; k < n; k++) {
        const cell = matrix + <usize>k * row + (<usize>k << 2)
        store<f32>(cell, load<f32>(cell) + extra)
      }
      for (let start = first; start < end; start += CHUNK) {
        const count = <i32>min<u32>(CHUNK, end - start)
        for (let k: i32 = 0; k < count; k++) {
          const source = factors + <usize>load<u32>(items + (<usize>(start + k) << 2)) * row
          const target = gathered + <usize>k * row
          for (let j: usize = 0; j < row; j += 16) {
            const y = v128.load(source + j)
            v128.store(target + j, y)
            v128.store(out + j, f32x4.add(v128.load(out + j), y))
          }
        }
        addOuterProducts(n, count, gathered, matrix)
      }
      copyDiagonal(n, matrix, row, pivots)
      if (factorise(n, matrix, row, pivots) >= 0) return r
      substitute(n, matrix, row, pivots, out)
    }
    out += row
  }
  return -1
}

/** out[r] = Σ of the rows of `dense` that row r holds; `width` numbers, a multiple of 4. */
export function multiplySparse(rows: i32, width: i32, offsets: usize, items: usize, dense: usize, out: usize): void {
  const row = <usize>width << 2
  for (let r: i32 = 0; r < rows; r++) {
    const end = load<u32>(offsets + (<usize>(r + 1) << 2))
    memory.fill(out, 0, row)
    for (let at = load<u32>(offsets + (<usize>r << 2)); at < end; at++) {
      const source = dense + <usize>load<u32>(items + (<usize>at << 2)) * row
      for (let j: usize = 0; j < row; j += 16) v128.store(out + j, f32x4.add(v128.load(out + j), v128.load(source + j)))
    }
    out += row
  }
}

// --- Large positive definite matrices -------------------------------------------------------------------------------------------------------
// All in place, in the lower triangle; what lies above the diagonal is garbage until `mirror` or `clearUpper`.

/** Where a matrix of n > BASE rows is cut in two: a multiple of BASE. */
// @ts-ignore: decorator
@inline function half(n: i32): i32 {
  return ((n + 2 * BASE - 1) / (2 * BASE)) * BASE
}

// @ts-ignore: decorator
@inline function entry(a: usize, aRow: usize, r: i32, c: i32): usize {
  return a + <usize>r * aRow + (<usize>c << 2)
}

/** target[c, r] = source[r, c] where r ≥ c, rows of BASE numbers; 0 elsewhere, and 1 on the diagonal from n on. */
function loadTransposed(n: i32, source: usize, sourceRow: usize, target: usize): void {
  memory.fill(target, 0, BASE_ROW * BASE)
  for (let r: i32 = 0; r < BASE; r++) {
    if (r >= n) store<f32>(entry(target, BASE_ROW, r, r), 1)
    else for (let c: i32 = 0; c <= r; c++) store<f32>(entry(target, BASE_ROW, c, r), load<f32>(entry(source, sourceRow, r, c)))
  }
}

/**
 * L in place of the lower triangle.
 * @param diagonal n numbers: the diagonal of the matrix as it came; what is left of it is measured against that
 * @returns the row at which it stops being positive definite, or −1
 */
export function cholesky(n: i32, a: usize, aRow: usize, diagonal: usize, work: usize): i32 {
  if (n <= BASE) {
    const block = work + BLOCK
    const pivots = block + BASE_ROW * BASE
    loadTransposed(n, a, aRow, block)
    copyDiagonal(BASE, block, BASE_ROW, pivots)
    memory.copy(pivots, diagonal, <usize>n << 2)
    const failed = factorise((n + 3) & ~3, block, BASE_ROW, pivots)
    if (failed >= 0) return failed
    for (let r: i32 = 0; r < n; r++)
      for (let c: i32 = 0; c <= r; c++) store<f32>(entry(a, aRow, r, c), load<f32>(entry(block, BASE_ROW, c, r)))
    return -1
  }
  const top = half(n)
  const failed = cholesky(top, a, aRow, diagonal, work)
  if (failed >= 0) return failed
  const below = entry(a, aRow, top, 0)
  const corner = entry(a, aRow, top, top)
  divideTransposed(n - top, top, a, aRow, below, aRow, work)
  multiply(n - top, top, n - top, below, aRow, 4, below, 4, aRow, corner, aRow, -1, 1, 1, work)
  const second = cholesky(n - top, corner, aRow, diagonal + (<usize>top << 2), work)
  return second < 0 ? -1 : top + second
}

/** The inverse of a lower triangle of n ≤ BASE rows, from `source` into `target` (rows of BASE numbers, 0 above the diagonal). */
function invertBlock(n: i32, source: usize, sourceRow: usize, target: usize): void {
  memory.fill(target, 0, BASE_ROW * BASE)
  for (let c: i32 = 0; c < n; c++) {
    for (let r: i32 = c; r < n; r++) {
      let sum: f64 = r == c ? 1 : 0
      for (let k: i32 = c; k < r; k++) sum -= <f64>load<f32>(entry(source, sourceRow, r, k)) * <f64>load<f32>(entry(target, BASE_ROW, k, c))
      store<f32>(entry(target, BASE_ROW, r, c), <f32>(sum / <f64>load<f32>(entry(source, sourceRow, r, r))))
    }
  }
}

/** X[rows × n] := X·L⁻ᵀ. */
function divideTransposed(rows: i32, n: i32, l: usize, lRow: usize, x: usize, xRow: usize, work: usize): void {
  if (n <= BASE) {
    const inverse = work + BLOCK
    const copied = inverse + BASE_ROW * BASE
    invertBlock(n, l, lRow, inverse)
    // BASE rows at a time through a copy, since a product may not overlap its factors.
    for (let r: i32 = 0; r < rows; r += BASE) {
      const count = min(BASE, rows - r)
      const at = entry(x, xRow, r, 0)
      for (let y: i32 = 0; y < count; y++) memory.copy(copied + <usize>y * BASE_ROW, at + <usize>y * xRow, <usize>n << 2)
      multiply(count, n, n, copied, BASE_ROW, 4, inverse, 4, BASE_ROW, at, xRow, 1, 0, 0, work)
    }
    return
  }
  const left = half(n)
  divideTransposed(rows, left, l, lRow, x, xRow, work)
  multiply(rows, left, n - left, x, xRow, 4, entry(l, lRow, left, 0), 4, lRow, entry(x, xRow, 0, left), xRow, -1, 1, 0, work)
  divideTransposed(rows, n - left, entry(l, lRow, left, left), lRow, entry(x, xRow, 0, left), xRow, work)
}

const LEFT: i32 = 0 // X := L·X
const LEFT_TRANSPOSED: i32 = 1 // X := Lᵀ·X
const RIGHT: i32 = 2 // X := X·L

/** A product with a lower triangle L of n rows, in place of X, whose other side is `other` long. */
function multiplyTriangle(side: i32, n: i32, other: i32, l: usize, lRow: usize, x: usize, xRow: usize, work: usize): void {
  if (n <= BASE) {
    const triangle = work + BLOCK
    const copied = triangle + BASE_ROW * BASE
    memory.fill(triangle, 0, BASE_ROW * BASE)
    for (let r: i32 = 0; r < n; r++) memory.copy(triangle + <usize>r * BASE_ROW, l + <usize>r * lRow, <usize>(r + 1) << 2)
    for (let from: i32 = 0; from < other; from += BASE) {
      const count = min(BASE, other - from)
      const rows = side == RIGHT ? count : n
      const columns = side == RIGHT ? n : count
      const at = side == RIGHT ? entry(x, xRow, from, 0) : entry(x, xRow, 0, from)
      for (let r: i32 = 0; r < rows; r++) memory.copy(copied + <usize>r * BASE_ROW, at + <usize>r * xRow, <usize>columns << 2)
      if (side == RIGHT) multiply(rows, n, columns, copied, BASE_ROW, 4, triangle, BASE_ROW, 4, at, xRow, 1, 0, 0, work)
      else {
        const rowStep = side == LEFT ? BASE_ROW : 4
        multiply(rows, n, columns, triangle, rowStep, BASE_ROW + 4 - rowStep, copied, BASE_ROW, 4, at, xRow, 1, 0, 0, work)
      }
    }
    return
  }
  const top = half(n)
  const rest = n - top
  const below = entry(l, lRow, top, 0)
  const corner = entry(l, lRow, top, top)
  const second = side == RIGHT ? entry(x, xRow, 0, top) : entry(x, xRow, top, 0)
  if (side == LEFT) {
    multiplyTriangle(side, rest, other, corner, lRow, second, xRow, work)
    multiply(rest, top, other, below, lRow, 4, x, xRow, 4, second, xRow, 1, 1, 0, work)
    multiplyTriangle(side, top, other, l, lRow, x, xRow, work)
    return
  }
  multiplyTriangle(side, top, other, l, lRow, x, xRow, work)
  if (side == LEFT_TRANSPOSED) multiply(top, rest, other, below, 4, lRow, second, xRow, 4, x, xRow, 1, 1, 0, work)
  else multiply(other, rest, top, second, xRow, 4, below, lRow, 4, x, xRow, 1, 1, 0, work)
  multiplyTriangle(side, rest, other, corner, lRow, second, xRow, work)
}

/** L⁻¹ in place of L. */
function invertTriangle(n: i32, l: usize, lRow: usize, work: usize): void {
  if (n <= BASE) {
    const inverse = work + BLOCK
    invertBlock(n, l, lRow, inverse)
    for (let r: i32 = 0; r < n; r++) memory.copy(l + <usize>r * lRow, inverse + <usize>r * BASE_ROW, <usize>(r + 1) << 2)
    return
  }
  const top = half(n)
  const below = entry(l, lRow, top, 0)
  const corner = entry(l, lRow, top, top)
  invertTriangle(top, l, lRow, work)
  invertTriangle(n - top, corner, lRow, work)
  multiplyTriangle(LEFT, n - top, top, corner, lRow, below, lRow, work)
  multiplyTriangle(RIGHT, top, n - top, l, lRow, below, lRow, work)
  for (let r: i32 = top; r < n; r++)
    for (let c: i32 = 0; c < top; c += 4) {
      const at = entry(l, lRow, r, c)
      v128.store(at, f32x4.neg(v128.load(at)))
    }
}

/** The lower triangle of LᵀL in place of L. */
function squareTriangle(n: i32, l: usize, lRow: usize, work: usize): void {
  if (n <= BASE) {
    const block = work + BLOCK
    const square = block + BASE_ROW * BASE
    loadTransposed(n, l, lRow, block)
    multiply(n, n, n, block, BASE_ROW, 4, block, 4, BASE_ROW, square, BASE_ROW, 1, 0, 0, work)
    for (let r: i32 = 0; r < n; r++) memory.copy(l + <usize>r * lRow, square + <usize>r * BASE_ROW, <usize>(r + 1) << 2)
    return
  }
  const top = half(n)
  const below = entry(l, lRow, top, 0)
  const corner = entry(l, lRow, top, top)
  squareTriangle(top, l, lRow, work)
  multiply(top, n - top, top, below, 4, lRow, below, lRow, 4, l, lRow, 1, 1, 1, work)
  multiplyTriangle(LEFT_TRANSPOSED, n - top, top, corner, lRow, below, lRow, work)
  squareTriangle(n - top, corner, lRow, work)
}

/** The inverse in place of the matrix of which `cholesky` left the factor, both triangles. */
export function invertFromCholesky(n: i32, a: usize, aRow: usize, work: usize): void {
  invertTriangle(n, a, aRow, work)
  squareTriangle(n, a, aRow, work)
  for (let r0: i32 = 0; r0 < n; r0 += BASE)
    for (let c0: i32 = 0; c0 <= r0; c0 += BASE) {
      const rows = min(n, r0 + BASE)
      for (let r: i32 = r0; r < rows; r++) {
        const columns = min(r, c0 + BASE)
        for (let c: i32 = c0; c < columns; c++) store<f32>(entry(a, aRow, c, r), load<f32>(entry(a, aRow, r, c)))
      }
    }
}

/** X[rows × n] := X·L⁻ᵀ·L⁻¹: one right side a row. */
export function solveRows(rows: i32, n: i32, l: usize, lRow: usize, x: usize, xRow: usize, work: usize): void {
  divideTransposed(rows, n, l, lRow, x, xRow, work)
  divide(rows, n, l, lRow, x, xRow, work)
}

/** X[rows × n] := X·L⁻¹. */
function divide(rows: i32, n: i32, l: usize, lRow: usize, x: usize, xRow: usize, work: usize): void {
  if (n <= BASE) {
    const inverse = work + BLOCK
    const copied = inverse + BASE_ROW * BASE
    invertBlock(n, l, lRow, inverse)
    for (let r: i32 = 0; r < rows; r += BASE) {
      const count = min(BASE, rows - r)
      const at = entry(x, xRow, r, 0)
      for (let y: i32 = 0; y < count; y++) memory.copy(copied + <usize>y * BASE_ROW, at + <usize>y * xRow, <usize>n << 2)
      multiply(count, n, n, copied, BASE_ROW, 4, inverse, BASE_ROW, 4, at, xRow, 1, 0, 0, work)
    }
    return
  }
  const left = half(n)
  const right = entry(x, xRow, 0, left)
  divide(rows, n - left, entry(l, lRow, left, left), lRow, right, xRow, work)
  multiply(rows, n - left, left, right, xRow, 4, entry(l, lRow, left, 0), lRow, 4, x, xRow, -1, 1, 0, work)
  divide(rows, left, l, lRow, x, xRow, work)
}

// --- Symmetric eigenproblems ----------------------------------------------------------------------------------------------------------------

// @ts-ignore: decorator
@inline function dot(n: i32, a: usize, b: usize): f32 {
  let s0 = f32x4.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  let j: i32 = 0
  for (; j + 16 <= n; j += 16) {
    s0 = madd(v128.load(a), v128.load(b), s0)
    s1 = madd(v128.load(a, 16), v128.load(b, 16), s1)
    s2 = madd(v128.load(a, 32), v128.load(b, 32), s2)
    s3 = madd(v128.load(a, 48), v128.load(b, 48), s3)
    a += 64
    b += 64
  }
  for (; j < n; j += 4) {
    s0 = madd(v128.load(a), v128.load(b), s0)
    a += 16
    b += 16
  }
  return sumLanes(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)))
}

/** x += f·y + g·z, n numbers (a multiple of 4). */
// @ts-ignore: decorator
@inline function addTwoScaled(n: i32, x: usize, f: f32, y: usize, g: f32, z: usize): void {
  const factorF = f32x4.splat(f)
  const factorG = f32x4.splat(g)
  for (let j: i32 = 0; j < n; j += 4) {
    v128.store(x, madd(factorF, v128.load(y), madd(factorG, v128.load(z), v128.load(x))))
    x += 16
    y += 16
    z += 16
  }
}

/**
 * out[k … n) = A·v for the symmetric A whose lower triangle is stored, rows and columns k … n − 1: each number of A is read once, and serves its
 * row and its column. v is 0 below column k and from n on; `out` is overwritten from k & ~3 on, and is garbage below k.
 */
function multiplySymmetric(n: i32, k: i32, a: usize, aRow: usize, v: usize, out: usize): void {
  const from = k & ~3
  memory.fill(out + (<usize>from << 2), 0, aRow - (<usize>from << 2))
  let r = k
  // Four rows at a time, but for the blocks on the diagonal.
  for (; r & 3 && r < n; r++) diagonalRow(r, k, a, aRow, v, out)
  for (; r + 4 <= n; r += 4) {
    const a0 = a + <usize>r * aRow
    const a1 = a0 + aRow
    const a2 = a1 + aRow
    const a3 = a2 + aRow
    const at = <usize>r << 2
    const v0 = v128.load32_splat(v + at)
    const v1 = v128.load32_splat(v + at, 4)
    const v2 = v128.load32_splat(v + at, 8)
    const v3 = v128.load32_splat(v + at, 12)
    let s0 = f32x4.splat(0)
    let s1 = s0
    let s2 = s0
    let s3 = s0
    for (let c: usize = <usize>from << 2; c < at; c += 16) {
      const x = v128.load(v + c)
      let y = v128.load(out + c)
      const m0 = v128.load(a0 + c)
      s0 = madd(m0, x, s0)
      y = madd(m0, v0, y)
      const m1 = v128.load(a1 + c)
      s1 = madd(m1, x, s1)
      y = madd(m1, v1, y)
      const m2 = v128.load(a2 + c)
      s2 = madd(m2, x, s2)
      y = madd(m2, v2, y)
      const m3 = v128.load(a3 + c)
      s3 = madd(m3, x, s3)
      y = madd(m3, v3, y)
      v128.store(out + c, y)
    }
    store<f32>(out + at, load<f32>(out + at) + sumLanes(s0))
    store<f32>(out + at, load<f32>(out + at, 4) + sumLanes(s1), 4)
    store<f32>(out + at, load<f32>(out + at, 8) + sumLanes(s2), 8)
    store<f32>(out + at, load<f32>(out + at, 12) + sumLanes(s3), 12)
    for (let q = r; q < r + 4; q++) diagonalRow(q, r, a, aRow, v, out)
  }
  for (let q = r; q < n; q++) diagonalRow(q, k, a, aRow, v, out)
}

/** Row r of `multiplySymmetric`, singly, columns `from` … r. */
function diagonalRow(r: i32, from: i32, a: usize, aRow: usize, v: usize, out: usize): void {
  const row = a + <usize>r * aRow
  const own = load<f32>(v + (<usize>r << 2))
  let sum: f32 = load<f32>(row + (<usize>r << 2)) * own
  for (let c = from; c < r; c++) {
    const at = <usize>c << 2
    const m = load<f32>(row + at)
    sum += m * load<f32>(v + at)
    store<f32>(out + at, load<f32>(out + at) + m * own)
  }
  const cell = out + (<usize>r << 2)
  store<f32>(cell, load<f32>(cell) + sum)
}

/** Columns reduced before their reflections are applied to the rest of the matrix, all at once, by products. */
const PANEL: i32 = 32

/**
 * Householder tridiagonal form of a symmetric matrix whose lower triangle is read, in place: afterwards row k holds its reflection from column k + 1
 * on, and 0 before. In panels (Dongarra, Sorensen & Hammarling 1989): within one, the matrix is only read, once a step; what the
 * panel's reflections change in it, −V·Wᵀ − W·Vᵀ, is put into each product and column by hand, and into the rest at the end.
 * @param aRow bytes of a row: n numbers rounded up to a multiple of 4
 * @param diagonal @param offDiagonal @param scales doubles[n]
 * @param w PANEL vectors of a row's length
 */
export function tridiagonalise(
  n: i32, a: usize, aRow: usize, diagonal: usize, offDiagonal: usize, scales: usize, w: usize, work: usize,
): void {
  for (let k0: i32 = 0; k0 < n; k0 += PANEL) {
    const end = min(n, k0 + PANEL)
    memory.fill(w, 0, aRow * PANEL)
    for (let k = k0; k < end; k++) {
      const row = a + <usize>k * aRow
      const own = w + <usize>(k - k0) * aRow
      // Column k as the reflections of this panel leave it, into `own` for now.
      const start = <usize>(k & ~3) << 2
      const width = <i32>((aRow - start) >> 2)
      for (let r = k; r < n; r++) store<f32>(own + (<usize>r << 2), load<f32>(entry(a, aRow, r, k)))
      for (let i = k0; i < k; i++) {
        const v = a + <usize>i * aRow
        const wi = w + <usize>(i - k0) * aRow
        const at = <usize>k << 2
        addTwoScaled(width, own + start, -load<f32>(v + at), wi + start, -load<f32>(wi + at), v + start)
      }
      store<f64>(diagonal + (<usize>k << 3), load<f32>(own + (<usize>k << 2)))
      store<f64>(offDiagonal + (<usize>k << 3), 0)
      store<f64>(scales + (<usize>k << 3), 0)
      memory.fill(row, 0, aRow)
      if (k + 1 >= n) {
        memory.fill(own, 0, aRow)
        continue
      }
      const head = own + (<usize>(k + 1) << 2)
      const first: f64 = load<f32>(head)
      let tail: f64 = 0
      for (let r = k + 2; r < n; r++) {
        const x: f64 = load<f32>(own + (<usize>r << 2))
        tail += x * x
      }
      if (!(tail > 0)) {
        store<f64>(offDiagonal + (<usize>k << 3), tail == 0 ? first : NaN)
        memory.fill(own, 0, aRow)
        continue
      }
      const norm = sqrt(first * first + tail)
      const beta = first > 0 ? -norm : norm
      const scale = (beta - first) / beta
      store<f64>(offDiagonal + (<usize>k << 3), beta)
      store<f64>(scales + (<usize>k << 3), scale)
      const shrink = 1 / (first - beta)
      store<f32>(row + (<usize>(k + 1) << 2), 1)
      for (let r = k + 2; r < n; r++) store<f32>(row + (<usize>r << 2), <f32>(shrink * <f64>load<f32>(own + (<usize>r << 2))))

      multiplySymmetric(n, k + 1, a, aRow, row, own)
      const after = <usize>((k + 1) & ~3) << 2
      memory.fill(own, 0, <usize>(k + 1) << 2)
      const rest = <i32>((aRow - after) >> 2)
      for (let i = k0; i < k; i++) {
        const v = a + <usize>i * aRow + after
        const wi = w + <usize>(i - k0) * aRow + after
        addTwoScaled(rest, own + after, -dot(rest, wi, row + after), v, -dot(rest, v, row + after), wi)
      }
      const correction = -0.5 * scale * scale * <f64>dot(rest, own + after, row + after)
      const scaled = f32x4.splat(<f32>scale)
      const shifted = f32x4.splat(<f32>correction)
      for (let j = after; j < aRow; j += 16)
        v128.store(own + j, madd(shifted, v128.load(row + j), f32x4.mul(scaled, v128.load(own + j))))
      memory.fill(own, 0, <usize>(k + 1) << 2)
    }
    const rest = n - end
    if (rest == 0) return
    const v = entry(a, aRow, k0, end)
    const wEnd = w + (<usize>end << 2)
    const corner = entry(a, aRow, end, end)
    multiply(rest, PANEL, rest, v, 4, aRow, wEnd, aRow, 4, corner, aRow, -1, 1, 1, work)
    multiply(rest, PANEL, rest, wEnd, 4, aRow, v, aRow, 4, corner, aRow, -1, 1, 1, work)
  }
}

/** Applies the reflections of `tridiagonalise`, last first, to `count` vectors (rows of aRow bytes): from its basis back to the matrix's. */
export function fromTridiagonal(n: i32, count: i32, a: usize, aRow: usize, scales: usize, vectors: usize): void {
  // Eight vectors a pass stay in the cache while the reflections stream by.
  for (let c0: i32 = 0; c0 < count; c0 += 8) {
    const end = min(count, c0 + 8)
    for (let k: i32 = n - 3; k >= 0; k--) {
      const scale = load<f64>(scales + (<usize>k << 3))
      if (scale == 0) continue
      const start = <usize>((k + 1) & ~3) << 2
      const width = <i32>((aRow - start) >> 2)
      const v = a + <usize>k * aRow + start
      for (let c: i32 = c0; c < end; c++) {
        const x = vectors + <usize>c * aRow + start
        const factor = f32x4.splat(-<f32>(scale * <f64>dot(width, v, x)))
        for (let j: usize = 0; j < <usize>width << 2; j += 16) v128.store(x + j, madd(factor, v128.load(v + j), v128.load(x + j)))
      }
    }
  }
}
