/**
 * Personal budgets: people choose ε from a few public levels, and a private fit is that much weaker for them (docs/mechanisms/personal-budgets.md).
 * Who chose what is private: it is read where the rows are read, and never released.
 *
 * By scale, for trainers whose releases are Gaussian: a person's term of every statistic is multiplied by s = μ(their ε)/μ(largest ε), so that the
 * same releases are μ(their ε)-GDP for them.
 *
 * By sampling, for user-sampled DP-SGD (Boenisch et al. 2023, *Sample*): noise, steps and the highest rate are those of the highest level, and a
 * person of a lower one takes part in a step with the smaller chance at which all of it costs them no more than their ε.
 */
import { checkNumber, TacetError } from '../../errors.ts'
import { calibrate, gaussianMu, type PrivacyEvent, pldAccountant } from '../../privacy/index.ts'
import { squaredMu } from './person-budget.ts'
import type { RankingPrivacy } from './trainer.ts'

export const mostLevels = 8

/** How many levels there are, and what they are, is public; which person has which is not. */
export interface PersonalBudgets {
  /** ε of each level, ascending. */
  readonly levels: readonly number[]
  /** Uint8Array[personCount]: place in `levels`. */
  readonly levelOf: Uint8Array
}

/** @throws TacetError invalid-argument unless there are 1 … 8 levels, finite, > 0 and strictly ascending */
export function checkLevels(levels: readonly number[]): void {
  checkNumber('number of budget levels', levels.length, { atLeast: 1, atMost: mostLevels, integer: true })
  for (const [at, epsilon] of levels.entries())
    checkNumber(`budget level ${at + 1}`, epsilon, { above: at === 0 ? 0 : (levels[at - 1] as number) })
}

/**
 * Reads `user,epsilon` lines. People who are not listed have the strictest level. Blank lines, lines that begin with #, and a first line
 * `user,epsilon` are passed over. Ids may hold commas: the last one counts.
 * @param source its name, for errors
 * @throws TacetError invalid-argument with file and line for an id that is not there, a value that is no level, or a person named twice
 */
export function readPersonalBudgets(
  text: string,
  { levels, userIds, source }: { readonly levels: readonly number[]; readonly userIds: readonly string[]; readonly source: string },
): PersonalBudgets {
  checkLevels(levels)
  const index = new Map(userIds.map((id, person) => [id, person]))
  const lineOf = new Map<number, number>()
  const levelOf = new Uint8Array(userIds.length)
  for (const [at, raw] of text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#') || (at === 0 && line.replaceAll(/["\s]/g, '') === 'user,epsilon')) continue
    const wrong = (what: string, wayOut: string) =>
      new TacetError('invalid-argument', `${source}, line ${at + 1}: ${what}`, { wayOut, details: { file: source, line: at + 1 } })
    const comma = line.lastIndexOf(',')
    if (comma < 1) throw wrong(`"${line}" is not user,epsilon`, 'write one line a person, for example 17,4')
    const id = line
      .slice(0, comma)
      .trim()
      .replace(/^"(.*)"$/, '$1')
    const value = line.slice(comma + 1).trim()
    const person = index.get(id)
    if (person === undefined) throw wrong(`user ${id} is not in the data`, 'give ids as they stand in the data set')
    const level = value === '' ? -1 : levels.indexOf(Number(value))
    if (level < 0) throw wrong(`ε "${value}" is not one of the levels ${levels.join(', ')}`, 'use a declared level, or declare it')
    const before = lineOf.get(person)
    if (before !== undefined) throw wrong(`user ${id} was given a level on line ${before} already`, 'keep one of the lines')
    lineOf.set(person, at + 1)
    levelOf[person] = level
  }
  return { levels, levelOf }
}

/**
 * s of each level at δ: μ(ε)/μ(largest ε), ascending to 1.
 * @throws TacetError invalid-argument
 */
export function levelScales(levels: readonly number[], delta: number): readonly number[] {
  checkLevels(levels)
  const mus = levels.map((epsilon) => gaussianMu({ epsilon, delta }))
  const largest = mus.at(-1) as number
  // A hair below, so that rounding cannot end above a level; the highest has the very releases.
  return mus.map((mu, at) => (at === mus.length - 1 ? 1 : (mu / largest) * (1 - 1e-12)))
}

/** `RankingFitRequest.personScale`: Float64Array[personCount]. Private. @throws TacetError invalid-argument */
export function personScales({ levels, levelOf }: PersonalBudgets, delta: number): Float64Array {
  const scales = levelScales(levels, delta)
  return Float64Array.from(levelOf, (level) => {
    const scale = scales[level]
    if (scale === undefined) throw new TacetError('invalid-argument', `level ${level} is not one of the ${levels.length} there are`)
    return scale
  })
}

/** What a person of one level spends by releases whose noise was set for the highest. */
export interface LevelPrice {
  /** ε that was promised. */
  readonly level: number
  /** ε by the PLD accountant. */
  readonly epsilon: number
  /** Null where anything is sampled. */
  readonly mu: number | null
}

interface ScaledReleases {
  readonly delta: number
  /** Everything that reads people by scale, or not at all below the highest level: unsampled Gaussians. */
  readonly events: readonly PrivacyEvent[]
  /** What else each level's people spend, level by level: a trainer's `levelEvents`. */
  readonly own?: readonly (readonly PrivacyEvent[])[]
}

/**
 * What each level's people spend by releases that read everybody by `personScales`, whatever they come to.
 * @throws TacetError unsafe-plan for another kind of event: a scale says nothing about its price
 */
export function spentByLevel(levels: readonly number[], { delta, events, own }: ScaledReleases): LevelPrice[] {
  const square = squaredMu(events)
  if (square === null)
    throw new TacetError('unsafe-plan', 'personal budgets by scale are for unsampled Gaussian releases, and this plan has others', {
      wayOut: 'Use popularity, content-popularity, dpals or item-gram.',
    })
  return levelScales(levels, delta).map((scale, at) => {
    const mu = scale * Math.sqrt(square)
    const all: PrivacyEvent[] = [...(mu === 0 ? [] : [{ kind: 'gaussian', noiseMultiplier: 1 / mu } as const]), ...(own?.[at] ?? [])]
    const { epsilon } = all.reduce((accountant, event) => accountant.compose(event), pldAccountant()).epsilon(delta)
    return { level: levels[at] as number, mu: own === undefined ? mu : null, epsilon }
  })
}

/** `spentByLevel` of a plan. @throws TacetError unsafe-plan also if a level would be overspent */
export function priceByLevel(levels: readonly number[], releases: ScaledReleases): LevelPrice[] {
  const prices = spentByLevel(levels, releases)
  for (const { level, epsilon } of prices)
    if (!(epsilon <= level * (1 + 1e-9)))
      throw new TacetError('unsafe-plan', `a person who chose ε = ${level} would spend ${epsilon}`, {
        wayOut: 'Plan the releases for the highest level.',
        details: { level, epsilon },
      })
  return prices
}

/** Steps as somebody meets them who takes part with this chance: `event` is a repeated Gaussian, sampled by Poisson or not at all. */
export function atRate(event: PrivacyEvent, sampleRate: number): PrivacyEvent {
  if (event.kind === 'repeated') return { ...event, event: atRate(event.event, sampleRate) }
  if (event.kind === 'poisson-sampled') return { ...event, sampleRate }
  if (event.kind === 'gaussian') return sampleRate === 1 ? event : { kind: 'poisson-sampled', sampleRate, event }
  throw new TacetError('unsafe-plan', `steps that are ${event.kind} cannot be sampled by level`, {
    wayOut: 'Sample people: --param sampling=1.',
  })
}

/**
 * The chance of each level's people to take part in a step: the largest at which all steps, with what is read by scale beside them, stay within
 * their ε at δ by the PLD accountant. The highest level has the plan's own rate.
 * @param steps the plan's event: repeated Gaussians at `sampleRate`
 * @param beside unsampled Gaussians at the highest level's noise
 */
export function levelRates(
  levels: readonly number[],
  {
    delta,
    steps,
    sampleRate,
    beside,
  }: { readonly delta: number; readonly steps: PrivacyEvent; readonly sampleRate: number; readonly beside: readonly PrivacyEvent[] },
): number[] {
  const square = squaredMu(beside)
  if (square === null) throw new TacetError('unsafe-plan', 'what is released beside sampled steps must be unsampled Gaussians here')
  return levelScales(levels, delta).map((scale, at) => {
    if (at === levels.length - 1) return sampleRate
    const others: PrivacyEvent[] = square === 0 ? [] : [{ kind: 'gaussian', noiseMultiplier: 1 / (scale * Math.sqrt(square)) }]
    return calibrate({
      make: (rate) => ({ kind: 'composed', events: [...others, atRate(steps, rate)] }),
      epsilon: levels[at] as number,
      delta,
      bracket: [sampleRate * 1e-6, sampleRate],
    }).value
  })
}

/** A person's scale; 1 where nobody has one. */
export const scaleOf = (scale: Float64Array | undefined, person: number): number => (scale === undefined ? 1 : (scale[person] as number))

/**
 * Before anything is spent. @throws TacetError invalid-argument for a scale of the wrong length or outside (0, 1], or without privacy
 */
export function checkPersonScale(
  model: string,
  scale: Float64Array | undefined,
  personCount: number,
  privacy: RankingPrivacy | null,
): void {
  if (scale === undefined) return
  if (privacy === null)
    throw new TacetError('invalid-argument', `${model} without privacy has no budgets to share out`, {
      wayOut: 'Leave out personal budgets.',
    })
  if (scale.length !== personCount)
    throw new TacetError('invalid-argument', `there are ${scale.length} personal scales for ${personCount} people`)
  // In the message no person and no value: both are private.
  if (!scale.every((value) => value > 0 && value <= 1)) throw new TacetError('invalid-argument', 'a personal scale is outside (0, 1]')
}

/** For trainers of sampled steps. @throws TacetError unsafe-plan if there is a scale */
export function refusePersonScale(model: string, scale: Float64Array | undefined): void {
  if (scale !== undefined)
    throw new TacetError('unsafe-plan', `${model} takes sampled, clipped steps: personal budgets by scale are not a promise there`, {
      wayOut: 'Use popularity, content-popularity, dpals or item-gram.',
    })
}
