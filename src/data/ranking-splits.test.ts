import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TacetError } from '../errors.ts'
import type { Interactions } from './interactions.ts'
import { itemsOf, type Positives } from './positives.ts'
import {
  availableRankingSplits,
  type RankedPeople,
  type RankingSplit,
  type RankingSplitOptions,
  splitForRanking,
  tuningSplit,
} from './ranking-splits.ts'
import { breakSeal } from './sealed.ts'
import { syntheticInteractions } from './synthetic.ts'

const synthetic = syntheticInteractions({ users: 60, items: 50, interactions: 900, seed: 3 }).data
/** With a person of one row, and one of none. */
const data = withRows(
  synthetic,
  (_, row) => !(synthetic.users[row] === 7 && row > synthetic.users.indexOf(7)) && synthetic.users[row] !== 11,
)
const shipped: Interactions = { ...data, givenSplit: Uint8Array.from(data.users, (_, row) => (row % 7 === 3 ? 1 : 0)) }

const kinds: readonly RankingSplitOptions[] = [
  { kind: 'random' },
  { kind: 'random', validationFraction: 0, testFraction: 0.3, seed: 2 ** 40 + 7 },
  { kind: 'chronological' },
  { kind: 'chronological', testFraction: 0.2 },
  { kind: 'per-user-chronological' },
  { kind: 'leave-latest-out' },
  { kind: 'leave-latest-out', validation: true },
  { kind: 'held-out-users' },
  { kind: 'held-out-users', heldOutTest: 20, heldOutValidation: 0, minPositives: 8 },
  { kind: 'given' },
  { kind: 'k-fold', folds: 4, fold: 2 },
].flatMap((options) => [options, { ...options, keepOutPeople: { fraction: 0.15 } }] as RankingSplitOptions[])

/** The same data without some of its rows. */
function withRows(source: Interactions, keep: (source: Interactions, row: number) => boolean): Interactions {
  return inOrder(
    source,
    Array.from(source.users.keys()).filter((row) => keep(source, row)),
  )
}

function inOrder(source: Interactions, rows: readonly number[]): Interactions {
  return {
    ...source,
    users: Uint32Array.from(rows, (row) => source.users[row] as number),
    items: Uint32Array.from(rows, (row) => source.items[row] as number),
    values: Float32Array.from(rows, (row) => source.values[row] as number),
    timestamps: source.timestamps && Float64Array.from(rows, (row) => source.timestamps?.[row] as number),
    givenSplit: source.givenSplit && Uint8Array.from(rows, (row) => source.givenSplit?.[row] as number),
  }
}

const opened = (split: RankingSplit): RankedPeople => breakSeal(split.test, 'test')

/** "person/item" → where the like went, as far as it can be seen from outside. */
function places(source: Interactions, split: RankingSplit): Map<string, string> {
  const found = new Map<string, string>()
  const put = (matrix: Positives, place: string, userOf: (p: number) => number) => {
    for (let p = 0; p < matrix.personCount; p++)
      for (const item of itemsOf(matrix, p)) {
        const pair = `${source.userIds[userOf(p)]}/${source.itemIds[item]}`
        expect(found.get(pair), pair).toBeUndefined()
        found.set(pair, place)
      }
  }
  put(split.train, 'train', (p) => p)
  for (const [name, people] of [
    ['test', opened(split)],
    ['validation', split.validation],
    ['gate', split.gatePeople],
  ] as const) {
    if (people === null) continue
    put(people.relevant, name, (p) => people.users[p] as number)
    if (people.strangers) put(people.history, `${name} history`, (p) => people.users[p] as number)
  }
  return found
}

const likesOf = (source: Interactions, minRating = 0) =>
  Array.from(source.users.keys()).filter((row) => (source.values[row] as number) >= minRating)
const pairOf = (source: Interactions, row: number) =>
  `${source.userIds[source.users[row] as number]}/${source.itemIds[source.items[row] as number]}`

describe.each(kinds)('ranking split %o', (options) => {
  const split = splitForRanking(shipped, options)

  test('no like is in two places, and none is lost but those of people too few likes keep out of the gate', () => {
    const found = places(shipped, split)
    const lost = likesOf(shipped).filter((row) => !found.has(pairOf(shipped, row)))
    if (options.keepOutPeople === undefined) expect(lost).toEqual([])
    else
      for (const row of lost)
        expect(likesOf(shipped).filter((other) => shipped.users[other] === shipped.users[row]).length).toBeLessThan(
          options.minPositives ?? 5,
        )
  })

  test('the order of the rows decides nothing', () => {
    const reversed = inOrder(shipped, Array.from(shipped.users.keys()).reverse())
    const other = splitForRanking(reversed, options)
    expect(other.train).toEqual(split.train)
    expect(other.validation).toEqual(split.validation)
    expect(opened(other)).toEqual(opened(split))
    expect(other.gatePeople).toEqual(split.gatePeople)
  })

  test('trainRows lead back to the rows of the data', () => {
    const { train, trainRows } = split
    expect(Array.from(trainRows, (row) => shipped.items[row])).toEqual(Array.from(train.items))
    for (let person = 0; person < train.personCount; person++)
      for (let at = train.offsets[person] as number; at < (train.offsets[person + 1] as number); at++)
        expect(shipped.users[trainRows[at] as number]).toBe(person)
  })

  test('seen is history and what else was trained or validated on; relevant is neither, and never empty', () => {
    for (const people of [opened(split), split.validation, split.gatePeople]) {
      if (people === null) continue
      people.users.forEach((user, p) => {
        const relevant = itemsOf(people.relevant, p)
        const seen = itemsOf(people.seen, p)
        expect(relevant.length).toBeGreaterThan(0)
        expect(Array.from(seen)).toEqual(Array.from(seen.slice().sort()))
        expect(relevant.some((item) => seen.includes(item))).toBe(false)
        expect(itemsOf(people.history, p).every((item) => seen.includes(item))).toBe(true)
        const trained = Array.from(itemsOf(split.train, user))
        expect(people.strangers ? trained : Array.from(itemsOf(people.history, p))).toEqual(people.strangers ? [] : trained)
      })
    }
    const test = opened(split)
    if (split.validation === null || split.validation.strangers) return
    // Validation items of a test person are not listed to them again.
    split.validation.users.forEach((user, v) => {
      const p = test.users.indexOf(user)
      if (p >= 0) for (const item of itemsOf((split.validation as RankedPeople).relevant, v)) expect(itemsOf(test.seen, p)).toContain(item)
    })
  })

  test('counts agree with the matrices', () => {
    const test = opened(split)
    expect(split.counts).toMatchObject({
      train: split.train.items.length,
      test: test.relevant.items.length,
      testPeople: test.users.length,
      validation: split.validation?.relevant.items.length ?? 0,
      validationPeople: split.validation?.users.length ?? 0,
      gatePeople: split.gatePeople?.users.length ?? 0,
      positives: likesOf(shipped).length,
    })
    expect(split.test.peopleCount).toBe(test.users.length)
  })

  test('tuning never sees a test like, and validates on what it does not train on', () => {
    const tuning = tuningSplit(shipped, split)
    const before = places(shipped, split)
    const mayUse = new Set(['train', ...(split.validation ? ['validation', 'validation history'] : [])])
    const check = (matrix: Positives, userOf: (p: number) => number) => {
      for (let p = 0; p < matrix.personCount; p++)
        for (const item of itemsOf(matrix, p))
          expect(mayUse).toContain(before.get(`${shipped.userIds[userOf(p)]}/${shipped.itemIds[item]}`))
    }
    check(tuning.train, (p) => p)
    check(tuning.validation.relevant, (p) => tuning.validation.users[p] as number)
    tuning.validation.users.forEach((user, p) => {
      const trained = itemsOf(tuning.train, user)
      expect(itemsOf(tuning.validation.relevant, p).some((item) => trained.includes(item))).toBe(false)
    })
  })

  if (split.dataDependent !== 'other-people')
    test('taking a person away moves no row of anybody else', () => {
      const whole = places(shipped, split)
      fc.assert(
        fc.property(fc.nat({ max: shipped.userIds.length - 1 }), (gone) => {
          const less = withRows(shipped, (source, row) => source.users[row] !== gone)
          const id = `${shipped.userIds[gone]}/`
          const expected = new Map([...whole].filter(([pair]) => !pair.startsWith(id)))
          expect(places(less, splitForRanking(less, options))).toEqual(expected)
        }),
        { numRuns: 12 },
      )
    })

  if (split.dataDependent === 'no')
    test('taking one row away moves no other row in or out of training', () => {
      const trained = (source: Interactions) =>
        [...places(source, splitForRanking(source, options))].filter(([, place]) => place === 'train')
      const whole = trained(shipped)
      fc.assert(
        fc.property(fc.nat({ max: shipped.users.length - 1 }), (gone) => {
          const less = withRows(shipped, (_, row) => row !== gone)
          expect(trained(less)).toEqual(whole.filter(([pair]) => pair !== pairOf(shipped, gone)))
        }),
        { numRuns: 12 },
      )
    })
})

describe('ranking splits', () => {
  test('what claims to depend on other people does: a rank among times moves rows of others', () => {
    const options: RankingSplitOptions = { kind: 'chronological', testFraction: 0.2 }
    const whole = places(data, splitForRanking(data, options))
    const heaviest = Array.from(data.userIds.keys()).find((user) => {
      const less = withRows(data, (source, row) => source.users[row] !== user)
      return [...places(less, splitForRanking(less, options))].some(([pair, place]) => whole.get(pair) !== place)
    })
    expect(heaviest).toBeDefined()
  })

  test('what claims own rows does move rows of the same person when one is taken', () => {
    const options: RankingSplitOptions = { kind: 'leave-latest-out' }
    const whole = places(data, splitForRanking(data, options))
    const latest = likesOf(data).find((row) => whole.get(pairOf(data, row)) === 'test') as number
    const less = withRows(data, (_, row) => row !== latest)
    const moved = [...places(less, splitForRanking(less, options))].filter(([pair, place]) => whole.get(pair) !== place)
    expect(moved).toHaveLength(1)
    expect(splitForRanking(data, options).dataDependent).toBe('own-rows')
  })

  test('per-user-chronological takes the last fifth, at least one, and leaves a single like in training', () => {
    const split = splitForRanking(data, { kind: 'per-user-chronological' })
    const test = opened(split)
    for (let user = 0; user < data.userIds.length; user++) {
      const own = likesOf(data).filter((row) => data.users[row] === user)
      const p = test.users.indexOf(user)
      const last = own.length < 2 ? 0 : Math.max(1, Math.floor(own.length / 5))
      const relevant = p < 0 ? [] : Array.from(itemsOf(test.relevant, p))
      expect(relevant).toHaveLength(last)
      const timeOf = (row: number) => data.timestamps?.[row] as number
      const latest = Math.max(...own.filter((row) => !relevant.includes(data.items[row] as number)).map(timeOf))
      for (const row of own) if (relevant.includes(data.items[row] as number)) expect(timeOf(row)).toBeGreaterThanOrEqual(latest)
    }
    expect(test.users.includes(7)).toBe(false)
    expect(itemsOf(split.train, 7)).toHaveLength(1)
  })

  test('at equal times a keyed hash decides: another seed, another latest like', () => {
    const flat: Interactions = { ...data, timestamps: new Float64Array(data.users.length) }
    const lists = [0, 1].map((seed) => opened(splitForRanking(flat, { kind: 'leave-latest-out', seed })).relevant.items)
    expect(lists[0]).not.toEqual(lists[1])
  })

  test('held-out people fold in four fifths of their history, and those with too little of it are trained on', () => {
    const split = splitForRanking(data, { kind: 'held-out-users', minPositives: 12 })
    const test = opened(split)
    expect(test.strangers).toBe(true)
    test.users.forEach((user, p) => {
      const own = likesOf(data).filter((row) => data.users[row] === user).length
      expect(own).toBeGreaterThanOrEqual(12)
      expect(itemsOf(test.relevant, p)).toHaveLength(Math.floor(own / 5))
      expect(itemsOf(test.history, p)).toHaveLength(own - Math.floor(own / 5))
      expect(itemsOf(split.train, user)).toHaveLength(0)
    })
    const larger = splitForRanking(data, { kind: 'held-out-users', minPositives: 2 })
    // The choice is among ids: a lower bound adds people, and never exchanges one for another.
    expect(opened(larger).users.length).toBeGreaterThan(test.users.length)
    expect(test.users.every((user) => opened(larger).users.includes(user))).toBe(true)
  })

  test('by default a fifth and a tenth of few people are held out, and 1,000 and 500 of many', () => {
    expect(splitForRanking(data, { kind: 'held-out-users' }).description).toContain('the 12 lowest of 60 listed people')
    expect(splitForRanking(data, { kind: 'held-out-users' }).description).toContain('the next 6 validation')
    const listed = Array.from({ length: 5_000 }, (_, user) => `u${user}`)
    const rows = Array.from({ length: 25_000 }, (_, row) => row)
    const many: Interactions = {
      ...data,
      userIds: listed,
      users: Uint32Array.from(rows, (row) => row % 5_000),
      items: Uint32Array.from(rows, (row) => (row * 7 + Math.floor(row / 5_000)) % 50),
      values: new Float32Array(25_000).fill(5),
      timestamps: null,
    }
    const split = splitForRanking(many, { kind: 'held-out-users' })
    expect([split.counts.testPeople, split.counts.validationPeople]).toEqual([1_000, 500])
    expect(split.counts.trainPeople).toBe(3_500)
  })

  test('people kept out for the gate are in no other part, and never the held-out ones', () => {
    for (const kind of ['random', 'held-out-users'] as const) {
      const split = splitForRanking(data, { kind, keepOutPeople: { count: 9 } })
      const out = new Set(split.gatePeople?.users)
      expect(out.size).toBeGreaterThan(4)
      for (const user of out) expect(itemsOf(split.train, user)).toHaveLength(0)
      for (const people of [opened(split), split.validation]) for (const user of people?.users ?? []) expect(out.has(user)).toBe(false)
    }
    const held = splitForRanking(data, { kind: 'held-out-users' })
    const also = splitForRanking(data, { kind: 'held-out-users', keepOutPeople: { count: 9 } })
    expect(opened(also).users).toEqual(opened(held).users)
  })

  test('people kept out are so by their ids alone: too few likes to be measured do not bring them back into training', () => {
    const split = splitForRanking(data, { kind: 'random', keepOutPeople: { count: 20 }, minPositives: 1_000 })
    expect(split.gatePeople?.users).toHaveLength(0)
    expect(split.counts.trainPeople).toBeLessThanOrEqual(40)
    expect(split.notes.join()).toContain('enough likes')
  })

  test('the shares of a random split are what they say', () => {
    const { counts } = splitForRanking(syntheticInteractions({ users: 400, items: 300, interactions: 30_000, seed: 1 }).data, {
      kind: 'random',
    })
    // Six standard deviations of a binomial of 30,000 and .1.
    expect(Math.abs(counts.test - counts.positives / 10)).toBeLessThan(312)
    expect(Math.abs(counts.validation - counts.positives / 10)).toBeLessThan(312)
  })

  test('every like is in the test of one fold', () => {
    const all = Array.from(
      { length: 4 },
      (_, fold) => opened(splitForRanking(data, { kind: 'k-fold', folds: 4, fold })).relevant.items.length,
    )
    expect(all.reduce((sum, count) => sum + count, 0)).toBe(data.users.length)
  })

  test('min-rating picks the likes, and is ignored with a note where there are no ratings', () => {
    const split = splitForRanking(data, { kind: 'random', minRating: 4 })
    expect(split.counts.positives).toBe(likesOf(data, 4).length)
    expect(split.notes).toEqual([])
    const implicit: Interactions = { ...data, feedback: 'implicit', ratingScale: null }
    const ignored = splitForRanking(implicit, { kind: 'random', minRating: 4 })
    expect(ignored.counts.positives).toBe(data.users.length)
    expect(ignored.notes.join()).toContain('min-rating 4 is ignored')
  })

  test('what the data cannot do is refused with what it can', () => {
    const bare: Interactions = { ...data, timestamps: null }
    expect(availableRankingSplits(bare)).toEqual(['random', 'held-out-users', 'k-fold'])
    for (const kind of ['per-user-chronological', 'leave-latest-out', 'chronological', 'given'] as const)
      expect(() => splitForRanking(bare, { kind })).toThrow(TacetError)
    expect(() => splitForRanking(data, { kind: 'sideways' as 'random' })).toThrow(/no split "sideways"/)
    expect(() => splitForRanking(data, { kind: 'random', heldOutTest: 5 })).toThrow(/no option heldOutTest/)
    expect(() => splitForRanking(data, { kind: 'held-out-users', heldOutTest: 60 })).toThrow(/held-out-users/)
    expect(() => splitForRanking(data, { kind: 'k-fold', folds: 4, fold: 4 })).toThrow(/fold/)
    expect(() => splitForRanking(data, { kind: 'random', minRating: 6 })).toThrow(/leaves nobody to train on/)
    expect(() => splitForRanking(data, { kind: 'random', keepOutPeople: {} })).toThrow(/fraction or a count/)
    expect(() => splitForRanking(data, { kind: 'chronological', validationCutTimestamp: 1e12 })).toThrow(/validation-cut-timestamp/)
  })

  test('the test cannot be read through its seal', () => {
    const { test: sealed } = splitForRanking(data, { kind: 'random' })
    expect(JSON.stringify(sealed)).not.toContain('relevant')
    expect(Object.values(Object.getOwnPropertyDescriptors(sealed)).some(({ value }) => typeof value === 'object')).toBe(false)
    expect(() => breakSeal({ ...sealed }, 'a copy')).toThrow(/sealed/)
  })
})
