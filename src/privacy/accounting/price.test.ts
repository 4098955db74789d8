import { describe, expect, test } from 'vitest'
import type { PrivacyEvent } from '../event.ts'
import { calibrate } from './calibrate.ts'
import { priceCase, priceCases } from './cases.ts'
import { dpSgdEvent, jsonReady, priceDpSgd } from './price.ts'

const rate = 512 / 800167
const run = { sampleRate: rate, steps: 7814, delta: 1e-5 }

describe('pricing a DP-SGD run', () => {
  test('prints the contract, by PLD and add-or-remove unless told otherwise', () => {
    const price = priceDpSgd({ ...run, noiseMultiplier: 2 })
    expect(price).toEqual({
      epsilon: expect.closeTo(0.09303, 4),
      epsilonLower: expect.closeTo(0.09303, 4),
      delta: 1e-5,
      mu: null,
      accountant: 'pld',
      noiseMultiplier: 2,
      sampleRate: rate,
      steps: 7814,
      privacyUnit: 'rating',
      neighboringRelation: 'add-or-remove-one',
      batchSelection: 'poisson',
    })
    const byRdp = priceDpSgd({ ...run, noiseMultiplier: 2, accountant: 'rdp' })
    expect(byRdp.epsilonLower).toBeNull()
    expect(byRdp.optimalOrder).toBeGreaterThan(40)
  })

  test('shuffling claims no amplification: an epoch is one release, and rows are zeroed out', () => {
    const price = priceDpSgd({ ...run, noiseMultiplier: 1, batchSelection: 'shuffle' })
    expect(price.neighboringRelation).toBe('replace-special')
    expect(price.mu).toBeCloseTo(Math.sqrt(5), 12)
    expect(price.epsilon).toBeCloseTo(11.48, 2)
    expect(priceDpSgd({ ...run, noiseMultiplier: 1, batchSelection: 'shuffle', relation: 'replace-one' }).epsilon).toBeCloseTo(28.4, 1)
    expect(() => priceDpSgd({ ...run, noiseMultiplier: 1, batchSelection: 'shuffle', relation: 'add-or-remove-one' })).toThrow(
      /later batch/,
    )
    // A person's rows may meet in one batch.
    expect(priceDpSgd({ ...run, noiseMultiplier: 1, batchSelection: 'shuffle', maxExamplesPerUser: 3 }).mu).toBeCloseTo(
      3 * Math.sqrt(5),
      12,
    )
  })

  test('batches of fixed size are priced by RDP under replacement, and the batch keeps its share', () => {
    const question = { ...run, noiseMultiplier: 1, batchSelection: 'fixed-without-replacement', accountant: 'rdp' } as const
    const price = priceDpSgd(question)
    expect(price.neighboringRelation).toBe('replace-one')
    expect(price.epsilon).toBeCloseTo(0.7407, 3)
    const event = dpSgdEvent(question, 1, 'replace-one') as { event: { sampleSize: number; datasetSize: number } }
    expect(event.event).toMatchObject({ sampleSize: 512, datasetSize: 800167 })
    const odd = dpSgdEvent({ ...question, sampleRate: 0.012345678901234568 }, 1, 'replace-one') as typeof event
    expect(odd.event.sampleSize / odd.event.datasetSize).toBeGreaterThanOrEqual(0.012345678901234568)
    expect(() => priceDpSgd({ ...question, accountant: 'pld' })).toThrow(/dominating pair/)
    expect(() => priceDpSgd({ ...question, maxExamplesPerUser: 2 })).toThrow(/several rows/)
  })

  test('one row per person is a row', () => {
    const asUser = priceDpSgd({ ...run, noiseMultiplier: 2, maxExamplesPerUser: 1 })
    expect(asUser.privacyUnit).toBe('user')
    expect(asUser.epsilon).toBe(priceDpSgd({ ...run, noiseMultiplier: 2 }).epsilon)
  })

  test.each([
    [{ noiseMultiplier: 0 }, /noiseMultiplier/],
    [{ noiseMultiplier: 1, sampleRate: 1.5 }, /sampleRate/],
    [{ noiseMultiplier: 1, sampleRate: 0 }, /sampleRate/],
    [{ noiseMultiplier: 1, steps: 0.5 }, /steps/],
    [{ noiseMultiplier: 1, delta: 1 }, /delta/],
    [{ noiseMultiplier: 1, delta: Number.NaN }, /delta/],
    [{ targetEpsilon: 0 }, /epsilon/],
    [{ targetEpsilon: 1, noiseMultiplier: 1 }, /exactly one/],
    [{}, /exactly one/],
    [{ noiseMultiplier: 1, relation: 'swap' as never }, /relation "swap"/],
    [{ noiseMultiplier: 1, batchSelection: 'weighted' as never }, /batch selection "weighted"/],
    [{ noiseMultiplier: 1, accountant: 'gdp' as never }, /understates/],
    [{ noiseMultiplier: 1, maxExamplesPerUser: 0 }, /maxExamplesPerUser/],
  ])('refuses %j', (wrong, message) => {
    expect(() => priceDpSgd({ ...run, ...wrong })).toThrow(message)
  })
})

describe('calibration', () => {
  test.each([
    ['rdp', 1, 0.8426],
    ['rdp', 3, 0.5757],
    ['pld', 1, 0.658],
    ['pld', 8, 0.4125],
  ] as const)('by %s to ε = %d: the smallest noise, never over', (accountant, targetEpsilon, sigma) => {
    const { noiseMultiplier, epsilon } = priceDpSgd({ ...run, targetEpsilon, accountant })
    expect(Math.abs(noiseMultiplier / sigma - 1)).toBeLessThan(0.001)
    expect(epsilon).toBeLessThanOrEqual(targetEpsilon)
    expect(epsilon).toBeGreaterThan(targetEpsilon * 0.998)
  })

  test.each([
    [0.1, 200, 1, 5.43],
    [0.05, 500, 8, 0.97],
    [1, 20, 2, 8.92],
  ])('sampling people, q = %d, %d steps, ε = %d', (sampleRate, steps, targetEpsilon, sigma) => {
    const { noiseMultiplier } = priceDpSgd({ sampleRate, steps, delta: 1e-5, targetEpsilon })
    expect(Math.abs(noiseMultiplier / sigma - 1)).toBeLessThan(0.002)
  })

  const sampled = (sampleRate: number): PrivacyEvent => ({
    kind: 'poisson-sampled',
    sampleRate,
    event: { kind: 'gaussian', noiseMultiplier: 1 },
  })

  test('any parameter: the most steps, the largest rate, the largest ε each', () => {
    const base = { epsilon: 2, delta: 1e-5, accountant: 'rdp' } as const
    const steps = calibrate({
      ...base,
      make: (times) => ({ kind: 'repeated', times, event: sampled(0.01) }),
      bracket: [1, 1e6],
      integer: true,
    })
    const price = (times: number) =>
      calibrate({ ...base, epsilon: 1e6, make: () => ({ kind: 'repeated', times, event: sampled(0.01) }), bracket: [1, 2] }).epsilon
    expect(price(steps.value)).toBeLessThanOrEqual(2)
    expect(price(steps.value + 1)).toBeGreaterThan(2)
    const share = calibrate({ ...base, make: (q) => ({ kind: 'repeated', times: 100, event: sampled(q) }), bracket: [1e-6, 1] })
    expect(share.epsilon).toBeLessThanOrEqual(2)
    expect(share.epsilon).toBeGreaterThan(1.99)
    const each = calibrate({
      ...base,
      accountant: 'pld',
      make: (epsilon) => ({ kind: 'repeated', times: 100, event: { kind: 'pure', epsilon } }),
      bracket: [1e-6, 10],
    })
    expect(each.value).toBeGreaterThan(0.0505)
    expect(each.epsilon).toBeLessThanOrEqual(2)
  })

  test('says so when nothing in the bracket will do', () => {
    const make = (noiseMultiplier: number): PrivacyEvent => ({
      kind: 'composed',
      events: [
        { kind: 'gaussian', noiseMultiplier },
        { kind: 'pure', epsilon: 3 },
      ],
    })
    expect(() => calibrate({ make, epsilon: 1, delta: 1e-5, accountant: 'rdp' })).toThrow(/no value between/)
  })
})

describe('cases as NDJSON', () => {
  const gaussian = { kind: 'gaussian', noiseMultiplier: 1 }
  const ask = (line: unknown) => priceCase(typeof line === 'string' ? line : JSON.stringify(line))

  test('answers each kind of question with the keys of the contract', () => {
    expect(ask({ id: 1, event: gaussian, ask: { epsilonAt: 1e-5 } })).toEqual({
      id: 1,
      epsilon: expect.closeTo(4.3772, 3),
      epsilonLower: expect.closeTo(4.3772, 3),
    })
    const byRdp = ask({ id: 'r', event: gaussian, accountant: 'rdp', ask: { epsilonAt: 1e-5 } })
    expect(Object.keys(byRdp).sort()).toEqual(['epsilon', 'id', 'optimalOrder'])
    expect(ask({ id: 2, event: gaussian, ask: { deltaAt: 1 } })).toEqual({ id: 2, delta: expect.closeTo(0.126936737506644, 12) })
    expect(ask({ id: 3, event: gaussian, ask: { rdpAt: 3 } })).toEqual({ id: 3, rdp: 1.5 })
    expect(ask({ id: 4, event: gaussian, ask: { rdpAt: 'inf' } })).toEqual({ id: 4, rdp: 'inf' })
    expect(ask({ id: 5, event: { kind: 'non-private' }, ask: { epsilonAt: 1e-5 } })).toEqual({ id: 5, epsilon: 'inf', epsilonLower: 'inf' })
    const open = {
      kind: 'composed',
      events: [{ kind: 'repeated', times: 2, event: { kind: 'gaussian', noiseMultiplier: null } }, gaussian],
    }
    const calibrated = ask({ id: 6, event: open, ask: { calibrate: { epsilon: 6, delta: 1e-5 } } })
    expect(Object.keys(calibrated)).toEqual(['id', 'noiseMultiplier'])
    expect(ask({ id: 7, event: gaussian, relation: 'replace-one', ask: { rdpAt: 3 } })).toEqual({ id: 7, rdp: 6 })
  })

  test.each([
    ['not JSON', 'nonsense', null, 'invalid-argument'],
    ['not an object', '[1]', null, 'invalid-argument'],
    ['an unknown kind', { id: 1, event: { kind: 'x' }, ask: { rdpAt: 2 } }, 1, 'unsupported-event'],
    ['an unknown ask', { id: 1, event: gaussian, ask: { muAt: 2 } }, 1, 'invalid-argument'],
    ['two asks', { id: 1, event: gaussian, ask: { rdpAt: 2, deltaAt: 1 } }, 1, 'invalid-argument'],
    ['no event', { id: 1, ask: { rdpAt: 2 } }, 1, 'invalid-argument'],
    ['an unknown relation', { id: 1, event: gaussian, relation: 'x', ask: { rdpAt: 2 } }, 1, 'invalid-argument'],
    ['an unknown accountant', { id: 1, event: gaussian, accountant: 'gdp', ask: { epsilonAt: 1e-5 } }, 1, 'invalid-argument'],
    ['δ = 1', { id: 1, event: gaussian, ask: { epsilonAt: 1 } }, 1, 'invalid-argument'],
    ['an order below 1', { id: 1, event: gaussian, ask: { rdpAt: 0.5 } }, 1, 'invalid-argument'],
    ['an open price', { id: 1, event: { kind: 'gaussian', noiseMultiplier: null }, ask: { epsilonAt: 1e-5 } }, 1, 'invalid-argument'],
    ['nothing to calibrate', { id: 1, event: gaussian, ask: { calibrate: { epsilon: 1, delta: 1e-5 } } }, 1, 'invalid-argument'],
    ['no id', { event: { kind: 'x' }, ask: { rdpAt: 2 } }, null, 'unsupported-event'],
  ])('a line with %s answers with its error', (_, line, id, code) => {
    expect(ask(line)).toEqual({ id, error: { code, message: expect.any(String) } })
  })

  test('streams, in order, past errors and empty lines', async () => {
    async function* lines() {
      yield JSON.stringify({ id: 'a', event: gaussian, ask: { rdpAt: 2 } })
      yield '  '
      yield '{'
      yield JSON.stringify({ id: 'b', event: gaussian, ask: { rdpAt: 4 } })
    }
    const answers = []
    for await (const answer of priceCases(lines())) answers.push(answer)
    expect(answers.map(({ id }) => id)).toEqual(['a', null, 'b'])
    expect(answers[2]).toEqual({ id: 'b', rdp: 2 })
  })

  test('infinity is spelled at any depth', () => {
    expect(jsonReady({ a: [Infinity, 1, null], b: { c: Infinity } })).toEqual({ a: ['inf', 1, null], b: { c: 'inf' } })
  })
})
