/** Opens data files in Node: lists a folder, finds `name` or `name.gz`, unpacks gzip by its magic bytes whatever the name says. */
import { closeSync, createReadStream, existsSync, fstatSync, openSync, type ReadStream, readdirSync, readSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { TacetError } from '../errors.ts'
import { type DatasetFormat, detectFileSetFormat, expectedFiles, type FileSet, formatFacts, type ReadOptions } from './formats.ts'
import type { TextFile } from './lines.ts'

const CHUNK_BYTES = 1 << 18

/**
 * Lists the data set at `path`. A file that is the main file of a known format, beside the rest of it, stands for its folder, unless `alone`.
 * @throws TacetError missing-file
 */
export function listFiles(
  path: string,
  { onProgress, alone = false }: { onProgress?: ReadOptions['onProgress']; alone?: boolean } = {},
): FileSet {
  if (path === '' || !existsSync(path)) {
    throw new TacetError('missing-file', path === '' ? 'the path of the data is empty' : `there is nothing at ${path}`, {
      wayOut: `Give a folder that holds ${expectedFiles()}.`,
      details: { path },
    })
  }
  const progress = progressOver(onProgress)
  const folderSet = (folder: string): FileSet => {
    const actual = new Map<string, string>()
    // Sorted backwards so that `x` wins over `x.gz` in whatever order the file system lists them.
    for (const entry of listFolder(folder).sort().reverse()) actual.set(withoutGz(entry), join(folder, entry))
    return {
      path: folder,
      name: basename(resolve(folder)),
      kind: 'folder',
      names: [...actual.keys()].reverse(),
      open: (name) => openFile(actual.get(name) ?? join(folder, name), progress),
    }
  }
  if (statSync(path).isDirectory()) return folderSet(path)
  const fileName = withoutGz(basename(path))
  const format = Object.keys(formatFacts).find((key) => formatFacts[key as keyof typeof formatFacts].mainFile === fileName)
  if (format && !alone) {
    const folder = folderSet(dirname(path))
    const complete = formatFacts[format as keyof typeof formatFacts].alsoNeeds.every((needed) => folder.names.includes(needed))
    if (complete) return { ...folder, format: format as DatasetFormat }
  }
  const name = fileName.replace(/\.[a-z]+$/i, '') || fileName
  return { path, name, kind: 'file', names: [fileName], open: () => openFile(path, progress) }
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    throw readError(folder, error)
  }
}

/** The format of the data set at `path`, by the names of its files. @throws TacetError missing-file */
export function detectFormat(path: string): DatasetFormat {
  return detectFileSetFormat(listFiles(path))
}

function withoutGz(name: string): string {
  return name.replace(/\.gz$/i, '')
}

/** Bytes read of each file so far; a file that is opened twice (a look at its first line) counts once. */
interface Progress {
  opened(path: string, size: number): void
  read(path: string, bytes: number): void
}

function progressOver(onProgress: ReadOptions['onProgress']): Progress {
  const files = new Map<string, { size: number; read: number }>()
  return {
    opened: (path, size) => void files.set(path, { size, read: 0 }),
    read(path, bytes) {
      const file = files.get(path)
      if (!file || !onProgress) return
      file.read += bytes
      let bytesRead = 0
      let totalBytes = 0
      for (const { size, read } of files.values()) {
        bytesRead += read
        totalBytes += size
      }
      onProgress({ bytesRead, totalBytes })
    },
  }
}

function openFile(path: string, progress: Progress): TextFile {
  return {
    path,
    async *chunks() {
      let source: ReadStream | undefined
      try {
        const { compressed, size } = lookInto(path)
        progress.opened(path, size)
        source = createReadStream(path, { highWaterMark: CHUNK_BYTES })
        source.on('data', (chunk) => progress.read(path, chunk.length))
        const bytes = compressed ? pipeline(source, createGunzip({ chunkSize: CHUNK_BYTES }), () => {}) : source
        for await (const chunk of bytes) yield chunk as Uint8Array
      } catch (error) {
        throw readError(path, error)
      } finally {
        source?.destroy()
      }
    },
  }
}

function lookInto(path: string): { compressed: boolean; size: number } {
  const descriptor = openSync(path, 'r')
  try {
    const magic = new Uint8Array(2)
    readSync(descriptor, magic, 0, 2, 0)
    return { compressed: magic[0] === 0x1f && magic[1] === 0x8b, size: fstatSync(descriptor).size }
  } finally {
    closeSync(descriptor)
  }
}

/** Names of what can go wrong on the way from disk to text; anything else is passed on. */
function readError(path: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? ''
  if (code.startsWith('Z_')) {
    return new TacetError('malformed-data', `${path} is a damaged or cut-off gzip file (${(error as Error).message})`, {
      wayOut: 'Fetch or compress it again; `gzip -t` tells whether it is whole.',
      details: { file: path },
      cause: error,
    })
  }
  if (code === 'ENOENT' || code === 'EACCES' || code === 'EISDIR' || code === 'EPERM') {
    const why = code === 'ENOENT' ? 'is not there' : code === 'EISDIR' ? 'is a folder, not a file' : 'may not be read by this user'
    return new TacetError('missing-file', `${path} ${why}`, {
      wayOut: 'Check the path and its permissions.',
      details: { file: path },
      cause: error,
    })
  }
  return error
}
