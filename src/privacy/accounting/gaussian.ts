/**
 * The Gaussian mechanism in closed form: δ, ε and μ of one release (or of any fixed composition of releases, μ² = Σ μᵢ²) whose noise has
 * standard deviation sensitivity/μ. Exact, not a central-limit approximation: nothing here may be used for a subsampled mechanism.
 *
 * Everything is computed as a logarithm, so δ = 1e-300 is as accurate as δ = 0.1 (relative error below 1e-12; tests compare with
 * 60-digit arithmetic).
 *
 * @see Balle & Wang 2018, "Improving the Gaussian mechanism", Theorem 8; Dong, Roth & Su 2022, "Gaussian differential privacy", eq. (6)
 */
import { checkNumber } from '../../errors.ts'
import { integrate } from './quadrature.ts'
import { erfcx, log1mExp, logNormalCdf, logNormalPdf } from './special.ts'

/** Mills' ratio of the standard normal: P(Z > x) / density(x). */
const mills = (x: number) => 1.2533141373155003 * erfcx(x / Math.SQRT2)

/**
 * ln δ(ε). With a = ε/μ − μ/2 and b = ε/μ + μ/2, δ = Φ(−a) − e^ε Φ(−b); since e^ε φ(b) = φ(a), that is φ(a)·(R(a) − R(b)) with Mills'
 * ratio R, and R(a) − R(b) = ∫₀^∞ e^(−at − t²/2) (1 − e^(−μt)) dt, whose integrand is positive: used where the difference would cancel.
 */
export function logGaussianDelta(mu: number, epsilon: number): number {
  if (mu === 0 || epsilon === Infinity) return -Infinity
  if (mu === Infinity) return 0
  const a = epsilon / mu - mu / 2
  const b = epsilon / mu + mu / 2
  if (mu < 0.01 * (1 + b)) {
    const reach = 90 / (a + Math.sqrt(a * a + 90))
    return logNormalPdf(a) + Math.log(integrate((t) => -Math.exp(-t * (a + t / 2)) * Math.expm1(-mu * t), 0, reach, 6))
  }
  if (a > 0) return logNormalPdf(a) + Math.log(mills(a) - mills(b))
  const head = logNormalCdf(-a)
  return Math.min(0, head + log1mExp(epsilon + logNormalCdf(-b) - head))
}

/**
 * The exact δ of the Gaussian mechanism.
 * @param mu sensitivity ÷ standard deviation of the noise (1/noiseMultiplier), ≥ 0; √Σμᵢ² for a composition
 * @param epsilon ≥ 0
 * @returns δ in [0, 1]
 * @throws TacetError invalid-argument
 */
export function gaussianDelta({ mu, epsilon }: { mu: number; epsilon: number }): number {
  checkNumber('mu', mu, { atLeast: 0 })
  checkNumber('epsilon', epsilon, { atLeast: 0 })
  return Math.exp(logGaussianDelta(mu, epsilon))
}

/** Whether the release of `mu` at `epsilon` costs more than δ, as a number and as a logarithm (either may round the kinder way). */
const exceeds = (delta: number) => {
  const logDelta = Math.log(delta)
  return (mu: number, epsilon: number) => {
    const spent = logGaussianDelta(mu, epsilon)
    return spent > logDelta || Math.exp(spent) > delta
  }
}

/** Neighbouring numbers [last true, first false] of a predicate that holds at `low` and not at `high`. */
function bisect(holds: (x: number) => boolean, low: number, high: number): [number, number] {
  for (;;) {
    const middle = low + (high - low) / 2
    if (middle <= low || middle >= high) return [low, high]
    if (holds(middle)) low = middle
    else high = middle
  }
}

/**
 * The exact ε of the Gaussian mechanism at δ: 0 where δ alone covers it, Infinity where δ = 0 and mu > 0.
 * @throws TacetError invalid-argument
 */
export function gaussianEpsilon({ mu, delta }: { mu: number; delta: number }): number {
  checkNumber('mu', mu, { atLeast: 0 })
  checkNumber('delta', delta, { atLeast: 0, atMost: 1 })
  if (mu === 0) return 0
  if (delta === 0) return Infinity
  const tooMuch = exceeds(delta)
  if (!tooMuch(mu, 0)) return 0
  // Φ(−a) alone is already ≤ δ at a = √(2 ln 1/δ), hence the upper end; a step more in case of rounding.
  let high = (mu * mu) / 2 + mu * Math.sqrt(-2 * Math.log(delta)) + Number.MIN_VALUE
  while (tooMuch(mu, high)) high *= 1 + 1e-12
  return bisect((epsilon) => tooMuch(mu, epsilon), 0, high)[1]
}

/**
 * The largest μ whose δ at `epsilon` stays within `delta` (so noise multiplier 1/μ is the smallest that keeps the promise): never over,
 * within 1e-12 relative of the exact value.
 * @throws TacetError invalid-argument
 */
export function gaussianMu({ epsilon, delta }: { epsilon: number; delta: number }): number {
  checkNumber('epsilon', epsilon, { atLeast: 0 })
  checkNumber('delta', delta, { above: 0, below: 1 })
  const tooMuch = exceeds(delta)
  let high = 1
  while (!tooMuch(high, epsilon)) high *= 2
  return bisect((mu) => !tooMuch(mu, epsilon), 0, high)[0]
}
