/** A `FileSet` over bytes at hand: what a browser reads uploads through, and what tests feed the readers with. */
import { TacetError } from '../errors.ts'
import type { FileSet } from './formats.ts'

/**
 * @param name name of the data set, also its path in messages
 * @param contents file name → text or bytes; gzip is recognised by its magic bytes, `.gz` in the name is optional
 * @param chunkBytes size of the pieces the readers get; any size gives the same result
 */
export function filesInMemory(
  name: string,
  contents: Readonly<Record<string, string | Uint8Array<ArrayBuffer>>>,
  { chunkBytes = 1 << 18 }: { chunkBytes?: number } = {},
): FileSet {
  const encoder = new TextEncoder()
  const files = new Map(
    Object.entries(contents).map(([file, content]) => [
      file.replace(/\.gz$/i, ''),
      { path: `${name}/${file}`, bytes: typeof content === 'string' ? encoder.encode(content) : content },
    ]),
  )
  return {
    path: name,
    name,
    kind: 'folder',
    names: [...files.keys()],
    open(file) {
      const found = files.get(file)
      if (!found) throw new TacetError('missing-file', `${name} has no ${file}`, { details: { path: name, file } })
      const { path, bytes } = found
      return {
        path,
        async *chunks() {
          const whole = bytes[0] === 0x1f && bytes[1] === 0x8b ? await gunzip(path, bytes) : bytes
          for (let at = 0; at < whole.length; at += chunkBytes) yield whole.subarray(at, at + chunkBytes)
        },
      }
    },
  }
}

async function gunzip(path: string, bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  try {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))
    return new Uint8Array(await new Response(stream).arrayBuffer())
  } catch (cause) {
    throw new TacetError('malformed-data', `${path} is a damaged or cut-off gzip file`, { details: { file: path }, cause })
  }
}
