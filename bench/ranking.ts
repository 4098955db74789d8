/**
 * npm run bench -- ranking [--rounds N] [--threads N] [--no-peers] [--smoke] [--json]: how long the ranking models take to train and to list, and
 * implicit, RecBole and Gorse on the same likes and cores in the same run, where bench/peers/setup.sh has set them up. Wall clock, medians.
 *
 * The likes are all of MovieLens 1M (1,000,209; `--smoke`, or where the data set is absent, a small synthetic set). It compares speed at the same
 * number of epochs, sweeps and factors, not accuracy: `npm run bench -- ranking-quality` does that.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { readDataset } from '../src/data/index.node.ts'
import { itemsOf, type Positives, positivesFrom, syntheticInteractions } from '../src/data/index.ts'
import { type Person, type Ranker, topItems } from '../src/models/index.ts'
import { seededRandom } from '../src/random/index.ts'
import { rankingTrainer, resolveParameters } from '../src/training/index.ts'
import { machine, median } from './measure.ts'
import { movieLensPath } from './movielens.ts'

const usage = 'usage: npm run bench -- ranking [--rounds N] [--threads N] [--no-peers] [--smoke] [--json]\n'
const PEERS = join(import.meta.dirname, 'peers')

interface Task {
  readonly name: string
  readonly model: string
  readonly parameters: Readonly<Record<string, number>>
  /** Seconds wanted; null: reported only. */
  readonly atMost: number | null
  /** What the seconds are divided by (epochs timed, where one is the figure). */
  readonly per: number
  readonly unit: string
  readonly peers: readonly PeerTask[]
}

interface PeerTask {
  readonly peer: 'implicit' | 'recbole' | 'gorse'
  readonly task: string
  /** Epochs or sweeps that the peer's seconds cover, if its figure has to be brought to ours. */
  readonly epochs?: number
  readonly scaleTo?: number
}

const tasks = (smoke: boolean): readonly Task[] => {
  const [bpr, sweeps, graph, dimension] = smoke ? [1, 1, 1, 8] : [20, 10, 2, 64]
  return [
    {
      name: `BPR-MF, d = ${dimension}, ${bpr} epochs`,
      model: 'bpr',
      parameters: { epochs: bpr, dimension },
      atMost: 25,
      per: 1,
      unit: 's',
      peers: [
        { peer: 'implicit', task: 'bpr' },
        { peer: 'gorse', task: 'bpr' },
        { peer: 'recbole', task: 'BPR', epochs: 1, scaleTo: 20 },
      ],
    },
    {
      name: 'EASE',
      model: 'ease',
      parameters: {},
      atMost: 15,
      per: 1,
      unit: 's',
      peers: [{ peer: 'recbole', task: 'EASE' }],
    },
    {
      name: `iALS, d = ${dimension}, ${sweeps} sweeps`,
      model: 'ials',
      parameters: { sweeps, dimension },
      atMost: 20,
      per: 1,
      unit: 's',
      peers: [
        { peer: 'implicit', task: 'als' },
        { peer: 'implicit', task: 'als-exact' },
        { peer: 'gorse', task: 'als' },
      ],
    },
    {
      name: `LightGCN, 3 layers, d = ${dimension}, one epoch`,
      model: 'lightgcn',
      parameters: { epochs: graph, layers: 3, dimension },
      atMost: null,
      per: graph,
      unit: 's',
      peers: [{ peer: 'recbole', task: 'LightGCN', epochs: 1 }],
    },
  ]
}

interface PeerResult {
  readonly peer: string
  readonly task: string
  readonly seconds: number
}

interface RankingRow {
  readonly name: string
  readonly seconds: number
  readonly all: readonly number[]
  readonly atMost: number | null
  readonly peers: readonly (PeerResult & { readonly tacetIsFaster: number })[]
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
    if (withPeers) writePairs(folder, likes)
    const rows: RankingRow[] = []
    let vectors: Ranker | null = null
    for (const task of tasks(smoke)) {
      const { row, ranker } = await timeTask(task, likes, { rounds, threads, folder: withPeers ? folder : null })
      rows.push(row)
      if (task.model === 'bpr') vectors = ranker
      process.stderr.write(`${formatRow(row)}\n`)
    }
    rows.push(timeLists(vectors as Ranker, likes, { rounds, threads, folder: withPeers ? folder : null }))
    const report = {
      benchmark: 'ranking',
      machine: machine(),
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
  const all: number[] = []
  const peers = new Map<PeerTask, number[]>()
  const names = new Map<PeerTask, string>()
  const missing: string[] = []
  let ranker: Ranker | null = null
  for (let round = 0; round < rounds; round++) {
    const startedAt = performance.now()
    ranker = await trainer.fit({
      positives,
      itemTable: null,
      parameters: resolveParameters(trainer, task.parameters),
      privacy: null,
      random: seededRandom(round + 1),
      spend: () => {},
      threads,
    })
    all.push((performance.now() - startedAt) / 1000 / task.per)
    for (const peer of folder === null ? [] : task.peers) {
      const answer = askPeer(peer, folder as string, threads)
      if (typeof answer === 'string') {
        if (round === 0) missing.push(`${peer.peer}: ${answer}`)
        continue
      }
      names.set(peer, answer.peer)
      peers.set(peer, [...(peers.get(peer) ?? []), (answer.seconds / (peer.epochs ?? 1)) * (peer.scaleTo ?? 1)])
    }
  }
  const seconds = median(all)
  return {
    row: {
      name: task.name,
      seconds,
      all,
      atMost: task.atMost,
      peers: [...peers].map(([peer, times]) => ({
        peer: names.get(peer) as string,
        task: peer.task,
        seconds: median(times),
        tacetIsFaster: median(times) / seconds,
      })),
      missing,
    },
    ranker: ranker as Ranker,
  }
}

/** Top 20 of everybody, without what they have. */
function timeLists(
  ranker: Ranker,
  likes: Positives,
  { rounds, threads, folder }: { rounds: number; threads: number; folder: string | null },
): RankingRow {
  const batch = 256
  const out = new Float32Array(batch * likes.itemCount)
  const all: number[] = []
  for (let round = 0; round < Math.max(3, rounds); round++) {
    const startedAt = performance.now()
    for (let start = 0; start < likes.personCount; start += batch) {
      const people: Person[] = []
      for (let person = start; person < Math.min(likes.personCount, start + batch); person++)
        people.push({ userIndex: person, history: itemsOf(likes, person) })
      ranker.scoreAll(people, out)
      for (const [at, person] of people.entries())
        topItems(out.subarray(at * likes.itemCount, (at + 1) * likes.itemCount), 20, { exclude: person.history })
    }
    all.push((performance.now() - startedAt) / 1000)
  }
  const seconds = median(all)
  const peers: RankingRow['peers'][number][] = []
  const missing: string[] = []
  if (folder !== null) {
    const answer = askPeer({ peer: 'implicit', task: 'top20' }, folder, threads)
    if (typeof answer === 'string') missing.push(`implicit: ${answer}`)
    else peers.push({ peer: answer.peer, task: 'top20', seconds: answer.seconds, tacetIsFaster: answer.seconds / seconds })
  }
  return { name: 'top 20 for everybody, d = 64', seconds, all, atMost: 1.5, peers, missing }
}

/** The peer's answer, or why there is none. */
function askPeer({ peer, task, epochs }: PeerTask, folder: string, threads: number): { peer: string; seconds: number } | string {
  const home = join(PEERS, `.venv-${peer}`)
  const failed = join(home, 'failed.txt')
  if (existsSync(failed)) return `not installed: ${readFileSync(failed, 'utf8').trim()}`
  const program = peer === 'gorse' ? join(home, 'gorse-contestant') : join(home, 'bin/python')
  if (!existsSync(program)) return `not set up (bash bench/peers/setup.sh ${peer})`
  const script = peer === 'gorse' ? [] : [join(PEERS, `${peer}_contestant.py`)]
  const rest = peer === 'recbole' ? [task, String(epochs ?? 1), 'embedding_size=64'] : task === 'top20' ? ['bpr', 'top20'] : [task]
  const { status, stdout, stderr } = spawnSync(program, [...script, folder, String(threads), ...rest], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
  const line = stdout.trim().split('\n').at(-1) ?? ''
  if (status !== 0 || !line.startsWith('{')) return `failed: ${(stderr.trim().split('\n').at(-1) ?? `exit ${status}`).slice(0, 200)}`
  const answer = JSON.parse(line) as { peer: string; seconds: { wall: number } }
  return { peer: answer.peer, seconds: answer.seconds.wall }
}

/** train.tsv and meta.json for implicit and Gorse; the same pairs as RecBole's files, with a token pair as validation and test. */
function writePairs(folder: string, likes: Positives): void {
  writeFileSync(join(folder, 'meta.json'), JSON.stringify({ people: likes.personCount, items: likes.itemCount }))
  const lines: string[] = []
  for (let person = 0; person < likes.personCount; person++) for (const item of itemsOf(likes, person)) lines.push(`${person}\t${item}`)
  writeFileSync(join(folder, 'train.tsv'), `${lines.join('\n')}\n`)
  execFileSync('mkdir', ['-p', join(folder, 'tacet')])
  const header = 'user_id:token\titem_id:token\n'
  writeFileSync(join(folder, 'tacet/tacet.train.inter'), `${header}${lines.slice(2).join('\n')}\n`)
  writeFileSync(join(folder, 'tacet/tacet.valid.inter'), `${header}${lines[0]}\n`)
  writeFileSync(join(folder, 'tacet/tacet.test.inter'), `${header}${lines[1]}\n`)
}

const short = (seconds: number) => `${seconds < 10 ? seconds.toFixed(2) : seconds.toFixed(1)} s`

function formatRow({ name, seconds, atMost, peers, missing }: RankingRow): string {
  const wanted = atMost === null ? '' : `≤ ${atMost} s ${seconds <= atMost ? 'pass' : 'MISS'}`
  return [
    `${name.padEnd(42)} ${short(seconds).padStart(8)}  ${wanted}`,
    ...peers.map(
      ({ peer, task, seconds: theirs, tacetIsFaster }) =>
        `${`  ${peer} ${task}`.padEnd(42)} ${short(theirs).padStart(8)}  Tacet is ${tacetIsFaster.toFixed(2)}× as fast`,
    ),
    ...missing.map((reason) => `  ${reason}`),
  ].join('\n')
}

function format(report: {
  readonly machine: ReturnType<typeof machine>
  readonly data: string
  readonly threads: number
  readonly rounds: number
  readonly smoke: boolean
  readonly rows: readonly RankingRow[]
}): string {
  const { cpu, cores, node } = report.machine
  return [
    `ranking · ${cpu} · ${cores} cores, ${report.threads} threads allowed · Node ${node} · ${report.data} · median of ${report.rounds}`,
    ...(report.smoke ? ['smoke run: shows that it runs; the figures mean nothing'] : []),
    ...report.rows.map(formatRow),
  ].join('\n')
}
