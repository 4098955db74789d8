/**
 * A run folder on disk: made under a working name, `<out>.partial`, and renamed to `<out>` in one step when everything is in it. So a folder
 * that exists under its own name is whole, whenever the process was killed.
 *
 * Public files lie at the top, everything that is not a priced release under `private/` (privacy-rules 1). The working folder of a run that
 * spent something is never removed, because what it spent must not be forgotten. It does not know what the files mean.
 */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { TacetError } from '../errors.ts'

/** Version of the run folder's layout and files. A reader refuses a higher one (`newer-run`). */
export const RUN_FORMAT_VERSION = 1

/** Names inside a run folder. */
export const files = {
  config: 'config.json',
  model: 'model.safetensors',
  events: 'events.json',
  privacy: 'privacy.json',
  card: 'card.json',
  statement: 'statement.md',
  report: 'report.html',
  journal: 'private/journal.ndjson',
  log: 'private/log.ndjson',
  checkpoint: 'private/checkpoint.safetensors',
  data: 'private/data.json',
  results: 'private/results.json',
  lock: 'private/lock',
} as const

/** Where a run is made before it is whole. */
export function workingFolderOf(out: string): string {
  return `${resolve(out)}.partial`
}

/**
 * Refuses an output that is there already or cannot be made, before any data is read. Writes nothing.
 * @throws TacetError output-exists, output-not-writable
 */
export function checkOutput(out: string): void {
  const target = resolve(out)
  if (existsSync(target))
    throw new TacetError('output-exists', `${out} exists already; a run never overwrites anything`, {
      wayOut: 'name another folder with --out, or remove this one',
      details: { path: target },
    })
  const working = workingFolderOf(out)
  if (existsSync(working))
    throw new TacetError('output-exists', `${working} holds an unfinished run; what it spent must not be forgotten`, {
      wayOut: `go on with it by --resume ${out}, or name another folder with --out`,
      details: { path: working },
    })
  let ancestor = dirname(target)
  while (!existsSync(ancestor) && dirname(ancestor) !== ancestor) ancestor = dirname(ancestor)
  try {
    if (!statSync(ancestor).isDirectory()) throw new Error(`${ancestor} is not a folder`)
    accessSync(ancestor, constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw notWritable(out, cause)
  }
}

/** Makes the working folder with its `private/`. @returns a function that removes what was made, for a run that failed before it spent anything */
export function createWorkingFolder(out: string): { readonly folder: string; readonly discard: () => void } {
  checkOutput(out)
  const folder = workingFolderOf(out)
  try {
    const madeParent = makeFolders(dirname(folder))
    mkdirSync(folder)
    mkdirSync(join(folder, 'private'), { mode: 0o700 })
    syncFolder(folder)
    syncFolder(dirname(folder))
    return {
      folder,
      discard: () => {
        rmSync(folder, { recursive: true, force: true })
        if (madeParent !== undefined && isEmptyChain(madeParent, dirname(folder))) rmSync(madeParent, { recursive: true, force: true })
      },
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST')
      throw new TacetError('output-exists', `${folder} was made by another process just now`, { wayOut: 'name another folder with --out' })
    throw notWritable(out, cause)
  }
}

/**
 * Makes a folder and what is missing above it, one level at a time: mkdir's own recursion never returns on file systems that answer "no such
 * file" to a new folder (/proc).
 * @returns the topmost folder that had to be made
 */
export function makeFolders(folder: string): string | undefined {
  if (existsSync(folder)) return undefined
  const above = makeFolders(dirname(folder))
  mkdirSync(folder)
  return above ?? folder
}

/** True if the folders from `top` down to `bottom` hold nothing but one another: a run may clean away only what it made. */
function isEmptyChain(top: string, bottom: string): boolean {
  for (let folder = bottom; ; folder = dirname(folder)) {
    try {
      if (readdirSync(folder).length > (folder === bottom ? 0 : 1)) return false
    } catch {
      return false
    }
    if (folder === top) return true
    if (dirname(folder) === folder) return false
  }
}

/** Gives a finished working folder its own name. After this it counts as whole. */
export function publishFolder(working: string, out: string): void {
  const target = resolve(out)
  // A rename would silently replace an empty folder that appeared meanwhile.
  if (existsSync(target))
    throw new TacetError('output-exists', `${out} appeared while the run was under way; the finished run is in ${working}`, {
      wayOut: `move one of them away, then --resume ${out}`,
    })
  syncFolder(join(working, 'private'))
  syncFolder(working)
  try {
    renameSync(working, target)
    syncFolder(dirname(target))
  } catch (cause) {
    throw notWritable(out, cause)
  }
}

/** Writes a file so that it is either the old one or the whole new one, whenever the process dies. */
export function writeFileAtomically(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.tmp`
  try {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content
    const descriptor = openSync(temporary, 'w')
    try {
      for (let offset = 0; offset < bytes.length; ) offset += writeSync(descriptor, bytes, offset)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    renameSync(temporary, path)
    syncFolder(dirname(path))
  } catch (cause) {
    throw notWritable(path, cause)
  }
}

export function writeJsonAtomically(path: string, value: unknown): void {
  writeFileAtomically(path, `${JSON.stringify(value, numbersThatJsonLacks, 2)}\n`)
}

/** Reads a JSON file of a run folder. @throws TacetError corrupt-run if it is missing, not JSON or not an object */
export function readRunJson(folder: string, name: string): Record<string, unknown> {
  const bytes = readRunFile(folder, name)
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('not an object')
    return value as Record<string, unknown>
  } catch (cause) {
    throw new TacetError('corrupt-run', `${join(folder, name)} is damaged: it is not a JSON object`, {
      wayOut: 'restore the file from a copy, or train again',
      cause,
    })
  }
}

/** Reads a file of a run folder. @throws TacetError corrupt-run if it cannot be read */
export function readRunFile(folder: string, name: string): Buffer {
  try {
    return readFileSync(join(folder, name))
  } catch (cause) {
    throw new TacetError('corrupt-run', `${folder} is not a whole run folder: ${name} cannot be read`, {
      wayOut: 'restore the folder from a copy, or train again',
      cause,
    })
  }
}

/**
 * Finds the folder of a finished run, with a word for each way it may not be one.
 * @throws TacetError missing-file, corrupt-run, newer-run
 */
export function openRunFolder(run: string): { readonly folder: string; readonly config: Record<string, unknown> } {
  const folder = resolve(run)
  if (!existsSync(folder)) {
    if (existsSync(workingFolderOf(run)))
      throw new TacetError('corrupt-run', `${run} is not finished: only ${workingFolderOf(run)} is there`, {
        wayOut: `finish it: tacet train --resume ${run}`,
      })
    throw new TacetError('missing-file', `there is no run folder at ${run}`, { wayOut: 'check the path; tacet train makes run folders' })
  }
  if (!statSync(folder).isDirectory())
    throw new TacetError('corrupt-run', `${run} is a file, not a run folder`, { wayOut: 'give the folder that tacet train made' })
  if (folder.endsWith('.partial'))
    throw new TacetError('corrupt-run', `${run} is the working folder of an unfinished run`, {
      wayOut: `finish it: tacet train --resume ${run}`,
    })
  const config = readRunJson(folder, files.config)
  checkFormatVersion(config, folder)
  return { folder, config }
}

/** @throws TacetError newer-run or corrupt-run by `config.formatVersion` */
export function checkFormatVersion(config: Record<string, unknown>, folder: string): void {
  const version = config.formatVersion
  if (typeof version !== 'number' || !Number.isInteger(version) || version < 1)
    throw new TacetError('corrupt-run', `${join(folder, files.config)} is damaged: its formatVersion is ${JSON.stringify(version)}`, {
      wayOut: 'restore the file from a copy, or train again',
    })
  if (version > RUN_FORMAT_VERSION)
    throw new TacetError(
      'newer-run',
      `${folder} was made by a newer Tacet: its format is ${version} and this one reads up to ${RUN_FORMAT_VERSION}`,
      {
        wayOut: 'update Tacet, or read the run with the version that made it',
        details: { formatVersion: version, supported: RUN_FORMAT_VERSION },
      },
    )
}

/**
 * Keeps two processes from taking up one run. A lock whose process is gone is taken over.
 * @returns a function that gives it back
 */
export function lockFolder(folder: string): () => void {
  const path = join(folder, files.lock)
  for (let tries = 0; tries < 2; tries++) {
    try {
      const descriptor = openSync(path, 'wx')
      writeSync(descriptor, String(process.pid))
      closeSync(descriptor)
      return () => rmSync(path, { force: true })
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw notWritable(path, cause)
      const holder = Number(readFileSync(path, 'utf8'))
      if (Number.isInteger(holder) && holder > 0 && isAlive(holder))
        throw new TacetError('output-exists', `process ${holder} is working on ${folder}`, {
          wayOut: `wait for it; if no such training is running, remove ${path}`,
        })
      rmSync(path, { force: true })
    }
  }
  throw new TacetError('output-exists', `${folder} is being taken up by another process`, { wayOut: 'wait for it' })
}

function isAlive(processId: number): boolean {
  if (processId === process.pid) return true
  try {
    process.kill(processId, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** JSON has no infinity: it is written "inf", as everywhere in Tacet's files and outputs. NaN never reaches a file. */
export function numbersThatJsonLacks(key: string, value: unknown): unknown {
  if (value === Number.POSITIVE_INFINITY) return 'inf'
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TacetError('internal', `${key} is ${value} and cannot be written`)
  return value
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function notWritable(path: string, cause: unknown): TacetError {
  if (cause instanceof TacetError) return cause
  return new TacetError(
    'output-not-writable',
    `${path} cannot be written (${(cause as NodeJS.ErrnoException).code ?? (cause as Error).message})`,
    {
      wayOut: 'name a folder you may write to, with room left on its disk',
      details: { path },
      cause,
    },
  )
}
