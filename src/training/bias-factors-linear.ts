/**
 * Small dense linear algebra in double precision for the post-processing of noisy statistics: at most a few hundred rows, so plain loops.
 * Not for anything that grows with the data.
 */

/**
 * Solves A x = b for symmetric positive definite A by Cholesky; a pivot below 1e-12 of the largest diagonal entry is lifted to it, so a
 * semi-definite A gives one of its solutions instead of NaN.
 * @param a Float64Array[n·n], row by row; not modified
 * @returns Float64Array[n]
 */
export function solveSymmetric(a: Float64Array, b: Float64Array): Float64Array {
  const n = b.length
  const l = Float64Array.from(a)
  let largest = 0
  for (let i = 0; i < n; i++) largest = Math.max(largest, a[i * n + i] as number)
  const floor = Math.max(largest * 1e-12, 1e-300)
  for (let j = 0; j < n; j++) {
    for (let i = j; i < n; i++) {
      let sum = l[i * n + j] as number
      for (let k = 0; k < j; k++) sum -= (l[i * n + k] as number) * (l[j * n + k] as number)
      l[i * n + j] = i === j ? Math.sqrt(Math.max(sum, floor)) : sum / (l[j * n + j] as number)
    }
  }
  const x = Float64Array.from(b)
  for (let i = 0; i < n; i++) {
    let sum = x[i] as number
    for (let k = 0; k < i; k++) sum -= (l[i * n + k] as number) * (x[k] as number)
    x[i] = sum / (l[i * n + i] as number)
  }
  for (let i = n - 1; i >= 0; i--) {
    let sum = x[i] as number
    for (let k = i + 1; k < n; k++) sum -= (l[k * n + i] as number) * (x[k] as number)
    x[i] = sum / (l[i * n + i] as number)
  }
  return x
}

/**
 * Eigenvalues and eigenvectors of a symmetric matrix by cyclic Jacobi rotations.
 * @returns `values` descending, ≥ 0 (rounding below zero is cut off: the matrices here are second moments); `vectors[i·n + k]` is
 *   coordinate i of eigenvector k
 */
export function eigenSymmetric(matrix: Float64Array, n: number): { values: Float64Array; vectors: Float64Array } {
  const a = Float64Array.from(matrix)
  const v = new Float64Array(n * n)
  for (let i = 0; i < n; i++) v[i * n + i] = 1
  let total = 0
  for (const x of a) total += x * x
  for (let sweep = 0; sweep < 64; sweep++) {
    let offDiagonal = 0
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) offDiagonal += (a[p * n + q] as number) ** 2
    if (offDiagonal <= 1e-24 * total) break
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        const apq = a[p * n + q] as number
        if (apq === 0) continue
        const theta = ((a[q * n + q] as number) - (a[p * n + p] as number)) / (2 * apq)
        const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1))
        const c = 1 / Math.sqrt(t * t + 1)
        const s = t * c
        rotate(a, p, q, n, c, s, n)
        rotate(a, p * n, q * n, 1, c, s, n)
        rotate(v, p, q, n, c, s, n)
      }
    }
  }
  const order = Array.from({ length: n }, (_, k) => k).sort((x, y) => (a[y * n + y] as number) - (a[x * n + x] as number))
  const vectors = new Float64Array(n * n)
  order.forEach((from, to) => {
    for (let i = 0; i < n; i++) vectors[i * n + to] = v[i * n + from] as number
  })
  return { values: Float64Array.from(order, (k) => Math.max(0, a[k * n + k] as number)), vectors }
}

/** Rotates the two strided vectors at `x` and `y` by the angle with cosine c and sine s. */
function rotate(m: Float64Array, x: number, y: number, stride: number, c: number, s: number, n: number): void {
  for (let i = 0; i < n; i++) {
    const a = m[x + i * stride] as number
    const b = m[y + i * stride] as number
    m[x + i * stride] = c * a - s * b
    m[y + i * stride] = s * a + c * b
  }
}
