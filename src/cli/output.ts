/**
 * How results look: one JSON object with camelCase keys, or labelled lines for people ("data      ml-100k · 943 users"). Same facts in both.
 * Nothing here decides what is printed; commands do.
 */
import type { CommandContext } from './io.ts'

const labelWidth = 10

/** How this program is called: from a checkout through npm, once installed by its name. For the "next" lines. */
export const programName = import.meta.url.endsWith('.ts') ? 'npm run -s tacet --' : 'tacet'

/** One JSON text on one line. Infinity is "inf" (JSON has no infinity), NaN is null, typed arrays are arrays. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, entry: unknown) => {
    if (typeof entry === 'number' && !Number.isFinite(entry)) return Number.isNaN(entry) ? null : entry > 0 ? 'inf' : '-inf'
    if (ArrayBuffer.isView(entry) && !(entry instanceof DataView)) return Array.from(entry as unknown as ArrayLike<number>)
    return entry
  })
}

/** `label` padded to the common column, then the facts joined by a middle dot; undefined, null and empty facts are left out. */
export function line(label: string, ...facts: readonly (string | null | undefined | false)[]): string {
  return `${label.padEnd(labelWidth)}${facts.filter(Boolean).join(' · ')}`.trimEnd()
}

/** A further line under the same label. */
export function under(...facts: readonly (string | null | undefined | false)[]): string {
  return line('', ...facts)
}

/** Prints the object with --json, the lines otherwise. */
export function printResult({ io, json }: CommandContext, value: unknown, lines: readonly string[]): void {
  io.stdout.write(json ? `${toJson(value)}\n` : `${lines.join('\n')}\n`)
}

/** A count with thousands separators: 1,000,209. */
export function count(value: number): string {
  return value.toLocaleString('en-US')
}

/** A number for people: `digits` significant digits, no exponent between 1e-4 and 1e7, ∞ for infinity. */
export function significant(value: number, digits = 4): string {
  if (value === Number.POSITIVE_INFINITY) return '∞'
  if (value === 0 || !Number.isFinite(value)) return String(value)
  const magnitude = Math.abs(value)
  if (magnitude < 1e-4 || magnitude >= 1e7) return Number(value.toPrecision(digits)).toExponential()
  return String(Number(value.toPrecision(digits)))
}

/** Seconds for people: 0.42 s, 12.3 s, 2 min 05 s. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(2)} s`
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')} min`
}

/** Left-aligned text columns, two spaces apart; columns whose header starts with '>' are right-aligned. */
export function textTable(headers: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const right = headers.map((header) => header.startsWith('>'))
  const all = [headers.map((header) => header.replace(/^>/, '')), ...rows]
  const widths = headers.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)))
  return all.map((row) =>
    row
      .map((cell, column) => (right[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
}

/** `text` without Markdown's emphasis, broken at spaces into lines of at most `width` characters. */
export function prose(text: string, width = 100): string[] {
  const lines: string[] = []
  for (const word of text.replaceAll('**', '').split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}
