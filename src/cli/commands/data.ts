/** `tacet data`: what a data set is and how it was read, the same data in Tacet's own forms, and invented data for those who have none. */
import { type Command, Option } from 'commander'
import type { DatasetDescription } from '../../data/index.ts'
import { choiceFlag, defined, examples, integerFlag } from '../flags.ts'
import type { CommandContext } from '../io.ts'
import { count, line, printResult, significant, under } from '../output.ts'
import { createProgress } from '../progress.ts'
import { addReaderFlags, type ReaderFlags, readerOptions } from './reader-flags.ts'

export function addDataCommand(program: Command, contextOf: () => CommandContext): void {
  const data = program.command('data').description('Describe, convert or invent a data set')
  data.addHelpText('after', examples('tacet data describe ml-1m', 'tacet data convert ml-1m --to ndjson --out ml-1m.ndjson.gz'))
  addDescribe(data, contextOf)
  addConvert(data, contextOf)
  addSynthesize(data, contextOf)
}

function addDescribe(data: Command, contextOf: () => CommandContext): void {
  const command = data
    .command('describe')
    .description('Tell what a data set is and how Tacet reads it; exact figures, so for its owner’s eyes')
    .argument('<path>', 'a data set folder or file')
  addReaderFlags(command)
  command
    .addHelpText(
      'after',
      examples(
        'tacet data describe ml-1m',
        'tacet data describe ratings.csv --user-column person --item-column film --rating-column stars --json',
      ),
    )
    .action(async (path: string, flags: ReaderFlags) => {
      const context = contextOf()
      const { describeDataset } = await import('../../data/index.ts')
      const description = describeDataset(await read(path, flags, context))
      printResult(context, description, describe(description))
    })
}

function addConvert(data: Command, contextOf: () => CommandContext): void {
  const command = data
    .command('convert')
    .description('Write a data set as CSV or in Tacet’s own form (ndjson, loses nothing)')
    .argument('<path>', 'a data set folder or file')
    .addOption(new Option('--out <file>', 'must not exist; a name that ends in .gz is compressed').makeOptionMandatory())
    .addOption(new Option('--to <form>', 'csv | ndjson').default('ndjson').argParser(choiceFlag('--to', ['csv', 'ndjson'])))
  addReaderFlags(command)
  command
    .addHelpText(
      'after',
      examples('tacet data convert ml-1m --out ml-1m.ndjson.gz', 'tacet data convert ml-latest-small --to csv --out ratings.csv'),
    )
    .action(async (path: string, flags: ReaderFlags & { out: string; to: 'csv' | 'ndjson' }) => {
      const context = contextOf()
      const { convertDataset } = await import('../../data/index.node.ts')
      const report = await convertDataset(await read(path, flags, context), { to: flags.to, out: flags.out })
      printResult(context, report, [
        line('saved', report.out, report.to, `${count(report.interactions)} interactions`, `${count(report.bytes)} bytes`),
        ...(report.leftOut.length > 0 ? [line('left out', ...report.leftOut)] : []),
      ])
    })
}

function addSynthesize(data: Command, contextOf: () => CommandContext): void {
  data
    .command('synthesize')
    .description('Invent ratings with planted tastes and a known best achievable error; nobody is in them')
    .addOption(new Option('--out <file>', 'must not exist; ndjson, compressed when it ends in .gz').makeOptionMandatory())
    .addOption(new Option('--users <n>').argParser(integerFlag('--users', { atLeast: 2 })))
    .addOption(new Option('--items <n>').argParser(integerFlag('--items', { atLeast: 2 })))
    .addOption(new Option('--interactions <n>').argParser(integerFlag('--interactions', { atLeast: 1 })))
    .addOption(new Option('--seed <n>').argParser(integerFlag('--seed', { atLeast: 0, atMost: Number.MAX_SAFE_INTEGER })))
    .addHelpText(
      'after',
      examples(
        'tacet data synthesize --out invented.ndjson',
        'tacet data synthesize --users 5000 --items 800 --interactions 300000 --out big.ndjson.gz',
      ),
    )
    .action(
      async ({
        out,
        users,
        items,
        interactions,
        seed,
      }: {
        out: string
        users?: number
        items?: number
        interactions?: number
        seed?: number
      }) => {
        const context = contextOf()
        const { syntheticInteractions } = await import('../../data/index.ts')
        const { convertDataset } = await import('../../data/index.node.ts')
        const synthetic = syntheticInteractions(defined({ users, items, interactions, seed }))
        const report = await convertDataset(synthetic.data, { to: 'ndjson', out })
        printResult(context, { ...report, bestRmse: synthetic.bestRmse }, [
          line('saved', report.out, `${count(report.interactions)} interactions`),
          line('best', `RMSE ${synthetic.bestRmse.toFixed(4)}: no predictor can do better on these rows`),
        ])
      },
    )
}

async function read(path: string, flags: ReaderFlags, context: CommandContext) {
  const options = readerOptions(flags)
  const { readDataset } = await import('../../data/index.node.ts')
  const progress = createProgress(context)
  try {
    return await readDataset(path, {
      ...options,
      ...(flags.skipBadLines ? { skipBadLines: true } : {}),
      onProgress: ({ bytesRead, totalBytes }) => progress.update('read', bytesRead, totalBytes),
    })
  } finally {
    progress.end()
  }
}

function describe(about: DatasetDescription): string[] {
  const day = (seconds: number) => new Date(seconds * 1000).toISOString().slice(0, 10)
  const { ratingScale, timestamps, perUser, perItem, itemMetadata, vocabulary } = about
  return [
    line(
      'data',
      about.name,
      `${count(about.users)} users${about.userTable === null ? '' : ` of ${count(about.userTable)} in the user table`}`,
      `${count(about.items)} items${about.catalogue === null ? '' : ` of ${count(about.catalogue)} in the catalogue`}`,
      `${count(about.interactions)} interactions`,
    ),
    line(
      'values',
      about.feedback,
      ratingScale &&
        `scale ${ratingScale.min} to ${ratingScale.max}${about.ratingScaleSource === 'format' ? '' : ` (${about.ratingScaleSource})`}`,
      `mean ${significant(about.meanValue)}`,
      `density ${significant(about.density * 100, 3)} %`,
    ),
    ...(about.ratings ? [under(...ratingCounts(about.ratings))] : []),
    line(
      'time',
      timestamps ? `${day(timestamps.first)} to ${day(timestamps.last)}` : 'no timestamps',
      about.publicCutTimestamp !== null && `public cut ${day(about.publicCutTimestamp)}`,
    ),
    line('per user', `${count(perUser.min)} to ${count(perUser.max)} interactions`, `median ${count(perUser.median)}`),
    line('per item', `${count(perItem.min)} to ${count(perItem.max)} interactions`, `median ${count(perItem.median)}`),
    ...(about.userAttributes.length > 0
      ? [line('people', ...about.userAttributes.map(({ name, unknown }) => (unknown > 0 ? `${name} (${count(unknown)} unknown)` : name)))]
      : []),
    ...(itemMetadata
      ? [
          line(
            'catalogue',
            itemMetadata.titles && 'titles',
            itemMetadata.genres.length > 0 && `${itemMetadata.genres.length} genres`,
            itemMetadata.years && 'years',
          ),
        ]
      : []),
    line('ids', `users from ${source(vocabulary.users)}`, `items from ${source(vocabulary.items)}`),
    line('splits', ...about.splits),
    ...(about.skippedLines > 0 ? [line('skipped', `${count(about.skippedLines)} lines that did not parse`)] : []),
    ...(about.duplicateRows > 0 ? [line('repeated', `${count(about.duplicateRows)} rows give a pair again`)] : []),
  ]
}

const source = (from: 'public-table' | 'from-interactions') =>
  from === 'public-table' ? 'a table' : 'the interactions, so the ids themselves are private'

/** By rating; an object's own order puts whole numbers before halves. */
function ratingCounts(ratings: Readonly<Record<string, number>>): string[] {
  return Object.entries(ratings)
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([rating, rows]) => `${rating}: ${count(rows)}`)
}
