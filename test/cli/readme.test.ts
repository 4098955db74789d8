/** What the documents say one can type, typed. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { tacet } from './capture.ts'

const root = join(import.meta.dirname, '../..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const work = mkdtempSync(join(tmpdir(), 'tacet-readme-'))
const home = process.cwd()
afterAll(() => {
  process.chdir(home)
  rmSync(work, { recursive: true, force: true })
})

test('the README’s sixty seconds run as printed, in an empty folder', async () => {
  process.chdir(work)
  const block = readme.split('## In sixty seconds')[1]?.split('```')[1] as string
  const lines = block.split('\n').filter((text) => text.startsWith('tacet '))
  expect(lines.length).toBeGreaterThanOrEqual(5)
  for (const text of lines) {
    const { status, stdout, stderr } = await tacet(text.split(' ').slice(1))
    expect(status, `${text}\n${stderr}`).toBe(0)
    expect(stdout).not.toBe('')
  }
})

test('the README holds the two commands and every command that the help lists', async () => {
  expect(readme).toContain('npm ci && npm run demo')
  expect(readme).toContain('npm ci && npm test')
  const { stdout } = await tacet(['--help'])
  const commands = [...(stdout.split(/^Commands:$/m)[1]?.split(/^\S/m)[0] ?? '').matchAll(/^ {2}([a-z-]+)(?= |$)/gm)].map(
    (match) => match[1] as string,
  )
  for (const name of commands.filter((each) => each !== 'help')) expect(readme).toContain(`\`tacet ${name}`)
})

test('every link between the documents leads to a file', () => {
  const documents = [
    'README.md',
    'ARCHITECTURE.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    'FEATURES.md',
    'CHANGELOG.md',
    'docs/decisions/README.md',
  ]
  for (const document of documents) {
    const folder = join(root, document, '..')
    for (const [, target = ''] of readFileSync(join(root, document), 'utf8').matchAll(/\]\(([^)#:]+)\)/g)) {
      const path = join(folder, target)
      expect(readdirSync(join(path, '..')), `${document} links to ${target}`).toContain(path.split('/').at(-1))
    }
  }
  // The index of decisions has them all.
  const index = readFileSync(join(root, 'docs/decisions/README.md'), 'utf8')
  for (const file of readdirSync(join(root, 'docs/decisions'))) if (file !== 'README.md') expect(index).toContain(file)
})

test('the exit statuses of ARCHITECTURE.md are those of the error codes', async () => {
  const { exitStatusByCode } = await import('../../src/errors.ts')
  const table = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8').split('## Exit status')[1]?.split('\n## ')[0] ?? ''
  const stated = Object.fromEntries(
    table
      .split('\n')
      .filter((row) => /^\| \d/.test(row))
      .flatMap((row) => {
        const [, status, , codes = ''] = row.split('|').map((cell) => cell.trim())
        return [...codes.matchAll(/`([a-z-]+)`/g)].map((match) => [match[1], Number(status)])
      }),
  )
  expect(stated).toEqual(exitStatusByCode)
})

test('the names of formats that the flags accept are those of the readers', async () => {
  const { datasetFormats } = await import('../../src/data/index.ts')
  const { formatNames } = await import('../../src/cli/commands/reader-flags.ts')
  expect(formatNames).toEqual(datasetFormats)
})
