/** The flags of `tacet train` that only models that rank have, and how such a run is shown. The work is in src/runs/ranking. */
import { type Command, Option } from 'commander'
import type { GateReport, RankingFigures, RankingTrainReport, RunRequest } from '../../runs/index.ts'
import { choiceFlag, defined, integerFlag, numberFlag, refuse } from '../flags.ts'
import { count, duration, line, programName, significant, textTable, under } from '../output.ts'

/** Written out so that `--help` stays fast (runs/ranking/config.ts has the same lists); a test holds them equal. */
export const rankingModels = [
  'popularity',
  'itemknn',
  'ease',
  'ials',
  'puresvd',
  'bpr',
  'neumf',
  'lightgcn',
  'wide-and-deep',
  'item-fold-in',
  'item-gram',
  'dpals',
  'content-popularity',
] as const
export const rankingSplits = ['random', 'chronological', 'per-user-chronological', 'leave-latest-out', 'held-out-users', 'given'] as const

export interface RankingFlags {
  task?: 'rating' | 'ranking'
  minRating?: number
  heldOutUsers?: number
  privacyUnit?: 'user' | 'rating'
  param?: Record<string, number>
  keepAnyway?: boolean
  privateMetrics?: number
  personalBudgets?: string
  budgetLevels?: number[]
  threads?: number
}

export function addRankingFlags(command: Command): void {
  command
    .addOption(
      new Option(
        '--task <task>',
        'wide-and-deep: rating | ranking (default: rating, unless the flags or the data ask for ranking)',
      ).argParser(choiceFlag('--task', ['rating', 'ranking'])),
    )
    .addOption(
      new Option('--min-rating <r>', 'ranking: lowest rating that counts as liked (default: all)').argParser(numberFlag('--min-rating')),
    )
    .addOption(
      new Option('--held-out-users <n>', 'split held-out-users: people to test on (default: 1,000; a fifth below 5,000)').argParser(
        integerFlag('--held-out-users', { atLeast: 1 }),
      ),
    )
    .addOption(
      new Option('--privacy-unit <unit>', 'whom ε protects: user | rating (default: user for ranking, rating for rating models)').argParser(
        choiceFlag('--privacy-unit', ['user', 'rating']),
      ),
    )
    .addOption(
      new Option('--param <name=value>', 'ranking: a setting of the model; may be repeated (a wrong name lists them)').argParser(
        parameterFlag,
      ),
    )
    .addOption(new Option('--keep-anyway', 'ranking: keep a private model that does not beat private popularity'))
    .addOption(
      new Option('--private-metrics <e>', 'ranking: release the metrics too, with noise, at this ε beside the model').argParser(
        numberFlag('--private-metrics', { above: 0 }),
      ),
    )
    .addOption(
      new Option('--personal-budgets <file>', 'ranking: lines user,epsilon: what each person allows; not listed: the lowest level'),
    )
    .addOption(
      new Option('--budget-levels <e,e,…>', 'ranking: the ε people choose from, ascending, for example 1,4,8').argParser((text: string) =>
        text.split(',').map(numberFlag('--budget-levels', { above: 0 })),
      ),
    )
    .addOption(
      new Option('--threads <n>', 'threads that share the work, for speed only (default: 1; bias-factors needs none)').argParser(
        integerFlag('--threads', { atLeast: 1, atMost: 64 }),
      ),
    )
}

/** `factors=64`, collected into one object. */
function parameterFlag(text: string, before: Record<string, number> = {}): Record<string, number> {
  const [, name, value] = /^([^=\s]+)=(\S+)$/.exec(text.trim()) ?? []
  if (name === undefined || value === undefined || Number.isNaN(Number(value)))
    refuse(`--param is "${text}"; it must be name=number`, 'For example --param factors=64')
  if (Object.hasOwn(before, name)) refuse(`--param ${name} is given twice`, 'Give it once')
  return { ...before, [name]: Number(value) }
}

/** Flags → the part of the request that is about ranking; keys not given are not there. */
export function rankingOptions(flags: RankingFlags): Partial<RunRequest> {
  return defined({
    task: flags.task,
    minRating: flags.minRating,
    heldOutUsers: flags.heldOutUsers,
    privacyUnit: flags.privacyUnit,
    parameters: flags.param,
    keepAnyway: flags.keepAnyway,
    privateMetrics: flags.privateMetrics,
    personalBudgets: flags.personalBudgets,
    budgetLevels: flags.budgetLevels,
    threads: flags.threads,
  })
}

const shown = ['ndcg@10', 'recall@20', 'hr@10', 'mrr@10', 'coverage@10'] as const

/** Rows of the figures people look at first: the model, then its baselines. */
export function figuresTable(rows: readonly (readonly [string, RankingFigures | null])[]): string[] {
  const present = rows.filter((row): row is readonly [string, RankingFigures] => row[1] !== null)
  const keys = shown.filter((key) => present.every(([, figures]) => figures[key] !== undefined))
  return textTable(
    ['', ...keys.map((key) => `>${key}`)],
    present.map(([name, figures]) => [name, ...keys.map((key) => (figures[key] as number).toFixed(4))]),
  )
}

/** `all items` or `99 sampled items a person`: which candidates a figure is about. */
export const candidatesInWords = (candidates: string) =>
  candidates === 'all'
    ? 'all unseen items ranked'
    : `${candidates.replace('sampled:', '')} sampled items a person: not comparable with all items`

/** The report for people: data / split / model / privacy / gate / quality / saved, then the next step. */
export function describeRankingTraining(report: RankingTrainReport): string[] {
  const { data, split, model, parameters, metrics, baselines, timing, privacy, gate, run } = report
  const quality = figuresTable([
    [model, metrics],
    ['private popularity', model === 'popularity' ? null : baselines.privatePopularity],
    ['popularity', baselines.popularity],
  ])
  return [
    line('data', data.name, `${count(data.users)} users`, `${count(data.items)} items`, `${count(data.interactions)} interactions`),
    line(
      'split',
      split.kind,
      `${count(split.train)} train`,
      split.validation > 0 && `${count(split.validation)} validation`,
      `${count(split.test)} test`,
      `${count(split.testUsers)} test people`,
    ),
    line(
      'model',
      model,
      ...Object.entries(parameters)
        .slice(0, 6)
        .map(([name, value]) => `${name} ${significant(value)}`),
    ),
    ...describePrivacy(report),
    ...(gate && model !== 'popularity' ? describeGate(model, gate) : []),
    ...quality.map((text, index) => line(index === 0 ? 'quality' : '', text)),
    under(candidatesInWords(report.candidates)),
    ...(privacy
      ? [under('exact figures and counts of private rows, not covered by ε: keep them inside (--private-metrics E releases some)')]
      : []),
    ...(report.releasedMetrics
      ? [
          line(
            'released',
            ...Object.entries(report.releasedMetrics.figures).map(
              ([name, { value, noiseStandardError }]) => `${name} ${value.toFixed(3)} ± ${noiseStandardError.toFixed(3)}`,
            ),
            `noisy, ε = ${significant(report.releasedMetrics.epsilon, 3)} of the total`,
          ),
        ]
      : []),
    line(
      'time',
      `${duration(timing.trainSeconds)} training`,
      `${duration(timing.evaluateSeconds)} evaluating`,
      `${count(Math.round(report.peakMemoryMb))} MB at most`,
    ),
    line('saved', run, `next: ${programName} recommend ${run} ${privacy ? '--history ID,ID' : '--user ID'}`),
  ]
}

function describePrivacy({ privacy, privacyDetails, notForRelease, attempts }: RankingTrainReport): string[] {
  if (!privacy) return [line('privacy', 'none: this model may reveal anything it was trained on')]
  const rdp = (privacyDetails?.user ?? privacyDetails?.rating)?.rdp
  return [
    line(
      'privacy',
      `ε = ${significant(privacy.epsilon)} at δ = ${significant(privacy.delta)} per ${privacy.privacyUnit === 'user' ? 'person' : 'rating'}`,
      privacy.accountant.toUpperCase(),
      privacy.mu !== null && `μ ${significant(privacy.mu)}`,
      privacy.sampleRate !== null && `q ${significant(privacy.sampleRate)}`,
      privacy.steps !== null && `${count(privacy.steps)} steps`,
    ),
    ...(rdp ? [under(`by RDP ε = ${significant(rdp.epsilon)}`)] : []),
    ...(attempts > 1 ? [under(`started ${attempts} times; every attempt is in the price`)] : []),
    ...(notForRelease ? [under('seeded, so not for release: whoever has the seed can take the noise off')] : []),
  ]
}

function describeGate(model: string, { beatsPrivatePopularity, kept, people, event, epsilon }: GateReport): string[] {
  return [
    line(
      'gate',
      event === null
        ? `${model} fell back to private popularity itself`
        : `${model} ${beatsPrivatePopularity ? 'beats' : 'does not beat'} private popularity`,
      beatsPrivatePopularity ? null : kept ? 'kept all the same, as asked' : 'private popularity is saved in its place',
    ),
    ...(event === null
      ? []
      : [
          under(
            `asked with noise of ${count(people)} people kept out of training, ε = ${significant(epsilon ?? 0, 3)} alone, inside the total`,
          ),
        ]),
  ]
}
