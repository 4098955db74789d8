/**
 * Turning noisy counts and sums into estimates, knowing how large the noise was. Pure post-processing of releases: nothing here may be handed a
 * number that was not released or public, and so nothing here costs privacy.
 */
import { solveSymmetric } from './bias-factors-linear.ts'

export interface NoisyGroups {
  /** Noisy number of rows per group. */
  readonly counts: Float64Array
  /** Noisy Σ of bounded values per group. */
  readonly sums: Float64Array
  readonly countStdDev: number
  readonly sumStdDev: number
  /** Variance of one row's bounded value about its group's mean. */
  readonly rowVariance: number
  /** A count cannot exceed this (public, or a release). */
  readonly largestCount: number
}

export interface GroupPrior {
  /** Columns of public features, one number a group; their effect on the prior mean has standard deviation `featureStdDev`. */
  readonly features: readonly Float64Array[]
  readonly featureStdDev: number
  /** Whether the prior mean follows log(1 + count): popular items are better. */
  readonly followsCount: boolean
  /** The prior mean of a group about which nothing is known; `fitted` from the releases. */
  readonly intercept: number | 'fitted'
}

export interface GroupEstimates {
  readonly mean: Float64Array
  readonly variance: Float64Array
  /** Posterior mean of the number of rows, ≥ 0. */
  readonly counts: Float64Array
  /** Variance of true group means about their prior. */
  readonly spread: number
}

/** Candidate counts: 0 and a geometric grid. */
const COUNT_GRID = 49

/**
 * Posterior mean of every group's mean when neither its count n nor its sum is known exactly:
 * θ ~ N(m, s²), sum | n, θ ~ N(nθ, n·rowVariance + noise²), noisy count ~ N(n, noise²).
 *
 * The prior of n is fitted to the noisy counts (smoothed maximum likelihood on a grid), m by least squares weighted by what the noise leaves, s² by
 * marginal likelihood; then θ is averaged over n. Where noise drowns a group, the answer is m.
 */
export function estimateGroups(noisy: NoisyGroups, prior: GroupPrior): GroupEstimates {
  const { counts, sums, countStdDev, sumStdDev, rowVariance } = noisy
  const groups = counts.length
  const grid = countGrid(noisy.largestCount)
  const likelihood = countLikelihood(counts, countStdDev, grid)
  const countPrior = fitCountPrior(likelihood, grid.length, groups)
  const expected = new Float64Array(groups)
  const logCount = new Float64Array(groups)
  for (let g = 0; g < groups; g++) {
    if (isClear(counts[g] as number, countStdDev)) {
      expected[g] = counts[g] as number
      logCount[g] = Math.log1p(counts[g] as number)
      continue
    }
    let total = 0
    let n = 0
    let log = 0
    for (let j = 0; j < grid.length; j++) {
      const p = (countPrior[j] as number) * (likelihood[g * grid.length + j] as number)
      total += p
      n += p * (grid[j] as number)
      log += p * Math.log1p(grid[j] as number)
    }
    expected[g] = n / total
    logCount[g] = log / total
  }

  const columns = [new Float64Array(groups).fill(1), ...(prior.followsCount ? [logCount] : []), ...prior.features]
  const noiseVariance = sumStdDev * sumStdDev
  let spread = rowVariance / 4
  let coefficients = new Float64Array(columns.length)
  const priorMean = new Float64Array(groups)
  for (let round = 0; round < 4; round++) {
    coefficients = weightedLeastSquares(columns, expected, sums, spread, rowVariance, noiseVariance, prior)
    for (let g = 0; g < groups; g++) {
      let m = 0
      for (let j = 0; j < columns.length; j++) m += (coefficients[j] as number) * ((columns[j] as Float64Array)[g] as number)
      priorMean[g] = m
    }
    spread = likeliestSpread(
      (g) => expected[g] as number,
      (g) => (sums[g] as number) - (expected[g] as number) * (priorMean[g] as number),
      (g) => (expected[g] as number) * rowVariance + noiseVariance,
      groups,
      { smallest: 2e-3 * rowVariance, largest: rowVariance },
    )
  }

  const mean = new Float64Array(groups)
  const variance = new Float64Array(groups)
  const posteriorCounts = new Float64Array(groups)
  const logWeights = new Float64Array(grid.length)
  const slope = prior.followsCount ? (coefficients[1] as number) : 0
  const meanAt = (g: number, n: number) => (priorMean[g] as number) + slope * (Math.log1p(n) - (logCount[g] as number))
  for (let g = 0; g < groups; g++) {
    const count = counts[g] as number
    const clear = isClear(count, countStdDev)
    const candidates = clear ? aroundNormal.map(({ at }) => count + at * countStdDev) : grid
    let largest = -Infinity
    for (let j = 0; j < candidates.length; j++) {
      const n = candidates[j] as number
      const total = spread * n * n + n * rowVariance + noiseVariance
      const error = (sums[g] as number) - n * meanAt(g, n)
      const chance = clear
        ? (aroundNormal[j] as { weight: number }).weight
        : (countPrior[j] as number) * (likelihood[g * grid.length + j] as number)
      const weight = Math.log(chance + 1e-300) - Math.log(total) / 2 - (error * error) / (2 * total)
      logWeights[j] = weight
      if (weight > largest) largest = weight
    }
    let total = 0
    let first = 0
    let second = 0
    let countSum = 0
    for (let j = 0; j < candidates.length; j++) {
      const n = candidates[j] as number
      const p = Math.exp((logWeights[j] as number) - largest)
      const gain = (spread * n) / (spread * n * n + n * rowVariance + noiseVariance)
      const theta = meanAt(g, n) + gain * ((sums[g] as number) - n * meanAt(g, n))
      total += p
      first += p * theta
      second += p * (theta * theta + spread * (1 - gain * n))
      countSum += p * n
    }
    mean[g] = first / total
    variance[g] = Math.max(0, second / total - (first / total) ** 2)
    posteriorCounts[g] = countSum / total
  }
  return { mean, variance, counts: posteriorCounts, spread }
}

/** A count this far above its noise is taken at its word: the grid would be coarser than the noise. */
const isClear = (count: number, stdDev: number) => count > 8 * stdDev

/** Five-point Gauss–Hermite quadrature of N(0, 1). */
const aroundNormal = [
  { at: 0, weight: 8 / 15 },
  ...[-1, 1].flatMap((sign) => [
    { at: sign * Math.sqrt(5 - Math.sqrt(10)), weight: (7 + 2 * Math.sqrt(10)) / 60 },
    { at: sign * Math.sqrt(5 + Math.sqrt(10)), weight: (7 - 2 * Math.sqrt(10)) / 60 },
  ]),
]

function countGrid(largestCount: number): Float64Array {
  const grid = new Float64Array(COUNT_GRID)
  const smallest = 0.7
  const largest = Math.max(2, largestCount)
  for (let j = 1; j < COUNT_GRID; j++) grid[j] = smallest * (largest / smallest) ** ((j - 1) / (COUNT_GRID - 2))
  return grid
}

/** Float64Array[groups · grid], each row scaled so that its largest entry is 1. */
function countLikelihood(counts: Float64Array, stdDev: number, grid: Float64Array): Float32Array {
  const out = new Float32Array(counts.length * grid.length)
  for (let g = 0; g < counts.length; g++) {
    let nearest = Infinity
    for (const n of grid) nearest = Math.min(nearest, ((counts[g] as number) - n) ** 2)
    for (let j = 0; j < grid.length; j++) {
      const distance = ((counts[g] as number) - (grid[j] as number)) ** 2 - nearest
      out[g * grid.length + j] = Math.exp(-distance / (2 * stdDev * stdDev))
    }
  }
  return out
}

/** Expectation–maximisation from the log-uniform prior, 5 % of which stays in every round so that no cell dies. */
function fitCountPrior(likelihood: Float32Array, cells: number, groups: number): Float64Array {
  let prior = new Float64Array(cells).fill(1 / cells)
  for (let round = 0; round < 20; round++) {
    const mass = new Float64Array(cells).fill((0.05 * groups) / cells)
    for (let g = 0; g < groups; g++) {
      let total = 0
      for (let j = 0; j < cells; j++) total += (prior[j] as number) * (likelihood[g * cells + j] as number)
      for (let j = 0; j < cells; j++) mass[j] = (mass[j] as number) + ((prior[j] as number) * (likelihood[g * cells + j] as number)) / total
    }
    let total = 0
    for (const m of mass) total += m
    prior = mass.map((m) => m / total)
  }
  return prior
}

function weightedLeastSquares(
  columns: readonly Float64Array[],
  counts: Float64Array,
  sums: Float64Array,
  spread: number,
  rowVariance: number,
  noiseVariance: number,
  prior: GroupPrior,
): Float64Array<ArrayBuffer> {
  const k = columns.length
  const a = new Float64Array(k * k)
  const b = new Float64Array(k)
  const row = new Float64Array(k)
  for (let g = 0; g < counts.length; g++) {
    const n = counts[g] as number
    const total = spread * n * n + n * rowVariance + noiseVariance
    for (let j = 0; j < k; j++) row[j] = (columns[j] as Float64Array)[g] as number
    for (let j = 0; j < k; j++) {
      const x = (row[j] as number) * n
      b[j] = (b[j] as number) + (x * (sums[g] as number)) / total
      for (let l = 0; l < k; l++) a[j * k + l] = (a[j * k + l] as number) + (x * n * (row[l] as number)) / total
    }
  }
  for (let j = 0; j < k; j++) {
    // the slope on log counts has standard deviation .3 of a row's, the intercept is free unless it is given
    const kind = j === 0 ? 'intercept' : j === 1 && prior.followsCount ? 'count' : 'feature'
    const precision = kind === 'intercept' ? 1e-3 : kind === 'count' ? 10 : 1 / prior.featureStdDev ** 2
    a[j * k + j] = (a[j * k + j] as number) + precision
  }
  if (prior.intercept !== 'fitted') {
    for (let j = 1; j < k; j++) {
      b[j] = (b[j] as number) - (a[j * k] as number) * prior.intercept
      a[j * k] = 0
      a[j] = 0
    }
    a[0] = 1
    b[0] = prior.intercept
  }
  return solveSymmetric(a, b) as Float64Array<ArrayBuffer>
}

/**
 * The variance s² (on a geometric grid, `smallest` … `largest`) under which y_g ~ N(0, s²·h_g² + v_g) is likeliest.
 * With `orZero`, s² = 0 competes too.
 */
export function likeliestSpread(
  gainOf: (g: number) => number,
  observationOf: (g: number) => number,
  noiseVarianceOf: (g: number) => number,
  groups: number,
  { smallest, largest, orZero = false }: { smallest: number; largest: number; orZero?: boolean },
): number {
  const steps = 36
  let best = -Infinity
  let likeliest = 0
  for (let step = orZero ? -1 : 0; step <= steps; step++) {
    const candidate = step < 0 ? 0 : smallest * (largest / smallest) ** (step / steps)
    let logLikelihood = 0
    for (let g = 0; g < groups; g++) {
      const h = gainOf(g)
      const variance = candidate * h * h + noiseVarianceOf(g)
      const y = observationOf(g)
      logLikelihood -= Math.log(variance) / 2 + (y * y) / (2 * variance)
    }
    if (logLikelihood > best) {
      best = logLikelihood
      likeliest = candidate
    }
  }
  return likeliest
}

/** Precision-weighted mean of a prior N(priorMean, priorStdDev²) and a measurement with noise `stdDev`. */
export function shrinkTowards(measured: number, stdDev: number, priorMean: number, priorStdDev: number): number {
  const weight = priorStdDev ** 2 / (priorStdDev ** 2 + stdDev ** 2)
  return priorMean + weight * (measured - priorMean)
}
