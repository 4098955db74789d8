/**
 * Loads the WASM builds of the network kernels, instantiated once a memory.
 */
import type { Kernels } from './kernels.ts'
import { wasmBase64, wasmRelaxedBase64 } from './wasm.generated.ts'
import { wasmModule } from './wasm-module.ts'

type Build = 'wasm' | 'wasm-relaxed'

const moduleOf = (build: Build): WebAssembly.Module | null => wasmModule(build === 'wasm' ? wasmBase64 : wasmRelaxedBase64)

export const hasWasm = (build: Build): boolean => moduleOf(build) !== null

/**
 * @param byteLength size of the memory, rounded up to pages; it never grows
 * @returns null where this engine does not accept the build
 */
export function createWasmKernels(build: Build, byteLength: number): Kernels | null {
  const module = moduleOf(build)
  if (module === null) return null
  const pages = Math.ceil(byteLength / 65536)
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
  const { exports } = new WebAssembly.Instance(module, { env: { memory } })
  // The exports have the names and arguments of the contract; kernels.contract.ts holds them to it.
  return { ...(exports as unknown as Kernels), name: build, buffer: memory.buffer }
}
