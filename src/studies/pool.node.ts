/** Runs jobs in worker threads, one job a thread at a time. Each thread reads each data set once. Order of results is not the order of jobs. */
import { Worker } from 'node:worker_threads'
import { type ErrorCode, TacetError } from '../errors.ts'
import type { DatasetKey, JobResult, StudyJob } from './study.ts'

/** Where a thread reads the data sets from. */
export interface StudySources {
  readonly paths: { readonly [key in DatasetKey]?: string }
  readonly skipBadLines: boolean
}

export type WorkerReply =
  | { readonly id: string; readonly result: JobResult }
  | {
      readonly id: string
      readonly error: {
        readonly code: ErrorCode | null
        readonly message: string
        readonly wayOut: string | undefined
        readonly details: Record<string, unknown>
      }
    }

export interface JobPool {
  readonly jobs: readonly StudyJob[]
  readonly sources: StudySources
  /** Threads, ≥ 1. */
  readonly workers: number
  /** Called once a finished job, in this thread. Throwing stops the pool. */
  readonly onResult: (job: StudyJob, result: JobResult) => void
  readonly signal?: AbortSignal | undefined
}

/** The sources run as .ts, the built package as .js; the worker has the ending of this file. */
const workerFile = new URL(`./worker.node.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url)

/** @throws TacetError interrupted on `signal`; what a job threw; internal if a thread dies. Threads are gone when it returns or throws. */
export async function runJobs({ jobs, sources, workers, onResult, signal }: JobPool): Promise<void> {
  if (jobs.length === 0) return
  const waiting = [...jobs]
  const threads = Array.from(
    { length: Math.min(workers, jobs.length) },
    () => new Worker(workerFile, { workerData: sources, execArgv: [], env: process.env }),
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
      const reply = await replyOf(thread, job)
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
    await Promise.all(threads.map((thread) => thread.terminate()))
  }
}

function replyOf(thread: Worker, job: StudyJob): Promise<WorkerReply> {
  return new Promise((resolve, reject) => {
    const done = (settle: () => void) => {
      thread.removeAllListeners('message')
      thread.removeAllListeners('error')
      thread.removeAllListeners('exit')
      settle()
    }
    thread.once('message', (reply: WorkerReply) => done(() => resolve(reply)))
    thread.once('error', (error) => done(() => reject(error)))
    thread.once('exit', (code) =>
      done(() => reject(new TacetError('internal', `a worker of the study ended with status ${code} during job ${job.id}`))),
    )
    thread.postMessage(job)
  })
}

function errorOf(error: Extract<WorkerReply, { error: unknown }>['error'], job: StudyJob): Error {
  if (error.code === null) return new TacetError('internal', `job ${job.id}: ${error.message}`, { details: { job: job.id } })
  return new TacetError(error.code, error.message, {
    ...(error.wayOut === undefined ? {} : { wayOut: error.wayOut }),
    details: { ...error.details, job: job.id },
  })
}
