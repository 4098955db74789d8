/**
 * Splits for ranking: who is trained on, whose lists are measured, and what of their history a model may use.
 *
 * Every split is a pure function of the data, the options and the seed; the order of a file decides nothing. What one person's rows may decide
 * is said by `dataDependent`, and a private run refuses what its unit does not allow (privacy-rules, rule 3):
 * - `no`: a row's side depends on that row alone (ids, a public time, the side that the data set ships);
 * - `own-rows`: it depends on other rows of the same person too (their latest, their last fifth). Sound for a promise to a whole person;
 *   refused where the promise is for one rating, since taking one away moves another;
 * - `other-people`: it depends on rows of others (a rank among all times). Refused for any private run.
 * Ids that are listed, and their number, are taken as public in all of them: held-out people are chosen among the listed ids.
 *
 * The test is sealed (sealed.ts): `openTest` of evaluation gives it out for a frozen model. Counts and matrices are exact: private.
 */
import { checkNumber, TacetError } from '../errors.ts'
import { compareIds } from './ids.ts'
import type { Interactions } from './interactions.ts'
import { type Positives, positiveRows } from './positives.ts'
import { type SealedTest, sealTest } from './sealed.ts'
import { idHashes, pairHash, percent, splitInteractions, timestampsOf } from './splits.ts'

/** People whose lists are measured; row p of each matrix belongs to users[p]. */
export interface RankedPeople {
  /** Dense user index. */
  readonly users: Uint32Array
  /** What a model may know of them: their training rows, or the part of a held-out person's history that is folded in. */
  readonly history: Positives
  /** What must not be listed: the history, and whatever else of theirs lies in training or validation. */
  readonly seen: Positives
  /** What a good list contains; at least one item a person. */
  readonly relevant: Positives
  /** True: none of them was trained on; they are ranked for by their history alone, never by a row of the model. */
  readonly strangers: boolean
}

export const rankingSplitKinds = [
  'random',
  'chronological',
  'per-user-chronological',
  'leave-latest-out',
  'held-out-users',
  'given',
  'k-fold',
] as const
export type RankingSplitKind = (typeof rankingSplitKinds)[number]

export interface RankingSplitOptions {
  readonly kind: RankingSplitKind
  /** Lowest rating that counts as liked; null (default): every row does. Ignored, with a note, on data without ratings. */
  readonly minRating?: number | null
  /** Key of every hash here; integer ≥ 0, default 0. */
  readonly seed?: number
  /** random: default .1. per-user-chronological: share of each person's likes, default .2. chronological: a rank instead of a public time. */
  readonly testFraction?: number
  /** random: default .1; 0: no validation. */
  readonly validationFraction?: number
  /** chronological: seconds; default: the time that the data set declares. */
  readonly cutTimestamp?: number
  /** chronological: training rows at or after this time are validation. Default: no validation. */
  readonly validationCutTimestamp?: number
  /** leave-latest-out: the like before the latest is validation (people with three or more). Default false. */
  readonly validation?: boolean
  /** held-out-users: how many people are tested on; default 1,000, a fifth where fewer than 5,000 are listed. */
  readonly heldOutTest?: number
  /** held-out-users: default 500, a tenth where fewer than 5,000 are listed; 0: no validation. */
  readonly heldOutValidation?: number
  /** held-out-users and keepOutPeople: people with fewer likes are not measured; default 5. */
  readonly minPositives?: number
  /** k-fold: which one, 0 … folds − 1. */
  readonly fold?: number
  readonly folds?: number
  /** People kept out of training, validation and test, by a keyed hash of the id: for the gate. Exactly one of fraction and count. */
  readonly keepOutPeople?: { readonly fraction?: number; readonly count?: number; readonly seed?: number }
}

export interface RankingSplit {
  readonly kind: RankingSplitKind
  /** As resolved: what `tuningSplit` cuts once more. */
  readonly options: RankingSplitOptions
  /** Rows of all listed people; those who are held out have none. */
  readonly train: Positives
  /** Uint32Array aligned with train.items: the row of the data that each like came from. */
  readonly trainRows: Uint32Array
  /** Null where the kind has none of its own: `tuningSplit` makes one. */
  readonly validation: RankedPeople | null
  readonly test: SealedTest
  /** With `keepOutPeople`: people out of training whose history is split 80/20 as that of held-out people. */
  readonly gatePeople: RankedPeople | null
  /** How the cut was made, in words for the statement. */
  readonly description: string
  readonly dataDependent: DataDependence
  readonly counts: {
    /** Rows that count as liked. */
    readonly positives: number
    readonly train: number
    readonly validation: number
    readonly test: number
    readonly trainPeople: number
    readonly validationPeople: number
    readonly testPeople: number
    readonly gatePeople: number
  }
  /** What the reader should know and did not ask. */
  readonly notes: readonly string[]
}

export type DataDependence = 'no' | 'own-rows' | 'other-people'

/** What is trained on and validated on while settings are chosen. */
export type TuningSplit = Pick<RankingSplit, 'train' | 'trainRows' | 'description' | 'dataDependent'> & {
  readonly validation: RankedPeople
}

/** Where a liked row goes. The rows of people held out are history (may be folded in) or what is looked for. */
const side = { train: 0, validation: 1, test: 2, validationHistory: 3, testHistory: 4, gateHistory: 5, gate: 6 } as const

const optionsOfKind: Readonly<Record<RankingSplitKind, readonly (keyof RankingSplitOptions)[]>> = {
  random: ['testFraction', 'validationFraction'],
  chronological: ['cutTimestamp', 'testFraction', 'validationCutTimestamp'],
  'per-user-chronological': ['testFraction'],
  'leave-latest-out': ['validation'],
  'held-out-users': ['heldOutTest', 'heldOutValidation'],
  given: [],
  'k-fold': ['fold', 'folds'],
}

/** Kinds that this data set allows. */
export function availableRankingSplits(data: Interactions): RankingSplitKind[] {
  const needs: Partial<Record<RankingSplitKind, unknown>> = {
    chronological: data.timestamps,
    'per-user-chronological': data.timestamps,
    'leave-latest-out': data.timestamps,
    given: data.givenSplit,
  }
  return rankingSplitKinds.filter((kind) => needs[kind] !== null)
}

/**
 * Splits the likes of `data`.
 * @throws TacetError invalid-argument where the data lacks what the kind needs, an option is not one of the kind or out of bounds, or nothing
 *   is left to train on or to test on
 */
export function splitForRanking(data: Interactions, options: RankingSplitOptions): RankingSplit {
  checkOptions(options)
  const minRating = options.minRating ?? null
  const notes: string[] = []
  if (minRating !== null && data.feedback === 'implicit')
    notes.push(`min-rating ${minRating} is ignored: ${data.name} has no ratings, so every row counts as liked`)
  const rows = positiveRows(data, minRating)
  const sides = new Uint8Array(data.users.length)
  const kept = keepOut(data, rows, sides, options)
  const { description, dataDependent } = cut(data, kept.rest, sides, options)
  const matrices = matricesOf(data, rows, sides)
  const strangers = options.kind === 'held-out-users'
  const test = peopleOf(matrices, strangers ? side.testHistory : side.train, side.validation, side.test, strangers)
  const validation = peopleOf(matrices, strangers ? side.validationHistory : side.train, null, side.validation, strangers)
  const gatePeople = options.keepOutPeople ? peopleOf(matrices, side.gateHistory, null, side.gate, true) : null
  const { positives: train, rows: trainRows } = matrices(side.train)
  for (const [what, count] of [
    ['train on', train.items.length],
    ['test on', test.users.length],
  ] as const)
    if (count === 0)
      throw new TacetError('invalid-argument', `the ${options.kind} split of ${data.name} leaves nobody to ${what} (${description})`, {
        wayOut: 'Choose another split, other options or a lower --min-rating, or give more data.',
        details: { kind: options.kind, positives: rows.length },
      })
  if (data.vocabulary.users === 'from-interactions' && (strangers || gatePeople))
    notes.push(
      `people are held out by their ids among the ${data.userIds.length} that occur in ${data.name}: these ids are taken as public`,
    )
  const strangersTested = strangers ? 0 : peopleWithout(test.history)
  if (strangersTested > 0) notes.push(`${strangersTested} of ${test.users.length} test people have nothing in training`)
  if (gatePeople?.users.length === 0) notes.push('nobody kept out of training has enough likes to be measured')
  return {
    kind: options.kind,
    options,
    train,
    trainRows,
    validation: validation.users.length > 0 ? validation : null,
    test: sealTest(test),
    gatePeople,
    description: kept.description === null ? description : `${description}; ${kept.description}`,
    dataDependent,
    counts: {
      positives: rows.length,
      train: train.items.length,
      validation: validation.relevant.items.length,
      test: test.relevant.items.length,
      trainPeople: train.personCount - peopleWithout(train),
      validationPeople: validation.users.length,
      testPeople: test.users.length,
      gatePeople: gatePeople?.users.length ?? 0,
    },
    notes,
  }
}

/**
 * Training and validation for choosing settings: the split's own validation where it has one, else one cut out of its training rows by the
 * same rule (each person's last fifth, or latest, of what is left; the latest tenth by time; a tenth of the people held out), and a tenth by
 * keyed hash for `given` and `k-fold`. The test does not enter.
 * @throws TacetError invalid-argument where the training rows are too few to be cut
 */
export function tuningSplit(data: Interactions, split: RankingSplit): TuningSplit {
  if (split.validation !== null) return { ...split, validation: split.validation }
  const { minRating: _, keepOutPeople: __, validation: ___, cutTimestamp: ____, ...options } = split.options
  const inner: RankingSplitOptions =
    split.kind === 'given' || split.kind === 'k-fold' || split.kind === 'random'
      ? { kind: 'random', testFraction: 0.1, validationFraction: 0, ...(options.seed === undefined ? {} : { seed: options.seed }) }
      : split.kind === 'chronological'
        ? { kind: 'chronological', testFraction: 0.1 }
        : split.kind === 'held-out-users'
          ? { ...options, heldOutTest: Math.max(1, Math.floor(data.userIds.length / 10)), heldOutValidation: 0 }
          : options
  const sides = new Uint8Array(data.users.length)
  const { description, dataDependent } = cut(data, split.trainRows, sides, inner, 'tuning')
  const matrices = matricesOf(data, split.trainRows, sides)
  const strangers = inner.kind === 'held-out-users'
  const validation = peopleOf(matrices, strangers ? side.testHistory : side.train, null, side.test, strangers)
  const { positives: train, rows: trainRows } = matrices(side.train)
  if (train.items.length === 0 || validation.users.length === 0)
    throw new TacetError(
      'invalid-argument',
      `the training rows of the ${split.kind} split of ${data.name} are too few to validate on some`,
      {
        wayOut: 'Give more data, or choose a split with a validation part of its own, such as random.',
        details: { kind: split.kind, train: train.items.length, validationPeople: validation.users.length },
      },
    )
  const worst = (['other-people', 'own-rows', 'no'] as const).find((entry) => entry === dataDependent || entry === split.dataDependent)
  return { train, trainRows, validation, description: `of the training rows: ${description}`, dataDependent: worst ?? 'other-people' }
}

/** Writes the side of each of `rows`. Only `rows` are looked at. */
function cut(
  data: Interactions,
  rows: Uint32Array,
  sides: Uint8Array,
  options: RankingSplitOptions,
  purpose = '',
): { readonly description: string; readonly dataDependent: DataDependence } {
  const seed = options.seed ?? 0
  switch (options.kind) {
    case 'random': {
      const test = checkNumber('test-fraction', options.testFraction ?? 0.1, { above: 0, below: 1 })
      const validation = checkNumber('validation-fraction', options.validationFraction ?? 0.1, { atLeast: 0, below: 1 - test })
      const hash = pairHash(data, seed, purpose)
      for (const row of rows) {
        const at = hash(row) / 2 ** 32
        if (at < test) sides[row] = side.test
        else if (at < test + validation) sides[row] = side.validation
      }
      const also = validation > 0 ? `, in the next ${percent(validation)} validation` : ''
      return {
        description: `likes whose keyed hash of (user id, item id), seed ${seed}, falls in the first ${percent(test)} are test${also}`,
        dataDependent: 'no',
      }
    }
    case 'k-fold': {
      const folds = checkNumber('folds', options.folds ?? 5, { atLeast: 2, atMost: 1_000, integer: true })
      const fold = checkNumber('fold', options.fold ?? 0, { atLeast: 0, below: folds, integer: true })
      const hash = pairHash(data, seed, purpose)
      for (const row of rows) if (Math.floor((hash(row) / 2 ** 32) * folds) === fold) sides[row] = side.test
      return {
        description: `likes in part ${fold + 1} of ${folds} by keyed hash of (user id, item id), seed ${seed}, are test`,
        dataDependent: 'no',
      }
    }
    case 'given': {
      const split = splitInteractions(data, { kind: 'given' })
      const given = data.givenSplit as Uint8Array
      for (const row of rows) if (given[row] === 1) sides[row] = side.test
      return { description: split.description, dataDependent: 'no' }
    }
    case 'chronological':
      return cutByTime(data, rows, sides, options)
    case 'per-user-chronological': {
      const fraction = checkNumber('test-fraction', options.testFraction ?? 0.2, { above: 0, below: 1 })
      const latest = latestOfEach(data, rows, options.kind, seed)
      latest((own) => {
        const last = own.length < 2 ? 0 : Math.min(own.length - 1, Math.max(1, share(fraction, own.length)))
        for (const row of own.subarray(own.length - last)) sides[row] = side.test
      })
      return {
        description: `the last ${percent(fraction)} of each person's likes by time (rounded down, at least one) are test; people with one like stay in training`,
        dataDependent: 'own-rows',
      }
    }
    case 'leave-latest-out': {
      const latest = latestOfEach(data, rows, options.kind, seed)
      latest((own) => {
        if (own.length < 2) return
        sides[own.at(-1) as number] = side.test
        if (options.validation && own.length > 2) sides[own.at(-2) as number] = side.validation
      })
      const also = options.validation ? ', the one before it validation where they have three' : ''
      return {
        description: `each person's latest like is test${also}; people with one like stay in training`,
        dataDependent: 'own-rows',
      }
    }
    case 'held-out-users':
      return holdOut(data, rows, sides, options, purpose)
  }
}

function cutByTime(
  data: Interactions,
  rows: Uint32Array,
  sides: Uint8Array,
  { cutTimestamp, testFraction, validationCutTimestamp }: RankingSplitOptions,
): { readonly description: string; readonly dataDependent: DataDependence } {
  if (cutTimestamp !== undefined && testFraction !== undefined)
    throw new TacetError('invalid-argument', 'a chronological split takes a time or a fraction, not both', {
      wayOut: 'Leave out cutTimestamp or testFraction.',
    })
  const timestamps = timestampsOf(data, 'chronological')
  let at: number
  let description: string
  if (testFraction === undefined) {
    const split = splitInteractions(data, { kind: 'chronological', ...(cutTimestamp === undefined ? {} : { cutTimestamp }) })
    at = split.cutTimestamp as number
    description = split.description
  } else {
    const fraction = checkNumber('test-fraction', testFraction, { above: 0, below: 1 })
    const sorted = Float64Array.from(rows, (row) => timestamps[row] as number).sort()
    at = sorted[Math.min(sorted.length - 1, Math.floor((1 - fraction) * sorted.length))] as number
    description = `the latest ${percent(fraction)} of likes by time are test (from ${at}: a rank of private times)`
  }
  const before = validationCutTimestamp === undefined ? at : checkNumber('validation-cut-timestamp', validationCutTimestamp, { below: at })
  for (const row of rows) {
    const time = timestamps[row] as number
    if (time >= at) sides[row] = side.test
    else if (time >= before) sides[row] = side.validation
  }
  if (before < at) description += `, those before it and from ${before} on are validation`
  return { description, dataDependent: testFraction === undefined ? 'no' : 'other-people' }
}

function holdOut(
  data: Interactions,
  rows: Uint32Array,
  sides: Uint8Array,
  options: RankingSplitOptions,
  purpose: string,
): { readonly description: string; readonly dataDependent: DataDependence } {
  const seed = options.seed ?? 0
  const least = minPositivesOf(options)
  const { role, test, validation } = heldOutRoles(data, options, purpose)
  const foldIn = foldInBy(data, seed, sides)
  forEachPerson(data, rows, (user, own) => {
    if (role[user] === 0 || own.length < least) return
    const isTest = role[user] === side.test
    foldIn(own, isTest ? side.testHistory : side.validationHistory, isTest ? side.test : side.validation)
  })
  const also = validation > 0 ? `, the next ${validation} validation` : ''
  return {
    description: `the ${test} lowest of ${role.length} listed people by keyed hash of the user id, seed ${seed}, are test${also}; a fifth of each history (by keyed hash, rounded down, at least one) is looked for and the rest folded in; those with fewer than ${least} likes stay in training`,
    dataDependent: 'own-rows',
  }
}

/** Who is held out, by id alone: role[user] = test, validation, or 0. */
function heldOutRoles(
  data: Interactions,
  options: RankingSplitOptions,
  purpose = '',
): { readonly role: Uint8Array; readonly test: number; readonly validation: number } {
  const listed = data.userIds.length
  const [fewTest, fewValidation] = listed < 5_000 ? [Math.floor(listed / 5), Math.floor(listed / 10)] : [1_000, 500]
  const test = checkNumber('held-out-users', options.heldOutTest ?? Math.max(1, fewTest), { atLeast: 1, below: listed, integer: true })
  const rest = listed - test
  const validation = checkNumber('held-out validation people', options.heldOutValidation ?? Math.min(fewValidation, rest - 1), {
    atLeast: 0,
    below: rest,
    integer: true,
  })
  const order = byHash(data, options.seed ?? 0, `held out${purpose}`)
  const role = new Uint8Array(listed)
  for (const user of order.subarray(0, test)) role[user] = side.test
  for (const user of order.subarray(test, test + validation)) role[user] = side.validation
  return { role, test, validation }
}

/**
 * Takes people out by id alone, whatever they liked: so that no row of theirs, or of anybody, decides who is trained on. Those with too few
 * likes to be measured are out of training all the same.
 */
function keepOut(
  data: Interactions,
  rows: Uint32Array,
  sides: Uint8Array,
  options: RankingSplitOptions,
): { readonly rest: Uint32Array; readonly description: string | null } {
  const wanted = options.keepOutPeople
  if (wanted === undefined) return { rest: rows, description: null }
  const { fraction, count, seed = options.seed ?? 0 } = wanted
  if ((fraction === undefined) === (count === undefined))
    throw new TacetError('invalid-argument', 'keepOutPeople takes a fraction or a count, and one of them')
  const listed = data.userIds.length
  const out = count ?? Math.round(checkNumber('keepOutPeople.fraction', fraction as number, { above: 0, below: 1 }) * listed)
  const isOut = new Uint8Array(listed)
  const free = options.kind === 'held-out-users' ? notIn(heldOutRoles(data, options).role) : () => true
  const candidates = byHash(data, seed, 'kept out').filter(free)
  checkNumber('people kept out', out, { atLeast: 1, below: candidates.length, integer: true })
  for (const user of candidates.subarray(0, out)) isOut[user] = 1
  const least = minPositivesOf(options)
  const theirs = rows.filter((row) => isOut[data.users[row] as number] === 1)
  for (const row of theirs) sides[row] = side.gateHistory
  const foldIn = foldInBy(data, seed, sides)
  forEachPerson(data, theirs, (_, own) => {
    if (own.length >= least) foldIn(own, side.gateHistory, side.gate)
  })
  return {
    rest: rows.filter((row) => isOut[data.users[row] as number] === 0),
    description: `the ${out} lowest of ${candidates.length} listed people by another keyed hash, seed ${seed}, are kept out of it for the gate`,
  }
}

const notIn = (role: Uint8Array) => (user: number) => role[user] === 0

/** Listed people in the order of a keyed hash of their ids; equal hashes by id. */
function byHash(data: Interactions, seed: number, purpose: string): Uint32Array {
  const hashes = idHashes(data.userIds, seed, purpose)
  return Uint32Array.from(data.userIds.keys()).sort(
    (a, b) => (hashes[a] as number) - (hashes[b] as number) || compareIds(data.userIds[a] as string, data.userIds[b] as string),
  )
}

/** Of one person's rows the fifth lowest in a keyed hash is looked for; the rest may be folded in. */
function foldInBy(data: Interactions, seed: number, sides: Uint8Array): (own: Uint32Array, history: number, relevant: number) => void {
  const hash = pairHash(data, seed, 'fold in')
  return (own, history, relevant) => {
    const order = own.slice().sort((a, b) => hash(a) - hash(b) || compareItems(data, a, b))
    const looked = Math.max(1, share(0.2, own.length))
    order.forEach((row, at) => {
      sides[row] = at < looked ? relevant : history
    })
  }
}

function minPositivesOf({ minPositives = 5 }: RankingSplitOptions): number {
  return checkNumber('minPositives', minPositives, { atLeast: 2, integer: true })
}

/** ⌊fraction · count⌋, not undone by the rounding of a product such as .29 · 100. */
const share = (fraction: number, count: number): number => Math.floor(fraction * count + 1e-9)

const compareItems = (data: Interactions, a: number, b: number): number =>
  compareIds(data.itemIds[data.items[a] as number] as string, data.itemIds[data.items[b] as number] as string)

/** Visits each person with rows, their rows earliest first; at equal times a keyed hash of the ids decides, not the order of the file. */
function latestOfEach(data: Interactions, rows: Uint32Array, kind: string, seed: number): (visit: (own: Uint32Array) => void) => void {
  const timestamps = timestampsOf(data, kind)
  const hash = pairHash(data, seed)
  return (visit) =>
    forEachPerson(data, rows, (_, own) =>
      visit(own.sort((a, b) => (timestamps[a] as number) - (timestamps[b] as number) || hash(a) - hash(b) || compareItems(data, a, b))),
    )
}

function forEachPerson(data: Interactions, rows: Uint32Array, visit: (user: number, own: Uint32Array) => void): void {
  const { rows: sorted, offsets } = sortedRows(data, rows)
  for (let user = 0; user < data.userIds.length; user++) {
    const own = sorted.subarray(offsets[user], offsets[user + 1])
    if (own.length > 0) visit(user, own)
  }
}

/** Rows by person, and within a person by item: two stable counting sorts. */
function sortedRows(data: Interactions, rows: Uint32Array): { readonly rows: Uint32Array; readonly offsets: Uint32Array } {
  const byItem = countingSort(rows, data.items, data.itemIds.length).rows
  return countingSort(byItem, data.users, data.userIds.length)
}

function countingSort(rows: Uint32Array, column: Uint32Array, size: number): { readonly rows: Uint32Array; readonly offsets: Uint32Array } {
  const offsets = new Uint32Array(size + 1)
  for (const row of rows) offsets[(column[row] as number) + 1]!++
  for (let at = 0; at < size; at++) offsets[at + 1] = (offsets[at + 1] as number) + (offsets[at] as number)
  const next = offsets.slice()
  const sorted = new Uint32Array(rows.length)
  for (const row of rows) sorted[next[column[row] as number]++] = row
  return { rows: sorted, offsets }
}

interface Matrix {
  readonly positives: Positives
  /** Row of the data of each of positives.items. */
  readonly rows: Uint32Array
}

/** The likes of each side as a matrix over all listed people, made when first asked for. */
function matricesOf(data: Interactions, rows: Uint32Array, sides: Uint8Array): (side: number) => Matrix {
  const made = new Map<number, Matrix>()
  return (wanted) => {
    const known = made.get(wanted)
    if (known !== undefined) return known
    const { rows: sorted, offsets } = sortedRows(
      data,
      rows.filter((row) => sides[row] === wanted),
    )
    const items = sorted.map((row) => data.items[row] as number)
    const matrix = { positives: { personCount: data.userIds.length, itemCount: data.itemIds.length, offsets, items }, rows: sorted }
    made.set(wanted, matrix)
    return matrix
  }
}

/** Everybody with something on side `relevant`. */
function peopleOf(
  matrices: (side: number) => Matrix,
  history: number,
  alsoSeen: number | null,
  relevant: number,
  strangers: boolean,
): RankedPeople {
  const all = matrices(relevant).positives
  const users = Uint32Array.from({ length: all.personCount }, (_, user) => user).filter(
    (user) => (all.offsets[user + 1] as number) > (all.offsets[user] as number),
  )
  const known = matrices(history).positives
  const historyOf = selectPeople([known], users)
  return {
    users,
    history: historyOf,
    seen: alsoSeen === null || strangers ? historyOf : selectPeople([known, matrices(alsoSeen).positives], users),
    relevant: selectPeople([all], users),
    strangers,
  }
}

/** The rows of some people, of several matrices with no pair in common, merged. */
function selectPeople(matrices: readonly Positives[], users: Uint32Array): Positives {
  const offsets = new Uint32Array(users.length + 1)
  const lengthOf = ({ offsets: ends }: Positives, user: number) => (ends[user + 1] as number) - (ends[user] as number)
  users.forEach((user, p) => {
    offsets[p + 1] = matrices.reduce((sum, matrix) => sum + lengthOf(matrix, user), offsets[p] as number)
  })
  const items = new Uint32Array(offsets[users.length] as number)
  users.forEach((user, p) => {
    let at = offsets[p] as number
    for (const { offsets: ends, items: from } of matrices) {
      const own = from.subarray(ends[user], ends[user + 1])
      items.set(own, at)
      at += own.length
    }
    if (matrices.length > 1) items.subarray(offsets[p], at).sort()
  })
  return { personCount: users.length, itemCount: (matrices[0] as Positives).itemCount, offsets, items }
}

function peopleWithout({ personCount, offsets }: Positives): number {
  let count = 0
  for (let person = 0; person < personCount; person++) if (offsets[person + 1] === offsets[person]) count++
  return count
}

function checkOptions(options: RankingSplitOptions): void {
  const own = optionsOfKind[options.kind] as readonly string[] | undefined
  if (own === undefined)
    throw new TacetError('invalid-argument', `there is no split "${options.kind}" for ranking`, {
      wayOut: `Use one of ${rankingSplitKinds.join(', ')}.`,
      details: { kind: options.kind },
    })
  const common = ['kind', 'minRating', 'seed', 'minPositives', 'keepOutPeople']
  for (const [name, value] of Object.entries(options))
    if (value !== undefined && !common.includes(name) && !own.includes(name))
      throw new TacetError('invalid-argument', `a ${options.kind} split has no option ${name}`, {
        wayOut: own.length === 0 ? 'Leave it out.' : `It has ${own.join(', ')}.`,
        details: { kind: options.kind, option: name },
      })
}
