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
  /** mass[i] is the P-mass of loss (first + i)·Δ. */
  readonly first: number
  readonly mass: Float64Array
  /** P-mass of an infinite loss. */
  readonly infinite: number
}

/** An upper distribution, with what the lower one needs to know of the curve beyond the grid. */
export interface UpperDistribution extends GridDistribution {
  /** P-mass that really has infinite loss; the rest of `infinite` is the tail beyond the grid. */
  readonly revealed: number
  /** H − (1 − y) at the first grid point. */
  readonly before: number
}

/** H at x = 0, Δ, 2Δ … in both halves, until it is below the cut; empty for a profile of outcomes, which needs no values. */
export interface Samples {
  readonly interval: number
  readonly logCut: number
  readonly up: Float64Array
  readonly down: Float64Array
  readonly profile: Profile
}

/** `sample` returns undefined where the grid would need more points than this in one half. */
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
  if (profile.atoms) return { interval, logCut, up: new Float64Array(), down: new Float64Array(), profile }
  const up = sampleHalf(profile.logUp, profile.infiniteUp, interval, logCut)
  if (!up) return undefined
  const down = profile.symmetric ? up : sampleHalf(profile.logDown, profile.infiniteDown, interval, logCut)
  return down && { interval, logCut, up, down, profile }
}

/** The connect-the-dots distribution of P‖Q (`up`) or Q‖P (`down`) from sampled values: second differences in y, times y. */
function fromSamples({ interval, up, down, profile }: Samples, direction: 'up' | 'down'): UpperDistribution {
  const [right, behind, revealed] = direction === 'up' ? [up, down, profile.infiniteUp] : [down, up, profile.infiniteDown]
  // Right half: H. Left half: H − (1 − y) = y·(the other direction's H at 1/y). Both are ≥ 0 and keep their relative accuracy.
  const left = behind.map((value, i) => value * Math.exp(-i * interval))
  left[0] = right[0]!
  const ahead = Math.expm1(interval)
  const back = -Math.expm1(-interval)
  const m = left.length - 1
  const n = right.length - 1
  const mass = new Float64Array(m + n + 1)
  for (let i = 1; i < n; i++) mass[m + i] = (right[i + 1]! - right[i]!) / ahead + (right[i - 1]! - right[i]!) / back
  mass[m + n] = (right[n - 1]! - right[n]!) / back
  for (let i = 1; i < m; i++) mass[m - i] = (left[i - 1]! - left[i]!) / ahead + (left[i + 1]! - left[i]!) / back
  mass[0] = (left[m - 1]! - left[m]!) / ahead - left[m]!
  mass[m] = (right[1]! - right[0]!) / ahead - (left[0]! - left[1]!) / back + 1
  for (let i = 0; i < mass.length; i++) if (!(mass[i]! > 0)) mass[i] = 0
  // Whatever lies beyond the last point is counted as revealed.
  return { first: -m, mass, infinite: right[n]!, revealed, before: left[m]! }
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
  return { first, mass, infinite: revealed + tail, revealed, before: 0 }
}

/** The least distribution on the grid that is never too kind. */
export const upperDistribution = (samples: Samples, direction: 'up' | 'down'): UpperDistribution =>
  samples.profile.atoms ? fromAtoms(samples, direction) : fromSamples(samples, direction)

/**
 * A distribution on the same grid whose divergence is nowhere above the curve that `upper` joins the dots of. Only masses and their sums
 * enter, never differences of divergences, so nothing appears between the outcomes of a discrete release.
 */
export function lowerDistribution(upper: UpperDistribution, interval: number): GridDistribution {
  const { first, mass, infinite, revealed, before } = upper
  const last = mass.length - 1
  const growth = Math.exp(interval)
  const ahead = Math.expm1(interval)
  const back = -Math.expm1(-interval)
  // How far each value may be pulled down: to `revealed` right of loss 0, to 1 − y left of it.
  const room = new Float64Array(last + 1)
  const middle = Math.min(Math.max(0, -first), last + 1)
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
  for (let k = 0; k < last; k++) {
    const a = mass[k]! * growth
    const b = mass[k + 1]!
    gap[k] = a + b > 0 ? (ahead * mass[k]! * b) / (a + b) : 0
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

  const lowered = new Float64Array(last + 1)
  for (let k = 0; k <= last; k++) {
    const right = k < last ? (pull[k + 1]! - pull[k]!) / ahead : 0
    const left = k > 0 ? (pull[k - 1]! - pull[k]!) / back : -pull[k]!
    lowered[k] = mass[k]! - right - left
  }
  return { first, mass: hull(lowered, interval), infinite: revealed }
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
