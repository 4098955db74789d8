/**
 * The figures of a ranking run: its model and its baselines on the test people of its split. The test comes out of its seal for each model apart,
 * frozen; nothing is chosen here. Exact functions of private rows.
 */
import { type Interactions, itemCounts, itemsOf, type RankingSplit } from '../../data/index.ts'
import { type Candidates, evaluateRanker, freeze, openTest } from '../../evaluation/index.ts'
import { createPopularity, type Ranker } from '../../models/index.ts'
import type { Spend } from '../../privacy/index.ts'
import type { RandomSource } from '../../random/index.ts'
import { type PrivateMetricsPlan, planPrivateMetrics, releasePrivateMetrics } from '../../training/index.ts'
import type { RunIo } from '../types.ts'
import type { RankingFigures, RankingSplitReport, RankingTrainReport, ReleasedMetrics } from './types.ts'

export interface Measured {
  readonly candidates: string
  readonly people: number
  readonly metrics: RankingFigures
  readonly undefinedMetrics: Readonly<Record<string, string>>
  readonly baselines: RankingTrainReport['baselines']
  readonly testRowsOfUnseenUsers: number
}

export interface MeasureOptions {
  /** Cutoffs beside 10, 20 and 100. */
  readonly ks?: readonly number[]
  readonly candidates?: Candidates
}

export function measureRun(
  split: RankingSplit,
  data: Interactions,
  { model, baseline }: { readonly model: Ranker; readonly baseline: Ranker | null },
  { ks, candidates }: MeasureOptions,
  io: RunIo,
): Measured {
  const counts = itemCounts(split.train)
  const evaluate = (ranker: Ranker, phase: string) =>
    evaluateRanker(ranker, openTest(split, freeze(ranker)), {
      ...(ks ? { ks } : {}),
      ...(candidates ? { candidates } : {}),
      catalogue: {
        counts,
        trainingPeople: split.counts.trainPeople,
        ...(data.itemTable ? { genres: data.itemTable.genres } : {}),
      },
      onProgress: (done, total) => io.onProgress?.(phase, done, total),
    })
  const measured = evaluate(model, 'evaluate')
  const popularity = evaluate(createPopularity(Float32Array.from(counts)), 'evaluate (popularity)')
  const privatePopularity = baseline && (model.name === baseline.name ? measured : evaluate(baseline, 'evaluate (private popularity)'))
  const { users, relevant } = openTest(split, freeze(model))
  return {
    candidates: measured.candidates,
    people: measured.people,
    metrics: measured.metrics,
    undefinedMetrics: measured.undefinedMetrics,
    baselines: { popularity: popularity.metrics, privatePopularity: privatePopularity?.metrics ?? null },
    testRowsOfUnseenUsers: unseenRows(split, users, relevant),
  }
}

function unseenRows({ train }: RankingSplit, users: Uint32Array, relevant: Parameters<typeof itemsOf>[0]): number {
  let rows = 0
  users.forEach((user, p) => {
    if (itemsOf(train, user).length === 0) rows += itemsOf(relevant, p).length
  })
  return rows
}

export function splitReport({ kind, description, counts }: RankingSplit, testRowsOfUnseenUsers: number): RankingSplitReport {
  return {
    kind,
    train: counts.train,
    validation: counts.validation,
    test: counts.test,
    testRowsOfUnseenUsers,
    trainUsers: counts.trainPeople,
    testUsers: counts.testPeople,
    description,
  }
}

/** Few, since each takes its share of the budget. */
const releasedMetricNames = ['ndcg@10', 'recall@20', 'hr@10']

/** What `releaseFigures` will spend; thrown here, before anything is, where there is no such plan. */
export const planFigures = (budget: { readonly epsilon: number; readonly delta: number }) => planPrivateMetrics(releasedMetricNames, budget)

/** Noisy figures of a released model on the test people. Spends one event before it draws. */
export function releaseFigures(
  split: RankingSplit,
  model: Ranker,
  plan: PrivateMetricsPlan,
  options: { readonly random: RandomSource; readonly spend: Spend },
): ReleasedMetrics {
  const { perPerson, candidates } = evaluateRanker(model, openTest(split, freeze(model)), { metrics: [] })
  const { epsilon, figures, people } = releasePrivateMetrics(
    Object.fromEntries(plan.metrics.map((name) => [name, perPerson(name)])),
    plan,
    options,
  )
  return { epsilon, figures, people, candidates }
}
