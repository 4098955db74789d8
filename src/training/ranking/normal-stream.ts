/**
 * Standard normals in bulk, single precision, from the kernels' Box–Muller over a noise stream: for noise that is not drawn inside an optimiser's
 * pass. Each normal is handed out once. Not hardened against rounding attacks (docs/mechanisms/gaussian-training-noise.md).
 */
import { TacetError } from '../../errors.ts'
import { createArena, createKernels, type KernelsChoice } from '../../kernels/index.ts'
import type { NoiseStream, RandomSource } from '../../random/index.ts'

/** Normals made at a time: 16 KB, so that they stay in the nearest cache between drawing and use. */
const CHUNK = 4096
const CHUNK_WORDS = (CHUNK / 16) * 12
/** Four tail refinements are expected in a chunk; more than 48 happen less than once in 10³⁰ chunks. */
const RESERVE_WORDS = 48
const STRIDE = CHUNK_WORDS + RESERVE_WORDS
/** Chunks of random words fetched at a time. */
const CHUNKS_A_FILL = 16

export interface NormalStream {
  readonly kind: 'csprng' | 'seeded'
  /** What makes the bits. */
  readonly generator: string
  /** Adds stdDev · N(0, 1) to out[from … from + count − 1]. */
  add(out: Float32Array, from: number, count: number, stdDev: number): void
}

/**
 * @param noise bulk bytes of the same kind as `random`; default ChaCha20 in the kernels, keyed by `random`. In Node pass `aesNoise(random)`.
 * @throws TacetError invalid-argument if the two kinds differ
 */
export function createNormalStream(
  random: RandomSource,
  { noise: given, kernels: choice = 'auto' }: { readonly noise?: NoiseStream; readonly kernels?: KernelsChoice } = {},
): NormalStream {
  if (given !== undefined && given.kind !== random.kind)
    throw new TacetError('invalid-argument', `the noise is ${given.kind} and the random source ${random.kind}; a run is one or the other`)
  const arena = createArena()
  const wordsAt = arena.allocate(STRIDE * CHUNKS_A_FILL)
  const normalsAt = arena.allocate(CHUNK)
  const stateAt = arena.allocate(16)
  const kernels = createKernels(choice, arena.byteLength)
  const words = new Uint8Array(kernels.buffer, wordsAt, STRIDE * CHUNKS_A_FILL * 4) as Uint8Array<ArrayBuffer>
  const normals = new Float32Array(kernels.buffer, normalsAt, CHUNK)
  const state = new Uint32Array(kernels.buffer, stateAt, 16)
  const noise = given ?? {
    generator: 'chacha20',
    kind: random.kind,
    /** A fresh key from `random` for every fill: the counter starts at 0 and cannot wrap within one. */
    fill(out: Uint8Array) {
      random.fillWords(state.subarray(4, 12))
      state.set([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574])
      state.fill(0, 12)
      kernels.chacha20(stateAt, out.byteOffset, Math.ceil(out.byteLength / 64))
      state.fill(0)
    },
  }
  let used = CHUNK
  let chunk = CHUNKS_A_FILL

  function refill(): void {
    if (chunk === CHUNKS_A_FILL) {
      noise.fill(words)
      chunk = 0
    }
    const at = wordsAt + chunk * STRIDE * 4
    if (kernels.normals(CHUNK, at, at + CHUNK_WORDS * 4, RESERVE_WORDS, normalsAt) < 0)
      throw new TacetError('internal', `more than ${RESERVE_WORDS} tail refinements among ${CHUNK} normals: the noise stream is not random`)
    words.fill(0, chunk * STRIDE * 4, (chunk + 1) * STRIDE * 4)
    chunk++
    used = 0
  }

  return {
    kind: random.kind,
    generator: noise.generator,
    add(out, from, count, stdDev) {
      for (let done = 0; done < count; ) {
        if (used === CHUNK) refill()
        const run = Math.min(count - done, CHUNK - used)
        for (let i = 0; i < run; i++) out[from + done + i] = (out[from + done + i] as number) + stdDev * (normals[used + i] as number)
        used += run
        done += run
      }
    },
  }
}
