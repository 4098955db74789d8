/** Ranking metrics of one person, by hand-worked lists, and by enumeration of the orders of tied items. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  auc,
  averagePrecision,
  hitRate,
  hits,
  meanPrecisionAtCuts,
  ndcg,
  type PersonRanking,
  precision,
  recall,
  reciprocalRank,
} from './ranking.ts'
import { meanPairDistance, slotMean, topList } from './ranking-beyond.ts'

/** A ranking from gains along it; `missed` are gains of relevant items that were not ranked; `runs` the sizes of the tied runs. */
function person(gains: number[], { missed = [], runs }: { missed?: number[]; runs?: number[] } = {}): PersonRanking {
  const relevant = Float64Array.from([...gains.filter((gain) => gain > 0), ...missed])
    .sort()
    .reverse()
  let end = 0
  return {
    gains: Float64Array.from(gains),
    relevant,
    ...(runs ? { tieEnds: Uint32Array.from(runs, (size) => (end += size)) } : {}),
  }
}

/** Every order of the tied items of a ranking. */
function* orders(gains: readonly number[], runs: readonly number[]): Generator<number[]> {
  const [size, ...rest] = runs
  if (size === undefined) {
    yield []
    return
  }
  for (const head of permutations(gains.slice(0, size))) for (const tail of orders(gains.slice(size), rest)) yield [...head, ...tail]
}

function* permutations(list: readonly number[]): Generator<number[]> {
  if (list.length === 0) yield []
  for (let i = 0; i < list.length; i++)
    for (const rest of permutations([...list.slice(0, i), ...list.slice(i + 1)])) yield [list[i] as number, ...rest]
}

const metrics: Readonly<Record<string, (p: PersonRanking, k: number) => number>> = {
  ndcg: (p, k) => ndcg(p, k),
  'exponential ndcg': (p, k) => ndcg(p, k, 'exponential'),
  hr: hitRate,
  hits,
  precision,
  recall: (p, k) => recall(p, k),
  'capped recall': (p, k) => recall(p, k, { capped: true }),
  mrr: reciprocalRank,
  map: (p, k) => averagePrecision(p, k),
  'map ÷ relevant': (p, k) => averagePrecision(p, k, 'relevant'),
  'map ÷ hits': (p, k) => averagePrecision(p, k, 'hits'),
  'mean precision at cuts': meanPrecisionAtCuts,
}

describe('by hand', () => {
  // Ranks 2 and 4 of five are relevant, and a third relevant item was not ranked.
  const one = person([0, 1, 0, 1, 0], { missed: [1] })

  test('every metric of a list of five has its textbook value', () => {
    const ideal = 1 + 1 / Math.log2(3) + 1 / 2
    expect(ndcg(one, 5)).toBeCloseTo((1 / Math.log2(3) + 1 / Math.log2(5)) / ideal, 12)
    expect(hitRate(one, 1)).toBe(0)
    expect(hitRate(one, 2)).toBe(1)
    expect(precision(one, 5)).toBeCloseTo(2 / 5, 12)
    expect(recall(one, 5)).toBeCloseTo(2 / 3, 12)
    expect(recall(one, 2)).toBeCloseTo(1 / 3, 12)
    expect(recall(one, 2, { capped: true })).toBeCloseTo(1 / 2, 12)
    expect(reciprocalRank(one, 5)).toBeCloseTo(1 / 2, 12)
    expect(reciprocalRank(one, 1)).toBe(0)
    expect(averagePrecision(one, 5)).toBeCloseTo((1 / 2 + 2 / 4) / 3, 12)
    expect(averagePrecision(one, 2)).toBeCloseTo(1 / 2 / 2, 12)
    expect(averagePrecision(one, 2, 'relevant')).toBeCloseTo(1 / 2 / 3, 12)
    expect(averagePrecision(one, 5, 'hits')).toBeCloseTo((1 / 2 + 2 / 4) / 2, 12)
    expect(meanPrecisionAtCuts(one, 5)).toBeCloseTo((0 + 1 / 2 + 1 / 3 + 2 / 4 + 2 / 5) / 5, 12)
    // Pairs: the first hit beats two of three irrelevant items, the second one, the one that was not ranked none.
    expect(auc(one)).toBeCloseTo((2 + 1 + 0) / 9, 12)
  })

  test('graded gains enter linearly, exponentially or not at all', () => {
    const graded = person([1, 3])
    expect(ndcg(graded, 2)).toBeCloseTo((1 + 3 / Math.log2(3)) / (3 + 1 / Math.log2(3)), 12)
    expect(ndcg(graded, 2, 'exponential')).toBeCloseTo((1 + 7 / Math.log2(3)) / (7 + 1 / Math.log2(3)), 12)
    expect(ndcg(graded, 2, 'binary')).toBe(1)
  })

  test('a list shorter than k is not forgiven: precision ÷ k, and the ideal is not shortened', () => {
    const short = person([1], { missed: [1, 1] })
    expect(precision(short, 10)).toBeCloseTo(0.1, 12)
    expect(ndcg(short, 10)).toBeCloseTo(1 / (1 + 1 / Math.log2(3) + 1 / 2), 12)
    expect(averagePrecision(short, 10)).toBeCloseTo(1 / 3, 12)
  })

  test('an empty list scores 0 everywhere', () => {
    for (const [name, metric] of Object.entries(metrics))
      for (const k of [1, 10, Infinity]) expect(metric(person([], { missed: [1] }), k), name).toBe(0)
  })

  test('gains that overflow are an error, not NaN', () => {
    expect(() => ndcg(person([2000]), 1, 'exponential')).toThrow(/gains add up to Infinity/)
  })
})

describe('ties', () => {
  test('a constant scorer has the hit rate, reciprocal rank and AUC of a random list', () => {
    const constant = person([1, ...Array<number>(99).fill(0)], { runs: [100] })
    expect(hitRate(constant, 10)).toBeCloseTo(0.1, 12)
    expect(reciprocalRank(constant, Infinity)).toBeCloseTo(
      Array.from({ length: 100 }, (_, r) => 1 / (r + 1) / 100).reduce((a, b) => a + b),
      12,
    )
    expect(auc(constant)).toBeCloseTo(0.5, 12)
  })

  test('every metric is its mean over all orders of the tied items (1,000 small rankings)', () => {
    const ranking = fc
      .array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 })
      .filter((runs) => runs.reduce((a, b) => a + b) <= 7)
      .chain((runs) =>
        fc.record({
          runs: fc.constant(runs),
          gains: fc.array(fc.constantFrom(0, 0, 1, 2), {
            minLength: runs.reduce((a, b) => a + b),
            maxLength: runs.reduce((a, b) => a + b),
          }),
          missed: fc.array(fc.constantFrom(1, 3), { maxLength: 2 }),
          k: fc.constantFrom(1, 2, 3, 5, 9, Number.POSITIVE_INFINITY),
        }),
      )
      .filter(({ gains, missed }) => missed.length > 0 || gains.some((gain) => gain > 0))
    fc.assert(
      fc.property(ranking, ({ runs, gains, missed, k }) => {
        const all = [...orders(gains, runs)]
        const tied = person(gains, { missed, runs })
        for (const [name, metric] of Object.entries(metrics)) {
          const mean = all.reduce((sum, order) => sum + metric(person(order, { missed }), k), 0) / all.length
          expect(metric(tied, k), `${name}@${k}`).toBeCloseTo(mean, 9)
        }
        const meanAuc = all.reduce((sum, order) => sum + auc(person(order, { missed })), 0) / all.length
        if (Number.isNaN(meanAuc)) expect(auc(tied)).toBeNaN()
        else expect(auc(tied)).toBeCloseTo(meanAuc, 9)
      }),
      { numRuns: 1_000, seed: 17 },
    )
  })

  test('slot means and pair distances are means over the orders too', () => {
    // Numbers 0 … 4 in runs of 1, 3, 1, cut at 3: the middle run gives two of its three.
    const list = topList(Uint32Array.from([0, 1, 2, 3, 4]), Uint32Array.from([1, 4, 5]), 3)
    const values = [5, 1, 4, 2, 100]
    const distance = (a: number, b: number) => Math.abs((values[a] as number) - (values[b] as number))
    const lists = [...permutations([1, 2, 3])].map((order) => [0, order[0] as number, order[1] as number])
    const mean = (of: (items: number[]) => number) => lists.reduce((sum, items) => sum + of(items), 0) / lists.length
    expect(slotMean(list, (item) => values[item] as number)).toBeCloseTo(
      mean((items) => items.reduce((sum, item) => sum + (values[item] as number), 0) / 3),
      12,
    )
    const pairs = mean(
      ([a, b, c]) => (distance(a as number, b as number) + distance(a as number, c as number) + distance(b as number, c as number)) / 3,
    )
    expect(meanPairDistance(list, distance)).toBeCloseTo(pairs, 12)
  })
})

describe('invariants', () => {
  const untied = fc
    .record({
      gains: fc.array(fc.constantFrom(0, 1), { maxLength: 12 }),
      missed: fc.array(fc.constant(1), { maxLength: 3 }),
      k: fc.integer({ min: 1, max: 15 }),
    })
    .filter(({ gains, missed }) => missed.length > 0 || gains.includes(1))

  test('every metric is between 0 and 1, and 1 for relevant items first in a list long enough', () => {
    fc.assert(
      fc.property(untied, ({ gains, missed, k }) => {
        for (const [name, metric] of Object.entries(metrics)) {
          if (name === 'hits') continue
          const value = metric(person(gains, { missed }), k)
          expect(value, name).toBeGreaterThanOrEqual(0)
          expect(value, name).toBeLessThanOrEqual(1)
        }
      }),
      { seed: 5 },
    )
    const perfect = person([1, 1, 0, 0])
    for (const name of ['ndcg', 'exponential ndcg', 'hr', 'recall', 'mrr', 'map']) expect(metrics[name]?.(perfect, 4), name).toBe(1)
  })

  test('with one relevant item, hit rate ≥ NDCG ≥ reciprocal rank, and average precision is the reciprocal rank', () => {
    for (let rank = 1; rank <= 12; rank++) {
      const one = person(Array.from({ length: 12 }, (_, i) => (i === rank - 1 ? 1 : 0)))
      expect(hitRate(one, 10)).toBeGreaterThanOrEqual(ndcg(one, 10))
      expect(ndcg(one, 10)).toBeGreaterThanOrEqual(reciprocalRank(one, 10))
      expect(averagePrecision(one, 10)).toBeCloseTo(reciprocalRank(one, 10), 12)
    }
  })

  test('reversing a ranking turns AUC into one minus it', () => {
    fc.assert(
      fc.property(untied, ({ gains }) => {
        fc.pre(gains.includes(0) && gains.includes(1))
        expect(auc(person(gains)) + auc(person([...gains].reverse()))).toBeCloseTo(1, 12)
      }),
      { seed: 6 },
    )
  })
})
