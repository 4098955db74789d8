/**
 * Privacy profiles: the hockey-stick divergences of one release's dominating pair (P, Q), which is all that the PLD accountant needs.
 *
 * P is the output with the record (for sampled releases), Q the output without it. `logUp(x)` is ln H(P‖Q) at order eˣ,
 * H(P‖Q)(y) = ∫ max(0, dP − y·dQ), and `logDown(x)` the same with P and Q exchanged; both for x ≥ 0. Values at negative x follow from
 * H(P‖Q)(e⁻ˣ) = 1 − e⁻ˣ + e⁻ˣ·H(Q‖P)(eˣ), so the two halves say everything, and each is accurate in relative terms far into its tail.
 *
 * A pair dominates a mechanism if its divergence is at least the mechanism's at every order and every pair of neighbours; then it
 * dominates under composition too (Zhu, Dong & Wang 2022, Theorem 10). Which pair is proved for which release is listed in
 * docs/mechanisms/accounting.md.
 */
import { logGaussianDelta } from './gaussian.ts'
import type { Release } from './releases.ts'
import { log1mExp, logExpm1, logNormalCdf, logSumExp } from './special.ts'

export interface Profile {
  readonly logUp: (x: number) => number
  readonly logDown: (x: number) => number
  /** Largest finite losses, ln dP/dQ and ln dQ/dP; Infinity if unbounded. */
  readonly maxUp: number
  readonly maxDown: number
  /** P-mass where Q has none, and Q-mass where P has none. */
  readonly infiniteUp: number
  readonly infiniteDown: number
  /** Both halves are the same function. */
  readonly symmetric: boolean
  /**
   * False where the pair is only an upper bound, so that nothing can be said from below; `alone` where it is attained at each ε by some
   * pair of outputs, but by another pair at another ε, so that its composition is an upper bound only.
   */
  readonly exact: boolean | 'alone'
  /** All finite losses are multiples of this. */
  readonly lattice?: number
  /** The outcomes themselves, where they can be listed (those of infinite loss left out). */
  readonly atoms?: Atoms
}

const symmetricProfile = (logUp: (x: number) => number, rest: Partial<Profile> = {}): Profile => ({
  logUp,
  logDown: logUp,
  maxUp: Infinity,
  maxDown: Infinity,
  infiniteUp: 0,
  infiniteDown: 0,
  symmetric: true,
  exact: true,
  ...rest,
})

/** N(μ, 1) against N(0, 1). */
export const gaussianProfile = (mu: number): Profile => symmetricProfile((x) => logGaussianDelta(mu, x))

/** Laplace noise of scale 1/ε on a sum of sensitivity 1. For 0 ≤ x < ε, H = 1 − e^((x − ε)/2). */
export const laplaceProfile = (epsilon: number): Profile =>
  symmetricProfile((x) => (x < epsilon ? Math.log(-Math.expm1((x - epsilon) / 2)) : -Infinity), { maxUp: epsilon, maxDown: epsilon })

/** (ε, δ)-DP: with chance δ everything is revealed, else randomised response of strength ε (Kairouz, Oh & Viswanath 2015). */
export function approximateProfile(epsilon: number, delta: number): Profile {
  const logKeep = Math.log1p(-delta)
  const logOnePlus = logExpm1Plus2(epsilon)
  const logUp = (x: number) => {
    const finite = x < epsilon ? logKeep + x + logExpm1(epsilon - x) - logOnePlus : -Infinity
    return delta === 0 ? finite : logSumExp([Math.log(delta), finite])
  }
  const { logP, logQ } = pureAtoms(epsilon)
  const atoms = { logP: logP.map((p) => p + logKeep), logQ: logQ.map((q) => q + logKeep) }
  const lattice = epsilon > 0 ? { lattice: epsilon } : {}
  return symmetricProfile(logUp, { maxUp: epsilon, maxDown: epsilon, infiniteUp: delta, infiniteDown: delta, atoms, ...lattice })
}

/** ln(1 + eˣ) for x ≥ 0. */
const logExpm1Plus2 = (x: number) => x + Math.log1p(Math.exp(-x))

/**
 * The exponential mechanism, as any ε-bounded-range mechanism: the supremum over the generalised randomised responses of
 * Dong, Durfee & Rogers 2020, H = (e^(ε/2) − e^(x/2))² / (e^ε − 1) for 0 ≤ x ≤ ε.
 */
export const exponentialProfile = (epsilon: number): Profile =>
  symmetricProfile((x) => (x < epsilon ? epsilon + 2 * Math.log(-Math.expm1((x - epsilon) / 2)) - logExpm1(epsilon) : -Infinity), {
    maxUp: epsilon,
    maxDown: epsilon,
    exact: 'alone',
  })

/** (ξ, ρ)-zCDP by the best order of the Rényi conversion at each x: an upper bound only. */
export function zcdpProfile(rho: number, xi: number): Profile {
  const logTotalVariation = 0.5 * log1mExp(-(xi + rho))
  const logUp = (x: number) => {
    const at = (logOrderLess1: number) => {
      const less = Math.exp(logOrderLess1)
      const alpha = 1 + less
      return less * (xi + rho * alpha - x + Math.log(less / alpha)) - Math.log(alpha)
    }
    // Minimised near α − 1 = (x − ξ − ρ)/2ρ; golden section around it on a logarithmic scale.
    const middle = Math.log(Math.max(x - xi - rho, Math.sqrt(rho), rho * 1e-3) / (2 * rho || 1e-12))
    let low = middle - 4
    let high = middle + 4
    const golden = 0.6180339887498949
    let a = high - golden * (high - low)
    let b = low + golden * (high - low)
    let fa = at(a)
    let fb = at(b)
    for (let round = 0; round < 45; round++) {
      if (fa < fb) {
        high = b
        b = a
        fb = fa
        a = high - golden * (high - low)
        fa = at(a)
      } else {
        low = a
        a = b
        fa = fb
        b = low + golden * (high - low)
        fb = at(b)
      }
    }
    return Math.min(0, logTotalVariation, fa, fb)
  }
  return symmetricProfile(logUp, { exact: false, ...(rho === 0 ? { maxUp: xi, maxDown: xi } : {}) })
}

/** Finitely or countably many outcomes: ln P and ln Q of each. */
export interface Atoms {
  readonly logP: readonly number[]
  readonly logQ: readonly number[]
  readonly lattice?: number
}

/** H from sorted outcomes by suffix sums. */
export function atomsProfile(atoms: Atoms): Profile {
  const { logP, logQ, lattice } = atoms
  const half = (up: readonly number[], down: readonly number[]) => {
    const order = up.map((_, i) => i).sort((i, j) => up[i]! - down[i]! - (up[j]! - down[j]!))
    const losses = Float64Array.from(order, (i) => up[i]! - down[i]!)
    const n = losses.length
    // Suffix sums of dP and dQ, so that H(eˣ) = P(loss > x) − eˣ Q(loss > x).
    const massP = new Float64Array(n + 1)
    const massQ = new Float64Array(n + 1)
    for (let k = n - 1; k >= 0; k--) {
      massP[k] = massP[k + 1]! + Math.exp(up[order[k]!]!)
      massQ[k] = massQ[k + 1]! + Math.exp(down[order[k]!]!)
    }
    const log = (x: number) => {
      let low = 0
      let high = n
      while (low < high) {
        const middle = (low + high) >> 1
        if (losses[middle]! > x) high = middle
        else low = middle + 1
      }
      return Math.log(Math.max(0, massP[low]! - Math.exp(x) * massQ[low]!))
    }
    return { log, max: losses[n - 1]! }
  }
  const upper = half(logP, logQ)
  const lower = half(logQ, logP)
  return {
    logUp: upper.log,
    logDown: lower.log,
    maxUp: upper.max,
    maxDown: lower.max,
    infiniteUp: 0,
    infiniteDown: 0,
    symmetric: false,
    exact: true,
    atoms,
    ...(lattice === undefined ? {} : { lattice }),
  }
}

/** Discrete Laplace noise P(k) ∝ exp(−parameter·|k|) against itself moved by `sensitivity`: tails and the steps between. */
export function discreteLaplaceAtoms(parameter: number, sensitivity: number): Atoms {
  // P(k ≤ 0) and P(k ≥ s) are whole tails of constant loss.
  const logTail = -Math.log1p(Math.exp(-parameter))
  const logCentre = Math.log(Math.tanh(parameter / 2))
  const logP: number[] = [logTail]
  const logQ: number[] = [logTail - parameter * sensitivity]
  for (let k = 1; k < sensitivity; k++) {
    logP.push(logCentre - parameter * k)
    logQ.push(logCentre - parameter * (sensitivity - k))
  }
  logP.push(logTail - parameter * sensitivity)
  logQ.push(logTail)
  return { logP, logQ, lattice: parameter }
}

/** Widest discrete Gaussian whose outcomes are enumerated; wider ones are priced by their zCDP bound, which is then near exact. */
export const enumerableSigma = 4000

/** Discrete Gaussian noise P(k) ∝ exp(−k²/2σ²) against itself moved by `sensitivity`, over 38 standard deviations. */
export function discreteGaussianAtoms(sigma: number, sensitivity: number): Atoms {
  const reach = Math.ceil(38 * sigma) + sensitivity
  const weights: number[] = []
  for (let k = -reach; k <= reach; k++) weights.push((-k * k) / (2 * sigma * sigma))
  const logNormaliser = logSumExp(weights)
  const logP: number[] = []
  const logQ: number[] = []
  for (let k = -reach; k <= reach; k++) {
    const moved = k - sensitivity
    logP.push((-k * k) / (2 * sigma * sigma) - logNormaliser)
    logQ.push((-moved * moved) / (2 * sigma * sigma) - logNormaliser)
  }
  // Q as "without": the pair is symmetric under reflection, so the order does not matter.
  return { logP, logQ }
}

/** k-ary randomised response between two true answers, or (special) against the uniform answer. */
export function randomizedResponseAtoms(noiseParameter: number, buckets: number, special: boolean): Atoms {
  const other = noiseParameter / buckets
  const own = 1 - noiseParameter + other
  if (special) {
    return {
      logP: [Math.log(own), Math.log(other * (buckets - 1))],
      logQ: [-Math.log(buckets), Math.log1p(-1 / buckets)],
    }
  }
  const rest = buckets > 2 ? [Math.log(other * (buckets - 2))] : []
  return {
    logP: [Math.log(own), ...rest, Math.log(other)],
    logQ: [Math.log(other), ...rest, Math.log(own)],
    lattice: Math.log(own / other),
  }
}

/** ε-DP as randomised response on two answers. */
export function pureAtoms(epsilon: number): Atoms {
  const high = -Math.log1p(Math.exp(-epsilon))
  return { logP: [high, high - epsilon], logQ: [high - epsilon, high], lattice: epsilon }
}

/** The atoms of (1 − q)·Q + q·P against Q. */
export function sampledAtoms({ logP, logQ }: Atoms, sampleRate: number): Atoms {
  return { logQ, logP: logP.map((p, i) => logSumExp([Math.log1p(-sampleRate) + logQ[i]!, Math.log(sampleRate) + p])) }
}

/**
 * Poisson sampling with chance q: (1 − q)·Q + q·P against Q (Zhu, Dong & Wang 2022, Theorem 11). With x' = ln(1 + (eˣ − 1)/q),
 * H(P'‖Q)(eˣ) = q·H(P‖Q)(e^x'); and with c = 1 − eˣ(1 − q) > 0, H(Q‖P')(eˣ) = c·H(Q‖P)(eˣq/c), else 0.
 */
export function poissonProfile(sampleRate: number, base: Profile): Profile {
  const logRate = Math.log(sampleRate)
  return {
    logUp: (x) => {
      const ratio = x > 600 ? x - logRate : Math.log1p(Math.expm1(x) / sampleRate)
      return logRate + base.logUp(ratio)
    },
    logDown: (x) => {
      const rest = Math.expm1(-x) / sampleRate
      return rest <= -1 ? -Infinity : logRate + x + Math.log1p(rest) + base.logDown(-Math.log1p(rest))
    },
    maxUp: base.maxUp > 600 ? base.maxUp + logRate : Math.log1p(sampleRate * Math.expm1(base.maxUp)),
    maxDown: -Math.log1p(sampleRate * Math.expm1(-base.maxDown)),
    infiniteUp: sampleRate * base.infiniteUp,
    infiniteDown: base.infiniteDown,
    symmetric: false,
    exact: base.exact,
    ...(base.atoms ? { atoms: sampledAtoms(base.atoms, sampleRate) } : {}),
  }
}

/** ln sinh(x) for x > 0. */
const logSinh = (x: number) => x + Math.log(-Math.expm1(-2 * x)) - Math.LN2
/** asinh(eˢ). */
const asinhExp = (s: number) => (s > 20 ? s + Math.LN2 : Math.asinh(Math.exp(s)))

/**
 * Poisson-sampled Gaussian under replacement: (1 − q)·N(0, σ²) + q·N(1, σ²) against the same with N(−1, σ²)
 * (Lebeda, Regehr, Kamath & Steinke 2024; Schuchardt et al. 2024). The loss grows with the noise z and crosses x at
 * z = σ²·(x/2 + asinh(sinh(x/2)·e^(1/2σ²)·(1 − q)/q)).
 */
export function poissonReplaceProfile(sampleRate: number, sigma: number): Profile {
  const logOdds = 1 / (2 * sigma * sigma) + Math.log1p(-sampleRate) - Math.log(sampleRate)
  const logUp = (x: number) => {
    const z = x === 0 ? 0 : sigma * sigma * (x / 2 + asinhExp(logOdds + logSinh(x / 2)))
    const near = logNormalCdf((1 - z) / sigma)
    const zero = logNormalCdf(-z / sigma)
    const far = logNormalCdf((-1 - z) / sigma)
    // q·(P(Z > z − 1) − eˣ P(Z > z + 1)) − (1 − q)(eˣ − 1) P(Z > z), over the first term
    const lost = (x === 0 ? 0 : ((1 - sampleRate) / sampleRate) * Math.exp(logExpm1(x) + zero - near)) + Math.exp(x + far - near)
    return lost >= 1 ? -Infinity : Math.log(sampleRate) + near + Math.log1p(-lost)
  }
  return symmetricProfile(logUp)
}

/**
 * Mixture of Gaussians: Σ pᵢ N(cᵢ, σ²) against N(0, σ²), cᵢ ≥ 0 (Choquette-Choo, Ganesh, Steinke & Thakurta 2024). The loss
 * L(z) = ln Σ pᵢ exp((2cᵢz − cᵢ²)/2σ²) is convex and increasing in z: Newton's method from the right of the root cannot miss.
 */
export function mixtureProfile(standardDeviation: number, shifts: readonly number[], chances: readonly number[]): Profile {
  const merged = mergeRareShifts(shifts, chances)
  // In units of the standard deviation.
  const c = Float64Array.from(merged.shifts, (shift) => shift / standardDeviation)
  const p = Float64Array.from(merged.chances)
  const logP = p.map(Math.log)
  const n = c.length
  const restChance = c[0] === 0 ? p[0]! : 0
  const first = c[0] === 0 ? 1 : 0
  let movedChance = 0
  for (let i = first; i < n; i++) movedChance += p[i]!

  /** Loss and slope at z. */
  let slope = 0
  const loss = (z: number): number => {
    let high = -Infinity
    for (let i = 0; i < n; i++) high = Math.max(high, logP[i]! + c[i]! * (z - c[i]! / 2))
    let sum = 0
    let tilted = 0
    for (let i = 0; i < n; i++) {
      const term = Math.exp(logP[i]! + c[i]! * (z - c[i]! / 2) - high)
      sum += term
      tilted += c[i]! * term
    }
    slope = tilted / sum
    return high + Math.log(sum)
  }
  let last = 0
  /** The z with loss x; −∞ if every z has more. */
  const crossing = (x: number): number => {
    if (x <= Math.log(restChance)) return -Infinity
    let start = Infinity
    for (let i = first; i < n; i++) start = Math.min(start, (x - logP[i]!) / c[i]! + c[i]! / 2)
    // A Newton step from anywhere lands at or right of the root, as the loss is convex; the last root is a good anywhere.
    const jump = last + (x - loss(last)) / slope
    let z = Math.min(start, Number.isFinite(jump) ? jump : start)
    for (let round = 0; round < 200; round++) {
      const step = (loss(z) - x) / slope
      const next = z - step
      if (!(Math.abs(step) > 1e-15 * (1 + Math.abs(z)))) break
      z = next
      if (round > 3 && step <= 0) break
    }
    last = z
    return z
  }

  const logUp = (x: number) => {
    const z = crossing(x)
    const zero = logNormalCdf(-z)
    let reference = -Infinity
    for (let i = first; i < n; i++) reference = Math.max(reference, logP[i]! + logNormalCdf(c[i]! - z))
    let sum = 0
    for (let i = first; i < n; i++) sum += Math.exp(logP[i]! + logNormalCdf(c[i]! - z) - reference)
    // Σ pᵢ P(Z > z − cᵢ) over the moved part, minus (eˣ − rest) P(Z > z)
    const weight = x > 30 ? x : Math.log(movedChance + Math.expm1(x))
    return reference + Math.log(Math.max(0, sum - Math.exp(weight + zero - reference)))
  }
  const logDown = (x: number) => {
    const z = crossing(-x)
    if (z === -Infinity) return -Infinity
    const zero = logNormalCdf(z)
    let sum = -restChance * Math.expm1(x)
    for (let i = first; i < n; i++) sum -= p[i]! * Math.expm1(x + logNormalCdf(z - c[i]!) - zero)
    return zero + Math.log(Math.max(0, sum))
  }
  return {
    logUp,
    logDown,
    maxUp: Infinity,
    maxDown: restChance > 0 ? -Math.log(restChance) : Infinity,
    infiniteUp: 0,
    infiniteDown: 0,
    symmetric: false,
    exact: true,
  }
}

/**
 * Shifts of chance below 1e-40 are moved up to the next kept one (or the largest): a larger shift only raises both divergences, since
 * the best events are {z > t} and {z < t}. The difference, below 1e-38, is beyond double precision at every δ that is asked for.
 */
function mergeRareShifts(shifts: readonly number[], chances: readonly number[]): { shifts: number[]; chances: number[] } {
  const kept: { shifts: number[]; chances: number[] } = { shifts: [], chances: [] }
  let carried = 0
  for (let i = 0; i < shifts.length; i++) {
    carried += chances[i]!
    if (carried === 0 || (carried < 1e-40 && i < shifts.length - 1)) continue
    kept.shifts.push(shifts[i]!)
    kept.chances.push(carried)
    carried = 0
  }
  return kept
}

/** The profile of a release's dominating pair, or undefined where none is known (the PLD accountant then refuses). */
export function profileOf(release: Release): Profile | undefined {
  switch (release.kind) {
    case 'laplace':
    case 'permute-and-flip':
      return laplaceProfile(release.epsilon)
    case 'exponential':
      return exponentialProfile(release.epsilon)
    case 'pure':
      return approximateProfile(release.epsilon, 0)
    case 'approximate':
      return approximateProfile(release.epsilon, release.delta)
    case 'zcdp':
      return zcdpProfile(release.rho, release.xi)
    case 'discrete-gaussian':
      return release.sigma > enumerableSigma
        ? zcdpProfile(release.sensitivity ** 2 / (2 * release.sigma ** 2), 0)
        : atomsProfile(discreteGaussianAtoms(release.sigma, release.sensitivity))
    case 'discrete-laplace':
      return atomsProfile(discreteLaplaceAtoms(release.parameter, release.sensitivity))
    case 'randomized-response':
      return atomsProfile(randomizedResponseAtoms(release.noiseParameter, release.buckets, release.special))
    case 'poisson-gaussian':
      return release.replace
        ? poissonReplaceProfile(release.sampleRate, release.sigma)
        : poissonProfile(release.sampleRate, gaussianProfile(1 / release.sigma))
    case 'mixture':
      return mixtureProfile(release.standardDeviation, release.shifts, release.chances)
    case 'poisson': {
      const base = profileOf(release.release)
      return base && poissonProfile(release.sampleRate, base)
    }
    case 'skellam':
    case 'fixed-size-gaussian':
      return undefined
  }
}
