/**
 * What a trainer whose releases are Gaussian may spend on a whole person: the μ that is left of (ε, δ) once everything spent beside it is paid.
 * Gaussians compose as μ² = Σ 1/σᵢ², exactly (Dong, Roth & Su 2022, Corollary 2), also where a later release is chosen after seeing earlier
 * ones, as long as each μᵢ was fixed beforehand. Anything else beside it is priced by the PLD accountant, a little on the safe side.
 */
import { TacetError } from '../../errors.ts'
import { calibrate, gaussianDelta, gaussianEpsilon, gaussianMu, type PrivacyEvent } from '../../privacy/index.ts'
import type { RankingPrivacy } from './trainer.ts'

/** Why a trainer of this kind makes no promise to a single rating, and what to ask for instead. */
export const personOnly = (model: string) => ({
  reason: `${model} is private for a whole person, which covers each of that person's ratings; it has no cheaper promise for one rating alone`,
  wayOut: 'Use --privacy-unit user.',
})

/** A whole budget was planned to the last digit: the sum of squares may not round above it. */
const SAFE = 1 - 1e-12

/**
 * μ of the trainer's own releases together, > 0.
 * @throws TacetError unsafe-plan for another unit than a person, or if nothing is left; invalid-argument for ε or δ out of range
 */
export function personMu(model: string, privacy: RankingPrivacy): number {
  if (privacy.unit !== 'user') {
    const { reason, wayOut } = personOnly(model)
    throw new TacetError('unsafe-plan', reason, { wayOut, details: { model, unit: privacy.unit } })
  }
  const total = gaussianMu({ epsilon: privacy.epsilon, delta: privacy.delta })
  const spent = squaredMu(privacy.alongside)
  const own = spent === null ? muBeside(privacy) : Math.sqrt(Math.max(0, total * total * SAFE - spent))
  if (!(own > 0))
    throw new TacetError('unsafe-plan', `ε = ${privacy.epsilon} at δ = ${privacy.delta} leaves nothing for ${model} itself`, {
      wayOut: 'Raise --epsilon, or release less beside the model.',
      details: {
        model,
        epsilon: privacy.epsilon,
        delta: privacy.delta,
        totalMu: total,
        alongsideMu: spent === null ? null : Math.sqrt(spent),
      },
    })
  return own
}

/**
 * (ε, δ) that say μ: δ as given, or smaller where μ is within that δ alone. There ε = 0 would say no longer how small μ is, and whoever read it
 * back would spend more.
 * @param mu > 0
 */
export function budgetOfMu(mu: number, delta: number): { readonly epsilon: number; readonly delta: number } {
  const epsilon = gaussianEpsilon({ mu, delta })
  if (epsilon > 0) return { epsilon, delta }
  const smaller = gaussianDelta({ mu, epsilon: 0 }) / 2
  return { epsilon: gaussianEpsilon({ mu, delta: smaller }), delta: smaller }
}

/** Σ 1/σᵢ² of unsampled Gaussian events; null if any is of another kind. */
export function squaredMu(events: readonly PrivacyEvent[]): number | null {
  let sum = 0
  for (const event of events) {
    const own =
      event.kind === 'gaussian'
        ? event.noiseMultiplier ** -2
        : event.kind === 'composed'
          ? squaredMu(event.events)
          : event.kind === 'repeated'
            ? times(event.times, squaredMu([event.event]))
            : null
    if (own === null) return null
    sum += own
  }
  return sum
}

const times = (count: number, square: number | null) => (square === null ? null : count * square)

function muBeside({ epsilon, delta, alongside }: RankingPrivacy): number {
  const make = (noiseMultiplier: number): PrivacyEvent => ({
    kind: 'composed',
    events: [...alongside, { kind: 'gaussian', noiseMultiplier }],
  })
  return 1 / calibrate({ make, epsilon, delta }).value
}
