/**
 * The conformance checks of privacy/conformance.ts pointed at a Wide & Deep trainer: same engine, same plan arithmetic, same sampler as a run.
 * What no lower bound can expose shows here: a divisor that follows the batch, shuffled batches, repeated generators, stale rows.
 *
 * The rows must be synthetic: probes hand out noise-free sums.
 */
import {
  type ConformanceResult,
  checkInclusion,
  checkNoise,
  checkSensitivity,
  gradientNoiseMultiplier,
  type PrivatePlan,
  planDpSgd,
  poissonBatch,
  scheduleAt,
  sensitivityOf,
} from '../privacy/index.ts'
import type { RandomSource } from '../random/index.ts'
import type { Clipping, StepEngine } from '../training/index.ts'
import { auditedClipping, type RatingColumns } from './dp-sgd-audit.ts'

export interface TrainerUnderTest {
  /** A training started anew over these columns, with fresh randomness as the program would draw it. */
  readonly makeEngine: (columns: RatingColumns, maxBatch: number) => StepEngine
  readonly sampleBatch?: typeof poissonBatch
}

const NOISE_ROWS = 96

/**
 * @param plan σ, clipping and sample rate are taken from it; row counts are the checks' own
 * @param columns at least 128 synthetic rows, among them some with large gradients
 */
export function trainerConformance({
  plan,
  trainer,
  columns,
  random,
}: {
  plan: PrivatePlan
  trainer: TrainerUnderTest
  columns: RatingColumns
  random: RandomSource
}): ConformanceResult[] {
  const policy = auditedClipping(plan)
  const clipping = policy as Clipping
  const sensitivity = sensitivityOf(policy)
  const noiseStdDev = gradientNoiseMultiplier(plan, 0) * sensitivity
  const expectedBatchSize = NOISE_ROWS / 2
  const engines = new Map<number, StepEngine>()
  const engineOf = (attempt: number) => {
    let engine = engines.get(attempt)
    if (engine === undefined) {
      engine = trainer.makeEngine(columns, Math.max(columns.users.length, NOISE_ROWS))
      engines.set(attempt, engine)
    }
    return engine
  }
  const reference = engineOf(0)
  const start = reference.parameters.slice()

  /** The sum that the optimiser received, read off a plain gradient step from `start`. */
  const sumOver = (engine: StepEngine, rows: Uint32Array, noise: number) => {
    // A step of about one unit of what is measured: well above single-precision rounding of the parameters.
    const unit = noise > 0 ? noise : sensitivity
    engine.parameters.set(start)
    engine.step(rows, rows.length, {
      divisor: expectedBatchSize,
      clipping,
      noiseStdDev: noise,
      optimizer: { kind: 'sgd', learningRate: expectedBatchSize / unit, momentum: 0 },
    })
    return Float64Array.from(start, (value, i) => (value - (engine.parameters[i] as number)) * unit)
  }

  const noise = checkNoise({
    dimension: reference.parameterCount,
    noiseStdDev,
    blocks: reference.blocks.map(({ name, offset, shape }) => ({
      name,
      offset,
      length: shape.reduce((product, size) => product * size, 1),
    })),
    batches: [new Uint32Array(0), Uint32Array.of(0), Uint32Array.from({ length: NOISE_ROWS }, (_, i) => i)],
    release: ({ attempt, rows }) => sumOver(engineOf(attempt), rows, noiseStdDev),
  })

  const sampleRate = Math.min(0.5, Math.max(0.02, scheduleAt(plan.sampleRate, 0)))
  const steps = Math.ceil(30 / sampleRate)
  const samplerPlan = planDpSgd({
    privacyUnit: 'rating',
    datasetSize: 600,
    sampleRate,
    steps,
    noiseMultiplier: 1,
    clipping: { kind: 'flat', maxGradNorm: 1 },
    delta: plan.delta,
  })
  const sample = trainer.sampleBatch ?? poissonBatch
  const batches = random.split('conformance batches')
  const batch = new Uint32Array(600)
  const inclusion = checkInclusion(
    { rowCount: 600, sampleRate, batch: (step) => batch.slice(0, sample(samplerPlan, step, batches, batch)) },
    { steps },
  )

  const rows = Uint32Array.from({ length: columns.users.length }, (_, i) => i)
  const sums = checkSensitivity(
    { sensitivity, rows, largestBatch: NOISE_ROWS, clippedSum: (batchRows) => sumOver(reference, batchRows, 0) },
    { random: random.split('conformance neighbours') },
  )
  for (const engine of engines.values()) engine.close()
  return [...noise, ...inclusion, ...sums]
}
