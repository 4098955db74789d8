/** A thread of a study's pool: takes one job at a time, reads a data set when a job first needs it. Entry point; imported by nobody. */
import { workerData } from 'node:worker_threads'
import { readDataset } from '../data/index.node.ts'
import { TacetError } from '../errors.ts'
import { aesNoise } from '../random/index.node.ts'
import { answerJobs } from './pool.node.ts'
import { createJobRunner } from './run-job.ts'
import type { StudySources } from './study.ts'

const { paths, skipBadLines } = workerData as StudySources
answerJobs(
  createJobRunner({
    async load(key) {
      const path = paths[key]
      if (path === undefined) throw new TacetError('internal', `a job needs the ${key} data set, and none was given`)
      return readDataset(path, { skipBadLines })
    },
    // As the engine of `tacet train` draws it.
    noiseOf: (random) => aesNoise(random.split('noise')),
  }),
)
