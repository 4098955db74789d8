import { expect, test } from 'vitest'
import { describeGraphKernels } from './graph.contract.ts'
import { createGraphKernels, wasmGraphKernels } from './graph.ts'
import { referenceGraphKernels } from './graph-reference.ts'

describeGraphKernels('reference', referenceGraphKernels)
for (const build of ['wasm', 'wasm-relaxed'] as const)
  if (wasmGraphKernels(build, 65536)) describeGraphKernels(build, (byteLength) => wasmGraphKernels(build, byteLength)!)
  else test(`this engine does not accept the ${build} graph kernels`, () => expect(wasmGraphKernels(build, 65536)).toBeNull())

test('the fastest build there is, is taken', () => {
  const best = (['wasm-relaxed', 'wasm'] as const).find((build) => wasmGraphKernels(build, 65536) !== null) ?? 'reference'
  expect(createGraphKernels(65536).name).toBe(best)
})
