/**
 * Auditing `bias-factors`: canaries through its staged Gaussian releases, and conformance of those releases.
 *
 * A canary is one rating by a person of its own on an item of its own, as extreme as the scale allows, so that its group in each release holds
 * that rating or nothing. The adversary sees every noisy vector. All of it runs on invented rows.
 */
import type { Interactions } from '../data/index.ts'
import { type ConformanceResult, checkNoise, releaseGaussian } from '../privacy/index.ts'
import { fillNormals, type RandomSource, seededRandom } from '../random/index.ts'
import { type PlannedStage, planStages, type Release, ratingColumns, runStages, type StagePlan } from '../training/index.ts'
import { gaussianClaimFamily } from './f-dp.ts'
import { type MembershipResult, membershipResult } from './membership.ts'
import { type BoundMethod, detectionPower, lowerBound } from './verdict.ts'

/** Draws one stage's noise: the mechanism under audit. */
export type StageMechanism = (
  statistic: Float64Array,
  request: { readonly sensitivity: number; readonly noiseMultiplier: number; readonly random: RandomSource },
) => Float64Array

/** The mechanism of the product; invented rows have no budget to charge. */
export const gaussianStageMechanism: StageMechanism = (statistic, request) => releaseGaussian(statistic, { ...request, spend: () => {} })

export interface StagesAuditOptions {
  readonly epsilon: number
  readonly delta: number
  readonly mu: number
  readonly synthetic: Interactions
  readonly itemMetadata: boolean
  readonly canaries: number
  readonly confidence: number
  readonly random: RandomSource
  readonly mechanism?: StageMechanism
}

export interface StagesAuditResult {
  readonly epsilonLowerBound: number
  readonly method: BoundMethod
  readonly attack: string
  readonly canaries: number
  readonly attacks: readonly MembershipResult[]
  readonly power: number
}

export function auditStages(options: StagesAuditOptions): StagesAuditResult {
  const { synthetic, random, canaries: m, delta, confidence, mechanism = gaussianStageMechanism } = options
  const coins = random.split('audit coins')
  const included = Array.from({ length: m }, () => coins.nextDouble() < 0.5)
  const plan = stagePlanOf(options)
  const noise = random.split('noise under audit')
  const released: Float64Array[] = []
  stagesOver(withCanaries(synthetic, included), plan, options.itemMetadata, factorStart(), (stage, statistic, sensitivity) => {
    const noisy = mechanism(statistic, { sensitivity, noiseMultiplier: 1 / stage.mu, random: noise })
    released.push(noisy.slice())
    return noisy
  })

  // What each canary would add, given those releases: the same stages over all canaries with the releases played back.
  const scores = new Float64Array(m)
  const energy = new Float64Array(m)
  let strength = 0
  let stageNumber = 0
  const everybody = withCanaries(
    synthetic,
    included.map(() => true),
  )
  stagesOver(everybody, plan, options.itemMetadata, factorStart(), (stage, statistic, sensitivity) => {
    const noisy = released[stageNumber++] as Float64Array
    if (stage.per !== 'all') {
      const variance = (sensitivity / stage.mu) ** 2
      const first = (stage.per === 'item' ? synthetic.itemIds : synthetic.userIds).length
      for (let i = 0; i < m; i++) {
        for (const j of ownCoordinates(stage, statistic.length, first + i, first + m)) {
          const signal = statistic[j] as number
          const seen = noisy[j] as number
          scores[i]! += (signal * seen - (signal * signal) / 2) / variance
          energy[i]! += (seen * seen) / variance
          strength += (signal * signal) / variance / m
        }
      }
    }
    return noisy.slice()
  })

  const family = gaussianClaimFamily(options.mu, delta)
  const named = { 'likelihood-ratio': scores, 'parameters-moved': energy }
  const best = lowerBound({ scores: named, included, delta, confidence, family })
  const attacks = Object.entries(named).map(([name, values]) =>
    membershipResult(
      name,
      values.filter((_, i) => included[i]),
      values.filter((_, i) => !included[i]),
    ),
  )
  const power = detectionPower({
    canaries: m,
    family,
    confidence,
    attackCount: attacks.length,
    random: random.split('audit power'),
    simulateScores: (inside, source) => {
      const normals = new Float64Array(inside.length)
      fillNormals(normals, source)
      return normals.map((z, i) => z + (inside[i] ? 2 * Math.sqrt(strength) : 0))
    },
  })
  return { ...best, canaries: m, attacks, power }
}

/** Every other canary rates at the top, so that canaries together do not teach the model what a canary rates. */
const ratesHigh = (canary: number) => canary % 2 === 1

/** Coordinates of one item's or person's group: counts then sums in the stages that count, else a contiguous block. */
function* ownCoordinates({ name }: PlannedStage, length: number, group: number, groups: number): Generator<number> {
  const width = length / groups
  for (let j = 0; j < width; j++) yield name === 'items' || name === 'people' ? j * groups + group : group * width + j
}

/** The start of the factors is public: the same in every pass, so that passes differ in nothing else. */
const factorStart = () => seededRandom(0)

/**
 * Noise of every stage's release, and sensitivity of the whole chain: with the releases held fixed, taking one row away moves no stage's statistic by
 * more than the sensitivity it is noised for. Catches an unclipped residual, and a stage that looks at rows in a way its price does not know.
 */
export function stagesConformance(
  options: Omit<StagesAuditOptions, 'canaries' | 'confidence' | 'mu'> & { readonly neighbours?: number },
): ConformanceResult[] {
  const { synthetic, random, mechanism = gaussianStageMechanism, neighbours = 40 } = options
  const plan = stagePlanOf(options)
  const rows = Uint32Array.from({ length: synthetic.users.length }, (_, i) => i)
  const released: { name: string; noisy: Float64Array; statistic: Float64Array; sensitivity: number; mu: number }[] = []
  const source = random.split('stage noise')
  stagesOver(synthetic, plan, options.itemMetadata, factorStart(), (stage, statistic, sensitivity) => {
    const noisy = mechanism(statistic, { sensitivity, noiseMultiplier: 1 / stage.mu, random: source })
    released.push({ name: stage.name, noisy: noisy.slice(), statistic: statistic.slice(), sensitivity, mu: stage.mu })
    return noisy
  })

  const noise = released.flatMap(({ name, statistic, sensitivity, mu }, stageNumber) => {
    const attempts = new Map<number, RandomSource>()
    const randomOf = (attempt: number) => {
      const known = attempts.get(attempt) ?? random.split(`stage ${stageNumber}, attempt ${attempt}`)
      attempts.set(attempt, known)
      return known
    }
    if (statistic.length < 16) return []
    return checkNoise({
      dimension: statistic.length,
      noiseStdDev: sensitivity / mu,
      // No rows, so the release is nothing but noise.
      batches: [new Uint32Array(0)],
      release: ({ attempt }) =>
        mechanism(new Float64Array(statistic.length), { sensitivity, noiseMultiplier: 1 / mu, random: randomOf(attempt) }),
    }).map((result) => ({ ...result, name: `${result.name} (${name})` }))
  })

  let worst = { statistic: 0, detail: 'no row moved anything' }
  const pick = random.split('neighbours')
  for (let trial = 0; trial < neighbours; trial++) {
    const removed = Math.floor(pick.nextDouble() * rows.length)
    let stageIndex = 0
    const without = rows.filter((row) => row !== removed)
    stagesOver(
      synthetic,
      plan,
      options.itemMetadata,
      factorStart(),
      (_, statistic, sensitivity) => {
        const original = released[stageIndex++] as (typeof released)[number]
        let square = 0
        for (let j = 0; j < statistic.length; j++) square += ((statistic[j] as number) - (original.statistic[j] as number)) ** 2
        const moved = Math.sqrt(square) / sensitivity
        if (!(moved <= worst.statistic))
          worst = {
            statistic: moved,
            detail: `taking row ${removed} away moves the ${original.name} release by ${moved.toFixed(4)} sensitivities`,
          }
        return original.noisy.slice()
      },
      without,
    )
  }
  return [
    ...noise,
    {
      name: 'sensitivity',
      passed: worst.statistic <= 1 + 1e-6,
      statistic: worst.statistic,
      threshold: 1 + 1e-6,
      falseAlarmRate: 0,
      detail: worst.detail,
    },
  ]
}

function stagePlanOf({
  epsilon,
  mu,
  synthetic,
}: {
  readonly epsilon: number
  readonly mu?: number
  readonly synthetic: Interactions
  readonly delta: number
}): StagePlan {
  return planStages({
    epsilon,
    mu: mu ?? 1,
    persons: synthetic.userIds.length,
    hasDemographics: synthetic.userAttributes.length > 0,
    hasRecency: false,
  })
}

function stagesOver(
  data: Interactions,
  plan: StagePlan,
  itemMetadata: boolean,
  random: RandomSource,
  release: Release,
  rows?: Uint32Array,
): void {
  const trainRows = rows ?? Uint32Array.from({ length: data.users.length }, (_, i) => i)
  runStages({ data, columns: ratingColumns(data, trainRows), recent: null, plan, itemMetadata, random, release })
}

/** The data with one more person and one more item a canary, and the included canaries' ratings. */
function withCanaries(data: Interactions, included: readonly boolean[]): Interactions {
  const persons = data.userIds.length
  const items = data.itemIds.length
  const chosen = included.flatMap((inside, i) => (inside ? [i] : []))
  const extended = <Column extends Uint32Array | Float32Array>(column: Column, more: readonly number[]) => {
    const out = new (column.constructor as new (length: number) => Column)(column.length + more.length)
    out.set(column)
    out.set(more, column.length)
    return out
  }
  const names = included.map((_, i) => `canary ${i}`)
  const unknown = included.map(() => Number.NaN)
  return {
    ...data,
    users: extended(
      data.users,
      chosen.map((i) => persons + i),
    ),
    items: extended(
      data.items,
      chosen.map((i) => items + i),
    ),
    values: extended(
      data.values,
      chosen.map((i) => (ratesHigh(i) ? data.ratingScale?.max : data.ratingScale?.min) ?? 0),
    ),
    timestamps: null,
    userIds: [...data.userIds, ...names],
    itemIds: [...data.itemIds, ...names],
    userAttributes: data.userAttributes.map((column) => ({ ...column, values: extended(column.values, unknown) })),
    itemTable:
      data.itemTable === null
        ? null
        : {
            titles: data.itemTable.titles === null ? null : [...data.itemTable.titles, ...names],
            genreNames: data.itemTable.genreNames,
            genres: [...data.itemTable.genres, ...included.map(() => [])],
            years: data.itemTable.years === null ? null : extended(data.itemTable.years, unknown),
          },
    givenSplit: null,
  }
}
