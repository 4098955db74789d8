/**
 * Tacet's own compact text form of `Interactions`, which loses nothing: one JSON value a line. Line 1 is a header with counts (so a file
 * that was cut off is noticed), then one object a person, one a catalogue item, and one array a row: [user, item, value, timestamp?, split?],
 * where user and item are line-order indices. Written by `tacet data convert --to ndjson`, read like any other format. Also CSV out.
 */
import { z } from 'zod'
import { TacetError } from '../errors.ts'
import { assemble, createRows } from './assemble.ts'
import { shortestFloat32 } from './describe.ts'
import type { FileSet } from './formats.ts'
import { createIdIndex, type IdIndex } from './ids.ts'
import type { Interactions } from './interactions.ts'
import { type LineErrors, lineError, quoteText } from './line-errors.ts'
import { decodeText, eachLine } from './lines.ts'

const scale = z.object({ min: z.number(), max: z.number() }).refine(({ min, max }) => min < max)
const count = z.int().min(0)
const header = z.object({
  tacet: z.literal('interactions'),
  version: z.int(),
  name: z.string(),
  feedback: z.enum(['explicit', 'implicit']),
  ratingScale: scale.nullable(),
  ratingScaleSource: z.enum(['format', 'declared', 'inferred']).optional(),
  users: count,
  items: count,
  interactions: count,
  timestamps: z.boolean(),
  split: z.boolean(),
  vocabulary: z.object({ users: z.enum(['public-table', 'from-interactions']), items: z.enum(['public-table', 'from-interactions']) }),
  userAttributes: z.array(
    z.object({ name: z.string(), kind: z.enum(['categorical', 'numeric']), categories: z.array(z.string()).nullable() }),
  ),
  itemTable: z.object({ titles: z.boolean(), years: z.boolean(), genreNames: z.array(z.string()) }).nullable(),
  publicCutTimestamp: z.number().optional(),
})
type Header = z.infer<typeof header>
const person = z.object({ user: z.string().min(1), attributes: z.array(z.number().nullable()).optional() })
const catalogueItem = z.object({
  item: z.string().min(1),
  title: z.string().optional(),
  genres: z.array(count).optional(),
  year: z.number().optional(),
})

const VERSION = 1
const BLOCK_LINES = 4096

/** The compact form, in blocks of whole lines. */
export function* toNdjson(data: Interactions): Generator<string> {
  const { itemTable, timestamps, givenSplit, userAttributes } = data
  const head: Header = {
    tacet: 'interactions',
    version: VERSION,
    name: data.name,
    feedback: data.feedback,
    ratingScale: data.ratingScale,
    ...(data.ratingScaleSource ? { ratingScaleSource: data.ratingScaleSource } : {}),
    users: data.userIds.length,
    items: data.itemIds.length,
    interactions: data.users.length,
    timestamps: timestamps !== null,
    split: givenSplit !== null,
    vocabulary: data.vocabulary,
    userAttributes: userAttributes.map(({ name, kind, categories }) => ({ name, kind, categories: categories && [...categories] })),
    itemTable: itemTable && {
      titles: itemTable.titles !== null,
      years: itemTable.years !== null,
      genreNames: [...itemTable.genreNames],
    },
    ...(data.publicCutTimestamp === undefined ? {} : { publicCutTimestamp: data.publicCutTimestamp }),
  }
  function* lines(): Generator<string> {
    yield JSON.stringify(head)
    for (const [index, user] of data.userIds.entries()) {
      const attributes = userAttributes.map(({ values }) => jsonNumber(values[index] as number))
      yield JSON.stringify(attributes.length > 0 ? { user, attributes } : { user })
    }
    for (const [index, item] of data.itemIds.entries()) {
      const year = itemTable?.years?.[index]
      yield JSON.stringify({
        item,
        ...(itemTable?.titles ? { title: itemTable.titles[index] } : {}),
        ...(itemTable?.genres[index]?.length ? { genres: itemTable.genres[index] } : {}),
        ...(year === undefined || Number.isNaN(year) ? {} : { year }),
      })
    }
    for (let row = 0; row < data.users.length; row++) {
      const time = timestamps ? `,${jsonNumber(timestamps[row] as number)}` : ''
      const side = givenSplit ? `,${givenSplit[row]}` : ''
      yield `[${data.users[row]},${data.items[row]},${shortestFloat32(data.values[row] as number)}${time}${side}]`
    }
  }
  yield* inBlocks(lines())
}

function jsonNumber(value: number): number | null {
  return Number.isFinite(value) ? value : null
}

/**
 * Interactions only, as CSV with a header: user, item, rating or weight, and timestamp where there is one. Attributes, catalogue and the
 * data set's own split stay behind (the compact form keeps them). RFC 4180 with LF.
 */
export function* toCsv(data: Interactions): Generator<string> {
  const { timestamps } = data
  const userIds = data.userIds.map(csvField)
  const itemIds = data.itemIds.map(csvField)
  function* lines(): Generator<string> {
    yield ['user', 'item', data.feedback === 'explicit' ? 'rating' : 'weight', ...(timestamps ? ['timestamp'] : [])].join(',')
    for (let row = 0; row < data.users.length; row++) {
      const time = timestamps ? `,${timestamps[row]}` : ''
      yield `${userIds[data.users[row] as number]},${itemIds[data.items[row] as number]},${shortestFloat32(data.values[row] as number)}${time}`
    }
  }
  yield* inBlocks(lines())
}

function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function* inBlocks(lines: Iterable<string>): Generator<string> {
  let block: string[] = []
  for (const line of lines) {
    block.push(line)
    if (block.length < BLOCK_LINES) continue
    yield `${block.join('\n')}\n`
    block = []
  }
  if (block.length > 0) yield `${block.join('\n')}\n`
}

/** Reads the compact form. A damaged header, person or item line is never skipped, since later lines count on their order. */
export async function readNdjson(files: FileSet, errors: LineErrors): Promise<Interactions> {
  const name = files.kind === 'file' ? files.names[0] : 'interactions.ndjson'
  const file = files.open(name as string)
  let head: Header | null = null
  let rows = createRows({ timestamps: false })
  const users = createIdIndex()
  const items = createIdIndex()
  const encoder = new TextEncoder()
  const attributes: (number | null)[][] = []
  const titles: string[] = []
  const genres: number[][] = []
  const years: number[] = []
  const sides: number[] = []
  const rejected = (line: number, text: string, expected: string) =>
    lineError(file.path, line, `${text}; expected ${expected}`, 'malformed-data', 'Convert the data again: this line cannot be skipped.')
  const addId = (index: IdIndex, id: string): boolean => {
    const bytes = encoder.encode(id)
    const size = index.size
    index.intern(bytes, 0, bytes.length)
    return index.size > size
  }

  const lineCount = await eachLine(file, (bytes, start, end, line) => {
    let value: unknown
    try {
      value = JSON.parse(decodeText(bytes, start, end))
    } catch {
      value = undefined
    }
    const quoted = () => (start === end ? 'a blank line' : quoteText(bytes, start, end))
    if (!head) {
      head = header.safeParse(value).data ?? null
      if (!head) throw rejected(line, quoted(), 'the header of a Tacet interactions file')
      if (head.version > VERSION) {
        throw new TacetError(
          'malformed-data',
          `${file.path} is version ${head.version} of the compact form; this Tacet reads up to ${VERSION}`,
          {
            wayOut: 'Read it with a newer Tacet.',
            details: { file: file.path, version: head.version },
          },
        )
      }
      if (head.timestamps) rows = createRows({ timestamps: true })
    } else if (line <= 1 + head.users) {
      const { data: one } = person.safeParse(value)
      const { userAttributes } = head
      const fits = one && userAttributes.every(({ kind, categories }, a) => isAttribute(one.attributes?.[a], kind, categories))
      if (!(fits && addId(users, one.user))) throw rejected(line, quoted(), 'a person: {"user": id, "attributes": […]}, each once')
      attributes.push(one.attributes ?? [])
    } else if (line <= 1 + head.users + head.items) {
      const { data: one } = catalogueItem.safeParse(value)
      const genreCount = head.itemTable?.genreNames.length ?? 0
      if (!(one?.genres ?? []).every((genre) => genre < genreCount) || !one || !addId(items, one.item)) {
        throw rejected(line, quoted(), 'an item: {"item": id, "title": …}, each once')
      }
      titles.push(one.title ?? '')
      genres.push(one.genres ?? [])
      years.push(one.year ?? Number.NaN)
    } else {
      const problem = rowProblem(value, head)
      if (problem) return errors.bad(file.path, line, `${problem} in ${quoted()}`)
      const [user, item, rating, third, fourth] = value as number[]
      rows.push(user as number, item as number, rating as number, head.timestamps ? (third ?? Number.NaN) : Number.NaN)
      if (head.split) sides.push((head.timestamps ? fourth : third) as number)
    }
  })
  const end = head as Header | null
  if (!end) throw new TacetError('empty-data', `${file.path} is empty`, { wayOut: 'Convert the data again.', details: { path: file.path } })
  const expected = 1 + end.users + end.items + end.interactions
  if (lineCount !== expected) {
    throw rejected(lineCount, `the file ends here, after ${lineCount} lines`, `${expected} by its header: it was cut off or added to`)
  }
  const data = assemble({
    name: end.name,
    path: file.path,
    feedback: end.feedback,
    ratingScale: end.ratingScale,
    ...(end.ratingScaleSource ? { ratingScaleSource: end.ratingScaleSource } : {}),
    rows,
    users: { index: users, source: end.vocabulary.users },
    items: { index: items, source: end.vocabulary.items },
    userAttributes: end.userAttributes.map((column, a) => ({
      ...column,
      values: Float32Array.from(attributes, (own) => own[a] ?? Number.NaN),
    })),
    itemTable: end.itemTable && {
      titles: end.itemTable.titles ? titles : null,
      genreNames: end.itemTable.genreNames,
      genres,
      years: end.itemTable.years ? Float32Array.from(years) : null,
    },
    ...(end.split ? { sides: Uint8Array.from(sides) } : {}),
    keepOrder: true,
    skippedLines: errors.skipped,
    publicCutTimestamp: end.publicCutTimestamp,
  })
  return data
}

function isAttribute(value: number | null | undefined, kind: 'categorical' | 'numeric', categories: readonly string[] | null): boolean {
  if (value === null) return true
  if (value === undefined) return false
  return kind === 'numeric' || (Number.isInteger(value) && value >= 0 && value < (categories?.length ?? 0))
}

/** Why a parsed row line is none, as a clause; null when it is. */
function rowProblem(value: unknown, head: Header): string | null {
  const length = 3 + (head.timestamps ? 1 : 0) + (head.split ? 1 : 0)
  if (!Array.isArray(value) || value.length !== length) return `not a row of ${length} numbers`
  const [user, item, rating, ...rest] = value as unknown[]
  if (!isIndex(user, head.users)) return `user index ${JSON.stringify(user)} is not below ${head.users}`
  if (!isIndex(item, head.items)) return `item index ${JSON.stringify(item)} is not below ${head.items}`
  if (typeof rating !== 'number') return `value ${JSON.stringify(rating)} is not a number`
  const { ratingScale } = head
  if (ratingScale ? rating < ratingScale.min || rating > ratingScale.max : rating <= 0) {
    return ratingScale ? `rating ${rating} is not on the scale ${ratingScale.min} … ${ratingScale.max}` : `weight ${rating} is not above 0`
  }
  if (head.timestamps && rest[0] !== null && typeof rest[0] !== 'number') return `timestamp ${JSON.stringify(rest[0])} is not a number`
  if (head.split && rest.at(-1) !== 0 && rest.at(-1) !== 1) return `split ${JSON.stringify(rest.at(-1))} is neither 0 (train) nor 1 (test)`
  return null
}

function isIndex(value: unknown, size: number): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < size
}
