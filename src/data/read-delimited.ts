/**
 * One file of interactions, any delimiter, with or without a header: the reader for everybody's own data.
 *
 * Columns are named by header names or by numbers from 1; without either, usual names are recognised, and without a header the order is
 * user, item, rating, timestamp. Quotes are RFC 4180's where the delimiter is a comma, semicolon or blank; tabs, bars and `::` take fields
 * as they are. Ids are exact text. There is no user table and no catalogue, so both vocabularies are read off the interactions and are
 * private information (privacy-rules: said in the statement).
 */
import { TacetError } from '../errors.ts'
import { assemble, createRows } from './assemble.ts'
import { type ColumnMapping, type FileSet, type ReadOptions, singleTable } from './formats.ts'
import { createIdIndex } from './ids.ts'
import type { Interactions, RatingScale } from './interactions.ts'
import { type LineErrors, lineError } from './line-errors.ts'
import { decodeText, parseNumber } from './lines.ts'
import { eachSplitLine, fieldText, quoteField, valueProblem, wrongCount } from './tables.ts'

/** In order of preference when two split the first line into as many fields. */
const delimiters = ['::', '\t', ',', ';', '|', ' '] as const
const quotedDelimiters = new Set([',', ';', ' '])

type Role = keyof ColumnMapping
const roles: readonly Role[] = ['user', 'item', 'rating', 'timestamp']

/** Header names that say what a column is, lower case, without blanks, `_`, `-` and the type suffix of RecBole's atomic files. */
const usualNames: Readonly<Record<Role, readonly string[]>> = {
  user: [
    'user',
    'userid',
    'uid',
    'u',
    'customer',
    'customerid',
    'reviewerid',
    'person',
    'personid',
    'member',
    'memberid',
    'visitorid',
    'account',
  ],
  item: [
    'item',
    'itemid',
    'iid',
    'i',
    'movie',
    'movieid',
    'film',
    'filmid',
    'product',
    'productid',
    'book',
    'bookid',
    'isbn',
    'asin',
  ].concat([
    'artist',
    'artistid',
    'track',
    'trackid',
    'song',
    'songid',
    'business',
    'businessid',
    'article',
    'articleid',
    'content',
    'contentid',
  ]),
  rating: ['rating', 'ratings', 'score', 'stars', 'star', 'overall', 'value', 'rate', 'bookrating', 'reviewscore'].concat([
    'weight',
    'count',
    'counts',
    'plays',
    'playcount',
    'listens',
    'clicks',
    'views',
    'quantity',
  ]),
  timestamp: ['timestamp', 'time', 'ts', 'date', 'datetime', 'unixreviewtime', 'createdat', 'ratedat', 'at', 'when'],
}
const weightNames = new Set(['weight', 'count', 'counts', 'plays', 'playcount', 'listens', 'clicks', 'views', 'quantity'])

/** Scales in use, smallest first; an undeclared one is the first that holds every rating. */
const usualScales: readonly RatingScale[] = [
  { min: 1, max: 5 },
  { min: 0.5, max: 5 },
  { min: 0, max: 1 },
  { min: 0, max: 5 },
  { min: 1, max: 10 },
  { min: 0.5, max: 10 },
  { min: 0, max: 10 },
  { min: 1, max: 100 },
  { min: 0, max: 100 },
]

const normalized = (name: string) =>
  name
    .toLowerCase()
    .replace(/:(token|float|token_seq|float_seq)$/, '')
    .replace(/[\s_-]/g, '')

/** @throws TacetError as parseDataset */
export async function readDelimited(files: FileSet, options: ReadOptions, errors: LineErrors): Promise<Interactions> {
  const { ratingScale } = options
  if (ratingScale && !(Number.isFinite(ratingScale.min) && Number.isFinite(ratingScale.max) && ratingScale.min < ratingScale.max)) {
    throw new TacetError(
      'invalid-argument',
      `the rating scale is ${ratingScale.min} … ${ratingScale.max}; it must be two numbers, the smaller first`,
    )
  }
  const file = files.open(singleTable(files))
  const first = await firstLine(file)
  const delimiter = options.delimiter ?? bestDelimiter(first)
  if (!(delimiter === '::' || (delimiter.length === 1 && delimiter.charCodeAt(0) < 128 && delimiter !== '"' && delimiter !== '\n'))) {
    throw new TacetError('invalid-argument', `the delimiter is ${JSON.stringify(delimiter)}; it must be one ASCII character or "::"`)
  }

  let plan: ColumnPlan | null = null
  let scale: RatingScale | null = ratingScale ?? null
  const users = createIdIndex()
  const items = createIdIndex()
  let rows = createRows({ timestamps: false })
  let least = Number.POSITIVE_INFINITY
  let most = Number.NEGATIVE_INFINITY

  await eachSplitLine(file, { delimiter, quotes: quotedDelimiters.has(delimiter) }, errors, (bytes, fields, line) => {
    if (plan === null) {
      const texts = Array.from({ length: fields.count }, (_, f) => fieldText(bytes, fields, f))
      plan = planColumns(file.path, texts, options)
      if (plan.feedback === 'implicit' && ratingScale) {
        throw new TacetError('invalid-argument', 'a rating scale is given, but the feedback is implicit: weights have no scale', {
          wayOut: 'Leave the scale out, or say that the feedback is explicit.',
        })
      }
      if (plan.timestamp >= 0) rows = createRows({ timestamps: true })
      if (plan.header) return
    }
    const { user, item, rating, timestamp, feedback } = plan
    if (fields.count !== plan.fieldCount) {
      return errors.bad(
        file.path,
        line,
        `${wrongCount(bytes, fields)}; expected ${plan.fieldCount}, as on line 1 (delimiter ${JSON.stringify(delimiter)})`,
      )
    }
    const { starts, ends } = fields
    for (const f of [user, item]) {
      if (starts[f] === ends[f]) return errors.bad(file.path, line, `the ${f === user ? 'user' : 'item'} id (column ${f + 1}) is empty`)
    }
    let value = 1
    if (rating >= 0) {
      value = trimmedNumber(bytes, starts[rating] as number, ends[rating] as number)
      const allowed = feedback === 'implicit' ? value > 0 : scale ? value >= scale.min && value <= scale.max : !Number.isNaN(value)
      if (!allowed) {
        const problem = feedback === 'explicit' && !scale ? `rating ${quoteField(bytes, fields, rating)} is not a number` : null
        return errors.bad(file.path, line, problem ?? valueProblem(value, quoteField(bytes, fields, rating), scale, null))
      }
    }
    let time = Number.NaN
    if (timestamp >= 0) {
      time = parseTime(bytes, starts[timestamp] as number, ends[timestamp] as number)
      if (Number.isNaN(time)) {
        return errors.bad(
          file.path,
          line,
          `timestamp ${quoteField(bytes, fields, timestamp)} is neither seconds since 1970 nor an ISO 8601 date`,
        )
      }
    }
    least = Math.min(least, value)
    most = Math.max(most, value)
    rows.push(
      users.intern(bytes, starts[user] as number, ends[user] as number),
      items.intern(bytes, starts[item] as number, ends[item] as number),
      value,
      time,
    )
  })

  const explicit = (plan as ColumnPlan | null)?.feedback === 'explicit'
  if (explicit && !scale && rows.length > 0) {
    scale = usualScales.find(({ min, max }) => least >= min && most <= max) ?? null
    if (!scale) {
      throw new TacetError('invalid-argument', `the ratings in ${file.path} go from ${least} to ${most}, which is on no usual scale`, {
        wayOut: 'Declare the public bounds with --rating-min and --rating-max.',
        details: { file: file.path, least, most },
      })
    }
  }
  return assemble({
    name: files.name,
    path: file.path,
    feedback: explicit ? 'explicit' : 'implicit',
    ratingScale: explicit ? scale : null,
    ratingScaleSource: ratingScale ? 'declared' : 'inferred',
    rows,
    users: { index: users, source: 'from-interactions' },
    items: { index: items, source: 'from-interactions' },
    skippedLines: errors.skipped,
  })
}

interface ColumnPlan {
  readonly header: boolean
  readonly fieldCount: number
  readonly feedback: 'explicit' | 'implicit'
  /** Field numbers from 0; −1 = none. */
  readonly user: number
  readonly item: number
  readonly rating: number
  readonly timestamp: number
}

function planColumns(path: string, firstFields: readonly string[], options: ReadOptions): ColumnPlan {
  const names = firstFields.map(normalized)
  const wanted = options.columns ?? {}
  const usual = (role: Role) => names.findIndex((name) => usualNames[role].includes(name))
  const namedColumns = roles.filter((role) => typeof wanted[role] === 'string' && !/^\d+$/.test(wanted[role]))
  const noNumbers = firstFields.length >= 3 && firstFields.every((text) => text !== '' && Number.isNaN(Number(text)))
  const header = options.header ?? (namedColumns.length > 0 || roles.some((role) => usual(role) >= 0) || noNumbers)
  if (!header && namedColumns.length > 0) {
    throw new TacetError(
      'invalid-argument',
      `the ${namedColumns[0]} column is named ${JSON.stringify(wanted[namedColumns[0] as Role])}, but the file has no header`,
      {
        wayOut: 'Give column numbers, counted from 1.',
      },
    )
  }

  function find(role: Role, position: number): number {
    const column = wanted[role]
    if (column === undefined) {
      if (header) return usual(role)
      // By position, unless the caller named other columns: then only what was named.
      return options.columns === undefined && position < firstFields.length ? position : -1
    }
    const byName = header ? firstFields.indexOf(String(column)) : -1
    if (byName >= 0) return byName
    const number = Number(column)
    if (Number.isInteger(number) && number >= 1 && number <= firstFields.length) return number - 1
    const have = header ? firstFields.map((name) => JSON.stringify(name)).join(', ') : `${firstFields.length} columns, numbered from 1`
    throw new TacetError('invalid-argument', `${path} has no ${role} column ${JSON.stringify(column)}; it has ${have}`, {
      wayOut: `Give one of these with --${role}-column.`,
      details: { file: path, role, column, columns: firstFields },
    })
  }

  const found = { user: find('user', 0), item: find('item', 1), rating: find('rating', 2), timestamp: find('timestamp', 3) }
  for (const role of ['user', 'item'] as const) {
    if (found[role] >= 0) continue
    const columns = firstFields.length === 1 ? 'only one column' : `columns ${firstFields.map((name) => JSON.stringify(name)).join(', ')}`
    if (firstFields.length === 1) {
      throw lineError(
        path,
        1,
        `one field in ${JSON.stringify(firstFields[0]?.slice(0, 60))}; expected at least a user and an item`,
        'malformed-data',
        'Say what separates the fields with --separator.',
      )
    }
    throw new TacetError('invalid-argument', `cannot tell which column of ${path} is the ${role}: line 1 has ${columns}`, {
      wayOut: `Say so with --${role}-column (a name, or a number from 1), or --no-header when line 1 is data.`,
      details: { file: path, role, columns: firstFields },
    })
  }
  const taken = Object.values(found).filter((f) => f >= 0)
  if (new Set(taken).size < taken.length) {
    throw new TacetError('invalid-argument', `two of user, item, rating and timestamp are the same column of ${path}`, {
      wayOut: 'Give each its own with --user-column, --item-column, --rating-column and --timestamp-column.',
      details: { file: path, ...found },
    })
  }
  const weights = header && found.rating >= 0 && weightNames.has(names[found.rating] as string)
  const feedback = options.feedback ?? (found.rating < 0 || weights ? 'implicit' : 'explicit')
  if (feedback === 'explicit' && found.rating < 0) {
    throw new TacetError('invalid-argument', `explicit feedback needs a rating column, and ${path} has none that Tacet recognises`, {
      wayOut: 'Name it with --rating-column.',
      details: { file: path, columns: firstFields },
    })
  }
  return { header, fieldCount: firstFields.length, feedback, ...found }
}

/** Text of line 1, or '' for an empty file. */
async function firstLine(file: { chunks(): AsyncIterable<Uint8Array> }): Promise<string> {
  let text = ''
  for await (const chunk of file.chunks()) {
    const end = chunk.indexOf(0x0a)
    text += decodeText(chunk, 0, end < 0 ? chunk.length : end)
    if (end >= 0 || text.length > 1 << 16) break
  }
  return text
}

function bestDelimiter(line: string): string {
  let best = ','
  let most = 1
  for (const delimiter of delimiters) {
    const count = line.split(delimiter).length
    if (count > most) {
      best = delimiter
      most = count
    }
  }
  return best
}

function trimmedNumber(bytes: Uint8Array, from: number, to: number): number {
  let start = from
  let end = to
  while (start < end && bytes[start] === 0x20) start++
  while (end > start && bytes[end - 1] === 0x20) end--
  return parseNumber(bytes, start, end)
}

const isoDate = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(?: ?(Z|[+-]\d\d:?\d\d|UTC))?)?$/

/** Seconds since 1970. Numbers of 10¹¹ and more can only be milliseconds (10¹¹ seconds is the year 5138). Dates without a zone are UTC. */
function parseTime(bytes: Uint8Array, start: number, end: number): number {
  const number = trimmedNumber(bytes, start, end)
  if (!Number.isNaN(number)) return Math.abs(number) >= 1e11 ? number / 1000 : number
  const match = isoDate.exec(decodeText(bytes, start, end).trim())
  if (!match) return Number.NaN
  const [, day, time = '00:00', zone = 'Z'] = match
  return Date.parse(`${day}T${time}${zone === 'UTC' ? 'Z' : zone}`) / 1000
}
