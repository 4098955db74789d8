/**
 * What a ranking question holds (people, lists or scores, what is relevant, catalogue, popularity, options) and its preparation: everything
 * checked, items numbered, scores ranked. The formulas are in ranking.ts and ranking-beyond.ts; which of them a name means, in ranking-metrics.ts.
 */
import { TacetError } from '../errors.ts'
import type { GainKind, PersonRanking } from './ranking.ts'
import { cosineDistance, jaccardDistance, shortHead, type TopList, topList } from './ranking-beyond.ts'

/** One question. Maps keep the order in which people and items were given. */
export interface RankingQuestion {
  readonly metric: string
  /** Cutoff; absent: no cut. */
  readonly k?: number
  /** Exactly one of `lists` and `scores`. */
  readonly lists?: ReadonlyMap<string, readonly string[]>
  readonly scores?: ReadonlyMap<string, ReadonlyMap<string, number>>
  /** Person → item → gain ≥ 0; 0 means not relevant. */
  readonly relevant?: ReadonlyMap<string, ReadonlyMap<string, number>>
  readonly catalogue?: readonly string[]
  /** Item → number of interactions in training, ≥ 0; items not named have 0. */
  readonly popularity?: ReadonlyMap<string, number>
  readonly options?: RankingOptions
}

export interface RankingOptions {
  readonly gains?: GainKind
  /** expected: mean over all orders of tied items; pessimistic: among tied items the least relevant comes first. */
  readonly ties?: 'expected' | 'pessimistic'
  /** Number of people in training, for the share of people who know an item (EPC). */
  readonly trainingPeople?: number
  /** EFD and EPC: count relevant slots only (default) or all. */
  readonly relevance?: boolean
  /** Share of interactions that makes the short head; default .8. */
  readonly headShare?: number
  /** Items of each group, in place of short head and tail (PopREO, PopRSP). */
  readonly itemGroups?: ReadonlyMap<string, readonly string[]>
  /** What each person had in training and is not recommended again (PopRSP). */
  readonly history?: ReadonlyMap<string, readonly string[]>
  readonly vectors?: ReadonlyMap<string, readonly number[]>
  readonly genres?: ReadonlyMap<string, readonly string[]>
  /** The metric whose gap between groups of people is asked for. */
  readonly of?: string
  /** Person → group. */
  readonly groups?: ReadonlyMap<string, string>
}

/** A question checked and indexed; parts that a metric does not ask for are not computed. */
export interface Prepared {
  readonly question: RankingQuestion
  readonly options: RankingOptions
  readonly k: number
  /** 0 where no catalogue is given. The catalogue's items have the numbers 0 … catalogueSize − 1. */
  readonly catalogueSize: number
  /** Distinct items named anywhere so far. */
  itemCount(): number
  indexOf(item: string): number
  idOf(index: number): string
  /** People with something given as relevant first, then those with a list only. */
  everyone(): readonly string[]
  /** Items with gain > 0. */
  truthOf(user: string): ReadonlyMap<string, number>
  personOf(user: string): PersonRanking
  lists(): ReadonlyMap<string, TopList>
  allLists(): readonly TopList[]
  /** @throws TacetError malformed-data naming a listed item that is not in the catalogue */
  checkCatalogue(): void
  counts(): Float64Array
  selfInformation(): Float64Array
  popularityComplement(): Float64Array
  head(): Uint8Array
  itemGroups(): { readonly names: readonly string[]; add(sums: Float64Array, item: number, amount: number): void }
  distance(): (a: number, b: number) => number
}

interface Ranked {
  readonly items: readonly string[]
  readonly tieEnds?: Uint32Array
}

export function invalid(message: string, details: Record<string, unknown> = {}): never {
  throw new TacetError('invalid-argument', message, { wayOut: '`tacet metrics --list` shows every metric and what it needs', details })
}

export function malformed(message: string, details: Record<string, unknown> = {}): never {
  throw new TacetError('malformed-data', message, { details })
}

export function empty(why: string): TacetError {
  return new TacetError('empty-data', `there is nothing to measure: ${why}`)
}

/**
 * Checks and indexes a question.
 * @param k cutoff, or Infinity
 * @param ranksCatalogue the catalogue's unranked items follow every ranking of `personOf`, tied in last place
 */
export function prepare(question: RankingQuestion, k: number, ranksCatalogue: boolean): Prepared {
  const options = question.options ?? {}
  const ids: string[] = []
  const numbers = new Map<string, number>()
  const indexOf = (item: string): number => {
    const known = numbers.get(item)
    if (known !== undefined) return known
    numbers.set(item, ids.length)
    return ids.push(item) - 1
  }
  for (const item of question.catalogue ?? []) {
    if (numbers.has(item)) malformed(`the catalogue holds item ${item} twice`, { item })
    indexOf(item)
  }
  const catalogueSize = ids.length
  if (question.catalogue !== undefined && catalogueSize === 0) throw empty('the catalogue holds no item')
  for (const [item, count] of question.popularity ?? []) {
    if (!(count >= 0 && count < Number.POSITIVE_INFINITY))
      malformed(`the popularity of item ${item} is ${count}; it must be a number ≥ 0`, { item })
    indexOf(item)
  }

  const truths = new Map<string, ReadonlyMap<string, number>>()
  const truthOf = (user: string): ReadonlyMap<string, number> => {
    const known = truths.get(user)
    if (known !== undefined) return known
    const truth = new Map<string, number>()
    for (const [item, gain] of question.relevant?.get(user) ?? []) {
      if (!(gain >= 0 && gain < Number.POSITIVE_INFINITY))
        malformed(`the gain of item ${item} for person ${user} is ${gain}; it must be a number ≥ 0`, { user, item })
      if (gain > 0) truth.set(item, gain)
    }
    truths.set(user, truth)
    return truth
  }

  const rankings = new Map<string, Ranked>()
  for (const [user, list] of question.lists ?? []) rankings.set(user, checkList(user, list))
  for (const [user, scores] of question.scores ?? [])
    rankings.set(user, rank(user, scores, options.ties === 'pessimistic' ? truthOf(user) : undefined))

  const personOf = (user: string): PersonRanking => {
    const truth = truthOf(user)
    const ranked = rankings.get(user) ?? { items: [] }
    const { items, tieEnds } = ranksCatalogue && question.catalogue ? withRest(ranked, question.catalogue, options, truth) : ranked
    return {
      gains: Float64Array.from(items, (item) => truth.get(item) ?? 0),
      relevant: Float64Array.from(truth.values()).sort().reverse(),
      ...(tieEnds === undefined ? {} : { tieEnds }),
    }
  }

  let cutLists: ReadonlyMap<string, TopList> | undefined
  const lists = (): ReadonlyMap<string, TopList> => {
    cutLists ??= new Map([...rankings].map(([user, { items, tieEnds }]) => [user, topList(Uint32Array.from(items, indexOf), tieEnds, k)]))
    return cutLists
  }

  const counts = (): Float64Array => {
    if (question.popularity === undefined) invalid('the metric needs "popularity"')
    lists()
    return Float64Array.from(ids, (item) => question.popularity?.get(item) ?? 0)
  }
  const head = (): Uint8Array => {
    const share = options.headShare ?? 0.8
    if (!(share > 0 && share < 1)) invalid(`options.headShare is ${share}; it must be a number > 0 and < 1`)
    return shortHead(withInteractions(counts()), share)
  }

  return {
    question,
    options,
    k,
    catalogueSize,
    itemCount: () => ids.length,
    indexOf,
    idOf: (index) => ids[index] as string,
    everyone: () => [...new Set([...(question.relevant?.keys() ?? []), ...rankings.keys()])],
    truthOf,
    personOf,
    lists,
    allLists: () => [...lists().values()],
    checkCatalogue: () => {
      for (const [user, { items }] of lists()) {
        for (const item of items)
          if (item >= catalogueSize)
            malformed(`item ${ids[item]}, listed for person ${user}, is not in the catalogue`, { user, item: ids[item] })
      }
    },
    counts,
    selfInformation: () => {
      const all = withInteractions(counts())
      const total = all.reduce((sum, count) => sum + count, 0)
      const most = all.reduce((found, count) => (count > 0 ? Math.max(found, -Math.log2(count / total)) : found), 0)
      return all.map((count) => (count > 0 ? -Math.log2(count / total) : most))
    },
    popularityComplement: () => {
      const people = options.trainingPeople
      if (people === undefined) invalid('the metric needs options.trainingPeople, the number of people in training')
      if (!(Number.isSafeInteger(people) && people >= 1)) invalid(`options.trainingPeople is ${people}; it must be an integer ≥ 1`)
      return counts().map((count, item) => {
        if (count > people)
          malformed(`the popularity of item ${ids[item]} is ${count}, more than options.trainingPeople = ${people}`, { item: ids[item] })
        return 1 - count / people
      })
    },
    head,
    itemGroups: () => itemGroups(options, indexOf, head),
    distance: () => distanceOf(options, (item) => ids[item] as string),
  }
}

function checkList(user: string, items: readonly string[]): Ranked {
  const seen = new Set<string>()
  for (const item of items) {
    if (seen.has(item)) malformed(`the list of person ${user} holds item ${item} twice`, { user, item })
    seen.add(item)
  }
  return { items }
}

/** Items by descending score; with `truth`, tied items by ascending gain and no ties are left. */
function rank(user: string, scores: ReadonlyMap<string, number>, truth: ReadonlyMap<string, number> | undefined): Ranked {
  const entries = [...scores]
  for (const [item, score] of entries) {
    if (typeof score !== 'number' || Number.isNaN(score))
      malformed(`the score of item ${item} for person ${user} is ${score}; it must be a number (infinities are)`, { user, item })
  }
  // Not by subtraction: ∞ − ∞ is NaN.
  entries.sort(([itemA, a], [itemB, b]) => (a === b ? (truth?.get(itemA) ?? 0) - (truth?.get(itemB) ?? 0) : a > b ? -1 : 1))
  const items = entries.map(([item]) => item)
  if (truth !== undefined) return { items }
  return { items, tieEnds: Uint32Array.from(entries.flatMap(([, score], i) => (entries[i + 1]?.[1] === score ? [] : [i + 1]))) }
}

/** The ranking, then the catalogue's other items tied in last place. */
function withRest(
  { items, tieEnds }: Ranked,
  catalogue: readonly string[],
  { ties }: RankingOptions,
  truth: ReadonlyMap<string, number>,
): Ranked {
  const ranked = new Set(items)
  const rest = catalogue.filter((item) => !ranked.has(item))
  if (rest.length === 0) return tieEnds === undefined ? { items } : { items, tieEnds }
  if (ties === 'pessimistic') return { items: [...items, ...rest.sort((a, b) => (truth.get(a) ?? 0) - (truth.get(b) ?? 0))] }
  const ends = tieEnds ?? Uint32Array.from(items, (_, i) => i + 1)
  return { items: [...items, ...rest], tieEnds: Uint32Array.from([...ends, items.length + rest.length]) }
}

function withInteractions(counts: Float64Array): Float64Array {
  if (!counts.some((count) => count > 0)) throw empty('no item in "popularity" has an interaction')
  return counts
}

function itemGroups(
  options: RankingOptions,
  indexOf: (item: string) => number,
  head: () => Uint8Array,
): ReturnType<Prepared['itemGroups']> {
  if (options.itemGroups === undefined) {
    const inHead = head()
    return {
      names: ['head', 'tail'],
      add: (sums, item, amount) => {
        // Items named only as relevant came after the head was made: without interactions, they are tail.
        const group = inHead[item] === 1 ? 0 : 1
        sums[group] = (sums[group] as number) + amount
      },
    }
  }
  const names = [...options.itemGroups.keys()]
  if (names.length < 2) invalid(`options.itemGroups holds ${names.length} groups; at least two are needed`)
  const members = [...options.itemGroups.values()].map((items) => new Set(items.map(indexOf)))
  return {
    names,
    add: (sums, item, amount) => {
      members.forEach((group, g) => {
        if (group.has(item)) sums[g] = (sums[g] as number) + amount
      })
    },
  }
}

function distanceOf({ vectors, genres }: RankingOptions, idOf: (item: number) => string): (a: number, b: number) => number {
  if ((vectors === undefined) === (genres === undefined)) invalid('the metric needs exactly one of options.vectors and options.genres')
  if (genres !== undefined) {
    const sets = new Map([...genres].map(([item, names]) => [item, new Set(names)]))
    const setOf = (item: number) => sets.get(idOf(item)) ?? malformed(`item ${idOf(item)} is listed and not in options.genres`)
    return (a, b) => jaccardDistance(setOf(a), setOf(b))
  }
  let length: number | undefined
  for (const [item, vector] of vectors as ReadonlyMap<string, readonly number[]>) {
    length ??= vector.length
    if (vector.length !== length) malformed(`the vector of item ${item} has ${vector.length} numbers; the first one has ${length}`)
    if (!vector.every(Number.isFinite) || vector.every((entry) => entry === 0))
      malformed(`the vector of item ${item} must hold finite numbers, not all 0: its cosine does not exist`)
  }
  const vectorOf = (item: number) => vectors?.get(idOf(item)) ?? malformed(`item ${idOf(item)} is listed and not in options.vectors`)
  return (a, b) => cosineDistance(vectorOf(a), vectorOf(b))
}
