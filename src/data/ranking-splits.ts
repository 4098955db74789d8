/**
 * Splits for ranking: who is trained on, whose lists are measured, and what of their history a model may use.
 */
import type { Positives } from './positives.ts'

/** People whose lists are measured; row p of each matrix belongs to users[p]. */
export interface RankedPeople {
  /** Dense user index. */
  readonly users: Uint32Array
  /** What a model may know of them: their training rows, or the part of a held-out person's history that is folded in. */
  readonly history: Positives
  /** What must not be listed: the history, and whatever else of theirs lies in training or validation. */
  readonly seen: Positives
  /** What a good list contains; at least one item a person. */
  readonly relevant: Positives
}

export const rankingSplitKinds = [
  'random',
  'chronological',
  'per-user-chronological',
  'leave-latest-out',
  'held-out-users',
  'given',
] as const
export type RankingSplitKind = (typeof rankingSplitKinds)[number]
