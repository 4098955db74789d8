/** The plain build of linear-algebra.ts: textbook loops, doubles inside. What the WASM build must equal; slow, but right on every engine. */
import { checkNumber, TacetError } from '../errors.ts'
import type { LinearAlgebra, ProductShape, RidgeRows, SparseOnes } from './linear-algebra.ts'
import { symmetricEigen } from './symmetric-eigen.ts'

/** @throws TacetError invalid-argument */
export function checkLength(what: string, array: ArrayLike<unknown>, wanted: number): void {
  if (array.length !== wanted)
    throw new TacetError('invalid-argument', `${what} has ${array.length} numbers; its shape needs ${wanted}`, {
      details: { what, length: array.length, wanted },
    })
}

export function checkProduct(a: Float32Array, b: Float32Array, { rows, depth, columns }: ProductShape): void {
  for (const [name, value] of Object.entries({ rows, depth, columns })) checkNumber(name, value, { atLeast: 0, integer: true })
  checkLength('the left factor of a product', a, rows * depth)
  checkLength('the right factor of a product', b, depth * columns)
}

/** A pivot below this share of its diagonal entry is rounding: 16 units in the last place of single precision. */
export const PIVOT_FLOOR = 16 * 2 ** -24

/** The refusal both builds give. */
export function notPositiveDefinite(what: string, row?: number, diagonal?: number): TacetError {
  const where = row === undefined ? '' : `: nothing is left of the diagonal ${diagonal} of row ${row}`
  return new TacetError('invalid-argument', `${what} is not positive definite to single precision${where}`, {
    wayOut: 'make the ridge (regularisation) larger, and look for numbers that are not finite',
    details: { what, row, diagonal },
  })
}

/** Lower Cholesky factor in doubles, in place. */
function factorise(a: Float64Array, n: number, what: string): void {
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let sum = a[i * n + j]!
      for (let k = 0; k < j; k++) sum -= a[i * n + k]! * a[j * n + k]!
      if (i > j) a[i * n + j] = sum / a[j * n + j]!
      else {
        if (!(sum > PIVOT_FLOOR * a[i * n + i]! && sum < Number.POSITIVE_INFINITY)) throw notPositiveDefinite(what, i, a[i * n + i]!)
        a[i * n + i] = Math.sqrt(sum)
      }
    }
}

/** Solves L·Lᵀ·x = b in place of b. */
function substitute(factor: ArrayLike<number>, n: number, b: Float64Array): void {
  for (let i = 0; i < n; i++) {
    let sum = b[i]!
    for (let k = 0; k < i; k++) sum -= factor[i * n + k]! * b[k]!
    b[i] = sum / factor[i * n + i]!
  }
  for (let i = n - 1; i >= 0; i--) {
    const x = b[i]! / factor[i * n + i]!
    b[i] = x
    for (let k = 0; k < i; k++) b[k] = b[k]! - factor[i * n + k]! * x
  }
}

function multiply(a: Float32Array, b: Float32Array, shape: ProductShape): Float32Array {
  checkProduct(a, b, shape)
  const { rows, depth, columns, transposeA = false, transposeB = false } = shape
  const out = new Float32Array(rows * columns)
  const sums = new Float64Array(columns)
  for (let r = 0; r < rows; r++) {
    sums.fill(0)
    for (let k = 0; k < depth; k++) {
      const x = transposeA ? a[k * rows + r]! : a[r * depth + k]!
      if (transposeB) for (let c = 0; c < columns; c++) sums[c] = sums[c]! + x * b[c * depth + k]!
      else for (let c = 0; c < columns; c++) sums[c] = sums[c]! + x * b[k * columns + c]!
    }
    out.set(sums, r * columns)
  }
  return out
}

/** Shared by both builds: it is bound by memory, not by arithmetic. */
export function gramMatrix({ personCount, itemCount, offsets, items }: SparseOnes, weights?: Float32Array): Float32Array {
  if (weights) checkLength('the weights of the rows', weights, personCount)
  const gram = new Float32Array(itemCount * itemCount)
  for (let p = 0; p < personCount; p++) {
    const [start, end] = [offsets[p]!, offsets[p + 1]!]
    const weight = weights ? weights[p]! : 1
    for (let a = start; a < end; a++) {
      const at = items[a]! * itemCount
      for (let b = a; b < end; b++) {
        const cell = at + items[b]!
        gram[cell] = gram[cell]! + weight
      }
    }
  }
  // The other triangle, block by block: whole columns at a time would miss the cache with every number.
  for (let r0 = 0; r0 < itemCount; r0 += 64)
    for (let c0 = 0; c0 <= r0; c0 += 64)
      for (let r = r0; r < Math.min(itemCount, r0 + 64); r++)
        for (let c = c0; c < Math.min(r, c0 + 64); c++) gram[r * itemCount + c] = gram[c * itemCount + r]!
  return gram
}

function multiplySparse({ personCount, itemCount, offsets, items }: SparseOnes, dense: Float32Array, width: number): Float32Array {
  checkLength('the dense factor of a sparse product', dense, itemCount * width)
  const out = new Float32Array(personCount * width)
  const sums = new Float64Array(width)
  for (let p = 0; p < personCount; p++) {
    sums.fill(0)
    for (let at = offsets[p]!; at < offsets[p + 1]!; at++) {
      const from = items[at]! * width
      for (let c = 0; c < width; c++) sums[c] = sums[c]! + dense[from + c]!
    }
    out.set(sums, p * width)
  }
  return out
}

export function checkRidgeRows({ rows, factors, base, ridge, dimension }: RidgeRows): void {
  checkNumber('dimension', dimension, { atLeast: 1, atMost: 512, integer: true })
  checkLength('the factors', factors, rows.itemCount * dimension)
  checkLength('the base', base, dimension * dimension)
  checkLength('the ridge', ridge, rows.personCount)
}

function ridgeRows(problem: RidgeRows): Float32Array {
  checkRidgeRows(problem)
  const { rows, factors, base, ridge, dimension: d } = problem
  const out = new Float32Array(rows.personCount * d)
  const matrix = new Float64Array(d * d)
  const side = new Float64Array(d)
  for (let p = 0; p < rows.personCount; p++) {
    if (rows.offsets[p] === rows.offsets[p + 1]) continue
    matrix.set(base)
    side.fill(0)
    for (let k = 0; k < d; k++) matrix[k * d + k] = matrix[k * d + k]! + ridge[p]!
    for (let at = rows.offsets[p]!; at < rows.offsets[p + 1]!; at++) {
      const y = rows.items[at]! * d
      for (let i = 0; i < d; i++) {
        side[i] = side[i]! + factors[y + i]!
        for (let j = 0; j <= i; j++) matrix[i * d + j] = matrix[i * d + j]! + factors[y + i]! * factors[y + j]!
      }
    }
    factorise(matrix, d, `the matrix of row ${p}`)
    substitute(matrix, d, side)
    out.set(side, p * d)
  }
  return out
}

export const referenceLinearAlgebra: LinearAlgebra = {
  name: 'reference',
  multiply,
  gramMatrix,
  multiplySparse,
  ridgeRows,
  choleskyFactor(matrix, n) {
    checkLength('the matrix', matrix, n * n)
    const a = Float64Array.from(matrix)
    factorise(a, n, 'the matrix')
    for (let i = 0; i < n; i++) a.fill(0, i * n + i + 1, (i + 1) * n)
    return Float32Array.from(a)
  },
  choleskySolve(factor, n, rightSides, count) {
    checkLength('the factor', factor, n * n)
    checkLength('the right sides', rightSides, count * n)
    const out = Float64Array.from(rightSides)
    for (let c = 0; c < count; c++) substitute(factor, n, out.subarray(c * n, (c + 1) * n))
    return Float32Array.from(out)
  },
  invertPositiveDefinite(matrix, n) {
    checkLength('the matrix', matrix, n * n)
    const a = Float64Array.from(matrix)
    factorise(a, n, 'the matrix')
    const out = new Float32Array(n * n)
    const column = new Float64Array(n)
    for (let c = 0; c < n; c++) {
      column.fill(0)
      column[c] = 1
      substitute(a, n, column)
      out.set(column, c * n)
    }
    return out
  },
  solveEach(matrices, rightSides, d, count) {
    checkNumber('dimension', d, { atLeast: 1, atMost: 512, integer: true })
    checkLength('the matrices', matrices, count * d * d)
    checkLength('the right sides', rightSides, count * d)
    const out = new Float32Array(count * d)
    for (let c = 0; c < count; c++) {
      const a = Float64Array.from(matrices.subarray(c * d * d, (c + 1) * d * d))
      const x = Float64Array.from(rightSides.subarray(c * d, (c + 1) * d))
      factorise(a, d, `matrix ${c}`)
      substitute(a, d, x)
      out.set(x, c * d)
    }
    return out
  },
  topEigenpairs(matrix, n, count) {
    checkLength('the matrix', matrix, n * n)
    checkNumber('count', count, { atLeast: 0, atMost: n, integer: true })
    const { values, vectors } = symmetricEigen(matrix, n, count)
    return { values, vectors: Float32Array.from(vectors) }
  },
}
