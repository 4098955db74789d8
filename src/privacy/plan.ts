/**
 * The plan: sampler, noise multiplier, clipping, divisor and steps as one immutable object, so that what is accounted for is what runs.
 * Nobody can pass a foreign data loader: batches come out of the plan (`poissonBatch`), and so does the event that prices it (`planEvent`).
 *
 * A plan is fixed before it sees data. Choosing σ, steps or the stopping point from earlier outputs needs a privacy filter, not this.
 */
import { checkNumber, TacetError } from '../errors.ts'
import type { RandomSource } from '../random/index.ts'
import { canonical, hash128 } from './canonical.ts'
import { type ClippingPolicy, checkClipping, gradientShare } from './clipping.ts'
import type { NeighboringRelation, PrivacyEvent, PrivacyUnit } from './event.ts'
import { poissonCapacity, poissonSample } from './sampling.ts'

export type { ClippingPolicy } from './clipping.ts'

/** A constant, or one value a step (composed exactly). */
export type Schedule = number | readonly number[]

export interface PrivatePlan {
  readonly privacyUnit: PrivacyUnit
  readonly neighboringRelation: NeighboringRelation
  readonly batchSelection: 'poisson'
  /** Rows the sampler runs over (rows are units: ratings, or whole persons): taken as public (statement). */
  readonly datasetSize: number
  readonly sampleRate: Schedule
  readonly steps: number
  /** σ of the composed release per step (gradients, and the unclipped count under adaptive clipping), ÷ sensitivity. */
  readonly noiseMultiplier: Schedule
  readonly clipping: ClippingPolicy
  /** Constant divisor of the noisy sum: sampleRate · datasetSize at step 0, never a realised batch size. */
  readonly expectedBatchSize: number
  readonly delta: number
}

/** What the plan's steps from (inclusive) to (exclusive) release, as one event; the whole plan is planEvent(plan, 0, plan.steps). */
export type PlanEvent = (plan: PrivatePlan, from: number, to: number) => PrivacyEvent

/**
 * Draws step `step`'s Poisson sample by geometric skipping: every row independently with chance sampleRate. May be empty.
 * @param out Uint32Array with room for the largest batch the caller can hold
 * @returns number of rows written
 * @throws TacetError unsafe-plan if the sample does not fit (dropping rows would not be Poisson sampling)
 */
export type PoissonBatch = (plan: PrivatePlan, step: number, random: RandomSource, out: Uint32Array) => number

/**
 * Finds σ for a target: the smallest noise multiplier whose `eventOf(σ)` has ε ≤ epsilon at delta. An accountant's `calibrate`, handed in so
 * that a plan does not choose its accountant.
 */
export type CalibrateNoise = (request: {
  readonly epsilon: number
  readonly delta: number
  readonly relation: NeighboringRelation
  readonly eventOf: (noiseMultiplier: number) => PrivacyEvent
}) => number

export interface DpSgdRequest {
  readonly privacyUnit: PrivacyUnit
  /** Default add-or-remove-one: what Poisson sampling is priced for. */
  readonly neighboringRelation?: NeighboringRelation
  /** Ratings, or persons when the unit is 'user' and each sampled row is a whole person. */
  readonly datasetSize: number
  /** One of the two, or both where they agree. */
  readonly expectedBatchSize?: number
  readonly sampleRate?: Schedule
  /** One of the two. `epochs` gives ⌊epochs · datasetSize ÷ expectedBatchSize⌋ steps. */
  readonly steps?: number
  readonly epochs?: number
  /** One of the two. `epsilon` needs `calibrate`. */
  readonly noiseMultiplier?: Schedule
  readonly epsilon?: number
  readonly delta: number
  readonly clipping: ClippingPolicy
  readonly calibrate?: CalibrateNoise
}

/**
 * Makes a plan, or refuses to.
 * @throws TacetError invalid-argument for values out of range or contradictory, unsafe-plan for a plan whose promise would be empty
 */
export function planDpSgd(request: DpSgdRequest): PrivatePlan {
  const { privacyUnit, neighboringRelation = 'add-or-remove-one', delta } = request
  const datasetSize = checkNumber('datasetSize', request.datasetSize, { atLeast: 1, atMost: 2 ** 32 - 1, integer: true })
  if (request.expectedBatchSize === undefined && request.sampleRate === undefined)
    throw new TacetError('invalid-argument', 'a plan needs expectedBatchSize or sampleRate')
  if (request.expectedBatchSize !== undefined) {
    checkNumber('expectedBatchSize', request.expectedBatchSize, { above: 0 })
    if (request.expectedBatchSize > datasetSize)
      throw new TacetError('invalid-argument', `batch size ${request.expectedBatchSize} is larger than the data: ${datasetSize} rows`, {
        wayOut: `Use a batch size of at most ${datasetSize}.`,
      })
  }
  const sampleRate = request.sampleRate ?? (request.expectedBatchSize as number) / datasetSize
  const expectedBatchSize = request.expectedBatchSize ?? scheduleAt(sampleRate, 0) * datasetSize
  const steps = stepsOf(request, sampleRate, expectedBatchSize)
  const fixed = {
    privacyUnit,
    neighboringRelation,
    batchSelection: 'poisson' as const,
    datasetSize,
    sampleRate,
    steps,
    clipping: request.clipping,
    expectedBatchSize,
    delta,
  }
  if ((request.noiseMultiplier === undefined) === (request.epsilon === undefined))
    throw new TacetError('invalid-argument', 'a plan needs either noiseMultiplier or epsilon, and not both')
  if (request.noiseMultiplier !== undefined) return checkPlan({ ...fixed, noiseMultiplier: request.noiseMultiplier })
  const epsilon = checkNumber('epsilon', request.epsilon as number, { above: 0 })
  checkNumber('delta', delta, { above: 0, below: 1 })
  if (request.calibrate === undefined)
    throw new TacetError('invalid-argument', 'a plan for a target epsilon needs an accountant to calibrate its noise', {
      wayOut: 'Pass `calibrate`, or give noiseMultiplier.',
    })
  // Everything but the noise is checked before the search, with the adaptive bound left to the noise that comes out of it.
  const trial = checkPlan({ ...fixed, clipping: { kind: 'flat', maxGradNorm: 1 }, noiseMultiplier: 1 })
  const noiseMultiplier = request.calibrate({
    epsilon,
    delta,
    relation: neighboringRelation,
    eventOf: (sigma) => planEvent({ ...trial, noiseMultiplier: sigma }, 0, steps),
  })
  return checkPlan({ ...fixed, noiseMultiplier })
}

function stepsOf({ steps, epochs, datasetSize }: DpSgdRequest, sampleRate: Schedule, expectedBatchSize: number): number {
  if ((steps === undefined) === (epochs === undefined))
    throw new TacetError('invalid-argument', 'a plan needs either steps or epochs, and not both')
  if (steps !== undefined) return checkNumber('steps', steps, { atLeast: 1, integer: true })
  if (typeof sampleRate !== 'number')
    throw new TacetError('invalid-argument', 'epochs mean nothing under a schedule of sample rates; give steps')
  checkNumber('epochs', epochs as number, { above: 0 })
  // The small term keeps 3 epochs of 10 batches at 30 steps where the quotient is 29.999…
  return Math.max(1, Math.floor(((epochs as number) * datasetSize) / expectedBatchSize + 1e-9))
}

/**
 * Checks a plan from any source (a configuration file, a checkpoint) and returns it as a frozen copy.
 * @throws TacetError invalid-argument or unsafe-plan, naming the field
 */
export function checkPlan(plan: PrivatePlan): PrivatePlan {
  const { privacyUnit, neighboringRelation } = plan
  if (privacyUnit !== 'rating' && privacyUnit !== 'user')
    throw new TacetError('invalid-argument', `privacyUnit is ${JSON.stringify(privacyUnit)}; it must be rating or user`)
  if (!['add-or-remove-one', 'replace-one', 'replace-special'].includes(neighboringRelation))
    throw new TacetError(
      'invalid-argument',
      `neighboringRelation is ${JSON.stringify(neighboringRelation)}; it must be add-or-remove-one, replace-one or replace-special`,
    )
  if (plan.batchSelection !== 'poisson')
    throw new TacetError('unsafe-plan', `batchSelection is ${JSON.stringify(plan.batchSelection)}; a private plan samples by Poisson only`)
  const datasetSize = checkNumber('datasetSize', plan.datasetSize, { atLeast: 1, atMost: 2 ** 32 - 1, integer: true })
  const steps = checkNumber('steps', plan.steps, { atLeast: 1, atMost: 2 ** 31, integer: true })
  const delta = checkNumber('delta', plan.delta, { above: 0, below: 1 })
  const sampleRate = checkSchedule('sampleRate', plan.sampleRate, steps, (name, rate) => {
    checkNumber(name, rate, { above: 0 })
    if (rate > 1)
      throw new TacetError('invalid-argument', `${name} is ${rate}: the batch is larger than the data (${datasetSize} rows)`, {
        wayOut: 'Use a sample rate of at most 1.',
      })
  })
  const noiseMultiplier = checkSchedule('noiseMultiplier', plan.noiseMultiplier, steps, (name, sigma) => {
    if (!(sigma > 0 && Number.isFinite(sigma)))
      throw new TacetError('unsafe-plan', `${name} is ${sigma}: without finite positive noise there is no promise`, {
        wayOut: 'Give a noise multiplier above 0, or say --no-privacy.',
        details: { noiseMultiplier: sigma },
      })
  })
  const clipping = checkClipping(plan.clipping)
  // Throws where the noise does not cover the count of adaptive clipping.
  for (const sigma of typeof noiseMultiplier === 'number' ? [noiseMultiplier] : noiseMultiplier) gradientShare(clipping, sigma)
  const expectedBatchSize = checkNumber('expectedBatchSize', plan.expectedBatchSize, { above: 0 })
  const implied = scheduleAt(sampleRate, 0) * datasetSize
  if (Math.abs(expectedBatchSize - implied) > 1e-9 * implied)
    throw new TacetError(
      'unsafe-plan',
      `expectedBatchSize is ${expectedBatchSize}, but sampleRate · datasetSize is ${implied}: the divisor must be the expected batch size`,
      { wayOut: 'Give one of expectedBatchSize and sampleRate, and the plan works out the other.' },
    )
  return Object.freeze({
    privacyUnit,
    neighboringRelation,
    batchSelection: 'poisson',
    datasetSize,
    sampleRate,
    steps,
    noiseMultiplier,
    clipping,
    expectedBatchSize,
    delta,
  })
}

function checkSchedule(name: string, schedule: Schedule, steps: number, check: (name: string, value: number) => void): Schedule {
  if (!Array.isArray(schedule)) {
    check(name, schedule as number)
    return schedule
  }
  if (schedule.length !== steps)
    throw new TacetError('invalid-argument', `${name} has ${schedule.length} values for ${steps} steps; a schedule has one value a step`)
  for (const [step, value] of schedule.entries()) check(`${name}[${step}]`, value)
  return Object.freeze([...schedule])
}

/** The schedule's value at `step`. */
export function scheduleAt(schedule: Schedule, step: number): number {
  if (typeof schedule === 'number') return schedule
  const value = schedule[step]
  if (value === undefined) throw new TacetError('invalid-argument', `step ${step} is outside a schedule of ${schedule.length} steps`)
  return value
}

/**
 * What the plan's steps from (inclusive) to (exclusive) release, as one event. Steps of equal σ and q are one `repeated`; no steps cost nothing.
 * A full batch (q = 1) is a plain Gaussian. Under adaptive clipping the count is inside σ (see clipping.ts), so the event is the same.
 */
export const planEvent: PlanEvent = (plan, from, to) => {
  checkNumber('from', from, { atLeast: 0, atMost: plan.steps, integer: true })
  checkNumber('to', to, { atLeast: from, atMost: plan.steps, integer: true })
  return inRuns(plan, from, to, stepEvent)
}

function stepEvent(sampleRate: number, noiseMultiplier: number): PrivacyEvent {
  const event: PrivacyEvent = { kind: 'gaussian', noiseMultiplier }
  return sampleRate === 1 ? event : { kind: 'poisson-sampled', sampleRate, event }
}

/**
 * The same steps as a release about one person who holds `ratings` of the sampled rows: each step includes a Binomial(ratings, q) number j of
 * them and moves the sum by at most j sensitivities (mixture of Gaussians: Charles et al. 2024; Choquette-Choo et al. 2024).
 *
 * Only for plans whose rows are ratings. Counts rarer than 1e-300 are left out of the list, and the largest count stands for them all.
 */
export function personEvent(plan: PrivatePlan, ratings: number, from = 0, to = plan.steps): PrivacyEvent {
  if (plan.privacyUnit !== 'rating')
    throw new TacetError('invalid-argument', 'this plan samples whole persons: its own event is already the price of a person')
  checkNumber('ratings', ratings, { atLeast: 1, atMost: plan.datasetSize, integer: true })
  checkNumber('from', from, { atLeast: 0, atMost: plan.steps, integer: true })
  checkNumber('to', to, { atLeast: from, atMost: plan.steps, integer: true })
  return inRuns(plan, from, to, (sampleRate, noiseMultiplier) => {
    if (sampleRate === 1) return { kind: 'gaussian', noiseMultiplier: noiseMultiplier / ratings }
    if (ratings === 1) return stepEvent(sampleRate, noiseMultiplier)
    const { counts, probabilities } = binomialMixture(ratings, sampleRate)
    return {
      kind: 'mixture-of-gaussians',
      standardDeviation: noiseMultiplier,
      sensitivities: counts,
      samplingProbabilities: probabilities,
    }
  })
}

/**
 * Binomial(count, rate) as (value, chance) pairs by the ratio of neighbouring terms, from the mode outwards; sums to 1 up to rounding, each
 * chance to a relative error below 1e-12. Chances below 1e-300 are moved to a larger value that is kept.
 */
function binomialMixture(count: number, rate: number): { counts: number[]; probabilities: number[] } {
  const odds = rate / (1 - rate)
  const mode = Math.min(count, Math.floor((count + 1) * rate))
  const weights = new Float64Array(count + 1)
  weights[mode] = 1
  for (let j = mode; j < count; j++) weights[j + 1] = ((weights[j] as number) * (count - j) * odds) / (j + 1)
  for (let j = mode; j > 0; j--) weights[j - 1] = ((weights[j] as number) * j) / ((count - j + 1) * odds)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const counts: number[] = []
  const probabilities: number[] = []
  for (let j = 0; j <= count; j++) {
    const probability = (weights[j] as number) / total
    // The largest value stands for all that is missing above it; what is missing below is in the sum's rounding.
    if (probability < 1e-300 && j < count) continue
    counts.push(j)
    probabilities.push(Math.max(probability, 1e-300))
  }
  return { counts, probabilities }
}

function inRuns(
  plan: PrivatePlan,
  from: number,
  to: number,
  eventOf: (sampleRate: number, noiseMultiplier: number) => PrivacyEvent,
): PrivacyEvent {
  const events: PrivacyEvent[] = []
  for (let start = from; start < to; ) {
    const sampleRate = scheduleAt(plan.sampleRate, start)
    const noiseMultiplier = scheduleAt(plan.noiseMultiplier, start)
    let end = start + 1
    if (typeof plan.sampleRate === 'number' && typeof plan.noiseMultiplier === 'number') end = to
    while (end < to && scheduleAt(plan.sampleRate, end) === sampleRate && scheduleAt(plan.noiseMultiplier, end) === noiseMultiplier) end++
    const event = eventOf(sampleRate, noiseMultiplier)
    events.push(end - start === 1 ? event : { kind: 'repeated', times: end - start, event })
    start = end
  }
  return events.length === 1 ? (events[0] as PrivacyEvent) : { kind: 'composed', events }
}

/** Noise standard deviation ÷ sensitivity of the clipped sum at `step`: σ, less what adaptive clipping's count takes of it. */
export function gradientNoiseMultiplier(plan: PrivatePlan, step: number): number {
  return gradientShare(plan.clipping, scheduleAt(plan.noiseMultiplier, step))
}

/** Implements `PoissonBatch`. */
export const poissonBatch: PoissonBatch = (plan, step, random, out) => {
  checkNumber('step', step, { atLeast: 0, below: plan.steps, integer: true })
  return poissonSample(plan.datasetSize, scheduleAt(plan.sampleRate, step), random, out)
}

/**
 * Rows to make room for: the chance that any batch of the whole plan is larger is below 1e-12. Such a batch stops the run before its step
 * (fail closed), which an observer could see: strictly, that 1e-12 is added to δ.
 */
export function maxBatchFor(plan: PrivatePlan): number {
  const steps = new Map<number, number>()
  if (typeof plan.sampleRate === 'number') steps.set(plan.sampleRate, plan.steps)
  else for (const rate of plan.sampleRate) steps.set(rate, (steps.get(rate) ?? 0) + 1)
  return poissonCapacity(
    plan.datasetSize,
    [...steps].map(([sampleRate, count]) => ({ sampleRate, steps: count })),
    1e-12,
  )
}

/**
 * A short name of everything that moves the guarantee, for checkpoints: equal plans have equal ids, on every machine and in every version that
 * keeps the prefix. A fingerprint (FNV-1a, 128 bits) against mistakes, not against somebody who forges plans.
 */
export function planId(plan: PrivatePlan): string {
  return `plan1-${hash128(canonical(checkPlan(plan)))}`
}
