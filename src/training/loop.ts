/**
 * The training loop: draws batches, pays for steps before their noise is drawn, drives an engine, averages weights, and hands out checkpoints.
 *
 * With a plan, batches are the plan's own Poisson samples, the divisor is the plan's constant, and `spend` has returned for every step before
 * the engine draws that step's noise. Without a plan, batches are shuffled minibatches and nothing is promised. It knows nothing of ledgers,
 * files or accountants; it does not choose σ. What `onStep` reports is a private fact (privacy-rules 1).
 *
 * It stops being safe if an engine draws its noise from a generator that is restored on resume, or if a caller hands in a `paidThrough` that
 * another attempt has already used (runs/journal.ts keeps that from happening).
 */
import { checkNumber, TacetError } from '../errors.ts'
import type { NamedTensors } from '../models/index.ts'
import {
  adaptiveClipStep,
  gradientNoiseMultiplier,
  maxBatchFor,
  type PrivatePlan,
  planEvent,
  poissonBatch,
  type Spend,
  sensitivityOf,
} from '../privacy/index.ts'
import type { RandomSource } from '../random/index.ts'
import type { Clipping, Optimizer, StepEngine, StepReport } from './engine.ts'

/** Weight averages are functions of parameters already released: they cost nothing. */
export type Averaging =
  | { readonly kind: 'none' }
  /** Mean of the parameters after steps `from` … last. */
  | { readonly kind: 'tail'; readonly from: number }
  /** Exponential moving average, corrected for its start at zero. */
  | { readonly kind: 'exponential'; readonly decay: number }

/** Everything a later attempt needs to go on after `step` steps. Never generator state (privacy-rules 16). */
export interface LoopState {
  /** Steps done. */
  readonly step: number
  /** Float32Array[parameterCount]: the weights as trained, not their average. */
  readonly parameters: Float32Array
  readonly engine: NamedTensors
  /** The running average and what it has seen; null without averaging or before its first step. */
  readonly average: { readonly values: Float32Array; readonly weight: number } | null
  /** The bound in force under adaptive clipping, else null. */
  readonly maxGradNorm: number | null
}

/** Minibatches without privacy: each epoch a fresh shuffle, the last batch of an epoch may be smaller. */
export interface ShuffledBatches {
  readonly datasetSize: number
  readonly batchSize: number
  readonly steps: number
}

export interface TrainingLoop {
  readonly engine: StepEngine
  readonly batches: { readonly kind: 'poisson'; readonly plan: PrivatePlan } | ({ readonly kind: 'shuffled' } & ShuffledBatches)
  /** The optimiser at a step: a constant, or a schedule of learning rates. */
  readonly optimizerAt: (step: number) => Optimizer
  readonly averaging: Averaging
  /** Factors on the noisy update of single blocks, by name; 1 where none is given. Functions of the noisy update: they cost nothing. */
  readonly blockRates?: Readonly<Record<string, number>>
  /** Source of batches and of the adaptive count's noise; not the engine's noise. Fresh for every attempt. */
  readonly random: RandomSource
  /** Called with the event of the next chunk of steps before any of its noise is drawn. Throwing stops the run with nothing released. */
  readonly spend: (event: Parameters<Spend>[0], from: number, to: number) => void
  /** Steps paid for at once, and between checkpoints. */
  readonly chunkSteps: number
  /** Where an earlier attempt stopped, and up to which step that attempt had paid without drawing (state.step if nothing is left over). */
  readonly resume?: { readonly state: LoopState; readonly paidThrough: number }
  readonly onCheckpoint?: (state: LoopState) => void
  /** Private: loss and clip counts of one step. */
  readonly onStep?: (step: number, report: StepReport, batchSize: number) => void
  readonly onProgress?: (step: number, steps: number) => void
  readonly signal?: AbortSignal | undefined
}

export interface LoopOutcome {
  /** False if `signal` stopped the run; the last checkpoint handed out is then at `step`. */
  readonly finished: boolean
  readonly step: number
  /** Steps this call did. */
  readonly stepsDone: number
}

const noClipping: Clipping = { kind: 'none' }

/** How long the loop may keep the thread before it lets signals and timers in. */
const YIELD_EVERY_MS = 40

/**
 * Runs the steps that are left. On return with `finished`, `engine.parameters` hold the average if one was asked for.
 * @throws TacetError diverged if a parameter is no longer finite at the end of a chunk; whatever `spend` throws
 */
export async function runTrainingLoop(loop: TrainingLoop): Promise<LoopOutcome> {
  const { engine, batches, averaging, signal } = loop
  const plan = batches.kind === 'poisson' ? batches.plan : null
  const steps = plan?.steps ?? (batches as ShuffledBatches).steps
  checkNumber('chunkSteps', loop.chunkSteps, { atLeast: 1, integer: true })

  const start = loop.resume?.state.step ?? 0
  const average = createAverage(averaging, engine.parameterCount, loop.resume?.state.average ?? null)
  let maxGradNorm = loop.resume?.state.maxGradNorm ?? (plan?.clipping.kind === 'adaptive' ? plan.clipping.initialMaxGradNorm : null)
  if (loop.resume) {
    engine.parameters.set(loop.resume.state.parameters)
    engine.loadState(loop.resume.state.engine)
  }
  const rates = createBlockRates(engine, loop.blockRates ?? {})
  const draw = plan ? poissonBatches(plan, loop.random) : shuffledBatches(batches as ShuffledBatches, loop.random)
  const state = (step: number): LoopState => ({
    step,
    parameters: Float32Array.from(engine.parameters),
    engine: engine.saveState(),
    average: average.save(),
    maxGradNorm,
  })

  let lastYield = performance.now()
  let paidThrough = Math.max(start, loop.resume?.paidThrough ?? start)
  for (let step = start; step < steps; ) {
    if (step >= paidThrough) {
      paidThrough = Math.min(steps, step + loop.chunkSteps)
      if (plan) loop.spend(planEvent(plan, step, paidThrough), step, paidThrough)
    }
    for (; step < paidThrough; step++) {
      if (performance.now() - lastYield > YIELD_EVERY_MS) {
        loop.onProgress?.(step, steps)
        await letOthersRun()
        lastYield = performance.now()
      }
      if (signal?.aborted) {
        checkFinite(engine)
        loop.onCheckpoint?.(state(step))
        return { finished: false, step, stepsDone: step - start }
      }
      const { rows, count } = draw(step)
      rates.before()
      const report = engine.step(rows, count, {
        divisor: plan ? plan.expectedBatchSize : count,
        clipping: plan ? clippingOf(plan, maxGradNorm) : noClipping,
        noiseStdDev: plan ? gradientNoiseMultiplier(plan, step) * sensitivityOf(plan.clipping, maxGradNorm ?? undefined) : 0,
        optimizer: loop.optimizerAt(step),
      })
      rates.after()
      if (plan?.clipping.kind === 'adaptive') {
        // An example with a NaN gradient contributed nothing; counting it as clipped keeps the count's sensitivity at one half.
        const unclipped = count - report.clipped - report.invalid
        const moved = adaptiveClipStep(
          plan.clipping,
          maxGradNorm as number,
          { unclipped: Math.max(0, unclipped), batchSize: count },
          plan.expectedBatchSize,
          loop.random,
        )
        maxGradNorm = moved.maxGradNorm
      }
      average.add(engine.parameters, step)
      loop.onStep?.(step, report, count)
    }
    checkFinite(engine)
    if (step < steps) loop.onCheckpoint?.(state(step))
  }
  loop.onProgress?.(steps, steps)
  average.write(engine.parameters)
  return { finished: true, step: steps, stepsDone: steps - start }
}

type DrawBatch = (step: number) => { readonly rows: Uint32Array; readonly count: number }

function poissonBatches(plan: PrivatePlan, random: RandomSource): DrawBatch {
  const rows = new Uint32Array(maxBatchFor(plan))
  return (step) => ({ rows, count: poissonBatch(plan, step, random, rows) })
}

/**
 * Minibatches of a fresh Fisher–Yates shuffle per epoch. The order of an epoch comes from `random.split(epoch)`, so that a seeded run which was
 * stopped goes on with the same batches.
 */
function shuffledBatches({ datasetSize, batchSize }: ShuffledBatches, random: RandomSource): DrawBatch {
  const order = new Uint32Array(datasetSize)
  const perEpoch = Math.ceil(datasetSize / batchSize)
  let shuffledEpoch = -1
  return (step) => {
    const epoch = Math.floor(step / perEpoch)
    if (epoch !== shuffledEpoch) {
      const source = random.split(`epoch ${epoch}`)
      for (let i = 0; i < datasetSize; i++) order[i] = i
      for (let i = datasetSize - 1; i > 0; i--) {
        const j = Math.floor(source.nextDouble() * (i + 1))
        const swap = order[i] as number
        order[i] = order[j] as number
        order[j] = swap
      }
      shuffledEpoch = epoch
    }
    const from = (step % perEpoch) * batchSize
    const rows = order.subarray(from, Math.min(datasetSize, from + batchSize))
    return { rows, count: rows.length }
  }
}

function clippingOf(plan: PrivatePlan, maxGradNorm: number | null): Clipping {
  const { clipping } = plan
  if (clipping.kind === 'adaptive') return { kind: 'flat', maxGradNorm: maxGradNorm as number }
  return clipping
}

interface RunningAverage {
  add(parameters: Float32Array, step: number): void
  save(): LoopState['average']
  /** Puts the average in the place of the parameters, if there is one. */
  write(parameters: Float32Array): void
}

function createAverage(averaging: Averaging, size: number, saved: LoopState['average']): RunningAverage {
  if (averaging.kind === 'none') return { add() {}, save: () => null, write() {} }
  const values = saved ? Float32Array.from(saved.values) : new Float32Array(size)
  let weight = saved?.weight ?? 0
  return {
    add(parameters, step) {
      if (averaging.kind === 'tail') {
        if (step < averaging.from) return
        weight += 1
      } else weight = averaging.decay * weight + 1
      // Both kinds are a weighted mean: the newest parameters count for 1 of `weight`.
      const share = 1 / weight
      for (let i = 0; i < size; i++) values[i] = (values[i] as number) + ((parameters[i] as number) - (values[i] as number)) * share
    },
    save: () => (weight === 0 ? null : { values: Float32Array.from(values), weight }),
    write(parameters) {
      if (weight > 0) parameters.set(values)
    },
  }
}

/**
 * Stretches the movement of single blocks: parameters ← before + rate · (after − before). With SGD, momentum included, that is a learning rate
 * of their own; with Adam it scales its step.
 * @throws TacetError invalid-argument for a rate that is not finite and ≥ 0, or a block the engine does not have
 */
function createBlockRates(engine: StepEngine, rates: Readonly<Record<string, number>>): { before(): void; after(): void } {
  const spans = Object.entries(rates)
    .filter(([, rate]) => rate !== 1)
    .map(([name, rate]) => {
      const block = engine.blocks.find((candidate) => candidate.name === name)
      if (!block) throw new TacetError('invalid-argument', `there is no block ${name} to give a rate to`)
      checkNumber(`rate of block ${name}`, rate, { atLeast: 0 })
      const size = block.shape.reduce((product, extent) => product * extent, 1)
      return { rate, live: engine.parameters.subarray(block.offset, block.offset + size), saved: new Float32Array(size) }
    })
  return {
    before() {
      for (const { live, saved } of spans) saved.set(live)
    },
    after() {
      for (const { rate, live, saved } of spans)
        for (let i = 0; i < saved.length; i++) live[i] = (saved[i] as number) + rate * ((live[i] as number) - (saved[i] as number))
    },
  }
}

function checkFinite(engine: StepEngine): void {
  const { parameters } = engine
  for (let i = 0; i < parameters.length; i++)
    if (!Number.isFinite(parameters[i] as number))
      throw new TacetError('diverged', 'training has diverged: a parameter is no longer a finite number', {
        wayOut: 'lower --learning-rate',
      })
}

/** A turn of the event loop: timers, signals and servers get theirs during a long training. */
export function letOthersRun(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve)
    else setTimeout(resolve, 0)
  })
}
