/**
 * Is the difference between two models more than luck of the people drawn? Bootstrap over people, paired t, Wilcoxon signed-rank, and
 * corrections for asking several times. Inputs are one value per person, in the same order for both models.
 *
 * Not for values of the same people under several seeds thrown together: those are not independent. Randomness comes in as an argument: with
 * `seededRandom` the same interval comes out on every machine. An interval of private rows is as private as they are.
 */
import { gammaln, mean, quantileSorted, sampleVariance } from 'simple-statistics'
import { checkNumber, TacetError } from '../errors.ts'

export interface Interval {
  readonly estimate: number
  readonly low: number
  readonly high: number
  readonly confidence: number
}

/**
 * Percentile bootstrap of a mean over people (Efron 1979): people are drawn with replacement, as many as there are.
 * @param values Float64Array[n], one finite value per person, n ≥ 2; differences of two models for a paired interval
 * @param random source of uniform 32-bit words
 * @param resamples ≥ 100; default 2,000
 */
export function bootstrapMean(
  values: ArrayLike<number>,
  random: { nextWord(): number },
  { resamples = 2_000, confidence = 0.95 }: { resamples?: number; confidence?: number } = {},
): Interval {
  checkNumber('resamples', resamples, { atLeast: 100, integer: true })
  checkNumber('confidence', confidence, { above: 0, below: 1 })
  const sample = checkSample(values)
  const n = sample.length
  const limit = 2 ** 32 - (2 ** 32 % n)
  const means = new Float64Array(resamples)
  for (let b = 0; b < resamples; b++) {
    let sum = 0
    for (let i = 0; i < n; i++) {
      let word = random.nextWord()
      // Without this, the first people would be drawn a little more often.
      while (word >= limit) word = random.nextWord()
      sum += sample[word % n] as number
    }
    means[b] = sum / n
  }
  const sorted = Array.from(means.sort())
  return {
    estimate: mean(sample),
    low: quantileSorted(sorted, (1 - confidence) / 2),
    high: quantileSorted(sorted, (1 + confidence) / 2),
    confidence,
  }
}

export interface PairedTTest {
  readonly statistic: number
  readonly degreesOfFreedom: number
  /** Two-sided. */
  readonly pValue: number
  /** Mean of a − b with its 95 % interval. */
  readonly difference: Interval
  /** Mean difference ÷ standard deviation of the differences (Cohen's d_z); ±∞ where all differ by the same amount. */
  readonly effectSize: number
}

/**
 * Student's paired t test of mean(a − b) = 0, two-sided.
 * Differences that are all 0 give t = 0, p = 1: no evidence, not an error.
 * @throws TacetError invalid-argument unless both hold the same number ≥ 2 of finite values
 */
export function pairedTTest(a: ArrayLike<number>, b: ArrayLike<number>): PairedTTest {
  const differences = pairedDifferences(a, b)
  const n = differences.length
  const center = mean(differences)
  const deviation = differences.every((entry) => entry === differences[0]) ? 0 : Math.sqrt(sampleVariance(differences))
  const standardError = deviation / Math.sqrt(n)
  const statistic = center === 0 ? 0 : center / standardError
  const reach = studentQuantile(0.975, n - 1) * standardError
  return {
    statistic,
    degreesOfFreedom: n - 1,
    pValue: studentTwoSided(statistic, n - 1),
    difference: { estimate: center, low: center - reach, high: center + reach, confidence: 0.95 },
    effectSize: center === 0 ? 0 : center / deviation,
  }
}

export interface WilcoxonTest {
  /** min(W⁺, W⁻), as SciPy prints it two-sided. */
  readonly statistic: number
  readonly positiveRanks: number
  readonly negativeRanks: number
  /** Two-sided. */
  readonly pValue: number
  readonly method: 'exact' | 'normal'
  /** (W⁺ − W⁻) ÷ (W⁺ + W⁻): rank-biserial correlation, −1 … 1; 0 where nothing differs. */
  readonly effectSize: number
}

/**
 * Wilcoxon's signed-rank test, two-sided: are the differences symmetric about 0?
 * Exact up to 50 pairs without zeros and ties among |a − b|, else normal with correction for ties and without one for continuity (as SciPy).
 * @param zeros wilcox: pairs without a difference are dropped; pratt: they are ranked, then dropped. Pairs that all agree give p = 1.
 */
export function wilcoxonSignedRank(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  { zeros = 'wilcox' }: { zeros?: 'wilcox' | 'pratt' } = {},
): WilcoxonTest {
  const all = pairedDifferences(a, b)
  const differences = (zeros === 'wilcox' ? all.filter((entry) => entry !== 0) : all).sort((x, y) => Math.abs(x) - Math.abs(y))
  const n = differences.length
  const zeroCount = differences.filter((entry) => entry === 0).length
  if (n === zeroCount) return { statistic: 0, positiveRanks: 0, negativeRanks: 0, pValue: 1, method: 'exact', effectSize: 0 }
  let positive = 0
  let negative = 0
  let tieTerm = 0
  let tied = false
  for (let start = 0; start < n; ) {
    let end = start + 1
    while (end < n && Math.abs(differences[end] as number) === Math.abs(differences[start] as number)) end++
    const rank = (start + 1 + end) / 2
    const size = end - start
    if (differences[start] !== 0) {
      if (size > 1) tied = true
      tieTerm += size ** 3 - size
    }
    for (let i = start; i < end; i++) {
      if ((differences[i] as number) > 0) positive += rank
      else if ((differences[i] as number) < 0) negative += rank
    }
    start = end
  }
  const statistic = Math.min(positive, negative)
  const effectSize = (positive - negative) / (positive + negative)
  if (n <= 50 && !tied && n === all.length && zeroCount === 0)
    return {
      statistic,
      positiveRanks: positive,
      negativeRanks: negative,
      pValue: exactSignedRank(statistic, n),
      method: 'exact',
      effectSize,
    }
  const expected = (n * (n + 1) - zeroCount * (zeroCount + 1)) / 4
  const variance = (n * (n + 1) * (2 * n + 1) - zeroCount * (zeroCount + 1) * (2 * zeroCount + 1) - tieTerm / 2) / 24
  const pValue = normalTwoSided((statistic - expected) / Math.sqrt(variance))
  return { statistic, positiveRanks: positive, negativeRanks: negative, pValue, method: 'normal', effectSize }
}

/** P(min(W⁺, W⁻) ≤ w) under the null: the number of subsets of {1 … n} by their sum, over 2ⁿ. */
function exactSignedRank(statistic: number, n: number): number {
  const counts = new Float64Array((n * (n + 1)) / 2 + 1)
  counts[0] = 1
  for (let rank = 1; rank <= n; rank++) {
    for (let sum = counts.length - 1; sum >= rank; sum--) counts[sum] = (counts[sum] as number) + (counts[sum - rank] as number)
  }
  let below = 0
  for (let sum = 0; sum <= statistic; sum++) below += counts[sum] as number
  return Math.min(1, (2 * below) / 2 ** n)
}

export interface RankerComparison {
  /** People with a value from both. */
  readonly people: number
  /** Mean of a − b with its bootstrap interval over people. */
  readonly difference: Interval
  /** (mean of a − mean of b) ÷ mean of b; NaN where b is 0. */
  readonly relative: number
  readonly tTest: PairedTTest
  readonly wilcoxon: WilcoxonTest
  /** People whom a serves better, b serves better, both alike. */
  readonly wins: number
  readonly losses: number
  readonly ties: number
}

/**
 * Is ranker a better than ranker b for the people they were measured on? One metric, the same people in the same order; people for whom
 * either has no value (NaN) are left out. Several comparisons: correct their p-values with `holm` or `benjaminiHochberg`.
 * @param a Float64Array[people], as `RankerEvaluation.perPerson` gives it
 * @param random source of uniform 32-bit words for the bootstrap
 */
export function compareRankers(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  random: { nextWord(): number },
  options: { resamples?: number; confidence?: number } = {},
): RankerComparison {
  if (a.length !== b.length)
    throw new TacetError('invalid-argument', `${a.length} values are compared with ${b.length}; each person needs one of both`)
  const both = Array.from(a, (value, p) => [value, b[p] as number] as const).filter(([x, y]) => !Number.isNaN(x) && !Number.isNaN(y))
  const [ofA, ofB] = [both.map(([x]) => x), both.map(([, y]) => y)]
  const difference = bootstrapMean(
    both.map(([x, y]) => x - y),
    random,
    options,
  )
  const wins = both.filter(([x, y]) => x > y).length
  const losses = both.filter(([x, y]) => x < y).length
  const baseline = mean(ofB)
  return {
    people: both.length,
    difference,
    relative: baseline === 0 ? Number.NaN : difference.estimate / baseline,
    tTest: pairedTTest(ofA, ofB),
    wilcoxon: wilcoxonSignedRank(ofA, ofB),
    wins,
    losses,
    ties: both.length - wins - losses,
  }
}

/**
 * Holm's step-down correction: adjusted p-values that keep the chance of any false alarm among all the tests at the level they are read at.
 * @returns Float64Array in the order given; all ≤ 1 @see Holm 1979
 */
export function holm(pValues: ArrayLike<number>): Float64Array {
  const order = ascending(pValues)
  const adjusted = new Float64Array(order.length)
  let most = 0
  order.forEach((index, position) => {
    most = Math.max(most, (order.length - position) * (pValues[index] as number))
    adjusted[index] = Math.min(1, most)
  })
  return adjusted
}

/**
 * Benjamini and Hochberg's step-up correction: adjusted p-values that keep the expected share of false alarms among the alarms, for tests that
 * are independent or positively dependent. @returns Float64Array in the order given; all ≤ 1 @see Benjamini & Hochberg 1995
 */
export function benjaminiHochberg(pValues: ArrayLike<number>): Float64Array {
  const order = ascending(pValues)
  const adjusted = new Float64Array(order.length)
  let least = 1
  for (let position = order.length - 1; position >= 0; position--) {
    const index = order[position] as number
    least = Math.min(least, (order.length / (position + 1)) * (pValues[index] as number))
    adjusted[index] = least
  }
  return adjusted
}

function ascending(pValues: ArrayLike<number>): number[] {
  const list = Array.from(pValues)
  for (const value of list) checkNumber('a p-value', value, { atLeast: 0, atMost: 1 })
  return list.map((_, index) => index).sort((x, y) => (list[x] as number) - (list[y] as number))
}

/** Two-sided tail of Student's t: P(|T| ≥ |t|). @param degreesOfFreedom > 0, not necessarily whole */
export function studentTwoSided(t: number, degreesOfFreedom: number): number {
  checkNumber('degreesOfFreedom', degreesOfFreedom, { above: 0 })
  if (Math.abs(t) === Number.POSITIVE_INFINITY) return 0
  // x = df/(df + t²) and its complement, each without cancellation.
  const square = t * t
  return incompleteBeta(degreesOfFreedom / (degreesOfFreedom + square), square / (degreesOfFreedom + square), degreesOfFreedom / 2, 0.5)
}

/** t with P(T ≤ t) = p, for ½ ≤ p < 1, by bisection on the tail. */
function studentQuantile(p: number, degreesOfFreedom: number): number {
  let low = 0
  let high = 1
  while (studentTwoSided(high, degreesOfFreedom) > 2 * (1 - p)) high *= 2
  for (let i = 0; i < 200 && low < high; i++) {
    const middle = (low + high) / 2
    if (middle === low || middle === high) break
    if (studentTwoSided(middle, degreesOfFreedom) > 2 * (1 - p)) low = middle
    else high = middle
  }
  return high
}

/** Two-sided tail of the normal: P(|Z| ≥ |z|) = erfc(|z|/√2). simple-statistics' error function is good to 1e-7 only. */
export function normalTwoSided(z: number): number {
  const x = Math.abs(z) / Math.SQRT2
  if (x < 2) {
    // erf(x) = 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1)/(2n+1)!!: all terms positive.
    let term = x
    let sum = x
    for (let n = 1; term > sum * 1e-17; n++) {
      term *= (2 * x * x) / (2 * n + 1)
      sum += term
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum
  }
  // Laplace's continued fraction, from the far end.
  let fraction = x
  for (let n = 120; n >= 1; n--) fraction = x + n / 2 / fraction
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction)
}

/** Regularised incomplete beta I_x(a, b), with y = 1 − x given so that it is exact near 1 (continued fraction, modified Lentz). */
function incompleteBeta(x: number, y: number, a: number, b: number): number {
  if (x <= 0) return 0
  if (y <= 0) return 1
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(y, x, b, a)
  const front = Math.exp(a * (x < 0.5 ? Math.log(x) : Math.log1p(-y)) + b * (y < 0.5 ? Math.log(y) : Math.log1p(-x)) - logBeta(a, b)) / a
  const tiny = 1e-300
  let c = 1
  let d = 1 / nonZero(1 - ((a + b) * x) / (a + 1), tiny)
  let fraction = d
  for (let m = 1; m <= 10_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 / nonZero(1 + even * d, tiny)
    c = nonZero(1 + even / c, tiny)
    fraction *= d * c
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 / nonZero(1 + odd * d, tiny)
    c = nonZero(1 + odd / c, tiny)
    fraction *= d * c
    if (Math.abs(d * c - 1) < 1e-15) return front * fraction
  }
  throw new TacetError('internal', `the incomplete beta function did not settle at x = ${x}, a = ${a}, b = ${b}`)
}

function logBeta(a: number, b: number): number {
  const large = Math.max(a, b)
  const small = Math.min(a, b)
  // Differences of ln Γ of large numbers lose digits: Stirling's corrections for the ratio.
  if (large > 1e4) {
    const correction = (z: number) => 1 / (12 * z) - 1 / (360 * z ** 3)
    const ratio =
      (large - 0.5) * Math.log1p(small / large) + small * (Math.log(large + small) - 1) + correction(large + small) - correction(large)
    return gammaln(small) - ratio
  }
  return gammaln(a) + gammaln(b) - gammaln(a + b)
}

function nonZero(value: number, tiny: number): number {
  return Math.abs(value) < tiny ? tiny : value
}

function pairedDifferences(a: ArrayLike<number>, b: ArrayLike<number>): number[] {
  if (a.length !== b.length)
    throw new TacetError('invalid-argument', `${a.length} values are paired with ${b.length}; each person needs one of both`)
  return checkSample(Array.from(a, (value, i) => value - (b[i] as number)))
}

function checkSample(values: ArrayLike<number>): number[] {
  const sample = Array.from(values)
  if (sample.length < 2) throw new TacetError('invalid-argument', `${sample.length} people are given; at least two are needed`)
  sample.forEach((value, index) => {
    checkNumber(`the value of person ${index}`, value)
  })
  return sample
}
