import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { TacetError } from '../errors.ts'
import { filesInMemory } from './files-in-memory.ts'
import type { ReadOptions } from './formats.ts'
import { detectFormat, readDataset } from './index.node.ts'
import type { Interactions } from './interactions.ts'
import { toCsv, toNdjson } from './ndjson.ts'
import { parseDataset } from './parse.ts'

const folder = mkdtempSync(join(tmpdir(), 'tacet-readers-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

type Contents = Parameters<typeof filesInMemory>[1]

const ml1m = {
  'users.dat': '1::F::1::10::48067\n2::M::56::16::70072\n7::M::25::0::11111\n',
  'movies.dat': new Uint8Array(Buffer.from('10::Amélie (2001)::Comedy|Romance\n20::Heat (1995)::Action\n30::Nobody (1900)::\n', 'latin1')),
  'ratings.dat': '1::10::5::978300760\n2::10::3::978302109\n1::20::4::978301968\n7::20::1::978300275\n',
} satisfies Contents

const ml100k = {
  'u.user': '1|24|M|technician|85711\n2|53|F|other|94043\n',
  'u.item':
    '1|Toy Story (1995)|01-Jan-1995||http://x|0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0\n267|unknown||||1|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0\n',
  'u.data': '1\t267\t3\t881250949\n2\t1\t5\t891717742\n',
} satisfies Contents

const mlLatest = {
  'movies.csv':
    'movieId,title,genres\r\n1,Toy Story (1995),Adventure|Animation\r\n11,"American President, The (1995)",Comedy\r\n12,"The ""Best"" Film",(no genres listed)\r\n',
  'ratings.csv': 'userId,movieId,rating,timestamp\r\n10,1,4.0,964982703\r\n9,11,0.5,964981247\r\n',
} satisfies Contents

const read = (contents: Contents, options: ReadOptions = {}, chunkBytes = 1 << 18) =>
  parseDataset(filesInMemory('set', contents, { chunkBytes }), options)

async function errorOf(promise: Promise<unknown>): Promise<TacetError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(TacetError)
  return error as TacetError
}

/** Rows as people see them. */
const rowsOf = (data: Interactions) =>
  Array.from(data.users, (user, row) => [
    data.userIds[user],
    data.itemIds[data.items[row] as number],
    data.values[row],
    ...(data.timestamps ? [data.timestamps[row]] : []),
  ])

const valuesOf = (data: Interactions, name: string) => Array.from(data.userAttributes.find((column) => column.name === name)?.values ?? [])

describe('MovieLens', () => {
  test('1M: the user table and the catalogue are the vocabulary, in their own order', async () => {
    const data = await read(ml1m)
    expect(data).toMatchObject({ name: 'ml-1m', feedback: 'explicit', ratingScale: { min: 1, max: 5 }, publicCutTimestamp: 975768738 })
    expect(data.userIds).toEqual(['1', '2', '7'])
    expect(data.itemIds).toEqual(['10', '20', '30'])
    expect(data.vocabulary).toEqual({ users: 'public-table', items: 'public-table' })
    expect(rowsOf(data)).toEqual([
      ['1', '10', 5, 978300760],
      ['2', '10', 3, 978302109],
      ['1', '20', 4, 978301968],
      ['7', '20', 1, 978300275],
    ])
    expect(valuesOf(data, 'gender')).toEqual([0, 1, 1])
    expect(valuesOf(data, 'age')).toEqual([1, 56, 25])
    expect(valuesOf(data, 'occupation')).toEqual([10, 16, 0])
    expect(data.userAttributes[2]?.categories?.[10]).toBe('K-12 student')
    expect(data.itemTable).toMatchObject({
      titles: ['Amélie (2001)', 'Heat (1995)', 'Nobody (1900)'],
      genreNames: ['Action', 'Comedy', 'Romance'],
      genres: [[1, 2], [0], []],
    })
    expect(Array.from(data.itemTable?.years ?? [])).toEqual([2001, 1995, 1900])
  })

  test('titles in UTF-8 are read as UTF-8, for copies that were re-encoded', async () => {
    const data = await read({ ...ml1m, 'movies.dat': '10::Amélie (2001)::Comedy\n20::Heat (1995)::Action\n' })
    expect(data.itemTable?.titles?.[0]).toBe('Amélie (2001)')
  })

  test('100K: tabs and bars, age as a number, occupation as a category, a film without a date', async () => {
    const data = await read(ml100k)
    expect(rowsOf(data)).toEqual([
      ['1', '267', 3, 881250949],
      ['2', '1', 5, 891717742],
    ])
    expect(valuesOf(data, 'age')).toEqual([24, 53])
    expect(valuesOf(data, 'gender')).toEqual([1, 0])
    expect(data.userAttributes[2]).toMatchObject({ kind: 'categorical', categories: ['other', 'technician'] })
    expect(data.itemTable?.genres).toEqual([[3, 4, 5], [0]])
    expect(Array.from(data.itemTable?.years ?? [])).toEqual([1995, Number.NaN])
  })

  test('latest: CRLF, quotes, half stars, a header; people are known from their ratings only, in the order of their ids', async () => {
    const data = await read(mlLatest)
    expect(data.userIds).toEqual(['9', '10'])
    expect(data.vocabulary).toEqual({ users: 'from-interactions', items: 'public-table' })
    expect(rowsOf(data)).toEqual([
      ['10', '1', 4, 964982703],
      ['9', '11', 0.5, 964981247],
    ])
    expect(data.itemTable?.titles).toEqual(['Toy Story (1995)', 'American President, The (1995)', 'The "Best" Film'])
    expect(data.itemTable?.genres).toEqual([[0, 1], [2], []])
  })
})

describe('other formats', () => {
  test('Book-Crossing: ratings by default, history on request; joke ages and missing countries are unknown', async () => {
    const contents = {
      'users_info.dat': 'User-ID\tLocation\tAge\n1\tminneapolis, minnesota, usa\t24\t\n2\tnowhere, , \t239\t\n',
      'items_info.dat':
        'Book_ID\tISBN\tBook-Title\tBook-Author\tYear-Of-Publication\tPublisher\tImage-URL-S\tImage-URL-M\tImage-URL-L\n' +
        '1\t0878911774\tAlgebra &amp\t Trigonometry\tStaff &amp\t Co\t2000\tREA\ta\tb\tc\t\n2\t1\tLost\tNobody\t2050\tX\ta\tb\tc\t\n',
      'book_ratings.dat': 'user\titem\trating\n1\t1\t7.000000\n',
      'book_history.dat': 'user\titem\taccessed\n1\t1\t1\n2\t2\t1\n',
    }
    const explicit = await read(contents)
    expect(explicit).toMatchObject({ name: 'book-crossing', feedback: 'explicit', ratingScale: { min: 1, max: 10 }, timestamps: null })
    expect(rowsOf(explicit)).toEqual([['1', '1', 7]])
    expect(valuesOf(explicit, 'age')).toEqual([24, Number.NaN])
    expect(valuesOf(explicit, 'country')).toEqual([0, Number.NaN])
    expect(explicit.itemTable?.titles).toEqual(['Algebra & Trigonometry', 'Lost'])
    expect(Array.from(explicit.itemTable?.years ?? [])).toEqual([2000, Number.NaN])
    const implicit = await read(contents, { format: 'book-crossing-implicit' })
    expect(implicit).toMatchObject({ feedback: 'implicit', ratingScale: null })
    expect(rowsOf(implicit)).toHaveLength(2)
  })

  test('Last.fm: play counts are weights, artists are the catalogue', async () => {
    const data = await read({
      'artists.dat': 'id\tname\turl\tpictureURL\n51\tDuran Duran\thttp://x\thttp://y\n52\tMorcheeba\thttp://x\n',
      'user_artists.dat': 'userID\tartistID\tweight\n2\t51\t13883\n',
    })
    expect(data).toMatchObject({ feedback: 'implicit', ratingScale: null, itemIds: ['51', '52'] })
    expect(rowsOf(data)).toEqual([['2', '51', 13883]])
    expect(data.itemTable?.titles).toEqual(['Duran Duran', 'Morcheeba'])
  })

  test('LightGCN: the two files are the given split; a pair in both stays in train', async () => {
    const data = await read({ 'train.txt': '0 3 1 \n1 2\n2\n', 'test.txt': '0 2 3\n1 0' })
    expect(rowsOf(data).map((row) => row.slice(0, 2).join('-'))).toEqual(['0-3', '0-1', '1-2', '0-2', '1-0'])
    expect(Array.from(data.givenSplit ?? [])).toEqual([0, 0, 0, 1, 1])
    expect(data.duplicateRows).toBe(1)
    expect(data.userIds).toEqual(['0', '1', '2'])
  })

  test.each([
    ['commas and a header', 'user_id,item_id,rating,timestamp\na,x,4,10\nb,y,2,20\n', {}],
    ['tabs without a header', 'a\tx\t4\t10\nb\ty\t2\t20\n', {}],
    [
      'semicolons and other names',
      'when;who;what;how\n10;a;x;4\n20;b;y;2\n',
      { columns: { user: 'who', item: 'what', rating: 'how', timestamp: 'when' } },
    ],
    ['bars and column numbers', '4|10|x|a\n2|20|y|b\n', { columns: { user: 4, item: 3, rating: 1, timestamp: 2 }, header: false }],
    ["RecBole's atomic file", 'user_id:token\titem_id:token\trating:float\ttimestamp:float\na\tx\t4\t10\nb\ty\t2\t20\n', {}],
    ['double colons', 'a::x::4::10\nb::y::2::20\n', {}],
    ['milliseconds and dates', 'user,item,rating,date\na,x,4,1970-01-01T00:00:10Z\nb,y,2,1970-01-01 00:00:20\n', {}],
    ['a byte order mark, CRLF and blanks round numbers', '\uFEFFuser,item,rating,timestamp\r\na,x, 4, 10\r\nb,y, 2, 20\r\n', {}],
  ] as const)('a delimited file: %s', async (_, text, options) => {
    const data = await read({ 'events.csv': text }, options)
    expect(rowsOf(data)).toEqual([
      ['a', 'x', 4, 10],
      ['b', 'y', 2, 20],
    ])
    expect(data).toMatchObject({ feedback: 'explicit', ratingScale: { min: 1, max: 5 }, ratingScaleSource: 'inferred' })
    expect(data.vocabulary).toEqual({ users: 'from-interactions', items: 'from-interactions' })
  })

  test('a delimited file without ratings, or with counts, is implicit', async () => {
    const pairs = await read({ 'pairs.tsv': 'user\titem\na\tx\na\ty\n' })
    expect(pairs).toMatchObject({ feedback: 'implicit', ratingScale: null, timestamps: null })
    const counts = await read({ 'counts.csv': 'user,item,count\na,x,7\na,x,2\n' })
    expect(counts.feedback).toBe('implicit')
    expect(rowsOf(counts)).toEqual([['a', 'x', 9]])
  })

  test('quoted fields may hold the delimiter, quotes and line ends', async () => {
    const data = await read({ 'q.csv': 'user,item,rating\n"a,b","say ""x""",3\n"two\nlines",y,4\nc,z,5\n' })
    expect(data.userIds).toEqual(['a,b', 'c', 'two\nlines'])
    expect(rowsOf(data)[0]).toEqual(['a,b', 'say "x"', 3])
    expect(rowsOf(data)[2]).toEqual(['c', 'z', 5])
  })

  test('ids are text: 7 and 007 are two people', async () => {
    const data = await read({ 'ids.csv': 'user,item,rating\n007,a,3\n7,a,4\n99999999999,a,4\n' })
    expect(data.userIds).toEqual(['7', '99999999999', '007'])
  })

  test('columns that cannot be told are asked for, with what there is', async () => {
    const error = await errorOf(read({ 'x.csv': 'foo,bar,baz\na,b,3\n' }))
    expect(error.code).toBe('invalid-argument')
    expect(error.message).toContain('"foo", "bar", "baz"')
    expect(error.wayOut).toContain('--user-column')
    const absent = await errorOf(read({ 'x.csv': 'user,item,rating\na,b,3\n' }, { columns: { user: 'nobody' } }))
    expect(absent.message).toContain('"nobody"')
  })

  test('ratings on no usual scale need a declared one', async () => {
    const text = 'user,item,rating\na,b,-9.5\nc,d,8\n'
    expect((await errorOf(read({ 'j.csv': text }))).wayOut).toContain('--rating-min')
    const data = await read({ 'j.csv': text }, { ratingScale: { min: -10, max: 10 } })
    expect(data).toMatchObject({ ratingScale: { min: -10, max: 10 }, ratingScaleSource: 'declared' })
  })

  test('options that a fixed format would ignore are refused', async () => {
    expect((await errorOf(read(ml1m, { delimiter: ',' }))).message).toContain('delimiter')
  })
})

describe('one row a pair', () => {
  test('a rating given twice counts once: the later one by time, whatever the order in the file', async () => {
    const lines = ['a,x,1,30', 'a,x,5,20', 'a,y,3,10']
    for (const order of [lines, lines.toReversed()]) {
      const data = await read({ 'd.csv': `user,item,rating,timestamp\n${order.join('\n')}\n` })
      expect(rowsOf(data).sort()).toEqual([
        ['a', 'x', 1, 30],
        ['a', 'y', 3, 10],
      ])
      expect(data.duplicateRows).toBe(1)
    }
  })

  test('without times the last row of the file stays', async () => {
    expect(rowsOf(await read({ 'd.csv': 'user,item,rating\na,x,1\na,x,5\n' }))).toEqual([['a', 'x', 5]])
  })
})

describe('bad input is named by file and line', () => {
  const withRating = (line: string): Contents => ({
    ...ml1m,
    'ratings.dat': `1::10::5::978300760\n2::10::3::978302109\n${line}\n7::20::1::978300275\n`,
  })

  test.each([
    ['a rating off the scale', '1::20::6::978301968', 'malformed-data', 'rating "6" is not on the scale 1 … 5'],
    ['a rating of zero', '1::20::0::978301968', 'malformed-data', 'rating "0" is not on the scale 1 … 5'],
    ['half a star where only whole ones exist', '1::20::3.5::978301968', 'malformed-data', 'multiple of 1'],
    ['a word for a rating', '1::20::good::978301968', 'malformed-data', 'rating "good" is not a number'],
    ['NaN for a rating', '1::20::NaN::978301968', 'malformed-data', 'rating "NaN" is not a number'],
    ['NaN for a time', '1::20::4::NaN', 'malformed-data', 'timestamp "NaN" is not a number of seconds'],
    ['a missing field', '1::20::4', 'malformed-data', '3 fields in "1::20::4"; expected user::movie::rating::timestamp'],
    ['an extra field', '1::20::4::978301968::x', 'malformed-data', '5 fields'],
    ['a blank line in the middle', '', 'malformed-data', 'a blank line'],
    ['an empty id', '::20::4::978301968', 'malformed-data', 'the user id is empty'],
    ['a person absent from users.dat', '99::20::4::978301968', 'unknown-id', 'user "99" is not in users.dat'],
    ['a film absent from movies.dat', '1::99::4::978301968', 'unknown-id', 'item "99" is not in movies.dat'],
  ] as const)('%s', async (_, line, code, problem) => {
    for (const chunkBytes of [1, 2, 7, 1 << 18]) {
      const error = await errorOf(read(withRating(line), {}, chunkBytes))
      expect(error.code).toBe(code)
      expect(error.message).toContain('set/ratings.dat, line 3: ')
      expect(error.message).toContain(problem)
      expect(error.details).toMatchObject({ file: 'set/ratings.dat', line: 3 })
    }
    const data = await read(withRating(line), { skipBadLines: true })
    expect(data.skippedLines).toBe(1)
    expect(rowsOf(data)).toHaveLength(3)
    expect(data.userIds).toHaveLength(3)
  })

  test('a skipped line leaves no id behind', async () => {
    const text = 'user,item,rating\na,x,4\nghost,phantom,none\n'
    const data = await read({ 'd.csv': text }, { skipBadLines: true })
    expect(data).toMatchObject({ userIds: ['a'], itemIds: ['x'], skippedLines: 1 })
  })

  test.each([
    ['users.dat', { ...ml1m, 'users.dat': '1::F::1::10::48067\n2::M::old::16::70072\n' }, 'set/users.dat, line 2: age "old"'],
    [
      'a person twice',
      { ...ml1m, 'users.dat': '1::F::1::10::48067\n1::M::25::16::70072\n' },
      'set/users.dat, line 2: id "1" is in the table already',
    ],
    ['an occupation code', { ...ml1m, 'users.dat': '1::F::1::21::48067\n' }, 'set/users.dat, line 1: occupation "21"'],
    ['movies.dat', { ...ml1m, 'movies.dat': '10::Heat\n' }, 'set/movies.dat, line 1: 2 fields'],
    ['u.item', { ...ml100k, 'u.item': '1|Toy Story\n' }, 'set/u.item, line 1: 2 fields'],
    ['a wrong header', { ...mlLatest, 'ratings.csv': 'a,b,c\n1,1,3\n' }, 'set/ratings.csv, line 1: the header is "a,b,c"'],
    ['a delimited file', { 'x.csv': 'user,item,rating\na,b,3\nc,d\n' }, 'set/x.csv, line 3: 2 fields'],
    ['a quote left open', { 'x.csv': 'user,item,rating\na,b,3\n"c,d,4\ne,f,5\n' }, 'set/x.csv, line 3: a quote is opened and never closed'],
    ['LightGCN', { 'train.txt': '0 1\n1 x 2\n', 'test.txt': '0 2\n' }, 'set/train.txt, line 2: item "x"'],
    ['a zip archive', { 'x.csv': 'PK\u0003\u0004aaaa' }, 'set/x.csv, line 1: this is a zip archive'],
  ] as const)('in %s', async (_, contents, message) => {
    expect((await errorOf(read(contents))).message).toContain(message)
  })

  test('after an open quote is skipped, the lines below it still count', async () => {
    const data = await read({ 'x.csv': 'user,item,rating\na,b,3\n"c,d,4\ne,f,5\ng,h,1\n' }, { skipBadLines: true })
    expect(data.userIds).toEqual(['a', 'e', 'g'])
    expect(data.skippedLines).toBe(1)
  })

  test('long and binary text is shortened and escaped in the message', async () => {
    const error = await errorOf(read(withRating(`1::20::${'\u0007'.repeat(500)}::1`)))
    expect(error.message.length).toBeLessThan(500)
    expect(error.message).toContain('\\u0007')
  })

  test('blank lines at the end, and a last line without an end, are fine', async () => {
    expect(rowsOf(await read({ ...ml1m, 'ratings.dat': '1::10::5::1\n2::10::3::2\n\n\r\n' }))).toHaveLength(2)
    expect(rowsOf(await read({ ...ml1m, 'ratings.dat': '1::10::5::1\r\n2::10::3::2' }))).toHaveLength(2)
  })

  test('no rows at all is empty-data, also when every row was skipped', async () => {
    expect((await errorOf(read({ ...ml1m, 'ratings.dat': '' }))).code).toBe('empty-data')
    expect((await errorOf(read({ 'x.csv': 'user,item,rating\n' }))).code).toBe('empty-data')
    expect((await errorOf(read({ 'x.csv': '' }))).code).toBe('empty-data')
    const skipped = await errorOf(read({ ...ml1m, 'ratings.dat': 'x\ny\n' }, { skipBadLines: true }))
    expect(skipped.message).toContain('2 bad lines skipped')
  })
})

describe('files on disk', () => {
  const write = (name: string, contents: Contents) => {
    const path = mkdtempSync(join(folder, `${name}-`))
    for (const [file, content] of Object.entries(contents)) writeFileSync(join(path, file), content)
    return path
  }

  test('any file may be gzipped, with or without .gz in its name', async () => {
    const plain = await readDataset(write('plain', ml1m))
    const packed = await readDataset(
      write('packed', {
        'users.dat.gz': gzipSync(ml1m['users.dat']),
        'movies.dat': gzipSync(ml1m['movies.dat']),
        'ratings.dat.gz': gzipSync(ml1m['ratings.dat']),
      }),
    )
    expect(packed).toEqual(plain)
    expect(plain).toEqual(await read(ml1m))
  })

  test('a cut-off gzip file is an error, not a shorter data set', async () => {
    const whole = gzipSync(Array.from({ length: 5000 }, (_, i) => `${i},${(i * 7919) % 1000},${1 + (i % 5)}`).join('\n'))
    const error = await errorOf(readDataset(join(write('cut', { 'x.csv.gz': whole.subarray(0, whole.length - 50) }), 'x.csv.gz')))
    expect(error.code).toBe('malformed-data')
    expect(error.message).toContain('cut-off gzip')
  })

  test('a path with nothing at it says what would be read', async () => {
    const error = await errorOf(readDataset(join(folder, 'not-there')))
    expect(error.code).toBe('missing-file')
    expect(error.message).toContain('not-there')
    expect(error.wayOut).toContain('ratings.dat (ml-1m)')
  })

  test('a folder without a known file, and one that lacks a table, say what was expected', async () => {
    const nothing = await errorOf(readDataset(write('nothing', { 'notes.md': 'hello' })))
    expect(nothing.code).toBe('missing-file')
    expect(nothing.message).toContain('u.data (ml-100k)')
    const { 'users.dat': _, ...rest } = ml1m
    const lacking = await errorOf(readDataset(write('lacking', rest)))
    expect(lacking).toMatchObject({ code: 'missing-file' })
    expect(lacking.message).toContain('users.dat')
  })

  test('the main file stands for its folder; with options of its own it is a plain table', async () => {
    const path = write('main', ml1m)
    expect(detectFormat(path)).toBe('ml-1m')
    expect(await readDataset(join(path, 'ratings.dat'))).toEqual(await readDataset(path))
    const table = await readDataset(join(path, 'ratings.dat'), { ratingScale: { min: 1, max: 5 } })
    expect(table).toMatchObject({ name: 'ratings', vocabulary: { users: 'from-interactions' }, ratingScaleSource: 'declared' })
  })

  test('progress counts every byte once', async () => {
    const path = write('progress', ml1m)
    let last = { bytesRead: 0, totalBytes: 0 }
    await readDataset(path, { onProgress: (progress) => (last = progress) })
    const size = Object.values(ml1m).reduce((sum, content) => sum + content.length, 0)
    expect(last).toEqual({ bytesRead: size, totalBytes: size })
  })
})

describe('what is written reads back', () => {
  const id = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }).filter((text) => !/\r/.test(text) && text.isWellFormed())
  const rating = fc.integer({ min: 0, max: 40 }).map((tenths) => Math.fround(1 + tenths / 10))
  const rowArbitrary = fc.record({ user: id, item: id, rating, timestamp: fc.integer({ min: 0, max: 4e9 }) })
  const rowsArbitrary = fc.uniqueArray(rowArbitrary, {
    minLength: 1,
    maxLength: 30,
    selector: ({ user, item }) => JSON.stringify([user, item]),
  })

  test('parse after format is the identity, in any chunking, as CSV and in the compact form', async () => {
    await fc.assert(
      fc.asyncProperty(rowsArbitrary, fc.integer({ min: 1, max: 50 }), async (list, chunkBytes) => {
        const quote = (text: string) => `"${text.replaceAll('"', '""')}"`
        const lines = list.map((row) => [quote(row.user), quote(row.item), row.rating, row.timestamp].join(','))
        const data = await read(
          { 'set.csv': `user,item,rating,timestamp\n${lines.join('\n')}` },
          { ratingScale: { min: 1, max: 5 } },
          chunkBytes,
        )
        expect(rowsOf(data)).toEqual(list.map((row) => [row.user, row.item, row.rating, row.timestamp]))
        const again = await read({ 'set.csv': [...toCsv(data)].join('') }, { ratingScale: { min: 1, max: 5 } }, chunkBytes)
        expect(again).toEqual(data)
        const compact = await read({ 'interactions.ndjson': [...toNdjson(data)].join('') }, {}, chunkBytes)
        expect(compact).toEqual({ ...data, name: data.name })
      }),
      { seed: 11, numRuns: 60 },
    )
  })

  test('the compact form keeps attributes, catalogue, split and cut', async () => {
    for (const contents of [ml1m, ml100k, mlLatest, { 'train.txt': '0 3 1\n1 2\n', 'test.txt': '0 2\n1 0\n' }]) {
      const data = await read(contents)
      expect(await read({ 'interactions.ndjson': [...toNdjson(data)].join('') })).toEqual(data)
    }
  })

  test('a compact file that was cut off, or has a bad row, says so', async () => {
    const text = [...toNdjson(await read(ml1m))].join('')
    const lines = text.trimEnd().split('\n')
    expect((await errorOf(read({ 'interactions.ndjson': lines.slice(0, -1).join('\n') }))).message).toContain('cut off')
    const bad = lines.with(-2, '[0,99,3,5]').join('\n')
    expect((await errorOf(read({ 'interactions.ndjson': bad }))).message).toContain(`line ${lines.length - 1}: item index 99`)
    expect((await read({ 'interactions.ndjson': bad }, { skipBadLines: true })).skippedLines).toBe(1)
    const newer = lines.with(0, (lines[0] as string).replace('"version":1', '"version":9')).join('\n')
    expect((await errorOf(read({ 'interactions.ndjson': newer }))).message).toContain('version 9')
  })
})
