/** Data, the parts that touch files: `readDataset(path)`. Everything portable is in index.ts. */
import { listFiles } from './files.node.ts'
import type { ReadOptions } from './formats.ts'
import type { Interactions } from './interactions.ts'
import { parseDataset } from './parse.ts'

export { detectFormat } from './files.node.ts'

/**
 * Reads the data set at `path`: a folder of a known format, or one file. Any file may be gzipped, with or without `.gz` in its name.
 * @throws TacetError missing-file, malformed-data or unknown-id (both with file and line), empty-data, invalid-argument
 */
export async function readDataset(path: string, options: ReadOptions = {}): Promise<Interactions> {
  return parseDataset(listFiles(path, options.onProgress), options)
}
