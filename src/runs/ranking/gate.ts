/**
 * The gate of a private run: what is set aside for it before anything is fitted, and how its verdict decides which model is saved. The noisy
 * comparison itself is training's; here is who is kept out of training for it, what it and the baseline may spend inside the stated ε, and what
 * is reported. Pure.
 */
import { itemsOf, type Positives, positivesFrom, type RankedPeople } from '../../data/index.ts'
import { evaluateRanker } from '../../evaluation/index.ts'
import { type Ranker, topItems } from '../../models/index.ts'
import { gaussianMu, type PrivacyEvent, type Spend } from '../../privacy/index.ts'
import type { RandomSource } from '../../random/index.ts'
import { baselineEvent, budgetOfMu, decideGate, gateEvent, peopleForGate, type RankingPrivacy } from '../../training/index.ts'
import type { RankingConfig } from './config.ts'
import { epsilonOfEvents } from './pricing.ts'
import type { GateReport } from './types.ts'

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
  const event = gateEvent(privacy)
  const own = baselineEvent(model, privacy)
  return {
    people: peopleForGate(listedPeople),
    event,
    baseline: own && {
      ...privacy,
      ...budgetOfMu(gaussianMu(privacy) * Math.sqrt(own.share), privacy.delta),
      alongside: [],
    },
    alongside: [event, ...(own ? [own.event] : [])],
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
  const asked = !listsAlike(model, baseline)
  const beats =
    asked && decideGate({ differences: differencesOf(model, baseline, people), event: plan.event, random, spend }).beatsPrivatePopularity
  return {
    beatsPrivatePopularity: beats,
    kept: beats || keepAnyway,
    saved: beats || keepAnyway ? model.name : baseline.name,
    people: plan.people,
    event: asked ? plan.event : null,
    epsilon: asked ? epsilonOfEvents([plan.event], delta) : 0,
    baselineEpsilon: plan.baseline?.epsilon ?? 0,
  }
}

/** Those whose scale is 1: people who chose less than the highest ε have no say, and give nothing away. */
export function atFullScale(people: RankedPeople, scale: Float64Array): RankedPeople {
  const chosen = Array.from(people.users.keys()).filter((at) => scale[people.users[at] as number] === 1)
  const pick = (matrix: Positives) =>
    positivesFrom(
      chosen.map((at) => itemsOf(matrix, at)),
      matrix.itemCount,
    )
  return {
    ...people,
    users: Uint32Array.from(chosen, (at) => people.users[at] as number),
    history: pick(people.history),
    seen: pick(people.seen),
    relevant: pick(people.relevant),
  }
}

/** What each person gains in NDCG@100 from the model: one figure a person, which nobody else's rows enter. */
export function differencesOf(model: Ranker, baseline: Ranker, people: RankedPeople): Float64Array {
  if (people.users.length === 0) return new Float64Array(0)
  const ours = evaluateRanker(model, people, { metrics: [] }).perPerson('ndcg@100')
  const theirs = evaluateRanker(baseline, people, { metrics: [] }).perPerson('ndcg@100')
  return ours.map((value, p) => value - (theirs[p] as number))
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

/** The verdict of a run in which nothing is compared: it is private popularity already. */
export const popularityItself = (model: string): GateReport => ({
  beatsPrivatePopularity: false,
  kept: true,
  saved: model,
  people: 0,
  event: null,
  epsilon: null,
  baselineEpsilon: null,
})
