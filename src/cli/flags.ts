/** What the commands' declarations share: parsers for option values, which name the flag, the value and the bound when they refuse (exit 2). */
import { checkNumber, type ErrorCode, TacetError } from '../errors.ts'

type Bounds = Parameters<typeof checkNumber>[2]

/** A finite number inside `bounds`. An empty or non-numeric text is refused by name. */
export function numberFlag(flag: string, bounds: Bounds = {}): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text)
    if (Number.isNaN(value)) {
      throw new TacetError('invalid-argument', `${flag} is "${text}"; it must be a number`, { details: { name: flag, value: text } })
    }
    return checkNumber(flag, value, bounds)
  }
}

export function integerFlag(flag: string, bounds: Bounds = {}): (text: string) => number {
  return numberFlag(flag, { ...bounds, integer: true })
}

/** One of `values`. */
export function choiceFlag<T extends string>(
  flag: string,
  values: readonly T[],
  code: ErrorCode = 'invalid-argument',
): (text: string) => T {
  return (text) => {
    const found = values.find((value) => value === text)
    if (found !== undefined) return found
    throw new TacetError(code, `${flag} is "${text}"; it must be one of ${values.join(', ')}`, {
      details: { name: flag, value: text, allowed: values },
    })
  }
}

/** Bounds that several commands share. */
export const deltaBounds = { above: 0, below: 1 }
export const rateBounds = { above: 0, atMost: 1 }

/** Refuses a flag that only makes sense with, or never with, another choice: `--recipe goes with --model wide-and-deep, not bias-factors`. */
export function refuse(sentence: string, wayOut?: string): never {
  throw new TacetError('invalid-argument', sentence, wayOut === undefined ? {} : { wayOut })
}

/** `object` without its undefined entries: an option not given is a key not there. */
export function defined<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}

/** The examples at the end of a command's help. */
export function examples(...commandLines: readonly string[]): string {
  return `\nExamples:\n${commandLines.map((text) => `  $ ${text}`).join('\n')}\n`
}
