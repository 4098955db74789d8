import { describe, expect, test } from 'vitest'
import { type RandomSource, seededRandom } from '../random/index.ts'
import { geometricGap, poissonCapacity, poissonSample } from './sampling.ts'
import { binomialTwoSided, chiSquareTwoSided, goodnessOfFit } from './tails.ts'

// Statistical tests fail a correct sampler with chance 1e-6 each; seeds are fixed, `npm run test:slow` draws fresh ones.
const falseAlarmRate = 1e-6
const randomFor = (seed: number) => seededRandom(process.env.TACET_SLOW === undefined ? seed : Math.floor(Math.random() * 2 ** 40))

function binomialExpected(trials: number, rate: number, draws: number): number[] {
  const expected: number[] = []
  let chance = (1 - rate) ** trials
  for (let k = 0; k <= trials; k++) {
    expected.push(chance * draws)
    chance *= ((trials - k) / (k + 1)) * (rate / (1 - rate))
  }
  return expected
}

describe('Poisson sampling', () => {
  test.each([
    [12, 0.5],
    [50, 0.02],
    [200, 0.003],
    [7, 0.93],
  ])('%d rows at rate %d: every row is included as often, sizes are binomial, empty batches occur', (rows, rate) => {
    const random = randomFor(1)
    const draws = 40_000
    const out = new Uint32Array(rows)
    const included = new Array<number>(rows).fill(0)
    const sizes = new Array<number>(rows + 1).fill(0)
    let disorder = 0
    for (let i = 0; i < draws; i++) {
      const size = poissonSample(rows, rate, random, out)
      sizes[size]! += 1
      for (let k = 0; k < size; k++) {
        included[out[k] as number]! += 1
        if (k > 0 && out[k]! <= out[k - 1]!) disorder++
      }
    }
    expect(disorder).toBe(0)
    expect(goodnessOfFit(sizes, binomialExpected(rows, rate, draws))).toBeGreaterThan(falseAlarmRate)
    expect(binomialTwoSided(sizes[0] as number, draws, (1 - rate) ** rows)).toBeGreaterThan(falseAlarmRate)
    const chi2 = included.reduce((sum, count) => sum + (count - draws * rate) ** 2 / (draws * rate * (1 - rate)), 0)
    expect(chiSquareTwoSided(chi2, rows)).toBeGreaterThan(falseAlarmRate)
    for (const edge of [0, rows - 1]) expect(binomialTwoSided(included[edge] as number, draws, rate)).toBeGreaterThan(falseAlarmRate)
  })

  test('all subsets of three rows come with their product chances', () => {
    const random = randomFor(2)
    const rate = 0.3
    const draws = 60_000
    const subsets = new Array<number>(8).fill(0)
    const out = new Uint32Array(3)
    for (let i = 0; i < draws; i++) {
      let mask = 0
      const size = poissonSample(3, rate, random, out)
      for (let k = 0; k < size; k++) mask |= 1 << (out[k] as number)
      subsets[mask]! += 1
    }
    const chance = (mask: number) => [0, 1, 2].reduce((product, bit) => product * (mask & (1 << bit) ? rate : 1 - rate), 1)
    expect(
      goodnessOfFit(
        subsets,
        subsets.map((_, mask) => chance(mask) * draws),
      ),
    ).toBeGreaterThan(falseAlarmRate)
  })

  test('consecutive batches are independent: joint inclusion of one row has product chances', () => {
    const random = randomFor(3)
    const rate = 0.4
    const out = new Uint32Array(5)
    const joint = [0, 0, 0, 0]
    const draws = 40_000
    const has = (size: number) => (out.subarray(0, size).includes(2) ? 1 : 0)
    for (let i = 0; i < draws; i++) joint[2 * has(poissonSample(5, rate, random, out)) + has(poissonSample(5, rate, random, out))]! += 1
    expect(
      goodnessOfFit(joint, [(1 - rate) ** 2 * draws, rate * (1 - rate) * draws, rate * (1 - rate) * draws, rate ** 2 * draws]),
    ).toBeGreaterThan(falseAlarmRate)
  })

  test('a rate of one returns every row and draws nothing', () => {
    const out = new Uint32Array(5)
    const random = seededRandom(4)
    expect(poissonSample(5, 1, random, out)).toBe(5)
    expect([...out]).toEqual([0, 1, 2, 3, 4])
    expect(random.nextWord()).toBe(seededRandom(4).nextWord())
  })

  test('a batch that does not fit stops the step instead of dropping rows', () => {
    expect(() => poissonSample(1000, 0.5, seededRandom(5), new Uint32Array(100))).toThrow(expect.objectContaining({ code: 'unsafe-plan' }))
    expect(() => poissonSample(10, 1, seededRandom(5), new Uint32Array(9))).toThrow('10 rows')
  })

  test('a gap has its chance even where one double is too coarse: at q = 1e-15 the uniform 0.5e-15 gives no gap and 1.5e-15 a gap of one', () => {
    const stub = (uniform: number): RandomSource => {
      // two doubles: the leading 53 bits and the rest
      const high = Math.floor(uniform * 2 ** 53) / 2 ** 53
      const parts = [high, (uniform - high) * 2 ** 53]
      const source: RandomSource = {
        kind: 'seeded',
        nextWord: () => 0,
        fillWords: () => {},
        nextDouble: () => parts.shift() ?? 0,
        split: () => source,
      }
      return source
    }
    const logKeep = Math.log1p(-1e-15)
    expect(geometricGap(logKeep, stub(0.999e-15))).toBe(0)
    expect(geometricGap(logKeep, stub(1.001e-15))).toBe(1)
    expect(geometricGap(logKeep, stub(2.001e-15))).toBe(2)
    expect(geometricGap(Math.log1p(-0.3), stub(0))).toBe(0)
  })
})

test('a capacity for the whole plan is overflowed with the stated chance at most: checked against exact binomial tails', () => {
  for (const [rows, rate, steps] of [
    [1000, 0.05, 100],
    [200, 0.5, 10],
    [100_000, 0.001, 5000],
  ] as const) {
    const capacity = poissonCapacity(rows, [{ sampleRate: rate, steps }], 1e-12)
    let chance = Math.exp(rows * Math.log1p(-rate))
    let tail = 0
    for (let k = 0; k <= rows; k++) {
      if (k > capacity) tail += chance
      chance *= ((rows - k) / (k + 1)) * (rate / (1 - rate))
    }
    expect(tail * steps).toBeLessThan(1e-12)
    expect(capacity).toBeLessThan(rows * rate + 12 * Math.sqrt(rows * rate) + 30)
  }
  expect(poissonCapacity(10, [{ sampleRate: 1, steps: 3 }], 1e-12)).toBe(10)
  expect(poissonCapacity(3, [{ sampleRate: 0.9, steps: 3 }], 1e-12)).toBe(3)
})
