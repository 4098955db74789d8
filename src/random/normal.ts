/**
 * Standard normals in double precision by Box–Muller, for small vectors (statistics, initial weights). Training noise is drawn inside the
 * kernels, fused with the optimiser. Float noise is not hardened against rounding attacks: figures for outsiders use the discrete mechanisms.
 */
import type { RandomSource } from './source.ts'

/** Fills `out` with independent N(0, stdDev²). The radius uses 53 random bits: the tail reaches 8.57 standard deviations. */
export function fillNormals(out: Float32Array | Float64Array, random: RandomSource, stdDev = 1): void {
  for (let i = 0; i < out.length; i += 2) {
    const radius = stdDev * Math.sqrt(-2 * Math.log(1 - random.nextDouble()))
    const angle = 2 * Math.PI * random.nextDouble()
    out[i] = radius * Math.cos(angle)
    if (i + 1 < out.length) out[i + 1] = radius * Math.sin(angle)
  }
}
