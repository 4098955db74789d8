/**
 * What a random search costs: the best of a random number of independent trials, each itself private, its score included. A fixed number of
 * trials would let somebody count; the number is drawn, and nobody is told it, nor the losers.
 *
 * A trial draws its settings, trains and scores. Its Rényi curve must hold for whatever settings it draws, and trials must be independent and
 * identically distributed: adaptive search (a trial chosen after seeing another's score) is not covered and is for public data.
 *
 * @see Papernot & Steinke 2022, "Hyperparameter Tuning with Rényi Differential Privacy", Theorem 2 (truncated negative binomial) and Definition 1
 */
import { checkNumber, TacetError } from '../../errors.ts'
import type { RandomSource } from '../../random/index.ts'
import type { NeighboringRelation, PrivacyEvent } from '../event.ts'
import { rdpAt } from './rdp.ts'

/**
 * K ≥ 1 trials with P(K = k) ∝ (1 − γ)^k · Π_{l<k} (l + η)/(l + 1): η = 1 geometric, η = 0 logarithmic, η → −1 nearly one trial. A smaller η
 * costs less for the same mean and now and then runs many more trials.
 */
export interface TrialCount {
  /** > −1 */
  readonly eta: number
  /** In (0, 1). */
  readonly gamma: number
}

const checked = ({ eta, gamma }: TrialCount): TrialCount => {
  checkNumber('eta', eta, { above: -1, atMost: 100 })
  checkNumber('gamma', gamma, { above: 0, below: 1 })
  return { eta, gamma }
}

/** E[K]. */
export function expectedTrials(count: TrialCount): number {
  const { eta, gamma } = checked(count)
  if (Math.abs(eta) < 1e-9) return (1 / gamma - 1) / -Math.log(gamma)
  return (eta * (1 - gamma)) / (gamma * (1 - gamma ** eta))
}

/**
 * The count of the given mean.
 * @param mean > 1
 */
export function trialsOfMean(mean: number, eta = 0): TrialCount {
  checkNumber('mean trials', mean, { above: 1, atMost: 1e6 })
  let [low, high] = [1e-300, 1 - 1e-12]
  for (let round = 0; round < 200; round++) {
    const middle = Math.sqrt(low * high)
    // The mean falls as γ grows.
    if (expectedTrials({ eta, gamma: middle }) > mean) low = middle
    else high = middle
  }
  return { eta, gamma: high }
}

/** P(K = k), k ≥ 1. */
export function trialChance(count: TrialCount, k: number): number {
  const { eta, gamma } = checked(count)
  checkNumber('k', k, { atLeast: 1, integer: true })
  let log = k * Math.log1p(-gamma)
  if (Math.abs(eta) < 1e-9) return Math.exp(log - Math.log(k) - Math.log(-Math.log(gamma)))
  for (let l = 0; l < k; l++) log += Math.log(Math.abs((l + eta) / (l + 1)))
  return Math.exp(log - Math.log(Math.abs(gamma ** -eta - 1)))
}

/** Draws K by inversion. */
export function drawTrials(count: TrialCount, random: RandomSource): number {
  const uniform = random.nextDouble()
  let sum = 0
  for (let k = 1; k < 1e6; k++) {
    sum += trialChance(count, k)
    if (uniform < sum) return k
  }
  return 1e6
}

export interface RandomSearchPrice {
  readonly epsilon: number
  readonly delta: number
  /** Order λ of the conversion, and λ̂ at which the trial's curve was read a second time. */
  readonly order: number
  readonly innerOrder: number
}

/**
 * ε at δ of the whole search. The winner, its settings and its noisy score may be released; the number of trials may not.
 * @param trial everything one trial releases, its score included
 * @throws TacetError unsupported-event if the trial's Rényi curve is not known; unsafe-plan if a trial reveals everything with some chance
 */
export function priceRandomSearch({
  trial,
  count,
  delta,
  relation = 'add-or-remove-one',
}: {
  readonly trial: PrivacyEvent
  readonly count: TrialCount
  readonly delta: number
  readonly relation?: NeighboringRelation
}): RandomSearchPrice {
  const { eta, gamma } = checked(count)
  checkNumber('delta', delta, { above: 0, below: 1 })
  const curve = (order: number) => rdpAt(trial, order, relation)
  if (curve(2) === Number.POSITIVE_INFINITY)
    throw new TacetError('unsafe-plan', 'a trial that reveals everything with some chance has no price in a random search', {
      wayOut: 'Use trials without δ of their own: Gaussian or Poisson-sampled Gaussian releases.',
    })
  const orders = Array.from({ length: 160 }, (_, at) => 1 + 10 ** (-3 + at / 26))
  let [inner, innerOrder] = [Number.POSITIVE_INFINITY, Number.NaN]
  for (const order of orders) {
    const cost = (1 + eta) * ((1 - 1 / order) * curve(order) + Math.log(1 / gamma) / order)
    if (cost < inner) [inner, innerOrder] = [cost, order]
  }
  const mean = Math.log(expectedTrials({ eta, gamma }))
  let best: RandomSearchPrice = { epsilon: Number.POSITIVE_INFINITY, delta, order: Number.NaN, innerOrder }
  for (const order of orders) {
    const rdp = curve(order) + inner + mean / (order - 1)
    const epsilon = rdp + Math.log1p(-1 / order) - (Math.log(delta) + Math.log(order)) / (order - 1)
    if (epsilon < best.epsilon) best = { epsilon: Math.max(0, epsilon), delta, order, innerOrder }
  }
  return best
}
