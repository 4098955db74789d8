import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { compareIds, syntheticInteractions, toCsv, toNdjson } from '../data/index.ts'
import { TacetError } from '../errors.ts'
import { type PrivacyEvent, pldAccountant } from '../privacy/index.ts'
import { files } from './folder.node.ts'
import { evaluateRun, loadRun, recommendFromRun, resumeRun, train } from './index.node.ts'
import { readJournal, spentEvents } from './journal.node.ts'
import { priceRun } from './pricing.ts'
import { choiceEvents, epsilonLeftForStages, namesForPerson, type PrivateVocabulary, planChoices } from './private-vocabulary.ts'
import type { TrainReport, TrainRequest } from './types.ts'

const scratch = mkdtempSync(join(tmpdir(), 'tacet-vocabulary-'))
const dataPath = join(scratch, 'plain.csv')
const lonelyUser = 'u-lonely'
const lonelyItem = 'i-lonely'
const budget = { epsilon: 4, delta: 1e-5 }
let counter = 0
let out: string

beforeAll(() => {
  const invented = syntheticInteractions({ users: 300, items: 120, interactions: 12_000, seed: 5 }).data
  const [head, ...rows] = [...toCsv(invented)].join('').trimEnd().split('\n') as [string, ...string[]]
  // Two ids that one rating each brings in; several rows, so that one of each is a training row whatever the split.
  const extra = Array.from({ length: 6 }, (_, i) => [`${lonelyUser}${i},1,4,100`, `1,${lonelyItem}${i},2,100`]).flat()
  writeFileSync(dataPath, `${[head, ...rows, ...extra].join('\n')}\n`)
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
beforeEach(() => {
  out = join(scratch, `run-${++counter}`)
})

const request = (over: Partial<TrainRequest> = {}): TrainRequest => ({
  dataPath,
  reader: { ratingScale: { min: 1, max: 5 } },
  split: 'random',
  epsilon: budget.epsilon,
  privateVocabulary: true,
  seed: 3,
  out,
  ...over,
})
const codeOf = async (work: () => unknown): Promise<string> => {
  try {
    await work()
  } catch (error) {
    return error instanceof TacetError ? error.code : String(error)
  }
  return 'no error'
}
const json = (...path: string[]) => JSON.parse(readFileSync(join(...path), 'utf8'))
const priceOf = (events: readonly PrivacyEvent[]) =>
  pldAccountant()
    .compose({ kind: 'composed', events: [...events] })
    .epsilon(budget.delta).epsilon
const choicesOf = (folder: string) => readJournal(join(folder, files.journal)).filter(({ kind }) => kind === 'select')

describe('a run that chooses its ids privately', () => {
  let report: TrainReport
  let run: string
  beforeAll(async () => {
    run = join(scratch, 'bias')
    report = await train(request({ out: run }))
  })

  test('spends the ε it was given on the choices and the model together, and no more', () => {
    expect(report.privacy?.epsilon).toBeLessThanOrEqual(4)
    expect(report.privacy?.epsilon).toBeGreaterThan(3.99)
    const journal = readJournal(join(run, files.journal))
    expect(priceOf(spentEvents(journal))).toBeCloseTo(report.privacy?.epsilon as number, 6)
    expect(priceOf([json(run, files.events).event])).toBeCloseTo(report.privacy?.epsilon as number, 6)
    // Both choices stand in the journal before the first stage.
    expect(journal.slice(0, 4).map((entry) => (entry.kind === 'select' ? entry.what : entry.kind))).toEqual([
      'attempt',
      'items',
      'users',
      'spend',
    ])
    expect(report.privacyDetails?.rating.rdp?.epsilon).toBeGreaterThan(4)
  })

  test('names ids in an order of their own and nobody who came with one rating', () => {
    const { userIds, itemIds } = json(run, files.data) as { userIds: string[]; itemIds: string[] }
    for (const ids of [userIds, itemIds]) {
      expect(ids.at(-1)).toBe('')
      expect(ids.slice(0, -1)).toEqual(ids.slice(0, -1).sort(compareIds))
      expect(ids.length).toBeGreaterThan(20)
      expect(ids.some((id) => id.includes('lonely'))).toBe(false)
    }
    expect(userIds.length).toBeLessThan(report.data.users)
    for (const name of readdirSync(run).filter((entry) => entry !== 'private'))
      expect(readFileSync(join(run, name), 'latin1'), name).not.toContain('lonely')
  })

  test('says in its statement that ids are priced, how they were chosen, and what it does not protect', () => {
    const statement = readFileSync(join(run, files.statement), 'utf8')
    const { items } = json(run, files.config).privateVocabulary
    expect(statement).toMatch(/Released with noise, inside the ε above: .*the ids of people and items; which people and items occur at all/)
    expect(statement).toContain(`reaches ${items.threshold}: priced, inside the ε above`)
    expect(statement).not.toMatch(/Taken as public.*(the ids|vocabulary)/)
    expect(statement).toContain('for a whole person who is likely to be named: their ε is infinite')
    expect(statement).toContain('share one row of the model')
    // The number of named ids is released; the number of all of them is not.
    const { userIds, itemIds } = json(run, files.data)
    expect(readFileSync(join(run, files.report), 'utf8')).toContain(`${userIds.length - 1} people, ${itemIds.length - 1} items`)
    expect(report.privacyDetails?.user?.median.pld?.epsilon).toBe(Infinity)
  })

  test('evaluates to what training reported, better than the constant, on rows of ids it does not name too', async () => {
    const again = await evaluateRun(run)
    expect(again.metrics).toEqual(report.metrics)
    expect(again.split).toEqual(report.split)
    expect(again.data).toEqual(report.data)
    expect(again.baselines.itemMean).toEqual(report.baselines.itemMean)
    expect(report.metrics.rmse).toBeLessThan(report.baselines.constant.rmse)
    const { data, asRead, split } = await loadRun(run)
    expect(split.test.some((row) => data.userIds[data.users[row] as number] === '')).toBe(true)
    expect(data.users.length).toBe(asRead.users.length)
  })

  test('recommends named items to anybody, and the same to whoever it does not name, in the data or not', async () => {
    const said: string[] = []
    const io = { onWarning: (sentence: string) => said.push(sentence) }
    const { userIds } = json(run, files.data) as { userIds: string[] }
    const named = await recommendFromRun(run, { user: userIds[0] as string, n: 500 }, io)
    expect(said).toEqual([])
    expect(named.items.some(({ id }) => id === '' || id.includes('lonely'))).toBe(false)
    const stranger = await recommendFromRun(run, { user: 'never-seen', n: 5 }, io)
    const lonely = await recommendFromRun(run, { user: `${lonelyUser}0`, n: 5 }, io)
    expect(said).toHaveLength(2)
    // But for the one film they rated, if it is a training row.
    expect(lonely.items.filter(({ id }) => stranger.items.some((item) => item.id === id)).length).toBeGreaterThanOrEqual(4)
  })
})

test('Wide & Deep fits its noise beside the choices, under an ε and under a σ', async () => {
  const network = { model: 'wide-and-deep', epochs: 1 } as const
  const report = await train(request(network))
  expect(report.privacy?.epsilon).toBeLessThanOrEqual(4)
  expect(report.privacy?.epsilon).toBeGreaterThan(3.98)
  const config = json(out, files.config)
  expect(config.training.plan.datasetSize).toBe(report.split.train)
  expect((await evaluateRun(out)).metrics).toEqual(report.metrics)

  const given = await train(
    request({ ...network, recipe: 'paper', epsilon: undefined, noiseMultiplier: 1, batchSize: 200, out: `${out}-sigma` } as never),
  )
  const steps = spentEvents(readJournal(join(`${out}-sigma`, files.journal)).filter(({ kind }) => kind === 'spend'))
  expect(given.privacy?.noiseMultiplier).toBe(1)
  expect(given.privacy?.epsilon).toBeGreaterThan(priceOf(steps) * 1.001)
  expect(given.privacy?.epsilon).toBeLessThan(priceOf(steps) * 1.4)
})

test('public tables have nothing to choose, and a run without privacy nothing to hide', async () => {
  const tables = join(scratch, 'tables.ndjson')
  writeFileSync(tables, [...toNdjson(syntheticInteractions({ users: 60, items: 40, interactions: 900, seed: 5 }).data)].join(''))
  expect(await codeOf(() => train(request({ dataPath: tables })))).toBe('invalid-argument')
  expect(await codeOf(() => train(request({ epsilon: undefined, noPrivacy: true } as never)))).toBe('invalid-argument')
  expect(existsSync(`${out}.partial`)).toBe(false)
})

test('a choice that names nothing is told, spent all the same, and not made again', async () => {
  const few = join(scratch, 'few.csv')
  writeFileSync(few, `user,item,rating\n${Array.from({ length: 200 }, (_, i) => `${i},${i % 40},${1 + (i % 5)}`).join('\n')}\n`)
  expect(await codeOf(() => train(request({ dataPath: few, epsilon: 0.5 })))).toBe('empty-data')
  expect(choicesOf(`${out}.partial`)).toHaveLength(2)
  expect(await codeOf(() => resumeRun(out))).toBe('empty-data')
  expect(choicesOf(`${out}.partial`)).toHaveLength(2)
})

describe('killed between the choice of its ids and its training', () => {
  /** Kills itself when training is about to begin: the ids are chosen, and nothing else, or a first chunk of steps, has been paid for. */
  const killAtTraining = (over: Partial<TrainRequest> = {}) => {
    const script = join(scratch, `killed-${counter}.ts`)
    writeFileSync(
      script,
      `import { train } from ${JSON.stringify(join(import.meta.dirname, 'index.node.ts'))}
       await train(${JSON.stringify(request(over))}, { onProgress: (phase) => phase.startsWith('train') && process.kill(process.pid, 'SIGKILL') })`,
    )
    expect(spawnSync(process.execPath, [script]).signal).toBe('SIGKILL')
    expect(choicesOf(`${out}.partial`)).toHaveLength(2)
  }

  test.each([
    ['bias-factors', {}],
    ['wide-and-deep', { model: 'wide-and-deep', epochs: 1 }],
  ])('%s resumes with the ids it has, which are paid for once', async (model, over) => {
    killAtTraining(over)
    const ids = json(`${out}.partial`, files.data)
    const report = await resumeRun(out)
    expect(choicesOf(out)).toHaveLength(2)
    expect(json(out, files.data)).toEqual(ids)
    expect(report.attempts).toBe(2)
    expect(report.privacy?.epsilon).toBeGreaterThan(3.9)
    if (model === 'bias-factors') expect(report.privacy?.epsilon).toBeLessThanOrEqual(4)
  })

  test('and before the ids were written, a run chooses and pays anew', async () => {
    killAtTraining()
    const working = `${out}.partial`
    const { fingerprint } = json(working, files.data)
    writeFileSync(join(working, files.data), JSON.stringify({ fingerprint, userIds: null, itemIds: null }))
    const report = await resumeRun(out)
    expect(choicesOf(out)).toHaveLength(4)
    expect(report.privacy?.epsilon).toBeGreaterThan(4.05)
    expect(report.privacy?.epsilon).toBeCloseTo(priceOf(spentEvents(readJournal(join(out, files.journal)))), 6)
    expect(readFileSync(join(out, files.statement), 'utf8')).toContain('2 attempts at this run')
  })
})

describe('the plan of the choices', () => {
  const open = { name: 'x', vocabulary: { users: 'from-interactions', items: 'from-interactions' } } as const

  test('leaves training nearly all of its μ, and fits into ε with what is left', () => {
    for (const epsilon of [0.1, 1, 8]) {
      const choices = planChoices(open, { epsilon, delta: 1e-5 })
      const left = epsilonLeftForStages(choices, { epsilon, delta: 1e-5 })
      expect(left).toBeGreaterThan(0.9 * epsilon)
      expect(left).toBeLessThan(epsilon)
    }
  })

  test('leaves a public table alone', () => {
    const choices = planChoices({ name: 'x', vocabulary: { users: 'from-interactions', items: 'public-table' } }, budget)
    expect(choices.items).toBeNull()
    expect(choiceEvents(choices)).toHaveLength(1)
  })

  test('counts a person’s items in a stage as if they were one where several may be unnamed', () => {
    const event: PrivacyEvent = { kind: 'gaussian', noiseMultiplier: 10 }
    const mechanism = { kind: 'stages', stages: [{ name: 'items', per: 'item', mu: 0.1 }], delta: 1e-5 } as const
    const muOf = (items: PrivateVocabulary['items']) =>
      priceRun([{ from: 0, to: 1, event }], mechanism, { median: 9, heaviest: 9 }, 'csprng', {
        paid: [],
        plans: { items, users: null, stagesEpsilon: 1, overrides: {} },
      }).user?.median.pld?.mu
    expect(muOf(null)).toBeCloseTo(0.3, 12)
    expect(muOf(planChoices(open, budget).items)).toBeCloseTo(0.9, 12)
  })

  test('prices a person by all their items, and by the chance that they are named', () => {
    const { items, users } = planChoices(open, budget)
    const one = namesForPerson('items', items as never, 1)
    expect(priceOf([one])).toBeCloseTo(priceOf(choiceEvents({ items, users: null })), 9)
    expect(priceOf([namesForPerson('items', items as never, 9)])).toBeGreaterThan(2 * priceOf([one]))
    const threshold = (users as { threshold: number }).threshold
    const alone = namesForPerson('users', users as never, 1) as { delta: number }
    expect(alone.delta).toBeCloseTo((users as { thresholdDelta: number }).thresholdDelta, 12)
    // Somebody with exactly as many ratings as the threshold is named half of the time and a bit.
    const usual = namesForPerson('users', users as never, threshold) as { delta: number }
    expect(usual.delta).toBeGreaterThan(0.5)
    expect(usual.delta).toBeLessThan(0.6)
  })
})
