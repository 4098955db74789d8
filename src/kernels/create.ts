/** Which build to use. */
import { TacetError } from '../errors.ts'
import type { Kernels, KernelsName } from './kernels.ts'
import { createReferenceKernels } from './reference.ts'
import { createWasmKernels } from './wasm.ts'

/** `auto` is the fastest build this engine accepts. */
export type KernelsChoice = 'auto' | KernelsName

/**
 * @param byteLength size of the memory, from the arena that planned it
 * @throws TacetError invalid-argument if a build is asked for by name and this engine does not accept it
 */
export function createKernels(choice: KernelsChoice, byteLength: number): Kernels {
  switch (choice) {
    case 'reference':
      return createReferenceKernels(byteLength)
    case 'wasm':
    case 'wasm-relaxed': {
      const kernels = createWasmKernels(choice, byteLength)
      if (kernels === null)
        throw new TacetError('invalid-argument', `this engine does not accept the kernels '${choice}'`, { wayOut: "Use 'auto'." })
      return kernels
    }
    case 'auto':
      return createWasmKernels('wasm-relaxed', byteLength) ?? createWasmKernels('wasm', byteLength) ?? createReferenceKernels(byteLength)
  }
}
