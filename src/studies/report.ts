/**
 * The report of `wide-and-deep-dp`: finished jobs in, one HTML page out, and the same numbers as CSV. Writes what was measured and nothing else;
 * a part whose jobs are missing says so.
 */
import { paperWideAndDeep, type WideAndDeepConfig } from '../models/index.ts'
import { barChart, boxPlot, type Html, html, lineChart, type Point, page, type Series, table } from '../report/index.ts'
import { type Book, type Cell, valuesOf } from './book.ts'
import { modelFigures, pipelineFigure, workflowFigure } from './figures.ts'
import { isPaperData, paperSettings, paperTable } from './paper.ts'
import { compare, summarise } from './statistics.ts'
import type { DatasetKey, FinishedJob, RecipeChanges, SplitKind, StudyPrivacy, StudyTask } from './study.ts'
import { type ClaimVerdict, judgeClaims, spelled } from './verdicts.ts'
import {
  baseline,
  biases,
  clippingAlone,
  network,
  noise,
  noiseAlone,
  noPrivacy,
  privateItemMean,
  rowEpsilon,
  type StudyData,
  type StudyOptions,
  studyScope,
  sweepNoise,
  upTo,
} from './wide-and-deep-dp.ts'

export interface ReportInput {
  readonly data: StudyData
  readonly options: StudyOptions
  readonly book: Book
  /** The paper's network as it was used on the data set: features that the data set lacks are left out. */
  readonly config: WideAndDeepConfig
  /** Settings of the repaired recipe at the ε of σ = 1, for the sweeps' labels. */
  readonly recipes: {
    readonly [recipe in 'paper' | 'repaired']: {
      readonly maxGradNorm: number
      readonly batchSize: number
      readonly hiddenLayers: readonly number[]
    }
  }
  readonly learningRate: number
}

type Row = readonly (string | number | null | Html)[]
const integer = (value: number) => value.toLocaleString('en-US')
const short = (value: number | null | undefined, digits = 3) =>
  value === null || value === undefined ? '–' : value >= 1000 ? integer(Math.round(value)) : String(Number(value.toPrecision(digits)))
const numeric = (label: string) => ({ label, numeric: true })

/** RMSE with its spread, or what happened instead. */
function errorText({ rmse, diverged }: Cell): string {
  const text = spelled(rmse)
  return diverged === 0 ? text : rmse === null ? 'diverged' : `${text}, ${diverged} diverged`
}
const maeText = ({ mae }: Cell) => (mae === null ? '–' : mae.mean.toFixed(4))

export function studyVerdicts({ book, data }: Pick<ReportInput, 'book' | 'data'>): ClaimVerdict[] {
  return judgeClaims(book, data)
}

export function studyReport(input: ReportInput): string {
  const { data, options } = input
  const { primary } = data
  return page({
    title: 'Wide & Deep under differential privacy: the paper’s study, again',
    lead: `Al-Omair 2026 trains a Wide & Deep recommender with DP-Adam and reports error against ε. This page repeats the study on ${primary.name}, prices it with two accountants, attacks it, and compares it with models that do better at the same ε.`,
    banner:
      'Every run here is seeded, so none is for release: whoever has the seed can take the noise off. Figures of private rows are shown openly because the data is public research data.',
    body: [
      ...verdictSection(input),
      ...tableOneSection(input),
      ...causeSection(input),
      ...figureSection(input),
      ...frontierSection(input),
      ...priceSection(input),
      ...attackSection(input),
      ...sweepSection(input),
      ...secondDataSection(input),
      ...systemSection(input),
      html`<h2>How this was made</h2>
<ul>
<li>${options.seeds === 1 ? 'One run of each setting, seed 1' : `${options.seeds} runs of each setting, seeds 1 to ${options.seeds}`}; boxes have ${studyScope(options).boxSeeds.length} runs. A seed here is the seed of <code>tacet train --seed</code>. ± is the standard deviation over runs. “Clear” means that the 95 % interval of a difference (Welch) leaves out zero. All runs share the test rows, so none of this speaks of other test rows.</li>
<li>Nothing was tuned on test rows. Defaults of bias-factors and of the repaired recipe were chosen on MovieLens 1M’s training rows; on that data set this choice is not covered by ε.</li>
<li>Taken as public: the number of rows, the user and item tables, ids, the rating scale, and where item metadata is used, the catalogue.</li>
<li>${integer(input.book.finished.length)} jobs; each is in results.csv with its settings, and in results.json.</li>
</ul>`,
    ],
  })
}

// --- what holds -------------------------------------------------------------------------------------------------------------------------

function verdictSection(input: ReportInput): Html[] {
  const verdicts = studyVerdicts(input)
  return [
    html`<h2>What holds, and what does not</h2>
${verdicts.map(
  ({ claim, where, verdict, evidence }) => html`<h3>${claim}</h3>
<p><strong>${verdict[0]?.toUpperCase()}${verdict.slice(1)}.</strong> ${evidence} <span class="lead">(${where})</span></p>
`,
)}`,
  ]
}

// --- Table 1 ----------------------------------------------------------------------------------------------------------------------------

/** σ and its price, in the order of Table 1; the row without privacy first. */
function tableRows({ book }: ReportInput) {
  return [
    { sigma: null, price: null, privacy: noPrivacy, sameEpsilon: noPrivacy },
    ...book.prices('primary').map(({ noiseMultiplier, price }) => ({
      sigma: noiseMultiplier,
      price,
      privacy: noise(noiseMultiplier),
      sameEpsilon: upTo(rowEpsilon(price.pld)),
    })),
  ]
}

function tableOneSection(input: ReportInput): Html[] {
  const { book, data } = input
  const { primary } = data
  const withPaper = isPaperData(primary)
  const cells = (split: SplitKind, { privacy, sameEpsilon }: ReturnType<typeof tableRows>[number]) => [
    book.cell('primary', split, network('paper', privacy)),
    book.cell('primary', split, network('repaired', sameEpsilon)),
    book.cell('primary', split, biases(sameEpsilon)),
  ]
  const label = (sigma: number | null) => (sigma === null ? 'no privacy' : `σ = ${sigma}`)
  const printed = (sigma: number | null) => paperTable.find((row) => row.noiseMultiplier === sigma)
  const rmseRows = (split: SplitKind): Row[] =>
    tableRows(input).map((row) => [
      label(row.sigma),
      ...(withPaper ? [String(printed(row.sigma)?.epsilon ?? '∞')] : []),
      row.price === null ? '∞' : row.price.rdp.toFixed(4),
      row.price === null ? '∞' : row.price.pld.toFixed(4),
      ...(withPaper ? [printed(row.sigma)?.rmse ?? null] : []),
      ...cells(split, row).map(errorText),
    ])
  const maeRows = (split: SplitKind): Row[] =>
    tableRows(input).map((row) => [
      label(row.sigma),
      ...(withPaper ? [printed(row.sigma)?.mae ?? null] : []),
      ...cells(split, row).map(maeText),
    ])
  const models = [...(withPaper ? ['paper'] : []), 'ours', 'repaired', 'bias-factors'].map(numeric)
  const columns = [{ label: 'noise' }, ...(withPaper ? [numeric('ε printed')] : []), numeric('ε, RDP'), numeric('ε, PLD'), ...models]
  const references = (split: SplitKind) => {
    const one = book.cell('primary', split, baseline('constant'))
    const items = book.cell('primary', split, baseline('item-mean'))
    return html`<p>Without privacy, one constant for everybody scores ${errorOnly(one)}, the mean of each item ${errorOnly(items)}.</p>`
  }
  const splits = Object.keys(primary.splits) as SplitKind[]
  return [
    html`<h2>Table 1</h2>
<p>“Ours” is the paper’s recipe, run exactly: batch ${paperSettings.batchSize}, ${paperSettings.epochs} epochs, clip norm ${paperSettings.maxGradNorm}, Adam, raw inputs. “Repaired” is the same network made to work under privacy. The repaired recipe and bias-factors spend no more than the row’s PLD ε at δ = ${paperSettings.delta}: each row compares like with like.</p>
${splits.map((split) => {
  const facts = primary.splits[split]!
  return html`<h3>${split === 'chronological' ? 'Chronological split' : 'Random split'}</h3>
<p class="lead">${integer(facts.train)} training and ${integer(facts.test)} test ratings, ${integer(facts.testRowsOfUnseenUsers)} of them by people not in training; ${facts.description}.</p>
${table(`Table 1, ${split} split: RMSE`, columns, rmseRows(split))}
${table(`Table 1, ${split} split: MAE`, [{ label: 'noise' }, ...models], maeRows(split))}
${references(split)}`
})}
${table(
  `Wide-only and deep-only networks, ${primary.mainSplit} split, paper's recipe`,
  [{ label: 'noise' }, ...['wide only', 'deep only', 'wide and deep'].map((label) => numeric(`${label}, RMSE`))],
  [noPrivacy, ...studyScope(input.options).partNoise.map(noise)].map((privacy) => [
    privacyLabel(privacy),
    ...(['wide', 'deep', null] as const).map((parts) =>
      errorText(book.cell('primary', primary.mainSplit, network('paper', privacy, parts === null ? {} : { parts }))),
    ),
  ]),
)}`,
  ]
}

const errorOnly = ({ rmse, mae }: Cell) => (rmse && mae ? `${rmse.mean.toFixed(4)} (MAE ${mae.mean.toFixed(4)})` : '–')

function privacyLabel(privacy: StudyPrivacy): string {
  return privacy.kind === 'none' ? 'no privacy' : privacy.kind === 'noise' ? `σ = ${privacy.noiseMultiplier}` : `ε = ${privacy.epsilon}`
}

// --- why the private rows are bad ---------------------------------------------------------------------------------------------------------

function causeSection({ book, data }: ReportInput): Html[] {
  const { primary } = data
  const main = primary.mainSplit
  const cases: readonly (readonly [string, StudyTask])[] = [
    ['no clipping, no noise', network('paper', noPrivacy)],
    ['clipping alone (C = 1)', network('paper', noise(clippingAlone.noiseMultiplier))],
    [
      `noise of σ = 1 alone (C = ${noiseAlone.maxGradNorm})`,
      network('paper', noise(noiseAlone.noiseMultiplier), { maxGradNorm: noiseAlone.maxGradNorm }),
    ],
    ...paperSettings.noiseMultipliers.map((sigma) => [`both, σ = ${sigma}`, network('paper', noise(sigma))] as const),
    ['both, σ = 1, deep part only', network('paper', noise(1), { parts: 'deep' })],
  ]
  const deep = book.cell('primary', main, network('paper', noise(1), { parts: 'deep' }))
  const joint = book.cell('primary', main, network('paper', noise(1)))
  const apart = deep.rmse && joint.rmse ? compare(valuesOf(deep.runs, 'rmse'), valuesOf(joint.runs, 'rmse')) : null
  const culprit =
    apart?.clear && apart.difference < 0
      ? `The deep part alone, under the same clipping and noise, scores ${spelled(deep.rmse)} at σ = 1, where the whole network scores ${spelled(joint.rmse)}: what breaks it is the wide part, which feeds raw numbers to the output.`
      : ''
  const mean = (cell: Cell, figure: 'trainRmse' | 'predictionMean' | 'predictionStdDev') => summarise(valuesOf(cell.runs, figure))?.mean
  return [
    html`<h2>Why the private rows are bad</h2>
<p>With a bound this tight, squared error acts like absolute error. The table takes clipping and noise apart. The mean and the spread of the predictions show where a network says the same to everybody; the last column is the share of gradients that were clipped. ${culprit}</p>
${table(
  `Clipping and noise, apart and together, ${main} split`,
  [
    { label: 'setting' },
    numeric('RMSE'),
    numeric('training RMSE'),
    numeric('mean of predictions'),
    numeric('their spread'),
    numeric('clipped'),
  ],
  cases.map(([label, task]) => {
    const cell = book.cell('primary', main, task)
    const clipped = summarise(cell.runs.flatMap(({ clippedShare }) => (clippedShare === null ? [] : [clippedShare])))
    return [
      label,
      errorText(cell),
      fixed(mean(cell, 'trainRmse'), 4),
      fixed(mean(cell, 'predictionMean'), 3),
      fixed(mean(cell, 'predictionStdDev'), 3),
      clipped === null ? '–' : `${(clipped.mean * 100).toFixed(1)} %`,
    ]
  }),
)}`,
  ]
}

const fixed = (value: number | undefined, digits: number) => (value === undefined ? '–' : value.toFixed(digits))

// --- Figures 4 to 6 -----------------------------------------------------------------------------------------------------------------------

function pointsOf(cells: readonly { readonly x: number; readonly cell: Cell }[], figure: 'rmse' | 'mae' = 'rmse'): Point[] {
  return cells.flatMap(({ x, cell }) => {
    const value = cell[figure]
    return value === null ? [] : [{ x, y: value.mean, ...(value.stdDev === null ? {} : { spread: value.stdDev }) }]
  })
}

function figureSection(input: ReportInput): Html[] {
  const { book, data, options } = input
  const { primary } = data
  const main = primary.mainSplit
  const withPaper = isPaperData(primary)
  const rows = book.prices('primary').map(({ noiseMultiplier, price }) => ({
    sigma: noiseMultiplier,
    price,
    cell: book.cell('primary', main, network('paper', noise(noiseMultiplier))),
  }))
  if (rows.length === 0 || rows.some(({ cell }) => cell.rmse === null))
    return [html`<h2>Figures 4 to 6</h2><p>Not drawn: some rows of Table 1 did not end.</p>`]
  const byEpsilon = rows.map(({ price, cell }) => ({ x: price.pld, cell }))
  const paperPoints = (figure: 'rmse' | 'mae') =>
    paperTable.flatMap((row) => (row.epsilon === null ? [] : [{ x: row.epsilon, y: row[figure] }]))
  const means = rows.map(({ cell }) => cell.rmse!.mean)
  const low = rows[means.indexOf(Math.min(...means))]!
  const spreadOf = (sigma: number | null) => {
    const values = valuesOf(book.cell('primary', main, network('paper', sigma === null ? noPrivacy : noise(sigma))).runs, 'rmse')
    return values.length === 0 ? [] : [{ label: sigma === null ? 'no noise' : `σ = ${sigma}`, values }]
  }
  const boxes = paperSettings.boxes.flatMap(spreadOf)
  const widest = [...boxes].sort((a, b) => rangeOf(b.values) - rangeOf(a.values))[0]
  return [
    html`<h2>Figures 4 to 6: error, noise and ε</h2>
${lineChart({
  title: `Figure 4, error against ε, ${main} split`,
  summary: `Ours at the PLD ε${withPaper ? ', the paper’s at the ε it prints' : ''}. The lowest RMSE of ours is ${low.cell.rmse!.mean.toFixed(4)}, at σ = ${low.sigma}.`,
  xLabel: 'ε for one rating (log scale)',
  yLabel: 'error, in stars',
  xScale: 'log',
  series: [
    { label: 'RMSE, ours', points: pointsOf(byEpsilon) },
    { label: 'MAE, ours', points: pointsOf(byEpsilon, 'mae') },
    ...(withPaper
      ? [
          { label: 'RMSE, paper', points: paperPoints('rmse') },
          { label: 'MAE, paper', points: paperPoints('mae') },
        ]
      : []),
  ],
})}
${barChart({
  title: `Figure 5, error by noise multiplier, ${main} split`,
  summary: `RMSE and MAE at each σ${withPaper ? ', ours beside the paper’s' : ''}. The axis starts at 0.`,
  xLabel: 'noise multiplier σ',
  yLabel: 'error, in stars',
  categories: rows.map(({ sigma }) => String(sigma)),
  series: [
    { label: 'RMSE, ours', values: rows.map(({ cell }) => cell.rmse!.mean) },
    { label: 'MAE, ours', values: rows.map(({ cell }) => cell.mae!.mean) },
    ...(withPaper
      ? (['rmse', 'mae'] as const).map((figure) => ({
          label: `${figure.toUpperCase()}, paper`,
          values: rows.map(({ sigma }) => paperTable.find((row) => row.noiseMultiplier === sigma)?.[figure] ?? 0),
        }))
      : []),
  ],
})}
${boxPlot({
  title: `Figure 6, RMSE of single runs, ${main} split`,
  summary: `${studyScope(options).boxSeeds.length} runs a box. ${widest ? `Runs differ most ${widest.label === 'no noise' ? 'without noise' : `at ${widest.label}`}: from ${Math.min(...widest.values).toFixed(4)} to ${Math.max(...widest.values).toFixed(4)}.` : ''}`,
  xLabel: 'noise multiplier',
  yLabel: 'RMSE, in stars',
  groups: boxes,
})}`,
  ]
}

const rangeOf = (values: readonly number[]) => Math.max(...values) - Math.min(...values)

// --- frontier -----------------------------------------------------------------------------------------------------------------------------

function frontierSection({ book, data, options }: ReportInput): Html[] {
  const { primary } = data
  const main = primary.mainSplit
  const scope = studyScope(options)
  const along = (epsilons: readonly number[], task: (epsilon: number) => StudyTask) =>
    epsilons.map((x) => ({ x, cell: book.cell('primary', main, task(x)) }))
  const paperRows = book
    .prices('primary')
    .map(({ noiseMultiplier, price }) => ({ x: price.pld, cell: book.cell('primary', main, network('paper', noise(noiseMultiplier))) }))
  const lines: readonly (readonly [string, readonly { x: number; cell: Cell }[]])[] = [
    ['bias-factors', along(scope.frontier, (epsilon) => biases(upTo(epsilon)))],
    ['Wide & Deep, repaired', along(scope.repairedFrontier, (epsilon) => network('repaired', upTo(epsilon)))],
    ["Wide & Deep, paper's recipe", paperRows],
    ['noisy item mean', along(scope.frontier, privateItemMean)],
  ]
  const series: Series[] = lines.map(([label, cells]) => ({ label, points: pointsOf(cells) })).filter(({ points }) => points.length > 0)
  const reference = (label: string, task: StudyTask) => {
    const value = book.cell('primary', main, task).rmse
    return value === null ? [] : [{ label, y: value.mean }]
  }
  const references = [
    ...reference('constant', baseline('constant')),
    ...reference('item mean, no privacy', baseline('item-mean')),
    ...reference('Wide & Deep, no privacy', network('repaired', noPrivacy)),
    ...reference('bias-factors, no privacy', biases(noPrivacy)),
  ]
  if (series.length === 0) return []
  const metadata = primary.itemMetadata ? along(scope.frontier, (epsilon) => biases(upTo(epsilon), true)) : []
  const plain = lines[0]![1]
  const cost = references.at(-1)
  const gaps = cost
    ? plain.flatMap(({ x, cell }) => (cell.rmse === null ? [] : [`${(cell.rmse.mean - cost.y).toFixed(3)} at ε = ${x}`]))
    : []
  const cheapest = plain.find(({ cell }) => cell.rmse !== null && references[0] && cell.rmse.mean < references[0].y)
  return [
    html`<h2>The frontier: what a given ε buys</h2>
${lineChart({
  title: `Error against ε, ${main} split`,
  summary: `Lower is better. ${cheapest ? `bias-factors beats the constant from ε = ${cheapest.x} on, the smallest ε tried${cheapest === plain[0] ? '' : ' where it does'}.` : 'bias-factors does not beat the constant at the ε tried.'} Horizontal lines use no privacy.`,
  xLabel: 'ε for one rating (log scale)',
  yLabel: 'RMSE, in stars',
  xScale: 'log',
  series,
  references,
})}
<p>What privacy costs: bias-factors is behind itself without privacy by ${gaps.join(', ') || '–'}.</p>
${
  metadata.length > 0
    ? table(
        `RMSE with and without public item metadata, ${main} split`,
        [numeric('ε'), numeric('bias-factors'), numeric('with item metadata'), numeric('noisy item mean')],
        metadata.map(({ x, cell }, i) => [String(x), errorText(plain[i]!.cell), errorText(cell), errorText(lines[3]![1][i]!.cell)]),
      )
    : ''
}`,
  ]
}

// --- price --------------------------------------------------------------------------------------------------------------------------------

function priceSection({ book, data }: ReportInput): Html[] {
  const prices = book.prices('primary')
  const first = prices[0]?.price
  if (!first) return []
  const { primary } = data
  const person = (index: number) => first.persons[index]?.ratings ?? 0
  const rows: Row[] = prices.map(({ noiseMultiplier, price }) => [
    `σ = ${noiseMultiplier}`,
    price.rdp.toFixed(4),
    price.pld.toFixed(4),
    price.pldLower === null ? '–' : price.pldLower.toFixed(4),
    short(price.persons[0]?.epsilon),
    short(book.personByRdp(noiseMultiplier)),
    short(price.persons[1]?.epsilon),
    price.shuffled.toFixed(2),
  ])
  const staged = prices.flatMap(({ price }) => {
    const epsilon = rowEpsilon(price.pld)
    const run = book.cell('primary', primary.mainSplit, biases(upTo(epsilon))).runs[0]
    return run ? [{ epsilon, persons: run.persons }] : []
  })
  return [
    html`<h2>What the promise costs, for a rating and for a person</h2>
<p>The recipe samples and clips ratings, so its ε protects one rating. A person who gave many is protected less: their price is that of a sample that may hold several of their ratings at once (a mixture of Gaussians). The median person has ${person(0)} training ratings, the heaviest ${integer(person(1))}; for the heaviest, RDP is left out: its bound explodes. The last column is what a shuffled data loader could claim instead of Poisson sampling (replace-special): the sampler alone is worth a factor of ${short(first.shuffled / first.pld, 2)} at σ = ${prices[0]!.noiseMultiplier}.</p>
${table(
  `ε at δ = ${paperSettings.delta}, ${integer(first.steps)} steps at sample rate ${first.sampleRate.toPrecision(4)}`,
  [
    { label: 'noise' },
    numeric('rating, RDP'),
    numeric('rating, PLD'),
    numeric('PLD, at least'),
    numeric('median, PLD'),
    numeric('median, RDP'),
    numeric('heaviest, PLD'),
    numeric('shuffled'),
  ],
  rows,
)}
${
  staged.length > 0
    ? html`<p>bias-factors reads every rating in each of its stages; one person’s ratings add up in the stages over people. It too protects ratings, not persons.</p>
${table(
  'bias-factors at the same ε for a rating: ε for a person',
  [numeric('ε, one rating'), numeric('median person'), numeric('heaviest person')],
  staged.map(({ epsilon, persons }) => [String(epsilon), short(persons[0]?.epsilon), short(persons[1]?.epsilon)]),
)}`
    : ''
}`,
  ]
}

// --- attack -------------------------------------------------------------------------------------------------------------------------------

function attackSection({ book }: ReportInput): Html[] {
  const audits = book.audits()
  if (audits.length === 0) return []
  return [
    html`<h2>The promise, attacked</h2>
<p>An adversary who sees every update hides canaries among invented rows of the same shape and guesses which were used. Its success gives a lower bound on ε that must not exceed the claim. “Power” is the chance that the audit would have noticed halved noise: where it is low, silence proves nothing, and the verdict says so. “Checks” are of the noise, the sampler and the clipping. The AUC is the best of the membership attacks: .5 is guessing.</p>
${table(
  `Lower bounds beside the claims, ${audits[0]!.audit.confidence * 100} % confidence`,
  [
    { label: 'what was attacked' },
    numeric('claimed ε'),
    numeric('lower bound'),
    numeric('canaries'),
    numeric('power'),
    numeric('best AUC'),
    { label: 'verdict' },
    { label: 'checks' },
  ],
  audits.map(({ task, audit }) => [
    task.model === 'bias-factors'
      ? `bias-factors, ${privacyLabel(task.privacy)}`
      : `Wide & Deep, ${task.model === 'repaired' ? 'repaired' : 'paper'}, ${privacyLabel(task.privacy)}`,
    short(audit.claimedEpsilon, 4),
    audit.epsilonLowerBound.toFixed(4),
    integer(audit.canaries),
    audit.power.toFixed(2),
    audit.bestAuc.toFixed(3),
    audit.verdict,
    audit.conformancePassed ? 'pass' : 'fail',
  ]),
)}`,
  ]
}

// --- sweeps -------------------------------------------------------------------------------------------------------------------------------

function sweepSection(input: ReportInput): Html[] {
  const { book, data, options, recipes } = input
  const { primary } = data
  const main = primary.mainSplit
  const scope = studyScope(options)
  const price = book.prices('primary').find(({ noiseMultiplier }) => noiseMultiplier === sweepNoise.repaired)?.price
  const privacy = { paper: noise(sweepNoise.paper), repaired: price ? upTo(rowEpsilon(price.pld)) : null }
  const rows: Row[] = []
  for (const recipe of ['paper', 'repaired'] as const) {
    const at = privacy[recipe]
    if (at === null) continue
    const settings = recipes[recipe]
    const add = (what: string, value: string, changes: RecipeChanges) => {
      const cell = book.cell('primary', main, network(recipe, at, changes))
      if (cell.runs.length + cell.diverged === 0) return
      const epsilon = cell.runs[0]?.privacy?.pld
      rows.push([
        `${recipe === 'paper' ? "paper's" : 'repaired'}, ${privacyLabel(at)}`,
        what,
        value,
        short(epsilon, 4),
        errorText(cell),
        maeText(cell),
      ])
    }
    add(
      'as it is',
      `C = ${short(settings.maxGradNorm)}, batch ${integer(settings.batchSize)}, layers ${layersText(settings.hiddenLayers)}`,
      {},
    )
    for (const maxGradNorm of scope.clipNorms[recipe]) add('clip norm', String(maxGradNorm), { maxGradNorm })
    for (const batchSize of scope.batchSizes[recipe]) add('batch', integer(batchSize), { batchSize })
    for (const hiddenLayers of scope.layers) add('layers', layersText(hiddenLayers), { hiddenLayers })
  }
  if (rows.length === 0) return []
  return [
    html`<h2>Clip norm, batch and layers</h2>
<p>One setting changed at a time. The paper’s recipe keeps σ, so another batch has another ε; the repaired recipe keeps ε, so its noise follows.</p>
${table(
  `Sweeps, ${main} split`,
  [{ label: 'recipe' }, { label: 'changed' }, { label: 'to' }, numeric('ε, PLD'), numeric('RMSE'), numeric('MAE')],
  rows,
)}`,
  ]
}

const layersText = (layers: readonly number[]) => (layers.length === 0 ? 'none' : layers.join('–'))

// --- second data set ----------------------------------------------------------------------------------------------------------------------

function secondDataSection({ book, data, options }: ReportInput): Html[] {
  const { second } = data
  if (second === null)
    return [
      html`<h2>A second data set</h2><p>None was given. With <code>--second-data PATH</code> the study repeats its main comparison there.</p>`,
    ]
  const split = second.mainSplit
  const facts = second.splits[split]!
  const scope = studyScope(options).second
  const cell = (task: StudyTask, dataset: DatasetKey = 'second') => book.cell(dataset, split, task)
  const row = (label: string, epsilon: string, task: StudyTask): Row => [label, epsilon, errorText(cell(task)), maeText(cell(task))]
  const price = (sigma: number) => book.prices('second').find(({ noiseMultiplier }) => noiseMultiplier === sigma)?.price.pld
  const constant = cell(baseline('constant')).rmse
  const beats = scope.epsilons.filter((epsilon) => {
    const found = cell(biases(upTo(epsilon))).rmse
    return found && constant && found.mean < constant.mean
  })
  return [
    html`<h2>A second data set: ${second.name}</h2>
<p>${integer(second.users)} people, ${integer(second.items)} items, ${integer(second.interactions)} ratings from ${second.ratingScale.min} to ${second.ratingScale.max}; ${split} split, ${integer(facts.train)} training and ${integer(facts.test)} test ratings. The same recipes and defaults, nothing tuned here. ${
      beats.length > 0
        ? `bias-factors beats the constant at ε = ${beats.join(', ')} of those tried.`
        : 'bias-factors does not beat the constant at any ε tried.'
    }</p>
${table(
  `${second.name}, ${split} split`,
  [{ label: 'model' }, numeric('ε, PLD'), numeric('RMSE'), numeric('MAE')],
  [
    row('constant', '∞', baseline('constant')),
    row('item mean', '∞', baseline('item-mean')),
    row("Wide & Deep, paper's, no privacy", '∞', network('paper', noPrivacy)),
    ...scope.noiseMultipliers.map((sigma) =>
      row(`Wide & Deep, paper's, σ = ${sigma}`, short(price(sigma), 4), network('paper', noise(sigma))),
    ),
    row('Wide & Deep, repaired, no privacy', '∞', network('repaired', noPrivacy)),
    ...scope.epsilons.map((epsilon) => row('Wide & Deep, repaired', String(epsilon), network('repaired', upTo(epsilon)))),
    row('bias-factors, no privacy', '∞', biases(noPrivacy)),
    ...scope.epsilons.map((epsilon) => row('bias-factors', String(epsilon), biases(upTo(epsilon)))),
    ...scope.epsilons.map((epsilon) => row('noisy item mean', String(epsilon), privateItemMean(epsilon))),
  ],
)}`,
  ]
}

// --- Figures 1 to 3 -----------------------------------------------------------------------------------------------------------------------

function systemSection({ book, data, config, options, learningRate }: ReportInput): Html[] {
  const { primary } = data
  const facts = primary.splits[primary.mainSplit]!
  const price = book.prices('primary')[0]?.price
  const missing = [...paperWideAndDeep.categorical, ...paperWideAndDeep.numeric]
    .map(({ name }) => name)
    .filter((name) => ![...config.categorical, ...config.numeric].some((feature) => feature.name === name))
  return [
    html`<h2>Figures 1 to 3: the model, the step, the workflow</h2>
${missing.length > 0 ? html`<p>${primary.name} has no ${missing.join(', ')}: the network does without.</p>` : ''}
${modelFigures(config)}
${
  price
    ? pipelineFigure({
        rows: facts.train,
        sampleRate: price.sampleRate,
        steps: price.steps,
        batchSize: Math.min(paperSettings.batchSize, facts.train),
        maxGradNorm: paperSettings.maxGradNorm,
        learningRate,
        delta: paperSettings.delta,
      })
    : ''
}
${workflowFigure({ data: primary.name, train: facts.train, test: facts.test, split: primary.mainSplit, seeds: options.seeds })}`,
  ]
}

// --- CSV ----------------------------------------------------------------------------------------------------------------------------------

const csvColumns: readonly (readonly [string, (finished: FinishedJob, data: StudyData) => string | number | null | undefined])[] = [
  ['id', ({ job }) => job.id],
  ['groups', ({ job }) => job.groups.join(' ')],
  ['data', ({ job }, data) => (job.dataset === 'primary' ? data.primary.name : data.second?.name)],
  ['split', ({ job }) => job.split],
  ['task', ({ job }) => job.task.kind],
  ['model', ({ job: { task } }) => modelOf(task)],
  ['parts', ({ job: { task } }) => (task.kind === 'wide-and-deep' ? (task.changes.parts ?? 'joint') : null)],
  ['changed_max_grad_norm', ({ job: { task } }) => (task.kind === 'wide-and-deep' ? task.changes.maxGradNorm : null)],
  ['changed_batch_size', ({ job: { task } }) => (task.kind === 'wide-and-deep' ? task.changes.batchSize : null)],
  [
    'changed_hidden_layers',
    ({ job: { task } }) => (task.kind === 'wide-and-deep' && task.changes.hiddenLayers ? layersText(task.changes.hiddenLayers) : null),
  ],
  ['item_metadata', ({ job: { task } }) => (task.kind === 'bias-factors' ? String(task.itemMetadata) : null)],
  [
    'asked_privacy',
    ({ job: { task } }) => ('privacy' in task ? privacyLabel(task.privacy) : 'epsilon' in task ? `ε = ${task.epsilon}` : null),
  ],
  ['seed', ({ job }) => job.seed],
  ['status', ({ result }) => (result.kind === 'diverged' ? 'diverged' : 'done')],
  ['rmse', ({ result }) => (result.kind === 'trained' ? result.measured.rmse : null)],
  ['mae', ({ result }) => (result.kind === 'trained' ? result.measured.mae : null)],
  ['train_rmse', ({ result }) => (result.kind === 'trained' ? result.measured.trainRmse : null)],
  ['prediction_mean', ({ result }) => (result.kind === 'trained' ? result.measured.predictionMean : null)],
  ['prediction_std_dev', ({ result }) => (result.kind === 'trained' ? result.measured.predictionStdDev : null)],
  ['clipped_share', ({ result }) => (result.kind === 'trained' ? result.clippedShare : null)],
  ['epsilon_pld', ({ result }) => (result.kind === 'trained' ? result.privacy?.pld : result.kind === 'price' ? result.pld : null)],
  [
    'epsilon_rdp',
    ({ result }) =>
      result.kind === 'trained' ? result.privacy?.rdp : result.kind === 'price' || result.kind === 'person-price' ? result.rdp : null,
  ],
  ['epsilon_shuffled', ({ result }) => (result.kind === 'price' ? result.shuffled : null)],
  [
    'noise_multiplier',
    ({ job: { task }, result }) =>
      result.kind === 'trained'
        ? result.privacy?.noiseMultiplier
        : task.kind === 'price' || task.kind === 'person-price'
          ? task.noiseMultiplier
          : null,
  ],
  ['person_ratings', ({ job: { task } }) => (task.kind === 'person-price' ? task.ratings : null)],
  ['steps', ({ result }) => (result.kind === 'trained' ? result.privacy?.steps : result.kind === 'price' ? result.steps : null)],
  ['claimed_epsilon', ({ result }) => (result.kind === 'audit' ? result.claimedEpsilon : null)],
  ['epsilon_lower_bound', ({ result }) => (result.kind === 'audit' ? result.epsilonLowerBound : null)],
  ['audit_power', ({ result }) => (result.kind === 'audit' ? result.power : null)],
  ['audit_verdict', ({ result }) => (result.kind === 'audit' ? result.verdict : null)],
  ['seconds', ({ result }) => ('seconds' in result ? Number(result.seconds.toFixed(3)) : null)],
]

function modelOf(task: StudyTask): string | null {
  switch (task.kind) {
    case 'wide-and-deep':
      return `wide-and-deep ${task.recipe}`
    case 'bias-factors':
      return 'bias-factors'
    case 'baseline':
      return task.baseline
    case 'private-item-mean':
      return 'private-item-mean'
    case 'audit':
      return task.model === 'bias-factors' ? 'bias-factors' : `wide-and-deep ${task.model}`
    case 'price':
    case 'person-price':
      return null
    default:
      return task satisfies never
  }
}

/** One line a job, all of them; RFC 4180. */
export function studyCsv(book: Book, data: StudyData): string {
  const quote = (value: string | number | null | undefined) => {
    const text = value === null || value === undefined ? '' : String(value)
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
  }
  const lines = [
    csvColumns.map(([name]) => name),
    ...book.finished.map((finished) => csvColumns.map(([, value]) => quote(value(finished, data)))),
  ]
  return `${lines.map((cells) => cells.join(',')).join('\r\n')}\r\n`
}
