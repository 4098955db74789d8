/**
 * User-sampled DP-SGD for ranking: a step's noisy sum of clipped gradients in which one whole person is the unit. Two ways to sample:
 *
 * - people (ULS): every person enters a step with chance q; the mean gradient over their own interactions is clipped to C. Price: a
 *   Poisson-sampled Gaussian a step.
 * - interactions (ELS): every person holds k slots, filled from their own history by a draw nobody else moves; every slot enters a step with
 *   chance q and is clipped to C by itself. Price: a mixture of Gaussians over how many of the k slots meet in a step (Charles et al. 2024).
 *
 * Only item-side parameters may be in the tables: a person's own vector is local to `addGradient` and gone after it. A gradient may depend on
 * that person's history, on public parameters and on its own random numbers; anything of other people's in it (negatives of the same batch, raw
 * counts, batch statistics) voids the bound: `refuseCrossPerson` names those. Noise is floating-point Gaussian (docs/mechanisms/gaussian.md).
 */

import type { Positives } from '../../data/index.ts'
import { itemsOf } from '../../data/index.ts'
import { checkNumber, TacetError } from '../../errors.ts'
import {
  adaptiveClipStep,
  type ClippingPolicy,
  calibrate,
  gradientNoiseMultiplier,
  maxBatchFor,
  type PrivacyEvent,
  type PrivatePlan,
  personEvent,
  planDpSgd,
  planEvent,
  poissonBatch,
  sensitivityOf,
} from '../../privacy/index.ts'
import { fillNormals, type RandomSource } from '../../random/index.ts'
import { letOthersRun } from '../loop.ts'
import { personMu, squaredMu } from './person-budget.ts'
import { createRowSums, type RowSums, type TableShape } from './row-sums.ts'
import type { RankingPrivacy } from './trainer.ts'

export type PersonSampling = 'people' | 'interactions'

/** What one person brings to one gradient. */
export interface PersonRows {
  /** Everything they liked: their vector may be folded in from all of it. */
  readonly history: Uint32Array
  /** The interactions whose mean loss is differentiated: the history (or a bounded part of it), or the one that was sampled. */
  readonly targets: Uint32Array
}

/** A loss of one person as a function of item-side tables. */
export interface PersonObjective {
  readonly tables: readonly TableShape[]
  /**
   * Adds the gradient of the mean loss over `targets`. Reads nothing but its arguments and public parameters; need not bound its norm.
   * @param random for this person's own draws (negatives from the public catalogue)
   */
  addGradient(person: PersonRows, into: RowSums, random: RandomSource): void
  /**
   * A public unit vector over the rows of table 0, Float64Array[rows]: that component is taken out of every gradient before its norm, so that
   * nothing is spent on what a public release says already. Norm 1 to 1e-9.
   */
  readonly projectOut?: Float64Array
}

/** A plan whose unit is a person, with what a release of its steps costs one. */
export interface PersonPlan {
  readonly sampling: PersonSampling
  /** Sampler, noise, clipping, divisor: rows are people, or slots. */
  readonly plan: PrivatePlan
  /** Slots a person holds (ELS), or the most interactions a mean is taken over (ULS). */
  readonly interactionsPerPerson: number
  /** All steps, for one person. */
  readonly event: PrivacyEvent
}

export interface PersonPlanRequest {
  readonly model: string
  readonly sampling: PersonSampling
  /** Rows of the data, taken as public; people without any interaction count too. */
  readonly personCount: number
  readonly interactionsPerPerson: number
  /** Chance of a person (or of a slot) per step, in (0, 1]. */
  readonly sampleRate: number
  readonly steps: number
  /** The policy, or one that is told the noise first: the count of adaptive clipping needs noise in proportion. */
  readonly clipping: ClippingPolicy | ((noiseMultiplier: number, expectedBatchSize: number) => ClippingPolicy)
  readonly privacy: RankingPrivacy
  /** Releases of the same model that are spent as well (a popularity stage). */
  readonly beside?: readonly PrivacyEvent[]
  /** σ, where a budget is shared out beforehand: the caller answers for the total. Default: the least that meets ε. */
  readonly noiseMultiplier?: number
}

/**
 * The least noise whose steps, with everything beside them, stay within ε at δ for one person. Looks at public sizes only.
 * @throws TacetError unsafe-plan for a unit other than a person or a budget with nothing left; not-calibratable; invalid-argument
 */
export function planPersonSteps(request: PersonPlanRequest): PersonPlan {
  const { model, sampling, personCount, interactionsPerPerson, sampleRate, steps, privacy } = request
  checkNumber('interactionsPerPerson', interactionsPerPerson, { atLeast: 1, atMost: 2 ** 20, integer: true })
  const beside = [...privacy.alongside, ...(request.beside ?? [])]
  // Fails for a unit other than a person, and where nothing is left.
  const mu = personMu(model, { ...privacy, alongside: beside })
  const rows = sampling === 'people' ? personCount : personCount * interactionsPerPerson
  const planWith = (noiseMultiplier: number, clipping: ClippingPolicy): PrivatePlan =>
    planDpSgd({
      privacyUnit: sampling === 'people' ? 'user' : 'rating',
      datasetSize: rows,
      sampleRate,
      steps,
      noiseMultiplier,
      delta: privacy.delta,
      clipping,
    })
  const eventOf = (plan: PrivatePlan) => (sampling === 'people' ? planEvent(plan, 0, steps) : personEvent(plan, interactionsPerPerson))
  const trial = (noiseMultiplier: number) => eventOf(planWith(noiseMultiplier, { kind: 'flat', maxGradNorm: 1 }))
  const perStep = sampling === 'people' ? 1 : interactionsPerPerson
  // Full batches are plain Gaussians, whose sum is exact. Anything else is for the accountant.
  const noiseMultiplier =
    request.noiseMultiplier ??
    (sampleRate === 1 && squaredMu(beside) !== null
      ? (perStep * Math.sqrt(steps)) / mu
      : calibrate({
          make: (value) => ({ kind: 'composed', events: [...beside, trial(value)] }),
          epsilon: privacy.epsilon,
          delta: privacy.delta,
        }).value)
  const clipping = typeof request.clipping === 'function' ? request.clipping(noiseMultiplier, sampleRate * rows) : request.clipping
  const plan = planWith(noiseMultiplier, clipping)
  return { sampling, plan, interactionsPerPerson, event: eventOf(plan) }
}

/** Things a private gradient may not contain, and why. */
const crossPerson = {
  'in-batch-negatives': "negatives taken from the same batch are other people's likes: one person's gradient would move with them",
  'popularity-negatives':
    'negatives drawn by raw popularity are drawn by a count over everybody: the count is private and changes every gradient',
  'batch-statistics': 'statistics over a batch mix everybody in it: clipping one gradient no longer bounds what one person moves',
} as const
export type CrossPersonOperator = keyof typeof crossPerson

/** @throws TacetError unsafe-plan, always: the operator has no sensitivity under per-person clipping */
export function refuseCrossPerson(model: string, operator: CrossPersonOperator): never {
  throw new TacetError('unsafe-plan', `${model} cannot be private with ${operator}: ${crossPerson[operator]}`, {
    wayOut: 'Draw negatives evenly from the public catalogue (or by a private popularity release), or say --no-privacy.',
    details: { model, operator },
  })
}

// --- clipping --------------------------------------------------------------------------------------------------------------------------

/** Factor that brings a gradient of this squared norm within the bound; 0 for one that is not finite. */
export function clipFactor(clipping: ClippingPolicy, bound: number, squaredNorm: number): number {
  if (!Number.isFinite(squaredNorm)) return 0
  const norm = Math.sqrt(squaredNorm)
  if (clipping.kind === 'automatic') return bound / (norm + clipping.stability)
  return norm > bound ? bound / norm : 1
}

/** The exact clipped sum of one batch: private. */
export interface ClippedBatch {
  /** Before `projectOut` is taken off: only what is left after that has the bound. */
  readonly sum: RowSums
  unclipped: number
  /** Those who brought something: an empty row or slot is no unit. */
  units: number
}

/** Adds up clipped gradients of one unit after another. Holds scratch memory; not for two batches at a time. */
export function createClippedSummer(objective: PersonObjective, clipping: ClippingPolicy) {
  if (clipping.kind === 'per-block')
    throw new TacetError(
      'invalid-argument',
      'a person’s gradient is clipped as a whole: per-block clipping is for networks of one rating',
      {
        wayOut: 'Use flat, automatic or adaptive.',
      },
    )
  const { projectOut } = objective
  const width = (objective.tables[0] as TableShape).width
  if (projectOut) {
    const norm = projectOut.reduce((sum, x) => sum + x * x, 0)
    if (!(Math.abs(norm - 1) <= 1e-9)) throw new TacetError('internal', `projectOut has squared norm ${norm}; it must be 1`)
  }
  const own = createRowSums(objective.tables)
  const along = new Float64Array(width)
  const batch: ClippedBatch = { sum: createRowSums(objective.tables), unclipped: 0, units: 0 }
  return {
    batch,
    clear() {
      batch.sum.clear()
      batch.unclipped = 0
      batch.units = 0
    },
    /** @param bound the bound in force: `sensitivityOf(clipping)`, or where adaptive clipping has moved it */
    add(person: PersonRows, bound: number, random: RandomSource): void {
      // Somebody without rows is nobody: counted as unclipped, they would differ by 1 from who is clipped, and the count is paid for ½ each.
      if (person.targets.length === 0) return
      own.clear()
      batch.units++
      objective.addGradient(person, own, random)
      const whole = own.squaredNorm()
      let squaredNorm = whole
      if (projectOut) {
        along.fill(0)
        own.along(projectOut, along)
        for (let c = 0; c < width; c++) squaredNorm -= (along[c] as number) ** 2
        // The difference may round below the truth by some 1e-15 of `whole`: the slack keeps the bound.
        squaredNorm = Math.max(0, squaredNorm) + 1e-12 * whole
      }
      const factor = clipFactor(clipping, bound, squaredNorm)
      if (factor > 0 && squaredNorm <= bound * bound) batch.unclipped++
      if (factor === 0 || whole === 0) return
      batch.sum.addScaled(own, factor)
    },
  }
}

// --- batches ---------------------------------------------------------------------------------------------------------------------------

/**
 * The units of a plan over the likes of people: unit u is a person, or one of a person's slots. Slots are filled once, by draws a person at a
 * time; a person with more than k interactions keeps k at random, one with fewer leaves slots empty (they contribute nothing).
 */
export function personUnits(
  likes: Positives,
  { sampling, interactionsPerPerson }: Pick<PersonPlan, 'sampling' | 'interactionsPerPerson'>,
  random: RandomSource,
): (unit: number) => PersonRows {
  const history = (person: number) => itemsOf(likes, person)
  if (sampling === 'people')
    return (unit) => {
      const items = history(unit)
      return { history: items, targets: items.length > interactionsPerPerson ? chosen(items, interactionsPerPerson, random) : items }
    }
  const slots = Array.from({ length: likes.personCount }, (_, person) => chosen(history(person), interactionsPerPerson, random))
  return (unit) => {
    const person = Math.floor(unit / interactionsPerPerson)
    const slot = unit % interactionsPerPerson
    return { history: history(person), targets: (slots[person] as Uint32Array).subarray(slot, slot + 1) }
  }
}

/** Up to k of the items at random, each set of k equally likely. */
function chosen(items: Uint32Array, k: number, random: RandomSource): Uint32Array {
  const copy = items.slice()
  for (let at = 0; at < Math.min(k, copy.length - 1); at++) {
    const other = at + Math.floor(random.nextDouble() * (copy.length - at))
    const item = copy[at] as number
    copy[at] = copy[other] as number
    copy[other] = item
  }
  return copy.subarray(0, k)
}

// --- steps -----------------------------------------------------------------------------------------------------------------------------

/** One released gradient: what an optimiser may see. */
export interface NoisyGradient {
  /** (Σ clipped gradients + noise) ÷ expected batch, a table each: Float64Array[rows × width]. Reused by the next step. */
  readonly tables: readonly Float64Array[]
  /** Standard deviation of the noise on each coordinate, in the same unit. Public. */
  readonly noiseStdDev: number
  /** Bound in force. Public: moved by released counts only. */
  readonly maxGradNorm: number
}

export interface PersonSteps {
  readonly objective: PersonObjective
  readonly likes: Positives
  readonly plan: PersonPlan
  readonly random: RandomSource
  /** Moves the public parameters; the gradient's memory is reused afterwards. */
  readonly apply: (gradient: NoisyGradient, step: number) => void
  readonly onStep?: (step: number) => void
  readonly signal?: AbortSignal
  /**
   * Personal budgets, when people are sampled: Float64Array[personCount] in (0, 1], the chance that a person who was drawn stays in the step. Their
   * rate is then the plan's times this. Private.
   */
  readonly keep?: Float64Array | undefined
}

/** One step before its noise: private. */
export interface ExactStep {
  readonly step: number
  readonly batch: ClippedBatch
  /** Standard deviation that every coordinate of the sum is owed. */
  readonly noiseOnSum: number
  /** Bound in force. */
  readonly maxGradNorm: number
}

/**
 * The steps of a plan, one after another: samples, clips and sums; moves an adaptive bound by its noisy count. Whoever reads them adds the noise.
 * The caller has spent `plan.event` before: nothing here pays.
 * @throws TacetError unsafe-plan if the data has another size than the plan; interrupted after `signal`
 */
export function* exactSteps({
  objective,
  likes,
  plan: personPlan,
  random,
  signal,
  keep,
}: Pick<PersonSteps, 'objective' | 'likes' | 'plan' | 'random' | 'signal' | 'keep'>): Generator<ExactStep, void> {
  const { plan, sampling, interactionsPerPerson } = personPlan
  const rows = sampling === 'people' ? likes.personCount : likes.personCount * interactionsPerPerson
  if (rows !== plan.datasetSize)
    throw new TacetError('unsafe-plan', `the plan is for ${plan.datasetSize} rows and there are ${rows}: its price would be another`)
  if (keep !== undefined && (sampling !== 'people' || keep.length !== rows || !keep.every((chance) => chance > 0 && chance <= 1)))
    throw new TacetError('unsafe-plan', 'people are kept in their steps by chances that are not one a person in (0, 1], or by interactions')
  const summer = createClippedSummer(objective, plan.clipping)
  const keepRandom = keep && random.split('person levels')
  const batchRandom = random.split('person batches')
  const countRandom = random.split('person clip counts')
  const drawRandom = random.split('person draws')
  const unit = personUnits(likes, personPlan, random.split('person slots'))
  const rowsOut = new Uint32Array(maxBatchFor(plan))
  let bound = sensitivityOf(plan.clipping)
  for (let step = 0; step < plan.steps; step++) {
    if (signal?.aborted) throw new TacetError('interrupted', `stopped before step ${step + 1} of ${plan.steps}`)
    const count = poissonBatch(plan, step, batchRandom, rowsOut)
    summer.clear()
    for (let at = 0; at < count; at++) {
      const row = rowsOut[at] as number
      // One coin a drawn person and step, whatever their level: what others draw does not move with it.
      if (keep && keepRandom && keepRandom.nextDouble() >= (keep[row] as number)) continue
      summer.add(unit(row), bound, drawRandom)
    }
    yield { step, batch: summer.batch, noiseOnSum: gradientNoiseMultiplier(plan, step) * bound, maxGradNorm: bound }
    if (plan.clipping.kind === 'adaptive')
      bound = adaptiveClipStep(
        plan.clipping,
        bound,
        { unclipped: summer.batch.unclipped, batchSize: summer.batch.units },
        plan.expectedBatchSize,
        countRandom,
      ).maxGradNorm
  }
  summer.clear()
}

/** Runs every step of the plan with noise on every coordinate of every table. Errors as `exactSteps`. */
export async function runPersonSteps(request: PersonSteps): Promise<void> {
  const { objective, plan, random, apply, onStep } = request
  const noiseRandom = random.split('person noise')
  const divisor = plan.plan.expectedBatchSize
  const tables = objective.tables.map(({ rows: count, width }) => new Float64Array(count * width))
  for (const { step, batch, noiseOnSum, maxGradNorm } of exactSteps(request)) {
    noisyMean(objective, batch, { noiseOnSum, divisor, random: noiseRandom, into: tables })
    apply({ tables, noiseStdDev: noiseOnSum / divisor, maxGradNorm }, step)
    onStep?.(step)
    await letOthersRun()
  }
}

/**
 * (Σ + N(0, noiseOnSum²)) ÷ divisor into dense tables: noise on every coordinate, whether touched or not. `projectOut` is taken off the noisy
 * sum: P(Σ + noise) is P(PΣ + noise), a linear map of a release whose sensitivity is that of PΣ.
 */
export function noisyMean(
  objective: PersonObjective,
  batch: ClippedBatch,
  {
    noiseOnSum,
    divisor,
    random,
    into,
  }: { readonly noiseOnSum: number; readonly divisor: number; readonly random: RandomSource; readonly into: readonly Float64Array[] },
): void {
  for (const table of into) fillNormals(table, random, noiseOnSum)
  batch.sum.addInto(into)
  const { projectOut } = objective
  if (projectOut) removeDirection(into[0] as Float64Array, projectOut, (objective.tables[0] as TableShape).width)
  for (const table of into) for (let i = 0; i < table.length; i++) (table[i] as number) /= divisor
}

/** Takes the component along a unit vector over the rows out of every column. */
export function removeDirection(table: Float64Array, direction: Float64Array, width: number): void {
  const along = new Float64Array(width)
  for (const [row, share] of direction.entries())
    for (let c = 0; c < width; c++) (along[c] as number) += share * (table[row * width + c] as number)
  for (const [row, share] of direction.entries())
    for (let c = 0; c < width; c++) (table[row * width + c] as number) -= share * (along[c] as number)
}
