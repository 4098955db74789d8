/**
 * All eigenpairs of a symmetric matrix in double precision: Householder tridiagonal form, then implicit QL (Golub & Van Loan, 8.3; the shifts of
 * EISPACK's `tql2`). Plain loops over contiguous rows; right for some hundred rows, and the meaning of the faster build for more.
 */
import { TacetError } from '../errors.ts'

export interface Tridiagonal {
  /** Float64Array[n] */
  readonly diagonal: Float64Array
  /** Float64Array[n]: coupling of k and k + 1; the last is 0. */
  readonly offDiagonal: Float64Array
}

/**
 * Brings `a` to tridiagonal form QᵀAQ in place; afterwards row k of `a`, from column k + 1, holds the Householder vector vₖ, and
 * Q = H₀·H₁·…, Hₖ = 1 − scales[k]·vₖ·vₖᵀ.
 */
export function tridiagonalise(a: Float64Array, n: number): Tridiagonal & { readonly scales: Float64Array } {
  const diagonal = new Float64Array(n)
  const offDiagonal = new Float64Array(n)
  const scales = new Float64Array(n)
  const w = new Float64Array(n)
  for (let k = 0; k < n; k++) {
    diagonal[k] = a[k * n + k]!
    if (k + 1 === n) break
    const v = a.subarray(k * n, (k + 1) * n)
    let tail = 0
    for (let j = k + 2; j < n; j++) tail += v[j]! * v[j]!
    const first = v[k + 1]!
    if (tail === 0) {
      offDiagonal[k] = first
      continue
    }
    const norm = Math.sqrt(first * first + tail)
    const beta = first > 0 ? -norm : norm
    offDiagonal[k] = beta
    const scale = (beta - first) / beta
    scales[k] = scale
    for (let j = k + 2; j < n; j++) v[j] = v[j]! / (first - beta)
    v[k + 1] = 1
    let vw = 0
    for (let i = k + 1; i < n; i++) {
      let sum = 0
      const row = i * n
      for (let j = k + 1; j < n; j++) sum += a[row + j]! * v[j]!
      w[i] = scale * sum
      vw += w[i]! * v[i]!
    }
    for (let i = k + 1; i < n; i++) w[i] = w[i]! - 0.5 * scale * vw * v[i]!
    for (let i = k + 1; i < n; i++) {
      const row = i * n
      const [vi, wi] = [v[i]!, w[i]!]
      for (let j = k + 1; j < n; j++) a[row + j] = a[row + j]! - vi * w[j]! - wi * v[j]!
    }
  }
  return { diagonal, offDiagonal, scales }
}

/** Applies Q of `tridiagonalise` to each row of `vectors` (count × n), in place. */
function fromTridiagonal(a: Float64Array, scales: Float64Array, n: number, vectors: Float64Array, count: number): void {
  for (let c = 0; c < count; c++)
    for (let k = n - 3; k >= 0; k--) {
      const scale = scales[k]!
      if (scale === 0) continue
      const [v, x] = [k * n, c * n]
      let sum = 0
      for (let j = k + 1; j < n; j++) sum += a[v + j]! * vectors[x + j]!
      sum *= scale
      for (let j = k + 1; j < n; j++) vectors[x + j] = vectors[x + j]! - sum * a[v + j]!
    }
}

/**
 * Eigenvalues of a tridiagonal matrix by implicit QL, in no order; with `vectors` (n × n, rows; start with the identity) also its eigenvectors,
 * row c for value c.
 */
export function tridiagonalQl({ diagonal, offDiagonal }: Tridiagonal, vectors?: Float64Array): Float64Array {
  const n = diagonal.length
  const d = diagonal.slice()
  const e = offDiagonal.slice()
  for (let l = 0; l < n; l++)
    for (let round = 0; ; round++) {
      let m = l
      while (m + 1 < n && Math.abs(e[m]!) > Number.EPSILON * (Math.abs(d[m]!) + Math.abs(d[m + 1]!))) m++
      if (m === l) break
      if (round === 100 || Number.isNaN(d[l]!))
        throw new TacetError('diverged', `eigenvalue ${l} of ${n} did not converge; the matrix may hold a number that is not finite`)
      let g = (d[l + 1]! - d[l]!) / (2 * e[l]!)
      let r = Math.hypot(g, 1)
      g = d[m]! - d[l]! + e[l]! / (g + (g >= 0 ? r : -r))
      let [s, c, p] = [1, 1, 0]
      let i = m - 1
      for (; i >= l; i--) {
        const f = s * e[i]!
        const b = c * e[i]!
        r = Math.hypot(f, g)
        e[i + 1] = r
        if (r === 0) {
          d[i + 1] = d[i + 1]! - p
          e[m] = 0
          break
        }
        s = f / r
        c = g / r
        g = d[i + 1]! - p
        r = (d[i]! - g) * s + 2 * c * b
        p = s * r
        d[i + 1] = g + p
        g = c * r - b
        if (vectors) {
          const [low, high] = [i * n, (i + 1) * n]
          for (let k = 0; k < n; k++) {
            const upper = vectors[high + k]!
            const lower = vectors[low + k]!
            vectors[high + k] = s * lower + c * upper
            vectors[low + k] = c * lower - s * upper
          }
        }
      }
      if (r === 0 && i >= l) continue
      d[l] = d[l]! - p
      e[l] = g
      e[m] = 0
    }
  return d
}

/**
 * The largest `count` eigenpairs.
 * @param matrix n × n, symmetric; both triangles are read
 * @returns values descending, vectors row by row: Float64Array[count × n]
 */
export function symmetricEigen(
  matrix: ArrayLike<number>,
  n: number,
  count: number = n,
): { readonly values: Float64Array; readonly vectors: Float64Array } {
  const a = Float64Array.from(matrix)
  const form = tridiagonalise(a, n)
  const all = new Float64Array(n * n)
  for (let k = 0; k < n; k++) all[k * n + k] = 1
  const found = tridiagonalQl(form, all)
  const order = Array.from(found.keys()).sort((x, y) => found[y]! - found[x]!)
  const vectors = new Float64Array(count * n)
  for (let c = 0; c < count; c++) vectors.set(all.subarray(order[c]! * n, (order[c]! + 1) * n), c * n)
  fromTridiagonal(a, form.scales, n, vectors, count)
  return { values: Float64Array.from(order.slice(0, count), (at) => found[at]!), vectors }
}
