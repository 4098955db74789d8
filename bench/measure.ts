/**
 * Measuring: contestants take turns in one process, so that whatever else the machine does falls on all of them; medians, and ratios of medians.
 * The clock is the CPU time of this process, which is what the work takes on an idle core; only rows about threads read the wall clock.
 */
import { cpus } from 'node:os'

/** One line of a benchmark: what was found, what is wanted. */
export interface BenchRow {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** Null: reported, nothing wanted. */
  readonly bar: { readonly at: 'least' | 'most'; readonly value: number } | null
  /** The figures behind the value, for people. */
  readonly detail: string
}

export interface BenchReport {
  readonly benchmark: string
  readonly machine: { readonly cpu: string; readonly cores: number; readonly node: string }
  readonly kernels: string
  readonly smoke: boolean
  readonly data: string
  readonly rows: readonly BenchRow[]
}

export interface BenchOptions {
  /** Few rounds: shows that the benchmark runs, not how fast the code is. */
  readonly smoke: boolean
}

export const machine = () => ({ cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.versions.node })

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted.length === 0 ? Number.NaN : (sorted[sorted.length >> 1] as number)
}

/** CPU milliseconds of this process so far. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/**
 * Median milliseconds of each contestant, taking turns.
 * @param repeats calls per turn: enough for a turn to be long against the clock's tick
 * @param clock milliseconds; default CPU time
 */
export function takeTurns<Name extends string>(
  contestants: Record<Name, () => void>,
  { rounds, repeats = 1, clock = cpuMs }: { rounds: number; repeats?: number; clock?: () => number },
): Record<Name, number> {
  const names = Object.keys(contestants) as Name[]
  const samples = new Map<Name, number[]>(names.map((name) => [name, []]))
  const warmup = Math.max(3, Math.ceil(rounds / 4))
  for (let round = -warmup; round < rounds; round++)
    for (const name of names) {
      const before = clock()
      for (let i = 0; i < repeats; i++) contestants[name]()
      if (round >= 0) samples.get(name)?.push((clock() - before) / repeats)
    }
  return Object.fromEntries(names.map((name) => [name, median(samples.get(name) ?? [])])) as Record<Name, number>
}

export const passes = ({ value, bar }: BenchRow): boolean | null =>
  bar === null ? null : bar.at === 'least' ? value >= bar.value : value <= bar.value

export function formatReport(report: BenchReport): string {
  const { machine: on } = report
  const number = (value: number) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2))
  const lines = report.rows.map((row) => {
    const { bar } = row
    const wanted = bar === null ? '' : `${bar.at === 'least' ? '≥' : '≤'} ${bar.value}`
    const verdict = report.smoke || bar === null ? '' : passes(row) ? 'pass' : 'MISS'
    return `${row.name.padEnd(58)} ${(number(row.value) + row.unit).padStart(9)}  ${wanted.padEnd(7)} ${verdict.padEnd(5)} ${row.detail}`
  })
  return [
    `${report.benchmark} · ${on.cpu} · ${on.cores} cores · Node ${on.node} · kernels ${report.kernels} · ${report.data}`,
    ...(report.smoke ? ['smoke run: shows that it runs; the figures mean nothing'] : []),
    ...lines,
  ].join('\n')
}
