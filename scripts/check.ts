/**
 * `npm run check`: everything a change must pass, in one command; CI runs exactly this after installing. Each step runs even if an earlier
 * one failed, so that one run tells all. Ends with the one line `N passed, N failed`: tests as vitest counted them, every other step as one.
 *
 * The browser tests need a Chromium: without one they are left out with a message, except under CI=true, where that is a failure.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

interface Step {
  readonly name: string
  readonly args: readonly string[]
  /** A vitest run: its tests are counted one by one. */
  readonly vitest?: boolean
}

/** Each takes seconds: shows that it runs. */
const benchmarks = [
  'training',
  'kernels',
  'linear-algebra',
  'lazy-noise',
  'ranking',
  'ranking-quality',
  'ranking-evaluation',
  'private-ranking',
]

const steps: readonly Step[] = [
  { name: 'lint', args: ['run', 'lint'] },
  { name: 'types', args: ['run', 'types'] },
  { name: 'tests', args: ['test'], vitest: true },
  { name: 'build', args: ['run', 'build'] },
  { name: 'package smoke test', args: ['run', 'smoke'] },
  { name: 'examples', args: ['run', 'examples'] },
  { name: 'demo', args: ['run', 'demo', '--', '--once'] },
  ...benchmarks.map((name) => ({ name: `smoke run of the benchmark ${name}`, args: ['run', 'bench', '--', name, '--smoke'] })),
  { name: 'browser tests', args: ['run', 'test:browser'], vitest: true },
]

const root = join(import.meta.dirname, '..')
const work = mkdtempSync(join(tmpdir(), 'tacet-check-'))
process.on('exit', () => rmSync(work, { recursive: true, force: true }))

let passed = 0
let failed = 0
const report: string[] = []
for (const [index, step] of steps.entries()) {
  if (step.name === 'browser tests' && !process.env.CI && !hasChromium()) {
    report.push('left out  browser tests: no Chromium found (set CHROMIUM to its path); CI runs them')
    continue
  }
  process.stdout.write(`\n── ${step.name}: npm ${step.args.join(' ')}\n`)
  const startedAt = performance.now()
  const results = join(work, `${index}.json`)
  const reporters = step.vitest ? ['--', '--reporter=default', '--reporter=json', `--outputFile.json=${results}`] : []
  const { status } = spawnSync('npm', [...step.args, ...reporters], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    // A log is read as text: colours only where a person looks.
    env: process.stdout.isTTY ? process.env : { ...process.env, NO_COLOR: '1' },
  })
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  const counts = step.vitest ? vitestCounts(results) : { passed: 0, failed: 0 }
  passed += counts.passed + (!step.vitest && status === 0 ? 1 : 0)
  failed += status === 0 ? 0 : Math.max(1, counts.failed)
  const detail = step.vitest ? `: ${counts.passed} passed, ${counts.failed} failed` : ''
  report.push(`${status === 0 ? 'ok       ' : 'FAILED   '} ${step.name}${detail} (${seconds} s)`)
}
process.stdout.write(`\n${report.join('\n')}\n${passed} passed, ${failed} failed\n`)
process.exitCode = failed === 0 ? 0 : 1

function vitestCounts(path: string): { passed: number; failed: number } {
  if (!existsSync(path)) return { passed: 0, failed: 0 }
  const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(path, 'utf8')) as { numPassedTests: number; numFailedTests: number }
  return { passed: numPassedTests, failed: numFailedTests }
}

function hasChromium(): boolean {
  if (process.env.CHROMIUM) return existsSync(process.env.CHROMIUM)
  const folders = (process.env.PATH ?? '').split(delimiter)
  return ['chromium', 'chromium-browser', 'google-chrome'].some((name) => folders.some((folder) => existsSync(join(folder, name))))
}
