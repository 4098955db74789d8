/**
 * DPALS: alternating least squares with a noisy item side (Chien et al. 2021), private for a whole person. A person's vector is solved exactly
 * from their own rows and never leaves them; what leaves is, for every item of the head, the sum of the vectors of those who have it, and one
 * Gram matrix of all person vectors. Rows weigh by a power of the items' noisy counts (AdaDPALS, Krichene et al. 2023), so that a person's one
 * unit of influence is not spent on what everybody has.
 *
 * Two departures from the papers, both measured to help at ε ≤ 8 (docs/decisions/0015-dpals.md). An item's own second moments Σ u·uᵀ, d²/2 noisy
 * numbers an item, are by default not released: they are taken to be the common Gram matrix times the item's share of people (`itemMoments=1`
 * releases them). And the start is random, so the first sweep is a private sketch of the item-item matrix.
 *
 * Each release moves by at most 1 (L2) when one person comes or goes: every person vector has norm ≤ 1, the weights of a person's rows are
 * scaled to Σ w² ≤ 1, and a symmetric matrix released by its upper triangle has its off-diagonal entries counted twice in the Frobenius norm,
 * so they carry 1/√2 of the noise. Positives are 0/1, so there is no value to clip and no mean to pay for.
 */
import { type Positives, positivesFrom } from '../../data/index.ts'
import { linearAlgebra } from '../../kernels/index.ts'
import { createDpalsRanker, personVectors } from '../../models/index.ts'
import { type PrivacyEvent, releaseGaussian } from '../../privacy/index.ts'
import { fillNormals, type RandomSource } from '../../random/index.ts'
import { personMu, personOnly } from './person-budget.ts'
import { checkPersonScale, scaleOf } from './personal-budgets.ts'
import { popularityStatistic, releasePopularity, rowFloor } from './popularity.ts'
import type { RankingFitRequest, RankingTrainer } from './trainer.ts'

const parameters = {
  dimension: {
    default: 0,
    atLeast: 0,
    atMost: 128,
    integer: true,
    about: 'length of a vector; 0: .55·(N·μ)^.4 for N people, 64 without privacy',
  },
  head: {
    default: 0,
    atLeast: 0,
    integer: true,
    about: 'items that get a vector; 0: 6.6·√(N·μ), at least 60; all of them without privacy',
  },
  sweeps: { default: 2, atLeast: 1, atMost: 20, integer: true, about: 'alternations; each is a set of releases' },
  popularityShare: { default: 0.2, above: 0, atMost: 0.9, about: 'share of μ² for the popularity counts' },
  gramRatio: { default: 0.2, above: 0, atMost: 10, about: 'μ of the common Gram matrix over μ of the item sums' },
  itemMoments: { default: 0, atLeast: 0, atMost: 1, integer: true, about: '1: release second moments item by item, as published' },
  weightPower: { default: 0.25, atLeast: 0, atMost: 2, about: 'a row weighs (popularity of its item)^−power' },
  unobservedWeight: { default: 0.4, atLeast: 0, about: 'weight of the items a person does not have, against 1' },
  // Not near 0: a system that one person's rows leave singular would stop the fit, after it paid, with an error that tells of these rows.
  ridge: { default: 0.5, atLeast: 0.01, about: 'added to the diagonal of a person’s system (item vectors have mean square norm 1)' },
  noiseRidge: { default: 8, atLeast: 0, about: 'ridge of an item’s system, in standard deviations of its noise' },
  popularityBlend: { default: 0.3, atLeast: 0, about: 'standard deviations of popularity added to a standardised score' },
  rowFloor,
} as const satisfies RankingTrainer['parameters']

type Settings = Readonly<Record<keyof typeof parameters, number>>

/** What a private fit will release, by μ; all of it fixed by public facts. */
interface Budget {
  readonly popularity: number
  /** Of each sweep. */
  readonly sums: number
  readonly gram: number
  readonly moments: number
}

function budgetOf(mu: number, { popularityShare, sweeps, gramRatio, itemMoments }: Settings): Budget {
  const sums = mu * Math.sqrt((1 - popularityShare) / sweeps / (1 + gramRatio ** 2 + itemMoments))
  return { popularity: mu * Math.sqrt(popularityShare), sums, gram: sums * gramRatio, moments: sums * itemMoments }
}

export const dpalsTrainer: RankingTrainer = {
  name: 'dpals',
  about: 'least squares with a noisy item side (DPALS with adaptive weights); a person is solved from their own history',
  parameters,
  privateFor: ['user'],
  scalesPeople: true,
  refusal: personOnly('dpals'),
  plan({ parameters, privacy }): readonly PrivacyEvent[] {
    const settings = parameters as Settings
    const { popularity, sums, gram, moments } = budgetOf(personMu('dpals', privacy), settings)
    const sweep = [sums, gram, ...(moments > 0 ? [moments] : [])]
    return [popularity, ...Array.from({ length: settings.sweeps }, () => sweep).flat()].map((mu) => ({
      kind: 'gaussian',
      noiseMultiplier: 1 / mu,
    }))
  },
  fit,
}

function fit({
  positives,
  parameters,
  privacy,
  random,
  spend,
  onProgress,
  release: mechanism = releaseGaussian,
  personScale,
}: RankingFitRequest) {
  checkPersonScale('dpals', personScale, positives.personCount, privacy)
  const settings = parameters as Settings
  const { personCount, itemCount } = positives
  const mu = privacy && personMu('dpals', privacy)
  const budget = mu === null ? null : budgetOf(mu, settings)
  const popularity = budget
    ? releasePopularity(positives, {
        mu: budget.popularity,
        floor: settings.rowFloor,
        random: random.split('popularity'),
        spend,
        release: mechanism,
        personScale,
      })
    : popularityStatistic(positives, settings.rowFloor)
  // From here on the raw rows are read only through `heldRows`, and everything else is the noisy popularity or a public number.
  const strength = mu === null ? Number.POSITIVE_INFINITY : personCount * mu
  const dimension = settings.dimension || (mu === null ? 64 : Math.max(4, Math.min(64, Math.round(0.55 * strength ** 0.4))))
  const headSize = Math.min(itemCount, settings.head || (mu === null ? itemCount : Math.max(60, Math.round(6.6 * Math.sqrt(strength)))))
  const order = Uint32Array.from(popularity.keys()).sort((a, b) => (popularity[b] as number) - (popularity[a] as number) || a - b)
  const head = order.slice(0, headSize)
  // A count below its own noise says nothing but that the item is rare.
  const least = Math.max(1, budget ? 1 / budget.popularity : 0)
  const counts = Float64Array.from(head, (item) => Math.max(least, popularity[item] as number))
  const weights = counts.map((count) => (count / (counts[0] as number)) ** -settings.weightPower)

  const rows = headRows(positives, head)
  let factors: Float32Array = Float32Array.from(normals(headSize * dimension, random.split('start'), 1 / Math.sqrt(dimension)))
  const noise = random.split('sweeps')
  for (let sweep = 0; sweep < settings.sweeps; sweep++) {
    onProgress?.('sweep', sweep, settings.sweeps)
    const people = unitRows(
      personVectors({ itemFactors: factors, dimension, unobservedWeight: settings.unobservedWeight, ridge: settings.ridge }, rows),
      dimension,
    )
    const release = (statistic: Float64Array, releaseMu: number) =>
      budget ? mechanism(statistic, { sensitivity: 1, noiseMultiplier: 1 / releaseMu, random: noise, spend }) : statistic
    const sums = release(itemSums(rows, people, weights, dimension, personScale), budget?.sums ?? 0)
    const gram = symmetric(release(upperGram(people, dimension, personScale), budget?.gram ?? 0), dimension, 0)
    const matrices = settings.itemMoments
      ? ownMoments(release(itemMoments(rows, people, weights, dimension, personScale), budget?.moments ?? 0), dimension, headSize)
      : null
    factors = itemFactors({
      sums,
      gram: positivePart(gram, dimension),
      matrices,
      dimension,
      shares: counts.map((count, at) => (count * (weights[at] as number)) / Math.max(1, personCount)),
      unobservedWeight: settings.unobservedWeight,
      ridge: settings.noiseRidge * (budget ? 1 / budget.sums : 1 / 8),
    })
  }
  onProgress?.('sweep', settings.sweeps, settings.sweeps)
  return createDpalsRanker({
    itemCount,
    dimension,
    head,
    itemFactors: factors,
    popularity: Float32Array.from(popularity),
    unobservedWeight: settings.unobservedWeight,
    ridge: settings.ridge,
    popularityBlend: settings.popularityBlend,
  })
}

/** Each person's items of the head, as positions in it, each once. */
export function headRows(positives: Positives, head: Uint32Array): Positives {
  const { personCount, itemCount, offsets, items } = positives
  const positionOf = new Int32Array(itemCount).fill(-1)
  for (const [position, item] of head.entries()) positionOf[item] = position
  return positivesFrom(
    Array.from({ length: personCount }, (_, person) => {
      const own = new Set<number>()
      for (let at = offsets[person] as number; at < (offsets[person + 1] as number); at++) {
        const position = positionOf[items[at] as number] ?? -1
        if (position >= 0) own.add(position)
      }
      return [...own]
    }),
    head.length,
  )
}

/** Rows scaled to norm 1; a row of zeros, or one that is not finite, becomes zeros: it adds nothing. In place. */
export function unitRows(rows: Float32Array, dimension: number): Float32Array {
  for (let start = 0; start < rows.length; start += dimension) {
    let square = 0
    for (let i = start; i < start + dimension; i++) square += (rows[i] as number) ** 2
    // A hair below 1, so that rounding the entries to single precision cannot end above it.
    const scale = square > 0 && Number.isFinite(square) ? (1 - 1e-6) / Math.sqrt(square) : 0
    for (let i = start; i < start + dimension; i++) rows[i] = scale === 0 ? 0 : (rows[i] as number) * scale
  }
  return rows
}

/** 1/√max(1, Σ w²) over a person's items, so that the squares of their row weights add up to at most 1. */
function rowScale(rows: Positives, person: number, weights: Float64Array): number {
  let square = 0
  for (let at = rows.offsets[person] as number; at < (rows.offsets[person + 1] as number); at++)
    square += (weights[rows.items[at] as number] as number) ** 2
  return 1 / Math.sqrt(Math.max(1, square))
}

/**
 * Σ over people of w·u in the slot of each item they have: Float64Array[head × dimension]. One person's part has squared norm Σ w²·‖u‖² ≤ 1.
 * @param people Float32Array[people × dimension], rows of norm ≤ 1
 * @param personScale in (0, 1] a person: their part is multiplied by it, and so is its bound; likewise below
 */
export function itemSums(
  rows: Positives,
  people: Float32Array,
  weights: Float64Array,
  dimension: number,
  personScale?: Float64Array,
): Float64Array {
  const sums = new Float64Array(rows.itemCount * dimension)
  for (let person = 0; person < rows.personCount; person++) {
    const scale = scaleOf(personScale, person) * rowScale(rows, person, weights)
    for (let at = rows.offsets[person] as number; at < (rows.offsets[person + 1] as number); at++) {
      const item = rows.items[at] as number
      const weight = scale * (weights[item] as number)
      for (let i = 0; i < dimension; i++)
        sums[item * dimension + i] = (sums[item * dimension + i] as number) + weight * (people[person * dimension + i] as number)
    }
  }
  return sums
}

/**
 * Upper triangle of Σ u·uᵀ with off-diagonal entries times √2, so that its L2 norm is the Frobenius norm: one person's part has norm ‖u‖² ≤ 1.
 * @returns Float64Array[d(d + 1)/2], row by row
 */
export function upperGram(people: Float32Array, dimension: number, personScale?: Float64Array): Float64Array {
  const upper = new Float64Array((dimension * (dimension + 1)) / 2)
  for (let start = 0; start < people.length; start += dimension)
    addOuter(upper, 0, people, start, dimension, scaleOf(personScale, start / dimension))
  return upper
}

/** The same for each item over the people who have it, weighted as in `itemSums`: Float64Array[head × d(d + 1)/2]. Norm of one person's part ≤ 1. */
export function itemMoments(
  rows: Positives,
  people: Float32Array,
  weights: Float64Array,
  dimension: number,
  personScale?: Float64Array,
): Float64Array {
  const size = (dimension * (dimension + 1)) / 2
  const moments = new Float64Array(rows.itemCount * size)
  for (let person = 0; person < rows.personCount; person++) {
    const scale = scaleOf(personScale, person) * rowScale(rows, person, weights)
    for (let at = rows.offsets[person] as number; at < (rows.offsets[person + 1] as number); at++) {
      const item = rows.items[at] as number
      addOuter(moments, item * size, people, person * dimension, dimension, scale * (weights[item] as number))
    }
  }
  return moments
}

function addOuter(out: Float64Array, to: number, vectors: Float32Array, start: number, dimension: number, weight: number): void {
  for (let i = 0, at = to; i < dimension; i++)
    for (let j = i; j < dimension; j++, at++)
      out[at] = (out[at] as number) + weight * (i === j ? 1 : Math.SQRT2) * (vectors[start + i] as number) * (vectors[start + j] as number)
}

/** Full matrix of the scaled upper triangle that begins at `from`. */
function symmetric(upper: Float64Array, dimension: number, from: number): Float32Array {
  const out = new Float32Array(dimension * dimension)
  for (let i = 0, at = from; i < dimension; i++)
    for (let j = i; j < dimension; j++, at++) {
      const value = (upper[at] as number) / (i === j ? 1 : Math.SQRT2)
      out[i * dimension + j] = value
      out[j * dimension + i] = value
    }
  return out
}

/** The nearest positive semi-definite matrix: noise can make a Gram matrix lose that. */
function positivePart(matrix: Float32Array, dimension: number): Float32Array {
  const { values, vectors } = linearAlgebra().topEigenpairs(matrix, dimension, dimension)
  const out = new Float32Array(dimension * dimension)
  for (const [at, value] of values.entries()) {
    if (!(value > 0)) continue
    for (let i = 0; i < dimension; i++)
      for (let j = 0; j < dimension; j++)
        out[i * dimension + j] =
          (out[i * dimension + j] as number) + value * (vectors[at * dimension + i] as number) * (vectors[at * dimension + j] as number)
  }
  return out
}

function ownMoments(moments: Float64Array, dimension: number, items: number): Float32Array {
  const size = (dimension * (dimension + 1)) / 2
  const out = new Float32Array(items * dimension * dimension)
  for (let item = 0; item < items; item++)
    out.set(positivePart(symmetric(moments, dimension, item * size), dimension), item * dimension * dimension)
  return out
}

/** Solves every item's system and scales the vectors to mean square norm 1: only their directions and ratios matter, the ridge is set for 1. */
function itemFactors({
  sums,
  gram,
  matrices,
  dimension,
  shares,
  unobservedWeight,
  ridge,
}: {
  sums: Float64Array
  gram: Float32Array
  /** Own second moments of each item; null: `gram` times the item's share of people. */
  matrices: Float32Array | null
  dimension: number
  shares: Float64Array
  unobservedWeight: number
  ridge: number
}): Float32Array {
  const size = dimension * dimension
  const systems = new Float32Array(shares.length * size)
  for (let item = 0; item < shares.length; item++)
    for (let at = 0; at < size; at++)
      systems[item * size + at] =
        (gram[at] as number) * unobservedWeight +
        (matrices ? (matrices[item * size + at] as number) : (gram[at] as number) * (shares[item] as number)) +
        (at % (dimension + 1) === 0 ? ridge : 0)
  const factors = linearAlgebra().solveEach(systems, Float32Array.from(sums), dimension, shares.length)
  let square = 0
  for (const value of factors) square += value ** 2
  const scale = square > 0 ? Math.sqrt(shares.length / square) : 0
  return factors.map((value) => value * scale)
}

function normals(count: number, random: RandomSource, stdDev: number): Float64Array {
  const out = new Float64Array(count)
  fillNormals(out, random, stdDev)
  return out
}
