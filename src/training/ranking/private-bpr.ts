/**
 * `bpr` private for a whole person: the pairwise loss of Rendle et al. 2009, of which only the item side leaves anybody. A person's vector is folded
 * in from their own likes against the public item table at every step, and is gone after it. The items they are compared with are drawn from the
 * public head, evenly or by the private popularity release: never by raw popularity, never from other people of the batch (`refuseCrossPerson`).
 *
 * The released model has item vectors and biases and no row of anybody: strangers and the trained-on are folded in alike.
 */
import { createBprRanker, type Ranker } from '../../models/index.ts'
import type { PrivacyEvent, Spend } from '../../privacy/index.ts'
import { fillNormals, type RandomSource } from '../../random/index.ts'
import { letOthersRun } from '../loop.ts'
import { createLazyTable } from './lazy-noise.ts'
import { createMovingTable } from './moving-table.ts'
import { createNormalStream } from './normal-stream.ts'
import { refusePersonScale } from './personal-budgets.ts'
import { type Head, headOf, restrictedTo } from './popular-head.ts'
import { releasePopularity, rowFloor } from './popularity.ts'
import {
  type DrawRow,
  drawEvenly,
  drawOf,
  drawUnliked,
  factorEvents,
  negativeParameters,
  personSamplingParameters,
  planFactors,
  refuseUnsafe,
} from './private-factors.ts'
import type { ParameterSpec, RankingFitRequest, RankingPrivacy } from './trainer.ts'
import { exactSteps, type PersonObjective, type PersonRows, type PersonSteps, runPersonSteps } from './user-dp-sgd.ts'

/** Settings of `bpr` that matter under privacy only. */
export const privateBprParameters = {
  ...personSamplingParameters,
  ...negativeParameters,
  maxGradNorm: { default: 0.3, above: 0, about: 'private: clip bound of a person’s gradient' },
  privateDimension: {
    default: 0,
    atLeast: 0,
    atMost: 512,
    integer: true,
    about: 'private: coordinates of an item vector; 0 = by people and ε',
  },
  lazyNoise: {
    default: 0,
    atLeast: 0,
    atMost: 1,
    integer: true,
    about: 'private: 1 = plain SGD on every item, its noise paid when a row is read: for catalogues of 10⁵ items and more',
  },
  privateNegatives: {
    default: 2,
    atLeast: 1,
    atMost: 100,
    integer: true,
    about: 'private: items drawn from the head beside each like',
  },
  foldInEpochs: { default: 30, atLeast: 1, atMost: 1000, integer: true, about: 'private: passes over a history to fold it in' },
  foldInRate: { default: 0.05, above: 0, atMost: 1, about: 'private: step size of the first of these passes; it falls to a tenth' },
} as const satisfies Record<string, ParameterSpec>

type Settings = Readonly<Record<keyof typeof privateBprParameters | 'regularisation', number>>

/**
 * How far a person vector of length 1 spreads the scores of an orthonormal table, in logits. Small: a table that is mostly noise must not decide which
 * pairs still count.
 */
const REACH = 0.1

/**
 * Climbs the weighted mean of ln σ(x_i − x_j), times √targets, over a person's targets i and `negatives` items j drawn evenly for each from the
 * table's rows they did not like. Rows of different items are orthogonal: the root makes the gradients of long and short histories alike. A score is
 * the product of vectors alone: biases would take the pairs of popular items out of the loss, and the popularity direction is projected out anyway.
 * @param weights Float64Array[rows]: how an item weighs; only ratios within a person matter
 * @param table Float64Array[rows × width]: the orthonormal table in force, read at every call
 */
export function pairwiseObjective(
  weights: Float64Array,
  table: Float64Array,
  width: number,
  { negatives, projectOut, draw }: { readonly negatives: number; readonly projectOut?: Float64Array; readonly draw?: DrawRow },
): PersonObjective {
  const dense = { values: table, read: (row: number) => row * width }
  return {
    ...pairwiseOver(dense, weights, width, REACH * Math.sqrt(weights.length), negatives, draw),
    ...(projectOut ? { projectOut } : {}),
  }
}

/** The same over a table whose rows are brought up to date when they are read. */
function pairwiseOver(
  table: { readonly values: Float64Array | Float32Array; read(row: number): number },
  weights: Float64Array,
  width: number,
  reach: number,
  negatives: number,
  drawRow: DrawRow = drawEvenly(weights.length),
): PersonObjective {
  const rows = weights.length
  const vector = new Float64Array(width)
  const liked = new Uint8Array(rows)
  return {
    tables: [{ name: 'items', rows, width }],
    addGradient({ history, targets }: PersonRows, into, random: RandomSource) {
      vector.fill(0)
      let square = 0
      for (const row of history) {
        const weight = weights[row] as number
        square += weight * weight
        for (let c = 0, from = table.read(row); c < width; c++)
          vector[c] = (vector[c] as number) + weight * (table.values[from + c] as number)
      }
      let length = 0
      for (const x of vector) length += x * x
      if (!(length > 0)) return
      for (let c = 0; c < width; c++) vector[c] = (vector[c] as number) / Math.sqrt(length)
      const scale = Math.sqrt(history.length / square) / (negatives * Math.sqrt(targets.length))
      for (const row of history) liked[row] = 1
      const free = history.length < rows
      const scoreOf = (row: number) => {
        let dot = 0
        for (let c = 0, from = table.read(row); c < width; c++) dot += (vector[c] as number) * (table.values[from + c] as number)
        return reach * dot
      }
      const move = (row: number, amount: number) => {
        const at = into.row(0, row)
        const { values } = into
        for (let c = 0; c < width; c++) values[at + c] = (values[at + c] as number) + amount * (vector[c] as number)
      }
      for (const target of targets) {
        const own = scoreOf(target)
        for (let draw = 0; free && draw < negatives; draw++) {
          const other = drawUnliked(drawRow, liked, random)
          if (other < 0) break
          const amount = (scale * (weights[target] as number)) / (1 + Math.exp(own - scoreOf(other)))
          move(target, amount)
          move(other, -amount)
        }
      }
      for (const row of history) liked[row] = 0
    },
  }
}

function planOf(settings: Settings, privacy: RankingPrivacy, personCount: number, itemCount: number) {
  refuseUnsafe('bpr', settings)
  return planFactors('bpr', settings.lazyNoise === 1 ? { ...settings, head: settings.head || itemCount } : settings, privacy, {
    personCount,
    itemCount,
    dimensions: settings.privateDimension,
  })
}

/** The events of a private fit, from public sizes. */
export const planPrivateBpr = (
  settings: Readonly<Record<string, number>>,
  privacy: RankingPrivacy,
  personCount: number,
  itemCount: number,
): readonly PrivacyEvent[] => factorEvents(planOf(settings as Settings, privacy, personCount, itemCount))

export async function fitPrivateBpr(request: RankingFitRequest, privacy: RankingPrivacy): Promise<Ranker> {
  refusePersonScale('bpr', request.personScale)
  const { positives, random, spend, onProgress, signal } = request
  const settings = request.parameters as Settings
  const { popularityMu, steps, head: size, dimensions } = planOf(settings, privacy, positives.personCount, positives.itemCount)
  const popularity = releasePopularity(positives, { mu: popularityMu, floor: rowFloor.default, random: random.split('popularity'), spend })
  const head = headOf(popularity, size, 0.4, 1 / popularityMu)
  const logs = head.popularity.map((p) => Math.log(p))
  const mean = logs.reduce((sum, x) => sum + x, 0) / size
  const bias = logs.map((x) => x - mean)
  const likes = restrictedTo(head, positives)
  const common = { likes, plan: steps, random, ...(signal ? { signal } : {}) }
  const onStep = (step: number) => onProgress?.('steps', step + 1, settings.steps)
  const { columns, scale } =
    settings.lazyNoise === 1
      ? await lazily({ ...common, onStep }, head, dimensions, settings, spend)
      : await orthonormally({ ...common, onStep }, head, dimensions, settings, spend)
  const { itemCount } = positives
  const dimension = Math.max(1, columns.length)
  const itemFactors = new Float32Array(itemCount * dimension)
  // Not Math.min(...bias): a head of 10⁵ rows and more is too many arguments for a call.
  const lowest = bias.reduce((least, b) => Math.min(least, b), Infinity)
  // Outside the head nobody has a vector: those items follow it, in popularity order.
  const itemBias = Float32Array.from(popularity, (p) => lowest - 4 + Math.min(3, Math.max(-3, (p * popularityMu) / 3)))
  for (const [row, item] of head.items.entries()) {
    itemBias[item] = bias[row] as number
    for (const [c, column] of columns.entries()) itemFactors[item * dimension + c] = scale * (column[row] as number)
  }
  return createBprRanker({
    personFactors: null,
    itemFactors: { shape: [itemCount, dimension], data: itemFactors },
    itemBias,
    prior: new Float32Array(dimension),
    foldIn: {
      loss: 'pairwise',
      negatives: settings.privateNegatives,
      learningRate: settings.foldInRate,
      regularisation: settings.regularisation,
      epochs: settings.foldInEpochs,
      intercept: 0,
      personBias: 0,
    },
  })
}

type Steps = Pick<PersonSteps, 'likes' | 'plan' | 'random' | 'signal'> & { readonly onStep: (step: number) => void }

/** Item vectors as columns over the head, and what to multiply them by. */
interface Columns {
  readonly columns: readonly Float64Array[]
  readonly scale: number
}

/** Noise on every row at every step; directions that do not stand out of it are left out. */
async function orthonormally(
  steps: Steps,
  { weights, direction, popularity }: Head,
  dimensions: number,
  { retention, privateNegatives, negativeSource }: Settings,
  spend: Spend,
): Promise<Columns> {
  const moving = createMovingTable(weights.length, dimensions, direction, retention, steps.random.split('initial table'))
  spend(steps.plan.event)
  await runPersonSteps({
    ...steps,
    objective: pairwiseObjective(weights, moving.table, dimensions, {
      negatives: privateNegatives,
      projectOut: direction,
      draw: drawOf(negativeSource, popularity),
    }),
    apply: moving.apply,
  })
  const { left, gains } = moving.factors()
  return { columns: left.map((column, c) => column.map((x) => x * (gains[c] as number))), scale: Math.sqrt(weights.length) }
}

/**
 * Plain SGD over a table that is too large for noise on every row at every step (lazy-noise.ts). A person's vector has length 1 whatever the table's
 * scale, so that the learning rate only sets the unit: 1, from a start far below the first step.
 */
async function lazily(
  steps: Steps,
  { weights, popularity }: Head,
  dimensions: number,
  { privateNegatives, negativeSource }: Settings,
  spend: Spend,
): Promise<Columns> {
  const rows = weights.length
  const { random, plan, onStep } = steps
  const start = new Float32Array(rows * dimensions)
  fillNormals(start, random.split('initial table'), 1e-6)
  const optimizer = { kind: 'sgd', learningRate: 1, momentum: 0 } as const
  const table = createLazyTable(start, { width: dimensions, optimizer, normals: createNormalStream(random.split('person noise')) })
  const divisor = plan.plan.expectedBatchSize
  spend(plan.event)
  const objective = pairwiseOver(table, weights, dimensions, REACH, privateNegatives, drawOf(negativeSource, popularity))
  for (const { step, batch, noiseOnSum } of exactSteps({ ...steps, objective })) {
    const touched = new Uint32Array(batch.sum.touched)
    const gradient = new Float32Array(touched.length * dimensions)
    let at = 0
    batch.sum.forEach((_table, row, offset) => {
      touched[at] = row
      // Climbed, where a step of the table goes down.
      for (let c = 0; c < dimensions; c++) gradient[at * dimensions + c] = -(batch.sum.values[offset + c] as number) / divisor
      at++
    })
    table.step({ rows: touched, count: at, gradient, learningRate: optimizer.learningRate, noiseStdDev: noiseOnSum / divisor })
    onStep(step)
    await letOthersRun()
  }
  const settled = table.settle()
  const norm = Math.sqrt(settled.reduce((sum, x) => sum + x * x, 0) / rows) || 1
  const columns = Array.from({ length: dimensions }, (_, c) =>
    Float64Array.from({ length: rows }, (_row, row) => settled[row * dimensions + c] as number),
  )
  return { columns, scale: 1 / norm }
}
