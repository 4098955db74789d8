/**
 * From a ranking request to a fully resolved configuration, and back from `config.json`. Refuses what contradicts itself or would protect nobody
 * before any data is read. Holds settings and public facts only.
 */
import type { RankingSplitKind, RankingSplitOptions } from '../../data/index.ts'
import { checkNumber, TacetError } from '../../errors.ts'
import type { PrivacyUnit } from '../../privacy/index.ts'
import { checkLevels, type RankingTrainer, rankingTrainer, resolveParameters } from '../../training/index.ts'
import type { SearchConfig } from './search.ts'
import type { RankingOptions, RunRequest } from './types.ts'

/** Every model that ranks, in the order of `--help`. */
export const rankingModelNames = [
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

/** Splits of `tacet train` for ranking; the first is the default: it needs no times and suits every model. */
export const rankingSplitNames = [
  'random',
  'chronological',
  'per-user-chronological',
  'leave-latest-out',
  'held-out-users',
  'given',
] as const satisfies readonly RankingSplitKind[]

/** δ where nobody names one: for a person below one in a million, for a rating as everywhere else in Tacet. */
export const defaultDelta = { user: 1e-6, rating: 1e-5 } as const satisfies Record<PrivacyUnit, number>

/** Splits that rating runs have too, so that they do not make Wide & Deep rank. */
const splitsOfRatings = ['random', 'chronological']

/** `config.json` of a ranking run. */
export interface RankingConfig {
  readonly formatVersion: number
  readonly tacetVersion: string
  readonly task: 'ranking'
  readonly model: string
  readonly parameters: Readonly<Record<string, number>>
  readonly data: { readonly path: string; readonly skipBadLines: boolean; readonly reader: Readonly<Record<string, unknown>> }
  /** With everything that decides it spelt out: times, numbers of people, who is kept out for the gate. */
  readonly split: RankingSplitOptions
  /** Null: no privacy. */
  readonly privacy: RankingRequestPrivacy | null
  /** ε that people chose from, ascending, the last one the run's; who chose what is under private/. Absent: one ε for everybody. */
  readonly budgetLevels?: readonly number[]
  readonly keepAnyway: boolean
  /** ε for releasing the metrics themselves, beside the model's; null: they are not released. */
  readonly privateMetrics: number | null
  readonly threads: number
  /** `tacet tune`: `parameters` are the winner's once the search has ended. Absent: nothing was searched. */
  readonly tuning?: SearchConfig
  readonly seed: number | null
  readonly noiseSource: 'csprng' | 'seeded'
}

export interface RankingRequestPrivacy {
  readonly unit: PrivacyUnit
  readonly epsilon: number
  readonly delta: number
}

export type ResolvedRankingRequest = Omit<RankingConfig, 'formatVersion' | 'tacetVersion' | 'noiseSource'> & { readonly out: string }

const onlyForRanking = {
  minRating: '--min-rating',
  heldOutUsers: '--held-out-users',
  parameters: '--param',
  keepAnyway: '--keep-anyway',
  privateMetrics: '--private-metrics',
  personalBudgets: '--personal-budgets',
  budgetLevels: '--budget-levels',
} as const satisfies Partial<Record<keyof RankingOptions, string>>

/**
 * What a request asks for. `wide-and-deep` does both: it ranks if the request says so, or has a setting or a split that only ranking has.
 * `undecided`: it ranks if the data turn out to have no ratings.
 * @throws TacetError invalid-argument if --task contradicts the model
 */
export function taskOf(
  request: Pick<RunRequest, 'model' | 'split' | 'recipe' | 'noiseMultiplier' | 'epsilon'> & RankingOptions,
): 'rating' | 'ranking' | 'undecided' {
  const { model = 'bias-factors', task } = request
  if (task !== undefined && task !== 'ranking' && task !== 'rating')
    throw new TacetError('invalid-argument', `task "${task}" is not known; it must be rating or ranking`, { details: { task } })
  const ranks = (rankingModelNames as readonly string[]).includes(model)
  const wrong = task === 'ranking' && !ranks ? 'rates' : task === 'rating' && ranks && model !== 'wide-and-deep' ? 'ranks' : null
  if (wrong)
    throw new TacetError('invalid-argument', `${model} ${wrong} only, so --task ${task} contradicts it`, {
      wayOut: wrong === 'rates' ? `Use one of ${rankingModelNames.join(', ')}.` : 'Use bias-factors or wide-and-deep.',
    })
  if (!ranks) return 'rating'
  if (model !== 'wide-and-deep' || task === 'ranking') return 'ranking'
  if (task === 'rating') return 'rating'
  const asksToRank = Object.keys(onlyForRanking).some((key) => request[key as keyof typeof onlyForRanking] !== undefined)
  if (asksToRank || (request.split !== undefined && !splitsOfRatings.includes(request.split))) return 'ranking'
  return request.recipe === undefined && request.noiseMultiplier === undefined ? 'undecided' : 'rating'
}

/** @throws TacetError invalid-argument for a setting of ranking runs in a request for a rating run; unsafe-plan for a person's promise there */
export function refuseRankingSettings(request: RunRequest): void {
  const model = request.model ?? 'bias-factors'
  for (const [key, flag] of Object.entries(onlyForRanking))
    if (request[key as keyof typeof onlyForRanking] !== undefined)
      throw new TacetError('invalid-argument', `${flag} is for models that rank; ${model} predicts ratings`, {
        wayOut: `leave it out, or use one of ${rankingModelNames.join(', ')}`,
      })
  if (request.privacyUnit === 'user')
    throw new TacetError('unsafe-plan', `${model} predicts ratings and protects one rating at a time, not a whole person`, {
      wayOut: 'use --privacy-unit rating, or a model that ranks and is private for a person: --model item-gram',
    })
  if (request.privacyUnit !== undefined && request.privacyUnit !== 'rating') throw unknownUnit(request.privacyUnit)
}

const unknownUnit = (unit: string) =>
  new TacetError('invalid-argument', `privacy-unit "${unit}" is not known; it must be user or rating`, { details: { privacyUnit: unit } })

/** Settings of rating runs, under the name a ranking trainer may have for them; null: no trainer has it. */
const ratingSettings = {
  recipe: null,
  noiseMultiplier: null,
  itemMetadata: null,
  clipping: null,
  privateVocabulary: null,
  checkpointEvery: null,
  epochs: 'epochs',
  batchSize: 'batchSize',
  learningRate: 'learningRate',
  maxGradNorm: 'maxGradNorm',
} as const satisfies Partial<Record<keyof RunRequest, string | null>>

const flagOf = (key: string) => `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

/** @throws TacetError invalid-argument, unknown-model; unsafe-plan for a promise that the model cannot make */
export function resolveRankingRequest(request: RunRequest): ResolvedRankingRequest {
  const trainer = rankingTrainer(request.model ?? '')
  const split = request.split ?? rankingSplitNames[0]
  if (!(rankingSplitNames as readonly string[]).includes(split))
    throw new TacetError('invalid-argument', `split "${split}" is not known; it must be one of ${rankingSplitNames.join(', ')}`, {
      details: { split, known: rankingSplitNames },
    })
  const { cutTimestamp, heldOutUsers, minRating, seed, threads, privateMetrics } = request
  for (const [value, name, kind] of [
    [cutTimestamp, 'cut-timestamp', 'chronological'],
    [heldOutUsers, 'held-out-users', 'held-out-users'],
  ] as const)
    if (value !== undefined && split !== kind)
      throw new TacetError('invalid-argument', `a ${split} split has no ${name}`, { wayOut: `leave out --${name}, or say --split ${kind}` })
  if (cutTimestamp !== undefined) checkNumber('cut-timestamp', cutTimestamp)
  if (heldOutUsers !== undefined) checkNumber('held-out-users', heldOutUsers, { atLeast: 1, integer: true })
  if (minRating !== undefined) checkNumber('min-rating', minRating)
  if (seed !== undefined) checkNumber('seed', seed, { atLeast: 0, atMost: Number.MAX_SAFE_INTEGER, integer: true })
  if (threads !== undefined) checkNumber('threads', threads, { atLeast: 1, atMost: 64, integer: true })
  const parameters: Record<string, number> = { ...request.parameters }
  for (const [key, name] of Object.entries(ratingSettings)) {
    const value = request[key as keyof typeof ratingSettings]
    if (value === undefined) continue
    if (name === null || !Object.hasOwn(trainer.parameters, name))
      throw new TacetError('invalid-argument', `${trainer.name} as a ranking model has no ${flagOf(key)}`, {
        wayOut: key === 'noiseMultiplier' ? 'give --epsilon E: the model shares the noise itself' : 'leave it out',
      })
    if (Object.hasOwn(parameters, name))
      throw new TacetError('invalid-argument', `${flagOf(key)} and --param ${name} are the same setting`, { wayOut: 'give one of them' })
    parameters[name] = value as number
  }
  const levels = resolveLevels(request, trainer)
  const privacy = resolvePrivacy(levels ? { ...request, epsilon: levels.at(-1) as number } : request)
  if (privateMetrics !== undefined) {
    checkNumber('private-metrics', privateMetrics, { atLeast: 1e-4 })
    if (privacy === null)
      throw new TacetError('invalid-argument', '--private-metrics contradicts --no-privacy: the model itself reveals more', {
        wayOut: 'leave one of them out',
      })
  }
  if (request.keepAnyway && privacy === null)
    throw new TacetError('invalid-argument', '--keep-anyway is for private models: without privacy no gate is asked', {
      wayOut: 'leave it out',
    })
  return {
    task: 'ranking',
    model: trainer.name,
    parameters: resolveParameters(trainer, parameters),
    data: { path: request.dataPath, skipBadLines: request.skipBadLines ?? false, reader: request.reader ?? {} },
    // The key of every split is public and fixed: all runs of a data set are measured on the same rows.
    split: {
      kind: split as RankingSplitKind,
      minRating: minRating ?? null,
      seed: 0,
      ...(cutTimestamp === undefined ? {} : { cutTimestamp }),
      ...(heldOutUsers === undefined ? {} : { heldOutTest: heldOutUsers }),
    },
    privacy,
    ...(levels ? { budgetLevels: levels } : {}),
    keepAnyway: request.keepAnyway ?? false,
    privateMetrics: privateMetrics ?? null,
    threads: threads ?? 1,
    ...(request.tuning === undefined ? {} : { tuning: resolveSearch(request.tuning, trainer, parameters, privacy) }),
    seed: seed ?? null,
    out: request.out,
  }
}

/** @throws TacetError invalid-argument for a setting the model does not have, one that is fixed as well, or a range outside its bounds */
function resolveSearch(
  search: SearchConfig,
  trainer: RankingTrainer,
  fixed: Readonly<Record<string, number>>,
  privacy: RankingRequestPrivacy | null,
): SearchConfig {
  const names = Object.keys(search.space)
  if (names.length === 0)
    throw new TacetError('invalid-argument', 'there is nothing to search', {
      wayOut: `give --space name=low:high for one or more of ${Object.keys(trainer.parameters).join(', ')}`,
    })
  for (const [name, { low, high, log }] of Object.entries(search.space)) {
    if (Object.hasOwn(fixed, name))
      throw new TacetError('invalid-argument', `${name} is searched and fixed at once`, { wayOut: 'leave one of --space and --param out' })
    for (const value of [low, high]) resolveParameters(trainer, { [name]: trainer.parameters[name]?.integer ? Math.round(value) : value })
    if (!(low < high) || (log && low <= 0))
      throw new TacetError('invalid-argument', `the range of ${name} is ${low} to ${high}${log ? ', even in the logarithm' : ''}`, {
        wayOut: 'give a low end below the high one, above 0 for a logarithmic range',
      })
  }
  checkNumber('trials', search.trials, { above: 1, atMost: 10_000, integer: privacy === null })
  if (!['ndcg', 'recall', 'hr'].some((name) => [10, 20, 100].some((k) => search.metric === `${name}@${k}`)))
    throw new TacetError('invalid-argument', `metric "${search.metric}" is not one that people are scored by`, {
      wayOut: 'use ndcg, recall or hr at 10, 20 or 100',
    })
  if (search.search !== 'random' && search.search !== 'adaptive')
    throw new TacetError('invalid-argument', `search "${search.search as string}" is not known; it must be random or adaptive`)
  return search
}

/** @throws TacetError invalid-argument, unsafe-plan for a model or another release that does not read people by scale */
function resolveLevels(request: RunRequest, trainer: RankingTrainer): readonly number[] | null {
  const { personalBudgets, budgetLevels: levels, epsilon, noPrivacy, privateMetrics, tuning } = request
  if (personalBudgets === undefined && levels === undefined) return null
  if (personalBudgets === undefined || levels === undefined)
    throw new TacetError('invalid-argument', '--personal-budgets FILE and --budget-levels belong together', {
      wayOut: 'give both, for example --personal-budgets budgets.csv --budget-levels 1,4,8',
    })
  checkLevels(levels)
  if (noPrivacy)
    throw new TacetError('invalid-argument', '--personal-budgets contradicts --no-privacy', { wayOut: 'leave one of them out' })
  if (epsilon !== undefined && epsilon !== levels.at(-1))
    throw new TacetError('invalid-argument', `--epsilon ${epsilon} is not the highest of the budget levels ${levels.join(', ')}`, {
      wayOut: 'leave out --epsilon: it is the highest level',
    })
  const other = privateMetrics !== undefined ? '--private-metrics' : tuning !== undefined ? 'a search for settings' : null
  if (!(trainer.scalesPeople || trainer.levelEvents) || other)
    throw new TacetError('unsafe-plan', `${other ?? trainer.name} would spend the highest ε of people who chose less`, {
      wayOut: other ? `leave out ${other} or --personal-budgets` : 'use popularity, content-popularity, dpals, item-gram or item-fold-in',
    })
  return levels
}

function resolvePrivacy(request: RunRequest): RankingRequestPrivacy | null {
  const { epsilon, delta, noPrivacy, privacyUnit } = request
  if (privacyUnit !== undefined && privacyUnit !== 'user' && privacyUnit !== 'rating') throw unknownUnit(privacyUnit)
  if (epsilon === undefined && !noPrivacy)
    throw new TacetError('invalid-argument', 'the run says nothing about privacy', { wayOut: 'give --epsilon E, or say --no-privacy' })
  if (noPrivacy) {
    const contradiction = epsilon !== undefined ? '--epsilon' : delta !== undefined ? '--delta' : privacyUnit && '--privacy-unit'
    if (contradiction)
      throw new TacetError('invalid-argument', `${contradiction} contradicts --no-privacy`, { wayOut: 'leave one of them out' })
    return null
  }
  const trainer = rankingTrainer(request.model ?? '')
  const unit = privacyUnit ?? 'user'
  if (!trainer.privateFor.includes(unit)) {
    const { reason, wayOut } = trainer.refusal ?? {
      reason: `${trainer.name} cannot be private for a ${unit === 'user' ? 'person' : 'rating'}`,
      wayOut: `use --privacy-unit ${trainer.privateFor.join(' or ')}, or --no-privacy`,
    }
    throw new TacetError('unsafe-plan', reason, { wayOut, details: { model: trainer.name, unit, privateFor: trainer.privateFor } })
  }
  return {
    unit,
    epsilon: checkNumber('epsilon', epsilon as number, { above: 0 }),
    delta: checkNumber('delta', delta ?? defaultDelta[unit], { above: 0, below: 1 }),
  }
}

/**
 * Reads back a `config.json` of a ranking run (its format version was checked before).
 * @throws TacetError corrupt-run if a field that is needed is missing or of the wrong kind; unknown-model
 */
export function parseRankingConfig(value: Record<string, unknown>, folder: string): RankingConfig {
  const config = value as unknown as RankingConfig
  const wrong = (field: keyof RankingConfig) =>
    new TacetError('corrupt-run', `${folder}/config.json is damaged: ${field} is ${JSON.stringify(value[field]) ?? 'missing'}`, {
      wayOut: 'restore the file from a copy, or train again',
    })
  const object = (field: unknown): field is Record<string, unknown> => typeof field === 'object' && field !== null && !Array.isArray(field)
  if (config.task !== 'ranking') throw wrong('task')
  if (typeof config.model !== 'string') throw wrong('model')
  if (!object(config.parameters) || !Object.values(config.parameters).every(Number.isFinite)) throw wrong('parameters')
  if (!object(config.data) || typeof config.data.path !== 'string') throw wrong('data')
  if (!object(config.split) || typeof config.split.kind !== 'string') throw wrong('split')
  if (config.seed !== null && !Number.isSafeInteger(config.seed)) throw wrong('seed')
  if (config.budgetLevels !== undefined && !(Array.isArray(config.budgetLevels) && config.budgetLevels.every(Number.isFinite)))
    throw wrong('budgetLevels')
  if (config.noiseSource !== (config.seed === null ? 'csprng' : 'seeded')) throw wrong('noiseSource')
  const { privacy } = config
  const inside = (number: unknown, above: number, below: number) => typeof number === 'number' && number > above && number < below
  if (
    privacy !== null &&
    !(
      object(privacy) &&
      inside(privacy.epsilon, 0, Number.POSITIVE_INFINITY) &&
      inside(privacy.delta, 0, 1) &&
      (privacy.unit === 'user' || privacy.unit === 'rating')
    )
  )
    throw wrong('privacy')
  if (config.privateMetrics !== null && !inside(config.privateMetrics, 0, Number.POSITIVE_INFINITY)) throw wrong('privateMetrics')
  if (!Number.isSafeInteger(config.threads) || typeof config.keepAnyway !== 'boolean') throw wrong('threads')
  try {
    const trainer = rankingTrainer(config.model)
    resolveParameters(trainer, config.parameters)
  } catch (error) {
    if (error instanceof TacetError && error.code === 'unknown-model') throw error
    throw wrong('parameters')
  }
  return config
}
