import { describe, expect, test } from 'vitest'
import { seededRandom } from '../random/index.ts'
import { rdpAccountant } from './accounting/rdp.ts'
import type { PrivacyEvent } from './event.ts'
import {
  calibratePartitionSelection,
  namingChance,
  partitionSelectionEvent,
  planPartitionSelection,
  selectPartitions,
} from './partition-selection.ts'
import { binomialTwoSided } from './tails.ts'

const nothing = { spend: () => {} }

/** P(noise = k), exact up to double rounding. */
function pmf(sigma: number): (k: number) => number {
  let total = 0
  for (let k = -400; k <= 400; k++) total += Math.exp(-((k / sigma) ** 2) / 2)
  return (k) => Math.exp(-((k / sigma) ** 2) / 2) / total
}

function tail(sigma: number, from: number): number {
  const chance = pmf(sigma)
  let sum = 0
  for (let k = 400; k >= from; k--) sum += chance(k)
  return sum
}

describe('the threshold', () => {
  test.each([
    [1, 1, 1e-6],
    [2.5, 20, 1e-6],
    [10, 50, 1e-8],
    [0.5, 3, 1e-3],
  ])('at σ = %d with %d partitions each is the lowest that keeps δ = %d', (sigma, k, delta) => {
    const plan = planPartitionSelection({ privacyUnit: 'user', maxPartitionsPerUnit: k, sigma, thresholdDelta: delta })
    const chance = (threshold: number) => 1 - (1 - tail(sigma, threshold - 1)) ** k
    expect(plan.thresholdDelta).toBeLessThanOrEqual(delta)
    expect(plan.thresholdDelta / chance(plan.threshold)).toBeCloseTo(1, 6)
    expect(chance(plan.threshold - 1)).toBeGreaterThan(delta)
  })

  test('keeps its promise when drawn: partitions of one person come through at the stated rate', () => {
    // σ 1, k 2, δ 0.05: 20,000 trials; two-sided binomial, false-alarm rate 1e-6
    const plan = planPartitionSelection({ privacyUnit: 'user', maxPartitionsPerUnit: 2, sigma: 1, thresholdDelta: 0.05 })
    const random = seededRandom(1)
    const rows = { partitions: Uint32Array.of(0, 1), units: Uint32Array.of(0, 0), partitionCount: 2 }
    let named = 0
    for (let i = 0; i < 20_000; i++) named += selectPartitions(rows, plan, { random, ...nothing }).length > 0 ? 1 : 0
    expect(binomialTwoSided(named, 20_000, plan.thresholdDelta)).toBeGreaterThan(1e-6)
  })
})

test('the chance to be named is the tail of the noise above what is missing to the threshold, for one unit and for many', () => {
  const plan = planPartitionSelection({ privacyUnit: 'rating', sigma: 2.5, thresholdDelta: 1e-4 })
  expect(namingChance(plan, 1)).toBeCloseTo(plan.thresholdDelta, 12)
  for (const count of [1, 3, plan.threshold - 1, plan.threshold, plan.threshold + 4, 1000])
    expect(namingChance(plan, count) / tail(2.5, Math.max(-300, plan.threshold - count))).toBeCloseTo(1, 9)
})

test('the event composes the noise on all counts of one unit with the chance of the threshold', () => {
  const plan = planPartitionSelection({ privacyUnit: 'user', maxPartitionsPerUnit: 3, sigma: 4, thresholdDelta: 1e-6 })
  const spent: PrivacyEvent[] = []
  selectPartitions({ partitions: Uint32Array.of(0), units: Uint32Array.of(0), partitionCount: 1 }, plan, {
    random: seededRandom(1),
    spend: (event) => void spent.push(event),
  })
  expect(spent).toEqual([
    {
      kind: 'composed',
      events: [
        { kind: 'repeated', times: 3, event: { kind: 'discrete-gaussian', sigma: 4, sensitivity: 1 } },
        { kind: 'approximate', epsilon: 0, delta: plan.thresholdDelta },
      ],
    },
  ])
  expect(partitionSelectionEvent(planPartitionSelection({ privacyUnit: 'rating', sigma: 4, thresholdDelta: 1e-6 }))).toMatchObject({
    events: [{ kind: 'discrete-gaussian', sigma: 4, sensitivity: 1 }, { kind: 'approximate' }],
  })
})

test.each([
  ['shares one partition and adds one', [6, 3, 0], [7, 3, 1]],
  ['shares two', [6, 3, 0], [7, 4, 0]],
  ['adds two', [6, 0, 0], [6, 1, 1]],
])('on neighbours where a person %s, the exact output distributions keep the price in both directions', (_, before, after) => {
  const sigma = 1.2
  const k = 2
  const plan = planPartitionSelection({ privacyUnit: 'user', maxPartitionsPerUnit: k, sigma, thresholdDelta: 1e-3 })
  const chance = pmf(sigma)
  const kept = (count: number) => (count === 0 ? 0 : tail(sigma, plan.threshold - count))
  const outputs = (counts: number[]) =>
    Array.from({ length: 8 }, (__, mask) => counts.reduce((p, count, i) => p * (mask & (1 << i) ? kept(count) : 1 - kept(count)), 1))
  const p = outputs(before)
  const q = outputs(after)
  for (const epsilon of [0, 0.2, 0.5, 1, 1.5, 2, 3]) {
    // δ of two shifted discrete Gaussians by brute force, then composed with (0, δ_τ)
    let gaussian = 0
    for (let a = -40; a <= 40; a++)
      for (let b = -40; b <= 40; b++) gaussian += Math.max(0, chance(a) * chance(b) - Math.exp(epsilon) * chance(a - 1) * chance(b - 1))
    const price = plan.thresholdDelta + (1 - plan.thresholdDelta) * gaussian
    for (const [x, y] of [
      [p, q],
      [q, p],
    ] as const) {
      const delta = x.reduce((sum, chanceOfX, mask) => sum + Math.max(0, chanceOfX - Math.exp(epsilon) * (y[mask] as number)), 0)
      expect(delta).toBeLessThanOrEqual(price * (1 + 1e-9))
    }
  }
})

describe('selection', () => {
  test('names what many hold and leaves out what one holds', () => {
    const partitions = Uint32Array.from([...new Array(200).fill(0), ...new Array(200).fill(1), 2])
    const units = Uint32Array.from({ length: 401 }, (_, i) => i % 200)
    const plan = planPartitionSelection({ privacyUnit: 'user', maxPartitionsPerUnit: 3, sigma: 5, thresholdDelta: 1e-9 })
    expect([...selectPartitions({ partitions, units, partitionCount: 3 }, plan, { random: seededRandom(2), ...nothing })]).toEqual([0, 1])
  })

  test('counts a person once per partition, however often they rated it', () => {
    const partitions = new Uint32Array(500)
    const plan = planPartitionSelection({ privacyUnit: 'user', sigma: 2, thresholdDelta: 1e-6 })
    const asOne = selectPartitions({ partitions, units: new Uint32Array(500), partitionCount: 1 }, plan, {
      random: seededRandom(3),
      ...nothing,
    })
    expect(asOne.length).toBe(0)
    const perRating = planPartitionSelection({ privacyUnit: 'rating', sigma: 2, thresholdDelta: 1e-6 })
    expect(selectPartitions({ partitions, partitionCount: 1 }, perRating, { random: seededRandom(3), ...nothing }).length).toBe(1)
  })

  test('lets a heavy person count in no more partitions than allowed, chosen evenly', () => {
    // One person holds 10 partitions and may count in 2; with hardly any noise and a threshold of 1 the named ones are those counted in.
    const plan = { privacyUnit: 'user', maxPartitionsPerUnit: 2, sigma: 0.05, threshold: 1, thresholdDelta: 1 } as const
    const rows = { partitions: Uint32Array.from({ length: 10 }, (_, i) => i), units: new Uint32Array(10), partitionCount: 10 }
    const times = new Array<number>(10).fill(0)
    const random = seededRandom(4)
    for (let i = 0; i < 5000; i++) {
      const named = selectPartitions(rows, plan, { random, ...nothing })
      expect(named.length).toBe(2)
      for (const partition of named) times[partition]! += 1
    }
    // each Binomial(5000, 0.2); ten two-sided tests at 1e-7
    for (const count of times) expect(binomialTwoSided(count, 5000, 0.2)).toBeGreaterThan(1e-7)
  })

  test('never invents a partition without rows, even where noise alone would reach the threshold', () => {
    const plan = { privacyUnit: 'rating', maxPartitionsPerUnit: 1, sigma: 50, threshold: 1, thresholdDelta: 1 } as const
    const random = seededRandom(5)
    for (let i = 0; i < 50; i++)
      expect(
        [...selectPartitions({ partitions: Uint32Array.of(3), partitionCount: 6 }, plan, { random, ...nothing })].filter((p) => p !== 3),
      ).toEqual([])
  })

  test('spends first: refused means no noise was drawn', () => {
    const plan = planPartitionSelection({ privacyUnit: 'rating', sigma: 2, thresholdDelta: 1e-6 })
    const random = seededRandom(6)
    const refuse = () => {
      throw new Error('refused')
    }
    expect(() => selectPartitions({ partitions: Uint32Array.of(0), partitionCount: 1 }, plan, { random, spend: refuse })).toThrow('refused')
    expect(random.nextWord()).toBe(seededRandom(6).nextWord())
  })

  test.each([
    ['two partitions for a rating', { privacyUnit: 'rating', maxPartitionsPerUnit: 2, sigma: 1, thresholdDelta: 1e-6 }],
    ['no noise', { privacyUnit: 'rating', sigma: 0, thresholdDelta: 1e-6 }],
    ['no δ', { privacyUnit: 'rating', sigma: 1, thresholdDelta: 0 }],
  ] as const)('%s is refused', (_, request) => {
    expect(() => planPartitionSelection(request)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  })

  test('rows without their person, or outside the partitions, are refused', () => {
    const perPerson = planPartitionSelection({ privacyUnit: 'user', sigma: 2, thresholdDelta: 1e-6 })
    const options = { random: seededRandom(1), ...nothing }
    expect(() => selectPartitions({ partitions: Uint32Array.of(0, 1), partitionCount: 2 }, perPerson, options)).toThrow(
      'person of every row',
    )
    expect(() =>
      selectPartitions({ partitions: Uint32Array.of(2), units: Uint32Array.of(0), partitionCount: 2 }, perPerson, options),
    ).toThrow('partition 2')
  })
})

describe('calibration', () => {
  const epsilonOf = (event: PrivacyEvent, delta: number) => rdpAccountant('add-or-remove-one').compose(event).epsilon(delta).epsilon

  test.each([
    ['rating', 1, 0.5],
    ['user', 20, 1],
  ] as const)(
    'per %s with %d partitions each finds the least noise for ε = %d, and never overshoots',
    (privacyUnit, maxPartitionsPerUnit, epsilon) => {
      const plan = calibratePartitionSelection({ privacyUnit, maxPartitionsPerUnit, epsilon, delta: 1e-6, epsilonOf })
      expect(epsilonOf(partitionSelectionEvent(plan), 1e-6)).toBeLessThanOrEqual(epsilon)
      const quieter = planPartitionSelection({ ...plan, sigma: plan.sigma * 0.997, thresholdDelta: 5e-7 })
      expect(epsilonOf(partitionSelectionEvent(quieter), 1e-6)).toBeGreaterThan(epsilon)
      expect(plan.thresholdDelta).toBeLessThanOrEqual(5e-7)
    },
  )

  test('says so where no noise is enough', () => {
    expect(() => calibratePartitionSelection({ privacyUnit: 'rating', epsilon: 1, delta: 1e-6, epsilonOf: () => 2 })).toThrow(
      expect.objectContaining({ code: 'not-calibratable' }),
    )
  })
})
