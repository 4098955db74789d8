/** A thread of a comparison's pool. Entry point; imported by nobody. */
import { workerData } from 'node:worker_threads'
import { readDataset } from '../data/index.node.ts'
import { answerJobs } from './pool.node.ts'
import { createComparisonRunner } from './run-comparison.ts'

export interface ComparisonWorkerData {
  readonly leadMetric: string
  readonly skipBadLines: boolean
  readonly paths: Readonly<Record<string, string>>
}

const { leadMetric, skipBadLines, paths } = workerData as ComparisonWorkerData
answerJobs(createComparisonRunner({ leadMetric, load: (dataset) => readDataset(paths[dataset] as string, { skipBadLines }) }))
