/**
 * `neumf` private for a whole person, in two parts as He et al. 2017 pre-train it: first the item vectors of the product (GMF), by the steps of
 * item-fold-in; then the tower (MLP) and its output, by DP-SGD that samples people, over item vectors that are public by then. A person enters both
 * by a vector folded in from their own likes (the network's linear fold-in, fixed beforehand) and has no row; what is compared with their likes is
 * drawn evenly from the public head.
 *
 * The tower has some hundred parameters, so that its noise is small; it sees no row of anybody and no statistic of a batch. Without privacy see
 * neumf.ts. The scale of everything that leaves a step is the bound of user-dp-sgd.ts.
 */
import { createNeuralRanker, neuMfParts, type Ranker } from '../../models/index.ts'
import type { PrivacyEvent } from '../../privacy/index.ts'
import { fillNormals, type RandomSource } from '../../random/index.ts'
import { tasteObjective } from './item-fold-in.ts'
import { createMovingTable } from './moving-table.ts'
import { personMu } from './person-budget.ts'
import { refusePersonScale } from './personal-budgets.ts'
import { type Head, headOf, restrictedTo } from './popular-head.ts'
import { releasePopularity, rowFloor } from './popularity.ts'
import {
  type DrawRow,
  drawEvenly,
  drawOf,
  drawUnliked,
  type FactorPlan,
  negativeParameters,
  personSamplingParameters,
  planFactors,
  refuseUnsafe,
} from './private-factors.ts'
import type { ParameterSpec, RankingFitRequest, RankingPrivacy } from './trainer.ts'
import { type PersonObjective, type PersonPlan, type PersonRows, planPersonSteps, runPersonSteps } from './user-dp-sgd.ts'

/** Settings of `neumf` that matter under privacy only; `tower=0` is GMF there too. */
export const privateNeuMfParameters = {
  ...personSamplingParameters,
  ...negativeParameters,
  privateDimension: {
    default: 0,
    atLeast: 0,
    atMost: 512,
    integer: true,
    about: 'private: numbers of an item vector; 0 = by people and ε',
  },
  towerShare: { default: 0.05, above: 0, atMost: 0.9, about: 'private: share of μ² that the tower gets' },
  towerSteps: { default: 10, atLeast: 1, atMost: 10_000, integer: true, about: 'private: noisy steps of the tower, everybody in each' },
  towerRate: { default: 0.2, above: 0, about: 'private: learning rate of the tower' },
  towerUnits: {
    default: 8,
    atLeast: 1,
    atMost: 256,
    integer: true,
    about: 'private: units of the tower’s first hidden layer; the second has half',
  },
  privateNegatives: {
    default: 2,
    atLeast: 1,
    atMost: 100,
    integer: true,
    about: 'private: items drawn from the head beside each like',
  },
} as const satisfies Record<string, ParameterSpec>

type Settings = Readonly<Record<keyof typeof privateNeuMfParameters | 'tower', number>>

/** Likes of a person in one step of the tower: the price does not depend on it, the time does. */
const TOWER_INTERACTIONS = 16
const TOWER_BOUND = 0.5
const DAMPING = 0.4

interface NeuMfPlan {
  readonly factors: FactorPlan
  /** Null for GMF. */
  readonly tower: PersonPlan | null
}

function planOf(settings: Settings, privacy: RankingPrivacy, personCount: number, itemCount: number): NeuMfPlan {
  const name = 'neumf'
  refuseUnsafe(name, settings)
  const dimensions = settings.privateDimension
  if (settings.tower === 0) return { factors: planFactors(name, settings, privacy, { personCount, itemCount, dimensions }), tower: null }
  // Full batches: a plain Gaussian a step, so that the tower's share of μ² is exact.
  const mu = personMu(name, privacy) * Math.sqrt(settings.towerShare)
  const noiseMultiplier = Math.sqrt(settings.towerSteps) / mu
  const event: PrivacyEvent = { kind: 'repeated', times: settings.towerSteps, event: { kind: 'gaussian', noiseMultiplier } }
  const factors = planFactors(
    name,
    settings,
    { ...privacy, alongside: [...privacy.alongside, event] },
    { personCount, itemCount, dimensions },
  )
  const tower = planPersonSteps({
    model: name,
    sampling: 'people',
    personCount,
    interactionsPerPerson: TOWER_INTERACTIONS,
    sampleRate: 1,
    steps: settings.towerSteps,
    clipping: { kind: 'flat', maxGradNorm: TOWER_BOUND },
    privacy,
    noiseMultiplier,
  })
  return { factors, tower }
}

const eventsOf = ({ factors: { popularityEvent, steps }, tower }: NeuMfPlan): readonly PrivacyEvent[] => [
  popularityEvent,
  steps.event,
  ...(tower ? [tower.event] : []),
]

/** The events of a private fit, from public sizes. */
export const planPrivateNeuMf = (
  settings: Readonly<Record<string, number>>,
  privacy: RankingPrivacy,
  personCount: number,
  itemCount: number,
): readonly PrivacyEvent[] => eventsOf(planOf(settings as Settings, privacy, personCount, itemCount))

// --- the tower -------------------------------------------------------------------------------------------------------------------------

/** Dense layers with ReLU between them, each [inputs + 1 × outputs] with the bias as its last row; the last has one output and no ReLU. */
export interface Tower {
  readonly widths: readonly number[]
  readonly layers: readonly Float64Array[]
}

/** @param widths inputs, hidden units, 1 */
export function createTower(widths: readonly number[], random: RandomSource): Tower {
  const layers = widths.slice(1).map((outputs, layer) => {
    const inputs = widths[layer] as number
    const weights = new Float64Array((inputs + 1) * outputs)
    fillNormals(weights.subarray(0, inputs * outputs), random, Math.sqrt(2 / inputs) / (layer === widths.length - 2 ? 4 : 1))
    return weights
  })
  return { widths, layers }
}

/**
 * Mean logistic loss of a person's targets and of `negatives` evenly drawn other rows for each, as a function of the tower alone: the vectors of
 * people and items and what is added to the tower's output are public or the person's own.
 * @param input Float64Array[rows × width]: what liking an item adds to a vector (÷ √likes), and what the tower sees of an item
 * @param output Float64Array[rows × width], bias Float64Array[rows]: the product half
 */
export function towerObjective(
  tower: Tower,
  {
    input,
    output,
    bias,
    width,
    negatives,
    draw = drawEvenly(bias.length),
  }: {
    readonly input: Float64Array
    readonly output: Float64Array
    readonly bias: Float64Array
    readonly width: number
    readonly negatives: number
    readonly draw?: DrawRow
  },
): PersonObjective {
  const { widths, layers } = tower
  const rows = bias.length
  const activations = widths.map((units) => new Float64Array(units))
  const deltas = widths.map((units) => new Float64Array(units))
  const gradients = layers.map((layer) => new Float64Array(layer.length))
  const liked = new Uint8Array(rows)
  const first = activations[0] as Float64Array
  const vector = first.subarray(0, width)

  function example(row: number, target: 0 | 1, share: number): void {
    let logit = bias[row] as number
    for (let c = 0, from = row * width; c < width; c++) {
      logit += (vector[c] as number) * (output[from + c] as number)
      first[width + c] = input[from + c] as number
    }
    for (const [layer, weights] of layers.entries()) {
      const from = activations[layer] as Float64Array
      const to = activations[layer + 1] as Float64Array
      const outputs = to.length
      for (let o = 0; o < outputs; o++) to[o] = weights[from.length * outputs + o] as number
      for (let i = 0; i < from.length; i++) {
        const x = from[i] as number
        if (x !== 0) for (let o = 0; o < outputs; o++) to[o] = (to[o] as number) + x * (weights[i * outputs + o] as number)
      }
      if (layer < layers.length - 1) for (let o = 0; o < outputs; o++) to[o] = Math.max(0, to[o] as number)
    }
    logit += activations.at(-1)?.[0] as number
    ;(deltas.at(-1) as Float64Array)[0] = share * (1 / (1 + Math.exp(-logit)) - target)
    for (let layer = layers.length - 1; layer >= 0; layer--) {
      const weights = layers[layer] as Float64Array
      const gradient = gradients[layer] as Float64Array
      const from = activations[layer] as Float64Array
      const back = deltas[layer] as Float64Array
      const delta = deltas[layer + 1] as Float64Array
      const outputs = delta.length
      for (let i = 0; i < from.length; i++) {
        const x = from[i] as number
        let sum = 0
        for (let o = 0; o < outputs; o++) {
          sum += (delta[o] as number) * (weights[i * outputs + o] as number)
          gradient[i * outputs + o] = (gradient[i * outputs + o] as number) + x * (delta[o] as number)
        }
        back[i] = layer > 0 && x > 0 ? sum : 0
      }
      for (let o = 0; o < outputs; o++)
        gradient[from.length * outputs + o] = (gradient[from.length * outputs + o] as number) + (delta[o] as number)
    }
  }

  return {
    tables: layers.map((weights, layer) => ({ name: `tower.${layer}`, rows: 1, width: weights.length })),
    addGradient({ history, targets }: PersonRows, into, random) {
      vector.fill(0)
      for (const row of history) {
        liked[row] = 1
        for (let c = 0, from = row * width; c < width; c++) vector[c] = (vector[c] as number) + (input[from + c] as number)
      }
      for (let c = 0; c < width; c++) vector[c] = (vector[c] as number) / Math.sqrt(history.length)
      for (const gradient of gradients) gradient.fill(0)
      const free = history.length < rows
      const share = 1 / (targets.length * (1 + negatives))
      for (const target of targets) {
        example(target, 1, share)
        for (let turn = 0; free && turn < negatives; turn++) {
          const other = drawUnliked(draw, liked, random)
          if (other < 0) break
          example(other, 0, share)
        }
      }
      for (const row of history) liked[row] = 0
      for (const [layer, gradient] of gradients.entries()) {
        const at = into.row(layer, 0)
        for (let i = 0; i < gradient.length; i++) into.values[at + i] = (into.values[at + i] as number) + (gradient[i] as number)
      }
    },
  }
}

// --- training --------------------------------------------------------------------------------------------------------------------------

/** The product half over the head: in- and output vectors and biases by head position, from public factors. */
function productOf(head: Head, left: readonly Float64Array[], gains: readonly number[]) {
  const rows = head.items.length
  const width = Math.max(1, left.length)
  const [input, output] = [new Float64Array(rows * width), new Float64Array(rows * width)]
  // Weights with mean square 1 over the head: then a vector of √likes summands has entries of about 1, and a score too.
  const scale = Math.sqrt(head.weights.reduce((sum, w) => sum + w * w, 0) / rows)
  for (const [c, column] of left.entries())
    for (let row = 0; row < rows; row++) {
      const weight = (head.weights[row] as number) / scale
      input[row * width + c] = Math.sqrt(rows) * weight * (column[row] as number)
      output[row * width + c] = ((gains[c] as number) * (column[row] as number) * Math.sqrt(rows)) / weight / Math.sqrt(width)
    }
  const logs = head.popularity.map((p) => Math.log(p))
  const mean = logs.reduce((sum, x) => sum + x, 0) / rows
  return { input, output, width, bias: logs.map((x) => (x - mean) / 2) }
}

export async function fitPrivateNeuMf(request: RankingFitRequest, privacy: RankingPrivacy): Promise<Ranker> {
  refusePersonScale('neumf', request.personScale)
  const { positives, random, spend, onProgress, signal } = request
  const settings = request.parameters as Settings
  const plan = planOf(settings, privacy, positives.personCount, positives.itemCount)
  const { popularityMu, steps, head: size, dimensions } = plan.factors
  const popularity = releasePopularity(positives, { mu: popularityMu, floor: rowFloor.default, random: random.split('popularity'), spend })
  const head = headOf(popularity, size, DAMPING, 1 / popularityMu)
  const likes = restrictedTo(head, positives)
  const moving = createMovingTable(size, dimensions, head.direction, settings.retention, random.split('initial table'))
  const common = { likes, ...(signal ? { signal } : {}) }
  spend(steps.event)
  await runPersonSteps({
    ...common,
    objective: tasteObjective(head.weights, head.direction, moving.table, dimensions),
    plan: steps,
    random: random.split('product'),
    apply: moving.apply,
    onStep: (step) => onProgress?.('product', step + 1, settings.steps),
  })
  const { left, gains } = moving.factors()
  const product = productOf(head, left, gains)
  const { width } = product
  const units = settings.towerUnits
  const tower = createTower([2 * width, units, Math.max(1, units >> 1), 1], random.split('initial tower'))
  if (plan.tower !== null) {
    spend(plan.tower.event)
    await runPersonSteps({
      ...common,
      objective: towerObjective(tower, {
        ...product,
        negatives: settings.privateNegatives,
        draw: drawOf(settings.negativeSource, head.popularity),
      }),
      plan: plan.tower,
      random: random.split('tower'),
      apply({ tables }) {
        for (const [layer, gradient] of tables.entries()) {
          const weights = tower.layers[layer] as Float64Array
          for (let i = 0; i < weights.length; i++) weights[i] = (weights[i] as number) - settings.towerRate * (gradient[i] as number)
        }
      },
      onStep: (step) => onProgress?.('tower', step + 1, settings.towerSteps),
    })
  } else (tower.layers.at(-1) as Float64Array).fill(0)
  return assemble(positives.itemCount, popularity, popularityMu, head, product, tower)
}

/** The network of neumf.ts with one row for whoever is folded in: the product reads a vector and a constant, the tower the same vector. */
function assemble(
  itemCount: number,
  popularity: Float64Array,
  popularityMu: number,
  head: Head,
  { input, output, bias, width }: ReturnType<typeof productOf>,
  tower: Tower,
): Ranker {
  const hiddenLayers = tower.widths.slice(1, -1)
  const parts = neuMfParts({ personCount: 0, itemCount, productDimension: width + 1, towerDimension: width, hiddenLayers })
  const { network } = parts.pairs
  network.parameters.fill(0)
  const block = (name: string) => {
    const { offset, shape } = network.blocks.find((each) => each.name === name) as { offset: number; shape: readonly number[] }
    return network.parameters.subarray(offset, offset + shape.reduce((count, extent) => count * extent, 1))
  }
  const [productRows, deepRows] = [block('embedding.item.product'), block('embedding.item.deep')]
  const lowest = bias.reduce((least, b) => Math.min(least, b), Infinity) - 20
  // Outside the head nobody has a vector: those items follow it, in popularity order.
  for (const [item, p] of popularity.entries())
    productRows[item * (width + 1) + width] = lowest + Math.min(9, Math.max(-9, p * popularityMu))
  for (const [row, item] of head.items.entries()) {
    for (let c = 0; c < width; c++) {
      deepRows[item * width + c] = input[row * width + c] as number
      productRows[item * (width + 1) + c] = output[row * width + c] as number
    }
    productRows[item * (width + 1) + width] = bias[row] as number
  }
  for (const [layer, units] of hiddenLayers.entries()) {
    const weights = tower.layers[layer] as Float64Array
    const inputs = tower.widths[layer] as number
    block(`deep.${layer}.weights`).set(weights.subarray(0, inputs * units))
    block(`deep.${layer}.bias`).set(weights.subarray(inputs * units))
  }
  const last = tower.layers.at(-1) as Float64Array
  const deepOutput = last.length - 1
  block('output.weights').set(last.subarray(0, deepOutput))
  block('output.weights').fill(1, deepOutput)
  block('output.bias')[0] = last[deepOutput] as number
  // Fold-in: sums of the tower's item vectors go to both halves as they are; the product's last number is the constant.
  const [inputs, outputs] = [2 * width + 2, 2 * width + 1]
  const foldIn = new Float32Array(inputs * outputs)
  for (let c = 0; c < width; c++) {
    foldIn[(width + 1 + c) * outputs + c] = 1
    foldIn[(width + 1 + c) * outputs + width + 1 + c] = 1
  }
  foldIn[(inputs - 1) * outputs + width] = 1
  return createNeuralRanker({ ...parts, foldIn })
}
