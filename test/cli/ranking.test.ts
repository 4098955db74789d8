/** The commands around a run that ranks, end to end: JSON keys (a contract), what people read, refusals and exit statuses. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rankingModels, rankingSplits } from '../../src/cli/commands/train-ranking.ts'
import { rankingModelNames, rankingSplitNames } from '../../src/runs/index.ts'
import { errorOf, lineCount, tacet } from './capture.ts'

const work = mkdtempSync(join(tmpdir(), 'tacet-ranking-'))
const data = join(work, 'ratings.ndjson')
const plain = join(work, 'plain')
const secret = join(work, 'secret')
afterAll(() => rmSync(work, { recursive: true, force: true }))

async function json(...argv: readonly string[]): Promise<Record<string, unknown>> {
  const { status, stdout, stderr } = await tacet([...argv, '--json', '--quiet'])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return JSON.parse(stdout) as Record<string, unknown>
}

beforeAll(async () => {
  const { status } = await tacet(['data', 'synthesize', '--users', '300', '--items', '120', '--interactions', '9000', '--out', data])
  expect(status).toBe(0)
  await json('train', '--data', data, '--model', 'ease', '--no-privacy', '--min-rating', '4', '--out', plain)
  await json(
    'train',
    '--data',
    data,
    '--model',
    'item-gram',
    '--epsilon',
    '8',
    '--keep-anyway',
    '--split',
    'held-out-users',
    '--out',
    secret,
  )
})

const contractMetrics = Object.fromEntries(
  ['ndcg@10', 'ndcg@20', 'ndcg@100', 'recall@10', 'recall@20', 'recall@100', 'hr@10', 'hr@20', 'hr@100', 'mrr@10', 'coverage@10'].map(
    (key) => [key, expect.any(Number)],
  ),
)

test('the flags name the models and splits that there are', () => {
  expect(rankingModels).toEqual(rankingModelNames)
  expect(rankingSplits).toEqual(rankingSplitNames)
})

describe('train --json', () => {
  test('a private model: the contract’s keys, a person’s promise at δ = 1e-6, the gate', async () => {
    const out = join(work, 'keys')
    const report = await json('train', '--data', data, '--model', 'item-gram', '--epsilon', '2', '--seed', '3', '--out', out)
    expect(report).toMatchObject({
      run: expect.stringContaining('keys'),
      model: 'item-gram',
      recipe: null,
      data: { name: expect.any(String), users: 300, items: 120, interactions: 9000 },
      split: { kind: 'random', train: expect.any(Number), test: expect.any(Number), testRowsOfUnseenUsers: expect.any(Number) },
      candidates: 'all',
      privacy: { accountant: 'pld', privacyUnit: 'user', delta: 1e-6, noiseSource: 'seeded', steps: null },
      metrics: contractMetrics,
      baselines: { popularity: contractMetrics, privatePopularity: contractMetrics },
      gate: {
        beatsPrivatePopularity: expect.any(Boolean),
        kept: expect.any(Boolean),
        saved: expect.stringMatching(/^(item-gram|popularity)$/),
      },
      timing: { trainSeconds: expect.any(Number) },
      peakMemoryMb: expect.any(Number),
      notForRelease: true,
    })
    expect((report.privacy as Record<string, number>).epsilon).toBeLessThanOrEqual(2)
  })

  test('without privacy the promise, the gate and the private baseline are null', async () => {
    const report = await json('train', '--data', data, '--model', 'popularity', '--no-privacy', '--out', join(work, 'popular'))
    expect(report).toMatchObject({ privacy: null, gate: null, baselines: { popularity: contractMetrics, privatePopularity: null } })
    expect(report.metrics).toEqual((report.baselines as Record<string, unknown>).popularity)
  })

  test('--param may be repeated, and reaches the model', async () => {
    const flags = ['--param', 'lambda=30', '--param', 'items=50']
    const report = await json('train', '--data', data, '--model', 'ease', '--no-privacy', ...flags, '--out', join(work, 'settings'))
    expect(report.parameters).toEqual({ lambda: 30, items: 50 })
  })
})

test('people read what was promised, what the gate found, what came out, and the next step', async () => {
  const { status, stdout } = await tacet([
    'train',
    '--data',
    data,
    '--model',
    'item-gram',
    '--epsilon',
    '2',
    '--out',
    join(work, 'for-people'),
  ])
  expect(status).toBe(0)
  for (const label of ['data', 'split', 'model', 'privacy', 'gate', 'quality', 'time', 'saved'])
    expect(stdout).toMatch(new RegExp(`^${label} +\\S`, 'm'))
  expect(stdout).toContain('δ = 1e-6 per person')
  expect(stdout).toContain('not covered by ε: keep them inside')
  expect(stdout).toMatch(/private popularity +0\.\d{4}/)
  expect(stdout).toMatch(/next: .* recommend .*for-people/)
})

test('evaluate repeats the figures, at other cutoffs and candidates named in the output', async () => {
  const report = await json('evaluate', plain, '--k', '5,50')
  expect(report).toMatchObject({ model: 'ease', candidates: 'all', metrics: { ...contractMetrics, 'ndcg@5': expect.any(Number) } })
  expect(await json('evaluate', plain, '--data', data, '--k', '5,50')).toEqual(report)
  expect(await json('evaluate', plain, '--candidates', 'sampled:9')).toMatchObject({ candidates: 'sampled:9' })
  const { stdout } = await tacet(['evaluate', plain, '--candidates', 'sampled:9'])
  expect(stdout).toContain('9 sampled items a person: not comparable')
})

describe('recommend', () => {
  test('for a history: items with titles and reasons out of that history', async () => {
    const report = (await json('recommend', secret, '--history', '3,5,9', '-n', '6')) as {
      user: null
      items: { id: string; title: string; score: number; because: { id: string; title: string }[] }[]
    }
    expect(report.user).toBeNull()
    expect(report.items).toHaveLength(6)
    expect(report.items.map(({ score }) => score)).toEqual(report.items.map(({ score }) => score).sort((a, b) => b - a))
    for (const { id, title, because } of report.items) {
      expect(['3', '5', '9']).not.toContain(id)
      expect(title).toMatch(/^The .* \(\d{4}\)$/)
      for (const reason of because) expect(['3', '5', '9']).toContain(reason.id)
    }
    const { stdout } = await tacet(['recommend', plain, '--history', '3,5,9', '-n', '6'])
    expect(stdout).toContain('because you liked The ')
  })

  test('for a person of the data', async () => {
    const report = await json('recommend', plain, '--user', '5', '-n', '4')
    expect(report).toMatchObject({
      user: '5',
      items: [{ id: expect.any(String), title: expect.any(String), score: expect.any(Number) }, {}, {}, {}],
    })
  })
})

describe('is refused with a clear error', () => {
  const out = join(work, 'never')
  test.each<{ what: string; argv: string[]; status: number; code: string; says: string }>([
    {
      what: 'an exact model asked to be private',
      argv: ['--model', 'ease', '--epsilon', '1'],
      status: 4,
      code: 'unsafe-plan',
      says: 'item-gram',
    },
    {
      what: 'a whole person’s promise by a rating model',
      argv: ['--epsilon', '1', '--privacy-unit', 'user'],
      status: 4,
      code: 'unsafe-plan',
      says: 'item-gram',
    },
    { what: 'no word about privacy', argv: ['--model', 'item-gram'], status: 2, code: 'invalid-argument', says: '--epsilon' },
    {
      what: 'a setting the model lacks',
      argv: ['--model', 'ease', '--no-privacy', '--param', 'depth=3'],
      status: 2,
      code: 'invalid-argument',
      says: 'depth',
    },
    {
      what: 'a setting that is no number',
      argv: ['--model', 'ease', '--no-privacy', '--param', 'lambda'],
      status: 2,
      code: 'invalid-argument',
      says: 'name=number',
    },
    {
      what: 'a setting given twice',
      argv: ['--model', 'ease', '--no-privacy', '--param', 'lambda=1', '--param', 'lambda=2'],
      status: 2,
      code: 'invalid-argument',
      says: 'twice',
    },
    {
      what: 'a shipped split that is not there',
      argv: ['--model', 'ease', '--no-privacy', '--split', 'given'],
      status: 2,
      code: 'invalid-argument',
      says: 'split',
    },
    {
      what: 'an unknown split',
      argv: ['--model', 'ease', '--no-privacy', '--split', 'by-luck'],
      status: 2,
      code: 'invalid-argument',
      says: 'by-luck',
    },
    {
      what: 'a lowest rating for ratings',
      argv: ['--epsilon', '1', '--min-rating', '4'],
      status: 2,
      code: 'invalid-argument',
      says: '--min-rating',
    },
    { what: 'an unknown model', argv: ['--model', 'tarot', '--epsilon', '1'], status: 2, code: 'unknown-model', says: 'tarot' },
  ])('$what', async ({ argv, status, code, says }) => {
    const captured = await tacet(['train', '--data', data, ...argv, '--out', out, '--json'])
    expect(captured.status).toBe(status)
    expect(errorOf(captured)).toMatchObject({ code })
    expect(`${errorOf(captured).message} ${errorOf(captured).wayOut}`).toContain(says)
    expect(lineCount((await tacet(['train', '--data', data, ...argv, '--out', out])).stderr)).toBeLessThanOrEqual(6)
    expect(existsSync(out) || existsSync(`${out}.partial`)).toBe(false)
  })

  test.each<[string, string[], number, string]>([
    ['nobody to list for', ['recommend', plain], 2, '--history'],
    ['two people to list for', ['recommend', plain, '--user', '5', '--history', '3'], 2, '--history'],
    ['a history with a hole', ['recommend', plain, '--history', '3,,5'], 2, '3,,5'],
    ['an unknown item', ['recommend', plain, '--history', '3,nope'], 3, 'nope'],
    ['an unknown person', ['recommend', plain, '--user', 'nobody'], 3, 'nobody'],
    ['a cutoff of 0', ['evaluate', plain, '--k', '10,0'], 2, '10,0'],
    ['unknown candidates', ['evaluate', plain, '--candidates', 'lucky'], 2, 'lucky'],
  ])('%s', async (_what, argv, status, says) => {
    const captured = await tacet(argv)
    expect({ status: captured.status, lines: lineCount(captured.stderr) <= 6 }).toEqual({ status, lines: true })
    expect(captured.stderr).toContain(says)
    expect(captured.stdout).toBe('')
  })
})

test('an interrupt before anything was spent ends with 130 and leaves nothing', async () => {
  const out = join(work, 'stopped')
  const captured = await tacet(['train', '--data', data, '--model', 'item-gram', '--epsilon', '1', '--out', out], {
    signal: AbortSignal.abort(),
  })
  expect(captured.status).toBe(130)
  expect(existsSync(out) || existsSync(`${out}.partial`)).toBe(false)
})
