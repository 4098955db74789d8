/** Kernels: the numeric contract and its builds. A leaf. */

export { createKernels, type KernelsChoice } from './create.ts'
export { createGraphKernels, type GraphKernels } from './graph.ts'
export {
  ARENA_START,
  type Arena,
  clipMode,
  createArena,
  type Kernels,
  type KernelsName,
  type Pointer,
  padded,
  TABLE_DESCRIPTOR_WORDS,
} from './kernels.ts'
export { type KrylovOptions, largestEigenpairs } from './krylov.ts'
export type { Eigenpairs, LinearAlgebra, ProductShape, RidgeRows, SparseOnes } from './linear-algebra.ts'
export { linearAlgebra, replaceLinearAlgebra } from './linear-algebra-create.ts'
export { createRankingKernels, type RankingKernels } from './ranking.ts'
export { PANEL_ITEMS, referenceRankingKernels } from './ranking-reference.ts'
export { createReferenceKernels } from './reference.ts'
export { symmetricEigen } from './symmetric-eigen.ts'
export { hasWasm } from './wasm.ts'
