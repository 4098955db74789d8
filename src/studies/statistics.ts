/**
 * What repeated runs say: mean, spread, and whether two settings differ by more than their seeds do. Spread is over seeds (initial weights,
 * batches and noise); the test rows are the same in every run, so it says nothing about other test rows.
 */

export interface Summary {
  readonly n: number
  readonly mean: number
  /** Sample standard deviation (n − 1); null for fewer than two runs. */
  readonly stdDev: number | null
}

/** @returns null for no values */
export function summarise(values: readonly number[]): Summary | null {
  const n = values.length
  if (n === 0) return null
  const mean = values.reduce((sum, value) => sum + value, 0) / n
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { n, mean, stdDev: n < 2 ? null : Math.sqrt(squares / (n - 1)) }
}

export interface Comparison {
  /** mean(a) − mean(b) */
  readonly difference: number
  /** Half-width of the 95 % interval of the difference (Welch 1947); Infinity where a side has fewer than two runs. */
  readonly margin: number
  /** The interval leaves out 0. */
  readonly clear: boolean
}

/** Half-width of the 95 % interval of a mean; Infinity for fewer than two runs. */
export function marginOfMean({ n, stdDev }: Summary): number {
  return stdDev === null ? Number.POSITIVE_INFINITY : (studentQuantile(n - 1) * stdDev) / Math.sqrt(n)
}

/** Welch's comparison of two groups of runs. @throws RangeError if a group is empty */
export function compare(a: readonly number[], b: readonly number[]): Comparison {
  const first = summarise(a)
  const second = summarise(b)
  if (first === null || second === null) throw new RangeError('a comparison needs runs on both sides')
  const difference = first.mean - second.mean
  if (first.stdDev === null || second.stdDev === null) return { difference, margin: Number.POSITIVE_INFINITY, clear: false }
  const u = first.stdDev ** 2 / first.n
  const v = second.stdDev ** 2 / second.n
  if (u + v === 0) return { difference, margin: 0, clear: difference !== 0 }
  const freedom = (u + v) ** 2 / (u ** 2 / (first.n - 1) + v ** 2 / (second.n - 1))
  const margin = studentQuantile(freedom) * Math.sqrt(u + v)
  return { difference, margin, clear: Math.abs(difference) > margin }
}

/** Student's t at 97.5 % for 1, 2, … degrees of freedom, from any table; between them the wider neighbour is used. */
const t975 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11, 2.101, 2.093, 2.086,
  2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
]

function studentQuantile(degreesOfFreedom: number): number {
  const index = Math.max(1, Math.floor(degreesOfFreedom))
  return t975[Math.min(index, t975.length) - 1] as number
}
