/**
 * Compiles each module of assembly/ into its generated file under src/kernels/: two builds as base64, so that Node and browsers load them alike
 * and the package needs no file beside its code. The hash of the source stands in the output, and a test compares it, so a forgotten rebuild
 * fails.
 *
 * npm run build:kernels                    all of them
 * npm run build:kernels -- linear-algebra  one
 */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import asc from 'assemblyscript/asc'

const root = join(import.meta.dirname, '..')

/** Source in assembly/ → generated file in src/kernels/. A module is one WASM binary with its own memory. */
export const kernelModules = {
  index: 'wasm.generated.ts',
  'linear-algebra': 'linear-algebra.generated.ts',
  graph: 'graph.generated.ts',
  ranking: 'ranking.generated.ts',
} as const satisfies Record<string, string>

type KernelModule = keyof typeof kernelModules

const sourceOf = (module: KernelModule) => readFileSync(join(root, `assembly/${module}.ts`), 'utf8')
const { version } = JSON.parse(readFileSync(join(root, 'node_modules/assemblyscript/package.json'), 'utf8')) as { version: string }

/** `stub` runtime: nothing is allocated inside. Memory is imported with its size fixed by the caller. */
const flags = ['-O3', '--runtime', 'stub', '--importMemory', '--noAssert', '--enable', 'simd']

async function compile(module: KernelModule, extra: readonly string[]): Promise<string> {
  let binary: Uint8Array | null = null
  const { error, stderr } = await asc.main(['module.ts', ...flags, ...extra, '--outFile', 'kernels.wasm'], {
    readFile: (name) => (name === 'module.ts' ? sourceOf(module) : null),
    writeFile(_name, contents) {
      if (typeof contents !== 'string') binary = contents
    },
  })
  if (error !== null || binary === null) throw new Error(`assembly/${module}.ts does not compile: ${stderr.toString()}`)
  return Buffer.from(binary).toString('base64')
}

/** What the generated file must say for the source as it is now. */
export function sourceHash(module: KernelModule): string {
  return createHash('sha256')
    .update(JSON.stringify({ source: sourceOf(module), version, flags }))
    .digest('hex')
}

export async function generate(module: KernelModule): Promise<string> {
  return `/** Made by scripts/build-kernels.ts from assembly/${module}.ts with AssemblyScript ${version}. Do not edit. */
export const sourceHash = '${sourceHash(module)}'
export const wasmBase64 = '${await compile(module, [])}'
export const wasmRelaxedBase64 = '${await compile(module, ['--enable', 'relaxed-simd'])}'
`
}

if (import.meta.main) {
  const wanted = process.argv.slice(2)
  for (const module of Object.keys(kernelModules) as KernelModule[]) {
    if (wanted.length > 0 && !wanted.includes(module)) continue
    const text = await generate(module)
    writeFileSync(join(root, 'src/kernels', kernelModules[module]), text)
    process.stdout.write(`src/kernels/${kernelModules[module]}: ${text.length} bytes\n`)
  }
}
