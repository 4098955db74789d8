/**
 * The arrows of ARCHITECTURE.md, checked.
 *
 * Each row is a module: a folder of src/ entered through its index.ts (and, where it has Node-only parts, index.node.ts). It may import
 * itself, `errors`, and its row. A new arrow is a design decision: change the row and the diagram in the same commit.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'

const mayImport: Record<string, readonly string[]> = {
  random: [],
  report: [],
  kernels: [],
  privacy: ['random'],
  data: ['random'],
  models: ['kernels', 'random', 'data'],
  evaluation: ['data', 'models'],
  training: ['kernels', 'random', 'privacy', 'data', 'models'],
  runs: ['report', 'kernels', 'random', 'privacy', 'data', 'models', 'training', 'evaluation'],
  attacks: ['report', 'kernels', 'random', 'privacy', 'data', 'models', 'training', 'evaluation'],
  studies: ['report', 'kernels', 'random', 'privacy', 'data', 'models', 'training', 'evaluation', 'runs', 'attacks'],
  cli: ['report', 'kernels', 'random', 'privacy', 'data', 'models', 'training', 'evaluation', 'runs', 'attacks', 'studies'],
}
const nodeOnly = ['cli']

interface Import {
  readonly file: string
  readonly specifier: string
}

/** Violations of the arrows among `imports` (files relative to src/), as sentences; empty when all is well. */
function violations(imports: readonly Import[]): string[] {
  const moduleOf = (path: string) =>
    path === 'errors.ts' ? 'errors' : (Object.keys(mayImport).find((name) => path.startsWith(`${name}/`)) ?? `(no module) ${path}`)
  return imports.flatMap(({ file, specifier }) => {
    const from = moduleOf(file)
    if (specifier.startsWith('node:')) {
      return nodeOnly.includes(from) || file.endsWith('.node.ts')
        ? []
        : [`${file} uses the Node built-in ${specifier}; only cli and *.node.ts may`]
    }
    if (!specifier.startsWith('.')) return []
    const target = relative('/', join('/', dirname(file), specifier))
    const to = moduleOf(target)
    if (to === from) {
      return target.endsWith('.node.ts') && !file.endsWith('.node.ts') && !nodeOnly.includes(from)
        ? [`${file} → ${target}: a portable file imports a Node-only one`]
        : []
    }
    if (to === 'errors') return []
    if (!mayImport[from]?.includes(to)) return [`${file} → ${target}: ${from} may not import ${to}`]
    if (target !== `${to}/index.ts` && target !== `${to}/index.node.ts`)
      return [`${file} → ${target}: enter ${to} through its index.ts or index.node.ts`]
    if (target.endsWith('.node.ts') && !file.endsWith('.node.ts') && !nodeOnly.includes(from))
      return [`${file} → ${target}: a portable file imports a Node-only one`]
    return []
  })
}

const src = join(import.meta.dirname, '../src')
const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) =>
  /(?<!\.(test|contract|browser-test))\.ts$/.test(file),
)
const imports = files.flatMap((file) =>
  [...readFileSync(join(src, file), 'utf8').matchAll(/(?:^|[^.\w])(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/gm)].map((match) => ({
    file,
    specifier: match[1] as string,
  })),
)

test('the table and the folders of src name the same modules', () => {
  const folders = new Set(files.filter((file) => file !== 'errors.ts').map((file) => file.split('/')[0] as string))
  expect([...folders].sort()).toEqual(Object.keys(mayImport).sort())
  expect(imports.length).toBeGreaterThan(20)
})

test('every import follows an arrow of the architecture', () => {
  expect(violations(imports)).toEqual([])
})

test('a planted forbidden import is reported', () => {
  expect(violations([{ file: 'models/model.ts', specifier: '../privacy/index.ts' }])).toHaveLength(1)
  expect(violations([{ file: 'data/split.ts', specifier: 'node:fs' }])).toHaveLength(1)
  expect(violations([{ file: 'training/loop.ts', specifier: '../privacy/accounting/rdp.ts' }])).toHaveLength(1)
  expect(violations([{ file: 'training/loop.ts', specifier: '../data/index.node.ts' }])).toHaveLength(1)
  expect(violations([{ file: 'cli/main.ts', specifier: '../data/index.node.ts' }])).toEqual([])
})
