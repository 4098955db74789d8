/**
 * Does the package work where it will be used? Packs dist/, installs the tarball in an empty consumer, type-checks a TypeScript program
 * against it, and runs that program and the `tacet` command on the oldest supported Node 22 and on Node 24.
 *
 * Needs the package registry (dependencies and a bare Node 22). Run `npm run build` first.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const oldestNode = '22.12.0'
const root = join(import.meta.dirname, '..')
const work = mkdtempSync(join(tmpdir(), 'tacet-smoke-'))
const consumer = join(work, 'consumer')
process.on('exit', () => rmSync(work, { recursive: true, force: true }))

let passed = 0
function step(
  name: string,
  command: string,
  args: readonly string[],
  options: { cwd: string; expect?: (stdout: string) => boolean },
): string {
  const startedAt = performance.now()
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: options.cwd,
    encoding: 'utf8',
    timeout: 300_000,
    maxBuffer: 1e8,
  })
  const ok = status === 0 && (options.expect?.(stdout) ?? true)
  process.stdout.write(`${ok ? 'ok  ' : 'FAIL'} ${name} (${((performance.now() - startedAt) / 1000).toFixed(1)} s)\n`)
  if (!ok) {
    process.stderr.write(`${command} ${args.join(' ')}: exit ${status}${error ? ` (${error.message})` : ''}\n${stdout}\n${stderr}\n`)
    process.exit(1)
  }
  passed++
  return stdout
}

const nodePackage = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
const npm = (...args: string[]) => ['npm', args] as const
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }

step('npm pack', ...npm('pack', '--ignore-scripts', '--silent', '--pack-destination', work), { cwd: root })
mkdirSync(consumer)
writeFileSync(join(consumer, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }))
// Not skipLibCheck: the declarations we publish must stand on their own. The portable entries must do so without Node's types.
for (const [name, types] of [
  ['portable', []],
  ['consumer', ['node']],
] as const) {
  const compilerOptions = {
    target: 'es2023',
    lib: ['es2023', 'dom'],
    module: 'nodenext',
    strict: true,
    exactOptionalPropertyTypes: true,
    types,
    outDir: 'out',
  }
  writeFileSync(join(consumer, `tsconfig.${name}.json`), JSON.stringify({ compilerOptions, files: [`${name}.ts`] }))
}
writeFileSync(join(consumer, 'portable.ts'), portableProgram())
writeFileSync(join(consumer, 'consumer.ts'), consumerProgram())
step(
  'install the tarball in an empty project',
  ...npm(
    'install',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    '--silent',
    join(work, `tacet-${version}.tgz`),
    `${nodePackage}@${oldestNode}`,
    '@types/node@24',
  ),
  { cwd: consumer },
)
for (const name of ['portable', 'consumer']) {
  step(`type-check the ${name} program`, process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', `tsconfig.${name}.json`], {
    cwd: consumer,
  })
}

const bin = join(consumer, 'node_modules/tacet/dist/cli/main.js')
const exe = process.platform === 'win32' ? 'node.exe' : 'node'
for (const node of [join(consumer, 'node_modules', nodePackage, 'bin', exe), process.execPath]) {
  const label = step('which Node', node, ['--version'], { cwd: consumer }).trim()
  const run = (what: string, args: readonly string[], expect: (stdout: string) => boolean) =>
    step(`${label}: ${what}`, node, args, { cwd: consumer, expect })
  run('the portable program', ['out/portable.js'], (stdout) => stdout.includes('portable ok'))
  run('the consumer', ['out/consumer.js'], (stdout) => stdout.includes('consumer ok'))
  run('tacet --version', [bin, '--version'], (stdout) => stdout.trim() === version)
  run('tacet doctor', [bin, 'doctor', '--json'], (stdout) => JSON.parse(stdout).ok === true)
  rmSync(join(consumer, 'demo'), { recursive: true, force: true })
  run('tacet demo', [bin, 'demo', '--out', 'demo', '--json', '--quiet'], (stdout) => JSON.parse(stdout).ok === true)
  // A study trains in worker threads: the built worker files must be found.
  const study = ['study', 'wide-and-deep-dp', '--data', 'work/data.ndjson', '--no-second-data', '--quick', '--seeds', '1', '--threads', '2']
  rmSync(join(consumer, 'study'), { recursive: true, force: true })
  run('tacet study', [bin, ...study, '--out', 'study', '--json', '--quiet'], (stdout) => JSON.parse(stdout).jobs > 0)
}
step('the installed bin is executable', join(consumer, 'node_modules/.bin/tacet'), ['--help'], {
  cwd: consumer,
  expect: (stdout) => stdout.includes('Examples:'),
})

process.stdout.write(`smoke: ${passed} steps passed\n`)

/** Imports what a page in a browser would, without a type or built-in of Node, and checks known answers. */
function portableProgram(): string {
  return `
import { auditBiasFactors } from 'tacet/attacks'
import { syntheticInteractions } from 'tacet/data'
import { TacetError } from 'tacet/errors'
import { constantBaseline } from 'tacet/evaluation'
import { createArena, createKernels } from 'tacet/kernels'
import { decodeSafetensors } from 'tacet/models'
import { gaussianEpsilon, type PrivacyEvent, priceDpSgd } from 'tacet/privacy'
import { seededRandom } from 'tacet/random'
import { table } from 'tacet/report'
import type { TrainReport } from 'tacet/runs'
import { createBook } from 'tacet/studies'
import { runTrainingLoop } from 'tacet/training'

function check(what: string, ok: boolean): void {
  if (!ok) throw new TacetError('internal', what + ' is wrong')
}
for (const entry of [auditBiasFactors, constantBaseline, decodeSafetensors, table, createBook, runTrainingLoop]) {
  check('an import', typeof entry === 'function')
}
// One Gaussian with σ = 2 is μ = 0.5 in closed form.
const event: PrivacyEvent = { kind: 'gaussian', noiseMultiplier: 2 }
const price = priceDpSgd({ noiseMultiplier: event.noiseMultiplier, sampleRate: 1, steps: 1, delta: 1e-5 })
check('the price of one Gaussian', Math.abs(price.epsilon / gaussianEpsilon({ mu: 0.5, delta: 1e-5 }) - 1) < 0.01)
check('the build of the kernels', createKernels('auto', createArena().byteLength).name.startsWith('wasm'))
check('a seeded draw', seededRandom(1).nextWord() === seededRandom(1).nextWord())
check('invented data', syntheticInteractions({ users: 50, items: 40, interactions: 500 }).data.users.length === 500)
export const modelOf = ({ model }: TrainReport): string => model
console.log('portable ok')
`
}

/** What a service in Node would do: write and read data, train privately, load the run, recommend. */
function consumerProgram(): string {
  return `
import { mkdir, rm } from 'node:fs/promises'
import { syntheticInteractions } from 'tacet/data'
import { convertDataset, readDataset } from 'tacet/data/node'
import { seededRandom } from 'tacet/random'
import { aesNoise } from 'tacet/random/node'
import type { TrainReport } from 'tacet/runs'
import { loadRun, recommendFromRun, train } from 'tacet/runs/node'
import { runStudy } from 'tacet/studies/node'
import { createNodeWideAndDeepEngine } from 'tacet/training/node'

function check(what: string, ok: boolean): void {
  if (!ok) throw new Error(what + ' is wrong')
}
for (const entry of [runStudy, createNodeWideAndDeepEngine]) check('an import', typeof entry === 'function')
check('a noise stream', aesNoise(seededRandom(1)) !== null)

await rm('work', { recursive: true, force: true })
await mkdir('work')
await convertDataset(syntheticInteractions({ users: 200, items: 100, interactions: 6000 }).data, { to: 'ndjson', out: 'work/data.ndjson' })
check('reading back', (await readDataset('work/data.ndjson')).users.length === 6000)
const report: TrainReport = await train({ dataPath: 'work/data.ndjson', model: 'wide-and-deep', epsilon: 4, epochs: 1, batchSize: 256, out: 'work/run' })
check('the price of the run', report.privacy !== null && report.privacy.epsilon <= 4.0001)
check('the loaded run', (await loadRun('work/run')).config.model === 'wide-and-deep')
check('the list', (await recommendFromRun('work/run', { user: '1', n: 3 })).items.length === 3)
console.log('consumer ok')
`
}
