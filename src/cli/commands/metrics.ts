/**
 * `tacet metrics`: ranking metrics of lists or scores somebody brings, one question a line, or the table of exact definitions.
 * Reads no data set, knows no model, writes no file. What it prints is as private as the lines it was given.
 */
import { type Command, Option } from 'commander'
import { answerCases } from '../cases.ts'
import { examples, refuse } from '../flags.ts'
import type { CommandContext } from '../io.ts'
import { line, printResult, prose, under } from '../output.ts'

export function addMetricsCommand(program: Command, contextOf: () => CommandContext): void {
  program
    .command('metrics')
    .description('Measure rankings from a file of cases, or list every metric with its exact definition')
    .addOption(new Option('--cases <file>', 'one question a line (NDJSON), one answer a line').conflicts('list'))
    .addOption(new Option('--list', 'every metric: formula, what it averages over, ties, empty and short lists'))
    .addHelpText(
      'after',
      examples(
        'tacet metrics --list',
        'tacet metrics --cases questions.ndjson    # {"id":1,"metric":"ndcg@10","lists":{"ann":["a","b"]},"relevant":{"ann":["b"]}}',
        'tacet metrics --cases questions.ndjson    # {"id":2,"metric":"hr","k":1,"scores":{"ann":{"a":1,"b":1}},"relevant":{"ann":["b"]}}',
      ),
    )
    .action(async ({ cases, list }: { cases?: string; list?: boolean }) => {
      const context = contextOf()
      if (list) return printDefinitions(context)
      if (cases === undefined) refuse('neither --cases nor --list is given', 'Give --cases FILE to measure, or --list for the definitions')
      const { answerRankingCase } = await import('../../evaluation/index.ts')
      await answerCases(cases, answerRankingCase, context)
    })
}

async function printDefinitions(context: CommandContext): Promise<void> {
  const { commonRules, rankingMetrics } = await import('../../evaluation/index.ts')
  const lines = rankingMetrics.flatMap((metric) => [
    metric.name + (metric.aliases.length > 0 ? ` (also ${metric.aliases.join(', ')})` : ''),
    ...told('is', metric.definition),
    ...told('over', metric.averagedOver),
    ...told('k', metric.cutoff === 'k' ? 'cuts at k; without k, no cut' : 'not used'),
    ...told('ties', metric.ties),
    ...told('empty', metric.empty),
    ...told('short', metric.shortLists),
    ...told(
      'needs',
      ['lists or scores', ...metric.needs].filter((need, _, all) => need !== 'lists or scores' || !all.includes('scores')).join(', '),
    ),
    ...(metric.options.length > 0 ? told('options', metric.options.join(', ')) : []),
    '',
  ])
  printResult(context, { metrics: rankingMetrics, rules: commonRules }, [
    ...lines,
    'For all of them',
    ...Object.entries(commonRules).flatMap(([name, rule]) => told(name, rule)),
  ])
}

/** A label and its text, broken into lines. */
function told(label: string, text: string): string[] {
  const [first = '', ...rest] = prose(text)
  return [line(`  ${label}`, first), ...rest.map((more) => under(more))]
}
