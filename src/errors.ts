/**
 * One error type for everything Tacet refuses or cannot do. A leaf: anyone may import it.
 *
 * `code` is stable and for programs; `message` names the thing, the value and the bound; `wayOut` says what to do next.
 * The table below maps each code to the exit status of the command line (ARCHITECTURE.md, "Exit status"). Nothing here prints.
 */

/** Exit status by code: 1 unexpected · 2 usage or configuration · 3 bad data · 4 refused for privacy · 5 a check found a violation · 130 interrupted. */
export const exitStatusByCode = {
  internal: 1,
  diverged: 1,
  'invalid-argument': 2,
  'unknown-model': 2,
  'unknown-study': 2,
  'output-exists': 2,
  'output-not-writable': 2,
  'unsupported-event': 2,
  'not-calibratable': 2,
  'missing-file': 3,
  'malformed-data': 3,
  'empty-data': 3,
  'unknown-id': 3,
  'corrupt-run': 3,
  'newer-run': 3,
  'unsafe-plan': 4,
  'budget-exhausted': 4,
  'audit-violation': 5,
  'check-failed': 5,
  interrupted: 130,
} as const

export type ErrorCode = keyof typeof exitStatusByCode

export class TacetError extends Error {
  readonly code: ErrorCode
  /** What the reader can do about it: one line, an imperative. */
  readonly wayOut: string | undefined
  /** The values behind the sentence, for `--json`. */
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, options: { wayOut?: string; details?: Record<string, unknown>; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'TacetError'
    this.code = code
    this.wayOut = options.wayOut
    this.details = options.details ?? {}
  }
}

/**
 * Returns `value` if it is a finite number inside the bounds, else throws `invalid-argument` naming the thing, the value and the bound.
 * Bounds are exclusive when given as `above`/`below`, inclusive as `atLeast`/`atMost`.
 */
export function checkNumber(
  name: string,
  value: number,
  bounds: { above?: number; atLeast?: number; below?: number; atMost?: number; integer?: boolean } = {},
): number {
  const { above, atLeast, below, atMost, integer } = bounds
  const wanted = [
    integer ? 'an integer' : 'a finite number',
    above === undefined ? '' : `> ${above}`,
    atLeast === undefined ? '' : `≥ ${atLeast}`,
    below === undefined ? '' : `< ${below}`,
    atMost === undefined ? '' : `≤ ${atMost}`,
  ]
    .filter(Boolean)
    .join(' ')
  const ok =
    typeof value === 'number' &&
    Number.isFinite(value) &&
    (!integer || Number.isInteger(value)) &&
    (above === undefined || value > above) &&
    (atLeast === undefined || value >= atLeast) &&
    (below === undefined || value < below) &&
    (atMost === undefined || value <= atMost)
  if (!ok) throw new TacetError('invalid-argument', `${name} is ${value}; it must be ${wanted}`, { details: { name, value, bounds } })
  return value
}
