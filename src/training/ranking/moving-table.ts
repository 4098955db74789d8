/**
 * An item table that is moved by noisy gradients: a leaky sum of them, whose orthonormal factor is the table in force. Knows how much noise is in
 * the sum, and in the end keeps the directions that stand out of it. Reads releases only: post-processing.
 */
import { symmetricEigen } from '../../kernels/index.ts'
import { fillNormals, type RandomSource } from '../../random/index.ts'
import { type NoisyGradient, removeDirection } from './user-dp-sgd.ts'

/** The closest matrix with orthonormal columns, A(AᵀA)^(−1/2); with the eigenpairs of AᵀA. */
function polar(a: Float64Array, rows: number, width: number) {
  const gram = new Float64Array(width * width)
  for (let row = 0; row < rows; row++)
    for (let i = 0; i < width; i++) {
      const x = a[row * width + i] as number
      for (let j = 0; j <= i; j++) gram[i * width + j] = (gram[i * width + j] as number) + x * (a[row * width + j] as number)
    }
  for (let i = 0; i < width; i++) for (let j = 0; j < i; j++) gram[j * width + i] = gram[i * width + j] as number
  const { values, vectors } = symmetricEigen(gram, width)
  const root = new Float64Array(width * width)
  const floor = Math.max(...values) * 1e-14
  for (let k = 0; k < width; k++) {
    const factor = 1 / Math.sqrt(Math.max(values[k] as number, floor, Number.MIN_VALUE))
    for (let i = 0; i < width; i++)
      for (let j = 0; j < width; j++)
        (root[i * width + j] as number) += factor * (vectors[k * width + i] as number) * (vectors[k * width + j] as number)
  }
  const orthonormal = new Float64Array(rows * width)
  for (let row = 0; row < rows; row++)
    for (let i = 0; i < width; i++) {
      const x = a[row * width + i] as number
      for (let j = 0; j < width; j++)
        orthonormal[row * width + j] = (orthonormal[row * width + j] as number) + x * (root[i * width + j] as number)
    }
  return { orthonormal, values, vectors }
}

/** Directions of an item table that stand out of the noise, strongest first. */
export interface TableFactors {
  /** Unit vectors: Float64Array[rows] each. */
  readonly left: readonly Float64Array[]
  /** Of each in (0, 1): η/(η + edge), η its length with the noise taken out, edge the largest length that noise alone would have. */
  readonly gains: readonly number[]
}

/**
 * @param direction unit vector over the rows that the table stays orthogonal to, or null
 * @param retention what is kept of the sum of earlier steps at each new one
 * @param random for the start: nothing but noise
 */
export function createMovingTable(rows: number, width: number, direction: Float64Array | null, retention: number, random: RandomSource) {
  const sum = new Float64Array(rows * width)
  fillNormals(sum, random)
  if (direction) removeDirection(sum, direction, width)
  const table = polar(sum, rows, width).orthonormal
  sum.fill(0)
  let variance = 0
  return {
    table,
    apply({ tables, noiseStdDev, maxGradNorm }: NoisyGradient): void {
      // In units of the bound, so that steps under a moving bound weigh alike.
      const gradient = tables[0] as Float64Array
      for (let i = 0; i < sum.length; i++) sum[i] = retention * (sum[i] as number) + (gradient[i] as number) / maxGradNorm
      variance = retention ** 2 * variance + (noiseStdDev / maxGradNorm) ** 2
      table.set(polar(sum, rows, width).orthonormal)
    },
    /** Left singular vectors, with the gain of each after its noise: 0 for one that noise alone could make. */
    factors(): TableFactors {
      const { values, vectors } = polar(sum, rows, width)
      const edge = Math.sqrt(variance) * (Math.sqrt(rows) + Math.sqrt(width))
      const kept = Array.from(values, (value, at) => {
        const signal = Math.sqrt(Math.max(0, value - edge * edge))
        return { at, length: Math.sqrt(Math.max(0, value)), gain: signal > 0 ? signal / (signal + edge) : 0 }
      }).filter(({ gain }) => gain > 0)
      const left = kept.map(({ at, length }) => {
        const column = new Float64Array(rows)
        for (let row = 0; row < rows; row++) {
          let dot = 0
          for (let i = 0; i < width; i++) dot += (sum[row * width + i] as number) * (vectors[at * width + i] as number)
          column[row] = dot / length
        }
        return column
      })
      return { left, gains: kept.map(({ gain }) => gain) }
    },
  }
}
