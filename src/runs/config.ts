/**
 * From a training request to a fully resolved configuration, and back from `config.json`. Refuses what contradicts itself or would protect
 * nobody, before any data is read. Holds no measured fact: everything in a configuration is a setting, or public (statement).
 */
import type { SplitOptions } from '../data/index.ts'
import { checkNumber, TacetError } from '../errors.ts'
import { checkPlan } from '../privacy/index.ts'
import { clippingNames, type RecipeName, type RecipeOverrides, recipeNames, type WideAndDeepSettings } from '../training/index.ts'
import type { PrivateVocabulary } from './private-vocabulary.ts'
import type { ModelName, TrainRequest } from './types.ts'

const modelNames = ['bias-factors', 'wide-and-deep'] as const
const splitKinds = ['chronological', 'random'] as const

/** A request without gaps and contradictions; nothing of the data has been looked at yet. */
export interface ResolvedRequest {
  readonly dataPath: string
  readonly skipBadLines: boolean
  readonly reader: Readonly<Record<string, unknown>>
  readonly model: ModelName
  readonly recipe: RecipeName | null
  readonly split: (typeof splitKinds)[number]
  readonly cutTimestamp: number | null
  readonly privacy: { readonly delta: number; readonly epsilon: number | null; readonly noiseMultiplier: number | null } | null
  readonly overrides: RecipeOverrides
  readonly seed: number | null
  readonly itemMetadata: boolean
  readonly privateVocabulary: boolean
  readonly threads: number
  readonly checkpointEvery: number | null
  readonly out: string
}

/** `config.json` */
export interface RunConfig {
  readonly formatVersion: number
  readonly tacetVersion: string
  readonly model: ModelName
  readonly recipe: RecipeName | null
  readonly data: { readonly path: string; readonly skipBadLines: boolean; readonly reader: Readonly<Record<string, unknown>> }
  readonly split: SplitOptions
  /** What was asked for; what was spent is in privacy.json. Null: no privacy. */
  readonly privacy: ResolvedRequest['privacy']
  /** Wide & Deep: everything its training needs. Of a run that chooses its ids, null until they are chosen. */
  readonly training: WideAndDeepSettings | null
  /** How the ids are chosen; null where they are public. */
  readonly privateVocabulary: PrivateVocabulary | null
  /** bias-factors: genres and years of the catalogue. */
  readonly itemMetadata: boolean
  readonly seed: number | null
  readonly noiseSource: 'csprng' | 'seeded'
  /** Speed only. */
  readonly threads: number
  readonly checkpointEvery: number | null
}

/** @throws TacetError invalid-argument, unknown-model, unsafe-plan */
export function resolveRequest(request: TrainRequest): ResolvedRequest {
  const model = oneOf('model', request.model ?? 'bias-factors', modelNames, 'unknown-model')
  const split = oneOf('split', request.split ?? 'chronological', splitKinds)
  const { cutTimestamp } = request
  if (cutTimestamp !== undefined) {
    checkNumber('cut-timestamp', cutTimestamp)
    if (split !== 'chronological')
      throw new TacetError('invalid-argument', `a ${split} split has no cut-timestamp`, {
        wayOut: 'leave out --cut-timestamp, or say --split chronological',
      })
  }
  const { epsilon, noiseMultiplier, noPrivacy, delta, seed, threads, checkpointEvery } = request
  const asked = [epsilon !== undefined, noiseMultiplier !== undefined, noPrivacy === true].filter(Boolean).length
  if (asked === 0)
    throw new TacetError('invalid-argument', 'the run says nothing about privacy', {
      wayOut: `give --epsilon E${model === 'wide-and-deep' ? ' or --noise-multiplier S' : ''}, or say --no-privacy`,
    })
  if (asked > 1)
    throw new TacetError('invalid-argument', 'the run asks for more than one kind of privacy', {
      wayOut: 'give one of --epsilon, --noise-multiplier and --no-privacy',
    })
  if (noiseMultiplier !== undefined) {
    if (model === 'bias-factors')
      throw new TacetError(
        'invalid-argument',
        'bias-factors takes an ε, not a noise multiplier: it shares the noise among its stages itself',
        {
          wayOut: 'give --epsilon E, or --model wide-and-deep',
        },
      )
    if (noiseMultiplier === 0)
      throw new TacetError('unsafe-plan', 'noise-multiplier is 0: a run without noise protects nobody', {
        wayOut: 'say --no-privacy if that is meant',
      })
    checkNumber('noise-multiplier', noiseMultiplier, { above: 0 })
  }
  if (request.privateVocabulary && noPrivacy)
    throw new TacetError('invalid-argument', 'a private vocabulary means nothing in a run without privacy', {
      wayOut: 'leave out --private-vocabulary, or give --epsilon E',
    })
  if (epsilon !== undefined) checkNumber('epsilon', epsilon, { above: 0 })
  if (delta !== undefined) checkNumber('delta', delta, { above: 0, below: 1 })
  if (seed !== undefined) checkNumber('seed', seed, { atLeast: 0, atMost: Number.MAX_SAFE_INTEGER, integer: true })
  if (threads !== undefined) checkNumber('threads', threads, { atLeast: 1, atMost: 64, integer: true })
  if (checkpointEvery !== undefined) checkNumber('checkpoint-every', checkpointEvery, { atLeast: 1, integer: true })
  const overrides = definedOnly({
    epochs: request.epochs === undefined ? undefined : checkNumber('epochs', request.epochs, { above: 0 }),
    batchSize: request.batchSize === undefined ? undefined : checkNumber('batch-size', request.batchSize, { atLeast: 1, integer: true }),
    learningRate: request.learningRate === undefined ? undefined : checkNumber('learning-rate', request.learningRate, { above: 0 }),
    clipping: request.clipping === undefined ? undefined : oneOf('clipping', request.clipping, clippingNames),
    maxGradNorm: request.maxGradNorm === undefined ? undefined : checkNumber('max-grad-norm', request.maxGradNorm, { above: 0 }),
  })
  if (model === 'bias-factors') {
    const [foreign] = [...Object.keys(overrides), ...(['recipe', 'threads'] as const).filter((setting) => request[setting] !== undefined)]
    if (foreign !== undefined)
      throw new TacetError('invalid-argument', `bias-factors has no ${foreign}: it is not trained in steps`, {
        wayOut: 'leave it out, or say --model wide-and-deep',
      })
  } else if (request.itemMetadata)
    throw new TacetError('invalid-argument', 'item metadata is for bias-factors only', { wayOut: 'leave out --item-metadata' })
  return {
    dataPath: request.dataPath,
    skipBadLines: request.skipBadLines ?? false,
    reader: request.reader ?? {},
    model,
    recipe: model === 'wide-and-deep' ? oneOf('recipe', request.recipe ?? 'repaired', recipeNames) : null,
    split,
    cutTimestamp: cutTimestamp ?? null,
    privacy: noPrivacy ? null : { delta: delta ?? 1e-5, epsilon: epsilon ?? null, noiseMultiplier: noiseMultiplier ?? null },
    overrides,
    seed: seed ?? null,
    itemMetadata: request.itemMetadata ?? false,
    privateVocabulary: request.privateVocabulary ?? false,
    threads: threads ?? 1,
    checkpointEvery: checkpointEvery ?? null,
    out: request.out,
  }
}

/**
 * Reads back a `config.json` that this version may read (checkFormatVersion comes first).
 * @param unfinished a run that may still have to choose its ids
 * @throws TacetError corrupt-run if a field that is needed is missing or of the wrong kind
 */
export function parseConfig(
  value: Record<string, unknown>,
  folder: string,
  { unfinished = false }: { readonly unfinished?: boolean } = {},
): RunConfig {
  const wrong = (field: string) =>
    new TacetError(
      'corrupt-run',
      `${folder}/config.json is damaged: ${field} is ${JSON.stringify(field.split('.').reduce<unknown>(at, value)) ?? 'missing'}`,
      {
        wayOut: 'restore the file from a copy, or train again',
      },
    )
  // Runs older than these fields have public ids and one thread.
  const config = { privateVocabulary: null, threads: 1, ...value } as unknown as RunConfig
  if (!Number.isInteger(config.threads) || config.threads < 1) throw wrong('threads')
  if (!modelNames.includes(config.model)) throw wrong('model')
  if (typeof config.data !== 'object' || config.data === null || typeof config.data.path !== 'string') throw wrong('data')
  if (!splitKinds.includes(config.split?.kind as 'random')) throw wrong('split')
  if (config.seed !== null && !Number.isSafeInteger(config.seed)) throw wrong('seed')
  if (config.noiseSource !== (config.seed === null ? 'csprng' : 'seeded')) throw wrong('noiseSource')
  if (config.privacy !== null && !(typeof config.privacy?.delta === 'number' && config.privacy.delta > 0 && config.privacy.delta < 1))
    throw wrong('privacy')
  if (config.privateVocabulary !== null) {
    const { items, users, stagesEpsilon } = config.privateVocabulary ?? {}
    for (const plan of [items, users])
      if (plan !== null && !(Number.isFinite(plan?.sigma) && Number.isSafeInteger(plan?.threshold))) throw wrong('privateVocabulary')
    if (config.privacy === null || (config.model === 'bias-factors' && !((stagesEpsilon ?? 0) > 0))) throw wrong('privateVocabulary')
  }
  if (config.model === 'wide-and-deep' && !(unfinished && config.privateVocabulary && config.training === null)) {
    const { training } = config
    if (typeof training !== 'object' || training === null || typeof training.config !== 'object') throw wrong('training')
    if ((training.plan === null) !== (config.privacy === null)) throw wrong('training.plan')
    if (training.plan) {
      try {
        return { ...config, training: { ...training, plan: checkPlan(training.plan) } }
      } catch {
        throw wrong('training.plan')
      }
    }
  }
  return config
}

function at(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined
}

function oneOf<Name extends string>(
  what: string,
  value: string,
  names: readonly Name[],
  code: 'invalid-argument' | 'unknown-model' = 'invalid-argument',
): Name {
  const found = names.find((name) => name === value)
  if (found === undefined)
    throw new TacetError(code, `${what} "${value}" is not known; it must be one of ${names.join(', ')}`, {
      details: { [what]: value, known: names },
    })
  return found
}

function definedOnly<Fields extends object>(fields: Fields): { [Key in keyof Fields]?: Exclude<Fields[Key], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as ReturnType<typeof definedOnly<Fields>>
}
