/**
 * Scores of a factor model for many people at once: item vectors stay laid out in a kernel memory of their own, so that a request for one person
 * does not pay for moving the whole catalogue. Holds a copy of the item side; nothing of the people stays.
 */
import { createArena, createRankingKernels, PANEL_ITEMS } from '../../kernels/index.ts'

/** People scored together, a multiple of four: their rows of scores and the panels of items stay in the cache. */
const BLOCK = 32

/**
 * @param itemFactors Float32Array[items × dimension]
 * @param itemBias Float32Array[items]
 * @returns a function that writes out[p · items + i] = ⟨vectors[p], item i⟩ + bias[i]; vectors are Float32Array[people × dimension]
 */
export function factorScorer(
  itemFactors: Float32Array,
  itemBias: Float32Array | null,
  itemCount: number,
  dimension: number,
): (vectors: Float32Array, out: Float32Array) => void {
  const width = Math.ceil(itemCount / PANEL_ITEMS) * PANEL_ITEMS
  const arena = createArena()
  const at = {
    bias: arena.allocate(width),
    vectors: arena.allocate(BLOCK * dimension),
    scores: arena.allocate(BLOCK * width),
    panels: arena.allocate(width * dimension),
    items: arena.allocate(itemCount * dimension),
  }
  const kernels = createRankingKernels(arena.byteLength)
  const floats = (pointer: number, length: number) => new Float32Array(kernels.buffer, pointer, length)
  floats(at.items, itemFactors.length).set(itemFactors)
  kernels.packItems(itemCount, dimension, at.items, at.panels)
  if (itemBias !== null) floats(at.bias, itemCount).set(itemBias)
  const block = floats(at.vectors, BLOCK * dimension)

  return (vectors, out) => {
    const people = dimension === 0 ? out.length / Math.max(1, itemCount) : vectors.length / dimension
    for (let from = 0; from < people; from += BLOCK) {
      const rows = Math.min(BLOCK, people - from)
      block.set(vectors.subarray(from * dimension, (from + rows) * dimension))
      kernels.scoreBlock(rows, itemCount, dimension, at.vectors, at.panels, itemBias === null ? 0 : at.bias, at.scores)
      for (let row = 0; row < rows; row++) out.set(floats(at.scores + 4 * row * width, itemCount), (from + row) * itemCount)
    }
  }
}
