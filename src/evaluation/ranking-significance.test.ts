/** Tests and intervals against SciPy's figures, and their own promises: coverage, symmetry, corrections. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../random/index.ts'
import {
  benjaminiHochberg,
  bootstrapMean,
  holm,
  normalTwoSided,
  pairedTTest,
  studentTwoSided,
  wilcoxonSignedRank,
} from './ranking-significance.ts'

type Question =
  | { test: 'paired-t'; a: number[]; b: number[] }
  | { test: 'wilcoxon'; a: number[]; b: number[]; zeros: 'wilcox' | 'pratt' }
  | { test: 'benjamini-hochberg'; pValues: number[] }
  | { test: 'student-t'; t: number; degreesOfFreedom: number }
  | { test: 'normal'; z: number }

const vectors = JSON.parse(readFileSync(new URL('../../test/vectors/ranking-significance.json', import.meta.url), 'utf8')) as {
  cases: { id: string; question: Question; answer: Record<string, unknown> }[]
}

function answer(question: Question): Record<string, unknown> {
  switch (question.test) {
    case 'paired-t': {
      const { statistic, degreesOfFreedom, pValue, difference } = pairedTTest(question.a, question.b)
      return { statistic, degreesOfFreedom, pValue, low: difference.low, high: difference.high }
    }
    case 'wilcoxon': {
      const { statistic, pValue, method } = wilcoxonSignedRank(question.a, question.b, { zeros: question.zeros })
      return { statistic, pValue, method }
    }
    case 'benjamini-hochberg':
      return { adjusted: Array.from(benjaminiHochberg(question.pValues)) }
    case 'student-t':
      return { pValue: studentTwoSided(question.t, question.degreesOfFreedom) }
    case 'normal':
      return { pValue: normalTwoSided(question.z) }
  }
}

function agree(ours: unknown, theirs: unknown, what: string): void {
  if (Array.isArray(theirs)) for (const [i, entry] of theirs.entries()) agree((ours as unknown[])[i], entry, `${what}[${i}]`)
  else if (typeof theirs === 'number') {
    const off = Math.abs((ours as number) - theirs) / Math.max(Math.abs(theirs), 1e-300)
    expect(off, `${what}: ${ours} against ${theirs}`).toBeLessThan(1e-9)
  } else expect(ours, what).toEqual(theirs)
}

test.each(vectors.cases)('$id agrees with SciPy to nine digits, in the tail too', ({ id, question, answer: theirs }) => {
  const ours = answer(question)
  for (const [key, value] of Object.entries(theirs)) agree(ours[key], value, `${id} ${key}`)
})

describe('corrections', () => {
  test('Holm multiplies the smallest p-value by all tests, the next by one less, and never steps back', () => {
    // Holm 1979's rule by hand: 4·.005, 3·.01, 2·.03, 1·.04 raised to its predecessor.
    expect(Array.from(holm([0.01, 0.04, 0.03, 0.005])).map((p) => Number(p.toFixed(12)))).toEqual([0.03, 0.06, 0.06, 0.02])
  })

  test('Benjamini and Hochberg’s own example of 15 tests has four discoveries at .05 (1995, section 3.2); Holm has three', () => {
    const published = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719, 0.6528, 0.759, 1]
    expect(Array.from(benjaminiHochberg(published)).filter((p) => p <= 0.05)).toHaveLength(4)
    expect(Array.from(holm(published)).filter((p) => p <= 0.05)).toHaveLength(3)
  })

  test('a p-value outside 0 … 1 is refused', () => {
    expect(() => holm([0.1, Number.NaN])).toThrow(/p-value is NaN/)
    expect(() => benjaminiHochberg([1.2])).toThrow(/p-value is 1.2/)
  })
})

describe('paired tests', () => {
  test('swapping the models flips the sign and keeps the p-value', () => {
    const a = [0.2, 0.5, 0.1, 0.9, 0.4]
    const b = [0.1, 0.6, 0, 0.5, 0.45]
    expect(pairedTTest(a, b).statistic).toBeCloseTo(-pairedTTest(b, a).statistic, 12)
    expect(pairedTTest(a, b).pValue).toBeCloseTo(pairedTTest(b, a).pValue, 12)
    expect(wilcoxonSignedRank(a, b).effectSize).toBeCloseTo(-wilcoxonSignedRank(b, a).effectSize, 12)
  })

  test('models that agree on everybody are not told apart: p = 1', () => {
    expect(pairedTTest([1, 0, 1], [1, 0, 1])).toMatchObject({ statistic: 0, pValue: 1, effectSize: 0 })
    expect(wilcoxonSignedRank([1, 0, 1], [1, 0, 1])).toMatchObject({ pValue: 1, effectSize: 0 })
  })

  test('unpaired, single and non-finite values are refused', () => {
    expect(() => pairedTTest([1, 2], [1])).toThrow(/2 values are paired with 1/)
    expect(() => pairedTTest([1], [1])).toThrow(/at least two/)
    expect(() => wilcoxonSignedRank([1, Number.NaN], [0, 0])).toThrow(/person 1 is NaN/)
  })
})

describe('the bootstrap over people', () => {
  test('repeats to the last digit with a seed, and differs with another', () => {
    const values = Array.from({ length: 40 }, (_, i) => (i * 37) % 11)
    const first = bootstrapMean(values, seededRandom(3))
    expect(bootstrapMean(values, seededRandom(3))).toEqual(first)
    expect(bootstrapMean(values, seededRandom(4)).low).not.toBe(first.low)
    expect(first.estimate).toBe(values.reduce((sum, value) => sum + value, 0) / 40)
    expect(first.low).toBeLessThan(first.estimate)
    expect(first.high).toBeGreaterThan(first.estimate)
  })

  test('is as wide as the normal interval where that holds', () => {
    const random = seededRandom(11)
    const values = Array.from({ length: 2_000 }, () => random.nextDouble())
    const { low, high } = bootstrapMean(values, seededRandom(5))
    // Half-width 1.96·sd/√n = .01265. The quantiles of 2,000 resamples put a standard error of 2.6 % on it: off by 10 % once in 10,000 seeds.
    const ratio = (high - low) / 2 / ((1.96 * Math.sqrt(1 / 12)) / Math.sqrt(2_000))
    expect(Math.abs(ratio - 1)).toBeLessThan(0.1)
  })

  test('covers the true mean about as often as it says', () => {
    // 400 samples of 60 exponentials: nominal .95, percentile intervals of skewed data run a little short. Binomial s.e. .011;
    // below .91 or above .98 has a chance under 1 in 100 for coverages from .935 to .955. Seed fixed.
    const random = seededRandom(21)
    let covered = 0
    for (let run = 0; run < 400; run++) {
      const values = Array.from({ length: 60 }, () => -Math.log(1 - random.nextDouble()))
      const { low, high } = bootstrapMean(values, random, { resamples: 300 })
      if (low <= 1 && 1 <= high) covered++
    }
    expect(covered / 400).toBeGreaterThan(0.91)
    expect(covered / 400).toBeLessThan(0.98)
  })

  test('too few resamples, no confidence and one person are refused', () => {
    expect(() => bootstrapMean([1, 2], seededRandom(1), { resamples: 10 })).toThrow(/resamples is 10/)
    expect(() => bootstrapMean([1, 2], seededRandom(1), { confidence: 1 })).toThrow(/confidence is 1/)
    expect(() => bootstrapMean([1], seededRandom(1))).toThrow(/at least two/)
  })
})
