/**
 * What goes into a run and what comes out of it: the request of `tacet train`, its report (the command's JSON, key for key), and the figures of
 * the other commands that read a run folder. Plain data only; nothing here opens a file.
 */
import type { PrivacySpent } from '../privacy/index.ts'

export type ModelName = 'bias-factors' | 'wide-and-deep'
export type RecipeName = 'paper' | 'repaired'

/** One training run. What is left out gets the defaults named at each field; `config.json` in the run folder holds the resolved form. */
export interface TrainRequest {
  /** A file or folder a reader knows. */
  readonly dataPath: string
  /** Skip lines that do not parse, and count them, instead of refusing the file. Default false. */
  readonly skipBadLines?: boolean
  /** Reader options for generic files, passed on as they are (format, column mapping). */
  readonly reader?: Readonly<Record<string, unknown>>
  /** Default bias-factors. */
  readonly model?: string
  /** Wide & Deep only; default repaired. */
  readonly recipe?: string
  /** Default chronological. */
  readonly split?: string
  /** chronological only: the public time (seconds) at which the test rows begin. Default: the data set's declared one. */
  readonly cutTimestamp?: number
  readonly epochs?: number
  readonly batchSize?: number
  readonly learningRate?: number
  readonly maxGradNorm?: number
  /** Wide & Deep with privacy: flat, automatic or adaptive instead of the recipe's own clipping. */
  readonly clipping?: string
  /** One of noiseMultiplier, epsilon and noPrivacy must be given. σ is for Wide & Deep only. */
  readonly noiseMultiplier?: number
  readonly epsilon?: number
  readonly noPrivacy?: boolean
  /** Default 1e-5. */
  readonly delta?: number
  /** Makes the run repeatable and "not for release". Without it a run draws from the operating system. */
  readonly seed?: number
  /** bias-factors only: read genres and years of the catalogue, taken as public. Default false. */
  readonly itemMetadata?: boolean
  /** Choose privately which ids to name, where they are read off the interactions. Part of ε and δ goes to it. Default false: they are public. */
  readonly privateVocabulary?: boolean
  /** Threads that share a large batch, 1 … 64. Changes the order of additions and nothing that was promised. Default 1. */
  readonly threads?: number
  /** The run folder to make; must not exist. */
  readonly out: string
  /** Steps between checkpoints, and the steps paid for at once. Default: a tenth of the run, at most 500. */
  readonly checkpointEvery?: number
}

/** How a run tells what it is doing: never what the data says (losses and metrics stay inside the run folder's `private/`). */
export interface RunIo {
  /** @param done units of `total` finished (0 = unknown total) */
  readonly onProgress?: (phase: string, done: number, total: number) => void
  /** Aborting stops the run at the next step boundary with a checkpoint (`interrupted`). */
  readonly signal?: AbortSignal
  /** Warnings for a person, one sentence each. */
  readonly onWarning?: (sentence: string) => void
}

export interface ErrorFigures {
  readonly rmse: number
  readonly mae: number
}

/** What `tacet train --json` prints. `privacy` is the PLD accountant's, null without privacy. */
export interface TrainReport {
  /** Path of the run folder. */
  readonly run: string
  readonly model: ModelName
  readonly recipe: RecipeName | null
  /** People and items with at least one interaction, as `tacet data describe` counts them; the model may have rows for a larger public catalogue. */
  readonly data: { readonly name: string; readonly users: number; readonly items: number; readonly interactions: number }
  readonly split: { readonly kind: string; readonly train: number; readonly test: number; readonly testRowsOfUnseenUsers: number }
  readonly privacy: PrivacySpent | null
  readonly metrics: ErrorFigures
  readonly baselines: {
    readonly constant: ErrorFigures
    readonly itemMean: ErrorFigures
    readonly privateItemMean: (ErrorFigures & { readonly epsilon: number }) | null
  }
  readonly timing: { readonly trainSeconds: number; readonly stepsPerSecond: number | null }
  readonly peakMemoryMb: number
  /** The same releases by the other accountant and for whole persons; null without privacy. */
  readonly privacyDetails: PrivacyFile | null
  /** Times the run was started (a killed run's attempts are paid for, each). */
  readonly attempts: number
  /** True for a seeded run: its noise can be repeated by whoever has the seed. */
  readonly notForRelease: boolean
  readonly warnings: readonly string[]
}

/** `privacy.json`: the price of everything the run released, by both accountants, per rating and per person. */
export interface PrivacyFile {
  readonly formatVersion: 1
  readonly rating: { readonly pld: PrivacySpent | null; readonly rdp: PrivacySpent | null }
  readonly user: {
    readonly method: 'mixture-of-gaussians' | 'stage-sum'
    readonly median: PersonSpent
    readonly heaviest: PersonSpent
  } | null
  /** ε of the same steps over shuffled batches (replace-special); null where nothing was sampled. */
  readonly epsilonIfShuffled: number | null
  /** Upper bound of δ(0) for one rating: the best guesser of its presence is right (1 + totalVariation)/2 of the time. */
  readonly totalVariation: number | null
}

export interface PersonSpent {
  readonly ratings: number
  readonly pld: PrivacySpent | null
  readonly rdp: PrivacySpent | null
}

export interface EvaluateReport {
  readonly run: string
  readonly model: ModelName
  readonly data: TrainReport['data']
  readonly split: TrainReport['split']
  readonly metrics: ErrorFigures
  readonly baselines: { readonly constant: ErrorFigures; readonly itemMean: ErrorFigures }
  readonly privacy: PrivacySpent | null
  readonly notForRelease: boolean
  readonly warnings: readonly string[]
}

export interface RecommendReport {
  readonly user: string
  readonly items: readonly { readonly id: string; readonly title?: string; readonly score: number }[]
}
