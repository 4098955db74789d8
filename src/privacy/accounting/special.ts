/**
 * The special functions the accountants need, accurate in relative terms deep into the tails: scaled complementary error function,
 * log of the normal distribution function, log Γ, and sums and differences of numbers held as logarithms.
 *
 * Scalars only. Not a statistics library: what the accountants do not use is not here.
 */

/** ln √(2π) */
const logSqrt2Pi = 0.9189385332046727
const sqrt2 = Math.SQRT2

/** p(x) by Horner's rule; `coefficients` from the highest power down. */
function horner(x: number, coefficients: readonly number[]): number {
  let sum = 0
  for (const c of coefficients) sum = sum * x + c
  return sum
}

/** Minimax coefficients of W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969). */
const erfNumerator = [0.18577770618460315, 3.1611237438705655, 113.86415415105016, 377.485237685302, 3209.3775891384694]
const erfDenominator = [1, 23.601290952344122, 244.02463793444417, 1282.6165260773723, 2844.236833439171]
const midNumerator = [
  2.1531153547440383e-8, 0.5641884969886701, 8.883149794388377, 66.11919063714163, 298.6351381974001, 881.952221241769, 1712.0476126340707,
  2051.0783778260716, 1230.3393547979972,
]
const midDenominator = [
  1, 15.744926110709835, 117.6939508913125, 537.1811018620099, 1621.3895745666903, 3290.7992357334597, 4362.619090143247,
  3439.3676741437216, 1230.3393548037495,
]
const farNumerator = [
  0.016315387137302097, 0.30532663496123236, 0.36034489994980445, 0.12578172611122926, 0.016083785148742275, 0.0006587491615298378,
]
const farDenominator = [1, 2.568520192289822, 1.8729528499234673, 0.5279051029514285, 0.06051834131244132, 0.0023352049762686918]

/** erf on |x| ≤ 0.46875. */
function erfSmall(x: number): number {
  const y = x * x
  return (x * horner(y, erfNumerator)) / horner(y, erfDenominator)
}

/**
 * exp(x²) · erfc(x), which neither under- nor overflows for x ≥ 0. Relative error below 1e-15 for x ≥ 0.
 * For x < 0 it grows as 2·exp(x²) and is infinite below −26.6.
 */
export function erfcx(x: number): number {
  if (Math.abs(x) <= 0.46875) return Math.exp(x * x) * (1 - erfSmall(x))
  if (x < 0) return 2 * Math.exp(x * x) - erfcx(-x)
  if (x <= 4) return horner(x, midNumerator) / horner(x, midDenominator)
  const z = 1 / (x * x)
  const tail = (z * horner(z, farNumerator)) / horner(z, farDenominator)
  return (0.5641895835477563 - tail) / x
}

/** erfc(x): 1 − erf(x), in relative accuracy wherever it does not underflow. */
export function erfc(x: number): number {
  if (Math.abs(x) <= 0.46875) return 1 - erfSmall(x)
  if (x < 0) return 2 - erfc(-x)
  return x > 27 ? 0 : Math.exp(-x * x) * erfcx(x)
}

/** P(Z ≤ x) of a standard normal; relative accuracy in the lower tail. */
export const normalCdf = (x: number): number => 0.5 * erfc(-x / sqrt2)

/** ln P(Z ≤ x) of a standard normal, finite for every finite x. */
export function logNormalCdf(x: number): number {
  if (x > 1) return Math.log1p(-normalCdf(-x))
  if (x > -5) return Math.log(normalCdf(x))
  return -0.5 * x * x + Math.log(0.5 * erfcx(-x / sqrt2))
}

/** ln of the standard normal density. */
export const logNormalPdf = (x: number): number => -0.5 * x * x - logSqrt2Pi

/** ln(eᵃ + eᵇ). */
export function logAdd(a: number, b: number): number {
  const high = Math.max(a, b)
  if (high === -Infinity || high === Infinity) return high
  return high + Math.log1p(Math.exp(Math.min(a, b) - high))
}

/** ln(eᵃ − eᵇ) for a ≥ b; −∞ where they are equal. */
export function logSubtract(a: number, b: number): number {
  if (b === -Infinity) return a
  if (a <= b) return -Infinity
  return a + log1mExp(b - a)
}

/** ln(1 − eˣ) for x < 0. */
export function log1mExp(x: number): number {
  return x > -Math.LN2 ? Math.log(-Math.expm1(x)) : Math.log1p(-Math.exp(x))
}

/** ln(eˣ − 1) for x > 0. */
export function logExpm1(x: number): number {
  return x > 1 ? x + Math.log1p(-Math.exp(-x)) : Math.log(Math.expm1(x))
}

/** ln Σ exp(valuesᵢ); −∞ for no values. */
export function logSumExp(values: ArrayLike<number>): number {
  let high = -Infinity
  for (let i = 0; i < values.length; i++) high = Math.max(high, values[i] as number)
  if (high === -Infinity || high === Infinity) return high
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += Math.exp((values[i] as number) - high)
  return high + Math.log(sum)
}

/** ln Γ(x) for x > 0: recurrence up to 15, then Stirling's series. Absolute error below 1e-14 · max(1, |ln Γ|). */
export function logGamma(x: number): number {
  let shift = 0
  let product = 1
  let y = x
  while (y < 15) {
    product *= y
    y += 1
  }
  shift = Math.log(product)
  const z = 1 / (y * y)
  const series = (1 / 12 - z * (1 / 360 - z * (1 / 1260 - z * (1 / 1680 - z * (1 / 1188 - z * (691 / 360360 - z * (1 / 156))))))) / y
  return (y - 0.5) * Math.log(y) - y + logSqrt2Pi + series - shift
}

/** ln C(n, k) for integers 0 ≤ k ≤ n. */
export function logBinomial(n: number, k: number): number {
  if (k === 0 || k === n) return 0
  return logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1)
}

/** ln P(Binomial(n, p) = k). */
export function logBinomialPmf(n: number, k: number, p: number): number {
  if (p <= 0) return k === 0 ? 0 : -Infinity
  if (p >= 1) return k === n ? 0 : -Infinity
  return logBinomial(n, k) + k * Math.log(p) + (n - k) * Math.log1p(-p)
}
