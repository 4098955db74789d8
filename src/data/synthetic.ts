/**
 * Invented ratings with a known truth: planted low-rank tastes, biases, demographics that really move taste, popular items, busy and quiet
 * people, times in bursts, a public catalogue with titles, genres and years. What the demo uses when it is given no data, and what audits
 * use in place of private rows.
 *
 * Nobody is in it: its seed is public, and nothing learnt from it is anybody's secret. It is not a model of any real data set, so quality
 * measured on it says little about quality elsewhere; what it does say exactly is how far a predictor is from the best possible one.
 */
import { checkNumber, TacetError } from '../errors.ts'
import { fillNormals, seededRandom } from '../random/index.ts'
import type { Interactions, RatingScale } from './interactions.ts'

export interface SyntheticOptions {
  readonly users?: number
  readonly items?: number
  /** Rows: different pairs, so at most users · items. */
  readonly interactions?: number
  readonly seed?: number
  /** Planted taste dimensions. Default 4. */
  readonly rank?: number
  /** Standard deviation of a rating around its person's true liking, before rounding, in stars of a 1 … 5 scale. Default 0.8. */
  readonly noiseStdDev?: number
  /** Default 1 … 5. */
  readonly ratingScale?: RatingScale
  /** Ratings are min + whole multiples of this. Default 1. */
  readonly ratingStep?: number
  readonly name?: string
}

/** What the generator knows and a trainer must not see. */
export interface SyntheticTruth {
  /** E[rating | person, item] of every row, after rounding to the scale: the best prediction under squared error. */
  readonly expectedRatings: Float32Array
  /** Var[rating | person, item] of every row: what no predictor can explain. */
  readonly variances: Float32Array
  /** E[rating] of any pair. */
  expectedRating(user: number, item: number): number
}

export interface SyntheticData {
  readonly data: Interactions
  /** √ of the mean of `truth.variances`: the RMSE that the best predictor has, in expectation, over all rows. */
  readonly bestRmse: number
  readonly truth: SyntheticTruth
}

/** 1 January 2023 and 2024, UTC, in seconds: the window that all invented times lie in. */
const WINDOW = { start: 1672531200, end: 1704067200 }
/** Public, declared: about 80 % of the rows of any synthetic set lie before it, by the law of the times below. */
const PUBLIC_CUT = WINDOW.start + Math.round(0.884 * (WINDOW.end - WINDOW.start))

const genreNames = ['Adventure', 'Comedy', 'Crime', 'Documentary', 'Drama', 'Fantasy', 'Horror', 'Romance', 'Thriller', 'Western'] as const
const occupationNames = ['other', 'artist', 'clerk', 'doctor', 'engineer', 'farmer', 'lawyer', 'student', 'teacher', 'writer'] as const
const ageGroups = [1, 18, 25, 35, 45, 50, 56] as const
const adjectives = [
  'Quiet',
  'Crimson',
  'Hidden',
  'Last',
  'Golden',
  'Broken',
  'Distant',
  'Silver',
  'Endless',
  'Little',
  'Borrowed',
  'Paper',
].concat(['Winter', 'Hollow', 'Second', 'Wandering', 'Electric', 'Salt', 'Burning', 'Velvet', 'Northern', 'Restless', 'Glass', 'Forgotten'])
const nouns = [
  'Harbour',
  'Garden',
  'Letter',
  'Orchard',
  'Station',
  'Mirror',
  'River',
  'Lantern',
  'Winter',
  'Compass',
  'Carnival',
  'Island',
].concat([
  'Witness',
  'Bridge',
  'Symphony',
  'Meadow',
  'Detective',
  'Voyage',
  'Clockmaker',
  'Shadow',
  'Kitchen',
  'Horizon',
  'Archive',
  'Sparrow',
])

/**
 * Invents a data set. The same options give the same rows, on every platform with the same floating-point library.
 * @throws TacetError invalid-argument for sizes that do not fit together
 */
export function syntheticInteractions(options: SyntheticOptions = {}): SyntheticData {
  const users = checkNumber('users', options.users ?? 1000, { atLeast: 1, atMost: 1e7, integer: true })
  const items = checkNumber('items', options.items ?? 500, { atLeast: 2, atMost: 1e7, integer: true })
  const mostRows = users * items
  const interactions = checkNumber('interactions', options.interactions ?? Math.min(60_000, Math.ceil(mostRows / 4)), {
    atLeast: 1,
    integer: true,
  })
  if (interactions > mostRows) {
    throw new TacetError(
      'invalid-argument',
      `${interactions} interactions do not fit ${users} users × ${items} items, which make ${mostRows} pairs`,
      {
        wayOut: 'Ask for fewer interactions, or for more users or items.',
        details: { users, items, interactions, atMost: mostRows },
      },
    )
  }
  const rank = checkNumber('rank', options.rank ?? 4, { atLeast: 1, atMost: 64, integer: true })
  const { min, max } = options.ratingScale ?? { min: 1, max: 5 }
  const step = checkNumber('ratingStep', options.ratingStep ?? 1, { above: 0, atMost: max - min })
  /** Everything below is drawn on a 1 … 5 scale and stretched to the asked one. */
  const stretch = (max - min) / 4
  const noise = stretch * checkNumber('noiseStdDev', options.noiseStdDev ?? 0.8, { above: 0 })

  const random = seededRandom(options.seed ?? 1)
  const stream = (label: string) => random.split(label)
  const normals = (label: string, count: number): Float32Array => {
    const out = new Float32Array(count)
    fillNormals(out, stream(label))
    return out
  }
  const pick = (label: string, count: number, size: number, skew = 1): Uint32Array => {
    const source = stream(label)
    return Uint32Array.from({ length: count }, () => Math.floor(size * source.nextDouble() ** skew))
  }

  // People: demographics, and a taste that is half theirs and half their groups'.
  const genders = pick('gender', users, 2)
  const ages = pick('age', users, ageGroups.length)
  const occupations = pick('occupation', users, occupationNames.length, 1.3)
  const groupTastes = {
    gender: normals('gender taste', 2 * rank),
    age: normals('age taste', ageGroups.length * rank),
    occupation: normals('occupation taste', occupationNames.length * rank),
  }
  const tastes = normals('taste', users * rank)
  for (let user = 0; user < users; user++) {
    for (let d = 0; d < rank; d++) {
      // Gender as a contrast: the two groups lean in opposite directions, so that neither is "the default".
      const gender = (genders[user] === 0 ? 1 : -1) * (groupTastes.gender[d] as number)
      const age = groupTastes.age[(ages[user] as number) * rank + d] as number
      const occupation = groupTastes.occupation[(occupations[user] as number) * rank + d] as number
      const own = tastes[user * rank + d] as number
      tastes[user * rank + d] = 0.7 * own + 0.5 * gender + 0.4 * age + 0.3 * occupation
    }
  }
  const userBiases = normals('user bias', users).map((z) => 0.35 * z)

  // Items: one to three genres, a character that comes mostly from them.
  const genreCounts = pick('genre count', items, 3)
  const genreDraws = pick('genres', items * 3, genreNames.length, 1.4)
  const genres = Array.from({ length: items }, (_, item) =>
    [...new Set(genreDraws.subarray(item * 3, item * 3 + 1 + (genreCounts[item] as number)))].sort((a, b) => a - b),
  )
  const genreCharacters = normals('genre character', genreNames.length * rank)
  const characters = normals('character', items * rank)
  for (let item = 0; item < items; item++) {
    const own = genres[item] as number[]
    for (let d = 0; d < rank; d++) {
      let mean = 0
      for (const genre of own) mean += (genreCharacters[genre * rank + d] as number) / Math.sqrt(own.length)
      characters[item * rank + d] = 0.6 * (characters[item * rank + d] as number) + 0.8 * mean
    }
  }
  const itemBiases = normals('item bias', items).map((z) => 0.45 * z)
  const tasteScale = 0.6 / Math.sqrt(rank)

  /** How well an item suits a person beyond both biases, about N(0, 0.6²), in stars of a 1 … 5 scale. */
  function affinity(user: number, item: number): number {
    let sum = 0
    for (let d = 0; d < rank; d++) sum += (tastes[user * rank + d] as number) * (characters[item * rank + d] as number)
    return tasteScale * sum
  }
  const liking = (user: number, item: number) =>
    min + stretch * (2.5 + (userBiases[user] as number) + (itemBiases[item] as number) + affinity(user, item))

  // Who meets what: popular items more often, suiting items more often, each at most once.
  const counts = activityCounts(users, items, interactions, normals('activity', users))
  const cumulative = popularity(items, itemBiases, stream('popularity'))
  const meet = stream('meet')
  const when = stream('when')
  const ratingNoise = normals('rating noise', interactions)
  const columns = {
    users: new Uint32Array(interactions),
    items: new Uint32Array(interactions),
    values: new Float32Array(interactions),
    timestamps: new Float64Array(interactions),
  }
  const expectedRatings = new Float32Array(interactions)
  const variances = new Float32Array(interactions)
  const lastMetBy = new Uint32Array(items)
  let row = 0
  let varianceSum = 0
  for (let user = 0; user < users; user++) {
    const arrival = 0.95 * when.nextDouble()
    for (let k = 0; k < (counts[user] as number); k++) {
      const item = nextItem(user)
      const mean = liking(user, item)
      columns.users[row] = user
      columns.items[row] = item
      columns.values[row] = onScale(mean + noise * (ratingNoise[row] as number))
      columns.timestamps[row] = timeAfter(arrival)
      const moments = roundedMoments(mean)
      expectedRatings[row] = moments.mean
      variances[row] = moments.variance
      varianceSum += moments.variance
      row++
    }
  }

  function nextItem(user: number): number {
    // Rejection is fast while a person has few items; the bound only bites for people who have met most of the popular ones.
    for (let attempt = 0; attempt < 200; attempt++) {
      const item = searchCumulative(cumulative, meet.nextDouble())
      if (lastMetBy[item] === user + 1 || meet.nextDouble() * (1 + Math.exp(-1.5 * affinity(user, item))) > 1) continue
      lastMetBy[item] = user + 1
      return item
    }
    let item = Math.floor(meet.nextDouble() * items)
    while (lastMetBy[item] === user + 1) item = (item + 1) % items
    lastMetBy[item] = user + 1
    return item
  }

  /** Half of a person's ratings come within two days of their arrival, the others any time until the window ends. */
  function timeAfter(arrival: number): number {
    const burst = when.nextDouble() < 0.5
    const share = when.nextDouble()
    const width = WINDOW.end - WINDOW.start
    const offset = arrival * width + (burst ? 2 * 86400 * share : (1 - arrival) * width * share)
    return WINDOW.start + Math.min(width - 1, Math.floor(offset))
  }

  function onScale(score: number): number {
    const level = Math.round((score - min) / step)
    return Math.min(max, Math.max(min, min + level * step))
  }

  /** Mean and variance of `onScale(mean + noise · z)`, z standard normal, from tail probabilities at the rounding thresholds. */
  function roundedMoments(mean: number): { mean: number; variance: number } {
    const levels = Math.round((max - min) / step)
    let first = 0
    let second = 0
    for (let level = 1; level <= levels; level++) {
      // P(rating ≥ level); Σ P = E[level], Σ (2·level − 1)·P = E[level²].
      const tail = normalCdf((mean - (min + (level - 0.5) * step)) / noise)
      first += tail
      second += (2 * level - 1) * tail
    }
    return { mean: min + step * first, variance: step * step * Math.max(0, second - first * first) }
  }

  const years = pick('year', items, 45, 0.6)
  const titles = titlesFor(items, stream('titles')).map((title, item) => `${title} (${1979 + (years[item] as number)})`)
  const data: Interactions = {
    name: options.name ?? 'synthetic',
    feedback: 'explicit',
    ratingScale: { min, max },
    ratingScaleSource: 'declared',
    ...columns,
    userIds: Array.from({ length: users }, (_, user) => String(user + 1)),
    itemIds: Array.from({ length: items }, (_, item) => String(item + 1)),
    vocabulary: { users: 'public-table', items: 'public-table' },
    userAttributes: [
      { name: 'gender', kind: 'categorical', categories: ['F', 'M'], values: Float32Array.from(genders) },
      { name: 'age', kind: 'numeric', categories: null, values: Float32Array.from(ages, (group) => ageGroups[group] as number) },
      { name: 'occupation', kind: 'numeric', categories: occupationNames, values: Float32Array.from(occupations) },
    ],
    itemTable: { titles, genreNames, genres, years: Float32Array.from(years, (year) => 1979 + year) },
    givenSplit: null,
    skippedLines: 0,
    duplicateRows: 0,
    publicCutTimestamp: PUBLIC_CUT,
  }
  return {
    data,
    bestRmse: Math.sqrt(varianceSum / interactions),
    truth: { expectedRatings, variances, expectedRating: (user, item) => roundedMoments(liking(user, item)).mean },
  }
}

/** RMSE of the best predictor, in expectation, over some rows (the test rows, say). */
export function bestRmseOver(truth: SyntheticTruth, rows: Uint32Array): number {
  let sum = 0
  for (const row of rows) sum += truth.variances[row] as number
  return Math.sqrt(sum / rows.length)
}

/**
 * Invented data of the same size and scale as `shape`, and nothing else of it: for audits that must not touch private rows
 * (privacy-rules, rule 20). Sizes count as public wherever this is used.
 */
export function syntheticLike(
  shape: Pick<Interactions, 'name' | 'userIds' | 'itemIds' | 'users' | 'ratingScale'>,
  { seed = 1 }: { seed?: number } = {},
): SyntheticData {
  return syntheticInteractions({
    users: shape.userIds.length,
    items: shape.itemIds.length,
    interactions: shape.users.length,
    seed,
    name: `synthetic like ${shape.name}`,
    ...(shape.ratingScale ? { ratingScale: shape.ratingScale, ratingStep: shape.ratingScale.min === 0.5 ? 0.5 : 1 } : {}),
  })
}

/** Rows of each person: log-normal activity, at least one where there are enough rows, at most 80 % of the items where that is enough, exactly `total` together. */
function activityCounts(users: number, items: number, total: number, normals: Float32Array): Uint32Array {
  const weights = normals.map((z) => Math.exp(0.9 * z))
  const most = Math.max(1, Math.floor(0.8 * items), Math.ceil(total / users))
  const least = total >= users ? 1 : 0
  const clamp = (value: number) => Math.min(most, Math.max(least, value))
  let low = 0
  let high = most * 1e4
  for (let i = 0; i < 200; i++) {
    const middle = (low + high) / 2
    let sum = 0
    for (const weight of weights) sum += clamp(middle * weight)
    if (sum < total) low = middle
    else high = middle
  }
  const counts = Uint32Array.from(weights, (weight) => Math.floor(clamp(low * weight)))
  let missing = total - counts.reduce((sum, count) => sum + count, 0)
  for (let user = 0; missing > 0; user = (user + 1) % users) {
    if ((counts[user] as number) >= most) continue
    counts[user] = (counts[user] as number) + 1
    missing--
  }
  return counts
}

/** Cumulative shares of a shifted Zipf law over a random order of the items, better items somewhat more popular; last entry 1. */
function popularity(items: number, itemBiases: Float32Array, random: { nextDouble(): number }): Float64Array {
  const order = Array.from(itemBiases, (bias, item) => ({ item, key: bias + 0.7 * random.nextDouble() })).sort((a, b) => b.key - a.key)
  const weights = new Float64Array(items)
  order.forEach(({ item }, rank) => {
    weights[item] = 1 / (rank + 5 + items / 50) ** 0.9
  })
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  let sum = 0
  return weights.map((weight) => {
    sum += weight / total
    return sum
  })
}

/** Smallest index whose cumulative share is above `u`. */
function searchCumulative(cumulative: Float64Array, u: number): number {
  let low = 0
  let high = cumulative.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if ((cumulative[middle] as number) > u) high = middle
    else low = middle + 1
  }
  return low
}

/** Distinct invented titles: adjective × noun in a shuffled order, then with a number. */
function titlesFor(count: number, random: { nextDouble(): number }): string[] {
  const pairs = adjectives.flatMap((adjective) => nouns.filter((noun) => noun !== adjective).map((noun) => `The ${adjective} ${noun}`))
  for (let i = pairs.length - 1; i > 0; i--) {
    const j = Math.floor(random.nextDouble() * (i + 1))
    const swapped = pairs[i] as string
    pairs[i] = pairs[j] as string
    pairs[j] = swapped
  }
  return Array.from({ length: count }, (_, item) => {
    const part = Math.floor(item / pairs.length)
    return `${pairs[item % pairs.length]}${part === 0 ? '' : ` ${part + 1}`}`
  })
}

/**
 * Standard normal distribution function, absolute error below 1.5e-7, which is far inside what a 32-bit rating can show.
 * @see Abramowitz & Stegun 1964, 26.2.17
 */
function normalCdf(x: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(x))
  const tail =
    (Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI)) *
    t *
    (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
  return x >= 0 ? 1 - tail : tail
}
