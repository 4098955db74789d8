import { expect, test } from 'vitest'
import { describeLinearAlgebra } from './linear-algebra.contract.ts'
import { linearAlgebra } from './linear-algebra-create.ts'
import { referenceLinearAlgebra } from './linear-algebra-reference.ts'
import { createWasmLinearAlgebra } from './linear-algebra-wasm.ts'

describeLinearAlgebra(referenceLinearAlgebra)
for (const build of ['wasm', 'wasm-relaxed'] as const) {
  const algebra = createWasmLinearAlgebra(build)
  if (algebra) describeLinearAlgebra(algebra)
  else test(`this engine does not accept the ${build} kernels`, () => expect(() => linearAlgebra(build)).toThrow('does not accept'))
}

test('auto takes the fastest build there is', () => {
  const best = (['wasm-relaxed', 'wasm'] as const).find((build) => createWasmLinearAlgebra(build) !== null) ?? 'reference'
  expect(linearAlgebra().name).toBe(best)
})
