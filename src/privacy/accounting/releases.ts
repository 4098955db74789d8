/**
 * What an event tree amounts to under a neighbouring relation: Gaussian releases folded into one μ², everything else as a list of
 * primitive releases with how often each is made. Both accountants price this list, so both read an event the same way.
 *
 * The meaning of each event under each relation is written down in docs/mechanisms/accounting.md; what cannot be bounded is refused here
 * (unsupported-event), never dropped.
 */
import { TacetError } from '../../errors.ts'
import type { NeighboringRelation, PrivacyEvent } from '../event.ts'

/** A release that is not a plain Gaussian. Noise is in units of the sensitivity under the relation at hand. */
export type Release =
  | { readonly kind: 'laplace' | 'exponential' | 'permute-and-flip' | 'pure'; readonly epsilon: number }
  | { readonly kind: 'discrete-gaussian'; readonly sigma: number; readonly sensitivity: number }
  | { readonly kind: 'discrete-laplace'; readonly parameter: number; readonly sensitivity: number }
  | { readonly kind: 'skellam'; readonly variance: number; readonly l1Sensitivity: number; readonly l2Sensitivity: number }
  /** `special`: against the record that answers uniformly, instead of against any other answer. */
  | { readonly kind: 'randomized-response'; readonly noiseParameter: number; readonly buckets: number; readonly special: boolean }
  | { readonly kind: 'approximate'; readonly epsilon: number; readonly delta: number }
  | { readonly kind: 'zcdp'; readonly rho: number; readonly xi: number }
  /** `replace`: both datasets hold a record, each of norm 1, in opposite directions. */
  | { readonly kind: 'poisson-gaussian'; readonly sampleRate: number; readonly sigma: number; readonly replace: boolean }
  | { readonly kind: 'poisson'; readonly sampleRate: number; readonly release: Release }
  /** σ ÷ the sensitivity under replacement. */
  | { readonly kind: 'fixed-size-gaussian'; readonly sampleRate: number; readonly sigma: number }
  | {
      readonly kind: 'mixture'
      readonly standardDeviation: number
      readonly shifts: readonly number[]
      readonly chances: readonly number[]
    }

export interface Releases {
  /** μ² = Σ (sensitivity ÷ standard deviation)² over the plain Gaussian releases. */
  muSquared: number
  /** By canonical spelling. */
  readonly others: Map<string, { readonly release: Release; times: number }>
  /** A non-private release is among them: ε = ∞. */
  nonPrivate: boolean
}

export const noReleases = (): Releases => ({ muSquared: 0, others: new Map(), nonPrivate: false })

/** μ of a composition of plain Gaussians and nothing else, else null. */
export const muOf = ({ muSquared, others, nonPrivate }: Releases): number | null =>
  others.size === 0 && !nonPrivate ? Math.sqrt(muSquared) : null

function unsupported(message: string, wayOut: string): never {
  throw new TacetError('unsupported-event', message, { wayOut })
}

function add(into: Releases, release: Release, times: number): void {
  if (times === 0) return
  const key = JSON.stringify(release)
  const known = into.others.get(key)
  if (known) known.times += times
  else into.others.set(key, { release, times })
}

/** Adds `more` (made `times` times over) to `into`. */
export function merge(into: Releases, more: Releases, times: number): void {
  if (times === 0) return
  into.muSquared += more.muSquared * times
  into.nonPrivate ||= more.nonPrivate
  for (const { release, times: each } of more.others.values()) add(into, release, each * times)
}

/** `before` and `times` times `more`, as a new value. */
export function together(before: Releases, more: Releases, times: number): Releases {
  const after = noReleases()
  merge(after, before, 1)
  merge(after, more, times)
  return after
}

/** More different sampled Gaussians than this (a schedule with its own σ for every step) are priced in bins. */
export const mostDistinct = 128

/**
 * The same releases with at most a few hundred different sampled Gaussians: σ and q are moved to a lattice of ratio 1.003, on the dear side
 * (`upper`: less noise, larger rate; the divergences are monotone in both) or on the cheap one. The price moves by a few tenths of a per cent.
 */
export function binned(releases: Releases, side: 'upper' | 'lower'): Releases {
  if (releases.others.size <= mostDistinct) return releases
  const ratio = Math.log(1.003)
  const down = (value: number) => Math.exp(Math.floor(Math.log(value) / ratio) * ratio)
  const up = (value: number) => Math.exp(Math.ceil(Math.log(value) / ratio) * ratio)
  const [dearSigma, dearRate] = side === 'upper' ? [down, up] : [up, down]
  const out: Releases = { muSquared: releases.muSquared, others: new Map(), nonPrivate: releases.nonPrivate }
  for (const { release, times } of releases.others.values()) {
    const { kind } = release
    if (kind !== 'poisson-gaussian') add(out, release, times)
    else add(out, { ...release, sigma: dearSigma(release.sigma), sampleRate: Math.min(1 - 1e-15, dearRate(release.sampleRate)) }, times)
  }
  return out
}

/**
 * The primitive releases of `event` under `relation`.
 * @throws TacetError unsupported-event where nobody can bound the event under the relation
 */
export function releasesOf(event: PrivacyEvent, relation: NeighboringRelation): Releases {
  const found = noReleases()
  collect(event, 1, relation, found)
  return found
}

function collect(event: PrivacyEvent, times: number, relation: NeighboringRelation, into: Releases): void {
  if (times === 0) return
  // Two records of norm ≤ 1 in place of each other are up to 2 apart, where adding one or zeroing it out moves the sum by 1.
  const distance = relation === 'replace-one' ? 2 : 1
  switch (event.kind) {
    case 'gaussian':
      into.muSquared += times * (distance / event.noiseMultiplier) ** 2
      return
    case 'laplace':
      add(into, { kind: 'laplace', epsilon: distance / event.noiseMultiplier }, times)
      return
    case 'discrete-gaussian':
      add(into, { kind: 'discrete-gaussian', sigma: event.sigma, sensitivity: distance * event.sensitivity }, times)
      return
    case 'discrete-laplace':
      add(into, { kind: 'discrete-laplace', parameter: event.parameter, sensitivity: distance * event.sensitivity }, times)
      return
    case 'skellam': {
      const { variance, l1Sensitivity, l2Sensitivity } = event
      add(into, { kind: 'skellam', variance, l1Sensitivity: distance * l1Sensitivity, l2Sensitivity: distance * l2Sensitivity }, times)
      return
    }
    case 'randomized-response': {
      if (relation === 'add-or-remove-one') {
        unsupported(
          'randomized-response has no answer for an absent record, so add-or-remove-one does not apply to it',
          'Price it under replace-one or replace-special.',
        )
      }
      const { noiseParameter, buckets } = event
      if (buckets === 1 || noiseParameter === 1) return
      if (noiseParameter === 0) into.nonPrivate = true
      else add(into, { kind: 'randomized-response', noiseParameter, buckets, special: relation === 'replace-special' }, times)
      return
    }
    case 'exponential':
    case 'permute-and-flip':
    case 'pure':
      if (event.epsilon > 0) add(into, { kind: event.kind, epsilon: event.epsilon }, times)
      return
    case 'approximate':
      if (event.delta === 0) {
        if (event.epsilon > 0) add(into, { kind: 'pure', epsilon: event.epsilon }, times)
      } else add(into, { kind: 'approximate', epsilon: event.epsilon, delta: event.delta }, times)
      return
    case 'zcdp':
      if (event.rho > 0 || (event.xi ?? 0) > 0) add(into, { kind: 'zcdp', rho: event.rho, xi: event.xi ?? 0 }, times)
      return
    case 'tree-aggregation': {
      if (relation === 'add-or-remove-one') {
        unsupported(
          'tree-aggregation under add-or-remove-one: taking a record away moves the later ones to other leaves',
          'Price it under replace-special (a record zeroed out) or replace-one.',
        )
      }
      // A record sits in one leaf of one tree, hence in at most ⌈log₂(steps + 1)⌉ released nodes.
      const depth = Math.ceil(Math.log2(Math.max(...event.stepCounts) + 1))
      into.muSquared += times * depth * (distance / event.noiseMultiplier) ** 2
      return
    }
    case 'mixture-of-gaussians': {
      if (relation === 'replace-one') {
        unsupported('mixture-of-gaussians under replace-one has no dominating pair here', 'Price it under add-or-remove-one.')
      }
      addMixture(event.standardDeviation, event.sensitivities, event.samplingProbabilities, times, into)
      return
    }
    case 'poisson-sampled':
      collectPoisson(event.sampleRate, event.event, times, relation, into)
      return
    case 'sampled-without-replacement': {
      if (relation !== 'replace-one') {
        unsupported(
          `sampled-without-replacement under ${relation}: a batch of fixed size changes in two records at once`,
          'Price it under replace-one.',
        )
      }
      // The inner noise multiplier is relative to the sensitivity under replacement already: nothing is doubled here.
      const inner = releasesOf(event.event, 'replace-special')
      if (event.sampleSize === 0) return
      if (inner.nonPrivate) into.nonPrivate = true
      else if (inner.others.size > 0) {
        unsupported('sampled-without-replacement of something other than Gaussian releases', 'Use Gaussian noise, or Poisson sampling.')
      } else if (event.sampleSize === event.datasetSize) into.muSquared += times * inner.muSquared
      else if (inner.muSquared > 0) {
        const sampleRate = event.sampleSize / event.datasetSize
        add(into, { kind: 'fixed-size-gaussian', sampleRate, sigma: 1 / Math.sqrt(inner.muSquared) }, times)
      }
      return
    }
    case 'sampled-with-replacement':
      unsupported(
        'sampled-with-replacement: a record may be drawn several times, and no bound for that is implemented',
        'Use Poisson sampling.',
      )
      break
    case 'repeated':
      collect(event.event, times * event.times, relation, into)
      return
    case 'composed':
      for (const each of event.events) collect(each, times, relation, into)
      return
    case 'non-private':
      into.nonPrivate = true
      return
    default:
      event satisfies never
      unsupported(`no accountant knows the event ${JSON.stringify(event)}`, 'See docs/mechanisms/accounting.md.')
  }
}

function addMixture(
  standardDeviation: number,
  sensitivities: readonly number[],
  chances: readonly number[],
  times: number,
  into: Releases,
): void {
  const byShift = new Map<number, number>()
  for (const [i, shift] of sensitivities.entries()) {
    const chance = chances[i] as number
    if (chance > 0) byShift.set(shift, (byShift.get(shift) ?? 0) + chance)
  }
  const shifts = [...byShift.keys()].sort((a, b) => a - b)
  const last = shifts.at(-1) as number
  if (last === 0) return
  if (shifts.length === 1) into.muSquared += times * (last / standardDeviation) ** 2
  else add(into, { kind: 'mixture', standardDeviation, shifts, chances: shifts.map((shift) => byShift.get(shift) as number) }, times)
}

function collectPoisson(sampleRate: number, inner: PrivacyEvent, times: number, relation: NeighboringRelation, into: Releases): void {
  if (sampleRate === 0) return
  if (sampleRate === 1) {
    collect(inner, times, relation, into)
    return
  }
  // One record is in the sample in one dataset and in none, or zeroed out, in the other: the inner release is priced that way, and
  // replacement (a record on both sides) is the analysis of the sampled pair.
  const within = releasesOf(inner, relation === 'replace-one' ? 'replace-special' : relation)
  if (within.nonPrivate) {
    into.nonPrivate = true
    return
  }
  const replace = relation === 'replace-one'
  if (within.others.size === 0) {
    if (within.muSquared > 0) add(into, { kind: 'poisson-gaussian', sampleRate, sigma: 1 / Math.sqrt(within.muSquared), replace }, times)
    return
  }
  const [only] = within.others.values()
  if (within.others.size > 1 || within.muSquared > 0 || only!.times !== 1) {
    unsupported(
      'poisson-sampled over a composition that is not all Gaussian',
      'Sample each of its releases by itself, or use Gaussian noise.',
    )
  }
  const { release } = only!
  if (release.kind === 'poisson-gaussian' && !replace && !release.replace) {
    add(into, { ...release, sampleRate: sampleRate * release.sampleRate }, times)
    return
  }
  if (release.kind === 'poisson' && !replace) {
    add(into, { ...release, sampleRate: sampleRate * release.sampleRate }, times)
    return
  }
  if (replace || release.kind === 'randomized-response' || release.kind === 'fixed-size-gaussian' || release.kind === 'skellam') {
    unsupported(
      `poisson-sampled ${release.kind} under ${relation}: no bound is implemented`,
      'Use Gaussian noise, or price it without sampling.',
    )
  }
  if (release.kind === 'mixture') {
    const { standardDeviation, shifts, chances } = release
    addMixture(standardDeviation, [0, ...shifts], [1 - sampleRate, ...chances.map((chance) => chance * sampleRate)], times, into)
    return
  }
  add(into, { kind: 'poisson', sampleRate, release }, times)
}
