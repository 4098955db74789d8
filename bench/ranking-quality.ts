/**
 * npm run bench -- ranking-quality [--models a,b] [--seeds N] [--peers] [--peer-epochs model=N] [--param model.name=value] [--protocol random|latest]
 * [--threads N] [--smoke] [--json]: how good the lists without privacy are, on MovieLens 1M by two public protocols, beside what is published for
 * them, and RecBole on the very same split in the same run.
 *
 * `random`: RecBole's: a like is a rating of 3 or more, 8:1:1 at random (by Tacet's keyed hash; the split is fixed, seeds are of training), all items
 * ranked that the person does not have in training or validation. RecBole gets the three parts as files and measures itself.
 * `latest`: everybody's latest rating is looked for among it and 99 drawn items (Rendle et al. 2020), and among all items.
 *
 * Settings are the trainers' defaults and those of the candidates below, chosen on validation (decisions 0011 and 0012). A random split mixes times: figures are for comparing
 * models, not what a product will see.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { readDataset } from '../src/data/index.node.ts'
import {
  type Interactions,
  type RankedPeople,
  type RankingSplit,
  type RankingSplitOptions,
  splitForRanking,
  syntheticInteractions,
} from '../src/data/index.ts'
import { type Candidates, evaluateRanker, freeze, openTest } from '../src/evaluation/index.ts'
import type { Ranker } from '../src/models/index.ts'
import { seededRandom } from '../src/random/index.ts'
import { rankingTrainer, resolveParameters } from '../src/training/index.ts'
import { machine } from './measure.ts'
import { movieLensPath } from './movielens.ts'
import { askPeer, writeSplit } from './ranking-peers.ts'

const usage =
  'usage: npm run bench -- ranking-quality [--models a,b] [--seeds N] [--peers] [--peer-epochs model=N]… [--param model.name=value]… [--protocol random|latest] [--threads N] [--smoke] [--json]\n'

/** Tacet may be at most so far behind RecBole on the same split. */
const BEHIND = 0.01

interface Candidate {
  readonly name: string
  readonly model: string
  readonly parameters: Readonly<Record<string, number>>
  /** NDCG@10 that is published for it by this protocol. */
  readonly published: number | null
  /**
   * RecBole's, with the settings that it publishes for this data set where it does, else its defaults; epochs at most (0: only if --peer-epochs says
   * how many, since it takes hours on a CPU). It measures its validation each so many epochs and stops after ten without a better one.
   */
  readonly recbole: { readonly task: string; readonly epochs: number; readonly settings: Readonly<Record<string, unknown>> } | null
}

const closed = (task: string) => ({ task, epochs: 1, settings: {} })

/** Ten epochs as RecBole ships it, looked at each fifth. */
const patience = { eval_step: 5, stopping_step: 2 }

const randomCandidates: readonly Candidate[] = [
  // RecBole's Pop counts an item once a batch, however often it is in it: nothing to compare with.
  { name: 'popularity', model: 'popularity', parameters: {}, published: null, recbole: null },
  { name: 'itemknn', model: 'itemknn', parameters: {}, published: null, recbole: closed('ItemKNN') },
  { name: 'ease', model: 'ease', parameters: {}, published: null, recbole: closed('EASE') },
  { name: 'puresvd', model: 'puresvd', parameters: {}, published: null, recbole: null },
  { name: 'ials', model: 'ials', parameters: {}, published: null, recbole: null },
  { name: 'bpr', model: 'bpr', parameters: {}, published: 0.245, recbole: { task: 'BPR', epochs: 300, settings: patience } },
  { name: 'neumf', model: 'neumf', parameters: {}, published: 0.239, recbole: { task: 'NeuMF', epochs: 60, settings: patience } },
  {
    name: 'lightgcn',
    model: 'lightgcn',
    parameters: {},
    published: 0.25,
    recbole: { task: 'LightGCN', epochs: 0, settings: { ...patience, learning_rate: 0.002, n_layers: 3, reg_weight: 1e-4 } },
  },
]

const latestCandidates: readonly Candidate[] = [
  { name: 'popularity', model: 'popularity', parameters: {}, published: null, recbole: null },
  { name: 'bpr', model: 'bpr', parameters: {}, published: null, recbole: null },
  {
    name: 'bpr, logistic',
    model: 'bpr',
    parameters: { loss: 1, negatives: 8, learningRate: 0.02, regularisation: 0.005, epochs: 20 },
    published: null,
    recbole: null,
  },
]

/** Wanted of one of the candidates by the `latest` protocol, 99 drawn items. */
const latestBars = { 'hr@10': 0.72, 'ndcg@10': 0.44 } as const

const shown = ['ndcg@10', 'recall@10', 'hr@10', 'ndcg@20', 'recall@20'] as const
type Figures = Readonly<Record<string, number>>

interface QualityRow {
  readonly name: string
  readonly parameters: Figures
  readonly candidates: string
  readonly trainSeconds: number
  /** One a seed. */
  readonly seeds: readonly Figures[]
  readonly mean: Figures
  readonly published: number | null
  readonly peer: { readonly peer: string; readonly epochs: string; readonly metrics: Figures; readonly trainSeconds: number } | null
  readonly missing: string | null
  readonly verdicts: readonly { readonly what: string; readonly pass: boolean }[]
}

export async function run(args: readonly string[]): Promise<void> {
  let flags: {
    models?: string
    seeds?: string
    peers?: boolean
    'peer-epochs'?: string[]
    param?: string[]
    protocol?: string
    threads?: string
    smoke?: boolean
    json?: boolean
  }
  try {
    flags = parseArgs({
      args: [...args],
      options: {
        models: { type: 'string' },
        seeds: { type: 'string' },
        peers: { type: 'boolean' },
        'peer-epochs': { type: 'string', multiple: true },
        param: { type: 'string', multiple: true },
        protocol: { type: 'string' },
        threads: { type: 'string' },
        smoke: { type: 'boolean' },
        json: { type: 'boolean' },
      },
    }).values
  } catch {
    process.stderr.write(usage)
    process.exitCode = 2
    return
  }
  const smoke = flags.smoke === true
  const path = smoke ? null : movieLensPath()
  if (path === null && !smoke) {
    process.stderr.write('data set ml-1m not present: set TACET_DATA to the folder that holds it, or use --smoke\n')
    process.exitCode = 3
    return
  }
  const data = path === null ? syntheticInteractions({ users: 300, items: 200, seed: 1 }).data : await readDataset(path)
  const given = parametersOf(flags.param ?? [])
  const caps = parametersOf((flags['peer-epochs'] ?? []).map((text) => text.replace('=', '.epochs=')))
  const models = flags.models?.split(',')
  const options = {
    seeds: Number(flags.seeds ?? (smoke ? 1 : 3)),
    threads: Number(flags.threads ?? 2),
    peers: flags.peers === true,
    caps,
    smoke,
  }
  const chosen = (candidates: readonly Candidate[]) =>
    candidates
      .filter(({ model }) => models === undefined || models.includes(model))
      .map((each) => ({ ...each, parameters: { ...each.parameters, ...(smoke ? shortOf(each.model) : {}), ...given[each.model] } }))
  const protocols: { name: string; split: string; rows: QualityRow[] }[] = []
  if (flags.protocol !== 'latest') {
    const split = cut(data, { kind: 'random', seed: 0, ...(smoke ? {} : { minRating: 3 }) })
    protocols.push({ name: 'random', split: split.description, rows: await randomRows(split, chosen(randomCandidates), options) })
  }
  if (flags.protocol !== 'random' && data.timestamps !== null) {
    const split = cut(data, { kind: 'leave-latest-out', seed: 0 })
    protocols.push({ name: 'latest', split: split.description, rows: await latestRows(split, chosen(latestCandidates), options) })
  }
  const report = { benchmark: 'ranking-quality', machine: { ...machine(), load: loadavg() }, data: data.name, ...options, protocols }
  process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : `${format(report)}\n`)
}

type Measured = Pick<QualityRow, 'name' | 'parameters' | 'candidates' | 'trainSeconds' | 'seeds' | 'mean'> & {
  /** The people measured. */
  readonly test: RankedPeople
}

interface RunOptions {
  readonly seeds: number
  readonly threads: number
  readonly peers: boolean
  readonly caps: Readonly<Record<string, Figures>>
  readonly smoke: boolean
}

const cut = (data: Interactions, options: RankingSplitOptions): RankingSplit => splitForRanking(data, options)

/** One pass: shows that it runs. */
const shortOf = (model: string): Figures => ('epochs' in rankingTrainer(model).parameters ? { epochs: 1 } : {})

async function randomRows(split: RankingSplit, candidates: readonly Candidate[], options: RunOptions): Promise<QualityRow[]> {
  const rows: QualityRow[] = []
  const folder = mkdtempSync(join(tmpdir(), 'tacet-quality-'))
  try {
    for (const candidate of candidates) {
      const row = (await measure(split, candidate, ['all'], options))[0] as Measured
      const asked = options.peers ? candidate.recbole : null
      const cap = asked === null ? 0 : (options.caps[candidate.model]?.['epochs'] ?? (options.smoke ? 1 : asked.epochs))
      let answer: ReturnType<typeof askPeer> | null = null
      if (asked !== null && cap === 0) answer = `not run: hours on a CPU (--peer-epochs ${candidate.model}=N runs N epochs)`
      else if (asked !== null) {
        if (split.validation === null) throw new Error('the random split has no validation part')
        writeSplit(folder, { train: split.train, validation: split.validation, test: row.test })
        // One thread: PyTorch's spin while they wait, and a figure of quality is the same.
        answer = askPeer({ peer: 'recbole', task: asked.task, epochs: cap, settings: asked.settings }, folder, 1)
      }
      const peer =
        answer === null || typeof answer === 'string'
          ? null
          : {
              peer: answer.peer,
              epochs: asked?.epochs === 1 ? 'closed form' : `${answer.epochs} epochs, at most ${cap}`,
              metrics: Object.fromEntries(
                Object.entries(answer.metrics ?? {}).map(([name, value]) => [name.replace('hit@', 'hr@'), value]),
              ),
              trainSeconds: answer.seconds.wall,
            }
      const ours = row.mean['ndcg@10'] as number
      const published = options.smoke ? null : candidate.published
      const { test: _opened, ...plain } = row
      rows.push({
        ...plain,
        published,
        peer,
        missing: typeof answer === 'string' ? answer : null,
        verdicts: [
          ...(published === null ? [] : [{ what: `ndcg@10 ≥ ${published}`, pass: ours >= published }]),
          ...(peer === null || options.smoke
            ? []
            : (['ndcg@10', 'recall@10', 'hr@10'] as const).map((name) => ({
                what: `${name} ≥ ${1 - BEHIND} × RecBole's`,
                pass: (row.mean[name] as number) >= (1 - BEHIND) * (peer.metrics[name] as number),
              }))),
        ],
      })
      process.stderr.write(`${formatRow(rows.at(-1) as QualityRow)}\n`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return rows
}

async function latestRows(split: RankingSplit, candidates: readonly Candidate[], options: RunOptions): Promise<QualityRow[]> {
  const rows: QualityRow[] = []
  for (const candidate of candidates)
    for (const { test: _opened, ...row } of await measure(split, candidate, [{ sampled: 99, seed: 0 }, 'all'], options)) {
      rows.push({ ...row, published: null, peer: null, missing: null, verdicts: [] })
      process.stderr.write(`${formatRow(rows.at(-1) as QualityRow)}\n`)
    }
  // One of them has to hold both bars.
  const best = rows
    .filter(({ candidates: set, name }) => set !== 'all' && name !== 'popularity')
    .sort((a, b) => (b.mean['ndcg@10'] as number) - (a.mean['ndcg@10'] as number))[0]
  return rows.map((row) =>
    row === best && !options.smoke
      ? {
          ...row,
          verdicts: Object.entries(latestBars).map(([name, bar]) => ({
            what: `${name} ≥ ${bar}`,
            pass: (row.mean[name] as number) >= bar,
          })),
        }
      : row,
  )
}

/** One row a candidate set: the mean over seeds of training. */
async function measure(
  split: RankingSplit,
  { name, model, parameters }: Candidate,
  sets: readonly Candidates[],
  { seeds, threads }: RunOptions,
): Promise<Measured[]> {
  const trainer = rankingTrainer(model)
  const resolved = resolveParameters(trainer, parameters)
  const figures = sets.map((): Figures[] => [])
  const labels = sets.map(() => '')
  let seconds = 0
  let test: RankedPeople | null = null
  // A model that draws nothing is the same for every seed.
  const runs = ['popularity', 'itemknn', 'ease'].includes(model) ? 1 : seeds
  for (let seed = 1; seed <= runs; seed++) {
    const startedAt = performance.now()
    const ranker: Ranker = await trainer.fit({
      positives: split.train,
      itemTable: null,
      parameters: resolved,
      privacy: null,
      random: seededRandom(seed),
      spend: () => {},
      threads,
    })
    seconds += (performance.now() - startedAt) / 1000 / runs
    test = openTest(split, freeze(ranker))
    for (const [at, candidates] of sets.entries()) {
      const evaluation = evaluateRanker(ranker, test, { candidates, metrics: ['mrr'] })
      ;(figures[at] as Figures[]).push(evaluation.metrics)
      labels[at] = evaluation.candidates
    }
  }
  if (test === null) throw new Error('no seed was run')
  const people = test
  return sets.map((_, at) => {
    const all = figures[at] as Figures[]
    const mean = Object.fromEntries(
      Object.keys(all[0] as Figures).map((metric) => [metric, all.reduce((sum, each) => sum + (each[metric] as number) / all.length, 0)]),
    )
    return { name, parameters, candidates: labels[at] as string, trainSeconds: seconds, seeds: all, mean, test: people }
  })
}

/** model.name=value → model → name → value */
function parametersOf(texts: readonly string[]): Record<string, Record<string, number>> {
  const out: Record<string, Record<string, number>> = {}
  for (const text of texts) {
    const [, model, name, value] = /^([^.=]+)\.([^.=]+)=(.+)$/.exec(text) ?? []
    if (model === undefined || name === undefined || !Number.isFinite(Number(value))) throw new Error(`"${text}" is not model.name=number`)
    out[model] = { ...out[model], [name]: Number(value) }
  }
  return out
}

function formatRow({ name, candidates, trainSeconds, seeds, mean, peer, missing, verdicts }: QualityRow): string {
  const figures = (of: Figures) => shown.map((metric) => ` ${(of[metric] ?? Number.NaN).toFixed(4).padStart(9)}`).join('')
  const spread = Math.max(...seeds.map((each) => Math.abs((each['ndcg@10'] as number) - (mean['ndcg@10'] as number))))
  return [
    `${`${name}, ${candidates}`.padEnd(40)}${figures(mean)}  ${trainSeconds.toFixed(0)} s a training${seeds.length > 1 ? `, ${seeds.length} seeds, ndcg@10 ± ${spread.toFixed(4)}` : ''}`,
    ...(peer === null ? [] : [`${`  ${peer.peer}, ${peer.epochs}`.padEnd(40)}${figures(peer.metrics)}  ${peer.trainSeconds.toFixed(0)} s`]),
    ...(missing === null ? [] : [`  RecBole: ${missing}`]),
    ...verdicts.map(({ what, pass }) => `  ${pass ? 'pass' : 'MISS'}  ${what}`),
  ].join('\n')
}

function format(report: {
  readonly machine: ReturnType<typeof machine> & { readonly load: readonly number[] }
  readonly data: string
  readonly seeds: number
  readonly peers: boolean
  readonly smoke: boolean
  readonly protocols: readonly { readonly name: string; readonly split: string; readonly rows: readonly QualityRow[] }[]
}): string {
  const { cpu, cores, node } = report.machine
  return [
    `ranking-quality · ${report.data} · ${report.seeds} seeds of training · ${cpu}, ${cores} cores · Node ${node}`,
    ...(report.smoke ? ['smoke run: shows that it runs; the figures mean nothing'] : []),
    ...(report.peers ? [] : ['RecBole was not asked (--peers asks it)']),
    ...report.protocols.flatMap(({ name, split, rows }) => [
      `${name}: ${split}`,
      `${''.padEnd(40)}${shown.map((metric) => ` ${metric.padStart(9)}`).join('')}`,
      ...rows.map(formatRow),
    ]),
  ].join('\n')
}
