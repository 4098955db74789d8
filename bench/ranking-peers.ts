/**
 * implicit, RecBole and Gorse as bench/peers/setup.sh has set them up: each asked in a process of its own, over files, one JSON line an answer. What
 * is not installed, or fails, is a sentence in the table and no error.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { itemsOf, type Positives, type RankedPeople } from '../src/data/index.ts'

const PEERS = join(import.meta.dirname, 'peers')

export interface PeerQuestion {
  readonly peer: 'implicit' | 'recbole' | 'gorse'
  /** As the contestant names it. */
  readonly task: string
  /** Of RecBole: epochs, at most. */
  readonly epochs?: number
  /** Of RecBole: its own settings, as JSON values. */
  readonly settings?: Readonly<Record<string, unknown>>
}

/** Wall clock, and CPU time of all threads. */
export interface Seconds {
  readonly wall: number
  readonly cpu: number
}

export interface PeerAnswer {
  /** With its version. */
  readonly peer: string
  readonly seconds: Seconds
  /** Of RecBole: epochs taken, and what its own evaluator says of the test. */
  readonly epochs?: number
  readonly metrics?: Readonly<Record<string, number>>
}

/** The peer's answer, or why there is none. */
export function askPeer({ peer, task, epochs, settings }: PeerQuestion, folder: string, threads: number): PeerAnswer | string {
  const home = join(PEERS, `.venv-${peer}`)
  const failed = join(home, 'failed.txt')
  if (existsSync(failed)) return `not installed: ${readFileSync(failed, 'utf8').trim()}`
  const program = peer === 'gorse' ? join(home, 'gorse-contestant') : join(home, 'bin/python')
  if (!existsSync(program)) return `not set up (bash bench/peers/setup.sh ${peer})`
  const script = peer === 'gorse' ? [] : [join(PEERS, `${peer}_contestant.py`)]
  const given = Object.entries(settings ?? {}).map(([name, value]) => `${name}=${JSON.stringify(value)}`)
  const rest = peer === 'recbole' ? [task, String(epochs ?? 1), ...given] : task === 'top20' ? ['bpr', 'top20'] : [task]
  const { status, stdout, stderr } = spawnSync(program, [...script, folder, String(threads), ...rest], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
  const line = stdout.trim().split('\n').at(-1) ?? ''
  if (status !== 0 || !line.startsWith('{')) return `failed: ${(stderr.trim().split('\n').at(-1) ?? `exit ${status}`).slice(0, 200)}`
  return JSON.parse(line) as PeerAnswer
}

const linesOf = (rows: Positives, user: (row: number) => number = (row) => row): string[] =>
  Array.from({ length: rows.personCount }, (_, row) => Array.from(itemsOf(rows, row), (item) => `${user(row)}\t${item}`)).flat()

/** train.tsv and meta.json: all likes, for timing. RecBole gets one of them as validation and one as test. */
export function writeLikes(folder: string, likes: Positives): void {
  const lines = linesOf(likes)
  writeFileSync(join(folder, 'meta.json'), JSON.stringify({ people: likes.personCount, items: likes.itemCount }))
  writeFileSync(join(folder, 'train.tsv'), `${lines.join('\n')}\n`)
  writeRecBole(folder, { train: lines.slice(2), valid: lines.slice(0, 1), test: lines.slice(1, 2) })
}

/** A split as the three files that RecBole reads one from. */
export function writeSplit(
  folder: string,
  split: { readonly train: Positives; readonly validation: RankedPeople; readonly test: RankedPeople },
): void {
  const looked = ({ users, relevant }: RankedPeople) => linesOf(relevant, (row) => users[row] as number)
  writeRecBole(folder, { train: linesOf(split.train), valid: looked(split.validation), test: looked(split.test) })
}

function writeRecBole(folder: string, parts: Readonly<Record<'train' | 'valid' | 'test', readonly string[]>>): void {
  mkdirSync(join(folder, 'tacet'), { recursive: true })
  for (const [part, lines] of Object.entries(parts))
    writeFileSync(join(folder, `tacet/tacet.${part}.inter`), `user_id:token\titem_id:token\n${lines.join('\n')}\n`)
}
