/**
 * Linear algebra that closed-form recommenders stand on: products, Cholesky, inverses, many small solves, eigenpairs of symmetric matrices. The
 * contract of two builds, `reference` (plain TypeScript, doubles inside: the meaning) and WASM SIMD (single precision, blocked); `linearAlgebra`
 * gives the fastest one this engine accepts. Arguments are plain arrays, results are new ones; no call keeps or changes what it was given.
 *
 * Matrices are Float32Array, dense, row by row. Single precision is enough where the condition of a matrix is well below 10⁶ (a ridge sees to
 * that here); a matrix that is not positive definite to single precision is refused, never solved anyway. NaN or infinity in is an error or
 * NaN out: nothing here turns them into a number. Not a general library: no complex numbers, no unsymmetric eigenproblems, no pivoting.
 */
import type { KernelsName } from './kernels.ts'

/** Shape of C[rows × columns] = op(A)[rows × depth] · op(B)[depth × columns]. */
export interface ProductShape {
  readonly rows: number
  readonly depth: number
  readonly columns: number
  /** A is stored as [depth × rows]. */
  readonly transposeA?: boolean
  /** B is stored as [columns × depth]. */
  readonly transposeB?: boolean
}

/** A sparse matrix of ones by rows, structurally the `Positives` of data: columns of row r are items[offsets[r]] … items[offsets[r + 1] − 1], ascending. */
export interface SparseOnes {
  /** Rows. */
  readonly personCount: number
  /** Columns. */
  readonly itemCount: number
  readonly offsets: Uint32Array
  readonly items: Uint32Array
}

export interface Eigenpairs {
  /** Float64Array[count], descending: the largest by value, not by magnitude. */
  readonly values: Float64Array
  /** Float32Array[count × n]: row c is the unit eigenvector of values[c]; rows are orthogonal to each other. */
  readonly vectors: Float32Array
}

export interface RidgeRows {
  /** Which vectors each row is fitted to. */
  readonly rows: SparseOnes
  /** Float32Array[rows.itemCount × dimension] */
  readonly factors: Float32Array
  /** Float32Array[dimension × dimension], symmetric positive semi-definite: the quadratic form every row pays (for iALS α₀·YᵀY). */
  readonly base: Float32Array
  /** Float32Array[rows.personCount]: added to the diagonal, row by row; > 0. */
  readonly ridge: Float32Array
  readonly dimension: number
}

export interface LinearAlgebra {
  readonly name: KernelsName

  /**
   * op(A) · op(B).
   * @returns Float32Array[rows × columns]
   * @throws TacetError invalid-argument if a length does not fit the shape
   */
  multiply(a: Float32Array, b: Float32Array, shape: ProductShape): Float32Array

  /**
   * XᵀX of the rows of a 0/1 matrix, each row times its weight: G[i, j] = Σ weight of the rows that hold both i and j.
   * @param weights Float32Array[rows], default 1
   * @returns Float32Array[columns × columns], both triangles
   */
  gramMatrix(rows: SparseOnes, weights?: Float32Array): Float32Array

  /**
   * X·D for a 0/1 matrix X: row r is the sum of the rows of `dense` that r holds.
   * @param dense Float32Array[columns of X × width]
   * @returns Float32Array[rows of X × width]
   */
  multiplySparse(rows: SparseOnes, dense: Float32Array, width: number): Float32Array

  /**
   * The lower triangle L with matrix = L·Lᵀ.
   * @param matrix Float32Array[n × n], symmetric; the lower triangle is read
   * @returns Float32Array[n × n], 0 above the diagonal
   * @throws TacetError invalid-argument, naming the row, if the matrix is not positive definite to single precision
   */
  choleskyFactor(matrix: Float32Array, n: number): Float32Array

  /**
   * Solves L·Lᵀ·x = b for several b.
   * @param factor from `choleskyFactor`
   * @param rightSides Float32Array[count × n]: one right side a row
   * @returns Float32Array[count × n]
   */
  choleskySolve(factor: Float32Array, n: number, rightSides: Float32Array, count: number): Float32Array

  /**
   * The inverse of a symmetric positive definite matrix, both triangles.
   * @throws as `choleskyFactor`
   */
  invertPositiveDefinite(matrix: Float32Array, n: number): Float32Array

  /**
   * Many small systems, each with its own matrix.
   * @param matrices Float32Array[count × dimension × dimension], symmetric positive definite; lower triangles are read
   * @param rightSides Float32Array[count × dimension]
   * @param dimension 1 … 512
   * @returns Float32Array[count × dimension]
   * @throws as `choleskyFactor`, naming the system
   */
  solveEach(matrices: Float32Array, rightSides: Float32Array, dimension: number, count: number): Float32Array

  /**
   * The half-sweep of implicit ALS: for every row r the w that minimises Σ_{i in r} (w·yᵢ − 1)² + wᵀ·base·w + ridge[r]·‖w‖².
   * An empty row gives 0.
   * @returns Float32Array[rows × dimension]
   */
  ridgeRows(problem: RidgeRows): Float32Array

  /**
   * The largest eigenvalues of a symmetric matrix with their vectors, by tridiagonal form.
   * @param matrix Float32Array[n × n], symmetric, finite; both triangles are read
   * @param count 0 … n
   * Residuals ‖A·v − λ·v‖ are within some 10⁻⁵ of the largest eigenvalue's magnitude. Takes n³, whatever the count; n = 2,500 is comfortable.
   * A larger matrix of which few pairs are wanted: `topEigenpairsOf`.
   */
  topEigenpairs(matrix: Float32Array, n: number, count: number): Eigenpairs
}
