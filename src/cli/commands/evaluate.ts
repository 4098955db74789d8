/** `tacet evaluate` and `tacet recommend`: what a run folder can say once it is trained. Both read it and change nothing. */
import { type Command, Option } from 'commander'
import type { EvaluateReport, RecommendReport } from '../../runs/index.ts'
import { examples, integerFlag } from '../flags.ts'
import type { CommandContext } from '../io.ts'
import { count, line, printResult, significant, textTable, under } from '../output.ts'
import { createProgress } from '../progress.ts'

export function addEvaluateCommand(program: Command, contextOf: () => CommandContext): void {
  program
    .command('evaluate')
    .description("Measure a run's error on its held-out rows, beside the constant and the item mean")
    .argument('<run>', 'a run folder')
    .addOption(new Option('--data <path>', "default: the data set named in the run's config.json"))
    .addHelpText('after', examples('tacet evaluate runs/first', 'tacet evaluate runs/first --data ml-1m --json'))
    .action(async (run: string, { data }: { data?: string }) => {
      const context = contextOf()
      const { evaluateRun } = await import('../../runs/index.node.ts')
      const progress = createProgress(context)
      try {
        const report = await evaluateRun(run, data === undefined ? {} : { dataPath: data }, { onProgress: progress.update })
        progress.end()
        printResult(context, report, describeEvaluation(report))
      } finally {
        progress.end()
      }
    })
}

export function addRecommendCommand(program: Command, contextOf: () => CommandContext): void {
  program
    .command('recommend')
    .description('List what a run would recommend to one person')
    .argument('<run>', 'a run folder')
    .addOption(new Option('--user <id>', 'the id as in the data set').makeOptionMandatory())
    .addOption(new Option('-n, --count <n>', 'how many').default(10).argParser(integerFlag('-n', { atLeast: 1 })))
    .addOption(new Option('--data <path>', "default: the data set named in the run's config.json"))
    .addHelpText('after', examples('tacet recommend runs/first --user 42 -n 5', 'tacet recommend runs/first --user 42 --json'))
    .action(async (run: string, { user, count: n, data }: { user: string; count: number; data?: string }) => {
      const context = contextOf()
      const { recommendFromRun } = await import('../../runs/index.node.ts')
      const report = await recommendFromRun(run, { user, n, ...(data === undefined ? {} : { dataPath: data }) })
      printResult(context, report, describeRecommendation(report))
    })
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
