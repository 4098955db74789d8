/**
 * Exact coins and small integer draws: the randomness that the discrete mechanisms are made of. All decisions are taken on integers (BigInt
 * rationals compared with uniform random words), so that the output distribution is the stated one and not a floating-point neighbour of it.
 *
 * Not constant in time: how long a draw takes depends on its outcome (out of scope, SECURITY.md). Source: Canonne, Kamath & Steinke, "The
 * discrete Gaussian for differential privacy", NeurIPS 2020, algorithms 1 and 2.
 */
import { TacetError } from '../../errors.ts'
import type { RandomSource } from '../../random/index.ts'

/** A rational number with a positive denominator. */
export interface Rational {
  readonly numerator: bigint
  readonly denominator: bigint
}

/**
 * The number itself as a rational: every finite double is m · 2^e, so nothing is rounded and the event can carry the double.
 * @throws TacetError invalid-argument for NaN and infinities
 */
export function exactRational(name: string, value: number): Rational {
  if (!Number.isFinite(value)) throw new TacetError('invalid-argument', `${name} is ${value}; it must be a finite number`)
  let numerator = value
  let denominator = 1n
  // Scaling by two is exact for normal numbers; a subnormal becomes normal on the way.
  while (!Number.isInteger(numerator)) {
    numerator *= 2
    denominator *= 2n
  }
  return { numerator: BigInt(numerator), denominator }
}

/** True with chance numerator / denominator exactly; needs 0 ≤ numerator ≤ denominator, denominator > 0. */
export function bernoulli(numerator: bigint, denominator: bigint, random: RandomSource): boolean {
  if (numerator >= denominator) return true
  if (denominator < 2n ** 21n) return bernoulliSmall(Number(numerator), Number(denominator), random)
  // Compares the binary expansion of the fraction with that of a uniform number, 32 digits at a time.
  let rest = numerator
  while (rest > 0n) {
    rest <<= 32n
    const digits = rest / denominator
    rest -= digits * denominator
    const word = random.nextWord()
    const difference = Number(digits) - word
    if (difference !== 0) return difference > 0
  }
  return false
}

/** The same for integers below 2²¹, in doubles that hold every product exactly. */
function bernoulliSmall(numerator: number, denominator: number, random: RandomSource): boolean {
  let rest = numerator
  while (rest > 0) {
    rest *= 0x1_0000_0000
    const digits = Math.floor(rest / denominator)
    rest -= digits * denominator
    const word = random.nextWord()
    if (digits !== word) return digits > word
  }
  return false
}

/** Uniform integer in 0 … bound − 1, by rejection: exact. */
export function uniformBelow(bound: number, random: RandomSource): number {
  if (!(Number.isInteger(bound) && bound >= 1 && bound <= 2 ** 32))
    throw new TacetError('invalid-argument', `bound is ${bound}; it must be an integer from 1 to 2³²`)
  const limit = 2 ** 32 - (2 ** 32 % bound)
  let word = random.nextWord()
  while (word >= limit) word = random.nextWord()
  return word % bound
}

/** Uniform integer in 0 … bound − 1 for any positive bound. */
export function uniformBelowBig(bound: bigint, random: RandomSource): bigint {
  if (bound <= 2n ** 32n) return BigInt(uniformBelow(Number(bound), random))
  const words = Math.ceil(bound.toString(16).length / 8)
  const range = 1n << BigInt(32 * words)
  const limit = range - (range % bound)
  for (;;) {
    let value = 0n
    for (let i = 0; i < words; i++) value = (value << 32n) | BigInt(random.nextWord())
    if (value < limit) return value % bound
  }
}

/**
 * True with chance exp(−numerator / denominator) exactly; needs a ratio ≥ 0.
 * @see Canonne, Kamath & Steinke 2020, Algorithm 1 (von Neumann's alternating series)
 */
export function bernoulliExp(numerator: bigint, denominator: bigint, random: RandomSource): boolean {
  let rest = numerator
  // exp(−γ) = exp(−1)^⌊γ⌋ · exp(−(γ − ⌊γ⌋)); the first failure ends it, so that a large γ takes no longer
  while (rest > denominator) {
    if (!bernoulliExpAtMostOne(1n, 1n, random)) return false
    rest -= denominator
  }
  return bernoulliExpAtMostOne(rest, denominator, random)
}

function bernoulliExpAtMostOne(numerator: bigint, denominator: bigint, random: RandomSource): boolean {
  let k = 1n
  while (bernoulli(numerator, denominator * k, random)) k++
  return k % 2n === 1n
}
