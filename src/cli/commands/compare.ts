/** `tacet compare`: ranking models side by side on one data set, from data to one report with its table, marks and charts. Resumable. */
import { type Command, Option } from 'commander'
import { type RankingSplitKind, rankingSplitKinds } from '../../data/index.ts'
import { TacetError } from '../../errors.ts'
import type { CompareReport } from '../../studies/index.node.ts'
import { choiceFlag, defined, deltaBounds, examples, integerFlag, numberFlag, refuse } from '../flags.ts'
import type { CommandContext } from '../io.ts'
import { count, duration, line, printResult, under } from '../output.ts'
import { createProgress } from '../progress.ts'

interface CompareFlags {
  data: string
  models: string[]
  epsilons?: number[]
  delta?: number
  seeds?: number
  out: string
  split?: RankingSplitKind
  minRating?: number
  heldOutUsers?: number
  param?: Record<string, Record<string, number>>
  metric?: string
  candidates?: 'all' | number
  threads?: number
  skipBadLines?: boolean
}

export function addCompareCommand(program: Command, contextOf: () => CommandContext): void {
  program
    .command('compare')
    .description('Compare ranking models by seeds and privacy levels on one data set; run it again to go on where it stopped')
    .addOption(new Option('--data <path>', 'a data set').makeOptionMandatory())
    .addOption(
      new Option('--models <names>', 'separated by commas; popularity is always compared too').argParser(listOf).makeOptionMandatory(),
    )
    .addOption(
      new Option('--epsilons <values>', 'ε for a whole person, separated by commas; inf: without privacy (default: inf)').argParser(
        (text: string) => listOf(text).map(epsilonOf),
      ),
    )
    .addOption(new Option('--delta <d>', 'δ (default: 1e-6)').argParser(numberFlag('--delta', deltaBounds)))
    .addOption(new Option('--seeds <n>', 'runs of each (default: 3)').argParser(integerFlag('--seeds', { atLeast: 1, atMost: 1000 })))
    .addOption(new Option('--out <dir>', 'made if absent; an unfinished comparison there is gone on with').makeOptionMandatory())
    .addOption(
      new Option('--split <kind>', `${rankingSplitKinds.join(' | ')} (default: held-out-users)`).argParser(
        choiceFlag('--split', rankingSplitKinds),
      ),
    )
    .addOption(
      new Option('--min-rating <r>', 'lowest rating that counts as liked (default: every row)').argParser(numberFlag('--min-rating')),
    )
    .addOption(
      new Option('--held-out-users <n>', 'people tested on, with --split held-out-users').argParser(
        integerFlag('--held-out-users', { atLeast: 1 }),
      ),
    )
    .addOption(new Option('--param <model.name=value>', 'a setting of one model; may be repeated').argParser(modelParameter))
    .addOption(new Option('--metric <name>', 'what leads the table: ndcg, recall or hr at 10, 20 or 100 (default: ndcg@10)'))
    .addOption(new Option('--candidates <set>', 'all | sampled:N (default: all)').argParser(candidatesOf))
    .addOption(
      new Option('--threads <n>', 'models trained side by side (default: one a core)').argParser(
        integerFlag('--threads', { atLeast: 1, atMost: 256 }),
      ),
    )
    .addOption(new Option('--skip-bad-lines', 'count lines that do not parse instead of refusing the file'))
    .addHelpText(
      'after',
      examples(
        'tacet compare --data ml-1m --models item-gram,dpals,ease --epsilons 1,4,inf --min-rating 4 --seeds 3 --out compared',
        'tacet compare --data ml-100k --models itemknn,ials --split random --param ials.dimension=32 --out compared/100k',
      ),
    )
    .action(async (flags: CompareFlags) => {
      const context = contextOf()
      if (flags.heldOutUsers !== undefined && flags.split !== undefined && flags.split !== 'held-out-users')
        refuse(`--held-out-users contradicts --split ${flags.split}`, 'Leave one of the two out')
      const { runComparison } = await import('../../studies/index.node.ts')
      const progress = createProgress(context)
      try {
        const report = await runComparison({
          dataPath: flags.data,
          models: flags.models,
          out: flags.out,
          onProgress: progress.update,
          signal: context.io.interruptSignal(),
          ...defined({
            epsilons: flags.epsilons,
            delta: flags.delta,
            seeds: flags.seeds,
            split: flags.split,
            minRating: flags.minRating,
            heldOutUsers: flags.heldOutUsers,
            parameters: flags.param,
            metric: flags.metric,
            candidates: flags.candidates,
            workers: flags.threads,
            skipBadLines: flags.skipBadLines,
          }),
        })
        progress.end()
        printResult(context, report, describe(report))
      } finally {
        progress.end()
      }
    })
}

export function describe({ metric, candidates, data, rows, jobs, reusedJobs, seconds, report, csv, json }: CompareReport): string[] {
  return [
    ...data.flatMap((set) => [
      line('data', set.name, `${count(set.users)} users`, `${count(set.items)} items`, `${count(set.interactions)} interactions`),
      line('split', set.split.kind, `${count(set.split.train)} likes in training`, `${count(set.split.testUsers)} people tested`),
      ...set.notes.map((note) => under(note)),
    ]),
    line('compared', metric, candidates, `${count(jobs)} runs`, reusedJobs > 0 && `${count(reusedJobs)} from before`, duration(seconds)),
    ...rows.map((row) =>
      line(
        '',
        `${data.length > 1 ? `${row.dataset} ` : ''}${row.model.padEnd(18)} ${(Number.isFinite(row.epsilon) ? `ε = ${row.epsilon}` : 'no privacy').padEnd(10)} ${
          row.metrics === null
            ? `not trained: ${row.refused}`
            : `${row.metrics[metric]?.mean.toFixed(4)}${row.metrics[metric]?.stdDev === null ? '' : ` ± ${row.metrics[metric]?.stdDev?.toFixed(4)}`}`
        }`,
        row.versusPopularity !== null &&
          row.versusPopularity.pHolm < 0.05 &&
          (row.versusPopularity.difference.estimate > 0 ? 'better than popularity' : 'worse than popularity'),
      ),
    ),
    line('note', 'seeded, on research data: nothing here is for release'),
    line('saved', report, csv, json),
  ]
}

function listOf(text: string): string[] {
  return text.split(',').map((part) => part.trim())
}

function epsilonOf(text: string): number {
  return text === 'inf' ? Number.POSITIVE_INFINITY : numberFlag('--epsilons', { above: 0 })(text)
}

function candidatesOf(text: string): 'all' | number {
  if (text === 'all') return 'all'
  const sampled = /^sampled:(\d+)$/.exec(text)
  if (!sampled) refuse(`--candidates is "${text}"; it must be all or sampled:N`, 'For example --candidates sampled:99')
  return integerFlag('--candidates', { atLeast: 1 })((sampled as RegExpExecArray)[1] as string)
}

function modelParameter(text: string, before: Record<string, Record<string, number>> = {}): Record<string, Record<string, number>> {
  const [, model, name, value] = /^([^.=]+)\.([^.=]+)=(.+)$/.exec(text) ?? []
  if (model === undefined || name === undefined || value === undefined || value.trim() === '' || Number.isNaN(Number(value)))
    throw new TacetError('invalid-argument', `--param is "${text}"; it must be model.name=number`, {
      wayOut: 'For example --param ials.dimension=32',
    })
  return { ...before, [model]: { ...before[model], [name]: Number(value) } }
}
