import { describe, expect, test } from 'vitest'
import { gaussianEpsilon } from '../privacy/index.ts'
import { fillNormals, seededRandom } from '../random/index.ts'
import {
  familyEpsilonLowerBound,
  gaussianClaimFamily,
  independentErrorRates,
  independentRefutes,
  inverseBlowUpOfProfile,
  refutesTradeOff,
} from './f-dp.ts'
import { countGuesses } from './one-run.ts'

const delta = 1e-5

/** Member t is t-GDP. */
const gaussianFamily = gaussianClaimFamily(1, delta)

/** m independent Gaussian canaries of sensitivity ÷ noise = mu, guessed by their own noisy value. */
function gaussianCanaries(mu: number, canaries: number, seed: number) {
  const random = seededRandom(seed)
  const included = Array.from({ length: canaries }, () => random.nextDouble() < 0.5)
  const noise = new Float64Array(canaries)
  fillNormals(noise, random)
  return { scores: noise.map((z, i) => z + (included[i] ? mu : 0)), included }
}

const oneRunBound = (mu: number, canaries: number, seed: number) => {
  const count = countGuesses({ ...gaussianCanaries(mu, canaries, seed), guesses: canaries / 20 })
  return familyEpsilonLowerBound(gaussianFamily, (curve) => refutesTradeOff(count, curve, 0.999))
}

const independentBound = (mu: number, canaries: number, seed: number) => {
  const rates = independentErrorRates({ ...gaussianCanaries(mu, canaries, seed), confidence: 0.999 })
  return familyEpsilonLowerBound(gaussianFamily, (curve) => independentRefutes(rates, curve))
}

describe.each([
  ['in one run, assuming nothing', oneRunBound, 40_000],
  ['over independent canaries', independentBound, 4_000],
] as const)('auditing a trade-off curve %s', (_, bound, canaries) => {
  test('on a correct Gaussian mechanism the bound stays below the claim in 20 of 20 runs (confidence 99.9 %) and sees a quarter of it', () => {
    for (const mu of [0.5, 1]) {
      const claim = gaussianEpsilon({ mu, delta })
      const bounds = Array.from({ length: 10 }, (_, seed) => bound(mu, canaries, seed))
      expect(bounds.filter((one) => one > claim)).toEqual([])
      expect(bounds.reduce((a, b) => a + b) / bounds.length).toBeGreaterThan(claim / 4)
    }
  })

  test('halved noise at μ = 1 is refuted in 5 of 5 runs', () => {
    const claim = gaussianEpsilon({ mu: 1, delta })
    for (let seed = 0; seed < 5; seed++) expect(bound(2, canaries, seed)).toBeGreaterThan(claim)
  })
})

describe('edges', () => {
  test('guessing by chance refutes nothing', () => {
    const count = { canaries: 1000, guesses: 1000, correct: 500 }
    expect(familyEpsilonLowerBound(gaussianFamily, (curve) => refutesTradeOff(count, curve, 0.999))).toBe(0)
  })

  test('a perfect privacy curve is refuted by a perfect attacker, and a useless one (δ = 1) never is', () => {
    const count = { canaries: 100, guesses: 100, correct: 100 }
    expect(refutesTradeOff(count, inverseBlowUpOfProfile([[0, 0]]), 0.999)).toBe(true)
    expect(refutesTradeOff(count, inverseBlowUpOfProfile([[0, 1]]), 0.999)).toBe(false)
  })

  test('canaries that were all in are an error, not a bound', () => {
    expect(() => independentErrorRates({ scores: [1, 2, 3, 4], included: [1, 1, 1, 1], confidence: 0.99 })).toThrow('needs both')
  })
})
