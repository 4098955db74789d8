/**
 * The contract every build of the linear algebra passes: what the plain build gives, to single precision, and the algebra itself (A·A⁻¹ = 1, A·v =
 * λ·v), at sizes around the block lengths 4, 8, 64, 128 and 256.
 */
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../random/index.ts'
import type { LinearAlgebra, SparseOnes } from './linear-algebra.ts'
import { referenceLinearAlgebra as plain } from './linear-algebra-reference.ts'

/** Uniform in −1 … 1. */
function randomMatrix(label: string, length: number): Float32Array {
  const random = seededRandom(11).split(label)
  return Float32Array.from({ length }, () => 2 * random.nextDouble() - 1)
}

/** XᵀX + ridge of a random X of 2n rows, in doubles: positive definite, exactly symmetric. */
function definite(n: number, ridge = n / 4): Float32Array {
  const x = randomMatrix(`definite ${n}`, 2 * n * n)
  const out = plain.multiply(x, x, { rows: n, depth: 2 * n, columns: n, transposeA: true })
  for (let i = 0; i < n; i++) {
    out[i * n + i]! += ridge
    for (let j = 0; j < i; j++) out[j * n + i] = out[i * n + j]!
  }
  return out
}

function randomOnes(people: number, itemCount: number, density: number): SparseOnes {
  const random = seededRandom(5)
  const offsets = new Uint32Array(people + 1)
  const items: number[] = []
  for (let p = 0; p < people; p++) {
    // Every seventh row is empty.
    if (p % 7 !== 3) for (let i = 0; i < itemCount; i++) if (random.nextDouble() < density) items.push(i)
    offsets[p + 1] = items.length
  }
  return { personCount: people, itemCount, offsets, items: Uint32Array.from(items) }
}

/** Largest difference, relative to the largest expected number. */
function distance(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(got.length).toBe(expected.length)
  let [size, worst] = [0, 0]
  for (let i = 0; i < expected.length; i++) {
    size = Math.max(size, Math.abs(expected[i]!))
    worst = Math.max(worst, Math.abs(got[i]! - expected[i]!))
    if (!Number.isFinite(got[i]!)) return Number.NaN
  }
  return size === 0 ? worst : worst / size
}

const transposed = (square: Float32Array, n: number) => square.map((_, at) => square[(at % n) * n + Math.floor(at / n)]!)
const identity = (n: number) => Float32Array.from({ length: n * n }, (_, at) => (at % (n + 1) === 0 ? 1 : 0))

export function describeLinearAlgebra(algebra: LinearAlgebra, how = ''): void {
  describe(`${how}${algebra.name} linear algebra`, () => {
    const shapes = [
      [0, 3, 2],
      [2, 0, 3],
      [1, 1, 1],
      [3, 5, 7],
      [4, 8, 8],
      [5, 9, 17],
      [64, 63, 65],
      [33, 300, 70],
      [130, 257, 41],
      [9, 30, 530],
    ] as const
    test.each(shapes)('a product of %i × %i by %i columns is the plain one, either factor transposed or not', (rows, depth, columns) => {
      const a = randomMatrix('a', rows * depth)
      const b = randomMatrix('b', depth * columns)
      for (const transposeA of [false, true])
        for (const transposeB of [false, true]) {
          const shape = { rows, depth, columns, transposeA, transposeB }
          expect(distance(algebra.multiply(a, b, shape), plain.multiply(a, b, shape)), JSON.stringify(shape)).toBeLessThan(1e-5)
        }
    })

    test('a product of the wrong length is refused, and NaN stays NaN', () => {
      expect(() => algebra.multiply(new Float32Array(5), new Float32Array(6), { rows: 2, depth: 3, columns: 2 })).toThrow(
        'the left factor of a product has 5 numbers; its shape needs 6',
      )
      const a = randomMatrix('a', 6)
      a[4] = Number.NaN
      const product = algebra.multiply(a, randomMatrix('b', 6), { rows: 2, depth: 3, columns: 2 })
      expect([...product].map(Number.isNaN)).toEqual([false, false, true, true])
    })

    test.each([1, 2, 3, 5, 63, 64, 65, 129, 195])('the inverse and the factor of %i rows', (n) => {
      const matrix = definite(n)
      const before = matrix.slice()
      const inverse = algebra.invertPositiveDefinite(matrix, n)
      expect(matrix).toEqual(before)
      const square = { rows: n, depth: n, columns: n }
      expect(distance(plain.multiply(matrix, inverse, square), identity(n)), 'A · A⁻¹').toBeLessThan(1e-4)
      expect(distance(inverse, plain.invertPositiveDefinite(matrix, n)), 'against the plain build').toBeLessThan(1e-4)
      expect(transposed(inverse, n), 'both triangles').toEqual(inverse)

      const factor = algebra.choleskyFactor(matrix, n)
      expect(distance(factor, plain.choleskyFactor(matrix, n)), 'factor').toBeLessThan(1e-4)
      expect(distance(plain.multiply(factor, factor, { ...square, transposeB: true }), matrix), 'L · Lᵀ').toBeLessThan(1e-5)
      for (const count of [1, 3, 70]) {
        const x = randomMatrix('x', count * n)
        const b = plain.multiply(x, matrix, { rows: count, depth: n, columns: n })
        expect(distance(algebra.choleskySolve(factor, n, b, count), x), `${count} solutions`).toBeLessThan(1e-4)
      }
    })

    test.each([3, 70, 200])('a matrix of %i rows that is not positive definite is refused by name of its row', (n) => {
      const negative = definite(n)
      negative[n * n - 1] = -1
      expect(() => algebra.choleskyFactor(negative, n)).toThrow(new RegExp(`not positive definite.* of row ${n - 1}`))
      const repeated = definite(n)
      // The last row and column repeat the first: singular, but for rounding.
      for (let i = 0; i < n; i++) repeated[(n - 1) * n + i] = repeated[i * n + n - 1] = repeated[i]!
      repeated[n * n - 1] = repeated[0]!
      expect(() => algebra.invertPositiveDefinite(repeated, n)).toThrow('not positive definite')
      const broken = definite(n)
      broken[(n - 1) * n] = Number.NaN
      expect(() => algebra.invertPositiveDefinite(broken, n)).toThrow('not positive definite')
    })

    test.each([1, 3, 4, 17, 64, 90])('many systems of %i rows are each the plain solution, and a bad one is named', (d) => {
      const count = 36
      const matrices = new Float32Array(count * d * d)
      for (let c = 0; c < count; c++) {
        const matrix = definite(d, 1 + c)
        matrices.set(matrix, c * d * d)
      }
      const sides = randomMatrix('sides', count * d)
      expect(distance(algebra.solveEach(matrices, sides, d, count), plain.solveEach(matrices, sides, d, count))).toBeLessThan(1e-4)
      matrices[31 * d * d] = 0
      expect(() => algebra.solveEach(matrices, sides, d, count)).toThrow('matrix 31 is not positive definite')
    })

    test.each([1, 5, 16, 64])('ridge rows of dimension %i are the plain solutions, and an empty row gives 0', (dimension) => {
      const rows = randomOnes(50, 400, 0.5)
      const problem = {
        rows,
        dimension,
        factors: randomMatrix('factors', 400 * dimension),
        base: definite(dimension),
        ridge: Float32Array.from({ length: 50 }, (_, p) => 1 + p),
      }
      const solved = algebra.ridgeRows(problem)
      expect(distance(solved, plain.ridgeRows(problem))).toBeLessThan(1e-4)
      expect(solved.subarray(3 * dimension, 4 * dimension).every((value) => value === 0)).toBe(true)
      problem.ridge[20] = Number.NaN
      expect(() => algebra.ridgeRows(problem)).toThrow('row 20 is not positive definite')
    })

    test('Gram matrices and sparse products are those of the dense matrix', () => {
      const rows = randomOnes(40, 33, 0.3)
      const dense = new Float32Array(40 * 33)
      const weights = randomMatrix('weights', 40)
      const weighted = new Float32Array(40 * 33)
      for (let p = 0; p < 40; p++)
        for (const item of rows.items.subarray(rows.offsets[p], rows.offsets[p + 1])) {
          dense[p * 33 + item] = 1
          weighted[p * 33 + item] = weights[p]!
        }
      const shape = { rows: 33, depth: 40, columns: 33, transposeA: true }
      expect(algebra.gramMatrix(rows)).toEqual(plain.multiply(dense, dense, shape))
      expect(distance(algebra.gramMatrix(rows, weights), plain.multiply(dense, weighted, shape))).toBeLessThan(1e-5)
      for (const width of [1, 6, 8]) {
        const right = randomMatrix('right', 33 * width)
        const product = algebra.multiplySparse(rows, right, width)
        expect(distance(product, plain.multiply(dense, right, { rows: 40, depth: 33, columns: width }))).toBeLessThan(1e-5)
      }
    })

    const spectra: Record<string, (n: number) => Float32Array> = {
      'a random matrix': definite,
      'a matrix with negative eigenvalues': (n) => {
        const out = definite(n)
        for (let i = 0; i < n; i++) out[i * n + i]! -= n
        return out
      },
      'the identity': identity,
      zeros: (n) => new Float32Array(n * n),
      'a matrix of rank 2': (n) => {
        const x = randomMatrix('rank', 2 * n)
        return plain.multiply(x, x, { rows: n, depth: 2, columns: n, transposeA: true })
      },
      'a diagonal matrix with repeats': (n) => {
        const out = new Float32Array(n * n)
        for (let i = 0; i < n; i++) out[i * n + i] = i % 3
        return out
      },
    }
    test.each(Object.entries(spectra))('eigenpairs of %s satisfy their equation and are orthogonal', (_name, make) => {
      for (const n of [1, 2, 3, 5, 40, 67]) {
        const matrix = make(n)
        const count = Math.ceil(n * 0.7)
        const { values, vectors } = algebra.topEigenpairs(matrix, n, count)
        const size = Math.max(Math.abs(values[0]!), ...matrix.map(Math.abs))
        const products = plain.multiply(vectors, matrix, { rows: count, depth: n, columns: n })
        const residuals = products.map((value, at) => value - values[Math.floor(at / n)]! * vectors[at]!)
        expect(Math.max(...residuals.map(Math.abs)), `n = ${n}`).toBeLessThanOrEqual(1e-5 * size)
        const cosines = plain.multiply(vectors, vectors, { rows: count, depth: n, columns: count, transposeB: true })
        expect(distance(cosines, identity(count)), `n = ${n}`).toBeLessThan(1e-5)
        expect(distance(values, plain.topEigenpairs(matrix, n, count).values), `n = ${n}`).toBeLessThan(1e-5)
        expect([...values]).toEqual([...values].sort((x, y) => y - x))
      }
    })
  })
}
