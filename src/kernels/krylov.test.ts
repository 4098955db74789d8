import { describe, expect, test } from 'vitest'
import { seededRandom } from '../random/index.ts'
import { largestEigenpairs } from './krylov.ts'
import { linearAlgebra } from './linear-algebra-create.ts'
import { referenceLinearAlgebra as plain } from './linear-algebra-reference.ts'

const algebra = linearAlgebra()

/** XXᵀ of a random X with `rank` columns of falling length. */
function gram(n: number, rank: number): Float32Array {
  const random = seededRandom(n + rank)
  const x = Float32Array.from({ length: n * rank }, (_, at) => (random.nextDouble() - 0.4) / (1 + (at % rank)))
  return plain.multiply(x, x, { rows: n, depth: rank, columns: n, transposeB: true })
}

function find(matrix: Float32Array, n: number, count: number, options = {}) {
  let applications = 0
  const found = largestEigenpairs(
    algebra,
    (block, width) => {
      applications++
      return algebra.multiply(matrix, block, { rows: n, depth: n, columns: width })
    },
    n,
    count,
    options,
  )
  return { ...found, applications }
}

describe('the largest eigenpairs of an operator', () => {
  test.each([
    [1, 1, 1],
    [7, 7, 7],
    [12, 3, 5],
    [40, 40, 0],
    [150, 150, 9],
    [150, 20, 30],
    [260, 260, 40],
  ])(
    'of %i rows and rank %i: %i pairs satisfy their equation, are orthogonal and have the values of the direct method',
    (n, rank, count) => {
      const matrix = gram(n, rank)
      const { values, vectors } = find(matrix, n, count)
      const direct = plain.topEigenpairs(matrix, n, Math.max(1, count)).values
      const products = plain.multiply(vectors, matrix, { rows: count, depth: n, columns: n })
      const cosines = plain.multiply(vectors, vectors, { rows: count, depth: n, columns: count, transposeB: true })
      expect(values).toHaveLength(count)
      for (let c = 0; c < count; c++) {
        let residual = 0
        for (let j = 0; j < n; j++) residual += (products[c * n + j]! - values[c]! * vectors[c * n + j]!) ** 2
        expect(Math.sqrt(residual)).toBeLessThan(3e-5 * direct[0]!)
        expect(Math.abs(values[c]! - direct[c]!)).toBeLessThan(3e-5 * direct[0]!)
        for (let other = 0; other < count; other++) expect(cosines[c * count + other]).toBeCloseTo(c === other ? 1 : 0, 4)
      }
    },
  )

  test('a restart keeps what is known: values that lie close together are found in the end', () => {
    const n = 200
    // 200 values between 1 and 2, evenly: no gap anywhere.
    const matrix = new Float32Array(n * n)
    for (let i = 0; i < n; i++) matrix[i * n + i] = 1 + ((i * 73) % n) / n
    const { values, applications } = find(matrix, n, 6)
    expect(applications).toBeGreaterThan(6)
    for (let c = 0; c < 6; c++) expect(values[c]).toBeCloseTo(1 + (n - 1 - c) / n, 4)
  })

  test('too few applications, and a matrix that is not finite, are errors', () => {
    const matrix = gram(150, 150)
    expect(() => find(matrix, 150, 9, { maxApplications: 2, tolerance: 1e-9 })).toThrow('after 2 applications')
    expect(() => find(matrix.fill(Number.NaN), 150, 9)).toThrow('not finite')
  })
})
