/**
 * Kernels of graph models: sums over the neighbours of a node, the pairwise ranking loss over nodes' vectors, and their optimiser. The contract of
 * two builds over one fixed memory of their own (not that of kernels.ts): `reference` in plain TypeScript, the meaning of each, and WASM SIMD.
 *
 * Arguments called like a thing are byte offsets into `buffer`, from an `Arena`; matrices are row-major without gaps, their `width` a multiple of
 * 4; node numbers are Uint32. Kernels trust their arguments: callers are Tacet's own trainers. Builds agree to rounding, not bit for bit.
 */
import * as generated from './graph.generated.ts'
import { referenceGraphKernels } from './graph-reference.ts'
import type { KernelsName, Pointer } from './kernels.ts'
import { wasmModule } from './wasm-module.ts'

export interface GraphKernels {
  readonly name: KernelsName
  /** The whole memory; its size never changes. */
  readonly buffer: ArrayBuffer

  /**
   * out[r] = addendFactor·addend[r] + factors[r]·Σ source[n] over the neighbours n of r: a product with a matrix whose entries are all alike in a row.
   * @param offsets Uint32[rows + 1] into `neighbours`
   * @param addend may be `out` itself; `source` may not
   */
  neighbourSums(
    rows: number,
    width: number,
    offsets: Pointer,
    neighbours: Pointer,
    source: Pointer,
    factors: Pointer,
    addend: Pointer,
    addendFactor: number,
    out: Pointer,
  ): void

  /** out[r] += factors[r]·source[r]. */
  addScaledRows(rows: number, width: number, factors: Pointer, source: Pointer, out: Pointer): void

  /**
   * Bayesian personalised ranking over triples of nodes: adds the gradient of Σ softplus(−⟨v[left], v[preferred] − v[other]⟩), preferred ≠ other ≠ left,
   * to `gradient`.
   * @returns that sum
   * @see Rendle et al. 2009
   */
  pairwise(count: number, width: number, left: Pointer, preferred: Pointer, other: Pointer, vectors: Pointer, gradient: Pointer): number

  /**
   * g = scale·gradient; m = β₁m + (1−β₁)g; v = β₂v + (1−β₂)g²; parameters −= alpha·m/(√v + epsilon); gradient = 0.
   * @param count a multiple of 4
   */
  adam(
    count: number,
    parameters: Pointer,
    gradient: Pointer,
    m: Pointer,
    v: Pointer,
    scale: number,
    alpha: number,
    beta1: number,
    beta2: number,
    epsilon: number,
  ): void
}

/** @param byteLength from the arena that planned the memory; null where this engine does not accept the build */
export function wasmGraphKernels(build: 'wasm' | 'wasm-relaxed', byteLength: number): GraphKernels | null {
  const module = wasmModule(build === 'wasm' ? generated.wasmBase64 : generated.wasmRelaxedBase64)
  if (module === null) return null
  const pages = Math.ceil(byteLength / 65536)
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
  const { exports } = new WebAssembly.Instance(module, { env: { memory } })
  return { ...(exports as unknown as GraphKernels), name: build, buffer: memory.buffer }
}

/** The fastest build that this engine accepts. */
export const createGraphKernels = (byteLength: number): GraphKernels =>
  wasmGraphKernels('wasm-relaxed', byteLength) ?? wasmGraphKernels('wasm', byteLength) ?? referenceGraphKernels(byteLength)
