/**
 * A study's folder: `study.json` (which study), `jobs/ID.json` (one result each, whole or absent), and the report written at the end. A stopped
 * study leaves the jobs it finished, and nothing else that looks finished.
 */
import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TacetError } from '../errors.ts'
import { makeFolders } from '../runs/index.node.ts'

/** A folder of jobs whose results have a `kind`. */
export interface StudyFolder<Job extends { readonly id: string }, Result> {
  readonly path: string
  /** The result of an earlier call, or null; a damaged file counts as absent. */
  read(job: Job): Result | null
  write(finished: { readonly job: Job; readonly result: Result }): void
  /** Writes a file of the report, whole or not at all. */
  publish(name: string, text: string): string
}

/**
 * Opens the study folder at `path`, or makes it.
 * @throws TacetError output-exists if something else is there, output-not-writable
 */
export function openStudyFolder<Job extends { readonly id: string }, Result extends { readonly kind: string }>(
  path: string,
  study: string,
): StudyFolder<Job, Result> {
  const marker = join(path, 'study.json')
  const jobs = join(path, 'jobs')
  const exists = existsSync(path)
  if (exists && !statSync(path).isDirectory())
    throw new TacetError('output-exists', `${path} is a file`, { wayOut: 'Give --out a folder that does not exist.', details: { path } })
  if (exists && readdirSync(path).length > 0) {
    const found = studyNameOf(marker)
    if (found !== study)
      throw new TacetError(
        'output-exists',
        found === null ? `${path} is not empty and holds no study` : `${path} holds the study ${found}`,
        {
          wayOut: 'Give --out a new folder, or the folder of this study to go on with it.',
          details: { path },
        },
      )
  }
  const writing = (work: () => void) => {
    try {
      work()
    } catch (error) {
      throw new TacetError('output-not-writable', `cannot write to ${path} (${(error as Error).message})`, {
        wayOut: 'Choose another --out, or make it writable.',
        details: { path },
        cause: error,
      })
    }
  }
  const publish = (target: string, text: string) =>
    writing(() => {
      const temporary = `${target}.${randomUUID()}.tmp`
      writeFileSync(temporary, text)
      renameSync(temporary, target)
    })
  writing(() => {
    makeFolders(jobs)
    // Left by a process that was killed while it wrote.
    for (const name of readdirSync(jobs)) if (name.endsWith('.tmp')) rmSync(join(jobs, name), { force: true })
  })
  publish(marker, `${JSON.stringify({ study, notForRelease: true }, null, 2)}\n`)
  return {
    path,
    read(job) {
      try {
        const { id, result } = JSON.parse(readFileSync(join(jobs, `${job.id}.json`), 'utf8')) as { id: string; result: Result }
        return id === job.id && typeof result?.kind === 'string' ? result : null
      } catch {
        return null
      }
    },
    write({ job, result }) {
      publish(join(jobs, `${job.id}.json`), `${JSON.stringify({ ...job, result }, null, 2)}\n`)
    },
    publish(name, text) {
      const target = join(path, name)
      publish(target, text)
      return target
    },
  }
}

function studyNameOf(marker: string): string | null {
  try {
    const { study } = JSON.parse(readFileSync(marker, 'utf8')) as { study?: unknown }
    return typeof study === 'string' ? study : null
  } catch {
    return null
  }
}
