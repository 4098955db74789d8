/**
 * Trains `item-gram`, the default that is private for a whole person: noisy popularity, then one noisy item-item Gram matrix on its head, shrunk by
 * its known noise. Two releases (three with the second pass), fixed beforehand by (ε, δ) and public sizes. docs/mechanisms/item-gram.md has the proof, decision 0013 the figures.
 *
 * Taken as public: which items exist, and the number of people listed (it sets the shares, the size of the head and the guard).
 * Where it stops being safe: noise is floating-point (privacy/mechanisms/gaussian.ts). Without privacy the same model is fitted to exact statistics.
 */
import type { ItemTable } from '../../data/index.ts'
import { linearAlgebra } from '../../kernels/index.ts'
import { createItemGram, type Ranker } from '../../models/index.ts'
import { type PrivacyEvent, releaseGaussian } from '../../privacy/index.ts'
import { contentOf, contentParameters } from './content-popularity.ts'
import {
  type Extension,
  extensionSensitivity,
  extensionStatistic,
  gramSensitivity,
  gramStatistic,
  type Head,
  unpackGram,
} from './item-gram-statistics.ts'
import { personMu, personOnly } from './person-budget.ts'
import { checkPersonScale } from './personal-budgets.ts'
import { popularityStatistic, releasePopularity, rowFloor } from './popularity.ts'
import { popularityLevel } from './popularity-level.ts'
import type { ParameterSpec, RankingFitRequest, RankingPrivacy, RankingTrainer } from './trainer.ts'

/** The fixed rule: every constant of it, and its bounds. */
export const itemGramParameters = {
  rowFloor,
  popularityShare: {
    default: 0,
    atLeast: 0,
    atMost: 0.95,
    about: 'share of μ² for the popularity release; 0: items/(20·N·μ) clipped to .1 … .3, N people; with content at least 500/(N·μ)',
  },
  headFactor: { default: 6.5, above: 0, about: 'the head has headFactor·√(N·μ·max(1, μ))·(items/4000)^(1/7) items, within the next two' },
  headSmallest: { default: 60, atLeast: 2, integer: true, about: 'fewest items of the head' },
  headLargest: { default: 2500, atLeast: 2, atMost: 8000, integer: true, about: 'most items of the head' },
  damping: { default: 0.25, atLeast: 0, atMost: 1, about: 'an item weighs popularity^(−damping) in a row' },
  shortest: {
    default: 0.3,
    above: 0,
    atMost: 1,
    about: 'a row that is shorter than this without its popular part is not stretched to length 1',
  },
  gainEdge: { default: 2.5, atLeast: 0, about: 'gain of a factor: η/(η + gainEdge·e), e the edge of the noise' },
  exactRidge: { default: 4, atLeast: 0, about: 'without privacy: η/(η + exactRidge·N/m), N people, m items of the head' },
  alongWeight: { default: 0.3, atLeast: 0, about: 'q: how much of the popular part of a history stays in its scores' },
  popularityWeight: { default: 0.1, atLeast: 0, about: 'b: popularity beside the scores, in standard deviations' },
  guardSignal: { default: 250, atLeast: 0, about: 'below this N·μ all is spent on popularity' },
  guardItems: { default: 60, atLeast: 0, integer: true, about: 'with fewer items above 3 standard deviations of noise likewise' },
  content: { default: 0, atLeast: 0, atMost: 1, integer: true, about: '1: genres and years of the public catalogue beside the factors' },
  contentGramWeight: {
    default: 0.6,
    atLeast: 0,
    about: 'with content: how much the standardised scores count beside its logarithm, times rank/(rank + contentHalfRank)',
  },
  contentHalfRank: { default: 15, atLeast: 0, about: 'factors at which they count half of that: few stand out where noise is large' },
  contentGainEdge: { default: 1, atLeast: 0, about: 'with content: in place of gainEdge' },
  ...contentParameters,
  secondPass: {
    default: 0,
    atLeast: 0,
    atMost: 1,
    integer: true,
    about: '1: a third release gives factors to the items next in popularity',
  },
  secondHeadFactor: { default: 5, above: 0, about: 'with a second pass: in place of headFactor' },
  secondShare: { default: 0.25, above: 0, atMost: 0.9, about: 'share of the second pass in what popularity leaves of μ²' },
  secondScale: { default: 2, atLeast: 0, about: 'stretches the places of these items, which their scaling and shrinkage made small' },
  secondSize: { default: 2, above: 0, atMost: 10, about: 'items of the second pass, in sizes of the head' },
  largestRank: { default: 600, atLeast: 1, integer: true, about: 'most factors; without privacy nothing else bounds them' },
} as const satisfies Record<string, ParameterSpec>

type Parameters = Readonly<Record<keyof typeof itemGramParameters, number>>

/** How the budget is cut, from public facts alone. */
export interface ItemGramPlan {
  /** μ of each release, in order: popularity, the Gram matrix, the second pass. Only one: the guard spends all on popularity. */
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
  const headSize = headSizeOf(p, signal * Math.max(1, mu), itemCount)
  const needed = Math.max(p.guardSignal, p.guardSignal === 0 ? 0 : itemCount / 16)
  if (signal < needed)
    return { mus: [mu], headSize: 0, guard: `people × μ is ${signal.toFixed(0)}, below ${needed.toFixed(0)}: all is spent on popularity` }
  const share = p.popularityShare > 0 ? p.popularityShare : shareOfPopularity(p, signal, itemCount)
  const left = 1 - share
  const shares = p.secondPass === 1 ? [share, left * (1 - p.secondShare), left * p.secondShare] : [share, left]
  return { mus: shares.map((own) => mu * Math.sqrt(own)), headSize, guard: null }
}

/**
 * Where N·μ is small beside the catalogue, a head chosen by noise is worth nothing; content multiplies popularity far into the tail and needs it
 * known better still.
 */
const shareOfPopularity = (p: Parameters, signal: number, itemCount: number) =>
  Math.max(clip(itemCount / (20 * signal), 0.1, 0.3), p.content === 1 ? clip(500 / signal, 0.1, 0.9) : 0)

const clip = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value))

/** A larger catalogue spreads taste over more items: the head grows with it, slowly. */
function headSizeOf(p: Parameters, signal: number, itemCount: number): number {
  const factor = (p.secondPass === 1 ? p.secondHeadFactor : p.headFactor) * (itemCount / 4000) ** (1 / 7)
  return Math.min(itemCount, Math.round(clip(factor * Math.sqrt(signal), p.headSmallest, p.headLargest)))
}

export const itemGramTrainer: RankingTrainer = {
  name: 'item-gram',
  about: 'item factors from one noisy item-item Gram matrix on the privately popular items; private for a whole person',
  parameters: itemGramParameters,
  privateFor: ['user'],
  scalesPeople: true,
  refusal: personOnly('item-gram'),
  plan: ({ parameters, privacy, personCount, itemCount }) => {
    const { mus } = planItemGram({ parameters, mu: personMu('item-gram', privacy), personCount, itemCount })
    return mus.map((mu): PrivacyEvent => ({ kind: 'gaussian', noiseMultiplier: 1 / mu }))
  },
  fit(request) {
    checkPersonScale('item-gram', request.personScale, request.positives.personCount, request.privacy)
    return request.privacy === null ? fitExactly(request) : fitPrivately(request, request.privacy)
  },
}

function fitPrivately(request: RankingFitRequest, privacy: RankingPrivacy): Ranker {
  const { positives, itemTable, random, spend, onProgress, release = releaseGaussian, personScale } = request
  const { personCount, itemCount } = positives
  const p = request.parameters as Parameters
  // Refused before anything is spent.
  if (p.content === 1) contentOf('item-gram', itemTable, new Float64Array(itemCount).fill(1), p)
  const { mus, headSize } = planItemGram({ parameters: p, mu: personMu('item-gram', privacy), personCount, itemCount })
  const lookAt = (mu: number) => releasePopularity(positives, { mu, floor: p.rowFloor, random, spend, release, personScale })
  const [first, ...rest] = mus as [number, ...number[]]
  onProgress?.('popularity', 0, mus.length)
  let popularity = lookAt(first)
  const noise = 1 / first
  const certain = popularity.reduce((count, value) => count + (value > 3 * noise ? 1 : 0), 0)
  if (rest.length === 0 || certain < Math.min(p.guardItems, itemCount)) {
    // The rest of the budget, as planned, on more looks at popularity: together they are worth one look at the whole budget.
    let square = first * first
    for (const mu of rest) {
      const again = lookAt(mu)
      const weight = square / (square + mu * mu)
      popularity = popularity.map((value, item) => weight * value + (1 - weight) * (again[item] as number))
      square += mu * mu
    }
    return assemble({ popularity, noise: 1 / Math.sqrt(square), itemTable, p })
  }
  const [gramMu, extensionMu] = rest as [number, number | undefined]
  const head = chooseHead(popularity, headSize, 3 * noise, p)
  onProgress?.('item-gram', 1, mus.length)
  const packed = release(gramStatistic(positives, head, personScale), {
    sensitivity: gramSensitivity,
    noiseMultiplier: 1 / gramMu,
    random,
    spend,
  })
  const factors = factorsOf(packed, head, 1 / gramMu, personCount, p)
  if (extensionMu === undefined) return assemble({ popularity, noise, itemTable, p, head, factors })
  onProgress?.('second pass', 2, mus.length)
  const extension = chooseExtension(popularity, head, factors, noise, p)
  const sums = release(extensionStatistic(positives, extension, personScale), {
    sensitivity: extensionSensitivity,
    noiseMultiplier: 1 / extensionMu,
    random,
    spend,
  })
  return assemble({
    popularity,
    noise,
    itemTable,
    p,
    head,
    factors,
    extension,
    tail: extended(sums, extension, factors, 1 / extensionMu, personCount, p),
  })
}

function fitExactly({ positives, itemTable, parameters }: RankingFitRequest): Ranker {
  const p = parameters as Parameters
  const popularity = popularityStatistic(positives, p.rowFloor)
  const liked = popularity.reduce((count, value) => count + (value > 0 ? 1 : 0), 0)
  const head = chooseHead(popularity, Math.min(liked, p.headLargest), 0, p)
  const factors = factorsOf(gramStatistic(positives, head), head, 0, positives.personCount, p)
  if (p.secondPass === 0) return assemble({ popularity, noise: 0, itemTable, p, head, factors })
  const extension = chooseExtension(popularity, head, factors, 0, p)
  const sums = extensionStatistic(positives, extension)
  return assemble({
    popularity,
    noise: 0,
    itemTable,
    p,
    head,
    factors,
    extension,
    tail: extended(sums, extension, factors, 0, positives.personCount, p),
  })
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

/** What stands out of the noise: eigenvectors of the released matrix. */
interface Factors {
  readonly rank: number
  /** Estimated eigenvalues of the matrix without noise. */
  readonly signals: readonly number[]
  /** In (0, 1]: what is left of each after shrinkage. */
  readonly gains: readonly number[]
  /** Float64Array[rank × m], rows orthonormal, and orthogonal to the direction. */
  readonly vectors: Float64Array
}

/** The model, from releases, the public catalogue and the rule alone. */
function assemble({
  popularity,
  noise,
  itemTable,
  p,
  head,
  factors,
  extension,
  tail,
}: {
  readonly popularity: Float64Array
  /** Standard deviation of the popularity's noise; 0: exact. */
  readonly noise: number
  readonly itemTable: ItemTable | null
  readonly p: Parameters
  readonly head?: Head
  readonly factors?: Factors
  readonly extension?: ReturnType<typeof chooseExtension>
  /** Float64Array[rank × extension items]: their places in the factor space. */
  readonly tail?: Float64Array
}): Ranker {
  const [m, rank] = [head?.items.length ?? 0, factors?.rank ?? 0]
  const more = extension?.items.length ?? 0
  const table = new Float32Array((m + more) * rank)
  for (let r = 0; r < rank; r++) {
    const root = Math.sqrt(factors?.gains[r] as number)
    for (let place = 0; place < m; place++) table[place * rank + r] = root * (factors?.vectors[r * m + place] as number)
    for (let place = 0; place < more; place++) table[(m + place) * rank + r] = root * (tail?.[r * more + place] as number)
  }
  const weights = [...(head?.weights ?? []), ...(extension?.weights ?? [])]
  return createItemGram({
    popularity: Float32Array.from(popularity),
    items: Uint32Array.from([...(head?.items ?? []), ...(extension?.items ?? [])]),
    inward: Float32Array.from(weights, (weight, place) => (place < m ? weight : 0)),
    outward: Float32Array.from(weights, (weight) => 1 / weight),
    direction: Float32Array.from([...(head?.direction ?? []), ...(extension?.along ?? [])]),
    factors: table,
    rank,
    alongWeight: p.alongWeight,
    popularityWeight: p.popularityWeight,
    content:
      p.content === 1
        ? {
            parts: contentOf('item-gram', itemTable, popularityLevel(popularity, noise), p),
            gramWeight: (p.contentGramWeight * rank) / (rank + p.contentHalfRank),
          }
        : undefined,
  })
}

/** Which items the second pass gives factors to: the next by released popularity, as far as they stand out of its noise. */
function chooseExtension(
  popularity: Float64Array,
  head: Head,
  factors: Factors,
  noise: number,
  p: Parameters,
): Extension & { readonly along: Float64Array } {
  const inHead = new Set(head.items)
  const items = Uint32Array.from(popularity.keys())
    .filter((item) => !inHead.has(item) && (popularity[item] as number) > noise)
    .sort((a, b) => (popularity[b] as number) - (popularity[a] as number) || a - b)
    .slice(0, Math.round(p.secondSize * head.items.length))
  const level = Float64Array.from(items, (item) => Math.max(popularity[item] as number, 3 * noise))
  const weights = level.map((value) => value ** -p.damping)
  // As in the head: level · weight, in the unit in which the head's direction has length 1.
  const norm = Math.sqrt(
    head.items.reduce((sum, item, place) => {
      const value = Math.max(popularity[item] as number, 3 * noise)
      return sum + (value * (head.weights[place] as number)) ** 2
    }, 0),
  )
  const along = level.map((value, place) => (value * (weights[place] as number)) / norm)
  return { head, factors: factors.vectors, rank: factors.rank, items, weights, shortest: p.shortest, along }
}

/**
 * Places of the extension's items in the factor space, from Σ z wᵀ: Float64Array[rank × items]. For an item of the head v_r = Σ y_r yᵢ / λ_r; here
 * z is y's projection stretched to length 1 and w is scaled by the extension's own norm, so that v ≈ κ·(Σ z w)/λ with one public κ for all; what
 * is noise in each factor (known variance) is shrunk away.
 */
function extended(
  sums: Float64Array,
  { head, items, weights, along }: ReturnType<typeof chooseExtension>,
  factors: Factors,
  noise: number,
  personCount: number,
  p: Parameters,
): Float64Array {
  const count = items.length
  const squares = (values: ArrayLike<number>, from = 0, to = values.length) => {
    let sum = 0
    for (let at = from; at < to; at++) sum += (values[at] as number) ** 2
    return sum
  }
  // Expected squared norms of weighted rows, head and extension, by released popularity: level · weight² = (level · weight) · weight.
  const mass = (direction: Float64Array, own: Float64Array) =>
    direction.reduce((sum, value, place) => sum + value * (own[place] as number), 0)
  const ratio = mass(along, weights) / mass(head.direction, head.weights)
  const length = factors.signals.reduce((sum, signal) => sum + signal, 0) / personCount
  const scale = p.secondScale * Math.sqrt(ratio) * Math.sqrt(Math.min(1, length))
  const places = new Float64Array(sums.length)
  for (let r = 0; r < factors.rank; r++) {
    const variance = squares(sums, r * count, (r + 1) * count) / count
    const kept = variance > 0 ? Math.max(0, 1 - (noise * noise) / variance) : 0
    const factor = (kept * scale) / (factors.signals[r] as number)
    for (let at = r * count; at < (r + 1) * count; at++) places[at] = factor * (sums[at] as number)
  }
  return places
}

/**
 * Eigenvectors of the released matrix whose eigenvalue stands out of the noise, with their gains. The noise alone has its largest eigenvalue near
 * e = σ√(2m) (a Wigner matrix with variance σ²/2 off the diagonal), with fluctuations of relative size m^(−2/3).
 */
function factorsOf(packed: Float64Array, head: Head, noise: number, personCount: number, p: Parameters): Factors {
  const m = head.items.length
  const matrix = withoutDirection(unpackGram(packed, m), head.direction)
  const edge = noise * Math.sqrt(2 * m)
  // With content the catalogue already restrains the scores, and more of the factors may speak.
  const ridge = noise > 0 ? (p.content === 1 ? p.contentGainEdge : p.gainEdge) * edge : (p.exactRidge * personCount) / m
  const { values, vectors } = linearAlgebra().topEigenpairs(Float32Array.from(matrix), m, Math.min(m, p.largestRank))
  // Without noise, what is rounding beside the largest is none.
  const least = noise > 0 ? edge * (1 + 2 * m ** (-2 / 3)) : 1e-6 * (values[0] ?? 0)
  const signals = Array.from(values)
    .filter((value) => value > least)
    .map((value) => Math.sqrt(value * value - edge * edge))
  const rank = signals.length
  return {
    rank,
    signals,
    gains: signals.map((signal) => signal / (signal + ridge)),
    vectors: Float64Array.from(vectors.subarray(0, rank * m)),
  }
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
