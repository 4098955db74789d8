/**
 * A thread that adds up clipped gradients of its part of a batch, in a memory of its own. It draws no noise and holds no key. Started by
 * parallel-engine.node.ts; sleeps in Atomics.wait between steps.
 */
import { parentPort, workerData } from 'node:worker_threads'
import type { KernelsChoice } from '../kernels/index.ts'
import { createWideAndDeepNetwork, type WideAndDeepConfig, type WideAndDeepData } from '../models/index.ts'
import {
  ANSWERED,
  CLIPPED,
  CLOSED,
  FAILED,
  FROM,
  INVALID,
  readClipping,
  SEQUENCE,
  type SharedStep,
  TO,
  threadWord,
} from './gradient-protocol.ts'
import { accumulateRows } from './step-engine.ts'

export interface GradientWorkerData {
  readonly thread: number
  readonly config: WideAndDeepConfig
  readonly data: WideAndDeepData
  readonly columns: { readonly users: Uint32Array; readonly items: Uint32Array; readonly ratings: Float32Array }
  readonly kernels: KernelsChoice
  readonly tileRows: number
  readonly shared: SharedStep
}

function serve({ thread, config, data, columns, kernels, tileRows, shared }: GradientWorkerData): void {
  const { control } = shared
  const model = createWideAndDeepNetwork(config, data, { kernels, tileRows })
  const { network } = model
  parentPort?.postMessage('ready')
  for (let sequence = 0; ; ) {
    Atomics.wait(control, SEQUENCE, sequence)
    if (Atomics.load(control, CLOSED) === 1) return
    sequence = Atomics.load(control, SEQUENCE)
    const counts = { lossSum: 0, clipped: 0, invalid: 0 }
    try {
      network.clearGradient()
      network.parameters.set(shared.parameters)
      network.prepare()
      const rows = shared.rows.subarray(control[threadWord(thread, FROM)], control[threadWord(thread, TO)])
      accumulateRows(model, columns, rows, rows.length, readClipping(shared.clipping), counts)
      shared.gradients[thread]?.set(network.gradient.subarray(0, network.parameterCount))
      control[threadWord(thread, FAILED)] = 0
    } catch {
      control[threadWord(thread, FAILED)] = 1
    }
    shared.lossSums[thread] = counts.lossSum
    control[threadWord(thread, CLIPPED)] = counts.clipped
    control[threadWord(thread, INVALID)] = counts.invalid
    Atomics.store(control, threadWord(thread, ANSWERED), sequence)
    Atomics.notify(control, threadWord(thread, ANSWERED))
  }
}

serve(workerData as GradientWorkerData)
