/**
 * Recipes for Wide & Deep: from a recipe's name, the size of the data and a privacy target to every number that training needs. `paper` is seed
 * 000 to the letter. `repaired` is the same network made to work under privacy: inputs on [0, 1], a public output bias, large Poisson batches,
 * momentum, and bounds and rates that spend the noise where it buys most.
 *
 * Functions of n, ε and public facts alone: they never look at a rating, so they cost nothing. The anchors of `repaired` were chosen on a
 * validation cut inside MovieLens 1M's training rows (docs/decisions/0009-repaired-recipe.md), which is a caveat on that data set
 * (privacy-rules 5) and not on others. Explicit settings override the recipe.
 */
import type { Interactions } from '../data/index.ts'
import { checkNumber, TacetError } from '../errors.ts'
import {
  createWideAndDeepNetwork,
  itemFeatureColumns,
  paperWideAndDeep,
  type WideAndDeepConfig,
  type WideAndDeepData,
  withAvailableFeatures,
} from '../models/index.ts'
import {
  type CalibrateNoise,
  calibrate,
  checkPlan,
  type DpSgdRequest,
  type PrivacyEvent,
  type PrivatePlan,
  planDpSgd,
} from '../privacy/index.ts'
import type { Optimizer } from './engine.ts'
import type { Averaging, TrainingLoop } from './loop.ts'

export const recipeNames = ['paper', 'repaired'] as const
export type RecipeName = (typeof recipeNames)[number]

/** What a person may set against the recipe. */
export interface RecipeOverrides {
  readonly epochs?: number
  /** Expected batch size with privacy, batch size without. */
  readonly batchSize?: number
  readonly learningRate?: number
  /** The joint L2 sensitivity of the clipped sum: bounds of single blocks keep their proportions. Adaptive clipping starts from it. */
  readonly maxGradNorm?: number
  /** Default: paper flat, repaired per block. */
  readonly clipping?: ClippingName
}

/** How gradients may be clipped instead of the recipe's way. */
export const clippingNames = ['flat', 'automatic', 'adaptive'] as const
export type ClippingName = (typeof clippingNames)[number]

/** AUTO-S of Bu et al. 2023, with their stability. */
const autoStability = 0.01
/** Andrew et al. 2021: the median, a rate of .2, and noise of a twentieth of the batch on the count. */
const adaptiveQuantile = 0.5
const adaptiveRate = 0.2
const countNoiseShare = 1 / 20

export interface RecipeRequest {
  readonly recipe: RecipeName
  /** Training rows (public: statement). */
  readonly rows: number
  /** Size of the public catalogue. */
  readonly items: number
  readonly ratingScale: { readonly min: number; readonly max: number }
  readonly privacy: null | { readonly delta: number; readonly epsilon?: number | undefined; readonly noiseMultiplier?: number | undefined }
  /** Finds σ for ε; the PLD accountant's. */
  readonly calibrate: CalibrateNoise
  readonly overrides: RecipeOverrides
}

/** Everything training needs, as plain data: `config.json` of a run holds it. */
export interface WideAndDeepSettings {
  readonly recipe: RecipeName
  /** With the data set's features taken out that are not there (withAvailableFeatures). */
  readonly config: WideAndDeepConfig
  readonly plan: PrivatePlan | null
  readonly batchSize: number
  readonly steps: number
  readonly optimizer: Optimizer
  readonly learningRateDecay: 'none' | 'linear'
  readonly averaging: Averaging
  readonly blockRates: Readonly<Record<string, number>>
}

const paperBatchSize = 512
const defaultEpochs = 5

/** Keras' Adam, which seed 000 used. */
const kerasAdam = (learningRate: number): Optimizer => ({ kind: 'adam', learningRate, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 })

/**
 * @param configOf takes the recipe's network configuration to the one that fits the data, and its blocks in the engine's order
 * @throws TacetError invalid-argument (batch larger than the data, a setting out of range), unsafe-plan (no noise), not-calibratable
 */
export function resolveRecipe(
  request: RecipeRequest,
  configOf: (config: WideAndDeepConfig) => { readonly config: WideAndDeepConfig; readonly blocks: readonly string[] },
): WideAndDeepSettings {
  const { recipe, rows, privacy, overrides } = request
  checkNumber('rows', rows, { atLeast: 1, integer: true })
  if (overrides.learningRate !== undefined) checkNumber('learning-rate', overrides.learningRate, { above: 0 })
  if (overrides.maxGradNorm !== undefined) {
    if (privacy === null)
      throw new TacetError('invalid-argument', 'max-grad-norm means nothing without privacy: nothing is clipped', {
        wayOut: 'leave out --max-grad-norm',
      })
    checkNumber('max-grad-norm', overrides.maxGradNorm, { above: 0 })
  }
  if (overrides.clipping !== undefined && privacy === null)
    throw new TacetError('invalid-argument', 'clipping means nothing without privacy: nothing is clipped', {
      wayOut: 'leave out --clipping',
    })
  if (overrides.batchSize !== undefined && overrides.batchSize > rows)
    throw new TacetError('invalid-argument', `batch size ${overrides.batchSize} is larger than the data: ${rows} training rows`, {
      wayOut: `use a --batch-size of at most ${rows}`,
    })
  const epochs = checkNumber('epochs', overrides.epochs ?? defaultEpochs, { above: 0 })
  return recipe === 'paper' ? paper(request, epochs, configOf(paperWideAndDeep)) : repaired(request, epochs, configOf)
}

/** Steps of `epochs` passes without privacy: every epoch has its last, smaller batch. */
const shuffledSteps = (rows: number, batchSize: number, epochs: number): number =>
  Math.max(1, Math.round(epochs * Math.ceil(rows / batchSize)))

function paper(
  { rows, privacy, calibrate, overrides }: RecipeRequest,
  epochs: number,
  { config }: { readonly config: WideAndDeepConfig },
): WideAndDeepSettings {
  const batchSize = checkNumber('batch-size', overrides.batchSize ?? Math.min(paperBatchSize, rows), { atLeast: 1, integer: true })
  const plan =
    privacy &&
    planClipped(overrides.clipping, overrides.maxGradNorm ?? 1, {
      privacyUnit: 'rating',
      datasetSize: rows,
      expectedBatchSize: batchSize,
      epochs,
      delta: privacy.delta,
      clipping: { kind: 'flat', maxGradNorm: overrides.maxGradNorm ?? 1 },
      calibrate,
      ...target(privacy),
    })
  return {
    recipe: 'paper',
    config,
    plan,
    batchSize,
    steps: plan?.steps ?? shuffledSteps(rows, batchSize, epochs),
    optimizer: kerasAdam(overrides.learningRate ?? 1e-3),
    learningRateDecay: 'none',
    averaging: { kind: 'none' },
    blockRates: {},
  }
}

const target = (privacy: NonNullable<RecipeRequest['privacy']>): { epsilon: number } | { noiseMultiplier: number } =>
  privacy.noiseMultiplier === undefined ? { epsilon: privacy.epsilon as number } : { noiseMultiplier: privacy.noiseMultiplier }

/**
 * A plan with the clipping asked for in place of the recipe's, at the same sensitivity and price.
 * @param maxGradNorm joint sensitivity; where adaptive clipping starts
 */
function planClipped(clipping: ClippingName | undefined, maxGradNorm: number, request: DpSgdRequest): PrivatePlan {
  const plan = planDpSgd(request)
  switch (clipping) {
    case undefined:
      return plan
    case 'flat':
      return checkPlan({ ...plan, clipping: { kind: 'flat', maxGradNorm } })
    case 'automatic':
      return checkPlan({ ...plan, clipping: { kind: 'automatic', maxGradNorm, stability: autoStability } })
    case 'adaptive': {
      // The count is paid for inside σ: its noise must be well above it, or little would be left for the gradients (gradientShare).
      const countNoiseStdDev = Math.max(countNoiseShare * plan.expectedBatchSize, 2 * (plan.noiseMultiplier as number))
      return checkPlan({
        ...plan,
        clipping: {
          kind: 'adaptive',
          initialMaxGradNorm: maxGradNorm,
          targetQuantile: adaptiveQuantile,
          learningRate: adaptiveRate,
          countNoiseStdDev,
        },
      })
    }
  }
}

/**
 * The repaired recipe at one price. Bounds and rates are per block of parameters, in the proportions given: noise is the same on every coordinate,
 * so a block whose gradients say little is bounded tightly and costs little of the joint sensitivity.
 */
interface Anchor {
  /** ε by the PLD at δ = 1e-5 of these q, σ and steps on ML-1M's 800,165 training rows. */
  readonly epsilon: number
  readonly noiseMultiplier: number
  readonly sampleRate: number
  /** Joint L2 sensitivity. */
  readonly maxGradNorm: number
  /** Bounds in proportion to the item embeddings' 1. */
  readonly bounds: { readonly user: number; readonly outputBias: number; readonly rest: number }
  /** Rates in proportion to the item embeddings' 1. */
  readonly rates: { readonly user: number; readonly outputBias: number; readonly rest: number }
}

const anchors: readonly Anchor[] = [
  {
    epsilon: 0.0408,
    noiseMultiplier: 45.6,
    sampleRate: 1 / 12,
    maxGradNorm: 1.4,
    bounds: { user: 0.1, outputBias: 0.02, rest: 0.05 },
    rates: { user: 0.1, outputBias: 0.002, rest: 0 },
  },
  {
    epsilon: 0.2535,
    noiseMultiplier: 5.675,
    sampleRate: 1 / 30,
    maxGradNorm: 1.4,
    bounds: { user: 0.3, outputBias: 0.1, rest: 0.05 },
    rates: { user: 0.3, outputBias: 0.002, rest: 0 },
  },
  {
    epsilon: 1.15,
    noiseMultiplier: 1.67,
    sampleRate: 1 / 30,
    maxGradNorm: 2,
    bounds: { user: 0.5, outputBias: 0.1, rest: 0.05 },
    rates: { user: 0.3, outputBias: 0.002, rest: 0 },
  },
]

/** Small embeddings: where they start is noise to the prediction, and the start is linear in them. */
const embeddingInitialScale = 0.05

/** Anchors are for ratings of 1 … 5; errors, and so gradients, grow with the scale. */
const scaleOf = ({ min, max }: RecipeRequest['ratingScale']): number => (max - min) / 4

/** Middle of the scale and a bit: 3.5 of 1 … 5. A declared constant, not a mean of ratings. */
const publicOutputBias = ({ min, max }: RecipeRequest['ratingScale']): number => min + 0.625 * (max - min)

function repaired(
  { rows, items, privacy, calibrate, overrides, ratingScale }: RecipeRequest,
  epochs: number,
  configOf: Parameters<typeof resolveRecipe>[1],
): WideAndDeepSettings {
  const initialOutputBias = publicOutputBias(ratingScale)
  if (privacy === null) {
    const { config } = configOf({ ...paperWideAndDeep, inputs: 'scaled', initialOutputBias })
    const batchSize = checkNumber('batch-size', overrides.batchSize ?? Math.min(paperBatchSize, rows), { atLeast: 1, integer: true })
    return {
      recipe: 'repaired',
      config,
      plan: null,
      batchSize,
      steps: shuffledSteps(rows, batchSize, epochs),
      optimizer: kerasAdam(overrides.learningRate ?? 1e-3),
      learningRateDecay: 'linear',
      averaging: { kind: 'none' },
      blockRates: {},
    }
  }
  const anchor =
    privacy.noiseMultiplier === undefined
      ? anchorAt('epsilon', privacy.epsilon as number)
      : anchorAt('noiseMultiplier', privacy.noiseMultiplier)
  const { config, blocks } = configOf({
    ...paperWideAndDeep,
    inputs: 'scaled',
    initialOutputBias,
    embeddingInitialScale,
    start: 'linear',
  })
  const batchSize = overrides.batchSize ?? Math.max(1, Math.round(anchor.sampleRate * rows))
  const bounds = blocks.map((name) => blockValue(name, anchor.bounds))
  const joint = Math.hypot(...bounds)
  const maxGradNorm = overrides.maxGradNorm ?? anchor.maxGradNorm * scaleOf(ratingScale)
  const plan = planClipped(overrides.clipping, maxGradNorm, {
    privacyUnit: 'rating',
    datasetSize: rows,
    expectedBatchSize: checkNumber('batch-size', batchSize, { atLeast: 1, integer: true }),
    epochs,
    delta: privacy.delta,
    clipping: { kind: 'per-block', maxGradNorms: bounds.map((bound) => (bound / joint) * maxGradNorm) },
    calibrate,
    ...target(privacy),
  })
  return {
    recipe: 'repaired',
    config,
    plan,
    batchSize,
    steps: plan.steps,
    optimizer: { kind: 'sgd', learningRate: overrides.learningRate ?? itemRate(plan, items, maxGradNorm, scaleOf(ratingScale)), momentum },
    learningRateDecay: 'linear',
    averaging: { kind: 'none' },
    blockRates: Object.fromEntries(blocks.map((name) => [name, blockValue(name, anchor.rates)])),
  }
}

const momentum = 0.9

/**
 * Learning rate of the item embeddings. With the linear start a prediction moves by what its item's embedding moves, so noise of standard deviation
 * rate/(1 − momentum) · σC/B · √(T/3) reaches it over T steps of a falling rate: a quarter of a star is what it may be. Where there is little
 * noise, ten passes over an average item's residual are enough.
 */
function itemRate({ noiseMultiplier, expectedBatchSize, steps }: PrivatePlan, items: number, maxGradNorm: number, scale: number): number {
  const noise = ((noiseMultiplier as number) * maxGradNorm * Math.sqrt(steps / 3)) / expectedBatchSize
  return (1 - momentum) * Math.min((0.25 * scale) / noise, (10 * items) / steps)
}

function blockValue(name: string, values: Anchor['bounds']): number {
  if (name === 'embedding.item') return 1
  if (name === 'embedding.user') return values.user
  return name === 'output.bias' ? values.outputBias : values.rest
}

/** The recipe between anchors: logarithms interpolated along the logarithm of `by`; the nearest anchor beyond the ends. */
function anchorAt(by: 'epsilon' | 'noiseMultiplier', value: number): Anchor {
  const sorted = anchors.toSorted((a, b) => a[by] - b[by])
  const above = sorted.findIndex((anchor) => anchor[by] >= value)
  if (above <= 0) return sorted.at(above) as Anchor
  const low = sorted[above - 1] as Anchor
  const high = sorted[above] as Anchor
  const share = Math.log(value / low[by]) / Math.log(high[by] / low[by])
  const between = (a: number, b: number) => (a > 0 && b > 0 ? a ** (1 - share) * b ** share : a * (1 - share) + b * share)
  const each = (a: Anchor['bounds'], b: Anchor['bounds']) => ({
    user: between(a.user, b.user),
    outputBias: between(a.outputBias, b.outputBias),
    rest: between(a.rest, b.rest),
  })
  return {
    epsilon: between(low.epsilon, high.epsilon),
    noiseMultiplier: between(low.noiseMultiplier, high.noiseMultiplier),
    sampleRate: between(low.sampleRate, high.sampleRate),
    maxGradNorm: between(low.maxGradNorm, high.maxGradNorm),
    bounds: each(low.bounds, high.bounds),
    rates: each(low.rates, high.rates),
  }
}

/** What Wide & Deep reads of a data set: sizes and public attribute columns. */
export function networkData(data: Interactions): WideAndDeepData {
  return {
    userCount: data.userIds.length,
    itemCount: data.itemIds.length,
    userFeatures: data.userAttributes,
    itemFeatures: itemFeatureColumns(data.itemTable),
  }
}

/**
 * `resolveRecipe` for a data set, with noise calibrated by the PLD accountant.
 * @param rows training rows
 * @param options.alongside what else the run releases: noise is calibrated so that all of it together costs ε
 * @throws TacetError invalid-argument for data without ratings, and everything `resolveRecipe` throws
 */
export function wideAndDeepSettings(
  data: Interactions,
  rows: number,
  {
    recipe,
    privacy,
    overrides = {},
    alongside = [],
  }: Pick<RecipeRequest, 'recipe' | 'privacy'> & { readonly overrides?: RecipeOverrides; readonly alongside?: readonly PrivacyEvent[] },
): WideAndDeepSettings {
  const { ratingScale } = data
  if (ratingScale === null)
    throw new TacetError('invalid-argument', `${data.name} holds implicit feedback; Wide & Deep predicts ratings`, {
      wayOut: 'use a data set with ratings, or name the rating column',
    })
  const columns = networkData(data)
  return resolveRecipe(
    {
      recipe,
      rows,
      items: data.itemIds.length,
      ratingScale,
      privacy,
      calibrate: ({ epsilon, delta, relation, eventOf }) => {
        const make = (noiseMultiplier: number): PrivacyEvent => {
          const event = eventOf(noiseMultiplier)
          return alongside.length === 0 ? event : { kind: 'composed', events: [...alongside, event] }
        }
        return calibrate({ make, epsilon, delta, relation }).value
      },
      overrides,
    },
    (wanted) => {
      const config = withAvailableFeatures(wanted, columns)
      const { network } = createWideAndDeepNetwork(config, columns, { kernels: 'reference' })
      return { config, blocks: network.blocks.map(({ name }) => name) }
    },
  )
}

/** The part of a training loop that a recipe decides. */
export function loopOf(
  settings: WideAndDeepSettings,
  rows: number,
): Pick<TrainingLoop, 'batches' | 'optimizerAt' | 'averaging' | 'blockRates'> {
  const { plan, batchSize, steps, optimizer, learningRateDecay, averaging, blockRates } = settings
  return {
    batches: plan ? { kind: 'poisson', plan } : { kind: 'shuffled', datasetSize: rows, batchSize, steps },
    optimizerAt:
      learningRateDecay === 'none'
        ? () => optimizer
        : (step) => ({ ...optimizer, learningRate: optimizer.learningRate * (1 - step / steps) }),
    averaging,
    blockRates,
  }
}
