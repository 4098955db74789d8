/** Studies, the parts that touch files and threads: `runStudy`. */

import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { readDataset } from '../data/index.node.ts'
import { checkNumber, TacetError } from '../errors.ts'
import { sensitivityOf } from '../privacy/index.ts'
import { createBook } from './book.ts'
import { datasetFacts } from './facts.ts'
import { paperSettings } from './paper.ts'
import { runJobs } from './pool.node.ts'
import { studyCsv, studyReport, studyVerdicts } from './report.ts'
import { resolveNetwork } from './run-job.ts'
import { openStudyFolder } from './store.node.ts'
import { type FinishedJob, type JobResult, mergeJobs, RESULT_FORMAT, type StudyJob, type StudySources } from './study.ts'
import type { ClaimVerdict } from './verdicts.ts'
import { noPrivacy, priceJobs, rowEpsilon, type StudyData, studyScope, sweepNoise, trainingJobs, upTo } from './wide-and-deep-dp.ts'

export { type CompareReport, type CompareRequest, runComparison } from './compare.node.ts'
export { type PrivateRankingRequest, runPrivateRanking } from './private-ranking.node.ts'

export const studyNames = ['wide-and-deep-dp', 'private-ranking'] as const

export interface StudyRequest {
  /** A data set with explicit ratings; the study leads with it. */
  readonly dataPath: string
  /** Null: without. Default: a folder `book-crossing` beside `dataPath`, if there is one. */
  readonly secondDataPath?: string | null
  /** Folder of the study; made if absent. An unfinished study there is gone on with. */
  readonly out: string
  /** Runs of each setting. Default 3. */
  readonly seeds?: number
  /** Threads. Default: one for each core. */
  readonly workers?: number
  /** The same parts with the fewest runs; for tests. Default false. */
  readonly quick?: boolean
  readonly skipBadLines?: boolean
  readonly onProgress?: (phase: string, done: number, total: number) => void
  readonly signal?: AbortSignal
}

export interface StudyReport {
  readonly study: string
  readonly out: string
  readonly report: string
  readonly csv: string
  readonly json: string
  readonly seeds: number
  readonly jobs: number
  /** Jobs whose results an earlier call had left. */
  readonly reusedJobs: number
  readonly seconds: number
  readonly verdicts: readonly ClaimVerdict[]
  /** Every run is seeded. */
  readonly notForRelease: true
}

/**
 * Runs the study wide-and-deep-dp (private-ranking: `runPrivateRanking`) and writes report.html, results.csv and results.json into its folder.
 * @throws TacetError unknown-study, invalid-argument, output-exists, output-not-writable, interrupted, or what reading the data throws
 */
export async function runStudy(name: string, request: StudyRequest): Promise<StudyReport> {
  if (name !== 'wide-and-deep-dp')
    throw new TacetError('unknown-study', `there is no study "${name}"`, {
      wayOut: `Use one of: ${studyNames.join(', ')}.`,
      details: { name },
    })
  const seeds = checkNumber('seeds', request.seeds ?? 3, { atLeast: 1, atMost: 1000, integer: true })
  const workers = checkNumber('workers', request.workers ?? availableParallelism(), { atLeast: 1, atMost: 256, integer: true })
  const { onProgress, signal, quick = false, skipBadLines = false } = request
  const startedAt = performance.now()
  const secondPath = request.secondDataPath === undefined ? siblingBookCrossing(request.dataPath) : request.secondDataPath
  const options = { seeds, quick }

  onProgress?.('reading', 0, 0)
  const interactions = await readDataset(request.dataPath, { skipBadLines })
  const second = secondPath === null ? null : await readDataset(secondPath, { skipBadLines })
  const data: StudyData = { primary: datasetFacts(interactions), second: second === null ? null : datasetFacts(second) }
  const folder = openStudyFolder<StudyJob, JobResult>(request.out, name)
  const sources: StudySources = {
    paths: { primary: request.dataPath, ...(secondPath === null ? {} : { second: secondPath }) },
    skipBadLines,
  }

  let reusedJobs = 0
  const run = async (phase: string, declared: readonly StudyJob[]): Promise<FinishedJob[]> => {
    const finished = new Map<string, FinishedJob>()
    for (const job of declared) {
      const result = folder.read(job)
      if (result !== null) finished.set(job.id, { job, result })
    }
    reusedJobs += finished.size
    onProgress?.(phase, finished.size, declared.length)
    await runJobs<StudyJob, JobResult>({
      jobs: declared.filter(({ id }) => !finished.has(id)),
      worker: 'worker.node',
      workerData: sources,
      workers,
      signal,
      onResult(job, result) {
        folder.write({ job, result })
        finished.set(job.id, { job, result })
        onProgress?.(phase, finished.size, declared.length)
      },
    })
    return declared.map(({ id }) => finished.get(id) as FinishedJob)
  }

  const prices = await run(
    'prices',
    mergeJobs([
      ...priceJobs('primary', data.primary),
      ...(data.second === null ? [] : priceJobs('second', data.second, studyScope(options).second.noiseMultipliers)),
    ]),
  )
  const epsilons = new Map(
    createBook(prices)
      .prices('primary')
      .map(({ noiseMultiplier, price }) => [noiseMultiplier, rowEpsilon(price.pld)]),
  )
  const trained = await run('runs', mergeJobs(trainingJobs(data, epsilons, options)))

  const book = createBook([...prices, ...trained])
  const rows = data.primary.splits[data.primary.mainSplit]!.train
  const settingsOf = (recipe: 'paper' | 'repaired') => {
    const privacy = recipe === 'paper' ? noPrivacy : upTo(epsilons.get(sweepNoise.repaired) as number)
    const { plan, batchSize, config, optimizer } = resolveNetwork(
      { recipe, changes: {}, privacy, delta: paperSettings.delta },
      interactions,
      rows,
    )
    return {
      maxGradNorm: plan ? sensitivityOf(plan.clipping) : paperSettings.maxGradNorm,
      batchSize,
      config,
      learningRate: optimizer.learningRate,
      hiddenLayers: config.hiddenLayers,
    }
  }
  const recipes = { paper: settingsOf('paper'), repaired: settingsOf('repaired') }
  const verdicts = studyVerdicts({ book, data })
  const report = folder.publish(
    'report.html',
    studyReport({ data, options, book, config: recipes.paper.config, recipes, learningRate: recipes.paper.learningRate }),
  )
  const csv = folder.publish('results.csv', studyCsv(book, data))
  const json = folder.publish(
    'results.json',
    `${JSON.stringify(
      {
        study: name,
        formatVersion: RESULT_FORMAT,
        notForRelease: true,
        options,
        data,
        recipes,
        verdicts,
        jobs: book.finished.map(({ job, result }) => ({ ...job, result })),
      },
      null,
      2,
    )}\n`,
  )
  const jobs = book.finished.length
  return {
    study: name,
    out: request.out,
    report,
    csv,
    json,
    seeds,
    jobs,
    reusedJobs,
    seconds: (performance.now() - startedAt) / 1000,
    verdicts,
    notForRelease: true,
  }
}

function siblingBookCrossing(dataPath: string): string | null {
  const sibling = join(dirname(resolve(dataPath)), 'book-crossing')
  return existsSync(sibling) && resolve(dataPath) !== sibling ? sibling : null
}
