/**
 * What the private trainers of factor models share: the settings of a run whose unit is a person, and its plan, fixed before any data is seen.
 * A popularity release chooses the head and the biases, and steps of user-dp-sgd.ts move the item table. Looks at public sizes, ε and δ only.
 *
 * The rules by N·μ (people times the Gaussian parameter of the budget) were chosen on MovieLens 1M: a promise made there does not cover them.
 */
import type { ClippingPolicy, PrivacyEvent } from '../../privacy/index.ts'
import type { RandomSource } from '../../random/index.ts'
import { personMu } from './person-budget.ts'
import { choosePersonSampling } from './sampling-choice.ts'
import type { ParameterSpec, RankingPrivacy } from './trainer.ts'
import { type PersonPlan, type PersonSampling, planPersonSteps, refuseCrossPerson } from './user-dp-sgd.ts'

/** Settings of every trainer that samples people. */
export const personSamplingParameters = {
  steps: { default: 16, atLeast: 1, atMost: 100_000, integer: true, about: 'noisy steps (without privacy: full passes)' },
  sampleRate: {
    default: 1,
    above: 0,
    atMost: 1,
    about: 'private: chance of a person, or of an interaction, per step; 1 = everybody every step',
  },
  sampling: {
    default: 1,
    atLeast: 0,
    atMost: 2,
    integer: true,
    about: 'private: 1 samples people (ULS), 2 samples interactions (ELS), 0 whichever is cheaper at this ε',
  },
  maxInteractions: {
    default: 0,
    atLeast: 0,
    atMost: 65_536,
    integer: true,
    about: 'private: most interactions of a person in their mean (ULS), or sampled at all (ELS); 0 = 65,536 for ULS, 20 for ELS',
  },
  clipping: { default: 0, atLeast: 0, atMost: 2, integer: true, about: 'private: 0 flat, 1 automatic (AUTO-S), 2 adaptive (median norm)' },
  head: { default: 0, atLeast: 0, integer: true, about: 'how many of the most popular items have vectors; 0 = by people and ε' },
  popularityShare: {
    default: 0,
    atLeast: 0,
    atMost: 0.99,
    about: 'private: share of μ² for the popularity release; 0 = by people and ε',
  },
  retention: { default: 0.85, atLeast: 0, atMost: 0.999, about: 'what is kept of the sum of earlier steps at each new one' },
  maxGradNorm: { default: 0.3, above: 0, about: 'private: clip bound of a person’s gradient' },
} as const satisfies Record<string, ParameterSpec>

/** Where a private trainer takes what it compares likes with. What would make one person's gradient depend on others is there to be refused. */
export const negativeParameters = {
  negativeSource: {
    default: 0,
    atLeast: 0,
    atMost: 3,
    integer: true,
    about:
      'private: draws 0 evenly from the public head, 3 by the private popularity release; 1 (from the batch), 2 (by raw popularity) are refused',
  },
  batchStatistics: { default: 0, atLeast: 0, atMost: 1, integer: true, about: 'private: 1 (normalise by the batch) is refused' },
} as const satisfies Record<string, ParameterSpec>

/** @throws TacetError unsafe-plan, with the reason, for settings under which clipping would bound nothing */
export function refuseUnsafe(model: string, settings: Readonly<Record<keyof typeof negativeParameters, number>>): void {
  if (settings.negativeSource === 1) refuseCrossPerson(model, 'in-batch-negatives')
  if (settings.negativeSource === 2) refuseCrossPerson(model, 'popularity-negatives')
  if (settings.batchStatistics === 1) refuseCrossPerson(model, 'batch-statistics')
}

/** Draws a row of the head. */
export type DrawRow = (random: RandomSource) => number

export const drawEvenly =
  (rows: number): DrawRow =>
  (random) =>
    Math.floor(random.nextDouble() * rows)

/** @param popularity Float64Array[rows], > 0, released before: its draws cost nothing more */
function drawByPopularity(popularity: Float64Array): DrawRow {
  let total = 0
  const sums = popularity.map((p) => {
    total += p
    return total
  })
  return (random) => {
    const at = random.nextDouble() * total
    let [low, high] = [0, sums.length - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((sums[middle] as number) > at) high = middle
      else low = middle + 1
    }
    return low
  }
}

/** A row that the person does not like; −1 where a thousand draws found none. */
export function drawUnliked(draw: DrawRow, liked: Uint8Array, random: RandomSource): number {
  for (let attempt = 0; attempt < 1000; attempt++) {
    const row = draw(random)
    if (liked[row] === 0) return row
  }
  return -1
}

/** What `negativeSource` says, of those that are not refused. */
export const drawOf = (source: number, releasedPopularity: Float64Array): DrawRow =>
  source === 3 ? drawByPopularity(releasedPopularity) : drawEvenly(releasedPopularity.length)

export type PersonSettings = Readonly<Record<keyof typeof personSamplingParameters, number>>

export interface FactorPlan {
  readonly popularityMu: number
  readonly popularityEvent: PrivacyEvent
  readonly steps: PersonPlan
  readonly head: number
  readonly dimensions: number
}

const clamp = (value: number, least: number, most: number) => Math.min(most, Math.max(least, value))

/** The policy that `--param clipping=` names. */
function clippingOf(code: number, maxGradNorm: number): (noiseMultiplier: number, expectedBatchSize: number) => ClippingPolicy {
  return (noiseMultiplier, expectedBatchSize) => {
    if (code === 1) return { kind: 'automatic', maxGradNorm, stability: maxGradNorm / 10 }
    if (code === 2)
      return {
        kind: 'adaptive',
        initialMaxGradNorm: maxGradNorm,
        targetQuantile: 0.5,
        learningRate: 0.2,
        // Four times what the price needs at least: the count takes a sixteenth of 1/σ², and less where a twentieth of the batch is more.
        countNoiseStdDev: Math.max(2 * noiseMultiplier, expectedBatchSize / 20),
      }
    return { kind: 'flat', maxGradNorm }
  }
}

/**
 * ULS or ELS and the bound k, as the parameters say or, for 0, as the prices say. Interactions of one person are with different items, so that their
 * gradients lie in different rows: a mean of k of them is about 1/√k as long.
 */
function samplingOf(
  settings: PersonSettings,
  model: string,
  personCount: number,
  privacy: RankingPrivacy,
  beside: readonly PrivacyEvent[],
): { readonly sampling: PersonSampling; readonly interactionsPerPerson: number } {
  const most = (sampling: PersonSampling) => settings.maxInteractions || (sampling === 'people' ? 65_536 : 20)
  const chosen = (): PersonSampling =>
    choosePersonSampling({
      model,
      personCount,
      interactionsPerPerson: most('interactions'),
      sampleRate: settings.sampleRate,
      steps: settings.steps,
      privacy,
      beside,
      coherence: 1 / Math.sqrt(most('interactions')),
    }).cheaper
  const sampling = settings.sampling === 1 ? 'people' : settings.sampling === 2 ? 'interactions' : chosen()
  return { sampling, interactionsPerPerson: most(sampling) }
}

/**
 * @param dimensions length of an item vector; 0 = by N·μ
 * @throws TacetError unsafe-plan for another unit than a person or a budget with nothing left; not-calibratable
 */
export function planFactors(
  model: string,
  settings: PersonSettings,
  privacy: RankingPrivacy,
  { personCount, itemCount, dimensions }: { readonly personCount: number; readonly itemCount: number; readonly dimensions: number },
): FactorPlan {
  const mu = personMu(model, privacy)
  const strength = personCount * mu
  const share = settings.popularityShare || clamp(200 / strength, 0.05, 0.9)
  const popularityMu = mu * Math.sqrt(share)
  const popularityEvent: PrivacyEvent = { kind: 'gaussian', noiseMultiplier: 1 / popularityMu }
  const head = Math.min(itemCount, settings.head || Math.round(clamp(38 * Math.cbrt(strength), 60, 2_500)))
  const steps = planPersonSteps({
    model,
    ...samplingOf(settings, model, personCount, privacy, [popularityEvent]),
    personCount,
    sampleRate: settings.sampleRate,
    steps: settings.steps,
    clipping: clippingOf(settings.clipping, settings.maxGradNorm),
    privacy,
    beside: [popularityEvent],
  })
  return {
    popularityMu,
    popularityEvent,
    steps,
    head,
    dimensions: Math.min(dimensions || Math.round(clamp(strength / 120, 2, 48)), Math.max(1, head - 1)),
  }
}

/** The events of a plan, in the order in which they are spent. */
export const factorEvents = ({ popularityEvent, steps }: FactorPlan): readonly PrivacyEvent[] => [popularityEvent, steps.event]
