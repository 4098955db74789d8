import { expect, test } from 'vitest'
import { sourceHash as freshHash, generate } from '../../scripts/build-kernels.ts'
import { createKernels } from './create.ts'
import { describeKernels } from './kernels.contract.ts'
import { createReferenceKernels } from './reference.ts'
import { sourceHash, wasmBase64, wasmRelaxedBase64 } from './wasm.generated.ts'
import { createWasmKernels, hasWasm } from './wasm.ts'

describeKernels('reference', createReferenceKernels)
for (const build of ['wasm', 'wasm-relaxed'] as const) {
  if (hasWasm(build)) describeKernels(build, (byteLength) => createWasmKernels(build, byteLength)!)
  else test(`this engine does not accept the ${build} kernels`, () => expect(() => createKernels(build, 65536)).toThrow('does not accept'))
}

test('the embedded modules were built from the source as it stands', () => {
  expect(sourceHash, 'run npm run build:kernels').toBe(freshHash())
})

if (process.env.TACET_SLOW)
  test('a fresh build gives the embedded modules byte for byte', async () => {
    const text = await generate()
    expect(text).toContain(wasmBase64)
    expect(text).toContain(wasmRelaxedBase64)
  })

test('auto takes the fastest build there is, and memory never changes its size', () => {
  const kernels = createKernels('auto', 200_000)
  expect(kernels.name).toBe(hasWasm('wasm-relaxed') ? 'wasm-relaxed' : hasWasm('wasm') ? 'wasm' : 'reference')
  expect(kernels.buffer.byteLength).toBe(262_144)
})
