/** Training, the parts that need Node: the engine with AES noise and worker threads. */
export { createNodeWideAndDeepEngine } from './parallel-engine.node.ts'
