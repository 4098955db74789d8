/**
 * `tacet study private-ranking`: what each ε buys in lists, private for a whole person, on MovieLens 100K and 1M and Gowalla, and who pays for it
 * (by gender, age, activity of the person, popularity of the item). A comparison over several data sets in one folder.
 */
import { existsSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { readDataset } from '../data/index.node.ts'
import type { RankingSplitOptions } from '../data/index.ts'
import { type CompareReport, compareOn } from './compare.node.ts'

export interface PrivateRankingRequest {
  /** The data set that leads; the others are taken from beside it, where they are. */
  readonly dataPath: string
  /** Only `dataPath`. Default false. */
  readonly alone?: boolean
  readonly out: string
  /** Default 5. */
  readonly seeds?: number
  readonly workers?: number
  /** Fewer levels and one seed; for tests. */
  readonly quick?: boolean
  readonly skipBadLines?: boolean
  readonly onProgress?: (phase: string, done: number, total: number) => void
  readonly signal?: AbortSignal
}

const companions = ['ml-100k', 'ml-1m', 'gowalla-lightgcn']
/** A like is a rating of at least this. */
const minRating = 4

export async function runPrivateRanking(request: PrivateRankingRequest): Promise<CompareReport> {
  const { dataPath, alone = false, quick = false } = request
  const beside = companions
    .map((name) => join(dirname(resolve(dataPath)), name))
    .filter((path) => !alone && existsSync(path) && basename(resolve(dataPath)) !== basename(path))
  const sources = await Promise.all([dataPath, ...beside].map(async (path) => ({ path, split: await splitOf(path, request.skipBadLines) })))
  return compareOn('private-ranking', 'Lists that are private for a whole person', sources, {
    ...request,
    models: quick ? ['item-gram', 'dpals'] : ['item-gram', 'dpals', 'content-popularity', 'item-fold-in', 'ease', 'ials'],
    epsilons: quick ? [1, Number.POSITIVE_INFINITY] : [0.5, 1, 2, 4, 8, Number.POSITIVE_INFINITY],
    seeds: request.seeds ?? (quick ? 1 : 5),
    metric: 'ndcg@100',
  })
}

/** A data set that ships a split is measured on it; of any other, people are held out. */
async function splitOf(path: string, skipBadLines = false): Promise<RankingSplitOptions> {
  const data = await readDataset(path, { skipBadLines })
  if (data.givenSplit !== null) return { kind: 'given' }
  return { kind: 'held-out-users', ...(data.feedback === 'explicit' ? { minRating } : {}) }
}
