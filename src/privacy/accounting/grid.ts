/**
 * From a privacy profile to a privacy loss distribution on the grid {i·Δ}: one that is never too kind, and one that is never too harsh.
 *
 * Upper: connect the dots (Doroshenko, Ghazi, Kamath, Kumar & Manurangsi 2022). As a function of y = eˣ the divergence is convex; joining
 * its values at the grid points by straight lines gives the least discrete distribution above it, with P-mass y·(right slope − left
 * slope) at each point. Its error in ε is of second order in Δ.
 *
 * Lower: the same with the values pulled down so far that the straight lines lie below the curve. Between two grid points a convex curve
 * lies above the extensions of the two neighbouring chords; their intersection says how far (`gap`), with no derivative needed, so the
 * bound holds for kinked profiles too. Then the lower convex hull, which only lowers it further. A profile whose divergence is minorised
 * everywhere is a dominated pair, and stays one under composition.
 */
import type { Atoms, Profile } from './profile.ts'

export interface GridDistribution {
  /** mass[i] is the P-mass of loss offset + (first + i)·Δ. */
  readonly first: number
  readonly offset: number
  readonly mass: Float64Array
  /** P-mass of an infinite loss. */
  readonly infinite: number
}

/** An upper distribution, with what the lower one needs to know of the curve. */
export interface UpperDistribution extends GridDistribution {
  /** P-mass that really has infinite loss; the rest of `infinite` is the tail beyond the grid. */
  readonly revealed: number
  /** H − (1 − y) at the first grid point. */
  readonly before: number
  /** How many grid points lie left of loss 0. */
  readonly negative: number
}

/**
 * Divergences at losses offset + i·Δ, i = first, first + 1 …, out to where they are below the cut: H(Q‖P) at −x for x < 0, H(P‖Q) at x for
 * x ≥ 0. Empty for a profile of outcomes, which needs no values.
 */
export interface Samples {
  readonly interval: number
  readonly logCut: number
  readonly profile: Profile
  readonly first: number
  readonly offset: number
  readonly values: Float64Array
}

/** `sample` returns undefined where the grid would need more points than this on one side. */
export const maxPoints = 1 << 20

/** H at x(0), x(1) … down to the cut; never rising, so that rounding cannot make a curve that is none. */
function sampleSide(
  log: (x: number) => number,
  infinite: number,
  x: (i: number) => number,
  most: number,
  logCut: number,
): number[] | undefined {
  const values: number[] = []
  const cut = Math.exp(logCut)
  for (let i = 0; i <= Math.min(most, maxPoints); i++) {
    const value = Math.max(infinite, Math.exp(log(x(i))))
    values.push(i > 0 ? Math.min(value, values[i - 1]!) : value)
    if (i > 0 && value - infinite <= cut) return values
  }
  return most <= maxPoints ? values : undefined
}

/**
 * Samples a profile down to divergence e^logCut (beyond what is revealed outright); undefined if that takes too many points.
 * @param start the least loss of the grid (−Infinity for a grid that holds 0 instead), for profiles whose losses have a least value: under Poisson sampling nearly all mass may sit
 *   there, at ln(1 − q), far closer to 0 than the next grid point
 */
export function sample(profile: Profile, interval: number, logCut: number, start = -profile.maxDown): Samples | undefined {
  if (profile.atoms) return { interval, logCut, profile, first: 0, offset: 0, values: new Float64Array() }
  const steps = Math.ceil(-start / interval)
  const bounded = steps <= maxPoints
  const offset = bounded ? steps * interval + start : 0
  const right = sampleSide(profile.logUp, profile.infiniteUp, (i) => offset + i * interval, Infinity, logCut)
  if (!right) return undefined
  const left = sampleSide(
    profile.logDown,
    profile.infiniteDown,
    (i) => (bounded && i === steps - 1 ? -start : (i + 1) * interval - offset),
    bounded ? steps - 1 : Infinity,
    logCut,
  )
  if (!left) return undefined
  return { interval, logCut, profile, first: -left.length, offset, values: Float64Array.from([...left.reverse(), ...right]) }
}

/**
 * Where to start the grid of a lower distribution if much mass sits near the least loss: at the loss of that mass as a whole. A line
 * below the curve must leave 1 − y where the tangent from the next grid points meets it, so that is where the first point has to be;
 * anywhere else the line would have to run below all that follows.
 */
export function lowerStart(profile: Profile, interval: number): number {
  const above = (x: number) => (x < 0 ? Math.exp(x + profile.logDown(-x)) : Math.exp(profile.logUp(x)) + Math.expm1(x))
  // The chord through the next two grid points, extended back to the first, in the representation H − (1 − y).
  const extended = (x: number) => {
    const next = above(x + interval)
    return next - (above(x + 2 * interval) - next) * Math.exp(-interval)
  }
  let low = -profile.maxDown
  let high = Math.min(0, low + interval)
  for (let round = 0; round < 40; round++) {
    const middle = low + (high - low) / 2
    if (extended(middle) < 0) low = middle
    else high = middle
  }
  return low
}

/** The connect-the-dots distribution of P‖Q (`up`) or Q‖P (`down`) from sampled values: second differences in y = eˣ, times y. */
function fromSamples({ interval, first, offset, values, profile }: Samples, direction: 'up' | 'down'): UpperDistribution {
  const count = values.length
  const forwards = direction === 'up'
  const start = forwards ? first : 1 - first - count
  const shift = forwards ? offset : -offset
  const revealed = forwards ? profile.infiniteUp : profile.infiniteDown
  const x = (k: number) => shift + (start + k) * interval
  // Left of 0 in the representation H − (1 − y) = y·(the other direction's H at 1/y), right of it H: both ≥ 0, and accurate in relative
  // terms. Differences of slopes are the same in both.
  const at = (k: number) => (forwards ? k : count - 1 - k)
  const negative = forwards ? -first : count + first
  const value = new Float64Array(count)
  for (let k = 0; k < count; k++) value[k] = k < negative ? values[at(k)]! * Math.exp(x(k)) : values[at(k)]!
  /** The value at j as seen from k. */
  const seen = (j: number, k: number) => {
    if (j < negative === k < negative) return value[j]!
    return j < negative ? value[j]! - Math.expm1(x(j)) : value[j]! + Math.expm1(x(j))
  }
  const ahead = Math.expm1(interval)
  const back = -Math.expm1(-interval)
  const last = count - 1
  const mass = new Float64Array(count)
  for (let k = 0; k < count; k++) {
    // Before the first point the line runs to H(0) = 1, beyond the last one it is level.
    const left = k > 0 ? (seen(k - 1, k) - value[k]!) / back : k < negative ? -value[k]! : 1 - value[k]!
    const right = k < last ? (seen(k + 1, k) - value[k]!) / ahead : k < negative ? Math.exp(x(k)) : 0
    mass[k] = Math.max(0, left + right)
  }
  // Whatever lies beyond the last point is counted as revealed.
  const infinite = last < negative ? value[last]! - Math.expm1(x(last)) : value[last]!
  const before = negative > 0 ? value[0]! : value[0]! + Math.expm1(x(0))
  return { first: start, offset: shift, mass, infinite, revealed, before, negative }
}

/** Connect the dots for outcomes one by one: each is split between the two grid points around its loss, keeping its P- and its Q-mass. */
function fromAtoms({ interval, logCut, profile }: Samples, direction: 'up' | 'down'): UpperDistribution {
  const atoms = profile.atoms as Atoms
  const [logP, logQ, revealed] =
    direction === 'up' ? [atoms.logP, atoms.logQ, profile.infiniteUp] : [atoms.logQ, atoms.logP, profile.infiniteDown]
  const order = logP.map((_, i) => i).sort((i, j) => logP[i]! - logQ[i]! - (logP[j]! - logQ[j]!))
  const lossOf = (k: number) => logP[order[k]!]! - logQ[order[k]!]!
  const massOf = (k: number) => Math.exp(logP[order[k]!]!)
  const cut = Math.exp(logCut)
  let from = 0
  for (let sum = massOf(0); sum < cut && from < order.length - 1; sum += massOf(from)) from++
  let to = order.length - 1
  let tail = 0
  for (; to > from && tail + massOf(to) < cut; to--) tail += massOf(to)
  const index = (loss: number) => Math.floor(loss / interval + 1e-12)
  const first = index(lossOf(from))
  const mass = new Float64Array(index(lossOf(to)) + 2 - first)
  let dropped = 0
  for (let k = 0; k < from; k++) dropped += massOf(k)
  mass[0] = dropped
  for (let k = from; k <= to; k++) {
    const loss = lossOf(k)
    const at = index(loss)
    const share = Math.min(1, Math.max(0, -Math.expm1(at * interval - loss) / -Math.expm1(-interval)))
    mass[at - first]! += massOf(k) * (1 - share)
    mass[at - first + 1]! += massOf(k) * share
  }
  return { first, offset: 0, mass, infinite: revealed + tail, revealed, before: 0, negative: Math.min(mass.length, Math.max(0, -first)) }
}

/** The least distribution on the grid that is never too kind. */
export const upperDistribution = (samples: Samples, direction: 'up' | 'down'): UpperDistribution =>
  samples.profile.atoms ? fromAtoms(samples, direction) : fromSamples(samples, direction)

/**
 * A distribution on the same grid whose divergence is nowhere above the curve that `upper` joins the dots of. Only masses and their sums
 * enter, never differences of divergences, so nothing appears between the outcomes of a discrete release. Undefined where no curve on this
 * grid runs below: that can only happen on a grid without the loss 0.
 */
export function lowerDistribution(upper: UpperDistribution, interval: number): GridDistribution | undefined {
  return pulledDown(upper, upper.revealed, interval) ?? (upper.revealed > 0 ? pulledDown(upper, 0, interval) : undefined)
}

function pulledDown(upper: UpperDistribution, revealed: number, interval: number): GridDistribution | undefined {
  const { first, offset, mass, infinite, before, negative: middle } = upper
  const last = mass.length - 1
  const growth = Math.exp(interval)
  const ahead = Math.expm1(interval)
  const back = -Math.expm1(-interval)
  // How far each value may be pulled down: to `revealed` right of loss 0, to 1 − y left of it.
  const room = new Float64Array(last + 1)
  let excess = infinite - revealed
  let above = excess
  for (let k = last; k >= middle; k--) {
    // H(x) = Σ mass·(1 − e^(x − loss)) over larger losses, infinite ones included.
    if (k < last) excess = excess / growth + back * above
    room[k] = excess
    above += mass[k]!
  }
  let short = before
  let below = 0
  for (let k = 0; k < middle; k++) {
    if (k > 0) short = short * growth + ahead * below
    room[k] = short
    below += mass[k]!
  }

  /** Between points k and k + 1: how far the chord may lie above the curve, and at which share of the interval. */
  const gap = new Float64Array(last + 1)
  const share = new Float64Array(last + 1)
  // A mass below what rounding of the values makes of nothing is nothing: else the last bit of a flat stretch would bend it.
  const real = (k: number) => (mass[k]! > (2e-15 * room[k]!) / ahead ? mass[k]! : 0)
  for (let k = 0; k < last; k++) {
    const a = real(k) * growth
    const b = real(k + 1)
    gap[k] = a > 0 && b > 0 ? (ahead * real(k) * b) / (a + b) : 0
    share[k] = a + b > 0 ? b / (a + b) : 0.5
  }
  const pull = new Float64Array(last + 1)
  for (let k = 0; k <= last; k++) pull[k] = Math.min(room[k]!, Math.max(k > 0 ? gap[k - 1]! : 0, gap[k]!))
  pull[last] = room[last]!
  pull[0] = room[0]!
  // Where a value had no room to be pulled all the way, its neighbour towards the middle makes up for it.
  for (let k = last - 1; k >= middle; k--) {
    const t = share[k]!
    if (t < 1) pull[k] = Math.min(room[k]!, Math.max(pull[k]!, (gap[k]! - t * pull[k + 1]!) / (1 - t)))
  }
  for (let k = 0; k < Math.min(middle, last); k++) {
    const t = share[k]!
    if (t > 0) pull[k + 1] = Math.min(room[k + 1]!, Math.max(pull[k + 1]!, (gap[k]! - (1 - t) * pull[k]!) / t))
  }
  // A line is below the curve if it is pulled far enough, or runs along a floor: `revealed` on the right, 1 − y on the left, and from one
  // to the other only where they meet in a grid point.
  const zeroOnGrid = offset === 0 && first + middle === 0 && revealed === 0
  for (let k = 0; k < last; k++) {
    const pulled = (1 - share[k]!) * pull[k]! + share[k]! * pull[k + 1]! >= gap[k]! * (1 - 1e-9)
    const floored = pull[k]! >= room[k]! && pull[k + 1]! >= room[k + 1]! && (k >= middle || k + 1 < middle || zeroOnGrid)
    if (!pulled && !floored) return undefined
  }

  const lowered = new Float64Array(last + 1)
  for (let k = 0; k <= last; k++) {
    const right = k < last ? (pull[k + 1]! - pull[k]!) / ahead : 0
    const left = k > 0 ? (pull[k - 1]! - pull[k]!) / back : -pull[k]!
    lowered[k] = mass[k]! - right - left
  }
  return { first, offset, mass: hull(lowered, interval), infinite: revealed }
}

/**
 * The lower convex hull in terms of masses: a point with negative mass lies above the chord of its neighbours, so it is taken out and its
 * mass handed to them, keeping P and Q; a neighbour that turns negative follows.
 */
function hull(mass: Float64Array, interval: number): Float64Array {
  const out = new Float64Array(mass.length)
  const kept = new Int32Array(mass.length)
  let size = 0
  for (let k = 0; k < mass.length; k++) {
    out[k]! += mass[k]!
    let at = k
    // Take out negative points from the newest back, as long as there is a next point to take the other share.
    while (out[at]! < 0 && k + 1 < mass.length) {
      const next = k + 1
      const previous = size > 0 && at === k ? kept[size - 1]! : size > 1 ? kept[size - 2]! : -1
      const negative = out[at]!
      out[at] = 0
      if (at !== k) size--
      // P-share for the next point so that Q is kept: e^(−x) is linear between the neighbours.
      const toNext = previous < 0 ? 1 : Math.expm1((at - previous) * -interval) / Math.expm1((next - previous) * -interval)
      out[next]! += negative * toNext
      if (previous < 0) break
      out[previous]! += negative * (1 - toNext)
      at = previous
      if (out[at]! >= 0) break
    }
    if (out[k]! > 0) kept[size++] = k
    else if (k === mass.length - 1) out[k] = Math.max(0, out[k]!)
  }
  return out
}
