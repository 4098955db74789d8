/**
 * One trainer a ranking model, all behind this contract, so that runs, comparisons and studies treat them alike. A trainer that can be private
 * says for which unit, plans its own releases, and calls `spend` with each event before its noise is drawn (design.md, idea 2); one that cannot
 * is refused by the run with the trainer's own reason.
 */
import type { ItemTable, Positives } from '../../data/index.ts'
import type { Ranker } from '../../models/index.ts'
import type { PrivacyEvent, PrivacyUnit, releaseGaussian, Spend } from '../../privacy/index.ts'
import type { RandomSource } from '../../random/index.ts'
import type { PersonalBudgets } from './personal-budgets.ts'

/** `releaseGaussian`, or something in its place. */
export type GaussianMechanism = typeof releaseGaussian

/** A setting that `--param name=value` may change. */
export interface ParameterSpec {
  readonly default: number
  readonly atLeast?: number
  readonly above?: number
  readonly atMost?: number
  readonly integer?: boolean
  /** What it is, with its unit, for `--help`. */
  readonly about: string
}

export interface RankingPrivacy {
  readonly unit: PrivacyUnit
  readonly epsilon: number
  readonly delta: number
  /** Releases of other parts of the run (a gate, a baseline): the trainer's own events together with these must stay within ε at δ. */
  readonly alongside: readonly PrivacyEvent[]
}

export interface RankingFitRequest {
  /** The training rows; a held-out person has an empty row. */
  readonly positives: Positives
  /** Of the positives' rows only under `--no-privacy` or where they are public. Null where the data set has no catalogue. */
  readonly itemTable: ItemTable | null
  /** Seconds of each positive, aligned with `positives.items`; null where the data has none. */
  readonly timestamps?: Float64Array | null
  /** Complete: defaults filled in and bounds checked by `resolveParameters`. */
  readonly parameters: Readonly<Record<string, number>>
  /** Null: without privacy. */
  readonly privacy: RankingPrivacy | null
  readonly random: RandomSource
  readonly spend: Spend
  /**
   * How a vector of private statistics is released, for audits: they watch it, play releases back, or plant a bug in it. Default: `releaseGaussian`.
   * Trainers whose releases are sampled steps do not use it.
   */
  readonly release?: GaussianMechanism
  /**
   * Personal budgets: Float64Array[personCount], each in (0, 1]; the person's part of every statistic is multiplied by it, so that every release is
   * that much weaker for them. Private: it follows what people chose. Absent: 1 for everybody. Trainers without `scalesPeople` refuse it.
   */
  readonly personScale?: Float64Array | undefined
  /** Personal budgets with the levels they are of, for trainers that have `levelEvents`: they need a level's ε, not only its scale. Private. */
  readonly personBudgets?: PersonalBudgets | undefined
  readonly onProgress?: (phase: string, done: number, total: number) => void
  readonly signal?: AbortSignal
  /** Worker threads that may be used; 1 = none. */
  readonly threads?: number
}

export interface RankingTrainer {
  readonly name: string
  /** One line for `--help` and reports. */
  readonly about: string
  readonly parameters: Readonly<Record<string, ParameterSpec>>
  /** Units it can be private for; none: `refusal` says why, and what to use instead. */
  readonly privateFor: readonly PrivacyUnit[]
  /** Honours `personScale`: everything it reads of people is a sum with one bounded term a person. */
  readonly scalesPeople?: true
  /**
   * Honours `personBudgets` by sampling: people of a lower level take part in fewer steps. What a fit of this plan costs somebody of each level,
   * known beforehand; without what lies alongside.
   * @throws TacetError unsafe-plan where the settings do not allow it
   */
  levelEvents?(
    request: Pick<RankingFitRequest, 'parameters'> & {
      readonly privacy: RankingPrivacy
      readonly personCount: number
      readonly itemCount: number
      readonly levels: readonly number[]
    },
  ): readonly (readonly PrivacyEvent[])[]
  readonly refusal?: { readonly reason: string; readonly wayOut: string }
  /** Trains. Errors by what went wrong; `interrupted` after `signal`. */
  fit(request: RankingFitRequest): Promise<Ranker> | Ranker
  /**
   * The events a private fit will spend, known beforehand from public facts (sizes, parameters, ε): what `tacet train` shows and prices before
   * it starts. Same order as `fit` spends them. Absent for a trainer that cannot be private.
   */
  plan?(
    request: Pick<RankingFitRequest, 'parameters'> & {
      readonly privacy: RankingPrivacy
      readonly personCount: number
      readonly itemCount: number
    },
  ): readonly PrivacyEvent[]
}
