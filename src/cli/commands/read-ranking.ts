/** How `tacet evaluate` and `tacet recommend` show a run that ranks, and the flags that only such runs take. The work is in src/runs/ranking. */
import type { RankingEvaluateReport, RankingRecommendReport } from '../../runs/index.ts'
import { refuse } from '../flags.ts'
import { count, line, significant, textTable, under } from '../output.ts'
import { candidatesInWords, figuresTable } from './train-ranking.ts'

/** `10,20` → cutoffs. */
export function cutoffsFlag(text: string): readonly number[] {
  const ks = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)))
  const bad = ks.find((k) => !Number.isSafeInteger(k) || k < 1)
  if (bad !== undefined) refuse(`--k is "${text}"; it must be cutoffs, integers ≥ 1 separated by commas`, 'For example --k 10,20')
  return ks
}

/** `all`, or `sampled:99`: that many items a person, drawn by a fixed public key. */
export function candidatesFlag(text: string): 'all' | { readonly sampled: number; readonly seed: number } {
  if (text === 'all') return 'all'
  const sampled = Number(/^sampled:(\d+)$/.exec(text)?.[1])
  if (!Number.isSafeInteger(sampled) || sampled < 1)
    refuse(`--candidates is "${text}"; it must be all, or sampled:N with N ≥ 1`, 'For example --candidates sampled:99')
  return { sampled, seed: 0 }
}

/** `12,47` → ids as they stand. */
export function historyFlag(text: string): readonly string[] {
  const ids = text.split(',').map((id) => id.trim())
  if (ids.some((id) => id === ''))
    refuse(`--history is "${text}"; it must be item ids separated by commas`, 'For example --history 12,47,301')
  return ids
}

export function describeRankingEvaluation(report: RankingEvaluateReport): string[] {
  const { run, model, data, split, people, candidates, metrics, baselines, privacy, notForRelease } = report
  const table = figuresTable([
    [model, metrics],
    ['private popularity', model === 'popularity' ? null : baselines.privatePopularity],
    ['popularity', baselines.popularity],
  ])
  const others = textTable(
    ['', '>'],
    Object.entries(metrics).map(([name, value]) => [name, value.toFixed(4)]),
  ).slice(1)
  return [
    line('run', run, model),
    line('data', data.name, `${count(data.users)} users`, `${count(data.items)} items`, `${count(data.interactions)} interactions`),
    line('split', split.kind, `${count(split.train)} train`, `${count(split.test)} test`, `${count(people)} test people`),
    line(
      'privacy',
      privacy
        ? `ε = ${significant(privacy.epsilon)} at δ = ${significant(privacy.delta)} per ${privacy.privacyUnit === 'user' ? 'person' : 'rating'}`
        : 'none',
      privacy !== null && notForRelease && 'seeded, not for release',
    ),
    line('ranked', candidatesInWords(candidates)),
    ...table.map((text, index) => line(index === 0 ? 'quality' : '', text)),
    ...others.map((text, index) => line(index === 0 ? 'all' : '', text)),
    line('note', 'these figures come from people’s held-out rows and are not covered by the promise: keep them inside'),
  ]
}

export function describeRankingRecommendation({ user, historySize, items }: RankingRecommendReport): string[] {
  const named = ({ id, title }: { readonly id: string; readonly title?: string }) => title ?? id
  return [
    user === null ? line('history', `${count(historySize)} items`) : line('user', user, `${count(historySize)} items of theirs known`),
    ...(items.length === 0
      ? ['nothing left to recommend']
      : textTable(
          ['>#', 'item', '>score', 'title', ''],
          items.map(({ id, title, score, because }, index) => [
            String(index + 1),
            id,
            score.toFixed(3),
            title ?? '',
            because.length > 0 ? `because you liked ${because.map(named).join(', ')}` : '',
          ]),
        )),
    ...(items.some(({ because }) => because.length > 0)
      ? [under('the reasons are items of this history: whoever reads the list learns them')]
      : []),
  ]
}
