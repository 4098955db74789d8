/** Finished jobs, looked up by what was declared. The report and the verdicts ask here and nowhere else. */

import { canonical } from '../privacy/index.ts'
import { type Summary, summarise } from './statistics.ts'
import type { AuditResult, DatasetKey, FinishedJob, Measured, PriceResult, SplitKind, StudyTask, TrainedResult } from './study.ts'

export interface Cell {
  /** Runs that ended, in the order of their seeds. */
  readonly runs: readonly TrainedResult[]
  /** Runs whose parameters stopped being finite. */
  readonly diverged: number
  readonly rmse: Summary | null
  readonly mae: Summary | null
}

export interface Book {
  readonly finished: readonly FinishedJob[]
  cell(dataset: DatasetKey, split: SplitKind, task: StudyTask): Cell
  prices(dataset: DatasetKey): readonly { readonly noiseMultiplier: number; readonly price: PriceResult }[]
  /** ε of a person by RDP at this σ; null where it was not computed, or is infinite. */
  personByRdp(noiseMultiplier: number): number | null
  audits(): readonly { readonly task: Extract<StudyTask, { kind: 'audit' }>; readonly audit: AuditResult }[]
}

export function createBook(finished: readonly FinishedJob[]): Book {
  const byKey = new Map<string, FinishedJob[]>()
  for (const each of finished) {
    const { dataset, split, task } = each.job
    const key = canonical({ dataset, split, task })
    byKey.set(key, [...(byKey.get(key) ?? []), each])
  }
  return {
    finished,
    cell(dataset, split, task) {
      const found = byKey.get(canonical({ dataset, split, task })) ?? []
      const results = [...found].sort((a, b) => a.job.seed - b.job.seed).map(({ result }) => result)
      const runs = results.filter((result) => result.kind === 'trained')
      return {
        runs,
        diverged: results.filter((result) => result.kind === 'diverged').length,
        rmse: summarise(valuesOf(runs, 'rmse')),
        mae: summarise(valuesOf(runs, 'mae')),
      }
    },
    prices(dataset) {
      return finished
        .flatMap(({ job, result }) =>
          job.dataset === dataset && job.task.kind === 'price' && result.kind === 'price'
            ? [{ noiseMultiplier: job.task.noiseMultiplier, price: result }]
            : [],
        )
        .sort((a, b) => a.noiseMultiplier - b.noiseMultiplier)
    },
    personByRdp(noiseMultiplier) {
      for (const { job, result } of finished)
        if (job.task.kind === 'person-price' && result.kind === 'person-price' && job.task.noiseMultiplier === noiseMultiplier)
          return result.rdp
      return null
    },
    audits() {
      return finished.flatMap(({ job, result }) =>
        job.task.kind === 'audit' && result.kind === 'audit' ? [{ task: job.task, audit: result }] : [],
      )
    },
  }
}

export const valuesOf = (runs: readonly TrainedResult[], figure: keyof Measured): number[] => runs.map(({ measured }) => measured[figure])
