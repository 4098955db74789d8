/** Runs jobs in worker threads, one job a thread at a time. Each thread reads each data set once. Order of results is not the order of jobs. */
import { parentPort, Worker } from 'node:worker_threads'
import { type ErrorCode, TacetError } from '../errors.ts'

export type WorkerReply<Result> =
  | { readonly id: string; readonly result: Result }
  | {
      readonly id: string
      readonly error: {
        readonly code: ErrorCode | null
        readonly message: string
        readonly wayOut: string | undefined
        readonly details: Record<string, unknown>
      }
    }

export interface JobPool<Job extends { readonly id: string }, Result> {
  readonly jobs: readonly Job[]
  /** File beside this one that answers jobs (`answerJobs`), without its ending. */
  readonly worker: string
  /** What every thread is started with; plain data. */
  readonly workerData: unknown
  /** Threads, ≥ 1. */
  readonly workers: number
  /** Called once a finished job, in this thread. Throwing stops the pool. */
  readonly onResult: (job: Job, result: Result) => void
  readonly signal?: AbortSignal | undefined
}

/** The sources run as .ts, the built package as .js; a worker has the ending of this file. */
const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'

/** @throws TacetError interrupted on `signal`; what a job threw; internal if a thread dies. Threads are told to end when it returns or throws. */
export async function runJobs<Job extends { readonly id: string }, Result>({
  jobs,
  worker,
  workerData,
  workers,
  onResult,
  signal,
}: JobPool<Job, Result>): Promise<void> {
  if (jobs.length === 0) return
  const waiting = [...jobs]
  const workerFile = new URL(`./${worker}.${ending}`, import.meta.url)
  const threads = Array.from(
    { length: Math.min(workers, jobs.length) },
    () => new Worker(workerFile, { workerData, execArgv: [], env: process.env }),
  )
  let stop: (reason: unknown) => void = () => {}
  const stopped = new Promise<never>((_, reject) => {
    stop = reject
  })
  const onAbort = () =>
    stop(
      new TacetError('interrupted', 'the study was stopped; its finished jobs are kept', {
        wayOut: 'Run the same command again to go on.',
      }),
    )
  if (signal?.aborted) onAbort()
  signal?.addEventListener('abort', onAbort, { once: true })
  const work = threads.map(async (thread) => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
      const reply = await replyOf<Result>(thread, job)
      if ('error' in reply) throw errorOf(reply.error, job)
      onResult(job, reply.result)
    }
  })
  try {
    await Promise.race([Promise.all(work), stopped])
  } finally {
    signal?.removeEventListener('abort', onAbort)
    // Whatever the other threads would still say is not waited for.
    for (const each of work) each.catch(() => {})
    stopped.catch(() => {})
    await ended(threads)
  }
}

/** Milliseconds after which a thread that does not end is left to end by itself: it must not hold a caller who was interrupted. */
const patienceMs = 5000

async function ended(threads: readonly Worker[]): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, patienceMs)
  })
  for (const thread of threads) thread.unref()
  await Promise.race([Promise.all(threads.map((thread) => thread.terminate())), patience])
  clearTimeout(timer)
}

function replyOf<Result>(thread: Worker, job: { readonly id: string }): Promise<WorkerReply<Result>> {
  return new Promise((resolve, reject) => {
    const done = (settle: () => void) => {
      thread.removeAllListeners('message')
      thread.removeAllListeners('error')
      thread.removeAllListeners('exit')
      settle()
    }
    thread.once('message', (reply: WorkerReply<Result>) => done(() => resolve(reply)))
    thread.once('error', (error) => done(() => reject(error)))
    thread.once('exit', (code) =>
      done(() => reject(new TacetError('internal', `a worker of the study ended with status ${code} during job ${job.id}`))),
    )
    thread.postMessage(job)
  })
}

function errorOf(error: Extract<WorkerReply<unknown>, { error: unknown }>['error'], job: { readonly id: string }): Error {
  if (error.code === null) return new TacetError('internal', `job ${job.id}: ${error.message}`, { details: { job: job.id } })
  return new TacetError(error.code, error.message, {
    ...(error.wayOut === undefined ? {} : { wayOut: error.wayOut }),
    details: { ...error.details, job: job.id },
  })
}

/** The other side, for a worker file: answers every job that arrives with what `run` gives or throws. */
export function answerJobs<Job extends { readonly id: string }, Result>(run: (job: Job) => Promise<Result>): void {
  parentPort?.on('message', async (job: Job) => {
    let reply: WorkerReply<Result>
    try {
      reply = { id: job.id, result: await run(job) }
    } catch (thrown) {
      const error = thrown as Error
      reply = {
        id: job.id,
        error:
          error instanceof TacetError
            ? { code: error.code, message: error.message, wayOut: error.wayOut, details: { ...error.details } }
            : { code: null, message: error.stack ?? String(error), wayOut: undefined, details: {} },
      }
    }
    parentPort?.postMessage(reply)
  })
}
