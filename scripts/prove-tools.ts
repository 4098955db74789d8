/** What every line of `npm run prove` is made of: running the real thing, and holding a figure against its bar. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Promised {
  readonly title: string
  run(): void
}

export const root = join(import.meta.dirname, '..')
export const data = process.env.TACET_DATA ?? join(root, '../shared/data')
export const work = mkdtempSync(join(tmpdir(), 'tacet-prove-'))
process.on('exit', () => rmSync(work, { recursive: true, force: true }))

let misses = 0
export const missed = (): number => misses

/** One row of the result. */
export function hold(what: string, figure: string | number, bar: string, ok: boolean): void {
  if (!ok) misses++
  process.stdout.write(
    `${ok ? 'pass' : 'MISS'}  ${what}: ${typeof figure === 'number' ? Number(figure.toPrecision(6)) : figure} (${bar})\n`,
  )
}

export function within(what: string, figure: number, wanted: number, relative: number): void {
  hold(what, figure, `${wanted} ± ${(relative * 100).toPrecision(2)} %`, Math.abs(figure / wanted - 1) <= relative)
}

export function atLeast(what: string, figure: number, bar: number): void {
  hold(what, figure, `≥ ${bar}`, figure >= bar)
}

export function atMost(what: string, figure: number, bar: number, unit = ''): void {
  hold(what, figure, `≤ ${bar}${unit}`, figure <= bar)
}

/** Runs a program, output shown as it comes. */
export function show(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): { status: number | null; seconds: number } {
  process.stdout.write(`\n$ ${command} ${args.join(' ')}\n`)
  const startedAt = performance.now()
  const { status } = spawnSync(command, args, {
    cwd: options.cwd ?? root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...options.env },
  })
  return { status, seconds: (performance.now() - startedAt) / 1000 }
}

/** Runs the command line and parses its JSON. */
export function tacet<T = Record<string, number>>(...args: readonly string[]): T {
  const child: SpawnSyncReturns<string> = spawnSync(process.execPath, [join(root, 'src/cli/main.ts'), ...args, '--json', '--quiet'], {
    encoding: 'utf8',
    maxBuffer: 1e9,
  })
  if (child.status !== 0) throw new Error(`tacet ${args.join(' ')}: exit ${child.status}\n${child.stderr}`)
  return JSON.parse(child.stdout) as T
}

export function dataSet(name: string): string {
  const path = join(data, name)
  if (!existsSync(path)) throw new Error(`data set ${name} not present in ${data}; set TACET_DATA`)
  return path
}

export function clone(): string {
  const target = join(work, 'clone')
  if (!existsSync(target) && show('git', ['clone', '--quiet', root, target]).status !== 0) throw new Error('git clone failed')
  return target
}

/** A figure that has no bar. */
export function tell(what: string, figure: number, unit = ''): void {
  process.stdout.write(`figure  ${what}: ${Number(figure.toPrecision(4))}${unit}\n`)
}

/** Runs a benchmark and parses its JSON. */
export function bench<T>(...args: readonly string[]): T {
  process.stdout.write(`\n$ npm run bench -- ${args.join(' ')}\n`)
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'bench/main.ts'), ...args, '--json'], {
    encoding: 'utf8',
    maxBuffer: 1e9,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status !== 0) throw new Error(`npm run bench -- ${args.join(' ')}: exit ${status}`)
  return JSON.parse(stdout) as T
}

export function tests(what: string, paths: readonly string[]): void {
  hold(
    what,
    '',
    'all pass, long variants and fresh seeds',
    show('npx', ['vitest', 'run', '--testTimeout=1800000', ...paths], { env: { TACET_SLOW: '1' } }).status === 0,
  )
}

export const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
