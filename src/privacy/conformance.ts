/**
 * Conformance checks: does a trainer do what its plan is priced for? They see bugs that no attack can: noise once per micro-batch, a shuffled
 * sampler, a divisor that follows the realised batch, rows left over from a larger batch, a generator that repeats itself.
 *
 * Model-agnostic: the trainer is reached through small probes that hand out its releases. Statistics are written so that larger is worse: a
 * check passes while `statistic ≤ threshold`. For statistical checks the statistic is −log₁₀ of the chance of something as extreme from a
 * correct program, and the threshold −log₁₀ of the false-alarm rate. A check that passes has not proved the trainer private.
 *
 * Needs the trainer's noise-free sums and batches: private facts. Results stay in the training zone, or come from synthetic data.
 */
import { checkNumber, TacetError } from '../errors.ts'
import { type RandomSource, seededRandom } from '../random/index.ts'
import { binomialTwoSided, chiSquareTwoSided, kolmogorovSmirnovAbove, normalDistance, normalTwoSided } from './tails.ts'

export interface ConformanceResult {
  readonly name: string
  readonly passed: boolean
  /** Larger is worse; see the file's header. */
  readonly statistic: number
  readonly threshold: number
  /** Chance that a correct program fails this check; 0 for exact checks. */
  readonly falseAlarmRate: number
  readonly detail: string
}

/** A chance of 0 in doubles prints as this many digits. */
const smallestChanceDigits = 400

function statisticalResult(name: string, chance: number, falseAlarmRate: number, detail: string): ConformanceResult {
  const statistic = chance > 0 ? Math.max(0, -Math.log10(chance)) : smallestChanceDigits
  const threshold = -Math.log10(falseAlarmRate)
  // NaN fails: a release that is not a number is not a pass
  return { name, passed: statistic <= threshold, statistic, threshold, falseAlarmRate, detail }
}

function exactResult(name: string, statistic: number, threshold: number, detail: string): ConformanceResult {
  return { name, passed: statistic <= threshold, statistic, threshold, falseAlarmRate: 0, detail }
}

// --- noise -----------------------------------------------------------------------------------------------------------------------------

export interface NoiseProbe {
  /** Coordinates of one release: every parameter, whether a batch touches it or not. */
  readonly dimension: number
  /** Standard deviation that every coordinate of the clipped sum should carry, gradientNoiseMultiplier · sensitivity, in gradient units. */
  readonly noiseStdDev: number
  /** Parts of the vector to judge one by one (tensors); default: the vector as a whole. */
  readonly blocks?: readonly { readonly name: string; readonly offset: number; readonly length: number }[]
  /** Batches to release: an empty one, one row, and one larger than a micro-batch find the most. */
  readonly batches: readonly Uint32Array[]
  /**
   * One noisy clipped sum over `rows`, as the optimiser receives it, times the plan's divisor. From the same parameters every time, so that
   * two calls with the same rows differ in their noise only; the generator runs on as it would in training. A new `attempt` is a training
   * started anew, the way the program would really start it again.
   */
  release(request: { readonly attempt: number; readonly step: number; readonly rows: Uint32Array }): ArrayLike<number>
}

export interface NoiseCheckOptions {
  /** Trainings started, ≥ 2 (default 2). */
  readonly attempts?: number
  /** Steps released per attempt and batch, even, ≥ 4 (default 8). */
  readonly steps?: number
  /** Of each of the five checks (default 1e-6). */
  readonly falseAlarmRate?: number
}

/**
 * Five checks of the noise on every coordinate: `noise-variance` (per block and batch size), `noise-on-every-coordinate`,
 * `noise-between-steps` (and attempts), `noise-between-coordinates`, `noise-shape`.
 *
 * The signal is removed by differences of two steps over the same rows: D = (r − r′)/√2σ is N(0, I) for a correct trainer.
 */
export function checkNoise(probe: NoiseProbe, options: NoiseCheckOptions = {}): ConformanceResult[] {
  const { attempts = 2, steps = 8, falseAlarmRate = 1e-6 } = options
  checkNumber('attempts', attempts, { atLeast: 2, integer: true })
  checkNumber('steps', steps, { atLeast: 4, integer: true })
  checkNumber('dimension', probe.dimension, { atLeast: 1, integer: true })
  checkNumber('noiseStdDev', probe.noiseStdDev, { above: 0 })
  if (probe.batches.length === 0)
    throw new TacetError('invalid-argument', 'the noise check needs at least one batch (an empty batch is one)')
  const differences: { readonly batchSize: number; readonly values: Float64Array }[] = []
  /** Releases over no rows: noise and nothing else, ÷ σ. */
  const noiseAlone: Float64Array[] = []
  for (let attempt = 0; attempt < attempts; attempt++)
    for (const rows of probe.batches)
      for (let step = 0; step + 1 < steps; step += 2) {
        const first = Float64Array.from(probe.release({ attempt, step, rows }))
        const second = probe.release({ attempt, step: step + 1, rows })
        if (first.length !== probe.dimension || second.length !== probe.dimension)
          throw new TacetError('invalid-argument', `a release has ${first.length} coordinates; the probe says ${probe.dimension}`)
        const scale = Math.SQRT2 * probe.noiseStdDev
        if (rows.length === 0)
          for (const release of [first, second]) noiseAlone.push(Float64Array.from(release, (value) => value / probe.noiseStdDev))
        differences.push({ batchSize: rows.length, values: first.map((value, i) => (value - (second[i] as number)) / scale) })
      }
  return [
    noiseVariance(probe, differences, falseAlarmRate),
    noiseOnEveryCoordinate(probe, differences, falseAlarmRate),
    noiseBetweenSteps(differences, falseAlarmRate),
    noiseBetweenCoordinates(differences, falseAlarmRate),
    noiseShape(
      differences.map(({ values }) => values),
      noiseAlone,
      falseAlarmRate,
    ),
  ]
}

type Differences = readonly { readonly batchSize: number; readonly values: Float64Array }[]

const dot = (a: Float64Array, b: Float64Array, from = 0, to = a.length, lag = 0) => {
  let sum = 0
  for (let i = from; i < to; i++) sum += (a[i] as number) * (b[i + lag] as number)
  return sum
}

function noiseVariance(probe: NoiseProbe, differences: Differences, falseAlarmRate: number): ConformanceResult {
  const blocks = probe.blocks ?? [{ name: 'all coordinates', offset: 0, length: probe.dimension }]
  const batchSizes = [...new Set(differences.map(({ batchSize }) => batchSize))]
  let worst = { chance: 1, detail: '' }
  for (const { name, offset, length } of blocks)
    for (const size of batchSizes) {
      const at = differences.filter(({ batchSize }) => batchSize === size)
      const sum = at.reduce((total, { values }) => total + dot(values, values, offset, offset + length), 0)
      const chance = Number.isFinite(sum) ? chiSquareTwoSided(sum, at.length * length) : 0
      if (chance < worst.chance || worst.detail === '')
        worst = {
          chance,
          detail: `${name}, batch of ${size}: standard deviation ${Math.sqrt(sum / (at.length * length)).toFixed(4)} of the expected one`,
        }
    }
  return statisticalResult('noise-variance', Math.min(1, worst.chance * blocks.length * batchSizes.length), falseAlarmRate, worst.detail)
}

function noiseOnEveryCoordinate(probe: NoiseProbe, differences: Differences, falseAlarmRate: number): ConformanceResult {
  const sums = new Float64Array(probe.dimension)
  for (const { values } of differences) for (let i = 0; i < sums.length; i++) sums[i] = (sums[i] as number) + (values[i] as number) ** 2
  let worst = { chance: 1, coordinate: 0 }
  let silent = 0
  for (const [coordinate, sum] of sums.entries()) {
    if (sum === 0) silent++
    const chance = Number.isFinite(sum) ? chiSquareTwoSided(sum, differences.length) : 0
    if (chance < worst.chance) worst = { chance, coordinate }
  }
  const block = probe.blocks?.find(({ offset, length }) => worst.coordinate >= offset && worst.coordinate < offset + length)
  const spread = Math.sqrt((sums[worst.coordinate] as number) / differences.length).toFixed(4)
  return statisticalResult(
    'noise-on-every-coordinate',
    Math.min(1, worst.chance * probe.dimension),
    falseAlarmRate,
    `${silent} of ${probe.dimension} coordinates without any noise; worst is ${worst.coordinate}${block === undefined ? '' : ` (${block.name})`} at ${spread} of the expected standard deviation`,
  )
}

function noiseBetweenSteps(differences: Differences, falseAlarmRate: number): ConformanceResult {
  let worst = { z: 0, pair: '' }
  let pairs = 0
  for (const [i, { values: a }] of differences.entries())
    for (const [j, { values: b }] of differences.entries()) {
      if (j <= i) continue
      pairs++
      // Given a, the projection of b on it is exactly N(0, 1). No noise at all is for the other checks to report.
      const norm = Math.sqrt(dot(a, a))
      const z = norm > 0 ? dot(a, b) / norm : 0
      if (!(Math.abs(z) <= Math.abs(worst.z)) || worst.pair === '') worst = { z, pair: `${i} and ${j}` }
    }
  const chance = Number.isFinite(worst.z) ? Math.min(1, normalTwoSided(worst.z) * pairs) : 0
  return statisticalResult(
    'noise-between-steps',
    chance,
    falseAlarmRate,
    `largest of ${pairs} correlations between steps or attempts: pair ${worst.pair}, z = ${worst.z.toFixed(2)}`,
  )
}

function noiseBetweenCoordinates(differences: Differences, falseAlarmRate: number): ConformanceResult {
  const dimension = (differences[0] as { values: Float64Array }).values.length
  const lags: number[] = []
  for (let lag = 1; lag < dimension; lag = lag < 32 ? lag + 1 : lag * 2) lags.push(lag)
  let worst = { chance: 1, detail: 'no two coordinates share noise' }
  for (const lag of lags) {
    const products = differences.length * (dimension - lag)
    const sum = differences.reduce((total, { values }) => total + dot(values, values, 0, dimension - lag, lag), 0)
    // A quadratic form in normals with operator norm ≤ 1 and Frobenius norm √(products/2): Laurent & Massart 2000, Lemma 1,
    // P(|sum| ≥ √(2·products·x) + 2x) ≤ 2·exp(−x).
    const root = (Math.sqrt(2 * products + 8 * Math.abs(sum)) - Math.sqrt(2 * products)) / 4
    const chance = Number.isFinite(sum) ? Math.min(1, 2 * Math.exp(-root * root) * lags.length) : 0
    if (chance < worst.chance)
      worst = { chance, detail: `coordinates ${lag} apart: correlation ${(sum / products).toFixed(4)} over ${products} products` }
  }
  const twins = sharedNoise(differences)
  if (twins > 0) worst = { chance: 0, detail: `${twins} pairs of coordinates carry the same noise in every step` }
  return statisticalResult('noise-between-coordinates', worst.chance, falseAlarmRate, worst.detail)
}

/**
 * Pairs of coordinates whose noise agrees to a thousandth in every difference (neighbours in order of the first). With eight or more
 * differences the chance per pair is below (6e-4)⁸; coordinates without noise are not counted here.
 */
function sharedNoise(differences: Differences): number {
  if (differences.length < 8) return 0
  const first = (differences[0] as { values: Float64Array }).values
  const order = Uint32Array.from({ length: first.length }, (_, i) => i).sort((a, b) => (first[a] as number) - (first[b] as number))
  const silent = (i: number) => differences.every(({ values }) => values[i] === 0)
  let twins = 0
  for (let position = 0; position < order.length; position++) {
    const a = order[position] as number
    if (silent(a)) continue
    for (let next = position + 1; next < Math.min(order.length, position + 1024); next++) {
      const b = order[next] as number
      if ((first[b] as number) - (first[a] as number) > 1e-3) break
      if (differences.every(({ values }) => Math.abs((values[a] as number) - (values[b] as number)) <= 1e-3)) twins++
    }
  }
  return twins
}

/** Differences hide what two draws share; releases over an empty batch show the noise itself, and that it is centred on 0. */
function noiseShape(differences: readonly Float64Array[], noiseAlone: readonly Float64Array[], falseAlarmRate: number): ConformanceResult {
  const samples = [
    { what: 'differences of steps', vectors: differences },
    { what: 'empty batches', vectors: noiseAlone },
  ].filter(({ vectors }) => vectors.length > 0)
  let worst = { chance: 1, detail: '' }
  for (const { what, vectors } of samples) {
    const values = pooled(vectors)
    const distance = normalDistance(values)
    const chance = kolmogorovSmirnovAbove(distance, values.length)
    if (chance < worst.chance || worst.detail === '')
      worst = {
        chance,
        detail: `${what}: Kolmogorov–Smirnov distance ${distance.toFixed(5)} from the normal law over ${values.length} values`,
      }
  }
  return statisticalResult('noise-shape', Math.min(1, worst.chance * samples.length), falseAlarmRate, worst.detail)
}

/** Every stride-th value of the vectors laid end to end, at most 200,000 of them: a large model costs no more than a small one. */
function pooled(vectors: readonly Float64Array[]): Float64Array {
  const dimension = (vectors[0] as Float64Array).length
  const total = vectors.length * dimension
  const stride = Math.ceil(total / 200_000)
  return Float64Array.from(
    { length: Math.floor((total - 1) / stride) + 1 },
    (_, i) => (vectors[Math.floor((i * stride) / dimension)] as Float64Array)[(i * stride) % dimension] as number,
  )
}

// --- sampling --------------------------------------------------------------------------------------------------------------------------

export interface SamplerProbe {
  readonly rowCount: number
  /** The constant q that is accounted for. */
  readonly sampleRate: number
  /** Rows of one step's batch, in any order. */
  batch(step: number): Uint32Array
}

/**
 * Five checks that batches are Poisson samples: `inclusion-rate`, `inclusion-frequency` (χ² over rows, too even is as wrong as too uneven:
 * a shuffled loader is too even), `batch-size` (Binomial), `inclusion-between-steps`, `inclusion-between-rows` (with first and last row).
 * @param options.steps batches drawn; sampleRate · steps ≥ 15 sees a row that is never drawn
 */
export function checkInclusion(
  probe: SamplerProbe,
  { steps, falseAlarmRate = 1e-6 }: { readonly steps: number; readonly falseAlarmRate?: number },
): ConformanceResult[] {
  const rowCount = checkNumber('rowCount', probe.rowCount, { atLeast: 2, integer: true })
  const q = checkNumber('sampleRate', probe.sampleRate, { above: 0, below: 1 })
  checkNumber('steps', steps, { atLeast: 4, integer: true })
  const counts = new Uint32Array(rowCount)
  const sizes: number[] = []
  const overlapLags = [1, 2, 3, 4]
  const recent: Uint32Array[] = []
  const overlaps = overlapLags.map(() => ({ centred: 0, steps: 0 }))
  const neighbours = overlapLags.map(() => 0)
  let repeated = 0
  for (let step = 0; step < steps; step++) {
    const batch = Uint32Array.from(probe.batch(step)).sort()
    for (const [i, row] of batch.entries()) {
      if (row >= rowCount) throw new TacetError('invalid-argument', `step ${step} drew row ${row}; there are ${rowCount}`)
      if (i > 0 && batch[i - 1] === row) repeated++
      counts[row]! += 1
    }
    sizes.push(batch.length)
    for (const [i, lag] of overlapLags.entries()) {
      neighbours[i]! +=
        commonRows(batch, batch, lag) - q * (2 * batch.length - rowsNearEdges(batch, rowCount, lag)) + (rowCount - lag) * q * q
      const earlier = recent.at(-lag)
      const overlap = overlaps[i] as { centred: number; steps: number }
      if (earlier === undefined) continue
      overlap.centred += commonRows(earlier, batch, 0) - q * (earlier.length + batch.length) + rowCount * q * q
      overlap.steps++
    }
    recent.push(batch)
    if (recent.length > overlapLags.length) recent.shift()
  }
  const variance = q * (1 - q)
  const drawn = sizes.reduce((sum, size) => sum + size, 0)
  const rate = drawn / (rowCount * steps)

  // Sums of squared binomial deviations: a scaled χ² with the exact mean and variance (Satterthwaite).
  const squaredDeviations = (values: ArrayLike<number>, trials: number) => {
    let sum = 0
    for (let i = 0; i < values.length; i++) sum += ((values[i] as number) - trials * q) ** 2 / (trials * variance)
    const kurtosis = 3 + (1 - 6 * variance) / (trials * variance)
    return { ratio: sum / values.length, chance: chiSquareTwoSided((2 * sum) / (kurtosis - 1), (2 * values.length) / (kurtosis - 1)) }
  }
  const frequency = squaredDeviations(counts, steps)
  const size = squaredDeviations(sizes, rowCount)

  const worstOf = (candidates: readonly { chance: number; detail: string }[]) => {
    const worst = candidates.reduce((a, b) => (b.chance < a.chance ? b : a))
    return { chance: Math.min(1, worst.chance * candidates.length), detail: worst.detail }
  }
  const between = worstOf(
    overlapLags
      .map((lag, i) => ({ lag, ...(overlaps[i] as { centred: number; steps: number }) }))
      .filter((overlap) => overlap.steps > 0)
      .map(({ lag, centred, steps: pairs }) => ({
        chance: bennett(centred, pairs * rowCount * variance * variance),
        detail: `steps ${lag} apart share ${signed(centred)} rows more than independent ones would, of ${(pairs * rowCount * q * q).toFixed(1)} expected`,
      })),
  )
  const rows = worstOf([
    ...overlapLags
      .filter((lag) => lag < rowCount)
      .map((lag) => {
        const centred = neighbours[overlapLags.indexOf(lag)] as number
        return {
          chance: bennett(centred, steps * (rowCount - lag) * variance * variance),
          detail: `rows ${lag} apart are drawn together ${signed(centred)} times more than independent ones would be`,
        }
      }),
    ...[0, rowCount - 1].map((row) => ({
      chance: binomialTwoSided(counts[row] as number, steps, q),
      detail: `${row === 0 ? 'first' : 'last'} row drawn ${counts[row]} times in ${steps} steps, expected ${(steps * q).toFixed(1)}`,
    })),
  ])
  return [
    statisticalResult(
      'inclusion-rate',
      repeated > 0 ? 0 : normalTwoSided((drawn - rowCount * steps * q) / Math.sqrt(rowCount * steps * variance)),
      falseAlarmRate,
      repeated > 0
        ? `${repeated} rows came twice in one batch`
        : `rows are drawn at ${rate.toPrecision(6)} per step; accounted for is ${q.toPrecision(6)}`,
    ),
    statisticalResult(
      'inclusion-frequency',
      frequency.chance,
      falseAlarmRate,
      `variance of the rows' counts is ${frequency.ratio.toFixed(4)} of the binomial one${frequency.ratio < 1 ? ' (0 would be a shuffled pass)' : ''}`,
    ),
    statisticalResult(
      'batch-size',
      size.chance,
      falseAlarmRate,
      `variance of the batch sizes is ${size.ratio.toFixed(4)} of the binomial one`,
    ),
    statisticalResult('inclusion-between-steps', between.chance, falseAlarmRate, between.detail),
    statisticalResult('inclusion-between-rows', rows.chance, falseAlarmRate, rows.detail),
  ]
}

const signed = (value: number) => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(1)}`

/** Number of rows in `a` for which row + lag is in `b`; both ascending. */
function commonRows(a: Uint32Array, b: Uint32Array, lag: number): number {
  let common = 0
  let j = 0
  for (const row of a) {
    while (j < b.length && (b[j] as number) < row + lag) j++
    if (j < b.length && b[j] === row + lag) common++
  }
  return common
}

/** Rows of an ascending batch that lack a partner `lag` before, plus those that lack one `lag` after. */
function rowsNearEdges(batch: Uint32Array, rowCount: number, lag: number): number {
  let near = 0
  for (const row of batch) near += (row < lag ? 1 : 0) + (row >= rowCount - lag ? 1 : 0)
  return near
}

/** Bennett's bound on a centred sum of bounded (≤ 1) products of variance `variance`, both sides. */
function bennett(sum: number, variance: number): number {
  const u = Math.abs(sum) / variance
  return Math.min(1, 2 * Math.exp(-variance * ((1 + u) * Math.log1p(u) - u)))
}

// --- sensitivity -----------------------------------------------------------------------------------------------------------------------

export interface SensitivityProbe {
  /** L2 bound on what one row adds to the clipped sum: `sensitivityOf(plan.clipping)`. */
  readonly sensitivity: number
  /** Rows to build neighbouring batches from. Some should have unclipped gradients above the bound, or missing clipping cannot be seen. */
  readonly rows: Uint32Array
  /** Largest batch to try; should exceed the plan's expected batch, and any micro-batch. */
  readonly largestBatch: number
  /**
   * The noise-free clipped sum over `rows` from the same parameters every time: what the optimiser receives times the plan's divisor.
   * Takes the code path of training with the noise off. An empty batch is legal.
   */
  clippedSum(rows: Uint32Array): ArrayLike<number>
}

export interface SensitivityCheckOptions {
  /** Neighbouring pairs tried (default 24). */
  readonly trials?: number
  /** Relative to the sensitivity, for single-precision sums (default 1e-3; grows with the square root of the batch). */
  readonly tolerance?: number
  /** Chooses the batches (default: a fixed seed). */
  readonly random?: RandomSource
}

/**
 * Three exact checks on neighbouring batches B and B ∪ {x}: `sensitivity` (the sums differ by no more than the bound), `additivity` (by exactly
 * x's own clipped gradient: constant divisor, clipping per row, no operator across rows), `stale-rows` (a batch gives the same sum before and
 * after a larger one).
 */
export function checkSensitivity(probe: SensitivityProbe, options: SensitivityCheckOptions = {}): ConformanceResult[] {
  const { trials = 24, tolerance = 1e-3, random = seededRandom(0x5e45) } = options
  checkNumber('sensitivity', probe.sensitivity, { above: 0 })
  checkNumber('trials', trials, { atLeast: 1, integer: true })
  const largest = checkNumber('largestBatch', probe.largestBatch, { atLeast: 1, integer: true })
  if (probe.rows.length < 2) throw new TacetError('invalid-argument', 'the sensitivity check needs at least two rows')
  const pick = () => probe.rows[Math.floor(random.nextDouble() * probe.rows.length)] as number
  const sumOf = (rows: Uint32Array) => Float64Array.from(probe.clippedSum(rows))

  let moved = { statistic: 0, detail: '' }
  let additive = { statistic: 0, detail: 'every batch sums to the clipped gradients of its rows' }
  let stale = { statistic: 0, detail: 'no batch leaves anything behind for the next' }
  const worse = <T extends { statistic: number; detail: string }>(worst: T, statistic: number, detail: string) =>
    statistic > worst.statistic || Number.isNaN(statistic)
      ? { statistic: Number.isNaN(statistic) ? Number.POSITIVE_INFINITY : statistic, detail }
      : worst

  for (let trial = 0; trial < trials; trial++) {
    // Sizes 0, 1, 2, then spread geometrically up to the largest.
    const size = trial < 3 ? Math.min(trial, largest - 1) : Math.floor((largest - 1) ** ((trial - 2) / Math.max(1, trials - 3)))
    const batch = Uint32Array.from({ length: size }, pick)
    const x = pick()
    const without = sumOf(batch)
    const withX = sumOf(Uint32Array.from([...batch, x]))
    const alone = sumOf(Uint32Array.of(x))
    const step = withX.map((value, i) => value - (without[i] as number))
    const rounding = Math.sqrt(size + 1)
    moved = worse(
      moved,
      norm(step) / probe.sensitivity / (1 + tolerance * rounding),
      `row ${x} moves a batch of ${size} by ${(norm(step) / probe.sensitivity).toFixed(4)} sensitivities`,
    )
    const excess = norm(step.map((value, i) => value - (alone[i] as number))) / probe.sensitivity
    if (excess / rounding > tolerance || Number.isNaN(excess))
      additive = worse(
        additive,
        excess / rounding,
        `row ${x} adds to a batch of ${size} something else than alone: ${excess.toFixed(4)} sensitivities apart`,
      )
    else if (excess / rounding > additive.statistic) additive = { ...additive, statistic: excess / rounding }
    sumOf(Uint32Array.from({ length: largest }, pick))
    const again = sumOf(batch)
    const left = norm(again.map((value, i) => value - (without[i] as number))) / probe.sensitivity / rounding
    if (left > tolerance || Number.isNaN(left))
      stale = worse(stale, left, `a batch of ${size} sums differently after a batch of ${largest}`)
    else if (left > stale.statistic) stale = { ...stale, statistic: left }
  }
  const exercised = moved.statistic >= 0.5 ? '' : '; no row came near the bound, so that missing clipping would not be seen here'
  return [
    exactResult('sensitivity', moved.statistic, 1, `${moved.detail === '' ? 'no row moved any sum' : moved.detail}${exercised}`),
    exactResult('additivity', additive.statistic, tolerance, additive.detail),
    exactResult('stale-rows', stale.statistic, tolerance, stale.detail),
  ]
}

const norm = (vector: Float64Array) => Math.sqrt(dot(vector, vector))
