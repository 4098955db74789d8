/**
 * A comparison of ranking models as data: one job a model, privacy level and seed on one split of one data set, and what the finished jobs say
 * together. For public research data: figures of private rows are shown openly and every run is seeded. Runs nothing (compare.node.ts).
 *
 * What a private job spends is planned as `tacet train` plans it: 2 % of μ² is left for a gate that nobody asks here, so that a figure is one
 * that a release at this ε could have. Choosing the best row of a table is not covered by any ε in it.
 */
import type { RankingSplitOptions } from '../data/index.ts'
import { compareRankers, type GroupFigures, holm, type RankerComparison } from '../evaluation/index.ts'
import { canonical, gaussianMu, hash128, type PrivacyEvent } from '../privacy/index.ts'
import { seededRandom } from '../random/index.ts'
import { type Summary, summarise } from './statistics.ts'

/** Part of every job id. Raise it when the same declaration would no longer give the same result. */
const COMPARISON_FORMAT = 1
const gateShare = 0.02

export interface ComparisonJob {
  readonly id: string
  /** Hash of all rows of the data set. */
  readonly fingerprint: string
  /** Which of the comparison's data sets. */
  readonly dataset: string
  readonly split: RankingSplitOptions
  readonly model: string
  readonly parameters: Readonly<Record<string, number>>
  /** Null: without privacy. */
  readonly privacy: { readonly epsilon: number; readonly delta: number } | null
  readonly seed: number
  /** "all" or a number sampled. */
  readonly candidates: 'all' | number
}

export type ComparisonResult =
  | {
      readonly kind: 'measured'
      readonly metrics: Readonly<Record<string, number>>
      /** The lead metric of each test person, to five digits; null where it has no value. */
      readonly perPerson: readonly (number | null)[]
      readonly trainSeconds: number
      readonly events: readonly PrivacyEvent[]
      /** Lead metric by gender, age, activity (as far as the data set has them), and recall@20 by popularity of the item. */
      readonly groups: readonly GroupFigures[]
    }
  /** The model cannot be trained this way: `code: sentence` of its refusal. */
  | { readonly kind: 'refused'; readonly reason: string }

export type FinishedComparison = { readonly job: ComparisonJob; readonly result: ComparisonResult }

/** The metric that tables lead with and people are compared by. */
export const leadMetricDefault = 'ndcg@10'

export function comparisonJob(declaration: Omit<ComparisonJob, 'id'>): ComparisonJob {
  const { dataset: _name, ...what } = declaration
  return { ...declaration, id: `${declaration.model}-${hash128(canonical({ format: COMPARISON_FORMAT, ...what }))}` }
}

/** What a private job's model has beside itself: the gate of a release. */
export function besideTheModel(model: string, privacy: ComparisonJob['privacy']): readonly PrivacyEvent[] {
  if (privacy === null || model === 'popularity') return []
  return [{ kind: 'gaussian', noiseMultiplier: 1 / (gaussianMu(privacy) * Math.sqrt(gateShare)) }]
}

/** Models × privacy levels × seeds. Popularity is always there: what everything has to beat. Levels in the order given. */
export function comparisonJobs(options: {
  readonly fingerprint: string
  readonly dataset: string
  readonly split: RankingSplitOptions
  readonly models: readonly string[]
  readonly parameters?: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly epsilons: readonly number[]
  readonly delta: number
  readonly seeds: number
  readonly candidates?: 'all' | number
}): ComparisonJob[] {
  const models = options.models.includes('popularity') ? options.models : ['popularity', ...options.models]
  return options.epsilons.flatMap((epsilon) =>
    models.flatMap((model) =>
      Array.from({ length: options.seeds }, (_, seed) =>
        comparisonJob({
          fingerprint: options.fingerprint,
          dataset: options.dataset,
          split: options.split,
          model,
          parameters: options.parameters?.[model] ?? {},
          privacy: epsilon === Number.POSITIVE_INFINITY ? null : { epsilon, delta: options.delta },
          seed: seed + 1,
          candidates: options.candidates ?? 'all',
        }),
      ),
    ),
  )
}

/** One model at one privacy level. */
export interface ComparisonRow {
  readonly dataset: string
  readonly model: string
  /** Infinity: without privacy. */
  readonly epsilon: number
  readonly delta: number | null
  readonly seeds: number
  /** Null: refused. */
  readonly metrics: Readonly<Record<string, Summary>> | null
  readonly refused: string | null
  readonly trainSeconds: number | null
  /** Against popularity at the same level, person by person (seeds averaged); null for popularity itself. */
  readonly versusPopularity: (RankerComparison & { readonly pHolm: number }) | null
  /** Against the best model of the same level; null for that one. */
  readonly versusBest: (RankerComparison & { readonly pHolm: number }) | null
  /** Means over seeds. */
  readonly groups: readonly { readonly name: string; readonly labels: readonly string[]; readonly means: readonly number[] }[]
}

/** Finished jobs to rows, in the order of their declaration. Paired t-tests, p-values corrected by Holm over all rows of the comparison. */
export function comparisonRows(finished: readonly FinishedComparison[], leadMetric: string): ComparisonRow[] {
  const cells = new Map<string, FinishedComparison[]>()
  for (const each of finished) {
    const { dataset, model, privacy } = each.job
    const key = canonical({ dataset, model, privacy })
    cells.set(key, [...(cells.get(key) ?? []), each])
  }
  const drafts = [...cells.values()].map((cell) => {
    const { job } = cell[0] as FinishedComparison
    const runs = cell.flatMap(({ result }) => (result.kind === 'measured' ? [result] : []))
    const refusal = cell.find(({ result }) => result.kind === 'refused')?.result
    const names = Object.keys(runs[0]?.metrics ?? {})
    return {
      dataset: job.dataset,
      model: job.model,
      epsilon: job.privacy?.epsilon ?? Number.POSITIVE_INFINITY,
      delta: job.privacy?.delta ?? null,
      seeds: runs.length,
      metrics:
        runs.length === 0
          ? null
          : Object.fromEntries(names.map((name) => [name, summarise(runs.map(({ metrics }) => metrics[name] as number)) as Summary])),
      refused: refusal?.kind === 'refused' ? refusal.reason : null,
      trainSeconds: runs.length === 0 ? null : runs.reduce((sum, { trainSeconds }) => sum + trainSeconds, 0) / runs.length,
      perPerson: averaged(runs.map(({ perPerson }) => perPerson)),
      groups: meanGroups(runs.map(({ groups }) => groups)),
    }
  })
  const against = (draft: (typeof drafts)[number], other: (typeof drafts)[number] | undefined) =>
    other === undefined || other === draft || draft.metrics === null || other.metrics === null
      ? null
      : compareRankers(draft.perPerson, other.perPerson, seededRandom(1), { resamples: 500 })
  const level = (draft: (typeof drafts)[number]) =>
    drafts.filter(({ dataset, epsilon, metrics }) => dataset === draft.dataset && epsilon === draft.epsilon && metrics !== null)
  const leadOf = (draft: (typeof drafts)[number]) => draft.metrics?.[leadMetric]?.mean ?? Number.NEGATIVE_INFINITY
  const toPopularity = drafts.map((draft) =>
    against(
      draft,
      level(draft).find(({ model }) => model === 'popularity'),
    ),
  )
  const toBest = drafts.map((draft) => against(draft, [...level(draft)].sort((a, b) => leadOf(b) - leadOf(a))[0]))
  const corrected = (tests: readonly (RankerComparison | null)[]) => {
    const p = holm(tests.flatMap((test) => (test === null ? [] : [test.tTest.pValue])))
    let at = 0
    return tests.map((test) => (test === null ? null : { ...test, pHolm: p[at++] as number }))
  }
  const [versusPopularity, versusBest] = [corrected(toPopularity), corrected(toBest)]
  return drafts.map(({ perPerson: _private, ...row }, at) => ({
    ...row,
    versusPopularity: versusPopularity[at] as ComparisonRow['versusPopularity'],
    versusBest: versusBest[at] as ComparisonRow['versusBest'],
  }))
}

/** Mean over seeds, person by person; NaN where a seed has no value. */
function averaged(lists: readonly (readonly (number | null)[])[]): Float64Array {
  return Float64Array.from(lists[0] ?? [], (_, person) => lists.reduce((sum, list) => sum + (list[person] ?? Number.NaN) / lists.length, 0))
}

function meanGroups(runs: readonly (readonly GroupFigures[])[]): ComparisonRow['groups'] {
  return (runs[0] ?? []).map(({ name, groups }, at) => ({
    name,
    labels: groups.map(({ label }) => label),
    means: groups.map((_, group) => runs.reduce((sum, run) => sum + (run[at]?.groups[group]?.mean ?? Number.NaN) / runs.length, 0)),
  }))
}
