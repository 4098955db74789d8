/**
 * Loads the WASM builds. Compiled once a process and instantiated once a memory; everything is synchronous, in Node and in browsers alike
 * (the modules are some 12 KB). No network, no file.
 */
import type { Kernels } from './kernels.ts'
import { wasmBase64, wasmRelaxedBase64 } from './wasm.generated.ts'

type Build = 'wasm' | 'wasm-relaxed'

const compiled = new Map<Build, WebAssembly.Module | null>()

/** The compiled module, or null where this engine does not accept the build. */
function moduleOf(build: Build): WebAssembly.Module | null {
  let module = compiled.get(build)
  if (module === undefined) {
    const binary = atob(build === 'wasm' ? wasmBase64 : wasmRelaxedBase64)
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0))
    module = WebAssembly.validate(bytes) ? new WebAssembly.Module(bytes) : null
    compiled.set(build, module)
  }
  return module
}

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
