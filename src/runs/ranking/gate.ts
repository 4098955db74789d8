/**
 * The gate of a private run: what is set aside for it before anything is fitted, and how its verdict decides which model is saved. The noisy
 * comparison itself is training's; here is who is kept out of training for it, what it and the baseline may spend inside the stated ε, and what
 * is reported. Pure.
 */
import type { RankedPeople } from '../../data/index.ts'
import { TacetError } from '../../errors.ts'
import { evaluateRanker } from '../../evaluation/index.ts'
import { createPopularity, type Ranker, topItems } from '../../models/index.ts'
import { gaussianEpsilon, gaussianMu, type PrivacyEvent, releaseGaussian, type Spend } from '../../privacy/index.ts'
import type { RandomSource } from '../../random/index.ts'
import type { RankingPrivacy } from '../../training/index.ts'
import type { RankingConfig } from './config.ts'
import { epsilonOfEvents } from './pricing.ts'
import type { GateReport } from './types.ts'

/** Share of μ² that the comparison gets. */
const gateShare = 0.02
/** Share of μ² for the baseline's own release, where popularity is not a stage of the model. */
const baselineShare = 0.1
/**
 * A person's difference in NDCG@100 counts this many times, then is clipped to −1 … 1: it speaks in full from a twentieth on. On MovieLens 1M with
 * 603 people that is 13 standard deviations of the noise at ε = 1 where the plain difference is 1.4.
 */
const differenceScale = 20
/** The noisy sum must be above this many standard deviations of the noise: models that are alike pass with a chance of 16 %. */
const neededDeviations = 1

/** Few people say little; each one kept out is missed in training. */
const peopleFor = (listed: number) => Math.max(1, Math.min(2_000, Math.floor(listed / 10), Math.max(100, Math.floor(listed / 20))))
/** Models that release popularity themselves and carry it as the tensor `popularity`: the baseline costs nothing more. */
export const popularityIsAStage = ['item-gram', 'item-fold-in', 'dpals', 'content-popularity']

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
    people: peopleFor(listedPeople),
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
 * Compares the two models on people that neither was trained on. Spends one event before it draws; nothing where the model has turned out to be
 * popularity itself (a guard), which its released numbers tell.
 * @returns the verdict, and which model to save
 */
export function askGate(plan: GatePlan, { model, baseline, people, random, spend, keepAnyway, delta }: GateQuestion): GateReport {
  if (plan.event.kind !== 'gaussian') throw new TacetError('internal', `the gate was planned as ${plan.event.kind}`)
  const { noiseMultiplier } = plan.event
  const asked = !listsAlike(model, baseline)
  const noisySum = asked
    ? releaseGaussian(Float64Array.of(sumOfDifferences(model, baseline, people)), { sensitivity: 1, noiseMultiplier, random, spend })[0]
    : 0
  const beats = (noisySum as number) > neededDeviations * noiseMultiplier
  return {
    beatsPrivatePopularity: beats,
    kept: beats || keepAnyway ? model.name : baseline.name,
    people: plan.people,
    event: asked ? plan.event : null,
    epsilon: asked ? epsilonOfEvents([plan.event], delta) : 0,
    baselineEpsilon: plan.baseline?.epsilon ?? 0,
  }
}

/** Σ over people of their scaled difference, each within −1 … 1: one person added or removed moves it by at most 1. */
export function sumOfDifferences(model: Ranker, baseline: Ranker, people: RankedPeople): number {
  if (people.users.length === 0) return 0
  const ours = evaluateRanker(model, people, { metrics: [] }).perPerson('ndcg@100')
  const theirs = evaluateRanker(baseline, people, { metrics: [] }).perPerson('ndcg@100')
  return ours.reduce((sum, value, p) => sum + Math.max(-1, Math.min(1, differenceScale * (value - (theirs[p] as number)))), 0)
}

/** True if a few histories that nobody in particular has are shown the same by both: a function of two releases, no more. */
function listsAlike(model: Ranker, baseline: Ranker): boolean {
  const listOf = (ranker: Ranker, history: Uint32Array) => {
    const scores = new Float32Array(ranker.itemCount)
    ranker.scoreAll([{ userIndex: null, history }], scores)
    return topItems(scores, listDepth, { exclude: history }).map(({ item }) => item)
  }
  const popular = Uint32Array.from(listOf(baseline, new Uint32Array(0)).slice(0, 24)).sort()
  const histories = [popular.subarray(0, 1), popular.subarray(1, 4), popular.subarray(4, 12), popular.subarray(12)]
  return histories.every((history) => {
    const [ours, theirs] = [listOf(model, history), listOf(baseline, history)]
    return ours.every((item, rank) => item === theirs[rank])
  })
}
const listDepth = 100

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
