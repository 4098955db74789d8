/**
 * Reading a finished run: its model, its errors on held-out rows, and what it would recommend to somebody. Changes nothing on disk. Errors on
 * held-out rows are private figures: callers keep them inside.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { readDataset } from '../data/index.node.ts'
import {
  countTestRowsOfUnseenUsers,
  datasetSize,
  type Interactions,
  type ReadOptions,
  type Split,
  splitInteractions,
} from '../data/index.ts'
import { checkNumber, TacetError } from '../errors.ts'
import { constantBaseline, evaluateRatings, itemMeanBaseline } from '../evaluation/index.ts'
import { decodeSafetensors } from '../models/index.ts'
import type { PrivacySpent } from '../privacy/index.ts'
import { parseConfig, type RunConfig } from './config.ts'
import { fingerprintOf } from './fingerprint.node.ts'
import { files, openRunFolder, readRunFile, readRunJson } from './folder.node.ts'
import { loadModel, type RunModel } from './model.ts'
import type { EvaluateReport, PrivacyFile, RecommendReport, RunIo } from './types.ts'
import { alignToVocabulary, unnamedId } from './vocabulary.ts'

export interface LoadedRun {
  /** As the caller named it. */
  readonly run: string
  readonly folder: string
  readonly config: RunConfig
  /** The run's data set in the model's vocabulary. Ids that a private vocabulary does not name are one row, the last. */
  readonly data: Interactions
  /** The same rows with the ids of the files. */
  readonly asRead: Interactions
  readonly split: Split
  readonly model: RunModel
  /** Null without privacy. Infinite ε is Infinity again. */
  readonly privacy: PrivacyFile | null
  readonly notForRelease: boolean
  readonly warnings: readonly string[]
}

/**
 * Opens a finished run with its data: the data set of its config.json, or another one with the same people and items.
 * @throws TacetError missing-file, corrupt-run, newer-run; unknown-id for rows about people or items the model does not have; the readers' errors
 */
export async function loadRun(run: string, { dataPath }: { readonly dataPath?: string } = {}, io: RunIo = {}): Promise<LoadedRun> {
  const { folder, config: raw } = openRunFolder(run)
  if (raw.task === 'ranking')
    throw new TacetError('invalid-argument', `${run} holds a model that ranks; this is for models that predict ratings`, {
      wayOut: 'use tacet evaluate or tacet recommend, which read both',
    })
  const config = parseConfig(raw, folder)
  // The model is checked before the data are read: a damaged folder is told at once.
  const bytes = readRunFile(folder, files.model)
  const { tensors, metadata } = decodeSafetensors(bytes, join(folder, files.model))
  checkHash(folder, bytes)
  if (metadata.model !== config.model)
    throw new TacetError(
      'corrupt-run',
      `${join(folder, files.model)} holds a model ${metadata.model ?? 'without a name'}, not ${config.model}`,
      {
        wayOut: 'restore the folder from a copy, or train again',
      },
    )
  const path = dataPath ?? config.data.path
  const read = await readDataset(path, {
    // Another file may be of another format: the run's reader settings belong to the run's own data.
    ...(dataPath === undefined ? (config.data.reader as ReadOptions) : {}),
    skipBadLines: config.data.skipBadLines,
    onProgress: ({ bytesRead, totalBytes }) => io.onProgress?.('read', bytesRead, totalBytes),
  })
  const { userIds, itemIds, fingerprint } = vocabularyOf(folder)
  const data = alignToVocabulary(read, { userIds, itemIds })
  const privacyFile = readRunJson(folder, files.privacy)
  return {
    run,
    folder,
    config,
    data,
    asRead: read,
    // By the ids of the files: a random split hashes them.
    split: splitInteractions(read, config.split),
    model: loadModel(config, data, tensors),
    privacy: privacyFile.rating === null ? null : (withInfinities(privacyFile) as unknown as PrivacyFile),
    notForRelease: config.privacy === null || config.noiseSource === 'seeded',
    warnings: fingerprintOf(read) === fingerprint ? [] : [`the data at ${path} are not the rows this run was trained on`],
  }
}

/** Errors of a run on the held-out rows of its own split. Every argument and error as in `loadRun`. */
export async function evaluateRun(run: string, options: { readonly dataPath?: string } = {}, io: RunIo = {}): Promise<EvaluateReport> {
  const { config, data, asRead, split, model, privacy, notForRelease, warnings } = await loadRun(run, options, io)
  io.onProgress?.('evaluate', 0, 0)
  for (const warning of warnings) io.onWarning?.(warning)
  return {
    run,
    model: config.model,
    data: datasetSize(asRead),
    split: {
      kind: split.kind,
      train: split.train.length,
      test: split.test.length,
      testRowsOfUnseenUsers: countTestRowsOfUnseenUsers(asRead, split),
    },
    metrics: evaluateRatings(model.predict, data, split.test),
    baselines: {
      constant: evaluateRatings(constantBaseline(asRead, split.train), asRead, split.test),
      itemMean: evaluateRatings(itemMeanBaseline(asRead, split.train), asRead, split.test),
    },
    privacy: spentOf(privacy),
    notForRelease,
    warnings,
  }
}

function spentOf(privacy: PrivacyFile | null): PrivacySpent | null {
  return privacy && (privacy.rating.pld ?? privacy.rating.rdp)
}

/**
 * The items a run would show one person: highest predicted rating first, without those they rated in training. Equal scores go by item order. A run
 * that chose its ids privately answers for anybody it does not name as for somebody unknown: a refusal would tell who is in the data.
 * @param options.n how many at most, ≥ 1
 * @throws TacetError unknown-id if ids are public and nobody of that id is in the data set; as in `loadRun` otherwise
 */
export async function recommendFromRun(
  run: string,
  { user, n, dataPath }: { readonly user: string; readonly n: number; readonly dataPath?: string },
  io: RunIo = {},
): Promise<RecommendReport> {
  checkNumber('n', n, { atLeast: 1, integer: true })
  const { data, asRead, split, model, warnings } = await loadRun(run, dataPath === undefined ? {} : { dataPath }, io)
  for (const warning of warnings) io.onWarning?.(warning)
  const named = data.userIds.indexOf(user)
  const userIndex = named < 0 && data.userIds.at(-1) === unnamedId ? data.userIds.length - 1 : named
  if (userIndex < 0)
    throw new TacetError('unknown-id', `user ${user} is not in ${data.name}`, {
      wayOut: 'give an id as it stands in the data set',
      details: { user },
    })
  if (named < 0) io.onWarning?.(`this run does not name user ${user}: the list is the one for anybody unknown`)
  // Their own history, which a run that does not name them has not seen either.
  const own = asRead.userIds.indexOf(user)
  const rated = new Uint8Array(data.itemIds.length)
  for (const row of split.train) if (asRead.users[row] === own) rated[data.items[row] as number] = 1
  const candidates = Uint32Array.from(data.itemIds.keys()).filter((item) => rated[item] === 0 && data.itemIds[item] !== unnamedId)
  const scores = new Float32Array(candidates.length)
  model.score(userIndex, candidates, scores)
  const low = data.ratingScale?.min ?? Number.NEGATIVE_INFINITY
  const high = data.ratingScale?.max ?? Number.POSITIVE_INFINITY
  return {
    user,
    items: Array.from(candidates, (item, index) => ({ item, score: scores[index] as number }))
      .sort((a, b) => b.score - a.score || a.item - b.item)
      .slice(0, n)
      .map(({ item, score }) => {
        const title = data.itemTable?.titles?.[item]
        return { id: data.itemIds[item] as string, ...(title ? { title } : {}), score: Math.min(high, Math.max(low, score)) }
      }),
  }
}

/** The model's bytes must be those its card names: a flipped bit inside a finite number is seen here only. */
export function checkHash(folder: string, bytes: Uint8Array): void {
  const card = readRunJson(folder, files.card) as { components?: { hashes?: { alg?: string; content?: string }[] }[] }
  const stated = card.components?.[0]?.hashes?.find(({ alg }) => alg === 'SHA-256')?.content
  const found = createHash('sha256').update(bytes).digest('hex')
  if (stated !== found)
    throw new TacetError('corrupt-run', `${join(folder, files.model)} is damaged: its SHA-256 is not the one in ${files.card}`, {
      wayOut: 'restore the file from a copy, or train again',
    })
}

export function vocabularyOf(folder: string): { userIds: string[]; itemIds: string[]; fingerprint: unknown } {
  const { userIds, itemIds, fingerprint } = readRunJson(folder, files.data)
  const texts = (value: unknown): value is string[] => Array.isArray(value) && value.every((id) => typeof id === 'string')
  if (!texts(userIds) || !texts(itemIds))
    throw new TacetError('corrupt-run', `${join(folder, files.data)} is damaged: it does not list the ids of people and items`, {
      wayOut: 'restore the file from a copy, or train again',
    })
  return { userIds, itemIds, fingerprint }
}

/** "inf" of a file back to Infinity. */
export function withInfinities(value: unknown): unknown {
  if (value === 'inf') return Number.POSITIVE_INFINITY
  if (Array.isArray(value)) return value.map(withInfinities)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withInfinities(item)]))
}
