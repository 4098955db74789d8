/**
 * What goes into a ranking run and what comes out of it: the request of `tacet train` for a model that ranks, its report (the command's JSON,
 * key for key), and what `evaluate` and `recommend` say about such a run. Plain data only.
 */

import type { PrivacyEvent, PrivacySpent, PrivacyUnit } from '../../privacy/index.ts'
import type { TrainReport, TrainRequest } from '../types.ts'
import type { SearchConfig } from './search.ts'

/** What a ranking run may be asked beyond a rating run. */
export interface RankingOptions {
  /** Wide & Deep predicts ratings unless this says `ranking`, or the request asks for what only a ranking run has (`taskOf`). */
  readonly task?: string
  /** Lowest rating that counts as liked. Default: every row counts. Ignored, with a warning, on data without ratings. */
  readonly minRating?: number
  /** held-out-users only: how many people are tested on. */
  readonly heldOutUsers?: number
  /** Whom the promise is for: `user` (default) or `rating`. */
  readonly privacyUnit?: string
  /** Settings of the model, by name; what is left out gets the trainer's default. */
  readonly parameters?: Readonly<Record<string, number>>
  /** Save the private model even if it does not beat private popularity. Default false. */
  readonly keepAnyway?: boolean
  /** Release the metrics themselves with noise, for at most this ε beside the model's own. */
  readonly privateMetrics?: number
  /** Path of a file of `user,epsilon` lines: what each person allows. With `budgetLevels`. */
  readonly personalBudgets?: string
  /** The ε people may choose from, ascending; the last one is the run's. */
  readonly budgetLevels?: readonly number[]
  /** Search for settings first (`tacet tune`). */
  readonly tuning?: SearchConfig
}

/** One request for either task: what contradicts the task it turns out to be is refused by name. */
export type RunRequest = TrainRequest & RankingOptions

/** "ndcg@10" → figure. ndcg, recall (÷ relevant) and hr at 10, 20 and 100 are always there. */
export type RankingFigures = Readonly<Record<string, number>>

/** Which model the run folder holds, and why. */
export interface GateReport {
  /** The noisy verdict on people kept out of training; false where the model is private popularity itself. */
  readonly beatsPrivatePopularity: boolean
  /** Whether the model asked for is the one in the folder: it won, or `--keep-anyway`. */
  readonly kept: boolean
  /** Name of the model in the folder: the one asked for, or `popularity`. */
  readonly saved: string
  /** People kept out of training, by id hash, to be asked. A public number. */
  readonly people: number
  /** What the comparison released; null where nothing was compared. */
  readonly event: PrivacyEvent | null
  /** ε of the comparison alone, at the run's δ; inside the stated total. */
  readonly epsilon: number | null
  /** ε of the baseline's own release at the run's δ, inside the stated total; 0 where popularity is a stage of the model. */
  readonly baselineEpsilon: number | null
}

/** The released figures of a run (`--private-metrics`): noisy, of the model in the folder, and on the bill. */
export interface ReleasedMetrics {
  /** ε of their release alone at the run's δ, beside what was asked for the model. */
  readonly epsilon: number
  /** "ndcg@10" → noisy mean over test people, with the standard error that the noise gives it. */
  readonly figures: Readonly<Record<string, { readonly value: number; readonly noiseStandardError: number }>>
  /** Noisy number of test people. */
  readonly people: { readonly value: number; readonly noiseStandardError: number }
  readonly candidates: string
}

/** What each part of an attempt released, in order. */
export interface PaidPart {
  /** `popularity` (the baseline), `model`, `gate`, `metrics`. */
  readonly part: string
  readonly attempt: number
  readonly event: PrivacyEvent
}

/** `privacy.json` of a ranking run: the price of everything it released, by both accountants, for its unit. */
export interface RankingPrivacyFile {
  readonly formatVersion: 1
  readonly privacyUnit: PrivacyUnit
  /** Price of one whole person; null where the promise is for a rating only. */
  readonly user: { readonly pld: PrivacySpent | null; readonly rdp: PrivacySpent | null } | null
  /** Price of one rating; null where the promise is for a person (it is not worked out separately). */
  readonly rating: { readonly pld: PrivacySpent | null; readonly rdp: PrivacySpent | null } | null
  /** Upper bound of δ(0): the best guesser is right (1 + totalVariation)/2 of the time. */
  readonly totalVariation: number | null
  readonly parts: readonly PaidPart[]
  /** The gate's verdict is a release: it may leave the house. */
  readonly gate: GateReport | null
  /** Null unless asked for. */
  readonly releasedMetrics: ReleasedMetrics | null
}

/** What a search found. With privacy the winner is the model that is saved, and its price is the part `search` of the bill. */
export interface TuningReport extends SearchConfig {
  /** The winner's settings, those that were not searched included. */
  readonly parameters: Readonly<Record<string, number>>
  /** Its figure on validation people: noisy under privacy. */
  readonly score: number
}

export interface RankingTrainReport {
  readonly task: 'ranking'
  /** Path of the run folder. */
  readonly run: string
  /** The model that was asked for and measured; what was saved is `gate.saved`. */
  readonly model: string
  readonly recipe: null
  readonly parameters: Readonly<Record<string, number>>
  readonly data: TrainReport['data']
  readonly split: RankingSplitReport
  /** The candidate set of every figure here: all items that a person has not seen. */
  readonly candidates: string
  /** The PLD accountant's total; null without privacy. */
  readonly privacy: PrivacySpent | null
  readonly metrics: RankingFigures
  readonly baselines: {
    /** Exact counts, without privacy. */
    readonly popularity: RankingFigures
    /** What the gate compared with; null without privacy. */
    readonly privatePopularity: RankingFigures | null
  }
  readonly gate: GateReport | null
  /** Null unless `--private-metrics` asked for them. */
  readonly releasedMetrics: ReleasedMetrics | null
  /** Null unless settings were searched. */
  readonly tuning: TuningReport | null
  readonly timing: { readonly trainSeconds: number; readonly stepsPerSecond: null; readonly evaluateSeconds: number }
  readonly peakMemoryMb: number
  readonly privacyDetails: RankingPrivacyFile | null
  readonly attempts: number
  readonly notForRelease: boolean
  readonly warnings: readonly string[]
}

/** Counts of likes, except where people are named. Exact: private. */
export interface RankingSplitReport {
  readonly kind: string
  readonly train: number
  readonly validation: number
  readonly test: number
  /** Test likes of people with nothing in training. */
  readonly testRowsOfUnseenUsers: number
  readonly trainUsers: number
  readonly testUsers: number
  readonly description: string
}

export interface RankingEvaluateReport {
  readonly task: 'ranking'
  readonly run: string
  /** The model in the folder. */
  readonly model: string
  readonly data: TrainReport['data']
  readonly split: RankingSplitReport
  /** `all`, or `sampled:99`. */
  readonly candidates: string
  /** Test people measured. */
  readonly people: number
  readonly metrics: RankingFigures
  readonly baselines: RankingTrainReport['baselines']
  /** Metrics without a value here, with the reason. */
  readonly undefinedMetrics: Readonly<Record<string, string>>
  readonly privacy: PrivacySpent | null
  readonly notForRelease: boolean
  readonly warnings: readonly string[]
}

/** An item of the reader's own history that speaks for a recommendation. */
export interface Reason {
  readonly id: string
  readonly title?: string
  /** Its share of the score, on the model's own scale. */
  readonly score: number
}

export interface RankingRecommendReport {
  /** Null where a history was given instead. */
  readonly user: string | null
  /** How many items of theirs the list was made from; these are not listed again. */
  readonly historySize: number
  /** True if the list depends on the history (or on a row of the model); false: the same list for everybody. */
  readonly personal: boolean
  readonly items: readonly {
    readonly id: string
    readonly title?: string
    readonly score: number
    /** At most three, strongest first; empty where the model has no such thing. */
    readonly because: readonly Reason[]
  }[]
  readonly warnings: readonly string[]
}
