/** A thread of the pool: takes one job at a time, reads a data set when a job first needs it. Entry point; imported by nobody. */
import { parentPort, workerData } from 'node:worker_threads'
import { readDataset } from '../data/index.node.ts'
import { TacetError } from '../errors.ts'
import { aesNoise } from '../random/index.node.ts'
import type { StudySources, WorkerReply } from './pool.node.ts'
import { createJobRunner } from './run-job.ts'
import type { StudyJob } from './study.ts'

const { paths, skipBadLines } = workerData as StudySources
const run = createJobRunner({
  async load(key) {
    const path = paths[key]
    if (path === undefined) throw new TacetError('internal', `a job needs the ${key} data set, and none was given`)
    return readDataset(path, { skipBadLines })
  },
  // As the engine of `tacet train` draws it.
  noiseOf: (random) => aesNoise(random.split('noise')),
})

parentPort?.on('message', async (job: StudyJob) => {
  let reply: WorkerReply
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
