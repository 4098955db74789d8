/**
 * Ranking metrics of one person: pure functions of the gains along a ranking. What is relevant, which items were candidates and over whom one
 * averages is the caller's business (ranking-metrics.ts defines that for the named metrics); beyond-accuracy metrics are in ranking-beyond.ts.
 *
 * Ties never flatter: where several items share a score, a metric is its exact expected value over all orders of the tied items, so a
 * constant scorer gets what a random list gets. A list that is shorter than k is a list with nothing at the missing ranks.
 * What comes out is an exact function of private rows: it belongs under a run's `private/` folder (privacy-rules 1).
 */
import { TacetError } from '../errors.ts'

/** One person's ranking, seen through what is relevant to them. */
export interface PersonRanking {
  /** Float64Array[n]: gain of the item at each rank, best rank first; 0 where the item is not relevant, > 0 where it is. */
  readonly gains: Float64Array
  /** Exclusive ends of the runs of items that share a score, ascending, the last one n. Absent where the order is total. */
  readonly tieEnds?: Uint32Array
  /** Float64Array[R], R ≥ 1: gains of everything relevant to this person, ranked or not, descending, all > 0. */
  readonly relevant: Float64Array
}

export type GainKind = 'linear' | 'exponential' | 'binary'

/** What average precision is divided by; k capped at R is the default of Tacet. */
export type AveragePrecisionDivisor = 'capped' | 'relevant' | 'hits'

/**
 * Normalised discounted cumulative gain: Σ gain(r)/log2(r + 1) over ranks r ≤ k, divided by the same sum for the best possible order of all
 * relevant items, cut at k. The ideal is never shortened to the length of the list.
 * @param k cutoff, integer ≥ 1, or Infinity for the whole ranking
 * @param kind linear: the gain itself; exponential: 2^gain − 1; binary: 1 for every relevant item
 * @returns 0 … 1
 * @throws TacetError malformed-data if a gain is too large to be summed (exponential gains above 1,023)
 * @see Järvelin & Kekäläinen 2002; Burges et al. 2005 for exponential gains
 */
export function ndcg(person: PersonRanking, k: number, kind: GainKind = 'linear'): number {
  const gainOf = gainFunctions[kind]
  let ideal = 0
  const depth = Math.min(k, person.relevant.length)
  for (let i = 0; i < depth; i++) ideal += gainOf(person.relevant[i] as number) / Math.log2(i + 2)
  if (!Number.isFinite(ideal))
    throw new TacetError('malformed-data', `the gains add up to ${ideal}; use smaller gains, or linear ones`, { details: { kind } })
  let dcg = 0
  forEachTie(person, k, (start, end, cut) => {
    let gain = 0
    for (let i = start; i < end; i++) gain += gainOf(person.gains[i] as number)
    if (gain === 0) return
    let discounts = 0
    for (let i = start; i < cut; i++) discounts += 1 / Math.log2(i + 2)
    dcg += (gain / (end - start)) * discounts
  })
  // Summed in another order than the ideal, a perfect list can miss 1 by a rounding step.
  return Math.min(1, dcg / ideal)
}

/** Hit rate: the chance that at least one relevant item is among the first k (0 or 1 without ties). */
export function hitRate(person: PersonRanking, k: number): number {
  let miss = 1
  forEachTie(person, k, (start, end, cut) => {
    const size = end - start
    const relevant = relevantIn(person, start, end)
    // Chance that all `relevant` of `size` lie in the size − (cut − start) places after the cut.
    for (let j = 0; j < relevant && miss > 0; j++) miss *= Math.max(0, size - (cut - start) - j) / (size - j)
  })
  return 1 - miss
}

/** Expected number of relevant items among the first k. */
export function hits(person: PersonRanking, k: number): number {
  let sum = 0
  forEachTie(person, k, (start, end, cut) => {
    sum += (relevantIn(person, start, end) * (cut - start)) / (end - start)
  })
  return sum
}

/** Precision: hits ÷ k, whatever the list's length; for k = Infinity, ÷ the list's length (0 for an empty list). */
export function precision(person: PersonRanking, k: number): number {
  const divisor = Number.isFinite(k) ? k : person.gains.length
  return divisor === 0 ? 0 : hits(person, k) / divisor
}

/** Recall: hits ÷ R, the number of relevant items; `capped` divides by min(k, R), so that a full list of hits scores 1. */
export function recall(person: PersonRanking, k: number, { capped = false }: { capped?: boolean } = {}): number {
  const relevant = person.relevant.length
  return hits(person, k) / (capped ? Math.min(k, relevant) : relevant)
}

/** Reciprocal rank of the first relevant item among the first k; 0 if there is none. */
export function reciprocalRank(person: PersonRanking, k: number): number {
  let found = false
  let expected = 0
  forEachTie(person, k, (start, end, cut) => {
    if (found) return
    const size = end - start
    const relevant = relevantIn(person, start, end)
    if (relevant === 0) return
    found = true
    let notYet = 1
    for (let j = 0; j < cut - start && notYet > 0; j++) {
      expected += (notYet * (relevant / (size - j))) / (start + j + 1)
      notYet *= Math.max(0, size - relevant - j) / (size - j)
    }
  })
  return expected
}

/**
 * Average precision: Σ precision@r over the ranks r ≤ k that hold a relevant item, divided by min(k, R) (`capped`), by R (`relevant`, as
 * trec_eval's map_cut) or by the hits themselves (`hits`: ignores what was missed, never for comparing models).
 */
export function averagePrecision(person: PersonRanking, k: number, divisor: AveragePrecisionDivisor = 'capped'): number {
  if (divisor === 'hits') return averagePrecisionOverHits(person, k)
  let before = 0
  let sum = 0
  forEachTie(person, k, (start, end, cut) => {
    const size = end - start
    const relevant = relevantIn(person, start, end)
    if (relevant > 0) {
      // Given a hit at place j of the run, each of the j earlier places holds one of the other relevant items with this chance.
      const other = size > 1 ? (relevant - 1) / (size - 1) : 0
      for (let j = 0; j < cut - start; j++) sum += ((relevant / size) * (before + 1 + j * other)) / (start + j + 1)
    }
    before += relevant
  })
  return sum / (divisor === 'capped' ? Math.min(k, person.relevant.length) : person.relevant.length)
}

/** A quotient of two random sums has no short expectation: the run that the cut divides is averaged over its possible numbers of hits. */
function averagePrecisionOverHits(person: PersonRanking, k: number): number {
  // chance[h]: of h hits so far; sums[h]: expected Σ precision on those orders (times the chance).
  let chance = [1]
  let sums = [0]
  forEachTie(person, k, (start, end, cut) => {
    const size = end - start
    const relevant = relevantIn(person, start, end)
    const base = chance.length - 1
    if (relevant === 0) return
    // Walk through the places; state = hits so far. Runs before the cut one end with a certain number of hits.
    for (let j = 0; j < cut - start; j++) {
      const nextChance = new Array<number>(chance.length + 1).fill(0)
      const nextSums = new Array<number>(chance.length + 1).fill(0)
      for (let h = 0; h < chance.length; h++) {
        const p = chance[h] as number
        const s = sums[h] as number
        if (p === 0) continue
        const hit = Math.max(0, relevant - (h - base)) / (size - j)
        nextChance[h + 1] = (nextChance[h + 1] as number) + p * hit
        nextSums[h + 1] = (nextSums[h + 1] as number) + hit * (s + (p * (h + 1)) / (start + j + 1))
        nextChance[h] = (nextChance[h] as number) + p * (1 - hit)
        nextSums[h] = (nextSums[h] as number) + s * (1 - hit)
      }
      while (nextChance.length > base + relevant + 1) {
        nextChance.pop()
        nextSums.pop()
      }
      chance = nextChance
      sums = nextSums
    }
  })
  return sums.reduce((total, sum, h) => (h === 0 ? total : total + sum / h), 0)
}

/** Mean of precision@n over n = 1 … k: what some toolkits print as MAP. Not average precision. */
export function meanPrecisionAtCuts(person: PersonRanking, k: number): number {
  const cuts = Number.isFinite(k) ? k : person.gains.length
  let count = 0
  let sum = 0
  forEachTie(person, k, (start, end, cut) => {
    const share = relevantIn(person, start, end) / (end - start)
    for (let i = start; i < cut; i++) {
      count += share
      sum += count / (i + 1)
    }
  })
  for (let n = Math.min(person.gains.length, cuts) + 1; n <= cuts; n++) sum += count / n
  return cuts === 0 ? 0 : sum / cuts
}

/**
 * Area under the ROC curve: the share of (relevant, not relevant) pairs of candidates in the right order, ties counting one half. A relevant
 * item that is not ranked at all loses to every candidate.
 * @returns 0 … 1, or NaN where every ranked item is relevant: there is no pair
 */
export function auc(person: PersonRanking): number {
  const ranked = relevantIn(person, 0, person.gains.length)
  const negatives = person.gains.length - ranked
  let below = negatives
  let wins = 0
  forEachTie(person, Number.POSITIVE_INFINITY, (start, end) => {
    const relevant = relevantIn(person, start, end)
    const others = end - start - relevant
    below -= others
    wins += relevant * (below + others / 2)
  })
  return negatives === 0 ? Number.NaN : wins / (person.relevant.length * negatives)
}

const gainFunctions: Readonly<Record<GainKind, (gain: number) => number>> = {
  linear: (gain) => gain,
  exponential: (gain) => 2 ** gain - 1,
  binary: (gain) => (gain > 0 ? 1 : 0),
}

/** Visits the runs of tied items that begin before rank k: ranks start … end − 1 (from 0), of which those below `cut` are within the first k. */
export function forEachTie(
  { gains, tieEnds }: Pick<PersonRanking, 'gains' | 'tieEnds'>,
  k: number,
  visit: (start: number, end: number, cut: number) => void,
): void {
  if (tieEnds === undefined) {
    for (let i = 0; i < Math.min(k, gains.length); i++) visit(i, i + 1, i + 1)
    return
  }
  let start = 0
  for (const end of tieEnds) {
    if (start >= k) return
    visit(start, end, Math.min(end, k))
    start = end
  }
}

function relevantIn({ gains }: PersonRanking, start: number, end: number): number {
  let count = 0
  for (let i = start; i < end; i++) if ((gains[i] as number) > 0) count++
  return count
}
