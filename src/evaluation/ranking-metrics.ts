/**
 * The named ranking metrics: for every name, its exact definition in words (`tacet metrics --list` prints this table) and the function that
 * computes it from lists or scores by string ids. Field toolkits give one name to several formulas; here each formula has one name.
 *
 * Made for evaluation of some thousands of people and for checking; a trainer that holds dense arrays calls ranking.ts directly.
 * Values are exact functions of the rows given: private if those are (privacy-rules 1).
 */
import { TacetError } from '../errors.ts'
import {
  auc,
  averagePrecision,
  hitRate,
  meanPrecisionAtCuts,
  ndcg,
  type PersonRanking,
  precision,
  recall,
  reciprocalRank,
} from './ranking.ts'
import {
  discountedSlotMean,
  distinctItems,
  entropyBits,
  exposure,
  gini,
  meanPairDistance,
  relativeSpread,
  slotMean,
  type TopList,
} from './ranking-beyond.ts'
import { empty, invalid, type Prepared, prepare, type RankingOptions, type RankingQuestion } from './ranking-question.ts'

export interface RankingAnswer {
  readonly value: number
  /** People over whom the mean was taken, where the metric is a mean over people. */
  readonly people?: number
  /** People left out of that mean because their value is not defined (nothing relevant, no pair …). */
  readonly excluded?: number
  /** Each person's value, where the metric is a mean over people. */
  readonly perPerson?: ReadonlyMap<string, number>
  /** Each group's mean (group metrics). */
  readonly groups?: ReadonlyMap<string, number>
}

export interface RankingMetric {
  readonly name: string
  readonly aliases: readonly string[]
  readonly definition: string
  readonly averagedOver: string
  readonly cutoff: 'k' | 'none'
  /** Fields and options without which there is no answer. */
  readonly needs: readonly string[]
  /** Options that change it. */
  readonly options: readonly string[]
  readonly empty: string
  readonly shortLists: string
  readonly ties: string
}

interface Definition extends RankingMetric {
  /** The catalogue's unranked items are candidates too, tied in last place. */
  readonly ranksCatalogue?: boolean
  readonly compute: (prepared: Prepared) => RankingAnswer
}

/** What `--list` says once, for all metrics. */
export const commonRules: Readonly<Record<string, string>> = {
  k: 'an integer ≥ 1, as "k" or in the name ("ndcg@10"); without it there is no cut: the whole list counts',
  ties: 'items with equal scores: the exact mean over all their orders, so that a constant scorer gets what a random list gets and never a hit rate of 1 by luck of the sort; options.ties "pessimistic" ranks the least relevant of them first; lists have no ties',
  people:
    'a person with nothing relevant (no item, or gains of 0 only) is left out of the mean and counted in "excluded"; a person with something relevant and no list counts with an empty list; nobody left is an error',
  shortLists: 'a list shorter than k is a list with nothing at the missing ranks',
  scores:
    'ranked descending; infinities are scores ("inf" and "-inf", or the bare Infinity); NaN and null are errors that name person and item; an item without a score is not recommended',
  lists: 'an item twice in a list is an error that names it; an item may be text or a number, "7" and 7 are the same item',
  gains: 'relevant as {item: gain}: gain > 0 is relevant, 0 is not, negative is an error; a list of items means gain 1 each',
}

const truthEmpty = 'people with nothing relevant are excluded and counted; an error if nobody is left'
const meanOfPeople = 'people with at least one relevant item, each the same'
const listMean = 'people with at least one listed item, each the same'
const listEmpty = 'people with an empty list are excluded and counted; an error if nobody is left'
const expectedTies = 'exact mean over the orders of tied items; options.ties "pessimistic": least relevant first'
const ownSlots = 'only the slots that are filled count'
const expectedInclusion = 'a tied item counts by its chance to be within the cut'

/** A metric that is the mean of one number per person with something relevant. */
function accuracy(
  name: string,
  aliases: readonly string[],
  definition: string,
  shortLists: string,
  perPerson: (person: PersonRanking, k: number, options: RankingOptions) => number,
  more: Partial<Definition> = {},
): Definition {
  return {
    name,
    aliases,
    definition,
    averagedOver: meanOfPeople,
    cutoff: 'k',
    needs: ['relevant'],
    options: ['ties'],
    empty: truthEmpty,
    shortLists,
    ties: expectedTies,
    ...more,
    compute: (prepared) => meanOverPeople(prepared, (person) => perPerson(person, prepared.k, prepared.options)),
  }
}

/** A metric that is the mean of one number per person with a list. */
function listed(
  name: string,
  aliases: readonly string[],
  definition: string,
  needs: readonly string[],
  options: readonly string[],
  perList: (prepared: Prepared) => (list: TopList, user: string) => number,
  more: Partial<RankingMetric> = {},
): Definition {
  return {
    name,
    aliases,
    definition,
    averagedOver: listMean,
    cutoff: 'k',
    needs,
    options,
    empty: listEmpty,
    shortLists: ownSlots,
    ties: expectedInclusion,
    ...more,
    compute: (prepared) => {
      const of = perList(prepared)
      return meanOf([...prepared.lists()].map(([user, list]) => [user, of(list, user)]))
    },
  }
}

/** A metric of how often each item of the catalogue is listed. */
function overCatalogue(
  name: string,
  aliases: readonly string[],
  definition: string,
  compute: (prepared: Prepared) => number,
  more: Partial<RankingMetric> = {},
): Definition {
  const needsCatalogue = more.needs === undefined
  return {
    name,
    aliases,
    definition,
    averagedOver: 'nothing: one number for all lists together',
    cutoff: 'k',
    needs: ['catalogue'],
    options: [],
    empty: 'an error if every list is empty',
    shortLists: ownSlots,
    ties: `${expectedInclusion}: the value is that of the expected exposure`,
    ...more,
    compute: (prepared) => {
      if (needsCatalogue) prepared.checkCatalogue()
      if ([...prepared.lists().values()].every((list) => list.length === 0)) throw empty('every list is empty')
      return { value: compute(prepared) }
    },
  }
}

/** EFD and EPC: over people with something relevant, or over people with a list where relevance does not count. */
function discovery(
  name: string,
  aliases: readonly string[],
  definition: string,
  more: Pick<RankingMetric, 'needs' | 'options'>,
  noveltyOf: (prepared: Prepared) => Float64Array,
): Definition {
  return {
    name,
    aliases,
    definition,
    averagedOver: `${meanOfPeople}; options.relevance false: ${listMean}`,
    cutoff: 'k',
    ...more,
    empty: `${truthEmpty}; somebody with something relevant and an empty list has 0`,
    shortLists: ownSlots,
    ties: expectedInclusion,
    compute: (prepared) => {
      const novelty = noveltyOf(prepared)
      const lists = prepared.lists()
      if (prepared.options.relevance === false)
        return meanOf([...lists].map(([user, list]) => [user, discountedSlotMean(list, (item) => novelty[item] as number)]))
      if (prepared.question.relevant === undefined) invalid(`${name} needs "relevant", or options.relevance false`)
      return meanOf(
        prepared.everyone().map((user) => {
          const truth = prepared.truthOf(user)
          if (truth.size === 0) return [user, Number.NaN]
          const list = lists.get(user)
          if (list === undefined || list.length === 0) return [user, 0]
          return [user, discountedSlotMean(list, (item) => (truth.has(prepared.idOf(item)) ? (novelty[item] as number) : 0))]
        }),
      )
    },
  }
}

/** Error of scores as predictions of the given values, over all pairs together. */
function ratingError(name: string, definition: string, of: (difference: number) => number, finish: (mean: number) => number): Definition {
  return {
    name,
    aliases: [],
    definition: `${definition}, over all (person, item) pairs of relevant {item: value}. k is not used`,
    averagedOver: 'all pairs, each the same',
    cutoff: 'none',
    needs: ['scores', 'relevant'],
    options: [],
    empty: 'an error without a pair',
    shortLists: 'a pair without a score, or with an infinite one, is an error',
    ties: 'none: order does not matter',
    compute: ({ question }) => {
      let sum = 0
      let pairs = 0
      for (const [user, truth] of question.relevant as ReadonlyMap<string, ReadonlyMap<string, number>>) {
        for (const [item, value] of truth) {
          const score = question.scores?.get(user)?.get(item)
          if (score === undefined || !Number.isFinite(score) || !Number.isFinite(value))
            throw new TacetError(
              'malformed-data',
              `person ${user}, item ${item}: score ${score}, value ${value}; both must be finite numbers`,
              {
                details: { user, item },
              },
            )
          sum += of(score - value)
          pairs++
        }
      }
      if (pairs === 0) throw empty('there is no (person, item) pair')
      return { value: finish(sum / pairs) }
    },
  }
}

/** A figure over the means of a metric in groups of people. */
function groupMetric(name: string, aliases: readonly string[], definition: string, of: (means: readonly number[]) => number): Definition {
  return {
    name,
    aliases,
    definition,
    averagedOver: 'groups, each the same whatever its size; people as in options.of',
    cutoff: 'k',
    needs: ['options.of', 'options.groups', 'what options.of needs'],
    options: ['of', 'groups', 'and those of options.of'],
    empty: 'people without a group, or left out by options.of, are excluded and counted; fewer than two groups with people are an error',
    shortLists: 'as in options.of',
    ties: 'as in options.of',
    compute: ({ question }) => {
      const { of: inner, groups } = question.options ?? {}
      if (inner === undefined || groups === undefined) invalid(`${name} needs options.of and options.groups`)
      const answer = rankingMetric({ ...question, metric: inner })
      if (answer.perPerson === undefined) invalid(`options.of is "${inner}", which is not a mean over people`)
      const values = new Map<string, number[]>()
      let excluded = answer.excluded ?? 0
      for (const [user, value] of answer.perPerson) {
        const group = groups.get(user)
        if (group === undefined) excluded++
        else if (values.get(group)?.push(value) === undefined) values.set(group, [value])
      }
      if (values.size < 2) throw empty(`${values.size} of the groups in options.groups hold people with a value; at least two are needed`)
      const means = new Map([...values].map(([group, list]) => [group, list.reduce((sum, value) => sum + value, 0) / list.length]))
      const people = [...values.values()].reduce((sum, list) => sum + list.length, 0)
      return { value: of([...means.values()]), people, excluded, groups: means }
    },
  }
}

function pooledAuc({ question, everyone, truthOf }: Prepared): RankingAnswer {
  const pairs: { score: number; gain: number }[] = []
  const missing: number[] = []
  for (const user of everyone()) {
    const truth = truthOf(user)
    const scores = question.scores?.get(user)
    for (const [item, score] of scores ?? []) pairs.push({ score, gain: truth.has(item) ? 1 : 0 })
    for (const item of truth.keys()) if (!scores?.has(item)) missing.push(1)
  }
  pairs.sort((a, b) => (a.score === b.score ? 0 : a.score > b.score ? -1 : 1))
  const gains = Float64Array.from(pairs, (pair) => pair.gain)
  const relevant = Float64Array.from([...gains.filter((gain) => gain > 0), ...missing])
  const tieEnds = Uint32Array.from(pairs.flatMap((pair, i) => (pairs[i + 1]?.score === pair.score ? [] : [i + 1])))
  if (relevant.length === 0 || gains.every((gain) => gain > 0)) throw empty('there is no pair of a relevant and an irrelevant item')
  return { value: auc({ gains, tieEnds, relevant }) }
}

function meanOverPeople(prepared: Prepared, of: (person: PersonRanking) => number): RankingAnswer {
  return meanOf(
    prepared.everyone().map((user) => {
      const person = prepared.personOf(user)
      return [user, person.relevant.length === 0 ? Number.NaN : of(person)]
    }),
  )
}

/** Mean of the defined values; the others are counted. */
function meanOf(values: readonly (readonly [user: string, value: number])[]): RankingAnswer {
  const perPerson = new Map(values.filter(([, value]) => !Number.isNaN(value)))
  if (perPerson.size === 0)
    throw empty(values.length === 0 ? 'no person is given' : `none of ${values.length} people has what the metric is about (see --list)`)
  let sum = 0
  for (const value of perPerson.values()) sum += value
  return { value: sum / perPerson.size, people: perPerson.size, excluded: values.length - perPerson.size, perPerson }
}

function catalogueExposure(prepared: Prepared): Float64Array {
  return exposure(prepared.allLists(), prepared.itemCount()).subarray(0, prepared.catalogueSize)
}

function spreadOf(names: readonly string[], got: Float64Array, had: Float64Array, what: string): RankingAnswer {
  const rates = names.map((name, g) => {
    if (had[g] === 0) throw empty(`the item group "${name}" has no ${what}`)
    return (got[g] as number) / (had[g] as number)
  })
  if (rates.every((rate) => rate === 0)) throw empty(`none of the ${what} is listed for anybody`)
  return { value: relativeSpread(rates), groups: new Map(names.map((name, g) => [name, rates[g] as number])) }
}

const definitions: readonly Definition[] = [
  accuracy(
    'ndcg',
    ['normalised-discounted-cumulative-gain'],
    'Σ over ranks r ≤ k of gain(r)/log2(r + 1), ÷ the same sum for all relevant items in the best order, cut at k. gain: the given one (options.gains "linear", default), 2^gain − 1 ("exponential"), or 1 for any relevant item ("binary")',
    'missing ranks add nothing; the ideal is not shortened to the length of the list',
    (person, k, options) => ndcg(person, k, options.gains ?? 'linear'),
    { options: ['gains', 'ties'] },
  ),
  accuracy(
    'hr',
    ['hit-rate', 'hit', 'hits', 'hit-ratio', 'success'],
    '1 if at least one of the first k items is relevant, else 0',
    'missing ranks are misses',
    hitRate,
  ),
  accuracy(
    'precision',
    ['p', 'prec'],
    'relevant items among the first k, ÷ k (without k: ÷ the length of the list)',
    '÷ k all the same: missing ranks are misses',
    precision,
  ),
  accuracy(
    'recall',
    ['r'],
    'relevant items among the first k, ÷ all relevant items of the person',
    'missing ranks are misses',
    (person, k) => recall(person, k),
  ),
  accuracy(
    'recall-capped',
    ['capped-recall', 'recall-min'],
    'relevant items among the first k, ÷ min(k, relevant items of the person): a full list of hits is 1',
    'missing ranks are misses',
    (person, k) => recall(person, k, { capped: true }),
  ),
  accuracy(
    'mrr',
    ['rr', 'reciprocal-rank', 'recip-rank'],
    '1 ÷ the rank of the first relevant item among the first k; 0 if there is none',
    'missing ranks are misses',
    reciprocalRank,
  ),
  accuracy(
    'map',
    ['ap', 'map-capped', 'map-min', 'average-precision'],
    'Σ of precision at r over the ranks r ≤ k that hold a relevant item, ÷ min(k, relevant items of the person)',
    'missing ranks add nothing',
    (person, k) => averagePrecision(person, k),
  ),
  accuracy(
    'map-relevant',
    ['map-cut', 'map-trec'],
    'as map, ÷ all relevant items of the person (trec_eval’s map_cut)',
    'missing ranks add nothing',
    (person, k) => averagePrecision(person, k, 'relevant'),
  ),
  accuracy(
    'map-hits',
    [],
    'as map, ÷ the number of relevant items among the first k (0 if none): forgets what was missed; only to compare with toolkits that do so',
    'missing ranks add nothing',
    (person, k) => averagePrecision(person, k, 'hits'),
  ),
  accuracy(
    'mean-precision-at-cuts',
    ['map-elliot'],
    'mean over n = 1 … k of precision at n: what Elliot prints as MAP; not average precision',
    'missing ranks are misses',
    meanPrecisionAtCuts,
  ),
  accuracy(
    'auc',
    ['roc-auc'],
    'share of the pairs (relevant, not relevant candidate) that are in the right order, a tie counting ½; per person. Candidates: the ranked items, the relevant ones, and the catalogue where given, whose unranked items are tied in last place; a relevant item that is neither ranked nor in the catalogue loses every pair. k is not used',
    'unranked items of the catalogue are tied in last place',
    (person) => auc(person),
    {
      cutoff: 'none',
      ranksCatalogue: true,
      empty: 'people without a relevant item or without an irrelevant candidate are excluded and counted; an error if nobody is left',
      ties: 'a tie counts ½; options.ties "pessimistic": 0',
    },
  ),
  {
    name: 'gauc',
    ranksCatalogue: true,
    aliases: ['group-auc'],
    definition: 'mean of auc over people, each weighted by the number of their relevant items. k is not used',
    averagedOver: 'people with at least one relevant item, by their number of relevant items',
    cutoff: 'none',
    needs: ['relevant'],
    options: ['ties'],
    empty: 'as auc',
    shortLists: 'as auc',
    ties: 'a tie counts ½; options.ties "pessimistic": 0',
    compute: (prepared) => {
      const answer = meanOverPeople(prepared, auc)
      let sum = 0
      let weights = 0
      for (const [user, value] of answer.perPerson as ReadonlyMap<string, number>) {
        const weight = prepared.truthOf(user).size
        sum += weight * value
        weights += weight
      }
      // No value per person: their plain mean is auc, not this.
      return { value: sum / weights, people: answer.people as number, excluded: answer.excluded as number }
    },
  },
  {
    name: 'auc-pooled',
    aliases: ['global-auc'],
    definition:
      'auc of all (person, scored item) pairs in one pool: the share of (relevant, not relevant) pairs, of any two people, that are in the right order, a tie counting ½. Scores of different people must be comparable. k is not used',
    averagedOver: 'nothing: all pairs of all people together',
    cutoff: 'none',
    needs: ['scores', 'relevant'],
    options: [],
    empty: 'a person with nothing relevant adds irrelevant pairs; an error without a relevant and an irrelevant pair',
    shortLists: 'a relevant item without a score loses every pair',
    ties: 'a tie counts ½',
    compute: pooledAuc,
  },
  ratingError('rmse', 'root of the mean squared difference of score and given value', (difference) => difference ** 2, Math.sqrt),
  ratingError('mae', 'mean absolute difference of score and given value', Math.abs, (mean) => mean),
  overCatalogue(
    'coverage',
    ['item-coverage', 'catalogue-coverage'],
    'distinct items of the catalogue in at least one top-k list, ÷ items of the catalogue',
    (prepared) => distinctItems(prepared.allLists(), prepared.itemCount()) / prepared.catalogueSize,
    { ties: 'exact mean: one minus the chance that no list holds the item' },
  ),
  overCatalogue(
    'coverage-count',
    ['distinct-items'],
    'number of distinct items in at least one top-k list',
    (prepared) => distinctItems(prepared.allLists(), prepared.itemCount()),
    { needs: [], ties: 'exact mean: one minus the chance that no list holds the item' },
  ),
  overCatalogue(
    'gini',
    ['gini-index', 'gini-coefficient'],
    'Gini coefficient of how often each item of the catalogue is in a top-k list: with counts c ascending, Σ_j (2j − n − 1)·c_j ÷ (n·Σc). 0: all items alike; (n − 1)/n: one item has all slots',
    (prepared) => gini(catalogueExposure(prepared)),
  ),
  overCatalogue('gini-normalised', ['gini-normalized'], 'gini with n − 1 in place of n in the divisor: 0 … 1', (prepared) =>
    gini(catalogueExposure(prepared), { normalised: true }),
  ),
  overCatalogue('gini-diversity', [], '1 − gini-normalised: what Elliot prints as Gini; 1 is even', (prepared) => {
    return 1 - gini(catalogueExposure(prepared), { normalised: true })
  }),
  overCatalogue(
    'entropy',
    ['shannon-entropy'],
    '−Σ p·log2 p over items, p = the item’s share of all top-k slots; in bits',
    (prepared) => entropyBits(exposure(prepared.allLists(), prepared.itemCount())),
    { needs: [] },
  ),
  overCatalogue(
    'entropy-per-item',
    ['entropy-recbole'],
    'entropy in nats ÷ number of distinct listed items: what RecBole prints as ShannonEntropy',
    (prepared) => {
      const counts = exposure(prepared.allLists(), prepared.itemCount())
      return (entropyBits(counts) * Math.LN2) / counts.reduce((distinct, count) => distinct + (count > 0 ? 1 : 0), 0)
    },
    { needs: [] },
  ),
  discovery(
    'efd',
    ['expected-free-discovery'],
    'Σ over ranks r ≤ k of disc(r)·rel(r)·(−log2(count of the item ÷ all interactions)) ÷ Σ disc(r) over the filled ranks, disc(r) = 1/log2(r + 1), rel(r) = 1 for a relevant item and 0 else (options.relevance false: always 1); an item without interactions is as novel as the most novel one with some',
    { needs: ['popularity', 'relevant (unless options.relevance is false)'], options: ['relevance'] },
    (prepared) => prepared.selfInformation(),
  ),
  discovery(
    'epc',
    ['expected-popularity-complement'],
    'as efd with novelty 1 − count of the item ÷ people in training (options.trainingPeople); an item without interactions has novelty 1',
    {
      needs: ['popularity', 'options.trainingPeople', 'relevant (unless options.relevance is false)'],
      options: ['relevance', 'trainingPeople'],
    },
    (prepared) => prepared.popularityComplement(),
  ),
  listed(
    'novelty',
    ['mean-self-information'],
    'mean over the listed items of −log2(count ÷ all interactions), no discount and no relevance; an item without interactions is as novel as the most novel one with some',
    ['popularity'],
    [],
    (prepared) => {
      const novelty = prepared.selfInformation()
      return (list) => slotMean(list, (item) => novelty[item] as number)
    },
  ),
  listed(
    'arp',
    ['average-recommendation-popularity', 'average-popularity'],
    'mean over the listed items of their number of interactions in training',
    ['popularity'],
    [],
    (prepared) => {
      const counts = prepared.counts()
      return (list) => slotMean(list, (item) => counts[item] as number)
    },
  ),
  listed(
    'aplt',
    ['average-percentage-of-long-tail'],
    'share of the listed items that are in the long tail: all but the short head, the fewest most popular items that hold at least options.headShare (default .8) of all interactions, with those tied with its last one',
    ['popularity'],
    ['headShare'],
    (prepared) => {
      const head = prepared.head()
      return (list) => slotMean(list, (item) => 1 - (head[item] as number))
    },
  ),
  listed(
    'aclt',
    ['average-coverage-of-long-tail'],
    'number of listed items in the long tail (as aplt)',
    ['popularity'],
    ['headShare'],
    (prepared) => {
      const head = prepared.head()
      return (list) => slotMean(list, (item) => 1 - (head[item] as number)) * list.length
    },
  ),
  listed(
    'ild',
    ['intra-list-diversity', 'diversity'],
    'mean distance over the unordered pairs of listed items: 1 − cosine of options.vectors {item: [number, …]}, or 1 − |shared genres|/|all genres of both| of options.genres {item: [genre, …]} (two items without a genre are alike: 0)',
    ['options.vectors or options.genres'],
    ['vectors', 'genres'],
    (prepared) => {
      const distance = prepared.distance()
      return (list) => meanPairDistance(list, distance)
    },
    {
      averagedOver: 'people with at least two listed items, each the same',
      empty: 'people with fewer than two listed items are excluded and counted; an error if nobody is left',
      ties: 'a pair counts by its chance to be within the cut together',
    },
  ),
  {
    name: 'popreo',
    aliases: ['reo', 'popularity-equal-opportunity'],
    definition:
      'standard deviation (÷ number of groups) ÷ mean, over the groups short head and long tail (or options.itemGroups), of P(g) = Σ over people of relevant items of g in their top k ÷ Σ over people of relevant items of g. 0: relevant items have the same chance whether popular or not',
    averagedOver: 'item groups; the sums are over all people together',
    cutoff: 'k',
    needs: ['relevant', 'popularity or options.itemGroups'],
    options: ['headShare', 'itemGroups'],
    empty: 'a group without relevant items, or no relevant item listed at all, is an error: the ratio does not exist',
    shortLists: 'missing ranks are misses',
    ties: expectedInclusion,
    compute: (prepared) => {
      const groups = prepared.itemGroups()
      const got = new Float64Array(groups.names.length)
      const had = new Float64Array(groups.names.length)
      const lists = prepared.lists()
      for (const user of prepared.everyone()) {
        const truth = prepared.truthOf(user)
        for (const item of truth.keys()) groups.add(had, prepared.indexOf(item), 1)
        const list = lists.get(user)
        list?.items.forEach((item, i) => {
          if (truth.has(prepared.idOf(item))) groups.add(got, item, list.inclusion[i] as number)
        })
      }
      return spreadOf(groups.names, got, had, 'relevant items')
    },
  },
  {
    name: 'poprsp',
    aliases: ['rsp', 'popularity-statistical-parity'],
    definition:
      'standard deviation (÷ number of groups) ÷ mean, over the groups short head and long tail (or options.itemGroups), of P(g) = Σ over people of items of g in their top k ÷ Σ over people of items of g in the catalogue and not in their options.history. 0: popular and unpopular items are listed at the same rate',
    averagedOver: 'item groups; the sums are over all people with a list together',
    cutoff: 'k',
    needs: ['catalogue', 'popularity or options.itemGroups'],
    options: ['headShare', 'itemGroups', 'history'],
    empty: 'a group without candidates, or no item listed at all, is an error: the ratio does not exist',
    shortLists: 'missing ranks add nothing',
    ties: expectedInclusion,
    compute: (prepared) => {
      prepared.checkCatalogue()
      const groups = prepared.itemGroups()
      const got = new Float64Array(groups.names.length)
      const had = new Float64Array(groups.names.length)
      const candidates = (prepared.question.catalogue as readonly string[]).map((item) => prepared.indexOf(item))
      for (const [user, list] of prepared.lists()) {
        const seen = new Set((prepared.options.history?.get(user) ?? []).map((item) => prepared.indexOf(item)))
        for (const item of candidates) if (!seen.has(item)) groups.add(had, item, 1)
        list.items.forEach((item, i) => {
          if (seen.has(item))
            throw new TacetError('malformed-data', `${prepared.idOf(item)} is listed for ${user} and in that person’s options.history`)
          groups.add(got, item, list.inclusion[i] as number)
        })
      }
      return spreadOf(groups.names, got, had, 'candidates')
    },
  },
  groupMetric(
    'group-gap',
    ['user-gap'],
    'largest minus smallest of the groups’ means of the metric options.of (any mean over people, e.g. "ndcg"), people grouped by options.groups {person: group}',
    (means) => Math.max(...means) - Math.min(...means),
  ),
  groupMetric(
    'group-mad',
    ['user-mad'],
    'mean over the pairs of groups of the absolute difference of their means of options.of',
    (means) => {
      let sum = 0
      for (let a = 1; a < means.length; a++) for (let b = 0; b < a; b++) sum += Math.abs((means[a] as number) - (means[b] as number))
      return sum / ((means.length * (means.length - 1)) / 2)
    },
  ),
  groupMetric('group-worst', [], 'smallest of the groups’ means of options.of', (means) => Math.min(...means)),
]

/** All metrics with their definitions, in the order of `--list`. */
export const rankingMetrics: readonly RankingMetric[] = definitions.map(({ compute: _, ranksCatalogue: __, ...metric }) => metric)

/**
 * The metric a user means by a name: case, `_`, spaces and aliases do not matter; `@k` inside is split off.
 * @throws TacetError invalid-argument naming the nearest metric, or a k that is not an integer ≥ 1
 */
export function findRankingMetric(name: string): { metric: RankingMetric; k?: number } {
  const { definition, k } = find(name)
  const metric = rankingMetrics.find((entry) => entry.name === definition.name) as RankingMetric
  return k === undefined ? { metric } : { metric, k }
}

/**
 * Answers one question.
 * @throws TacetError invalid-argument (unknown metric, bad k, what the metric needs is missing), malformed-data (NaN score, an item twice, a
 *   gain or count below 0), empty-data (nobody left to average over)
 */
export function rankingMetric(question: RankingQuestion): RankingAnswer {
  const { definition, k: inName } = find(question.metric)
  if (question.k !== undefined) checkCutoff(question.k)
  if (inName !== undefined && question.k !== undefined && inName !== question.k)
    invalid(`k is ${question.k} and the metric is "${question.metric}"; say k once, or the same`)
  if ((question.lists === undefined) === (question.scores === undefined))
    invalid(question.lists ? 'both lists and scores are given; give one of them' : 'neither lists nor scores are given; give one of them')
  for (const need of definition.needs) {
    if ((need === 'relevant' || need === 'catalogue' || need === 'popularity' || need === 'scores') && question[need] === undefined)
      invalid(`${definition.name} needs "${need}"`)
  }
  return definition.compute(prepare(question, inName ?? question.k ?? Number.POSITIVE_INFINITY, definition.ranksCatalogue ?? false))
}

function find(name: string): { definition: Definition; k?: number } {
  const [stem = '', cut, ...rest] = name.trim().split('@')
  const wanted = stem
    .trim()
    .toLowerCase()
    .replaceAll(/[_\s]+/g, '-')
  const definition = definitions.find((entry) => entry.name === wanted || entry.aliases.includes(wanted))
  if (definition === undefined || rest.length > 0) {
    const names = definitions.flatMap((entry) => [entry.name, ...entry.aliases].map((known) => ({ known, name: entry.name })))
    const nearest = names.reduce((best, entry) => (editDistance(wanted, entry.known) < editDistance(wanted, best.known) ? entry : best))
    invalid(`there is no metric "${name}"; the nearest is "${nearest.name}"`, { nearest: nearest.name })
  }
  if (cut === undefined) return { definition }
  return { definition, k: checkCutoff(cut.trim() === '' ? Number.NaN : Number(cut), cut) }
}

function checkCutoff(k: number, text: unknown = k): number {
  if (!Number.isSafeInteger(k) || k < 1) invalid(`k is ${text}; it must be an integer ≥ 1`, { k: text })
  return k
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1))
    }
    row = next
  }
  return row[b.length] as number
}
