/**
 * Metrics for outsiders (`--private-metrics ε`): noisy means of what a ranker is worth to each person. Figures on people are exact functions of
 * their rows (privacy-rules 1); these are one release more, priced for a whole person and on the bill beside the model.
 * Proof and limits: docs/mechanisms/private-metrics.md.
 *
 * Only for metrics that are a mean over people of a value between 0 and 1 that depends on that person's rows and the released model: not for
 * coverage, Gini, popularity or anything else in which people's lists or counts meet. The model has to be a release itself, or trained
 * without any of these people: a figure about a model that is an exact function of private rows says something about everybody in it.
 */
import { checkNumber, TacetError } from '../errors.ts'
import { calibrate, discreteGaussianEvent, type PrivacyEvent, releaseDiscreteGaussian, type Spend } from '../privacy/index.ts'
import type { RandomSource } from '../random/index.ts'

/** Metrics of `tacet metrics --list` that qualify: means over people of a value in [0, 1] that no other person's rows enter. */
export const privatelyReleasable = [
  'ndcg',
  'hr',
  'precision',
  'recall',
  'recall-capped',
  'mrr',
  'map',
  'map-relevant',
  'map-hits',
  'mean-precision-at-cuts',
] as const

/** A value is rounded at random to a multiple of 1/steps: the mechanism adds integers, and this far up accountants price it near exactly. */
const steps = 50

export interface PrivateMetricsPlan {
  readonly metrics: readonly string[]
  /** Standard deviation parameter of the noise on each sum, in people (a value of 1 each). */
  readonly noiseMultiplier: number
  /** What `releasePrivateMetrics` will spend. */
  readonly event: PrivacyEvent
  /** Price of the event at δ, ≤ the ε asked for. */
  readonly epsilon: number
  readonly delta: number
}

export interface PrivateFigure {
  readonly value: number
  /** What noise and rounding do to it, at most; the luck of who was measured comes on top. */
  readonly noiseStandardError: number
}

export interface PrivateMetrics extends PrivateMetricsPlan {
  /** "ndcg@10" → noisy mean, within 0 … 1. */
  readonly figures: Readonly<Record<string, PrivateFigure>>
  /** Noisy number of people measured, ≥ 1. */
  readonly people: PrivateFigure
}

/**
 * The least noise with which these metrics and the number of people cost at most ε at δ, for one person added or removed.
 * @param metrics names with cutoff; each must be one of `privatelyReleasable`. Each more adds noise to all: choose a few
 * @throws TacetError invalid-argument for another metric, one named twice, or none; not-calibratable
 */
export function planPrivateMetrics(
  metrics: readonly string[],
  { epsilon, delta }: { readonly epsilon: number; readonly delta: number },
): PrivateMetricsPlan {
  if (metrics.length === 0) throw new TacetError('invalid-argument', 'no metric is named that is to be released')
  for (const [at, metric] of metrics.entries()) {
    if (!(privatelyReleasable as readonly string[]).includes(metric.split('@')[0] as string))
      throw new TacetError(
        'invalid-argument',
        `${metric} is no mean over people of a value between 0 and 1, so one person's share in it has no bound`,
        {
          wayOut: `Release some of ${privatelyReleasable.join(', ')}, with a cutoff.`,
          details: { metric },
        },
      )
    if (metrics.indexOf(metric) !== at) throw new TacetError('invalid-argument', `${metric} is named twice; once is cheaper`)
  }
  const make = (noiseMultiplier: number) => discreteGaussianEvent(noiseOf(noiseMultiplier, metrics.length))
  const found = calibrate({ make, epsilon, delta })
  return Object.freeze({ metrics: [...metrics], noiseMultiplier: found.value, event: make(found.value), epsilon: found.epsilon, delta })
}

/** One person moves every sum, and the count, by at most one whole value. */
const noiseOf = (noiseMultiplier: number, metricCount: number) => ({
  sigma: noiseMultiplier * steps,
  sensitivity: steps,
  maxCoordinates: metricCount + 1,
})

/**
 * Σ over people of each metric's value in steps, then the number of people in steps: what the noise is added to. Exact and private.
 * Values are rounded up or down at random so that they are right on average; a person moves each entry by at most `steps`.
 */
export function privateMetricsStatistic(
  perPerson: Readonly<Record<string, ArrayLike<number>>>,
  metrics: readonly string[],
  random: RandomSource,
): Float64Array {
  const people = perPerson[metrics[0] as string]?.length ?? 0
  const sums = new Float64Array(metrics.length + 1)
  for (const [at, metric] of metrics.entries()) {
    const values = perPerson[metric]
    if (values?.length !== people)
      throw new TacetError('invalid-argument', `${metric} has ${values?.length ?? 'no'} values where there are ${people} people`)
    let sum = 0
    for (let p = 0; p < people; p++) {
      const value = values[p] as number
      if (!(value >= 0 && value <= 1))
        throw new TacetError('internal', `${metric} is ${value} for somebody; nothing was released, since its sensitivity holds for 0 … 1`)
      const low = Math.floor(value * steps)
      sum += low + (random.nextDouble() < value * steps - low ? 1 : 0)
    }
    sums[at] = sum
  }
  sums[metrics.length] = people * steps
  return sums
}

/**
 * Noisy means. Spends the plan's event before it draws the noise.
 * @param perPerson metric → one value in [0, 1] for each person measured, all in one order; a person appears once
 * @throws TacetError invalid-argument if a planned metric is missing or lengths differ; internal for a value outside 0 … 1; whatever `spend` throws
 */
export function releasePrivateMetrics(
  perPerson: Readonly<Record<string, ArrayLike<number>>>,
  plan: PrivateMetricsPlan,
  { random, spend }: { readonly random: RandomSource; readonly spend: Spend },
): PrivateMetrics {
  const { metrics, noiseMultiplier } = plan
  const sums = privateMetricsStatistic(perPerson, metrics, random)
  const noisy = releaseDiscreteGaussian(sums, { ...noiseOf(noiseMultiplier, metrics.length), random, spend })
  // From here on only noisy figures enter.
  const people = Math.max(1, (noisy[metrics.length] as number) / steps)
  const figures = metrics.map((metric, at) => {
    const value = Math.min(1, Math.max(0, (noisy[at] as number) / steps / people))
    const rounding = 0.5 / steps / Math.sqrt(people)
    return [metric, { value, noiseStandardError: Math.hypot((noiseMultiplier / people) * Math.hypot(1, value), rounding) }] as const
  })
  return { ...plan, figures: Object.fromEntries(figures), people: { value: people, noiseStandardError: noiseMultiplier } }
}

/** `planPrivateMetrics` and `releasePrivateMetrics` in one. */
export function privateMetrics(
  perPerson: Readonly<Record<string, ArrayLike<number>>>,
  {
    epsilon,
    delta,
    random,
    spend,
  }: { readonly epsilon: number; readonly delta: number; readonly random: RandomSource; readonly spend: Spend },
): PrivateMetrics {
  checkNumber('private-metrics', epsilon, { above: 0 })
  return releasePrivateMetrics(perPerson, planPrivateMetrics(Object.keys(perPerson), { epsilon, delta }), { random, spend })
}
