/** The page and the CSV of a comparison: the table with its marks, quality against ε, time against quality, and who pays for privacy. */
import { formatNumber, type Html, html, lineChart, page, type Series, table } from '../report/index.ts'
import type { ComparisonRow } from './comparison.ts'

export interface ShownComparison {
  readonly title: string
  readonly metric: string
  readonly candidates: string
  readonly delta: number
  readonly seeds: number
  readonly data: readonly {
    readonly name: string
    readonly users: number
    readonly items: number
    readonly interactions: number
    readonly split: { readonly kind: string; readonly description: string; readonly test: number; readonly testUsers: number }
    readonly notes: readonly string[]
  }[]
  readonly rows: readonly ComparisonRow[]
}

/** p-values below this, corrected by Holm, are called differences. */
export const SIGNIFICANT = 0.05

export const epsilonLabel = (epsilon: number) => (Number.isFinite(epsilon) ? `ε = ${epsilon}` : 'no privacy')

/** ▲ better than popularity at the same level, ▼ worse; ★ the best there or not told apart from it. */
export function marksOf({ metrics, versusPopularity, versusBest }: ComparisonRow): string {
  if (metrics === null) return ''
  const clear = versusPopularity !== null && versusPopularity.pHolm < SIGNIFICANT
  const popularity = clear ? (versusPopularity.difference.estimate > 0 ? '▲' : '▼') : ''
  const best = versusBest === null || versusBest.pHolm >= SIGNIFICANT ? '★' : ''
  return `${popularity}${best}`
}

export function comparisonReport(shown: ShownComparison): string {
  const { title, metric, candidates, delta, seeds, data, rows } = shown
  const isPrivate = rows.some(({ epsilon }) => Number.isFinite(epsilon))
  return page({
    title,
    lead: `${data.map(({ name }) => name).join(', ')}: ${metric}, ${candidates === 'all items' ? 'all unseen items ranked' : candidates}, mean of ${seeds} seed${seeds === 1 ? '' : 's'}${isPrivate ? `, δ = ${delta.toExponential()} for a whole person` : ''}.`,
    banner: 'Seeded, on public research data: nothing here is for release, and choosing the best row is not covered by any ε in it.',
    body: data.flatMap((set) => {
      const own = rows.filter(({ dataset }) => dataset === set.name)
      return [
        html`<h2>${set.name}</h2>
<p>${set.users} people, ${set.items} items, ${set.interactions} rows. ${set.split.kind}: ${set.split.description}. ${set.split.test} likes of ${set.split.testUsers} people are looked for.</p>
${set.notes.map((note) => html`<p>${note}</p>`)}`,
        mainTable(own, metric),
        ...frontier(own, metric, set.name),
        ...timeChart(own, metric, set.name),
        ...groupTables(own, metric),
      ]
    }),
  })
}

const spread = (summary: { readonly mean: number; readonly stdDev: number | null } | undefined) =>
  summary === undefined ? '–' : `${formatNumber(summary.mean)}${summary.stdDev === null ? '' : ` ± ${formatNumber(summary.stdDev)}`}`

function mainTable(rows: readonly ComparisonRow[], metric: string): Html {
  const others = ['recall@20', 'hr@10', 'coverage@10'].filter((name) => name !== metric)
  const measured = rows.filter(({ metrics }) => metrics !== null)
  const refused = rows.filter(({ refused }) => refused !== null)
  const reasons = new Map(refused.map(({ model, refused }) => [model, refused as string]))
  return html`<p>▲ better and ▼ worse than popularity at the same level; ★ the best there, or not told apart from it (paired t-tests over people, corrected by Holm, ${SIGNIFICANT}).</p>${table(
    `Every model by ${metric}`,
    [
      { label: 'model' },
      { label: 'privacy' },
      { label: metric, numeric: true },
      { label: 'marks' },
      { label: 'against popularity', numeric: true },
      ...others.map((label) => ({ label, numeric: true })),
      { label: 'training, s', numeric: true },
    ],
    measured.map((row) => [
      row.model,
      epsilonLabel(row.epsilon),
      spread(row.metrics?.[metric]),
      marksOf(row),
      row.versusPopularity === null ? '–' : signed(row.versusPopularity.difference),
      ...others.map((name) => spread(row.metrics?.[name])),
      formatNumber(row.trainSeconds, 2),
    ]),
  )}${
    reasons.size === 0
      ? null
      : html`<p>Not trained:</p><ul>${[...reasons].map(([model, reason]) => html`<li><strong>${model}</strong>: ${reason}</li>`)}</ul>`
  }`
}

const signed = ({ estimate, low, high }: { readonly estimate: number; readonly low: number; readonly high: number }) =>
  `${estimate > 0 ? '+' : ''}${formatNumber(estimate)} (${formatNumber(low)} … ${formatNumber(high)})`

function frontier(rows: readonly ComparisonRow[], metric: string, name: string): Html[] {
  const levels = [...new Set(rows.map(({ epsilon }) => epsilon))].filter(Number.isFinite)
  if (levels.length < 2) return []
  const models = [...new Set(rows.map(({ model }) => model))]
  const series: Series[] = models.flatMap((model) => {
    const points = rows.flatMap(({ model: own, epsilon, metrics }) =>
      own === model && Number.isFinite(epsilon) && metrics !== null
        ? [{ x: epsilon, y: metrics[metric]?.mean as number, spread: metrics[metric]?.stdDev ?? 0 }]
        : [],
    )
    return points.length === 0 ? [] : [{ label: model, points: points.sort((a, b) => a.x - b.x) }]
  })
  if (series.length === 0) return []
  const references = rows.flatMap(({ model, epsilon, metrics }) =>
    Number.isFinite(epsilon) || metrics === null ? [] : [{ label: `${model}, no privacy`, y: metrics[metric]?.mean as number }],
  )
  const best = [...references].sort((a, b) => b.y - a.y).slice(0, 2)
  return [
    lineChart({
      title: `${name}: what an ε buys`,
      summary: series
        .map(({ label, points }) => `${label} ${points.map(({ x, y }) => `${formatNumber(y)} at ε = ${x}`).join(', ')}`)
        .join('; '),
      xLabel: 'ε for a whole person',
      yLabel: metric,
      xScale: 'log',
      series,
      references: best,
    }),
  ]
}

function timeChart(rows: readonly ComparisonRow[], metric: string, name: string): Html[] {
  const level = Math.max(...rows.map(({ epsilon }) => epsilon))
  const points = rows.flatMap(({ model, epsilon, metrics, trainSeconds }) =>
    epsilon === level && metrics !== null && trainSeconds !== null
      ? [{ label: model, x: Math.max(trainSeconds, 0.001), y: metrics[metric]?.mean as number }]
      : [],
  )
  if (points.length < 2) return []
  return [
    lineChart({
      title: `${name}: time against quality, ${epsilonLabel(level)}`,
      summary: points.map(({ label, x, y }) => `${label}: ${formatNumber(y)} in ${formatNumber(x, 2)} s`).join('; '),
      xLabel: 'seconds of training',
      yLabel: metric,
      xScale: 'log',
      series: points.map(({ label, x, y }) => ({ label, points: [{ x, y }] })),
    }),
  ]
}

/** Only where private rows and others stand side by side: a model's own level against the same model without privacy, or against its largest ε. */
function groupTables(rows: readonly ComparisonRow[], metric: string): Html[] {
  const names = [...new Set(rows.flatMap(({ groups }) => groups.map(({ name }) => name)))]
  return names.flatMap((name) => {
    const own = rows.flatMap((row) => {
      const groups = row.groups.find((one) => one.name === name)
      return groups === undefined ? [] : [{ row, groups }]
    })
    const labels = own[0]?.groups.labels ?? []
    if (labels.length < 2) return []
    const figure = name === 'popularity' ? 'recall@20 of items' : `${metric} of people`
    return [
      html`<details><summary>By ${name === 'popularity' ? 'popularity of the item' : name}</summary>${table(
        `${figure} by ${name}; gap: largest minus smallest`,
        [{ label: 'model' }, { label: 'privacy' }, ...labels.map((label) => ({ label, numeric: true })), { label: 'gap', numeric: true }],
        own.map(({ row, groups }) => [
          row.model,
          epsilonLabel(row.epsilon),
          ...labels.map((label) => groups.means[groups.labels.indexOf(label)] ?? null),
          Math.max(...groups.means) - Math.min(...groups.means),
        ]),
      )}</details>`,
    ]
  })
}

/** One line a row and metric. */
export function comparisonCsv(rows: readonly ComparisonRow[]): string {
  const lines = rows.flatMap((row) => {
    const level = Number.isFinite(row.epsilon) ? String(row.epsilon) : 'inf'
    const at = [row.dataset, row.model, level, row.delta ?? '']
    if (row.metrics === null) return [[...at, 'refused', '', '', row.seeds, '', `"${(row.refused ?? '').replaceAll('"', '""')}"`].join(',')]
    return Object.entries(row.metrics).map(([name, { mean, stdDev, n }]) =>
      [...at, name, mean, stdDev ?? '', n, row.trainSeconds ?? '', ''].join(','),
    )
  })
  return `${['dataset,model,epsilon,delta,metric,mean,std_dev,seeds,train_seconds,refusal', ...lines].join('\n')}\n`
}
