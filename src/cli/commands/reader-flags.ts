/** The flags that say how to read a data set, shared by every command that takes one. The readers themselves check what they are given. */
import { type Command, Option } from 'commander'
import type { ColumnMapping, ReadOptions } from '../../data/index.ts'
import { choiceFlag, defined, numberFlag, refuse } from '../flags.ts'

/** Read formats; the readers' own list (data/formats.ts) is not imported so that `--help` stays fast. A test holds the two equal. */
export const formatNames = [
  'ml-1m',
  'ml-100k',
  'ml-latest',
  'book-crossing',
  'book-crossing-implicit',
  'lastfm-2k',
  'lightgcn',
  'tacet-ndjson',
  'delimited',
] as const satisfies readonly NonNullable<ReadOptions['format']>[]

export interface ReaderFlags {
  format?: (typeof formatNames)[number]
  userColumn?: string
  itemColumn?: string
  ratingColumn?: string
  timestampColumn?: string
  separator?: string
  header?: boolean
  ratingMin?: number
  ratingMax?: number
  feedback?: 'explicit' | 'implicit'
  skipBadLines?: boolean
}

export function addReaderFlags(command: Command): void {
  command
    .addOption(
      new Option('--format <name>', 'data: recognised from the file names unless given here').argParser(
        choiceFlag('--format', formatNames),
      ),
    )
    .addOption(new Option('--user-column <column>', 'data, CSV/TSV: header name, or number counted from 1'))
    .addOption(new Option('--item-column <column>', 'data, CSV/TSV'))
    .addOption(new Option('--rating-column <column>', 'data, CSV/TSV: none means implicit feedback'))
    .addOption(new Option('--timestamp-column <column>', 'data, CSV/TSV: seconds since 1970'))
    .addOption(new Option('--separator <text>', 'data, CSV/TSV: one character, tab, or ::'))
    .addOption(new Option('--no-header', 'data, CSV/TSV: line 1 is data'))
    .addOption(new Option('--rating-min <n>', 'data, CSV/TSV: public lower bound of a rating').argParser(numberFlag('--rating-min')))
    .addOption(new Option('--rating-max <n>', 'data, CSV/TSV: public upper bound of a rating').argParser(numberFlag('--rating-max')))
    .addOption(
      new Option('--feedback <kind>', 'data, CSV/TSV: explicit | implicit').argParser(choiceFlag('--feedback', ['explicit', 'implicit'])),
    )
    .addOption(new Option('--skip-bad-lines', 'data: count lines that do not parse instead of refusing the file'))
}

/** Flags → reader options, without `skipBadLines`, which callers pass beside them. Empty when nothing was asked for. */
export function readerOptions(flags: ReaderFlags): ReadOptions & Record<string, unknown> {
  const { ratingMin, ratingMax, separator } = flags
  if ((ratingMin === undefined) !== (ratingMax === undefined)) {
    refuse('--rating-min and --rating-max go together: a scale has two ends', 'Give both')
  }
  if (ratingMin !== undefined && ratingMax !== undefined && ratingMin >= ratingMax) {
    refuse(`--rating-min is ${ratingMin} and --rating-max is ${ratingMax}; the first must be smaller`)
  }
  const columns: ColumnMapping = defined({
    user: column(flags.userColumn),
    item: column(flags.itemColumn),
    rating: column(flags.ratingColumn),
    timestamp: column(flags.timestampColumn),
  })
  return defined({
    format: flags.format,
    columns: Object.keys(columns).length > 0 ? columns : undefined,
    delimiter: separator === 'tab' || separator === '\\t' ? '\t' : separator,
    header: flags.header === false ? false : undefined,
    ratingScale: ratingMin !== undefined && ratingMax !== undefined ? { min: ratingMin, max: ratingMax } : undefined,
    feedback: flags.feedback,
  })
}

/** A whole number is a column number, anything else a header's name. */
function column(text: string | undefined): string | number | undefined {
  return text !== undefined && /^[1-9]\d*$/.test(text) ? Number(text) : text
}
