/** The commands around a run, end to end: their JSON keys (a contract), what people read, and stopping with Ctrl-C. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tacet } from './capture.ts'

const work = mkdtempSync(join(tmpdir(), 'tacet-train-'))
const data = join(work, 'ratings.ndjson')
afterAll(() => rmSync(work, { recursive: true, force: true }))
beforeAll(async () => {
  const { status } = await tacet(['data', 'synthesize', '--users', '300', '--items', '120', '--interactions', '9000', '--out', data])
  expect(status).toBe(0)
})

async function json(...argv: readonly string[]): Promise<Record<string, unknown>> {
  const { status, stdout, stderr } = await tacet([...argv, '--json', '--quiet'])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return JSON.parse(stdout) as Record<string, unknown>
}

const figures = { rmse: expect.any(Number), mae: expect.any(Number) }
const privacyKeys = [
  'epsilon',
  'epsilonLower',
  'delta',
  'mu',
  'accountant',
  'optimalOrder',
  'privacyUnit',
  'neighboringRelation',
  'batchSelection',
  'noiseMultiplier',
  'sampleRate',
  'steps',
  'maxGradNorm',
  'noiseSource',
]

describe('train --json', () => {
  test('bias-factors at ε = 1: the contract’s keys, the PLD’s price, inapplicable fields null', async () => {
    const out = join(work, 'bias-factors')
    const report = await json('train', '--data', data, '--epsilon', '1', '--out', out)
    expect(report).toMatchObject({
      run: expect.stringContaining('bias-factors'),
      model: 'bias-factors',
      recipe: null,
      data: { name: expect.any(String), users: 300, items: 120, interactions: 9000 },
      split: { kind: 'chronological', train: expect.any(Number), test: expect.any(Number), testRowsOfUnseenUsers: expect.any(Number) },
      privacy: { accountant: 'pld', privacyUnit: 'rating', delta: 1e-5, noiseSource: 'csprng', maxGradNorm: null, sampleRate: null },
      metrics: figures,
      baselines: { constant: figures, itemMean: figures, privateItemMean: { ...figures, epsilon: expect.any(Number) } },
      timing: { trainSeconds: expect.any(Number) },
      peakMemoryMb: expect.any(Number),
    })
    const privacy = report.privacy as Record<string, number>
    expect(Object.keys(privacy).sort()).toEqual([...privacyKeys].sort())
    expect(privacy.epsilon).toBeLessThanOrEqual(1.0001)
    expect(existsSync(join(out, 'statement.md'))).toBe(true)
  })

  test('wide-and-deep with a given σ: recipe repaired, Poisson batches, a seeded run not for release', async () => {
    const out = join(work, 'network')
    const flags = [
      '--model',
      'wide-and-deep',
      '--noise-multiplier',
      '1',
      '--epochs',
      '2',
      '--batch-size',
      '512',
      '--delta',
      '1e-6',
      '--seed',
      '7',
    ]
    const report = await json('train', '--data', data, ...flags, '--out', out)
    expect(report).toMatchObject({
      model: 'wide-and-deep',
      recipe: 'repaired',
      privacy: {
        noiseMultiplier: 1,
        delta: 1e-6,
        batchSelection: 'poisson',
        neighboringRelation: 'add-or-remove-one',
        noiseSource: 'seeded',
      },
      timing: { stepsPerSecond: expect.any(Number) },
      notForRelease: true,
    })
  })

  test('without privacy: privacy is null and so is the private baseline', async () => {
    const report = await json('train', '--data', data, '--no-privacy', '--split', 'random', '--out', join(work, 'plain'))
    expect(report).toMatchObject({ privacy: null, split: { kind: 'random' }, baselines: { privateItemMean: null } })
  })
})

test('people read what was promised, what it cost, what came out, and the next step', async () => {
  const { status, stdout, stderr } = await tacet(['train', '--data', data, '--epsilon', '2', '--out', join(work, 'for-people')])
  expect(status).toBe(0)
  expect(stderr).not.toContain('error')
  for (const label of ['data', 'split', 'model', 'privacy', 'quality', 'time', 'saved'])
    expect(stdout).toMatch(new RegExp(`^${label} +\\S`, 'm'))
  expect(stdout).toContain('δ = 1e-5 per rating')
  expect(stdout).toMatch(/next: .* audit .*for-people/)
})

describe('a finished run', () => {
  const run = join(work, 'finished')
  beforeAll(async () => {
    await json('train', '--data', data, '--epsilon', '4', '--out', run)
  })

  test('evaluate repeats the figures of its training from the folder alone', async () => {
    const report = await json('evaluate', run)
    const { results } = { results: await json('evaluate', run, '--data', data) }
    expect(report).toMatchObject({ model: 'bias-factors', metrics: figures, baselines: { constant: figures, itemMean: figures } })
    expect(results.metrics).toEqual(report.metrics)
  })

  test('recommend lists n items, best first, by id and title', async () => {
    const report = (await json('recommend', run, '--user', '5', '-n', '7')) as {
      user: string
      items: { id: string; title: string; score: number }[]
    }
    expect(report.user).toBe('5')
    expect(report.items).toHaveLength(7)
    expect(report.items[0]).toEqual({ id: expect.any(String), title: expect.any(String), score: expect.any(Number) })
    const scores = report.items.map(({ score }) => score)
    expect(scores).toEqual([...scores].sort((a, b) => b - a))
    const { stdout } = await tacet(['recommend', run, '--user', '5', '-n', '7'])
    expect(stdout).toContain(report.items[0]?.title)
  })

  test('audit holds the claim against what it finds, and says how sure it is', async () => {
    const report = await json('audit', run, '--canaries', '1000', '--seed', '3')
    expect(report).toMatchObject({
      claimedEpsilon: expect.any(Number),
      delta: 1e-5,
      epsilonLowerBound: expect.any(Number),
      confidence: expect.any(Number),
      canaries: expect.any(Number),
      attacks: expect.arrayContaining([{ name: expect.any(String), auc: expect.any(Number), tprAt1Fpr: expect.any(Number) }]),
      power: expect.any(Number),
      holds: true,
    })
    expect(['holds', 'inconclusive']).toContain(report.verdict)
    expect(report.epsilonLowerBound as number).toBeLessThanOrEqual(report.claimedEpsilon as number)
  })

  test('every file at the top of the folder is public, what is private lies under private/', () => {
    expect(readdirSync(run).sort()).toEqual(
      ['card.json', 'config.json', 'events.json', 'model.safetensors', 'privacy.json', 'private', 'report.html', 'statement.md'].sort(),
    )
  })
})

describe('stopping', () => {
  const slow = ['--model', 'wide-and-deep', '--noise-multiplier', '1', '--batch-size', '64', '--checkpoint-every', '50'] as const
  const main = join(import.meta.dirname, '../../src/cli/main.ts')

  test('an interrupt stops at a step boundary with 130, leaves no run folder, and the run can be gone on with', async () => {
    const out = join(work, 'stopped')
    const child = spawn(process.execPath, [main, 'train', '--data', data, ...slow, '--epochs', '2000', '--out', out], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stderr = ''
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString()
    })
    const ended = new Promise<[number | null, string | null]>((resolve) => child.on('close', (code, signal) => resolve([code, signal])))
    // Once a checkpoint is there, training is under way.
    const checkpoint = join(`${out}.partial`, 'private/checkpoint.safetensors')
    for (let waited = 0; !existsSync(checkpoint) && waited < 30_000; waited += 50) await new Promise((resolve) => setTimeout(resolve, 50))
    child.kill('SIGINT')
    expect(await ended).toEqual([130, null])
    expect(stderr).toMatch(/^interrupted: /m)
    expect(stderr).toContain('--resume')
    expect(existsSync(out)).toBe(false)
  })

  test('two interrupts in a row stop at once', async () => {
    const child = spawn(
      process.execPath,
      [main, 'train', '--data', data, ...slow, '--epochs', '2000', '--out', join(work, 'stopped-at-once')],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    )
    const ended = new Promise((resolve) => child.on('close', resolve))
    const partial = join(work, 'stopped-at-once.partial')
    for (let waited = 0; !existsSync(partial) && waited < 30_000; waited += 20) await new Promise((resolve) => setTimeout(resolve, 20))
    child.kill('SIGINT')
    await new Promise((resolve) => setTimeout(resolve, 5))
    child.kill('SIGINT')
    expect(await ended).toBe(130)
  })

  test('a stopped run is resumed to its end, and every attempt is in the price', async () => {
    const out = join(work, 'resumed')
    const controller = new AbortController()
    const settings = [
      'train',
      '--data',
      data,
      '--model',
      'wide-and-deep',
      '--noise-multiplier',
      '1',
      '--batch-size',
      '256',
      '--epochs',
      '60',
      '--checkpoint-every',
      '50',
      '--out',
      out,
    ]
    const watching = setInterval(() => {
      if (existsSync(join(`${out}.partial`, 'private/checkpoint.safetensors'))) controller.abort()
    }, 2)
    const stopped = await tacet(settings, { signal: controller.signal })
    clearInterval(watching)
    expect(stopped.status).toBe(130)
    const resumed = await json('train', '--resume', out)
    expect(resumed).toMatchObject({ attempts: 2, model: 'wide-and-deep' })
    const straight = await json(...settings.slice(0, -1), join(work, 'straight'))
    expect((resumed.privacy as { epsilon: number }).epsilon).toBeGreaterThanOrEqual((straight.privacy as { epsilon: number }).epsilon)
    const statement = readFileSync(join(out, 'statement.md'), 'utf8')
    expect(statement.length).toBeGreaterThan(500)
  })
})
