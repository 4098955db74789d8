/**
 * Ranking runs end to end, in run folders: what is promised, paid, kept and left out of the release. One invented world of two tastes, in which
 * popularity knows nothing and every model that looks at a history does; no statistical statement rests on luck: runs are seeded.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { TacetError } from '../../errors.ts'
import { decodeSafetensors } from '../../models/index.ts'
import { type PrivacyEvent, pldAccountant } from '../../privacy/index.ts'
import { seededRandom } from '../../random/index.ts'
import { rankingTrainers } from '../../training/index.ts'
import { files } from '../folder.node.ts'
import {
  evaluateRankingRun,
  evaluateRun,
  loadRankingRun,
  recommendFromRankingRun,
  resumeAnyRun,
  resumeRankingRun,
  trainRanking,
  trainRun,
} from '../index.node.ts'
import { readJournal, spentEvents } from '../journal.node.ts'
import { type RankingRequestPrivacy, rankingModelNames, taskOf } from './config.ts'
import { gateOf } from './gate.ts'
import { rankingFiles } from './names.ts'
import type { RankingTrainReport, RunRequest } from './types.ts'

const scratch = mkdtempSync(join(tmpdir(), 'tacet-ranking-'))
const people = 797
const items = 61
const dataPath = join(scratch, 'tastes.ndjson')
const tablePath = join(scratch, 'tastes.csv')
let counter = 0
let out: string

/** person, item, rating, time: everybody rates 14 items, nine of ten times those of the parity of their own number, which get a 5; others a 2. */
function rows(): (readonly [number, number, number, number])[] {
  const random = seededRandom(11)
  return Array.from({ length: people }, (_, person) => {
    const rated = new Set<number>()
    while (rated.size < 14) {
      const item = Math.floor(random.nextDouble() * items)
      if (item % 2 === person % 2 || random.nextDouble() < 0.1) rated.add(item)
    }
    return [...rated].map((item, at) => [person, item, item % 2 === person % 2 ? 5 : 2, 1_600_000_000 + person * 50 + at] as const)
  }).flat()
}

beforeAll(() => {
  const table = rows()
  writeFileSync(tablePath, `user,item,rating,timestamp\n${table.map(([p, i, r, t]) => `p${p},i${i},${r},${t}`).join('\n')}\n`)
  writeFileSync(dataPath, `user,item\n${table.map(([p, i]) => `p${p},i${i}`).join('\n')}\n`)
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
beforeEach(() => {
  out = join(scratch, `run-${++counter}`)
})

const columns = { user: 'user', item: 'item', rating: 'rating', timestamp: 'timestamp' }
const rated = { dataPath: tablePath, reader: { columns, ratingScale: { min: 1, max: 5 } }, minRating: 4 }
const request = (over: Partial<RunRequest> = {}): RunRequest => ({ ...rated, model: 'item-gram', epsilon: 8, seed: 1, out, ...over })
const plain = (model: string, over: Partial<RunRequest> = {}): RunRequest => ({ ...rated, model, noPrivacy: true, seed: 1, out, ...over })

const codeOf = async (work: () => unknown): Promise<string> => {
  try {
    await work()
  } catch (error) {
    return error instanceof TacetError ? error.code : String(error)
  }
  return 'no error'
}
const json = (...path: string[]) => JSON.parse(readFileSync(join(...path), 'utf8'))
const tensorsOf = (run: string, name: string = files.model) => decodeSafetensors(readFileSync(join(run, name)), name)
/** Everything in a run folder outside `private/`, as one text. */
const released = (run: string) =>
  readdirSync(run)
    .filter((name) => name !== 'private')
    .map((name) => readFileSync(join(run, name), 'latin1'))
    .join('\n')
const priceOf = (events: readonly PrivacyEvent[], delta = 1e-6) =>
  events.reduce((accountant, event) => accountant.compose(event), pldAccountant()).epsilon(delta).epsilon
const alwaysThere = ['ndcg', 'recall', 'hr'].flatMap((name) => [10, 20, 100].map((k) => `${name}@${k}`))

describe('a private run', () => {
  let report: RankingTrainReport
  let run: string
  beforeAll(async () => {
    run = join(scratch, 'kept')
    report = await trainRanking(request({ out: run, split: 'held-out-users' }))
  })

  test('reports the keys of every run, the figures that are always there, both baselines and the gate', () => {
    expect(report).toMatchObject({
      task: 'ranking',
      model: 'item-gram',
      recipe: null,
      candidates: 'all',
      split: { kind: 'held-out-users', testUsers: expect.any(Number) },
      privacy: { privacyUnit: 'user', delta: 1e-6, neighboringRelation: 'add-or-remove-one', batchSelection: 'none' },
      gate: { beatsPrivatePopularity: true, saved: 'item-gram', kept: true },
    })
    for (const figures of [report.metrics, report.baselines.popularity, report.baselines.privatePopularity])
      expect(Object.keys(figures ?? {})).toEqual(expect.arrayContaining([...alwaysThere, 'mrr@10', 'coverage@10']))
    expect(report.metrics['ndcg@10']).toBeGreaterThan(1.3 * (report.baselines.popularity['ndcg@10'] as number))
  })

  test('spends the ε it was given, gate included, and says so in every file', () => {
    expect(report.privacy?.epsilon).toBeLessThanOrEqual(8)
    expect(report.privacy?.epsilon).toBeGreaterThan(7.99)
    const events = spentEvents(readJournal(join(run, files.journal)))
    expect(priceOf(events)).toBeCloseTo(report.privacy?.epsilon as number, 9)
    expect(priceOf([json(run, files.events).event])).toBeCloseTo(report.privacy?.epsilon as number, 9)
    expect(json(run, files.privacy)).toMatchObject({
      privacyUnit: 'user',
      rating: null,
      user: { pld: { epsilon: report.privacy?.epsilon } },
    })
    expect(json(run, files.privacy).user.rdp.epsilon).toBeGreaterThan(8)
    expect(json(run, files.privacy).parts.map(({ part }: { part: string }) => part)).toEqual(['model', 'gate'])
    expect(report.gate?.epsilon).toBeGreaterThan(0)
  })

  test('releases no number a person, no id of a person, and no exact figure', () => {
    const { tensors } = tensorsOf(run)
    for (const [name, { shape }] of Object.entries(tensors)) expect(shape, name).not.toContain(people)
    const text = released(run)
    expect(text).not.toMatch(/"p\d+"/)
    expect(text).not.toContain(json(run, files.data).fingerprint)
    for (const figures of [report.metrics, report.baselines.popularity, report.baselines.privatePopularity])
      for (const value of Object.values(figures ?? {}))
        if (value !== 0 && value !== 1) for (const digits of [6, 10]) expect(text).not.toContain(value.toFixed(digits))
    for (const count of [report.split.train, report.split.test])
      expect(text).not.toMatch(new RegExp(`\\b${count.toLocaleString('en-US')}\\b`))
    expect(readdirSync(run).sort()).toEqual([
      'card.json',
      'config.json',
      'events.json',
      'items.json',
      'model.safetensors',
      'privacy.json',
      'private',
      'report.html',
      'statement.md',
    ])
  })

  test('states what joint privacy means, what was public, and that lists tell their reader their own history', () => {
    const statement = readFileSync(join(run, files.statement), 'utf8')
    for (const words of [
      'one person',
      'Joint differential privacy',
      `the number of people (${people})`,
      'ids of people and items',
      'reveals the history',
      'private/',
    ])
      expect(statement).toContain(words)
    expect(statement).toContain('kept out of training')
    expect(statement).not.toContain('metadata of items')
  })

  test('keeps the people of the gate and of the test out of training', async () => {
    const { split } = await loadRankingRun(run)
    const inTraining = new Set<number>()
    for (let person = 0; person < people; person++)
      if ((split.train.offsets[person + 1] as number) > (split.train.offsets[person] as number)) inTraining.add(person)
    expect(split.counts.gatePeople).toBeGreaterThan(20)
    for (const user of split.gatePeople?.users ?? []) expect(inTraining.has(user)).toBe(false)
    expect(report.gate?.people).toBe(split.options.keepOutPeople?.count)
  })

  test('lists for somebody it never saw from the released files alone, with reasons out of their own history', async () => {
    const moved = join(scratch, 'elsewhere')
    const names = readdirSync(run).filter((name) => name !== 'private')
    rmSync(moved, { recursive: true, force: true })
    const { cpSync, mkdirSync } = await import('node:fs')
    mkdirSync(moved)
    for (const name of names) cpSync(join(run, name), join(moved, name))
    const history = ['i2', 'i4', 'i6', 'i8']
    const list = await recommendFromRankingRun(moved, { history, n: 8 })
    expect(list).toMatchObject({ user: null, historySize: 4, personal: true })
    expect(list.items.filter(({ id }) => Number(id.slice(1)) % 2 === 0).length).toBeGreaterThanOrEqual(7)
    for (const { id, title, because } of list.items) {
      expect(history).not.toContain(id)
      expect(title).toBeUndefined()
      expect(because.length).toBeGreaterThan(0)
      for (const reason of because) expect(history).toContain(reason.id)
    }
  })

  test('evaluates to what training reported', async () => {
    const again = await evaluateRankingRun(run)
    expect(again.metrics).toEqual(report.metrics)
    expect(again.baselines).toEqual(report.baselines)
    expect(again.candidates).toBe('all')
  })

  test('without a seed draws from the operating system and is for release', async () => {
    const { seed: _, ...unseeded } = request()
    const fresh = await trainRanking(unseeded)
    expect(fresh.privacy?.noiseSource).toBe('csprng')
    expect(fresh.notForRelease).toBe(false)
    expect(released(out)).not.toMatch(/not for release/i)
  })
})

describe('the gate', () => {
  test('saves private popularity where the model loses, says so everywhere, and keeps the loser inside', async () => {
    const said: string[] = []
    // At this ε the noise is all there is of the matrix.
    const report = await trainRanking(request({ epsilon: 0.05 }), { onWarning: (sentence) => said.push(sentence) })
    expect(report.gate).toMatchObject({ beatsPrivatePopularity: false, saved: 'popularity', kept: false })
    expect(said.join()).toContain('did not beat private popularity')
    expect(tensorsOf(out).metadata.model).toBe('popularity')
    expect(Object.keys(tensorsOf(out).tensors)).toEqual(['popularity'])
    expect(tensorsOf(out, rankingFiles.refused).metadata.model).toBe('item-gram')
    expect(released(out)).toContain('in place of item-gram')
    expect(json(out, files.card).components[0].name).toContain('popularity')
    expect((await evaluateRankingRun(out)).metrics).toEqual(report.baselines.privatePopularity)
  })

  test('keeps the loser where that was asked for, and still says that it lost', async () => {
    const report = await trainRanking(request({ epsilon: 0.05, keepAnyway: true }))
    expect(report.gate).toMatchObject({ beatsPrivatePopularity: false, saved: 'item-gram', kept: true })
    expect(tensorsOf(out).metadata.model).toBe('item-gram')
    expect(report.warnings.join()).toContain('did not beat private popularity')
  })

  test('is planned from public numbers, takes 2 % of μ², and pays for a baseline that is no stage of the model', () => {
    const privacy: RankingRequestPrivacy = { unit: 'user', epsilon: 2, delta: 1e-6 }
    const squared = (events: readonly PrivacyEvent[]) =>
      events.reduce((sum, event) => sum + (event.kind === 'gaussian' ? event.noiseMultiplier ** -2 : Number.NaN), 0)
    const total = (pldAccountant().compose({ kind: 'gaussian', noiseMultiplier: 1 }).mu ?? 0) > 0
    expect(total).toBe(true)
    const free = gateOf({ privacy, model: 'item-gram' }, 1000)
    const paying = gateOf({ privacy, model: 'bpr' }, 1000)
    expect(free?.alongside).toHaveLength(1)
    expect(free?.baseline).toBeNull()
    expect(paying?.alongside).toHaveLength(2)
    expect(squared(paying?.alongside ?? [])).toBeGreaterThan(squared(free?.alongside ?? []))
    expect(gateOf({ privacy, model: 'popularity' }, 1000)).toBeNull()
    expect(gateOf({ privacy: null, model: 'item-gram' }, 1000)).toBeNull()
  })

  test('pays for the baseline first, then the model, then the comparison, all inside ε', async () => {
    const report = await trainRanking(request({ model: 'bpr', parameters: { steps: 4 } }))
    const parts = report.privacyDetails?.parts.map(({ part }) => part)
    expect(parts).toEqual(['popularity', 'model', 'gate'])
    expect(report.privacy?.epsilon).toBeLessThanOrEqual(8)
    expect(report.privacy?.epsilon).toBeGreaterThan(7.9)
    expect(report.gate?.baselineEpsilon).toBeGreaterThan(0)
  })

  test('asks nothing about private popularity itself', async () => {
    const report = await trainRanking(request({ model: 'popularity', epsilon: 1 }))
    expect(report.gate).toMatchObject({ beatsPrivatePopularity: false, saved: 'popularity', kept: true, event: null, people: 0 })
    expect(report.metrics).toEqual(report.baselines.privatePopularity)
    expect(report.privacyDetails?.parts).toHaveLength(1)
  })
})

describe('metrics that are released', () => {
  test('at an ε that no noise is planned for end the run before anything is spent', async () => {
    expect(await codeOf(() => trainRanking(request({ privateMetrics: 1e-9 })))).toBe('invalid-argument')
    expect(existsSync(`${out}.partial`)).toBe(false)
  })

  test('are noisy, on the bill, and in the public files', async () => {
    const report = await trainRanking(request({ privateMetrics: 2 }))
    expect(report.privacy?.epsilon).toBeGreaterThan(8)
    expect(report.privacy?.epsilon).toBeLessThan(10)
    expect(report.releasedMetrics?.epsilon).toBeLessThanOrEqual(2)
    const { value } = report.releasedMetrics?.figures['ndcg@10'] ?? { value: Number.NaN }
    expect(value).toBeGreaterThan(0)
    expect(value).not.toBe(report.metrics['ndcg@10'])
    expect(json(out, files.privacy).releasedMetrics.figures['ndcg@10'].value).toBe(value)
    expect(report.privacyDetails?.parts.at(-1)?.part).toBe('metrics')
    expect(readFileSync(join(out, files.report), 'utf8')).toContain('Released figures')
  })
})

describe('a run without privacy', () => {
  test('reports null where a promise would be, and beats popularity on tastes', async () => {
    const report = await trainRanking(plain('ease'))
    expect(report).toMatchObject({
      privacy: null,
      privacyDetails: null,
      gate: null,
      baselines: { privatePopularity: null },
      notForRelease: true,
    })
    expect(report.split.kind).toBe('random')
    expect(report.metrics['ndcg@10']).toBeGreaterThan(1.3 * (report.baselines.popularity['ndcg@10'] as number))
    expect(readFileSync(join(out, files.statement), 'utf8')).toContain('No privacy was asked for')
    expect(json(out, files.events).event).toEqual({ kind: 'non-private' })
    expect(readFileSync(join(out, rankingFiles.quality), 'utf8')).toContain('<svg')
  })

  test.each(['random', 'chronological', 'per-user-chronological', 'leave-latest-out', 'held-out-users'])('is split %s', async (split) => {
    const report = await trainRanking(
      plain('ease', { split, ...(split === 'chronological' ? { cutTimestamp: 1_600_000_000 + 40 * people } : {}) }),
    )
    expect(report.split.kind).toBe(split)
    expect(report.split.test).toBeGreaterThan(0)
    expect((await evaluateRankingRun(out)).metrics).toEqual(report.metrics)
  })

  test('holds out as many people as it is told', async () => {
    expect((await trainRanking(plain('ease', { split: 'held-out-users', heldOutUsers: 50 }))).split.testUsers).toBeLessThanOrEqual(50)
  })

  test('evaluates at other cutoffs and on sampled candidates, named', async () => {
    await trainRanking(plain('ease'))
    const report = await evaluateRankingRun(out, { ks: [5], candidates: { sampled: 20, seed: 0 } })
    expect(report.candidates).toBe('sampled:20')
    expect(report.metrics['ndcg@5']).toBeGreaterThan(0)
  })

  test('lists for a person of the data without what they had in training, and gives reasons', async () => {
    await trainRanking(plain('ease'))
    const { data, split } = await loadRankingRun(out)
    const index = data.userIds.indexOf('p7')
    const had = Array.from(
      split.train.items.subarray(split.train.offsets[index], split.train.offsets[index + 1]),
      (item) => data.itemIds[item],
    )
    const list = await recommendFromRankingRun(out, { user: 'p7', n: items })
    expect(list.historySize).toBe(had.length)
    expect(list.items).toHaveLength(items - had.length)
    for (const { id } of list.items) expect(had).not.toContain(id)
    expect(list.items[0]?.because.every(({ id }) => had.includes(id))).toBe(true)
  })

  test('lists for a held-out person from all they like, and says so', async () => {
    await trainRanking(plain('ease', { split: 'held-out-users' }))
    const { data, split } = await loadRankingRun(out)
    const stranger = data.userIds.findIndex((_, person) => split.train.offsets[person + 1] === split.train.offsets[person])
    const list = await recommendFromRankingRun(out, { user: data.userIds[stranger] as string, n: 3 })
    expect(list.warnings.join()).toContain('was not in training')
    expect(list.historySize).toBeGreaterThan(3)
  })

  test('refuses ids that are not there, by name', async () => {
    await trainRanking(plain('ease'))
    expect(await codeOf(() => recommendFromRankingRun(out, { user: 'nobody', n: 3 }))).toBe('unknown-id')
    expect(await codeOf(() => recommendFromRankingRun(out, { history: ['i1', 'i999'], n: 3 }))).toBe('unknown-id')
    await expect(recommendFromRankingRun(out, { history: ['i1', 'i999'], n: 3 })).rejects.toThrow('i999')
    expect(await codeOf(() => recommendFromRankingRun(out, { history: ['i1'], n: 0 }))).toBe('invalid-argument')
    expect(await codeOf(() => evaluateRun(out))).toBe('invalid-argument')
  })

  test('notes that a lowest rating means nothing on data without ratings', async () => {
    const report = await trainRanking({
      dataPath,
      reader: { columns: { user: 'user', item: 'item' } },
      model: 'ease',
      noPrivacy: true,
      minRating: 4,
      out,
    })
    expect(report.warnings.join()).toMatch(/min-rating 4 is ignored/)
    expect(report.data.interactions).toBe(people * 14)
  })

  test('notices damage and newer versions', async () => {
    await trainRanking(plain('ease'))
    const model = readFileSync(join(out, files.model))
    model[model.length - 1] = (model[model.length - 1] as number) ^ 1
    writeFileSync(join(out, files.model), model)
    expect(await codeOf(() => recommendFromRankingRun(out, { history: ['i1'], n: 1 }))).toBe('corrupt-run')
    const config = json(out, files.config)
    writeFileSync(join(out, files.config), JSON.stringify({ ...config, parameters: { lambda: 'much' } }))
    expect(await codeOf(() => evaluateRankingRun(out))).toBe('corrupt-run')
    writeFileSync(join(out, files.config), JSON.stringify({ ...config, formatVersion: 99 }))
    expect(await codeOf(() => evaluateRankingRun(out))).toBe('newer-run')
  })
})

describe('a request is refused before anything is written when', () => {
  test.each<[string, string, Partial<Record<keyof RunRequest, unknown>>]>([
    ['it says nothing about privacy', 'invalid-argument', { epsilon: undefined }],
    ['it contradicts itself about privacy', 'invalid-argument', { noPrivacy: true }],
    ['the model has no private way', 'unsafe-plan', { model: 'ease' }],
    ['the model cannot promise for one rating', 'unsafe-plan', { privacyUnit: 'rating' }],
    ['the unit is not known', 'invalid-argument', { privacyUnit: 'household' }],
    ['the model has no such setting', 'invalid-argument', { parameters: { depth: 3 } }],
    ['a setting is out of its bounds', 'invalid-argument', { parameters: { headFactor: -1 } }],
    ['it names a noise multiplier', 'invalid-argument', { epsilon: undefined, noiseMultiplier: 1 }],
    ['it has a recipe', 'invalid-argument', { recipe: 'paper' }],
    ['the split is not known', 'invalid-argument', { split: 'astrological' }],
    ['the data ship no split', 'invalid-argument', { split: 'given' }],
    ['people are held out by another split', 'invalid-argument', { heldOutUsers: 10 }],
    ['nobody likes anything that much', 'invalid-argument', { minRating: 6 }],
    ['δ is 1', 'invalid-argument', { delta: 1 }],
    ['ε is 0', 'invalid-argument', { epsilon: 0 }],
    ['it keeps anyway what has no gate', 'invalid-argument', { epsilon: undefined, noPrivacy: true, model: 'ease', keepAnyway: true }],
    [
      'it releases metrics of a model that hides nothing',
      'invalid-argument',
      { epsilon: undefined, noPrivacy: true, model: 'ease', privateMetrics: 1 },
    ],
    ['the model is not known', 'unknown-model', { model: 'tarot' }],
  ])('%s', async (_what, code, over) => {
    expect(await codeOf(() => trainRanking(request(over as Partial<RunRequest>)))).toBe(code)
    expect(existsSync(out) || existsSync(`${out}.partial`)).toBe(false)
  })

  test('a setting is for models that rank and the model predicts ratings', async () => {
    const rating = { ...rated, model: 'bias-factors', epsilon: 1, out }
    expect(await codeOf(() => trainRun(rating))).toBe('invalid-argument')
    const { minRating: _, ...without } = rating
    expect(await codeOf(() => trainRun({ ...without, privacyUnit: 'user' }))).toBe('unsafe-plan')
    expect(await codeOf(() => trainRun({ ...without, task: 'ranking' }))).toBe('invalid-argument')
  })
})

describe('Wide & Deep', () => {
  test('rates unless the request asks for what only ranking has', () => {
    expect(taskOf({ model: 'wide-and-deep' })).toBe('undecided')
    expect(taskOf({ model: 'wide-and-deep', recipe: 'paper' })).toBe('rating')
    expect(taskOf({ model: 'wide-and-deep', split: 'random' })).toBe('undecided')
    expect(taskOf({ model: 'wide-and-deep', split: 'leave-latest-out' })).toBe('ranking')
    expect(taskOf({ model: 'wide-and-deep', minRating: 4 })).toBe('ranking')
    expect(taskOf({ model: 'wide-and-deep', task: 'ranking' })).toBe('ranking')
    expect(taskOf({ model: 'wide-and-deep', task: 'rating' })).toBe('rating')
    expect(taskOf({ model: 'ease' })).toBe('ranking')
    expect(taskOf({})).toBe('rating')
  })
})

describe('a run that is stopped', () => {
  test('before it spent anything leaves nothing', async () => {
    const stop = new AbortController()
    stop.abort()
    expect(await codeOf(() => trainRanking(request(), { signal: stop.signal }))).toBe('interrupted')
    expect(existsSync(`${out}.partial`)).toBe(false)
  })

  test('after it spent something is resumed with fresh noise, and pays again', async () => {
    const stop = new AbortController()
    const io = { signal: stop.signal, onProgress: (phase: string) => phase.startsWith('train') && stop.abort() }
    expect(await codeOf(() => trainRanking(request({ model: 'dpals' }), io))).toBe('interrupted')
    expect(existsSync(out)).toBe(false)
    expect(await codeOf(() => trainRanking(request({ model: 'dpals' })))).toBe('output-exists')
    expect(await codeOf(() => evaluateRankingRun(out))).toBe('corrupt-run')
    const before = spentEvents(readJournal(join(`${out}.partial`, files.journal)))
    expect(before.length).toBeGreaterThan(0)
    const report = (await resumeAnyRun(out)) as RankingTrainReport
    expect(report.attempts).toBe(2)
    expect(report.privacy?.epsilon).toBeGreaterThan(8)
    const events = spentEvents(readJournal(join(out, files.journal)))
    expect(events.slice(0, before.length)).toEqual(before)
    expect(priceOf(events)).toBeCloseTo(report.privacy?.epsilon as number, 9)
    expect(report.warnings.join()).toContain('started 2 times')
    const unbroken = `${out}-unbroken`
    await trainRanking(request({ model: 'dpals', out: unbroken }))
    expect(readFileSync(join(out, files.model))).not.toEqual(readFileSync(join(unbroken, files.model)))
  })

  test('forgets a model that an attempt had refused before it was killed', async () => {
    const stop = new AbortController()
    const io = { signal: stop.signal, onProgress: (phase: string) => phase.startsWith('train') && stop.abort() }
    expect(await codeOf(() => trainRanking(request({ model: 'dpals' }), io))).toBe('interrupted')
    writeFileSync(join(`${out}.partial`, rankingFiles.refused), 'a model of the first attempt')
    const report = (await resumeAnyRun(out)) as RankingTrainReport
    expect(report.gate?.saved).toBe('dpals')
    expect(existsSync(join(out, rankingFiles.refused))).toBe(false)
  })

  test('because its model cannot be trained as asked has paid for nothing, its baseline included', async () => {
    const inBatch = request({ model: 'bpr', parameters: { negativeSource: 1 } })
    const space = { maxGradNorm: { low: 0.1, high: 1, log: true } }
    const search = request({ model: 'bpr', tuning: { space, trials: 3, metric: 'ndcg@10', search: 'adaptive' } })
    for (const asked of [inBatch, search]) {
      expect(await codeOf(() => trainRanking(asked))).toBe('unsafe-plan')
      expect(existsSync(`${out}.partial`)).toBe(false)
    }
  })

  test('is not resumed on other data', async () => {
    const own = join(scratch, 'own.csv')
    writeFileSync(own, readFileSync(tablePath))
    const stop = new AbortController()
    const io = { signal: stop.signal, onProgress: (phase: string) => phase.startsWith('train') && stop.abort() }
    expect(await codeOf(() => trainRanking(request({ dataPath: own }), io))).toBe('interrupted')
    writeFileSync(own, `${readFileSync(own, 'utf8')}p0,i60,5,1600000000\n`)
    expect(await codeOf(() => resumeRankingRun(out))).toMatch(/unsafe-plan|malformed-data/)
  })
})

describe('a run that is killed', () => {
  /** Starts a run in a process of its own, waits until it reports a phase, and kills it there. */
  const killAt = async (phase: string, over: Partial<RunRequest>) => {
    const script = join(scratch, `worker-${counter}.ts`)
    writeFileSync(
      script,
      `import { trainRanking } from ${JSON.stringify(join(import.meta.dirname, '../index.node.ts'))}
       const hold = (phase) => { if (phase.startsWith('${phase}')) { process.stdout.write('here'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20_000) } }
       await trainRanking(${JSON.stringify(request(over))}, { onProgress: hold })`,
    )
    const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
    const exit = new Promise((done) => child.on('exit', done))
    await new Promise((done) => child.stdout.once('data', done))
    child.kill('SIGKILL')
    await exit
    expect(existsSync(out)).toBe(false)
    const paid = spentEvents(readJournal(join(`${out}.partial`, files.journal)))
    const report = (await resumeAnyRun(out)) as RankingTrainReport
    const all = spentEvents(readJournal(join(out, files.journal)))
    expect(all.slice(0, paid.length)).toEqual(paid)
    expect(priceOf(all)).toBeCloseTo(report.privacy?.epsilon as number, 9)
    return { paid, all, report }
  }

  test('while it trains is resumed, and its price covers every attempt', { timeout: 60_000 }, async () => {
    // The first report of progress comes after the popularity stage has paid.
    const { paid, all, report } = await killAt('train', { model: 'dpals', epsilon: 2 })
    expect(paid.length).toBeGreaterThan(0)
    expect(all.length).toBeGreaterThan(paid.length)
    expect(report.privacy?.epsilon).toBeGreaterThan(2)
    expect(report.attempts).toBe(2)
  })

  test('once its models are on disk only measures and publishes, and pays nothing more', { timeout: 60_000 }, async () => {
    const { paid, all, report } = await killAt('evaluate', { epsilon: 2 })
    expect(all).toEqual(paid)
    expect(report.privacy?.epsilon).toBeLessThanOrEqual(2)
    expect(report.attempts).toBe(1)
  })
})

test('every ranking trainer is a model of the command line', () => {
  for (const { name } of rankingTrainers) expect(rankingModelNames as readonly string[]).toContain(name)
})
