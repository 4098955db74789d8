/**
 * MovieLens as published: 1M (`::`), 100K (tabs and bars), latest and the other CSV releases. The user table and the catalogue are the
 * vocabulary, so a film nobody rated keeps its row. Zip codes and tags are not read.
 * @see Harper & Konstan 2015, ACM TiiS 5(4):19, and the readme of each release
 */
import { assemble, createRows } from './assemble.ts'
import { type FileSet, formatFacts } from './formats.ts'
import { createIdIndex, type IdIndex } from './ids.ts'
import type { AttributeColumn, Interactions, ItemTable } from './interactions.ts'
import type { LineErrors } from './line-errors.ts'
import {
  addTableId,
  categoricalColumn,
  eachRecord,
  fieldNumber,
  fieldText,
  itemTableOf,
  numericColumn,
  quoteField,
  readRatings,
  yearOfTitle,
} from './tables.ts'

/** Occupation codes 0 … 20 of MovieLens 1M's readme. */
const ml1mOccupations = [
  'other',
  'academic/educator',
  'artist',
  'clerical/admin',
  'college/grad student',
  'customer service',
  'doctor/health care',
  'executive/managerial',
  'farmer',
  'homemaker',
  'K-12 student',
  'lawyer',
  'programmer',
  'retired',
  'sales/marketing',
  'scientist',
  'self-employed',
  'technician/engineer',
  'tradesman/craftsman',
  'unemployed',
  'writer',
] as const

/** Genres of MovieLens 100K's u.genre, in the order of u.item's flags. */
const ml100kGenres = [
  'unknown',
  'Action',
  'Adventure',
  'Animation',
  "Children's",
  'Comedy',
  'Crime',
  'Documentary',
  'Drama',
  'Fantasy',
  'Film-Noir',
  'Horror',
  'Musical',
  'Mystery',
  'Romance',
  'Sci-Fi',
  'Thriller',
  'War',
  'Western',
] as const

export async function readMl1m(files: FileSet, errors: LineErrors): Promise<Interactions> {
  const users = createIdIndex()
  const genders: string[] = []
  const ages: number[] = []
  const occupations: number[] = []
  const userFile = files.open('users.dat')
  const userLayout = { delimiter: '::', fields: [4, 5], shape: 'user::gender::age::occupation::zip' } as const
  await eachRecord(userFile, userLayout, errors, (bytes, fields, line) => {
    const gender = fieldText(bytes, fields, 1)
    const age = fieldNumber(bytes, fields, 2)
    const occupation = fieldNumber(bytes, fields, 3)
    if (gender !== 'F' && gender !== 'M') {
      return errors.bad(userFile.path, line, `gender ${quoteField(bytes, fields, 1)} is neither F nor M`)
    }
    if (!(age >= 0)) return errors.bad(userFile.path, line, `age ${quoteField(bytes, fields, 2)} is not a number ≥ 0`)
    if (!(Number.isInteger(occupation) && occupation >= 0 && occupation < ml1mOccupations.length)) {
      return errors.bad(userFile.path, line, `occupation ${quoteField(bytes, fields, 3)} is not a code from 0 to 20`)
    }
    if (!addTableId(users, userFile.path, bytes, fields, line, errors)) return
    genders.push(gender)
    ages.push(age)
    occupations.push(occupation)
  })

  const items = createIdIndex()
  const titles: string[] = []
  const genres: string[][] = []
  const itemFile = files.open('movies.dat')
  const itemLayout = { delimiter: '::', fields: [3, 3], shape: 'movie::title (year)::genre|genre' } as const
  await eachRecord(itemFile, itemLayout, errors, (bytes, fields, line) => {
    if (!addTableId(items, itemFile.path, bytes, fields, line, errors)) return
    titles.push(fieldText(bytes, fields, 1))
    genres.push(genreList(fieldText(bytes, fields, 2)))
  })

  const rows = createRows({ timestamps: true })
  const facts = formatFacts['ml-1m']
  const vocabularies = {
    users: { index: users, source: 'public-table' },
    items: { index: items, source: 'public-table' },
  } as const
  const ratings = {
    layout: { delimiter: '::', fields: [4, 4], shape: 'user::movie::rating::timestamp' },
    ...vocabularies,
    userTable: 'users.dat',
    itemTable: 'movies.dat',
    scale: facts.ratingScale,
    step: facts.ratingStep,
    timestamps: true,
  } as const
  await readRatings(files.open('ratings.dat'), ratings, rows, errors)
  return assemble({
    name: 'ml-1m',
    path: files.path,
    feedback: 'explicit',
    ratingScale: facts.ratingScale,
    rows,
    ...vocabularies,
    userAttributes: [
      categoricalColumn('gender', genders, ['F', 'M']),
      numericColumn('age', ages),
      numericColumn('occupation', occupations, ml1mOccupations),
    ],
    itemTable: itemTableOf(titles, genres, titles.map(yearOfTitle)),
    skippedLines: errors.skipped,
    publicCutTimestamp: facts.publicCutTimestamp ?? undefined,
  })
}

function genreList(text: string): string[] {
  return text === '' || text === '(no genres listed)' ? [] : [...new Set(text.split('|'))]
}

export async function readMl100k(files: FileSet, errors: LineErrors): Promise<Interactions> {
  const users = createIdIndex()
  const ages: number[] = []
  const genders: string[] = []
  const occupations: string[] = []
  const userFile = files.open('u.user')
  const userLayout = { delimiter: '|', fields: [4, 5], shape: 'user|age|gender|occupation|zip' } as const
  await eachRecord(userFile, userLayout, errors, (bytes, fields, line) => {
    const age = fieldNumber(bytes, fields, 1)
    const gender = fieldText(bytes, fields, 2)
    if (!(age >= 0)) return errors.bad(userFile.path, line, `age ${quoteField(bytes, fields, 1)} is not a number ≥ 0`)
    if (gender !== 'F' && gender !== 'M') {
      return errors.bad(userFile.path, line, `gender ${quoteField(bytes, fields, 2)} is neither F nor M`)
    }
    if (!addTableId(users, userFile.path, bytes, fields, line, errors)) return
    ages.push(age)
    genders.push(gender)
    occupations.push(fieldText(bytes, fields, 3))
  })

  const items = createIdIndex()
  const itemTable = await readMl100kItems(files, items, errors)
  const rows = createRows({ timestamps: true })
  const facts = formatFacts['ml-100k']
  const vocabularies = {
    users: { index: users, source: 'public-table' },
    items: { index: items, source: 'public-table' },
  } as const
  const ratings = {
    layout: { delimiter: '\t', fields: [4, 4], shape: 'user\titem\trating\ttimestamp' },
    ...vocabularies,
    userTable: 'u.user',
    itemTable: 'u.item',
    scale: facts.ratingScale,
    step: facts.ratingStep,
    timestamps: true,
  } as const
  await readRatings(files.open('u.data'), ratings, rows, errors)
  const userAttributes: AttributeColumn[] = [
    categoricalColumn('gender', genders, ['F', 'M']),
    numericColumn('age', ages),
    categoricalColumn('occupation', occupations),
  ]
  return assemble({
    name: 'ml-100k',
    path: files.path,
    feedback: 'explicit',
    ratingScale: facts.ratingScale,
    rows,
    ...vocabularies,
    userAttributes,
    itemTable,
    skippedLines: errors.skipped,
    publicCutTimestamp: facts.publicCutTimestamp ?? undefined,
  })
}

async function readMl100kItems(files: FileSet, items: IdIndex, errors: LineErrors): Promise<ItemTable> {
  const titles: string[] = []
  const genres: string[][] = []
  const years: number[] = []
  const file = files.open('u.item')
  const flagCount = ml100kGenres.length
  const layout = {
    delimiter: '|',
    fields: [5 + flagCount, 5 + flagCount],
    shape: `movie|title|release date|video date|url|${flagCount} genre flags`,
  } as const
  await eachRecord(file, layout, errors, (bytes, fields, line) => {
    const names: string[] = []
    for (let g = 0; g < flagCount; g++) {
      const flag = fieldText(bytes, fields, 5 + g)
      if (flag !== '0' && flag !== '1') {
        return errors.bad(file.path, line, `genre flag ${quoteField(bytes, fields, 5 + g)} is neither 0 nor 1`)
      }
      if (flag === '1') names.push(ml100kGenres[g] as string)
    }
    if (!addTableId(items, file.path, bytes, fields, line, errors)) return
    const title = fieldText(bytes, fields, 1)
    const releaseYear = /-(\d{4})$/.exec(fieldText(bytes, fields, 2))
    titles.push(title)
    genres.push(names)
    years.push(releaseYear ? Number(releaseYear[1]) : yearOfTitle(title))
  })
  return itemTableOf(titles, genres, years, ml100kGenres)
}

export async function readMlLatest(files: FileSet, errors: LineErrors, name: string): Promise<Interactions> {
  const items = createIdIndex()
  const titles: string[] = []
  const genres: string[][] = []
  const itemFile = files.open('movies.csv')
  const itemLayout = {
    delimiter: ',',
    fields: [3, 3],
    shape: 'movieId,title,genres',
    header: ['movieId', 'title', 'genres'],
    quotes: true,
  } as const
  await eachRecord(itemFile, itemLayout, errors, (bytes, fields, line) => {
    if (!addTableId(items, itemFile.path, bytes, fields, line, errors)) return
    titles.push(fieldText(bytes, fields, 1))
    genres.push(genreList(fieldText(bytes, fields, 2)))
  })

  const rows = createRows({ timestamps: true })
  const facts = formatFacts['ml-latest']
  const vocabularies = {
    users: { index: createIdIndex(), source: 'from-interactions' },
    items: { index: items, source: 'public-table' },
  } as const
  const columns = ['userId', 'movieId', 'rating', 'timestamp'] as const
  const ratings = {
    layout: { delimiter: ',', fields: [4, 4], shape: columns.join(','), header: columns, quotes: true },
    ...vocabularies,
    userTable: null,
    itemTable: 'movies.csv',
    scale: facts.ratingScale,
    step: facts.ratingStep,
    timestamps: true,
  } as const
  await readRatings(files.open('ratings.csv'), ratings, rows, errors)
  return assemble({
    name,
    path: files.path,
    feedback: 'explicit',
    ratingScale: facts.ratingScale,
    rows,
    ...vocabularies,
    itemTable: itemTableOf(titles, genres, titles.map(yearOfTitle)),
    skippedLines: errors.skipped,
    publicCutTimestamp: facts.publicCutTimestamp ?? undefined,
  })
}
