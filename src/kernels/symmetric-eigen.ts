/**
 * All eigenpairs of a symmetric matrix in double precision: Householder tridiagonal form, then implicit QL (Golub & Van Loan, 8.3; the shifts of
 * EISPACK's `tql2`). Plain loops over contiguous rows; right for some hundred rows, and the meaning of the faster build for more.
 */
import { TacetError } from '../errors.ts'

/** Numbers in −½ … ½ for starting vectors, the same every time: they only have to be in no special direction. */
export function uniformStart(): () => number {
  let state = 0x2545f491
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32 - 0.5
  }
}

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
      let r = Math.sqrt(g * g + 1)
      g = d[m]! - d[l]! + e[l]! / (g + (g >= 0 ? r : -r))
      let [s, c, p] = [1, 1, 0]
      let i = m - 1
      for (; i >= l; i--) {
        const f = s * e[i]!
        const b = c * e[i]!
        r = Math.sqrt(f * f + g * g)
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

/** Values closer than this share of the largest get vectors that are made orthogonal one by one; vectors further apart come out orthogonal. */
const CLUSTER = 1e-6

/**
 * Eigenvectors of a tridiagonal matrix for known eigenvalues, by inverse iteration (Golub & Van Loan, 8.2.2; clusters as LAPACK's `dstein`).
 * @param values eigenvalues, descending
 * @returns Float64Array[values × n]: unit rows, orthogonal to about 10⁻⁹
 * @throws TacetError diverged if no start leads to a vector, which a matrix that is not finite can cause
 */
export function tridiagonalVectors({ diagonal, offDiagonal }: Tridiagonal, values: Float64Array): Float64Array {
  const n = diagonal.length
  const vectors = new Float64Array(values.length * n)
  let size = 0
  for (let k = 0; k < n; k++) size = Math.max(size, Math.abs(diagonal[k]!) + Math.abs(offDiagonal[k]!) + Math.abs(offDiagonal[k - 1] ?? 0))
  if (size === 0) size = 1
  // Rows of U after elimination with row exchange: three diagonals; and what was done, to do it to right sides.
  const [u0, u1, u2, factor] = [new Float64Array(n), new Float64Array(n), new Float64Array(n), new Float64Array(n)]
  const exchanged = new Uint8Array(n)
  const uniform = uniformStart()
  let shift = Number.POSITIVE_INFINITY
  let clusterStart = 0
  for (let c = 0; c < values.length; c++) {
    if (c > 0 && values[c - 1]! - values[c]! > CLUSTER * size) clusterStart = c
    // Equal values are told apart by a hair, or elimination would repeat itself.
    shift = Math.min(values[c]!, shift - 4 * Number.EPSILON * size)
    let [a, b] = [diagonal[0]! - shift, offDiagonal[0]!]
    for (let k = 0; k < n; k++) {
      if (k + 1 === n) {
        u0[k] = a
        break
      }
      const below = offDiagonal[k]!
      const [nextA, nextB] = [diagonal[k + 1]! - shift, offDiagonal[k + 1]!]
      exchanged[k] = Math.abs(below) > Math.abs(a) ? 1 : 0
      if (exchanged[k]) {
        factor[k] = a / below
        ;[u0[k], u1[k], u2[k]] = [below, nextA, nextB]
        ;[a, b] = [b - factor[k]! * nextA, -factor[k]! * nextB]
      } else {
        factor[k] = a === 0 ? 0 : below / a
        ;[u0[k], u1[k], u2[k]] = [a, b, 0]
        ;[a, b] = [nextA - factor[k]! * b, nextB]
      }
    }
    const floor = Number.EPSILON * size
    for (let k = 0; k < n; k++) if (Math.abs(u0[k]!) < floor) u0[k] = u0[k]! < 0 ? -floor : floor

    const x = vectors.subarray(c * n, (c + 1) * n)
    let good = 0
    for (let round = 0; good < 2; round++) {
      if (round === 12)
        throw new TacetError('diverged', `eigenvector ${c} of ${n} did not converge; the matrix may hold a number that is not finite`)
      if (good === 0) for (let k = 0; k < n; k++) x[k] = uniform()
      for (let k = 0; k + 1 < n; k++) {
        if (exchanged[k]) [x[k], x[k + 1]] = [x[k + 1]!, x[k]!]
        x[k + 1] = x[k + 1]! - factor[k]! * x[k]!
      }
      for (let k = n - 1; k >= 0; k--) {
        const right = x[k]! - (k + 1 < n ? u1[k]! * x[k + 1]! : 0) - (k + 2 < n ? u2[k]! * x[k + 2]! : 0)
        x[k] = right / u0[k]!
      }
      const before = normalise(x)
      // Twice: once is not enough where little of the vector is left.
      for (let pass = 0; pass < 2; pass++)
        for (let other = clusterStart; other < c; other++) {
          const y = vectors.subarray(other * n, (other + 1) * n)
          let sum = 0
          for (let k = 0; k < n; k++) sum += x[k]! * y[k]!
          for (let k = 0; k < n; k++) x[k] = x[k]! - sum * y[k]!
        }
      const left = normalise(x)
      good = Number.isFinite(before) && left > 1e-3 / Math.sqrt(n) ? good + 1 : 0
    }
  }
  return vectors
}

/** Divides by the norm, which it returns; a vector of zeros stays. */
function normalise(x: Float64Array): number {
  let largest = 0
  for (const value of x) largest = Math.max(largest, Math.abs(value))
  if (!(largest > 0)) return largest
  let sum = 0
  for (let k = 0; k < x.length; k++) {
    x[k] = x[k]! / largest
    sum += x[k]! * x[k]!
  }
  const norm = Math.sqrt(sum)
  for (let k = 0; k < x.length; k++) x[k] = x[k]! / norm
  return largest * norm
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
