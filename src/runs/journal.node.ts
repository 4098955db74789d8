/**
 * The journal of what a run has spent: one line per entry, forced to disk before the caller may draw noise. It is the memory that a kill cannot
 * take away: an attempt's chunk of steps is in it whether or not the attempt lived to use it.
 *
 * A line that was cut off by a kill was never acknowledged, so no noise was drawn for it, and it is removed. Any other damage is `corrupt-run`:
 * a journal that cannot be read completely is never read as having spent less. It does not price events (accountants) and does not protect
 * against somebody who edits it or resumes two copies of a folder.
 */
import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { TacetError } from '../errors.ts'
import type { PrivacyEvent } from '../privacy/index.ts'

export type JournalEntry =
  /** A process took the run up. */
  | { readonly kind: 'attempt'; readonly attempt: number }
  /** Paid: the choice of the ids that may be named (private-vocabulary.ts), of items or of people. */
  | { readonly kind: 'select'; readonly attempt: number; readonly what: 'items' | 'users'; readonly event: PrivacyEvent }
  /** Paid: steps from (inclusive) to (exclusive), or one stage of a model without steps. Their noise may be drawn once. */
  | {
      readonly kind: 'spend'
      readonly attempt: number
      readonly from: number
      readonly to: number
      readonly event: PrivacyEvent
      /** Ranking runs: which part of the run pays. */
      readonly part?: string
    }
  /** The attempt ended in good order before `step`: nothing from there on was drawn, and a checkpoint at `step` is on disk. */
  | { readonly kind: 'stopped'; readonly attempt: number; readonly step: number }
  /** This attempt takes over steps that a stopped one had paid for and not drawn. After this line nobody else may. */
  | { readonly kind: 'continued'; readonly attempt: number; readonly from: number; readonly to: number }
  /** Training is done and its model is on disk: whoever takes the run up only finishes the folder. */
  | { readonly kind: 'finished'; readonly attempt: number }

export interface Journal {
  readonly entries: readonly JournalEntry[]
  /** Returns when the line is on disk. */
  append(entry: JournalEntry): void
  close(): void
}

/**
 * Opens a journal, making it if it is not there.
 * @throws TacetError corrupt-run if a whole line cannot be read
 */
export function openJournal(path: string): Journal {
  const descriptor = openSync(path, 'a+')
  try {
    const { entries, wholeBytes, totalBytes } = parseJournal(readFileSync(path), path)
    if (wholeBytes < totalBytes) {
      ftruncateSync(descriptor, wholeBytes)
      fsyncSync(descriptor)
    }
    return {
      entries,
      append(entry) {
        const line = Buffer.from(`${JSON.stringify({ n: entries.length, ...entry })}\n`)
        // O_APPEND: the whole line or, after a kill, a part of it that the next reader removes.
        const written = writeSync(descriptor, line)
        if (written !== line.length)
          throw new TacetError('output-not-writable', `${path}: only ${written} of ${line.length} bytes could be written`)
        fsyncSync(descriptor)
        entries.push(entry)
      },
      close() {
        closeSync(descriptor)
      },
    }
  } catch (error) {
    closeSync(descriptor)
    throw error
  }
}

/** Reads a journal without changing it. @throws TacetError corrupt-run */
export function readJournal(path: string): readonly JournalEntry[] {
  return parseJournal(readFileSync(path), path).entries
}

function parseJournal(bytes: Buffer, path: string): { entries: JournalEntry[]; wholeBytes: number; totalBytes: number } {
  const wholeBytes = bytes.lastIndexOf(0x0a) + 1
  const lines =
    wholeBytes === 0
      ? []
      : bytes
          .subarray(0, wholeBytes - 1)
          .toString('utf8')
          .split('\n')
  const entries = lines.map((line, index) => {
    try {
      return checkEntry(JSON.parse(line), index)
    } catch (cause) {
      throw new TacetError('corrupt-run', `${path}:${index + 1}: this line of the spending journal cannot be read`, {
        wayOut: 'restore the file from a copy; without it nobody can say what the run has spent',
        cause,
      })
    }
  })
  return { entries, wholeBytes, totalBytes: bytes.length }
}

function checkEntry(value: unknown, index: number): JournalEntry {
  const { n, ...entry } = value as { n: number } & JournalEntry
  const counts = (...numbers: readonly number[]) => numbers.every((number) => Number.isSafeInteger(number) && number >= 0)
  const known =
    ((entry.kind === 'attempt' || entry.kind === 'finished') && counts(entry.attempt)) ||
    (entry.kind === 'stopped' && counts(entry.attempt, entry.step)) ||
    (entry.kind === 'continued' && counts(entry.attempt, entry.from, entry.to)) ||
    (entry.kind === 'select' &&
      counts(entry.attempt) &&
      (entry.what === 'items' || entry.what === 'users') &&
      typeof entry.event?.kind === 'string') ||
    (entry.kind === 'spend' && counts(entry.attempt, entry.from, entry.to) && typeof entry.event?.kind === 'string')
  if (n !== index || !known) throw new Error(`entry ${index} is ${JSON.stringify(value)}`)
  return entry
}

/** Everything every attempt has paid for. */
export function spentEvents(entries: readonly JournalEntry[]): PrivacyEvent[] {
  return entries.flatMap((entry) => (entry.kind === 'spend' || entry.kind === 'select' ? [entry.event] : []))
}

/**
 * Up to which step a checkpoint at `step` may go on without paying: only if the journal's last word is that an attempt stopped there in good
 * order, and then to the end of the chunk it had paid. Otherwise nobody knows what was drawn, and `step` itself is the answer.
 */
export function paidThrough(entries: readonly JournalEntry[], step: number): number {
  const last = entries.at(-1)
  if (last?.kind !== 'stopped' || last.step !== step) return step
  for (let i = entries.length - 2; i >= 0; i--) {
    const entry = entries[i] as JournalEntry
    if (entry.kind !== 'spend' && entry.kind !== 'continued') continue
    return entry.attempt === last.attempt && entry.from <= step && step <= entry.to ? entry.to : step
  }
  return step
}

/** Number of the attempt that starts now, from 1. */
export function nextAttempt(entries: readonly JournalEntry[]): number {
  return entries.reduce((highest, entry) => Math.max(highest, entry.attempt), 0) + 1
}
