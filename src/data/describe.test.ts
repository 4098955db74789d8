import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { datasetSize, describeDataset } from './describe.ts'
import { filesInMemory } from './files-in-memory.ts'
import { convertDataset, readDataset } from './index.node.ts'
import { parseDataset } from './parse.ts'
import { syntheticInteractions } from './synthetic.ts'

const folder = mkdtempSync(join(tmpdir(), 'tacet-describe-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const small = () =>
  parseDataset(
    filesInMemory('set', {
      'users.dat': '1::F::1::10::0\n2::M::56::16::0\n3::M::25::0::0\n',
      'movies.dat': '10::A (2001)::Comedy\n20::B (1995)::Action\n30::C (1900)::\n',
      'ratings.dat': '1::10::5::100\n2::10::3::300\n1::20::5::200\n',
    }),
  )

test('facts of a small set, by hand', async () => {
  expect(describeDataset(await small())).toEqual({
    name: 'ml-1m',
    feedback: 'explicit',
    users: 2,
    userTable: 3,
    items: 2,
    catalogue: 3,
    interactions: 3,
    density: 0.75,
    ratingScale: { min: 1, max: 5 },
    ratingScaleSource: 'format',
    ratings: { 3: 1, 5: 2 },
    meanValue: 13 / 3,
    timestamps: { first: 100, last: 300 },
    publicCutTimestamp: 975768738,
    userAttributes: [
      { name: 'gender', kind: 'categorical', categories: ['F', 'M'], unknown: 0 },
      { name: 'age', kind: 'numeric', categories: null, unknown: 0 },
      { name: 'occupation', kind: 'numeric', categories: expect.arrayContaining(['writer']), unknown: 0 },
    ],
    itemMetadata: { titles: true, genres: ['Action', 'Comedy'], years: true },
    vocabulary: { users: 'public-table', items: 'public-table' },
    perUser: { min: 1, median: 1.5, mean: 1.5, max: 2 },
    perItem: { min: 1, median: 1.5, mean: 1.5, max: 2 },
    skippedLines: 0,
    duplicateRows: 0,
    splits: ['chronological', 'random', 'per-user-chronological', 'leave-one-out'],
  })
  expect(datasetSize(await small())).toEqual({ name: 'ml-1m', users: 2, items: 2, interactions: 3 })
})

test('the description is plain JSON', () => {
  const description = describeDataset(syntheticInteractions({ users: 30, items: 20, interactions: 100 }).data)
  expect(JSON.parse(JSON.stringify(description))).toEqual(description)
})

test('without tables there are none to describe', async () => {
  const data = await parseDataset(filesInMemory('set', { 'x.csv': 'user,item\na,b\n' }))
  expect(describeDataset(data)).toMatchObject({
    userTable: null,
    catalogue: null,
    ratings: null,
    ratingScale: null,
    timestamps: null,
    splits: ['random'],
  })
})

describe('conversion', () => {
  test.each(['out.csv', 'out.csv.gz', 'out.ndjson', 'out.ndjson.gz'])('to %s reads back', async (name) => {
    const data = await small()
    const out = join(folder, name)
    const to = name.includes('csv') ? 'csv' : 'ndjson'
    const report = await convertDataset(data, { to, out })
    expect(report).toMatchObject({ out, to, interactions: 3, bytes: readFileSync(out).length })
    expect(readFileSync(out)[0] === 0x1f).toBe(name.endsWith('.gz'))
    const back = await readDataset(out)
    expect(Array.from(back.values)).toEqual(Array.from(data.values))
    if (to === 'ndjson') expect(back).toEqual(data)
    else expect(report.leftOut).toContain('user attribute gender')
  })

  test('an existing file is left alone; a folder that is not there is an error; no temporary file stays', async () => {
    const data = await small()
    const out = join(folder, 'taken.csv')
    await convertDataset(data, { to: 'csv', out })
    await expect(convertDataset(data, { to: 'csv', out })).rejects.toMatchObject({ code: 'output-exists' })
    const nowhere = join(folder, 'no', 'such', 'x.csv')
    await expect(convertDataset(data, { to: 'csv', out: nowhere })).rejects.toMatchObject({ code: 'output-not-writable' })
    expect(existsSync(nowhere)).toBe(false)
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })
})
