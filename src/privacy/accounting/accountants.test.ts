/** What holds for every accountant, and what holds between the two. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { PrivacyEvent } from '../event.ts'
import { type Accountant, bestGuessChance } from './accountant.ts'
import { accountantNamed } from './calibrate.ts'
import { pldAccountant } from './pld.ts'
import { rdpAccountant } from './rdp.ts'

const sampledGaussian = (noiseMultiplier: number, sampleRate: number): PrivacyEvent => ({
  kind: 'poisson-sampled',
  sampleRate,
  event: { kind: 'gaussian', noiseMultiplier },
})
const plan = (noiseMultiplier: number, sampleRate: number, times: number): PrivacyEvent => ({
  kind: 'repeated',
  times,
  event: sampledGaussian(noiseMultiplier, sampleRate),
})

/** fast-check's doubles are uniform over bit patterns, nearly all of them close to 0; plans must really be spread out. */
const logUniform = (min: number, max: number) => fc.integer({ min: 0, max: 1e6 }).map((share) => min * (max / min) ** (share / 1e6))
const plans = fc.noBias(
  fc.record({
    sigma: logUniform(0.4, 20),
    rate: logUniform(1e-4, 1),
    steps: logUniform(1, 2e4).map(Math.round),
    delta: logUniform(1e-8, 1e-2),
  }),
)

describe.each([
  ['rdp', rdpAccountant],
  ['pld', pldAccountant],
] as const)('the %s accountant', (name, accountantFor) => {
  const accountant: Accountant = accountantFor('add-or-remove-one')

  test('composing nothing costs nothing', () => {
    const nothing: PrivacyEvent[] = [
      { kind: 'composed', events: [] },
      { kind: 'repeated', times: 0, event: { kind: 'non-private' } },
      sampledGaussian(1, 0),
      { kind: 'pure', epsilon: 0 },
      { kind: 'zcdp', rho: 0 },
      { kind: 'approximate', epsilon: 0, delta: 0 },
    ]
    for (const after of [accountant, ...nothing.map((event) => accountant.compose(event)), accountant.compose(plan(1, 0.1, 5), 0)]) {
      expect(after.epsilon(1e-5).epsilon).toBe(0)
      expect(after.epsilon(0).epsilon).toBe(0)
      expect(after.delta(0)).toBe(0)
    }
  })

  test('does not change when it composes', () => {
    accountant.compose(plan(1, 0.01, 100))
    expect(accountant.epsilon(1e-5).epsilon).toBe(0)
  })

  test('ε grows with steps and sampling rate, and falls with noise and δ', { timeout: 3_600_000 }, () => {
    const price = (sigma: number, rate: number, steps: number, delta: number) =>
      accountant.compose(plan(sigma, rate, steps)).epsilon(delta, true).epsilon
    fc.assert(
      fc.property(plans, ({ sigma, rate, steps, delta }) => {
        const here = price(sigma, rate, steps, delta)
        expect(price(sigma, rate, steps + 1, delta)).toBeGreaterThanOrEqual(here * (1 - 1e-9))
        expect(price(sigma, Math.min(1, rate * 1.02), steps, delta)).toBeGreaterThanOrEqual(here * (1 - 1e-9))
        expect(price(sigma * 1.02, rate, steps, delta)).toBeLessThanOrEqual(here * (1 + 1e-9))
        expect(price(sigma, rate, steps, delta * 1.05)).toBeLessThanOrEqual(here * (1 + 1e-9))
      }),
      process.env['TACET_SLOW'] ? { numRuns: 1000 } : { numRuns: name === 'pld' ? 8 : 60, seed: 3 },
    )
  })

  test('repeating, nesting, listing and composing again are the same', () => {
    const once = sampledGaussian(1, 0.05)
    const ways = [
      accountant.compose(plan(1, 0.05, 12)),
      accountant.compose(once, 12),
      accountant.compose({ kind: 'repeated', times: 3, event: { kind: 'repeated', times: 4, event: once } }),
      accountant.compose({ kind: 'composed', events: Array.from({ length: 12 }, () => once) }),
      accountant.compose(once, 5).compose(once, 7),
    ]
    const [first, ...others] = ways.map((way) => way.epsilon(1e-5).epsilon)
    for (const other of others) expect(other).toBe(first)
  })

  test('δ(ε(δ)) is δ', () => {
    for (const event of [
      plan(1, 0.01, 500),
      plan(0.6, 0.2, 20),
      { kind: 'repeated', times: 7, event: { kind: 'laplace', noiseMultiplier: 4 } } as const,
    ]) {
      const after = accountant.compose(event)
      const { epsilon } = after.epsilon(1e-5)
      expect(Math.abs(after.delta(epsilon) / 1e-5 - 1)).toBeLessThan(0.01)
    }
  })

  test('counts every composition of every mechanism', () => {
    const mechanisms: PrivacyEvent[] = [
      { kind: 'laplace', noiseMultiplier: 10 },
      { kind: 'discrete-laplace', parameter: 0.1, sensitivity: 1 },
      { kind: 'discrete-gaussian', sigma: 10, sensitivity: 1 },
      { kind: 'exponential', epsilon: 0.1 },
      { kind: 'permute-and-flip', epsilon: 0.1 },
      { kind: 'pure', epsilon: 0.1 },
      { kind: 'approximate', epsilon: 0.1, delta: 1e-9 },
      { kind: 'zcdp', rho: 0.005 },
      sampledGaussian(1, 0.05),
    ]
    for (const mechanism of mechanisms) {
      const at = (times: number) => accountant.compose(mechanism, times).epsilon(1e-5).epsilon
      expect(at(100) / at(10)).toBeGreaterThan(1.8)
    }
  })

  test('a non-private release costs everything', () => {
    const after = accountant.compose({ kind: 'composed', events: [{ kind: 'gaussian', noiseMultiplier: 10 }, { kind: 'non-private' }] })
    expect(after.epsilon(0.1).epsilon).toBe(Infinity)
    expect(after.delta(100)).toBe(1)
    expect(after.mu).toBeNull()
  })

  test('approximate releases use up δ, and then nothing is left', () => {
    const event: PrivacyEvent = { kind: 'approximate', epsilon: 0.1, delta: 1e-6 }
    expect(accountant.compose(event, 5).epsilon(1e-5).epsilon).toBeLessThanOrEqual(0.5 + 1e-9)
    expect(accountant.compose(event, 11).epsilon(1e-5).epsilon).toBe(Infinity)
  })

  test('rejects what it cannot bound, instead of ignoring it', () => {
    const unknown = { kind: 'teleport', epsilon: 0 } as unknown as PrivacyEvent
    expect(() => accountant.compose(unknown)).toThrow(/teleport/)
    expect(accountant.supports(unknown)).toBe(false)
    const withReplacement: PrivacyEvent = {
      kind: 'sampled-with-replacement',
      datasetSize: 10,
      sampleSize: 2,
      event: { kind: 'gaussian', noiseMultiplier: 1 },
    }
    expect(accountant.supports(withReplacement)).toBe(false)
    expect(accountant.supports({ kind: 'randomized-response', noiseParameter: 0.5, buckets: 2 })).toBe(false)
    expect(accountant.supports({ kind: 'tree-aggregation', noiseMultiplier: 2, stepCounts: [8] })).toBe(false)
    expect(accountantFor('replace-one').supports({ kind: 'tree-aggregation', noiseMultiplier: 2, stepCounts: [8] })).toBe(true)
    expect(
      accountant.supports({
        kind: 'poisson-sampled',
        sampleRate: 0.1,
        event: {
          kind: 'composed',
          events: [
            { kind: 'pure', epsilon: 1 },
            { kind: 'gaussian', noiseMultiplier: 1 },
          ],
        },
      }),
    ).toBe(false)
  })

  test('rejects numbers that are none', () => {
    expect(() => accountant.compose({ kind: 'gaussian', noiseMultiplier: Number.NaN })).toThrow(/noiseMultiplier/)
    expect(() => accountant.compose(plan(1, 0.1, 1), -1)).toThrow(/times/)
    expect(() => accountant.epsilon(Number.NaN)).toThrow(/delta/)
    expect(() => accountant.epsilon(1)).toThrow(/delta/)
    expect(() => accountant.delta(-1)).toThrow(/epsilon/)
    expect(() => accountant.delta(Number.NaN)).toThrow(/epsilon/)
  })

  test('μ is said for Gaussian compositions only', () => {
    const gaussians = accountant.compose({ kind: 'gaussian', noiseMultiplier: 2 }, 4)
    expect(gaussians.mu).toBe(1)
    expect(gaussians.compose(plan(1, 0.1, 1)).mu).toBeNull()
    expect(accountant.compose(sampledGaussian(2, 1)).mu).toBe(0.5)
  })

  test('answers at the edges of what can be asked', () => {
    const edges: [sigma: number, rate: number, steps: number, delta: number][] = [
      [1, 1, 10, 1e-5],
      [1, 1e-9, 1000, 1e-12],
      [0.05, 0.001, 100, 1e-6],
      [1e4, 0.5, 1000, 1e-9],
      [1, 0.01, 1, 1e-5],
      [30, 0.01, 1e6, 1e-5],
      [1, 0.01, 100, 1e-15],
      [1, 0.01, 100, 0.5],
      [0.2, 0.3, 50, 1e-6],
    ]
    for (const [sigma, rate, steps, delta] of edges) {
      const { epsilon, epsilonLower } = accountant.compose(plan(sigma, rate, steps)).epsilon(delta)
      expect(epsilon).toBeGreaterThanOrEqual(0)
      expect(epsilon).toBeLessThan(1e6)
      if (epsilonLower !== null) {
        expect(epsilonLower).toBeLessThanOrEqual(epsilon)
        expect(epsilonLower).toBeGreaterThanOrEqual(epsilon * 0.99 - 1e-6)
      }
    }
    expect(accountant.compose(plan(1, 0.01, 100)).epsilon(0).epsilon).toBe(Infinity)
  })

  test('the odds of the best guesser lie between a coin and certainty', () => {
    const chance = bestGuessChance(accountant.compose(plan(1, 0.01, 100)))
    expect(chance).toBeGreaterThan(0.5)
    expect(chance).toBeLessThan(0.75)
    expect(bestGuessChance(accountant)).toBe(0.5)
  })
})

describe('between the accountants', () => {
  /** The bar: PLD lower ≤ PLD upper ≤ RDP to 0.1 %. 60 plans in every run, 1,000 and fresh ones in test:slow. */
  test('on random plans PLD lower ≤ PLD upper ≤ RDP', { timeout: 3_600_000 }, () => {
    const slow = Boolean(process.env['TACET_SLOW'])
    let widest = 0
    let telling = 0
    fc.assert(
      fc.property(plans, ({ sigma, rate, steps, delta }) => {
        const event = plan(sigma, rate, steps)
        const { epsilon, epsilonLower } = pldAccountant().compose(event).epsilon(delta)
        const rdp = rdpAccountant().compose(event).epsilon(delta).epsilon
        expect(epsilonLower).toBeLessThanOrEqual(epsilon)
        expect(epsilon).toBeLessThanOrEqual(rdp * 1.001)
        if (epsilon > 1e-3 && epsilon < 100) telling++
        if (epsilon > 1e-9) widest = Math.max(widest, (epsilon - (epsilonLower as number)) / epsilon)
      }),
      slow ? { numRuns: 1000 } : { numRuns: 40, seed: 11 },
    )
    if (slow) console.log(`widest gap between PLD bounds: ${widest}; ${telling} plans between ε = 0.001 and 100`)
    expect(telling).toBeGreaterThan(slow ? 400 : 16)
    expect(widest).toBeLessThan(0.02)
  })

  test('on other mechanisms, in every relation that both price, PLD is no looser than RDP', () => {
    const mechanisms: PrivacyEvent[] = [
      { kind: 'laplace', noiseMultiplier: 5 },
      { kind: 'discrete-laplace', parameter: 0.2, sensitivity: 2 },
      { kind: 'discrete-gaussian', sigma: 6, sensitivity: 2 },
      { kind: 'discrete-gaussian', sigma: 60000, sensitivity: 20000 },
      { kind: 'randomized-response', noiseParameter: 0.8, buckets: 3 },
      { kind: 'exponential', epsilon: 0.2 },
      { kind: 'permute-and-flip', epsilon: 0.2 },
      { kind: 'pure', epsilon: 0.2 },
      { kind: 'approximate', epsilon: 0.2, delta: 1e-8 },
      { kind: 'zcdp', rho: 0.01, xi: 0.001 },
      { kind: 'tree-aggregation', noiseMultiplier: 8, stepCounts: [31] },
      { kind: 'mixture-of-gaussians', standardDeviation: 2, sensitivities: [0, 1, 2], samplingProbabilities: [0.9, 0.09, 0.01] },
      sampledGaussian(1, 0.05),
      { kind: 'poisson-sampled', sampleRate: 0.1, event: { kind: 'laplace', noiseMultiplier: 2 } },
      { kind: 'poisson-sampled', sampleRate: 0.1, event: { kind: 'pure', epsilon: 0.5 } },
    ]
    let priced = 0
    for (const relation of ['add-or-remove-one', 'replace-one', 'replace-special'] as const) {
      const [pld, rdp] = [pldAccountant(relation), rdpAccountant(relation)]
      for (const mechanism of mechanisms) {
        if (!pld.supports(mechanism) || !rdp.supports(mechanism)) continue
        priced++
        const after = pld.compose(mechanism, 20).epsilon(1e-5)
        expect(after.epsilonLower).toBeLessThanOrEqual(after.epsilon)
        expect(after.epsilon).toBeLessThanOrEqual(rdp.compose(mechanism, 20).epsilon(1e-5).epsilon * 1.001)
      }
    }
    expect(priced).toBeGreaterThan(35)
  })

  test('the central-limit approximation is refused, with the reason', () => {
    expect(() => accountantNamed('gdp', 'add-or-remove-one')).toThrow(/understates/)
    expect(() => accountantNamed('gsp', 'add-or-remove-one')).toThrow(/not known/)
  })

  test('sampling without replacement is priced by RDP and refused by PLD', () => {
    const event: PrivacyEvent = {
      kind: 'sampled-without-replacement',
      datasetSize: 800167,
      sampleSize: 512,
      event: { kind: 'gaussian', noiseMultiplier: 1 },
    }
    expect(rdpAccountant('replace-one').compose(event, 7814).epsilon(1e-5).epsilon).toBeCloseTo(0.7407, 3)
    expect(() => pldAccountant('replace-one').compose(event)).toThrow(/2405.20769/)
    expect(rdpAccountant('add-or-remove-one').supports(event)).toBe(false)
  })
})
