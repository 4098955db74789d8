/**
 * The memory that an engine and its gradient threads share: a control block, the parameters, the rows of a step, and one gradient a thread.
 * `sequence` counts steps; a thread that has answered step s stores s in its own word. Parameters and rows are written before the sequence is
 * raised and gradients before the answer, so Atomics order them.
 */
import type { ClippingFactors, TileCounts } from '../models/index.ts'

/** Int32 words of the control block before the per-thread words. */
export const SEQUENCE = 0
/** Set to 1 to end the threads. */
export const CLOSED = 1
const COMMON_WORDS = 2
/** Per thread: answered sequence, first row, end row, clipped, invalid, failed. */
export const ANSWERED = 0
export const FROM = 1
export const TO = 2
export const CLIPPED = 3
export const INVALID = 4
export const FAILED = 5
const THREAD_WORDS = 6

export interface SharedStep {
  readonly control: Int32Array<SharedArrayBuffer>
  readonly parameters: Float32Array<SharedArrayBuffer>
  readonly rows: Uint32Array<SharedArrayBuffer>
  /** Kind, mode, bound, stability, then one bound a block. */
  readonly clipping: Float64Array<SharedArrayBuffer>
  readonly gradients: readonly Float32Array<SharedArrayBuffer>[]
  readonly lossSums: Float64Array<SharedArrayBuffer>
}

export function createSharedStep(sizes: { threads: number; parameterCount: number; maxBatch: number; blocks: number }): SharedStep {
  const floats = (length: number) => new Float32Array(new SharedArrayBuffer(length * 4))
  return {
    control: new Int32Array(new SharedArrayBuffer((COMMON_WORDS + sizes.threads * THREAD_WORDS) * 4)),
    parameters: floats(sizes.parameterCount),
    rows: new Uint32Array(new SharedArrayBuffer(sizes.maxBatch * 4)),
    clipping: new Float64Array(new SharedArrayBuffer((4 + sizes.blocks) * 8)),
    gradients: Array.from({ length: sizes.threads }, () => floats(sizes.parameterCount)),
    lossSums: new Float64Array(new SharedArrayBuffer(sizes.threads * 8)),
  }
}

/** Index of a thread's word in the control block. */
export const threadWord = (thread: number, word: number): number => COMMON_WORDS + thread * THREAD_WORDS + word

export function writeClipping(clipping: ClippingFactors, out: Float64Array): void {
  out.fill(0)
  switch (clipping.kind) {
    case 'none':
      return
    case 'flat':
      out.set([1, clipping.mode === 'flat' ? 0 : 1, clipping.bound, clipping.stability])
      return
    case 'per-block':
      out[0] = 2
      out.set(clipping.bounds, 4)
  }
}

export function readClipping(from: Float64Array): ClippingFactors {
  const [kind, mode, bound, stability] = from as unknown as [number, number, number, number]
  if (kind === 0) return { kind: 'none' }
  if (kind === 1) return { kind: 'flat', mode: mode === 0 ? 'flat' : 'automatic', bound, stability }
  return { kind: 'per-block', bounds: [...from.subarray(4)] }
}

/** Counts of one thread, added to the step's. */
export function addCounts(shared: SharedStep, thread: number, counts: TileCounts): void {
  counts.lossSum += shared.lossSums[thread] as number
  counts.clipped += shared.control[threadWord(thread, CLIPPED)] as number
  counts.invalid += shared.control[threadWord(thread, INVALID)] as number
}
