/**
 * The search for a ranking model's settings (`tacet tune`). With privacy: independent random trials, a random number of them, each trained and
 * scored within one μ; the best is the model that is saved, and one event prices all of it (privacy/accounting/random-search.ts). Without:
 * a fixed number of trials, random or adaptive; for data that need no protection, since every score is an exact figure.
 */
import { type Interactions, type RankedPeople, type RankingSplit, tuningSplit } from '../../data/index.ts'
import { TacetError } from '../../errors.ts'
import { evaluateRanker } from '../../evaluation/index.ts'
import type { Ranker } from '../../models/index.ts'
import {
  calibrate,
  drawTrials,
  type PrivacyEvent,
  priceRandomSearch,
  releaseGaussian,
  type Spend,
  type TrialCount,
  trialsOfMean,
} from '../../privacy/index.ts'
import type { RandomSource } from '../../random/index.ts'
import { budgetOfMu, type RankingTrainer, resolveParameters, squaredMu } from '../../training/index.ts'
import type { RankingRequestPrivacy } from './config.ts'

/** From where a setting is drawn. */
export interface SettingRange {
  readonly low: number
  readonly high: number
  /** Even in the logarithm. */
  readonly log: boolean
}

export interface SearchConfig {
  readonly space: Readonly<Record<string, SettingRange>>
  /** Mean number of trials; exactly so many without privacy. */
  readonly trials: number
  /** Metric of the validation people that decides, a mean over people of values in 0 … 1. */
  readonly metric: string
  readonly search: 'random' | 'adaptive'
}

/** Share of a trial's μ² for its score. */
const scoreShare = 0.1

export interface SearchPlan {
  /** What the whole search spends: the winner's model, settings and score included. */
  readonly event: PrivacyEvent
  readonly count: TrialCount
  /** μ of one trial's training, and of its score. */
  readonly trainingMu: number
  readonly scoreMu: number
}

/**
 * The largest trials whose search stays within (ε, δ) with what the run releases beside it. Half of δ is the search's own.
 * @throws TacetError unsafe-plan for a model whose releases are not plain Gaussians, or an adaptive search; not-calibratable
 */
export function planSearch(
  trainer: RankingTrainer,
  { trials, search, space }: SearchConfig,
  { epsilon, delta, unit }: RankingRequestPrivacy,
  alongside: readonly PrivacyEvent[],
  sizes: { readonly personCount: number; readonly itemCount: number },
): SearchPlan {
  if (search === 'adaptive')
    throw new TacetError('unsafe-plan', 'an adaptive search has no price: each trial is chosen by the scores of others', {
      wayOut: 'Use --search random, or search on public or synthetic data with --no-privacy.',
    })
  const parameters = resolveParameters(trainer, Object.fromEntries(Object.entries(space).map(([name, { low }]) => [name, low])))
  const planned = trainer.plan?.({ parameters, privacy: { unit, epsilon, delta, alongside: [] }, ...sizes }) ?? []
  if (planned.length === 0 || squaredMu(planned) === null)
    throw new TacetError(
      'unsafe-plan',
      `${trainer.name} is trained in sampled steps, whose price moves with the settings that are searched`,
      {
        wayOut: 'Search for item-gram, dpals, content-popularity or popularity; or on public or synthetic data with --no-privacy.',
        details: { model: trainer.name },
      },
    )
  const searchDelta = delta / 2
  const budget = calibrate({
    make: (value) => ({ kind: 'composed', events: [...alongside, { kind: 'approximate', epsilon: value, delta: searchDelta }] }),
    epsilon,
    delta,
  }).value
  const count = trialsOfMean(trials)
  const costs = (mu: number) =>
    priceRandomSearch({ trial: { kind: 'gaussian', noiseMultiplier: 1 / mu }, count, delta: searchDelta }).epsilon
  let [low, high] = [0, 1]
  while (costs(high) < budget) high *= 2
  for (let round = 0; round < 60; round++) {
    const middle = (low + high) / 2
    if (costs(middle) <= budget) low = middle
    else high = middle
  }
  if (!(low > 0))
    throw new TacetError('not-calibratable', `ε = ${epsilon} leaves nothing for a search of ${trials} trials`, {
      wayOut: 'Raise ε, or try fewer settings.',
    })
  return {
    event: { kind: 'approximate', epsilon: budget, delta: searchDelta },
    count,
    trainingMu: low * Math.sqrt(1 - scoreShare),
    scoreMu: low * Math.sqrt(scoreShare),
  }
}

export interface Trial {
  readonly parameters: Readonly<Record<string, number>>
  /** Mean over validation people. Under privacy the sum is noisy and priced, the number it is divided by exact: it stays inside. */
  readonly score: number
}

export interface SearchOutcome {
  readonly model: Ranker
  readonly best: Trial
  /** Every trial, the best included. Private: neither their number nor the losers are released. */
  readonly trials: readonly Trial[]
}

/** What is trained on and measured on while settings are chosen: never the test. */
function searchGround(
  data: Interactions,
  split: RankingSplit,
): { readonly train: RankingSplit['train']; readonly validation: RankedPeople; readonly dataDependent: RankingSplit['dataDependent'] } {
  const { train, validation, dataDependent } = split
  return validation ? { train, validation, dataDependent } : tuningSplit(data, split)
}

export interface SearchRequest {
  readonly trainer: RankingTrainer
  readonly config: SearchConfig
  /** Settings that are not searched. */
  readonly fixed: Readonly<Record<string, number>>
  readonly data: Interactions
  readonly split: RankingSplit
  /** Null: without privacy. */
  readonly plan: SearchPlan | null
  readonly delta: number
  readonly random: RandomSource
  /** Called once with the event of the whole search, before the first trial. */
  readonly spend: Spend
  readonly threads: number
  readonly onProgress?: (phase: string, done: number, total: number) => void
  readonly signal?: AbortSignal
}

/** Runs the search. @throws TacetError interrupted between trials; what training throws */
export async function searchSettings(request: SearchRequest): Promise<SearchOutcome> {
  const { trainer, config, fixed, data, split, plan, delta, random, spend, threads, onProgress, signal } = request
  const { train, validation, dataDependent } = searchGround(data, split)
  if (plan && dataDependent === 'other-people')
    throw new TacetError(
      'unsafe-plan',
      `a private search cannot validate inside a ${split.kind} split: one person less would move others across it`,
      {
        wayOut: 'split with --split random or held-out-users',
      },
    )
  const settings = random.split('settings')
  const count = plan === null ? config.trials : drawTrials(plan.count, random.split('number of trials'))
  if (plan) spend(plan.event)
  const trials: Trial[] = []
  let best: { readonly trial: Trial; readonly model: Ranker } | null = null
  for (let at = 0; at < count; at++) {
    if (signal?.aborted) throw new TacetError('interrupted', `stopped before trial ${at + 1}`)
    // Under privacy the number of trials is nobody's business, so progress has no end.
    onProgress?.('trials', at, plan === null ? count : 0)
    const drawn =
      config.search === 'adaptive' && best !== null && at >= Math.ceil(count / 3)
        ? near(best.trial.parameters, config.space, trainer, settings)
        : drawSettings(config.space, trainer, settings)
    const parameters = resolveParameters(trainer, { ...fixed, ...drawn })
    const own = random.split(`trial ${at}`)
    let paid = 0
    const model = await trainer.fit({
      positives: train,
      itemTable: data.itemTable,
      parameters,
      privacy: plan && { unit: 'user', ...budgetOfMu(plan.trainingMu, delta), alongside: [] },
      random: own.split('model'),
      spend: (event) => {
        paid += squaredMu([event]) ?? Number.POSITIVE_INFINITY
        if (plan && !(paid <= plan.trainingMu ** 2 * (1 + 1e-9)))
          throw new TacetError('unsafe-plan', `a trial of ${trainer.name} releases more than it was planned to: μ² = ${paid}`)
      },
      threads,
      ...(signal ? { signal } : {}),
    })
    const values = evaluateRanker(model, validation, { metrics: [] }).perPerson(config.metric)
    const sum = values.reduce((total, value) => total + (Number.isNaN(value) ? 0 : Math.min(1, Math.max(0, value))), 0)
    const [noisy] = plan
      ? releaseGaussian(Float64Array.of(sum), {
          sensitivity: 1,
          noiseMultiplier: 1 / plan.scoreMu,
          random: own.split('score'),
          // Inside the price of the search.
          spend: () => {},
        })
      : [sum]
    const trial: Trial = { parameters, score: (noisy as number) / Math.max(1, values.length) }
    trials.push(trial)
    if (best === null || trial.score > best.trial.score) best = { trial, model }
  }
  const { trial, model } = best as { readonly trial: Trial; readonly model: Ranker }
  return { model, best: trial, trials }
}

const within = (value: number, name: string, trainer: RankingTrainer) => (trainer.parameters[name]?.integer ? Math.round(value) : value)

export function drawSettings(space: SearchConfig['space'], trainer: RankingTrainer, random: RandomSource): Record<string, number> {
  return Object.fromEntries(
    Object.entries(space).map(([name, { low, high, log }]) => {
      const u = random.nextDouble()
      return [name, within(log ? low * (high / low) ** u : low + u * (high - low), name, trainer)]
    }),
  )
}

/** A setting near the best one so far: a tenth of the range to either side, kept inside. */
function near(
  best: Trial['parameters'],
  space: SearchConfig['space'],
  trainer: RankingTrainer,
  random: RandomSource,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(space).map(([name, { low, high, log }]) => {
      const to = (value: number) => (log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low))
      const place = Math.min(1, Math.max(0, to(best[name] as number) + (random.nextDouble() - 0.5) / 5))
      return [name, within(log ? low * (high / low) ** place : low + place * (high - low), name, trainer)]
    }),
  )
}
