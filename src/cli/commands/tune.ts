/** `tacet tune`: search a ranking model's settings, the search's price included, into a run folder of the winner. */
import { type Command, Option } from 'commander'
import type { RankingTrainReport } from '../../runs/index.ts'
import { choiceFlag, defined, deltaBounds, examples, integerFlag, numberFlag, refuse } from '../flags.ts'
import type { CommandContext } from '../io.ts'
import { line, printResult, significant, under } from '../output.ts'
import { createProgress } from '../progress.ts'
import { addReaderFlags, type ReaderFlags, readerOptions } from './reader-flags.ts'
import {
  addRankingFlags,
  describeRankingTraining,
  type RankingFlags,
  rankingModels,
  rankingOptions,
  rankingSplits,
} from './train-ranking.ts'

interface Range {
  readonly low: number
  readonly high: number
  readonly log: boolean
}

interface TuneFlags extends RankingFlags, ReaderFlags {
  data: string
  model: (typeof rankingModels)[number]
  space: Record<string, Range>
  trials?: number
  metric?: string
  search?: 'random' | 'adaptive'
  split?: string
  epsilon?: number
  delta?: number
  privacy?: boolean
  seed?: number
  out: string
}

export function addTuneCommand(program: Command, contextOf: () => CommandContext): void {
  const command = program
    .command('tune')
    .description('Search the settings of a ranking model by random trials, their price included, and save the best')
    .addOption(new Option('--data <path>', 'a data set').makeOptionMandatory())
    .addOption(
      new Option('--model <name>', rankingModels.join(' | '))
        .argParser(choiceFlag('--model', rankingModels, 'unknown-model'))
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--space <name=low:high[:log]>', 'a setting and where to look for it; may be repeated')
        .argParser(spaceFlag)
        .makeOptionMandatory(),
    )
    .addOption(
      new Option(
        '--trials <n>',
        'settings to try: on average with privacy, where the number is drawn and stays unsaid (default: 10)',
      ).argParser(numberFlag('--trials', { above: 1, atMost: 10_000 })),
    )
    .addOption(new Option('--metric <name>', 'what decides: ndcg, recall or hr at 10, 20 or 100 on validation people (default: ndcg@10)'))
    .addOption(
      new Option('--search <kind>', 'random | adaptive (only with --no-privacy: it has no price) (default: random)').argParser(
        choiceFlag('--search', ['random', 'adaptive']),
      ),
    )
    .addOption(new Option('--split <kind>', rankingSplits.join(' | ')).argParser(choiceFlag('--split', rankingSplits)))
    .addOption(new Option('--epsilon <e>', 'ε of everything: search, winner and gate').argParser(numberFlag('--epsilon', { above: 0 })))
    .addOption(new Option('--delta <d>', 'δ (default: 1e-6)').argParser(numberFlag('--delta', deltaBounds)))
    .addOption(new Option('--no-privacy', 'public or synthetic data'))
    .addOption(
      new Option('--seed <n>', 'a repeatable search, not for release').argParser(
        integerFlag('--seed', { atLeast: 0, atMost: Number.MAX_SAFE_INTEGER }),
      ),
    )
    .addOption(new Option('--out <dir>', 'the run folder of the winner; must not exist').makeOptionMandatory())
  addRankingFlags(command)
  addReaderFlags(command)
  command
    .addHelpText(
      'after',
      examples(
        'tacet tune --data ml-1m --min-rating 4 --model item-gram --space headFactor=4:12 --space gainRidge=0.3:3:log --epsilon 4 --out runs/tuned',
        'tacet tune --data ml-100k --model ials --space regularization=0.0003:0.03:log --trials 20 --no-privacy --search adaptive --out runs/ials',
      ),
    )
    .action(async (flags: TuneFlags) => {
      const context = contextOf()
      const { trainRanking } = await import('../../runs/index.node.ts')
      const progress = createProgress(context)
      try {
        const report = await trainRanking(
          {
            dataPath: flags.data,
            model: flags.model,
            out: flags.out,
            ...(flags.privacy === false ? { noPrivacy: true } : {}),
            ...defined({ split: flags.split, epsilon: flags.epsilon, delta: flags.delta, seed: flags.seed }),
            ...rankingOptions(flags),
            ...readerOptions(flags),
            tuning: {
              space: flags.space,
              trials: flags.trials ?? 10,
              metric: flags.metric ?? 'ndcg@10',
              search: flags.search ?? 'random',
            },
          },
          { onProgress: progress.update, signal: context.io.interruptSignal() },
        )
        progress.end()
        printResult(context, report, describe(report))
      } finally {
        progress.end()
      }
    })
}

function describe(report: RankingTrainReport): string[] {
  const { tuning } = report
  if (tuning === null) return describeRankingTraining(report)
  const searched = Object.keys(tuning.space).map((name) => `${name} ${significant(tuning.parameters[name] as number)}`)
  return [
    line('found', ...searched),
    under(
      report.privacy === null
        ? `${tuning.search} search, ${tuning.trials} trials, ${tuning.metric} ${tuning.score.toFixed(4)} on validation people`
        : `random search, ${significant(tuning.trials)} trials on average, ${tuning.metric} about ${tuning.score.toFixed(3)} on validation people (noisy)`,
    ),
    ...describeRankingTraining(report),
  ]
}

/** `headFactor=4:12:log`, collected into one object. */
function spaceFlag(text: string, before: Record<string, Range> = {}): Record<string, Range> {
  const [, name, low, high, log] = /^([^=\s]+)=([^:\s]+):([^:\s]+)(:log)?$/.exec(text.trim()) ?? []
  if (name === undefined || Number.isNaN(Number(low)) || Number.isNaN(Number(high)))
    refuse(`--space is "${text}"; it must be name=low:high or name=low:high:log`, 'For example --space regularization=0.001:0.1:log')
  if (Object.hasOwn(before, name as string)) refuse(`--space ${name} is given twice`, 'Give it once')
  return { ...before, [name as string]: { low: Number(low), high: Number(high), log: log !== undefined } }
}
