/** The published data sets, where a copy is at hand: counts against each set's own readme. No row of them is in this repository. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { describeDataset } from './describe.ts'
import { readDataset } from './index.node.ts'
import { countTestRowsOfUnseenUsers, splitInteractions } from './splits.ts'

const root = process.env.TACET_DATA ?? join(import.meta.dirname, '../../../shared/data')

/** Registers the test, or, without the data, one whose name says that nothing was checked. */
function withData(folder: string, name: string, check: (path: string) => Promise<void>): void {
  const path = join(root, folder)
  if (existsSync(path)) test(`${folder}: ${name}`, () => check(path))
  else {
    test(`${folder}: NOT CHECKED, data set not present (set TACET_DATA to a folder that holds it)`, () => {
      expect(existsSync(path)).toBe(false)
    })
  }
}

withData('ml-1m', 'counts, attributes, the true chronological split, and read within two seconds', async (path) => {
  await readDataset(path)
  const started = performance.now()
  const cpuBefore = process.cpuUsage()
  const data = await readDataset(path)
  const cpu = process.cpuUsage(cpuBefore)
  // CPU time where it is the smaller of the two: other tests may hold the cores.
  expect(Math.min(performance.now() - started, (cpu.user + cpu.system) / 1000)).toBeLessThan(2000)
  expect(describeDataset(data)).toMatchObject({
    users: 6040,
    items: 3706,
    catalogue: 3883,
    interactions: 1_000_209,
    ratings: { 1: 56_174, 2: 107_557, 3: 261_197, 4: 348_971, 5: 226_310 },
    duplicateRows: 0,
  })
  const [gender, age, occupation] = data.userAttributes
  expect(gender?.values.filter((code) => gender.categories?.[code] === 'F')).toHaveLength(1709)
  expect(age?.values.filter((value) => value === 25)).toHaveLength(2096)
  expect(new Set(occupation?.values).size).toBe(21)
  const split = splitInteractions(data, { kind: 'chronological' })
  expect([split.train.length, split.test.length]).toEqual([800_165, 200_044])
  expect(countTestRowsOfUnseenUsers(data, split)).toBe(95_502)
  const random = splitInteractions(data, { kind: 'random' }).test.length
  // Standard deviation 400: five of them.
  expect(Math.abs(random - 200_042)).toBeLessThan(2000)
})

withData('ml-100k', 'counts, attributes and the declared cut', async (path) => {
  const data = await readDataset(path)
  expect(describeDataset(data)).toMatchObject({
    users: 943,
    items: 1682,
    interactions: 100_000,
    ratings: { 1: 6110, 2: 11_370, 3: 27_145, 4: 34_174, 5: 21_201 },
  })
  expect(data.userAttributes.map(({ name }) => name)).toEqual(['gender', 'age', 'occupation'])
  expect(data.userAttributes[0]?.values.filter((code) => code === 0)).toHaveLength(273)
  expect(data.userAttributes[2]?.categories).toHaveLength(21)
  expect(splitInteractions(data, { kind: 'chronological' }).test).toHaveLength(20_001)
})

withData('ml-latest-small', 'counts and the declared cut', async (path) => {
  const data = await readDataset(path)
  expect(describeDataset(data)).toMatchObject({ name: 'ml-latest-small', users: 610, items: 9724, catalogue: 9742, interactions: 100_836 })
  expect(splitInteractions(data, { kind: 'chronological' }).test).toHaveLength(20_168)
})

withData('book-crossing', 'counts (the readme counts the header line as a row), ages and countries', async (path) => {
  const data = await readDataset(path)
  expect(describeDataset(data)).toMatchObject({ users: 1295, userTable: 2946, items: 14_684, catalogue: 17_384, interactions: 62_656 })
  expect(describeDataset(data).ratings).toMatchObject({ 1: 160, 8: 15_629, 10: 13_884 })
  const [age, country] = data.userAttributes
  expect(age?.values.filter(Number.isNaN)).toHaveLength(12)
  expect(country?.values.filter((code) => country.categories?.[code] === 'usa')).toHaveLength(2128)
  expect(country?.values.filter(Number.isNaN)).toHaveLength(72)
  const history = await readDataset(path, { format: 'book-crossing-implicit' })
  expect(describeDataset(history)).toMatchObject({ users: 2946, items: 17_384, interactions: 272_678 })
})

withData('lastfm-2k', 'counts', async (path) => {
  expect(describeDataset(await readDataset(path))).toMatchObject({ users: 1892, items: 17_632, interactions: 92_834, feedback: 'implicit' })
})

withData('gowalla-lightgcn', 'counts and the given split', async (path) => {
  const data = await readDataset(path)
  expect(describeDataset(data)).toMatchObject({ users: 29_858, items: 40_981, interactions: 1_027_370, duplicateRows: 0 })
  const split = splitInteractions(data, { kind: 'given' })
  expect([split.train.length, split.test.length]).toEqual([810_128, 217_242])
  expect(countTestRowsOfUnseenUsers(data, split)).toBe(0)
})
