/** A thread of the linear algebra: does its part of a call in a memory of its own. Started by linear-algebra-threads.node.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import type { KernelsName } from './kernels.ts'
import { linearAlgebra } from './linear-algebra-create.ts'
import { perform, type ThreadMessage } from './linear-algebra-threads.node.ts'

const algebra = linearAlgebra((workerData as { readonly kernels: KernelsName }).kernels)

parentPort?.on('message', ({ task, out, state }: ThreadMessage) => {
  let answer = 2
  try {
    out.set(perform(algebra, task))
    answer = 1
  } catch {
    // The calling thread does the call once more, to have the error with its words; this one lives on.
  }
  Atomics.store(state, 0, answer)
  Atomics.notify(state, 0)
})
parentPort?.postMessage('ready')
