/**
 * Private partition selection: which items (or people) may be named at all, when the list itself is read from the data. Every partition's
 * count gets discrete Gaussian noise, and only those that reach a threshold are named. The threshold makes it unlikely that a partition which
 * exists because of one unit alone comes through; that chance is the δ of the `approximate` part.
 *
 * Priced for add-or-remove-one (and replace-special). Not for data whose catalogue is public: that needs no selection. Sources: Korolova et al.
 * 2009; Wilson et al. 2020, "Differentially private SQL with bounded user contribution"; Desfontaines et al. 2022, "Differentially private
 * partition selection" (whose optimal strategy for one partition each this does not use). Proof: docs/mechanisms/partition-selection.md.
 */
import { checkNumber, TacetError } from '../errors.ts'
import type { RandomSource } from '../random/index.ts'
import type { PrivacyEvent, PrivacyUnit, Spend } from './event.ts'
import { sampleDiscreteGaussian } from './mechanisms/discrete-gaussian.ts'
import { exactRational, uniformBelow } from './mechanisms/exact.ts'

export interface PartitionSelectionPlan {
  readonly privacyUnit: PrivacyUnit
  /** Most partitions that one unit counts in; a rating counts in one. */
  readonly maxPartitionsPerUnit: number
  /** Standard deviation parameter of the discrete Gaussian on each count, in units. */
  readonly sigma: number
  /** Integer: a partition is named if its noisy count reaches it. */
  readonly threshold: number
  /** Upper bound of the chance that any of one unit's own partitions is named. */
  readonly thresholdDelta: number
}

export interface PartitionSelectionRequest {
  readonly privacyUnit: PrivacyUnit
  /** Must be 1 for ratings (default 1). */
  readonly maxPartitionsPerUnit?: number
  readonly sigma: number
  /** Largest chance allowed to name a partition that one unit alone holds. */
  readonly thresholdDelta: number
}

/** The plan with the lowest threshold that keeps `thresholdDelta`. */
export function planPartitionSelection(request: PartitionSelectionRequest): PartitionSelectionPlan {
  const { privacyUnit, sigma } = request
  checkNumber('sigma', sigma, { above: 0, atMost: 1e5 })
  const allowed = checkNumber('thresholdDelta', request.thresholdDelta, { above: 0, below: 1 })
  const maxPartitionsPerUnit = checkNumber('maxPartitionsPerUnit', request.maxPartitionsPerUnit ?? 1, {
    atLeast: 1,
    atMost: 1e6,
    integer: true,
  })
  if (privacyUnit === 'rating' && maxPartitionsPerUnit !== 1)
    throw new TacetError('invalid-argument', `maxPartitionsPerUnit is ${maxPartitionsPerUnit}; one rating counts in one partition`)
  const { reach, weight, total } = noiseOf(sigma)
  // A unit's own partitions have count 1: one is named where 1 + noise ≥ threshold. Independent noise: 1 − (1 − tail)^k. The factors outweigh
  // the rounding of the sums.
  const deltaOf = (tailSum: number) => {
    const tail = (tailSum / total) * (1 + 1e-12)
    return tail >= 1 ? 1 : Math.min(1, -Math.expm1(maxPartitionsPerUnit * Math.log1p(-tail)) * (1 + 1e-12))
  }
  let threshold = reach + 1
  let tailSum = weight(reach)
  while (threshold > 1 && deltaOf(tailSum + weight(threshold - 2)) <= allowed) {
    threshold--
    tailSum += weight(threshold - 1)
  }
  return Object.freeze({ privacyUnit, maxPartitionsPerUnit, sigma, threshold, thresholdDelta: deltaOf(tailSum) })
}

/** Unnormalised chances of the discrete Gaussian: weight(k), their sum, and the k beyond which a weight is nothing in a double (1e-347 at 40σ). */
function noiseOf(sigma: number): { readonly weight: (k: number) => number; readonly total: number; readonly reach: number } {
  const weight = (k: number) => Math.exp(-((k / sigma) ** 2) / 2)
  const reach = Math.ceil(40 * sigma) + 1
  // From the small terms to the large ones.
  let total = 0
  for (let k = reach; k >= 1; k--) total += 2 * weight(k)
  return { weight, total: total + 1, reach }
}

/** Upper bound of the chance that a partition in which `count` units count is named. */
export function namingChance({ sigma, threshold }: PartitionSelectionPlan, count: number): number {
  checkNumber('count', count, { atLeast: 1, integer: true })
  const { reach, weight, total } = noiseOf(sigma)
  let sum = 0
  for (let k = reach; k >= Math.max(-reach, threshold - count); k--) sum += weight(k)
  return Math.min(1, (sum / total) * (1 + 1e-12))
}

/** What `selectPartitions` spends: noise on as many counts as one unit touches, and the chance that a partition of its own is named. */
export function partitionSelectionEvent({ maxPartitionsPerUnit, sigma, thresholdDelta }: PartitionSelectionPlan): PrivacyEvent {
  const count: PrivacyEvent = { kind: 'discrete-gaussian', sigma, sensitivity: 1 }
  return {
    kind: 'composed',
    events: [
      maxPartitionsPerUnit === 1 ? count : { kind: 'repeated', times: maxPartitionsPerUnit, event: count },
      { kind: 'approximate', epsilon: 0, delta: thresholdDelta },
    ],
  }
}

/**
 * The plan with the least noise (to a thousandth) that costs at most ε at δ; half of δ goes to the threshold.
 * @param epsilonOf price of an event at a δ, by an accountant for add-or-remove-one; upper bound, falling in σ
 * @throws TacetError not-calibratable if even σ = 1e5 costs more
 */
export function calibratePartitionSelection(request: {
  readonly privacyUnit: PrivacyUnit
  readonly maxPartitionsPerUnit?: number
  readonly epsilon: number
  readonly delta: number
  readonly epsilonOf: (event: PrivacyEvent, delta: number) => number
}): PartitionSelectionPlan {
  const { privacyUnit, maxPartitionsPerUnit = 1, epsilonOf } = request
  const epsilon = checkNumber('epsilon', request.epsilon, { above: 0 })
  const delta = checkNumber('delta', request.delta, { above: 0, below: 1 })
  const planAt = (sigma: number) => planPartitionSelection({ privacyUnit, maxPartitionsPerUnit, sigma, thresholdDelta: delta / 2 })
  const affordable = (sigma: number) => epsilonOf(partitionSelectionEvent(planAt(sigma)), delta) <= epsilon
  // Below σ = .1 the noise is zero but for a chance of 1e-21: there is nothing to find there.
  let low = 0.1
  if (affordable(low)) return planAt(low)
  let high = Math.sqrt(maxPartitionsPerUnit)
  while (!affordable(high)) {
    low = high
    high *= 4
    if (high > 1e5)
      throw new TacetError(
        'not-calibratable',
        `no partition selection costs ε = ${epsilon} at δ = ${delta} with ${maxPartitionsPerUnit} partitions a unit`,
        {
          wayOut: 'Raise epsilon or delta, or lower the number of partitions a person counts in.',
        },
      )
  }
  while (high / low > 1.001) {
    const middle = Math.sqrt(low * high)
    if (affordable(middle)) high = middle
    else low = middle
  }
  return planAt(high)
}

export interface PartitionRows {
  /** Partition (item) of each row, 0 … partitionCount − 1. */
  readonly partitions: Uint32Array
  /** Person of each row; needed when the unit is 'user'. */
  readonly units?: Uint32Array
  readonly partitionCount: number
}

/**
 * Names the partitions whose noisy count reaches the threshold. A person counts once per partition, and in at most `maxPartitionsPerUnit` of
 * them, chosen at random from their own. Spends before it draws.
 * @returns the partitions named, ascending. Give out ids in an order of their own (sorted): the numbering of partitions was read from the data
 */
export function selectPartitions(
  rows: PartitionRows,
  plan: PartitionSelectionPlan,
  { random, spend }: { readonly random: RandomSource; readonly spend: Spend },
): Uint32Array {
  const { partitions, units, partitionCount } = rows
  checkNumber('partitionCount', partitionCount, { atLeast: 1, integer: true })
  if (plan.privacyUnit === 'user' && units?.length !== partitions.length)
    throw new TacetError(
      'invalid-argument',
      `selecting per person needs the person of every row: ${units?.length ?? 0} given for ${partitions.length} rows`,
    )
  for (const partition of partitions)
    if (partition >= partitionCount)
      throw new TacetError('invalid-argument', `partition ${partition} is not below partitionCount ${partitionCount}`)
  const sigma = exactRational('sigma', plan.sigma)
  spend(partitionSelectionEvent(plan))
  const counts = new Uint32Array(partitionCount)
  if (plan.privacyUnit === 'rating') for (const partition of partitions) counts[partition]! += 1
  else
    for (const own of partitionsByUnit(partitions, units as Uint32Array)) {
      // A partial Fisher–Yates shuffle: the first k of a random order.
      const kept = Math.min(own.length, plan.maxPartitionsPerUnit)
      for (let i = 0; i < kept; i++) {
        const at = own.length > kept ? i + uniformBelow(own.length - i, random) : i
        const chosen = own[at] as number
        own[at] = own[i] as number
        counts[chosen]! += 1
      }
    }
  const named: number[] = []
  for (const [partition, count] of counts.entries()) {
    // A partition without rows is not in the data: noise must not invent it.
    if (count > 0 && BigInt(count) + sampleDiscreteGaussian(sigma, random) >= BigInt(plan.threshold)) named.push(partition)
  }
  return Uint32Array.from(named)
}

/** Every person's distinct partitions. */
function partitionsByUnit(partitions: Uint32Array, units: Uint32Array): Iterable<number[]> {
  const own = new Map<number, Set<number>>()
  for (const [row, unit] of units.entries()) {
    const seen = own.get(unit)
    if (seen === undefined) own.set(unit, new Set([partitions[row] as number]))
    else seen.add(partitions[row] as number)
  }
  return [...own.values()].map((set) => [...set])
}
