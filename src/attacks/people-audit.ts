/**
 * Auditing ranking models that promise something to whole people: canaries are people. Each is put into the data or left out by a fair coin;
 * the adversary sees every noisy vector that the trainer releases, knows everybody else, and guesses the coins.
 *
 * It watches, plays back and replaces the trainer's releases through their seam (`RankingFitRequest.release`), so it audits the code that trains.
 * All of it runs on invented people. Trainers whose releases are sampled steps have no such seam: for them only conformance is checked here.
 */
import { type Positives, positivesFrom } from '../data/index.ts'
import { TacetError } from '../errors.ts'
import type { NamedTensors, Ranker } from '../models/index.ts'
import { type ConformanceResult, checkNoise, gaussianMu, type PrivacyEvent, releaseGaussian } from '../privacy/index.ts'
import { fillNormals, type RandomSource, seededRandom } from '../random/index.ts'
import {
  checkNoPersonVectors,
  type GaussianMechanism,
  personConformance,
  type RankingFitRequest,
  type RankingPrivacy,
  type RankingTrainer,
  resolveParameters,
  tasteObjective,
} from '../training/index.ts'
import { gaussianClaimFamily } from './f-dp.ts'
import { type MembershipResult, membershipResult } from './membership.ts'
import { type BoundMethod, detectionPower, lowerBound } from './verdict.ts'

export interface PeopleAuditOptions {
  readonly trainer: RankingTrainer
  /** Of the run; guards that would switch a stage off for so few people are taken off in the scene. */
  readonly parameters: Readonly<Record<string, number>>
  readonly privacy: RankingPrivacy
  readonly canaries: number
  readonly confidence: number
  readonly random: RandomSource
  /** The mechanism under audit. Default: the product's. */
  readonly mechanism?: GaussianMechanism
  readonly onProgress?: (phase: string, done: number, total: number) => void
}

export interface PeopleAuditResult {
  readonly epsilonLowerBound: number
  readonly method: BoundMethod
  readonly attack: string
  readonly canaries: number
  readonly attacks: readonly MembershipResult[]
  readonly power: number
}

interface Released {
  readonly statistic: Float64Array
  readonly noisy: Float64Array
  readonly sensitivity: number
  readonly noiseMultiplier: number
}

/** Thrown out of a fit when its last planned release has been seen: what it would make of it does not matter. */
const enough = Symbol('enough')

interface Scene {
  readonly itemCount: number
  readonly background: readonly (readonly number[])[]
  readonly parameters: Readonly<Record<string, number>>
}

/** Likes of a canary. No two share an item, so that one's coin is no noise to another's; a single vector of counts takes more likes to be moved by. */
const likesOf = ({ name }: RankingTrainer): number => (name === 'popularity' || name === 'content-popularity' ? 30 : 1)

/** A catalogue of which every item is in the head, whatever the rule for so few people would be; guards are off. */
function sceneFor(
  { trainer, parameters, random }: Pick<PeopleAuditOptions, 'trainer' | 'parameters' | 'random'>,
  itemCount: number,
): Scene {
  const source = random.split('background')
  const head = ['head', 'headSmallest', 'headLargest'].filter((name) => Object.hasOwn(trainer.parameters, name))
  const guards = Object.keys(trainer.parameters).filter((name) => name.startsWith('guard'))
  return {
    itemCount,
    background: Array.from({ length: 30 }, () => someItems(itemCount, Math.min(12, itemCount), source)),
    parameters: resolveParameters(trainer, {
      ...parameters,
      ...Object.fromEntries(guards.map((name) => [name, 0])),
      ...Object.fromEntries(head.map((name) => [name, Math.min(itemCount, trainer.parameters[name]?.atMost ?? itemCount)])),
    }),
  }
}

function someItems(itemCount: number, count: number, random: RandomSource): number[] {
  const chosen = new Set<number>()
  while (chosen.size < count) chosen.add(Math.floor(random.nextDouble() * itemCount))
  return [...chosen]
}

/** Public facts of the scene's catalogue; some trainers need one. */
const catalogueOf = (itemCount: number): NonNullable<RankingFitRequest['itemTable']> => ({
  titles: null,
  genreNames: ['a', 'b', 'c'],
  genres: Array.from({ length: itemCount }, (_, item) => [item % 3]),
  years: Float32Array.from({ length: itemCount }, (_, item) => 1980 + (item % 30)),
})

/**
 * Fits on the people given and hands every release to `see`, whose answer is what the trainer gets.
 * @param stopAfter releases after which the rest of the fit is left out
 */
async function fitWatched(
  { trainer, privacy }: Pick<PeopleAuditOptions, 'trainer' | 'privacy'>,
  scene: Scene,
  positives: Positives,
  random: RandomSource,
  see: (release: Omit<Released, 'noisy'>, at: number, request: Parameters<GaussianMechanism>[1]) => Float64Array,
  { stopAfter = Number.POSITIVE_INFINITY, spend = () => {} }: { stopAfter?: number; spend?: (event: PrivacyEvent) => void } = {},
): Promise<Ranker | null> {
  let at = 0
  try {
    return await trainer.fit({
      positives,
      itemTable: catalogueOf(scene.itemCount),
      parameters: scene.parameters,
      privacy,
      random,
      spend,
      release(statistic, request) {
        const { sensitivity, noiseMultiplier } = request
        const noisy = see({ statistic, sensitivity, noiseMultiplier }, at++, request)
        if (at === stopAfter) throw enough
        return noisy
      },
    })
  } catch (thrown) {
    if (thrown === enough) return null
    throw thrown
  }
}

/** A scene's people as rows: the background first, then the canaries, an absent one with an empty row. */
const rowsOf = (scene: Scene, canaries: readonly (readonly number[])[], included: (canary: number) => boolean): Positives =>
  positivesFrom([...scene.background, ...canaries.map((own, canary) => (included(canary) ? own : []))], scene.itemCount)

/**
 * The lower bound.
 * @throws TacetError invalid-argument for a trainer whose releases do not go through the seam
 */
export async function auditPeople(options: PeopleAuditOptions): Promise<PeopleAuditResult> {
  const { privacy, canaries: m, confidence, random, mechanism = releaseGaussian, onProgress } = options
  const likes = likesOf(options.trainer)
  const scene = sceneFor(options, m * likes)
  const canaries = Array.from({ length: m }, (_, canary) => Array.from({ length: likes }, (_, like) => canary * likes + like))
  const coins = random.split('audit coins')
  const included = canaries.map(() => coins.nextDouble() < 0.5)
  // What is not the mechanism's noise is public and the same in every fit of this audit.
  const start = () => seededRandom(0)

  const releases: Released[] = []
  const noise = random.split('noise under audit')
  await fitWatched(
    options,
    scene,
    rowsOf(scene, canaries, (canary) => included[canary] as boolean),
    start(),
    (release, _at, request) => {
      const statistic = release.statistic.slice()
      const noisy = mechanism(release.statistic, { ...request, random: noise, spend: () => {} })
      releases.push({ ...release, statistic, noisy: noisy.slice() })
      return noisy
    },
  )
  if (releases.length === 0)
    throw new TacetError('invalid-argument', `${options.trainer.name} releases nothing that an audit of people could watch`)

  /** Every statistic of the scene with these canaries, the audited releases played back. */
  const statisticsOf = async (present: (canary: number) => boolean): Promise<Float64Array[]> => {
    const found: Float64Array[] = []
    await fitWatched(
      options,
      scene,
      rowsOf(scene, canaries, present),
      start(),
      (release, at) => {
        found.push(release.statistic.slice())
        return (releases[at] as Released).noisy.slice()
      },
      { stopAfter: releases.length },
    )
    return found
  }
  const without = await statisticsOf(() => false)
  // What a canary adds, in units of the noise, and the middle between all of them in and all of them out.
  const added: Float32Array[][] = []
  const middle = without.map((statistic) => Float64Array.from(statistic))
  for (let canary = 0; canary < m; canary++) {
    if (canary % 50 === 0) onProgress?.('canaries', canary, m)
    const own = await statisticsOf((other) => other === canary)
    added.push(
      own.map((statistic, at) => {
        const { sensitivity, noiseMultiplier } = releases[at] as Released
        const base = without[at] as Float64Array
        const centre = middle[at] as Float64Array
        return Float32Array.from(statistic, (value, i) => {
          const moved = value - (base[i] as number)
          centre[i] = (centre[i] as number) + moved / 2
          return moved / (sensitivity * noiseMultiplier)
        })
      }),
    )
  }
  const residuals = releases.map(({ noisy, sensitivity, noiseMultiplier }, at) =>
    noisy.map((value, i) => (value - ((middle[at] as Float64Array)[i] as number)) / (sensitivity * noiseMultiplier)),
  )
  const alike = (a: readonly ArrayLike<number>[], b: readonly ArrayLike<number>[]) =>
    a.reduce((sum, vector, at) => {
      const other = b[at] as ArrayLike<number>
      let product = 0
      for (let i = 0; i < vector.length; i++) product += (vector[i] as number) * (other[i] as number)
      return sum + product
    }, 0)
  const strengths = added.map((own) => alike(own, own))
  const scores = Float64Array.from(added, (own, canary) => alike(own, residuals) / Math.sqrt((strengths[canary] as number) || 1))

  const family = gaussianClaimFamily(gaussianMu(privacy), privacy.delta)
  const best = lowerBound({ scores: { 'likelihood-ratio': scores }, included, delta: privacy.delta, confidence, family })
  const attacks = [
    membershipResult(
      'likelihood-ratio',
      scores.filter((_, canary) => included[canary]),
      scores.filter((_, canary) => !included[canary]),
    ),
  ]
  const strength = strengths.reduce((sum, value) => sum + value, 0) / m
  const power = detectionPower({
    canaries: m,
    family,
    confidence,
    attackCount: 1,
    random: random.split('audit power'),
    simulateScores: (inside, source) => {
      const normals = new Float64Array(inside.length)
      fillNormals(normals, source)
      return normals.map((z, i) => z + (inside[i] ? 2 * Math.sqrt(strength) : 0))
    },
  })
  return { ...best, canaries: m, attacks, power }
}

/**
 * Checks of the releases, by name:
 * - `planned`: what is spent and what is drawn is what was planned, no more and no less;
 * - `sensitivity (release k)`: with releases played back, one person more moves no statistic by more than the bound its noise is scaled to;
 * - `noise-… (release k)`: the mechanism's noise has the claimed size and is drawn afresh;
 * - `post-processing`: with releases played back, entirely other people give the same model to the bit: nothing exact reaches it;
 * - `no-person-vectors`: no tensor has a row a person.
 */
export async function peopleConformance(
  options: Omit<PeopleAuditOptions, 'canaries' | 'confidence'> & { readonly neighbours?: number },
): Promise<ConformanceResult[]> {
  const { trainer, privacy, random, mechanism = releaseGaussian, neighbours = 60 } = options
  const scene = sceneFor(options, 64)
  const personCount = 97
  const draw = random.split('people')
  const people = (): number[][] => Array.from({ length: personCount }, () => awkwardPerson(scene.itemCount, draw))
  const start = () => seededRandom(0)

  const population = people()
  const releases: Released[] = []
  const spent: PrivacyEvent[] = []
  const noise = random.split('release noise')
  const model = await fitWatched(
    options,
    scene,
    positivesFrom(population, scene.itemCount),
    start(),
    (release, _at, request) => {
      const statistic = release.statistic.slice()
      const noisy = mechanism(release.statistic, { ...request, random: noise })
      releases.push({ ...release, statistic, noisy: noisy.slice() })
      return noisy
    },
    { spend: (event) => void spent.push(event) },
  )
  const planned = trainer.plan?.({ parameters: scene.parameters, privacy, personCount, itemCount: scene.itemCount }) ?? []
  const multipliers = (events: readonly PrivacyEvent[]) =>
    JSON.stringify(events.map((event) => (event.kind === 'gaussian' ? Number(event.noiseMultiplier.toPrecision(12)) : event.kind)))
  const drawn = releases.map(({ noiseMultiplier }): PrivacyEvent => ({ kind: 'gaussian', noiseMultiplier }))
  const asPlanned = multipliers(planned) === multipliers(spent) && multipliers(planned) === multipliers(drawn)
  const results: ConformanceResult[] = [
    exact(
      'planned',
      asPlanned ? 0 : 1,
      0,
      asPlanned
        ? `${planned.length} releases, as planned`
        : `planned ${multipliers(planned)}, spent ${multipliers(spent)}, drawn ${multipliers(drawn)}`,
    ),
  ]

  const worst = releases.map(() => 0)
  for (let trial = 0; trial < neighbours; trial++) {
    const crowd = people().slice(0, 12)
    const newcomer = trial % 2 === 0 ? awkwardPerson(scene.itemCount, draw) : (population[trial % personCount] as number[])
    const statistics: Float64Array[][] = []
    for (const last of [[], newcomer]) {
      const found: Float64Array[] = []
      await fitWatched(
        options,
        scene,
        positivesFrom([...crowd, last, ...Array.from({ length: personCount - crowd.length - 1 }, () => [])], scene.itemCount),
        start(),
        (release, at) => {
          found.push(release.statistic.slice())
          return (releases[at] as Released).noisy.slice()
        },
        { stopAfter: releases.length },
      )
      statistics.push(found)
    }
    for (const [at, { sensitivity }] of releases.entries()) {
      const [before, after] = [statistics[0]?.[at], statistics[1]?.[at]] as [Float64Array, Float64Array]
      let square = 0
      for (let i = 0; i < before.length; i++) square += ((after[i] as number) - (before[i] as number)) ** 2
      const moved = Math.sqrt(square) / sensitivity
      // NaN is the worst of all.
      if (!(moved <= (worst[at] as number))) worst[at] = moved
    }
  }
  for (const [at, moved] of worst.entries())
    results.push(
      exact(`sensitivity (release ${at + 1})`, moved, 1 + 1e-9, `one person moves it by up to ${moved.toFixed(4)} sensitivities`),
    )

  for (const [at, { statistic, sensitivity, noiseMultiplier }] of releases.entries()) {
    const sources = new Map<number, RandomSource>()
    const sourceOf = (attempt: number) => {
      const source = sources.get(attempt) ?? random.split(`release ${at}, attempt ${attempt}`)
      sources.set(attempt, source)
      return source
    }
    const dimension = Math.min(statistic.length, 4000)
    results.push(
      ...checkNoise({
        dimension,
        noiseStdDev: sensitivity * noiseMultiplier,
        batches: [new Uint32Array(0)],
        release: ({ attempt }) =>
          mechanism(new Float64Array(dimension), { sensitivity, noiseMultiplier, random: sourceOf(attempt), spend: () => {} }),
      }).map((result) => ({ ...result, name: `${result.name} (release ${at + 1})` })),
    )
  }

  const elsewhere = await fitWatched(options, scene, positivesFrom(people(), scene.itemCount), start(), (_release, at) =>
    (releases[at] as Released).noisy.slice(),
  )
  results.push(samePostProcessing(model?.parameters() ?? {}, elsewhere?.parameters() ?? {}))
  results.push(checkNoPersonVectors(model?.parameters() ?? {}, personCount))
  return results
}

/** Nothing, one item, everything, the most popular half, or a few at random. */
function awkwardPerson(itemCount: number, random: RandomSource): number[] {
  const kind = Math.floor(random.nextDouble() * 6)
  const all = Array.from({ length: itemCount }, (_, item) => item)
  if (kind === 0) return []
  if (kind === 1) return [Math.floor(random.nextDouble() * itemCount)]
  if (kind === 2) return all
  if (kind === 3) return all.slice(0, itemCount >> 1)
  return someItems(itemCount, 1 + Math.floor(random.nextDouble() * Math.min(40, itemCount - 1)), random)
}

function samePostProcessing(first: NamedTensors, second: NamedTensors): ConformanceResult {
  const differing = [...new Set([...Object.keys(first), ...Object.keys(second)])].filter((name) => {
    const [a, b] = [first[name], second[name]]
    return a === undefined || b === undefined || a.data.length !== b.data.length || a.data.some((value, i) => !Object.is(value, b.data[i]))
  })
  return exact(
    'post-processing',
    differing.length,
    0,
    differing.length === 0
      ? 'the same releases give the same model, whoever is behind them'
      : `${differing.join(', ')} depend on people beside the releases`,
  )
}

const exact = (name: string, statistic: number, threshold: number, detail: string): ConformanceResult => ({
  name,
  passed: statistic <= threshold,
  statistic,
  threshold,
  falseAlarmRate: 0,
  detail,
})

/** Whether a trainer's releases can be watched: those that are sampled steps cannot. Tries it on a handful of invented people. */
export async function releasesThroughSeam(options: Pick<PeopleAuditOptions, 'trainer' | 'parameters' | 'privacy'>): Promise<boolean> {
  const scene = sceneFor({ ...options, random: seededRandom(1) }, 40)
  let events = 0
  let watched = 0
  await fitWatched(
    options,
    scene,
    positivesFrom([...scene.background, ...Array.from({ length: 200 }, () => [])], scene.itemCount),
    seededRandom(1),
    (release, _at, request) => {
      watched++
      return releaseGaussian(release.statistic, request)
    },
    { spend: () => void events++ },
  )
  return events > 0 && watched === events
}

/** Clipping, noise and rows of a step of user-sampled DP-SGD, on invented people: the code that all trainers of sampled steps share. */
export function sampledStepsConformance(random: RandomSource): ConformanceResult[] {
  const [rows, width, people] = [24, 3, 31]
  const numbers = (count: number) => {
    const out = new Float64Array(count)
    fillNormals(out, random)
    return out
  }
  const direction = numbers(rows)
  const norm = Math.hypot(...direction)
  return personConformance({
    objective: tasteObjective(
      new Float64Array(rows).fill(1),
      direction.map((value) => value / norm),
      numbers(rows * width),
      width,
    ),
    likes: positivesFrom(
      Array.from({ length: people }, () => someItems(rows, 1 + Math.floor(random.nextDouble() * 12), random)),
      rows,
    ),
    clipping: { kind: 'flat', maxGradNorm: 0.5 },
    noiseMultiplier: 1.3,
    expectedBatchSize: 12,
  })
}
