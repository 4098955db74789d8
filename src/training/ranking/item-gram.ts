/**
 * Trains `item-gram`, the default that is private for a whole person: noisy popularity, then one noisy item-item Gram matrix on its head, shrunk by
 * its known noise. Two releases, fixed beforehand by (ε, δ) and public sizes. docs/mechanisms/item-gram.md has the proof, decision 0013 the figures.
 *
 * Taken as public: which items exist, and the number of people listed (it sets the shares, the size of the head and the guard).
 * Where it stops being safe: noise is floating-point (privacy/mechanisms/gaussian.ts). Without privacy the same model is fitted to exact statistics.
 */
import { linearAlgebra } from '../../kernels/index.ts'
import { createItemGram, type Ranker } from '../../models/index.ts'
import { type PrivacyEvent, releaseGaussian } from '../../privacy/index.ts'
import { gramSensitivity, gramStatistic, type Head, unpackGram } from './item-gram-statistics.ts'
import { personMu, personOnly } from './person-budget.ts'
import { popularityStatistic, releasePopularity, rowFloor } from './popularity.ts'
import type { ParameterSpec, RankingFitRequest, RankingPrivacy, RankingTrainer } from './trainer.ts'

/** The fixed rule: every constant of it, and its bounds. */
export const itemGramParameters = {
  rowFloor,
  popularityShare: {
    default: 0,
    atLeast: 0,
    atMost: 0.95,
    about: 'share of μ² for the popularity release; 0: 100/(N·μ) clipped to .1 … .9, N people',
  },
  headFactor: { default: 7.5, above: 0, about: 'the head has headFactor·√(N·μ) items, within the next two' },
  headSmallest: { default: 60, atLeast: 2, integer: true, about: 'fewest items of the head' },
  headLargest: { default: 2500, atLeast: 2, atMost: 8000, integer: true, about: 'most items of the head' },
  damping: { default: 0.25, atLeast: 0, atMost: 1, about: 'an item weighs popularity^(−damping) in a row' },
  shortest: {
    default: 0.3,
    above: 0,
    atMost: 1,
    about: 'a row that is shorter than this without its popular part is not stretched to length 1',
  },
  gainEdge: { default: 2, atLeast: 0, about: 'gain of a factor: η/(η + gainEdge·e + gainRidge·N/m), e the edge of the noise' },
  gainRidge: { default: 4, atLeast: 0, about: 'see gainEdge; N people, m items of the head' },
  alongWeight: { default: 0.4, atLeast: 0, about: 'q: how much of the popular part of a history stays in its scores' },
  popularityWeight: { default: 0.2, atLeast: 0, about: 'b: popularity beside the scores, in standard deviations' },
  guardSignal: { default: 250, atLeast: 0, about: 'below this N·μ all is spent on popularity' },
  guardItems: { default: 100, atLeast: 0, integer: true, about: 'with fewer items above 3 standard deviations of noise likewise' },
  largestRank: { default: 300, atLeast: 1, integer: true, about: 'most factors; without privacy nothing else bounds them' },
} as const satisfies Record<string, ParameterSpec>

type Parameters = Readonly<Record<keyof typeof itemGramParameters, number>>

/** How the budget is cut, from public facts alone. */
export interface ItemGramPlan {
  /** μ of each release, in order: popularity, then the Gram matrix. Only one: the guard spends all on popularity. */
  readonly mus: readonly number[]
  readonly headSize: number
  readonly guard: string | null
}

export function planItemGram({
  parameters,
  mu,
  personCount,
  itemCount,
}: {
  readonly parameters: Readonly<Record<string, number>>
  readonly mu: number
  readonly personCount: number
  readonly itemCount: number
}): ItemGramPlan {
  const p = parameters as Parameters
  const signal = personCount * mu
  const headSize = headSizeOf(p, signal, itemCount)
  const needed = Math.max(p.guardSignal, p.guardSignal === 0 ? 0 : itemCount / 16)
  if (signal < needed)
    return { mus: [mu], headSize: 0, guard: `people × μ is ${signal.toFixed(0)}, below ${needed.toFixed(0)}: all is spent on popularity` }
  const share = p.popularityShare > 0 ? p.popularityShare : clip(100 / signal, 0.1, 0.9)
  return { mus: [mu * Math.sqrt(share), mu * Math.sqrt(1 - share)], headSize, guard: null }
}

const clip = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value))

const headSizeOf = (p: Parameters, signal: number, itemCount: number) =>
  Math.min(itemCount, Math.round(clip(p.headFactor * Math.sqrt(signal), p.headSmallest, p.headLargest)))

export const itemGramTrainer: RankingTrainer = {
  name: 'item-gram',
  about: 'item factors from one noisy item-item Gram matrix on the privately popular items; private for a whole person',
  parameters: itemGramParameters,
  privateFor: ['user'],
  refusal: personOnly('item-gram'),
  plan: ({ parameters, privacy, personCount, itemCount }) => {
    const { mus } = planItemGram({ parameters, mu: personMu('item-gram', privacy), personCount, itemCount })
    return mus.map((mu): PrivacyEvent => ({ kind: 'gaussian', noiseMultiplier: 1 / mu }))
  },
  fit: (request) => (request.privacy === null ? fitExactly(request) : fitPrivately(request, request.privacy)),
}

function fitPrivately(request: RankingFitRequest, privacy: RankingPrivacy): Ranker {
  const { positives, random, spend, onProgress } = request
  const p = request.parameters as Parameters
  const mu = personMu('item-gram', privacy)
  const plan = planItemGram({ parameters: p, mu, personCount: positives.personCount, itemCount: positives.itemCount })
  const [first, second] = plan.mus as [number, number | undefined]
  onProgress?.('popularity', 0, plan.mus.length)
  const popularity = releasePopularity(positives, { mu: first, floor: p.rowFloor, random, spend })
  if (second === undefined) return popularityAlone(popularity, p)
  const noise = 1 / first
  const certain = popularity.reduce((count, value) => count + (value > 3 * noise ? 1 : 0), 0)
  onProgress?.('item-gram', 1, 2)
  if (certain < Math.min(p.guardItems, positives.itemCount)) {
    // The rest of the budget, as planned, on a second look at popularity: together they are worth one look at the whole budget.
    const again = releasePopularity(positives, { mu: second, floor: p.rowFloor, random, spend })
    const weight = (first * first) / (first * first + second * second)
    return popularityAlone(
      popularity.map((value, item) => weight * value + (1 - weight) * (again[item] as number)),
      p,
    )
  }
  const head = chooseHead(popularity, plan.headSize, 3 * noise, p)
  const packed = releaseGaussian(gramStatistic(positives, head), {
    sensitivity: gramSensitivity,
    noiseMultiplier: 1 / second,
    random,
    spend,
  })
  return modelFrom(popularity, head, packed, 1 / second, positives.personCount, p)
}

function fitExactly({ positives, parameters }: RankingFitRequest): Ranker {
  const p = parameters as Parameters
  const popularity = popularityStatistic(positives, p.rowFloor)
  const liked = popularity.reduce((count, value) => count + (value > 0 ? 1 : 0), 0)
  const head = chooseHead(popularity, Math.min(liked, p.headLargest), 0, p)
  return modelFrom(popularity, head, gramStatistic(positives, head), 0, positives.personCount, p)
}

/**
 * The head by released popularity: which items, how they weigh, which direction is taken out. Everything from what was released.
 * @param leastPopularity popularity below this counts as this, so that noise cannot make a weight huge
 */
export function chooseHead(
  popularity: Float64Array,
  size: number,
  leastPopularity: number,
  { damping, shortest }: Pick<Parameters, 'damping' | 'shortest'>,
): Head {
  const items = Uint32Array.from(popularity.keys())
    .sort((a, b) => (popularity[b] as number) - (popularity[a] as number) || a - b)
    .slice(0, size)
  const level = Float64Array.from(items, (item) => Math.max(popularity[item] as number, leastPopularity, Number.MIN_VALUE))
  const weights = level.map((value) => value ** -damping)
  const direction = level.map((value, place) => value * (weights[place] as number))
  const norm = Math.sqrt(direction.reduce((sum, value) => sum + value * value, 0))
  return { items, weights, direction: direction.map((value) => value / norm), shortest }
}

function popularityAlone(popularity: Float64Array, p: Parameters): Ranker {
  return createItemGram({
    popularity: Float32Array.from(popularity),
    items: new Uint32Array(0),
    inward: new Float32Array(0),
    outward: new Float32Array(0),
    direction: new Float32Array(0),
    factors: new Float32Array(0),
    rank: 0,
    alongWeight: p.alongWeight,
    popularityWeight: p.popularityWeight,
  })
}

/** Everything from here on is a function of releases. @param noise standard deviation on the packed vector; 0: exact */
function modelFrom(popularity: Float64Array, head: Head, packed: Float64Array, noise: number, personCount: number, p: Parameters): Ranker {
  const m = head.items.length
  const { values, vectors } = factorsOf(packed, head, noise, personCount, p)
  const rank = values.length
  const factors = new Float32Array(m * rank)
  for (let r = 0; r < rank; r++) {
    const root = Math.sqrt(values[r] as number)
    for (let place = 0; place < m; place++) factors[place * rank + r] = root * (vectors[r * m + place] as number)
  }
  return createItemGram({
    popularity: Float32Array.from(popularity),
    items: head.items,
    inward: Float32Array.from(head.weights),
    outward: Float32Array.from(head.weights, (weight) => 1 / weight),
    direction: Float32Array.from(head.direction),
    factors,
    rank,
    alongWeight: p.alongWeight,
    popularityWeight: p.popularityWeight,
  })
}

/**
 * Eigenvectors of the released matrix whose eigenvalue stands out of the noise, with their gains. The noise alone has its largest eigenvalue near
 * e = σ√(2m) (a Wigner matrix with variance σ²/2 off the diagonal), with fluctuations of relative size m^(−2/3).
 */
function factorsOf(
  packed: Float64Array,
  head: Head,
  noise: number,
  personCount: number,
  p: Parameters,
): { readonly values: number[]; readonly vectors: Float32Array } {
  const m = head.items.length
  const matrix = withoutDirection(unpackGram(packed, m), head.direction)
  const edge = noise * Math.sqrt(2 * m)
  const ridge = p.gainEdge * edge + (p.gainRidge * personCount) / m
  const least = edge * (1 + 2 * m ** (-2 / 3))
  const { values, vectors } = linearAlgebra().topEigenpairs(Float32Array.from(matrix), m, Math.min(m, p.largestRank))
  const gains: number[] = []
  const floor = noise > 0 ? 0 : 1e-6 * (values[0] ?? 0)
  for (const value of values) {
    if (!(value > least) || !(value > floor)) break
    const signal = Math.sqrt(value * value - edge * edge)
    gains.push(signal / (signal + ridge))
  }
  return { values: gains, vectors }
}

/** (1 − p₀p₀ᵀ)·A·(1 − p₀p₀ᵀ): there is nothing but noise along p₀. */
function withoutDirection(matrix: Float64Array, direction: Float64Array): Float64Array {
  const m = direction.length
  const along = new Float64Array(m)
  for (let i = 0; i < m; i++)
    for (let j = 0; j < m; j++) along[i] = (along[i] as number) + (matrix[i * m + j] as number) * (direction[j] as number)
  const both = along.reduce((sum, value, i) => sum + value * (direction[i] as number), 0)
  return matrix.map((value, at) => {
    const i = Math.floor(at / m)
    const j = at - i * m
    const [di, dj] = [direction[i] as number, direction[j] as number]
    return value - (along[i] as number) * dj - di * (along[j] as number) + both * di * dj
  })
}
