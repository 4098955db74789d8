/** `tacet study`: a declared experiment, from data to one self-contained HTML report with CSV and JSON beside it. Resumable. */
import { type Command, Option } from 'commander'
import { defined, examples, integerFlag, refuse } from '../flags.ts'
import type { CommandContext } from '../io.ts'
import { count, duration, line, printResult } from '../output.ts'
import { createProgress } from '../progress.ts'
import { describe } from './compare.ts'

interface StudyFlags {
  data: string
  out: string
  seeds?: number
  secondData?: string | false
  threads?: number
  quick?: boolean
  skipBadLines?: boolean
}

export function addStudyCommand(program: Command, contextOf: () => CommandContext): void {
  program
    .command('study')
    .description('Run a whole experiment and write its report; run it again to go on where it stopped')
    .argument(
      '<name>',
      'wide-and-deep-dp: DP-Adam on ratings, the published table and what does better; private-ranking: lists private for a whole person, what each ε buys and who pays',
    )
    .addOption(new Option('--data <path>', 'a data set (wide-and-deep-dp: with explicit ratings)').makeOptionMandatory())
    .addOption(new Option('--out <dir>', 'made if absent; an unfinished study there is gone on with').makeOptionMandatory())
    .addOption(
      new Option('--seeds <n>', 'runs of each setting (default: 3; private-ranking: 5)').argParser(
        integerFlag('--seeds', { atLeast: 1, atMost: 1000 }),
      ),
    )
    .addOption(
      new Option('--second-data <path>', 'wide-and-deep-dp: a second data set (default: book-crossing beside the first, if it is there)'),
    )
    .addOption(new Option('--no-second-data', 'only --data (private-ranking: without ml-100k, ml-1m and gowalla-lightgcn beside it)'))
    .addOption(
      new Option('--threads <n>', 'settings trained side by side (default: one a core)').argParser(
        integerFlag('--threads', { atLeast: 1, atMost: 256 }),
      ),
    )
    .addOption(new Option('--quick', 'the same parts with the fewest runs'))
    .addOption(new Option('--skip-bad-lines', 'count lines that do not parse instead of refusing the file'))
    .addHelpText(
      'after',
      examples(
        'tacet study wide-and-deep-dp --data ml-1m --out studies/ml-1m',
        'tacet study wide-and-deep-dp --data ml-100k --no-second-data --quick --out studies/quick',
        'tacet study private-ranking --data ml-1m --out studies/lists',
      ),
    )
    .action(async (name: string, flags: StudyFlags) => {
      const context = contextOf()
      if (typeof flags.secondData === 'string' && flags.secondData === flags.data)
        refuse('--second-data is the same as --data', 'Name another data set, or say --no-second-data')
      if (name === 'private-ranking' && typeof flags.secondData === 'string')
        refuse('--second-data goes with wide-and-deep-dp', 'Leave it out: private-ranking takes the data sets it knows from beside --data')
      const { runPrivateRanking, runStudy } = await import('../../studies/index.node.ts')
      const progress = createProgress(context)
      const shared = {
        dataPath: flags.data,
        out: flags.out,
        onProgress: progress.update,
        signal: context.io.interruptSignal(),
        ...defined({ seeds: flags.seeds, workers: flags.threads, quick: flags.quick, skipBadLines: flags.skipBadLines }),
      }
      try {
        if (name === 'private-ranking') {
          const report = await runPrivateRanking({ ...shared, alone: flags.secondData === false })
          progress.end()
          printResult(context, { study: name, ...report }, describe(report))
          return
        }
        const report = await runStudy(name, {
          ...shared,
          ...defined({ secondDataPath: flags.secondData === false ? null : flags.secondData }),
        })
        progress.end()
        printResult(context, report, [
          line(
            'study',
            report.study,
            `${report.seeds} seeds`,
            `${count(report.jobs)} runs`,
            report.reusedJobs > 0 && `${count(report.reusedJobs)} of them from before`,
            duration(report.seconds),
          ),
          ...report.verdicts.map(({ claim, verdict }, index) => line(index === 0 ? 'claims' : '', `${verdict}: ${claim}`)),
          line('note', 'seeded, on public research data: nothing here is for release'),
          line('saved', report.report, report.csv, report.json),
        ])
      } finally {
        progress.end()
      }
    })
}
