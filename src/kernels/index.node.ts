/** Kernels, Node only: linear algebra on worker threads. */
export { createThreadedLinearAlgebra, type ThreadedLinearAlgebra } from './linear-algebra-threads.node.ts'
