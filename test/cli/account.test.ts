/** `tacet account`: the contract's JSON, its defaults, its refusals, and files of cases. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { gaussianEpsilon } from '../../src/privacy/index.ts'
import { errorOf, lineCount, tacet } from './capture.ts'

const work = mkdtempSync(join(tmpdir(), 'tacet-account-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

const plan = ['--sample-rate', '0.1', '--steps', '64', '--delta', '1e-5'] as const

async function price(...flags: readonly string[]): Promise<Record<string, unknown>> {
  const { status, stdout, stderr } = await tacet(['account', ...flags, '--json'])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return JSON.parse(stdout) as Record<string, unknown>
}

test('the JSON holds exactly the contract’s keys, by PLD and add-or-remove-one unless told otherwise', async () => {
  const pld = await price('--noise-multiplier', '2', ...plan)
  expect(pld).toEqual({
    epsilon: expect.any(Number),
    epsilonLower: expect.any(Number),
    delta: 1e-5,
    mu: null,
    accountant: 'pld',
    noiseMultiplier: 2,
    sampleRate: 0.1,
    steps: 64,
    privacyUnit: 'rating',
    neighboringRelation: 'add-or-remove-one',
    batchSelection: 'poisson',
  })
  const rdp = await price('--noise-multiplier', '2', ...plan, '--accountant', 'rdp')
  expect(rdp).toMatchObject({ accountant: 'rdp', optimalOrder: expect.any(Number), epsilonLower: null })
  expect(pld.epsilon as number).toBeLessThan(rdp.epsilon as number)
})

test('the relation follows the sampler, and a person is priced where a count is given', async () => {
  const shuffled = await price('--noise-multiplier', '2', ...plan, '--batch-selection', 'shuffle')
  expect(shuffled).toMatchObject({ neighboringRelation: 'replace-special', batchSelection: 'shuffle', mu: expect.any(Number) })
  const fixed = await price('--noise-multiplier', '2', ...plan, '--batch-selection', 'fixed-without-replacement', '--accountant', 'rdp')
  expect(fixed).toMatchObject({ neighboringRelation: 'replace-one' })
  const person = await price('--noise-multiplier', '2', ...plan, '--max-examples-per-user', '5')
  expect(person).toMatchObject({ privacyUnit: 'user' })
})

test('--epsilon finds the noise whose price it is', async () => {
  const found = await price('--epsilon', '1', ...plan)
  expect(found.epsilon as number).toBeLessThanOrEqual(1)
  expect(found.epsilon as number).toBeGreaterThan(0.999)
  const again = await price('--noise-multiplier', String(found.noiseMultiplier), ...plan)
  expect(again.epsilon).toBeCloseTo(found.epsilon as number, 9)
})

test('people read the price, its unit, both accountants and what it means', async () => {
  const { status, stdout } = await tacet(['account', '--noise-multiplier', '2', ...plan])
  expect(status).toBe(0)
  for (const words of ['ε = ', 'δ = 1e-5', 'one row', 'add-or-remove-one', 'Poisson', 'PLD', 'RDP ε = ', 'times surer', 'next'])
    expect(stdout).toContain(words)
})

describe('refusals', () => {
  const cases: readonly [string, readonly string[], number, string, string][] = [
    ['σ = 0', ['--noise-multiplier', '0', ...plan], 2, 'invalid-argument', '--noise-multiplier is 0'],
    ['σ not a number', ['--noise-multiplier', 'NaN', ...plan], 2, 'invalid-argument', 'NaN'],
    ['ε = 0', ['--epsilon', '0', ...plan], 2, 'invalid-argument', '--epsilon is 0'],
    ['δ = 1', ['--noise-multiplier', '1', '--sample-rate', '0.1', '--steps', '1', '--delta', '1'], 2, 'invalid-argument', '--delta is 1'],
    [
      'q > 1',
      ['--noise-multiplier', '1', '--sample-rate', '1.5', '--steps', '1', '--delta', '1e-5'],
      2,
      'invalid-argument',
      '--sample-rate is 1.5',
    ],
    [
      'no steps',
      ['--noise-multiplier', '1', '--sample-rate', '0.1', '--steps', '0', '--delta', '1e-5'],
      2,
      'invalid-argument',
      '--steps is 0',
    ],
    [
      'half a step',
      ['--noise-multiplier', '1', '--sample-rate', '0.1', '--steps', '1.5', '--delta', '1e-5'],
      2,
      'invalid-argument',
      'integer',
    ],
    ['no δ', ['--noise-multiplier', '1', '--sample-rate', '0.1', '--steps', '1'], 2, 'invalid-argument', '--delta is missing'],
    ['neither σ nor ε', [...plan], 2, 'invalid-argument', '--noise-multiplier is missing'],
    ['both σ and ε', ['--epsilon', '1', '--noise-multiplier', '1', ...plan], 2, 'invalid-argument', 'cannot be used with'],
    ['an unknown accountant', ['--noise-multiplier', '1', ...plan, '--accountant', 'clt'], 2, 'invalid-argument', 'clt'],
    ['an unknown relation', ['--noise-multiplier', '1', ...plan, '--relation', 'cousins'], 2, 'invalid-argument', 'cousins'],
    ['an unknown sampler', ['--noise-multiplier', '1', ...plan, '--batch-selection', 'roulette'], 2, 'invalid-argument', 'roulette'],
    [
      'the PLD of fixed-size batches',
      ['--noise-multiplier', '1', ...plan, '--batch-selection', 'fixed-without-replacement'],
      2,
      'unsupported-event',
      '',
    ],
    [
      'shuffling under add-or-remove-one',
      ['--noise-multiplier', '1', ...plan, '--batch-selection', 'shuffle', '--relation', 'add-or-remove-one'],
      4,
      'unsafe-plan',
      '',
    ],
    ['a file of cases beside other settings', ['--cases', 'x.ndjson', '--delta', '1e-5'], 2, 'invalid-argument', '--cases'],
    ['a file of cases that is not there', ['--cases', join(work, 'none.ndjson')], 3, 'missing-file', 'none.ndjson'],
    ['a folder of cases', ['--cases', work], 3, 'missing-file', 'folder'],
  ]
  test.each(cases)('%s', async (_what, flags, status, code, says) => {
    const captured = await tacet(['account', ...flags])
    expect(captured).toMatchObject({ status, stdout: '' })
    expect(captured.stderr).toMatch(new RegExp(`^${code}: `))
    expect(captured.stderr).toContain(says)
    expect(lineCount(captured.stderr)).toBeLessThanOrEqual(6)
    expect(errorOf(await tacet(['account', ...flags, '--json'])).code).toBe(code)
  })
})

test('a file of cases is answered line by line, an unknown event by its error and not by a price', async () => {
  const gaussian = (noiseMultiplier: number | null) => ({ kind: 'gaussian', noiseMultiplier })
  const questions = [
    { id: 'eps', event: gaussian(2), ask: { epsilonAt: 1e-5 } },
    { id: 'eps-rdp', event: gaussian(2), accountant: 'rdp', ask: { epsilonAt: 1e-5 } },
    { id: 'delta', event: gaussian(2), ask: { deltaAt: 1 } },
    { id: 'rdp', event: gaussian(2), ask: { rdpAt: 8 } },
    { id: 'rdp-inf', event: { kind: 'laplace', noiseMultiplier: 2 }, ask: { rdpAt: 'inf' } },
    {
      id: 'sigma',
      event: { kind: 'repeated', times: 10, event: { kind: 'poisson-sampled', sampleRate: 0.1, event: gaussian(null) } },
      ask: { calibrate: { epsilon: 1, delta: 1e-5 } },
    },
    { id: 'none', event: { kind: 'non-private' }, ask: { epsilonAt: 1e-5 } },
    { id: 'unknown', event: { kind: 'magic' }, ask: { epsilonAt: 1e-5 } },
  ]
  const file = join(work, 'cases.ndjson')
  writeFileSync(file, `${questions.map((question) => JSON.stringify(question)).join('\n')}\n\nnot json\n`)
  const { status, stdout, stderr } = await tacet(['account', '--cases', file])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const answers = stdout
    .trimEnd()
    .split('\n')
    .map((text) => JSON.parse(text) as Record<string, unknown>)
  expect(answers).toEqual([
    { id: 'eps', epsilon: expect.closeTo(gaussianEpsilon({ mu: 0.5, delta: 1e-5 }), 4), epsilonLower: expect.any(Number) },
    { id: 'eps-rdp', epsilon: expect.any(Number), optimalOrder: expect.any(Number) },
    { id: 'delta', delta: expect.any(Number) },
    // α / (2σ²)
    { id: 'rdp', rdp: expect.closeTo(1, 9) },
    { id: 'rdp-inf', rdp: expect.closeTo(0.5, 9) },
    { id: 'sigma', noiseMultiplier: expect.any(Number) },
    { id: 'none', epsilon: 'inf', epsilonLower: 'inf' },
    { id: 'unknown', error: { code: 'unsupported-event', message: expect.stringContaining('magic') } },
    { id: null, error: { code: 'invalid-argument', message: expect.any(String) } },
  ])
})

test('an empty file of cases is empty data', async () => {
  const file = join(work, 'empty.ndjson')
  writeFileSync(file, '\n')
  expect(await tacet(['account', '--cases', file])).toMatchObject({ status: 3, stdout: '', stderr: expect.stringMatching(/^empty-data: /) })
})
