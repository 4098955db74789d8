/**
 * Trains `item-fold-in`: item vectors only, by projected (stochastic) gradient steps. A person's loss is −‖Vᵀy‖, y their row of the popular items
 * ("head"), weighted by popularity^(−damping) and of length 1, V the orthonormal item table: how much of their taste the table can say. Its
 * gradient is y ⊗ û with û = Vᵀy/‖Vᵀy‖, the person's own vector, which nobody else sees.
 *
 * With privacy the head, the weights and the bias come from one noisy popularity release, and every step is a release of user-dp-sgd.ts, to which
 * a person's whole gradient is one clipped vector. The table starts as noise. Everything after a step's release (leaky sum, orthonormal factor,
 * singular values shrunk by the known noise) is post-processing. Proof and tests: docs/mechanisms/user-level-dp-sgd.md.
 *
 * Public: which items exist, how many people there are. The rules that follow from N·μ below were chosen on MovieLens 1M, which a promise made
 * there does not cover.
 */

import { itemCounts } from '../../data/index.ts'
import { TacetError } from '../../errors.ts'
import { symmetricEigen } from '../../kernels/index.ts'
import { createItemFoldIn, type Ranker } from '../../models/index.ts'
import type { PrivacyEvent } from '../../privacy/index.ts'
import { createMovingTable, type TableFactors } from './moving-table.ts'
import { personOnly } from './person-budget.ts'
import { atRate, checkPersonScale, levelRates, levelScales, type PersonalBudgets, refusePersonScale } from './personal-budgets.ts'
import { type Head, headOf, restrictedTo } from './popular-head.ts'
import { releasePopularity, rowFloor } from './popularity.ts'
import { type FactorPlan, factorEvents, personSamplingParameters, planFactors } from './private-factors.ts'
import type { ParameterSpec, RankingFitRequest, RankingPrivacy, RankingTrainer } from './trainer.ts'
import { createClippedSummer, type PersonObjective, type PersonPlan, personUnits, removeDirection, runPersonSteps } from './user-dp-sgd.ts'

const name = 'item-fold-in'

const parameters = {
  dimensions: {
    default: 0,
    atLeast: 0,
    atMost: 512,
    integer: true,
    about: 'length of an item vector; 0 = by people and ε (64 without privacy)',
  },
  ...personSamplingParameters,
  damping: { default: 0.4, atLeast: 0, atMost: 1, about: 'an item weighs popularity^(−damping)' },
  popularityTaste: { default: 0.6, atLeast: 0, about: 'weight of how mainstream somebody is, next to the item vectors' },
  popularityWeight: { default: 0.1, atLeast: 0, about: 'weight of popularity itself in every list' },
  rowFloor,
} as const satisfies Record<string, ParameterSpec>

type Settings = Readonly<Record<keyof typeof parameters, number>>

// --- the objective ---------------------------------------------------------------------------------------------------------------------

/**
 * Gradient of ‖Vᵀy‖ (climbed, so that the table is moved along it): y ⊗ û, y the weighted row of the person, of length 1. Of one target alone it
 * is that item's share, scaled by √(n) so that its length is about 1 too.
 * @param table Float64Array[head × width]: the orthonormal table in force, read at every call
 */
export function tasteObjective(weights: Float64Array, direction: Float64Array, table: Float64Array, width: number): PersonObjective {
  const vector = new Float64Array(width)
  return {
    tables: [{ name: 'items', rows: weights.length, width }],
    projectOut: direction,
    addGradient({ history, targets }, into) {
      vector.fill(0)
      let square = 0
      for (const row of history) {
        const weight = weights[row] as number
        square += weight * weight
        for (let c = 0, from = row * width; c < width; c++) vector[c] = (vector[c] as number) + weight * (table[from + c] as number)
      }
      let length = 0
      for (let c = 0; c < width; c++) length += (vector[c] as number) ** 2
      if (!(length > 0)) return
      const scale = Math.sqrt(history.length / targets.length) / Math.sqrt(square * length)
      for (const row of targets) {
        const at = into.row(0, row)
        const factor = (weights[row] as number) * scale
        const { values } = into
        for (let c = 0; c < width; c++) values[at + c] = (values[at + c] as number) + factor * (vector[c] as number)
      }
    },
  }
}

// --- the model -------------------------------------------------------------------------------------------------------------------------

/**
 * The model of a head and its factors. Each person's taste scores are brought to mean 0 and spread 1 over the head (a change of basis does that
 * for everybody at once); items outside the head come after all of it, in popularity order.
 */
function assemble(
  head: Head,
  popularity: Float64Array,
  { left, gains }: TableFactors,
  { popularityTaste, popularityWeight }: Settings,
): Ranker {
  const rows = head.items.length
  const columns = popularityTaste > 0 ? [...left, head.direction] : [...left]
  const strengths = popularityTaste > 0 ? [...gains, popularityTaste] : [...gains]
  const width = columns.length
  const input = columns.map((column) => column.map((x, row) => x * (head.weights[row] as number)))
  const output = columns.map((column, c) => {
    const scores = column.map((x, row) => ((strengths[c] as number) * x) / (head.weights[row] as number))
    const mean = scores.reduce((sum, x) => sum + x, 0) / rows
    return scores.map((x) => x - mean)
  })
  const spread = new Float64Array(width * width)
  for (let i = 0; i < width; i++)
    for (let j = 0; j < width; j++) {
      let dot = 0
      for (let row = 0; row < rows; row++) dot += (output[i]?.[row] as number) * (output[j]?.[row] as number)
      spread[i * width + j] = dot / rows
    }
  const { values, vectors } = width === 0 ? { values: new Float64Array(0), vectors: new Float64Array(0) } : symmetricEigen(spread, width)
  const kept = Array.from(values.keys()).filter((k) => (values[k] as number) > (values[0] as number) * 1e-10)
  const dimensions = Math.max(1, kept.length)
  const itemCount = popularity.length
  const model = {
    itemCount,
    dimensions,
    input: new Float32Array(itemCount * dimensions),
    output: new Float32Array(itemCount * dimensions),
    bias: new Float32Array(itemCount),
    popularity: Float32Array.from(popularity),
  }
  for (const [c, k] of kept.entries()) {
    const root = Math.sqrt(values[k] as number)
    for (const [row, item] of head.items.entries()) {
      let [into, out] = [0, 0]
      for (let i = 0; i < width; i++) {
        const share = vectors[k * width + i] as number
        into += share * (input[i]?.[row] as number)
        out += share * (output[i]?.[row] as number)
      }
      model.input[item * dimensions + c] = into * root
      model.output[item * dimensions + c] = out / root
    }
  }
  const mean = head.popularity.reduce((sum, x) => sum + x, 0) / rows
  const spreadOfPopularity = Math.sqrt(head.popularity.reduce((sum, x) => sum + (x - mean) ** 2, 0) / rows) || 1
  let lowest = Infinity
  for (const [row, item] of head.items.entries()) {
    // A hair of popularity stays where its weight is 0: somebody without a history still gets a list.
    const weight = Math.max(popularityWeight, 1e-6)
    model.bias[item] = (weight * ((head.popularity[row] as number) - mean)) / spreadOfPopularity
    let square = 0
    for (let c = 0; c < dimensions; c++) square += (model.output[item * dimensions + c] as number) ** 2
    lowest = Math.min(lowest, (model.bias[item] as number) - Math.sqrt(square))
  }
  const rest = Uint32Array.from(popularity.keys())
    .filter((item) => (head.positionOf[item] as number) < 0)
    .sort((a, b) => (popularity[b] as number) - (popularity[a] as number) || a - b)
  for (const [rank, item] of rest.entries()) model.bias[item] = lowest - 1 - (10 * rank) / itemCount
  return createItemFoldIn(model)
}

// --- training --------------------------------------------------------------------------------------------------------------------------

async function fitPrivately(request: RankingFitRequest, privacy: RankingPrivacy): Promise<Ranker> {
  const { positives, random, spend, onProgress, signal, personScale, personBudgets } = request
  // A scale alone does not say which ε it is of.
  if (personBudgets === undefined) refusePersonScale(name, personScale)
  checkPersonScale(name, personScale, positives.personCount, privacy)
  const settings = request.parameters as Settings
  const plan = planFactors(name, settings, privacy, { ...positives, dimensions: settings.dimensions })
  const { popularityMu, steps, head: size, dimensions } = plan
  const keep = personBudgets && keptByLevel(personBudgets, ratesOf(plan, privacy, personBudgets.levels), steps)
  const popularity = releasePopularity(positives, {
    mu: popularityMu,
    floor: settings.rowFloor,
    random: random.split('popularity'),
    spend,
    personScale,
  })
  const head = headOf(popularity, size, settings.damping, 1 / popularityMu)
  const moving = createMovingTable(size, dimensions, head.direction, settings.retention, random.split('initial table'))
  spend(steps.event)
  await runPersonSteps({
    objective: tasteObjective(head.weights, head.direction, moving.table, dimensions),
    likes: restrictedTo(head, positives),
    plan: steps,
    random,
    apply: moving.apply,
    keep,
    onStep: (step) => onProgress?.('steps', step + 1, settings.steps),
    ...(signal ? { signal } : {}),
  })
  return assemble(head, popularity, moving.factors(), settings)
}

function fitExactly(request: RankingFitRequest): Ranker {
  const { positives, random, onProgress, signal } = request
  const settings = request.parameters as Settings
  const popularity = Float64Array.from(itemCounts(positives))
  const liked = popularity.reduce((count, x) => count + (x > 0 ? 1 : 0), 0)
  if (liked === 0)
    throw new TacetError('empty-data', 'nobody likes anything in the training rows', { wayOut: 'Lower --min-rating, or use other data.' })
  const size = Math.min(settings.head || liked, positives.itemCount)
  const dimensions = Math.min(settings.dimensions || 64, Math.max(1, size - 1), positives.personCount)
  const head = headOf(popularity, size, settings.damping, 1)
  const moving = createMovingTable(size, dimensions, head.direction, settings.retention, random.split('initial table'))
  const likes = restrictedTo(head, positives)
  const everything = { sampling: 'people', interactionsPerPerson: Math.max(1, size) } as const
  const unit = personUnits(likes, everything, random.split('person slots'))
  const objective = tasteObjective(head.weights, head.direction, moving.table, dimensions)
  // Nobody is protected here: the bound is there for the same weight of everybody, as in the private steps.
  const summer = createClippedSummer(objective, { kind: 'flat', maxGradNorm: settings.maxGradNorm })
  const draws = random.split('person draws')
  const gradient = new Float64Array(size * dimensions)
  for (let step = 0; step < settings.steps; step++) {
    if (signal?.aborted) throw new TacetError('interrupted', `stopped before pass ${step + 1} of ${settings.steps}`)
    summer.clear()
    for (let person = 0; person < likes.personCount; person++) summer.add(unit(person), settings.maxGradNorm, draws)
    gradient.fill(0)
    summer.batch.sum.addInto([gradient])
    removeDirection(gradient, head.direction, dimensions)
    moving.apply({ tables: [gradient], noiseStdDev: 0, maxGradNorm: settings.maxGradNorm })
    onProgress?.('passes', step + 1, settings.steps)
  }
  return assemble(head, popularity, moving.factors(), settings)
}

export const itemFoldInTrainer: RankingTrainer = {
  name,
  about: 'item vectors only; a person is folded in from their own history (private: DP-SGD that samples people)',
  parameters,
  privateFor: ['user'],
  refusal: personOnly(name),
  plan({ parameters: settings, privacy, personCount, itemCount }): readonly PrivacyEvent[] {
    const { dimensions } = settings as Settings
    return factorEvents(planFactors(name, settings as Settings, privacy, { personCount, itemCount, dimensions }))
  },
  levelEvents({ parameters: settings, privacy, personCount, itemCount, levels }) {
    const { dimensions } = settings as Settings
    const plan = planFactors(name, settings as Settings, privacy, { personCount, itemCount, dimensions })
    const scales = levelScales(levels, privacy.delta)
    return ratesOf(plan, privacy, levels).map((rate, at) => [
      { kind: 'gaussian', noiseMultiplier: 1 / (plan.popularityMu * (scales[at] as number)) },
      atRate(plan.steps.event, rate),
    ])
  },
  fit: (request) => (request.privacy === null ? fitExactly(request) : fitPrivately(request, request.privacy)),
}

/** Chance a step of each level's people. */
function ratesOf({ steps, popularityEvent }: FactorPlan, { delta, alongside }: RankingPrivacy, levels: readonly number[]): number[] {
  if (steps.sampling !== 'people')
    throw new TacetError('unsafe-plan', `${name} samples interactions here, and personal budgets sample people`, {
      wayOut: 'Use --param sampling=1.',
    })
  const { sampleRate } = steps.plan
  if (typeof sampleRate !== 'number') throw new TacetError('internal', 'a schedule of sampling rates has no rate by level')
  return levelRates(levels, { delta, steps: steps.event, sampleRate, beside: [popularityEvent, ...alongside] })
}

function keptByLevel({ levelOf }: PersonalBudgets, rates: readonly number[], { plan }: PersonPlan): Float64Array {
  return Float64Array.from(levelOf, (level) => (rates[level] as number) / (plan.sampleRate as number))
}
