/** The promises about models that rank, for `npm run prove`: 2.1 … 2.12. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  atLeast,
  atMost,
  bench,
  data,
  dataSet,
  hold,
  mean,
  type Promised,
  root,
  show,
  tacet,
  tell,
  tests,
  within,
  work,
} from './prove-tools.ts'

type Figures = Readonly<Record<string, number>>

interface RankingTrained {
  readonly model: string
  readonly metrics: Figures
  readonly baselines: { readonly popularity: Figures; readonly privatePopularity: Figures | null }
  readonly gate: { readonly beatsPrivatePopularity: boolean; readonly kept: boolean; readonly saved: string } | null
  readonly privacy: { readonly epsilon: number } | null
  readonly data: { readonly users: number; readonly items: number }
}

interface QualityReport {
  readonly protocols: readonly {
    readonly name: string
    readonly rows: readonly {
      readonly name: string
      readonly candidates: string
      readonly mean: Figures
      readonly peer: { readonly peer: string; readonly metrics: Figures } | null
      readonly missing: string | null
      readonly verdicts: readonly { readonly what: string; readonly pass: boolean }[]
    }[]
  }[]
}

interface SpeedReport {
  readonly rows: readonly {
    readonly name: string
    readonly seconds: { readonly wall: number; readonly cpu: number }
    readonly atMost: number | null
    readonly peers: readonly { readonly peer: string; readonly task: string; readonly tacetIsFaster: { readonly wall: number } }[]
    readonly missing: readonly string[]
  }[]
}

/** What `tacet compare` leaves of one run. */
interface ComparedRun {
  readonly model: string
  readonly seed: number
  readonly privacy: { readonly epsilon: number } | null
  readonly result:
    | { readonly kind: 'measured'; readonly metrics: Figures; readonly events: readonly unknown[] }
    | { readonly kind: 'refused'; readonly reason: string }
}

/** The quality benchmark, its own verdicts. */
function quality(...args: readonly string[]): void {
  for (const { name: protocol, rows } of bench<QualityReport>('ranking-quality', ...args).protocols)
    for (const { name, candidates, mean: figures, peer, missing, verdicts } of rows) {
      const what = `${protocol}, ${name}, ${candidates}`
      tell(`${what}, ndcg@10`, figures['ndcg@10'] as number)
      tell(`${what}, hr@10`, figures['hr@10'] as number)
      if (peer) tell(`${what}, ndcg@10 of ${peer.peer}`, peer.metrics['ndcg@10'] as number)
      for (const { what: bar, pass } of verdicts) hold(what, (figures[bar.split(' ')[0] as string] as number) ?? '', bar, pass)
      if (missing !== null) hold(`${what}, RecBole`, missing, 'runs', false)
    }
}

const levels = [0.5, 1, 2, 4, 8] as const

let folders = 0
/** All runs of a comparison, by ε and model. */
function compared(dataset: string, models: readonly string[], seeds: number, ...flags: readonly string[]) {
  const out = join(work, `compared-${folders++}`)
  const { status } = show(process.execPath, [
    join(root, 'src/cli/main.ts'),
    'compare',
    '--data',
    dataSet(dataset),
    '--models',
    models.join(','),
    '--epsilons',
    [...levels, 'inf'].join(','),
    '--delta',
    '1e-6',
    '--seeds',
    String(seeds),
    '--out',
    out,
    ...flags,
  ])
  if (status !== 0) throw new Error(`tacet compare on ${dataset}: exit ${status}`)
  const jobs = join(out, 'jobs')
  const runs = readdirSync(jobs).map((name) => JSON.parse(readFileSync(join(jobs, name), 'utf8')) as ComparedRun)
  rmSync(out, { recursive: true, force: true })
  return (model: string, epsilon: number) =>
    runs
      .filter((run) => run.model === model && (run.privacy?.epsilon ?? Number.POSITIVE_INFINITY) === epsilon)
      .sort((a, b) => a.seed - b.seed)
      .flatMap(({ result }) => (result.kind === 'measured' ? [result] : []))
}

/** `item-gram` at each ε: the mean of its seeds against the bar, every seed against private popularity where it released a Gram matrix. */
function frontier(name: string, metric: string, bars: readonly number[] | null, runs: ReturnType<typeof compared>): void {
  for (const [at, epsilon] of levels.entries()) {
    const ours = runs('item-gram', epsilon)
    const popularity = runs('popularity', epsilon)
    const what = `${name}, ${metric}, ε = ${epsilon}`
    const figure = mean(ours.map(({ metrics }) => metrics[metric] as number))
    if (bars === null) tell(what, figure)
    else atLeast(`${what}, mean of ${ours.length}`, figure, bars[at] as number)
    tell(`${what}, private popularity`, mean(popularity.map(({ metrics }) => metrics[metric] as number)))
    const withGram = ours.flatMap((run, seed) => (run.events.length > 1 ? [[run, popularity[seed]] as const] : []))
    if (withGram.length === 0) process.stdout.write(`figure  ${what}: the guard spends all on popularity\n`)
    else if (bars !== null)
      hold(
        `${what}, least lead over private popularity of a seed`,
        Math.min(...withGram.map(([run, base]) => (run.metrics[metric] as number) - (base?.metrics[metric] as number))),
        '> 0',
        withGram.every(([run, base]) => (run.metrics[metric] as number) > (base?.metrics[metric] as number)),
      )
  }
}

let runs = 0
function trainRanking(dataset: string, ...flags: readonly string[]): { readonly report: RankingTrained; readonly run: string } {
  const run = join(work, `ranking-${runs++}`)
  return { report: tacet<RankingTrained>('train', '--data', dataSet(dataset), '--min-rating', '4', '--out', run, ...flags), run }
}

/** Names and shapes of a safetensors file, read from its header. */
function tensorShapes(path: string): Readonly<Record<string, readonly number[]>> {
  const file = readFileSync(path)
  const header = JSON.parse(file.subarray(8, 8 + Number(file.readBigUInt64LE(0))).toString()) as Record<
    string,
    { readonly shape?: readonly number[] }
  >
  return Object.fromEntries(Object.entries(header).flatMap(([name, { shape }]) => (shape === undefined ? [] : [[name, shape]])))
}

export const rankingPromises: Readonly<Record<string, Promised>> = {
  '2.1': {
    title: "lists without privacy by RecBole's protocol on MovieLens 1M, beside what is published and RecBole on the same split",
    run: () => quality('--protocol', 'random', '--peers'),
  },
  '2.2': {
    title: 'the latest like among 99 drawn items on MovieLens 1M, and among all items',
    run: () => quality('--protocol', 'latest'),
  },
  '2.3': {
    title: 'item-gram, private for a whole person, at each ε on MovieLens 1M and Gowalla, against the bars and private popularity',
    run() {
      const own = compared('ml-1m', ['item-gram', 'ease'], 5, '--min-rating', '4', '--split', 'per-user-chronological')
      frontier('ml-1m per-user-chronological', 'ndcg@10', [0.084, 0.09, 0.093, 0.096, 0.097], own)
      atLeast('ml-1m per-user-chronological, EASE, ndcg@10', own('ease', Number.POSITIVE_INFINITY)[0]?.metrics['ndcg@10'] as number, 0.11)
      const strangers = compared('ml-1m', ['item-gram', 'ease'], 5, '--min-rating', '4', '--metric', 'ndcg@100')
      frontier('ml-1m held-out people', 'ndcg@100', [0.233, 0.27, 0.305, 0.337, 0.362], strangers)
      atLeast('ml-1m held-out people, EASE, ndcg@100', strangers('ease', Number.POSITIVE_INFINITY)[0]?.metrics['ndcg@100'] as number, 0.415)
      frontier(
        'gowalla given',
        'ndcg@10',
        [0.037, 0.05, 0.062, 0.074, 0.083],
        compared('gowalla-lightgcn', ['item-gram'], 5, '--split', 'given'),
      )
      for (const [name, ...flags] of [['ml-100k', '--min-rating', '4'], ['lastfm-2k'], ['ml-latest-small', '--min-rating', '4']] as const)
        if (existsSync(join(data, name))) frontier(`${name} held-out people`, 'ndcg@100', null, compared(name, ['item-gram'], 5, ...flags))
    },
  },
  '2.4': {
    title: 'the gate: popularity is saved where the private model does not beat it, the model where it does',
    run() {
      const asked = (data: string, model: string, epsilon: string, ...flags: readonly string[]) =>
        trainRanking(data, '--model', model, '--epsilon', epsilon, '--split', 'held-out-users', '--seed', '1', ...flags)
      for (const [data, model, epsilon, wins] of [
        ['ml-100k', 'dpals', '0.2', false],
        ['ml-1m', 'item-gram', '0.05', false],
        ['ml-1m', 'item-gram', '4', true],
      ] as const) {
        const { report, run } = asked(data, model, epsilon)
        const { gate, metrics, baselines, privacy } = report
        const what = `${data}, ${model} at ε = ${epsilon}`
        tell(`${what}, ndcg@10 of what is saved`, metrics['ndcg@10'] as number)
        tell(`${what}, ndcg@10 of private popularity`, baselines.privatePopularity?.['ndcg@10'] as number)
        hold(`${what}, beats private popularity`, String(gate?.beatsPrivatePopularity), String(wins), gate?.beatsPrivatePopularity === wins)
        hold(`${what}, kept`, String(gate?.kept), String(wins), gate?.kept === wins)
        const tensors = Object.keys(tensorShapes(join(run, 'model.safetensors')))
        hold(
          `${what}, the saved file holds`,
          tensors.join(', '),
          wins ? 'the model' : 'popularity alone',
          (tensors.join() === 'popularity') === !wins,
        )
        atMost(`${what}, ε as stated`, privacy?.epsilon ?? Number.POSITIVE_INFINITY, Number(epsilon))
      }
      const { gate } = asked('ml-100k', 'dpals', '0.2', '--keep-anyway').report
      hold('ml-100k, dpals at ε = 0.2 with --keep-anyway, saved', gate?.saved ?? 'no gate', 'dpals', gate?.saved === 'dpals')
    },
  },
  '2.5': {
    title: 'speed of the ranking models and of lists, beside implicit, RecBole and Gorse on the same cores',
    run() {
      for (const { name, seconds, atMost: bar, peers, missing } of bench<SpeedReport>('ranking').rows) {
        if (bar === null) tell(name, seconds.wall, ' s')
        else atMost(name, seconds.wall, bar, ' s')
        for (const { peer, task, tacetIsFaster } of peers) tell(`${name}, as fast as ${peer} ${task}`, tacetIsFaster.wall, '×')
        for (const reason of missing) hold(`${name}, peer`, reason, 'runs', false)
      }
    },
  },
  '2.6': {
    title: 'lazy noise: a private step at most 3.5 sparse ones, and the same distribution as dense noise',
    run() {
      const { rows } = bench<{ readonly rows: readonly { readonly name: string; readonly value: number }[] }>('lazy-noise')
      atMost(rows[0]?.name as string, rows[0]?.value as number, 3.5, '×')
      tests('lazy against dense noise', ['src/training/ranking/lazy-noise.test.ts'])
    },
  },
  '2.7': {
    title: 'what a person costs, sampled as a person or by their rows, as published; by `tacet account`',
    run() {
      const rows = ['--sample-rate', String(512 / 800_167), '--steps', '7814', '--delta', '1e-5'] as const
      for (const [held, epsilons] of [
        ['16', [5.61, 1.18, 0.66]],
        ['77', [41.2, 7.08, 3.8]],
        ['132', [90, 13.7, 7.14]],
        ['1851', [7975, 805, 315]],
      ] as const)
        for (const [at, sigma] of [1, 3, 5].entries()) {
          const answer = tacet('account', '--noise-multiplier', String(sigma), ...rows, '--max-examples-per-user', held)
          within(`rows drawn, a person with ${held}, σ = ${sigma}`, answer.epsilon as number, epsilons[at] as number, 0.01)
        }
      for (const [rate, steps, sigmas] of [
        ['0.1', '200', [10.08, 5.43, 3.01, 1.76, 1.13]],
        ['0.05', '500', [7.98, 4.3, 2.4, 1.45, 0.97]],
        ['1', '20', [31.4, 16.7, 8.92, 4.84, 2.68]],
      ] as const)
        for (const [at, epsilon] of levels.entries()) {
          const plan = ['--sample-rate', rate, '--steps', steps, '--delta', '1e-5', '--privacy-unit', 'user'] as const
          const answer = tacet('account', '--epsilon', String(epsilon), ...plan)
          within(
            `people drawn, q = ${rate}, ${steps} steps, σ for ε = ${epsilon}`,
            answer.noiseMultiplier as number,
            sigmas[at] as number,
            0.01,
          )
        }
      tests('user-level accounting', ['src/privacy/accounting/user-level.test.ts'])
    },
  },
  '2.8': {
    title: 'every private statistic and gradient moves by at most its claimed sensitivity: ten thousand neighbours each',
    run: () => tests('sensitivity', ['src/training', 'src/privacy/mechanisms']),
  },
  '2.9': {
    title: 'people as canaries: below the claim on correct code, every planted bug caught; `tacet audit` on ranking runs',
    run() {
      tests('attacks', ['src/attacks'])
      for (const model of ['item-gram', 'dpals']) {
        const { run } = trainRanking('ml-100k', '--model', model, '--epsilon', '8', '--keep-anyway')
        const { status } = show(process.execPath, [join(root, 'src/cli/main.ts'), 'audit', run])
        hold(`tacet audit of ${model}`, `exit ${status}`, 'exit 0', status === 0)
      }
    },
  },
  '2.10': {
    title: 'metrics as other toolkits give them, their deviations by name; ties, empty sets and NaN as documented',
    run() {
      const { metrics } = tacet<{ readonly metrics: readonly { readonly name: string; readonly definition: string }[] }>(
        'metrics',
        '--list',
      )
      const wanted = ['ndcg', 'hr', 'precision', 'recall', 'mrr', 'map', 'auc']
      const absent = wanted.filter((name) => !metrics.some((metric) => metric.name === name && metric.definition.length > 0))
      hold('tacet metrics --list', `${metrics.length} definitions`, wanted.join(', '), absent.length === 0)
      tests('metrics', ['src/evaluation', 'test/cli/metrics.test.ts'])
    },
  },
  '2.11': {
    title: 'the released file of a model that is private for a person holds nothing with a row a person',
    run() {
      for (const model of ['item-gram', 'dpals', 'content-popularity', 'popularity', 'bpr', 'neumf', 'item-fold-in']) {
        const { report, run } = trainRanking('ml-1m', '--model', model, '--epsilon', '4', '--keep-anyway', '--seed', '1')
        const shapes = tensorShapes(join(run, 'model.safetensors'))
        const listed = Object.entries(shapes).map(([name, shape]) => `${name} [${shape.join(' × ')}]`)
        const { users, items } = report.data
        hold(
          `${model}, tensors`,
          listed.join(', '),
          `none of ${users} rows (items: ${items})`,
          users !== items && Object.values(shapes).every((shape) => shape.every((length) => length !== users)),
        )
      }
    },
  },
  '2.12': {
    title: 'the demo ranks too; a list for a history nobody trained on, with titles and reasons',
    run() {
      const { status } = show('npm', ['run', 'demo', '--', '--once', '--out', join(work, 'demo')])
      hold('npm run demo', `exit ${status}`, 'exit 0', status === 0)
      const { run } = trainRanking('ml-1m', '--model', 'item-gram', '--epsilon', '4', '--seed', '1')
      const { status: shown, stdout } = spawnSync(
        process.execPath,
        [join(root, 'src/cli/main.ts'), 'recommend', run, '--history', '260,1196,1210', '-n', '10', '--quiet'],
        { encoding: 'utf8' },
      )
      process.stdout.write(stdout)
      hold('tacet recommend', `exit ${shown}`, 'exit 0', shown === 0)
      const { items } = tacet<{ readonly items: readonly { readonly title?: string; readonly because: readonly unknown[] }[] }>(
        'recommend',
        run,
        '--history',
        '260,1196,1210',
        '-n',
        '10',
      )
      hold('items with a title', items.filter(({ title }) => title).length, '10', items.length === 10 && items.every(({ title }) => title))
      hold(
        'items with a reason',
        items.filter(({ because }) => because.length > 0).length,
        '≥ 8',
        items.filter(({ because }) => because.length > 0).length >= 8,
      )
    },
  },
}
