/**
 * From a privacy profile to a privacy loss distribution on the grid {i·Δ}: one that is never too kind, and one that is never too harsh.
 *
 * Upper: connect the dots (Doroshenko, Ghazi, Kamath, Kumar & Manurangsi 2022). As a function of y = eˣ the divergence is convex; joining
 * its values at the grid points by straight lines gives the least discrete distribution above it, with P-mass y·(right slope − left
 * slope) at each point. Its error in ε is of second order in Δ.
 *
 * Lower: the same with the values pulled down so far that the straight lines lie below the curve. Between two grid points a convex curve
 * lies above the extensions of the two neighbouring chords; their intersection says how far (`gap`), with no derivative needed, so the
 * bound holds for kinked profiles too. Then the lower convex hull, which only lowers it further.
 */
import type { Profile } from './profile.ts'

export interface GridDistribution {
  /** mass[i] is the P-mass of loss (first + i)·Δ. */
  readonly first: number
  readonly mass: Float64Array
  /** P-mass of an infinite loss. */
  readonly infinite: number
}

/** H at x = 0, Δ, 2Δ … in both halves, until it is below the cut. */
export interface Samples {
  readonly interval: number
  readonly up: Float64Array
  readonly down: Float64Array
  readonly profile: Profile
}

/** Thrown nowhere: `sample` returns undefined where the grid would need more points than this in one half. */
export const maxPoints = 1 << 20

function sampleHalf(log: (x: number) => number, infinite: number, interval: number, logCut: number): Float64Array | undefined {
  const values: number[] = []
  for (let i = 0; i <= maxPoints; i++) {
    const value = Math.max(infinite, Math.exp(log(i * interval)))
    values.push(i > 0 ? Math.min(value, values[i - 1]!) : value)
    if (i > 0 && value - infinite <= Math.exp(logCut)) return Float64Array.from(values)
  }
  return undefined
}

/** Samples both halves down to divergence e^logCut (beyond what is revealed outright); undefined if that takes too many points. */
export function sample(profile: Profile, interval: number, logCut: number): Samples | undefined {
  const up = sampleHalf(profile.logUp, profile.infiniteUp, interval, logCut)
  if (!up) return undefined
  const down = profile.symmetric ? up : sampleHalf(profile.logDown, profile.infiniteDown, interval, logCut)
  return down && { interval, up, down, profile }
}

/** Distance of each value from the curve's representation: right half H, left half H − (1 − y), both ≥ 0. */
interface Halves {
  readonly right: Float64Array
  readonly left: Float64Array
  readonly infinite: number
}

function halves({ interval, up, down, profile }: Samples, direction: 'up' | 'down'): Halves {
  const [ahead, behind, infinite] = direction === 'up' ? [up, down, profile.infiniteUp] : [down, up, profile.infiniteDown]
  const right = Float64Array.from(ahead)
  const left = behind.map((value, i) => value * Math.exp(-i * interval))
  left[0] = right[0]!
  return { right, left, infinite }
}

/** Second differences in y of the values, times y: the P-mass at each grid point from −(left.length − 1) to right.length − 1. */
function masses({ right, left, infinite }: Halves, interval: number): Float64Array {
  const ahead = Math.expm1(interval)
  const behind = -Math.expm1(-interval)
  const m = left.length - 1
  const n = right.length - 1
  const mass = new Float64Array(m + n + 1)
  for (let i = 1; i < n; i++) mass[m + i] = (right[i + 1]! - right[i]!) / ahead + (right[i - 1]! - right[i]!) / behind
  mass[m + n] = (right[n - 1]! - right[n]!) / behind
  for (let i = 1; i < m; i++) mass[m - i] = (left[i - 1]! - left[i]!) / ahead + (left[i + 1]! - left[i]!) / behind
  mass[0] = (left[m - 1]! - left[m]!) / ahead - left[m]!
  mass[m] = (right[1]! - right[0]!) / ahead - (left[0]! - left[1]!) / behind + 1
  for (let i = 0; i < mass.length; i++) if (!(mass[i]! > 0)) mass[i] = 0
  void infinite
  return mass
}

/** The connect-the-dots distribution of P‖Q (`up`) or Q‖P (`down`). */
export function upperDistribution(samples: Samples, direction: 'up' | 'down'): GridDistribution {
  const both = halves(samples, direction)
  // Whatever lies beyond the last point is counted as revealed.
  return { first: 1 - both.left.length, mass: masses(both, samples.interval), infinite: both.right[both.right.length - 1]! }
}

/** A distribution on the same grid whose divergence is nowhere above the profile's. */
export function lowerDistribution(samples: Samples, direction: 'up' | 'down'): GridDistribution {
  const { interval } = samples
  const both = halves(samples, direction)
  const { right, left, infinite } = both
  const mass = masses(both, interval)
  const m = left.length - 1
  const n = right.length - 1
  const growth = Math.exp(interval)
  const ahead = Math.expm1(interval)
  /** Between grid points k and k + 1 (offset by m): how far the chord may lie above the curve, and where, as a share of the interval. */
  const gap = new Float64Array(m + n)
  const share = new Float64Array(m + n)
  for (let k = 0; k < m + n; k++) {
    const a = mass[k]!
    const b = mass[k + 1]!
    const sum = a * growth + b
    gap[k] = sum > 0 ? (ahead * a * b) / sum : 0
    share[k] = sum > 0 ? b / sum : 0.5
  }
  // How far each value is pulled down; the curve itself cannot be below `infinite` (right) or 0 (left).
  const room = (k: number) => (k >= m ? right[k - m]! - infinite : left[m - k]!)
  const pull = new Float64Array(m + n + 1)
  for (let k = 0; k <= m + n; k++) {
    pull[k] = Math.min(Math.max(0, room(k)), Math.max(k > 0 ? gap[k - 1]! : 0, k < m + n ? gap[k]! : 0))
  }
  pull[m + n] = room(m + n)
  pull[0] = room(0)
  // Where a value had no room to be pulled all the way, its neighbour towards the middle makes up for it.
  for (let k = m + n - 1; k >= m; k--) {
    const t = share[k]!
    if (t < 1) pull[k] = Math.min(Math.max(0, room(k)), Math.max(pull[k]!, (gap[k]! - t * pull[k + 1]!) / (1 - t)))
  }
  for (let k = 0; k < m; k++) {
    const t = share[k]!
    if (t > 0) pull[k + 1] = Math.min(Math.max(0, room(k + 1)), Math.max(pull[k + 1]!, (gap[k]! - (1 - t) * pull[k]!) / t))
  }
  const lowRight = right.map((value, i) => value - pull[m + i]!)
  const lowLeft = left.map((value, i) => value - pull[m - i]!)
  return { first: -m, mass: hullMasses(lowRight, lowLeft, interval), infinite }
}

/** P-masses of the lower convex hull of the points (y, H). */
function hullMasses(right: Float64Array, left: Float64Array, interval: number): Float64Array {
  const m = left.length - 1
  const n = right.length - 1
  const height = (k: number) => (k >= m ? right[k - m]! : left[m - k]!)
  /** Slope from grid point a to grid point b > a, times y at `at` (a or b). Left of 0 the line 1 − y is added back. */
  const slope = (a: number, b: number, atStart: boolean): number => {
    const width = atStart ? Math.expm1((b - a) * interval) : -Math.expm1((a - b) * interval)
    if (a >= m) return (height(b) - height(a)) / width
    const y = Math.exp(((atStart ? a : b) - m) * interval)
    if (b <= m) return (height(b) - height(a)) / width - y
    return (height(b) - height(a) + Math.expm1((a - m) * interval)) / width
  }
  const hull = new Int32Array(m + n + 1)
  let size = 0
  for (let k = 0; k <= m + n; k++) {
    while (size >= 2 && slope(hull[size - 2]!, hull[size - 1]!, false) >= slope(hull[size - 1]!, k, true)) size--
    hull[size++] = k
  }
  const mass = new Float64Array(m + n + 1)
  for (let i = 0; i < size; i++) {
    const k = hull[i]!
    // Before the first point the line runs to (0, 1), after the last one it is level.
    const before = i > 0 ? slope(hull[i - 1]!, k, false) : height(k) - Math.exp((k - m) * interval)
    const after = i < size - 1 ? slope(k, hull[i + 1]!, true) : 0
    mass[k] = Math.max(0, after - before)
  }
  return mass
}
