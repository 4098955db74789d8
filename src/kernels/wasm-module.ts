/**
 * Compiles an embedded WASM binary, once a process. Everything is synchronous, in Node and in browsers alike (the modules are some 12 KB each).
 * No network, no file.
 */
const compiled = new Map<string, WebAssembly.Module | null>()

/** The compiled module of a base64 binary, or null where this engine does not accept it (relaxed SIMD, for one). */
export function wasmModule(base64: string): WebAssembly.Module | null {
  let module = compiled.get(base64)
  if (module === undefined) {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
    module = WebAssembly.validate(bytes) ? new WebAssembly.Module(bytes) : null
    compiled.set(base64, module)
  }
  return module
}
