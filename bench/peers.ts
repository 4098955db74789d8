/**
 * npm run bench -- peers [--rounds N] [--threads 1|2|both] [--batch-size B] [--smoke] [--json]: seed 000's Wide & Deep, one step with and without DP-Adam, by Tacet,
 * Opacus and TensorFlow Privacy on the same cores, taking turns in one run. Set the peers up with bench/peers/setup.sh first.
 *
 * Every contestant is a process of its own, pinned to the same core or cores, fed the same rows in the same batches. What is timed is the step:
 * batches are ready beforehand (`sampled` adds each library's own Poisson sampling). Where a library has several ways, all are timed and its best
 * counts. On one core the clock is the process's CPU time, so that what else the machine does falls on nobody; on two it is the wall's.
 * It compares speed, not accuracy.
 */
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { parseArgs } from 'node:util'
import type { AttributeColumn } from '../src/data/index.ts'
import { seededRandom } from '../src/random/index.ts'
import { machine, median } from './measure.ts'
import { movieLensColumns, type TrainingColumns } from './movielens.ts'

/** meta.json in the folder the contestants read. */
export interface ContestMeta {
  readonly users: number
  readonly items: number
  readonly batchSize: number
  readonly threads: number
  readonly maxGradNorm: number
  readonly noiseMultiplier: number
  readonly learningRate: number
}

interface Introduction {
  readonly name: string
  readonly version: string
  readonly parameters: number
  readonly variants: readonly string[]
  readonly failures: readonly { readonly variant: string; readonly reason: string }[]
}

interface Turn {
  readonly wall: number
  readonly cpu: number
  readonly loss: number
}

interface Contestant {
  readonly introduction: Introduction
  turn(variant: string, steps: number): Promise<Turn>
  close(): void
}

export interface VariantResult {
  readonly variant: string
  readonly millisecondsPerStep: number
  readonly examplesPerSecond: number
}

export interface ContestantResult {
  readonly name: string
  readonly version: string
  readonly parameters: number
  readonly variants: readonly VariantResult[]
  readonly failures: Introduction['failures']
  /** Its fastest way without and with privacy. */
  readonly bestPlain: VariantResult
  readonly bestPrivate: VariantResult
  /** Time of the fastest private step ÷ time of the fastest plain one. */
  readonly privateToPlain: number
  /** How many times Tacet's private step is as fast as its fastest and its usual one; null for Tacet. */
  readonly tacetPrivateIsFaster: number | null
  readonly tacetPrivateIsFasterThanUsual: number | null
  readonly tacetPlainIsFaster: number | null
}

export interface PeersReport {
  readonly benchmark: 'peers'
  readonly machine: ReturnType<typeof machine>
  readonly data: string
  readonly batchSize: number
  readonly rounds: number
  readonly smoke: boolean
  readonly runs: readonly {
    readonly threads: number
    readonly clock: 'cpu' | 'wall'
    readonly contestants: readonly ContestantResult[]
  }[]
  readonly missing: readonly { readonly name: string; readonly reason: string }[]
}

const PEERS = join(import.meta.dirname, 'peers')
const PYTHON_PEERS = [
  // `usual`: what its documentation leads to and seed 000's kind of script uses (PrivacyEngine.make_private as it comes; DPKerasAdamOptimizer).
  { name: 'Opacus', environment: 'opacus', script: 'opacus_contestant.py', usual: 'private:hooks' },
  { name: 'TensorFlow Privacy', environment: 'tf', script: 'tf_contestant.py', usual: 'private:keras' },
]
const WANTED_RATIO = 20
const usage =
  'usage: npm run bench -- peers [--rounds N] [--threads 1|2|both] [--batch-size B] [--smoke] [--json]\n       set the peers up first: bash bench/peers/setup.sh\n'

export async function run(args: readonly string[]): Promise<void> {
  const options = readOptions(args)
  if (options === null) {
    process.stderr.write(usage)
    process.exitCode = 2
    return
  }
  const report = await benchPeers(options)
  process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : `${formatPeers(report)}\n`)
}

interface Options {
  readonly rounds: number
  readonly threads: readonly number[]
  readonly batchSize: number
  readonly smoke: boolean
  readonly json: boolean
}

function readOptions(args: readonly string[]): Options | null {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        rounds: { type: 'string' },
        threads: { type: 'string', default: 'both' },
        'batch-size': { type: 'string', default: '512' },
        smoke: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    })
    const rounds = Number(values.rounds ?? (values.smoke ? 1 : 15))
    const batchSize = Number(values['batch-size'])
    const threads = { 1: [1], 2: [2], both: [1, 2] }[values.threads]
    if (threads === undefined || !(Number.isInteger(rounds) && rounds > 0) || !(Number.isInteger(batchSize) && batchSize > 0)) return null
    return { rounds, threads, batchSize, smoke: values.smoke, json: values.json }
  } catch {
    return null
  }
}

export async function benchPeers({ rounds, threads, batchSize, smoke }: Omit<Options, 'json'>): Promise<PeersReport> {
  const columns = await movieLensColumns({ synthetic: smoke })
  const missing: { name: string; reason: string }[] = []
  const present = PYTHON_PEERS.filter(({ name, environment }) => {
    const reason = whyMissing(environment)
    if (reason !== null) missing.push({ name, reason })
    return reason === null
  })
  const runs: PeersReport['runs'][number][] = []
  for (const threadCount of threads) {
    const folder = mkdtempSync(join(tmpdir(), 'tacet-peers-'))
    const contestants: Contestant[] = []
    try {
      writeContest(folder, columns, batchSize, threadCount)
      for (const enter of [() => enterTacet(folder, threadCount), ...present.map((peer) => () => enterPython(peer, folder, threadCount))]) {
        const contestant = await enter()
        if ('reason' in contestant) missing.push(contestant)
        else contestants.push(contestant)
      }
      runs.push({ threads: threadCount, ...(await compete(contestants, { rounds, batchSize, threads: threadCount, smoke })) })
    } finally {
      for (const contestant of contestants) contestant.close()
      rmSync(folder, { recursive: true, force: true })
    }
  }
  return {
    benchmark: 'peers',
    machine: machine(),
    data: `${columns.name}, ${columns.ratings.length} ratings, ${columns.userCount} persons, ${columns.itemCount} items`,
    batchSize,
    rounds,
    smoke,
    runs,
    missing,
  }
}

/** Why a peer cannot take part, or null. */
function whyMissing(environment: string): string | null {
  const home = join(PEERS, `.venv-${environment}`)
  if (existsSync(join(home, 'failed.txt'))) return `could not be installed: ${readFileSync(join(home, 'failed.txt'), 'utf8').trim()}`
  return existsSync(join(home, 'bin/python')) ? null : 'not set up; run bash bench/peers/setup.sh'
}

/** Columns and batches as flat little-endian files: what every contestant reads. */
function writeContest(folder: string, columns: TrainingColumns, batchSize: number, threads: number): void {
  const write = (name: string, values: Uint32Array | Float32Array) =>
    writeFileSync(join(folder, `${name}.bin`), new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  const feature = (name: string) => {
    const column = columns.userFeatures.find((candidate) => candidate.name === name) as AttributeColumn
    return Float32Array.from(column.values)
  }
  const random = seededRandom(2)
  const rows = Uint32Array.from({ length: batchSize * 32 }, () => Math.floor(random.nextDouble() * columns.ratings.length))
  const meta: ContestMeta = {
    users: columns.userCount,
    items: columns.itemCount,
    batchSize,
    threads,
    maxGradNorm: 1,
    noiseMultiplier: 1,
    learningRate: 1e-3,
  }
  writeFileSync(join(folder, 'meta.json'), JSON.stringify(meta))
  write('users', columns.users)
  write('items', columns.items)
  write('ratings', columns.ratings)
  for (const name of ['gender', 'age', 'occupation']) write(name, feature(name))
  write('batches', rows)
}

/** Pins to the first `threads` cores where the system can (Linux); elsewhere the contestants' own thread settings must do. */
function pinned(threads: number, command: string, args: readonly string[]): [string, string[]] {
  const canPin = spawnSync('taskset', ['-c', '0', 'true']).status === 0
  return canPin ? ['taskset', ['-c', threads === 1 ? '0' : `0-${threads - 1}`, command, ...args]] : [command, [...args]]
}

const enterTacet = (folder: string, threads: number) =>
  enter('Tacet', pinned(threads, process.execPath, [join(PEERS, 'tacet-contestant.ts'), folder]), process.env)

function enterPython({ name, environment, script }: (typeof PYTHON_PEERS)[number], folder: string, threads: number) {
  const python = join(PEERS, `.venv-${environment}/bin/python`)
  // Settings of the surroundings that would hold their kernels back are not theirs: they run at full speed.
  const { OPENBLAS_CORETYPE: _, OPENBLAS_L2_SIZE: __, ...env } = process.env
  return enter(name, pinned(threads, python, [join(PEERS, script), folder]), { ...env, CUDA_VISIBLE_DEVICES: '' })
}

async function enter(
  name: string,
  [command, args]: [string, string[]],
  env: NodeJS.ProcessEnv,
): Promise<Contestant | { name: string; reason: string }> {
  const child: ChildProcessByStdio<Writable, Readable, Readable> = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'pipe'] })
  let complaint = ''
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = `${complaint}${chunk}`.slice(-2000)
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<string> => {
    const { value, done } = await lines.next()
    if (done === true) throw new Error(`${name} ended: ${complaint.trim().split('\n').at(-1) ?? 'no message'}`)
    return value
  }
  const close = () => {
    child.stdin.end()
    child.kill()
  }
  try {
    const introduction = JSON.parse(await next()) as Introduction
    return {
      introduction,
      async turn(variant, steps) {
        child.stdin.write(`${variant} ${steps}\n`)
        return JSON.parse(await next()) as Turn
      },
      close,
    }
  } catch (error) {
    close()
    return { name, reason: `could not run: ${(error as Error).message}` }
  }
}

/** Rounds of turns: every variant of every contestant once a round, a turn long enough for the clock. */
async function compete(
  contestants: readonly Contestant[],
  { rounds, batchSize, threads, smoke }: { rounds: number; batchSize: number; threads: number; smoke: boolean },
): Promise<{ clock: 'cpu' | 'wall'; contestants: ContestantResult[] }> {
  const clock = threads === 1 ? 'cpu' : 'wall'
  const entries: { contestant: Contestant; variant: string; steps: number; samples: number[] }[] = []
  for (const contestant of contestants)
    for (const variant of contestant.introduction.variants) {
      // Warm-up, then as many steps a turn as fill about 0.2 s.
      await contestant.turn(variant, 1)
      const { wall } = await contestant.turn(variant, smoke ? 1 : 3)
      const perStep = wall / (smoke ? 1 : 3)
      entries.push({ contestant, variant, steps: smoke ? 1 : Math.max(1, Math.min(2000, Math.round(0.2 / perStep))), samples: [] })
    }
  if (!smoke) for (const { contestant, variant, steps } of entries) await contestant.turn(variant, steps)
  for (let round = 0; round < rounds; round++) {
    for (const entry of entries) {
      const taken = await entry.contestant.turn(entry.variant, entry.steps)
      entry.samples.push(taken[clock] / entry.steps)
    }
    if (process.stderr.isTTY) process.stderr.write(`\rround ${round + 1} of ${rounds}, ${threads} thread(s) `)
  }
  if (process.stderr.isTTY) process.stderr.write('\n')

  const timed = contestants.map((contestant) => {
    const variants = entries
      .filter((entry) => entry.contestant === contestant)
      .map(({ variant, samples }): VariantResult => {
        const seconds = median(samples)
        return { variant, millisecondsPerStep: seconds * 1000, examplesPerSecond: batchSize / seconds }
      })
    const best = (kind: string) =>
      variants
        .filter(({ variant }) => variant === kind || variant.startsWith(`${kind}:`))
        .reduce((least, each) => (each.millisecondsPerStep < least.millisecondsPerStep ? each : least))
    return { ...contestant.introduction, variants, bestPlain: best('plain'), bestPrivate: best('private') }
  })
  const tacet = timed[0] as (typeof timed)[number]
  return {
    clock,
    contestants: timed.map((each) => ({
      ...each,
      privateToPlain: each.bestPrivate.millisecondsPerStep / each.bestPlain.millisecondsPerStep,
      tacetPrivateIsFaster: each === tacet ? null : each.bestPrivate.millisecondsPerStep / tacet.bestPrivate.millisecondsPerStep,
      tacetPrivateIsFasterThanUsual:
        usualOf(each) === undefined ? null : (usualOf(each) as VariantResult).millisecondsPerStep / tacet.bestPrivate.millisecondsPerStep,
      tacetPlainIsFaster: each === tacet ? null : each.bestPlain.millisecondsPerStep / tacet.bestPlain.millisecondsPerStep,
    })),
  }
}

const usualOf = ({ name, variants }: { name: string; variants: readonly VariantResult[] }) =>
  variants.find(({ variant }) => variant === PYTHON_PEERS.find((peer) => peer.name === name)?.usual)

export function formatPeers(report: PeersReport): string {
  const { machine: on } = report
  const rate = (value: number) => Math.round(value).toLocaleString('en-US')
  const times = (value: number | null | undefined) => (value === null || value === undefined ? '' : `${value.toFixed(value < 10 ? 2 : 1)}x`)
  const lines = [
    `peers · ${on.cpu} · ${on.cores} cores · Node ${on.node} · ${report.data}`,
    `seed 000's Wide & Deep, DP-Adam, batch ${report.batchSize}, clip 1, σ 1 · medians of ${report.rounds} interleaved rounds`,
    ...(report.smoke ? ['smoke run: shows that it runs; the figures mean nothing'] : []),
  ]
  const row = (...cells: string[]) => `  ${cells.map((cell, i) => (i === 0 ? cell.padEnd(38) : cell.padStart(14))).join('')}`.trimEnd()
  for (const { threads, clock, contestants } of report.runs) {
    lines.push(
      '',
      `${threads === 1 ? 'one core' : `${threads} cores`}, ${clock === 'cpu' ? 'CPU time' : 'wall clock'}`,
      row('', 'ms/step', 'examples/s', 'Tacet faster'),
    )
    const tacet = contestants[0] as ContestantResult
    for (const each of contestants) {
      lines.push(row(`${each.name} (${each.version}, ${rate(each.parameters)} parameters)`))
      for (const { variant, millisecondsPerStep, examplesPerSecond } of each.variants) {
        const best = each.variants.length > 3 && (variant === each.bestPlain.variant || variant === each.bestPrivate.variant)
        const own = variant.startsWith('plain')
          ? tacet.bestPlain
          : variant.startsWith('private')
            ? tacet.bestPrivate
            : tacet.variants.at(-1)
        lines.push(
          row(
            `  ${variant}${best ? ' (best)' : variant === usualOf(each)?.variant ? ' (usual)' : ''}`,
            millisecondsPerStep.toFixed(millisecondsPerStep < 10 ? 3 : 1),
            rate(examplesPerSecond),
            each === tacet ? '' : times(millisecondsPerStep / (own as VariantResult).millisecondsPerStep),
          ),
        )
      }
      lines.push(row('  private ÷ plain', times(each.privateToPlain)))
      for (const { variant, reason } of each.failures) lines.push(`    ${variant} does not run on this model: ${reason}`)
    }
    lines.push(`  ${verdict(contestants, report.smoke)}`)
  }
  for (const { name, reason } of report.missing) lines.push('', `${name}: ${reason}`)
  return lines.join('\n')
}

function verdict(contestants: readonly ContestantResult[], smoke: boolean): string {
  const [tacet, ...peers] = contestants
  if (tacet === undefined || peers.length === 0) return 'no peer took part'
  const mark = (reached: boolean) => (smoke ? '' : reached ? ' pass' : ' MISS')
  const against = (of: (peer: ContestantResult) => number | null) =>
    peers.map((peer) => `${peer.name} ${(of(peer) ?? Number.NaN).toFixed(1)}x${mark((of(peer) ?? 0) >= WANTED_RATIO)}`).join(', ')
  const lowest = peers.every(({ privateToPlain }) => tacet.privateToPlain < privateToPlain)
  return [
    `Tacet's private step (wanted ≥ ${WANTED_RATIO}x) against the usual way of each: ${against((peer) => peer.tacetPrivateIsFasterThanUsual)}`,
    `against the best of each: ${against((peer) => peer.tacetPrivateIsFaster)}`,
    `private ÷ plain lowest of all:${mark(lowest) || ` ${lowest}`}`,
  ].join('\n  ')
}
