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
writeFileSync(
  join(consumer, 'tsconfig.json'),
  JSON.stringify({
    compilerOptions: {
      target: 'es2023',
      lib: ['es2023', 'dom'],
      module: 'nodenext',
      strict: true,
      exactOptionalPropertyTypes: true,
      types: [],
      outDir: 'out',
      // Not skipLibCheck: the declarations we publish must stand on their own.
    },
    files: ['consumer.ts'],
  }),
)
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
  ),
  { cwd: consumer },
)
step('type-check a consumer', process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json'], { cwd: consumer })

const bin = join(consumer, 'node_modules/tacet/dist/cli/main.js')
const exe = process.platform === 'win32' ? 'node.exe' : 'node'
for (const node of [join(consumer, 'node_modules', nodePackage, 'bin', exe), process.execPath]) {
  const label = step('which Node', node, ['--version'], { cwd: consumer }).trim()
  step(`${label}: the consumer runs`, node, ['out/consumer.js'], { cwd: consumer, expect: (stdout) => stdout.includes('consumer ok') })
  step(`${label}: tacet --version`, node, [bin, '--version'], { cwd: consumer, expect: (stdout) => stdout.trim() === version })
  step(`${label}: tacet doctor`, node, [bin, 'doctor', '--json'], { cwd: consumer, expect: (stdout) => JSON.parse(stdout).ok === true })
}
step('the installed bin is executable', join(consumer, 'node_modules/.bin/tacet'), ['--help'], {
  cwd: consumer,
  expect: (stdout) => stdout.includes('Examples:'),
})

process.stdout.write(`smoke: ${passed} steps passed\n`)

/** Imports what a user of each entry point would, and checks one known answer. */
function consumerProgram(): string {
  return `
import { TacetError } from 'tacet/errors'
import { seededRandom } from 'tacet/random'

const random = seededRandom(1n)
if (!(random && new TacetError('internal', 'x') instanceof Error)) throw new Error('imports are broken')
console.log('consumer ok')
`
}
