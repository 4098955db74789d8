import { describe, expect, test } from 'vitest'
import { seededRandom } from '../random/index.ts'
import type { PrivacyEvent } from './event.ts'
import {
  checkPlan,
  type DpSgdRequest,
  gradientNoiseMultiplier,
  maxBatchFor,
  type PrivatePlan,
  personEvent,
  planDpSgd,
  planEvent,
  planId,
  poissonBatch,
  scheduleAt,
} from './plan.ts'

const request: DpSgdRequest = {
  privacyUnit: 'rating',
  datasetSize: 1000,
  expectedBatchSize: 50,
  steps: 10,
  noiseMultiplier: 2,
  delta: 1e-5,
  clipping: { kind: 'flat', maxGradNorm: 1 },
}
const adaptive = { kind: 'adaptive', initialMaxGradNorm: 1, targetQuantile: 0.5, learningRate: 0.2, countNoiseStdDev: 5 } as const

describe('a plan', () => {
  test('binds rate, divisor and steps, whichever of each pair was given', () => {
    const plan = planDpSgd(request)
    expect(plan).toMatchObject({ sampleRate: 0.05, expectedBatchSize: 50, steps: 10, neighboringRelation: 'add-or-remove-one' })
    const { expectedBatchSize: _, ...rest } = request
    expect(planDpSgd({ ...rest, sampleRate: 0.05 })).toEqual(plan)
    expect(planDpSgd({ ...request, sampleRate: 0.05 })).toEqual(plan)
  })

  test('five epochs of ML-1M at batch 512 are 7,814 steps, and a rounded quotient does not lose one', () => {
    const { steps: _, ...rest } = request
    expect(planDpSgd({ ...rest, datasetSize: 800_167, expectedBatchSize: 512, epochs: 5 }).steps).toBe(7814)
    for (const batches of [3, 7, 10, 49, 93])
      expect(planDpSgd({ ...rest, datasetSize: 1000, expectedBatchSize: 1000 / batches, epochs: 3 }).steps).toBe(3 * batches)
  })

  test('cannot be changed afterwards, schedules included', () => {
    const schedule = [3, 2]
    const plan = planDpSgd({ ...request, steps: 2, noiseMultiplier: schedule })
    schedule[0] = 0
    expect(scheduleAt(plan.noiseMultiplier, 0)).toBe(3)
    expect(() => Object.assign(plan, { steps: 1 })).toThrow(TypeError)
    expect(() => Object.assign(plan.clipping, { maxGradNorm: 100 })).toThrow(TypeError)
    expect(() => (plan.noiseMultiplier as number[]).push(1)).toThrow(TypeError)
  })

  test.each<[string, Partial<DpSgdRequest>, string, string]>([
    ['no noise', { noiseMultiplier: 0 }, 'unsafe-plan', '--no-privacy'],
    ['negative noise', { noiseMultiplier: -1 }, 'unsafe-plan', '--no-privacy'],
    ['infinite noise', { noiseMultiplier: Number.POSITIVE_INFINITY }, 'unsafe-plan', '--no-privacy'],
    ['NaN noise', { noiseMultiplier: Number.NaN }, 'unsafe-plan', '--no-privacy'],
    ['one step of a schedule without noise', { noiseMultiplier: [1, 1, 1, 1, 1, 1, 1, 1, 1, 0] }, 'unsafe-plan', '--no-privacy'],
    ['a batch larger than the data', { expectedBatchSize: 1001 }, 'invalid-argument', 'at most 1000'],
    ['a divisor that is not q · n', { sampleRate: 0.1 }, 'unsafe-plan', 'the other'],
    ['a schedule of the wrong length', { noiseMultiplier: [1, 2] }, 'invalid-argument', ''],
    ['delta 0', { delta: 0 }, 'invalid-argument', ''],
    ['delta 1', { delta: 1 }, 'invalid-argument', ''],
    ['no rows', { datasetSize: 0 }, 'invalid-argument', ''],
    ['half a row', { datasetSize: 10.5 }, 'invalid-argument', ''],
    ['no steps', { steps: 0 }, 'invalid-argument', ''],
    ['steps and epochs', { epochs: 3 }, 'invalid-argument', ''],
    ['an unknown unit', { privacyUnit: 'film' as 'rating' }, 'invalid-argument', ''],
    ['an unknown relation', { neighboringRelation: 'twins' as 'replace-one' }, 'invalid-argument', ''],
    ['noise and a target', { epsilon: 1 }, 'invalid-argument', ''],
    ['adaptive clipping whose count costs too much', { clipping: adaptive, noiseMultiplier: 10 }, 'unsafe-plan', 'countNoiseStdDev'],
  ])('with %s is refused', (_, change, code, wayOut) => {
    try {
      planDpSgd({ ...request, ...change })
    } catch (error) {
      expect(error).toMatchObject({ name: 'TacetError', code })
      expect((error as { wayOut?: string }).wayOut ?? '').toContain(wayOut)
      return
    }
    expect.unreachable('the plan was accepted')
  })

  test('from a file is checked like any other: a foreign sampler or divisor is refused', () => {
    const plan = planDpSgd(request)
    const stored = JSON.parse(JSON.stringify(plan)) as PrivatePlan
    expect(checkPlan(stored)).toEqual(plan)
    expect(() => checkPlan({ ...stored, batchSelection: 'shuffle' as 'poisson' })).toThrow(expect.objectContaining({ code: 'unsafe-plan' }))
    expect(() => checkPlan({ ...stored, expectedBatchSize: 49 })).toThrow(expect.objectContaining({ code: 'unsafe-plan' }))
    expect(() => checkPlan({ ...stored, sampleRate: 0 })).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
    expect(() => checkPlan({ ...stored, sampleRate: 1.5, expectedBatchSize: 1500 })).toThrow('larger than the data')
  })

  test('for a target ε takes its noise from the accountant it is given, and asks it about its own event', () => {
    const { noiseMultiplier: _, ...rest } = request
    const asked: PrivacyEvent[] = []
    const plan = planDpSgd({
      ...rest,
      epsilon: 1.5,
      calibrate: ({ epsilon, delta, relation, eventOf }) => {
        expect([epsilon, delta, relation]).toEqual([1.5, 1e-5, 'add-or-remove-one'])
        asked.push(eventOf(3.25))
        return 3.25
      },
    })
    expect(plan.noiseMultiplier).toBe(3.25)
    expect(asked).toEqual([planEvent(plan, 0, 10)])
    expect(() => planDpSgd({ ...rest, epsilon: 0, calibrate: () => 1 })).toThrow('epsilon is 0')
    expect(() => planDpSgd({ ...rest, epsilon: 1, delta: 1, calibrate: () => 1 })).toThrow('delta is 1')
  })
})

describe('what a plan releases', () => {
  test('is one Poisson-sampled Gaussian, repeated for every step', () => {
    expect(planEvent(planDpSgd(request), 0, 10)).toEqual({
      kind: 'repeated',
      times: 10,
      event: { kind: 'poisson-sampled', sampleRate: 0.05, event: { kind: 'gaussian', noiseMultiplier: 2 } },
    })
  })

  test('is a plain Gaussian where every row is read at every step', () => {
    const { expectedBatchSize: _, ...rest } = request
    expect(planEvent(planDpSgd({ ...rest, sampleRate: 1, steps: 1 }), 0, 1)).toEqual({ kind: 'gaussian', noiseMultiplier: 2 })
  })

  test('under schedules is the composition of every step as it runs, equal neighbours together', () => {
    const { expectedBatchSize: _, ...rest } = request
    const plan = planDpSgd({ ...rest, steps: 5, sampleRate: [0.1, 0.1, 0.1, 0.2, 0.2], noiseMultiplier: [1, 1, 2, 2, 2] })
    expect(plan.expectedBatchSize).toBe(100)
    const step = (sampleRate: number, noiseMultiplier: number): PrivacyEvent => ({
      kind: 'poisson-sampled',
      sampleRate,
      event: { kind: 'gaussian', noiseMultiplier },
    })
    expect(planEvent(plan, 0, 5)).toEqual({
      kind: 'composed',
      events: [{ kind: 'repeated', times: 2, event: step(0.1, 1) }, step(0.1, 2), { kind: 'repeated', times: 2, event: step(0.2, 2) }],
    })
    expect(planEvent(plan, 1, 4)).toEqual({ kind: 'composed', events: [step(0.1, 1), step(0.1, 2), step(0.2, 2)] })
  })

  test('over no steps is nothing, and outside the plan is an error', () => {
    const plan = planDpSgd(request)
    expect(planEvent(plan, 4, 4)).toEqual({ kind: 'composed', events: [] })
    expect(() => planEvent(plan, 0, 11)).toThrow('to is 11')
    expect(() => planEvent(plan, 5, 4)).toThrow('to is 4')
    expect(() => gradientNoiseMultiplier(planDpSgd({ ...request, steps: 2, noiseMultiplier: [1, 2] }), 2)).toThrow('step 2')
  })

  test('under adaptive clipping costs the same, and leaves the gradients more noise', () => {
    const plan = planDpSgd({ ...request, clipping: adaptive })
    expect(planEvent(plan, 0, 10)).toEqual(planEvent(planDpSgd(request), 0, 10))
    expect(gradientNoiseMultiplier(plan, 0)).toBeCloseTo((2 ** -2 - 10 ** -2) ** -0.5, 12)
    expect(gradientNoiseMultiplier(planDpSgd(request), 3)).toBe(2)
  })

  test('about a person of k ratings is a mixture over the binomial number of them in a batch', () => {
    const event = personEvent(planDpSgd(request), 3)
    if (event.kind !== 'repeated' || event.event.kind !== 'mixture-of-gaussians') return expect.unreachable('not a mixture')
    expect(event.times).toBe(10)
    expect(event.event.standardDeviation).toBe(2)
    expect(event.event.sensitivities).toEqual([0, 1, 2, 3])
    const expected = [0.95 ** 3, 3 * 0.05 * 0.95 ** 2, 3 * 0.05 ** 2 * 0.95, 0.05 ** 3]
    for (const [j, chance] of event.event.samplingProbabilities.entries()) expect(chance / (expected[j] as number)).toBeCloseTo(1, 12)
  })

  test('about a heavy person sums to one, keeps the mean, and keeps the largest count however rare', () => {
    const plan = planDpSgd({ ...request, datasetSize: 800_167, expectedBatchSize: 512, steps: 1 })
    for (const [ratings, sampleRate] of [
      [1851, 512 / 800_167],
      [700, 0.999],
      [900, 0.5],
    ] as const) {
      const event = personEvent({ ...plan, sampleRate, expectedBatchSize: sampleRate * 800_167 }, ratings)
      if (event.kind !== 'mixture-of-gaussians') return expect.unreachable('not a mixture')
      const { sensitivities, samplingProbabilities } = event
      const sum = (f: (i: number) => number) => samplingProbabilities.reduce((total, _, i) => total + f(i), 0)
      expect(sum((i) => samplingProbabilities[i] as number)).toBeCloseTo(1, 12)
      expect(sum((i) => (sensitivities[i] as number) * (samplingProbabilities[i] as number)) / (ratings * sampleRate)).toBeCloseTo(1, 12)
      expect(sensitivities.at(-1)).toBe(ratings)
      expect(Math.min(...samplingProbabilities)).toBeGreaterThan(0)
    }
  })

  test('about a person of one rating is the plan itself, in a full batch a larger Gaussian, and a plan over persons needs none of it', () => {
    const plan = planDpSgd(request)
    expect(personEvent(plan, 1)).toEqual(planEvent(plan, 0, 10))
    const { expectedBatchSize: _, ...rest } = request
    expect(personEvent(planDpSgd({ ...rest, sampleRate: 1, steps: 1 }), 4)).toEqual({ kind: 'gaussian', noiseMultiplier: 0.5 })
    expect(() => personEvent(planDpSgd({ ...request, privacyUnit: 'user' }), 2)).toThrow('whole persons')
  })
})

describe('batches', () => {
  test('come at the rate of their own step', () => {
    const { expectedBatchSize: _, ...rest } = request
    const plan = planDpSgd({ ...rest, steps: 2, sampleRate: [0.05, 1] })
    const out = new Uint32Array(1000)
    expect(poissonBatch(plan, 1, seededRandom(1), out)).toBe(1000)
    const size = poissonBatch(plan, 0, seededRandom(1), out)
    // 50 ± 6.9; nine deviations
    expect(size).toBeGreaterThan(0)
    expect(size).toBeLessThan(112)
    expect(() => poissonBatch(plan, 2, seededRandom(1), out)).toThrow('step is 2')
  })

  test('fit into the room that the plan asks for', () => {
    const plan = planDpSgd({ ...request, datasetSize: 800_167, expectedBatchSize: 512, steps: 500 })
    const room = maxBatchFor(plan)
    expect(room).toBeGreaterThan(512 + 6 * 22)
    expect(room).toBeLessThan(512 + 12 * 23)
    const out = new Uint32Array(room)
    const random = seededRandom(9)
    let drawn = 0
    for (let step = 0; step < plan.steps; step++) drawn += poissonBatch(plan, step, random, out)
    // 500 batches: standard error √(512/500) = 1.01 of the mean; five of them
    expect(Math.abs(drawn / 500 - 512)).toBeLessThan(5.1)
    const { expectedBatchSize: _, ...rest } = request
    expect(maxBatchFor(planDpSgd({ ...rest, steps: 2, sampleRate: [0.05, 1] }))).toBe(1000)
  })
})

describe('the name of a plan', () => {
  test('is the same for equal plans, however they came about', () => {
    const plan = planDpSgd(request)
    const shuffledKeys = Object.fromEntries(Object.entries(plan).reverse()) as unknown as PrivatePlan
    expect(planId(JSON.parse(JSON.stringify(shuffledKeys)) as PrivatePlan)).toBe(planId(plan))
    expect(planId(plan)).toMatch(/^plan1-[0-9a-f]{32}$/)
  })

  test('stays what it was (FNV-1a worked out in Python over the canonical text): checkpoints of today must still open', () => {
    expect(planId(planDpSgd(request))).toBe('plan1-1be039f847459cfc10ca44f27c46ca49')
  })

  test('changes with everything that moves the guarantee', () => {
    const names = [
      request,
      { ...request, noiseMultiplier: 2.0000000000000004 },
      { ...request, noiseMultiplier: new Array(10).fill(2) },
      { ...request, steps: 11 },
      { ...request, expectedBatchSize: 51 },
      { ...request, datasetSize: 1001 },
      { ...request, delta: 1e-6 },
      { ...request, clipping: { kind: 'flat', maxGradNorm: 2 } as const },
      { ...request, clipping: { kind: 'automatic', maxGradNorm: 1, stability: 0.01 } as const },
      { ...request, clipping: adaptive },
      { ...request, privacyUnit: 'user' as const },
      { ...request, neighboringRelation: 'replace-special' as const },
    ].map((each) => planId(planDpSgd(each)))
    expect(new Set(names).size).toBe(names.length)
  })
})
