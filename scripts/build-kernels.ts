/**
 * Compiles assembly/ into src/kernels/wasm.generated.ts: two builds as base64, so that Node and browsers load them alike and the package needs
 * no file beside its code. The hash of the source stands in the output, and a test compares it, so a forgotten rebuild fails.
 *
 * npm run build:kernels
 */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import asc from 'assemblyscript/asc'

const root = join(import.meta.dirname, '..')
const source = readFileSync(join(root, 'assembly/index.ts'), 'utf8')
const { version } = JSON.parse(readFileSync(join(root, 'node_modules/assemblyscript/package.json'), 'utf8')) as { version: string }

/** `stub` runtime: nothing is allocated inside. Memory is imported with its size fixed by the caller. */
const flags = ['-O3', '--runtime', 'stub', '--importMemory', '--noAssert', '--enable', 'simd']

async function compile(extra: readonly string[]): Promise<string> {
  let binary: Uint8Array | null = null
  const { error, stderr } = await asc.main(['index.ts', ...flags, ...extra, '--outFile', 'kernels.wasm'], {
    readFile: (name) => (name === 'index.ts' ? source : null),
    writeFile(_name, contents) {
      if (typeof contents !== 'string') binary = contents
    },
  })
  if (error !== null || binary === null) throw new Error(`assembly/index.ts does not compile: ${stderr.toString()}`)
  return Buffer.from(binary).toString('base64')
}

/** What the generated file must say for the source as it is now. */
export function sourceHash(): string {
  return createHash('sha256').update(JSON.stringify({ source, version, flags })).digest('hex')
}

export async function generate(): Promise<string> {
  return `/** Made by scripts/build-kernels.ts from assembly/index.ts with AssemblyScript ${version}. Do not edit. */
export const sourceHash = '${sourceHash()}'
export const wasmBase64 = '${await compile([])}'
export const wasmRelaxedBase64 = '${await compile(['--enable', 'relaxed-simd'])}'
`
}

if (import.meta.main) {
  const text = await generate()
  writeFileSync(join(root, 'src/kernels/wasm.generated.ts'), text)
  process.stdout.write(`src/kernels/wasm.generated.ts: ${text.length} bytes\n`)
}
