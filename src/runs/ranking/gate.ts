/**
 * The gate of a private run: what is set aside for it before anything is fitted, and how its verdict decides which model is saved. The noisy
 * comparison itself is training's; here is who is kept out of training for it, what it and the baseline may spend inside the stated ε, and what
 * is reported. Pure.
 */
import type { RankedPeople } from '../../data/index.ts'
import { TacetError } from '../../errors.ts'
import { evaluateRanker } from '../../evaluation/index.ts'
import { createPopularity, type Ranker } from '../../models/index.ts'
import { gaussianEpsilon, gaussianMu, type PrivacyEvent, releaseGaussian, type Spend } from '../../privacy/index.ts'
import type { RandomSource } from '../../random/index.ts'
import type { RankingPrivacy } from '../../training/index.ts'
import type { RankingConfig } from './config.ts'
import { epsilonOfEvents } from './pricing.ts'
import type { GateReport } from './types.ts'

/** Share of μ² that the comparison gets. */
const gateShare = 0.02
/** Share of μ² for the baseline's own release, where popularity is not a stage of the model. */
const baselineShare = 0.05
/** Models that release popularity themselves and carry it as the tensor `popularity`: the baseline costs nothing more. */
export const popularityIsAStage = ['item-gram', 'dpals', 'content-popularity']

/** What is fixed before anything is fitted, from public facts alone. */
export interface GatePlan {
  /** People kept out of training, by id hash. */
  readonly people: number
  readonly event: PrivacyEvent
  /** The baseline's own budget; null where it is a stage of the model. */
  readonly baseline: RankingPrivacy | null
  /** Releases beside the model's own. */
  readonly alongside: readonly PrivacyEvent[]
}

/** Null where there is nothing to compare: without privacy, and for private popularity itself. */
export function gateOf({ privacy, model }: Pick<RankingConfig, 'privacy' | 'model'>, listedPeople: number): GatePlan | null {
  if (privacy === null || model === 'popularity') return null
  const mu = gaussianMu(privacy)
  const event: PrivacyEvent = { kind: 'gaussian', noiseMultiplier: 1 / (mu * Math.sqrt(gateShare)) }
  const baselineMu = popularityIsAStage.includes(model) ? null : mu * Math.sqrt(baselineShare)
  return {
    people: Math.max(1, Math.min(2000, Math.floor(listedPeople / 10))),
    event,
    baseline:
      baselineMu === null ? null : { ...privacy, epsilon: gaussianEpsilon({ mu: baselineMu, delta: privacy.delta }), alongside: [] },
    alongside: [event, ...(baselineMu === null ? [] : [{ kind: 'gaussian', noiseMultiplier: 1 / baselineMu } as const])],
  }
}

export interface GateQuestion {
  readonly model: Ranker
  readonly baseline: Ranker
  readonly people: RankedPeople
  readonly random: RandomSource
  readonly spend: Spend
  readonly keepAnyway: boolean
  readonly delta: number
}

/**
 * Compares the two models on people that neither was trained on. Spends one event before it draws.
 * @returns the verdict, and which model to save
 */
export function askGate(plan: GatePlan, { model, baseline, people, random, spend, keepAnyway, delta }: GateQuestion): GateReport {
  const differences = people.users.length === 0 ? new Float64Array(0) : differencesOf(model, baseline, people)
  if (plan.event.kind !== 'gaussian') throw new TacetError('internal', `the gate was planned as ${plan.event.kind}`)
  const [noisySum] = releaseGaussian(Float64Array.of(differences.reduce((sum, difference) => sum + difference, 0)), {
    sensitivity: 1,
    noiseMultiplier: plan.event.noiseMultiplier,
    random,
    spend,
  })
  const beats = (noisySum as number) > 0
  return {
    beatsPrivatePopularity: beats,
    kept: beats || keepAnyway ? model.name : baseline.name,
    people: plan.people,
    event: plan.event,
    epsilon: epsilonOfEvents([plan.event], delta),
    baselineEpsilon: plan.baseline?.epsilon ?? 0,
  }
}

const differencesOf = (model: Ranker, baseline: Ranker, people: RankedPeople): Float64Array => {
  const [ours, theirs] = [model, baseline].map((ranker) => evaluateRanker(ranker, people, { metrics: [] }).perPerson('ndcg@100'))
  return (ours as Float64Array).map((value, p) => Math.max(-1, Math.min(1, value - ((theirs as Float64Array)[p] as number))))
}

/** The private popularity that a model released as its first stage. @throws TacetError internal if its file does not have it */
export function popularityStage(model: Ranker): Ranker {
  const tensor = model.parameters().popularity
  if (tensor?.shape.length !== 1 || tensor.shape[0] !== model.itemCount)
    throw new TacetError('internal', `${model.name} has no popularity of its own to compare with`)
  return createPopularity(tensor.data)
}

/** The verdict of a run in which nothing is compared: it is private popularity already. */
export const popularityItself = (model: string): GateReport => ({
  beatsPrivatePopularity: false,
  kept: model,
  people: 0,
  event: null,
  epsilon: null,
  baselineEpsilon: null,
})
