/**
 * The pipeline of `tacet train` for models that rank: data → split → (private: the baseline, then the model, then the gate; each pays before it
 * draws) → the test opened for the frozen model → figures → a whole run folder; and the way back in for a run that was stopped or killed.
 *
 * These models are fitted in one go, so a resumed run starts its fit again with fresh noise and pays again; what every attempt spent is in the
 * folder's journal before its noise was drawn. The figures on test people lie under `private/`.
 */
import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, readFileSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { datasetSize, type Interactions, type RankingSplit, type RankingSplitOptions, splitForRanking } from '../../data/index.ts'
import { TacetError } from '../../errors.ts'
import { encodeSafetensors, type Ranker } from '../../models/index.ts'
import type { PrivacyEvent, Spend } from '../../privacy/index.ts'
import type { RandomSource } from '../../random/index.ts'
import {
  type PersonalBudgets,
  personScales,
  popularityStage,
  rankingTrainer,
  readPersonalBudgets,
  resolveParameters,
} from '../../training/index.ts'
import { composeReleases } from '../events.ts'
import { fingerprintOf } from '../fingerprint.node.ts'
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
} from '../folder.node.ts'
import { type Journal, nextAttempt, openJournal } from '../journal.node.ts'
import { interrupted, randomOf, readData } from '../train.node.ts'
import type { RunIo } from '../types.ts'
import { tacetVersion } from '../version.ts'
import { parseRankingConfig, type RankingConfig, resolveRankingRequest } from './config.ts'
import { bannerOf, cardOf, qualityPageOf, type RankingFacts, reportOf, statementOf } from './documents.ts'
import { askGate, atFullScale, gateOf, popularityItself } from './gate.ts'
import { measureRun, planFigures, releaseFigures, splitReport } from './measure.ts'
import { rankingFiles } from './names.ts'
import { priceRanking, statedSpent } from './pricing.ts'
import { readRanker } from './read.node.ts'
import { planSearch, searchSettings } from './search.ts'
import type { GateReport, PaidPart, RankingTrainReport, ReleasedMetrics, RunRequest, TuningReport } from './types.ts'

/**
 * Trains into a new run folder.
 * @throws TacetError by what went wrong; `interrupted` after `signal`. A run that spent nothing leaves nothing; one that spent something leaves
 *   its working folder, to be resumed
 */
export async function trainRanking(request: RunRequest, io: RunIo = {}): Promise<RankingTrainReport> {
  const { out, ...resolved } = resolveRankingRequest(request)
  checkOutput(out)
  const data = await readData({ dataPath: resolved.data.path, ...resolved.data }, io)
  const config: RankingConfig = {
    formatVersion: RUN_FORMAT_VERSION,
    tacetVersion,
    ...resolved,
    data: { ...resolved.data, path: resolve(resolved.data.path) },
    split: spelledOut(resolved, data),
    noiseSource: resolved.seed === null ? 'csprng' : 'seeded',
  }
  const split = splitOf(config, data)
  const budgets = budgetsOf(request, data)
  stopIfAborted(io, 'stopped before training')
  const { folder, discard } = createWorkingFolder(out)
  const unlock = lockFolder(folder)
  let spentAnything = false
  try {
    writeJsonAtomically(join(folder, files.config), config)
    writeJsonAtomically(join(folder, files.data), { fingerprint: fingerprintOf(data), userIds: data.userIds, itemIds: data.itemIds })
    if (budgets) writeJsonAtomically(join(folder, rankingFiles.budgets), { ...budgets, levelOf: [...budgets.levelOf] })
    return await runAttempt({ folder, out, config, data, split, io, unlock, onSpend: () => (spentAnything = true) })
  } catch (error) {
    unlock()
    // A fitted model is kept too: its folder only has to be finished.
    const keeps = spentAnything || existsSync(join(folder, files.model))
    if (!keeps) discard()
    throw resumable(error, keeps ? out : null)
  }
}

/** An interruption, with what is left of the run: `out` to go on with, or nothing. */
function resumable(error: unknown, out: string | null): unknown {
  if (!(error instanceof TacetError) || error.code !== 'interrupted') return error
  return out === null
    ? new TacetError('interrupted', `${error.message}; nothing was spent, and nothing is left of it`)
    : interrupted({ out }, error.message)
}

/** As `resumeRun`, for the working folder of a ranking run. */
export async function resumeRankingRun(run: string, io: RunIo = {}): Promise<RankingTrainReport> {
  const out = run.replace(/\.partial\/*$/, '').replace(/\/+$/, '') || run
  const folder = workingFolderOf(out)
  const raw = readRunJson(folder, files.config)
  checkFormatVersion(raw, folder)
  const config = parseRankingConfig(raw, folder)
  const unlock = lockFolder(folder)
  try {
    const data = await readData({ dataPath: config.data.path, ...config.data }, io)
    if (readRunJson(folder, files.data).fingerprint !== fingerprintOf(data))
      throw new TacetError('unsafe-plan', `the data at ${config.data.path} are not what this run was started on`, {
        wayOut: 'put the old data back, or start a new run; what this one spent stays spent',
      })
    return await runAttempt({ folder, out, config, data, split: splitOf(config, data), io, unlock, onSpend: () => {} })
  } catch (error) {
    unlock()
    throw resumable(error, out)
  }
}

interface Attempt {
  readonly folder: string
  readonly out: string
  readonly config: RankingConfig
  readonly data: Interactions
  readonly split: RankingSplit
  readonly io: RunIo
  readonly unlock: () => void
  readonly onSpend: () => void
}

/** What a fit leaves for whoever finishes the folder: `private/fit.json`. */
interface FitFacts {
  readonly trainSeconds: number
  readonly gate: GateReport | null
  readonly releasedMetrics: ReleasedMetrics | null
  readonly tuning: TuningReport | null
}

async function runAttempt(attempt: Attempt): Promise<RankingTrainReport> {
  const { folder, config, unlock } = attempt
  const journal = openJournal(join(folder, files.journal))
  try {
    const number = nextAttempt(journal.entries)
    const finished = journal.entries.at(-1)?.kind === 'finished'
    if (!finished) {
      journal.append({ kind: 'attempt', attempt: number })
      await fitAll(attempt, journal, number, randomOf(config, number))
      journal.append({ kind: 'finished', attempt: number })
    }
    return await finishRun(attempt, journal, finished ? number - 1 : number)
  } finally {
    journal.close()
    unlock()
  }
}

/** Baseline, model and gate; writes the model that is to be kept. */
async function fitAll(attempt: Attempt, journal: Journal, number: number, random: RandomSource): Promise<void> {
  const { folder, config, data, split, io, onSpend } = attempt
  let paid = 0
  const spendFor =
    (part: string): Spend =>
    (event) => {
      journal.append({ kind: 'spend', attempt: number, from: paid, to: paid + 1, event, part })
      paid++
      onSpend()
    }
  const startedAt = performance.now()
  const plan = gateOf(config, data.userIds.length)
  const popularityTrainer = rankingTrainer('popularity')
  const trainer = rankingTrainer(config.model)
  const personBudgets = budgetsOfRun(folder, config, data.userIds.length)
  const personScale = personBudgets && config.privacy ? personScales(personBudgets, config.privacy.delta) : undefined
  const common = {
    positives: split.train,
    itemTable: data.itemTable,
    personScale,
    personBudgets,
    ...(io.signal ? { signal: io.signal } : {}),
  }
  const onProgress = (phase: string, done: number, total: number) => io.onProgress?.(`train (${phase})`, done, total)
  const sizes = { personCount: data.userIds.length, itemCount: data.itemIds.length }
  const modelPrivacy = config.privacy && { ...config.privacy, alongside: plan?.alongside ?? [] }
  const searchPlan =
    config.tuning && config.privacy ? planSearch(trainer, config.tuning, config.privacy, plan?.alongside ?? [], sizes) : null
  // What the model cannot do is refused here, before the baseline spends.
  if (modelPrivacy && !config.tuning) {
    const { parameters } = config
    trainer.plan?.({ parameters, privacy: modelPrivacy, ...sizes })
    if (config.budgetLevels) trainer.levelEvents?.({ parameters, privacy: modelPrivacy, ...sizes, levels: config.budgetLevels })
  }
  const figuresPlan =
    config.privacy === null || config.privateMetrics === null
      ? null
      : planFigures({ epsilon: config.privateMetrics, delta: config.privacy.delta })
  // An attempt that was killed after it fitted may have left the model it refused.
  rmSync(join(folder, rankingFiles.refused), { force: true })
  const baselineFit = plan?.baseline
    ? await popularityTrainer.fit({
        ...common,
        parameters: resolveParameters(popularityTrainer, {}),
        privacy: plan.baseline,
        random: random.split('baseline'),
        spend: spendFor('popularity'),
      })
    : null
  await turn()
  stopIfAborted(io, 'stopped before the model was fitted')
  const found =
    config.tuning === undefined
      ? null
      : await searchSettings({
          trainer,
          config: config.tuning,
          fixed: config.parameters,
          data,
          split,
          plan: searchPlan,
          delta: config.privacy?.delta ?? 1,
          random: random.split('search'),
          spend: spendFor('search'),
          threads: config.threads,
          onProgress,
          ...(io.signal ? { signal: io.signal } : {}),
        })
  if (found) {
    writeJsonAtomically(join(folder, rankingFiles.trials), { trials: found.trials })
    // What the folder holds is the winner: whoever reads it back needs its settings.
    writeJsonAtomically(join(folder, files.config), { ...config, parameters: found.best.parameters })
  }
  // A private search releases its winner; without privacy the winner's settings are fitted once more, to all rows of training.
  const model =
    found !== null && config.privacy !== null
      ? found.model
      : await trainer.fit({
          ...common,
          timestamps: data.timestamps && timesOf(data.timestamps, split.trainRows),
          parameters: found?.best.parameters ?? config.parameters,
          privacy: modelPrivacy,
          random: random.split('model'),
          spend: config.privacy ? spendFor('model') : refuseToSpend,
          onProgress,
          threads: config.threads,
        })
  await turn()
  stopIfAborted(io, 'stopped when the model was fitted')
  const baseline = config.privacy === null ? null : (baselineFit ?? popularityStage(model))
  const gate =
    config.privacy === null || baseline === null
      ? null
      : plan === null || split.gatePeople === null
        ? popularityItself(config.model)
        : askGate(plan, {
            model,
            baseline,
            people: personScale ? atFullScale(split.gatePeople, personScale) : split.gatePeople,
            random: random.split('gate'),
            spend: spendFor('gate'),
            keepAnyway: config.keepAnyway,
            delta: config.privacy.delta,
          })
  const kept = gate !== null && baseline !== null && gate.saved !== config.model ? baseline : model
  if (baseline) writeRanker(join(folder, rankingFiles.baseline), baseline)
  if (kept !== model) writeRanker(join(folder, rankingFiles.refused), model)
  writeRanker(join(folder, files.model), kept)
  const trainSeconds = (performance.now() - startedAt) / 1000
  const releasedMetrics =
    figuresPlan && releaseFigures(split, kept, figuresPlan, { random: random.split('metrics'), spend: spendFor('metrics') })
  const tuning: TuningReport | null =
    config.tuning && found ? { ...config.tuning, parameters: found.best.parameters, score: found.best.score } : null
  const facts: FitFacts = { trainSeconds, gate, releasedMetrics, tuning }
  writeJsonAtomically(join(folder, rankingFiles.fit), facts)
  appendFileSync(join(folder, files.log), `${JSON.stringify({ attempt: number, releases: paid, trainSeconds, kept: kept.name })}\n`)
}

/** Everything after training: the test opened for the frozen models, prices, documents, and the folder's own name. */
async function finishRun(
  { folder, out, config, data, split, io, unlock }: Attempt,
  journal: Journal,
  attempts: number,
): Promise<RankingTrainReport> {
  await turn()
  stopIfAborted(io, 'stopped after training, before the run folder was whole')
  const { trainSeconds, gate, releasedMetrics, tuning } = readRunJson(folder, rankingFiles.fit) as unknown as FitFacts
  const saved = readRanker(folder, files.model)
  const refused = existsSync(join(folder, rankingFiles.refused)) ? readRanker(folder, rankingFiles.refused) : null
  const baseline = existsSync(join(folder, rankingFiles.baseline)) ? readRanker(folder, rankingFiles.baseline) : null
  const startedAt = performance.now()
  const measured = measureRun(split, data, { model: refused ?? saved, baseline }, {}, io)
  const evaluateSeconds = (performance.now() - startedAt) / 1000

  io.onProgress?.('price', 0, 0)
  const parts = paidParts(journal)
  const privacy = config.privacy && priceRanking(parts, config.privacy, config.noiseSource, { gate, releasedMetrics })
  const events: PrivacyEvent = config.privacy ? composeReleases(parts.map(({ event }) => event)) : { kind: 'non-private' }
  const modelBytes = readFileSync(join(folder, files.model))
  const facts: RankingFacts = {
    config,
    data,
    split,
    privacy,
    saved,
    attempts,
    modelHash: createHash('sha256').update(modelBytes).digest('hex'),
    parameterCount: Object.values(saved.parameters()).reduce((sum, { data: numbers }) => sum + numbers.length, 0),
  }
  const report: RankingTrainReport = {
    task: 'ranking',
    run: out,
    model: config.model,
    recipe: null,
    parameters: tuning?.parameters ?? config.parameters,
    tuning,
    data: datasetSize(data),
    split: splitReport(split, measured.testRowsOfUnseenUsers),
    candidates: measured.candidates,
    privacy: privacy && statedSpent(privacy),
    metrics: measured.metrics,
    baselines: measured.baselines,
    gate,
    releasedMetrics,
    timing: { trainSeconds, stepsPerSecond: null, evaluateSeconds },
    // maxRSS is in kilobytes on every platform Node runs on.
    peakMemoryMb: process.resourceUsage().maxRSS / 1024,
    privacyDetails: privacy,
    attempts,
    notForRelease: bannerOf(facts) !== null,
    warnings: warningsOf(facts),
  }
  for (const warning of report.warnings) io.onWarning?.(warning)
  writeJsonAtomically(join(folder, rankingFiles.items), itemsFile(data))
  writeJsonAtomically(join(folder, files.events), {
    formatVersion: RUN_FORMAT_VERSION,
    privacyUnit: config.privacy?.unit ?? null,
    neighboringRelation: report.privacy?.neighboringRelation ?? null,
    noiseSource: config.noiseSource,
    event: events,
  })
  writeJsonAtomically(
    join(folder, files.privacy),
    privacy ?? {
      formatVersion: RUN_FORMAT_VERSION,
      privacyUnit: null,
      user: null,
      rating: null,
      totalVariation: null,
      parts: [],
      gate: null,
      releasedMetrics: null,
    },
  )
  writeJsonAtomically(join(folder, files.card), cardOf(facts))
  writeFileAtomically(join(folder, files.statement), statementOf(facts))
  writeFileAtomically(join(folder, files.report), reportOf(facts))
  writeFileAtomically(join(folder, rankingFiles.quality), qualityPageOf(facts, report))
  writeJsonAtomically(join(folder, files.results), report)
  unlock()
  publishFolder(folder, out)
  return report
}

/** What people chose, or null. @throws TacetError missing-file; invalid-argument with file and line */
function budgetsOf({ personalBudgets: file, budgetLevels: levels }: RunRequest, { userIds }: Interactions): PersonalBudgets | null {
  if (file === undefined || levels === undefined) return null
  if (!existsSync(file))
    throw new TacetError('missing-file', `there is no file ${file} of personal budgets`, { wayOut: 'check --personal-budgets' })
  return readPersonalBudgets(readFileSync(file, 'utf8'), { levels, userIds, source: file })
}

/** The same for every attempt: read from the folder. @throws TacetError corrupt-run */
function budgetsOfRun(folder: string, { budgetLevels: levels, privacy }: RankingConfig, people: number): PersonalBudgets | undefined {
  if (levels === undefined || privacy === null) return undefined
  const { levelOf } = readRunJson(folder, rankingFiles.budgets)
  const known = (level: unknown) => Number.isInteger(level) && (level as number) >= 0 && (level as number) < levels.length
  if (!Array.isArray(levelOf) || levelOf.length !== people || !levelOf.every(known))
    throw new TacetError('corrupt-run', `${join(folder, rankingFiles.budgets)} is damaged`, {
      wayOut: 'start a new run; what this one spent stays spent',
    })
  return { levels, levelOf: Uint8Array.from(levelOf) }
}

/** What each part of each attempt released, equal releases counted together. */
function paidParts({ entries }: Journal): PaidPart[] {
  const groups = new Map<string, { part: string; attempt: number; events: PrivacyEvent[] }>()
  for (const entry of entries) {
    if (entry.kind !== 'spend') continue
    const { part = 'model', attempt, event } = entry
    const group = groups.get(`${part} ${attempt}`) ?? { part, attempt, events: [] }
    groups.set(`${part} ${attempt}`, group)
    group.events.push(event)
  }
  return [...groups.values()].map(({ part, attempt, events }) => ({ part, attempt, event: composeReleases(events) }))
}

/** The split's options with what they take from public facts written out, so that evaluation finds the same rows again. */
function spelledOut(
  { split, privacy, model }: Pick<RankingConfig, 'split' | 'privacy' | 'model'>,
  data: Interactions,
): RankingSplitOptions {
  const cutTimestamp = split.cutTimestamp ?? data.publicCutTimestamp
  const gate = gateOf({ privacy, model }, data.userIds.length)
  return {
    ...split,
    ...(split.kind === 'chronological' && cutTimestamp !== undefined ? { cutTimestamp } : {}),
    ...(gate ? { keepOutPeople: { count: gate.people } } : {}),
  }
}

/** @throws TacetError unsafe-plan where taking a person's rows (or a rating) away could move somebody else's (or another) across the cut */
function splitOf({ split: options, privacy }: Pick<RankingConfig, 'split' | 'privacy'>, data: Interactions): RankingSplit {
  const split = splitForRanking(data, options)
  const moves =
    split.dataDependent === 'other-people'
      ? "other people's rows"
      : privacy?.unit === 'rating' && split.dataDependent === 'own-rows'
        ? 'others'
        : null
  if (privacy !== null && moves !== null)
    throw new TacetError(
      'unsafe-plan',
      `a private run cannot use this split: ${split.description}; one ${privacy.unit === 'user' ? 'person' : 'rating'} less would move ${moves} across it`,
      {
        wayOut: 'split at a fixed public time, with --split random, or promise for whole people with --privacy-unit user',
      },
    )
  return split
}

/** What a reader of the released folder needs to make a list: what each row of the model stands for. */
function itemsFile({ itemIds, itemTable }: Interactions): Record<string, unknown> {
  return { formatVersion: RUN_FORMAT_VERSION, ids: itemIds, titles: itemTable?.titles ?? null }
}

function warningsOf({ config, data, split, privacy, attempts }: RankingFacts): string[] {
  const gate = privacy?.gate
  return [
    ...split.notes,
    ...(data.feedback === 'explicit' && config.split.minRating === null
      ? ['every rating counts as liked, a low one too; --min-rating R lets those of R and above count']
      : []),
    ...(gate && config.model !== 'popularity' && !gate.beatsPrivatePopularity
      ? [
          gate.kept
            ? `${config.model} did not beat private popularity at this ε; it is kept because that was asked for`
            : `${config.model} did not beat private popularity at this ε, so private popularity is saved in its place (--keep-anyway keeps the model)`,
        ]
      : []),
    ...(privacy && config.noiseSource === 'seeded' ? ['seeded run: whoever knows the seed can take the noise off; not for release'] : []),
    ...(privacy && attempts > 1 ? [`this run was started ${attempts} times; every attempt is in the price`] : []),
    ...(data.skippedLines > 0 ? [`${data.skippedLines} lines of the data could not be read and were skipped`] : []),
  ]
}

function stopIfAborted({ signal }: RunIo, sentence: string): void {
  if (signal?.aborted) throw new TacetError('interrupted', sentence)
}

/** Lets a signal that came during a synchronous fit be seen. */
const turn = () => new Promise((done) => setImmediate(done))

const refuseToSpend: Spend = (event) => {
  throw new TacetError('internal', `a run without privacy was asked to pay for a release (${event.kind})`)
}

const timesOf = (timestamps: Float64Array, rows: Uint32Array) => Float64Array.from(rows, (row) => timestamps[row] as number)

function writeRanker(path: string, ranker: Ranker): void {
  writeFileAtomically(path, encodeSafetensors(ranker.parameters(), { format: 'tacet-model-1', model: ranker.name }))
}
