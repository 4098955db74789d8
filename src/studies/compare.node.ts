/**
 * `tacet compare`: many ranking models × privacy levels × seeds on one data set, side by side over cores, resumable, to one report. And what
 * `tacet study private-ranking` shares with it: several data sets in one folder.
 */
import { availableParallelism } from 'node:os'
import { readDataset } from '../data/index.node.ts'
import { type Interactions, type RankingSplitKind, type RankingSplitOptions, splitForRanking } from '../data/index.ts'
import { checkNumber, TacetError } from '../errors.ts'
import { rankingTrainer, resolveParameters } from '../training/index.ts'
import {
  type ComparisonJob,
  type ComparisonResult,
  type ComparisonRow,
  comparisonJobs,
  comparisonRows,
  type FinishedComparison,
  leadMetricDefault,
} from './comparison.ts'
import { comparisonCsv, comparisonReport } from './comparison-report.ts'
import type { ComparisonWorkerData } from './comparison-worker.node.ts'
import { fingerprint } from './facts.ts'
import { runJobs } from './pool.node.ts'
import { openStudyFolder } from './store.node.ts'

export interface CompareRequest {
  readonly dataPath: string
  readonly models: readonly string[]
  /** Infinity: without privacy. Default [Infinity]. */
  readonly epsilons?: readonly number[]
  /** Default 1e-6. */
  readonly delta?: number
  /** Default 3. */
  readonly seeds?: number
  readonly out: string
  /** Default held-out-users. */
  readonly split?: RankingSplitKind
  readonly minRating?: number
  readonly heldOutUsers?: number
  /** Model → parameter → value. */
  readonly parameters?: Readonly<Record<string, Readonly<Record<string, number>>>>
  /** Default ndcg@10. */
  readonly metric?: string
  /** Default all items. */
  readonly candidates?: 'all' | number
  /** Threads; default: one a core. */
  readonly workers?: number
  readonly skipBadLines?: boolean
  readonly onProgress?: (phase: string, done: number, total: number) => void
  readonly signal?: AbortSignal
}

export interface ComparedData {
  readonly name: string
  readonly users: number
  readonly items: number
  readonly interactions: number
  readonly split: {
    readonly kind: string
    readonly description: string
    readonly train: number
    readonly test: number
    readonly testUsers: number
  }
  readonly notes: readonly string[]
}

export interface CompareReport {
  readonly metric: string
  readonly candidates: string
  readonly data: readonly ComparedData[]
  readonly rows: readonly ComparisonRow[]
  readonly out: string
  readonly report: string
  readonly csv: string
  readonly json: string
  readonly jobs: number
  readonly reusedJobs: number
  readonly seconds: number
  /** Every run is seeded. */
  readonly notForRelease: true
}

/**
 * Runs the comparison, or the rest of it, and writes report.html, results.csv and results.json into its folder.
 * @throws TacetError unknown-model, invalid-argument, output-exists, output-not-writable, interrupted, or what reading the data throws
 */
export async function runComparison(request: CompareRequest): Promise<CompareReport> {
  const split: RankingSplitOptions = {
    kind: request.split ?? 'held-out-users',
    ...(request.minRating === undefined ? {} : { minRating: request.minRating }),
    ...(request.heldOutUsers === undefined ? {} : { heldOutTest: request.heldOutUsers }),
  }
  return compareOn('comparison', 'Ranking models compared', [{ path: request.dataPath, split }], request)
}

/** The same models on several data sets, each with its own split. @param study what the folder holds, for those who find it */
export async function compareOn(
  study: string,
  title: string,
  sources: readonly { readonly path: string; readonly split: RankingSplitOptions }[],
  request: Omit<CompareRequest, 'dataPath' | 'split' | 'minRating' | 'heldOutUsers'>,
): Promise<CompareReport> {
  const startedAt = performance.now()
  const { onProgress, signal, skipBadLines = false, candidates = 'all' } = request
  const metric = request.metric ?? leadMetricDefault
  const delta = checkNumber('delta', request.delta ?? 1e-6, { above: 0, below: 1 })
  const seeds = checkNumber('seeds', request.seeds ?? 3, { atLeast: 1, atMost: 1000, integer: true })
  const workers = checkNumber('workers', request.workers ?? availableParallelism(), { atLeast: 1, atMost: 256, integer: true })
  const epsilons = distinct(request.epsilons ?? [Number.POSITIVE_INFINITY], 'epsilon')
  for (const epsilon of epsilons) if (epsilon !== Number.POSITIVE_INFINITY) checkNumber('epsilon', epsilon, { above: 0 })
  const models = distinct(request.models, 'model')
  if (models.length === 0) throw new TacetError('invalid-argument', 'there is no model to compare', { wayOut: 'Name one or more.' })
  for (const model of models) resolveParameters(rankingTrainer(model), request.parameters?.[model] ?? {})
  for (const model of Object.keys(request.parameters ?? {}))
    if (!models.includes(model))
      throw new TacetError('invalid-argument', `parameters are given for ${model}, which is not compared`, {
        wayOut: `Add it to the models, or leave its parameters out. Compared are ${models.join(', ')}.`,
      })
  if (!['ndcg', 'recall', 'hr'].some((name) => [10, 20, 100].some((k) => metric === `${name}@${k}`)))
    throw new TacetError('invalid-argument', `metric "${metric}" is not one that people are compared by`, {
      wayOut: 'Use ndcg, recall or hr at 10, 20 or 100.',
      details: { metric },
    })
  if (candidates !== 'all') checkNumber('candidates', candidates, { atLeast: 1, integer: true })

  const data: ComparedData[] = []
  const jobs: ComparisonJob[] = []
  const paths: Record<string, string> = {}
  for (const { path, split } of sources) {
    onProgress?.('reading', 0, 0)
    const interactions = await readDataset(path, { skipBadLines })
    data.push(describe(interactions, split))
    paths[interactions.name] = path
    jobs.push(
      ...comparisonJobs({
        fingerprint: fingerprint(interactions),
        dataset: interactions.name,
        split,
        models,
        ...(request.parameters ? { parameters: request.parameters } : {}),
        epsilons,
        delta,
        seeds,
        candidates,
      }),
    )
  }
  const folder = openStudyFolder<ComparisonJob, ComparisonResult>(request.out, study)
  const finished = new Map<string, FinishedComparison>()
  for (const job of jobs) {
    const result = folder.read(job)
    if (result !== null) finished.set(job.id, { job, result })
  }
  const reusedJobs = finished.size
  const workerData: ComparisonWorkerData = { leadMetric: metric, skipBadLines, paths }
  onProgress?.('compare', finished.size, jobs.length)
  await runJobs<ComparisonJob, ComparisonResult>({
    jobs: jobs.filter(({ id }) => !finished.has(id)),
    worker: 'comparison-worker.node',
    workerData,
    workers,
    signal,
    onResult(job, result) {
      folder.write({ job, result })
      finished.set(job.id, { job, result })
      onProgress?.('compare', finished.size, jobs.length)
    },
  })
  const rows = comparisonRows(
    jobs.map(({ id }) => finished.get(id) as FinishedComparison),
    metric,
  )
  const shown = { title, metric, candidates: candidates === 'all' ? 'all items' : `sampled:${candidates}`, delta, seeds, data, rows }
  const report = folder.publish('report.html', comparisonReport(shown))
  const csv = folder.publish('results.csv', comparisonCsv(rows))
  const summary = { metric, candidates: shown.candidates, data, rows, notForRelease: true as const }
  const json = folder.publish(
    'results.json',
    `${JSON.stringify(summary, (_, value) => (value === Number.POSITIVE_INFINITY ? 'inf' : value), 2)}\n`,
  )
  return {
    ...summary,
    out: request.out,
    report,
    csv,
    json,
    jobs: jobs.length,
    reusedJobs,
    seconds: (performance.now() - startedAt) / 1000,
  }
}

function describe(interactions: Interactions, options: RankingSplitOptions): ComparedData {
  const split = splitForRanking(interactions, options)
  return {
    name: interactions.name,
    users: interactions.userIds.length,
    items: interactions.itemIds.length,
    interactions: interactions.users.length,
    split: {
      kind: split.kind,
      description: split.description,
      train: split.counts.train,
      test: split.counts.test,
      testUsers: split.counts.testPeople,
    },
    notes: split.notes,
  }
}

function distinct<Value>(values: readonly Value[], what: string): readonly Value[] {
  const twice = values.find((value, at) => values.indexOf(value) !== at)
  if (twice !== undefined) throw new TacetError('invalid-argument', `${what} ${twice} is named twice`, { wayOut: 'Name each once.' })
  return values
}
