/**
 * Lazy noise for large embedding tables: a row that a step does not touch is not written at that step. It is owed the step's noise, and gets all
 * that it is owed at once when it is next read: a sum of independent N(0, vₜ) is one N(0, Σ vₜ). The released table has the distribution of the
 * table whose every row got noise at every step (docs/mechanisms/lazy-noise.md: proof, and the two-sample test).
 *
 * True for plain SGD only (privacy-rules 15): momentum and Adam make later updates depend on each step's noise, weight decay shrinks it; they are
 * refused. Which rows were read when is private: the table that keeps it stays here, and `settle` must run before anything outside the step
 * (evaluation, checkpoint, release) sees a row.
 */
import { checkNumber, TacetError } from '../../errors.ts'
import type { Optimizer } from '../engine.ts'
import type { NormalStream } from './normal-stream.ts'

export interface LazyTable {
  readonly rows: number
  readonly width: number
  /** The live table: only rows read in this step are up to date. */
  readonly values: Float32Array
  /** Pays a row what it is owed, for reading in this step. @returns its offset in `values` */
  read(row: number): number
  /**
   * Current values of rows[0 … count−1] (repeats allowed), what they are owed included.
   * @param out Float32Array[≥ count × width]
   */
  gather(rows: Uint32Array, count: number, out: Float32Array): void
  /**
   * One step: row −= learningRate · gradient for rows read before (repeats add up), and every row of the table is owed
   * N(0, (learningRate · noiseStdDev)²) a coordinate. No rows is a legal step: noise only.
   * @param gradient Float32Array[≥ count × width]: clipped and divided by the expected batch
   * @param noiseStdDev of the noise on the same mean gradient, σ·C ÷ expected batch
   * @throws TacetError internal if a row was not read since the last step
   */
  step(request: {
    readonly rows: Uint32Array
    readonly count: number
    readonly gradient: Float32Array
    readonly learningRate: number
    readonly noiseStdDev: number
  }): void
  /** Pays every row all it is owed. @returns `values`: safe to read until the next step */
  settle(): Float32Array
}

/** @throws TacetError unsafe-plan for an optimiser whose updates do not add up */
export function requirePlainSgd(optimizer: Optimizer): void {
  if (optimizer.kind === 'sgd' && optimizer.momentum === 0) return
  throw new TacetError(
    'unsafe-plan',
    `lazy noise is exact for plain SGD only; under ${optimizer.kind === 'sgd' ? `momentum ${optimizer.momentum}` : optimizer.kind} a step's noise moves later updates, and late noise would be other noise`,
    { wayOut: 'Use SGD without momentum, or dense noise.', details: { optimizer } },
  )
}

/**
 * @param initial Float32Array[rows × width]: becomes the table, and is written
 * @throws TacetError unsafe-plan as `requirePlainSgd`; invalid-argument
 */
export function createLazyTable(
  initial: Float32Array,
  { width, optimizer, normals }: { readonly width: number; readonly optimizer: Optimizer; readonly normals: NormalStream },
): LazyTable {
  requirePlainSgd(optimizer)
  checkNumber('width', width, { atLeast: 1, integer: true })
  const rows = checkNumber('rows', initial.length / width, { atLeast: 1, atMost: 2 ** 32 - 1, integer: true })
  const table = initial
  /** Σ of the variances of all steps so far, and how much of it each row has been paid. Doubles: a step is never lost in the sum. */
  let owedToAll = 0
  const paid = new Float64Array(rows)
  /** Step at which a row was last read: it may be moved in that step only. */
  const readAt = new Uint32Array(rows)
  let step = 1

  function pay(row: number): void {
    const owed = owedToAll - (paid[row] as number)
    if (owed > 0) {
      normals.add(table, row * width, width, Math.sqrt(owed))
      paid[row] = owedToAll
    }
  }

  function read(row: number): number {
    if (!(row < rows)) throw new TacetError('internal', `row ${row} of a table of ${rows}`)
    pay(row)
    readAt[row] = step
    return row * width
  }

  return {
    rows,
    width,
    values: table,
    read,
    gather(wanted, count, out) {
      for (let at = 0; at < count; at++) {
        const from = read(wanted[at] as number)
        const to = at * width
        for (let c = 0; c < width; c++) out[to + c] = table[from + c] as number
      }
    },
    step({ rows: moved, count, gradient, learningRate, noiseStdDev }) {
      checkNumber('learningRate', learningRate, { above: 0 })
      checkNumber('noiseStdDev', noiseStdDev, { above: 0 })
      for (let at = 0; at < count; at++) {
        const row = moved[at] as number
        if (readAt[row] !== step) throw new TacetError('internal', `row ${row} is moved without having been read in this step`)
        const to = row * width
        const from = at * width
        for (let c = 0; c < width; c++) table[to + c] = (table[to + c] as number) - learningRate * (gradient[from + c] as number)
      }
      owedToAll += (learningRate * noiseStdDev) ** 2
      step++
    },
    settle() {
      for (let row = 0; row < rows; row++) pay(row)
      return table
    },
  }
}
