/**
 * Pieces that the readers of fixed formats share: a loop over delimited lines, ratings files, user attributes, item tables.
 * Strict: a wrong number of fields, a number that is none, a rating off the scale or an id absent from its table is a bad line.
 */
import type { Rows, Vocabulary } from './assemble.ts'
import type { IdIndex } from './ids.ts'
import type { AttributeColumn, ItemTable, RatingScale } from './interactions.ts'
import { type LineErrors, lineError, quoteText } from './line-errors.ts'
import { createFields, decodeText, eachLine, type Fields, parseNumber, splitFields, splitQuoted, type TextFile } from './lines.ts'

export interface Layout {
  readonly delimiter: string
  /** Fewest and most fields of a line. */
  readonly fields: readonly [number, number]
  /** What a good line looks like, for messages: `user::item::rating::timestamp`. */
  readonly shape: string
  /** Names that line 1 must hold, in order, when the file has a header. */
  readonly header?: readonly string[]
  /** Fields may be quoted as in RFC 4180. */
  readonly quotes?: boolean
}

export type RecordHandler = (bytes: Uint8Array, fields: Fields, line: number) => void

/** Calls `onRecord` for every line with the right number of fields; others are bad lines. */
export async function eachRecord(file: TextFile, layout: Layout, errors: LineErrors, onRecord: RecordHandler): Promise<void> {
  const [fewest, most] = layout.fields
  const shape = layout.shape.replaceAll('\t', ' TAB ')
  await eachSplitLine(file, layout, errors, (bytes, fields, line) => {
    if (line === 1 && layout.header) {
      const names = layout.header
      if (names.every((name, f) => f < fields.count && fieldText(bytes, fields, f) === name)) return
      throw lineError(file.path, 1, `the header is ${quoteLine(bytes, fields)}; expected ${names.join(layout.delimiter)}`)
    }
    if (fields.count < fewest || fields.count > most) {
      errors.bad(file.path, line, `${wrongCount(bytes, fields)}; expected ${shape}`)
      return
    }
    onRecord(bytes, fields, line)
  })
}

/** What is wrong with a line of too few or too many fields, as a clause. */
export function wrongCount(bytes: Uint8Array, fields: Fields): string {
  if (fields.count === 1 && fields.starts[0] === fields.ends[0]) return 'a blank line'
  return `${fields.count} field${fields.count === 1 ? '' : 's'} in ${quoteLine(bytes, fields)}`
}

export function quoteLine(bytes: Uint8Array, fields: Fields): string {
  return quoteText(bytes, fields.starts[0] as number, fields.ends[fields.count - 1] as number)
}

/** A quoted field may run over this many lines; more means that its closing quote is missing. */
const MAX_QUOTED_LINES = 100

/** Calls `onRecord` for every line, split; with `layout.quotes`, for every record, which quotes may stretch over several lines. */
export async function eachSplitLine(
  file: TextFile,
  layout: Pick<Layout, 'delimiter' | 'quotes'>,
  errors: LineErrors,
  onRecord: RecordHandler,
): Promise<void> {
  const delimiter = layout.delimiter.charCodeAt(0)
  const twice = layout.delimiter.length === 2
  const fields = createFields()
  if (!layout.quotes) {
    await eachLine(file, (bytes, start, end, line) => {
      splitFields(fields, bytes, start, end, delimiter, twice)
      onRecord(bytes, fields, line)
    })
    return
  }

  // Lines since an opening quote that has not been closed yet.
  let held: Uint8Array[] = []
  let heldFrom = 0

  function accept(bytes: Uint8Array, start: number, end: number, line: number): void {
    if (held.length === 0) {
      const buffer = splitQuoted(fields, bytes, start, end, delimiter)
      if (buffer) onRecord(buffer, fields, line)
      else {
        heldFrom = line
        held = [bytes.slice(start, end)]
      }
      return
    }
    held.push(bytes.slice(start, end))
    const joined = joinLines(held)
    const buffer = splitQuoted(fields, joined, 0, joined.length, delimiter)
    if (buffer) {
      held = []
      onRecord(buffer, fields, heldFrom)
    } else if (held.length === MAX_QUOTED_LINES) giveUp()
  }

  /** The first held line is bad; the others get a second chance as lines of their own. */
  function giveUp(): void {
    const [first, ...others] = held
    const from = heldFrom
    held = []
    errors.bad(file.path, from, `a quote is opened and never closed in ${quoteText(first!, 0, first!.length)}`)
    others.forEach((other, i) => {
      accept(other, 0, other.length, from + 1 + i)
    })
  }

  await eachLine(file, accept)
  while (held.length > 0) giveUp()
}

function joinLines(lines: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(lines.reduce((sum, line) => sum + line.length + 1, -1))
  let at = 0
  for (const line of lines) {
    joined.set(line, at)
    at += line.length
    if (at < joined.length) joined[at++] = 0x0a
  }
  return joined
}

export function fieldText(bytes: Uint8Array, fields: Fields, f: number): string {
  return decodeText(bytes, fields.starts[f] as number, fields.ends[f] as number)
}

export function fieldNumber(bytes: Uint8Array, fields: Fields, f: number): number {
  return parseNumber(bytes, fields.starts[f] as number, fields.ends[f] as number)
}

export function quoteField(bytes: Uint8Array, fields: Fields, f: number): string {
  return quoteText(bytes, fields.starts[f] as number, fields.ends[f] as number)
}

/** Adds the id in field 0 to a table; false, and a bad line, when it is empty or there already. */
export function addTableId(index: IdIndex, path: string, bytes: Uint8Array, fields: Fields, line: number, errors: LineErrors): boolean {
  const start = fields.starts[0] as number
  const end = fields.ends[0] as number
  if (start === end) errors.bad(path, line, 'the id is empty')
  else if (index.find(bytes, start, end) >= 0) errors.bad(path, line, `id ${quoteField(bytes, fields, 0)} is in the table already`)
  else {
    index.intern(bytes, start, end)
    return true
  }
  return false
}

export interface RatingsFile {
  readonly layout: Layout
  readonly users: Vocabulary
  readonly items: Vocabulary
  /** Names of the tables, for "is not in users.dat"; null where the vocabulary grows with the interactions. */
  readonly userTable: string | null
  readonly itemTable: string | null
  /** Null: any weight > 0. */
  readonly scale: RatingScale | null
  readonly step: number | null
  /** Field 3 is a time in seconds. */
  readonly timestamps: boolean
}

/** Reads lines of user, item, value[, timestamp] into `rows`. */
export async function readRatings(file: TextFile, format: RatingsFile, rows: Rows, errors: LineErrors): Promise<void> {
  const { users, items, scale, step } = format
  const growsUsers = users.source === 'from-interactions'
  const growsItems = items.source === 'from-interactions'
  await eachRecord(file, format.layout, errors, (bytes, fields, line) => {
    const { starts, ends } = fields
    const value = parseNumber(bytes, starts[2] as number, ends[2] as number)
    if (!(scale ? value >= scale.min && value <= scale.max : value > 0) || (step !== null && value % step !== 0)) {
      errors.bad(file.path, line, valueProblem(value, quoteField(bytes, fields, 2), scale, step))
      return
    }
    let timestamp = Number.NaN
    if (format.timestamps) {
      timestamp = parseNumber(bytes, starts[3] as number, ends[3] as number)
      if (Number.isNaN(timestamp)) {
        errors.bad(file.path, line, `timestamp ${quoteField(bytes, fields, 3)} is not a number of seconds since 1970`)
        return
      }
    }
    for (let f = 0; f < 2; f++) {
      if (starts[f] === ends[f]) {
        errors.bad(
          file.path,
          line,
          `the ${f === 0 ? 'user' : 'item'} id is empty; expected ${format.layout.shape.replaceAll('\t', ' TAB ')}`,
        )
        return
      }
    }
    // Ids are looked up last, so that a bad line never leaves an id behind.
    const user = (growsUsers ? users.index.intern : users.index.find)(bytes, starts[0] as number, ends[0] as number)
    if (user < 0) {
      errors.bad(file.path, line, `user ${quoteField(bytes, fields, 0)} is not in ${format.userTable}`, 'unknown-id')
      return
    }
    const item = (growsItems ? items.index.intern : items.index.find)(bytes, starts[1] as number, ends[1] as number)
    if (item < 0) {
      errors.bad(file.path, line, `item ${quoteField(bytes, fields, 1)} is not in ${format.itemTable}`, 'unknown-id')
      return
    }
    rows.push(user, item, value, timestamp)
  })
}

/** Why a value is refused, as a clause. */
export function valueProblem(value: number, quoted: string, scale: RatingScale | null, step: number | null): string {
  if (Number.isNaN(value))
    return `${scale ? 'rating' : 'weight'} ${quoted} is not a number${scale ? ` from ${scale.min} to ${scale.max}` : ''}`
  if (!scale) return `weight ${quoted} is not above 0`
  if (value < scale.min || value > scale.max) return `rating ${quoted} is not on the scale ${scale.min} … ${scale.max}`
  return `rating ${quoted} is not a multiple of ${step}, as this format's ratings are`
}

/** Builds a categorical column from one text a row (null = unknown). `order` fixes codes, e.g. of a published list; else sorted. */
export function categoricalColumn(name: string, texts: readonly (string | null)[], order?: readonly string[]): AttributeColumn {
  const met = new Set(texts.filter((text) => text !== null))
  const categories = [...(order ?? []), ...[...met].filter((text) => !order?.includes(text)).sort()]
  const codes = new Map(categories.map((text, code) => [text, code]))
  return {
    name,
    kind: 'categorical',
    categories,
    values: Float32Array.from(texts, (text) => (text === null ? Number.NaN : codes.get(text)!)),
  }
}

export function numericColumn(name: string, values: readonly number[], categories: readonly string[] | null = null): AttributeColumn {
  return { name, kind: 'numeric', categories, values: Float32Array.from(values) }
}

/** `Toy Story (1995)` → 1995; NaN when the title does not end in a year. */
export function yearOfTitle(title: string): number {
  const match = /\((\d{4})(?:[-–]\d{0,4})?\)\s*$/.exec(title)
  return match ? Number(match[1]) : Number.NaN
}

/** An item table from titles, genre names per item, and years. Genre numbers follow `order` where given, else the alphabet. */
export function itemTableOf(
  titles: readonly string[],
  genresOfItem: readonly (readonly string[])[],
  years: readonly number[],
  order?: readonly string[],
): ItemTable {
  const genreNames = order ?? [...new Set(genresOfItem.flat())].sort()
  const numbers = new Map(genreNames.map((name, g) => [name, g]))
  return {
    titles,
    genreNames,
    genres: genresOfItem.map((names) => names.map((name) => numbers.get(name)!)),
    years: Float32Array.from(years),
  }
}
