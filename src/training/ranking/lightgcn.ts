/**
 * LightGCN (He et al. 2020): vectors of people and items, smoothed over the graph of likes by E = Σ_l Â^l E₀ / (L + 1) with Â = D^−½AD^−½, trained by
 * pairwise ranking on the smoothed vectors. Smoothing is linear and Â symmetric, so the gradient passes back through the same products.
 *
 * Not private, and not to be made so by noise on gradients: one like enters the vector of everybody within L steps of it, and degrees of all.
 */
import { itemCounts, itemsOf, type Positives } from '../../data/index.ts'
import { TacetError } from '../../errors.ts'
import { createArena, createGraphKernels, padded } from '../../kernels/index.ts'
import { createLightGcnRanker, fitHistoryMap, type LightGcnVectors } from '../../models/index.ts'
import { fillNormals, type RandomSource } from '../../random/index.ts'
import { letOthersRun } from '../loop.ts'
import { createLikeSampler, shareOf } from './like-sampler.ts'
import { refuseUnder } from './linear-refusal.ts'
import type { ParameterSpec, RankingTrainer } from './trainer.ts'

const [beta1, beta2, epsilon] = [0.9, 0.999, 1e-8]
const matrices = ['start', 'smoothed', 'gradient', 'startGradient', 'first', 'second', 'scaled', 'left', 'right'] as const

export interface LightGcnSettings {
  readonly dimension: number
  readonly layers: number
  readonly epochs: number
  readonly batchSize: number
  readonly learningRate: number
  /** λ: each triple adds λ/2·‖x‖² for each of its three start vectors x. */
  readonly regularisation: number
  readonly initialStdDev: number
}

/** People first, then items, as nodes of one graph; vectors of `width` floats a node. */
export interface GraphModel {
  /** Dimensions, up to a multiple of 4: the cells beyond hold 0. */
  readonly width: number
  readonly nodes: number
  /** Float32Array[nodes × width]: E₀, what is trained. */
  readonly start: Float32Array
  /** Float32Array[nodes × width]: E, after `smooth`. */
  readonly vectors: Float32Array
  /** Fills `vectors` from `start`. */
  smooth(): void
  /** Float32Array[nodes × width]: of `start`, after `accumulate`. */
  readonly gradient: Float32Array
  /**
   * Fills `gradient` with that of Σ over triples of the pairwise loss of the smoothed vectors + regularisation/2 · squared norms of the start vectors.
   * `vectors` must be smoothed.
   * @returns the sum of the pairwise losses
   */
  accumulate(people: Uint32Array, preferred: Uint32Array, others: Uint32Array, count: number): number
  /** One step of Adam on gradient ÷ count; `vectors` are stale afterwards. */
  update(count: number, learningRate: number): void
}

export function createGraphModel(positives: Positives, settings: LightGcnSettings, random: RandomSource): GraphModel {
  const { personCount, itemCount, offsets, items } = positives
  const { layers, batchSize } = settings
  const width = padded(settings.dimension)
  const nodes = personCount + itemCount
  const edges = items.length
  const arena = createArena()
  const at = {
    offsets: arena.allocate(nodes + 1),
    neighbours: arena.allocate(2 * edges),
    rootDegree: arena.allocate(nodes),
    degree: arena.allocate(nodes),
    last: arena.allocate(nodes),
    penalty: arena.allocate(nodes),
    ...(Object.fromEntries(matrices.map((name) => [name, arena.allocate(nodes * width)])) as Record<(typeof matrices)[number], number>),
    people: arena.allocate(batchSize),
    preferred: arena.allocate(batchSize),
    others: arena.allocate(batchSize),
  }
  const kernels = createGraphKernels(arena.byteLength)
  const floats = (pointer: number, length = nodes * width) => new Float32Array(kernels.buffer, pointer, length)
  const words = (pointer: number, length: number) => new Uint32Array(kernels.buffer, pointer, length)

  // The graph in both directions.
  const ends = words(at.offsets, nodes + 1)
  const neighbours = words(at.neighbours, 2 * edges)
  ends.set(offsets)
  for (let e = 0; e < edges; e++) neighbours[e] = personCount + (items[e] as number)
  const counts = itemCounts(positives)
  for (let i = 0; i < itemCount; i++) ends[personCount + i + 1] = (ends[personCount + i] as number) + (counts[i] as number)
  const next = ends.slice(personCount)
  for (let p = 0; p < personCount; p++)
    for (let e = offsets[p] as number; e < (offsets[p + 1] as number); e++) neighbours[next[items[e] as number]++] = p
  // Powers of the degrees; a node without neighbours has none, and is left with its own vector.
  const [rootDegree, degree, last] = [at.rootDegree, at.degree, at.last].map((pointer) => floats(pointer, nodes)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ]
  for (let n = 0; n < nodes; n++) {
    const count = (ends[n + 1] as number) - (ends[n] as number)
    degree[n] = count === 0 ? 0 : 1 / count
    rootDegree[n] = Math.sqrt(degree[n] as number)
  }

  const start = floats(at.start)
  const rows = floats(at.smoothed)
  fillNormals(start, random)
  for (let n = 0; n < nodes; n++)
    for (let k = 0; k < width; k++)
      start[n * width + k] = k < settings.dimension ? (start[n * width + k] as number) * settings.initialStdDev : 0

  /** out = Σ_{l ≤ depth} Â^l source / (depth + 1), by Horner's rule on D^−½-scaled vectors, so that no product has a weight an edge. */
  function propagate(source: number, out: number, depth: number): void {
    const share = 1 / (depth + 1)
    floats(at.scaled).fill(0)
    kernels.addScaledRows(nodes, width, at.rootDegree, source, at.scaled)
    let current = at.scaled
    for (let l = 1; l < depth; l++) {
      const target = current === at.left ? at.right : at.left
      kernels.neighbourSums(nodes, width, at.offsets, at.neighbours, current, at.degree, at.scaled, 1, target)
      current = target
    }
    for (let n = 0; n < nodes; n++) last[n] = depth === 0 ? 0 : share * (rootDegree[n] as number)
    kernels.neighbourSums(nodes, width, at.offsets, at.neighbours, current, at.last, source, share, out)
  }

  const [tilePeople, tilePreferred, tileOthers] = [at.people, at.preferred, at.others].map((pointer) => words(pointer, batchSize)) as [
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ]
  const penalty = floats(at.penalty, nodes)
  let steps = 0

  return {
    width,
    nodes,
    start,
    vectors: rows,
    smooth() {
      propagate(at.start, at.smoothed, layers)
    },
    gradient: floats(at.startGradient),
    accumulate(people, preferred, others, count) {
      penalty.fill(0)
      for (let n = 0; n < count; n++) {
        const triple = [people[n] as number, personCount + (preferred[n] as number), personCount + (others[n] as number)] as const
        ;[tilePeople[n], tilePreferred[n], tileOthers[n]] = triple
        for (const node of triple) (penalty[node] as number) += settings.regularisation
      }
      floats(at.gradient).fill(0)
      const loss = kernels.pairwise(count, width, at.people, at.preferred, at.others, at.smoothed, at.gradient)
      propagate(at.gradient, at.startGradient, layers)
      kernels.addScaledRows(nodes, width, at.penalty, at.start, at.startGradient)
      return loss
    },
    update(count, learningRate) {
      steps++
      const alpha = (learningRate * Math.sqrt(1 - beta2 ** steps)) / (1 - beta1 ** steps)
      kernels.adam(nodes * width, at.start, at.startGradient, at.first, at.second, 1 / count, alpha, beta1, beta2, epsilon)
    },
  }
}

const settings = {
  dimension: { default: 64, atLeast: 1, atMost: 1024, integer: true, about: 'numbers a vector' },
  layers: { default: 3, atLeast: 0, atMost: 16, integer: true, about: 'steps over the graph; 0: plain matrix factorisation' },
  epochs: { default: 60, atLeast: 1, atMost: 10_000, integer: true, about: 'passes over the likes' },
  batchSize: {
    default: 0,
    atLeast: 0,
    atMost: 4_194_304,
    integer: true,
    about: 'likes a step, for each of which the whole graph is passed over; 0: a twentieth of all, 256 … 65,536',
  },
  learningRate: { default: 0.03, above: 0, atMost: 1, about: "Adam's first step size, falling linearly to 0" },
  regularisation: { default: 7e-4, atLeast: 0, atMost: 10, about: 'L2 penalty of each start vector that a triple reads' },
  initialStdDev: { default: 0.1, above: 0, atMost: 10, about: 'standard deviation of the start vectors' },
} satisfies Record<keyof LightGcnSettings, ParameterSpec>

const refusal = {
  reason:
    'lightgcn cannot be trained privately: it smooths over the raw graph of likes, an operator across examples: one like changes the vectors of everybody within reach and the degrees they are divided by, so no clipping of single examples bounds what a person moves',
  wayOut: 'use item-gram or dpals, which are private for a whole person, or --no-privacy',
}

export const lightGcnTrainer: RankingTrainer = {
  name: 'lightgcn',
  about: 'vectors of people and items smoothed over the graph of likes, learnt by pairwise ranking',
  parameters: settings,
  privateFor: [],
  refusal,
  async fit({ positives, parameters, privacy, random, onProgress, signal }) {
    refuseUnder(privacy, lightGcnTrainer)
    const chosen = parameters as Readonly<Record<keyof LightGcnSettings, number>>
    const { epochs, learningRate } = chosen
    const sampler = createLikeSampler(positives, random.split('likes'))
    const batchSize = chosen.batchSize || shareOf(sampler.likes, 20, [256, 65_536])
    const model = createGraphModel(positives, { ...chosen, batchSize }, random.split('start vectors'))
    const [people, preferred, others] = [0, 1, 2].map(() => new Uint32Array(batchSize)) as [Uint32Array, Uint32Array, Uint32Array]
    const steps = epochs * Math.ceil(sampler.likes / batchSize)
    for (let epoch = 0, step = 0; epoch < epochs; epoch++) {
      onProgress?.('epochs', epoch, epochs)
      for (let count = next(); count > 0; count = next()) {
        await letOthersRun()
        if (signal?.aborted) throw new TacetError('interrupted', `training was stopped in epoch ${epoch + 1} of ${epochs}`)
        model.smooth()
        const loss = model.accumulate(people, preferred, others, count)
        if (!Number.isFinite(loss))
          throw new TacetError('diverged', `the loss of step ${step + 1} is ${loss}`, {
            wayOut: 'lower learningRate or raise regularisation',
          })
        model.update(count, learningRate * (1 - step++ / steps))
      }
    }
    onProgress?.('epochs', epochs, epochs)
    function next(): number {
      return sampler.next(batchSize, people, preferred, others, 1)
    }
    return createLightGcnRanker(finished(positives, model, chosen.dimension))
  },
}

/** The vectors to keep. People and items that nobody connects have learnt nothing: a person gets the mean person, an item stays at 0. */
function finished(positives: Positives, model: GraphModel, dimension: number): LightGcnVectors {
  const { personCount, itemCount, offsets, items: liked } = positives
  model.smooth()
  const people = unpadded(model.vectors.subarray(0, personCount * model.width), model.width, dimension)
  const items = unpadded(model.vectors.subarray(personCount * model.width), model.width, dimension)
  const connected = Array.from({ length: personCount }, (_, p) => (offsets[p + 1] as number) > (offsets[p] as number))
  const meanPerson = new Float32Array(dimension)
  const count = connected.filter(Boolean).length
  for (let p = 0; p < personCount; p++)
    if (connected[p]) for (let k = 0; k < dimension; k++) (meanPerson[k] as number) += (people[p * dimension + k] as number) / count
  for (let p = 0; p < personCount; p++) if (!connected[p]) people.set(meanPerson, p * dimension)
  const known = new Uint8Array(itemCount)
  for (const item of liked) known[item] = 1
  for (let item = 0; item < itemCount; item++) if (!known[item]) items.fill(0, item * dimension, (item + 1) * dimension)
  const foldIn = fitHistoryMap([{ values: items, width: dimension }], [{ values: people, width: dimension }], personCount, (person) =>
    itemsOf(positives, person),
  )
  return { dimension, people, items, foldIn, meanPerson }
}

function unpadded(rows: Float32Array, width: number, dimension: number): Float32Array {
  const out = new Float32Array((rows.length / width) * dimension)
  for (let from = 0, to = 0; from < rows.length; from += width, to += dimension) out.set(rows.subarray(from, from + dimension), to)
  return out
}
