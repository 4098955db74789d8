/**
 * From noisy popularity to a level > 0 that may be divided by and taken the logarithm of: the posterior mean under the distribution of true levels
 * that makes the released values likeliest (empirical Bayes; Kiefer & Wolfowitz 1956, fitted by EM on a grid). Items that nobody can tell from
 * noise share about one small level instead of a lottery. A function of the release and its known noise: post-processing.
 */

const GRID = 80
const ROUNDS = 40

/**
 * @param popularity released values
 * @param noise their noise's standard deviation; 0: exact values, which only get half of the smallest positive one in place of 0
 * @returns Float64Array, > 0, in the order of the released values where those differ (equal at the extremes of double precision)
 */
export function popularityLevel(popularity: Float64Array, noise: number): Float64Array {
  if (noise === 0) {
    const smallest = popularity.reduce((least, value) => (value > 0 && value < least ? value : least), Number.POSITIVE_INFINITY)
    const floor = Number.isFinite(smallest) ? smallest / 2 : 1
    return popularity.map((value) => Math.max(value, floor))
  }
  const top = popularity.reduce((most, value) => Math.max(most, value), 3 * noise)
  const lowest = noise / 20
  const levels = Float64Array.from({ length: GRID }, (_, k) => lowest * (top / lowest) ** (k / (GRID - 1)))
  // exp(−(x − level)²/2σ²) ÷ its largest over the grid, so that a value far outside keeps its neighbours.
  const likelihoods = new Float64Array(popularity.length * GRID)
  for (const [item, value] of popularity.entries()) {
    let best = Number.NEGATIVE_INFINITY
    for (const level of levels) best = Math.max(best, -((value - level) ** 2))
    for (let k = 0; k < GRID; k++)
      likelihoods[item * GRID + k] = Math.exp((-((value - (levels[k] as number)) ** 2) - best) / (2 * noise * noise))
  }
  let prior = new Float64Array(GRID).fill(1 / GRID)
  const posterior = new Float64Array(GRID)
  for (let round = 0; round < ROUNDS; round++) {
    const next = new Float64Array(GRID)
    for (let item = 0; item < popularity.length; item++) {
      const total = weigh(likelihoods, item, prior, posterior)
      for (let k = 0; k < GRID; k++) (next[k] as number) += (posterior[k] as number) / total
    }
    // A trace of the uniform prior: no level is ruled out for good.
    prior = next.map((mass) => (0.999 * mass) / popularity.length + 0.001 / GRID)
  }
  return Float64Array.from({ length: popularity.length }, (_, item) => {
    const total = weigh(likelihoods, item, prior, posterior)
    return posterior.reduce((sum, mass, k) => sum + mass * (levels[k] as number), 0) / total
  })
}

function weigh(likelihoods: Float64Array, item: number, prior: Float64Array, posterior: Float64Array): number {
  let total = 0
  for (let k = 0; k < GRID; k++) {
    const mass = (prior[k] as number) * (likelihoods[item * GRID + k] as number)
    posterior[k] = mass
    total += mass
  }
  return total
}
