/**
 * The linear algebra on several threads of Node: each call that is large enough is cut by rows, a part for every thread, and the caller waits for
 * the others when its own part is done. Worker threads compute with the same build in memories of their own; arguments reach them in shared
 * memory. Results are those of one thread but for the order of additions in the inverse. Off unless asked for: on a machine whose cores have
 * other work it loses time (docs/decisions/0010-linear-algebra.md).
 */
import { Worker } from 'node:worker_threads'
import { checkNumber, TacetError } from '../errors.ts'
import type { LinearAlgebra, ProductShape, SparseOnes } from './linear-algebra.ts'
import { linearAlgebra } from './linear-algebra-create.ts'
import { checkLength, checkProduct, checkRidgeRows, PIVOT_FLOOR } from './linear-algebra-reference.ts'

/** What a thread is asked: one call of the contract on its part of the rows. */
export type ThreadTask =
  | { readonly kind: 'multiply'; readonly a: Float32Array; readonly b: Float32Array; readonly shape: ProductShape }
  | {
      readonly kind: 'ridgeRows'
      readonly rows: SparseOnes
      readonly factors: Float32Array
      readonly base: Float32Array
      readonly ridge: Float32Array
      readonly dimension: number
    }

export interface ThreadMessage {
  readonly task: ThreadTask
  readonly out: Float32Array
  /** Int32Array[1]: 0 waiting, 1 done, 2 failed. */
  readonly state: Int32Array
}

export interface ThreadedLinearAlgebra extends LinearAlgebra {
  close(): Promise<void>
}

/** A call that takes this long has lost a thread. */
const TIMEOUT_MS = 300_000
/** Below so many multiplications a call stays on the calling thread: handing out costs about a tenth of a millisecond, and copies. */
const MIN_WORK = 2e7
/** Rows from which an inverse is cut in two. */
const MIN_INVERSE = 1_024

/**
 * @param threads how many compute, the calling one included; ≥ 2
 * @param minWork multiplications below which a call is not shared out; @param minInverse rows likewise. For tests.
 */
export async function createThreadedLinearAlgebra(
  threads: number,
  { minWork = MIN_WORK, minInverse = MIN_INVERSE }: { readonly minWork?: number; readonly minInverse?: number } = {},
): Promise<ThreadedLinearAlgebra> {
  checkNumber('threads', threads, { atLeast: 2, atMost: 64, integer: true })
  const one = linearAlgebra(linearAlgebra().name)
  const script = new URL(`./linear-algebra-worker.node${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)
  const workers = Array.from({ length: threads - 1 }, () => new Worker(script, { workerData: { kernels: one.name } }))
  await Promise.all(
    workers.map(
      (worker) =>
        new Promise<void>((resolve, reject) => {
          worker.once('message', () => resolve())
          worker.once('error', reject)
        }),
    ),
  )
  for (const worker of workers) worker.unref()

  /**
   * Runs one task a thread, the first on this one; results in their order, into `out` one after the other.
   * @returns false if any of them failed: the whole call on one thread then says why
   */
  function run(tasks: readonly ThreadTask[], lengths: readonly number[], out: Float32Array): boolean {
    const messages = tasks.slice(1).map((task, at): ThreadMessage => {
      const message = {
        task,
        out: new Float32Array(new SharedArrayBuffer(4 * (lengths[at + 1] as number))),
        state: new Int32Array(new SharedArrayBuffer(4)),
      }
      workers[at]?.postMessage(message)
      return message
    })
    let good = true
    try {
      out.set(perform(one, tasks[0] as ThreadTask))
    } catch {
      good = false
    }
    let start = lengths[0] as number
    for (const { out: part, state } of messages) {
      if (Atomics.wait(state, 0, 0, TIMEOUT_MS) === 'timed-out')
        throw new TacetError('internal', `a thread of the linear algebra did not answer within ${TIMEOUT_MS / 1000} s`)
      good = good && state[0] === 1
      out.set(part, start)
      start += part.length
    }
    return good
  }

  function multiply(a: Float32Array, b: Float32Array, shape: ProductShape): Float32Array {
    checkProduct(a, b, shape)
    const { rows, depth, columns } = shape
    if (rows * depth * columns < minWork || rows < 4 * threads) return one.multiply(a, b, shape)
    const cuts = evenCuts(rows, threads)
    const right = shared(b)
    const tasks = parts(cuts).map(
      ([from, to]): ThreadTask => ({
        kind: 'multiply',
        a: shared(shape.transposeA ? columnsOf(a, rows, depth, from, to) : a.subarray(from * depth, to * depth)),
        b: right,
        shape: { ...shape, rows: to - from },
      }),
    )
    const out = new Float32Array(rows * columns)
    const good = run(
      tasks,
      parts(cuts).map(([from, to]) => (to - from) * columns),
      out,
    )
    return good ? out : one.multiply(a, b, shape)
  }

  /** Blocks: [A Bᵀ; B C]⁻¹ from A⁻¹ and the inverse of what C has left, C − B·A⁻¹·Bᵀ. Only the products are shared out. */
  function invert(matrix: Float32Array, n: number): Float32Array {
    if (n < minInverse || n < 2) return one.invertPositiveDefinite(matrix, n)
    const top = n >> 1
    const rest = n - top
    const a = invert(block(matrix, n, 0, top, 0, top), top)
    const b = block(matrix, n, top, n, 0, top)
    const c = block(matrix, n, top, n, top, n)
    const x = multiply(a, b, { rows: top, depth: top, columns: rest, transposeB: true })
    const taken = multiply(b, x, { rows: rest, depth: top, columns: rest })
    for (let r = 0; r < rest; r++)
      for (let k = 0; k <= r; k++) c[k * rest + r] = c[r * rest + k] = (c[r * rest + k] as number) - (taken[r * rest + k] as number)
    const corner = invert(c, rest)
    const side = multiply(x, corner, { rows: top, depth: rest, columns: rest })
    const added = multiply(side, x, { rows: top, depth: rest, columns: top, transposeB: true })
    const out = new Float32Array(n * n)
    for (let r = 0; r < top; r++) {
      for (let k = 0; k <= r; k++) out[k * n + r] = out[r * n + k] = (a[r * top + k] as number) + (added[r * top + k] as number)
      for (let k = 0; k < rest; k++) out[(top + k) * n + r] = out[r * n + top + k] = -(side[r * rest + k] as number)
    }
    for (let r = 0; r < rest; r++) out.set(corner.subarray(r * rest, (r + 1) * rest), (top + r) * n + top)
    return out
  }

  return {
    ...one,
    multiply,
    ridgeRows(problem) {
      checkRidgeRows(problem)
      const { rows, dimension } = problem
      if (rows.items.length * dimension * dimension < minWork || rows.personCount < threads) return one.ridgeRows(problem)
      const cuts = likesCuts(rows, threads)
      const factors = shared(problem.factors)
      const base = shared(problem.base)
      const out = new Float32Array(rows.personCount * dimension)
      const good = run(
        parts(cuts).map(([from, to]) => {
          const [start, end] = [rows.offsets[from] as number, rows.offsets[to] as number]
          return {
            kind: 'ridgeRows',
            rows: {
              personCount: to - from,
              itemCount: rows.itemCount,
              offsets: rows.offsets.slice(from, to + 1).map((offset) => offset - start),
              items: rows.items.slice(start, end),
            },
            factors,
            base,
            ridge: problem.ridge.slice(from, to),
            dimension,
          }
        }),
        parts(cuts).map(([from, to]) => (to - from) * dimension),
        out,
      )
      return good ? out : one.ridgeRows(problem)
    },
    invertPositiveDefinite(matrix, n) {
      checkLength('the matrix', matrix, n * n)
      if (n < minInverse) return one.invertPositiveDefinite(matrix, n)
      let out: Float32Array | null = null
      try {
        out = invert(matrix, n)
      } catch {
        // One thread finds the row that is to blame, or that there is none.
      }
      // A pivot is never less than 1 ÷ the inverse's diagonal: a matrix that passes here passes there; any other is looked at once more.
      for (let k = 0; out !== null && k < n; k++)
        if (!(1 / (out[k * (n + 1)] as number) > PIVOT_FLOOR * (matrix[k * (n + 1)] as number))) out = null
      return out ?? one.invertPositiveDefinite(matrix, n)
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()))
    },
  }
}

/** One task with the build of this thread. */
export function perform(algebra: LinearAlgebra, task: ThreadTask): Float32Array {
  switch (task.kind) {
    case 'multiply':
      return algebra.multiply(task.a, task.b, task.shape)
    case 'ridgeRows':
      return algebra.ridgeRows(task)
  }
}

function shared(source: Float32Array): Float32Array {
  if (source.buffer instanceof SharedArrayBuffer) return source
  const out = new Float32Array(new SharedArrayBuffer(source.byteLength))
  out.set(source)
  return out
}

const parts = (cuts: readonly number[]): (readonly [number, number])[] => cuts.slice(1).map((to, at) => [cuts[at] as number, to] as const)

const evenCuts = (rows: number, threads: number): number[] =>
  Array.from({ length: threads + 1 }, (_, at) => Math.round((rows * at) / threads))

/** Cuts of about as many entries (and rows, which cost something too) each. */
function likesCuts({ personCount, offsets }: SparseOnes, threads: number): number[] {
  const cuts = [0]
  const total = (offsets[personCount] as number) + 16 * personCount
  for (let row = 0; row < personCount; row++)
    if (cuts.length < threads && (offsets[row] as number) + 16 * row >= (total * cuts.length) / threads) cuts.push(row)
  while (cuts.length <= threads) cuts.push(personCount)
  return cuts
}

function block(matrix: Float32Array, n: number, fromRow: number, toRow: number, fromColumn: number, toColumn: number): Float32Array {
  const width = toColumn - fromColumn
  const out = new Float32Array((toRow - fromRow) * width)
  for (let r = fromRow; r < toRow; r++) out.set(matrix.subarray(r * n + fromColumn, r * n + toColumn), (r - fromRow) * width)
  return out
}

/** Columns from … to of a matrix of `columns` columns. */
const columnsOf = (matrix: Float32Array, columns: number, rows: number, from: number, to: number): Float32Array =>
  block(matrix, columns, 0, rows, from, to)
