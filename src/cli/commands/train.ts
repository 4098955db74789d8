/**
 * `tacet train`: data in, a run folder out. Declares the flags, refuses the combinations that contradict each other before any data is read,
 * and shows what was promised, what it cost and what came out. The work is in src/runs.
 */
import { type Command, Option } from 'commander'
import { TacetError } from '../../errors.ts'
import type { RunRequest, TrainReport } from '../../runs/index.ts'
import { refuseSettingsBeside } from '../cases.ts'
import { choiceFlag, defined, deltaBounds, examples, integerFlag, numberFlag, refuse } from '../flags.ts'
import type { CommandContext } from '../io.ts'
import { count, duration, line, printResult, programName, significant, under } from '../output.ts'
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

interface TrainFlags extends ReaderFlags, RankingFlags {
  data?: string
  model?: string
  recipe?: string
  split?: string
  cutTimestamp?: number
  epochs?: number
  batchSize?: number
  learningRate?: number
  maxGradNorm?: number
  clipping?: string
  noiseMultiplier?: number
  epsilon?: number
  delta?: number
  privacy: boolean
  seed?: number
  itemMetadata?: boolean
  privateVocabulary?: boolean
  checkpointEvery?: number
  out?: string
  resume?: string
}

const models = ['bias-factors', ...rankingModels] as const

export function addTrainCommand(program: Command, contextOf: () => CommandContext): void {
  const command = program
    .command('train')
    .description('Train a recommender, private unless told otherwise, into a new run folder')
    .addOption(new Option('--data <path>', 'a data set folder or file (see tacet data describe)'))
    .addOption(new Option('--out <dir>', 'the run folder to make; it must not exist'))
    .addOption(
      new Option('--model <name>', `ratings: bias-factors (default) | wide-and-deep; ranking: ${rankingModels.join(' | ')}`).argParser(
        choiceFlag('--model', models, 'unknown-model'),
      ),
    )
    .addOption(
      new Option('--recipe <name>', 'wide-and-deep only: paper | repaired (default: repaired)').argParser(
        choiceFlag('--recipe', ['paper', 'repaired']),
      ),
    )
    .addOption(
      new Option(
        '--split <kind>',
        `ratings: chronological | random (default: chronological); ranking: ${rankingSplits.join(' | ')} (default: random)`,
      ).argParser(choiceFlag('--split', rankingSplits)),
    )
    .addOption(
      new Option('--cut-timestamp <seconds>', 'chronological only: the public time at which test rows begin').argParser(
        numberFlag('--cut-timestamp', {}),
      ),
    )
    .addOption(
      new Option('--epsilon <e>', 'privacy: spend at most this ε, calibrating the noise to it').argParser(
        numberFlag('--epsilon', { above: 0 }),
      ),
    )
    .addOption(
      new Option('--noise-multiplier <s>', 'privacy: noise standard deviation ÷ clip norm (wide-and-deep only)')
        .argParser(noiseMultiplierFlag)
        .conflicts('epsilon'),
    )
    .addOption(new Option('--no-privacy', 'train without privacy, and say so in every output'))
    .addOption(
      new Option('--delta <d>', 'δ of the promise (default: 1e-6 for a person, 1e-5 for a rating)').argParser(
        numberFlag('--delta', deltaBounds),
      ),
    )
    .addOption(
      new Option('--max-grad-norm <c>', 'clip norm C of one example (wide-and-deep only)').argParser(
        numberFlag('--max-grad-norm', { above: 0 }),
      ),
    )
    .addOption(
      new Option(
        '--clipping <kind>',
        'wide-and-deep only: flat | automatic (AUTO-S) | adaptive (default: paper flat, repaired per block)',
      ).argParser(choiceFlag('--clipping', ['flat', 'automatic', 'adaptive'])),
    )
    .addOption(new Option('--epochs <n>', 'wide-and-deep only').argParser(numberFlag('--epochs', { above: 0 })))
    .addOption(
      new Option('--batch-size <b>', 'expected batch size (wide-and-deep only)').argParser(integerFlag('--batch-size', { atLeast: 1 })),
    )
    .addOption(new Option('--learning-rate <l>', 'wide-and-deep only').argParser(numberFlag('--learning-rate', { above: 0 })))
    .addOption(
      new Option('--seed <n>', 'repeatable, for papers and tests: the result is not for release').argParser(
        integerFlag('--seed', { atLeast: 0, atMost: Number.MAX_SAFE_INTEGER }),
      ),
    )
    .addOption(new Option('--item-metadata', 'bias-factors only: use genres and years of the catalogue, taken as public'))
    .addOption(
      new Option(
        '--private-vocabulary',
        'where ids are read off the ratings: choose privately which to name, for a tenth of the budget (default: they are public)',
      ),
    )
    .addOption(
      new Option('--checkpoint-every <steps>', 'steps between checkpoints').argParser(integerFlag('--checkpoint-every', { atLeast: 1 })),
    )
    .addOption(new Option('--resume <dir>', 'go on with an interrupted run; takes no other setting'))
  addRankingFlags(command)
  addReaderFlags(command)
  command
    .addHelpText(
      'after',
      examples(
        'tacet train --data ml-1m --epsilon 1 --out runs/first',
        'tacet train --data ml-1m --model wide-and-deep --recipe paper --noise-multiplier 1 --out runs/paper',
        'tacet train --data ml-1m --model item-gram --epsilon 1 --min-rating 4 --split held-out-users --out runs/lists',
        'tacet train --data gowalla --model ease --no-privacy --split given --param lambda=500 --out runs/ease',
        'tacet train --data ratings.csv --user-column person --item-column film --rating-column stars --no-privacy --out runs/plain',
        'tacet train --data ratings.csv --split random --epsilon 2 --private-vocabulary --out runs/unnamed',
        'tacet train --resume runs/first',
      ),
    )
    .action(async (flags: TrainFlags) => {
      const context = contextOf()
      const request = flags.resume === undefined ? trainRequest(flags) : undefined
      if (flags.resume !== undefined)
        // A resumed run is the run that was priced: its settings are in its folder.
        refuseSettingsBeside(
          command,
          'resume',
          (long) => `--resume goes on with the settings the run was started with; ${long} contradicts that`,
          (long) => `Leave out ${long}, or start a new run`,
        )
      const { trainRun, resumeAnyRun } = await import('../../runs/index.node.ts')
      const progress = createProgress(context)
      const io = {
        onProgress: progress.update,
        signal: context.io.interruptSignal(),
        onWarning: (sentence: string) => {
          progress.end()
          if (!context.quiet) context.io.stderr.write(`note: ${sentence}\n`)
        },
      }
      try {
        const report = request ? await trainRun(request, io) : await resumeAnyRun(flags.resume as string, io)
        progress.end()
        printResult(context, report, 'task' in report ? describeRankingTraining(report) : describeTraining(report))
      } finally {
        progress.end()
      }
    })
}

/** 0 is not a usage error but an unsafe plan: it asks for a "private" run that protects nobody. */
function noiseMultiplierFlag(text: string): number {
  if (text.trim() !== '' && Number(text) === 0) {
    throw new TacetError('unsafe-plan', '--noise-multiplier 0 adds no noise, so it protects nobody (ε = ∞)', {
      wayOut: 'Say --no-privacy if that is what you want; else raise --noise-multiplier or give --epsilon',
      details: { noiseMultiplier: 0 },
    })
  }
  return numberFlag('--noise-multiplier', { above: 0 })(text)
}

const wideAndDeepOnly = {
  recipe: '--recipe',
  epochs: '--epochs',
  batchSize: '--batch-size',
  learningRate: '--learning-rate',
  maxGradNorm: '--max-grad-norm',
  clipping: '--clipping',
  noiseMultiplier: '--noise-multiplier',
} as const satisfies Partial<Record<keyof TrainFlags, string>>

/** Flags → request. Everything that contradicts itself is refused here, before a file is opened. */
function trainRequest(flags: TrainFlags): RunRequest {
  const { data, out, model = 'bias-factors', privacy, ...rest } = flags
  if (data === undefined)
    refuse('--data is missing: there is nothing to train on', 'Name a data set: tacet train --data PATH --epsilon 1 --out DIR')
  if (out === undefined) refuse('--out is missing: a run needs a folder to be written to', 'Name one that does not exist: --out runs/first')
  const asked =
    rest.noiseMultiplier !== undefined
      ? '--noise-multiplier'
      : rest.epsilon !== undefined
        ? '--epsilon'
        : rest.personalBudgets !== undefined
          ? '--personal-budgets'
          : undefined
  if (privacy && asked === undefined) {
    refuse(
      'no privacy setting: say how much this run may learn about one person',
      model === 'wide-and-deep' ? 'Give --epsilon E or --noise-multiplier S, or --no-privacy' : 'Give --epsilon E, or --no-privacy',
    )
  }
  if (!privacy && asked !== undefined) refuse(`${asked} contradicts --no-privacy`, 'Leave one of them out')
  if (!privacy && rest.privateVocabulary)
    refuse('--private-vocabulary contradicts --no-privacy: such a run hides nothing', 'Leave one of them out')
  if (!privacy && rest.delta !== undefined)
    refuse('--delta contradicts --no-privacy: there is no promise it could belong to', 'Leave one of them out')
  if (model === 'bias-factors') {
    for (const [key, flag] of Object.entries(wideAndDeepOnly)) {
      if (rest[key as keyof typeof wideAndDeepOnly] === undefined) continue
      const instead = key === 'noiseMultiplier' ? 'bias-factors spends a given --epsilon in stages' : 'Leave it out'
      refuse(`${flag} goes with --model wide-and-deep, not with bias-factors`, `${instead}; or say --model wide-and-deep`)
    }
  } else if (rest.itemMetadata) {
    refuse(`--item-metadata goes with --model bias-factors, not with ${model}`, 'Leave one of them out')
  }
  const reader = readerOptions(flags)
  return {
    dataPath: data,
    out,
    model,
    ...rankingOptions(flags),
    ...defined({
      recipe: rest.recipe,
      split: rest.split,
      cutTimestamp: rest.cutTimestamp,
      epochs: rest.epochs,
      batchSize: rest.batchSize,
      learningRate: rest.learningRate,
      maxGradNorm: rest.maxGradNorm,
      clipping: rest.clipping,
      noiseMultiplier: rest.noiseMultiplier,
      epsilon: rest.epsilon,
      noPrivacy: privacy ? undefined : true,
      delta: rest.delta,
      seed: rest.seed,
      itemMetadata: rest.itemMetadata,
      privateVocabulary: rest.privateVocabulary,
      checkpointEvery: rest.checkpointEvery,
      skipBadLines: rest.skipBadLines,
      reader: Object.keys(reader).length > 0 ? reader : undefined,
    }),
  }
}

/** The report for people: data / split / privacy / quality / saved, then the next step. */
export function describeTraining(report: TrainReport): string[] {
  const { data, split, privacy, metrics, baselines, timing } = report
  const { constant, itemMean, privateItemMean } = baselines
  return [
    line('data', data.name, `${count(data.users)} users`, `${count(data.items)} items`, `${count(data.interactions)} interactions`),
    line(
      'split',
      split.kind,
      `${count(split.train)} train`,
      `${count(split.test)} test`,
      split.testRowsOfUnseenUsers > 0 && `${count(split.testRowsOfUnseenUsers)} of them by people not in training`,
    ),
    line('model', report.model, report.recipe && `recipe ${report.recipe}`),
    ...describePrivacy(report),
    line('quality', `RMSE ${metrics.rmse.toFixed(4)}`, `MAE ${metrics.mae.toFixed(4)}`),
    under(
      `constant ${constant.rmse.toFixed(4)}`,
      `item mean ${itemMean.rmse.toFixed(4)}`,
      privateItemMean && `private item mean ${privateItemMean.rmse.toFixed(4)} (at ε ${significant(privateItemMean.epsilon)})`,
    ),
    ...(metrics.rmse >= constant.rmse ? [under('worse than predicting one constant for everybody: do not serve this model')] : []),
    line(
      'time',
      `${duration(timing.trainSeconds)} training`,
      timing.stepsPerSecond !== null && `${count(Math.round(timing.stepsPerSecond))} steps/s`,
      `${count(Math.round(report.peakMemoryMb))} MB at most`,
    ),
    line('saved', `${report.run}`, `next: ${programName} ${privacy ? 'audit' : 'evaluate'} ${report.run}`),
  ]
}

function describePrivacy({ privacy, privacyDetails, notForRelease, attempts }: TrainReport): string[] {
  if (!privacy) return [line('privacy', 'none: this model may reveal any rating it was trained on')]
  const unit = privacy.privacyUnit === 'rating' ? 'per rating' : 'per person'
  const rdp = privacyDetails?.rating.rdp
  const user = privacyDetails?.user
  return [
    line(
      'privacy',
      `ε = ${significant(privacy.epsilon)} at δ = ${significant(privacy.delta)} ${unit}`,
      privacy.accountant.toUpperCase(),
      privacy.noiseMultiplier !== null && `σ ${significant(privacy.noiseMultiplier)}`,
      privacy.sampleRate !== null && `q ${significant(privacy.sampleRate)}`,
      privacy.steps !== null && `${count(privacy.steps)} steps`,
      privacy.mu !== null && `μ ${significant(privacy.mu)}`,
    ),
    ...(rdp ? [under(`by RDP ε = ${significant(rdp.epsilon)}`)] : []),
    ...(user
      ? [
          under(
            ...[user.median, user.heaviest].map(({ ratings, pld, rdp: byRdp }, index) => {
              const spent = pld ?? byRdp
              return (
                spent && `${index === 0 ? 'median' : 'heaviest'} person, ${count(ratings)} ratings: ε = ${significant(spent.epsilon, 3)}`
              )
            }),
          ),
        ]
      : []),
    ...(attempts > 1 ? [under(`started ${attempts} times; every attempt is in the price`)] : []),
    ...(notForRelease ? [under('seeded, so not for release: whoever has the seed can take the noise off')] : []),
  ]
}
