import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { syntheticInteractions, toNdjson } from '../data/index.ts'
import { TacetError } from '../errors.ts'
import { train } from '../runs/index.node.ts'
import { runStudy, type StudyReport } from './index.node.ts'
import { openStudyFolder } from './store.node.ts'
import type { StudyJob, TrainedResult } from './study.ts'

const work = mkdtempSync(join(tmpdir(), 'tacet-study-'))
const dataPath = join(work, 'invented.ndjson')
const out = join(work, 'study')
const request = { dataPath, out, seeds: 1, quick: true, secondDataPath: null, workers: 2 } as const
let first: StudyReport

beforeAll(async () => {
  const { data } = syntheticInteractions({ users: 200, items: 100, interactions: 4000, seed: 7 })
  writeFileSync(dataPath, [...toNdjson(data)].join(''))
  first = await runStudy('wide-and-deep-dp', request)
}, 120_000)
afterAll(() => rmSync(work, { recursive: true, force: true }))

const codeOf = async (work_: () => unknown) => {
  try {
    await work_()
  } catch (error) {
    return error instanceof TacetError ? error.code : String(error)
  }
  return 'no error'
}

test('a quick study writes one self-contained page with every part, and a line a job', () => {
  const page = readFileSync(first.report, 'utf8')
  for (const part of [
    'Table 1, chronological split',
    'Table 1, random split',
    'Wide-only and deep-only',
    'Figure 1, wide only',
    'Figure 1, deep only',
    'Figure 1, wide and deep together',
    'Figure 2',
    'Figure 3',
    'Figure 4',
    'Figure 5',
    'Figure 6',
    'Error against ε',
    'Lower bounds beside the claims',
    'Sweeps',
    'shuffled',
    'not for release',
  ])
    expect(page.replaceAll('none is for release', 'not for release')).toContain(part)
  expect(page).not.toMatch(/https?:\/\/|<script|NaN|undefined|Infinity|\bnull\b/)
  // The paper's own figures stand only beside runs on the paper's data.
  expect(page).not.toContain('1.2048')
  const lines = readFileSync(first.csv, 'utf8').trimEnd().split('\r\n')
  expect(lines).toHaveLength(first.jobs + 1)
  const json = JSON.parse(readFileSync(first.json, 'utf8'))
  expect(json.notForRelease).toBe(true)
  expect(json.jobs).toHaveLength(first.jobs)
  expect(first.verdicts.length).toBeGreaterThanOrEqual(6)
})

test('a cell of the study is the run that `tacet train` makes with the same seed', async () => {
  const { jobs: list } = JSON.parse(readFileSync(first.json, 'utf8')) as { jobs: (StudyJob & { readonly result: TrainedResult })[] }
  for (const [kind, model] of [
    ['bias-factors', 'bias-factors'],
    ['wide-and-deep', 'wide-and-deep'],
  ] as const) {
    const cell = list.find(
      ({ task, split, seed }) =>
        task.kind === kind &&
        split === 'chronological' &&
        seed === 1 &&
        task.privacy.kind === 'epsilon' &&
        !('itemMetadata' in task && task.itemMetadata),
    )
    if (cell?.task.kind !== kind || cell.task.privacy.kind !== 'epsilon') throw new Error(`no ${kind} job`)
    const { metrics } = await train({ dataPath, model, epsilon: cell.task.privacy.epsilon, seed: 1, out: join(work, `run-${kind}`) })
    expect(cell.result.measured.rmse).toBeCloseTo(metrics.rmse, 6)
    expect(cell.result.measured.mae).toBeCloseTo(metrics.mae, 6)
  }
}, 60_000)

test('a study that was stopped goes on: only the missing and the damaged job are run again, with the same results', async () => {
  const jobs = join(out, 'jobs')
  const [missing, damaged] = readdirSync(jobs).filter((name) => name.startsWith('bias-factors')) as [string, string]
  const before = readFileSync(join(jobs, missing), 'utf8')
  rmSync(join(jobs, missing))
  writeFileSync(join(jobs, damaged), before.slice(0, 40))
  writeFileSync(join(jobs, 'half.json.tmp'), '{')
  const again = await runStudy('wide-and-deep-dp', request)
  expect(again.jobs).toBe(first.jobs)
  expect(again.reusedJobs).toBe(first.jobs - 2)
  const measured = (text: string) => JSON.parse(text).result.measured
  expect(measured(readFileSync(join(jobs, missing), 'utf8'))).toEqual(measured(before))
  expect(readdirSync(jobs).filter((name) => name.endsWith('.tmp'))).toEqual([])
}, 60_000)

test('an aborted study says so, keeps its jobs and writes no report', async () => {
  const stopped = join(work, 'stopped')
  const controller = new AbortController()
  const run = runStudy('wide-and-deep-dp', {
    ...request,
    out: stopped,
    signal: controller.signal,
    onProgress: (phase, done) => {
      if (phase === 'prices' && done >= 1) controller.abort()
    },
  })
  expect(await codeOf(() => run)).toBe('interrupted')
  expect(readdirSync(stopped)).not.toContain('report.html')
  expect(readdirSync(join(stopped, 'jobs')).length).toBeGreaterThanOrEqual(1)
}, 60_000)

test('an unknown study, a folder with something else in it and data without ratings are refused', async () => {
  expect(await codeOf(() => runStudy('wide-and-deep', request))).toBe('unknown-study')
  const taken = join(work, 'taken')
  mkdirSync(taken)
  writeFileSync(join(taken, 'thesis.txt'), 'precious')
  expect(await codeOf(() => openStudyFolder(taken, 'wide-and-deep-dp'))).toBe('output-exists')
  expect(readdirSync(taken)).toEqual(['thesis.txt'])
  expect(await codeOf(() => openStudyFolder(out, 'another-study'))).toBe('output-exists')
  expect(await codeOf(() => runStudy('wide-and-deep-dp', { ...request, seeds: 0 }))).toBe('invalid-argument')
})
