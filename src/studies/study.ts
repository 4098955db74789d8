/**
 * What a study is made of: jobs declared as data, and their results. A job says everything that moves its result (data set, split, model,
 * settings, privacy, seed); its id is a hash of that, so that a study can be stopped, resumed and extended without running a job twice.
 *
 * Studies are for public research data: they show figures of private rows openly and every run is seeded, so nothing made here is for release.
 */
import type { WideAndDeepConfig } from '../models/index.ts'
import { canonical, hash128 } from '../privacy/index.ts'

/** Part of every job id. Raise it when the same declaration would no longer give the same result. */
export const RESULT_FORMAT = 1

export type DatasetKey = 'primary' | 'second'
export type SplitKind = 'chronological' | 'random'

/** Where a thread reads the data sets from. */
export interface StudySources {
  readonly paths: { readonly [key in DatasetKey]?: string }
  readonly skipBadLines: boolean
}

/** What the declarations have to know of a data set. Ratings per person are those of the training rows. */
export interface DatasetFacts {
  readonly name: string
  /** Hash of all rows: results of other data are not taken for this one's. */
  readonly fingerprint: string
  readonly users: number
  readonly items: number
  readonly interactions: number
  readonly ratingScale: { readonly min: number; readonly max: number }
  readonly splits: { readonly [kind in SplitKind]?: SplitFacts }
  /** The split the study leads with: chronological where there are times. */
  readonly mainSplit: SplitKind
  readonly userFeatures: readonly string[]
  /** Titles, genres or years are there: bias-factors can be run with metadata. */
  readonly itemMetadata: boolean
}

export interface SplitFacts {
  readonly description: string
  readonly train: number
  readonly test: number
  readonly testRowsOfUnseenUsers: number
  readonly medianPersonRatings: number
  readonly heaviestPersonRatings: number
}

export type StudyPrivacy =
  | { readonly kind: 'none' }
  | { readonly kind: 'noise'; readonly noiseMultiplier: number }
  /** σ calibrated to this ε by the PLD accountant. */
  | { readonly kind: 'epsilon'; readonly epsilon: number }

/** What a job changes in its recipe. Everything else is the recipe's. */
export interface RecipeChanges {
  readonly parts?: WideAndDeepConfig['parts']
  readonly hiddenLayers?: readonly number[]
  readonly maxGradNorm?: number
  readonly batchSize?: number
}

export type StudyTask =
  | {
      readonly kind: 'wide-and-deep'
      readonly recipe: 'paper' | 'repaired'
      readonly changes: RecipeChanges
      readonly privacy: StudyPrivacy
      readonly delta: number
    }
  | { readonly kind: 'bias-factors'; readonly privacy: StudyPrivacy; readonly itemMetadata: boolean; readonly delta: number }
  | { readonly kind: 'baseline'; readonly baseline: 'constant' | 'item-mean' }
  | { readonly kind: 'private-item-mean'; readonly epsilon: number; readonly delta: number }
  /** What a plan of Poisson-sampled steps costs: arithmetic only, no data. */
  | {
      readonly kind: 'price'
      readonly datasetSize: number
      readonly batchSize: number
      readonly epochs: number
      readonly noiseMultiplier: number
      readonly delta: number
      readonly persons: readonly number[]
    }
  /** The same plan by RDP for a person with so many ratings: slow, so a job of its own. */
  | {
      readonly kind: 'person-price'
      readonly datasetSize: number
      readonly batchSize: number
      readonly epochs: number
      readonly noiseMultiplier: number
      readonly delta: number
      readonly ratings: number
    }
  | {
      readonly kind: 'audit'
      /** Wide & Deep by one of its recipes, or bias-factors. */
      readonly model: 'paper' | 'repaired' | 'bias-factors'
      readonly privacy: Exclude<StudyPrivacy, { kind: 'none' }>
      readonly delta: number
      readonly canaries: number
    }

export interface StudyJob {
  readonly id: string
  /** Parts of the report that use it, for people who read the CSV. */
  readonly groups: readonly string[]
  readonly dataset: DatasetKey
  /** Null for a job that reads no rows. */
  readonly split: SplitKind | null
  readonly task: StudyTask
  readonly seed: number
}

/** Errors on the test rows, and what the predictions look like: a model that says the same to everybody shows here. */
export interface Measured {
  readonly rmse: number
  readonly mae: number
  readonly trainRmse: number
  readonly predictionMean: number
  readonly predictionStdDev: number
}

/** ε of one person; null where it is infinite. */
export interface PersonCost {
  readonly ratings: number
  readonly epsilon: number | null
}

export interface PriceResult {
  readonly kind: 'price'
  readonly sampleRate: number
  readonly steps: number
  readonly pld: number
  readonly pldLower: number | null
  readonly rdp: number
  readonly rdpOrder: number | null
  /** ε of the same steps over shuffled batches, without amplification (replace-special). */
  readonly shuffled: number
  /** By the PLD accountant. */
  readonly persons: readonly PersonCost[]
}

export interface PersonPriceResult {
  readonly kind: 'person-price'
  /** By RDP; null where it is infinite. */
  readonly rdp: number | null
}

export interface TrainedResult {
  readonly kind: 'trained'
  readonly measured: Measured
  /** Null without privacy; for one rating. */
  readonly privacy: {
    readonly pld: number
    readonly rdp: number
    readonly noiseMultiplier: number | null
    readonly sampleRate: number | null
    readonly steps: number | null
  } | null
  /** Share of the examples whose gradient was clipped; null where nothing is clipped. */
  readonly clippedShare: number | null
  /** What the same releases cost whole persons, where the model says: median and heaviest of the training rows. */
  readonly persons: readonly PersonCost[]
  readonly seconds: number
}

export interface AuditResult {
  readonly kind: 'audit'
  readonly claimedEpsilon: number
  readonly epsilonLowerBound: number
  readonly confidence: number
  readonly canaries: number
  readonly power: number
  readonly verdict: 'holds' | 'violated' | 'inconclusive'
  readonly bestAuc: number
  readonly conformancePassed: boolean
  readonly seconds: number
}

/** A setting that blew up is a finding, not a failure of the study. */
export interface DivergedResult {
  readonly kind: 'diverged'
  readonly message: string
}

export type JobResult = PriceResult | PersonPriceResult | TrainedResult | AuditResult | DivergedResult

export interface FinishedJob {
  readonly job: StudyJob
  readonly result: JobResult
}

/**
 * Names the job by everything it declares. Jobs of different groups with one declaration are one job.
 * @param fingerprint of the data set, or '' for a job that reads none
 */
export function declareJob(declaration: Omit<StudyJob, 'id'>, fingerprint: string): StudyJob {
  const { dataset, split, task, seed } = declaration
  const text = canonical({ format: RESULT_FORMAT, fingerprint, dataset: split === null ? '' : dataset, split, task, seed })
  return { ...declaration, id: `${task.kind}-${hash128(text)}` }
}

/** One job for each id, with the groups of all its declarations. */
export function mergeJobs(jobs: readonly StudyJob[]): StudyJob[] {
  const byId = new Map<string, StudyJob>()
  for (const job of jobs) {
    const known = byId.get(job.id)
    byId.set(job.id, known ? { ...known, groups: [...new Set([...known.groups, ...job.groups])] } : job)
  }
  return [...byId.values()]
}
