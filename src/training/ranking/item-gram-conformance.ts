/**
 * Conformance checks of `item-gram` and of private popularity: does one person move each statistic by no more than its bound, has every entry of the
 * Gram matrix its noise, and is the model a function of its releases alone? With the bugs that they must catch, planted by name, for whoever audits.
 *
 * Probes hand out noise-free statistics: the people here are synthetic. Checks that pass have not proved the trainer private.
 */
import { itemsOf, type Positives, positivesFrom } from '../../data/index.ts'
import { TacetError } from '../../errors.ts'
import { type ConformanceResult, releaseGaussian } from '../../privacy/index.ts'
import { type RandomSource, seededRandom } from '../../random/index.ts'
import { chooseHead, itemGramTrainer } from './item-gram.ts'
import {
  type Extension,
  extensionSensitivity,
  extensionStatistic,
  gramSensitivity,
  gramStatistic,
  type Head,
  unpackGram,
} from './item-gram-statistics.ts'
import { popularitySensitivity, popularityStatistic } from './popularity.ts'
import { resolveParameters } from './registry.ts'
import type { GaussianMechanism, RankingTrainer } from './trainer.ts'

/** What each planted bug does, and the check that must see it. */
export const plantedItemGramBugs = {
  'head-from-raw-counts': { check: 'releases-only', what: 'which items are in the head is decided by exact counts' },
  'gram-noise-without-root-two': { check: 'gram-noise', what: 'entries off the diagonal get half of σ, not σ/√2' },
  'row-not-normalised': { check: 'gram-sensitivity', what: 'a person adds x xᵀ as it is, however much they liked' },
  'popularity-not-normalised': { check: 'popularity-sensitivity', what: 'a person adds their 0/1 row as it is' },
} as const
export type PlantedItemGramBug = keyof typeof plantedItemGramBugs

/** The statistics as the trainer computes them: what a check replaces to see itself fail. */
export interface ItemGramStatistics {
  readonly popularity: (positives: Positives, floor: number) => Float64Array
  readonly gram: (positives: Positives, head: Head) => Float64Array
  readonly extension: (positives: Positives, extension: Extension) => Float64Array
}

const realStatistics: ItemGramStatistics = { popularity: popularityStatistic, gram: gramStatistic, extension: extensionStatistic }

export interface ItemGramConformanceOptions {
  /** Neighbouring pairs for each statistic (default 200). */
  readonly pairs?: number
  /** Of the statistical check (default 1e-6). */
  readonly falseAlarmRate?: number
  readonly bug?: PlantedItemGramBug
  /** Chooses worlds and noise (default: a fixed seed). */
  readonly random?: RandomSource
}

/** `popularity-sensitivity`, `gram-sensitivity`, `extension-sensitivity`, `gram-noise`, `releases-only`. */
export function itemGramConformance(options: ItemGramConformanceOptions = {}): ConformanceResult[] {
  const { pairs = 200, falseAlarmRate = 1e-6, bug, random = seededRandom(0x9a3) } = options
  const statistics: ItemGramStatistics = {
    ...realStatistics,
    ...(bug === 'row-not-normalised' ? { gram: rawGram } : {}),
    ...(bug === 'popularity-not-normalised' ? { popularity: rawCounts } : {}),
  }
  return [
    ...checkItemGramSensitivity({ pairs, random, statistics }),
    checkGramNoise({ falseAlarmRate, random, release: bug === 'gram-noise-without-root-two' ? halfNoise : releaseGaussian }),
    checkReleasesOnly({ random, trainer: bug === 'head-from-raw-counts' ? headFromRawCounts : itemGramTrainer }),
  ]
}

const uniform = (random: RandomSource, below: number) => Math.floor(random.nextDouble() * below)

/** People that a bound must hold for: everything, one thing, the same thing again and again, nothing, and ordinary ones. */
function adversary(kind: number, itemCount: number, random: RandomSource): number[] {
  const all = Array.from({ length: itemCount }, (_, item) => item)
  switch (kind % 8) {
    case 0:
      return all
    case 1:
      return [uniform(random, itemCount)]
    case 2:
      return new Array<number>(1 + uniform(random, 60)).fill(uniform(random, itemCount))
    case 3:
      return [...all, ...all]
    case 4:
      return []
    case 5:
      return all.slice(0, 1 + uniform(random, itemCount))
    case 6:
      return all.slice(uniform(random, itemCount))
    default:
      return all.filter(() => random.nextDouble() < 0.3)
  }
}

/** Popularity that a release might hold: any scale, ties, zeros and negative values, so that heads and weights are extreme too. */
function releasedPopularity(itemCount: number, random: RandomSource): Float64Array {
  const scale = 10 ** (4 * random.nextDouble() - 2)
  const shape = uniform(random, 3)
  return Float64Array.from({ length: itemCount }, (_, item) =>
    shape === 0 ? scale : shape === 1 ? scale * (random.nextDouble() - 0.3) : scale / (item + 1) ** 2,
  )
}

/** Rows of a direction's complement made orthonormal by Gram–Schmidt: what released factors are. */
function orthonormalRows(rank: number, direction: Float64Array, random: RandomSource): Float64Array {
  const m = direction.length
  const rows: Float64Array[] = [direction]
  const out: Float64Array[] = []
  while (out.length < rank) {
    const row = Float64Array.from({ length: m }, () => random.nextDouble() - 0.5)
    for (let pass = 0; pass < 2; pass++)
      for (const other of rows) {
        const along = row.reduce((sum, value, at) => sum + value * (other[at] as number), 0)
        for (let at = 0; at < m; at++) (row[at] as number) -= along * (other[at] as number)
      }
    const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0))
    const unit = row.map((value) => value / length)
    rows.push(unit)
    out.push(unit)
  }
  return Float64Array.from(out.flatMap((row) => [...row]))
}

const distance = (a: Float64Array, b: Float64Array) => Math.sqrt(a.reduce((sum, value, at) => sum + (value - (b[at] as number)) ** 2, 0))

/**
 * One person added to worlds of few people, adversarial ones among both: three exact checks that the popularity, the Gram matrix and the second
 * pass move by no more than their bound, relative tolerance 1e-9. `statistic` is the largest move ÷ bound.
 * @param pairs neighbouring pairs for each statistic
 */
export function checkItemGramSensitivity({
  pairs,
  random,
  statistics = realStatistics,
}: {
  readonly pairs: number
  readonly random: RandomSource
  readonly statistics?: ItemGramStatistics
}): ConformanceResult[] {
  const worst = { popularity: 0, gram: 0, extension: 0 }
  for (let pair = 0; pair < pairs; pair++) {
    const itemCount = 4 + uniform(random, 30)
    const others = Array.from({ length: uniform(random, 4) }, () => adversary(uniform(random, 8), itemCount, random))
    const without = positivesFrom(others, itemCount)
    const withOne = positivesFrom([...others, adversary(pair, itemCount, random)], itemCount)
    const floor = 1 + uniform(random, 40)
    const damping = uniform(random, 3) / 4
    const shortest = 0.05 + 0.95 * random.nextDouble()
    const size = 2 + uniform(random, itemCount - 3)
    const popularity = releasedPopularity(itemCount, random)
    const head = chooseHead(popularity, size, 1e-3, { damping, shortest })
    const rank = 1 + uniform(random, size - 1)
    const inHead = new Set(head.items)
    const items = Uint32Array.from({ length: itemCount }, (_, item) => item).filter((item) => !inHead.has(item))
    const extension: Extension = {
      head,
      factors: orthonormalRows(rank, head.direction, random),
      rank,
      items,
      weights: Float64Array.from(items, () => 10 ** (4 * random.nextDouble() - 2)),
      shortest,
    }
    const moved = {
      popularity: distance(statistics.popularity(withOne, floor), statistics.popularity(without, floor)) / popularitySensitivity,
      gram: distance(statistics.gram(withOne, head), statistics.gram(without, head)) / gramSensitivity,
      extension: distance(statistics.extension(withOne, extension), statistics.extension(without, extension)) / extensionSensitivity,
    }
    // NaN stays: a statistic that is no number is no pass.
    for (const name of ['popularity', 'gram', 'extension'] as const) if (!(moved[name] <= worst[name])) worst[name] = moved[name]
  }
  return (['popularity', 'gram', 'extension'] as const).map((name) => ({
    name: `${name}-sensitivity`,
    passed: worst[name] <= 1 + 1e-9,
    statistic: worst[name],
    threshold: 1 + 1e-9,
    falseAlarmRate: 0,
    detail: `one person moves ${name} by at most ${worst[name].toFixed(6)} of its bound over ${pairs} neighbouring pairs`,
  }))
}

/**
 * `gram-noise`: entries of the released symmetric matrix, over nobody's rows, have standard deviation σ on the diagonal and σ/√2 off it: what a
 * statistic of Frobenius sensitivity 1 needs. Too much is reported like too little.
 * @param release stands in for `releaseGaussian`
 */
export function checkGramNoise({
  falseAlarmRate,
  random,
  release = releaseGaussian,
}: {
  readonly falseAlarmRate: number
  readonly random: RandomSource
  readonly release?: GaussianMechanism
}): ConformanceResult {
  const [m, releases, noiseMultiplier] = [60, 12, 1.7]
  const nobody = positivesFrom([], m)
  const head = chooseHead(releasedPopularity(m, random), m, 1e-3, { damping: 0.25, shortest: 0.3 })
  const sums = { diagonal: 0, off: 0 }
  for (let at = 0; at < releases; at++) {
    const options = { sensitivity: gramSensitivity, noiseMultiplier, random, spend: () => {} }
    const matrix = unpackGram(release(gramStatistic(nobody, head), options), m)
    for (let i = 0; i < m; i++)
      for (let j = i; j < m; j++) {
        const square = ((matrix[i * m + j] as number) / noiseMultiplier) ** 2
        if (i === j) sums.diagonal += square
        else sums.off += 2 * square
      }
  }
  const parts = [
    { what: 'on the diagonal', sum: sums.diagonal, degrees: releases * m },
    { what: 'off the diagonal', sum: sums.off, degrees: (releases * m * (m - 1)) / 2 },
  ].map(({ what, sum, degrees }) => ({ what, ratio: Math.sqrt(sum / degrees), z: wilsonHilferty(sum, degrees) }))
  const worst = parts.reduce((a, b) => (Math.abs(b.z) <= Math.abs(a.z) ? a : b))
  // Two-sided normal tail 2·exp(−z²/2)/(z·√2π) ≥ the true one: the threshold errs on the side of no alarm, by little.
  const chance = Number.isFinite(worst.z) ? Math.min(1, 2 * Math.exp((-worst.z * worst.z) / 2)) : 0
  const statistic = chance > 0 ? -Math.log10(chance) : 400
  const threshold = -Math.log10(falseAlarmRate / 2)
  return {
    name: 'gram-noise',
    passed: statistic <= threshold,
    statistic,
    threshold,
    falseAlarmRate,
    detail: parts.map(({ what, ratio }) => `${what} ${ratio.toFixed(4)} of the noise that is due`).join(', '),
  }
}

/** A χ² variable as a standard normal one (Wilson & Hilferty 1931): good to some 1e-3 of z at these degrees. */
const wilsonHilferty = (sum: number, degrees: number) => {
  const spread = 2 / (9 * degrees)
  return (Math.cbrt(sum / degrees) - (1 - spread)) / Math.sqrt(spread)
}

/**
 * `releases-only`: a training is recorded; then the same releases are played back over a neighbour's rows and over entirely different ones. The
 * model and the events must be the same, and on the neighbour no later statistic may move by more than its bound.
 */
export function checkReleasesOnly({
  random,
  trainer = itemGramTrainer,
}: {
  readonly random: RandomSource
  readonly trainer?: Pick<RankingTrainer, 'fit'>
}): ConformanceResult {
  const [people, itemCount] = [97, 40]
  const rows = (seed: number) =>
    Array.from({ length: people }, (_, person) => adversary(seed + person, itemCount, random).filter(() => random.nextDouble() < 0.7))
  const mine = rows(0)
  const worlds = {
    neighbour: positivesFrom([...mine.slice(0, -1), Array.from({ length: itemCount / 2 }, (_, at) => itemCount - 1 - at)], itemCount),
    stranger: positivesFrom(rows(5), itemCount),
  }
  const parameters = resolveParameters(itemGramTrainer, { guardSignal: 0, guardItems: 0, headSmallest: 12, headFactor: 0.5, secondPass: 1 })
  const recorded: { readonly exact: Float64Array; readonly noisy: Float64Array }[] = []
  const trainOn = (positives: Positives, release: GaussianMechanism) => {
    const spent: number[] = []
    const ranker = trainer.fit({
      positives,
      itemTable: null,
      parameters,
      privacy: { unit: 'user', epsilon: 6, delta: 1e-5, alongside: [] },
      random: seededRandom(3),
      spend: (event) => void spent.push(event.kind === 'gaussian' ? event.noiseMultiplier : Number.NaN),
      release,
    })
    if (ranker instanceof Promise) throw new TacetError('internal', 'item-gram is expected to fit at once')
    return JSON.stringify([spent, Object.entries(ranker.parameters()).map(([name, { data }]) => [name, [...data]])])
  }
  const first = trainOn(positivesFrom(mine, itemCount), (vector, options) => {
    const noisy = releaseGaussian(vector, options)
    recorded.push({ exact: vector, noisy })
    return noisy
  })
  const faults: string[] = []
  for (const [name, positives] of Object.entries(worlds)) {
    let at = 0
    let largest = 0
    const again = trainOn(positives, (vector, options) => {
      options.spend({ kind: 'gaussian', noiseMultiplier: options.noiseMultiplier })
      const before = recorded[at++]
      if (before === undefined || before.exact.length !== vector.length) return new Float64Array(vector.length)
      // A person in place of another: at most twice the bound of adding one.
      largest = Math.max(largest, distance(vector, before.exact) / (2 * options.sensitivity))
      return before.noisy.slice()
    })
    if (name === 'neighbour' && !(largest <= 1 + 1e-9))
      faults.push(`replacing a person moves a release by ${largest.toFixed(3)} of what it may`)
    if (again !== first) faults.push(`the same releases over ${name === 'neighbour' ? 'a neighbour' : 'other people'} give another model`)
  }
  return {
    name: 'releases-only',
    passed: faults.length === 0,
    statistic: faults.length,
    threshold: 0,
    falseAlarmRate: 0,
    detail: faults.length === 0 ? 'the model is a function of its releases' : faults.join('; '),
  }
}

// --- the planted bugs ------------------------------------------------------------------------------------------------------------------

function rawCounts(positives: Positives): Float64Array {
  const counts = new Float64Array(positives.itemCount)
  for (const item of positives.items) (counts[item] as number)++
  return counts
}

function rawGram(positives: Positives, head: Head): Float64Array {
  const m = head.items.length
  const packed = new Float64Array((m * (m + 1)) / 2)
  for (let person = 0; person < positives.personCount; person++) {
    const row = new Set(itemsOf(positives, person))
    let at = 0
    for (let i = 0; i < m; i++)
      for (let j = i; j < m; j++, at++)
        if (row.has(head.items[i] as number) && row.has(head.items[j] as number)) (packed[at] as number) += i === j ? 1 : Math.SQRT2
  }
  return packed
}

/** Off the diagonal σ/2 in the matrix, as if the vector there had not been scaled by √2 already. */
const halfNoise: GaussianMechanism = (vector, options) => {
  const noisy = releaseGaussian(vector, options)
  const m = Math.round((Math.sqrt(8 * vector.length + 1) - 1) / 2)
  let at = 0
  for (let i = 0; i < m; i++)
    for (let j = i; j < m; j++, at++)
      if (i !== j) noisy[at] = (vector[at] as number) + ((noisy[at] as number) - (vector[at] as number)) / Math.SQRT2
  return noisy
}

/** Released popularity keeps its noisy values, but hands them out in the order of the exact ones. */
const headFromRawCounts: Pick<RankingTrainer, 'fit'> = {
  fit(request) {
    let first = true
    return itemGramTrainer.fit({
      ...request,
      release(vector, options) {
        const noisy = (request.release ?? releaseGaussian)(vector, options)
        if (!first) return noisy
        first = false
        const values = noisy.slice().sort().reverse()
        const order = Uint32Array.from(vector.keys()).sort((a, b) => (vector[b] as number) - (vector[a] as number) || a - b)
        const out = new Float64Array(vector.length)
        order.forEach((item, rank) => {
          out[item] = values[rank] as number
        })
        return out
      },
    })
  },
}
