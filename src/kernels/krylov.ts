/**
 * The largest eigenpairs of a symmetric operator that is only ever applied: block Krylov space, orthogonalised in full, with a Rayleigh–Ritz step
 * and thick restarts (Golub & Van Loan, 10.3; Wu & Simon 2000). For some tens or hundreds of pairs of a sparse or very large matrix; the number of
 * applications grows slowly as neighbouring eigenvalues come closer. Deterministic: the first block is pseudo-random from a fixed start.
 */
import { checkNumber, TacetError } from '../errors.ts'
import type { Eigenpairs, LinearAlgebra } from './linear-algebra.ts'
import { symmetricEigen, uniformStart } from './symmetric-eigen.ts'

export interface KrylovOptions {
  /** Residual of each pair ‖A·v − λ·v‖, as a share of the largest eigenvalue's magnitude. Default 10⁻⁵; single precision carries little more. */
  readonly tolerance?: number
  /** Applications of the operator to a block, at most, before it is an error; default 200. */
  readonly maxApplications?: number
}

/**
 * @param apply A·X for X of `width` columns: Float32Array[n × width] to a new one of the same shape; symmetric
 * @param count 0 … n
 * @throws TacetError diverged if the tolerance is not met within maxApplications, or a number is not finite
 */
export function largestEigenpairs(
  algebra: Pick<LinearAlgebra, 'multiply' | 'topEigenpairs'>,
  apply: (block: Float32Array, width: number) => Float32Array,
  n: number,
  count: number,
  { tolerance = 1e-5, maxApplications = 200 }: KrylovOptions = {},
): Eigenpairs {
  checkNumber('count', count, { atLeast: 0, atMost: n, integer: true })
  if (count === 0) return { values: new Float64Array(0), vectors: new Float32Array(0) }
  const blockWidth = Math.min(n, Math.max(8, Math.ceil(count / 2)))
  const largestBasis = Math.min(n, 4 * count + 4 * blockWidth)

  /** Orthonormal columns of the basis, block by block, each [n × width]. */
  let blocks: { readonly columns: Float32Array; readonly width: number }[] = []
  let size = 0
  /** basisᵀ·A·basis as far as it is known: row `at` holds columns 0 … at. */
  let projected: Float64Array[] = []
  const uniform = uniformStart()
  let next = orthonormal(
    algebra,
    Float32Array.from({ length: n * blockWidth }, () => uniform()),
    n,
    blockWidth,
  )
  let residual = Number.POSITIVE_INFINITY

  for (let round = 0; round < maxApplications; round++) {
    const image = apply(next.columns, next.width)
    for (const value of [image[0], image[image.length - 1]])
      if (!Number.isFinite(value)) throw new TacetError('diverged', 'the matrix whose eigenvectors are wanted is not finite')
    // The new rows of the projection, then what of the image lies outside the basis.
    blocks.push(next)
    const rows = Array.from({ length: next.width }, () => new Float64Array(size + next.width))
    for (let pass = 0; pass < 2; pass++) {
      let start = 0
      for (const block of blocks) {
        const part = algebra.multiply(block.columns, image, { rows: block.width, depth: n, columns: next.width, transposeA: true })
        if (pass === 0)
          for (let c = 0; c < next.width; c++)
            for (let b = 0; b < block.width; b++) rows[c]![start + b] = part[b * next.width + c] as number
        const inside = algebra.multiply(block.columns, part, { rows: n, depth: block.width, columns: next.width })
        for (let at = 0; at < image.length; at++) image[at] = (image[at] as number) - (inside[at] as number)
        start += block.width
      }
    }
    projected.push(...rows)
    size += next.width
    const full = new Float64Array(size * size)
    for (let r = 0; r < size; r++)
      for (let c = 0; c <= r; c++) full[r * size + c] = full[c * size + r] = (projected[r] as Float64Array)[c] as number
    const wanted = Math.min(size, count + blockWidth)
    const ritz = size > 300 ? doubled(algebra.topEigenpairs(Float32Array.from(full), size, wanted)) : symmetricEigen(full, size, wanted)
    const rest = orthonormal(algebra, image, n, next.width)
    if (size >= count) {
      const top = Math.abs(ritz.values[0] as number) || 1
      residual = 0
      // ‖A·v − λ·v‖ = ‖(what left the basis) · (the last block's part of the Ritz vector)‖
      for (let c = 0; c < count; c++) {
        let square = 0
        for (let r = 0; r < rest.width; r++) {
          let sum = 0
          for (let k = 0; k < next.width; k++)
            sum += (rest.factor[r * next.width + k] as number) * (ritz.vectors[c * size + size - next.width + k] as number)
          square += sum * sum
        }
        residual = Math.max(residual, Math.sqrt(square) / top)
      }
      if (residual <= tolerance || size === n || rest.width === 0) {
        const vectors = ritzVectors(count)
        return { values: ritz.values.slice(0, count), vectors: transpose(vectors, n, count) }
      }
    }
    if (size + rest.width > largestBasis && size > wanted) {
      // Thick restart: the best Ritz vectors stand for the whole basis; in them the projection is diagonal.
      blocks = [{ columns: ritzVectors(wanted), width: wanted }]
      projected = Array.from({ length: wanted }, (_, r) => {
        const row = new Float64Array(r + 1)
        row[r] = ritz.values[r] as number
        return row
      })
      size = wanted
    }
    next = rest.width > n - size ? { ...rest, width: n - size, columns: narrowed(rest.columns, n, rest.width, n - size) } : rest

    /** basis · the first Ritz vectors: [n × wantedCount]. */
    function ritzVectors(wantedCount: number): Float32Array {
      const out = new Float32Array(n * wantedCount)
      let start = 0
      for (const block of blocks) {
        const part = new Float32Array(block.width * wantedCount)
        for (let b = 0; b < block.width; b++)
          for (let c = 0; c < wantedCount; c++) part[b * wantedCount + c] = ritz.vectors[c * size + start + b] as number
        const product = algebra.multiply(block.columns, part, { rows: n, depth: block.width, columns: wantedCount })
        for (let at = 0; at < out.length; at++) out[at] = (out[at] as number) + (product[at] as number)
        start += block.width
      }
      return out
    }
  }
  throw new TacetError(
    'diverged',
    `${count} eigenpairs of ${n} rows are known to ${residual.toExponential(1)} of the largest after ${maxApplications} applications; ${tolerance} was wanted`,
    { wayOut: 'ask for fewer pairs, or a larger tolerance' },
  )
}

const doubled = ({ values, vectors }: Eigenpairs) => ({ values, vectors: Float64Array.from(vectors) })

function transpose(columns: Float32Array, n: number, width: number): Float32Array {
  const out = new Float32Array(columns.length)
  for (let r = 0; r < n; r++) for (let c = 0; c < width; c++) out[c * n + r] = columns[r * width + c] as number
  return out
}

function narrowed(columns: Float32Array, n: number, width: number, kept: number): Float32Array {
  const out = new Float32Array(n * kept)
  for (let r = 0; r < n; r++) out.set(columns.subarray(r * width, r * width + kept), r * kept)
  return out
}

/**
 * Orthonormal columns Q with X = Q·factor, by the eigenvectors of XᵀX, twice; directions of less than single precision are dropped, so Q may have
 * fewer columns.
 * @returns factor Float32Array[width of Q × width of X]
 */
function orthonormal(
  algebra: Pick<LinearAlgebra, 'multiply'>,
  block: Float32Array,
  n: number,
  blockWidth: number,
): { readonly columns: Float32Array; readonly width: number; readonly factor: Float32Array } {
  let columns = block
  let width = blockWidth
  let factor: Float32Array | null = null
  for (let pass = 0; pass < 2; pass++) {
    const cosines = algebra.multiply(columns, columns, { rows: width, depth: n, columns: width, transposeA: true })
    const { values, vectors } = symmetricEigen(cosines, width)
    let kept = 0
    while (kept < width && (values[kept] as number) > 1e-6 * (values[0] as number) && (values[kept] as number) > 0) kept++
    // X·V·diag(1/√λ) is orthonormal; its factor is diag(√λ)·Vᵀ.
    const right = new Float32Array(width * kept)
    const left = new Float32Array(kept * width)
    for (let c = 0; c < kept; c++) {
      const scale = Math.sqrt(values[c] as number)
      for (let k = 0; k < width; k++) {
        right[k * kept + c] = (vectors[c * width + k] as number) / scale
        left[c * width + k] = (vectors[c * width + k] as number) * scale
      }
    }
    columns = algebra.multiply(columns, right, { rows: n, depth: width, columns: kept })
    factor = factor === null ? left : algebra.multiply(left, factor, { rows: kept, depth: width, columns: blockWidth })
    width = kept
  }
  return { columns, width, factor: factor as Float32Array }
}
