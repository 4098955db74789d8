/**
 * The formats Tacet reads, how each is recognised by its file names, and what each is publicly known to be (scale, cut). Pure.
 * Recognising looks at names only; what is in the files is the readers' business, and a wrong guess ends in a clear error there.
 */
import { TacetError } from '../errors.ts'
import type { RatingScale } from './interactions.ts'
import type { TextFile } from './lines.ts'

export const datasetFormats = [
  'ml-1m',
  'ml-100k',
  'ml-latest',
  'book-crossing',
  'book-crossing-implicit',
  'lastfm-2k',
  'lightgcn',
  'tacet-ndjson',
  'delimited',
] as const
export type DatasetFormat = (typeof datasetFormats)[number]

/** A folder or a single file, already listed. Names come without `.gz`; `open` finds either and unpacks. */
export interface FileSet {
  /** What the user gave, for messages. */
  readonly path: string
  /** Last segment of the path, without endings: the name of a data set that has none of its own. */
  readonly name: string
  readonly kind: 'folder' | 'file'
  /** Set when the user pointed at the main file of a known format. */
  readonly format?: DatasetFormat
  readonly names: readonly string[]
  open(name: string): TextFile
}

export interface ReadOptions {
  /** Default: recognised from the file names. */
  readonly format?: DatasetFormat
  /** Count bad lines instead of failing on the first. Default false. */
  readonly skipBadLines?: boolean
  /** `delimited` only: header names, or column numbers counted from 1. */
  readonly columns?: ColumnMapping
  /** `delimited` only: one character, or `::`. Default: whichever splits the first line best. */
  readonly delimiter?: string
  /** `delimited` only: whether line 1 is a header. Default: looked at. */
  readonly header?: boolean
  /** `delimited` only: public bounds of a rating. Default: the smallest usual scale that holds all ratings, marked `inferred`. */
  readonly ratingScale?: RatingScale
  /** `delimited` only. Default: explicit when there is a rating column, implicit when there is none or its name says weight or count. */
  readonly feedback?: 'explicit' | 'implicit'
  readonly onProgress?: (progress: { readonly bytesRead: number; readonly totalBytes: number }) => void
}

export interface ColumnMapping {
  readonly user?: string | number
  readonly item?: string | number
  readonly rating?: string | number
  readonly timestamp?: string | number
}

interface FormatFacts {
  /** Its presence says "this format". */
  readonly mainFile: string
  readonly alsoNeeds: readonly string[]
  readonly title: string
  readonly ratingScale: RatingScale | null
  /** Ratings are whole multiples of this; null = any value on the scale. */
  readonly ratingStep: number | null
  /** Declared once, from the published data set, and public: a chronological split cuts here. Null = none. */
  readonly publicCutTimestamp: number | null
}

/**
 * Cuts: the time of the rating at 80 % of the published rows, so that about a fifth lies at or after it (docs/decisions/0005-data.md). A
 * constant of the format: it stays where it is when rows are added to or taken from a copy, which a rank does not.
 */
export const formatFacts: Readonly<Record<Exclude<DatasetFormat, 'delimited' | 'tacet-ndjson'>, FormatFacts>> = {
  'ml-1m': {
    mainFile: 'ratings.dat',
    alsoNeeds: ['users.dat', 'movies.dat'],
    title: 'MovieLens 1M',
    ratingScale: { min: 1, max: 5 },
    ratingStep: 1,
    publicCutTimestamp: 975768738,
  },
  'ml-100k': {
    mainFile: 'u.data',
    alsoNeeds: ['u.user', 'u.item'],
    title: 'MovieLens 100K',
    ratingScale: { min: 1, max: 5 },
    ratingStep: 1,
    publicCutTimestamp: 889237269,
  },
  'ml-latest': {
    mainFile: 'ratings.csv',
    alsoNeeds: ['movies.csv'],
    title: 'MovieLens latest',
    ratingScale: { min: 0.5, max: 5 },
    ratingStep: 0.5,
    publicCutTimestamp: 1458635171,
  },
  'book-crossing': {
    mainFile: 'book_ratings.dat',
    alsoNeeds: ['users_info.dat', 'items_info.dat'],
    title: 'Book-Crossing, ratings',
    ratingScale: { min: 1, max: 10 },
    ratingStep: 1,
    publicCutTimestamp: null,
  },
  'book-crossing-implicit': {
    mainFile: 'book_history.dat',
    alsoNeeds: ['users_info.dat', 'items_info.dat'],
    title: 'Book-Crossing, history',
    ratingScale: null,
    ratingStep: null,
    publicCutTimestamp: null,
  },
  'lastfm-2k': {
    mainFile: 'user_artists.dat',
    alsoNeeds: ['artists.dat'],
    title: 'Last.fm 2K',
    ratingScale: null,
    ratingStep: null,
    publicCutTimestamp: null,
  },
  lightgcn: {
    mainFile: 'train.txt',
    alsoNeeds: ['test.txt'],
    title: 'LightGCN text',
    ratingScale: null,
    ratingStep: null,
    publicCutTimestamp: null,
  },
}

type KnownFormat = keyof typeof formatFacts
const knownFormats = Object.keys(formatFacts) as KnownFormat[]

/** Files of a folder that could be one table of interactions. */
export function tablesIn(files: FileSet): readonly string[] {
  return files.kind === 'file'
    ? files.names
    : files.names.filter((name) => /\.(csv|tsv|tab|dat|data|txt|inter)$/i.test(name) && !/^readme/i.test(name))
}

/**
 * The format of a listed folder or file.
 * @throws TacetError missing-file when nothing known is there, or a file that the format needs is missing
 */
export function detectFileSetFormat(files: FileSet): DatasetFormat {
  if (files.format) return files.format
  if (files.kind === 'file') return files.names[0]?.endsWith('.ndjson') ? 'tacet-ndjson' : 'delimited'
  for (const format of knownFormats) {
    if (!files.names.includes(formatFacts[format].mainFile)) continue
    // A ratings.csv without MovieLens' catalogue is somebody else's file of that name.
    if (format === 'ml-latest' && !files.names.includes('movies.csv')) continue
    requireFiles(files, format)
    return format
  }
  const [single, ...more] = tablesIn(files)
  if (single && more.length === 0) return 'delimited'
  if (files.names.includes('interactions.ndjson')) return 'tacet-ndjson'
  throw new TacetError('missing-file', `${files.path} holds no data set that Tacet knows; it looks for ${expectedFiles()}`, {
    wayOut: single
      ? 'Give the path of one file of interactions (CSV or TSV) instead of the folder.'
      : 'Give a folder with these files, or one CSV or TSV file with --user-column, --item-column and --rating-column.',
    details: { path: files.path, found: files.names.slice(0, 20) },
  })
}

/** @throws TacetError missing-file unless exactly one file could be the table */
export function singleTable(files: FileSet): string {
  const [single, ...more] = tablesIn(files)
  if (single !== undefined && more.length === 0) return single
  throw new TacetError('missing-file', `${files.path} holds ${single ? 'several tables' : 'no table'}; expected one CSV or TSV file`, {
    wayOut: 'Give the path of the file instead of the folder.',
    details: { path: files.path, found: files.names.slice(0, 20) },
  })
}

/** @throws TacetError missing-file naming the first file of the format that is not there */
export function requireFiles(files: FileSet, format: KnownFormat): void {
  const { mainFile, alsoNeeds, title } = formatFacts[format]
  const missing = [mainFile, ...alsoNeeds].find((name) => !files.names.includes(name))
  if (missing === undefined) return
  throw new TacetError('missing-file', `${files.path} has no ${missing} (nor ${missing}.gz), which ${title} data (${format}) needs`, {
    wayOut: `Put ${missing} beside ${mainFile}, or give one CSV or TSV file instead of the folder.`,
    details: { path: files.path, format, missing },
  })
}

/** What is looked for, for people. */
export function expectedFiles(): string {
  const known = knownFormats.map((format) => `${formatFacts[format].mainFile} (${format})`)
  return `${known.join(', ')}, or one CSV or TSV file; each may end in .gz`
}
