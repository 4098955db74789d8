/**
 * Trains `popularity`: counts without privacy; with it, one noisy vector of weighted counts, private for a whole person. Also the first stage of
 * the models that need to know privately which items are popular. docs/mechanisms/dp-popularity.md has the proof.
 *
 * Where it stops being safe: noise is floating-point (privacy/mechanisms/gaussian.ts). Which items exist and how many people there are is public.
 */
import type { Positives } from '../../data/index.ts'
import { itemCounts } from '../../data/index.ts'
import { createPopularity } from '../../models/index.ts'
import { type PrivacyEvent, releaseGaussian, type Spend } from '../../privacy/index.ts'
import type { RandomSource } from '../../random/index.ts'
import { personMu, personOnly } from './person-budget.ts'
import { checkPersonScale, scaleOf } from './personal-budgets.ts'
import type { GaussianMechanism, ParameterSpec, RankingTrainer } from './trainer.ts'

export const rowFloor: ParameterSpec = {
  default: 30,
  atLeast: 1,
  about: 'likes up to which every like of a person weighs 1/√rowFloor; beyond, their n likes weigh 1/√n each',
}

/**
 * Σ over people of their 0/1 row times 1/√max(n, floor), n their distinct items: Float64Array[items], exact and private. A person's term has
 * L2 norm √(n/max(n, floor)) ≤ 1, whatever they liked; an item that a row names twice counts once.
 * @param scale in (0, 1] a person: their term is multiplied by it, and so is its bound
 */
export function popularityStatistic(positives: Positives, floor: number, scale?: Float64Array): Float64Array {
  const { personCount, itemCount, offsets, items } = positives
  const sums = new Float64Array(itemCount)
  const seenBy = new Int32Array(itemCount).fill(-1)
  const row: number[] = []
  for (let person = 0; person < personCount; person++) {
    row.length = 0
    for (let at = offsets[person] as number; at < (offsets[person + 1] as number); at++) {
      const item = items[at] as number
      if (item >= itemCount || seenBy[item] === person) continue
      seenBy[item] = person
      row.push(item)
    }
    const weight = scaleOf(scale, person) / Math.sqrt(Math.max(row.length, floor))
    for (const item of row) (sums[item] as number) += weight
  }
  return sums
}

/** L2: one person added or removed moves `popularityStatistic` by no more. */
export const popularitySensitivity = 1

/**
 * One noisy release of `popularityStatistic`; spends one `gaussian` event before it draws.
 * @param mu > 0: sensitivity ÷ standard deviation
 */
export function releasePopularity(
  positives: Positives,
  {
    mu,
    floor,
    random,
    spend,
    release = releaseGaussian,
    personScale,
  }: {
    readonly mu: number
    readonly floor: number
    readonly random: RandomSource
    readonly spend: Spend
    readonly release?: GaussianMechanism | undefined
    readonly personScale?: Float64Array | undefined
  },
): Float64Array {
  return release(popularityStatistic(positives, floor, personScale), {
    sensitivity: popularitySensitivity,
    noiseMultiplier: 1 / mu,
    random,
    spend,
  })
}

export const popularityTrainer: RankingTrainer = {
  name: 'popularity',
  about: 'the same list for everybody: what most people liked (private: a noisy weighted count)',
  parameters: { rowFloor },
  privateFor: ['user'],
  scalesPeople: true,
  refusal: personOnly('popularity'),
  plan: ({ privacy }): readonly PrivacyEvent[] => [{ kind: 'gaussian', noiseMultiplier: 1 / personMu('popularity', privacy) }],
  fit({ positives, parameters, privacy, random, spend, release, personScale }) {
    checkPersonScale('popularity', personScale, positives.personCount, privacy)
    if (privacy === null) return createPopularity(Float32Array.from(itemCounts(positives)))
    return createPopularity(
      Float32Array.from(
        releasePopularity(positives, {
          mu: personMu('popularity', privacy),
          floor: parameters['rowFloor'] as number,
          random,
          spend,
          release,
          personScale,
        }),
      ),
    )
  },
}
