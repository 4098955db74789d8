/**
 * The Wide & Deep engine with worker threads: each adds up the clipped gradients of its share of a large batch, the engine adds them together and
 * draws the noise, once. Clipping is by example, so who computes an example changes nothing but the order of additions; nothing here may
 * change ε. Pays from batches of some thousand rows on (bench/training.ts says what it brings); smaller steps stay on the calling thread.
 */
import { Worker } from 'node:worker_threads'
import { checkNumber, TacetError } from '../errors.ts'
import { aesNoise } from '../random/index.node.ts'
import {
  ANSWERED,
  addCounts,
  CLOSED,
  createSharedStep,
  FAILED,
  FROM,
  SEQUENCE,
  TO,
  threadWord,
  writeClipping,
} from './gradient-protocol.ts'
import type { GradientWorkerData } from './gradient-worker.node.ts'
import { createWideAndDeepEngine, type GradientHelpers, type WideAndDeepEngine, type WideAndDeepEngineOptions } from './step-engine.ts'

/** A step that takes this long has lost a thread. */
const STEP_TIMEOUT_MS = 60_000

/**
 * The engine as Node runs it best: AES noise unless another is given, and worker threads if `threads` asks for them.
 * @param threads how many threads share a large batch, the calling one included; default 1
 * @param minRowsPerThread smaller shares are not worth handing out
 */
export async function createNodeWideAndDeepEngine(
  options: WideAndDeepEngineOptions & { readonly threads?: number; readonly minRowsPerThread?: number },
): Promise<WideAndDeepEngine> {
  const { threads = 1, minRowsPerThread = 1024, ...plain } = options
  checkNumber('threads', threads, { atLeast: 1, atMost: 64, integer: true })
  const noise = options.noise ?? aesNoise(options.random.split('noise'))
  if (threads === 1) return createWideAndDeepEngine({ ...plain, noise })

  // The helpers need the number of parameters and blocks, which the engine knows: late-bound.
  let helpers: GradientHelpers | null = null
  const engine = createWideAndDeepEngine({
    ...plain,
    noise,
    helpers: {
      start: (rows, count, clipping, parameters) => helpers?.start(rows, count, clipping, parameters) ?? count,
      finish: (gradient, counts) => helpers?.finish(gradient, counts),
      close: () => helpers?.close(),
    },
  })
  helpers = await startHelpers(plain, engine, threads - 1, minRowsPerThread)
  return engine
}

async function startHelpers(
  options: WideAndDeepEngineOptions,
  engine: WideAndDeepEngine,
  workers: number,
  minRowsPerThread: number,
): Promise<GradientHelpers> {
  const shared = createSharedStep({
    threads: workers,
    parameterCount: engine.parameterCount,
    maxBatch: options.maxBatch,
    blocks: engine.blocks.length,
  })
  const { control } = shared
  const { config, userCount, itemCount, userFeatures, itemFeatures } = options
  const columns = { users: shareWords(options.users), items: shareWords(options.items), ratings: shareFloats(options.ratings) }
  const script = new URL(`./gradient-worker.node${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)
  const running = Array.from({ length: workers }, (_, thread) => {
    const workerData: GradientWorkerData = {
      thread,
      config,
      data: { userCount, itemCount, userFeatures, itemFeatures },
      columns,
      kernels: options.kernels ?? 'auto',
      tileRows: options.tileRows ?? 128,
      shared,
    }
    return new Worker(script, { workerData })
  })
  await Promise.all(
    running.map(
      (worker) =>
        new Promise<void>((resolve, reject) => {
          worker.once('message', () => resolve())
          worker.once('error', reject)
        }),
    ),
  )
  for (const worker of running) worker.unref()
  let sequence = 0
  let active = 0

  return {
    start(rows, count, clipping, parameters) {
      active = Math.min(workers, Math.max(0, Math.floor(count / minRowsPerThread) - 1))
      if (active === 0) return count
      const share = Math.floor(count / (active + 1))
      const kept = count - active * share
      shared.parameters.set(parameters)
      shared.rows.set(rows.subarray(0, count))
      writeClipping(clipping, shared.clipping)
      for (let thread = 0; thread < workers; thread++) {
        // A thread with nothing to do gets an empty range: it answers, so that all stay in step.
        control[threadWord(thread, FROM)] = thread < active ? kept + thread * share : 0
        control[threadWord(thread, TO)] = thread < active ? kept + (thread + 1) * share : 0
      }
      sequence++
      Atomics.store(control, SEQUENCE, sequence)
      Atomics.notify(control, SEQUENCE)
      return kept
    },
    finish(gradient, counts) {
      if (active === 0) return
      for (let thread = 0; thread < workers; thread++) {
        const word = threadWord(thread, ANSWERED)
        while (Atomics.load(control, word) !== sequence) {
          if (Atomics.wait(control, word, sequence - 1, STEP_TIMEOUT_MS) === 'timed-out')
            throw new TacetError(
              'internal',
              `gradient thread ${thread + 1} of ${workers} did not answer within ${STEP_TIMEOUT_MS / 1000} s`,
            )
        }
        if (control[threadWord(thread, FAILED)] !== 0)
          throw new TacetError('internal', `gradient thread ${thread + 1} of ${workers} failed; the step had no effect`)
        if (thread >= active) continue
        const part = shared.gradients[thread] as Float32Array
        for (let i = 0; i < part.length; i++) gradient[i] = (gradient[i] as number) + (part[i] as number)
        addCounts(shared, thread, counts)
      }
    },
    close() {
      Atomics.store(control, CLOSED, 1)
      Atomics.add(control, SEQUENCE, 1)
      Atomics.notify(control, SEQUENCE)
    },
  }
}

function shareWords(values: Uint32Array): Uint32Array {
  const copy = new Uint32Array(new SharedArrayBuffer(values.byteLength))
  copy.set(values)
  return copy
}

function shareFloats(values: Float32Array): Float32Array {
  const copy = new Float32Array(new SharedArrayBuffer(values.byteLength))
  copy.set(values)
  return copy
}
