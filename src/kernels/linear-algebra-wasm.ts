/**
 * The WASM SIMD builds of linear-algebra.ts: lays out a memory, copies in, calls assembly/linear-algebra.ts, copies out. Small calls share one
 * memory; a call of more than KEPT_BYTES gets one of its own, which is given back after it (a WASM memory never shrinks).
 */
import { checkNumber, TacetError } from '../errors.ts'
import { ARENA_START, padded } from './kernels.ts'
import { wasmBase64, wasmRelaxedBase64 } from './linear-algebra.generated.ts'
import type { LinearAlgebra, SparseOnes } from './linear-algebra.ts'
import { checkLength, checkProduct, checkRidgeRows, gramMatrix, notPositiveDefinite } from './linear-algebra-reference.ts'
import { tridiagonalQl, tridiagonalVectors } from './symmetric-eigen.ts'
import { wasmModule } from './wasm-module.ts'

/** Exports of assembly/linear-algebra.ts; pointers and row steps in bytes. */
interface Exports {
  workBytes(): number
  multiply(
    rows: number,
    depth: number,
    columns: number,
    a: number,
    aRow: number,
    aStep: number,
    b: number,
    bRow: number,
    bStep: number,
    c: number,
    cRow: number,
    alpha: number,
    add: number,
    lower: number,
    work: number,
  ): void
  cholesky(n: number, a: number, aRow: number, diagonal: number, work: number): number
  invertFromCholesky(n: number, a: number, aRow: number, work: number): void
  solveRows(rows: number, n: number, l: number, lRow: number, x: number, xRow: number, work: number): void
  solveEach(count: number, n: number, matrices: number, sides: number, pivots: number): number
  ridgeRows(
    rows: number,
    n: number,
    offsets: number,
    items: number,
    factors: number,
    base: number,
    ridge: number,
    out: number,
    scratch: number,
  ): number
  multiplySparse(rows: number, width: number, offsets: number, items: number, dense: number, out: number): void
  tridiagonalise(n: number, a: number, aRow: number, diagonal: number, offDiagonal: number, scales: number, w: number, work: number): void
  fromTridiagonal(n: number, count: number, a: number, aRow: number, scales: number, vectors: number): void
}

interface Session {
  readonly kernels: Exports
  readonly work: number
  /** Byte offset of each block asked for. */
  readonly at: readonly number[]
  floats(block: number, length: number): Float32Array
  doubles(block: number, length: number): Float64Array
  words(block: number, length: number): Uint32Array
}

const PAGE = 65536
const KEPT_BYTES = 32 * 2 ** 20
const LARGEST_BYTES = 65536 * PAGE
/** Vectors that `ridgeRows` gathers at a time: CHUNK there. */
const RIDGE_CHUNK = 128
/** Vectors that `tridiagonalise` needs beside the matrix: PANEL there. */
const PANEL = 32

/** @returns null where this engine does not accept the build */
export function createWasmLinearAlgebra(build: 'wasm' | 'wasm-relaxed'): LinearAlgebra | null {
  const module = wasmModule(build === 'wasm' ? wasmBase64 : wasmRelaxedBase64)
  if (module === null) return null

  const instantiate = (pages: number) => {
    const memory = new WebAssembly.Memory({ initial: pages })
    return { memory, kernels: new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Exports }
  }
  const kept = instantiate(1)
  const work = ARENA_START
  const start = work + kept.kernels.workBytes()

  /** A memory with blocks of so many bytes each. */
  const open = (...sizes: readonly number[]): Session => {
    let end = Math.ceil(start / 16) * 16
    const at = sizes.map((size) => {
      const from = end
      end += Math.ceil(size / 16) * 16
      return from
    })
    if (end > LARGEST_BYTES)
      throw new TacetError(
        'invalid-argument',
        `this needs ${(end / 2 ** 30).toFixed(1)} GB of memory at once; a WASM memory holds ${LARGEST_BYTES / 2 ** 30}`,
        {
          wayOut: 'use a smaller matrix',
        },
      )
    const pages = Math.ceil(end / PAGE)
    let used = kept
    if (end > KEPT_BYTES) used = instantiate(pages)
    else if (pages * PAGE > kept.memory.buffer.byteLength) kept.memory.grow(pages - kept.memory.buffer.byteLength / PAGE)
    const { buffer } = used.memory
    return {
      kernels: used.kernels,
      work,
      at,
      floats: (block, length) => new Float32Array(buffer, at[block], length),
      doubles: (block, length) => new Float64Array(buffer, at[block], length),
      words: (block, length) => new Uint32Array(buffer, at[block], length),
    }
  }

  /** Rows of `width` numbers in rows of `step`; what is between stays as it is. */
  const spread = (source: Float32Array, width: number, target: Float32Array, step: number) => {
    if (width === step) target.set(source)
    else for (let from = 0, to = 0; from < source.length; from += width, to += step) target.set(source.subarray(from, from + width), to)
  }
  const gather = (source: Float32Array, step: number, width: number, rows: number): Float32Array => {
    if (width === step) return source.slice(0, rows * width)
    const out = new Float32Array(rows * width)
    for (let r = 0; r < rows; r++) out.set(source.subarray(r * step, r * step + width), r * width)
    return out
  }
  const spreadSparse = (session: Session, block: number, { offsets, items }: SparseOnes) => {
    session.words(block, offsets.length).set(offsets)
    session.words(block + 1, items.length).set(items)
  }

  /** The matrix in the session's block 0, its factor in the lower triangle. */
  const factored = (matrix: Float32Array, n: number, ...others: readonly number[]): Session => {
    checkLength('the matrix', matrix, n * n)
    const session = open(4 * n * n, 4 * n, ...others)
    session.floats(0, n * n).set(matrix)
    const diagonal = session.floats(1, n)
    for (let k = 0; k < n; k++) diagonal[k] = matrix[k * n + k]!
    const failed = session.kernels.cholesky(n, session.at[0]!, 4 * n, session.at[1]!, session.work)
    if (failed >= 0) throw notPositiveDefinite('the matrix', failed, matrix[failed * n + failed]!)
    return session
  }

  return {
    name: build,
    gramMatrix,
    multiply(a, b, shape) {
      checkProduct(a, b, shape)
      const { rows, depth, columns, transposeA, transposeB } = shape
      const session = open(4 * a.length, 4 * b.length, 4 * rows * columns)
      session.floats(0, a.length).set(a)
      session.floats(1, b.length).set(b)
      const [atA, atB, atC] = session.at as [number, number, number]
      const [aRow, aStep] = transposeA ? [4, 4 * rows] : [4 * depth, 4]
      const [bRow, bStep] = transposeB ? [4, 4 * depth] : [4 * columns, 4]
      session.kernels.multiply(rows, depth, columns, atA, aRow, aStep, atB, bRow, bStep, atC, 4 * columns, 1, 0, 0, session.work)
      return session.floats(2, rows * columns).slice()
    },
    multiplySparse(rows, dense, width) {
      checkLength('the dense factor of a sparse product', dense, rows.itemCount * width)
      const step = padded(width)
      const session = open(4 * rows.offsets.length, 4 * rows.items.length, 4 * rows.itemCount * step, 4 * rows.personCount * step)
      spreadSparse(session, 0, rows)
      spread(dense, width, session.floats(2, rows.itemCount * step), step)
      session.kernels.multiplySparse(rows.personCount, step, ...(session.at as [number, number, number, number]))
      return gather(session.floats(3, rows.personCount * step), step, width, rows.personCount)
    },
    choleskyFactor(matrix, n) {
      const out = factored(matrix, n)
        .floats(0, n * n)
        .slice()
      for (let r = 0; r < n; r++) out.fill(0, r * n + r + 1, (r + 1) * n)
      return out
    },
    choleskySolve(factor, n, rightSides, count) {
      checkLength('the factor', factor, n * n)
      checkLength('the right sides', rightSides, count * n)
      const session = open(4 * n * n, 4 * count * n)
      session.floats(0, n * n).set(factor)
      session.floats(1, count * n).set(rightSides)
      session.kernels.solveRows(count, n, session.at[0]!, 4 * n, session.at[1]!, 4 * n, session.work)
      return session.floats(1, count * n).slice()
    },
    invertPositiveDefinite(matrix, n) {
      const session = factored(matrix, n)
      session.kernels.invertFromCholesky(n, session.at[0]!, 4 * n, session.work)
      return session.floats(0, n * n).slice()
    },
    solveEach(matrices, rightSides, d, count) {
      checkNumber('dimension', d, { atLeast: 1, atMost: 512, integer: true })
      checkLength('the matrices', matrices, count * d * d)
      checkLength('the right sides', rightSides, count * d)
      const step = padded(d)
      const out = new Float32Array(count * d)
      // As many systems at a time as fit a megabyte or so.
      const batch = Math.max(1, Math.min(count, Math.floor(2 ** 18 / (step * step))))
      const session = open(4 * batch * step * step, 4 * batch * step, 4 * step)
      for (let from = 0; from < count; from += batch) {
        const many = Math.min(batch, count - from)
        const target = session.floats(0, many * step * step)
        const sides = session.floats(1, many * step)
        target.fill(0)
        sides.fill(0)
        for (let c = 0; c < many; c++) {
          spread(
            matrices.subarray((from + c) * d * d, (from + c + 1) * d * d),
            d,
            target.subarray(c * step * step, (c + 1) * step * step),
            step,
          )
          for (let k = d; k < step; k++) target[c * step * step + k * step + k] = 1
        }
        spread(rightSides.subarray(from * d, (from + many) * d), d, sides, step)
        const failed = session.kernels.solveEach(many, step, ...(session.at as [number, number, number]))
        if (failed >= 0) {
          const system = from + Math.floor(failed / step)
          throw notPositiveDefinite(`matrix ${system}`, failed % step, matrices[system * d * d + (failed % step) * (d + 1)]!)
        }
        out.set(gather(sides, step, d, many), from * d)
      }
      return out
    },
    ridgeRows(problem) {
      checkRidgeRows(problem)
      const { rows, factors, base, ridge, dimension } = problem
      const step = padded(dimension)
      const session = open(
        4 * rows.offsets.length,
        4 * rows.items.length,
        4 * rows.itemCount * step,
        4 * step * step,
        4 * rows.personCount,
        4 * rows.personCount * step,
        4 * (step * step + step + RIDGE_CHUNK * step),
      )
      spreadSparse(session, 0, rows)
      const vectors = session.floats(2, rows.itemCount * step)
      const square = session.floats(3, step * step)
      if (step !== dimension) vectors.fill(0)
      square.fill(0)
      spread(factors, dimension, vectors, step)
      spread(base, dimension, square, step)
      for (let k = dimension; k < step; k++) square[k * step + k] = 1
      session.floats(4, rows.personCount).set(ridge)
      const failed = session.kernels.ridgeRows(
        rows.personCount,
        step,
        ...(session.at as [number, number, number, number, number, number, number]),
      )
      if (failed >= 0) throw notPositiveDefinite(`the matrix of row ${failed}`)
      return gather(session.floats(5, rows.personCount * step), step, dimension, rows.personCount)
    },
    topEigenpairs(matrix, n, count) {
      checkLength('the matrix', matrix, n * n)
      checkNumber('count', count, { atLeast: 0, atMost: n, integer: true })
      const step = padded(n)
      const session = open(4 * n * step, 8 * n, 8 * n, 8 * n, 4 * PANEL * step, 4 * count * step)
      const square = session.floats(0, n * step)
      if (step !== n) square.fill(0)
      spread(matrix, n, square, step)
      const [a, diagonal, offDiagonal, scales, atW, atVectors] = session.at as [number, number, number, number, number, number]
      session.kernels.tridiagonalise(n, a, 4 * step, diagonal, offDiagonal, scales, atW, session.work)
      const form = { diagonal: session.doubles(1, n), offDiagonal: session.doubles(2, n) }
      const values = tridiagonalQl(form).sort().reverse().slice(0, count)
      const vectors = session.floats(5, count * step)
      if (step !== n) vectors.fill(0)
      spread(Float32Array.from(tridiagonalVectors(form, values)), n, vectors, step)
      session.kernels.fromTridiagonal(n, count, a, 4 * step, scales, atVectors)
      return { values, vectors: gather(vectors, step, n, count) }
    },
  }
}
