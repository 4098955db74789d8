/**
 * The RDP accountant: adds Rényi divergences order by order and converts at the best order, found by search and not from a fixed grid, so
 * a gap in a grid can never show in an ε.
 *
 * The conversion is that of Canonne, Kamath & Steinke 2020 (Proposition 12) and Asoodeh et al. 2021:
 * ε = D_α + ln(1 − 1/α) − (ln δ + ln α)/(α − 1). It has no lower bound; the PLD accountant does.
 */
import { checkNumber } from '../../errors.ts'
import { type NeighboringRelation, type PrivacyEvent, parsePrivacyEvent } from '../event.ts'
import { type Accountant, checkDelta, checkEpsilon, checkTimes, type EpsilonBound, isSupported } from './accountant.ts'
import { renyiDivergence, searchableOrder } from './rdp-curves.ts'
import { binned, muOf, noReleases, type Releases, releasesOf, together } from './releases.ts'
import { log1mExp } from './special.ts'

/** Largest order a search looks at: enough for noise multipliers of 1e4. */
const largestOrder = 1e7

/** Total divergence of order α, without the δ that approximate releases set aside. */
function totalDivergence({ muSquared, others }: Releases, alpha: number): number {
  let sum = muSquared === 0 ? 0 : (alpha * muSquared) / 2
  for (const { release, times } of others.values()) sum += times * renyiDivergence(release, alpha)
  return sum
}

/** 1 − Π(1 − δᵢ) over the approximate releases: the chance that one of them reveals everything. */
function setAside({ others }: Releases): number {
  let log = 0
  for (const { release, times } of others.values()) if (release.kind === 'approximate') log += times * Math.log1p(-release.delta)
  return -Math.expm1(log)
}

/** Minimises `value` over the orders: a coarse logarithmic sweep, then golden section around the best. */
function bestOrder(value: (alpha: number) => number): { alpha: number; value: number } {
  const known = new Map<number, number>()
  const at = (logLess1: number) => {
    const alpha = searchableOrder(1 + Math.exp(logLess1))
    let result = known.get(alpha)
    if (result === undefined) {
      result = value(alpha)
      if (Number.isNaN(result)) result = Infinity
      known.set(alpha, result)
    }
    return { alpha, value: result }
  }
  const start = Math.log(1e-6)
  const end = Math.log(largestOrder)
  const step = 0.3
  let best = at(start)
  let bestLog = start
  let rises = 0
  for (let log = start + step; log < end; log += step) {
    const here = at(log)
    if (here.value < best.value) {
      best = here
      bestLog = log
      rises = 0
    } else if (Number.isFinite(best.value) && ++rises > 8) break
  }
  let low = bestLog - step
  let high = bestLog + step
  const golden = 0.6180339887498949
  let a = high - golden * (high - low)
  let b = low + golden * (high - low)
  for (let round = 0; round < 24; round++) {
    const [fa, fb] = [at(a), at(b)]
    for (const here of [fa, fb]) if (here.value < best.value) best = here
    if (fa.value < fb.value) {
      high = b
      b = a
      a = high - golden * (high - low)
    } else {
      low = a
      a = b
      b = low + golden * (high - low)
    }
  }
  return best
}

class RdpAccountant implements Accountant {
  readonly name = 'rdp'
  readonly relation: NeighboringRelation
  readonly #releases: Releases

  readonly #priced: Releases

  constructor(relation: NeighboringRelation, releases: Releases) {
    this.relation = relation
    this.#releases = releases
    this.#priced = binned(releases, 'upper')
  }

  get mu(): number | null {
    return muOf(this.#releases)
  }

  supports(event: PrivacyEvent): boolean {
    return isSupported(() => supportedReleases(event, this.relation))
  }

  compose(event: PrivacyEvent, times = 1): RdpAccountant {
    checkTimes(times)
    return new RdpAccountant(this.relation, together(this.#releases, supportedReleases(event, this.relation), times))
  }

  epsilon(delta: number): EpsilonBound {
    checkDelta(delta)
    const releases = this.#priced
    if (releases.nonPrivate) return { epsilon: Infinity, epsilonLower: null, optimalOrder: 1 }
    if (releases.muSquared === 0 && releases.others.size === 0) return { epsilon: 0, epsilonLower: null, optimalOrder: 1 }
    const aside = setAside(releases)
    // δ = aside + (1 − aside)·left; nothing is left where the releases' own δ use it up.
    if (aside > delta) return { epsilon: Infinity, epsilonLower: null, optimalOrder: Infinity }
    const left = (delta - aside) / (1 - aside)
    const pure = totalDivergence(releases, Infinity)
    if (left === 0) return { epsilon: pure, epsilonLower: null, optimalOrder: Infinity }
    // Total variation ≤ √(1 − e^(−KL)) (Bretagnolle & Huber 1979).
    if (left * left + Math.expm1(-totalDivergence(releases, 1)) >= 0) return { epsilon: 0, epsilonLower: null, optimalOrder: 1 }
    const logLeft = Math.log(left)
    const best = bestOrder((alpha) => totalDivergence(releases, alpha) + Math.log1p(-1 / alpha) - (logLeft + Math.log(alpha)) / (alpha - 1))
    return best.value < pure
      ? { epsilon: Math.max(0, best.value), epsilonLower: null, optimalOrder: best.alpha }
      : { epsilon: pure, epsilonLower: null, optimalOrder: Infinity }
  }

  delta(epsilon: number): number {
    checkEpsilon(epsilon)
    const releases = this.#priced
    if (releases.nonPrivate) return 1
    if (releases.muSquared === 0 && releases.others.size === 0) return 0
    const aside = setAside(releases)
    if (totalDivergence(releases, Infinity) <= epsilon) return aside
    const best = bestOrder((alpha) => (alpha - 1) * (totalDivergence(releases, alpha) - epsilon + Math.log1p(-1 / alpha)) - Math.log(alpha))
    const logVariation = 0.5 * log1mExp(-totalDivergence(releases, 1))
    return Math.min(1, aside + (1 - aside) * Math.exp(Math.min(best.value, logVariation, 0)))
  }
}

function supportedReleases(event: PrivacyEvent, relation: NeighboringRelation): Releases {
  const releases = releasesOf(parsePrivacyEvent(event), relation)
  // The cheapest order tells whether the curve is known at all.
  for (const { release } of releases.others.values()) renyiDivergence(release, Infinity)
  return releases
}

/** The RDP accountant of releases already read. @throws TacetError unsupported-event, from its methods, where a curve is not known */
export const rdpOf = (relation: NeighboringRelation, releases: Releases): Accountant => new RdpAccountant(relation, releases)

/** An RDP accountant that has composed nothing yet. */
export const rdpAccountant = (relation: NeighboringRelation = 'add-or-remove-one'): Accountant => new RdpAccountant(relation, noReleases())

/**
 * The Rényi divergence of an event (or a proved upper bound), the larger of both directions.
 * @param alpha order, ≥ 1 or Infinity (1 is the Kullback–Leibler divergence)
 * @returns Infinity where a release reveals everything with some chance
 * @throws TacetError unsupported-event, invalid-argument
 */
export function rdpAt(event: PrivacyEvent, alpha: number, relation: NeighboringRelation = 'add-or-remove-one'): number {
  if (alpha !== Infinity) checkNumber('alpha', alpha, { atLeast: 1 })
  const releases = supportedReleases(event, relation)
  if (releases.nonPrivate || setAside(releases) > 0) return Infinity
  return totalDivergence(releases, alpha)
}
