/**
 * Train and test rows. Every split here is a pure function of the data, the options and the seed; none looks at row positions, so the order of
 * a file decides nothing.
 *
 * Which may a private run use? Those in which one row's side depends on nothing but that row: a fixed public time, a keyed hash of the
 * external ids, the split that the data set ships. Taking a row away then moves no other row (privacy-rules, rule 3). The others say
 * `dataDependent: true`; a private run refuses them.
 */
import { checkNumber, TacetError } from '../errors.ts'
import { rowsByUser } from './assemble.ts'
import type { Interactions, Split } from './interactions.ts'

export type SplitOptions =
  /** Rows at or after a public time are test. Default: the data set's declared `publicCutTimestamp`. */
  | { readonly kind: 'chronological'; readonly cutTimestamp?: number }
  /** The time of the row at rank (1 − testFraction)·n: data-dependent. */
  | { readonly kind: 'chronological'; readonly testFraction: number }
  /** A keyed hash of (userId, itemId) below `testFraction` (default 0.2) is test. */
  | { readonly kind: 'random'; readonly testFraction?: number; readonly seed?: number }
  /** The last ⌊testFraction · k⌋ of each person's k rows are test (default 0.2): data-dependent. */
  | { readonly kind: 'per-user-chronological'; readonly testFraction?: number; readonly seed?: number }
  /** Each person's last row is test, unless it is their only one: data-dependent. */
  | { readonly kind: 'leave-one-out'; readonly seed?: number }
  | { readonly kind: 'given' }

export const splitKinds = ['chronological', 'random', 'per-user-chronological', 'leave-one-out', 'given'] as const

/** Kinds that this data set allows, for people. */
export function availableSplits(data: Interactions): Split['kind'][] {
  return splitKinds.filter((kind) => (kind === 'given' ? data.givenSplit !== null : kind === 'random' || data.timestamps !== null))
}

/**
 * Splits the rows of `data` into train and test, each ascending by row number.
 * @throws TacetError invalid-argument when the data lacks what the kind needs (times, a shipped split, a public cut) or one side comes out empty
 */
export function splitInteractions(data: Interactions, options: SplitOptions): Split {
  const split = cut(data, options)
  for (const side of ['train', 'test'] as const) {
    if (split[side].length > 0) continue
    const wayOut =
      options.kind === 'chronological'
        ? 'Choose another time with --cut-timestamp, or split with --split random.'
        : 'Choose another split or fraction, or give more data.'
    throw new TacetError('invalid-argument', `the ${options.kind} split of ${data.name} leaves no ${side} row (${split.description})`, {
      wayOut,
      details: { kind: options.kind, train: split.train.length, test: split.test.length },
    })
  }
  return split
}

function cut(data: Interactions, options: SplitOptions): Split {
  switch (options.kind) {
    case 'chronological':
      return 'testFraction' in options && options.testFraction !== undefined
        ? splitByRank(data, options.testFraction)
        : splitAtTime(data, 'cutTimestamp' in options ? options.cutTimestamp : undefined)
    case 'random':
      return splitByHash(data, fractionOf(options.testFraction), options.seed ?? 0)
    case 'per-user-chronological': {
      const fraction = fractionOf(options.testFraction)
      const isTest = lastOfEachPerson(data, options, (count) => Math.floor(fraction * count))
      return splitOf(data, options.kind, isTest, `the last ${percent(fraction)} of each person's rows by time are test`, {
        dataDependent: true,
      })
    }
    case 'leave-one-out': {
      const isTest = lastOfEachPerson(data, options, (count) => (count > 1 ? 1 : 0))
      return splitOf(data, options.kind, isTest, "each person's last row by time is test", { dataDependent: true })
    }
    case 'given': {
      const { givenSplit } = data
      if (!givenSplit) {
        throw new TacetError('invalid-argument', `${data.name} ships no split of its own`, {
          wayOut: `Use one of ${availableSplits(data).join(', ')}.`,
          details: { kind: 'given' },
        })
      }
      return splitOf(data, 'given', (row) => givenSplit[row] === 1, 'the split that the data set ships')
    }
  }
}

function splitAtTime(data: Interactions, wanted: number | undefined): Split {
  const timestamps = timestampsOf(data, 'chronological')
  const cutTimestamp = wanted ?? data.publicCutTimestamp
  if (cutTimestamp === undefined) {
    throw new TacetError(
      'invalid-argument',
      `a chronological split of ${data.name} needs a time to cut at, and the data set declares none`,
      {
        wayOut: 'Give one with --cut-timestamp SECONDS (public, chosen without looking), or split with --split random.',
        details: { kind: 'chronological' },
      },
    )
  }
  checkNumber('cut-timestamp', cutTimestamp)
  const source = wanted === undefined ? 'declared with the data set' : 'given by the caller'
  const description = `rows at or after the public time ${cutTimestamp} (${dateOf(cutTimestamp)}, ${source}) are test`
  return splitOf(data, 'chronological', (row) => (timestamps[row] as number) >= cutTimestamp, description, { cutTimestamp })
}

function splitByRank(data: Interactions, testFraction: number): Split {
  const timestamps = timestampsOf(data, 'chronological')
  const fraction = fractionOf(testFraction)
  const sorted = timestamps.slice().sort()
  const cutTimestamp = sorted[Math.min(sorted.length - 1, Math.floor((1 - fraction) * sorted.length))] as number
  const description = `the latest ${percent(fraction)} of all rows are test (from ${cutTimestamp}, ${dateOf(cutTimestamp)}; a rank of private times)`
  const isTest = (row: number) => (timestamps[row] as number) >= cutTimestamp
  return splitOf(data, 'chronological', isTest, description, { cutTimestamp, dataDependent: true })
}

function splitByHash(data: Interactions, fraction: number, seed: number): Split {
  const hash = pairHash(data, seed)
  const threshold = fraction * 2 ** 32
  const description = `rows whose keyed hash of (user id, item id), seed ${seed}, falls in the first ${percent(fraction)} are test`
  return splitOf(data, 'random', (row) => hash(row) < threshold, description)
}

/** Marks each person's last `howMany(k)` rows by time; at equal times a keyed hash of the ids decides, not the order of the file. */
function lastOfEachPerson(
  data: Interactions,
  options: { readonly kind: string; readonly seed?: number },
  howMany: (count: number) => number,
): (row: number) => boolean {
  const timestamps = timestampsOf(data, options.kind)
  const hash = pairHash(data, options.seed ?? 0)
  const { rows, offsets } = rowsByUser(data.users, data.userIds.length)
  const isTest = new Uint8Array(data.users.length)
  for (let user = 0; user < data.userIds.length; user++) {
    const own = Array.from(rows.subarray(offsets[user] as number, offsets[user + 1] as number))
    own.sort((a, b) => (timestamps[a] as number) - (timestamps[b] as number) || hash(a) - hash(b))
    for (const row of own.slice(own.length - howMany(own.length))) isTest[row] = 1
  }
  return (row) => isTest[row] === 1
}

function splitOf(
  data: Interactions,
  kind: Split['kind'],
  isTest: (row: number) => boolean,
  description: string,
  { cutTimestamp = null, dataDependent = false }: { cutTimestamp?: number | null; dataDependent?: boolean } = {},
): Split {
  const count = data.users.length
  const sides = new Uint8Array(count)
  let testCount = 0
  for (let row = 0; row < count; row++) {
    if (!isTest(row)) continue
    sides[row] = 1
    testCount++
  }
  const train = new Uint32Array(count - testCount)
  const test = new Uint32Array(testCount)
  for (let row = 0, i = 0, j = 0; row < count; row++) {
    if (sides[row] === 1) test[j++] = row
    else train[i++] = row
  }
  return { kind, train, test, description, cutTimestamp, dataDependent }
}

/** Test rows of people who have no train row: what a person term can say nothing about. */
export function countTestRowsOfUnseenUsers(data: Interactions, split: Split): number {
  const seen = new Uint8Array(data.userIds.length)
  for (const row of split.train) seen[data.users[row] as number] = 1
  let count = 0
  for (const row of split.test) if (seen[data.users[row] as number] === 0) count++
  return count
}

/** @throws TacetError invalid-argument unless every row has a finite time */
export function timestampsOf(data: Interactions, kind: string): Float64Array {
  const { timestamps } = data
  if (!timestamps) {
    throw new TacetError('invalid-argument', `a ${kind} split needs times, and ${data.name} has none`, {
      wayOut: `Use ${availableSplits(data)
        .map((available) => `--split ${available}`)
        .join(' or ')}.`,
      details: { kind, available: availableSplits(data) },
    })
  }
  const bad = timestamps.findIndex((time) => !Number.isFinite(time))
  if (bad >= 0) {
    throw new TacetError(
      'invalid-argument',
      `a ${kind} split needs a time in every row, and row ${bad} of ${data.name} has ${timestamps[bad]}`,
      {
        wayOut: 'Use --split random, or leave these rows out.',
        details: { kind, row: bad },
      },
    )
  }
  return timestamps
}

function fractionOf(testFraction: number | undefined): number {
  return checkNumber('test-fraction', testFraction ?? 0.2, { above: 0, below: 1 })
}

/**
 * Uniform 32-bit hash of a row's external (userId, itemId) under a seed. Not cryptographic: it makes splits stable, it hides nothing.
 * Each id is hashed once (two FNV-1a lanes, seeds apart), a row mixes its two ids with the finalizer of MurmurHash3.
 * @param purpose hashes for different purposes under one seed are independent of one another
 */
export function pairHash(
  data: Pick<Interactions, 'users' | 'items' | 'userIds' | 'itemIds'>,
  seed: number,
  purpose = '',
): (row: number) => number {
  const { low, high } = keyOf(seed, purpose)
  const userHashes = Uint32Array.from(data.userIds, (id) => mix(textHash(id, 0x811c9dc5) ^ mix(low ^ 0x9e3779b9)))
  const itemHashes = Uint32Array.from(data.itemIds, (id) => mix(textHash(id, 0x01234567) ^ mix(high ^ 0x85ebca6b)))
  return (row) => {
    const user = userHashes[data.users[row] as number] as number
    const item = itemHashes[data.items[row] as number] as number
    return mix(Math.imul(user, 0xcc9e2d51) + ((item << 13) | (item >>> 19)))
  }
}

/** Uniform 32-bit hash of each id under a seed, as `pairHash`. @returns Uint32Array[ids.length] */
export function idHashes(ids: readonly string[], seed: number, purpose = ''): Uint32Array {
  const { low, high } = keyOf(seed, purpose)
  const key = mix(mix(low ^ 0x9e3779b9) ^ high)
  return Uint32Array.from(ids, (id) => mix(textHash(id, 0x811c9dc5) ^ key))
}

function keyOf(seed: number, purpose: string): { readonly low: number; readonly high: number } {
  checkNumber('seed', seed, { atLeast: 0, atMost: Number.MAX_SAFE_INTEGER, integer: true })
  const salt = purpose === '' ? 0 : mix(textHash(purpose, 0x2545f491))
  return { low: (seed >>> 0) ^ salt, high: Math.floor(seed / 2 ** 32) ^ salt }
}

function textHash(text: string, start: number): number {
  let hash = start
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash
}

/** MurmurHash3's 32-bit finalizer: a bijection in which every input bit flips about half of the output bits. */
function mix(value: number): number {
  let hash = value
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

function dateOf(seconds: number): string {
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime()) ? 'no calendar date' : date.toISOString().slice(0, 16).replace('T', ' ').concat(' UTC')
}

export function percent(fraction: number): string {
  return `${Number((fraction * 100).toFixed(2))} %`
}
