/** Data, the parts that touch files: `readDataset(path)`, `convertDataset`. Everything portable is in index.ts. */
import { listFiles } from './files.node.ts'
import type { ReadOptions } from './formats.ts'
import type { Interactions } from './interactions.ts'
import { parseDataset, tableOptions } from './parse.ts'

export { type ConversionReport, convertDataset } from './convert.node.ts'
export { detectFormat } from './files.node.ts'

/**
 * Reads the data set at `path`: a folder of a known format, or one file. Any file may be gzipped, with or without `.gz` in its name. A file
 * read with options of its own (columns, delimiter …) is a plain table, whatever it is called.
 * @throws TacetError missing-file, malformed-data or unknown-id (both with file and line), empty-data, invalid-argument
 */
export async function readDataset(path: string, options: ReadOptions = {}): Promise<Interactions> {
  const alone = options.format === 'delimited' || (options.format === undefined && tableOptions.some((key) => options[key] !== undefined))
  const files = listFiles(path, { ...(options.onProgress ? { onProgress: options.onProgress } : {}), alone })
  return parseDataset(files, alone && files.kind === 'file' ? { ...options, format: 'delimited' } : options)
}
