/**
 * What a DP-SGD run costs (`tacet account`): from sampler, noise and steps to one PrivacySpent-like object, or from a target ε to the
 * noise that meets it. Prices a plan; it runs nothing and spends nothing.
 *
 * The meaning of `noiseMultiplier` by sampler: standard deviation ÷ clip norm for poisson and shuffle; standard deviation ÷ sensitivity
 * under replacement (twice the clip norm) for fixed-without-replacement, whose relation is replace-one.
 */
import { checkNumber, TacetError } from '../../errors.ts'
import type { BatchSelection, NeighboringRelation, PrivacyEvent, PrivacyUnit } from '../event.ts'
import { type AccountantName, accountantNamed, calibrate } from './calibrate.ts'
import { logBinomialPmf } from './special.ts'

export interface DpSgdQuestion {
  /** One of the two: the noise multiplier, or the ε it must reach. */
  readonly noiseMultiplier?: number
  readonly targetEpsilon?: number
  /** Chance of a row to be in a batch (Poisson), or batch size ÷ rows. */
  readonly sampleRate: number
  readonly steps: number
  readonly delta: number
  readonly accountant?: AccountantName
  readonly relation?: NeighboringRelation
  readonly batchSelection?: BatchSelection
  /** What the sampler draws. `user`: people, each a row of the sampler (user-level sampling), so the price is a person's. Default rating. */
  readonly privacyUnit?: PrivacyUnit
  /** Rows a person holds at most, when rows are drawn: prices a person (unit `user`) instead of a row. */
  readonly maxExamplesPerUser?: number
}

/** The object `tacet account --json` prints; infinities still as numbers (see `jsonReady`). */
export interface DpSgdPrice {
  readonly epsilon: number
  readonly epsilonLower: number | null
  readonly delta: number
  readonly mu: number | null
  readonly accountant: AccountantName
  readonly optimalOrder?: number
  readonly noiseMultiplier: number
  readonly sampleRate: number
  readonly steps: number
  readonly privacyUnit: PrivacyUnit
  readonly neighboringRelation: NeighboringRelation
  readonly batchSelection: BatchSelection
}

const defaultRelation: Record<BatchSelection, NeighboringRelation> = {
  poisson: 'add-or-remove-one',
  none: 'add-or-remove-one',
  'fixed-without-replacement': 'replace-one',
  shuffle: 'replace-special',
}

const relations: readonly NeighboringRelation[] = ['add-or-remove-one', 'replace-one', 'replace-special']

/** @throws TacetError invalid-argument naming the known relations */
export function checkRelation(relation: string): NeighboringRelation {
  if (!relations.includes(relation as NeighboringRelation)) {
    throw new TacetError('invalid-argument', `relation "${relation}" is not known; it must be one of ${relations.join(', ')}`)
  }
  return relation as NeighboringRelation
}

function checkSelection(selection: string): BatchSelection {
  if (!Object.hasOwn(defaultRelation, selection)) {
    throw new TacetError(
      'invalid-argument',
      `batch selection "${selection}" is not known; it must be poisson, shuffle, fixed-without-replacement or none (full batches)`,
    )
  }
  return selection as BatchSelection
}

/** The smallest fraction ≥ rate with a modest denominator: how a batch of fixed size is spelled when only its share is known. */
function asFraction(rate: number): { sampleSize: number; datasetSize: number } {
  // Continued fraction of the rate; the first convergent that is the same double.
  let [p0, q0, p1, q1] = [0, 1, 1, 0]
  let rest = rate
  for (let i = 0; i < 40; i++) {
    const whole = Math.floor(rest)
    ;[p0, p1] = [p1, whole * p1 + p0]
    ;[q0, q1] = [q1, whole * q1 + q0]
    if (q1 > 1e12) break
    if (p1 / q1 === rate) return { sampleSize: p1, datasetSize: q1 }
    if (rest === whole) break
    rest = 1 / (rest - whole)
  }
  const datasetSize = 1e15
  return { sampleSize: Math.min(datasetSize, Math.ceil(rate * datasetSize)), datasetSize }
}

/** How many of a person's rows a Poisson batch holds: Binomial(rows, rate), as sensitivities of one step. */
export function binomialMixture(rows: number, sampleRate: number, standardDeviation: number): PrivacyEvent {
  const sensitivities: number[] = []
  const samplingProbabilities: number[] = []
  let total = 0
  for (let k = 0; k <= rows; k++) {
    const chance = Math.exp(logBinomialPmf(rows, k, sampleRate))
    total += chance
    sensitivities.push(k)
    samplingProbabilities.push(chance)
  }
  return {
    kind: 'mixture-of-gaussians',
    standardDeviation,
    sensitivities,
    samplingProbabilities: samplingProbabilities.map((chance) => chance / total),
  }
}

/**
 * The releases of a DP-SGD run as an event.
 * @throws TacetError unsafe-plan for a sampler that cannot be priced under the relation or for a person
 */
export function dpSgdEvent(
  { sampleRate, steps, batchSelection = 'poisson', maxExamplesPerUser }: Omit<DpSgdQuestion, 'noiseMultiplier' | 'delta'>,
  noiseMultiplier: number,
  relation: NeighboringRelation,
): PrivacyEvent {
  const gaussian: PrivacyEvent = { kind: 'gaussian', noiseMultiplier }
  const rows = maxExamplesPerUser ?? 1
  switch (batchSelection) {
    case 'poisson':
      return {
        kind: 'repeated',
        times: steps,
        event: rows === 1 ? { kind: 'poisson-sampled', sampleRate, event: gaussian } : binomialMixture(rows, sampleRate, noiseMultiplier),
      }
    case 'none':
      return { kind: 'repeated', times: steps, event: { kind: 'gaussian', noiseMultiplier: noiseMultiplier / rows } }
    case 'shuffle': {
      if (relation === 'add-or-remove-one') {
        throw new TacetError(
          'unsafe-plan',
          'shuffled batches under add-or-remove-one have no price: taking a row away shifts every later batch',
          { wayOut: 'Price them under replace-special (a row zeroed out) or replace-one, or sample by Poisson.' },
        )
      }
      // Each row is used once an epoch and nothing is claimed for the shuffling; at worst all rows of a person meet in one batch.
      const epochs = Math.ceil(steps * sampleRate - 1e-9)
      return { kind: 'repeated', times: epochs, event: { kind: 'gaussian', noiseMultiplier: noiseMultiplier / rows } }
    }
    case 'fixed-without-replacement': {
      if (rows > 1) {
        throw new TacetError('unsafe-plan', 'fixed-size sampling without replacement has no price here for a person with several rows', {
          wayOut: 'Sample by Poisson.',
        })
      }
      return { kind: 'repeated', times: steps, event: { kind: 'sampled-without-replacement', ...asFraction(sampleRate), event: gaussian } }
    }
  }
}

/**
 * Prices a DP-SGD run, or finds its noise.
 * @throws TacetError invalid-argument, unsafe-plan, unsupported-event, not-calibratable
 */
export function priceDpSgd(question: DpSgdQuestion): DpSgdPrice {
  const { sampleRate, steps, delta, accountant = 'pld', maxExamplesPerUser, targetEpsilon } = question
  const batchSelection = checkSelection(question.batchSelection ?? 'poisson')
  const relation = checkRelation(question.relation ?? defaultRelation[batchSelection])
  checkNumber('sampleRate', sampleRate, { above: 0, atMost: 1 })
  checkNumber('steps', steps, { atLeast: 1, integer: true })
  checkNumber('delta', delta, { above: 0, below: 1 })
  if (maxExamplesPerUser !== undefined) checkNumber('maxExamplesPerUser', maxExamplesPerUser, { atLeast: 1, atMost: 1e6, integer: true })
  const privacyUnit = question.privacyUnit ?? (maxExamplesPerUser === undefined ? 'rating' : 'user')
  if (privacyUnit !== 'rating' && privacyUnit !== 'user')
    throw new TacetError('invalid-argument', `privacyUnit is ${JSON.stringify(privacyUnit)}; it must be rating or user`)
  if (privacyUnit === 'rating' && maxExamplesPerUser !== undefined)
    throw new TacetError('invalid-argument', 'maxExamplesPerUser prices a person, and the unit asked for is a rating', {
      wayOut: 'Leave one of the two out.',
    })
  if ((question.noiseMultiplier === undefined) === (targetEpsilon === undefined)) {
    throw new TacetError('invalid-argument', 'exactly one of noiseMultiplier and targetEpsilon must be given')
  }
  const empty = accountantNamed(accountant, relation)
  let { noiseMultiplier } = question
  if (noiseMultiplier === undefined) {
    const make = (value: number) => dpSgdEvent(question, value, relation)
    noiseMultiplier = calibrate({ make, epsilon: targetEpsilon as number, delta, relation, accountant }).value
  } else checkNumber('noiseMultiplier', noiseMultiplier, { above: 0 })
  const spent = empty.compose(dpSgdEvent(question, noiseMultiplier, relation))
  const { epsilon, epsilonLower, optimalOrder } = spent.epsilon(delta)
  return {
    epsilon,
    epsilonLower,
    delta,
    mu: spent.mu,
    accountant,
    ...(optimalOrder === undefined ? {} : { optimalOrder }),
    noiseMultiplier,
    sampleRate,
    steps,
    privacyUnit,
    neighboringRelation: relation,
    batchSelection,
  }
}

/** The same value with infinities spelled "inf" (JSON has none), at any depth. */
export function jsonReady(value: unknown): unknown {
  if (value === Infinity) return 'inf'
  if (Array.isArray(value)) return value.map(jsonReady)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, jsonReady(each)]))
}
