/**
 * npm run bench -- ranking [--rounds N] [--threads N] [--no-peers] [--smoke] [--json]: how long the ranking models take to train and to list, and
 * implicit, RecBole and Gorse on the same likes and cores in the same run, where bench/peers/setup.sh has set them up. Medians of wall clock, with
 * the CPU time beside it: on a machine that does other things the wall clock measures those too, and the first line states the load.
 *
 * The likes are all of MovieLens 1M (1,000,209; `--smoke`, or where the data set is absent, a small synthetic set). It compares speed at the same
 * number of epochs, sweeps and factors, not accuracy: `npm run bench -- ranking-quality` does that.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { readDataset } from '../src/data/index.node.ts'
import { itemsOf, type Positives, positivesFrom, syntheticInteractions } from '../src/data/index.ts'
import { type Ranker, topLists } from '../src/models/index.ts'
import { seededRandom } from '../src/random/index.ts'
import { rankingTrainer, resolveParameters } from '../src/training/index.ts'
import { cpuMs, machine, median } from './measure.ts'
import { movieLensPath } from './movielens.ts'
import { askPeer, type PeerAnswer, type PeerQuestion, type Seconds, writeLikes } from './ranking-peers.ts'

const usage = 'usage: npm run bench -- ranking [--rounds N] [--threads N] [--no-peers] [--smoke] [--json]\n'

interface Task {
  readonly name: string
  readonly model: string
  readonly parameters: Readonly<Record<string, number>>
  /** Seconds wanted; null: reported only. */
  readonly atMost: number | null
  /** What the seconds are divided by (epochs timed, where one is the figure). */
  readonly per: number
  readonly peers: readonly PeerTask[]
}

interface PeerTask extends PeerQuestion {
  /** The peer's seconds, which are of one epoch, are brought to so many. */
  readonly scaleTo?: number
  /** Asked in the first round only: it takes minutes. */
  readonly once?: boolean
}

const tasks = (smoke: boolean): readonly Task[] => {
  const [bpr, sweeps, graph, dimension] = smoke ? [1, 1, 1, 8] : [20, 10, 1, 64]
  const layers = 3
  return [
    {
      name: `BPR-MF, d = ${dimension}, ${bpr} epochs`,
      model: 'bpr',
      // As the peers: one drawn item a like.
      parameters: { epochs: bpr, dimension, negatives: 1, hardest: 0 },
      atMost: 25,
      per: 1,
      peers: [
        { peer: 'implicit', task: 'bpr' },
        { peer: 'gorse', task: 'bpr' },
        { peer: 'recbole', task: 'BPR', settings: { steps: 60 }, scaleTo: bpr, once: true },
      ],
    },
    {
      name: `BPR-MF, the hardest of 5, ${bpr} epochs`,
      model: 'bpr',
      parameters: { epochs: bpr, dimension },
      atMost: 25,
      per: 1,
      peers: [],
    },
    {
      name: 'EASE',
      model: 'ease',
      parameters: {},
      atMost: 15,
      per: 1,
      peers: [{ peer: 'recbole', task: 'EASE', once: true }],
    },
    {
      name: `iALS, d = ${dimension}, ${sweeps} sweeps`,
      model: 'ials',
      parameters: { sweeps, dimension },
      atMost: 20,
      per: 1,
      peers: [
        { peer: 'implicit', task: 'als' },
        { peer: 'implicit', task: 'als-exact' },
        { peer: 'gorse', task: 'als' },
      ],
    },
    {
      name: `LightGCN, 3 layers, d = ${dimension}, one epoch`,
      model: 'lightgcn',
      parameters: { epochs: graph, layers, dimension },
      atMost: null,
      per: graph,
      peers: [{ peer: 'recbole', task: 'LightGCN', settings: { steps: 8, n_layers: layers }, once: true }],
    },
  ]
}

interface PeerResult {
  readonly peer: string
  readonly task: string
  readonly seconds: Seconds
  /** Theirs ÷ ours. */
  readonly tacetIsFaster: Seconds
}

interface RankingRow {
  readonly name: string
  readonly seconds: Seconds
  readonly all: readonly Seconds[]
  readonly atMost: number | null
  readonly peers: readonly PeerResult[]
  readonly missing: readonly string[]
}

export async function run(args: readonly string[]): Promise<void> {
  let flags: { rounds?: string; threads?: string; 'no-peers'?: boolean; smoke?: boolean; json?: boolean }
  try {
    flags = parseArgs({
      args: [...args],
      options: {
        rounds: { type: 'string' },
        threads: { type: 'string' },
        'no-peers': { type: 'boolean' },
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
  const rounds = Number(flags.rounds ?? (smoke ? 1 : 3))
  const threads = Number(flags.threads ?? 2)
  const path = smoke ? null : movieLensPath()
  const data = path === null ? syntheticInteractions({ users: 300, items: 200, seed: 1 }).data : await readDataset(path)
  const likes = likesOf(data.users, data.items, data.userIds.length, data.itemIds.length)
  const folder = mkdtempSync(join(tmpdir(), 'tacet-ranking-'))
  try {
    const withPeers = !smoke && flags['no-peers'] !== true
    if (withPeers) writeLikes(folder, likes)
    const rows: RankingRow[] = []
    let vectors: Ranker | null = null
    for (const task of tasks(smoke)) {
      const { row, ranker } = await timeTask(task, likes, { rounds, threads, folder: withPeers ? folder : null })
      rows.push(smoke ? { ...row, atMost: null } : row)
      if (task.model === 'bpr') vectors = ranker
      process.stderr.write(`${formatRow(row)}\n`)
    }
    rows.push(timeLists(vectors as Ranker, likes, { rounds, threads, folder: withPeers ? folder : null }))
    const report = {
      benchmark: 'ranking',
      machine: { ...machine(), load: loadavg() },
      data: `${data.name}, ${likes.items.length} likes`,
      threads,
      rounds,
      smoke,
      rows,
    }
    process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : `${format(report)}\n`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function likesOf(users: Uint32Array, items: Uint32Array, personCount: number, itemCount: number): Positives {
  const lists: number[][] = Array.from({ length: personCount }, () => [])
  for (const [row, user] of users.entries()) (lists[user] as number[]).push(items[row] as number)
  return positivesFrom(lists, itemCount)
}

async function timeTask(
  task: Task,
  positives: Positives,
  { rounds, threads, folder }: { rounds: number; threads: number; folder: string | null },
): Promise<{ row: RankingRow; ranker: Ranker }> {
  const trainer = rankingTrainer(task.model)
  const all: Seconds[] = []
  const peers = new Map<PeerTask, Seconds[]>()
  const names = new Map<PeerTask, string>()
  const missing: string[] = []
  let ranker: Ranker | null = null
  for (let round = 0; round < rounds; round++) {
    const stop = startClock()
    ranker = await trainer.fit({
      positives,
      itemTable: null,
      parameters: resolveParameters(trainer, task.parameters),
      privacy: null,
      random: seededRandom(round + 1),
      spend: () => {},
      threads,
    })
    all.push(scaled(stop(), 1 / task.per))
    for (const peer of folder === null ? [] : task.peers) {
      if (peer.once && round > 0) continue
      const answer = fastest(peer, folder as string, threads)
      if (typeof answer === 'string') {
        if (round === 0) missing.push(`${peer.peer}: ${answer}`)
        continue
      }
      names.set(peer, answer.peer)
      peers.set(peer, [...(peers.get(peer) ?? []), scaled(answer.seconds, peer.scaleTo ?? 1)])
    }
  }
  const seconds = medians(all)
  return {
    row: {
      name: task.name,
      seconds,
      all,
      atMost: task.atMost,
      peers: [...peers].map(([peer, times]) => {
        const { task, settings } = peer
        const steps = settings?.['steps']
        const name = steps === undefined ? task : `${task}, from ${steps} steps`
        return compared({ peer: names.get(peer) as string, task: name, seconds: medians(times) }, seconds)
      }),
      missing,
    },
    ranker: ranker as Ranker,
  }
}

/**
 * RecBole is asked with every thread and with one, and its faster answer counts: PyTorch's threads wait for one another by spinning, which on a busy
 * machine costs more than they bring.
 */
function fastest(question: PeerQuestion, folder: string, threads: number): PeerAnswer | string {
  const counts = question.peer === 'recbole' && threads > 1 ? [threads, 1] : [threads]
  const answers = counts.map((count) => {
    const answer = askPeer(question, folder, count)
    return typeof answer === 'string' || count === threads ? answer : { ...answer, peer: `${answer.peer}, one thread,` }
  })
  return answers.reduce((best, answer) =>
    typeof answer !== 'string' && (typeof best === 'string' || answer.seconds.wall < best.seconds.wall) ? answer : best,
  )
}

/** Top 20 of everybody, without what they have. */
function timeLists(
  ranker: Ranker,
  likes: Positives,
  { rounds, threads, folder }: { rounds: number; threads: number; folder: string | null },
): RankingRow {
  const people = Array.from({ length: likes.personCount }, (_, person) => ({ userIndex: person, history: itemsOf(likes, person) }))
  const all: Seconds[] = []
  for (let round = 0; round < Math.max(3, rounds); round++) {
    const stop = startClock()
    topLists(ranker, people, 20)
    all.push(stop())
  }
  const seconds = medians(all)
  const peers: PeerResult[] = []
  const missing: string[] = []
  if (folder !== null) {
    const answer = askPeer({ peer: 'implicit', task: 'top20' }, folder, threads)
    if (typeof answer === 'string') missing.push(`implicit: ${answer}`)
    else peers.push(compared({ peer: answer.peer, seconds: answer.seconds, task: 'top 20' }, seconds))
  }
  return { name: 'top 20 for everybody, d = 64', seconds, all, atMost: 1.5, peers, missing }
}

function startClock(): () => Seconds {
  const [wall, cpu] = [performance.now(), cpuMs()]
  return () => ({ wall: (performance.now() - wall) / 1000, cpu: (cpuMs() - cpu) / 1000 })
}

const scaled = ({ wall, cpu }: Seconds, by: number): Seconds => ({ wall: wall * by, cpu: cpu * by })

const medians = (all: readonly Seconds[]): Seconds => ({
  wall: median(all.map(({ wall }) => wall)),
  cpu: median(all.map(({ cpu }) => cpu)),
})

const compared = (theirs: Omit<PeerResult, 'tacetIsFaster'>, ours: Seconds): PeerResult => ({
  ...theirs,
  tacetIsFaster: { wall: theirs.seconds.wall / ours.wall, cpu: theirs.seconds.cpu / ours.cpu },
})

const short = (seconds: number) => `${seconds < 10 ? seconds.toFixed(2) : seconds.toFixed(1)} s`
const columns = ({ wall, cpu }: Seconds) => `${short(wall).padStart(8)} ${`(${short(cpu)} CPU)`.padStart(14)}`

function formatRow({ name, seconds, atMost, peers, missing }: RankingRow): string {
  const wanted = atMost === null ? '' : `≤ ${atMost} s ${seconds.wall <= atMost ? 'pass' : 'MISS'}`
  return [
    `${name.padEnd(42)} ${columns(seconds)}  ${wanted}`,
    ...peers.map(
      ({ peer, task, seconds: theirs, tacetIsFaster: { wall, cpu } }) =>
        `${`  ${peer} ${task}`.padEnd(42)} ${columns(theirs)}  Tacet is ${wall.toFixed(2)}× as fast (${cpu.toFixed(2)}× by CPU time)`,
    ),
    ...missing.map((reason) => `  ${reason}`),
  ].join('\n')
}

function format(report: {
  readonly machine: ReturnType<typeof machine> & { readonly load: readonly number[] }
  readonly data: string
  readonly threads: number
  readonly rounds: number
  readonly smoke: boolean
  readonly rows: readonly RankingRow[]
}): string {
  const { cpu, cores, node, load } = report.machine
  return [
    `ranking · ${cpu} · ${cores} cores, ${report.threads} threads allowed · Node ${node} · ${report.data} · median of ${report.rounds}`,
    `load of the machine over the last 1, 5 and 15 minutes: ${load.map((value) => value.toFixed(1)).join(', ')}`,
    ...(report.smoke ? ['smoke run: shows that it runs; the figures mean nothing'] : []),
    ...report.rows.map(formatRow),
  ].join('\n')
}
