/**
 * Kernels of ranking models that learn from likes: examples with sampled negatives, stochastic gradient steps of factor models, score blocks and
 * exact top lists. The contract of two builds over one fixed memory of their own: `reference` in plain TypeScript, the meaning of each, and WASM
 * SIMD.
 *
 * Arguments called like a thing are byte offsets into `buffer`, from an `Arena`; matrices are row-major without gaps; people, items and likes are
 * Uint32. Kernels trust their arguments: callers are Tacet's own trainers. Whole numbers (examples, lists of equal scores) are the same in every
 * build; floating-point sums agree to rounding, so a seeded run names its build.
 *
 * The generator is xoshiro128**, four words that are not all 0: fast and repeatable, good enough to draw negatives, not for noise.
 */

import type { KernelsName, Pointer } from './kernels.ts'
import * as generated from './ranking.generated.ts'
import { referenceRankingKernels } from './ranking-reference.ts'
import { wasmModule } from './wasm-module.ts'

export interface RankingKernels {
  readonly name: KernelsName
  /** The whole memory; its size never changes. */
  readonly buffer: ArrayBuffer

  /** Puts Uint32[count] into a uniformly random order (Fisher & Yates). */
  shuffle(count: number, order: Pointer, state: Pointer): void

  /**
   * Writes `count` examples of the likes order[0 … count−1]: who, what they liked, and `negatives` items drawn uniformly from those they do not
   * have. Nobody among them may have every item.
   * @param owner Uint32[likes]: person of each like
   * @param offsets Uint32[people + 1] into `items`
   * @param items Uint32[likes], ascending in a row
   * @param others Uint32[count · negatives]
   */
  sampleOthers(
    count: number,
    negatives: number,
    itemCount: number,
    order: Pointer,
    owner: Pointer,
    offsets: Pointer,
    items: Pointer,
    state: Pointer,
    people: Pointer,
    preferred: Pointer,
    others: Pointer,
  ): void

  /**
   * One step after the other down softplus(−margin) + decay/2·(‖p‖² + ‖i‖² + ‖j‖² + bᵢ² + bⱼ²), margin = ⟨p, i − j⟩ + bᵢ − bⱼ, for each example and
   * each of its negatives j ≠ i; with `hardest` only for the negative that scores highest then (Zhang et al. 2013, dynamic negative sampling).
   * @param width a multiple of 4
   * @param itemBias 0: no biases
   * @param personRate step size of person vectors; 0 leaves them alone, as itemRate does items
   * @returns Σ softplus(−margin), each before its step
   * @see Rendle et al. 2009, Figure 4
   */
  pairwiseSteps(
    count: number,
    negatives: number,
    hardest: 0 | 1,
    width: number,
    people: Pointer,
    preferred: Pointer,
    others: Pointer,
    personFactors: Pointer,
    itemFactors: Pointer,
    itemBias: Pointer,
    personRate: number,
    itemRate: number,
    decay: number,
  ): number

  /**
   * The same for the logistic loss of single pairs, score = intercept + person bias + item bias + ⟨p, q⟩: the liked item with label 1, then its
   * negatives with label 0.
   * @returns Σ softplus(∓score)
   * @see Rendle et al. 2020, section 3.1
   */
  pointwiseSteps(
    count: number,
    negatives: number,
    width: number,
    people: Pointer,
    preferred: Pointer,
    others: Pointer,
    personFactors: Pointer,
    itemFactors: Pointer,
    personBias: Pointer,
    itemBias: Pointer,
    intercept: number,
    personRate: number,
    itemRate: number,
    decay: number,
  ): number

  /**
   * Lays item vectors out for `scoreBlock`: Float32[⌈itemCount ÷ PANEL_ITEMS⌉ · dimension · PANEL_ITEMS], coordinate by coordinate, eight items side
   * by side, zero past the last item.
   */
  packItems(itemCount: number, dimension: number, itemFactors: Pointer, panels: Pointer): void

  /**
   * out[r · width + i] = ⟨vectors[r], item i⟩ + bias[i], width = itemCount rounded up to PANEL_ITEMS.
   * @param rows people; `vectors` and `out` exist up to the next multiple of TILE_PEOPLE
   * @param itemBias Float32[width], 0: none
   */
  scoreBlock(rows: number, itemCount: number, dimension: number, vectors: Pointer, panels: Pointer, itemBias: Pointer, out: Pointer): void

  /**
   * The n highest scores of each row, best first, equal ones by item index; −∞ (excluded) is never listed.
   * @param width row length of `scores`, ≥ itemCount
   * @param topItems Uint32[rows · n], row r from r · n; beyond its length it holds nothing of meaning
   * @param topScores Float32[rows · n]
   * @param lengths Uint32[rows]
   */
  topRows(
    rows: number,
    itemCount: number,
    width: number,
    n: number,
    scores: Pointer,
    topItems: Pointer,
    topScores: Pointer,
    lengths: Pointer,
  ): void
}

/** @param byteLength from the arena that planned the memory; null where this engine does not accept the build */
export function wasmRankingKernels(build: 'wasm' | 'wasm-relaxed', byteLength: number): RankingKernels | null {
  const module = wasmModule(build === 'wasm' ? generated.wasmBase64 : generated.wasmRelaxedBase64)
  if (module === null) return null
  const pages = Math.ceil(byteLength / 65536)
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
  const { exports } = new WebAssembly.Instance(module, { env: { memory } })
  return { ...(exports as unknown as RankingKernels), name: build, buffer: memory.buffer }
}

/** The fastest build that this engine accepts. */
export const createRankingKernels = (byteLength: number): RankingKernels =>
  wasmRankingKernels('wasm-relaxed', byteLength) ?? wasmRankingKernels('wasm', byteLength) ?? referenceRankingKernels(byteLength)
