/** What a study has to know of a data set before it declares jobs, and the splits its jobs train and test on. */
import { countTestRowsOfUnseenUsers, type Interactions, type Split, splitInteractions } from '../data/index.ts'
import { TacetError } from '../errors.ts'
import type { DatasetFacts, SplitFacts, SplitKind } from './study.ts'

/**
 * The split of a study: at the data set's declared public time, or, where it declares none, by rank of its times. A rank moves with single rows,
 * which a release must not allow; a study on public data may, and says so.
 * @throws TacetError invalid-argument if the data has no times and `kind` is chronological
 */
export function studySplit(data: Interactions, kind: SplitKind): Split {
  if (kind === 'random') return splitInteractions(data, { kind: 'random', testFraction: 0.2, seed: 0 })
  return data.publicCutTimestamp === undefined
    ? splitInteractions(data, { kind: 'chronological', testFraction: 0.2 })
    : splitInteractions(data, { kind: 'chronological' })
}

/** @throws TacetError invalid-argument if the data set has no explicit ratings */
export function datasetFacts(data: Interactions): DatasetFacts {
  if (data.feedback !== 'explicit' || data.ratingScale === null)
    throw new TacetError('invalid-argument', `${data.name} has no explicit ratings, and this study predicts ratings`, {
      wayOut: 'Give a data set with ratings, such as MovieLens 1M.',
    })
  const kinds: SplitKind[] = data.timestamps === null ? ['random'] : ['chronological', 'random']
  return {
    name: data.name,
    fingerprint: fingerprint(data),
    users: data.userIds.length,
    items: data.itemIds.length,
    interactions: data.users.length,
    ratingScale: data.ratingScale,
    splits: Object.fromEntries(kinds.map((kind) => [kind, splitFacts(data, kind)])),
    mainSplit: kinds[0] as SplitKind,
    userFeatures: data.userAttributes.map(({ name }) => name),
    itemMetadata: data.itemTable !== null && (data.itemTable.genreNames.length > 0 || data.itemTable.years !== null),
  }
}

function splitFacts(data: Interactions, kind: SplitKind): SplitFacts {
  const split = studySplit(data, kind)
  const counts = new Uint32Array(data.userIds.length)
  for (const row of split.train) counts[data.users[row] as number] = (counts[data.users[row] as number] as number) + 1
  const present = counts.filter((count) => count > 0).sort()
  return {
    description: split.description,
    train: split.train.length,
    test: split.test.length,
    testRowsOfUnseenUsers: countTestRowsOfUnseenUsers(data, split),
    // The upper median: half of the people have at most this many.
    medianPersonRatings: present[present.length >> 1] as number,
    heaviestPersonRatings: present.at(-1) as number,
  }
}

/** Hash of every row (FNV-1a over the columns' words), so that results are not carried over to other data. */
export function fingerprint(data: Interactions): string {
  let hash = 0x811c9dc5
  const add = (word: number) => {
    hash = Math.imul(hash ^ word, 0x01000193)
    hash ^= hash >>> 15
  }
  const ratings = new Uint32Array(data.values.buffer, data.values.byteOffset, data.values.length)
  for (let row = 0; row < data.users.length; row++) {
    add(data.users[row] as number)
    add(data.items[row] as number)
    add(ratings[row] as number)
    if (data.timestamps !== null) add((data.timestamps[row] as number) | 0)
  }
  return `${data.users.length}-${(hash >>> 0).toString(16).padStart(8, '0')}`
}
