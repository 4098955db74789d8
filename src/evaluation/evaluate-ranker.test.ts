/** Evaluation of rankers, held against the named metrics computed one person and one item at a time, and against what may not pass. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { itemsOf, positivesFrom, type RankedPeople, splitForRanking, syntheticInteractions } from '../data/index.ts'
import type { TacetError } from '../errors.ts'
import type { Person, Ranker } from '../models/index.ts'
import { seededRandom } from '../random/index.ts'
import { type EvaluationRequest, evaluateRanker } from './evaluate-ranker.ts'
import { fingerprintOf, freeze, openTest } from './frozen.ts'
import { activityGroups, attributeGroups, groupMetrics, popularityGroups, recallByItemGroup } from './ranking-groups.ts'
import { rankingMetric } from './ranking-metrics.ts'
import { compareRankers } from './ranking-significance.ts'
import { firstRanksOf } from './ranking-top.ts'

/** A ranker that has one row of scores a person; strangers get the row of their first item. */
function tableRanker(scores: Float32Array, itemCount: number, name = 'table'): Ranker {
  return {
    name,
    itemCount,
    personCount: scores.length / itemCount,
    foldsIn: true,
    scoreAll(people: readonly Person[], out) {
      people.forEach(({ userIndex, history }, i) => {
        const row = (userIndex ?? history[0] ?? 0) * itemCount
        out.set(scores.subarray(row, row + itemCount), i * itemCount)
      })
    },
    score: () => {},
    similarItems: () => [],
    reasons: () => [],
    parameters: () => ({ scores: { shape: [scores.length], data: scores } }),
  }
}

/** Random people and scores; few distinct scores make ties. */
function world(seed: number, { people = 12, itemCount = 23, levels = 5 } = {}) {
  const random = seededRandom(seed)
  const pick = (n: number) => Math.floor(random.nextDouble() * n)
  const history: number[][] = []
  const relevant: number[][] = []
  const seen: number[][] = []
  for (let p = 0; p < people; p++) {
    const order = Array.from({ length: itemCount }, (_, i) => [random.nextDouble(), i] as const).sort(([a], [b]) => a - b)
    const items = order.map(([, i]) => i)
    const [h, s, r] = [pick(6), pick(3), 1 + pick(5)]
    history.push(items.slice(0, h))
    seen.push(items.slice(0, h + s))
    relevant.push(items.slice(h + s, h + s + r))
  }
  const of = (lists: number[][]) => positivesFrom(lists, itemCount)
  const ranked: RankedPeople = {
    users: Uint32Array.from({ length: people }, (_, p) => p),
    history: of(history.map((own) => own)),
    seen: of(seen),
    relevant: of(relevant),
    strangers: false,
  }
  const scores = Float32Array.from({ length: people * itemCount }, () => pick(levels) - 2)
  // A person without history is a stranger to the model: the same row either way.
  for (let p = 0; p < people; p++) if (history[p]?.length === 0) scores.copyWithin(p * itemCount, 0, itemCount)
  const counts = Uint32Array.from({ length: itemCount }, () => pick(40))
  const genres = Array.from({ length: itemCount }, () => Array.from({ length: pick(4) }, () => pick(5)))
  return { people: ranked, scores, counts, genres, itemCount, ranker: tableRanker(scores, itemCount) }
}

/** The same question to `tacet metrics`, by string ids. */
function byName(metric: string, { people, scores, counts, genres, itemCount }: ReturnType<typeof world>): number {
  const users = Array.from(people.users, (user) => `u${user}`)
  const seenBy = (p: number) => Array.from(itemsOf(people.seen, p), String)
  return rankingMetric({
    metric,
    scores: new Map(
      users.map((user, p) => [
        user,
        new Map(
          Array.from({ length: itemCount }, (_, item) => [`${item}`, scores[p * itemCount + item] as number] as const).filter(
            ([item]) => !seenBy(p).includes(item),
          ),
        ),
      ]),
    ),
    relevant: new Map(users.map((user, p) => [user, new Map(Array.from(itemsOf(people.relevant, p), (item) => [`${item}`, 1]))])),
    // AUC takes the catalogue's unranked items for candidates: what was seen is none.
    ...(/auc/.test(metric) ? {} : { catalogue: Array.from({ length: itemCount }, (_, item) => `${item}`) }),
    popularity: new Map(Array.from(counts, (count, item) => [`${item}`, count])),
    options: {
      trainingPeople: 50,
      history: new Map(users.map((user, p) => [user, seenBy(p)])),
      ...(metric.startsWith('ild') ? { genres: new Map(genres.map((labels, item) => [`${item}`, labels.map(String)])) } : {}),
    },
  }).value
}

const everyMetric = [
  ...['ndcg', 'hr', 'precision', 'recall', 'recall-capped', 'mrr', 'map', 'map-relevant', 'map-hits', 'mean-precision-at-cuts'],
  ...['coverage', 'coverage-count', 'gini', 'gini-normalised', 'gini-diversity', 'entropy', 'entropy-per-item', 'popreo', 'poprsp'],
  ...['novelty', 'efd', 'epc', 'arp', 'aplt', 'aclt', 'ild'],
]

describe('evaluateRanker', () => {
  test.each([2, 5, 100_000])('agrees with the named metrics on every metric and cutoff, with %d distinct scores', (levels) => {
    let compared = 0
    fc.assert(
      fc.property(fc.nat(1e6), fc.integer({ min: 1, max: 30 }), (seed, k) => {
        const one = world(seed, { levels })
        const catalogue = { counts: one.counts, trainingPeople: 50, genres: one.genres }
        const names = [...everyMetric.flatMap((name) => [`${name}@${k}`, `${name}@10`]), 'auc', 'gauc']
        const found = evaluateRanker(one.ranker, one.people, { metrics: names, catalogue })
        for (const name of names) {
          let expected: number
          try {
            expected = byName(name, one)
          } catch (error) {
            expect((error as TacetError).code).toBe('empty-data')
            expect(Object.keys(found.undefinedMetrics)).toContain(name)
            continue
          }
          expect(found.metrics[name], name).toBeCloseTo(expected, 9)
          compared++
        }
      }),
      { numRuns: 15, seed: 7 },
    )
    expect(compared).toBeGreaterThan(15 * 40)
  })

  test('ndcg, recall and hr are there at 10, 20 and 100 whatever is asked', () => {
    const { ranker, people } = world(1)
    const { metrics } = evaluateRanker(ranker, people, { ks: [3], metrics: ['mrr'] })
    for (const name of ['ndcg', 'recall', 'hr', 'mrr'])
      for (const k of [3, 10, 20, 100]) expect(metrics[`${name}@${k}`]).toBeTypeOf('number')
  })

  test('the mean is that of the people, whatever the batch they come in', () => {
    const { ranker, people } = world(2, { people: 700, itemCount: 40 })
    const batches: number[] = []
    const watched: Ranker = {
      ...ranker,
      scoreAll(some, out) {
        batches.push(some.length)
        expect(out).toHaveLength(some.length * 40)
        ranker.scoreAll(some, out)
      },
    }
    const progress: number[] = []
    const found = evaluateRanker(watched, people, { onProgress: (done) => progress.push(done) })
    expect(batches.length).toBeGreaterThan(1)
    expect(batches.reduce((sum, size) => sum + size, 0)).toBe(700)
    expect(progress.at(-1)).toBe(700)
    const values = found.perPerson('ndcg@10')
    expect(values).toHaveLength(700)
    expect(values.reduce((sum, value) => sum + value, 0) / 700).toBeCloseTo(found.metrics['ndcg@10'] as number, 12)
  })

  test('a constant ranker gets what a random list gets', () => {
    const { people } = world(3, { itemCount: 50 })
    const { metrics } = evaluateRanker(tableRanker(new Float32Array(12 * 50), 50), people)
    const expected = Array.from(people.users.keys(), (p) => Math.min(1, 10 / (50 - itemsOf(people.seen, p).length)))
    expect(metrics['recall@10']).toBeCloseTo(expected.reduce((sum, share) => sum + share, 0) / 12, 12)
  })

  test('nothing seen is listed, and lists are in order of score', () => {
    const { ranker, people, scores, itemCount } = world(4)
    const { lists } = evaluateRanker(ranker, people)
    for (let p = 0; p < 12; p++) {
      const own = lists.items.subarray(p * lists.depth, p * lists.depth + (lists.lengths[p] as number))
      expect(own).toHaveLength(itemCount - itemsOf(people.seen, p).length)
      expect(own.some((item) => itemsOf(people.seen, p).includes(item))).toBe(false)
      for (let i = 1; i < own.length; i++)
        expect(scores[p * itemCount + (own[i] as number)]).toBeLessThanOrEqual(scores[p * itemCount + (own[i - 1] as number)] as number)
    }
  })

  test('strangers are ranked for by their history, never by a row of the model', () => {
    const { ranker, people } = world(5)
    const asked: (number | null)[] = []
    const watched: Ranker = {
      ...ranker,
      scoreAll(some, out) {
        asked.push(...some.map(({ userIndex }) => userIndex))
        ranker.scoreAll(some, out)
      },
    }
    evaluateRanker(watched, { ...people, strangers: true })
    expect(new Set(asked)).toEqual(new Set([null]))
    asked.length = 0
    evaluateRanker(watched, people)
    asked.forEach((userIndex, p) => {
      expect(userIndex).toBe(itemsOf(people.history, p).length === 0 ? null : p)
    })
  })

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'the score %d is an error that names person and item',
    (score) => {
      const { people, scores, itemCount } = world(6)
      scores[7 * itemCount + 9] = score
      // Of somebody with a row of their own in the model.
      expect(itemsOf(people.history, 7).length).toBeGreaterThan(0)
      const act = () => evaluateRanker(tableRanker(scores, itemCount), people)
      expect(act).toThrow(expect.objectContaining({ code: 'diverged', details: expect.objectContaining({ user: 7, item: 9 }) }))
    },
  )

  test('nobody to measure is an error, not a 0', () => {
    const { ranker } = world(7)
    const nobody = positivesFrom([], 23)
    const people: RankedPeople = { users: new Uint32Array(0), history: nobody, seen: nobody, relevant: nobody, strangers: false }
    expect(() => evaluateRanker(ranker, people)).toThrow(expect.objectContaining({ code: 'empty-data' }))
  })

  test('what is no metric of lists, or needs what was not given, is refused', () => {
    const { ranker, people, counts } = world(8)
    const act = (request: EvaluationRequest) => () => evaluateRanker(ranker, people, request)
    expect(act({ metrics: ['rmse'] })).toThrow(/rmse is not measured/)
    expect(act({ metrics: ['ndgc'] })).toThrow(/nearest is "ndcg"/)
    expect(act({ metrics: ['novelty@10'] })).toThrow(/interactions in training/)
    expect(act({ metrics: ['ild@10'], catalogue: { counts } })).toThrow(/genres/)
    expect(act({ ks: [0] })).toThrow(/k is 0/)
    expect(() => evaluateRanker({ ...ranker, itemCount: 22 }, people)).toThrow(/22 items/)
    expect(() => evaluateRanker(ranker, people).perPerson('gini@10')).toThrow(/for each person/)
    expect(() => evaluateRanker(ranker, people).perPerson('ndcg@7')).toThrow(/for each person/)
  })
})

describe('sampled candidates', () => {
  const one = world(9, { people: 40, itemCount: 60, levels: 100_000 })

  test('are named, leave beyond-accuracy metrics out, and refuse them by name', () => {
    const found = evaluateRanker(one.ranker, one.people, { candidates: { sampled: 9, seed: 1 } })
    expect(found.candidates).toBe('sampled:9')
    expect(evaluateRanker(one.ranker, one.people).candidates).toBe('all')
    expect(Object.keys(found.metrics).some((key) => /coverage|gini|entropy/.test(key))).toBe(false)
    expect(() => evaluateRanker(one.ranker, one.people, { candidates: { sampled: 9, seed: 1 }, metrics: ['gini@10'] })).toThrow(/sampled/)
  })

  test('are the relevant items and that many others, nothing seen', () => {
    const { lists } = evaluateRanker(one.ranker, one.people, { candidates: { sampled: 9, seed: 1 } })
    for (let p = 0; p < 40; p++) {
      const own = lists.items.subarray(p * lists.depth, p * lists.depth + (lists.lengths[p] as number))
      expect(own).toHaveLength(9 + itemsOf(one.people.relevant, p).length)
      for (const item of itemsOf(one.people.relevant, p)) expect(own).toContain(item)
      for (const item of itemsOf(one.people.seen, p)) expect(own).not.toContain(item)
    }
  })

  test('are the same for every model, others for another seed, and all of them where all are asked for', () => {
    const listed = (scores: Float32Array, seed: number, sampled = 9) =>
      Array.from({ length: 40 }, (_, p) => {
        const { lists } = evaluateRanker(tableRanker(scores, 60), one.people, { candidates: { sampled, seed } })
        return Array.from(lists.items.subarray(p * lists.depth, p * lists.depth + (lists.lengths[p] as number))).sort((a, b) => a - b)
      })
    const other = one.scores.map((score) => -score)
    expect(listed(other, 1)).toEqual(listed(one.scores, 1))
    expect(listed(one.scores, 2)).not.toEqual(listed(one.scores, 1))
    const all = evaluateRanker(one.ranker, one.people, { metrics: ['auc'] })
    const sampled = evaluateRanker(one.ranker, one.people, { metrics: ['auc'], candidates: { sampled: 1_000, seed: 1 } })
    for (const [key, value] of Object.entries(sampled.metrics)) expect(value).toBe(all.metrics[key])
  })

  test('are drawn alike: every other item as often as the next', () => {
    const person = { ...one.people, users: Uint32Array.of(7) }
    const matrix = (items: number[]) => positivesFrom([items], 20)
    const people = { ...person, history: matrix([0, 1]), seen: matrix([0, 1]), relevant: matrix([2]) }
    const ranker = tableRanker(new Float32Array(8 * 20), 20)
    const drawn = new Uint32Array(20)
    const draws = 3_000
    for (let seed = 0; seed < draws; seed++) {
      const { lists } = evaluateRanker(ranker, people, { candidates: { sampled: 5, seed }, metrics: [] })
      for (const item of lists.items.subarray(0, lists.lengths[0])) drawn[item]!++
    }
    expect(Array.from(drawn.subarray(0, 3))).toEqual([0, 0, draws])
    // 17 binomials of 3,000 and 5/17, standard deviation 25: 5.5 of them is a false alarm once in 1.5 million, and the seeds are fixed.
    for (const count of drawn.subarray(3)) expect(Math.abs(count - (draws * 5) / 17)).toBeLessThan(137)
  })
})

describe('first ranks', () => {
  test('are those of a full sort, and all that ties with the last', () => {
    const rank = firstRanksOf(40, 7)
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constant(Number.NEGATIVE_INFINITY)), { minLength: 40, maxLength: 40 }),
        (list) => {
          const scores = Float32Array.from(list)
          const sorted = list.map((score, item) => ({ score, item })).filter(({ score }) => score > Number.NEGATIVE_INFINITY)
          sorted.sort((a, b) => b.score - a.score || a.item - b.item)
          const last = sorted[Math.min(7, sorted.length) - 1]?.score
          const expected = sorted.filter(({ score }, at) => at < 7 || score === last)
          const { items, length, runs, tieEnds } = rank(scores)
          expect(Array.from(items.subarray(0, length))).toEqual(expected.map(({ item }) => item))
          const ends = expected.flatMap(({ score }, at) => (expected[at + 1]?.score === score ? [] : [at + 1]))
          expect(Array.from(tieEnds.subarray(0, runs))).toEqual(ends.length === expected.length ? [] : ends)
        },
      ),
    )
  })
})

describe('the sealed test', () => {
  const { data } = syntheticInteractions({ users: 40, items: 30, interactions: 600, seed: 5 })
  const split = splitForRanking(data, { kind: 'per-user-chronological' })
  const ranker = () =>
    tableRanker(
      Float32Array.from({ length: 40 * 30 }, (_, at) => (at * 7919) % 1009),
      30,
    )

  test('opens for a frozen model, and remembers for which', () => {
    const frozen = freeze(ranker())
    const people = openTest(split, frozen)
    expect(people.users.length).toBe(split.counts.testPeople)
    expect(evaluateRanker(frozen.ranker, people).people).toBe(split.counts.testPeople)
    expect(split.test.openedFor).toContain(frozen.fingerprint)
  })

  test('another model, or the same one changed by one bit, cannot be measured on what came out', () => {
    const frozen = freeze(ranker())
    const people = openTest(split, frozen)
    const scores = ranker().parameters().scores?.data as Float32Array
    scores[3] = (scores[3] as number) + 1
    expect(() => evaluateRanker(tableRanker(scores, 30), people)).toThrow(expect.objectContaining({ code: 'check-failed' }))
    const own = frozen.ranker.parameters().scores?.data as Float32Array
    own[3] = (own[3] as number) + 1
    expect(() => evaluateRanker(frozen.ranker, people)).toThrow(/frozen/)
    expect(() => openTest(split, frozen)).toThrow(/frozen/)
    own[3] = (own[3] as number) - 1
    expect(evaluateRanker(frozen.ranker, people).people).toBeGreaterThan(0)
  })

  test('a model that equals the frozen one in every bit may be measured: it is the same', () => {
    const people = openTest(split, freeze(ranker()))
    expect(evaluateRanker(ranker(), people).people).toBeGreaterThan(0)
  })

  test('the fingerprint sees every bit, names and shapes', () => {
    const of = (data: number[], { key = 'a', shape = [data.length], name = 'm' } = {}) =>
      fingerprintOf({ name, parameters: () => ({ [key]: { shape, data: Float32Array.from(data) } }) })
    const prints = [of([1, 2, 3, 4]), of([1, 2, 4, 3]), of([1, 2, 3]), of([1, 2, 3, 4], { key: 'b' }), of([1, 2, 3, 4], { name: 'n' })]
    prints.push(of([1, 2, 3, 4], { shape: [2, 2] }), of([0, 2, 3, 4]), of([-0, 2, 3, 4]))
    expect(new Set(prints).size).toBe(prints.length)
    fc.assert(
      fc.property(fc.array(fc.float({ noNaN: true }), { minLength: 1, maxLength: 40 }), fc.nat(39), fc.nat(31), (list, at, bit) => {
        const data = Float32Array.from(list)
        const changed = data.slice()
        new Uint32Array(changed.buffer)[at % list.length]! ^= 1 << bit
        const print = (entry: Float32Array) =>
          fingerprintOf({ name: 'm', parameters: () => ({ a: { shape: [entry.length], data: entry } }) })
        expect(print(changed)).not.toBe(print(data))
      }),
    )
  })

  test('nothing but openTest breaks the seal', () => {
    const src = join(import.meta.dirname, '..')
    const users = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(
      (file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && readFileSync(join(src, file), 'utf8').includes('breakSeal'),
    )
    expect(users.sort()).toEqual(['data/index.ts', 'data/sealed.ts', 'evaluation/frozen.ts'])
  })
})

describe('groups', () => {
  test('means, gaps and the worst are those of the named group metrics', () => {
    const values = Float64Array.of(0.5, 1, Number.NaN, 0.25, 0.75, 0)
    const groups = { name: 'gender', labels: ['F', 'M', 'none'], of: Int32Array.of(0, 0, 0, 1, 1, -1) }
    const figures = groupMetrics(values, groups)
    expect(figures.groups).toMatchObject([
      { label: 'F', count: 2, mean: 0.75 },
      { label: 'M', count: 2, mean: 0.5 },
    ])
    expect(figures.groups[0]?.standardError).toBeCloseTo(0.25, 12)
    expect([figures.gap, figures.mad, figures.worst]).toEqual([0.25, 0.25, 0.5])
    expect(groupMetrics(values, { ...groups, of: Int32Array.of(0, 0, 0, 0, 0, 0) }).gap).toBeNaN()
    expect(() => groupMetrics(values, { ...groups, of: new Int32Array(6).fill(-1) })).toThrow(/nobody/)
    expect(() => groupMetrics(values, { ...groups, of: new Int32Array(5) })).toThrow(/aligned/)
  })

  test('activity and popularity put everybody and everything in a group, equals together', () => {
    const { people, counts } = world(11, { people: 200 })
    const activity = activityGroups(people.history)
    const sizes = Array.from(people.users.keys(), (p) => itemsOf(people.history, p).length)
    sizes.forEach((size, p) => {
      const [low, high] = (activity.labels[activity.of[p] as number] as string).split('–').map(Number) as [number, number?]
      expect(size).toBeGreaterThanOrEqual(low)
      expect(size).toBeLessThanOrEqual(high ?? low)
    })
    const popularity = popularityGroups(counts)
    const total = counts.reduce((sum, count) => sum + count, 0)
    const held = (group: number) => counts.reduce((sum, count, item) => sum + (popularity.of[item] === group ? count : 0), 0)
    expect(held(0)).toBeGreaterThanOrEqual(total / 3)
    expect(held(0) + held(1)).toBeGreaterThanOrEqual((2 * total) / 3)
    expect(Math.min(...counts.filter((_, item) => popularity.of[item] === 0))).toBeGreaterThan(
      Math.max(...counts.filter((_, item) => popularity.of[item] === 1)),
    )
  })

  test('attributes of people, ages in the groups of MovieLens 1M', () => {
    const { data } = syntheticInteractions({ users: 40, items: 30, interactions: 600, seed: 5 })
    const withAges = {
      ...data,
      userAttributes: [
        {
          name: 'age',
          kind: 'numeric' as const,
          values: Float32Array.from({ length: 40 }, (_, u) => (u === 0 ? Number.NaN : 10 + u)),
          categories: null,
        },
        {
          name: 'gender',
          kind: 'categorical' as const,
          values: Float32Array.from({ length: 40 }, (_, u) => u % 2),
          categories: ['F', 'M'],
        },
      ],
    }
    const users = Uint32Array.of(0, 5, 8, 39)
    const age = attributeGroups(withAges, users, 'age')
    expect(Array.from(age?.of as Int32Array, (group) => age?.labels[group])).toEqual([undefined, 'under 18', '18–24', '45–49'])
    expect(attributeGroups(withAges, users, 'gender')).toMatchObject({ labels: ['F', 'M'], of: Int32Array.of(0, 1, 0, 1) })
    expect(attributeGroups(withAges, users, 'shoe size')).toBeNull()
  })

  test('recall by popularity of the item adds up to all that was found, and its spread is PopREO', () => {
    const one = world(12, { people: 60, levels: 4 })
    const found = evaluateRanker(one.ranker, one.people, { metrics: ['popreo@10'], catalogue: { counts: one.counts } })
    const groups = recallByItemGroup(found, one.people, popularityGroups(one.counts), 10)
    const hits = groups.groups.reduce((sum, { count, mean }) => sum + count * mean, 0)
    const precision = evaluateRanker(one.ranker, one.people, { metrics: ['precision@10'] }).metrics['precision@10'] as number
    expect(hits).toBeCloseTo(precision * 10 * 60, 9)
    expect(groups.groups.reduce((sum, { count }) => sum + count, 0)).toBe(one.people.relevant.items.length)
    expect(found.metrics['popreo@10']).toBeCloseTo(byName('popreo@10', one), 12)
  })
})

test('two rankers are compared over the people both have a value for', () => {
  const a = Float64Array.from({ length: 200 }, (_, p) => ((p * 37) % 100) / 100)
  const b = a.map((value, p) => Math.max(0, value - (p % 3 === 0 ? 0.1 : 0)))
  a[5] = Number.NaN
  const found = compareRankers(a, b, seededRandom(1))
  expect(found.people).toBe(199)
  expect(found.wins + found.losses + found.ties).toBe(199)
  expect(found.losses).toBe(0)
  expect(found.difference.low).toBeGreaterThan(0)
  expect(found.tTest.difference.estimate).toBeCloseTo(found.difference.estimate, 12)
  expect(found.wilcoxon.pValue).toBeLessThan(1e-6)
  expect(compareRankers(a, a, seededRandom(1))).toMatchObject({ wins: 0, tTest: { pValue: 1 }, wilcoxon: { pValue: 1 } })
  expect(() => compareRankers(a, b.subarray(1), seededRandom(1))).toThrow(/each person/)
})
