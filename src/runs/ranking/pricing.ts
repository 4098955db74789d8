/**
 * The price of a ranking run: every release of every attempt, by both accountants, for the unit its trainer promised. A price that cannot be
 * bounded is null, never 0; if neither accountant can bound it, that is an error.
 */
import { TacetError } from '../../errors.ts'
import { type Accountant, type PrivacyEvent, type PrivacySpent, pldAccountant, rdpAccountant } from '../../privacy/index.ts'
import { composeReleases } from '../events.ts'
import type { RankingRequestPrivacy } from './config.ts'
import type { GateReport, PaidPart, RankingPrivacyFile, ReleasedMetrics } from './types.ts'

/** @throws TacetError unsupported-event if not even one accountant can bound what was released */
export function priceRanking(
  parts: readonly PaidPart[],
  { unit, delta }: RankingRequestPrivacy,
  noiseSource: PrivacySpent['noiseSource'],
  { gate, releasedMetrics }: { readonly gate: GateReport | null; readonly releasedMetrics: ReleasedMetrics | null },
): RankingPrivacyFile {
  const event = composeReleases(parts.map((part) => part.event))
  const spent = (accountant: Accountant): PrivacySpent | null => {
    const composed = composeOrNull(accountant, event)
    if (composed === null) return null
    const { epsilon, epsilonLower, optimalOrder } = composed.epsilon(delta)
    return {
      epsilon,
      epsilonLower,
      delta,
      mu: composed.mu,
      accountant: accountant.name,
      optimalOrder: optimalOrder ?? null,
      privacyUnit: unit,
      neighboringRelation: 'add-or-remove-one',
      ...samplingOf(event),
      maxGradNorm: null,
      noiseSource,
    }
  }
  const prices = { pld: spent(pldAccountant()), rdp: spent(rdpAccountant()) }
  if (prices.pld === null && prices.rdp === null)
    throw new TacetError('unsupported-event', 'no accountant can bound what this run released')
  return {
    formatVersion: 1,
    privacyUnit: unit,
    user: unit === 'user' ? prices : null,
    rating: unit === 'rating' ? prices : null,
    totalVariation: composeOrNull(pldAccountant(), event)?.delta(0) ?? null,
    parts,
    gate,
    releasedMetrics,
  }
}

/** The price of the run's own unit. */
export const pricesOf = ({ user, rating }: RankingPrivacyFile) => (user ?? rating) as NonNullable<RankingPrivacyFile['user']>

/** The figure a run states: the near-exact one where there is one. */
export const statedSpent = (file: RankingPrivacyFile): PrivacySpent => {
  const { pld, rdp } = pricesOf(file)
  return (pld ?? rdp) as PrivacySpent
}

/** ε of some events alone at δ; 0 for none. */
export function epsilonOfEvents(events: readonly PrivacyEvent[], delta: number): number {
  return events.length === 0 ? 0 : pldAccountant().compose(composeReleases(events)).epsilon(delta).epsilon
}

function composeOrNull(accountant: Accountant, event: PrivacyEvent): Accountant | null {
  try {
    return accountant.compose(event)
  } catch (error) {
    if (error instanceof TacetError && error.code === 'unsupported-event') return null
    throw error
  }
}

/** q, σ and T where one of the releases is sampled (user-level DP-SGD); several sampled plans have no one figure. */
function samplingOf(event: PrivacyEvent): Pick<PrivacySpent, 'batchSelection' | 'noiseMultiplier' | 'sampleRate' | 'steps'> {
  const sampled = flat(event).filter(({ event: inner }) => inner.kind === 'poisson-sampled' || inner.kind === 'mixture-of-gaussians')
  const none = { noiseMultiplier: null, sampleRate: null, steps: null }
  const [only, ...others] = sampled
  if (only === undefined) return { batchSelection: 'none', ...none }
  const steps = sampled.reduce((sum, { times }) => sum + times, 0)
  if (others.length > 0 || only.event.kind !== 'poisson-sampled') return { batchSelection: 'poisson', ...none, steps }
  const { sampleRate, event: inner } = only.event
  return { batchSelection: 'poisson', sampleRate, noiseMultiplier: inner.kind === 'gaussian' ? inner.noiseMultiplier : null, steps }
}

function flat(event: PrivacyEvent, times = 1): { readonly event: PrivacyEvent; readonly times: number }[] {
  if (event.kind === 'composed') return event.events.flatMap((part) => flat(part, times))
  if (event.kind === 'repeated') return flat(event.event, times * event.times)
  return [{ event, times }]
}
