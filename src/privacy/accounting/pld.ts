/**
 * The PLD accountant: near exact ε and δ of a composition, with a certified lower bound beside the upper one.
 *
 * Each release's dominating pair (profile.ts) is put on a grid from above and from below (grid.ts) and composed (compose.ts); both
 * directions of the neighbouring relation are priced and the larger is taken. The grid is refined until upper and lower bound agree.
 * Pure Gaussian compositions, and a single release of anything, are priced in closed form.
 *
 * It refuses what has no dominating pair here: sampling without replacement (the obvious pair does not dominate, Lebeda et al. 2024) and
 * Skellam noise (which in more than one dimension no scalar pair is known to dominate). zCDP is priced from above only.
 */
import { TacetError } from '../../errors.ts'
import { type NeighboringRelation, type PrivacyEvent, parsePrivacyEvent } from '../event.ts'
import { type Accountant, checkDelta, checkEpsilon, checkTimes, type EpsilonBound, isSupported } from './accountant.ts'
import { composeDistributions, deltaOf, epsilonOf, maxTransform, type Part, type Question } from './compose.ts'
import { gaussianDelta, gaussianEpsilon } from './gaussian.ts'
import {
  type GridDistribution,
  lowerDistribution,
  lowerStart,
  maxPoints,
  type Samples,
  sample,
  type UpperDistribution,
  upperDistribution,
} from './grid.ts'
import { enumerableSigma, gaussianProfile, type Profile, profileOf } from './profile.ts'
import { integrate } from './quadrature.ts'
import { rdpOf } from './rdp.ts'
import { binned, mostDistinct, muOf, noReleases, type Release, type Releases, releasesOf, together } from './releases.ts'

interface Priced {
  /** Names the release in the cache of sampled profiles. */
  readonly key: string
  readonly profile: Profile
  readonly times: number
}

/** What is priced from above and what from below: the same, but for long lists (`binned`). */
interface Sides {
  readonly upper: readonly Priced[]
  readonly lower: readonly Priced[]
}

/** Releases as profiles: Gaussians together are one Gaussian, zCDP guarantees together are one. */
function pricedReleases(releases: Releases): Priced[] {
  const priced: Priced[] = []
  if (releases.muSquared > 0) {
    const mu = Math.sqrt(releases.muSquared)
    priced.push({ key: `gaussian ${mu}`, profile: gaussianProfile(mu), times: 1 })
  }
  let rho = 0
  let xi = 0
  for (const [key, { release, times }] of releases.others) {
    if (release.kind === 'zcdp') {
      rho += release.rho * times
      xi += release.xi * times
    } else if (release.kind === 'discrete-gaussian' && release.sigma > enumerableSigma) {
      rho += (times * release.sensitivity ** 2) / (2 * release.sigma ** 2)
    } else priced.push({ key, profile: profileOf(release) as Profile, times })
  }
  if (rho > 0 || xi > 0) {
    const release: Release = { kind: 'zcdp', rho, xi }
    priced.push({ key: JSON.stringify(release), profile: profileOf(release) as Profile, times: 1 })
  }
  return priced
}

function pricedSides(releases: Releases): Sides {
  const upper = pricedReleases(binned(releases, 'upper'))
  return { upper, lower: releases.others.size <= mostDistinct ? upper : pricedReleases(binned(releases, 'lower')) }
}

/** Kullback–Leibler divergence of the pair by KL = ∫₀^∞ (H(P‖Q)(eˣ) + e⁻ˣ H(Q‖P)(eˣ)) dx; rough, for choosing a grid. */
function roughDivergence({ logUp, logDown, infiniteUp, infiniteDown }: Profile): number {
  const value = (x: number) =>
    Math.max(0, Math.exp(logUp(x)) - infiniteUp) + Math.exp(-x) * Math.max(0, Math.exp(logDown(x)) - infiniteDown)
  const start = value(0)
  if (start === 0) return 0
  let reach = 1
  while (value(reach) > 1e-4 * start && reach < 1e6) reach *= 2
  while (value(reach) <= 1e-4 * start && reach > 1e-18) reach /= 2
  return integrate(value, 0, 2 * reach, 8, 8)
}

/** Roughly the loss beyond which the divergence is below e^logCut. */
function reachOf({ logUp, infiniteUp, maxUp }: Profile, logCut: number): number {
  const beyond = (x: number) => Math.exp(logUp(x)) - infiniteUp <= Math.exp(logCut)
  let high = Math.min(maxUp, 1)
  while (high < maxUp && !beyond(high)) high = Math.min(maxUp, high * 1.5)
  while (high > 1e-12 && beyond(high / 1.5)) high /= 1.5
  return high
}

/** Sampled profiles, most recent last: pricing the same releases again (an odometer, δ after ε) does not sample them anew. */
const sampled = new Map<string, Samples | undefined>()
function cachedSamples({ key, profile }: Priced, interval: number, logCut: number, start = -profile.maxDown): Samples | undefined {
  const name = `${key} ${interval} ${logCut} ${start}`
  let samples = sampled.get(name)
  if (sampled.has(name)) sampled.delete(name)
  else samples = sample(profile, interval, logCut, start)
  sampled.set(name, samples)
  if (sampled.size > 8) sampled.delete(sampled.keys().next().value as string)
  return samples
}

const worstLoss = (priced: readonly Priced[], end: 'maxUp' | 'maxDown') =>
  priced.reduce((sum, { profile, times }) => sum + times * profile[end], 0)

/** Chance that something is revealed outright: δ at every ε is at least this. */
function revealedOutright(priced: readonly Priced[]): number {
  const chance = (end: 'infiniteUp' | 'infiniteDown') =>
    0 - Math.expm1(priced.reduce((sum, { profile, times }) => sum + times * Math.log1p(-profile[end]), 0))
  return Math.max(chance('infiniteUp'), chance('infiniteDown'))
}

interface Bounds {
  readonly upper: number
  readonly lower: number
}

/** What a grid would take, where that is too much. */
interface TooFine {
  readonly points: number
  readonly longest: number
}

/** On a grid that holds every loss the upper distribution is the release itself, but for the tail it counts as revealed. */
const exactly = ({ first, offset, mass, revealed }: UpperDistribution): GridDistribution => ({ first, offset, mass, infinite: revealed })

/**
 * ε on one side. Where losses are heavy-tailed (a small sampling rate, a small δ) Chernoff's bound meets δ far above the answer, and the
 * tilted window grows long: so smaller tilts are tried first, and tilts centred nearer to the answer last, until what was rounded and left
 * out no longer shows.
 */
function epsilonBetween(
  parts: readonly Part[],
  interval: number,
  delta: number,
  side: 'upper' | 'lower',
  longest: number,
): number | TooFine {
  let best: number | undefined
  let tooLong = Infinity
  let [high, low] = [Infinity, 0]
  const tilts: (() => Question)[] = [
    ...[0.6, 0.8, 1].map((share) => () => ({ kind: 'epsilon', delta, share }) as const),
    ...[0, 1, 2].map(() => () => ({ kind: 'delta', epsilon: low > 0 ? (low + Math.min(high, 2 * low)) / 2 : high / 2 }) as const),
  ]
  for (const tilt of tilts) {
    const composed = composeDistributions(parts, interval, tilt(), longest)
    if (typeof composed === 'number') {
      tooLong = Math.min(tooLong, composed)
      continue
    }
    const before = high - low
    high = Math.min(high, epsilonOf(composed, delta, 'upper'))
    low = Math.max(low, epsilonOf(composed, delta, 'lower'))
    best = side === 'upper' ? high : low
    if (!Number.isFinite(high) || high - low <= 1e-5 * high + 1e-3 * interval) return best
    if (low > 0 && high - low > 0.9 * before) break
  }
  if (best !== undefined && (tooLong === Infinity || high - low <= 1e-4 * high)) return best
  return { points: Math.max(Math.min(tooLong, 16 * longest), longest + 1), longest }
}

/** Both bounds on a grid, the larger of the two directions. */
function boundsOn(
  sides: Sides,
  interval: number,
  aligned: boolean,
  question: Question,
  logCut: number,
  longest: number,
  onlyUpper: boolean,
): Bounds | TooFine {
  const priced = sides.upper
  const total = priced.reduce((sum, each) => sum + each.times, 0)
  // Cuts in whole steps, so that plans of a similar length share their samples.
  const cut = Math.floor((logCut - Math.log(total)) / 4) * 4
  const samples = priced.map((each) => cachedSamples(each, interval, cut))
  if (!samples.every((each) => each !== undefined)) return { points: 2 * maxPoints, longest: maxPoints }
  const same = sides.lower === priced
  const lowerSamples = onlyUpper
    ? []
    : sides.lower.map((each, i) => {
        const own = same ? samples[i] : cachedSamples(each, interval, cut)
        if (!own) return undefined
        // Mass at the least loss, if it has one, tells whether the grid from below must start elsewhere.
        const { profile } = each
        const crowded = !profile.atoms && Number.isFinite(profile.maxDown) && upperDistribution(own, 'up').mass[0]! > 1e-3
        return crowded ? (cachedSamples(each, interval, cut, lowerStart(profile, interval)) ?? own) : own
      })
  const symmetric = priced.every(({ profile }) => profile.symmetric)
  let upper = 0
  let lower = 0
  for (const direction of symmetric ? (['up'] as const) : (['up', 'down'] as const)) {
    const answer = (parts: Part[], side: 'upper' | 'lower'): number | TooFine => {
      if (question.kind === 'delta') {
        const composed = composeDistributions(parts, interval, question, longest)
        return typeof composed === 'number' ? { points: composed, longest } : deltaOf(composed, question.epsilon, side)
      }
      return epsilonBetween(parts, interval, question.delta, side, longest)
    }
    const uppers = samples.map((each) => upperDistribution(each, direction))
    const above = answer(
      priced.map(({ times }, i) => ({ distribution: uppers[i]!, times })),
      'upper',
    )
    if (typeof above !== 'number') return above
    upper = Math.max(upper, above)
    if (onlyUpper) continue
    const fromBelow = (i: number): GridDistribution | undefined => {
      if (aligned) return exactly(uppers[i]!)
      const own = lowerSamples[i]
      const found = own && lowerDistribution(own === samples[i] ? uppers[i]! : upperDistribution(own, direction), interval)
      if (found) return found
      // A grid that holds the loss 0 always has one.
      const around = cachedSamples(sides.lower[i]!, interval, cut, -Infinity)
      return around && lowerDistribution(upperDistribution(around, direction), interval)
    }
    const exact = sides.lower.flatMap(({ profile, times }, i) => {
      // What has no bound from below counts as nothing, which is one.
      const distribution = profile.exact === true ? fromBelow(i) : undefined
      return distribution ? [{ distribution, times }] : []
    })
    const below = exact.length > 0 ? answer(exact, 'lower') : 0
    if (typeof below !== 'number') return below
    lower = Math.max(lower, below)
  }
  return { upper, lower: Math.min(lower, upper) }
}

/** Upper and lower bound agree to this (relative), where the grid can be made fine enough. */
const closeEnough = 1e-3

function bounds(sides: Sides, question: Question, onlyUpper = false): Bounds {
  const priced = sides.upper
  const total = priced.reduce((sum, each) => sum + each.times, 0)
  let spread = 0
  for (const { profile, times } of priced) spread += 2 * times * roughDivergence(profile)
  // Variance added by the grid is at most total·Δ²/4: a share of 4e-5 of the rough variance. Never coarser than it must be for a short
  // composition, never finer than an affordable transform, and a power of two, so that neighbouring plans share a grid.
  const wanted = Math.min(Math.sqrt((2e-4 * spread) / total), (20 * Math.sqrt(spread)) / (1 << 13))
  // Mass at losses beyond the grid counts as revealed: little against the δ in question.
  let logCut = question.kind === 'epsilon' ? Math.log(question.delta) - 14 : -60
  const reach = Math.max(...priced.map(({ profile }) => (profile.atoms ? 0 : reachOf(profile, logCut - Math.log(total)))))
  // Many different releases share the room that one would have.
  const room = 2 ** 17 / Math.max(1, priced.length / 32)
  const affordable = Math.max((20 * Math.sqrt(spread)) / (1 << 18), reach / room)
  const lattice = priced[0]!.profile.lattice
  const aligned = lattice !== undefined && priced.every(({ profile }) => profile.lattice === lattice)
  let interval = 2 ** Math.floor(Math.log2(Math.max(wanted, affordable, 1e-12)))
  let best: Bounds | undefined
  let coarsened = false
  for (let round = 0; round < 40; round++) {
    const found = boundsOn(
      sides,
      aligned ? lattice : interval,
      aligned,
      question,
      logCut,
      coarsened ? maxTransform / 2 : maxTransform / 4,
      onlyUpper,
    )
    if ('points' in found) {
      if (best) return best
      coarsened = true
      interval *= 2 ** Math.max(1, Math.ceil(Math.log2(found.points / found.longest)))
      continue
    }
    best = best ? { upper: Math.min(best.upper, found.upper), lower: Math.max(best.lower, found.lower) } : found
    if (question.kind === 'delta' && logCut > Math.log(found.upper) - 12 && logCut > -700) {
      logCut = Math.max(-700, Math.log(found.upper) - 16)
      best = undefined
      continue
    }
    const { upper, lower } = best
    const binnedUp = sides.upper !== sides.lower
    if (onlyUpper || binnedUp || coarsened || aligned || !Number.isFinite(upper) || upper - lower <= closeEnough * upper || upper < 1e-300)
      return best
    if (!priced.every(({ profile }) => profile.exact === true) || round > 4) return best
    interval /= 2
  }
  throw new TacetError('internal', `no grid of ${maxPoints} points holds this composition`, {
    wayOut: 'Price it with the RDP accountant.',
  })
}

class PldAccountant implements Accountant {
  readonly name = 'pld'
  readonly relation: NeighboringRelation
  readonly #releases: Releases

  constructor(relation: NeighboringRelation, releases: Releases) {
    this.relation = relation
    this.#releases = releases
  }

  get mu(): number | null {
    return muOf(this.#releases)
  }

  supports(event: PrivacyEvent): boolean {
    return isSupported(() => supportedReleases(event, this.relation))
  }

  compose(event: PrivacyEvent, times = 1): PldAccountant {
    checkTimes(times)
    return new PldAccountant(this.relation, together(this.#releases, supportedReleases(event, this.relation), times))
  }

  epsilon(delta: number, onlyUpper = false): EpsilonBound {
    checkDelta(delta)
    const { muSquared, others, nonPrivate } = this.#releases
    if (nonPrivate) return { epsilon: Infinity, epsilonLower: Infinity }
    if (others.size === 0) {
      const epsilon = gaussianEpsilon({ mu: Math.sqrt(muSquared), delta })
      return { epsilon, epsilonLower: epsilon }
    }
    const sides = pricedSides(this.#releases)
    const priced = sides.upper
    const exact = priced.every(({ profile }) => profile.exact === true)
    if (delta === 0) {
      // Only bounded losses promise anything without δ: then the worst ones add up.
      const infinite = priced.some(({ profile }) => profile.infiniteUp > 0 || profile.infiniteDown > 0)
      const epsilon = infinite ? Infinity : Math.max(worstLoss(priced, 'maxUp'), worstLoss(priced, 'maxDown'))
      return { epsilon, epsilonLower: exact ? epsilon : 0 }
    }
    const only = priced.length === 1 && priced[0]!.times === 1 ? priced[0]!.profile : undefined
    if (only) {
      const epsilon = singleEpsilon(only, delta)
      return { epsilon, epsilonLower: only.exact ? epsilon : 0 }
    }
    // No grid is needed, and a release that reveals everything leaves nothing to put on one.
    if (revealedOutright(priced) > delta) return { epsilon: Infinity, epsilonLower: exact ? Infinity : 0 }
    const { upper, lower } = bounds(sides, { kind: 'epsilon', delta }, onlyUpper)
    // Where a pair is only an upper bound, or the grid was too coarse for it, adding Rényi divergences can be the sharper way to compose.
    const epsilon = exact
      ? upper
      : Math.min(
          upper,
          this.#byRenyi((accountant) => accountant.epsilon(delta).epsilon),
        )
    return { epsilon, epsilonLower: onlyUpper ? 0 : Math.min(lower, epsilon) }
  }

  delta(epsilon: number): number {
    checkEpsilon(epsilon)
    const { muSquared, others, nonPrivate } = this.#releases
    if (nonPrivate) return 1
    if (others.size === 0) return gaussianDelta({ mu: Math.sqrt(muSquared), epsilon })
    const sides = pricedSides(this.#releases)
    const priced = sides.upper
    const [first] = priced
    if (priced.length === 1 && first!.times === 1) return Math.exp(Math.max(first!.profile.logUp(epsilon), first!.profile.logDown(epsilon)))
    // Beyond the worst losses nothing is left but what is revealed outright.
    const worst = Math.max(worstLoss(priced, 'maxUp'), worstLoss(priced, 'maxDown'))
    const revealed = revealedOutright(priced)
    if (revealed === 1 || epsilon >= worst * (1 - 1e-15)) return revealed
    const { upper } = bounds(sides, { kind: 'delta', epsilon }, true)
    const exact = priced.every(({ profile }) => profile.exact === true)
    return exact
      ? upper
      : Math.min(
          upper,
          this.#byRenyi((accountant) => accountant.delta(epsilon)),
        )
  }

  /** The RDP accountant's answer, or Infinity where it has none. */
  #byRenyi(ask: (accountant: Accountant) => number): number {
    try {
      return ask(rdpOf(this.relation, this.#releases))
    } catch (error) {
      if (error instanceof TacetError && error.code === 'unsupported-event') return Infinity
      throw error
    }
  }
}

/** ε of one release straight from its profile, to the last digit but a few, on the safe side. */
function singleEpsilon(profile: Profile, delta: number): number {
  const logDelta = Math.log(delta)
  const tooMuch = (x: number) => Math.max(profile.logUp(x), profile.logDown(x)) > logDelta
  if (!tooMuch(0)) return 0
  if (Math.max(profile.infiniteUp, profile.infiniteDown) >= delta) return Infinity
  let low = 0
  let high = 1
  while (tooMuch(high)) {
    low = high
    high *= 2
  }
  while (high - low > 1e-14 * high) {
    const middle = low + (high - low) / 2
    if (tooMuch(middle)) low = middle
    else high = middle
  }
  return high
}

function supportedReleases(event: PrivacyEvent, relation: NeighboringRelation): Releases {
  const releases = releasesOf(parsePrivacyEvent(event), relation)
  for (const { release } of releases.others.values()) {
    if (release.kind === 'fixed-size-gaussian') {
      throw new TacetError(
        'unsupported-event',
        'the PLD accountant has no proved dominating pair for sampling without replacement (the obvious one understates, arXiv 2405.20769)',
        { wayOut: 'Price it with the RDP accountant, or sample by Poisson.' },
      )
    }
    if (profileOf(release) === undefined) {
      throw new TacetError('unsupported-event', `the PLD accountant has no dominating pair for ${release.kind}`, {
        wayOut: 'Price it with the RDP accountant.',
      })
    }
  }
  return releases
}

/** A PLD accountant that has composed nothing yet. */
export const pldAccountant = (relation: NeighboringRelation = 'add-or-remove-one'): Accountant => new PldAccountant(relation, noReleases())
