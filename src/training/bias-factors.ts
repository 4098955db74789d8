/**
 * Trains `bias-factors`: item and person biases, response of items to demographics, and low-rank factors, each from one noisy vector of sufficient
 * statistics (a stage), shrunk by the known noise. One rating added or removed is the unit; the stages compose as μ² = Σ μₖ², exactly.
 *
 * Each stage is: residuals of the model so far (earlier releases and the row itself, nothing else) → a bounded statistic → spend → noise →
 * estimate. Estimates are made of releases and public tables only. With `privacy: null` nothing here runs: bias-factors-exact.ts fits the same
 * model to the rows themselves.
 *
 * What was taken as public: the vocabulary (a row of the model for every person and item in it), the user table, the rating scale, the
 * catalogue when `itemMetadata` is on. Noise is floating-point (privacy/mechanisms/gaussian.ts). docs/mechanisms/bias-factors.md has the proofs.
 */
import type { Interactions } from '../data/index.ts'
import { checkNumber, TacetError } from '../errors.ts'
import { type BiasFactors, type BiasFactorsModel, createBiasFactorsModel } from '../models/index.ts'
import { gaussianMu, type PrivacyEvent, releaseGaussian, type Spend } from '../privacy/index.ts'
import { fillNormals, type RandomSource } from '../random/index.ts'
import { fitBiasFactorsExactly, type NormalisedFactors } from './bias-factors-exact.ts'
import { capRows, columnsOf, type FeatureMatrix, itemFeatures, matrixOf, personFeatures, whiten } from './bias-factors-features.ts'
import { eigenSymmetric } from './bias-factors-linear.ts'
import { estimateGroups, likeliestSpread, shrinkTowards } from './bias-factors-shrink.ts'
import { type PlannedStage, planStages, type StagePlan } from './bias-factors-stages.ts'
import {
  calibrationSensitivity,
  calibrationStatistic,
  countAndSumSensitivity,
  countAndSumStatistic,
  highestValue,
  lowestValue,
  momentSensitivity,
  momentStatistic,
  normalisedScale,
  type RatingColumns,
  ratingColumns,
  recencySensitivity,
  recencyStatistic,
  responseStatistic,
  sumStatistic,
  unscaleMoments,
} from './bias-factors-statistics.ts'

export interface BiasFactorsRequest {
  readonly data: Interactions
  /** Row numbers to train on. */
  readonly trainRows: Uint32Array
  /** Null: no privacy, the exact fit. */
  readonly privacy: { readonly epsilon: number; readonly delta: number } | null
  /** Noise, and the start of the factors that nothing public suggests. */
  readonly random: RandomSource
  /** Called with each stage's event before its noise is drawn; throwing refuses that stage and ends the training. */
  readonly spend: Spend
  /** Genres and years of the public catalogue inform the prior of items. */
  readonly itemMetadata: boolean
  /**
   * A fixed public time (seconds): rows at or after it say what to expect of people not seen yet. Null, the default, does without. It must not
   * be read off the rows: a rank of private times moves with one row.
   */
  readonly recentSince?: number | null
  /** Called before each stage with the share done, 0 … 1; throwing (an interrupt) ends the training before that stage spends. */
  readonly onProgress?: (done: number, stage: string) => void
}

export interface BiasFactorsResult {
  readonly model: BiasFactorsModel
  /** One `gaussian` a stage, in order; empty without privacy. */
  readonly events: readonly PrivacyEvent[]
  /** Total μ for one rating; null without privacy. */
  readonly mu: number | null
  readonly stages: readonly PlannedStage[]
  /**
   * μ for one person with `ratings` ratings of different items: √Σ k²μₛ² over stages where they share a coordinate, Σ kμₛ² where each has its own.
   * Infinity without privacy.
   */
  userPriceOf(ratings: number): number
}

/**
 * @throws TacetError invalid-argument (implicit feedback, ε or δ out of range, no time stamps for `recentSince`), empty-data (no rows),
 *   malformed-data (a rating that is not a number); whatever `spend` throws
 */
export function trainBiasFactors(request: BiasFactorsRequest): BiasFactorsResult {
  const { data, trainRows, privacy, random, spend, itemMetadata, recentSince = null, onProgress } = request
  const scale = normalisedScale(data)
  if (trainRows.length === 0 || data.userIds.length === 0 || data.itemIds.length === 0)
    throw new TacetError('empty-data', `${data.name}: there are no training rows`, {
      wayOut: 'Give data with ratings before the cut of the split.',
    })
  const columns = ratingColumns(data, trainRows)
  if (privacy === null) {
    const fitted = fitBiasFactorsExactly({ data, columns, itemMetadata, random, ...(onProgress ? { onProgress } : {}) })
    return { model: createBiasFactorsModel(inRatingUnits(fitted, scale)), events: [], mu: null, stages: [], userPriceOf: () => Infinity }
  }

  const epsilon = checkNumber('epsilon', privacy.epsilon, { above: 0 })
  const delta = checkNumber('delta', privacy.delta, { above: 0, below: 1 })
  const mu = gaussianMu({ epsilon, delta })
  const recent = recentSince === null ? null : recentRows(data, trainRows, recentSince)
  const plan = biasFactorsPlan(data, { epsilon, delta }, { hasRecency: recent !== null })
  const events: PrivacyEvent[] = []
  const release: Release = (stage, statistic, sensitivity) =>
    releaseGaussian(statistic, {
      sensitivity,
      noiseMultiplier: 1 / stage.mu,
      random,
      spend: (event) => {
        spend(event)
        events.push(event)
      },
    })
  const fitted = runStages({ data, columns, recent, plan, itemMetadata, random, release, ...(onProgress ? { onProgress } : {}) })
  return {
    model: createBiasFactorsModel(inRatingUnits(fitted, scale)),
    events,
    mu,
    stages: plan.stages,
    userPriceOf: (ratings) => personMu(plan.stages, ratings),
  }
}

/**
 * The stages that `trainBiasFactors` runs on this data at this price, from public facts alone: size of the user table, which attributes it has.
 * @param hasRecency whether `recentSince` is given
 */
export function biasFactorsPlan(
  data: Interactions,
  { epsilon, delta }: { readonly epsilon: number; readonly delta: number },
  { hasRecency = false }: { readonly hasRecency?: boolean } = {},
): StagePlan {
  return planStages({
    epsilon,
    mu: gaussianMu({ epsilon, delta }),
    persons: data.userIds.length,
    hasDemographics: personFeatures(data, { broad: false }).columns > 0,
    hasRecency,
  })
}

/** μ for one person with k ratings of different items (privacy-rules, rule 12). */
export function personMu(stages: readonly PlannedStage[], ratings: number): number {
  const k = checkNumber('ratings', ratings, { atLeast: 0, integer: true })
  let square = 0
  for (const { per, mu } of stages) square += (per === 'item' ? k : k * k) * mu * mu
  return Math.sqrt(square)
}

function recentRows(data: Interactions, rows: Uint32Array, since: number): Uint8Array {
  checkNumber('recentSince', since)
  const { timestamps } = data
  if (!timestamps)
    throw new TacetError('invalid-argument', `recentSince needs times, and ${data.name} has none`, { wayOut: 'Leave recentSince out.' })
  return Uint8Array.from(rows, (row) => ((timestamps[row] as number) >= since ? 1 : 0))
}

/** Makes one stage's statistic noisy; the only way from rows to estimates. Tests put a recorder here. */
export type Release = (stage: PlannedStage, statistic: Float64Array, sensitivity: number) => Float64Array

function inRatingUnits(
  fitted: NormalisedFactors,
  { min, max, centre, unit }: { min: number; max: number; centre: number; unit: number },
): BiasFactors {
  const scaled = (values: Float64Array) => Float32Array.from(values, (value) => value * unit)
  return {
    scale: { min, max },
    offset: centre + unit * fitted.offset,
    personBias: scaled(fitted.personBias),
    itemBias: scaled(fitted.itemBias),
    dimension: fitted.dimension,
    personVectors: scaled(fitted.personVectors),
    itemVectors: Float32Array.from(fitted.itemVectors),
  }
}

export interface StagesRequest {
  readonly data: Interactions
  readonly columns: RatingColumns
  /** 1 for rows at or after the public time; null without one. */
  readonly recent: Uint8Array | null
  readonly plan: StagePlan
  readonly itemMetadata: boolean
  readonly random: RandomSource
  readonly release: Release
  readonly onProgress?: (done: number, stage: string) => void
}

/** What the releases have taught so far. */
interface State {
  readonly persons: number
  readonly items: number
  offset: number
  itemBias: Float64Array
  itemVariance: Float64Array
  itemCounts: Float64Array
  personBias: Float64Array
  personVariance: Float64Array
  personCounts: Float64Array
  moments: Moments
  calibration: Calibration
  /** What people not seen yet are expected to add; null = the mean over rows. */
  newcomers: number | null
  /** Whitened demographics (public), norms ≤ the cap, and what items respond to them. */
  readonly demographics: FeatureMatrix
  response: Float64Array
  /** Low-rank part; 0 coordinates until its first stage. */
  dimension: number
  personVectors: Float64Array
  itemVectors: Float64Array
}

interface Moments {
  readonly rows: number
  readonly mean: number
  readonly variance: number
  readonly boundedMean: number
  readonly boundedVariance: number
  /** A rating moves by this much where the bounded one moves by 1. */
  readonly slope: number
}

interface Calibration {
  /** Mean of the bounded residuals, and of the (almost) unbounded ones. */
  readonly boundedMean: number
  readonly mean: number
  /** Share of residuals inside the bound: a shift of a group by x moves its bounded mean by inside·x. */
  readonly inside: number
  readonly boundedVariance: number
}

/**
 * Runs the plan's stages. Reads the rows through the statistics file only, and hands each statistic to `release` before anything is estimated.
 */
export function runStages(request: StagesRequest): NormalisedFactors {
  const { data, columns, recent, plan, itemMetadata, random, release, onProgress } = request
  const persons = data.userIds.length
  const items = data.itemIds.length
  const demographics = whiten(personFeatures(data, { broad: false }), {
    weights: null,
    meanSquareNorm: 'per-coordinate',
    cap: plan.demographicsCap,
  })
  const state: State = {
    persons,
    items,
    offset: 0,
    itemBias: new Float64Array(items),
    itemVariance: new Float64Array(items),
    itemCounts: new Float64Array(items),
    personBias: new Float64Array(persons),
    personVariance: new Float64Array(persons).fill(0.2),
    personCounts: new Float64Array(persons),
    moments: estimateMoments(new Float64Array(6), Infinity, plan.ratingBound),
    calibration: { boundedMean: 0, mean: 0, inside: 0.75, boundedVariance: 0.5 },
    newcomers: null,
    demographics,
    response: new Float64Array(items * demographics.columns),
    dimension: 0,
    personVectors: new Float64Array(0),
    itemVectors: new Float64Array(0),
  }
  const residuals = new Float32Array(columns.values.length)

  for (const [k, stage] of plan.stages.entries()) {
    onProgress?.(k / plan.stages.length, stage.name)
    const priced = (statistic: Float64Array, sensitivity: number) => ({
      noisy: release(stage, statistic, sensitivity),
      stdDev: sensitivity / stage.mu,
    })
    switch (stage.name) {
      case 'moments': {
        const { noisy, stdDev } = priced(momentStatistic(columns.values, plan.ratingBound), momentSensitivity(plan.ratingBound))
        state.moments = estimateMoments(noisy, stdDev, plan.ratingBound)
        state.itemBias.fill(state.moments.mean)
        state.itemCounts.fill(state.moments.rows / items)
        state.personCounts.fill(state.moments.rows / persons)
        break
      }
      case 'items':
        itemStage(state, columns, plan, data, itemMetadata, priced)
        break
      case 'recency': {
        if (!recent) throw new TacetError('internal', 'a recency stage was planned without a public time')
        fillResiduals(state, columns, residuals)
        const { noisy, stdDev } = priced(recencyStatistic(residuals, recent), recencySensitivity)
        const count = Math.max(1, noisy[0] as number)
        // one row's residual has variance about 1; that newcomers differ from the rest by .1 is the prior
        state.newcomers = shrinkTowards((noisy[1] as number) / count, Math.sqrt(1 / count + (stdDev / count) ** 2), 0, 0.1)
        break
      }
      case 'calibration': {
        fillResiduals(state, columns, residuals)
        const { noisy, stdDev } = priced(calibrationStatistic(residuals, plan.residualBound), calibrationSensitivity(plan.residualBound))
        state.calibration = estimateCalibration(noisy, stdDev, state.moments.rows, plan.residualBound)
        break
      }
      case 'people':
        fillResiduals(state, columns, residuals)
        peopleStage(state, columns, residuals, plan, data, priced)
        break
      case 'items-again':
      case 'people-again':
        fillResiduals(state, columns, residuals)
        refreshStage(state, columns, residuals, plan, stage.name === 'items-again' ? 'items' : 'persons', priced)
        break
      case 'demographic-response':
        fillResiduals(state, columns, residuals)
        demographicStage(state, columns, residuals, plan, priced)
        break
      case 'person-vectors':
      case 'item-vectors':
        vectorStage(
          state,
          columns,
          residuals,
          plan,
          stage.name === 'person-vectors' ? 'persons' : 'items',
          data,
          itemMetadata,
          random,
          priced,
        )
        break
      default:
        stage.name satisfies never
    }
  }
  // without a person stage nobody has been told about newcomers yet
  if (!plan.stages.some(({ name }) => name === 'people')) state.offset += state.newcomers ?? 0
  return factorsOf(state)
}

type Priced = (statistic: Float64Array, sensitivity: number) => { noisy: Float64Array; stdDev: number }

function fillResiduals(state: State, { persons, items, values }: RatingColumns, out: Float32Array): void {
  const { offset, itemBias, personBias, demographics, response, dimension, personVectors, itemVectors } = state
  const z = demographics.columns
  for (let r = 0; r < values.length; r++) {
    const person = persons[r] as number
    const item = items[r] as number
    let sum = offset + (itemBias[item] as number) + (personBias[person] as number)
    for (let j = 0; j < z; j++) sum += (demographics.data[person * z + j] as number) * (response[item * z + j] as number)
    const p = person * dimension
    const q = item * dimension
    for (let j = 0; j < dimension; j++) sum += (personVectors[p + j] as number) * (itemVectors[q + j] as number)
    out[r] = (values[r] as number) - sum
  }
}

/** Demographics and their response become the first coordinates of the vectors. */
function factorsOf(state: State): NormalisedFactors {
  const { demographics, response, dimension, persons, items } = state
  const z = demographics.columns
  const responds = response.some((value) => value !== 0)
  const first = responds ? z : 0
  const joined = (rows: number, a: Float64Array, b: Float64Array) => {
    const out = new Float64Array(rows * (first + dimension))
    for (let r = 0; r < rows; r++) {
      for (let j = 0; j < first; j++) out[r * (first + dimension) + j] = a[r * z + j] as number
      for (let j = 0; j < dimension; j++) out[r * (first + dimension) + first + j] = b[r * dimension + j] as number
    }
    return out
  }
  return {
    offset: state.offset,
    personBias: state.personBias,
    itemBias: state.itemBias,
    dimension: first + dimension,
    personVectors: joined(persons, demographics.data, state.personVectors),
    itemVectors: joined(items, response, state.itemVectors),
  }
}

/** Ratios of noisy sums, each pulled to what ratings usually look like as far as its noise asks. */
function estimateMoments(noisy: Float64Array, stdDev: number, bound: number): Moments {
  const rows = Math.max(1, noisy[0] as number)
  const sums = unscaleMoments(noisy, bound)
  const deviations = unscaleMoments(new Float64Array(6).fill(Number.isFinite(stdDev) ? stdDev : 1e12), bound)
  const moment = (j: number, prior: number, priorStdDev: number) =>
    shrinkTowards((sums[j] as number) / rows, (deviations[j] as number) / rows, prior, priorStdDev)
  const mean = Math.max(lowestValue, Math.min(highestValue, moment(1, 0, 0.5)))
  const boundedMean = Math.max(-bound, Math.min(bound, moment(3, 0, 0.3)))
  const variance = Math.max(0.2, Math.min(4, moment(2, 1.2, 0.5) - mean * mean))
  const boundedVariance = Math.max(0.1 * bound * bound, Math.min(bound * bound, moment(5, 0.75 * bound * bound, 0.2) - boundedMean ** 2))
  const covariance = moment(4, 0.75 * bound * bound * 1.5, 0.3) - mean * boundedMean
  return { rows, mean, variance, boundedMean, boundedVariance, slope: Math.max(1, Math.min(3, covariance / boundedVariance)) }
}

function estimateCalibration(noisy: Float64Array, stdDev: number, rows: number, bound: number): Calibration {
  const ratio = (j: number, scale: number, prior: number, priorStdDev: number) =>
    shrinkTowards(((noisy[j] as number) * scale) / rows, (stdDev * scale) / rows, prior, priorStdDev)
  const boundedMean = Math.max(-0.5, Math.min(0.5, ratio(0, 1, 0, 0.1)))
  const square = bound * bound
  return {
    boundedMean,
    mean: Math.max(-0.5, Math.min(0.5, ratio(1, 1, 0, 0.1))),
    inside: Math.max(0.3, Math.min(1, ratio(2, 2, 0.75, 0.15))),
    boundedVariance: Math.max(0.1 * square, Math.min(square, ratio(3, 2 * bound, 0.5 * square, 0.2) - boundedMean ** 2)),
  }
}

/** Of the variance of bounded values, this share is inside a group: a guess that only shapes the shrinkage. */
const withinGroupShare = 0.88

function itemStage(state: State, columns: RatingColumns, plan: StagePlan, data: Interactions, itemMetadata: boolean, priced: Priced): void {
  const { items, moments } = state
  const options = { bound: plan.ratingBound, countWeight: plan.itemCountWeight }
  const { noisy, stdDev } = priced(countAndSumStatistic(columns.items, items, columns.values, options), countAndSumSensitivity(options))
  const estimates = estimateGroups(
    {
      counts: noisy.subarray(0, items).map((count) => count / options.countWeight),
      sums: noisy.subarray(items),
      countStdDev: stdDev / options.countWeight,
      sumStdDev: stdDev,
      rowVariance: withinGroupShare * moments.boundedVariance,
      largestCount: Math.min(moments.rows, state.persons),
    },
    {
      features: itemMetadata ? columnsOf(itemFeatures(data)) : [],
      featureStdDev: 0.15,
      followsCount: true,
      intercept: 'fitted',
    },
  )
  for (let i = 0; i < items; i++) {
    state.itemBias[i] = moments.mean + moments.slope * ((estimates.mean[i] as number) - moments.boundedMean)
    state.itemVariance[i] = moments.slope ** 2 * (estimates.variance[i] as number)
  }
  state.itemCounts = estimates.counts
}

function peopleStage(
  state: State,
  columns: RatingColumns,
  residuals: Float32Array,
  plan: StagePlan,
  data: Interactions,
  priced: Priced,
): void {
  const { persons, calibration } = state
  const options = { bound: plan.residualBound, countWeight: plan.personCountWeight }
  const { noisy, stdDev } = priced(countAndSumStatistic(columns.persons, persons, residuals, options), countAndSumSensitivity(options))
  const counts = noisy.subarray(0, persons).map((count) => count / options.countWeight)
  const { boundedMean, mean, inside } = calibration
  const estimates = estimateGroups(
    {
      counts,
      // bounding skewed residuals moves their mean: take the moved mean off here and put the true one back below
      sums: noisy.subarray(persons).map((sum, p) => sum - boundedMean * (counts[p] as number)),
      countStdDev: stdDev / options.countWeight,
      sumStdDev: stdDev,
      rowVariance: withinGroupShare * calibration.boundedVariance,
      largestCount: Math.min(state.moments.rows, state.items),
    },
    {
      features: columnsOf(whiten(personFeatures(data, { broad: true }), { weights: null, meanSquareNorm: 'per-coordinate', cap: 6 })),
      featureStdDev: 0.02,
      followsCount: false,
      // whoever is unknown counts as much as their ratings will: the mean over rows, not over people
      intercept: state.newcomers === null ? 0 : (state.newcomers - mean) * inside,
    },
  )
  for (let p = 0; p < persons; p++) {
    state.personBias[p] = mean + (estimates.mean[p] as number) / inside
    state.personVariance[p] = (estimates.variance[p] as number) / inside ** 2
  }
  state.personCounts = estimates.counts
}

/** One more look at the residuals of items or of people, weighed against what is known (a Kalman step). */
function refreshStage(
  state: State,
  columns: RatingColumns,
  residuals: Float32Array,
  plan: StagePlan,
  side: 'items' | 'persons',
  priced: Priced,
): void {
  const [groupOf, bias, variance, counts] =
    side === 'items'
      ? [columns.items, state.itemBias, state.itemVariance, state.itemCounts]
      : [columns.persons, state.personBias, state.personVariance, state.personCounts]
  const { noisy, stdDev } = priced(sumStatistic(groupOf, bias.length, residuals, plan.residualBound), plan.residualBound)
  const { boundedMean, mean, inside, boundedVariance } = state.calibration
  state.offset += mean
  for (let g = 0; g < bias.length; g++) {
    const n = counts[g] as number
    const h = n * inside
    const v = variance[g] as number
    const gain = (v * h) / (v * h * h + n * boundedVariance + stdDev * stdDev)
    bias[g] = (bias[g] as number) + gain * ((noisy[g] as number) - boundedMean * n)
    variance[g] = v * (1 - gain * h)
  }
  state.calibration = { ...state.calibration, boundedMean: 0, mean: 0 }
}

function demographicStage(state: State, columns: RatingColumns, residuals: Float32Array, plan: StagePlan, priced: Priced): void {
  const { items, demographics, calibration, itemCounts } = state
  const z = demographics.columns
  const { noisy, stdDev } = priced(
    responseStatistic(columns.items, items, columns.persons, demographics.data, z, residuals, plan.residualBound),
    plan.residualBound * plan.demographicsCap,
  )
  for (let j = 0; j < z; j++) {
    const gain = (i: number) => calibration.inside * (itemCounts[i] as number)
    const noise = (i: number) => (itemCounts[i] as number) * calibration.boundedVariance + stdDev * stdDev
    const spread = likeliestSpread(gain, (i) => noisy[i * z + j] as number, noise, items, { smallest: 2e-4, largest: 0.5, orZero: true })
    for (let i = 0; i < items; i++) {
      const h = gain(i)
      state.response[i * z + j] = ((spread * h) / (spread * h * h + noise(i))) * (noisy[i * z + j] as number)
    }
  }
}

/** Directions weaker than this share of the strongest are stretched no further. */
const weakestDirection = 1e-4

/**
 * New vectors for one side from residuals times the other side's vectors. With the other side's vectors q turned so that their second moment
 * (weighted by noisy counts) is diagonal, Λ, a person's Σ e·q is about n·inside·Λp plus noise: no Gram matrix per person is released. What the
 * model already says is added back, so that each stage measures p afresh.
 */
function vectorStage(
  state: State,
  columns: RatingColumns,
  residuals: Float32Array,
  plan: StagePlan,
  side: 'items' | 'persons',
  data: Interactions,
  itemMetadata: boolean,
  random: RandomSource,
  priced: Priced,
): void {
  const d = plan.dimension
  if (state.dimension === 0) {
    state.dimension = d
    state.itemVectors = firstItemVectors(state, d, plan.vectorCap, itemMetadata ? itemFeatures(data) : null, random)
    state.personVectors = new Float64Array(state.persons * d)
  }
  const own = side === 'persons' ? state.personVectors : state.itemVectors
  const ownCounts = side === 'persons' ? state.personCounts : state.itemCounts
  const other = side === 'persons' ? state.itemVectors : state.personVectors
  const otherCounts = side === 'persons' ? state.itemCounts : state.personCounts
  const secondMoments = balance(other, otherCounts, own, d, plan.vectorCap)

  fillResiduals(state, columns, residuals)
  const [ownOf, otherOf] = side === 'persons' ? [columns.persons, columns.items] : [columns.items, columns.persons]
  const { noisy, stdDev } = priced(
    responseStatistic(ownOf, ownCounts.length, otherOf, other, d, residuals, plan.residualBound),
    plan.residualBound * plan.vectorCap,
  )
  const { inside, boundedVariance } = state.calibration
  for (let j = 0; j < d; j++) {
    const lambda = secondMoments[j] as number
    const gain = (g: number) => inside * (ownCounts[g] as number) * lambda
    // rows of a group are not spread evenly over the other side's directions, which acts like more noise
    const noise = (g: number, inflation: number) => (ownCounts[g] as number) * boundedVariance * lambda * inflation + stdDev * stdDev
    const seen = (g: number) => (noisy[g * d + j] as number) + gain(g) * (own[g * d + j] as number)
    const observed = Float64Array.from(ownCounts, (_, g) => seen(g))
    const spread = likeliestSpread(
      gain,
      (g) => observed[g] as number,
      (g) => noise(g, 1.5),
      ownCounts.length,
      {
        smallest: 1e-4,
        largest: 50,
        orZero: true,
      },
    )
    for (let g = 0; g < ownCounts.length; g++) {
      const h = gain(g)
      own[g * d + j] = ((spread * h) / (spread * h * h + noise(g, 2))) * (observed[g] as number)
    }
  }
}

/**
 * Turns `other` to the eigenbasis of its weighted second moment, shrinks strong directions against weak ones (λ^−¼ on each row), scales to a mean
 * square norm of 1 and caps; `own` is turned inversely, so that products change only where the cap cuts. Both in place.
 * @returns Float64Array[d]: second moment of each coordinate of `other` afterwards
 */
function balance(other: Float64Array, weights: Float64Array, own: Float64Array, d: number, cap: number): Float64Array {
  const second = new Float64Array(d * d)
  let total = 0
  for (let r = 0; r < weights.length; r++) {
    const w = weights[r] as number
    total += w
    for (let j = 0; j < d; j++) {
      const x = w * (other[r * d + j] as number)
      for (let l = 0; l < d; l++) second[j * d + l] = (second[j * d + l] as number) + x * (other[r * d + l] as number)
    }
  }
  if (!(total > 0)) return new Float64Array(d)
  const { values, vectors } = eigenSymmetric(
    second.map((x) => x / total),
    d,
  )
  const strongest = values[0] as number
  if (!(strongest > 0)) return new Float64Array(d)
  const stretch = values.map((value) => Math.max(value, weakestDirection * strongest) ** -0.25)
  let meanSquare = 0
  for (let j = 0; j < d; j++) meanSquare += (values[j] as number) * (stretch[j] as number) ** 2
  const size = 1 / Math.sqrt(meanSquare)
  turn(
    other,
    d,
    vectors,
    stretch.map((s) => s * size),
  )
  turn(
    own,
    d,
    vectors,
    stretch.map((s) => 1 / (s * size)),
  )
  capRows(other, d, cap)
  const moments = new Float64Array(d)
  for (let r = 0; r < weights.length; r++)
    for (let j = 0; j < d; j++) moments[j] = (moments[j] as number) + ((weights[r] as number) / total) * (other[r * d + j] as number) ** 2
  return moments
}

/** Each row x becomes (xᵀV)·scale, coordinate by coordinate. */
function turn(matrix: Float64Array, d: number, vectors: Float64Array, scale: Float64Array): void {
  const row = new Float64Array(d)
  for (let from = 0; from < matrix.length; from += d) {
    for (let k = 0; k < d; k++) {
      let sum = 0
      for (let j = 0; j < d; j++) sum += (matrix[from + j] as number) * (vectors[j * d + k] as number)
      row[k] = sum * (scale[k] as number)
    }
    matrix.set(row, from)
  }
}

/** Where the factors start: what is known of items already (bias, popularity, response to demographics, metadata), then random directions. */
function firstItemVectors(state: State, d: number, cap: number, metadata: FeatureMatrix | null, random: RandomSource): Float64Array {
  const { items, itemBias, itemCounts, demographics, response } = state
  let weight = 0
  let meanBias = 0
  let meanLog = 0
  for (let i = 0; i < items; i++) {
    const n = itemCounts[i] as number
    weight += n
    meanBias += n * (itemBias[i] as number)
    meanLog += n * Math.log1p(n)
  }
  const bias = itemBias.map((b) => b - meanBias / Math.max(weight, 1e-9))
  const popularity = itemCounts.map((n) => Math.log1p(n) - meanLog / Math.max(weight, 1e-9))
  const z = demographics.columns
  const known = [
    bias,
    popularity,
    bias.map((b, i) => b * (popularity[i] as number)),
    bias.map((b) => b * b),
    ...columnsOf({ rows: items, columns: z, data: response }),
    ...(metadata ? columnsOf(metadata) : []),
  ]
  const whitened = columnsOf(whiten(matrixOf(items, known), { weights: itemCounts, meanSquareNorm: 'per-coordinate', cap: Infinity }))
  const start = whitened.slice(0, d)
  while (start.length < d) {
    const direction = new Float64Array(items)
    fillNormals(direction, random)
    start.push(direction)
  }
  const vectors = matrixOf(items, start).data
  const unit = 1 / Math.sqrt(d)
  for (let k = 0; k < vectors.length; k++) vectors[k] = (vectors[k] as number) * unit
  capRows(vectors, d, cap)
  return vectors
}
