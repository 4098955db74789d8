import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Interactions } from '../data/index.ts'
import { TacetError } from '../errors.ts'
import { constantBaseline, evaluateRatings, itemMeanBaseline, mae, measureErrors, ratingResiduals, rmse } from './index.ts'

const data: Interactions = {
  name: 'six-rows',
  feedback: 'explicit',
  ratingScale: { min: 1, max: 5 },
  users: Uint32Array.of(0, 0, 1, 1, 2, 2),
  items: Uint32Array.of(0, 1, 0, 2, 1, 2),
  values: Float32Array.of(5, 3, 4, 1, 2, 5),
  timestamps: null,
  userIds: ['a', 'b', 'c'],
  itemIds: ['x', 'y', 'z'],
  vocabulary: { users: 'from-interactions', items: 'from-interactions' },
  userAttributes: [],
  itemTable: null,
  givenSplit: null,
  skippedLines: 0,
}
const rows = (...numbers: number[]) => Uint32Array.from(numbers)
const always =
  (value: number) =>
  (_users: Uint32Array, items: Uint32Array, out: Float32Array): void => {
    out.fill(value, 0, items.length)
  }
const codeOf = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    return error instanceof TacetError ? error.code : String(error)
  }
  return 'no error'
}

test('RMSE and MAE are the textbook formulas', () => {
  expect(rmse([1, 2, 4], [1, 4, 3])).toBeCloseTo(Math.sqrt(5 / 3), 12)
  expect(mae([1, 2, 4], [1, 4, 3])).toBeCloseTo(1, 12)
})

test('RMSE is never below MAE, and both scale with the errors', () => {
  const column = fc.array(
    fc.integer({ min: -5000, max: 5000 }).map((thousandths) => thousandths / 1000),
    { minLength: 1, maxLength: 30 },
  )
  fc.assert(
    fc.property(column, (errors) => {
      const zeros = errors.map(() => 0)
      const once = measureErrors(errors, zeros)
      const twice = measureErrors(
        errors.map((error) => 2 * error),
        zeros,
      )
      expect(once.rmse).toBeGreaterThanOrEqual(once.mae * (1 - 1e-12))
      expect(twice.rmse).toBeCloseTo(2 * once.rmse, 9)
      expect(twice.mae).toBeCloseTo(2 * once.mae, 9)
    }),
    { seed: 3 },
  )
})

test('a NaN prediction is an error, not a number', () => {
  expect(codeOf(() => rmse([1, Number.NaN], [1, 2]))).toBe('diverged')
  expect(codeOf(() => evaluateRatings(always(Number.NaN), data, rows(0, 1)))).toBe('diverged')
  expect(codeOf(() => evaluateRatings(always(Number.POSITIVE_INFINITY), data, rows(0)))).toBe('diverged')
})

test('no rows is an error, not a perfect score', () => {
  expect(codeOf(() => rmse([], []))).toBe('empty-data')
  expect(codeOf(() => evaluateRatings(always(3), data, rows()))).toBe('empty-data')
  expect(codeOf(() => constantBaseline(data, rows()))).toBe('empty-data')
})

test('columns of different length are an error', () => {
  expect(codeOf(() => mae([1], [1, 2]))).toBe('internal')
})

test('predictions are clipped to the public scale before they are measured', () => {
  expect(evaluateRatings(always(9), data, rows(0, 5))).toEqual({ rmse: 0, mae: 0 })
  expect(evaluateRatings(always(-9), data, rows(3))).toEqual({ rmse: 0, mae: 0 })
  expect(evaluateRatings(always(9), { ...data, ratingScale: null }, rows(0)).mae).toBe(4)
})

test('only the given rows count, in their order', () => {
  expect([...ratingResiduals(always(3), data, rows(3, 0, 1))]).toEqual([2, -2, 0])
  expect(evaluateRatings(always(3), data, rows(3, 0, 1)).mae).toBeCloseTo(4 / 3, 12)
})

test('the constant is the training mean, and the item mean falls back to it', () => {
  const out = new Float32Array(3)
  constantBaseline(data, rows(0, 1, 2))(rows(0, 1, 2), rows(0, 1, 2), out)
  expect([...out]).toEqual([4, 4, 4])
  itemMeanBaseline(data, rows(0, 1, 2))(rows(0, 1, 2), rows(0, 1, 2), out)
  expect([...out]).toEqual([4.5, 3, 4])
})

test('more rows than one chunk give the same figure as one by one', () => {
  const many = 70_000
  const big: Interactions = {
    ...data,
    users: new Uint32Array(many),
    items: Uint32Array.from({ length: many }, (_, i) => i % 3),
    values: Float32Array.from({ length: many }, (_, i) => 1 + (i % 5)),
  }
  const byItem = (_users: Uint32Array, items: Uint32Array, out: Float32Array) => {
    for (let i = 0; i < items.length; i++) out[i] = 2 + (items[i] as number)
  }
  const all = Uint32Array.from({ length: many }, (_, i) => i)
  const expected = measureErrors(
    Array.from(all, (i) => 2 + (i % 3)),
    big.values,
  )
  expect(evaluateRatings(byItem, big, all).rmse).toBeCloseTo(expected.rmse, 12)
})
