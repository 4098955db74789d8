/**
 * `tacet demo`: everything once, on invented data unless given real: a rating model without privacy and one with it, what it promises, what an
 * attacker finds, what it recommends; lists without privacy and private for a person; then its own checks, and exit 5 if one fails. What it
 * prints are figures on the data's own rows: on real data they are for its owner's eyes.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import type { AuditReport } from '../../attacks/index.ts'
import { TacetError } from '../../errors.ts'
import type { RecommendReport, TrainReport } from '../../runs/index.ts'
import { examples, numberFlag } from '../flags.ts'
import type { CommandContext } from '../io.ts'
import { count, line, printResult, programName, prose, significant, textTable, under } from '../output.ts'
import { createProgress, type Progress } from '../progress.ts'
import { auditRun } from './audit.ts'
import { describeRankingDemo, type RankingDemo, runRankingDemo } from './demo-ranking.ts'

interface DemoFlags {
  data?: string
  epsilon: number
  personEpsilon: number
  out?: string
  once?: boolean
}

interface DemoCheck {
  readonly name: string
  readonly ok: boolean
  readonly found: string
}

interface DemoReport {
  readonly ok: boolean
  readonly folder: string
  readonly data: TrainReport['data'] & { readonly invented: boolean; readonly bestRmse: number | null }
  readonly plain: TrainReport
  readonly private: TrainReport
  readonly statement: string
  readonly audit: AuditReport
  readonly recommendations: RecommendReport
  readonly report: string
  readonly ranking: RankingDemo
  readonly checks: readonly DemoCheck[]
}

export function addDemoCommand(program: Command, contextOf: () => CommandContext): void {
  program
    .command('demo')
    .description('Everything once: train with and without privacy, read the promise, attack it, rank, recommend; then check itself')
    .addOption(new Option('--data <path>', 'a data set with ratings (default: invented data)'))
    .addOption(
      new Option('--epsilon <e>', 'what the private model may spend per rating')
        .default(1)
        .argParser(numberFlag('--epsilon', { above: 0 })),
    )
    .addOption(
      new Option('--person-epsilon <e>', 'what the private lists may spend per person')
        .default(2)
        .argParser(numberFlag('--person-epsilon', { above: 0 })),
    )
    .addOption(new Option('--out <dir>', 'where to put the runs (default: a new folder runs/demo…)'))
    .addOption(new Option('--once', 'end after the checks (it always does)'))
    .addHelpText('after', examples('tacet demo', 'tacet demo --data ml-1m --epsilon 0.5 --person-epsilon 1'))
    .action(async (flags: DemoFlags) => {
      const context = contextOf()
      const progress = createProgress(context)
      try {
        const report = await runDemo(flags, progress, context.io.interruptSignal())
        progress.end()
        printResult(context, report, describe(report))
        const bad = report.checks.filter(({ ok }) => !ok)
        if (bad.length > 0) {
          throw new TacetError(
            'check-failed',
            `the demo's own checks failed: ${bad.map(({ name, found }) => `${name} (${found})`).join('; ')}`,
            {
              details: { failed: bad.map(({ name }) => name) },
            },
          )
        }
      } finally {
        progress.end()
      }
    })
}

async function runDemo(
  { data: given, epsilon, personEpsilon, out }: DemoFlags,
  progress: Progress,
  signal: AbortSignal,
): Promise<DemoReport> {
  const { bestRmseOver, splitInteractions, syntheticInteractions } = await import('../../data/index.ts')
  const { convertDataset, readDataset } = await import('../../data/index.node.ts')
  const { makeFolders, recommendFromRun, train } = await import('../../runs/index.node.ts')
  const folder = newFolder(out, makeFolders)
  const io = { onProgress: progress.update, signal }

  let dataPath = given
  let bestRmse: number | null = null
  let person: string
  if (dataPath === undefined) {
    dataPath = join(folder, 'invented.ndjson')
    const invented = syntheticInteractions({})
    await convertDataset(invented.data, { to: 'ndjson', out: dataPath })
    bestRmse = bestRmseOver(invented.truth, splitInteractions(invented.data, { kind: 'chronological' }).test)
    person = invented.data.userIds[0] as string
  } else {
    person = (await readDataset(dataPath)).userIds[0] as string
  }
  const plain = await train({ dataPath, noPrivacy: true, out: join(folder, 'plain') }, io)
  const priv = await train({ dataPath, epsilon, out: join(folder, 'private') }, io)
  const audit = await auditRun(priv.run, {}, progress.update)
  const recommendations = await recommendFromRun(priv.run, { user: person, n: 5 })
  const ranking = await runRankingDemo({ dataPath: given ?? null, epsilon: personEpsilon, folder, progress, signal })
  const checks = [...demoChecks({ epsilon, plain, private: priv, audit, recommendations, bestRmse }), ...ranking.checks]
  return {
    ok: checks.every(({ ok }) => ok),
    folder,
    data: { ...priv.data, invented: given === undefined, bestRmse },
    plain,
    private: priv,
    statement: readFileSync(join(priv.run, 'statement.md'), 'utf8'),
    audit,
    recommendations,
    report: join(priv.run, 'report.html'),
    ranking,
    checks,
  }
}

/** `out`, which must not exist, or the first free name in runs/. */
function newFolder(out: string | undefined, makeFolders: (path: string) => void): string {
  let folder = out ?? join('runs', 'demo')
  if (out !== undefined && existsSync(out)) {
    throw new TacetError('output-exists', `${out} is there already`, { wayOut: 'Give another --out, or leave it out', details: { out } })
  }
  for (let number = 2; out === undefined && existsSync(folder); number++) folder = join('runs', `demo-${number}`)
  try {
    makeFolders(folder)
  } catch (error) {
    throw new TacetError('output-not-writable', `${folder} cannot be made (${(error as Error).message})`, {
      wayOut: 'Name a folder that can be written with --out',
      details: { out: folder },
      cause: error,
    })
  }
  return folder
}

function demoChecks(demo: {
  epsilon: number
  plain: TrainReport
  private: TrainReport
  audit: AuditReport
  recommendations: RecommendReport
  bestRmse: number | null
}): DemoCheck[] {
  const { epsilon, plain, private: priv, audit, recommendations, bestRmse } = demo
  const { constant, privateItemMean } = priv.baselines
  const four = (value: number) => value.toFixed(4)
  const pld = priv.privacy?.epsilon ?? Number.POSITIVE_INFINITY
  const rdp = priv.privacyDetails?.rating.rdp?.epsilon ?? Number.NaN
  const scores = recommendations.items.map(({ score }) => score)
  return [
    {
      name: 'the private model beats one constant for everybody',
      ok: priv.metrics.rmse < constant.rmse,
      found: `RMSE ${four(priv.metrics.rmse)}, constant ${four(constant.rmse)}`,
    },
    {
      name: 'it beats a private popularity list at the same ε',
      ok: privateItemMean !== null && priv.metrics.rmse < privateItemMean.rmse,
      found: `private item mean ${privateItemMean ? four(privateItemMean.rmse) : 'missing'}`,
    },
    {
      name: 'privacy is not free and not ruinous',
      ok: plain.metrics.rmse < priv.metrics.rmse && priv.metrics.rmse < plain.metrics.rmse * 1.2,
      found: `RMSE ${four(plain.metrics.rmse)} without privacy`,
    },
    ...(bestRmse === null
      ? []
      : [
          {
            name: 'nothing beats the best possible prediction',
            ok: plain.metrics.rmse > bestRmse * 0.99,
            found: `best possible RMSE ${four(bestRmse)}`,
          },
        ]),
    // Calibration never overshoots its target, and for Gaussians the PLD is the tighter of the two.
    {
      name: 'the two accountants agree in order, and neither the target nor the smaller is passed',
      ok: pld <= epsilon * 1.0001 && pld <= rdp * 1.001,
      found: `PLD ${significant(pld)} ≤ RDP ${significant(rdp)}`,
    },
    {
      name: 'the audit does not refute the claim',
      ok: audit.verdict !== 'violated',
      found: `${audit.verdict}: ε ≥ ${significant(audit.epsilonLowerBound)} of ${significant(audit.claimedEpsilon)}`,
    },
    {
      name: 'a list of five, best first',
      ok: scores.length === 5 && scores.every((score, i) => i === 0 || score <= (scores[i - 1] as number)),
      found: `${scores.length} items`,
    },
    {
      name: 'a run that draws from the operating system is for release',
      ok: !priv.notForRelease && priv.privacy?.noiseSource === 'csprng',
      found: `noise from ${priv.privacy?.noiseSource}`,
    },
  ]
}

/** The promise itself: the statement's first lines of prose. */
function excerpt(statement: string): string[] {
  return statement
    .split('\n')
    .filter((text) => text.trim() !== '' && !text.startsWith('#'))
    .slice(0, 4)
}

function describe({
  data,
  plain,
  private: priv,
  statement,
  audit,
  recommendations,
  ranking,
  report,
  checks,
  folder,
}: DemoReport): string[] {
  const figures = ({ metrics }: TrainReport) => `RMSE ${metrics.rmse.toFixed(4)} · MAE ${metrics.mae.toFixed(4)}`
  const { constant, itemMean } = priv.baselines
  const { privacy } = priv
  return [
    line(
      'data',
      data.invented ? 'invented: nobody is in it' : data.name,
      `${count(data.users)} users`,
      `${count(data.items)} items`,
      `${count(data.interactions)} interactions`,
    ),
    line(
      'constant',
      `RMSE ${constant.rmse.toFixed(4)}`,
      `item mean ${itemMean.rmse.toFixed(4)}`,
      data.bestRmse !== null && `best possible ${data.bestRmse.toFixed(4)}`,
    ),
    line('plain', figures(plain), 'no privacy'),
    line(
      'private',
      figures(priv),
      privacy && `ε = ${significant(privacy.epsilon)} at δ = ${significant(privacy.delta)} per ${privacy.privacyUnit}`,
    ),
    '',
    ...excerpt(statement)
      .flatMap((text) => prose(text))
      .map((text, index) => line(index === 0 ? 'promise' : '', text)),
    '',
    line(
      'attack',
      `${audit.verdict}: ε ≥ ${significant(audit.epsilonLowerBound)} shown, ${significant(audit.claimedEpsilon)} claimed`,
      `${count(audit.canaries)} canaries`,
    ),
    under(
      `would have seen halved noise ${Math.round(audit.power * 100)} times in 100`,
      audit.conformance.length > 0 &&
        `${audit.conformance.filter(({ passed }) => passed).length} of ${audit.conformance.length} conformance checks passed`,
    ),
    '',
    line('for', `user ${recommendations.user}`),
    ...textTable(
      ['>#', 'item', '>score', 'title'],
      recommendations.items.map(({ id, title, score }, i) => [String(i + 1), id, score.toFixed(3), title ?? '']),
    ).map((text) => under(text)),
    '',
    ...describeRankingDemo(ranking),
    '',
    ...checks.map(({ name, ok, found }) => line(ok ? 'ok' : 'FAILED', name, found)),
    '',
    line('saved', folder, `open ${report}`),
    line('next', `${programName} audit ${priv.run}`, `${programName} recommend ${priv.run} --user ${recommendations.user}`),
  ]
}
