/**
 * Book-Crossing (the Case Recommender subset, ratings or history), Last.fm 2K and LightGCN's text format.
 * @see Ziegler et al., WWW 2005 · Cantador et al., HetRec 2011 · He et al., SIGIR 2020 (LightGCN)
 */
import { assemble, createRows } from './assemble.ts'
import { type FileSet, formatFacts } from './formats.ts'
import { createIdIndex, type IdIndex } from './ids.ts'
import type { AttributeColumn, Interactions, ItemTable } from './interactions.ts'
import { type LineErrors, quoteText } from './line-errors.ts'
import { createFields, decodeText, eachLine, splitFields } from './lines.ts'
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
} from './tables.ts'

/** Ages outside are jokes or typing errors (the published table has 1 and 239): read as unknown. */
const plausibleAges = { min: 5, max: 105 }
/** The crawl is of 2004; a later year of publication is a typing error. */
const lastPublicationYear = 2005

export async function readBookCrossing(
  files: FileSet,
  format: 'book-crossing' | 'book-crossing-implicit',
  errors: LineErrors,
): Promise<Interactions> {
  const users = createIdIndex()
  const userAttributes = await readBookUsers(files, users, errors)
  const items = createIdIndex()
  const itemTable = await readBooks(files, items, errors)
  const facts = formatFacts[format]
  const explicit = format === 'book-crossing'
  const rows = createRows({ timestamps: false })
  const vocabularies = {
    users: { index: users, source: 'public-table' },
    items: { index: items, source: 'public-table' },
  } as const
  const columns = ['user', 'item', explicit ? 'rating' : 'accessed']
  const ratings = {
    layout: { delimiter: '\t', fields: [3, 3], shape: columns.join('\t'), header: columns },
    ...vocabularies,
    userTable: 'users_info.dat',
    itemTable: 'items_info.dat',
    scale: facts.ratingScale,
    step: facts.ratingStep,
    timestamps: false,
  } as const
  await readRatings(files.open(facts.mainFile), ratings, rows, errors)
  return assemble({
    name: format,
    path: files.path,
    feedback: explicit ? 'explicit' : 'implicit',
    ratingScale: facts.ratingScale,
    rows,
    ...vocabularies,
    userAttributes,
    itemTable,
    skippedLines: errors.skipped,
  })
}

/** Age and country; the rest of the location (town, state) is not read. */
async function readBookUsers(files: FileSet, users: IdIndex, errors: LineErrors): Promise<AttributeColumn[]> {
  const ages: number[] = []
  const countries: (string | null)[] = []
  const file = files.open('users_info.dat')
  // Lines of the published file end in a tab.
  const layout = { delimiter: '\t', fields: [3, 4], shape: 'user\tlocation\tage', header: ['User-ID', 'Location', 'Age'] } as const
  await eachRecord(file, layout, errors, (bytes, fields, line) => {
    const ageText = fieldText(bytes, fields, 2)
    const age = fieldNumber(bytes, fields, 2)
    const ageUnknown = ageText === '' || ageText === 'NULL'
    if (!ageUnknown && Number.isNaN(age)) return errors.bad(file.path, line, `age ${quoteField(bytes, fields, 2)} is not a number`)
    if (!addTableId(users, file.path, bytes, fields, line, errors)) return
    ages.push(age >= plausibleAges.min && age <= plausibleAges.max ? age : Number.NaN)
    countries.push(fieldText(bytes, fields, 1).split(',').at(-1)?.trim().toLowerCase() || null)
  })
  return [numericColumn('age', ages), categoricalColumn('country', countries)]
}

async function readBooks(files: FileSet, items: IdIndex, errors: LineErrors): Promise<ItemTable> {
  const titles: string[] = []
  const years: number[] = []
  const file = files.open('items_info.dat')
  const layout = {
    delimiter: '\t',
    // In the published file every semicolon inside a text became a tab, so a line may have many more fields than nine.
    fields: [5, 64],
    shape: 'book\tISBN\ttitle\tauthor\tyear\tpublisher\t…',
    header: ['Book_ID', 'ISBN', 'Book-Title', 'Book-Author', 'Year-Of-Publication'],
  } as const
  await eachRecord(file, layout, errors, (bytes, fields, line) => {
    if (!addTableId(items, file.path, bytes, fields, line, errors)) return
    const texts = Array.from({ length: fields.count }, (_, f) => fieldText(bytes, fields, f))
    let f = 2
    let title = texts[f] as string
    while (title.endsWith('&amp') && f + 1 < texts.length) title = title.slice(0, -3) + (texts[++f] as string)
    const year = Number(texts.slice(f + 1).find((text) => /^\d{4}$/.test(text)))
    titles.push(title)
    years.push(year >= 1000 && year <= lastPublicationYear ? year : Number.NaN)
  })
  return itemTableOf(
    titles,
    titles.map(() => []),
    years,
  )
}

export async function readLastfm(files: FileSet, errors: LineErrors): Promise<Interactions> {
  const items = createIdIndex()
  const names: string[] = []
  const artistFile = files.open('artists.dat')
  const artistLayout = { delimiter: '\t', fields: [2, 4], shape: 'id\tname\turl\tpictureURL', header: ['id', 'name'] } as const
  await eachRecord(artistFile, artistLayout, errors, (bytes, fields, line) => {
    if (!addTableId(items, artistFile.path, bytes, fields, line, errors)) return
    names.push(fieldText(bytes, fields, 1))
  })
  const rows = createRows({ timestamps: false })
  const columns = ['userID', 'artistID', 'weight']
  const vocabularies = {
    users: { index: createIdIndex(), source: 'from-interactions' },
    items: { index: items, source: 'public-table' },
  } as const
  const plays = {
    layout: { delimiter: '\t', fields: [3, 3], shape: columns.join('\t'), header: columns },
    ...vocabularies,
    userTable: null,
    itemTable: 'artists.dat',
    scale: null,
    step: null,
    timestamps: false,
  } as const
  await readRatings(files.open('user_artists.dat'), plays, rows, errors)
  const unknownYears = names.map(() => Number.NaN)
  return assemble({
    name: 'lastfm-2k',
    path: files.path,
    feedback: 'implicit',
    ratingScale: null,
    rows,
    ...vocabularies,
    itemTable: {
      ...itemTableOf(
        names,
        names.map(() => []),
        unknownYears,
      ),
      years: null,
    },
    skippedLines: errors.skipped,
  })
}

/** `user item item …` a line, train.txt and test.txt. Every interaction weighs 1. A person may have a line without items. */
export async function readLightgcn(files: FileSet, errors: LineErrors, name: string): Promise<Interactions> {
  const users = createIdIndex()
  const items = createIdIndex()
  const rows = createRows({ timestamps: false })
  const fields = createFields()

  async function readPart(fileName: string): Promise<void> {
    const file = files.open(fileName)
    await eachLine(file, (bytes, start, end, line) => {
      splitFields(fields, bytes, start, end, 0x20)
      const { starts, ends, count } = fields
      // The whole line is looked at before any of it counts.
      for (let f = 0; f < count; f++) {
        const text = decodeText(bytes, starts[f] as number, ends[f] as number)
        const blank = text === '' && f > 0
        if (!blank && !/^\d{1,15}$/.test(text)) {
          const found =
            start === end ? 'a blank line' : `${f === 0 ? 'user' : 'item'} ${quoteText(bytes, starts[f] as number, ends[f] as number)}`
          return errors.bad(file.path, line, `${found}; expected whole numbers: user item item …`)
        }
      }
      const user = users.intern(bytes, starts[0] as number, ends[0] as number)
      for (let f = 1; f < count; f++) {
        if (starts[f] === ends[f]) continue
        rows.push(user, items.intern(bytes, starts[f] as number, ends[f] as number), 1, Number.NaN)
      }
    })
  }

  await readPart('train.txt')
  const testFrom = rows.length
  await readPart('test.txt')
  return assemble({
    name,
    path: files.path,
    feedback: 'implicit',
    ratingScale: null,
    rows,
    users: { index: users, source: 'from-interactions' },
    items: { index: items, source: 'from-interactions' },
    testFrom,
    skippedLines: errors.skipped,
  })
}
