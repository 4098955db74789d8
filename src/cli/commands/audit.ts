/** `tacet audit`: attacks a run and holds what it finds against what the run claims. Exit 5 when the claim is refuted. */
import { type Command, Option } from 'commander'
import type { AuditReport } from '../../attacks/index.ts'
import { TacetError } from '../../errors.ts'
import { defined, examples, integerFlag, numberFlag } from '../flags.ts'
import type { CommandContext } from '../io.ts'
import { count, line, printResult, significant, under } from '../output.ts'
import { createProgress } from '../progress.ts'

interface AuditFlags {
  data?: string
  canaries?: number
  confidence?: number
  seed?: number
}

export function addAuditCommand(program: Command, contextOf: () => CommandContext): void {
  program
    .command('audit')
    .description('Attack a run: canaries, membership inference and conformance checks against the claimed ε')
    .argument('<run>', 'a run folder')
    .addOption(new Option('--data <path>', "default: the data set named in the run's config.json; only its shape is used"))
    .addOption(
      new Option('--canaries <n>', 'more canaries, more power, more time').argParser(
        integerFlag('--canaries', { atLeast: 100, atMost: 1e6 }),
      ),
    )
    .addOption(
      new Option('--confidence <p>', 'of the lower bound (default: 0.999)').argParser(numberFlag('--confidence', { above: 0.5, below: 1 })),
    )
    .addOption(
      new Option('--seed <n>', 'the same audit again').argParser(integerFlag('--seed', { atLeast: 0, atMost: Number.MAX_SAFE_INTEGER })),
    )
    .addHelpText('after', examples('tacet audit runs/first', 'tacet audit runs/first --canaries 5000 --json'))
    .action(async (run: string, flags: AuditFlags) => {
      const context = contextOf()
      const progress = createProgress(context)
      try {
        const report = await auditRun(run, flags, progress.update)
        progress.end()
        printResult(context, report, describeAudit(report))
        if (!report.holds) throw violation(report)
      } finally {
        progress.end()
      }
    })
}

function violation({ claimedEpsilon, epsilonLowerBound, conformance }: AuditReport): TacetError {
  const failed = conformance.filter(({ passed }) => !passed).map(({ name }) => name)
  const found =
    epsilonLowerBound > claimedEpsilon
      ? `ε is at least ${significant(epsilonLowerBound)}, and ${significant(claimedEpsilon)} was claimed`
      : `the check ${failed.join(', ')} failed`
  return new TacetError('audit-violation', found, {
    wayOut: 'Do not release this run: its trainer does not keep the promise it states',
    details: { claimedEpsilon, epsilonLowerBound, failedChecks: failed },
  })
}

const lastAttempt = (parts: readonly { readonly attempt: number }[] = []): number => Math.max(0, ...parts.map(({ attempt }) => attempt))

/**
 * Audits the run in `folder`: invented rows of its shape, its own plan and code. The run's data set is read for its sizes only.
 * @throws TacetError as loadRun, and not for a refuted claim: that is the report's `holds`
 */
export async function auditRun(
  folder: string,
  { data: dataPath, canaries, confidence, seed }: AuditFlags,
  onProgress: (phase: string, done: number, total: number) => void,
): Promise<AuditReport> {
  const { loadRankingRelease, loadRun, taskOfRun } = await import('../../runs/index.node.ts')
  const { auditBiasFactors, auditRanking, auditWideAndDeep } = await import('../../attacks/index.ts')
  const { syntheticLike } = await import('../../data/index.ts')
  const { secureRandom, seededRandom } = await import('../../random/index.ts')
  if (taskOfRun(folder) === 'ranking') {
    const { rankingTrainer } = await import('../../training/index.ts')
    // Canaries are invented people over an invented catalogue: no data set is read.
    const { config, privacy } = loadRankingRelease(folder)
    const { epsilon, delta } = config.privacy ?? {}
    return auditRanking({
      claim: epsilon === undefined || delta === undefined ? null : { epsilon, delta },
      trainer: rankingTrainer(config.model),
      parameters: config.parameters,
      alongside: (privacy?.parts ?? []).flatMap(({ part, attempt, event }) =>
        part !== 'model' && attempt === lastAttempt(privacy?.parts) ? [event] : [],
      ),
      random: seed === undefined ? secureRandom() : seededRandom(seed),
      onProgress,
      ...defined({ canaries, confidence }),
    })
  }
  const { config, data, privacy } = await loadRun(folder, defined({ dataPath }), { onProgress })
  const spent = privacy && (privacy.rating.pld ?? privacy.rating.rdp)
  const shared = {
    claim: spent && { epsilon: spent.epsilon, delta: spent.delta },
    synthetic: syntheticLike(data, defined({ seed })).data,
    random: seed === undefined ? secureRandom() : seededRandom(seed),
    onProgress,
    ...defined({ canaries, confidence }),
  }
  const { training } = config
  const withNote = (report: AuditReport): AuditReport =>
    config.privateVocabulary
      ? { ...report, notes: [...report.notes, 'The private choice of ids is inside the claim; it was not attacked.'] }
      : report
  if (training === null) return withNote(auditBiasFactors({ ...shared, itemMetadata: config.itemMetadata }))
  const { aesNoise } = await import('../../random/index.node.ts')
  const report = await auditWideAndDeep({
    ...shared,
    plan: training.plan,
    config: training.config,
    optimizer: training.optimizer,
    blockRates: training.blockRates,
    batchSize: training.batchSize,
    steps: training.steps,
    noiseOf: aesNoise,
  })
  return withNote(report)
}

export function describeAudit(report: AuditReport): string[] {
  const { claimedEpsilon, delta, epsilonLowerBound, confidence, canaries, attacks, power, verdict, conformance, notes } = report
  return [
    line('verdict', verdict, verdict === 'holds' ? 'no attack found more than was claimed' : undefined),
    line(
      'claim',
      claimedEpsilon === Number.POSITIVE_INFINITY ? 'no privacy' : `ε = ${significant(claimedEpsilon)} at δ = ${significant(delta)}`,
    ),
    line(
      'found',
      `ε ≥ ${significant(epsilonLowerBound)}`,
      `with ${significant(confidence * 100)} % confidence`,
      `${count(canaries)} canaries`,
    ),
    under(`would have seen halved noise ${Math.round(power * 100)} times in 100`),
    ...attacks.map(({ name, auc, tprAt1Fpr }, index) =>
      line(index === 0 ? 'attacks' : '', name, `AUC ${auc.toFixed(3)}`, `true positives at 1 % false: ${(tprAt1Fpr * 100).toFixed(1)} %`),
    ),
    ...(conformance.length === 0
      ? []
      : [line('checks', `${conformance.filter(({ passed }) => passed).length} of ${conformance.length} conformance checks passed`)]),
    ...conformance.filter(({ passed }) => !passed).map(({ name, detail }) => under(`FAILED ${name}: ${detail}`)),
    ...notes.map((note, index) => line(index === 0 ? 'note' : '', note)),
  ]
}
