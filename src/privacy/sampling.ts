/**
 * Poisson sampling by geometric skipping: every row enters a step's batch independently with the same chance, at a cost proportional to the
 * batch and not to the data. This sampler is what the accountants price; a shuffled loader is another mechanism and costs far more.
 *
 * Inclusion chances carry double rounding (relative error below 1e-12: see `geometricGap`). Batches are never cut to fit: one that is too
 * large stops the run before anything is released.
 */
import { checkNumber, TacetError } from '../errors.ts'
import type { RandomSource } from '../random/index.ts'

/**
 * Rows skipped before the next one included: P(gap = g) = (1 − q)^g · q, by inversion of an exponential variable.
 * The uniform carries 106 bits where it is small, so that short gaps keep their chance to full relative precision even at q = 1e-9.
 * @param logKeep ln(1 − q), < 0
 */
export function geometricGap(logKeep: number, random: RandomSource): number {
  const uniform = random.nextDouble() + random.nextDouble() * 2 ** -53
  // uniform = 1 after rounding has chance 2⁻⁵⁴: the gap is then past any data set
  return Math.floor(Math.log1p(-uniform) / logKeep)
}

/**
 * Writes the indices of one Poisson sample, ascending.
 * @param rowCount rows sampled over, 1 … 2³²−1
 * @param sampleRate chance of each row, in (0, 1]
 * @param out room for the largest batch the caller can hold
 * @returns number of rows written; 0 is legal
 * @throws TacetError unsafe-plan if the sample does not fit
 */
export function poissonSample(rowCount: number, sampleRate: number, random: RandomSource, out: Uint32Array): number {
  checkNumber('rowCount', rowCount, { atLeast: 1, atMost: 2 ** 32 - 1, integer: true })
  checkNumber('sampleRate', sampleRate, { above: 0, atMost: 1 })
  let count = 0
  if (sampleRate === 1) {
    if (out.length < rowCount) throw doesNotFit(rowCount, out.length)
    for (let row = 0; row < rowCount; row++) out[row] = row
    return rowCount
  }
  const logKeep = Math.log1p(-sampleRate)
  for (let row = geometricGap(logKeep, random); row < rowCount; row += 1 + geometricGap(logKeep, random)) {
    if (count === out.length) throw doesNotFit(undefined, out.length)
    out[count++] = row
  }
  return count
}

function doesNotFit(size: number | undefined, capacity: number): TacetError {
  return new TacetError(
    'unsafe-plan',
    `a Poisson batch${size === undefined ? '' : ` of ${size} rows`} does not fit into room for ${capacity}; leaving rows out would not be Poisson sampling, so the step was not run`,
    { wayOut: 'Give the sampler room for maxBatchFor(plan) rows.' },
  )
}

/**
 * Smallest capacity that the batches of all steps together overflow with chance below `chance`, by Chernoff's bound
 * P(Binomial(n, q) ≥ m) ≤ exp(−n · KL(m/n ‖ q)) on each step and a union over steps.
 */
export function poissonCapacity(rowCount: number, sampleRates: readonly { sampleRate: number; steps: number }[], chance: number): number {
  const overflow = (capacity: number) => {
    let sum = 0
    for (const { sampleRate, steps } of sampleRates) {
      const share = (capacity + 1) / rowCount
      if (share > 1) continue
      if (share <= sampleRate) return 1
      const kl = share * Math.log(share / sampleRate) + (share < 1 ? (1 - share) * Math.log((1 - share) / (1 - sampleRate)) : 0)
      sum += steps * Math.exp(-rowCount * kl)
    }
    return sum
  }
  let low = 0
  let high = rowCount
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (overflow(middle) < chance) high = middle
    else low = middle + 1
  }
  return low
}
