/**
 * The pipeline of `tacet train`: data → split → training that pays before it draws → baselines → errors → a whole run folder; and the way back
 * in for a run that was stopped or killed (`resumeRun`).
 *
 * Everything that was spent is in the folder's journal before its noise is drawn, so neither a kill nor a crash between training and publishing
 * forgets it; every attempt draws fresh noise and is priced (privacy-rules 16). What it cannot see is a copied working folder that is resumed
 * twice.
 */
import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, readFileSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { readDataset } from '../data/index.node.ts'
import {
  countTestRowsOfUnseenUsers,
  datasetSize,
  type Interactions,
  type ReadOptions,
  type Split,
  type SplitOptions,
  splitInteractions,
} from '../data/index.ts'
import { TacetError } from '../errors.ts'
import { constantBaseline, evaluateRatings, itemMeanBaseline } from '../evaluation/index.ts'
import { decodeSafetensors, encodeSafetensors, type NamedTensors, networkTensors, type PredictPairs } from '../models/index.ts'
import {
  gaussianEpsilon,
  gaussianMu,
  maxBatchFor,
  type PrivacyEvent,
  type PrivacySpent,
  planEvent,
  planId,
  pldAccountant,
  type Spend,
} from '../privacy/index.ts'
import { type RandomSource, secureRandom, seededRandom } from '../random/index.ts'
import { createNodeWideAndDeepEngine } from '../training/index.node.ts'
import {
  biasFactorsPlan,
  decodeCheckpoint,
  encodeCheckpoint,
  type LoopState,
  loopOf,
  networkData,
  runTrainingLoop,
  trainBiasFactors,
  trainPrivateItemMean,
  type WideAndDeepSettings,
  wideAndDeepSettings,
} from '../training/index.ts'
import { parseConfig, type ResolvedRequest, type RunConfig, resolveRequest } from './config.ts'
import { bannerOf, cardOf, type RunFacts, reportOf, statementOf } from './documents.ts'
import { composeReleases } from './events.ts'
import { fingerprintOf } from './fingerprint.node.ts'
import {
  checkFormatVersion,
  checkOutput,
  createWorkingFolder,
  files,
  lockFolder,
  publishFolder,
  RUN_FORMAT_VERSION,
  readRunJson,
  workingFolderOf,
  writeFileAtomically,
  writeJsonAtomically,
} from './folder.node.ts'
import { type Journal, nextAttempt, openJournal, paidThrough, spentEvents } from './journal.node.ts'
import { loadModel } from './model.ts'
import { type Mechanism, type PaidChoice, type PaidChunk, priceRun, ratingsPerPerson } from './pricing.ts'
import {
  choiceEvents,
  chooseVocabulary,
  epsilonLeftForStages,
  planChoices,
  restrictToVocabulary,
  vocabularyShare,
} from './private-vocabulary.ts'
import type { ErrorFigures, RunIo, TrainReport, TrainRequest } from './types.ts'
import { tacetVersion } from './version.ts'
import type { Vocabulary } from './vocabulary.ts'

/**
 * Trains into a new run folder.
 * @throws TacetError by what went wrong; `interrupted` after `signal`. A run that spent nothing leaves nothing; one that spent something leaves
 *   its working folder, to be resumed
 */
export async function train(request: TrainRequest, io: RunIo = {}): Promise<TrainReport> {
  const resolved = resolveRequest(request)
  checkOutput(resolved.out)
  const data = await readData(resolved, io)
  if (data.feedback === 'implicit' || data.ratingScale === null) throw implicitData(data)
  // The key of the random split is public and fixed: every run of a data set is measured on the same rows.
  const splitOptions: SplitOptions =
    resolved.split === 'random'
      ? { kind: 'random', testFraction: 0.2, seed: 0 }
      : { kind: 'chronological', ...(resolved.cutTimestamp === null ? {} : { cutTimestamp: resolved.cutTimestamp }) }
  const split = splitInteractions(data, splitOptions)
  if (resolved.privacy !== null && split.dataDependent) throw dependentSplit(split)
  stopIfAborted(io)
  const config: RunConfig = {
    formatVersion: RUN_FORMAT_VERSION,
    tacetVersion,
    model: resolved.model,
    recipe: resolved.recipe,
    data: { path: resolve(resolved.dataPath), skipBadLines: resolved.skipBadLines, reader: resolved.reader },
    // Spelt out, so that a later version which declares another cut still finds the same rows.
    split: split.cutTimestamp === null ? splitOptions : { kind: 'chronological', cutTimestamp: split.cutTimestamp },
    privacy: resolved.privacy,
    ...planTraining(resolved, data, split),
    itemMetadata: resolved.itemMetadata,
    seed: resolved.seed,
    noiseSource: resolved.seed === null ? 'csprng' : 'seeded',
    threads: resolved.threads,
    checkpointEvery: resolved.checkpointEvery,
  }
  checkTrainable(config, data, split)
  const { folder, discard } = createWorkingFolder(resolved.out)
  const unlock = lockFolder(folder)
  let spentAnything = false
  try {
    writeJsonAtomically(join(folder, files.config), config)
    writeDataFile(folder, data, config.privateVocabulary ? null : data)
    return await runAttempt({ folder, out: resolved.out, config, data, split, io, unlock, onSpend: () => (spentAnything = true) })
  } catch (error) {
    unlock()
    // An interrupted run keeps its checkpoint even where nothing is priced.
    if (!spentAnything && !existsSync(join(folder, files.checkpoint))) discard()
    throw error
  }
}

/**
 * Takes up the working folder of a stopped or killed run, under either of its names.
 * @throws TacetError missing-file (nothing to resume), output-exists (finished already, or another process works on it), unsafe-plan (the data
 *   are not what they were), and everything `train` throws
 */
export async function resumeRun(run: string, io: RunIo = {}): Promise<TrainReport> {
  const out = run.replace(/\.partial\/*$/, '').replace(/\/+$/, '') || run
  const folder = workingFolderOf(out)
  if (!existsSync(folder)) {
    if (existsSync(resolve(out)))
      throw new TacetError('output-exists', `${out} is finished: there is nothing to resume`, {
        wayOut: `look at it: tacet evaluate ${out}`,
      })
    throw new TacetError('missing-file', `there is no unfinished run at ${out}`, {
      wayOut: 'check the path: --resume takes the folder that --out named',
    })
  }
  const raw = readRunJson(folder, files.config)
  checkFormatVersion(raw, folder)
  const config = parseConfig(raw, folder, { unfinished: true })
  const unlock = lockFolder(folder)
  try {
    const data = await readData({ dataPath: config.data.path, skipBadLines: config.data.skipBadLines, reader: config.data.reader }, io)
    if (readRunJson(folder, files.data).fingerprint !== fingerprintOf(data))
      throw new TacetError('unsafe-plan', `the data at ${config.data.path} are not what this run was started on`, {
        wayOut: 'put the old data back, or start a new run; what this one spent stays spent',
      })
    return await runAttempt({ folder, out, config, data, split: splitInteractions(data, config.split), io, unlock, onSpend: () => {} })
  } catch (error) {
    unlock()
    throw error
  }
}

interface Attempt {
  readonly folder: string
  readonly out: string
  readonly config: RunConfig
  readonly data: Interactions
  readonly split: Split
  readonly io: RunIo
  readonly unlock: () => void
  readonly onSpend: () => void
}

/** An attempt that knows its ids and every setting. */
interface Ready extends Attempt {
  /** `data` in the vocabulary of the run: the same rows. */
  readonly known: Interactions
}

interface Training {
  readonly trainSeconds: number
  readonly stepsPerSecond: number | null
}

async function runAttempt(attempt: Attempt): Promise<TrainReport> {
  const { folder, config, unlock } = attempt
  const journal = openJournal(join(folder, files.journal))
  try {
    const number = nextAttempt(journal.entries)
    const finished = journal.entries.at(-1)?.kind === 'finished'
    const before = finished ? null : paidBefore(attempt, journal)
    if (!finished) journal.append({ kind: 'attempt', attempt: number })
    const log = (entry: Record<string, unknown>) =>
      appendFileSync(join(folder, files.log), `${JSON.stringify({ attempt: number, ...entry })}\n`)
    const random = randomOf(config, number)
    const ready = withVocabulary(attempt, journal, number, random)
    const training: Training = finished
      ? { trainSeconds: 0, stepsPerSecond: null }
      : await (ready.config.training
          ? trainNetwork(ready, ready.config.training, journal, number, random, before, log)
          : trainStages(ready, journal, number, random, log))
    if (!finished) journal.append({ kind: 'finished', attempt: number })
    return await finishRun({ ...ready, journal, training, attempts: finished ? number - 1 : number, random })
  } finally {
    journal.close()
    unlock()
  }
}

/** The checkpoint to go on from, and how far an attempt that stopped in good order had paid. Read before this attempt writes its own line. */
function paidBefore(
  { folder, config }: Attempt,
  journal: Journal,
): { readonly bytes: Uint8Array; readonly paid: (step: number) => number } | null {
  const path = join(folder, files.checkpoint)
  if (!config.training || !existsSync(path)) return null
  const entries = [...journal.entries]
  return { bytes: readFileSync(path), paid: (step) => paidThrough(entries, step) }
}

/**
 * Chooses the ids of a run with a private vocabulary, unless an earlier attempt did: what was chosen is in `private/data.json`, so nobody pays for
 * it twice. A choice that a kill cut off before it was written is made and paid for anew.
 */
function withVocabulary(attempt: Attempt, journal: Journal, number: number, random: RandomSource): Ready {
  const { folder, config, data, split, io, onSpend } = attempt
  const choices = config.privateVocabulary
  if (choices === null) return { ...attempt, known: data }
  const stored = readRunJson(folder, files.data)
  let vocabulary: Vocabulary
  if (Array.isArray(stored.userIds)) vocabulary = { userIds: stored.userIds as string[], itemIds: stored.itemIds as string[] }
  else {
    io.onProgress?.('choose ids', 0, 0)
    vocabulary = chooseVocabulary(choices, data, split, {
      random: random.split('vocabulary'),
      spend: (what, event) => {
        journal.append({ kind: 'select', attempt: number, what, event })
        onSpend()
      },
    })
    writeDataFile(folder, data, vocabulary)
  }
  const known = restrictToVocabulary(data, vocabulary)
  if (config.model !== 'wide-and-deep' || config.training !== null) return { ...attempt, known }
  const { recipe, privacy } = config
  const training = resolveTraining(
    { recipe, privacy, overrides: choices.overrides },
    known,
    split,
    privacy?.epsilon ? choiceEvents(choices) : [],
  )
  const settled: RunConfig = { ...config, training }
  writeJsonAtomically(join(folder, files.config), settled)
  return { ...attempt, config: settled, known }
}

/** `private/data.json`: which data set this is, and the ids in the order of the model's rows; null until they are chosen. */
function writeDataFile(folder: string, data: Interactions, vocabulary: Vocabulary | null): void {
  const { userIds = null, itemIds = null } = vocabulary ?? {}
  writeJsonAtomically(join(folder, files.data), { fingerprint: fingerprintOf(data), userIds, itemIds })
}

async function trainNetwork(
  attempt: Ready,
  settings: WideAndDeepSettings,
  journal: Journal,
  number: number,
  random: RandomSource,
  before: ReturnType<typeof paidBefore>,
  log: (entry: Record<string, unknown>) => void,
): Promise<Training> {
  const { folder, config, data, known, split, io, onSpend } = attempt
  const { plan, steps, batchSize } = settings
  const engineRandom = random.split('engine')
  const engine = await createNodeWideAndDeepEngine({
    config: settings.config,
    ...networkData(known),
    users: pick(known.users, split.train, Uint32Array),
    items: pick(known.items, split.train, Uint32Array),
    ratings: pick(known.values, split.train, Float32Array),
    maxBatch: plan ? maxBatchFor(plan) : batchSize,
    random: engineRandom,
    threads: config.threads,
  })
  try {
    const pin = { dataFingerprint: fingerprintOf(data), planId: plan ? planId(plan) : 'none' }
    const state = before ? decodeCheckpoint(before.bytes, pin, engine.parameterCount, join(folder, files.checkpoint)) : null
    const paid = before && state ? before.paid(state.step) : 0
    if (plan && state && paid > state.step) journal.append({ kind: 'continued', attempt: number, from: state.step, to: paid })
    const chunkSteps = config.checkpointEvery ?? Math.min(500, Math.max(1, Math.ceil(steps / 10)))
    let chunk = { loss: 0, examples: 0, clipped: 0, invalid: 0 }
    const saveCheckpoint = (saved: LoopState) => {
      writeFileAtomically(join(folder, files.checkpoint), encodeCheckpoint(saved, pin))
      log({ step: saved.step, ...chunk })
      chunk = { loss: 0, examples: 0, clipped: 0, invalid: 0 }
    }
    const startedAt = performance.now()
    const outcome = await runTrainingLoop({
      engine,
      ...loopOf(settings, split.train.length),
      random: random.split('batches'),
      spend: (event, from, to) => {
        journal.append({ kind: 'spend', attempt: number, from, to, event })
        onSpend()
      },
      chunkSteps,
      ...(state ? { resume: { state, paidThrough: paid } } : {}),
      onCheckpoint: saveCheckpoint,
      onStep: (_step, report, count) => {
        chunk.loss += report.lossSum
        chunk.examples += count
        chunk.clipped += report.clipped
        chunk.invalid += report.invalid
      },
      onProgress: (done, total) => io.onProgress?.('train', done, total),
      signal: io.signal,
    })
    const trainSeconds = (performance.now() - startedAt) / 1000
    if (!outcome.finished) {
      journal.append({ kind: 'stopped', attempt: number, step: outcome.step })
      throw interrupted(attempt, `stopped before step ${outcome.step + 1} of ${steps}`)
    }
    log({ step: outcome.step, ...chunk })
    writeModel(folder, config, networkTensors(engine))
    return { trainSeconds, stepsPerSecond: trainSeconds > 0 ? outcome.stepsDone / trainSeconds : null }
  } finally {
    engine.close()
  }
}

async function trainStages(
  attempt: Ready,
  journal: Journal,
  number: number,
  random: RandomSource,
  log: (entry: Record<string, unknown>) => void,
): Promise<Training> {
  const { folder, config, known, split, io, onSpend } = attempt
  const startedAt = performance.now()
  let stage = 0
  const spend: Spend = (event) => {
    journal.append({ kind: 'spend', attempt: number, from: stage, to: stage + 1, event })
    stage++
    onSpend()
  }
  const result = trainBiasFactors({
    data: known,
    trainRows: split.train,
    privacy: config.privacy && stagesTarget(config),
    random: random.split('stages'),
    spend,
    itemMetadata: config.itemMetadata,
    onProgress: (done, name) => {
      io.onProgress?.(`train (${name})`, Math.round(done * 100), 100)
      if (io.signal?.aborted) throw interrupted(attempt, `stopped before stage ${name}`)
    },
  })
  const trainSeconds = (performance.now() - startedAt) / 1000
  log({ stages: stage, trainSeconds })
  writeModel(folder, config, result.model.parameters())
  return { trainSeconds, stepsPerSecond: null }
}

/** Everything after training: errors, prices, documents, and the folder's own name. */
async function finishRun({
  folder,
  out,
  config,
  data,
  known,
  split,
  io,
  unlock,
  journal,
  training,
  attempts,
  random,
}: Ready & {
  readonly journal: Journal
  readonly training: Training
  readonly attempts: number
  readonly random: RandomSource
}): Promise<TrainReport> {
  // A signal that came while a model without steps was fitted is seen here; the model is on disk, so resuming only finishes the folder.
  await new Promise((done) => setImmediate(done))
  if (io.signal?.aborted) throw interrupted({ out }, 'stopped after training, before the run folder was whole')
  io.onProgress?.('evaluate', 0, 0)
  const modelBytes = readFileSync(join(folder, files.model))
  const { tensors } = decodeSafetensors(modelBytes, join(folder, files.model))
  const model = loadModel(config, known, tensors)
  const errorsOf = (predict: PredictPairs, asked = data) => evaluateRatings(predict, asked, split.test)
  const metrics = errorsOf(model.predict, known)

  const chunks = journal.entries.flatMap((entry): PaidChunk[] => (entry.kind === 'spend' ? [entry] : []))
  const mechanism = mechanismOf(config, known)
  const paid = journal.entries.flatMap((entry): PaidChoice[] => (entry.kind === 'select' ? [entry] : []))
  const ratings = ratingsPerPerson(data.users, split.train, data.userIds.length)
  io.onProgress?.('price', 0, 0)
  const choices = config.privateVocabulary && { paid, plans: config.privateVocabulary }
  const privacy = mechanism && priceRun(chunks, mechanism, ratings, config.noiseSource, choices)
  const events: PrivacyEvent = mechanism ? composeReleases(spentEvents(journal.entries)) : { kind: 'non-private' }
  const facts: RunFacts = {
    config,
    data: known,
    split,
    privacy,
    mechanism,
    chunks,
    events,
    attempts,
    modelHash: createHash('sha256').update(modelBytes).digest('hex'),
    parameterCount: Object.values(tensors).reduce((sum, tensor) => sum + tensor.data.length, 0),
  }
  const spent = privacy && (privacy.rating.pld ?? privacy.rating.rdp)
  const report: TrainReport = {
    run: out,
    model: config.model,
    recipe: config.recipe,
    data: datasetSize(data),
    split: {
      kind: split.kind,
      train: split.train.length,
      test: split.test.length,
      testRowsOfUnseenUsers: countTestRowsOfUnseenUsers(data, split),
    },
    privacy: spent,
    metrics,
    baselines: {
      constant: errorsOf(constantBaseline(data, split.train)),
      itemMean: errorsOf(itemMeanBaseline(data, split.train)),
      privateItemMean: spent && privateItemMean(known, split, spent, random, (predict) => errorsOf(predict, known)),
    },
    timing: training,
    // maxRSS is in kilobytes on every platform Node runs on.
    peakMemoryMb: process.resourceUsage().maxRSS / 1024,
    privacyDetails: privacy,
    attempts,
    notForRelease: bannerOf(facts) !== null,
    warnings: warningsOf(facts),
  }
  for (const warning of report.warnings) io.onWarning?.(warning)
  writeJsonAtomically(join(folder, files.events), {
    formatVersion: RUN_FORMAT_VERSION,
    privacyUnit: 'rating',
    neighboringRelation: spent?.neighboringRelation ?? null,
    noiseSource: config.noiseSource,
    event: events,
  })
  writeJsonAtomically(
    join(folder, files.privacy),
    privacy ?? { formatVersion: RUN_FORMAT_VERSION, rating: null, user: null, epsilonIfShuffled: null, totalVariation: null },
  )
  writeJsonAtomically(join(folder, files.card), cardOf(facts))
  writeFileAtomically(join(folder, files.statement), statementOf(facts))
  writeFileAtomically(join(folder, files.report), reportOf(facts))
  writeJsonAtomically(join(folder, files.results), report)
  rmSync(join(folder, files.checkpoint), { force: true })
  unlock()
  publishFolder(folder, out)
  return report
}

/**
 * A baseline for the report in `private/`, at the price of the run itself, over the ids that the run may name. Its noisy means are dropped: they are
 * never released.
 */
function privateItemMean(
  data: Interactions,
  split: Split,
  { epsilon, delta }: PrivacySpent,
  random: RandomSource,
  errorsOf: (predict: PredictPairs) => ErrorFigures,
): (ErrorFigures & { readonly epsilon: number }) | null {
  if (!Number.isFinite(epsilon)) return null
  const baseline = trainPrivateItemMean({
    data,
    trainRows: split.train,
    privacy: { epsilon, delta },
    random: random.split('private item mean'),
    spend: () => {},
  })
  return { ...errorsOf(baseline.predict), epsilon }
}

function warningsOf({ config, data, privacy, attempts }: RunFacts): string[] {
  return [
    ...(privacy && config.noiseSource === 'seeded' ? ['seeded run: whoever knows the seed can take the noise off; not for release'] : []),
    ...(privacy && attempts > 1 ? [`this run was started ${attempts} times; every attempt is in the price`] : []),
    ...(privacy && data.ratingScaleSource === 'inferred'
      ? ['the rating scale was read off the ratings; give --rating-min and --rating-max to declare it']
      : []),
    ...(['users', 'items'] as const).flatMap((kind) =>
      config.privateVocabulary && config.privateVocabulary[kind] === null
        ? [`${kind === 'users' ? 'people' : 'items'} come from a public table of ${data.name}, so their ids are public and were not chosen`]
        : [],
    ),
    ...(data.skippedLines > 0 ? [`${data.skippedLines} lines of the data could not be read and were skipped`] : []),
  ]
}

function mechanismOf(config: RunConfig, data: Interactions): Mechanism | null {
  if (config.privacy === null) return null
  if (config.training?.plan) return { kind: 'dp-sgd', plan: config.training.plan }
  // The stages that trainBiasFactors plans from the same public facts.
  return { kind: 'stages', stages: biasFactorsPlan(data, stagesTarget(config)).stages, delta: config.privacy.delta }
}

/** What the stages may cost; a hair below, so that rounding in Σμ² cannot end a hair above. */
const stagesTarget = ({ privacy, privateVocabulary }: RunConfig) => ({
  epsilon: (privateVocabulary?.stagesEpsilon ?? (privacy?.epsilon as number)) * (1 - 1e-12),
  delta: privacy?.delta as number,
})

/** The part of a configuration that says how ids are chosen and what is trained. A run that chooses its ids settles the latter afterwards. */
function planTraining(resolved: ResolvedRequest, data: Interactions, split: Split): Pick<RunConfig, 'training' | 'privateVocabulary'> {
  const { model, privacy, overrides } = resolved
  if (!resolved.privateVocabulary || privacy === null)
    return { training: model === 'wide-and-deep' ? resolveTraining(resolved, data, split) : null, privateVocabulary: null }
  const { delta } = privacy
  if (privacy.epsilon !== null) {
    const budget = { epsilon: privacy.epsilon, delta }
    const choices = planChoices(data, budget)
    if (model === 'bias-factors')
      return { training: null, privateVocabulary: { ...choices, stagesEpsilon: epsilonLeftForStages(choices, budget), overrides } }
    // Refuses now what it would refuse once the ids are chosen.
    resolveTraining(resolved, data, split, choiceEvents(choices))
    return { training: null, privateVocabulary: { ...choices, stagesEpsilon: null, overrides } }
  }
  // σ is given: the choices come on top of what the steps cost, in the same proportion as under an ε.
  const { plan } = resolveTraining(resolved, data, split)
  const steps = plan as NonNullable<typeof plan>
  const mu = gaussianMu({
    epsilon: pldAccountant()
      .compose(planEvent(steps, 0, steps.steps))
      .epsilon(delta).epsilon,
    delta,
  })
  const epsilon = gaussianEpsilon({ mu: mu / Math.sqrt(1 - vocabularyShare), delta })
  return { training: null, privateVocabulary: { ...planChoices(data, { epsilon, delta }), stagesEpsilon: null, overrides } }
}

/** @param alongside what else the run releases inside its ε */
function resolveTraining(
  { recipe, privacy, overrides }: Pick<ResolvedRequest, 'recipe' | 'privacy' | 'overrides'>,
  data: Interactions,
  split: Split,
  alongside: readonly PrivacyEvent[] = [],
): WideAndDeepSettings {
  return wideAndDeepSettings(data, split.train.length, {
    recipe: recipe ?? 'repaired',
    privacy: privacy && {
      delta: privacy.delta,
      epsilon: privacy.epsilon ?? undefined,
      noiseMultiplier: privacy.noiseMultiplier ?? undefined,
    },
    overrides,
    alongside,
  })
}

/** What must hold before a folder is made. */
function checkTrainable(config: RunConfig, data: Interactions, split: Split): void {
  if (config.itemMetadata && data.itemTable === null)
    throw new TacetError('invalid-argument', `${data.name} has no catalogue, so there is no item metadata`, {
      wayOut: 'leave out --item-metadata',
    })
  for (const row of split.train)
    if (!Number.isFinite(data.values[row] as number))
      throw new TacetError('malformed-data', `row ${row} of ${data.name} has the rating ${data.values[row]}`, { wayOut: 'repair the file' })
}

function implicitData(data: Interactions): TacetError {
  return new TacetError('invalid-argument', `${data.name} holds implicit feedback; both models predict ratings`, {
    wayOut: 'use a data set with ratings, name the rating column, or train a model that ranks: --model item-gram',
    details: { feedback: 'implicit' },
  })
}

function dependentSplit(split: Split): TacetError {
  return new TacetError(
    'unsafe-plan',
    `a private run cannot use this split: ${split.description}; one row less would move others across it`,
    {
      wayOut: 'split at a fixed public time, or with --split random',
    },
  )
}

export function interrupted({ out }: { readonly out: string }, where: string): TacetError {
  return new TacetError('interrupted', `${where}; what is done is in ${workingFolderOf(out)}`, {
    wayOut: `go on with it: tacet train --resume ${out}`,
    details: { folder: workingFolderOf(out) },
  })
}

function stopIfAborted(io: RunIo): void {
  if (io.signal?.aborted) throw new TacetError('interrupted', 'stopped before training; nothing was written')
}

export async function readData(
  { dataPath, skipBadLines, reader }: Pick<ResolvedRequest, 'dataPath' | 'skipBadLines' | 'reader'>,
  io: RunIo,
): Promise<Interactions> {
  return readDataset(dataPath, {
    ...(reader as ReadOptions),
    skipBadLines,
    onProgress: ({ bytesRead, totalBytes }) => io.onProgress?.('read', bytesRead, totalBytes),
  })
}

/** Fresh for every attempt: a resumed run never draws the noise of the attempt before it again (privacy-rules 16). */
export function randomOf(config: Pick<RunConfig, 'seed'>, attempt: number): RandomSource {
  return config.seed === null ? secureRandom() : seededRandom(config.seed).split(`attempt ${attempt}`)
}

function writeModel(folder: string, config: RunConfig, tensors: NamedTensors): void {
  writeFileAtomically(join(folder, files.model), encodeSafetensors(tensors, { format: 'tacet-model-1', model: config.model }))
}

function pick<Column extends Uint32Array | Float32Array>(column: Column, rows: Uint32Array, kind: new (length: number) => Column): Column {
  const out = new kind(rows.length)
  for (let i = 0; i < rows.length; i++) out[i] = column[rows[i] as number] as number
  return out
}
