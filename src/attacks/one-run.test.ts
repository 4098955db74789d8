import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fillNormals, seededRandom } from '../random/index.ts'
import { binomialAtLeast, binomialPmf, clopperPearson } from './binomial.ts'
import { membershipResult } from './membership.ts'
import { oneRunAudit, oneRunEpsilonLowerBound, oneRunPValue } from './one-run.ts'

describe('binomial', () => {
  test('a tail is the plain sum of its probabilities', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.double({ min: 0.01, max: 0.99, noNaN: true }), fc.nat(60), (trials, p, k) => {
        let sum = 0
        for (let i = k; i <= trials; i++) sum += binomialPmf(i, trials, p)
        expect(binomialAtLeast(k, trials, p)).toBeCloseTo(Math.min(1, sum), 9)
      }),
    )
  })

  test('Clopper–Pearson: no success in 100 at 95 % is 1 − .05^(1/100)', () => {
    expect(clopperPearson(0, 100, 0.05).upper).toBeCloseTo(1 - 0.05 ** 0.01, 9)
    expect(clopperPearson(100, 100, 0.05).lower).toBeCloseTo(0.05 ** 0.01, 9)
  })
})

describe('one-run audit', () => {
  test('all of r guesses right at δ = 0 refutes exactly ε = logit((1 − confidence)^(1/r))', () => {
    const q = 0.001 ** (1 / 500)
    expect(oneRunEpsilonLowerBound({ canaries: 500, guesses: 500, correct: 500 }, 0, 0.999)).toBeCloseTo(Math.log(q / (1 - q)), 6)
  })

  test('the δ term is the largest average of the probabilities just below v, as the paper defines it', () => {
    const [m, r, v, epsilon, delta] = [1000, 40, 36, 1.2, 1e-4]
    const q = 1 / (1 + Math.exp(-epsilon))
    let alpha = 0
    for (let i = 1; i <= v; i++) {
      let sum = 0
      for (let j = 1; j <= i; j++) sum += binomialPmf(v - j, r, q)
      alpha = Math.max(alpha, sum / i)
    }
    const expected = binomialAtLeast(v, r, q) + 2 * m * delta * alpha
    expect(oneRunPValue({ canaries: m, guesses: r, correct: v, epsilon, delta })).toBeCloseTo(expected, 12)
  })

  test('more correct guesses never refute less', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 300 }), fc.nat(300), (guesses, seed) => {
        const correct = seed % guesses
        const bound = (v: number) => oneRunEpsilonLowerBound({ canaries: 400, guesses, correct: v }, 1e-5, 0.95)
        expect(bound(correct + 1)).toBeGreaterThanOrEqual(bound(correct) - 1e-9)
      }),
      { numRuns: 40 },
    )
  })

  /** Randomised response: each coin is told truthfully with chance e^ε/(1 + e^ε), which is exactly ε-DP. */
  function randomisedResponse(epsilon: number, m: number, seed: number) {
    const random = seededRandom(seed)
    const included = Array.from({ length: m }, () => random.nextDouble() < 0.5)
    const truth = 1 / (1 + Math.exp(-epsilon))
    const scores = included.map((coin) => (random.nextDouble() < truth === coin ? 1 : -1) * (1 + random.nextDouble()))
    return { scores, included }
  }

  test('on an exactly ε-DP mechanism the bound stays below ε in 60 of 60 runs (false-alarm rate ≤ 1e-3 a run) and comes near it', () => {
    const bounds = Array.from(
      { length: 200 },
      (_, seed) => oneRunAudit({ ...randomisedResponse(1, 4000, seed), delta: 0, confidence: 0.999 }).epsilonLowerBound,
    )
    expect(bounds.filter((bound) => bound > 1)).toEqual([])
    expect(bounds.reduce((a, b) => a + b) / 60).toBeGreaterThan(0.7)
  })

  test('scores that know nothing refute nothing much', () => {
    const random = seededRandom(4)
    const included = Array.from({ length: 2000 }, () => random.nextDouble() < 0.5)
    const scores = new Float64Array(2000)
    fillNormals(scores, random)
    expect(oneRunAudit({ scores, included, delta: 1e-5, confidence: 0.999 }).epsilonLowerBound).toBeLessThan(0.1)
  })
})

describe('membership', () => {
  test('AUC is the share of pairs in the right order, ties counting half', () => {
    expect(membershipResult('loss', [3, 1], [2, 1]).auc).toBe((1 + 1 + 0 + 0.5) / 4)
  })

  test('TPR at 1 % FPR accuses nobody it cannot afford to', () => {
    const others = Array.from({ length: 200 }, (_, i) => i)
    expect(membershipResult('loss', [500, 198.5, 197.5, 196.5], others).tprAt1Fpr).toBe(0.75)
    expect(membershipResult('constant', [1, 1], [1, 1]).tprAt1Fpr).toBe(0)
  })

  test('a NaN score or an empty sample is an error, not an AUC of one half', () => {
    expect(() => membershipResult('loss', [Number.NaN], [1])).toThrow('not a number')
    expect(() => membershipResult('loss', [], [1])).toThrow('needs both')
  })
})
