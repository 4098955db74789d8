/**
 * Auditing DP-SGD with canaries in one run of its releases: does the trainer leak more than its plan claims?
 *
 * The strongest adversary the promise allows: it sees every noisy sum, chooses the parameters each is taken at (the promise holds for any optimiser
 * in between; this one stays where an untrained network is wrong about every canary), and wants to know which canaries were put in. Each canary is a rating with parameters nobody else touches (an item of its own and a bag of embedding rows of its own), so what
 * those parameters receive is the canary's clipped gradient or nothing, plus noise. Trains on the rows it is given: hand it synthetic ones, or
 * the audit itself is a release nobody paid for (privacy-rules 20).
 *
 * A bound below the claim proves nothing by itself; `power` says how often halved noise would have been caught.
 */
import { TacetError } from '../errors.ts'
import {
  gradientNoiseMultiplier,
  maxBatchFor,
  type PrivatePlan,
  planDpSgd,
  poissonBatch,
  scheduleAt,
  sensitivityOf,
} from '../privacy/index.ts'
import { fillNormals, type RandomSource } from '../random/index.ts'
import type { Clipping, Optimizer, StepEngine } from '../training/index.ts'
import type { ClaimFamily } from './f-dp.ts'
import { type MembershipResult, membershipResult } from './membership.ts'
import { type BoundMethod, detectionPower, lowerBound } from './verdict.ts'

export interface RatingColumns {
  readonly users: Uint32Array
  readonly items: Uint32Array
  readonly ratings: Float32Array
}

export interface DpSgdAuditOptions {
  /** The plan whose price is claimed. Sample rate, σ, clipping and steps are the audit's; the row count is that of the audited rows. */
  readonly plan: PrivatePlan
  /** The claim as a family of curves, member 1 the claim itself. */
  readonly family: ClaimFamily
  readonly delta: number
  readonly confidence: number
  readonly background: RatingColumns
  /** One row a canary. */
  readonly canaries: RatingColumns
  /** Coordinates that only canary i touches, [offset, length] into the flat parameters. */
  readonly exclusive: (engine: StepEngine, canary: number) => readonly (readonly [offset: number, length: number])[]
  /** Sets the parameters the adversary wants every sum taken at. */
  readonly prepare: (engine: StepEngine) => void
  /** The trainer under test over these columns; called once. */
  readonly makeEngine: (columns: RatingColumns, maxBatch: number) => StepEngine
  /** A correct engine over these columns with the same parameters' layout: what the adversary computes gradients with. */
  readonly makeProbe: (columns: RatingColumns, maxBatch: number) => StepEngine
  /** Batches of the trainer under test; default the plan's own Poisson sampler. */
  readonly sampleBatch?: typeof poissonBatch
  readonly random: RandomSource
  readonly onProgress?: (done: number, total: number) => void
}

export interface DpSgdAuditResult {
  readonly epsilonLowerBound: number
  readonly method: BoundMethod
  readonly attack: string
  readonly canaries: number
  readonly attacks: readonly MembershipResult[]
  /** Chance that this audit refutes the claim when the trainer draws half the noise it should. */
  readonly power: number
}

/** @throws TacetError invalid-argument if there are too few canaries to have some in and some out */
export function auditDpSgd(options: DpSgdAuditOptions): DpSgdAuditResult {
  const { background, canaries, random, delta, confidence, family } = options
  const m = canaries.users.length
  if (m < 8) throw new TacetError('invalid-argument', `${m} canaries are too few for an audit`, { wayOut: 'Insert at least 8.' })
  const coins = random.split('audit coins')
  const included = Array.from({ length: m }, () => coins.nextDouble() < 0.5)
  const columns = concatenate(background, canaries)
  const backgroundRows = background.users.length
  const active = Uint32Array.from([
    ...Array(backgroundRows).keys(),
    ...included.flatMap((inside, i) => (inside ? [backgroundRows + i] : [])),
  ])

  const plan = planDpSgd({
    privacyUnit: 'rating',
    datasetSize: active.length,
    sampleRate: options.plan.sampleRate,
    steps: options.plan.steps,
    noiseMultiplier: options.plan.noiseMultiplier,
    clipping: auditedClipping(options.plan),
    delta: options.plan.delta,
  })
  const capacity = maxBatchFor(plan)
  const engine = options.makeEngine(columns, capacity)
  const probe = options.makeProbe(canaries, m)
  const coordinates = Array.from({ length: m }, (_, i) => coordinatesOf(options.exclusive(engine, i)))
  const width = coordinates[0]?.length ?? 0
  const clipping = plan.clipping as Clipping
  const batch = new Uint32Array(capacity)
  const rows = new Uint32Array(capacity)
  const allCanaries = Uint32Array.from({ length: m }, (_, i) => i)
  const sample = options.sampleBatch ?? poissonBatch
  const sampler = random.split('audit batches')
  const sensitivity = sensitivityOf(plan.clipping)

  const likelihoodRatio = new Float64Array(m)
  const activity = new Float64Array(m)
  /** ‖a canary's exclusive gradient‖² ÷ noise variance, by step: what the power is reckoned from. */
  const strength = new Float64Array(plan.steps)
  options.prepare(engine)
  const start = engine.parameters.slice()
  const gradients = new Float32Array(m * width)
  const squares = new Float64Array(m)
  // What each canary adds to a sum: one noise-free step of a copy over all of them.
  probe.parameters.set(start)
  probe.step(allCanaries, m, { divisor: 1, clipping, noiseStdDev: 0, optimizer: unitSgd })
  for (let i = 0; i < m; i++) {
    const own = coordinates[i] as Uint32Array
    for (let j = 0; j < width; j++) {
      const gradient = (start[own[j]!] as number) - (probe.parameters[own[j]!] as number)
      gradients[i * width + j] = gradient
      squares[i]! += gradient * gradient
    }
  }
  const meanSquare = squares.reduce((sum, square) => sum + square, 0) / m
  for (let step = 0; step < plan.steps; step++) {
    const noiseStdDev = gradientNoiseMultiplier(plan, step) * sensitivity
    const variance = noiseStdDev * noiseStdDev
    const sampleRate = scheduleAt(plan.sampleRate, step)
    const count = sample(plan, step, sampler, batch)
    for (let i = 0; i < count; i++) rows[i] = active[batch[i]!] as number
    // A unit of noise moves a parameter by about 1: far above the rounding of single precision.
    const learningRate = plan.expectedBatchSize / noiseStdDev
    engine.parameters.set(start)
    engine.step(rows, count, {
      divisor: plan.expectedBatchSize,
      clipping,
      noiseStdDev,
      optimizer: { kind: 'sgd', learningRate, momentum: 0 },
    })
    for (let i = 0; i < m; i++) {
      const own = coordinates[i] as Uint32Array
      let dot = 0
      let moved = 0
      for (let j = 0; j < width; j++) {
        const received = ((start[own[j]!] as number) - (engine.parameters[own[j]!] as number)) * noiseStdDev
        dot += (gradients[i * width + j] as number) * received
        moved += received * received
      }
      likelihoodRatio[i]! += logMixture(sampleRate, (dot - (squares[i] as number) / 2) / variance)
      activity[i]! += moved / variance
    }
    strength[step] = meanSquare / variance
    options.onProgress?.(step + 1, plan.steps)
  }
  engine.close()
  probe.close()
  const scores = { 'likelihood-ratio': likelihoodRatio, 'parameters-moved': activity }
  const best = lowerBound({ scores, included, delta, confidence, family })
  const attacks = Object.entries(scores).map(([name, values]) =>
    membershipResult(
      name,
      values.filter((_, i) => included[i]),
      values.filter((_, i) => !included[i]),
    ),
  )
  const power = detectionPower({
    canaries: m,
    simulateScores: (inside, normals) => simulateHalvedNoise(inside, strength, plan, normals),
    family,
    confidence,
    attackCount: attacks.length,
    random: random.split('audit power'),
  })
  return { ...best, canaries: m, attacks, power }
}

const unitSgd: Optimizer = { kind: 'sgd', learningRate: 1, momentum: 0 }

/** An adaptive bound is audited where it starts: σ does not depend on the bound. */
export function auditedClipping(plan: PrivatePlan): PrivatePlan['clipping'] {
  return plan.clipping.kind === 'adaptive' ? { kind: 'flat', maxGradNorm: plan.clipping.initialMaxGradNorm } : plan.clipping
}

/** ln(1 − q + q·e^x), without overflow. */
function logMixture(q: number, x: number): number {
  return x > 30 ? x + Math.log(q + (1 - q) * Math.exp(-x)) : Math.log1p(q * Math.expm1(x))
}

/**
 * Scores of the likelihood-ratio attack on a trainer with half the noise, in units of their own spread: exact for few steps, by the central limit
 * for many (an estimate of power, never of privacy).
 */
function simulateHalvedNoise(inside: readonly boolean[], strength: Float64Array, plan: PrivatePlan, random: RandomSource): Float64Array {
  const scores = new Float64Array(inside.length)
  const normals = new Float64Array(inside.length)
  if (plan.steps > 300) {
    let squared = 0
    for (let step = 0; step < plan.steps; step++)
      squared += scheduleAt(plan.sampleRate, step) ** 2 * Math.expm1(Math.min(40, 4 * (strength[step] as number)))
    fillNormals(normals, random)
    return scores.map((_, i) => (normals[i] as number) + (inside[i] ? Math.sqrt(squared) : 0))
  }
  for (let step = 0; step < plan.steps; step++) {
    const q = scheduleAt(plan.sampleRate, step)
    const claimed = Math.sqrt(strength[step] as number)
    fillNormals(normals, random)
    for (let i = 0; i < inside.length; i++) {
      const drawn = inside[i] && random.nextDouble() < q
      // In units of the claimed noise: the signal is `claimed`, the real noise 1/2; the attacker weighs by the claimed noise.
      const received = (normals[i] as number) / 2 + (drawn ? claimed : 0)
      scores[i]! += logMixture(q, claimed * received - (claimed * claimed) / 2)
    }
  }
  return scores
}

function coordinatesOf(ranges: readonly (readonly [number, number])[]): Uint32Array {
  return Uint32Array.from(ranges.flatMap(([offset, length]) => Array.from({ length }, (_, j) => offset + j)))
}

function concatenate(a: RatingColumns, b: RatingColumns): RatingColumns {
  const users = new Uint32Array(a.users.length + b.users.length)
  const items = new Uint32Array(users.length)
  const ratings = new Float32Array(users.length)
  users.set(a.users)
  users.set(b.users, a.users.length)
  items.set(a.items)
  items.set(b.items, a.items.length)
  ratings.set(a.ratings)
  ratings.set(b.ratings, a.ratings.length)
  return { users, items, ratings }
}
