import { describe, expect, test } from 'vitest'
import { logBinomialPmf, logGamma } from './special.ts'

describe('ln Γ', () => {
  test('agrees with factorials', () => {
    let factorial = 1
    for (let n = 1; n < 20; n++) {
      factorial *= n
      expect(logGamma(n + 1)).toBeCloseTo(Math.log(factorial), 12)
    }
  })

  test('agrees with ½·ln π at ½, and with its own recurrence far out', () => {
    expect(logGamma(0.5)).toBeCloseTo(0.5 * Math.log(Math.PI), 13)
    for (const x of [0.1, 7.3, 14.9, 1e3, 1e6]) expect(logGamma(x + 1) - logGamma(x)).toBeCloseTo(Math.log(x), 8)
  })
})

test('binomial chances add up to one, and certain outcomes are certain', () => {
  let sum = 0
  for (let k = 0; k <= 300; k++) sum += Math.exp(logBinomialPmf(300, k, 0.37))
  expect(sum).toBeCloseTo(1, 11)
  expect([logBinomialPmf(5, 0, 0), logBinomialPmf(5, 5, 1), logBinomialPmf(5, 1, 0)]).toEqual([0, 0, -Infinity])
})
