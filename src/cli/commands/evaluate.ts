/** `tacet evaluate` and `tacet recommend`: what a run folder can say once it is trained. Both read it and change nothing. */
import { type Command, Option } from 'commander'
import type { EvaluateReport, RecommendReport } from '../../runs/index.ts'
import { defined, examples, integerFlag, refuse } from '../flags.ts'
import type { CommandContext } from '../io.ts'
import { count, line, printResult, significant, textTable, under } from '../output.ts'
import { createProgress } from '../progress.ts'
import { candidatesFlag, cutoffsFlag, describeRankingEvaluation, describeRankingRecommendation, historyFlag } from './read-ranking.ts'

export function addEvaluateCommand(program: Command, contextOf: () => CommandContext): void {
  program
    .command('evaluate')
    .description('Measure a run on its held-out rows, beside its baselines: the error of ratings, or the quality of lists')
    .argument('<run>', 'a run folder')
    .addOption(new Option('--data <path>', "default: the data set named in the run's config.json"))
    .addOption(new Option('--k <list>', 'ranking runs: cutoffs beside 10, 20 and 100, for example 5,50').argParser(cutoffsFlag))
    .addOption(
      new Option('--candidates <set>', 'ranking runs: all | sampled:N items a person against what is looked for (default: all)').argParser(
        candidatesFlag,
      ),
    )
    .addHelpText(
      'after',
      examples(
        'tacet evaluate runs/first',
        'tacet evaluate runs/first --data ml-1m --json',
        'tacet evaluate runs/lists --k 5,50                   # a ranking run: ndcg@5, ndcg@50 … too',
        'tacet evaluate runs/lists --candidates sampled:99    # named in the output: not comparable with all items',
      ),
    )
    .action(async (run: string, { data, k, candidates }: EvaluateFlags) => {
      const context = contextOf()
      const { evaluateRankingRun, evaluateRun, taskOfRun } = await import('../../runs/index.node.ts')
      const progress = createProgress(context)
      const io = { onProgress: progress.update, onWarning: noting(context, progress.end) }
      const where = data === undefined ? {} : { dataPath: data }
      try {
        if (taskOfRun(run) === 'ranking') {
          const report = await evaluateRankingRun(run, { ...where, ...defined({ ks: k, candidates }) }, io)
          progress.end()
          return printResult(context, report, describeRankingEvaluation(report))
        }
        if (k !== undefined || candidates !== undefined)
          refuse(`${k === undefined ? '--candidates' : '--k'} is for runs that rank; ${run} predicts ratings`, 'Leave it out')
        const report = await evaluateRun(run, where, io)
        progress.end()
        printResult(context, report, describeEvaluation(report))
      } finally {
        progress.end()
      }
    })
}

interface EvaluateFlags {
  data?: string
  k?: readonly number[]
  candidates?: ReturnType<typeof candidatesFlag>
}

/** Warnings as notes on stderr. */
function noting({ io, quiet }: CommandContext, before: () => void = () => {}): (sentence: string) => void {
  return (sentence) => {
    before()
    if (!quiet) io.stderr.write(`note: ${sentence}\n`)
  }
}

export function addRecommendCommand(program: Command, contextOf: () => CommandContext): void {
  program
    .command('recommend')
    .description('List what a run would recommend to one person')
    .argument('<run>', 'a run folder')
    .addOption(new Option('--user <id>', 'the id as in the data set'))
    .addOption(
      new Option('--history <ids>', 'ranking runs: item ids of somebody the model never saw, separated by commas')
        .argParser(historyFlag)
        .conflicts('user'),
    )
    .addOption(new Option('-n, --count <n>', 'how many').default(10).argParser(integerFlag('-n', { atLeast: 1 })))
    .addOption(new Option('--data <path>', "default: the data set named in the run's config.json; --history needs none"))
    .addHelpText(
      'after',
      examples(
        'tacet recommend runs/first --user 42 -n 5',
        'tacet recommend runs/first --user 42 --json',
        'tacet recommend runs/lists --history 260,1196,1210 -n 10    # from the run folder alone; with reasons',
      ),
    )
    .action(async (run: string, { user, history, count: n, data }: RecommendFlags) => {
      const context = contextOf()
      const { recommendFromRankingRun, recommendFromRun, taskOfRun } = await import('../../runs/index.node.ts')
      const io = { onWarning: noting(context) }
      const where = data === undefined ? {} : { dataPath: data }
      if (user === undefined && history === undefined)
        refuse('neither --user nor --history is given', 'Name somebody of the data set with --user ID, or give --history ID,ID,…')
      if (taskOfRun(run) === 'ranking') {
        if (history !== undefined && data !== undefined)
          refuse('--data goes with --user: a list for a history is made from the run folder alone', 'Leave one of them out')
        const reader = history === undefined ? { user: user as string, ...where } : { history }
        const report = await recommendFromRankingRun(run, { ...reader, n }, io)
        return printResult(context, report, describeRankingRecommendation(report))
      }
      if (user === undefined)
        refuse(`${run} predicts ratings of the people it was trained on, so it can do nothing with --history`, 'Give --user ID')
      const report = await recommendFromRun(run, { user, n, ...where }, io)
      printResult(context, report, describeRecommendation(report))
    })
}

interface RecommendFlags {
  user?: string
  history?: readonly string[]
  count: number
  data?: string
}

function describeEvaluation({ run, model, data, split, metrics, baselines, privacy, notForRelease }: EvaluateReport): string[] {
  return [
    line('run', run, model),
    line('data', data.name, `${count(data.users)} users`, `${count(data.items)} items`, `${count(data.interactions)} interactions`),
    line('split', split.kind, `${count(split.train)} train`, `${count(split.test)} test`),
    line(
      'privacy',
      privacy ? `ε = ${significant(privacy.epsilon)} at δ = ${significant(privacy.delta)} per ${privacy.privacyUnit}` : 'none',
      notForRelease && 'seeded, not for release',
    ),
    line('quality', `RMSE ${metrics.rmse.toFixed(4)}`, `MAE ${metrics.mae.toFixed(4)}`),
    under(`constant ${baselines.constant.rmse.toFixed(4)}`, `item mean ${baselines.itemMean.rmse.toFixed(4)}`),
    line('note', 'these figures come from people’s held-out rows and are not covered by the promise: keep them inside'),
  ]
}

function describeRecommendation({ user, items }: RecommendReport): string[] {
  const rows = items.map(({ id, title, score }, index) => [String(index + 1), id, score.toFixed(3), title ?? ''])
  return [line('user', user), ...(rows.length > 0 ? textTable(['>#', 'item', '>score', 'title'], rows) : ['nothing left to recommend'])]
}
