/** The plain build of the kernels of graph.ts, sums in doubles: what each means, and the fallback where WASM SIMD is missing. */
import type { GraphKernels } from './graph.ts'
import type { Pointer } from './kernels.ts'

export function referenceGraphKernels(byteLength: number): GraphKernels {
  const buffer = new ArrayBuffer(Math.ceil(byteLength / 65536) * 65536)
  const f = new Float32Array(buffer)
  const u = new Uint32Array(buffer)
  const at = (pointer: Pointer) => pointer >>> 2

  return {
    name: 'reference',
    buffer,

    neighbourSums(rows, width, offsets, neighbours, source, factors, addend, addendFactor, out) {
      const sums = new Float64Array(width)
      for (let r = 0; r < rows; r++) {
        sums.fill(0)
        const to = u[at(offsets) + r + 1] as number
        for (let e = u[at(offsets) + r] as number; e < to; e++) {
          const from = at(source) + (u[at(neighbours) + e] as number) * width
          for (let k = 0; k < width; k++) (sums[k] as number) += f[from + k] as number
        }
        const factor = f[at(factors) + r] as number
        for (let k = 0; k < width; k++)
          f[at(out) + r * width + k] = addendFactor * (f[at(addend) + r * width + k] as number) + factor * (sums[k] as number)
      }
    },

    addScaledRows(rows, width, factors, source, out) {
      for (let r = 0; r < rows; r++)
        for (let k = r * width; k < (r + 1) * width; k++)
          (f[at(out) + k] as number) += (f[at(factors) + r] as number) * (f[at(source) + k] as number)
    },

    pairwise(count, width, left, preferred, other, vectors, gradient) {
      let loss = 0
      for (let n = 0; n < count; n++) {
        const [a, b, c] = [left, preferred, other].map((nodes) => (u[at(nodes) + n] as number) * width) as [number, number, number]
        const value = (row: number, k: number) => f[at(vectors) + row + k] as number
        let margin = 0
        for (let k = 0; k < width; k++) margin += value(a, k) * (value(b, k) - value(c, k))
        loss += Math.log1p(Math.exp(-Math.abs(margin))) + Math.max(0, -margin)
        const slope = -1 / (1 + Math.exp(margin))
        for (let k = 0; k < width; k++) {
          ;(f[at(gradient) + a + k] as number) += slope * (value(b, k) - value(c, k))
          ;(f[at(gradient) + b + k] as number) += slope * value(a, k)
          ;(f[at(gradient) + c + k] as number) -= slope * value(a, k)
        }
      }
      return loss
    },

    adam(count, parameters, gradient, m, v, scale, alpha, beta1, beta2, epsilon) {
      for (let i = 0; i < count; i++) {
        const g = scale * (f[at(gradient) + i] as number)
        const first = beta1 * (f[at(m) + i] as number) + (1 - beta1) * g
        const second = beta2 * (f[at(v) + i] as number) + (1 - beta2) * g * g
        f[at(m) + i] = first
        f[at(v) + i] = second
        ;(f[at(parameters) + i] as number) -= (alpha * first) / (Math.sqrt(second) + epsilon)
        f[at(gradient) + i] = 0
      }
    },
  }
}
