/**
 * From listed files to `Interactions`, by format. Portable: in a browser, build a `FileSet` over `File` objects; in Node, use
 * `readDataset(path)` from index.node.ts.
 */
import { TacetError } from '../errors.ts'
import { type DatasetFormat, datasetFormats, detectFileSetFormat, type FileSet, type ReadOptions, requireFiles } from './formats.ts'
import type { Interactions } from './interactions.ts'
import { createLineErrors } from './line-errors.ts'
import { readNdjson } from './ndjson.ts'
import { readDelimited } from './read-delimited.ts'
import { readMl1m, readMl100k, readMlLatest } from './read-movielens.ts'
import { readBookCrossing, readLastfm, readLightgcn } from './read-others.ts'

/**
 * Reads a data set.
 * @throws TacetError missing-file, malformed-data or unknown-id (both with file and line), empty-data, invalid-argument
 */
export async function parseDataset(files: FileSet, options: ReadOptions = {}): Promise<Interactions> {
  const format = options.format ?? detectFileSetFormat(files)
  if (!datasetFormats.includes(format)) {
    throw new TacetError('invalid-argument', `format is ${JSON.stringify(format)}; it must be one of ${datasetFormats.join(', ')}`)
  }
  refuseUselessOptions(format, options)
  if (format !== 'delimited' && format !== 'tacet-ndjson') requireFiles(files, format)
  const errors = createLineErrors(options.skipBadLines ?? false)
  switch (format) {
    case 'ml-1m':
      return readMl1m(files, errors)
    case 'ml-100k':
      return readMl100k(files, errors)
    case 'ml-latest':
      return readMlLatest(files, errors, files.name.startsWith('ml-') ? files.name : 'ml-latest')
    case 'book-crossing':
    case 'book-crossing-implicit':
      return readBookCrossing(files, format, errors)
    case 'lastfm-2k':
      return readLastfm(files, errors)
    case 'lightgcn':
      return readLightgcn(files, errors, files.name)
    case 'delimited':
      return readDelimited(files, options, errors)
    case 'tacet-ndjson':
      return readNdjson(files, errors)
  }
}

/** Options that only `delimited` knows. */
export const tableOptions = ['columns', 'delimiter', 'header', 'ratingScale', 'feedback'] as const

/** Options that would be ignored are refused: silence would look like consent. */
function refuseUselessOptions(format: DatasetFormat, options: ReadOptions): void {
  if (format === 'delimited') return
  const useless = tableOptions.filter((key) => options[key] !== undefined)
  if (useless.length === 0) return
  throw new TacetError('invalid-argument', `${useless.join(', ')} cannot be set for ${format} data: the format fixes it`, {
    wayOut: 'Leave it out, or read the file as a table of its own with format delimited.',
    details: { format, options: useless },
  })
}
