import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { gaussianDelta, gaussianEpsilon, gaussianMu, logGaussianDelta } from './gaussian.ts'

/** From mpmath 1.3.0 at 60 digits: log(ncdf(mu/2 - eps/mu) - exp(eps) * ncdf(-mu/2 - eps/mu)). */
const logDeltas: [mu: number, epsilon: number, logDelta: number][] = [
  [0.0001, 0.0, -10.129278905597522],
  [0.0001, 1.0005e-5, -10.257554248421267],
  [0.0001, 5.0005e-5, -10.830909628975],
  [0.0001, 0.000101005, -11.714585303515156],
  [0.0001, 0.000500005, -25.954659625294678],
  [0.0001, 0.00300001, -466.9365007784258],
  [0.01, 0.0, -5.524112885852486],
  [0.01, 0.00105, -5.658366920202195],
  [0.01, 0.00505, -6.230975378285219],
  [0.01, 0.01015, -7.113869545405618],
  [0.01, 0.05005, -21.3512788859305],
  [0.01, 0.30005, -462.3301561223014],
  [0.1, 0.0, -3.221940223426453],
  [0.1, 0.015, -3.409032084015309],
  [0.1, 0.055, -3.9750703124901228],
  [0.1, 0.106, -4.851075111263834],
  [0.1, 0.505, -19.06482415881871],
  [0.1, 3.005, -460.03055566665256],
  [0.24, 0.0, -2.3484525858988325],
  [0.24, 0.0528, -2.6125196477974777],
  [0.24, 0.1488, -3.1690791572982513],
  [0.24, 0.2712, -4.035093834372027],
  [0.24, 1.2288, -18.213967661864128],
  [0.24, 7.2288, -459.15971210267406],
  [0.26, 0.0, -2.268825676097518],
  [0.26, 0.0598, -2.5433911367326],
  [0.26, 0.1638, -3.098665682868735],
  [0.26, 0.2964, -3.9633210601809967],
  [0.26, 1.3338, -18.137394588214676],
  [0.26, 7.8338, -459.08032839497],
  [0.5, 0.0, -1.622459064037205],
  [0.5, 0.175, -2.013884735602504],
  [0.5, 0.375, -2.5549578563356765],
  [0.5, 0.63, -3.404501276569386],
  [0.5, 2.625, -17.524235719540346],
  [0.5, 15.125, -458.43427631005846],
  [1, 0.0, -0.9599163336956223],
  [1, 0.6, -1.5465923117703912],
  [1, 1.0, -2.0640664465003904],
  [1, 1.51, -2.888069078235159],
  [1, 5.5, -16.911250263486217],
  [1, 30.5, -457.7573380121099],
  [2, 0.0, -0.38171514630212605],
  [2, 2.2, -1.207493909534119],
  [2, 3.0, -1.6938359260827185],
  [2, 4.02, -2.483043758631911],
  [2, 12.0, -16.36200395215396],
  [2, 62.0, -457.0958426078473],
  [5, 0.0, -0.01249709506390489],
  [5, 13.0, -0.9544118501986891],
  [5, 15.0, -1.4005542350459819],
  [5, 17.55, -2.142070855802445],
  [5, 37.5, -15.785747442262899],
  [5, 162.5, -456.26891616062466],
  [20, 0.0, -1.523970604832105e-23],
  [20, 202.0, -0.8199088461738896],
  [20, 210.0, -1.2330439790367742],
  [20, 220.2, -1.9319078916426877],
  [20, 300.0, -15.297094150887325],
  [20, 800.0, -455.2385982911815],
]

describe('the Gaussian mechanism in closed form', () => {
  test.each(logDeltas)('μ = %d at ε = %d has ln δ = %d, as 60-digit arithmetic says', (mu, epsilon, expected) => {
    expect(Math.abs(logGaussianDelta(mu, epsilon) / expected - 1)).toBeLessThan(1e-12)
  })

  test('shuffled epochs of seed 000: μ = √5/σ at δ = 1e-5', () => {
    const epsilons = [1, 2, 3, 4, 5].map((sigma) => gaussianEpsilon({ mu: Math.sqrt(5) / sigma, delta: 1e-5 }))
    const published = [11.48, 4.98, 3.13, 2.26, 1.76]
    for (const [i, epsilon] of epsilons.entries()) expect(Math.abs(epsilon - published[i]!)).toBeLessThan(0.0055)
  })

  test('ε, δ and μ undo one another', () => {
    fc.assert(
      fc.property(fc.integer({ min: -4000, max: 2500 }), fc.integer({ min: -6000, max: -10 }), (thousandths, hundredths) => {
        const mu = 10 ** (thousandths / 1000)
        const logDelta = hundredths / 100
        const delta = Math.exp(logDelta)
        const epsilon = gaussianEpsilon({ mu, delta })
        if (epsilon === 0) return
        expect(Math.abs(logGaussianDelta(mu, epsilon) - logDelta)).toBeLessThan(1e-9 * Math.max(1, mu))
        expect(Math.abs(gaussianMu({ epsilon, delta }) / mu - 1)).toBeLessThan(1e-10)
      }),
      { numRuns: 300, seed: 1 },
    )
  })

  test('the calibrated μ never overshoots', () => {
    for (const epsilon of [0, 0.01, 1, 20])
      for (const delta of [0.3, 1e-5, 1e-15])
        expect(gaussianDelta({ mu: gaussianMu({ epsilon, delta }), epsilon })).toBeLessThanOrEqual(delta)
  })

  test('the ends: no release costs nothing, no δ allows no finite ε, δ(0) is the total variation', () => {
    expect(gaussianEpsilon({ mu: 0, delta: 0 })).toBe(0)
    expect(gaussianDelta({ mu: 0, epsilon: 0 })).toBe(0)
    expect(gaussianEpsilon({ mu: 1, delta: 0 })).toBe(Infinity)
    expect(gaussianDelta({ mu: 1, epsilon: 0 })).toBeCloseTo(0.38292492254802624, 14)
  })

  test.each([[{ mu: Number.NaN, epsilon: 1 }], [{ mu: -1, epsilon: 1 }], [{ mu: 1, epsilon: -1 }], [{ mu: 1, epsilon: Number.NaN }]])(
    'refuses %j',
    (wrong) => {
      expect(() => gaussianDelta(wrong)).toThrow(/must be/)
    },
  )
})
