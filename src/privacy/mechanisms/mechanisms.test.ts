import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fillNormals, type RandomSource, seededRandom } from '../../random/index.ts'
import type { PrivacyEvent } from '../event.ts'
import { goodnessOfFit, kolmogorovSmirnovAbove, normalDistance } from '../tails.ts'
import { releaseDiscreteGaussian, sampleDiscreteGaussian } from './discrete-gaussian.ts'
import { releaseDiscreteLaplace, sampleDiscreteLaplace } from './discrete-laplace.ts'
import { bernoulli, bernoulliExp, exactRational, uniformBelow, uniformBelowBig } from './exact.ts'
import { releaseGaussian } from './gaussian.ts'
import { estimateFrequencies, noiseParameterFor, releaseRandomizedResponse } from './randomized-response.ts'
import { exponentialMechanism, permuteAndFlip } from './selection.ts'

// Every statistical test below fails a correct program with chance 1e-6; seeds are fixed, `npm run test:slow` draws fresh ones.
const falseAlarmRate = 1e-6
const slow = process.env.TACET_SLOW !== undefined
const randomFor = (seed: number) => seededRandom(slow ? Math.floor(Math.random() * 2 ** 40) : seed)
const draws = slow ? 1_000_000 : 60_000

/** Chance of counts as far from `weights` (over −reach … reach) as those of `draws` draws. */
function chanceOf(draw: () => number, weight: (k: number) => number, reach: number): number {
  const observed = new Array<number>(2 * reach + 1).fill(0)
  for (let i = 0; i < draws; i++) {
    const cell = Math.min(2 * reach, Math.max(0, draw() + reach))
    observed[cell] = (observed[cell] as number) + 1
  }
  const weights = observed.map((_, i) => weight(i - reach))
  const total = weights.reduce((sum, w) => sum + w, 0)
  return goodnessOfFit(
    observed,
    weights.map((w) => (w / total) * draws),
  )
}

const gaussianWeight = (sigma: number) => (k: number) => Math.exp(-(k * k) / (2 * sigma * sigma))
const laplaceWeight = (parameter: number) => (k: number) => Math.exp(-parameter * Math.abs(k))

describe('exact coins', () => {
  test('a double is the rational it is', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true, min: 1e-12, max: 1e12 }), (value) => {
        const { numerator, denominator } = exactRational('value', value)
        // numerator < 2⁵³ · 2^k and the denominator a power of two: the division back is exact
        return Number(numerator) / Number(denominator) === value
      }),
    )
    expect(exactRational('tenth', 0.1)).toEqual({ numerator: 3602879701896397n, denominator: 2n ** 55n })
    expect(() => exactRational('value', Number.NaN)).toThrow('finite')
  })

  test.each([
    ['small numbers', 3n, 7n],
    ['numbers beyond a double', 3n * 10n ** 40n + 1n, 7n * 10n ** 40n],
    ['a thousandth', 1n, 1000n],
  ])('a coin of %s lands as often as it should', (_, numerator, denominator) => {
    const random = randomFor(11)
    const chance = Number((numerator * 10n ** 15n) / denominator) / 1e15
    let heads = 0
    for (let i = 0; i < draws; i++) heads += bernoulli(numerator, denominator, random) ? 1 : 0
    expect(goodnessOfFit([heads, draws - heads], [draws * chance, draws * (1 - chance)])).toBeGreaterThan(falseAlarmRate)
  })

  test('a certain coin and an impossible one draw no lots', () => {
    const never: RandomSource = {
      kind: 'seeded',
      nextWord: () => {
        throw new Error('drew')
      },
      fillWords: () => {},
      nextDouble: () => 0,
      split: () => never,
    }
    expect(bernoulli(5n, 5n, never)).toBe(true)
    expect(bernoulli(0n, 5n, never)).toBe(false)
  })

  test.each([
    ['0', 0n, 1n],
    ['1/3', 1n, 3n],
    ['1', 1n, 1n],
    ['2.5', 5n, 2n],
    ['π, with a denominator beyond a double', 31415926535897932384626433n, 10n ** 25n],
  ])('exp(−%s) comes up as often as it should', (_, numerator, denominator) => {
    const random = randomFor(12)
    const chance = Math.exp(-Number(numerator) / Number(denominator))
    let heads = 0
    for (let i = 0; i < draws; i++) heads += bernoulliExp(numerator, denominator, random) ? 1 : 0
    if (chance === 1) expect(heads).toBe(draws)
    else expect(goodnessOfFit([heads, draws - heads], [draws * chance, draws * (1 - chance)])).toBeGreaterThan(falseAlarmRate)
  })

  test('uniform integers are uniform for bounds that do not divide 2³²', () => {
    const random = randomFor(13)
    for (const bound of [1, 3, 10, 37]) {
      const counts = new Array<number>(bound).fill(0)
      for (let i = 0; i < draws; i++) counts[uniformBelow(bound, random)]! += 1
      expect(
        goodnessOfFit(
          counts,
          counts.map(() => draws / bound),
        ),
      ).toBeGreaterThan(falseAlarmRate)
    }
    const big = 3n * 2n ** 70n
    const thirds = [0, 0, 0]
    for (let i = 0; i < 10_000; i++) thirds[Number(uniformBelowBig(big, random) / 2n ** 70n)]! += 1
    expect(goodnessOfFit(thirds, [10_000 / 3, 10_000 / 3, 10_000 / 3])).toBeGreaterThan(falseAlarmRate)
  })
})

describe('discrete Gaussian', () => {
  test.each([0.3, 0.5, 1, 1.1, 2, 10, 33.3])('σ = %d follows its exact distribution', (sigma) => {
    const random = randomFor(21)
    const exact = exactRational('sigma', sigma)
    const chance = chanceOf(() => Number(sampleDiscreteGaussian(exact, random)), gaussianWeight(sigma), Math.ceil(6 * sigma) + 1)
    expect(chance).toBeGreaterThan(falseAlarmRate)
  })

  test('the same test notices rounded normals at σ = 0.5 and a σ 5 % off at 2', () => {
    const random = randomFor(22)
    const normal = new Float64Array(1)
    const rounded = () => {
      fillNormals(normal, random, 0.5)
      return Math.round(normal[0] as number)
    }
    expect(chanceOf(rounded, gaussianWeight(0.5), 4)).toBeLessThan(falseAlarmRate)
    const off = exactRational('sigma', 2.1)
    expect(chanceOf(() => Number(sampleDiscreteGaussian(off, random)), gaussianWeight(2), 13)).toBeLessThan(falseAlarmRate)
  })
})

describe('discrete Laplace', () => {
  test.each([0.05, 0.5, 1, 1.7, 4])('parameter %d follows its exact distribution', (parameter) => {
    const random = randomFor(31)
    const exact = exactRational('parameter', parameter)
    const chance = chanceOf(() => Number(sampleDiscreteLaplace(exact, random)), laplaceWeight(parameter), Math.ceil(15 / parameter) + 1)
    expect(chance).toBeGreaterThan(falseAlarmRate)
  })

  test('the same test notices a zero that is counted with both signs', () => {
    const random = randomFor(32)
    const twice = () => {
      let magnitude = 0
      while (bernoulliExp(1n, 1n, random)) magnitude++
      return bernoulli(1n, 2n, random) ? -magnitude : magnitude
    }
    expect(chanceOf(twice, laplaceWeight(1), 16)).toBeLessThan(falseAlarmRate)
  })
})

describe('integer releases', () => {
  test('the event carries the very numbers that were used, repeated for every coordinate a unit touches', () => {
    const events: PrivacyEvent[] = []
    const spend = (event: PrivacyEvent) => void events.push(event)
    const random = seededRandom(1)
    releaseDiscreteGaussian([3], { sigma: 0.1, sensitivity: 2, random, spend })
    releaseDiscreteGaussian([3, 4, 5], { sigma: 2, sensitivity: 1, maxCoordinates: 2, random, spend })
    releaseDiscreteLaplace([3, 4], { parameter: 0.7, sensitivity: 1, random, spend })
    expect(events).toEqual([
      { kind: 'discrete-gaussian', sigma: 0.1, sensitivity: 2 },
      { kind: 'repeated', times: 2, event: { kind: 'discrete-gaussian', sigma: 2, sensitivity: 1 } },
      { kind: 'discrete-laplace', parameter: 0.7, sensitivity: 1 },
    ])
  })

  test('noise is centred on the values and differs between coordinates', () => {
    const values = new Array<number>(2000).fill(1000)
    const noisy = releaseDiscreteGaussian(values, { sigma: 10, sensitivity: 1, random: randomFor(41), spend: () => {} })
    const mean = noisy.reduce((sum, v) => sum + v, 0) / noisy.length
    // standard error 10/√2000 = 0.224; five of them: false-alarm rate 6e-7
    expect(Math.abs(mean - 1000)).toBeLessThan(1.12)
    expect(new Set(noisy).size).toBeGreaterThan(30)
  })

  test('a sum that leaves the safe integers is reported as the bound', () => {
    const [top] = releaseDiscreteLaplace([Number.MAX_SAFE_INTEGER], {
      parameter: 1e-30,
      sensitivity: 1,
      random: seededRandom(3),
      spend: () => {},
    })
    expect(Math.abs(top as number)).toBe(Number.MAX_SAFE_INTEGER)
  })

  test.each([
    ['a fraction', [0.5], { sigma: 1, sensitivity: 1 }],
    ['NaN', [Number.NaN], { sigma: 1, sensitivity: 1 }],
    ['no noise', [1], { sigma: 0, sensitivity: 1 }],
    ['infinite noise', [1], { sigma: Number.POSITIVE_INFINITY, sensitivity: 1 }],
    ['a fractional sensitivity', [1], { sigma: 1, sensitivity: 1.5 }],
    ['no sensitivity', [1], { sigma: 1, sensitivity: 0 }],
    ['no coordinates', [1], { sigma: 1, sensitivity: 1, maxCoordinates: 0 }],
  ])('%s is refused and nothing is spent', (_, values, parameters) => {
    let spent = 0
    const release = () => releaseDiscreteGaussian(values, { ...parameters, random: seededRandom(1), spend: () => void spent++ })
    expect(release).toThrow()
    expect(spent).toBe(0)
  })
})

describe('randomised response', () => {
  test.each([
    [0.5, 2],
    [1, 5],
    [3, 10],
  ])('at ε = %d over %d answers each answer is told as often as it should be', (epsilon, buckets) => {
    const noiseParameter = noiseParameterFor(epsilon, buckets)
    const random = randomFor(51)
    const told = new Array<number>(buckets).fill(0)
    for (let i = 0; i < draws; i++) told[releaseRandomizedResponse(1, { noiseParameter, buckets, random, spend: () => {} })]! += 1
    const other = 1 / (Math.exp(epsilon) + buckets - 1)
    expect(
      goodnessOfFit(
        told,
        told.map((_, answer) => draws * (answer === 1 ? Math.exp(epsilon) * other : other)),
      ),
    ).toBeGreaterThan(falseAlarmRate)
    const estimate = estimateFrequencies(told, noiseParameter)
    expect(Math.abs((estimate[1] as number) / draws - 1)).toBeLessThan(0.1)
  })

  test('the noise parameter never costs more than the ε it was made for', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-9, max: 100, noNaN: true }), fc.integer({ min: 2, max: 1000 }), (epsilon, buckets) => {
        const p = noiseParameterFor(epsilon, buckets)
        const price = Math.log1p((buckets * (1 - p)) / p)
        return price <= epsilon * (1 + 1e-15) && price >= epsilon * (1 - 1e-12) - 1e-12
      }),
    )
  })

  test('an answer that is not one of the buckets is refused', () => {
    expect(() => releaseRandomizedResponse(2, { noiseParameter: 0.5, buckets: 2, random: seededRandom(1), spend: () => {} })).toThrow(
      '0 to 1',
    )
  })
})

describe('selection', () => {
  const scores = [10, 9, 7, 7, 0]
  const epsilon = 1.1
  const sensitivity = 2
  const weights = scores.map((score) => Math.exp((epsilon * (score - 10)) / (2 * sensitivity)))

  /** Exact distribution of permute-and-flip, over all orders. */
  function permuteAndFlipChances(): number[] {
    const chances = scores.map(() => 0)
    const visit = (left: number[], reach: number) => {
      for (const candidate of left) {
        const share = reach / left.length
        chances[candidate]! += share * (weights[candidate] as number)
        visit(
          left.filter((other) => other !== candidate),
          share * (1 - (weights[candidate] as number)),
        )
      }
    }
    visit(
      scores.map((_, i) => i),
      1,
    )
    return chances
  }

  const total = weights.reduce((sum, w) => sum + w, 0)
  test.each([
    ['exponential', exponentialMechanism, weights.map((w) => w / total)],
    ['permute-and-flip', permuteAndFlip, permuteAndFlipChances()],
  ] as const)('the %s mechanism follows its exact distribution', (kind, choose, chances) => {
    const random = randomFor(61)
    const chosen = scores.map(() => 0)
    const events: PrivacyEvent[] = []
    for (let i = 0; i < draws; i++) {
      const winner = choose(scores, { epsilon, sensitivity, random, spend: (event) => (i === 0 ? void events.push(event) : undefined) })
      chosen[winner]! += 1
    }
    expect(events).toEqual([{ kind, epsilon }])
    expect(
      goodnessOfFit(
        chosen,
        chances.map((chance) => chance * draws),
      ),
    ).toBeGreaterThan(falseAlarmRate)
    // and the test can tell the two mechanisms apart
    const otherChances = kind === 'exponential' ? permuteAndFlipChances() : weights.map((w) => w / total)
    expect(
      goodnessOfFit(
        chosen,
        otherChances.map((chance) => chance * draws),
      ),
    ).toBeLessThan(falseAlarmRate)
  })

  test('scores beyond a double keep their order', () => {
    const huge = [2n ** 80n, 2n ** 80n + 50n]
    for (let i = 0; i < 50; i++)
      expect(permuteAndFlip(huge, { epsilon: 4, sensitivity: 1n, random: seededRandom(i), spend: () => {} })).toBe(1)
  })

  test('one candidate wins, none is an error, and a fractional score is refused', () => {
    const release = { epsilon: 1, sensitivity: 1, random: seededRandom(1), spend: () => {} }
    expect(exponentialMechanism([-3], release)).toBe(0)
    expect(permuteAndFlip([-3], release)).toBe(0)
    expect(() => exponentialMechanism([], release)).toThrow('nothing to choose')
    expect(() => permuteAndFlip([0.5], release)).toThrow('integer')
    expect(() => permuteAndFlip([1], { ...release, epsilon: 0 })).toThrow('epsilon')
  })
})

describe('Gaussian on real vectors', () => {
  test('the noise is N(0, (σ · sensitivity)²) on every coordinate, and the input is left alone', () => {
    for (const [sensitivity, noiseMultiplier] of [
      [0.5, 2],
      [2, 0.7],
    ] as const) {
      const vector = new Float64Array(20_001).fill(100)
      const events: PrivacyEvent[] = []
      const noisy = releaseGaussian(vector, { sensitivity, noiseMultiplier, random: randomFor(71), spend: (e) => void events.push(e) })
      const standard = noisy.map((value) => (value - 100) / (sensitivity * noiseMultiplier))
      expect(kolmogorovSmirnovAbove(normalDistance(standard), standard.length)).toBeGreaterThan(falseAlarmRate)
      expect(events).toEqual([{ kind: 'gaussian', noiseMultiplier }])
      expect(vector[20_000]).toBe(100)
    }
  })

  test('a wrong variance by 5 % fails the same test', () => {
    const noisy = releaseGaussian(new Float64Array(200_000), {
      sensitivity: 1,
      noiseMultiplier: 1.05,
      random: randomFor(72),
      spend: () => {},
    })
    expect(kolmogorovSmirnovAbove(normalDistance(noisy), noisy.length)).toBeLessThan(falseAlarmRate)
  })

  test('no noise, endless noise, no sensitivity and NaN statistics are refused before anything is spent', () => {
    let spent = 0
    const release = (vector: Float64Array, sensitivity: number, noiseMultiplier: number) => () =>
      releaseGaussian(vector, { sensitivity, noiseMultiplier, random: seededRandom(1), spend: () => void spent++ })
    expect(release(new Float64Array(1), 1, 0)).toThrow('noiseMultiplier is 0')
    expect(release(new Float64Array(1), 1, Number.POSITIVE_INFINITY)).toThrow('noiseMultiplier')
    expect(release(new Float64Array(1), 0, 1)).toThrow('sensitivity')
    expect(release(new Float64Array([Number.NaN]), 1, 1)).toThrow('coordinate 0')
    expect(release(new Float64Array(1), 1e-200, 1e-200)).toThrow('noiseMultiplier · sensitivity')
    expect(spent).toBe(0)
  })
})

test('every mechanism spends before it draws: a refused spend leaves the generator untouched', () => {
  const refuse = () => {
    throw new Error('refused')
  }
  const source = seededRandom(81)
  let drawn = 0
  const counting: RandomSource = {
    ...source,
    nextWord: () => {
      drawn++
      return source.nextWord()
    },
    nextDouble: () => {
      drawn++
      return source.nextDouble()
    },
  }
  const common = { random: counting, spend: refuse }
  for (const release of [
    () => releaseDiscreteGaussian([1], { ...common, sigma: 1, sensitivity: 1 }),
    () => releaseDiscreteLaplace([1], { ...common, parameter: 1, sensitivity: 1 }),
    () => releaseRandomizedResponse(0, { ...common, noiseParameter: 0.5, buckets: 2 }),
    () => exponentialMechanism([1, 2], { ...common, epsilon: 1, sensitivity: 1 }),
    () => permuteAndFlip([1, 2], { ...common, epsilon: 1, sensitivity: 1 }),
    () => releaseGaussian(new Float64Array(1), { ...common, sensitivity: 1, noiseMultiplier: 1 }),
  ])
    expect(release).toThrow('refused')
  expect(drawn).toBe(0)
})
