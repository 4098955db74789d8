/**
 * Reading a finished ranking run: its model, its figures on test people, and what it would list for somebody. Changes nothing on disk. A list for
 * a history needs the released folder alone, no data set; figures and known people need the data. Figures are private: callers keep them inside.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readDataset } from '../../data/index.node.ts'
import {
  datasetSize,
  type Interactions,
  itemsOf,
  positiveRows,
  type RankingSplit,
  type ReadOptions,
  splitForRanking,
} from '../../data/index.ts'
import { checkNumber, TacetError } from '../../errors.ts'
import type { Candidates } from '../../evaluation/index.ts'
import { decodeSafetensors, loadRanker, type Person, type Ranker, topItems } from '../../models/index.ts'
import { fingerprintOf } from '../fingerprint.node.ts'
import { files, openRunFolder, readRunFile, readRunJson } from '../folder.node.ts'
import { checkHash, vocabularyOf, withInfinities } from '../read.node.ts'
import type { RunIo } from '../types.ts'
import { alignToVocabulary } from '../vocabulary.ts'
import { parseRankingConfig, type RankingConfig } from './config.ts'
import { measureRun, splitReport } from './measure.ts'
import { rankingFiles } from './names.ts'
import { statedSpent } from './pricing.ts'
import type { RankingEvaluateReport, RankingPrivacyFile, RankingRecommendReport } from './types.ts'

/** A released model and what its rows stand for: everything a list for a history needs. */
export interface RankingRelease {
  /** As the caller named it. */
  readonly run: string
  readonly folder: string
  readonly config: RankingConfig
  readonly ranker: Ranker
  readonly itemIds: readonly string[]
  readonly titles: readonly string[] | null
  /** Null without privacy. Infinite ε is Infinity again. */
  readonly privacy: RankingPrivacyFile | null
  readonly notForRelease: boolean
}

export interface LoadedRankingRun extends RankingRelease {
  readonly data: Interactions
  readonly split: RankingSplit
  readonly warnings: readonly string[]
}

/** True if the folder (finished, or the working folder of `run`) holds a run that ranks. @throws as `openRunFolder` */
export const isRankingRun = (run: string): boolean => openRunFolder(run).config.task === 'ranking'

/** Opens the released part of a run. @throws TacetError missing-file, corrupt-run, newer-run, unknown-model; invalid-argument for a rating run */
export function loadRankingRelease(run: string): RankingRelease {
  const { folder, config: raw } = openRunFolder(run)
  if (raw.task !== 'ranking')
    throw new TacetError('invalid-argument', `${run} holds a rating model, not one that ranks`, { wayOut: 'use a run of a ranking model' })
  const config = parseRankingConfig(raw, folder)
  checkHash(folder, readRunFile(folder, files.model))
  const ranker = readRanker(folder, files.model)
  if (ranker.name !== config.model && ranker.name !== 'popularity')
    throw new TacetError('corrupt-run', `${join(folder, files.model)} holds a model ${ranker.name}, not ${config.model}`, {
      wayOut: 'restore the folder from a copy, or train again',
    })
  const { ids, titles } = readRunJson(folder, rankingFiles.items)
  const texts = (value: unknown): value is string[] => Array.isArray(value) && value.every((text) => typeof text === 'string')
  if (!texts(ids) || !(titles === null || texts(titles)) || ids.length !== ranker.itemCount)
    throw new TacetError(
      'corrupt-run',
      `${join(folder, rankingFiles.items)} is damaged: it does not list the model's ${ranker.itemCount} items`,
      {
        wayOut: 'restore the file from a copy, or train again',
      },
    )
  return {
    run,
    folder,
    config,
    ranker,
    itemIds: ids,
    titles,
    privacy: config.privacy && (withInfinities(readRunJson(folder, files.privacy)) as RankingPrivacyFile),
    notForRelease: config.privacy === null || config.noiseSource === 'seeded',
  }
}

/**
 * Opens a finished run with its data: the data set of its config.json, or another one. People of other data may be unknown to a model that holds
 * none; its items may not.
 * @throws TacetError as `loadRankingRelease`; unknown-id for rows about people or items the model does not have; the readers' errors
 */
export async function loadRankingRun(
  run: string,
  { dataPath }: { readonly dataPath?: string } = {},
  io: RunIo = {},
): Promise<LoadedRankingRun> {
  const release = loadRankingRelease(run)
  const { config, folder, ranker } = release
  const path = dataPath ?? config.data.path
  const read = await readDataset(path, {
    // Another file may be of another format: the run's reader settings belong to the run's own data.
    ...(dataPath === undefined ? (config.data.reader as ReadOptions) : {}),
    skipBadLines: config.data.skipBadLines,
    onProgress: ({ bytesRead, totalBytes }) => io.onProgress?.('read', bytesRead, totalBytes),
  })
  const { userIds, itemIds, fingerprint } = vocabularyOf(folder)
  const known = new Set(userIds)
  const strangers = ranker.personCount === 0 && read.userIds.some((id) => !known.has(id))
  const data = alignToVocabulary(read, { userIds: strangers ? read.userIds : userIds, itemIds })
  return {
    ...release,
    data,
    split: splitForRanking(data, config.split),
    warnings: fingerprintOf(read) === fingerprint ? [] : [`the data at ${path} are not the rows this run was trained on`],
  }
}

/**
 * Figures of a run on the test people of its own split.
 * @param options.ks cutoffs beside 10, 20 and 100
 * @param options.candidates who competes with what is looked for
 */
export async function evaluateRankingRun(
  run: string,
  options: { readonly dataPath?: string; readonly ks?: readonly number[]; readonly candidates?: Candidates } = {},
  io: RunIo = {},
): Promise<RankingEvaluateReport> {
  const { config, data, folder, split, ranker, privacy, notForRelease, warnings } = await loadRankingRun(run, options, io)
  const baseline = existsSync(join(folder, rankingFiles.baseline)) ? readRanker(folder, rankingFiles.baseline) : null
  const measured = measureRun(split, data, { model: ranker, baseline }, options, io)
  const notes = [
    ...warnings,
    ...(ranker.name === config.model
      ? []
      : [`${config.model} lost to private popularity when it was trained; these are the figures of what was saved`]),
  ]
  for (const warning of notes) io.onWarning?.(warning)
  return {
    task: 'ranking',
    run,
    model: ranker.name,
    data: datasetSize(data),
    split: splitReport(split, measured.testRowsOfUnseenUsers),
    candidates: measured.candidates,
    people: measured.people,
    metrics: measured.metrics,
    baselines: measured.baselines,
    undefinedMetrics: measured.undefinedMetrics,
    privacy: privacy && statedSpent(privacy),
    notForRelease,
    warnings: notes,
  }
}

/** For whom a list is made: a person of the data set, or somebody known by their history alone. */
export type RankingReader = { readonly user: string; readonly dataPath?: string } | { readonly history: readonly string[] }

/**
 * The items a run would show somebody, best first, without those of their history; equal scores go by item order.
 * @param n how many at most, ≥ 1
 * @throws TacetError unknown-id for a person or an item that is not there; as `loadRankingRun` otherwise
 */
export async function recommendFromRankingRun(
  run: string,
  { n, ...reader }: RankingReader & { readonly n: number },
  io: RunIo = {},
): Promise<RankingRecommendReport> {
  checkNumber('n', n, { atLeast: 1, integer: true })
  if ('history' in reader) {
    const release = loadRankingRelease(run)
    return listFor(release, { userIndex: null, history: indicesOf(reader.history, release) }, { n, user: null, warnings: [] }, io)
  }
  const loaded = await loadRankingRun(run, reader.dataPath === undefined ? {} : { dataPath: reader.dataPath }, io)
  const { data, split, ranker } = loaded
  const userIndex = data.userIds.indexOf(reader.user)
  if (userIndex < 0)
    throw new TacetError('unknown-id', `user ${reader.user} is not in ${data.name}`, {
      wayOut: 'give an id as it stands in the data set, or --history ID,ID,… for somebody the model never saw',
      details: { user: reader.user },
    })
  const training = itemsOf(split.train, userIndex)
  const isTrained = training.length > 0
  const history = isTrained ? training : likesOf(data, userIndex, loaded.config.split.minRating ?? null)
  const warnings = [
    ...loaded.warnings,
    ...(isTrained ? [] : [`user ${reader.user} was not in training: the list is made from everything of theirs in the data`]),
  ]
  const known = isTrained && ranker.personCount > 0
  return listFor(loaded, { userIndex: known ? userIndex : null, history }, { n, user: reader.user, warnings }, io)
}

const reasonsShown = 3

function listFor(
  { ranker, itemIds, titles }: RankingRelease,
  person: Person,
  { n, user, warnings: before }: { readonly n: number; readonly user: string | null; readonly warnings: readonly string[] },
  io: RunIo,
): RankingRecommendReport {
  const scores = new Float32Array(ranker.itemCount)
  ranker.scoreAll([person], scores)
  const named = (item: number) => {
    const title = titles?.[item]
    return { id: itemIds[item] as string, ...(title ? { title } : {}) }
  }
  const personal = person.userIndex !== null || (ranker.foldsIn && person.history.length > 0)
  const warnings = [
    ...before,
    ...(personal
      ? []
      : [`${ranker.name} cannot use ${person.history.length > 0 ? 'a history' : 'an empty history'}: this is its list for everybody`]),
  ]
  for (const warning of warnings) io.onWarning?.(warning)
  return {
    user,
    historySize: person.history.length,
    personal,
    items: topItems(scores, n, { exclude: person.history }).map(({ item, score }) => ({
      ...named(item),
      score,
      because: ranker.reasons(person, item, reasonsShown).map(({ item: liked, score: share }) => ({ ...named(liked), score: share })),
    })),
    warnings,
  }
}

/** Dense, distinct, ascending. @throws TacetError unknown-id naming up to five ids */
function indicesOf(history: readonly string[], { itemIds, run }: RankingRelease): Uint32Array {
  const index = new Map(itemIds.map((id, item) => [id, item]))
  const unknown = [...new Set(history)].filter((id) => !index.has(id))
  if (unknown.length > 0)
    throw new TacetError(
      'unknown-id',
      `${unknown.length === 1 ? `item ${unknown[0]} is` : `items ${unknown.slice(0, 5).join(', ')}${unknown.length > 5 ? ` and ${unknown.length - 5} more` : ''} are`} not among the ${itemIds.length} that ${run} knows`,
      { wayOut: `give item ids as they stand in the data set; ${rankingFiles.items} in the run folder lists them`, details: { unknown } },
    )
  return Uint32Array.from(new Set(history.map((id) => index.get(id) as number))).sort()
}

function likesOf(data: Interactions, user: number, minRating: number | null): Uint32Array {
  const items = new Set<number>()
  for (const row of positiveRows(data, minRating)) if (data.users[row] === user) items.add(data.items[row] as number)
  return Uint32Array.from(items).sort()
}

/** Reads a ranking model of a run folder by the name its file carries. @throws TacetError corrupt-run, unknown-model */
export function readRanker(folder: string, file: string): Ranker {
  const { tensors, metadata } = decodeSafetensors(readRunFile(folder, file), join(folder, file))
  return loadRanker(metadata.model ?? 'without a name', tensors)
}
