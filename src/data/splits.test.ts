import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TacetError } from '../errors.ts'
import type { Interactions, Split } from './interactions.ts'
import { availableSplits, countTestRowsOfUnseenUsers, type SplitOptions, splitInteractions } from './splits.ts'
import { syntheticInteractions } from './synthetic.ts'

const { data } = syntheticInteractions({ users: 60, items: 50, interactions: 900, seed: 3 })
const cutTimestamp = data.publicCutTimestamp as number

const kinds: readonly SplitOptions[] = [
  { kind: 'chronological' },
  { kind: 'chronological', testFraction: 0.2 },
  { kind: 'random' },
  { kind: 'random', testFraction: 0.35, seed: 2 ** 40 + 7 },
  { kind: 'per-user-chronological' },
  { kind: 'leave-one-out' },
]

/** The same data with its rows in another order, or with some rows gone. */
function withRows(source: Interactions, rows: readonly number[]): Interactions {
  return {
    ...source,
    users: Uint32Array.from(rows, (row) => source.users[row] as number),
    items: Uint32Array.from(rows, (row) => source.items[row] as number),
    values: Float32Array.from(rows, (row) => source.values[row] as number),
    timestamps: source.timestamps && Float64Array.from(rows, (row) => source.timestamps?.[row] as number),
    givenSplit: source.givenSplit && Uint8Array.from(rows, (row) => source.givenSplit?.[row] as number),
  }
}

const allRows = Array.from(data.users, (_, row) => row)
const pairOf = (source: Interactions, row: number) =>
  `${source.userIds[source.users[row] as number]}/${source.itemIds[source.items[row] as number]}`
const testPairs = (source: Interactions, split: Split) => new Set(Array.from(split.test, (row) => pairOf(source, row)))

describe.each(kinds)('split %o', (options) => {
  test('train and test are disjoint, complete and ascending', () => {
    const { train, test: held } = splitInteractions(data, options)
    expect([...train, ...held].sort((a, b) => a - b)).toEqual(allRows)
    for (const side of [train, held]) expect(Array.from(side)).toEqual(Array.from(side).sort((a, b) => a - b))
  })

  test('the order of the rows decides nothing', () => {
    const reversed = withRows(data, allRows.toReversed())
    expect(testPairs(reversed, splitInteractions(reversed, options))).toEqual(testPairs(data, splitInteractions(data, options)))
  })
})

describe.each(kinds.filter((options) => !splitInteractions(data, options).dataDependent))('split %o, fit for a private run', (options) => {
  test('taking any row away moves no other row', () => {
    const whole = testPairs(data, splitInteractions(data, options))
    fc.assert(
      fc.property(fc.nat({ max: allRows.length - 1 }), (gone) => {
        const less = withRows(
          data,
          allRows.filter((row) => row !== gone),
        )
        const expected = new Set(whole)
        expected.delete(pairOf(data, gone))
        expect(testPairs(less, splitInteractions(less, options))).toEqual(expected)
      }),
      { seed: 5, numRuns: 40 },
    )
  })
})

test('a cut by rank says that it depends on the data: taking one row away does move another', () => {
  const options = { kind: 'chronological', testFraction: 0.2 } as const
  const split = splitInteractions(data, options)
  expect(split.dataDependent).toBe(true)
  const whole = testPairs(data, split)
  const moved = Array.from(split.test.slice(0, 20)).some((gone) => {
    const less = withRows(
      data,
      allRows.filter((row) => row !== gone),
    )
    return [...testPairs(less, splitInteractions(less, options))].some((pair) => !whole.has(pair))
  })
  expect(moved).toBe(true)
})

test('a chronological cut sends rows at the very time to test, and says where it cut', () => {
  const time = data.timestamps?.[17] as number
  const split = splitInteractions(data, { kind: 'chronological', cutTimestamp: time })
  expect(split.test).toContain(17)
  expect(split).toMatchObject({ cutTimestamp: time, dataDependent: false })
  expect(split.description).toContain(String(time))
  for (const row of split.train) expect(data.timestamps?.[row]).toBeLessThan(time)
})

test('the random split holds its fraction for every seed, and seeds are unrelated', () => {
  // 200 seeds on 900 rows: z-scores have mean 0 ± 5/√200 and spread 1 ± 0.25 (both beyond 4.9 standard errors: false alarm below 1e-5).
  const scores = Array.from({ length: 200 }, (_, seed) => {
    const { length } = splitInteractions(data, { kind: 'random', seed }).test
    return (length - 0.2 * 900) / Math.sqrt(900 * 0.2 * 0.8)
  })
  const mean = scores.reduce((sum, z) => sum + z, 0) / scores.length
  const spread = Math.sqrt(scores.reduce((sum, z) => sum + z * z, 0) / scores.length)
  expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(200))
  expect(Math.abs(spread - 1)).toBeLessThan(0.25)
  const [first, second] = [1, 2].map((seed) => testPairs(data, splitInteractions(data, { kind: 'random', seed })))
  const both = [...(first as Set<string>)].filter((pair) => second?.has(pair)).length
  expect(Math.abs(both - 36) / 6).toBeLessThan(5)
})

test('leave-one-out holds back exactly the latest row of each person who has two', () => {
  const { test: held } = splitInteractions(data, { kind: 'leave-one-out' })
  for (const row of held) {
    const own = allRows.filter((other) => data.users[other] === data.users[row])
    expect(own.length).toBeGreaterThan(1)
    expect(Math.max(...own.map((other) => data.timestamps?.[other] as number))).toBe(data.timestamps?.[row])
  }
  const busy = new Set(data.users.filter((user, row) => data.users.indexOf(user) !== row))
  expect(held).toHaveLength(busy.size)
})

test('at equal times the ids decide which row is the last, not the order of the file', () => {
  const tied: Interactions = { ...data, timestamps: new Float64Array(data.users.length).fill(cutTimestamp) }
  const reversed = withRows(tied, allRows.toReversed())
  const options = { kind: 'leave-one-out' } as const
  expect(testPairs(reversed, splitInteractions(reversed, options))).toEqual(testPairs(tied, splitInteractions(tied, options)))
})

test('a per-person split never empties a person’s train side', () => {
  const split = splitInteractions(data, { kind: 'per-user-chronological', testFraction: 0.9 })
  expect(countTestRowsOfUnseenUsers(data, split)).toBe(0)
})

test('test rows of unseen people are counted', () => {
  const split = splitInteractions(data, { kind: 'chronological' })
  const seen = new Set(Array.from(split.train, (row) => data.users[row]))
  const expected = Array.from(split.test).filter((row) => !seen.has(data.users[row])).length
  expect(expected).toBeGreaterThan(0)
  expect(countTestRowsOfUnseenUsers(data, split)).toBe(expected)
})

test('the given split is what the data set says', () => {
  const given = { ...data, givenSplit: Uint8Array.from(allRows, (row) => Number(row % 3 === 0)) }
  expect(Array.from(splitInteractions(given, { kind: 'given' }).test)).toEqual(allRows.filter((row) => row % 3 === 0))
  expect(availableSplits(given)).toContain('given')
})

describe('splits that cannot be made are refused with a way out', () => {
  const timeless: Interactions = { ...data, timestamps: null }
  const { publicCutTimestamp: _, ...undeclared } = data
  test.each([
    ['chronological without times', timeless, { kind: 'chronological' }, '--split random'],
    ['leave-one-out without times', timeless, { kind: 'leave-one-out' }, '--split random'],
    ['chronological without a public cut', undeclared, { kind: 'chronological' }, '--cut-timestamp'],
    ['a cut after all rows', data, { kind: 'chronological', cutTimestamp: 9e9 }, '--cut-timestamp'],
    ['given without one', data, { kind: 'given' }, 'random'],
    ['a time that is NaN', withNaN(), { kind: 'chronological', cutTimestamp }, '--split random'],
  ] as const)('%s', (_name, source, options, wayOut) => {
    expect.assertions(3)
    try {
      splitInteractions(source, options)
    } catch (error) {
      expect(error).toBeInstanceOf(TacetError)
      expect((error as TacetError).code).toBe('invalid-argument')
      expect((error as TacetError).wayOut).toContain(wayOut)
    }
  })

  test.each([0, 1, Number.NaN, -0.2])('a test fraction of %d', (testFraction) => {
    expect(() => splitInteractions(data, { kind: 'random', testFraction })).toThrow(TacetError)
  })
})

function withNaN(): Interactions {
  const timestamps = Float64Array.from(data.timestamps as Float64Array)
  timestamps[4] = Number.NaN
  return { ...data, timestamps }
}
