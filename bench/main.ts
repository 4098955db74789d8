/**
 * npm run bench -- NAME [--smoke] [--json]: runs one benchmark and prints a table or JSON. Add one by adding it to `benchmarks`.
 */
import { type BenchOptions, type BenchReport, formatReport, passes } from './measure.ts'

const benchmarks: Record<string, () => Promise<(options: BenchOptions) => Promise<BenchReport>>> = {
  kernels: async () => (await import('./kernels.ts')).benchKernels,
  'lazy-noise': async () => (await import('./lazy-noise.ts')).benchLazyNoise,
  'ranking-evaluation': async () => (await import('./ranking-evaluation.ts')).benchRankingEvaluation,
  'linear-algebra': async () => (await import('./linear-algebra.ts')).benchLinearAlgebra,
  training: async () => (await import('./training.ts')).benchTraining,
}

/** Benchmarks that print tables of their own and take flags of their own. */
const tables: Record<string, () => Promise<(args: readonly string[]) => Promise<void>>> = {
  'private-ranking': async () => (await import('./private-ranking.ts')).run,
  peers: async () => (await import('./peers.ts')).run,
  'personal-budgets': async () => (await import('./personal-budgets.ts')).run,
  ranking: async () => (await import('./ranking.ts')).run,
  'ranking-quality': async () => (await import('./ranking-quality.ts')).run,
  'rating-model': async () => (await import('./rating-model.ts')).run,
  'wide-and-deep': async () => (await import('./wide-and-deep.ts')).run,
}

const [name, ...flags] = process.argv.slice(2)
const table = tables[name ?? '']
const run = benchmarks[name ?? '']
const unknown = flags.find((flag) => flag !== '--smoke' && flag !== '--json')
if (table !== undefined) {
  await (await table())(flags)
} else if (run === undefined || unknown !== undefined) {
  process.stderr.write(
    `${unknown === undefined ? `unknown benchmark ${name ?? '(none)'}` : `unknown flag ${unknown}`}\nusage: npm run bench -- ${[...Object.keys(benchmarks), ...Object.keys(tables)].join('|')} [--smoke] [--json]\n`,
  )
  process.exitCode = 2
} else {
  const report = await (await run())({ smoke: flags.includes('--smoke') })
  process.stdout.write(
    flags.includes('--json')
      ? `${JSON.stringify({ ...report, rows: report.rows.map((row) => ({ ...row, pass: report.smoke ? null : passes(row) })) })}\n`
      : `${formatReport(report)}\n`,
  )
}
