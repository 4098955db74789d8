/**
 * Lines, fields and numbers out of byte chunks: the part of reading that every format shares. Portable; nothing here opens a file.
 *
 * One line is one record, except in quoted CSV (read-delimited.ts joins lines inside quotes). Lines end in LF or CRLF, the last one may
 * lack its end, a UTF-8 byte order mark is dropped, blank lines are allowed at the end of a file only. Text is UTF-8; a field that is not
 * valid UTF-8 is read as Latin-1, which is what the older MovieLens catalogues are written in.
 */
import { TacetError } from '../errors.ts'

/** A text file as its reader sees it: a name for messages and its (already decompressed) bytes in any chunking. */
export interface TextFile {
  readonly path: string
  chunks(): AsyncIterable<Uint8Array>
}

/** Bytes `[start, end)` of `bytes` are the line without its end; `line` counts from 1. The buffer is only valid during the call. */
export type LineHandler = (bytes: Uint8Array, start: number, end: number, line: number) => void

/** A longer line than this (bytes) means that the file is not text: failing beats reading it into memory whole. */
const MAX_LINE_BYTES = 1 << 24

const LF = 10
const CR = 13
const QUOTE = 34

/**
 * Calls `onLine` for every line of the file, in order.
 * @returns number of lines (blank lines at the end not counted)
 * @throws TacetError malformed-data for what is not a text file at all (zip, UTF-16, endless line); whatever `onLine` throws
 */
export async function eachLine(file: TextFile, onLine: LineHandler): Promise<number> {
  let carry: Uint8Array = new Uint8Array(0)
  let line = 0
  let blanks = 0

  function deliver(bytes: Uint8Array, from: number, to: number): void {
    let start = from
    const end = to > from && bytes[to - 1] === CR ? to - 1 : to
    if (line === 0 && blanks === 0) start += refuseNonText(file.path, bytes, start, end)
    if (start === end) {
      blanks++
      return
    }
    // Blank lines in the middle are handed on, so that the format can refuse them by number; at the end they never get here.
    for (; blanks > 0; blanks--) onLine(bytes, start, start, ++line)
    onLine(bytes, start, end, ++line)
  }

  for await (const chunk of file.chunks()) {
    let bytes = chunk
    let scanFrom = 0
    if (carry.length > 0) {
      bytes = new Uint8Array(carry.length + chunk.length)
      bytes.set(carry)
      bytes.set(chunk, carry.length)
      scanFrom = carry.length
    }
    let start = 0
    for (let i = scanFrom; i < bytes.length; i++) {
      if (bytes[i] === LF) {
        deliver(bytes, start, i)
        start = i + 1
      }
    }
    carry = bytes.subarray(start)
    if (carry.length > MAX_LINE_BYTES) {
      throw new TacetError('malformed-data', `${file.path}, line ${line + 1}: the line is longer than 16 MiB`, {
        wayOut: 'Check that this is a text file of ratings.',
        details: { file: file.path, line: line + 1 },
      })
    }
  }
  if (carry.length > 0) deliver(carry, 0, carry.length)
  return line
}

/** Length of the byte order mark at the start of the first line (0 or 3). */
function refuseNonText(path: string, bytes: Uint8Array, start: number, end: number): number {
  const [a, b, c, d] = bytes.subarray(start, Math.min(end, start + 4))
  const fail = (what: string, wayOut: string) =>
    new TacetError('malformed-data', `${path}, line 1: ${what}`, { wayOut, details: { file: path, line: 1 } })
  if (a === 0x50 && b === 0x4b && c === 3 && d === 4) throw fail('this is a zip archive', 'Unpack it and give the folder.')
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff)) throw fail('the text is UTF-16', 'Save it as UTF-8.')
  return a === 0xef && b === 0xbb && c === 0xbf ? 3 : 0
}

const utf8 = new TextDecoder('utf-8', { fatal: true })
const latin1 = new TextDecoder('latin1')

/** Text of `bytes[start, end)`: UTF-8 where valid, else Latin-1. */
export function decodeText(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= 24) {
    // Short ASCII (nearly every id) without the decoder's call overhead.
    let text = ''
    let i = start
    for (; i < end; i++) {
      const byte = bytes[i] as number
      if (byte >= 128) break
      text += String.fromCharCode(byte)
    }
    if (i === end) return text
  }
  const slice = bytes.subarray(start, end)
  try {
    return utf8.decode(slice)
  } catch {
    return latin1.decode(slice)
  }
}

/** Where the fields of one line lie: field f is `bytes[starts[f], ends[f])`. Reused from line to line. */
export interface Fields {
  count: number
  starts: Int32Array
  ends: Int32Array
}

export function createFields(): Fields {
  return { count: 0, starts: new Int32Array(64), ends: new Int32Array(64) }
}

function addField(fields: Fields, start: number, end: number): void {
  const f = fields.count++
  if (f === fields.starts.length) {
    for (const key of ['starts', 'ends'] as const) {
      const grown = new Int32Array(f * 2)
      grown.set(fields[key])
      fields[key] = grown
    }
  }
  fields.starts[f] = start
  fields.ends[f] = end
}

/** Splits on a single byte (tab, comma, bar …) or, when `twice`, on that byte doubled (`::`). No quoting. */
export function splitFields(fields: Fields, bytes: Uint8Array, start: number, end: number, delimiter: number, twice = false): void {
  fields.count = 0
  let from = start
  for (let i = start; i < end; i++) {
    if (bytes[i] !== delimiter) continue
    if (twice) {
      if (i + 1 >= end || bytes[i + 1] !== delimiter) continue
      addField(fields, from, i)
      from = ++i + 1
    } else {
      addField(fields, from, i)
      from = i + 1
    }
  }
  addField(fields, from, end)
}

/**
 * Splits one CSV record by RFC 4180: a field that starts with `"` ends at the next lone `"`, and `""` inside stands for one.
 * @returns the buffer that `fields` points into (`bytes` itself when nothing was quoted), or null when a quote is still open at `end`
 */
export function splitQuoted(fields: Fields, bytes: Uint8Array, start: number, end: number, delimiter: number): Uint8Array | null {
  let i = start
  while (i < end && bytes[i] !== QUOTE) i++
  if (i === end) {
    splitFields(fields, bytes, start, end, delimiter)
    return bytes
  }
  const out = new Uint8Array(end - start)
  let length = 0
  fields.count = 0
  for (let at = start; ; at++) {
    const from = length
    if (bytes[at] === QUOTE && at < end) {
      for (at++; ; at++) {
        if (at >= end) return null
        const byte = bytes[at] as number
        if (byte === QUOTE) {
          if (bytes[at + 1] !== QUOTE || at + 1 >= end) break
          at++
        }
        out[length++] = byte
      }
      at++
    }
    // The rest of an unquoted field; after a closing quote, stray text is kept as it stands.
    for (; at < end && bytes[at] !== delimiter; at++) out[length++] = bytes[at] as number
    addField(fields, from, length)
    if (at >= end) return out
  }
}

const powersOfTen = Array.from({ length: 16 }, (_, k) => 10 ** k)
const numberPattern = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$/

/**
 * The decimal number that fills `bytes[start, end)`, or NaN when it is anything else (empty, `NaN`, `Infinity`, hex, stray letters or blanks).
 * Up to 15 digits are read without a string: an integer below 2⁵³ over a power of ten ≤ 10¹⁵ is correctly rounded.
 */
export function parseNumber(bytes: Uint8Array, start: number, end: number): number {
  let i = start
  const negative = bytes[i] === 45 && end > start
  if (negative) i++
  let value = 0
  let digits = 0
  let point = -1
  for (; i < end; i++) {
    const byte = bytes[i] as number
    if (byte >= 48 && byte <= 57) {
      value = value * 10 + (byte - 48)
      digits++
    } else if (byte === 46 && point < 0) point = digits
    else return parseUnusualNumber(bytes, start, end)
  }
  if (digits === 0) return Number.NaN
  if (digits > 15) return parseUnusualNumber(bytes, start, end)
  if (point >= 0) value /= powersOfTen[digits - point] as number
  return negative ? -value : value
}

function parseUnusualNumber(bytes: Uint8Array, start: number, end: number): number {
  if (end - start > 64) return Number.NaN
  const text = decodeText(bytes, start, end)
  const value = numberPattern.test(text) ? Number(text) : Number.NaN
  return Number.isFinite(value) ? value : Number.NaN
}
