/**
 * What happens to a line that cannot be read: an error that names file, line, the text and what was expected, or, when the caller asked to
 * skip bad lines, a count. Damage that makes the rest of a file unreadable (broken gzip, wrong header) is never skipped.
 */
import { type ErrorCode, TacetError } from '../errors.ts'
import { decodeText } from './lines.ts'

export interface LineErrors {
  /** Lines skipped so far. */
  readonly skipped: number
  /**
   * Reports one bad line: throws, or counts it when skipping.
   * @param problem a clause such as `rating "6" is not on the scale 1 … 5`
   */
  bad(path: string, line: number, problem: string, code?: ErrorCode): void
}

export function createLineErrors(skipBadLines: boolean): LineErrors {
  let skipped = 0
  return {
    get skipped() {
      return skipped
    },
    bad(path, line, problem, code = 'malformed-data') {
      if (skipBadLines) skipped++
      else throw lineError(path, line, problem, code)
    },
  }
}

/** The error for one bad line. */
export function lineError(path: string, line: number, problem: string, code: ErrorCode = 'malformed-data', wayOut?: string): TacetError {
  return new TacetError(code, `${path}, line ${line}: ${problem}`, {
    wayOut: wayOut ?? 'Mend the line, or read on with --skip-bad-lines, which counts what it skips.',
    details: { file: path, line, problem },
  })
}

/** A piece of a line for a message: quoted, control characters escaped, shortened to 60 characters. */
export function quoteText(bytes: Uint8Array, start: number, end: number): string {
  const text = decodeText(bytes, start, Math.min(end, start + 240))
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}…` : text)
}
