/**
 * How good a ranker's lists are: every named metric that is about lists, over the whole catalogue (or sampled candidates), in one pass of
 * people in batches. Definitions are those of ranking-metrics.ts (`tacet metrics --list`); this file computes them from dense arrays, and a
 * test holds both against each other. Rating error is in ratings.ts.
 *
 * Scores that tie count as everywhere in Tacet: the exact mean over all orders. A score that is not finite is an error, never a rank. What
 * comes out is an exact function of private rows (privacy-rules 1): `privateMetrics` of training makes figures for outsiders.
 */
import { itemsOf, type RankedPeople } from '../data/index.ts'
import { checkNumber, TacetError } from '../errors.ts'
import type { Person, Ranker } from '../models/index.ts'
import { checkMayMeasure } from './frozen.ts'
import { averagePrecision, hitRate, meanPrecisionAtCuts, ndcg, type PersonRanking, precision, recall, reciprocalRank } from './ranking.ts'
import {
  addExposure,
  discountedSlotMean,
  entropyBits,
  expectedDistinct,
  gini,
  jaccardDistance,
  meanPairDistance,
  multiplyAbsence,
  relativeSpread,
  shortHead,
  slotMean,
  type TopList,
  topList,
} from './ranking-beyond.ts'
import { findRankingMetric } from './ranking-metrics.ts'
import { firstRanksOf } from './ranking-top.ts'

/** Who competes with the relevant items: everything not seen, or that many of it a person, drawn by a keyed hash. */
export type Candidates = 'all' | { readonly sampled: number; readonly seed: number }

/** What is known of the items from training: for novelty, popularity and variety. */
export interface CatalogueFacts {
  /** Interactions of each item in training: Uint32Array[itemCount]. */
  readonly counts: ArrayLike<number>
  /** People in training (EPC). */
  readonly trainingPeople?: number
  /** Labels of each item (intra-list diversity), as `ItemTable.genres`. */
  readonly genres?: readonly (readonly number[])[]
}

export interface EvaluationRequest {
  /** Cutoffs; 10, 20 and 100 are always among them. */
  readonly ks?: readonly number[]
  readonly candidates?: Candidates
  /**
   * Names as in `tacet metrics --list`, with a cutoff ("map@50") or for every cutoff ("map"), beside ndcg, recall and hr. Default: precision,
   * mrr, map, and at 10 and the cutoffs in `ks` coverage, gini and entropy, with `catalogue` also novelty, efd, epc, arp, aplt, popreo, poprsp
   * and, where it has genres, ild.
   */
  readonly metrics?: readonly string[]
  readonly catalogue?: CatalogueFacts
  readonly onProgress?: (done: number, total: number) => void
}

export interface RankerEvaluation {
  /** "ndcg@10" → mean over people (or the figure for all lists together), in the order asked for. */
  readonly metrics: Readonly<Record<string, number>>
  readonly people: number
  /** "all" or "sampled:99": to be named wherever a figure is. */
  readonly candidates: string
  /** Metrics that have no value here, with the reason: "popreo@10" → "the item group tail has no relevant items". */
  readonly undefinedMetrics: Readonly<Record<string, string>>
  /**
   * Each person's value in the order of people.users; NaN where it is not defined for them (they are left out of the mean).
   * @throws TacetError invalid-argument for a metric that was not asked for, or is not a mean over people
   */
  perPerson(metric: string): Float64Array
  /** Chance of each of people.relevant.items to be among the first k (0 or 1 without ties); k one of the cutoffs. */
  inclusion(k: number): Float64Array
  /** The lists, equal scores by item index: person p's are items[p · depth …], lengths[p] of them. */
  readonly lists: { readonly depth: number; readonly items: Uint32Array; readonly lengths: Uint32Array }
}

const alwaysAt = [10, 20, 100]

/** One number a person from where the relevant items are. */
const accuracyMetrics: Readonly<Record<string, (person: PersonRanking, k: number) => number>> = {
  ndcg,
  hr: hitRate,
  precision,
  recall,
  'recall-capped': (person, k) => recall(person, k, { capped: true }),
  mrr: reciprocalRank,
  map: averagePrecision,
  'map-relevant': (person, k) => averagePrecision(person, k, 'relevant'),
  'map-hits': (person, k) => averagePrecision(person, k, 'hits'),
  'mean-precision-at-cuts': meanPrecisionAtCuts,
}

/** One number a person from what is listed; `facts` throws where the catalogue does not say what is needed. */
const listMetrics: Readonly<Record<string, (facts: Facts) => (list: TopList, isRelevant: (item: number) => boolean) => number>> = {
  novelty: (facts) => {
    const novelty = facts.selfInformation()
    return (list) => slotMean(list, (item) => novelty[item] as number)
  },
  efd: (facts) => {
    const novelty = facts.selfInformation()
    return (list, isRelevant) => orZero(discountedSlotMean(list, (item) => (isRelevant(item) ? (novelty[item] as number) : 0)))
  },
  epc: (facts) => {
    const novelty = facts.popularityComplement()
    return (list, isRelevant) => orZero(discountedSlotMean(list, (item) => (isRelevant(item) ? (novelty[item] as number) : 0)))
  },
  arp: (facts) => {
    const counts = facts.counts()
    return (list) => slotMean(list, (item) => counts[item] as number)
  },
  aplt: (facts) => {
    const head = facts.head()
    return (list) => slotMean(list, (item) => 1 - (head[item] as number))
  },
  aclt: (facts) => {
    const head = facts.head()
    return (list) => slotMean(list, (item) => 1 - (head[item] as number)) * list.length
  },
  ild: (facts) => {
    const distance = facts.distance()
    return (list) => meanPairDistance(list, distance)
  },
}

/** One number for all lists together. */
const catalogueMetrics: Readonly<Record<string, (shown: Shown, facts: Facts) => number>> = {
  coverage: ({ absent }) => expectedDistinct(absent) / absent.length,
  'coverage-count': ({ absent }) => expectedDistinct(absent),
  gini: ({ exposure }) => gini(exposure),
  'gini-normalised': ({ exposure }) => gini(exposure, { normalised: true }),
  'gini-diversity': ({ exposure }) => 1 - gini(exposure, { normalised: true }),
  entropy: ({ exposure }) => entropyBits(exposure),
  'entropy-per-item': ({ exposure }) =>
    (entropyBits(exposure) * Math.LN2) / exposure.reduce((distinct, count) => distinct + (count > 0 ? 1 : 0), 0),
  popreo: ({ relevantListed, relevant }, facts) => spread(facts.head(), relevantListed, relevant),
  poprsp: ({ exposure, possible }, facts) => spread(facts.head(), exposure, possible),
}

/** Sums over all people, for one cutoff: each Float64Array[itemCount]. */
interface Shown {
  /** Expected number of lists that hold the item. */
  readonly exposure: Float64Array
  /** Chance that no list holds it. */
  readonly absent: Float64Array
  /** Expected number of lists that hold it for somebody to whom it is relevant. */
  readonly relevantListed: Float64Array
  /** People to whom it is relevant. */
  readonly relevant: Float64Array
  /** People for whom it is a candidate. */
  readonly possible: Float64Array
}

/**
 * Measures a ranker on people.
 * @throws TacetError empty-data without people; diverged for a score that is not finite, naming person and item; check-failed if the people
 *   are a test opened for another model; invalid-argument for an unknown metric, or one that needs what `catalogue` does not hold
 */
export function evaluateRanker(ranker: Ranker, people: RankedPeople, request: EvaluationRequest = {}): RankerEvaluation {
  checkMayMeasure(ranker, people)
  const total = people.users.length
  if (total === 0) throw new TacetError('empty-data', 'there is nobody to measure: no person has anything relevant')
  const { itemCount } = ranker
  if (people.relevant.itemCount !== itemCount)
    throw new TacetError('invalid-argument', `the model ranks ${itemCount} items and the people's are among ${people.relevant.itemCount}`, {
      wayOut: 'Evaluate on the data set the model was trained on.',
    })
  const candidates = request.candidates ?? 'all'
  if (candidates !== 'all') checkNumber('sampled candidates', candidates.sampled, { atLeast: 1, integer: true })
  const ks = [...new Set([...alwaysAt, ...(request.ks ?? []).map((k) => checkNumber('k', k, { atLeast: 1, integer: true }))])]
  const plan = planMetrics(request, ks)
  const cuts = [...new Set([...ks, ...plan.map(({ k }) => k).filter(Number.isFinite)])].sort((a, b) => a - b)
  const depth = cuts.at(-1) as number
  const facts = factsOf(request.catalogue, itemCount)

  const values = new Map(plan.filter(({ kind }) => kind !== 'catalogue').map(({ key }) => [key, new Float64Array(total)]))
  const accuracy = plan.flatMap(({ kind, key, name, k }) =>
    kind === 'accuracy'
      ? [{ of: accuracyMetrics[name] as NonNullable<(typeof accuracyMetrics)[string]>, out: values.get(key) as Float64Array, k }]
      : [],
  )
  const listed = plan.flatMap(({ kind, key, name, k }) =>
    kind === 'list'
      ? [{ of: (listMetrics[name] as (typeof listMetrics)[string] & {})(facts), out: values.get(key) as Float64Array, k }]
      : [],
  )
  const shownAt = new Map(plan.flatMap(({ kind, k }) => (kind === 'catalogue' ? [[k, emptyShown(itemCount)] as const] : [])))
  const aucs = values.get('auc') ?? (plan.some(({ key }) => key === 'gauc') ? new Float64Array(total) : undefined)
  const inclusions = new Map(cuts.map((k) => [k, new Float64Array(people.relevant.items.length)]))
  const listDepth = Math.min(depth, itemCount)
  const lists = { depth: listDepth, items: new Uint32Array(total * listDepth), lengths: new Uint32Array(total) }

  const firstRanks = firstRanksOf(itemCount, depth)
  const batch = Math.min(total, Math.max(16, Math.min(512, Math.floor(2 ** 22 / itemCount))))
  const scores = new Float32Array(batch * itemCount)
  const drawn = candidates === 'all' ? null : samplerOf(itemCount, candidates)
  // relevantTo[item] = p + 1: relevant to person p. Never cleared.
  const relevantTo = new Uint32Array(itemCount)
  const rankOf = new Int32Array(itemCount)
  const ones = new Float64Array(itemCount).fill(1)
  const gains = new Float64Array(itemCount)
  const aucOf = aucs && aucScratch(itemCount)

  for (let start = 0; start < total; start += batch) {
    const end = Math.min(total, start + batch)
    ranker.scoreAll(personsOf(people, start, end), end - start === batch ? scores : scores.subarray(0, (end - start) * itemCount))
    for (let p = start; p < end; p++) {
      const row = scores.subarray((p - start) * itemCount, (p - start + 1) * itemCount)
      checkFinite(row, ranker.name, people.users[p] as number)
      const seen = itemsOf(people.seen, p)
      const relevant = itemsOf(people.relevant, p)
      for (let i = 0; i < seen.length; i++) row[seen[i] as number] = Number.NEGATIVE_INFINITY
      for (let i = 0; i < relevant.length; i++) relevantTo[relevant[i] as number] = p + 1
      drawn?.(row, people.users[p] as number, relevantTo, p + 1)
      const isRelevant = (item: number): boolean => relevantTo[item] === p + 1
      const ranks = firstRanks(row)
      for (let i = 0; i < ranks.length; i++) gains[i] = relevantTo[ranks.items[i] as number] === p + 1 ? 1 : 0
      const tieEnds = ranks.runs === 0 ? undefined : ranks.tieEnds.subarray(0, ranks.runs)
      const person: PersonRanking = {
        gains: gains.subarray(0, ranks.length),
        relevant: ones.subarray(0, relevant.length),
        ...(tieEnds ? { tieEnds } : {}),
      }
      for (const { of, out, k } of accuracy) out[p] = of(person, k)
      if (aucs && aucOf) aucs[p] = aucOf(row, relevant, relevantTo, p + 1)

      const items = ranks.items.subarray(0, ranks.length)
      lists.lengths[p] = Math.min(listDepth, ranks.length)
      lists.items.set(items.subarray(0, lists.lengths[p]), p * listDepth)
      writeInclusions(inclusions, people.relevant.offsets[p] as number, relevant, items, tieEnds, rankOf)
      let cutList: TopList | undefined
      let cutAt = -1
      const listAt = (k: number): TopList => {
        if (cutList === undefined || cutAt !== k) {
          cutList = topList(items, tieEnds, k)
          cutAt = k
        }
        return cutList
      }
      for (const { of, out, k } of listed) out[p] = of(listAt(k), isRelevant)
      for (const [k, shown] of shownAt) {
        const list = listAt(k)
        addExposure(shown.exposure, list)
        multiplyAbsence(shown.absent, list)
        for (let i = 0; i < list.items.length; i++) {
          const item = list.items[i] as number
          if (isRelevant(item)) shown.relevantListed[item] = (shown.relevantListed[item] as number) + (list.inclusion[i] as number)
        }
        for (const item of relevant) shown.relevant[item] = (shown.relevant[item] as number) + 1
        for (const item of seen) shown.possible[item] = (shown.possible[item] as number) - 1
      }
    }
    request.onProgress?.(end, total)
  }
  for (const { possible } of shownAt.values())
    for (let item = 0; item < itemCount; item++) possible[item] = (possible[item] as number) + total

  const metrics: Record<string, number> = {}
  const undefinedMetrics: Record<string, string> = {}
  for (const { kind, key, name, k } of plan) {
    const value =
      kind === 'catalogue'
        ? (catalogueMetrics[name] as (typeof catalogueMetrics)[string] & {})(shownAt.get(k) as Shown, facts)
        : name === 'gauc'
          ? weightedMean(aucs as Float64Array, (p) => itemsOf(people.relevant, p).length)
          : weightedMean(values.get(key) as Float64Array, () => 1)
    if (typeof value === 'number' && !Number.isNaN(value)) metrics[key] = value
    else undefinedMetrics[key] = whyUndefined(name)
  }
  return {
    metrics,
    people: total,
    candidates: candidates === 'all' ? 'all' : `sampled:${candidates.sampled}`,
    undefinedMetrics,
    perPerson: (metric) => {
      const { metric: found, k } = findRankingMetric(metric)
      const known = values.get(k === undefined ? found.name : `${found.name}@${k}`)
      if (known === undefined || found.name === 'gauc')
        throw new TacetError('invalid-argument', `there is no value of ${metric} for each person`, {
          wayOut: `There are ${[...values.keys()].filter((key) => key !== 'gauc').join(', ')}.`,
          details: { metric },
        })
      return known
    },
    inclusion: (k) => {
      const known = inclusions.get(k)
      if (known === undefined) throw new TacetError('invalid-argument', `${k} is not one of the cutoffs ${cuts.join(', ')}`)
      return known
    },
    lists,
  }
}

interface PlannedMetric {
  readonly key: string
  readonly name: string
  readonly k: number
  readonly kind: 'accuracy' | 'list' | 'catalogue' | 'auc'
}

function planMetrics(
  { ks: asked = [], metrics, catalogue, candidates = 'all' }: EvaluationRequest,
  ks: readonly number[],
): PlannedMetric[] {
  const sampled = candidates !== 'all'
  const beyond = sampled ? [] : ['coverage', 'gini', 'entropy', ...(catalogue ? ['novelty', 'efd', 'arp', 'aplt', 'popreo', 'poprsp'] : [])]
  if (!sampled && catalogue?.trainingPeople !== undefined) beyond.push('epc')
  if (!sampled && catalogue?.genres !== undefined) beyond.push('ild')
  const beyondAt = [...new Set([10, ...asked])]
  const names = [
    ...['ndcg', 'recall', 'hr'].flatMap((name) => ks.map((k) => `${name}@${k}`)),
    ...(metrics ?? [...['precision', 'mrr', 'map'], ...beyond.flatMap((name) => beyondAt.map((k) => `${name}@${k}`))]),
  ]
  const plan = new Map<string, PlannedMetric>()
  for (const given of names) {
    const { metric, k: at } = findRankingMetric(given)
    const { name } = metric
    const kind =
      name in accuracyMetrics
        ? 'accuracy'
        : name in listMetrics
          ? 'list'
          : name in catalogueMetrics
            ? 'catalogue'
            : name === 'auc' || name === 'gauc'
              ? 'auc'
              : undefined
    if (kind === undefined)
      throw new TacetError('invalid-argument', `${name} is not measured on the lists of a ranker`, {
        wayOut: `Use one of ${[accuracyMetrics, listMetrics, catalogueMetrics].flatMap(Object.keys).join(', ')}, auc, gauc.`,
        details: { metric: given },
      })
    if (sampled && (kind === 'list' || kind === 'catalogue'))
      throw new TacetError('invalid-argument', `${name} is about the lists people get, which sampled candidates do not make`, {
        wayOut: 'Measure it with all candidates.',
        details: { metric: given },
      })
    for (const k of kind === 'auc' ? [Number.POSITIVE_INFINITY] : at === undefined ? ks : [at]) {
      const key = kind === 'auc' ? name : `${name}@${k}`
      plan.set(key, { key, name, k, kind })
    }
  }
  return [...plan.values()]
}

/** People with a row in the model are ranked for by it; strangers, and those with nothing in training, by their history. */
function personsOf(people: RankedPeople, start: number, end: number): Person[] {
  return Array.from({ length: end - start }, (_, i) => {
    const history = itemsOf(people.history, start + i)
    return { userIndex: people.strangers || history.length === 0 ? null : (people.users[start + i] as number), history }
  })
}

function checkFinite(row: Float32Array, model: string, user: number): void {
  let check = 0
  for (let item = 0; item < row.length; item++) check += (row[item] as number) - (row[item] as number)
  if (check === 0) return
  const item = row.findIndex((score) => !Number.isFinite(score))
  throw new TacetError('diverged', `${model} gives item ${item} the score ${row[item]} for person ${user}; scores must be finite`, {
    wayOut: 'The model has diverged: train with a smaller learning rate or more regularisation.',
    details: { model, user, item },
  })
}

/** Bars every item that is neither relevant nor drawn. The draw depends on seed, person and what they have seen; never on the model. */
function samplerOf(
  itemCount: number,
  { sampled, seed }: Exclude<Candidates, 'all'>,
): (row: Float32Array, user: number, relevantTo: Uint32Array, mark: number) => void {
  checkNumber('seed', seed, { atLeast: 0, atMost: Number.MAX_SAFE_INTEGER, integer: true })
  const others = new Uint32Array(itemCount)
  return (row, user, relevantTo, mark) => {
    let count = 0
    for (let item = 0; item < itemCount; item++)
      if (relevantTo[item] !== mark && row[item] !== Number.NEGATIVE_INFINITY) others[count++] = item
    const key = mix(mix((seed >>> 0) ^ 0x9e3779b9) ^ mix(Math.floor(seed / 2 ** 32) ^ 0x85ebca6b) ^ mix(user + 0x27d4eb2f))
    // The first places of a random order (Fisher and Yates) stay; the rest is barred.
    for (let at = 0; at < Math.min(sampled, count); at++) {
      const other = at + Math.floor((mix(key + Math.imul(at, 0x9e3779b1)) / 2 ** 32) * (count - at))
      const item = others[other] as number
      others[other] = others[at] as number
      others[at] = item
    }
    for (let at = sampled; at < count; at++) row[others[at] as number] = Number.NEGATIVE_INFINITY
  }
}

function mix(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** For every cutoff the chance of each relevant item to be within it. `rankOf` is scratch, all zero before and after. */
function writeInclusions(
  inclusions: ReadonlyMap<number, Float64Array>,
  offset: number,
  relevant: Uint32Array,
  items: Uint32Array,
  tieEnds: Uint32Array | undefined,
  rankOf: Int32Array,
): void {
  for (let rank = 0; rank < items.length; rank++) rankOf[items[rank] as number] = rank + 1
  for (let i = 0; i < relevant.length; i++) {
    const rank = (rankOf[relevant[i] as number] as number) - 1
    if (rank < 0) continue
    let start = rank
    let end = rank + 1
    if (tieEnds !== undefined) {
      const run = tieEnds.findIndex((runEnd) => runEnd > rank)
      start = run === 0 ? 0 : (tieEnds[run - 1] as number)
      end = tieEnds[run] as number
    }
    for (const [k, out] of inclusions) out[offset + i] = Math.min(1, Math.max(0, (k - start) / (end - start)))
  }
  for (let rank = 0; rank < items.length; rank++) rankOf[items[rank] as number] = 0
}

/** `auc` of ranking.ts over all candidates without ranking them: each is placed among the relevant scores, which are few. */
function aucScratch(itemCount: number): (row: Float32Array, relevant: Uint32Array, relevantTo: Uint32Array, mark: number) => number {
  const scratch = new Float32Array(itemCount)
  return (row, relevant, relevantTo, mark) => {
    const count = relevant.length
    const sorted = scratch.subarray(0, count)
    for (let i = 0; i < count; i++) sorted[i] = row[relevant[i] as number] as number
    sorted.sort()
    let negatives = 0
    let wins = 0
    for (let item = 0; item < itemCount; item++) {
      const score = row[item] as number
      if (score === Number.NEGATIVE_INFINITY || relevantTo[item] === mark) continue
      negatives++
      // A good model leaves most candidates below everything relevant.
      if (score < (sorted[0] as number)) {
        wins += count
        continue
      }
      // The first relevant score that is not below this one.
      let low = 0
      let high = count
      while (low < high) {
        const middle = (low + high) >> 1
        if ((sorted[middle] as number) < score) low = middle + 1
        else high = middle
      }
      wins += count - low
      for (; low < count && sorted[low] === score; low++) wins -= 0.5
    }
    return negatives === 0 ? Number.NaN : wins / (negatives * count)
  }
}

interface Facts {
  counts(): ArrayLike<number>
  head(): Uint8Array
  selfInformation(): Float64Array
  popularityComplement(): Float64Array
  distance(): (a: number, b: number) => number
}

function factsOf(catalogue: CatalogueFacts | undefined, itemCount: number): Facts {
  const need = (what: string): never => {
    throw new TacetError('invalid-argument', `the metric needs ${what}`, { wayOut: 'Give it with `catalogue`.' })
  }
  const counts = () => {
    const found = catalogue?.counts ?? need("each item's interactions in training")
    if (found.length !== itemCount) need(`${itemCount} counts, one an item, and ${found.length} are given`)
    return found
  }
  let head: Uint8Array | undefined
  return {
    counts,
    head: () => {
      head ??= shortHead(Float64Array.from(counts()), 0.8)
      return head
    },
    selfInformation: () => {
      const all = Float64Array.from(counts())
      const interactions = all.reduce((sum, count) => sum + count, 0)
      const least = all.reduce((found, count) => (count > 0 ? Math.min(found, count) : found), interactions)
      // An item without interactions is as novel as the most novel one with some.
      return all.map((count) => -Math.log2(Math.max(count, least) / interactions))
    },
    popularityComplement: () => {
      const people = catalogue?.trainingPeople ?? need('the number of people in training')
      return Float64Array.from(counts(), (count) => 1 - count / people)
    },
    distance: () => {
      const genres = catalogue?.genres ?? need("each item's genres")
      if (genres.length !== itemCount) need(`genres of ${itemCount} items, and ${genres.length} are given`)
      return distanceOfLabels(genres)
    },
  }
}

/** Jaccard distance of two items' labels. Few kinds of label sets are looked up in a table: 301 in MovieLens 1M for 3,883 items. */
function distanceOfLabels(labels: readonly (readonly number[])[]): (a: number, b: number) => number {
  const kinds = new Map<string, number>()
  const sets: ReadonlySet<number>[] = []
  const kindOf = Uint32Array.from(labels, (own) => {
    const set = new Set(own)
    const key = [...set].sort((a, b) => a - b).join()
    const known = kinds.get(key) ?? sets.push(set) - 1
    kinds.set(key, known)
    return known
  })
  const between = (a: number, b: number) => jaccardDistance(sets[a] as ReadonlySet<number>, sets[b] as ReadonlySet<number>)
  const count = sets.length
  if (count > 2_000) return (a, b) => between(kindOf[a] as number, kindOf[b] as number)
  const table = Float64Array.from({ length: count * count }, (_, at) => between(Math.floor(at / count), at % count))
  return (a, b) => table[(kindOf[a] as number) * count + (kindOf[b] as number)] as number
}

function emptyShown(itemCount: number): Shown {
  const zeros = () => new Float64Array(itemCount)
  return { exposure: zeros(), absent: zeros().fill(1), relevantListed: zeros(), relevant: zeros(), possible: zeros() }
}

/** Relative spread of got ÷ had between short head and long tail; NaN where a group has none, or nothing was got. */
function spread(head: Uint8Array, got: Float64Array, had: Float64Array): number {
  const sums = [0, 0, 0, 0]
  head.forEach((inHead, item) => {
    sums[inHead] = (sums[inHead] as number) + (got[item] as number)
    sums[2 + inHead] = (sums[2 + inHead] as number) + (had[item] as number)
  })
  const [tailGot, headGot, tailHad, headHad] = sums as [number, number, number, number]
  return tailHad === 0 || headHad === 0 ? Number.NaN : relativeSpread([headGot / headHad, tailGot / tailHad])
}

const orZero = (value: number): number => (Number.isNaN(value) ? 0 : value)

function weightedMean(values: Float64Array, weightOf: (p: number) => number): number {
  let sum = 0
  let weights = 0
  for (let p = 0; p < values.length; p++) {
    const value = values[p] as number
    if (Number.isNaN(value)) continue
    sum += weightOf(p) * value
    weights += weightOf(p)
  }
  return weights === 0 ? Number.NaN : sum / weights
}

function whyUndefined(name: string): string {
  return findRankingMetric(name).metric.empty
}
