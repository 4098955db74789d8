import { describe, expect, test } from 'vitest'
import { createBook } from './book.ts'
import { compare, summarise } from './statistics.ts'
import {
  type DatasetFacts,
  declareJob,
  type FinishedJob,
  type JobResult,
  mergeJobs,
  type SplitKind,
  type StudyJob,
  type StudyTask,
} from './study.ts'
import { judgeClaims, type VerdictWord } from './verdicts.ts'
import { baseline, biases, clippingAlone, network, noise, noPrivacy, priceJobs, rowEpsilon, trainingJobs } from './wide-and-deep-dp.ts'

const splitFacts = {
  description: 'made up',
  train: 800_165,
  test: 200_044,
  testRowsOfUnseenUsers: 1,
  medianPersonRatings: 86,
  heaviestPersonRatings: 1851,
}
const facts: DatasetFacts = {
  name: 'made-up',
  fingerprint: 'f',
  users: 6040,
  items: 3706,
  interactions: 1_000_209,
  ratingScale: { min: 1, max: 5 },
  splits: { chronological: splitFacts, random: splitFacts },
  mainSplit: 'chronological',
  userFeatures: ['gender', 'age', 'occupation'],
  itemMetadata: true,
}

describe('statistics over seeds', () => {
  test('one run has a mean and no spread, three runs have both', () => {
    expect(summarise([2])).toEqual({ n: 1, mean: 2, stdDev: null })
    expect(summarise([1, 2, 3])).toEqual({ n: 3, mean: 2, stdDev: 1 })
    expect(summarise([])).toBeNull()
  })

  test('the interval of a difference is Welch’s: 4.303 standard errors at two degrees of freedom', () => {
    // Equal spreads of 1 in two groups of two: standard error 1, degrees of freedom 2.
    const { difference, margin, clear } = compare([5, 5 + Math.SQRT2], [0, Math.SQRT2])
    expect(difference).toBeCloseTo(5, 12)
    expect(margin).toBeCloseTo(4.303, 12)
    expect(clear).toBe(true)
    expect(compare([4, 4 + Math.SQRT2], [0, Math.SQRT2]).clear).toBe(false)
  })

  test('single runs never differ clearly, equal runs that differ always do', () => {
    expect(compare([1], [9]).clear).toBe(false)
    expect(compare([1, 1], [2, 2]).clear).toBe(true)
    expect(compare([1, 1], [1, 1]).clear).toBe(false)
  })
})

describe('jobs', () => {
  const declaration = { groups: ['a'], dataset: 'primary', split: 'random', task: network('paper', noise(1)), seed: 1 } as const

  test('an id follows from everything that moves the result, and from nothing else', () => {
    const { id } = declareJob(declaration, 'f')
    expect(declareJob({ ...declaration, groups: ['b'] }, 'f').id).toBe(id)
    const others = [
      declareJob(declaration, 'g'),
      declareJob({ ...declaration, seed: 2 }, 'f'),
      declareJob({ ...declaration, split: 'chronological' }, 'f'),
      declareJob({ ...declaration, task: network('paper', noise(2)) }, 'f'),
      declareJob({ ...declaration, task: network('paper', noise(1), { parts: 'wide' }) }, 'f'),
      declareJob({ ...declaration, task: network('repaired', noise(1)) }, 'f'),
    ]
    expect(new Set([id, ...others.map((job) => job.id)]).size).toBe(others.length + 1)
  })

  test('a run that two parts of the report need is run once and belongs to both', () => {
    const merged = mergeJobs([declareJob(declaration, 'f'), declareJob({ ...declaration, groups: ['b'] }, 'f')])
    expect(merged).toHaveLength(1)
    expect(merged[0]?.groups).toEqual(['a', 'b'])
  })

  test('the declared study has no two jobs of one id, five runs for each box, and every part of the report', () => {
    const epsilons = new Map([1, 2, 3, 4, 5].map((sigma) => [sigma, 1 / sigma]))
    const jobs = mergeJobs(trainingJobs({ primary: facts, second: { ...facts, fingerprint: 'g' } }, epsilons, { seeds: 3, quick: false }))
    expect(new Set(jobs.map(({ id }) => id)).size).toBe(jobs.length)
    expect(new Set(jobs.flatMap(({ groups }) => groups))).toEqual(
      new Set([
        'baselines',
        'table-1',
        'figure-6',
        'parts',
        'causes',
        'sweep-clip-norm',
        'sweep-batch',
        'sweep-layers',
        'frontier',
        'prices',
        'audits',
        'second-data',
      ]),
    )
    expect(jobs.filter(({ groups, task }) => groups.includes('figure-6') && task.kind === 'wide-and-deep')).toHaveLength(4 * 5)
  })

  test('ε of a row is the accountant’s, rounded down', () => {
    expect(rowEpsilon(0.256899)).toBe(0.2568)
    expect(rowEpsilon(5.39962)).toBe(5.399)
    expect(rowEpsilon(0.031689)).toBe(0.03168)
    for (let i = 1; i < 400; i++) expect(rowEpsilon(i / 17)).toBeLessThanOrEqual(i / 17)
  })
})

describe('verdicts', () => {
  const trained = (rmse: number, predictionStdDev: number): JobResult => ({
    kind: 'trained',
    measured: { rmse, mae: rmse / 1.3, trainRmse: rmse, predictionMean: 3.9, predictionStdDev },
    privacy: null,
    clippedShare: null,
    persons: [],
    seconds: 1,
  })
  const runsOf = (task: StudyTask, rmses: readonly number[], spread = 0.5, split: SplitKind = 'chronological'): FinishedJob[] =>
    rmses.map((rmse, i) => ({
      job: declareJob({ groups: [], dataset: 'primary', split, task, seed: i + 1 }, 'f'),
      result: trained(rmse, spread),
    }))
  const printed = { 1: 0.6503, 2: 0.1402, 3: 0.0682, 4: 0.0461, 5: 0.0358 } as Record<number, number>
  const near = { 1: 0.25689, 2: 0.09303, 3: 0.05703, 4: 0.04087, 5: 0.03168 } as Record<number, number>
  const prices = (medianEpsilon: number): FinishedJob[] =>
    priceJobs('primary', facts).map((job: StudyJob) => {
      const sigma = job.task.kind === 'price' ? job.task.noiseMultiplier : 0
      return {
        job,
        result: {
          kind: 'price',
          sampleRate: 6.4e-4,
          steps: 7814,
          pld: near[sigma] as number,
          pldLower: near[sigma] as number,
          rdp: printed[sigma] as number,
          rdpOrder: 14,
          shuffled: 11.48,
          persons: [
            { ratings: 86, epsilon: medianEpsilon },
            { ratings: 1851, epsilon: 315 },
          ],
        },
      }
    })
  const verdictOn = (claim: RegExp, finished: readonly FinishedJob[], primary = facts): VerdictWord | undefined =>
    judgeClaims(createBook(finished), { primary, second: null }).find((each) => claim.test(each.claim))?.verdict

  test('σ = 2 beats σ = 1 only where the runs say so clearly', () => {
    const pair = (one: readonly number[], two: readonly number[]) => [
      ...runsOf(network('paper', noise(1)), one),
      ...runsOf(network('paper', noise(2)), two),
    ]
    expect(verdictOn(/σ = 2 beats/, pair([1.2, 1.201, 1.199], [1.18, 1.181, 1.179]))).toBe('holds')
    expect(verdictOn(/σ = 2 beats/, pair([1.1, 1.101, 1.099], [1.18, 1.181, 1.179]))).toBe('does not hold')
    expect(verdictOn(/σ = 2 beats/, pair([1.186, 1.182, 1.021], [1.177, 1.178, 1.177]))).toBe('not shown')
    expect(verdictOn(/σ = 2 beats/, pair([1.2], [1.1]))).toBe('not shown')
  })

  test('a plateau of models that say the same to everybody holds for another reason', () => {
    const rows = (rmses: readonly number[], spread: number) => [
      ...runsOf(baseline('constant'), [1.1043]),
      ...rmses.flatMap((rmse, i) => runsOf(network('paper', noise(i + 3)), [rmse, rmse], spread)),
    ]
    expect(verdictOn(/plateau/, rows([1.1776, 1.1776, 1.1755], 0.03))).toBe('holds, for another reason')
    expect(verdictOn(/plateau/, rows([0.97, 0.972, 0.971], 0.5))).toBe('holds')
    expect(verdictOn(/plateau/, rows([1.1, 1.15, 1.2], 0.03))).toBe('does not hold')
  })

  test('noise regularises only if some row clearly beats the same clipping without noise', () => {
    const rows = (clipped: readonly number[], noisy: readonly number[]) => [
      ...runsOf(network('paper', noise(clippingAlone.noiseMultiplier)), clipped),
      ...runsOf(network('paper', noise(1)), noisy),
    ]
    expect(verdictOn(/regularises/, rows([1.0, 1.001, 0.999], [0.95, 0.951, 0.949]))).toBe('holds')
    expect(verdictOn(/regularises/, rows([1.0, 1.001, 0.999], [1.13, 1.18, 1.02]))).toBe('does not hold')
    expect(verdictOn(/regularises/, rows([1.0, 1.1, 0.9], [0.99, 1.0, 0.97]))).toBe('not shown')
  })

  test('a spread below .01 has to be below it in every row', () => {
    const rows = (first: readonly number[]) => [
      ...runsOf(network('paper', noise(1)), first),
      ...runsOf(network('paper', noise(5)), [1.18, 1.181, 1.182], 0.01),
    ]
    expect(verdictOn(/standard deviation/, rows([1.0, 1.001, 1.002]))).toBe('holds')
    expect(verdictOn(/standard deviation/, rows([1.0, 1.1, 1.2]))).toBe('does not hold')
    expect(verdictOn(/Low variance/, rows([1.0, 1.1, 1.2]))).toBe('holds, for another reason')
  })

  test('0.24 is found to be 0.14, and only on the paper’s data', () => {
    const verdicts = judgeClaims(createBook(prices(41)), { primary: facts, second: null })
    const epsilon = verdicts.find(({ claim }) => claim.startsWith('ε is'))
    expect(epsilon?.verdict).toBe('does not hold')
    expect(epsilon?.evidence).toContain('At σ = 2 the printed 0.24 is 0.14')
    expect(epsilon?.evidence).toContain('all five are upper bounds')
    expect(verdictOn(/^ε is/, prices(41), { ...facts, interactions: 5 })).toBeUndefined()
  })

  test('user-level privacy is judged by a person’s price', () => {
    expect(verdictOn(/User-level/, prices(41))).toBe('does not hold')
    expect(verdictOn(/User-level/, prices(0.9))).toBe('holds')
  })

  test('accuracy is competitive only if no private row loses to a constant', () => {
    const rows = (rmse: number) => [...runsOf(baseline('constant'), [1.1043]), ...runsOf(network('paper', noise(1)), [rmse, rmse])]
    expect(verdictOn(/competitive/, rows(1.13))).toBe('does not hold')
    expect(verdictOn(/competitive/, rows(1.02))).toBe('holds')
  })

  test('the printed figure without privacy is held against both splits', () => {
    const chronological = (rmses: readonly number[]) =>
      verdictOn(/Without privacy, RMSE/, [
        ...runsOf(network('paper', noPrivacy), rmses),
        ...runsOf(network('paper', noPrivacy), [0.893, 0.892, 0.894], 0.5, 'random'),
      ])
    expect(chronological([0.9, 0.89, 0.895])).toBe('holds')
    // Wild runs far from it: their spread does not excuse them.
    expect(chronological([0.9546, 1.0145, 1.13, 0.9613, 1.0037])).toBe('does not hold')
    expect(chronological([1.01])).toBe('not shown')
    const rows = [
      ...runsOf(network('paper', noPrivacy), [1.02, 1.0, 1.01]),
      ...runsOf(network('paper', noPrivacy), [0.893, 0.892, 0.894], 0.5, 'random'),
      ...runsOf(biases(noPrivacy), [0.934, 0.934]),
    ]
    expect(verdictOn(/Without privacy, RMSE is 0.8962/, rows)).toBe('does not hold')
    expect(verdictOn(/upper bound/, rows)).toBe('does not hold')
  })
})
