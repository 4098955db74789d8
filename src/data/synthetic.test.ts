import { describe, expect, test } from 'vitest'
import { describeDataset } from './describe.ts'
import { splitInteractions } from './splits.ts'
import { bestRmseOver, syntheticInteractions, syntheticLike } from './synthetic.ts'

const { data, bestRmse, truth } = syntheticInteractions({ seed: 4 })
const n = data.users.length

/** RMSE of a prediction a row. */
function rmse(predict: (row: number) => number): number {
  let sum = 0
  for (let row = 0; row < n; row++) sum += ((data.values[row] as number) - predict(row)) ** 2
  return Math.sqrt(sum / n)
}

test('the same seed gives the same data, another seed gives other data of the same size', () => {
  const again = syntheticInteractions({ seed: 4 })
  expect(again.data).toEqual(data)
  const other = syntheticInteractions({ seed: 5 }).data
  expect(other.users).toHaveLength(n)
  expect(other.values).not.toEqual(data.values)
})

test.each([
  { users: 1, items: 2, interactions: 2 },
  { users: 7, items: 3, interactions: 21 },
  { users: 50, items: 400, interactions: 49 },
  { users: 300, items: 80, interactions: 12_000 },
])('$users people × $items items get exactly $interactions different pairs on the scale', (size) => {
  const made = syntheticInteractions({ ...size, seed: 9 }).data
  expect(made.users).toHaveLength(size.interactions)
  expect(new Set(Array.from(made.users, (user, row) => user * size.items + (made.items[row] as number))).size).toBe(size.interactions)
  expect(Math.max(...made.users)).toBeLessThan(size.users)
  expect(Math.max(...made.items)).toBeLessThan(size.items)
  expect([1, 2, 3, 4, 5]).toEqual(expect.arrayContaining([...new Set(made.values)]))
  expect(new Set(made.itemTable?.titles).size).toBe(size.items)
})

test('sizes that do not fit are refused', () => {
  expect(() => syntheticInteractions({ users: 3, items: 3, interactions: 10 })).toThrow('10 interactions do not fit')
})

test('the best RMSE is what the truth achieves, and no constant shift of it does better', () => {
  // Each squared residual has mean = its variance; over 60,000 rows the mean is within 5 standard errors (false alarm below 1e-6).
  const residuals = Float64Array.from(data.values, (value, row) => (value - (truth.expectedRatings[row] as number)) ** 2)
  const mean = residuals.reduce((sum, value) => sum + value, 0) / n
  const deviation = Math.sqrt(residuals.reduce((sum, value) => sum + (value - mean) ** 2, 0) / n)
  expect(Math.abs(mean - bestRmse ** 2)).toBeLessThan((5 * deviation) / Math.sqrt(n))
  expect(rmse((row) => (truth.expectedRatings[row] as number) + 0.02)).toBeGreaterThan(rmse((row) => truth.expectedRatings[row] as number))
  expect(truth.expectedRating(data.users[123] as number, data.items[123] as number)).toBeCloseTo(truth.expectedRatings[123] as number, 6)
  expect(
    bestRmseOver(
      truth,
      Uint32Array.from({ length: n }, (_, row) => row),
    ),
  ).toBeCloseTo(bestRmse, 6)
})

test('there is a lot to learn between the constant and the best', () => {
  const mean = data.values.reduce((sum, value) => sum + value, 0) / n
  expect(rmse(() => mean) - bestRmse).toBeGreaterThan(0.2)
})

test('demographics move taste: groups differ in their mean taste by more than chance', () => {
  // For each of the 10 genres, the gap between the genders' mean residual after the item's own mean; under no influence each squared
  // z-score is χ²(1), their sum χ²(10), whose 1 − 1e-6 quantile is 44.9.
  const itemSums = new Float64Array(data.itemIds.length)
  const itemCounts = new Float64Array(data.itemIds.length)
  for (let row = 0; row < n; row++) {
    const item = data.items[row] as number
    itemSums[item] = (itemSums[item] as number) + (data.values[row] as number)
    itemCounts[item] = (itemCounts[item] as number) + 1
  }
  const gender = data.userAttributes[0]?.values as Float32Array
  // A person's rows move together, so the unit is the person: one mean a person and genre.
  let chiSquare = 0
  for (let genre = 0; genre < 10; genre++) {
    const means: number[][] = [[], []]
    const sums = new Map<number, [number, number]>()
    for (let row = 0; row < n; row++) {
      const item = data.items[row] as number
      if (!data.itemTable?.genres[item]?.includes(genre)) continue
      const residual = (data.values[row] as number) - (itemSums[item] as number) / (itemCounts[item] as number)
      const [sum, count] = sums.get(data.users[row] as number) ?? [0, 0]
      sums.set(data.users[row] as number, [sum + residual, count + 1])
    }
    for (const [user, [sum, count]] of sums) means[gender[user] as number]?.push(sum / count)
    const [f, m] = means.map((list) => {
      const mean = list.reduce((sum, value) => sum + value, 0) / list.length
      return { mean, error: list.reduce((sum, value) => sum + (value - mean) ** 2, 0) / list.length ** 2 }
    })
    chiSquare += ((f?.mean as number) - (m?.mean as number)) ** 2 / ((f?.error as number) + (m?.error as number))
  }
  expect(chiSquare).toBeGreaterThan(44.9)
})

test('popularity and activity are skewed', () => {
  const { perUser, perItem } = describeDataset(data)
  expect(perUser.max / perUser.median).toBeGreaterThan(4)
  expect(perItem.max / perItem.median).toBeGreaterThan(3)
})

test.each([1, 2, 3, 4, 5])('seed %d: the declared cut holds back about a fifth, with some unseen people', (seed) => {
  const made = syntheticInteractions({ seed }).data
  const split = splitInteractions(made, { kind: 'chronological' })
  expect(split.dataDependent).toBe(false)
  expect(split.test.length / n).toBeGreaterThan(0.15)
  expect(split.test.length / n).toBeLessThan(0.25)
})

describe('data like another', () => {
  test('has its sizes and scale and nothing else of it', () => {
    const shape = { ...data, name: 'books', ratingScale: { min: 1, max: 10 } }
    const like = syntheticLike(shape, { seed: 8 }).data
    expect(describeDataset(like)).toMatchObject({ interactions: n, userTable: 1000, catalogue: 500, ratingScale: { min: 1, max: 10 } })
    expect(Math.max(...like.values)).toBe(10)
    expect(like.name).toBe('synthetic like books')
  })

  test('half stars stay half stars', () => {
    const { values } = syntheticLike({ ...data, ratingScale: { min: 0.5, max: 5 } }).data
    expect(values.every((value) => value >= 0.5 && value <= 5 && value % 0.5 === 0)).toBe(true)
    expect(values.some((value) => value % 1 !== 0)).toBe(true)
  })
})
