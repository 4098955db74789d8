/**
 * The engine for Wide & Deep: gathers a batch's features, clips by book-keeping tile by tile, and updates every parameter once a step with the
 * noise drawn in the same pass. Noise reaches all parameters, rows nobody touched included: a row without noise would tell that nobody
 * touched it.
 *
 * It trusts its caller for the batch (Poisson sampling is the plan's) and for noiseStdDev = σ · sensitivity. It stops being safe if the
 * same `random` is given to two engines, or if a generator's state is saved and used again.
 */
import { checkNumber, TacetError } from '../errors.ts'
import type { Arena, KernelsChoice } from '../kernels/index.ts'
import {
  type ClippingFactors,
  createWideAndDeepNetwork,
  initialiseWideAndDeep,
  type NamedTensors,
  predictPairs,
  type TileCounts,
  type WideAndDeepConfig,
  type WideAndDeepData,
  type WideAndDeepNetwork,
} from '../models/index.ts'
import type { NoiseStream, RandomSource } from '../random/index.ts'
import type { Clipping, StepEngine, StepReport, StepSettings } from './engine.ts'

export interface WideAndDeepEngineOptions extends WideAndDeepData {
  readonly config: WideAndDeepConfig
  /** Training columns, of one length. `step` takes row numbers into them. */
  readonly users: Uint32Array
  readonly items: Uint32Array
  readonly ratings: Float32Array
  /** Largest batch `step` accepts. */
  readonly maxBatch: number
  /** Starting parameters, and the keys of the portable noise. Must not be shared. */
  readonly random: RandomSource
  /** Bulk noise; default ChaCha20 in the kernels, keyed by `random`. In Node pass `aesNoise(random)`. */
  readonly noise?: NoiseStream
  readonly kernels?: KernelsChoice
  /** Rows a tile: a matter of speed only. */
  readonly tileRows?: number
  /** Worker threads, for large batches; see index.node.ts. */
  readonly helpers?: GradientHelpers
}

/**
 * Others who add up gradients of a part of the batch. They draw no noise: it is drawn once a step, by the engine.
 * Nothing they do may change what is clipped or summed but for the order of additions.
 */
export interface GradientHelpers {
  /** Hands out rows[kept … count−1] and returns `kept`: how many rows the engine itself must do. */
  start(rows: Uint32Array, count: number, clipping: ClippingFactors, parameters: Float32Array): number
  /**
   * Waits for what `start` handed out, and adds it.
   * @throws TacetError internal if a helper failed: the step then has no effect
   */
  finish(gradient: Float32Array, counts: TileCounts): void
  close(): void
}

export interface WideAndDeepEngine extends StepEngine {
  readonly noiseSource: 'csprng' | 'seeded'
  /** What makes the noise bits. */
  readonly noiseGenerator: string
}

/** Normals drawn at a time: 8 KB, so that they stay in the nearest cache between drawing and use. */
const NOISE_CHUNK = 2048
/** 12 words for 16 normals. */
const NORMAL_WORDS = (NOISE_CHUNK / 16) * 12
/** One tail refinement is expected in a chunk; more than 24 happen less than once in 10²⁵ chunks. */
const RESERVE_WORDS = 24
const CHUNK_WORDS = NORMAL_WORDS + RESERVE_WORDS
/** Chunks fetched from the noise stream at a time. */
const CHUNKS_A_FILL = 16

export function createWideAndDeepEngine(options: WideAndDeepEngineOptions): WideAndDeepEngine {
  const { random } = options
  if (options.noise !== undefined && options.noise.kind !== random.kind)
    throw new TacetError(
      'invalid-argument',
      `the noise is ${options.noise.kind} and the random source ${random.kind}; a run is one or the other`,
    )
  if (options.users.length !== options.items.length || options.users.length !== options.ratings.length)
    throw new TacetError(
      'invalid-argument',
      `training columns have ${options.users.length} users, ${options.items.length} items and ${options.ratings.length} ratings`,
    )
  const optimizerMemory = { first: 0, second: 0, words: 0, normals: 0, chacha: 0 }
  const model = createWideAndDeepNetwork(options.config, options, {
    ...(options.kernels === undefined ? {} : { kernels: options.kernels }),
    ...(options.tileRows === undefined ? {} : { tileRows: options.tileRows }),
    reserve(arena: Arena, paddedCount: number) {
      optimizerMemory.first = arena.allocate(paddedCount)
      optimizerMemory.second = arena.allocate(paddedCount)
      optimizerMemory.words = arena.allocate(CHUNK_WORDS * CHUNKS_A_FILL)
      optimizerMemory.normals = arena.allocate(NOISE_CHUNK)
      optimizerMemory.chacha = arena.allocate(16)
    },
  })
  initialiseWideAndDeep(model.network, options.config, random.split('initial parameters'))
  return engineOver(model, options, optimizerMemory)
}

function engineOver(
  model: WideAndDeepNetwork,
  options: WideAndDeepEngineOptions,
  memory: { first: number; second: number; words: number; normals: number; chacha: number },
): WideAndDeepEngine {
  const { network } = model
  const { kernels, paddedCount } = network
  const first = new Float32Array(kernels.buffer, memory.first, paddedCount)
  const second = new Float32Array(kernels.buffer, memory.second, paddedCount)
  const words = new Uint8Array(kernels.buffer, memory.words, CHUNK_WORDS * CHUNKS_A_FILL * 4)
  const normals = new Float32Array(kernels.buffer, memory.normals, NOISE_CHUNK)
  const noise = options.noise ?? chachaNoise()
  const counts: TileCounts = { lossSum: 0, clipped: 0, invalid: 0 }
  const clippingOf = rememberLast((clipping: Clipping) => clippingFactors(clipping, network.blocks.length))
  /** Step number of Adam's bias correction. */
  let steps = 0
  /** A step that threw half-way left gradients behind. */
  let unfinished = false

  /** ChaCha20 under a fresh key from `random` for every fill: the counter starts at 0 and cannot wrap within one. */
  function chachaNoise(): NoiseStream {
    const state = new Uint32Array(kernels.buffer, memory.chacha, 16)
    return {
      generator: 'chacha20',
      kind: options.random.kind,
      fill(out) {
        options.random.fillWords(state.subarray(4, 12))
        state.set([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574])
        state.fill(0, 12)
        kernels.chacha20(memory.chacha, out.byteOffset, Math.ceil(out.byteLength / 64))
        state.fill(0)
      },
    }
  }

  function update({ optimizer, divisor, noiseStdDev }: StepSettings): void {
    const scale = 1 / divisor
    const alpha =
      optimizer.kind === 'adam' ? (optimizer.learningRate * Math.sqrt(1 - optimizer.beta2 ** steps)) / (1 - optimizer.beta1 ** steps) : 0
    const span = noiseStdDev > 0 ? NOISE_CHUNK : paddedCount
    for (let from = 0, chunk = 0; from < paddedCount; from += span, chunk = (chunk + 1) % CHUNKS_A_FILL) {
      const count = Math.min(span, paddedCount - from)
      let noiseAt = 0
      if (noiseStdDev > 0) {
        if (chunk === 0) {
          const chunksLeft = Math.ceil((paddedCount - from) / NOISE_CHUNK)
          noise.fill(chunksLeft >= CHUNKS_A_FILL ? words : words.subarray(0, chunksLeft * CHUNK_WORDS * 4))
        }
        const wordsAt = memory.words + chunk * CHUNK_WORDS * 4
        noiseAt = memory.normals
        if (kernels.normals(count, wordsAt, wordsAt + NORMAL_WORDS * 4, RESERVE_WORDS, noiseAt) < 0)
          throw new TacetError(
            'internal',
            `more than ${RESERVE_WORDS} tail refinements among ${count} normals: the noise stream is not random`,
          )
      }
      const parametersAt = network.parametersPointer + from * 4
      const gradientAt = network.gradientPointer + from * 4
      const firstAt = memory.first + from * 4
      if (optimizer.kind === 'adam') {
        const { beta1, beta2, epsilon } = optimizer
        const secondAt = memory.second + from * 4
        kernels.adam(count, parametersAt, gradientAt, firstAt, secondAt, noiseAt, noiseStdDev, scale, alpha, beta1, beta2, epsilon)
      } else {
        kernels.sgd(count, parametersAt, gradientAt, firstAt, noiseAt, noiseStdDev, scale, optimizer.learningRate, optimizer.momentum)
      }
    }
    if (noiseStdDev > 0) {
      words.fill(0)
      normals.fill(0)
    }
  }

  return {
    kernelsName: kernels.name,
    parameterCount: network.parameterCount,
    blocks: network.blocks,
    parameters: network.parameters,
    noiseSource: options.random.kind,
    noiseGenerator: noise.generator,

    step(rows, count, settings): StepReport {
      if (count > options.maxBatch) throw new RangeError(`a batch of ${count} rows exceeds the engine's largest, ${options.maxBatch}`)
      checkSettings(settings)
      const clipping = clippingOf(settings.clipping)
      if (unfinished) network.clearGradient()
      unfinished = true
      network.prepare()
      counts.lossSum = counts.clipped = counts.invalid = 0
      const mine = options.helpers === undefined ? count : options.helpers.start(rows, count, clipping, network.parameters)
      accumulateRows(model, options, rows, mine, clipping, counts)
      options.helpers?.finish(network.gradient, counts)
      steps++
      update(settings)
      unfinished = false
      return { lossSum: counts.lossSum, clipped: counts.clipped, invalid: counts.invalid }
    },

    predict(users, items, out) {
      network.prepare()
      predictPairs(model, users, items, out)
    },

    saveState(): NamedTensors {
      const shape = [network.parameterCount]
      return {
        'optimizer.first': { shape, data: first.slice(0, network.parameterCount) },
        'optimizer.second': { shape, data: second.slice(0, network.parameterCount) },
        'optimizer.steps': { shape: [1], data: Float32Array.of(steps) },
      }
    },

    loadState(state) {
      const tensor = (name: string, length: number) => {
        const data = state[name]?.data
        if (data?.length !== length)
          throw new TacetError('corrupt-run', `optimiser state ${name} has ${data?.length ?? 'no'} values; this model needs ${length}`)
        return data
      }
      const [savedFirst, savedSecond, savedSteps] = [
        tensor('optimizer.first', network.parameterCount),
        tensor('optimizer.second', network.parameterCount),
        tensor('optimizer.steps', 1),
      ]
      first.set(savedFirst)
      second.set(savedSecond)
      steps = savedSteps[0]!
    },

    close() {
      options.helpers?.close()
      network.clearGradient()
    },
  }
}

/** Adds the (clipped) gradients of rows[0 … count−1] to the network's gradient. The network must be prepared. */
export function accumulateRows(
  { network, loadTile }: WideAndDeepNetwork,
  columns: Pick<WideAndDeepEngineOptions, 'users' | 'items' | 'ratings'>,
  rows: Uint32Array,
  count: number,
  clipping: ClippingFactors,
  counts: TileCounts,
): void {
  for (let from = 0; from < count; from += network.tileRows) {
    const tile = Math.min(network.tileRows, count - from)
    loadTile(rows, from, tile, columns.users, columns.items, columns.ratings)
    network.accumulate(tile, clipping, counts)
  }
  network.finishGradient()
}

/** @throws TacetError on settings that would train without the promised protection, or to no purpose */
function checkSettings({ divisor, clipping, noiseStdDev }: StepSettings): void {
  if (!(divisor > 0 && Number.isFinite(divisor)))
    throw new TacetError('invalid-argument', `divisor is ${divisor}; it must be a finite number > 0`)
  if (!(noiseStdDev >= 0 && Number.isFinite(noiseStdDev)))
    throw new TacetError('invalid-argument', `noiseStdDev is ${noiseStdDev}; it must be a finite number ≥ 0`)
  if (clipping.kind === 'none' && noiseStdDev > 0)
    throw new TacetError(
      'unsafe-plan',
      `noise of standard deviation ${noiseStdDev} without clipping protects nobody: the sensitivity is unbounded`,
      {
        wayOut: 'Set a clipping bound, or noiseStdDev to 0.',
      },
    )
}

function clippingFactors(clipping: Clipping, blockCount: number): ClippingFactors {
  const bounds = clipping.kind === 'none' ? [] : clipping.kind === 'per-block' ? clipping.maxGradNorms : [clipping.maxGradNorm]
  // Outside these bounds squares leave single precision: a norm would read as 0 or infinity, and a factor of 1 would clip nothing.
  for (const bound of bounds) checkNumber('maxGradNorm', bound, { atLeast: 1e-12, atMost: 1e18 })
  switch (clipping.kind) {
    case 'none':
      return { kind: 'none' }
    case 'flat':
      return { kind: 'flat', mode: 'flat', bound: clipping.maxGradNorm, stability: 0 }
    case 'automatic':
      if (!(clipping.stability > 0 && Number.isFinite(clipping.stability)))
        throw new TacetError('invalid-argument', `stability is ${clipping.stability}; it must be a finite number > 0`)
      return { kind: 'flat', mode: 'automatic', bound: clipping.maxGradNorm, stability: clipping.stability }
    case 'per-block':
      if (bounds.length !== blockCount)
        throw new TacetError('invalid-argument', `maxGradNorms has ${bounds.length} bounds; the model has ${blockCount} blocks`)
      return { kind: 'per-block', bounds: clipping.maxGradNorms }
  }
}

/** Remembers the answer to the last question, so that a step with the settings of the step before allocates nothing. */
function rememberLast<Question, Answer>(compute: (question: Question) => Answer): (question: Question) => Answer {
  let last: { question: Question; answer: Answer } | null = null
  return (question) => {
    if (last === null || last.question !== question) last = { question, answer: compute(question) }
    return last.answer
  }
}
