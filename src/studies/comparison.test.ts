import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { syntheticInteractions, toNdjson } from '../data/index.ts'
import { pldAccountant } from '../privacy/index.ts'
import { type ComparisonResult, comparisonJobs, comparisonRows, type FinishedComparison } from './comparison.ts'
import { type CompareRequest, runComparison } from './index.node.ts'

const scratch = mkdtempSync(join(tmpdir(), 'tacet-compare-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
const dataPath = join(scratch, 'small.ndjson')
writeFileSync(dataPath, [...toNdjson(syntheticInteractions({ users: 150, items: 40, seed: 3 }).data)].join(''))

const request = (name: string, more: Partial<CompareRequest> = {}): CompareRequest => ({
  dataPath,
  models: ['dpals', 'ease'],
  epsilons: [4, Number.POSITIVE_INFINITY],
  seeds: 2,
  out: join(scratch, name),
  split: 'random',
  workers: 2,
  ...more,
})

const codeOf = async (work: Promise<unknown>) => {
  try {
    await work
    return 'nothing thrown'
  } catch (error) {
    return (error as { code: string }).code
  }
}

describe('a comparison', () => {
  test('has popularity beside what was asked for, a refusal where a model cannot be private, and goes on where it stopped', async () => {
    const first = await runComparison(request('whole'))
    expect(first.rows.map(({ model, epsilon }) => `${model} ${epsilon}`)).toEqual([
      'popularity 4',
      'dpals 4',
      'ease 4',
      'popularity Infinity',
      'dpals Infinity',
      'ease Infinity',
    ])
    expect(first.jobs).toBe(12)
    expect(first.rows.find(({ model, epsilon }) => model === 'ease' && epsilon === 4)).toMatchObject({
      metrics: null,
      refused: expect.stringMatching(/counts/),
      versusPopularity: null,
    })
    for (const { metrics } of first.rows) if (metrics) expect(metrics['ndcg@10']?.mean).toBeGreaterThan(0)
    // Two jobs are lost: they alone are run again, with the same figures.
    const jobs = join(scratch, 'whole/jobs')
    const lost = readdirSync(jobs).filter((name) => name.startsWith('dpals'))
    rmSync(join(jobs, lost[0] as string))
    writeFileSync(join(jobs, lost[1] as string), '{"id": "half')
    const again = await runComparison(request('whole'))
    expect(again.reusedJobs).toBe(10)
    const figures = (report: typeof first) => report.rows.map(({ metrics }) => metrics)
    expect(figures(again)).toEqual(figures(first))
    const page = readFileSync(first.report, 'utf8')
    expect(page).toContain('▲ better and ▼ worse than popularity')
    expect(page).toContain('time against quality')
    expect(readFileSync(first.csv, 'utf8').split('\n')[0]).toBe(
      'dataset,model,epsilon,delta,metric,mean,std_dev,seeds,train_seconds,refusal',
    )
    expect(JSON.parse(readFileSync(first.json, 'utf8')).rows[3].epsilon).toBe('inf')
  })

  test.for<[string, string, Partial<CompareRequest>]>([
    ['an unknown model', 'unknown-model', { models: ['tarot'] }],
    ['a model twice', 'invalid-argument', { models: ['ease', 'ease'] }],
    ['ε of zero', 'invalid-argument', { epsilons: [0] }],
    ['an unknown parameter', 'invalid-argument', { parameters: { ease: { depth: 1 } } }],
    ['parameters of a model that is not compared', 'invalid-argument', { parameters: { ials: { sweeps: 2 } } }],
    ['a metric nobody is compared by', 'invalid-argument', { metric: 'gini@10' }],
    ['no model', 'invalid-argument', { models: [] }],
  ])('refuses %s before it trains anything', async ([_name, code, more]) => {
    expect(await codeOf(runComparison(request('refused', more)))).toBe(code)
    expect(readdirSync(scratch)).not.toContain('refused')
  })
})

describe('rows', () => {
  const jobs = comparisonJobs({
    fingerprint: 'f',
    dataset: 'd',
    split: { kind: 'random' },
    models: ['better', 'same'],
    epsilons: [1],
    delta: 1e-6,
    seeds: 2,
  })
  const people = 400
  const wobble = (person: number, at: number) => (((person * 7919 + at * 104729) % 101) / 101 - 0.5) * 0.2
  const measured = (model: string, at: number): ComparisonResult => {
    const perPerson = Array.from({ length: people }, (_, person) => 0.3 + (model === 'better' ? 0.05 : 0) + wobble(person, at))
    return {
      kind: 'measured',
      metrics: { 'ndcg@10': perPerson.reduce((sum, value) => sum + value, 0) / people },
      perPerson,
      trainSeconds: 1,
      events: [],
      groups: [],
    }
  }

  test('tell a model that is better for most people from one that only wobbles', () => {
    const finished: FinishedComparison[] = jobs.map((job, at) => ({ job, result: measured(job.model, at) }))
    const rows = comparisonRows(finished, 'ndcg@10')
    const row = (model: string) => rows.find((one) => one.model === model)
    expect(row('better')?.versusPopularity?.pHolm).toBeLessThan(1e-6)
    expect(row('better')?.versusPopularity?.difference.estimate).toBeCloseTo(0.05, 2)
    expect(row('same')?.versusPopularity?.pHolm).toBeGreaterThan(0.05)
    expect(row('popularity')?.versusPopularity).toBeNull()
    expect(row('better')?.versusBest).toBeNull()
    // Holm never lowers a p-value.
    for (const one of rows)
      if (one.versusBest) expect(one.versusBest.pHolm).toBeGreaterThanOrEqual(one.versusBest.tTest.pValue * (1 - 1e-12))
  })

  test('a job is named by what moves its result: seed, level, parameters, split; not by where the data lie', () => {
    const ids = new Set(jobs.map(({ id }) => id))
    expect(ids.size).toBe(jobs.length)
    const [elsewhere] = comparisonJobs({
      fingerprint: 'f',
      dataset: 'another name',
      split: { kind: 'random' },
      models: ['popularity'],
      epsilons: [1],
      delta: 1e-6,
      seeds: 1,
    })
    expect(ids).toContain(elsewhere?.id)
  })
})

test('a private job stays within its ε with the gate that a release would ask', async () => {
  await runComparison(request('priced', { models: ['dpals', 'item-gram'], epsilons: [2], seeds: 1 }))
  const files = readdirSync(join(scratch, 'priced/jobs'))
  expect(files).toHaveLength(3)
  for (const file of files) {
    const { result } = JSON.parse(readFileSync(join(scratch, 'priced/jobs', file), 'utf8'))
    const spent = result.events.reduce(
      (accountant: ReturnType<typeof pldAccountant>, event: never) => accountant.compose(event),
      pldAccountant(),
    )
    const { epsilon } = spent.epsilon(1e-6)
    expect(epsilon).toBeLessThanOrEqual(2)
    expect(epsilon).toBeGreaterThan(1.9)
  }
})
