/**
 * What a run has spent: the releases of every attempt, priced by both accountants, per rating and for whole persons. Nothing here enforces a
 * budget, and a price that cannot be bounded is null with its reason in the error of the accountant, never 0.
 */
import { TacetError } from '../errors.ts'
import {
  type Accountant,
  gaussianEpsilon,
  type PartitionSelectionPlan,
  type PrivacyEvent,
  type PrivacySpent,
  type PrivatePlan,
  personEvent,
  pldAccountant,
  rdpAccountant,
  sensitivityOf,
} from '../privacy/index.ts'
import type { PlannedStage } from '../training/index.ts'
import { composeReleases } from './events.ts'
import { type NamedKind, namesForPerson, type PrivateVocabulary } from './private-vocabulary.ts'
import type { PersonSpent, PrivacyFile } from './types.ts'

/** One entry of the spending journal: what steps (or the stage) from … to released. */
export interface PaidChunk {
  readonly from: number
  readonly to: number
  readonly event: PrivacyEvent
}

/** A choice of ids that was paid for, maybe once an attempt. */
export interface PaidChoice {
  readonly what: NamedKind
  readonly event: PrivacyEvent
}

/** How the run's releases were made: a plan's steps, or a model's stages. */
export type Mechanism =
  | { readonly kind: 'dp-sgd'; readonly plan: PrivatePlan }
  | { readonly kind: 'stages'; readonly stages: readonly PlannedStage[]; readonly delta: number }

/** How many training ratings a person gave; facts about people, so only these two are kept. */
export interface RatingsPerPerson {
  readonly median: number
  readonly heaviest: number
}

/** @throws TacetError unsupported-event if not even one accountant can bound the releases of one rating */
export function priceRun(
  chunks: readonly PaidChunk[],
  mechanism: Mechanism,
  ratings: RatingsPerPerson,
  noiseSource: PrivacySpent['noiseSource'],
  choices: { readonly paid: readonly PaidChoice[]; readonly plans: PrivateVocabulary } | null = null,
): PrivacyFile {
  const delta = mechanism.kind === 'dp-sgd' ? mechanism.plan.delta : mechanism.delta
  const spent = (accountant: Accountant, event: PrivacyEvent, unit: PrivacySpent['privacyUnit']): PrivacySpent | null => {
    let composed: Accountant
    try {
      composed = accountant.compose(event)
    } catch (error) {
      if (error instanceof TacetError && error.code === 'unsupported-event') return null
      throw error
    }
    const { epsilon, epsilonLower, optimalOrder } = composed.epsilon(delta)
    return {
      epsilon,
      epsilonLower,
      delta,
      mu: composed.mu,
      accountant: accountant.name,
      optimalOrder: optimalOrder ?? null,
      privacyUnit: unit,
      neighboringRelation: mechanism.kind === 'dp-sgd' ? mechanism.plan.neighboringRelation : 'add-or-remove-one',
      ...mechanismFields(mechanism, chunks),
      noiseSource,
    }
  }
  const paid = choices?.paid ?? []
  const ratingEvent = composeReleases([...paid, ...chunks].map(({ event }) => event))
  const pld = spent(pldAccountant(), ratingEvent, 'rating')
  const rdp = spent(rdpAccountant(), ratingEvent, 'rating')
  if (pld === null && rdp === null) throw new TacetError('unsupported-event', 'no accountant can bound what this run released')
  const person = (count: number): PersonSpent => {
    const event = composeReleases([
      ...paid.map(({ what }) => namesForPerson(what, choices?.plans[what] as PartitionSelectionPlan, count)),
      ...chunks.map((chunk) => chunkForPerson(chunk, mechanism, count, choices?.plans.items !== undefined && choices.plans.items !== null)),
    ])
    return {
      ratings: count,
      pld: spent(pldAccountant(), event, 'user'),
      // Rényi curves of mixtures take minutes each, and are several times looser than the PLD.
      rdp: mechanism.kind === 'stages' ? spent(rdpAccountant(), event, 'user') : null,
    }
  }
  return {
    formatVersion: 1,
    rating: { pld, rdp },
    user: {
      method: mechanism.kind === 'dp-sgd' ? 'mixture-of-gaussians' : 'stage-sum',
      median: person(ratings.median),
      heaviest: person(ratings.heaviest),
    },
    epsilonIfShuffled: mechanism.kind === 'dp-sgd' ? epsilonIfShuffled(chunks, mechanism.plan) : null,
    totalVariation: pld === null ? null : pldAccountant().compose(ratingEvent).delta(0),
  }
}

type MechanismFields = Pick<PrivacySpent, 'batchSelection' | 'noiseMultiplier' | 'sampleRate' | 'steps' | 'maxGradNorm'>

function mechanismFields(mechanism: Mechanism, chunks: readonly PaidChunk[]): MechanismFields {
  if (mechanism.kind === 'stages')
    return { batchSelection: 'none', noiseMultiplier: null, sampleRate: null, steps: null, maxGradNorm: null }
  const { plan } = mechanism
  return {
    batchSelection: plan.batchSelection,
    noiseMultiplier: typeof plan.noiseMultiplier === 'number' ? plan.noiseMultiplier : null,
    sampleRate: typeof plan.sampleRate === 'number' ? plan.sampleRate : null,
    // Every step paid for, by whatever attempt.
    steps: chunks.reduce((sum, { from, to }) => sum + to - from, 0),
    maxGradNorm: plan.clipping.kind === 'adaptive' ? null : sensitivityOf(plan.clipping),
  }
}

/**
 * A chunk as a release about one person with `ratings` training ratings.
 * @param itemsMayMeet their items may share one row of the model: that of everything unnamed
 */
function chunkForPerson({ from, to, event }: PaidChunk, mechanism: Mechanism, ratings: number, itemsMayMeet: boolean): PrivacyEvent {
  if (mechanism.kind === 'dp-sgd') return personEvent(mechanism.plan, ratings, from, to)
  const stage = mechanism.stages[from]
  if (stage === undefined || event.kind !== 'gaussian')
    throw new TacetError('internal', `the journal holds a stage ${from} that the model does not have`)
  // In a stage over items the k ratings lie in k places (norm √k); over people, or over everything, in one (norm k).
  return {
    kind: 'gaussian',
    noiseMultiplier: event.noiseMultiplier / (stage.per === 'item' && !itemsMayMeet ? Math.sqrt(ratings) : ratings),
  }
}

/**
 * ε had the same steps read shuffled batches: no amplification, one Gaussian release of every rating in each pass over the data (replace-special:
 * zeroing a row moves the sum by one bound). Passes are counted upwards.
 */
function epsilonIfShuffled(chunks: readonly PaidChunk[], plan: PrivatePlan): number | null {
  if (typeof plan.sampleRate !== 'number' || typeof plan.noiseMultiplier !== 'number') return null
  const steps = chunks.reduce((sum, { from, to }) => sum + to - from, 0)
  const passes = Math.ceil(plan.sampleRate * steps - 1e-6)
  return gaussianEpsilon({ mu: Math.sqrt(passes) / plan.noiseMultiplier, delta: plan.delta })
}

/** The median and the largest number of training ratings among people who have any. */
export function ratingsPerPerson(users: Uint32Array, rows: Uint32Array, userCount: number): RatingsPerPerson {
  const counts = new Uint32Array(userCount)
  for (const row of rows) {
    const user = users[row] as number
    counts[user] = (counts[user] as number) + 1
  }
  const sorted = counts.filter((count) => count > 0).sort()
  return { median: sorted[Math.floor((sorted.length - 1) / 2)] ?? 1, heaviest: sorted.at(-1) ?? 1 }
}
