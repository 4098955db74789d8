/** `tacet metrics`: files of cases in and answers out, the table of definitions, and every refusal by name. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { errorOf, tacet } from './capture.ts'

const work = mkdtempSync(join(tmpdir(), 'tacet-metrics-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

type Answer = { id: unknown; value: number; excluded?: number; perPerson?: Record<string, number>; groups?: Record<string, number> } & {
  error: { code: string; message: string }
}

let files = 0
/** Answers to lines, given as objects or as text. */
async function answers(...lines: readonly (object | string)[]): Promise<Answer[]> {
  const file = join(work, `${files++}.ndjson`)
  writeFileSync(file, lines.map((entry) => `${typeof entry === 'string' ? entry : JSON.stringify(entry)}\n`).join(''))
  const { status, stdout, stderr } = await tacet(['metrics', '--cases', file])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout
    .trimEnd()
    .split('\n')
    .map((text) => JSON.parse(text) as Answer)
}

async function answer(question: object | string): Promise<Answer> {
  return (await answers(question))[0] as Answer
}

const lists = { ann: ['a', 'b', 'c'], bob: ['b', 'd', 'a'] }
const relevant = { ann: ['b', 'x'], bob: ['b'] }

describe('cases', () => {
  test('a line is answered with its id and its value, and nothing else where nobody was left out', async () => {
    expect(await answers({ id: 7, metric: 'recall', k: 3, lists, relevant }, { id: 'x', metric: 'hr@1', lists, relevant })).toEqual([
      { id: 7, value: 0.75 },
      { id: 'x', value: 0.5 },
    ])
  })

  test('k in the name, case, underscores and usual other names are understood', async () => {
    const values = await answers(
      ...['ndcg@2', 'NDCG@2', ' nDCG @2'].map((metric) => ({ metric, lists, relevant })),
      ...['hit_rate@2', 'HR@2', 'Hit@2'].map((metric) => ({ metric, lists, relevant })),
    )
    expect(new Set(values.slice(0, 3).map(({ value }) => value)).size).toBe(1)
    expect(values.slice(3).map(({ value }) => value)).toEqual([1, 1, 1])
  })

  test('lists and scores of the same order have the same values, and numbers are items like their texts', async () => {
    const scores = { ann: { 1: 3, 2: 2, 3: -1 } }
    const [a, b] = await answers(
      { metric: 'ndcg@3', lists: { ann: [1, '2', 3] }, relevant: { ann: ['1', 3] } },
      { metric: 'ndcg@3', scores, relevant: { ann: { 1: 1, 3: 1 } } },
    )
    expect((a as Answer).value).toBeCloseTo((b as Answer).value, 12)
    expect((a as Answer).value).toBeCloseTo(1.5 / (1 + 1 / Math.log2(3)), 12)
  })

  test('a wrong line is answered with its error in its place, and the others are answered', async () => {
    const found = await answers(
      { id: 1, metric: 'hr@1', lists, relevant },
      '{oops',
      '',
      { id: 2, metric: 'hr@1' },
      { id: 3, metric: 'hr@2', lists, relevant },
    )
    expect(found).toEqual([
      { id: 1, value: 0.5 },
      { id: null, error: { code: 'malformed-data', message: 'the line is not JSON' } },
      { id: 2, error: { code: 'invalid-argument', message: expect.stringContaining('neither lists nor scores') } },
      { id: 3, value: 1 },
    ])
  })

  test('somebody with nothing relevant is left out and counted; somebody without a list counts 0', async () => {
    expect(await answer({ metric: 'hr@3', lists, relevant: { ...relevant, cy: [] } })).toEqual({ id: null, value: 1, excluded: 1 })
    expect(await answer({ metric: 'hr@3', lists: { ...lists, dee: ['a'] }, relevant })).toEqual({ id: null, value: 1, excluded: 1 })
    expect(await answer({ metric: 'hr@3', lists, relevant: { ...relevant, cy: { a: 0 } } })).toEqual({ id: null, value: 1, excluded: 1 })
    expect((await answer({ metric: 'hr@3', lists, relevant: { ...relevant, cy: ['a'] } })).value).toBeCloseTo(2 / 3, 12)
  })

  test('a constant scorer never has a hit rate of 1 by luck of the sort, and pessimistic ties give it 0', async () => {
    const scores = { ann: { b: 0, a: 0, c: 0, d: 0 } }
    expect((await answer({ metric: 'hr@1', scores, relevant: { ann: ['b'] } })).value).toBeCloseTo(0.25, 12)
    expect((await answer({ metric: 'hr@1', scores, relevant: { ann: ['b'] }, options: { ties: 'pessimistic' } })).value).toBe(0)
    expect((await answer({ metric: 'auc', scores, relevant: { ann: ['b'] } })).value).toBeCloseTo(0.5, 12)
    expect((await answer({ metric: 'auc', scores, relevant: { ann: ['b'] }, options: { ties: 'pessimistic' } })).value).toBe(0)
  })

  test('infinite scores rank, in any spelling; NaN and null are errors that name person and item', async () => {
    const infinite = '{"metric":"mrr","scores":{"ann":{"a":-Infinity,"b":Infinity,"c":1e308}},"relevant":{"ann":["b"]}}'
    expect((await answer(infinite)).value).toBe(1)
    expect((await answer({ metric: 'mrr', scores: { ann: { a: 'inf', b: '-inf', c: 0 } }, relevant: { ann: ['b'] } })).value).toBeCloseTo(
      1 / 3,
      12,
    )
    for (const bad of ['NaN', 'null', '"NaN"']) {
      const { error } = await answer(`{"metric":"hr@1","scores":{"ann":{"a":1},"bob":{"a":1,"NaN b":${bad}}},"relevant":{"ann":["a"]}}`)
      expect(error.code).toBe('malformed-data')
      expect(error.message).toMatch(/item NaN b for person bob is NaN/)
    }
  })

  test('AUC without an irrelevant candidate is left out; the catalogue’s other items are tied in last place', async () => {
    expect((await answer({ metric: 'auc', lists: { ann: ['a'] }, relevant: { ann: ['a'] } })).error.code).toBe('empty-data')
    expect(
      (await answer({ metric: 'auc', lists: { ann: ['c', 'a'] }, relevant: { ann: ['a', 'b'] }, catalogue: ['a', 'b', 'c', 'd', 'e'] }))
        .value,
    ).toBeCloseTo((2 + 0.5 * 2) / 6, 12)
    expect((await answer({ metric: 'auc', lists: { ann: ['a', 'c'] }, relevant: { ann: ['a', 'x'] } })).value).toBe(0.5)
  })
})

describe('refusals', () => {
  const good = { metric: 'ndcg', k: 2, lists, relevant }
  test.each([
    ['an unknown metric, with the nearest one', { ...good, metric: 'ncdg' }, 'invalid-argument', /no metric "ncdg"; the nearest is "ndcg"/],
    ['a metric that is no text', { ...good, metric: 3 }, 'invalid-argument', /metric is 3/],
    ['k = 0', { ...good, k: 0 }, 'invalid-argument', /k is 0; it must be an integer ≥ 1/],
    ['k below 0', { ...good, k: -3 }, 'invalid-argument', /k is -3/],
    ['a k that is not whole', { ...good, k: 2.5 }, 'invalid-argument', /k is 2.5/],
    ['a k that is text', { ...good, k: '10' }, 'invalid-argument', /k is "10"/],
    ['a bad k in the name', { ...good, k: undefined, metric: 'ndcg@ten' }, 'invalid-argument', /k is ten/],
    ['two different k', { ...good, metric: 'ndcg@3' }, 'invalid-argument', /k is 2 and the metric is "ndcg@3"/],
    ['lists and scores together', { ...good, scores: { ann: { a: 1 } } }, 'invalid-argument', /both lists and scores/],
    ['no truth', { ...good, relevant: undefined }, 'invalid-argument', /ndcg needs "relevant"/],
    ['an item twice in a list', { ...good, lists: { ann: ['a', 1, '1'] } }, 'malformed-data', /list of person ann holds item 1 twice/],
    ['an item twice in the truth', { ...good, relevant: { ann: ['a', 'a'] } }, 'malformed-data', /relevant of ann holds item a twice/],
    ['an item twice in the catalogue', { ...good, catalogue: ['a', 'a'] }, 'malformed-data', /catalogue holds item a twice/],
    ['an item that is no item', { ...good, lists: { ann: [['a']] } }, 'malformed-data', /holds \["a"\]; an item is a text or a number/],
    ['a gain below 0', { ...good, relevant: { ann: { a: -1 } } }, 'malformed-data', /gain of item a for person ann is -1/],
    [
      'a score that is text',
      { metric: 'hr@1', scores: { ann: { a: 'high' } }, relevant },
      'malformed-data',
      /score of item a for person ann is "high"/,
    ],
    ['nobody left', { ...good, relevant: { ann: [], bob: [] } }, 'empty-data', /none of 2 people/],
    ['nobody at all', { ...good, lists: {}, relevant: {} }, 'empty-data', /no person is given/],
    [
      'an option that does not exist',
      { ...good, options: { gain: 'exponential' } },
      'invalid-argument',
      /no option "gain"; the options are gains/,
    ],
    ['an option’s value that does not exist', { ...good, options: { gains: 'cubic' } }, 'invalid-argument', /options.gains is "cubic"/],
    ['coverage without a catalogue', { metric: 'coverage', lists }, 'invalid-argument', /coverage needs "catalogue"/],
    [
      'a listed item outside of the catalogue',
      { metric: 'coverage', lists, catalogue: ['a', 'b', 'c'] },
      'malformed-data',
      /item d, listed for person bob/,
    ],
    [
      'EPC without the number of people',
      { metric: 'epc', lists, relevant, popularity: { a: 1 } },
      'invalid-argument',
      /options.trainingPeople/,
    ],
    [
      'diversity of an item without a vector',
      { metric: 'ild', lists, options: { vectors: { a: [1] } } },
      'malformed-data',
      /item \w is listed and not in options.vectors/,
    ],
    [
      'a gap between one group',
      { metric: 'group-gap', lists, relevant, options: { of: 'hr@1', groups: { ann: 'F' } } },
      'empty-data',
      /at least two/,
    ],
    [
      'a gap of what is no mean over people',
      { metric: 'group-gap', lists, catalogue: ['a', 'b', 'c', 'd'], options: { of: 'gini', groups: {} } },
      'invalid-argument',
      /not a mean over people/,
    ],
    [
      'RMSE of an infinite score',
      { metric: 'rmse', scores: { ann: { a: 'inf' } }, relevant: { ann: { a: 3 } } },
      'malformed-data',
      /score Infinity, value 3/,
    ],
  ])('%s', async (_, question, code, message) => {
    const { error } = await answer(question)
    expect(error).toEqual({ code, message: expect.stringMatching(message) })
  })

  test('a missing file, a folder, an empty file and no flag at all are errors of the whole command', async () => {
    const missing = await tacet(['metrics', '--cases', join(work, 'nowhere.ndjson'), '--json'])
    expect([missing.status, errorOf(missing).code]).toEqual([3, 'missing-file'])
    expect((await tacet(['metrics', '--cases', work])).status).toBe(3)
    const nothing = join(work, 'nothing.ndjson')
    writeFileSync(nothing, '\n\n')
    expect((await tacet(['metrics', '--cases', nothing])).stderr).toMatch(/^empty-data/)
    expect(await tacet(['metrics'])).toMatchObject({ status: 2, stderr: expect.stringContaining('--list') })
    expect((await tacet(['metrics', '--cases', nothing, '--list'])).status).toBe(2)
  })
})

describe('beyond accuracy, by hand', () => {
  const catalogue = ['a', 'b', 'c', 'd', 'e']
  const popularity = { a: 8, b: 4, c: 2, d: 1, e: 1 }
  const base = { lists, relevant, catalogue, popularity }
  const log2 = Math.log2
  test.each([
    ['coverage@3', {}, 4 / 5],
    ['coverage-count@1', {}, 2],
    // Counts 0, 1, 1, 2, 2 over five items.
    ['gini@3', {}, (-4 * 0 - 2 * 1 + 0 * 1 + 2 * 2 + 4 * 2) / (5 * 6)],
    ['gini-normalised@3', {}, 10 / (4 * 6)],
    ['gini-diversity@3', {}, 1 - 10 / 24],
    ['entropy@3', {}, 2 * (1 / 3) * log2(3) + 2 * (1 / 6) * log2(6)],
    ['entropy-per-item@3', {}, (2 * (1 / 3) * Math.log(3) + 2 * (1 / 6) * Math.log(6)) / 4],
    ['novelty@3', {}, ((1 + 2 + 3) / 3 + (2 + 4 + 1) / 3) / 2],
    // Ann's only relevant item is b at rank 2 of three, Bob's b at rank 1; b has 4 of 16 interactions: 2 bits.
    ['efd@3', {}, (2 / log2(3) / (1 + 1 / log2(3) + 0.5) + 2 / (1 + 1 / log2(3) + 0.5)) / 2],
    ['efd@1', { relevance: false }, (1 + 2) / 2],
    ['epc@1', { trainingPeople: 10 }, (0 + 0.6) / 2],
    ['epc@1', { trainingPeople: 10, relevance: false }, (0.2 + 0.6) / 2],
    ['arp@3', {}, ((8 + 4 + 2) / 3 + (4 + 1 + 8) / 3) / 2],
    // 80 % of 16 is 12.8: a, b and c are the head.
    ['aplt@3', {}, (0 + 1 / 3) / 2],
    ['aclt@3', {}, (0 + 1) / 2],
    ['aplt@3', { headShare: 0.5 }, (2 / 3 + 2 / 3) / 2],
    ['ild@3', { genres: { a: ['x'], b: ['x', 'y'], c: ['z'], d: [] } }, ((0.5 + 1 + 1) / 3 + (1 + 1 + 0.5) / 3) / 2],
    ['ild@2', { vectors: { a: [1, 0], b: [0, 2], d: [0, -1] } }, (1 + 2) / 2],
    // Head (a b c): b listed for both of two; x is nobody's interaction, so tail, and not listed.
    ['popreo@3', {}, 1],
    ['popreo@3', { itemGroups: { one: ['b'], two: ['b', 'x'] } }, Math.sqrt(((1 - 5 / 6) ** 2 + (2 / 3 - 5 / 6) ** 2) / 2) / (5 / 6)],
    // Head: 5 listed of 2 · 3; tail: 1 of 2 · 2.
    ['poprsp@3', {}, (5 / 6 - 1 / 4) / 2 / ((5 / 6 + 1 / 4) / 2)],
    ['poprsp@3', { history: { ann: ['d'], bob: ['c'] } }, (5 / 5 - 1 / 3) / 2 / ((5 / 5 + 1 / 3) / 2)],
    ['group-gap', { of: 'mrr', groups: { ann: 'F', bob: 'M' } }, 0.5],
    ['group-mad', { of: 'mrr@3', groups: { ann: 'F', bob: 'M' } }, 0.5],
    ['group-worst', { of: 'mrr', groups: { ann: 'F', bob: 'M' } }, 0.5],
  ])('%s %j', async (metric, options, value) => {
    expect((await answer({ ...base, metric, options })).value).toBeCloseTo(value, 12)
  })

  test('GAUC weighs people by their relevant items, pooled AUC compares across people', async () => {
    const scores = { ann: { a: 3, b: 2, c: 1 }, bob: { a: 0, b: -1 } }
    const truth = { ann: ['b', 'c'], bob: ['a'] }
    expect((await answer({ metric: 'auc', scores, relevant: truth })).value).toBeCloseTo((0 + 1) / 2, 12)
    expect((await answer({ metric: 'gauc', scores, relevant: truth })).value).toBeCloseTo((2 * 0 + 1) / 3, 12)
    expect((await answer({ metric: 'auc-pooled', scores, relevant: truth })).value).toBeCloseTo((1 + 1 + 1) / 6, 12)
  })

  test('rmse and mae are over all pairs', async () => {
    const question = { scores: { ann: { a: 1, b: 5 } }, relevant: { ann: { a: 4, b: 5 } } }
    expect((await answer({ metric: 'rmse', ...question })).value).toBeCloseTo(Math.sqrt(4.5), 12)
    expect((await answer({ metric: 'mae', ...question })).value).toBeCloseTo(1.5, 12)
  })

  test('options.perPerson shows each person’s value, and group metrics show the groups’', async () => {
    expect(await answer({ metric: 'mrr', lists, relevant, options: { perPerson: true } })).toEqual({
      id: null,
      value: 0.75,
      perPerson: { ann: 0.5, bob: 1 },
    })
    expect(await answer({ metric: 'group-gap', lists, relevant, options: { of: 'mrr', groups: { ann: 'F', bob: 'M' } } })).toEqual({
      id: null,
      value: 0.5,
      groups: { F: 0.5, M: 1 },
    })
  })

  test('tied scores count by their chance to be listed', async () => {
    const scores = { ann: { a: 1, b: 1 }, bob: { a: 1, b: 1 } }
    // Both show a, both b, or one each: ¼ · 1 + ¼ · 1 + ½ · 2 distinct items.
    expect((await answer({ metric: 'coverage-count@1', scores })).value).toBeCloseTo(1.5, 12)
    expect((await answer({ metric: 'arp@1', scores, popularity })).value).toBeCloseTo(6, 12)
  })
})

describe('--list', () => {
  test('shows every metric of the contract with its formula, what it averages over, ties, empties and short lists', async () => {
    const { status, stdout } = await tacet(['metrics', '--list', '--json'])
    expect(status).toBe(0)
    const { metrics, rules } = JSON.parse(stdout) as { metrics: Record<string, unknown>[]; rules: Record<string, string> }
    const names = metrics.map(({ name }) => name)
    expect(names).toEqual(
      expect.arrayContaining(['ndcg', 'hr', 'precision', 'recall', 'recall-capped', 'mrr', 'map', 'auc', 'gauc', 'coverage']),
    )
    for (const metric of metrics) {
      for (const key of ['definition', 'averagedOver', 'cutoff', 'empty', 'shortLists', 'ties'])
        expect(String(metric[key]), `${metric.name} ${key}`).toMatch(/\w/)
    }
    expect(Object.keys(rules)).toEqual(expect.arrayContaining(['k', 'ties', 'people', 'scores']))
    const everyName = metrics.flatMap(({ name, aliases }) => [name, ...(aliases as string[])])
    expect(new Set(everyName).size).toBe(everyName.length)
  })

  test('people read the same facts', async () => {
    const { stdout } = await tacet(['metrics', '--list'])
    const { stdout: json } = await tacet(['metrics', '--list', '--json'])
    for (const { name } of (JSON.parse(json) as { metrics: { name: string }[] }).metrics)
      expect(stdout).toMatch(new RegExp(`^${name}( |$)`, 'm'))
    expect(stdout).toContain('÷ all relevant items of the person')
    expect(stdout).toContain('constant scorer')
  })

  test('docs/metrics.md has a row for every metric', async () => {
    const { stdout } = await tacet(['metrics', '--list', '--json'])
    const page = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8')
    for (const { name } of (JSON.parse(stdout) as { metrics: { name: string }[] }).metrics) expect(page).toContain(`| \`${name}\` `)
  })
})
