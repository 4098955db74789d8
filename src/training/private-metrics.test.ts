/** Noisy metrics: what one person can move, what is spent and when, and what comes out. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { accountantNamed, type PrivacyEvent, parsePrivacyEvent } from '../privacy/index.ts'
import { seededRandom } from '../random/index.ts'
import { planPrivateMetrics, privateMetrics, privateMetricsStatistic, releasePrivateMetrics } from './private-metrics.ts'

const ignore = () => {}
const price = (event: PrivacyEvent, delta: number) => accountantNamed('pld', 'add-or-remove-one').compose(event).epsilon(delta).epsilon

describe('private metrics', () => {
  test('cost what was asked for at most, for all of them and the number of people together', () => {
    for (const epsilon of [1, 4]) {
      const plan = planPrivateMetrics(['ndcg@10', 'recall@20', 'hr@10'], { epsilon, delta: 1e-6 })
      expect(price(parsePrivacyEvent(JSON.parse(JSON.stringify(plan.event))), 1e-6)).toBeLessThanOrEqual(epsilon)
      expect(plan.epsilon).toBeGreaterThan(epsilon * 0.999)
      expect(plan.event).toMatchObject({ kind: 'repeated', times: 4, event: { kind: 'discrete-gaussian', sensitivity: 50 } })
    }
  })

  test('one person moves no sum by more than the sensitivity that is paid for, whatever their values and everybody else’s', () => {
    const source = seededRandom(1)
    // A seeded source of its own for every pair takes longer than the rest of the test.
    const rounding = (seed: number) => {
      let at = seed
      const nextDouble = () => {
        at = (Math.imul(at, 1_664_525) + 1_013_904_223) >>> 0
        return at / 2 ** 32
      }
      return { ...source, nextDouble }
    }
    const value = fc.oneof(fc.constantFrom(0, 1, 0.5, 1 / 3), fc.double({ min: 0, max: 1, noNaN: true }))
    const person = fc.tuple(value, value)
    fc.assert(
      fc.property(fc.array(person, { maxLength: 6 }), person, fc.nat(1e6), (others, one, seed) => {
        const statistic = (people: readonly (readonly [number, number])[]) => {
          // Each person's rounding is theirs: the same with and without the one more, who comes last.
          const columns = [0, 1].map((metric) =>
            privateMetricsStatistic({ m: people.map((values) => values[metric] as number) }, ['m'], rounding(seed + metric)),
          )
          return [...columns.map((sums) => sums[0] as number), columns[0]?.[1] as number]
        }
        const without = statistic(others)
        statistic([...others, one]).forEach((sum, at) => {
          expect(sum - (without[at] as number)).toBeGreaterThanOrEqual(0)
          expect(sum - (without[at] as number)).toBeLessThanOrEqual(50)
          expect(Number.isInteger(sum)).toBe(true)
        })
      }),
      { numRuns: 10_000 },
    )
  })

  test('noise comes after the event is spent: a refused release draws nothing and gives nothing', () => {
    // Noise is drawn from words; rounding, which protects nobody and comes before, takes doubles.
    let drawn = 0
    const source = seededRandom(3)
    const random = {
      ...source,
      nextWord: () => {
        drawn++
        return source.nextWord()
      },
    }
    const refuse = () => {
      throw new Error('no budget')
    }
    const plan = planPrivateMetrics(['ndcg@10'], { epsilon: 1, delta: 1e-6 })
    expect(() => releasePrivateMetrics({ 'ndcg@10': [0, 1, 1] }, plan, { random, spend: refuse })).toThrow('no budget')
    expect(drawn).toBe(0)
    releasePrivateMetrics({ 'ndcg@10': [0, 1, 1] }, plan, { random, spend: ignore })
    expect(drawn).toBeGreaterThan(0)
  })

  test('spends exactly the event that was planned, once', () => {
    const spent: PrivacyEvent[] = []
    const found = privateMetrics(
      { 'ndcg@10': new Float64Array(500).fill(0.3), 'hr@10': new Float64Array(500).fill(1) },
      { epsilon: 1, delta: 1e-6, random: seededRandom(4), spend: (event) => spent.push(event) },
    )
    expect(spent).toEqual([found.event])
    expect(Object.keys(found.figures)).toEqual(['ndcg@10', 'hr@10'])
  })

  test('means are right within the error they state', () => {
    // 400 draws; a share of .9973 lies within three standard errors. Fewer than 380: false alarm below 1e-12; more noise than stated is seen.
    const values = Float64Array.from({ length: 2_000 }, (_, p) => 0.8 + ((p * 37) % 101) / 500)
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    const plan = planPrivateMetrics(['ndcg@10', 'recall@20'], { epsilon: 1, delta: 1e-6 })
    const random = seededRandom(5)
    const scores = Array.from({ length: 400 }, () => {
      const { figures } = releasePrivateMetrics({ 'ndcg@10': values, 'recall@20': values }, plan, { random, spend: ignore })
      const { value, noiseStandardError } = figures['ndcg@10'] as { value: number; noiseStandardError: number }
      return (value - mean) / noiseStandardError
    })
    expect(scores.filter((score) => Math.abs(score) < 3).length).toBeGreaterThan(380)
    const variance = scores.reduce((sum, score) => sum + score ** 2, 0) / scores.length
    // χ² with 400 degrees of freedom ÷ 400: standard deviation .071; five of them, false alarm below 1e-6. Near .9 the error of the count is
    // nearly as large as that of the sum.
    expect(Math.abs(variance - 1)).toBeLessThan(0.36)
  })

  test('few people or much noise cannot push a figure out of 0 … 1', () => {
    const plan = planPrivateMetrics(['hr@10'], { epsilon: 1, delta: 1e-6 })
    for (let seed = 0; seed < 50; seed++) {
      const { figures, people } = releasePrivateMetrics({ 'hr@10': [1, 0] }, plan, { random: seededRandom(seed), spend: ignore })
      expect(figures['hr@10']?.value).toBeGreaterThanOrEqual(0)
      expect(figures['hr@10']?.value).toBeLessThanOrEqual(1)
      expect(people.value).toBeGreaterThanOrEqual(1)
    }
  })

  test('what has no bound for one person, or is not there, is refused before anything is spent', () => {
    const budget = { epsilon: 1, delta: 1e-6 }
    for (const metric of ['gini@10', 'coverage@10', 'arp@10', 'rmse', 'novelty@10', 'auc-pooled'])
      expect(() => planPrivateMetrics([metric], budget), metric).toThrow(/no bound/)
    expect(() => planPrivateMetrics([], budget)).toThrow(/no metric/)
    expect(() => planPrivateMetrics(['hr@10', 'hr@10'], budget)).toThrow(/twice/)
    const spend = () => expect.unreachable('spent')
    const plan = planPrivateMetrics(['hr@10', 'map@10'], budget)
    const random = seededRandom(6)
    expect(() => releasePrivateMetrics({ 'hr@10': [1] }, plan, { random, spend })).toThrow(/map@10 has no values/)
    expect(() => releasePrivateMetrics({ 'hr@10': [1], 'map@10': [1, 1] }, plan, { random, spend })).toThrow(/2 values/)
    for (const bad of [Number.NaN, -0.1, 1.0001])
      expect(() => releasePrivateMetrics({ 'hr@10': [1], 'map@10': [bad] }, plan, { random, spend })).toThrow(/nothing was released/)
  })
})
