import { describe, expect, test } from 'vitest'
import { sourceHash as freshHash, generate, kernelModules } from '../../scripts/build-kernels.ts'
import { createKernels } from './create.ts'
import { describeKernels } from './kernels.contract.ts'
import { createReferenceKernels } from './reference.ts'
import { createWasmKernels, hasWasm } from './wasm.ts'

describeKernels('reference', createReferenceKernels)
for (const build of ['wasm', 'wasm-relaxed'] as const) {
  if (hasWasm(build)) describeKernels(build, (byteLength) => createWasmKernels(build, byteLength)!)
  else test(`this engine does not accept the ${build} kernels`, () => expect(() => createKernels(build, 65536)).toThrow('does not accept'))
}

describe.each(Object.entries(kernelModules) as [keyof typeof kernelModules, string][])('assembly/%s.ts', (module, generated) => {
  test('the embedded module was built from the source as it stands', async () => {
    expect((await import(`./${generated}`)).sourceHash, `run npm run build:kernels -- ${module}`).toBe(freshHash(module))
  })

  if (process.env.TACET_SLOW)
    test('a fresh build gives the embedded module byte for byte', async () => {
      const embedded = await import(`./${generated}`)
      const text = await generate(module)
      expect(text).toContain(embedded.wasmBase64)
      expect(text).toContain(embedded.wasmRelaxedBase64)
    })
})

test('auto takes the fastest build there is, and memory never changes its size', () => {
  const kernels = createKernels('auto', 200_000)
  expect(kernels.name).toBe(hasWasm('wasm-relaxed') ? 'wasm-relaxed' : hasWasm('wasm') ? 'wasm' : 'reference')
  expect(kernels.buffer.byteLength).toBe(262_144)
})
