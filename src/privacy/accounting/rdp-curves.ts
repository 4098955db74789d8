/**
 * Rényi divergences of single releases: `renyiDivergence(release, α)`, the larger of both directions of the neighbouring relation.
 *
 * Where α − 1 times the divergence is small, ln A loses its digits if A = E[(P/Q)^α] is summed first; so A − 1 is summed instead, from
 * terms that are all positive: E_Q[(P/Q)^α − 1 − α(P/Q − 1)]. Integer orders of the Poisson-sampled Gaussian are finite sums, fractional
 * ones quadratures over the noise; both agree with 40-digit arithmetic to 1e-9 and better.
 *
 * Infinite where no finite bound exists; throws where none is proved.
 */
import { TacetError } from '../../errors.ts'
import {
  type Atoms,
  discreteGaussianAtoms,
  discreteLaplaceAtoms,
  enumerableSigma,
  laplaceProfile,
  poissonProfile,
  pureAtoms,
  randomizedResponseAtoms,
  sampledAtoms,
} from './profile.ts'
import { gaussLegendre, integrate } from './quadrature.ts'
import type { Release } from './releases.ts'
import { logAdd, logBinomial, logExpm1, logNormalPdf, logSumExp } from './special.ts'

/** ln(e^(αr) − 1 − α(e^r − 1)) for α > 1, and for α = 1 the limit of that ÷ (α − 1): ln(r e^r − e^r + 1). −∞ at r = 0. */
export function logExcess(alpha: number, r: number): number {
  if (r === 0) return -Infinity
  if (alpha * r > 40)
    return alpha === 1
      ? r + Math.log(r - 1)
      : alpha * r + Math.log1p(-Math.exp(-alpha * r) - alpha * (Math.exp(r - alpha * r) - Math.exp(-alpha * r)))
  if (Math.abs(alpha * r) > 0.5)
    return Math.log(alpha === 1 ? r * Math.exp(r) - Math.expm1(r) : Math.expm1(alpha * r) - alpha * Math.expm1(r))
  // Σₖ (α^k − α) r^k / k! from k = 2, divided by α − 1 in the limit.
  let sum = 0
  let power = r
  let alphaPower = alpha
  for (let k = 2; k < 40; k++) {
    power *= r / k
    alphaPower *= alpha
    const term = power * (alpha === 1 ? k - 1 : alphaPower - alpha)
    sum += term
    if (Math.abs(term) < 1e-17 * Math.abs(sum)) break
  }
  return Math.log(sum)
}

/** The divergence from ln(A − 1) (from ln of the limit at α = 1). */
const fromLogExcess = (alpha: number, logLess1: number): number => (alpha === 1 ? Math.exp(logLess1) : logAdd(0, logLess1) / (alpha - 1))

const log1pExp = (x: number) => (x < -37 ? Math.exp(x) : logAdd(0, x))

/** A pair of densities on the line: ln of the weight's density, and the ratio's logarithm, in units of the noise's standard deviation. */
interface LinePair {
  readonly logWeight: (z: number) => number
  readonly logRatio: (z: number) => number
  /** Narrowest feature, and how far the mass may move at order α. */
  readonly feature: number
  readonly reach: (alpha: number) => number
  /** Where mass can gather, if that is known: elsewhere the integrand is e⁻⁸⁰ below it. */
  readonly gathers?: (alpha: number) => readonly number[]
}

/**
 * ln ∫ weight·excess(ratio) by composite Gauss–Legendre over panels no wider than the narrowest feature, leaving out panels that are
 * e⁻⁵⁰ below the largest.
 */
function logExcessIntegral({ logWeight, logRatio, feature, reach, gathers }: LinePair, alpha: number): number {
  const width = Math.min(1, feature)
  const at = (z: number) => logWeight(z) + logExcess(alpha, logRatio(z))
  const centres: number[] = []
  const heights: number[] = []
  let high = -Infinity
  for (const [from, to] of windows(gathers?.(alpha), reach(alpha))) {
    for (let centre = from + width / 2; centre - width / 2 < to; centre += width) {
      // Off-centre, so that a ratio of exactly 1 in the middle does not hide the panel.
      const height = Math.max(at(centre - 0.13 * width), at(centre + 0.21 * width))
      centres.push(centre)
      heights.push(height)
      high = Math.max(high, height)
    }
  }
  const { nodes, weights } = gaussLegendre(16)
  let sum = 0
  for (const [i, centre] of centres.entries()) {
    if (heights[i]! < high - 60) continue
    for (let k = 0; k < nodes.length; k++) sum += weights[k]! * Math.exp(at(centre + (width / 2) * nodes[k]!) - high)
  }
  return high + Math.log((sum * width) / 2)
}

/** Disjoint intervals of ±13 around the points, or one over everything within reach. */
function windows(points: readonly number[] | undefined, reach: number): [number, number][] {
  if (!points) return [[-reach - 13, reach + 13]]
  const joined: [number, number][] = []
  for (const point of [...points].sort((a, b) => a - b)) {
    const last = joined.at(-1)
    if (last && point - 13 <= last[1]) last[1] = point + 13
    else joined.push([point - 13, point + 13])
  }
  return joined
}

const swap = (pair: LinePair): LinePair => ({
  ...pair,
  logWeight: (z) => pair.logWeight(z) + pair.logRatio(z),
  logRatio: (z) => -pair.logRatio(z),
})

/** (1 − q)N(0, 1) + qN(c, 1) against N(0, 1), c = 1/σ. */
function sampledPair(q: number, c: number): LinePair {
  const logOdds = Math.log(q) - Math.log1p(-q)
  const logRest = Math.log1p(-q)
  return {
    logWeight: logNormalPdf,
    // ln(1 + q(e^t − 1)), exact where that is near 1
    logRatio: (z) => {
      const t = c * (z - c / 2)
      return t < 30 ? Math.log1p(q * Math.expm1(t)) : logRest + log1pExp(logOdds + t)
    },
    feature: 1 / c,
    reach: (alpha) => alpha * c,
    // Below the crossing the ratio is 1 − q at least, above it grows like e^(cz): the integrand peaks at 0, at αc, or between at the crossing.
    gathers: (alpha) => [0, alpha * c, c / 2 - logOdds / c],
  }
}

/** The two mixtures of Poisson sampling under replacement, records at ±c. */
function replacedPair(q: number, c: number): LinePair {
  const plus = sampledPair(q, c)
  const logMinus = (z: number) => plus.logRatio(-z)
  return {
    ...plus,
    logWeight: (z) => logNormalPdf(z) + logMinus(z),
    logRatio: (z) => plus.logRatio(z) - logMinus(z),
    reach: (alpha) => (2 * alpha - 1) * c,
    gathers: (alpha) => {
      const crossing = c / 2 + (Math.log1p(-q) - Math.log(q)) / c
      return [0, alpha * c, (alpha - 1) * c, (2 * alpha - 1) * c, crossing, -crossing]
    },
  }
}

/**
 * A mixture of Gaussians against N(0, 1), shifts ascending. Where ln pᵢ is concave in cᵢ (a Binomial is), the terms of the ratio fall off on
 * both sides of the largest, and only those near it are summed; and given z the shifts spread by no more than the noise or one step.
 */
function mixturePair(standardDeviation: number, shifts: readonly number[], chances: readonly number[]): LinePair {
  // A chance of 0 (a binomial tail in doubles) has no logarithm to be concave, and nothing to add.
  const possible = chances.flatMap((chance, i) => (chance > 0 ? [i] : []))
  const c = Float64Array.from(possible, (i) => shifts[i]! / standardDeviation)
  const p = Float64Array.from(possible, (i) => chances[i]!)
  const logP = p.map(Math.log)
  const n = c.length
  let concave = true
  let step = 0
  for (let i = 1; i < n; i++) {
    step = Math.max(step, c[i]! - c[i - 1]!)
    // The last chances of a long binomial are subnormal: their logarithms carry a few bits, too few to judge concavity by.
    if (i > 1 && p[i]! > 1e-300)
      concave &&= (logP[i]! - logP[i - 1]!) / (c[i]! - c[i - 1]!) <= (logP[i - 1]! - logP[i - 2]!) / (c[i - 1]! - c[i - 2]!)
  }
  const most = c[n - 1]!
  let peak = 0
  return {
    logWeight: logNormalPdf,
    logRatio: (z) => {
      const term = (i: number) => logP[i]! + c[i]! * (z - c[i]! / 2)
      if (!concave) {
        peak = 0
        for (let i = 1; i < n; i++) if (term(i) > term(peak)) peak = i
      } else {
        while (peak + 1 < n && term(peak + 1) > term(peak)) peak++
        while (peak > 0 && term(peak - 1) > term(peak)) peak--
      }
      const high = term(peak)
      if (high < 3) {
        // ln(1 + Σ pᵢ(e^tᵢ − 1)): exact where the ratio is near 1.
        let sum = 0
        for (let i = 0; i < n; i++) {
          sum += p[i]! * Math.expm1(c[i]! * (z - c[i]! / 2))
          if (concave && i > peak && p[i]! < 1e-22 && term(i) < -50) break
        }
        return Math.log1p(sum)
      }
      let sum = 1
      for (let i = peak + 1; i < n; i++) {
        const log = term(i) - high
        if (log > -45) sum += Math.exp(log)
        else if (concave) break
      }
      for (let i = peak - 1; i >= 0; i--) {
        const log = term(i) - high
        if (log > -45) sum += Math.exp(log)
        else if (concave) break
      }
      return high + Math.log(sum)
    },
    feature: concave ? 1 / Math.max(1, step) : 1 / most,
    reach: (alpha) => alpha * most,
  }
}

/**
 * ln(A − 1) of the Poisson-sampled Gaussian at an integer order: Σₖ C(α, k)(1 − q)^(α − k) q^k (e^(k(k − 1)/2σ²) − 1), k = 2…α
 * (Mironov, Talwar & Zhang 2019, section 3.3). The terms have at most one hump at either end; the sum runs inwards from both.
 */
function logExcessInteger(q: number, sigma: number, alpha: number): number {
  const logQ = Math.log(q)
  const logRest = Math.log1p(-q)
  const term = (k: number) => logBinomial(alpha, k) + k * logQ + (alpha - k) * logRest + logExpm1((k * (k - 1)) / (2 * sigma * sigma))
  let high = -Infinity
  let sum = 0
  const take = (log: number) => {
    if (log > high) {
      sum = sum * Math.exp(high - log) + 1
      high = log
    } else sum += Math.exp(log - high)
  }
  let from = 2
  for (let last = -Infinity; from <= alpha; from++) {
    const log = term(from)
    take(log)
    if (log < last && log < high - 45) break
    last = log
  }
  for (let k = alpha, last = -Infinity; k > from; k--) {
    const log = term(k)
    take(log)
    if (log < last && log < high - 45) break
    last = log
  }
  return high + Math.log(sum)
}

/** Orders above this are priced at their integer neighbours when an order is searched for. */
const fractionalUpTo = 64

/** D_α((1 − q)N(0, σ²) + qN(1, σ²) ‖ N(0, σ²)), the larger direction (Mironov, Talwar & Zhang 2019, Theorem 5). */
function poissonGaussian(q: number, sigma: number, alpha: number): number {
  if (alpha === Infinity) return Infinity
  if (Number.isInteger(alpha) && alpha > 1) return fromLogExcess(alpha, logExcessInteger(q, sigma, alpha))
  return fromLogExcess(alpha, logExcessIntegral(sampledPair(q, 1 / sigma), alpha))
}

function bothWays(pair: LinePair, alpha: number): number {
  if (alpha === Infinity) return Infinity
  return fromLogExcess(alpha, Math.max(logExcessIntegral(pair, alpha), logExcessIntegral(swap(pair), alpha)))
}

function atomsDivergence({ logP, logQ }: Atoms, alpha: number): number {
  const one = (p: readonly number[], q: readonly number[]) =>
    alpha === Infinity
      ? Math.max(...p.map((each, i) => each - q[i]!))
      : fromLogExcess(alpha, logSumExp(p.map((each, i) => q[i]! + logExcess(alpha, each - q[i]!))))
  return Math.max(one(logP, logQ), one(logQ, logP))
}

/** Mironov 2017, Proposition 6, as ln(A − 1) where that is small. */
function laplaceDivergence(epsilon: number, alpha: number): number {
  if (alpha === Infinity) return epsilon
  if (alpha === 1) return epsilon < 0.1 ? expm1PlusSeries(epsilon) : epsilon + Math.expm1(-epsilon)
  if (alpha * epsilon < 0.5) {
    // (2α − 1)(A − 1) = Σ_{k≥2} [α(α − 1)^k + (α − 1)(−α)^k] ε^k / k!
    let sum = 0
    let up = alpha * (alpha - 1) * epsilon
    let down = -(alpha - 1) * alpha * epsilon
    for (let k = 2; k < 30; k++) {
      up *= ((alpha - 1) * epsilon) / k
      down *= (-alpha * epsilon) / k
      sum += up + down
    }
    return Math.log1p(sum / (2 * alpha - 1)) / (alpha - 1)
  }
  return (
    Math.max(0, logAdd(Math.log(alpha) + (alpha - 1) * epsilon, Math.log(alpha - 1) - alpha * epsilon) - Math.log(2 * alpha - 1)) /
    (alpha - 1)
  )
}

/** ε + e^(−ε) − 1 for small ε. */
function expm1PlusSeries(epsilon: number): number {
  let sum = 0
  let term = -epsilon
  for (let k = 2; k < 20; k++) {
    term *= -epsilon / k
    sum += term
  }
  return sum
}

/** The smaller of ε and the zCDP bound of bounded-range mechanisms (Rogers & Steinke 2021; Cesar & Rogers 2021, section 3). */
function exponentialDivergence(epsilon: number, alpha: number): number {
  if (alpha === Infinity) return epsilon
  const less1 = epsilon / Math.expm1(epsilon) - 1
  const xi = less1 - Math.log1p(less1) - (epsilon * epsilon) / 8
  return Math.min(epsilon, Math.max(0, xi + ((epsilon * epsilon) / 8) * alpha))
}

/** Agarwal, Kairouz & Liu 2021, Theorem 3.5, at integer orders; (α − 1)D_α is convex in α, so lines between them are above it. */
function skellamDivergence(variance: number, l1: number, l2: number, alpha: number): number {
  if (alpha === Infinity) return Infinity
  const scaled = (order: number) =>
    order === 1
      ? 0
      : (order - 1) *
        ((order * l2 * l2) / (2 * variance) +
          Math.min(((2 * order - 1) * l2 * l2 + 6 * l1) / (4 * variance * variance), (3 * l1) / (2 * variance)))
  return alpha === 1 ? scaled(2) : betweenIntegers(scaled, alpha)
}

/** D_α from a bound on (α − 1)D_α at integers, by its convexity (Wang, Balle & Kasiviswanathan 2019, Corollary 10); D₁ ≤ D₂. */
function betweenIntegers(scaled: (order: number) => number, alpha: number): number {
  const below = Math.floor(alpha)
  const share = alpha - below
  const value = share === 0 ? scaled(below) : (1 - share) * scaled(below) + share * scaled(below + 1)
  return value / (alpha - 1)
}

/** Even central moments up to this order enter the bound for sampling without replacement; above it the cruder term does alone. */
const momentOrders = 256
const momentCache = new Map<number, Float64Array>()

/** ln E_Q[|P/Q − 1|^l] of N(1, σ²) against N(0, σ²), for even l up to `momentOrders` (index l). */
function logMoments(sigma: number): Float64Array {
  const known = momentCache.get(sigma)
  if (known) return known
  const c = 1 / sigma
  const { nodes, weights } = gaussLegendre(16)
  const edge = momentOrders * c + 13
  const width = Math.min(1, 0.5 * sigma)
  const result = new Float64Array(momentOrders + 1)
  const logs: number[] = []
  const gains: number[] = []
  for (let centre = -13 + width / 2; centre < edge; centre += width) {
    for (let k = 0; k < nodes.length; k++) {
      const z = centre + (width / 2) * nodes[k]!
      const t = c * (z - c / 2)
      logs.push(logNormalPdf(z) + Math.log((weights[k]! * width) / 2))
      gains.push(t > 0 ? logExpm1(t) : Math.log(-Math.expm1(t)))
    }
  }
  for (let order = 2; order <= momentOrders; order += 2) {
    let high = -Infinity
    for (let i = 0; i < logs.length; i++) high = Math.max(high, logs[i]! + order * gains[i]!)
    let sum = 0
    for (let i = 0; i < logs.length; i++) {
      const log = logs[i]! + order * gains[i]! - high
      if (log > -50) sum += Math.exp(log)
    }
    result[order] = high + Math.log(sum)
  }
  if (momentCache.size > 16) momentCache.clear()
  momentCache.set(sigma, result)
  return result
}

/**
 * Fixed-size sampling without replacement under replace-one: Wang, Balle & Kasiviswanathan 2019, Theorem 27 in its tight form, for
 * integer α: A ≤ 1 + Σⱼ C(α, j) q^j min(4√(B(2⌊j/2⌋)B(2⌈j/2⌉)), 2e^((j − 1)D_j)), B(l) = E_Q[|P/Q − 1|^l], j = 2…α; and
 * min(4(e^(D₂) − 1), 2e^(D₂)) at j = 2.
 */
function fixedSizeGaussian(q: number, sigma: number, alpha: number): number {
  if (alpha === Infinity) return Infinity
  const moments = logMoments(sigma)
  const scaled = (order: number) => {
    if (order === 1) return 0
    let high = -Infinity
    let sum = 0
    for (let j = 2; j <= order; j++) {
      let bound = Math.LN2 + (j * (j - 1)) / (2 * sigma * sigma)
      if (j <= momentOrders - 1) {
        const low = moments[2 * Math.floor(j / 2)]!
        const up = moments[2 * Math.ceil(j / 2)]!
        bound = Math.min(bound, 2 * Math.LN2 + 0.5 * (low + up))
      }
      const log = bound + j * Math.log(q) + logBinomial(order, j)
      if (log > high) {
        sum = sum * Math.exp(high - log) + 1
        high = log
      } else sum += Math.exp(log - high)
    }
    return logAdd(0, high + Math.log(sum))
  }
  // Sampling never costs more than not sampling: the divergence is quasi-convex in mixtures.
  return Math.min(alpha / (2 * sigma * sigma), alpha === 1 ? scaled(2) : betweenIntegers(scaled, alpha))
}

/** ∫ form of A − 1 = α(α − 1) ∫₀^∞ (e^((α−1)x) H(P‖Q) + e^(−αx) H(Q‖P)) dx, both ways, for a pair with bounded losses. */
function sampledLaplaceDivergence(q: number, epsilon: number, alpha: number): number {
  const { logUp, logDown, maxUp, maxDown } = poissonProfile(q, laplaceProfile(epsilon))
  if (alpha === Infinity) return Math.max(maxUp, maxDown)
  const one = (ahead: (x: number) => number, most: number, behind: (x: number) => number, mostBehind: number) => {
    const panels = (end: number) => Math.max(4, Math.ceil(alpha * end))
    const sum =
      integrate((x) => Math.exp((alpha - 1) * (x - most) + ahead(x)), 0, most, panels(most)) +
      integrate((x) => Math.exp(-(alpha - 1) * most - alpha * x + behind(x)), 0, mostBehind, panels(mostBehind))
    const log = (alpha - 1) * most + Math.log(sum)
    return alpha === 1 ? Math.exp(log) : fromLogExcess(alpha, log + Math.log(alpha) + Math.log(alpha - 1))
  }
  return Math.max(one(logUp, maxUp, logDown, maxDown), one(logDown, maxDown, logUp, maxUp))
}

function unsupported(message: string): never {
  throw new TacetError('unsupported-event', message, { wayOut: 'Price it with the PLD accountant.' })
}

/** The atoms of releases with finitely many (or enumerable) outcomes. */
function atomsOf(release: Release): Atoms | undefined {
  switch (release.kind) {
    case 'pure':
      return pureAtoms(release.epsilon)
    case 'discrete-laplace':
      return discreteLaplaceAtoms(release.parameter, release.sensitivity)
    case 'randomized-response':
      return randomizedResponseAtoms(release.noiseParameter, release.buckets, release.special)
    case 'discrete-gaussian':
      return release.sigma > enumerableSigma ? undefined : discreteGaussianAtoms(release.sigma, release.sensitivity)
    default:
      return undefined
  }
}

/**
 * The Rényi divergence of order α ≥ 1 (Infinity allowed) of one release, or a proved upper bound of it.
 * @returns in nats, ≥ 0, possibly Infinity
 * @throws TacetError unsupported-event where no bound is proved here
 */
export function renyiDivergence(release: Release, alpha: number): number {
  switch (release.kind) {
    case 'laplace':
    case 'permute-and-flip':
      return laplaceDivergence(release.epsilon, alpha)
    case 'exponential':
      return exponentialDivergence(release.epsilon, alpha)
    case 'pure':
    case 'discrete-laplace':
    case 'randomized-response':
      return atomsDivergence(atomsOf(release)!, alpha)
    case 'approximate':
      // Its δ is kept apart by the accountant; what remains is randomised response.
      return atomsDivergence(pureAtoms(release.epsilon), alpha)
    case 'discrete-gaussian':
      // ρ-zCDP with ρ = Δ²/2σ² (Canonne, Kamath & Steinke 2020, Proposition 5); attained at integer multiples, so near tight.
      return alpha * (release.sensitivity ** 2 / (2 * release.sigma ** 2))
    case 'zcdp':
      return release.rho === 0 ? release.xi : release.xi + release.rho * alpha
    case 'skellam':
      return skellamDivergence(release.variance, release.l1Sensitivity, release.l2Sensitivity, alpha)
    case 'poisson-gaussian':
      return release.replace
        ? bothWaysSymmetric(release.sampleRate, release.sigma, alpha)
        : poissonGaussian(release.sampleRate, release.sigma, alpha)
    case 'fixed-size-gaussian':
      return fixedSizeGaussian(release.sampleRate, release.sigma, alpha)
    case 'mixture':
      return bothWays(mixturePair(release.standardDeviation, release.shifts, release.chances), alpha)
    case 'poisson':
      return poissonDivergence(release.sampleRate, release.release, alpha)
  }
}

function bothWaysSymmetric(q: number, sigma: number, alpha: number): number {
  return alpha === Infinity ? Infinity : fromLogExcess(alpha, logExcessIntegral(replacedPair(q, 1 / sigma), alpha))
}

function poissonDivergence(sampleRate: number, release: Release, alpha: number): number {
  // What has ε-DP and no sharper pair here is sampled as randomised response.
  const base = release.kind === 'exponential' || release.kind === 'permute-and-flip' ? pureAtoms(release.epsilon) : atomsOf(release)
  if (base) return atomsDivergence(sampledAtoms(base, sampleRate), alpha)
  if (release.kind === 'laplace') return sampledLaplaceDivergence(sampleRate, release.epsilon, alpha)
  return unsupported(`the RDP accountant has no proved bound for poisson-sampled ${release.kind}`)
}

/** The orders at which a search for the best one may evaluate: continuous where fractional orders are cheap, else whole. */
export const searchableOrder = (alpha: number): number => (alpha > fractionalUpTo ? Math.round(alpha) : alpha)
