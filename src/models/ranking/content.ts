/**
 * What the public catalogue says about taste: how much more of an item's kind (genres, year) a history holds than popularity alone would put there.
 * Used by `content-popularity` and, beside its factors, by `item-gram`. Reads the catalogue and a person's own history; nobody else's.
 */
import { TacetError } from '../../errors.ts'
import type { NamedTensors } from '../model.ts'
import { expectTensor } from '../safetensors.ts'

export interface ContentParts {
  /** Float32Array[items × genreCount]: 1 where the item has the genre, else 0. */
  readonly genres: Float32Array
  readonly genreCount: number
  /** Float32Array[items]: year, 0 = unknown. */
  readonly years: Float32Array
  /** Float32Array[items], > 0: how popular each item is, from a release. */
  readonly level: Float32Array
  readonly settings: ContentSettings
}

export interface ContentSettings {
  /** Likeness of two items is (anyGenre + cosine of genres^sharpness) · exp(−|years apart| / yearScale). */
  readonly yearScale: number
  readonly anyGenre: number
  readonly sharpness: number
  /** Likes that an average history counts beside a person's own. */
  readonly caution: number
  /** Exponent of the level. */
  readonly levelPower: number
}

const settingNames = ['yearScale', 'anyGenre', 'sharpness', 'caution', 'levelPower'] as const

export function contentTensors({ genres, genreCount, years, level, settings }: ContentParts): NamedTensors {
  return {
    'content.genres': { shape: [years.length, genreCount], data: genres },
    'content.years': { shape: [years.length], data: years },
    'content.level': { shape: [years.length], data: level },
    'content.settings': { shape: [settingNames.length], data: Float32Array.from(settingNames, (name) => settings[name]) },
  }
}

/** @throws TacetError corrupt-run */
export function loadContentParts(tensors: NamedTensors, itemCount: number, label: string): ContentParts {
  const genreCount = tensors['content.genres']?.shape[1] ?? 0
  const level = expectTensor(tensors, 'content.level', [itemCount], label)
  const numbers = expectTensor(tensors, 'content.settings', [settingNames.length], label)
  if (!level.every((value) => value > 0))
    throw new TacetError('corrupt-run', `${label}: the tensor content.level must be above 0`, {
      wayOut: 'restore the file from a copy, or train again',
    })
  return {
    genres: expectTensor(tensors, 'content.genres', [itemCount, genreCount], label),
    genreCount,
    years: expectTensor(tensors, 'content.years', [itemCount], label),
    level,
    settings: Object.fromEntries(settingNames.map((name, at) => [name, numbers[at] as number])) as unknown as ContentSettings,
  }
}

/** Items of one kind have the same genres and the same year: likeness is between kinds. */
interface Kinds {
  /** Uint32Array[items] */
  readonly of: Uint32Array
  readonly count: number
  likeness(a: number, b: number): number
}

export interface ContentScorer {
  /** Natural logarithm of level^levelPower · lift, Float64Array[items], every cell written. An empty history: lift 1. */
  score(history: Uint32Array, out: Float64Array): void
  /** > 0 */
  likeness(a: number, b: number): number
}

export function contentScorer(parts: ContentParts): ContentScorer {
  const { level, settings } = parts
  const itemCount = level.length
  const kinds = kindsOf(parts)
  // What an average like adds to each kind: the likeness to all others, by how popular they are.
  const mass = new Float64Array(kinds.count)
  let total = 0
  for (let item = 0; item < itemCount; item++) {
    ;(mass[kinds.of[item] as number] as number) += level[item] as number
    total += level[item] as number
  }
  const average = Float64Array.from({ length: kinds.count }, (_, kind) =>
    mass.reduce((sum, weight, other) => sum + (weight / total) * kinds.likeness(kind, other), 0),
  )
  const base = Float64Array.from(level, (value) => settings.levelPower * Math.log(value))
  const lift = new Float64Array(kinds.count)
  const held = new Map<number, number>()
  return {
    score(history, out) {
      held.clear()
      for (const item of history) {
        const kind = kinds.of[item] as number
        held.set(kind, (held.get(kind) ?? 0) + 1)
      }
      const weight = history.length + settings.caution
      for (let kind = 0; kind < kinds.count; kind++) {
        if (history.length === 0) {
          lift[kind] = 0
          continue
        }
        let sum = settings.caution * (average[kind] as number)
        for (const [other, count] of held) sum += count * kinds.likeness(kind, other)
        lift[kind] = Math.log(sum / weight / (average[kind] as number))
      }
      for (let item = 0; item < itemCount; item++) out[item] = (base[item] as number) + (lift[kinds.of[item] as number] as number)
    },
    likeness: (a, b) => kinds.likeness(kinds.of[a] as number, kinds.of[b] as number),
  }
}

function kindsOf({ genres, genreCount, years, settings }: ContentParts): Kinds {
  const itemCount = years.length
  const sets = new Map<string, number>()
  const members: number[][] = []
  const kinds = new Map<string, number>()
  const setOf: number[] = []
  const yearOf: number[] = []
  const of = Uint32Array.from({ length: itemCount }, (_, item) => {
    const own: number[] = []
    for (let genre = 0; genre < genreCount; genre++) if (genres[item * genreCount + genre] === 1) own.push(genre)
    const name = own.join()
    const set = sets.get(name) ?? members.push(own) - 1
    sets.set(name, set)
    const year = years[item] as number
    const kind = kinds.get(`${set}/${year}`) ?? setOf.push(set) - 1
    if (kind === yearOf.length) yearOf.push(year)
    kinds.set(`${set}/${year}`, kind)
    return kind
  })
  const alike = Float64Array.from({ length: members.length ** 2 }, (_, at) => {
    const [a, b] = [members[Math.floor(at / members.length)] as number[], members[at % members.length] as number[]]
    const common = a.filter((genre) => b.includes(genre)).length
    const cosine = common === 0 ? 0 : common / Math.sqrt(a.length * b.length)
    return settings.anyGenre + cosine ** settings.sharpness
  })
  return {
    of,
    count: setOf.length,
    likeness(a, b) {
      const [yearA, yearB] = [yearOf[a] as number, yearOf[b] as number]
      // Nothing is known of how far apart an unknown year is: one scale, whoever the other is.
      const apart = yearA === 0 || yearB === 0 ? (yearA === yearB ? 0 : settings.yearScale) : Math.abs(yearA - yearB)
      return (alike[(setOf[a] as number) * members.length + (setOf[b] as number)] as number) * Math.exp(-apart / settings.yearScale)
    },
  }
}
