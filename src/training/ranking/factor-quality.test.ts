/**
 * The quality of bpr and itemknn on published data, where a copy is at hand: MovieLens 100K always, MovieLens 1M under TACET_SLOW (minutes).
 * Figures go to the console of the slow run; docs/decisions/0011-factor-models.md quotes them.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readDataset } from '../../data/index.node.ts'
import { itemCounts, itemsOf, splitForRanking } from '../../data/index.ts'
import { evaluateRanker, freeze, openTest } from '../../evaluation/index.ts'
import { createPopularity, type Ranker, topLists } from '../../models/index.ts'
import { seededRandom } from '../../random/index.ts'
import { rankingTrainer, resolveParameters } from './registry.ts'

const root = process.env['TACET_DATA'] ?? join(import.meta.dirname, '../../../../shared/data')
const slow = process.env['TACET_SLOW'] !== undefined

async function measure(path: string, seeds: readonly number[], bpr: Readonly<Record<string, number>> = {}) {
  const split = splitForRanking(await readDataset(path), { kind: 'random', minRating: 3 })
  const train = (model: string, seed: number) => {
    const trainer = rankingTrainer(model)
    return trainer.fit({
      positives: split.train,
      itemTable: null,
      parameters: resolveParameters(trainer, model === 'bpr' ? bpr : {}),
      privacy: null,
      random: seededRandom(seed),
      spend: () => undefined,
    })
  }
  const ndcg = (ranker: Ranker, { strangers = false, on = 'test' } = {}) => {
    const people = on === 'test' ? openTest(split, freeze(ranker)) : split.validation!
    return evaluateRanker(ranker, strangers ? { ...people, strangers } : people, { metrics: ['ndcg'] }).metrics['ndcg@10'] as number
  }
  const models = await Promise.all(seeds.map((seed) => train('bpr', seed)))
  const first = models[0] as Ranker
  const people = Array.from({ length: split.train.personCount }, (_, userIndex) => ({
    userIndex,
    history: itemsOf(split.train, userIndex),
  }))
  const startedAt = process.cpuUsage().user
  topLists(first, people, 20)
  const listCpuSeconds = (process.cpuUsage().user - startedAt) / 1e6
  return {
    popularity: ndcg(createPopularity(Float32Array.from(itemCounts(split.train)))),
    itemknn: ndcg(await train('itemknn', 1)),
    bpr: models.map((model) => ndcg(model)),
    rows: ndcg(first, { on: 'validation' }),
    foldedIn: ndcg(first, { on: 'validation', strangers: true }),
    listCpuSeconds,
  }
}

function onData(folder: string, name: string, run: (path: string) => Promise<void>): void {
  const path = join(root, folder)
  if (existsSync(path)) test(`${folder}: ${name}`, () => run(path), slow ? 1_200_000 : 120_000)
  else
    test(`${folder}: NOT CHECKED, data set not present (set TACET_DATA to a folder that holds it)`, () => {
      expect(existsSync(path)).toBe(false)
    })
}

onData('ml-100k', 'bpr and itemknn are far ahead of popularity, and a history alone is worth a row', async (path) => {
  const { popularity, itemknn, bpr, rows, foldedIn } = await measure(path, [1], { epochs: 10, dimension: 32 })
  expect(itemknn).toBeGreaterThan(1.3 * popularity)
  expect(bpr[0]).toBeGreaterThan(1.3 * popularity)
  expect(foldedIn).toBeGreaterThan(0.95 * rows)
})

if (slow)
  onData('ml-1m', 'NDCG@10 of bpr is at least .245 and of itemknn .24; everybody is listed within 1.5 seconds', async (path) => {
    const figures = await measure(path, [1, 2, 3])
    console.log(figures)
    for (const value of figures.bpr) expect(value).toBeGreaterThan(0.245)
    expect(figures.itemknn).toBeGreaterThan(0.24)
    expect(figures.foldedIn).toBeGreaterThan(0.97 * figures.rows)
    expect(figures.listCpuSeconds).toBeLessThan(1.5)
  })
