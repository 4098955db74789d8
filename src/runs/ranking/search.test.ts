import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { type PrivacyEvent, pldAccountant, priceRandomSearch } from '../../privacy/index.ts'
import { seededRandom } from '../../random/index.ts'
import { rankingTrainer } from '../../training/index.ts'
import { files } from '../folder.node.ts'
import { loadRankingRelease, trainRanking } from '../index.node.ts'
import { readJournal, spentEvents } from '../journal.node.ts'
import { rankingFiles } from './names.ts'
import { drawSettings, planSearch, type SearchConfig } from './search.ts'
import type { RunRequest } from './types.ts'

const scratch = mkdtempSync(join(tmpdir(), 'tacet-tune-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
const dataPath = join(scratch, 'tastes.csv')
let counter = 0
let out: string
beforeEach(() => {
  out = join(scratch, `run-${++counter}`)
})

/** People of two tastes among 40 items. */
{
  const random = seededRandom(4)
  const lines = Array.from({ length: 400 }, (_, person) => {
    const likes = new Set<number>()
    while (likes.size < 10)
      likes.add(2 * Math.floor(random.nextDouble() * 20) + (random.nextDouble() < 0.9 ? person % 2 : 1 - (person % 2)))
    return [...likes].map((item) => `p${person},i${item}`)
  })
  writeFileSync(dataPath, `user,item\n${lines.flat().join('\n')}\n`)
}

const search = (over: Partial<SearchConfig> = {}): SearchConfig => ({
  space: { weightPower: { low: 0, high: 1, log: false }, noiseRidge: { low: 1, high: 16, log: true } },
  trials: 4,
  metric: 'ndcg@10',
  search: 'random',
  ...over,
})
const request = (over: Partial<RunRequest> = {}): RunRequest => ({
  dataPath,
  reader: { columns: { user: 'user', item: 'item' } },
  model: 'dpals',
  epsilon: 8,
  seed: 1,
  out,
  tuning: search(),
  ...over,
})
const withoutPrivacy = (over: Partial<RunRequest>): RunRequest => {
  const { epsilon: _epsilon, ...rest } = request(over)
  return { ...rest, noPrivacy: true }
}
const json = (...path: string[]) => JSON.parse(readFileSync(join(...path), 'utf8'))
const codeOf = async (work: () => unknown) => {
  try {
    await work()
    return 'nothing thrown'
  } catch (error) {
    return (error as { code: string }).code
  }
}

test('a private search spends one event beside the gate, within ε, and keeps the number of trials to itself', async () => {
  const report = await trainRanking(request())
  const events: PrivacyEvent[] = spentEvents(readJournal(join(out, files.journal)))
  expect(events.map(({ kind }) => kind).sort()).toEqual(['approximate', 'gaussian'])
  const { epsilon } = events.reduce((accountant, event) => accountant.compose(event), pldAccountant()).epsilon(1e-6)
  expect(epsilon).toBeLessThanOrEqual(8)
  expect(report.privacy?.epsilon).toBeCloseTo(epsilon, 6)
  expect(epsilon).toBeGreaterThan(7.5)
  // The winner is the model in the folder, under its own settings.
  const { trials } = json(out, rankingFiles.trials)
  const best = trials.reduce((a: { score: number }, b: { score: number }) => (b.score > a.score ? b : a))
  expect(report.tuning?.parameters).toEqual(best.parameters)
  expect(loadRankingRelease(out).config.parameters).toEqual(best.parameters)
  expect(report.tuning?.score).toBe(best.score)
  for (const name of ['statement.md', 'card.json', 'privacy.json', 'events.json', 'config.json'])
    expect(readFileSync(join(out, name), 'utf8')).not.toContain('"trials": [')
})

test('without privacy it tries as many as were asked for, and the adaptive search ends no worse than its first third', async () => {
  await trainRanking(withoutPrivacy({ tuning: search({ trials: 6, search: 'adaptive' }) }))
  const { trials } = json(out, rankingFiles.trials) as { trials: { score: number; parameters: Record<string, number> }[] }
  expect(trials).toHaveLength(6)
  expect(Math.max(...trials.map(({ score }) => score))).toBeGreaterThanOrEqual(Math.max(...trials.slice(0, 2).map(({ score }) => score)))
  for (const { parameters } of trials) {
    expect(parameters.weightPower).toBeGreaterThanOrEqual(0)
    expect(parameters.weightPower).toBeLessThanOrEqual(1)
    expect(parameters.noiseRidge).toBeGreaterThanOrEqual(1)
    expect(parameters.noiseRidge).toBeLessThanOrEqual(16)
  }
})

describe('a plan', () => {
  const sizes = { personCount: 400, itemCount: 40 }
  const privacy = { unit: 'user', epsilon: 4, delta: 1e-6 } as const

  test('gives a trial the largest μ whose search keeps its ε', () => {
    const plan = planSearch(
      rankingTrainer('item-gram'),
      search({ space: { headFactor: { low: 4, high: 9, log: false } } }),
      privacy,
      [],
      sizes,
    )
    const mu = Math.hypot(plan.trainingMu, plan.scoreMu)
    const price = (factor: number) =>
      priceRandomSearch({ trial: { kind: 'gaussian', noiseMultiplier: 1 / (mu * factor) }, count: plan.count, delta: 5e-7 }).epsilon
    expect(plan.event.kind === 'approximate' && price(1) <= plan.event.epsilon).toBe(true)
    expect(plan.event.kind === 'approximate' && price(1.01) > plan.event.epsilon).toBe(true)
  })

  test('has less for each trial the more there are', () => {
    const muOf = (trials: number) => planSearch(rankingTrainer('dpals'), search({ trials }), privacy, [], sizes).trainingMu
    expect(muOf(20)).toBeLessThan(muOf(5))
  })

  test.for<[string, string, Partial<RunRequest>]>([
    ['an adaptive private search', 'unsafe-plan', { tuning: search({ search: 'adaptive' }) }],
    [
      'a model of sampled steps',
      'unsafe-plan',
      { model: 'item-fold-in', tuning: search({ space: { sampleRate: { low: 0.1, high: 0.5, log: false } } }) },
    ],
    ['a setting the model does not have', 'invalid-argument', { tuning: search({ space: { depth: { low: 1, high: 2, log: false } } }) }],
    ['a setting that is fixed too', 'invalid-argument', { parameters: { noiseRidge: 2 } }],
    ['a range upside down', 'invalid-argument', { tuning: search({ space: { noiseRidge: { low: 4, high: 2, log: false } } }) }],
    ['a logarithmic range from zero', 'invalid-argument', { tuning: search({ space: { noiseRidge: { low: 0, high: 2, log: true } } }) }],
    ['a metric that is no mean over people', 'invalid-argument', { tuning: search({ metric: 'gini@10' }) }],
    ['an empty space', 'invalid-argument', { tuning: search({ space: {} }) }],
  ])('refuses %s, and leaves nothing behind', async ([_name, code, over]) => {
    expect(await codeOf(() => trainRanking(request(over)))).toBe(code)
    expect(() => readFileSync(join(out, files.config))).toThrow()
  })
})

test('settings are drawn inside their ranges, evenly in the logarithm where asked, whole where they are', () => {
  const random = seededRandom(9)
  const trainer = rankingTrainer('dpals')
  const drawn = Array.from({ length: 400 }, () =>
    drawSettings({ sweeps: { low: 1, high: 5, log: false }, noiseRidge: { low: 1, high: 100, log: true } }, trainer, random),
  )
  expect(new Set(drawn.map(({ sweeps }) => sweeps))).toEqual(new Set([1, 2, 3, 4, 5]))
  const below10 = drawn.filter(({ noiseRidge }) => (noiseRidge as number) < 10).length
  // Half of them, but for a chance of 2e-7: five standard deviations of √(400/4) = 10.
  expect(Math.abs(below10 - 200)).toBeLessThan(50)
})
