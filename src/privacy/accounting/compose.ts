/**
 * Composition of privacy loss distributions on one grid: exponential tilting, then convolution by FFT.
 *
 * Tilting multiplies every mass by e^(λ·loss) before the FFT and divides it out afterwards, with λ chosen so that the tilted sum is centred
 * near the ε in question. So the round-off of the FFT is small against the masses that decide δ there, even at δ = 1e-15, and the window
 * may be a few tilted standard deviations wide. What the window leaves out or folds back is bounded by Chernoff's inequality, what the FFT
 * rounds by its usual error bound; both are added to an upper δ and taken off a lower one.
 */
import FFT from 'fft.js'
import { TacetError } from '../../errors.ts'
import type { GridDistribution } from './grid.ts'

export interface Part {
  readonly distribution: GridDistribution
  readonly times: number
}

export type Question =
  /** `share` of the tilt at which Chernoff's bound is tightest; default all of it. */
  { readonly kind: 'epsilon'; readonly delta: number; readonly share?: number } | { readonly kind: 'delta'; readonly epsilon: number }

/** Largest transform; a composition that needs a longer one is refused to the caller, who coarsens the grid. */
export const maxTransform = 1 << 22

/** ln of the tilted chance that the window may miss on either side. */
const logMissed = -25

interface Moments {
  /** Σ times·ln E[e^(λX)] over the finite losses (so e^K at λ = 0 is the chance that nothing is revealed). */
  readonly log: number
  readonly mean: number
  readonly variance: number
}

const logMasses = new WeakMap<Float64Array, Float64Array>()
function logMassOf(mass: Float64Array): Float64Array {
  let logs = logMasses.get(mass)
  if (!logs) {
    logs = mass.map(Math.log)
    logMasses.set(mass, logs)
  }
  return logs
}

/** Largest ln(mass) + λ·index·Δ, so that tilted masses can be taken relative to it. */
function peakOf(logs: Float64Array, slope: number): number {
  let peak = -Infinity
  for (let i = 0; i < logs.length; i++) {
    const log = logs[i]! + slope * i
    if (log > peak) peak = log
  }
  return peak
}

function momentsOf({ distribution, times }: Part, interval: number, lambda: number): Moments {
  const { first, offset, mass } = distribution
  const logs = logMassOf(mass)
  const slope = lambda * interval
  const peak = peakOf(logs, slope)
  let sum = 0
  let sum1 = 0
  let sum2 = 0
  for (let i = 0; i < logs.length; i++) {
    const log = logs[i]! + slope * i - peak
    if (log < -60) continue
    const w = Math.exp(log)
    sum += w
    sum1 += w * i
    sum2 += w * i * i
  }
  const mean = sum1 / sum
  return {
    log: times * (Math.log(sum) + peak + slope * first + lambda * offset),
    mean: times * ((first + mean) * interval + offset),
    variance: times * Math.max(0, sum2 / sum - mean * mean) * interval * interval,
  }
}

function moments(parts: readonly Part[], interval: number, lambda: number): Moments {
  let log = 0
  let mean = 0
  let variance = 0
  for (const part of parts) {
    const each = momentsOf(part, interval, lambda)
    log += each.log
    mean += each.mean
    variance += each.variance
  }
  return { log, mean, variance }
}

/** λ ≥ 0 that centres the tilted sum at the question: mean = ε, or rate λ·mean − K = ln 1/δ (so that Chernoff's bound there is δ). */
function chooseTilt(parts: readonly Part[], interval: number, question: Question): number {
  const most = 25 / interval
  const miss = (lambda: number) => {
    const { log, mean } = moments(parts, interval, lambda)
    return question.kind === 'epsilon' ? lambda * mean - log + Math.log(question.delta) : mean - question.epsilon
  }
  const atZero = miss(0)
  if (atZero >= 0) return 0
  const { variance } = moments(parts, interval, 0)
  let low = 0
  let high = Math.min(most, 1 / Math.sqrt(Math.max(variance, interval * interval)))
  for (let before = atZero, now = miss(high); now < 0; before = now, now = miss(high)) {
    // Bounded losses: all that is left is the largest one, and more tilt would only magnify rounding.
    if (high >= most || (low > 0 && now - before < 0.02 * Math.abs(now) + 1e-3)) return low
    low = high
    high = Math.min(most, high * 3)
  }
  // A tilt a few per cent off does as well.
  for (let round = 0; round < 12 && high - low > 0.05 * high; round++) {
    const middle = low === 0 ? high / 3 : Math.sqrt(low * high)
    if (miss(middle) < 0) low = middle
    else high = middle
  }
  return question.kind === 'epsilon' ? (question.share ?? 1) * high : high
}

/** The composed distribution around the question, tilted. */
export interface Composed {
  readonly interval: number
  /** weights[i] · e^scale is the P-mass of loss offset + (first + i)·Δ, already untilted. */
  readonly weights: Float64Array
  readonly first: number
  readonly offset: number
  readonly scale: number
  /**
   * Errors of δ(x), over e^scale. What the FFT rounds and what its window folds back count e^(−tilt·(x − centre)) each; what lies right of
   * the window counts the same at every x. Folding only adds mass, so an upper bound need not fear it; nor a lower bound what is left out.
   */
  readonly rounded: number
  readonly folded: number
  readonly leftOut: number
  readonly tilt: number
  readonly centre: number
  readonly infinite: number
  /** Largest finite loss possible. */
  readonly most: number
}

function tilted({ distribution }: Part, interval: number, lambda: number): Float64Array {
  const logs = logMassOf(distribution.mass)
  const slope = lambda * interval
  const peak = peakOf(logs, slope)
  const out = new Float64Array(logs.length)
  let sum = 0
  for (let i = 0; i < out.length; i++) {
    const w = Math.exp(logs[i]! + slope * i - peak)
    out[i] = w
    sum += w
  }
  for (let i = 0; i < out.length; i++) out[i]! /= sum
  return out
}

/** Composes, or returns how many grid points it would take where that is more than `longest`. */
export function composeDistributions(
  parts: readonly Part[],
  interval: number,
  question: Question,
  longest = maxTransform,
): Composed | number {
  let logFinite = 0
  let least = 0
  let most = 0
  let offset = 0
  for (const { distribution, times } of parts) {
    logFinite += times * Math.log1p(-Math.min(1, distribution.infinite))
    least += times * distribution.first
    most += times * (distribution.first + distribution.mass.length - 1)
    offset += times * distribution.offset
  }
  const infinite = -Math.expm1(logFinite)
  const single = parts.length === 1 && parts[0]!.times === 1
  const tilt = single ? 0 : chooseTilt(parts, interval, question)
  const { log, mean, variance } = moments(parts, interval, tilt)
  const centreIndex = Math.round((mean - offset) / interval)
  const centre = offset + centreIndex * interval
  const scale = log - tilt * centre

  let low = least
  let high = most
  if (!single) {
    const spread = Math.sqrt(Math.max(variance, interval * interval))
    let right = Infinity
    let left = Infinity
    // Good for a bell, and for a bell with a heavy right tail that only little more tilt would blow up.
    const narrow = [3, 5.5, 8].map((factor) => factor / spread)
    const wide = (tilt > 0 ? [0.03, 0.08, 0.2, 0.5].map((share) => share * tilt) : [1 / spread]).filter((theta) => theta < narrow[0]!)
    const thetas = [...narrow, ...wide]
    for (const theta of thetas) {
      right = Math.min(right, (moments(parts, interval, tilt + theta).log - log - theta * mean - logMissed) / theta)
      left = Math.min(left, (moments(parts, interval, tilt - theta).log - log + theta * mean - logMissed) / theta)
    }
    low = Math.max(least, Math.floor((mean - offset - left) / interval) - 1)
    high = Math.min(most, Math.ceil((mean - offset + right) / interval) + 1)
  }
  const length = high - low + 1
  if (!(length <= longest)) return length
  if (!(length > 0)) throw new TacetError('internal', `a composition of ${parts.length} releases has no grid (tilt ${tilt}, mean ${mean})`)

  const weights = single ? tilted(parts[0]!, interval, tilt) : new Float64Array(length)
  let [rounded, folded, leftOut] = [0, 0, 0]
  if (!single) {
    let size = 2
    while (size < length) size *= 2
    const rounding = convolve(parts, interval, tilt, size, low, weights)
    // Σ over losses ≥ x of e^(−tilt·(loss − x))·(1 − e^(x − loss)): geometric series, or the window's length where there is no tilt.
    const both = -Math.expm1(-tilt * interval) * -Math.expm1(-(tilt + 1) * interval)
    rounded = rounding * Math.min(length, (Math.exp(-tilt * interval) * -Math.expm1(-interval)) / both)
    const missed = Math.exp(logMissed)
    // Mass folded in from outside lands anywhere: at most the largest of those terms, 1/(1 + tilt).
    folded = ((low > least ? missed : 0) + (high < most ? missed : 0)) / (1 + tilt)
    leftOut = high < most ? missed * Math.exp(-tilt * (high - centreIndex) * interval) : 0
  }
  for (let i = 0; i < length; i++) weights[i]! *= Math.exp(Math.min(700, -tilt * interval * (low + i - centreIndex)))
  return { interval, weights, first: low, offset, scale, rounded, folded, leftOut, tilt, centre, infinite, most: offset + most * interval }
}

const transforms = new Map<number, FFT>()
function transformOf(size: number): FFT {
  let fft = transforms.get(size)
  if (!fft) {
    fft = new FFT(size)
    transforms.set(size, fft)
  }
  return fft
}

/** Fills `out` with the tilted masses from grid index `low` on; returns a bound on the rounding error of each. */
function convolve(parts: readonly Part[], interval: number, tilt: number, size: number, low: number, out: Float64Array): number {
  const fft = transformOf(size)
  const half = size / 2
  const unit = 2 ** -53 * 4 * Math.log2(size)
  const logModulus = new Float64Array(half + 1)
  const phase = new Float64Array(half + 1)
  /** Σ over parts of times ÷ |spectrum|: relative rounding error of the product per unit. */
  const amplification = new Float64Array(half + 1).fill(1)
  const input = new Float64Array(size)
  const spectrum = new Float64Array(2 * size)
  for (const part of parts) {
    const { distribution, times } = part
    input.fill(0)
    const mass = tilted(part, interval, tilt)
    let at = distribution.first % size
    if (at < 0) at += size
    for (let i = 0; i < mass.length; i++) {
      input[at]! += mass[i]!
      if (++at === size) at = 0
    }
    fft.realTransform(spectrum, input)
    for (let k = 0; k <= half; k++) {
      const re = spectrum[2 * k]!
      const im = spectrum[2 * k + 1]!
      const squared = re * re + im * im
      logModulus[k]! += 0.5 * times * Math.log(squared)
      phase[k]! += times * Math.atan2(im, re)
      amplification[k]! += times / Math.sqrt(squared)
    }
  }
  let rounding = 0
  for (let k = 0; k <= half; k++) {
    const logM = logModulus[k]!
    const twice = k === 0 || k === half ? 1 : 2
    const modulus = logM > -800 ? Math.exp(logM) : 0
    if (modulus > 0) rounding += (twice * modulus * amplification[k]!) / size
    const re = modulus * Math.cos(phase[k]!)
    const im = modulus * Math.sin(phase[k]!)
    spectrum[2 * k] = re
    spectrum[2 * k + 1] = im
    if (k > 0 && k < half) {
      spectrum[2 * (size - k)] = re
      spectrum[2 * (size - k) + 1] = -im
    }
  }
  const result = new Float64Array(2 * size)
  fft.inverseTransform(result, spectrum)
  let at = low % size
  if (at < 0) at += size
  for (let i = 0; i < out.length; i++) {
    out[i] = Math.max(0, result[2 * at]!)
    if (++at === size) at = 0
  }
  return rounding * unit
}

/**
 * The ε at which δ(ε) = Σ mass·(1 − e^(ε − loss))⁺ meets `delta`. As an upper bound all errors count against us (and ε is Infinity where
 * too much is revealed outright), as a lower bound for us.
 */
export function epsilonOf(composed: Composed, delta: number, side: 'upper' | 'lower'): number {
  const { interval, weights, first, offset, scale, rounded, folded, leftOut, tilt, centre, infinite } = composed
  if (infinite >= delta) return Infinity
  const target = (delta - infinite) * Math.exp(-scale)
  const [signed, always] = side === 'upper' ? [rounded, leftOut] : [-(rounded + folded), 0]
  const shrink = Math.exp(-interval)
  const grow = -Math.expm1(-interval)
  // From the right: `above` = Σ w, `discounted` = Σ w·e^(x − loss), `excess` = Σ w·(1 − e^(x − loss)), over losses ≥ x.
  let above = 0
  let discounted = 0
  let excess = 0
  for (let i = weights.length - 1; i >= -1; i--) {
    // Here the sums run over losses ≥ x₍ᵢ₊₁₎, seen from x₍ᵢ₊₁₎; step to xᵢ.
    const x = offset + (first + i) * interval
    const next = shrink * excess + grow * above
    // The errors' share, e^(−tilt·(x − centre)), matters (and is worth its exponential) only once the masses have come near.
    const slack = always + (signed === 0 || next < 0.01 * target ? 0 : signed * Math.exp(Math.min(700, -tilt * (x - centre))))
    if (next + slack > target || x < 0) {
      const right = x + interval
      const wanted = target - slack
      const epsilon = discounted > 0 ? right + Math.log(Math.max(0, above - wanted) / discounted) : right
      return Math.max(0, Math.min(right, Math.max(x, epsilon)))
    }
    excess = next
    if (i < 0) break
    discounted = shrink * discounted + weights[i]!
    above += weights[i]!
  }
  // δ is met everywhere in the window.
  return side === 'upper' ? Math.max(0, offset + (first - 1) * interval) : 0
}

/** δ at `epsilon`; upper or lower as above. */
export function deltaOf(composed: Composed, epsilon: number, side: 'upper' | 'lower'): number {
  const { interval, weights, first, offset, scale, rounded, folded, leftOut, tilt, centre, infinite, most } = composed
  if (epsilon >= most) return infinite
  const start = Math.max(0, Math.floor((epsilon - offset) / interval) + 1 - first)
  let sum = 0
  for (let i = weights.length - 1; i >= start; i--) sum += weights[i]! * -Math.expm1(Math.min(0, epsilon - offset - (first + i) * interval))
  const [signed, always] = side === 'upper' ? [rounded, leftOut] : [-(rounded + folded), 0]
  const slack = always + signed * Math.exp(Math.min(700, -tilt * (epsilon - centre)))
  const finite = Math.max(0, sum + slack) * Math.exp(scale)
  return Math.min(1, infinite + finite)
}
