/** Which build to use. */
import type { Kernels, KernelsName } from './kernels.ts'
import { createReferenceKernels } from './reference.ts'

/** `auto` is the fastest build this engine accepts. */
export type KernelsChoice = 'auto' | KernelsName

/** @param byteLength size of the memory, from the arena that planned it */
export function createKernels(_choice: KernelsChoice, byteLength: number): Kernels {
  return createReferenceKernels(byteLength)
}
