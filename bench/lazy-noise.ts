/**
 * Lazy noise on a table of 1,000,000 × 64 embeddings: a private step (clip, owed noise, update) beside the sparse step without privacy on the same
 * batch of 4,096 rows, which is written as lean as it gets. Dense noise is priced on a slice of the table and scaled up.
 */
import { hasWasm } from '../src/kernels/index.ts'
import { aesNoise } from '../src/random/index.node.ts'
import { secureRandom, seededRandom } from '../src/random/index.ts'
import { createLazyTable, createNormalStream } from '../src/training/index.ts'
import { type BenchOptions, type BenchReport, type BenchRow, machine, takeTurns } from './measure.ts'

const WIDTH = 64
const BATCH = 4_096
const LEARNING_RATE = 0.05
const MAX_GRAD_NORM = 0.5

export async function benchLazyNoise({ smoke }: BenchOptions): Promise<BenchReport> {
  const rowCount = smoke ? 20_000 : 1_000_000
  const random = seededRandom(1)
  const batches = Array.from({ length: 16 }, () => Uint32Array.from({ length: BATCH }, () => random.nextWord() % rowCount))
  const vectors = Float32Array.from({ length: BATCH * WIDTH }, () => random.nextDouble() - 0.5)
  const squares = Float32Array.from({ length: BATCH }, (_, at) => {
    let sum = 0
    for (let c = 0; c < WIDTH; c++) sum += (vectors[at * WIDTH + c] as number) ** 2
    return sum
  })
  const fresh = () => {
    const table = new Float32Array(rowCount * WIDTH)
    for (let i = 0; i < table.length; i++) table[i] = ((i * 2654435761) >>> 0) / 2 ** 32 / 10
    return table
  }
  const gathered = new Float32Array(BATCH * WIDTH)
  const gradient = new Float32Array(BATCH * WIDTH)

  /** Logistic loss of (row · vector) per example; its clipped gradient over the batch. */
  function clippedGradients(): void {
    for (let at = 0; at < BATCH; at++) {
      const from = at * WIDTH
      let dot = 0
      for (let c = 0; c < WIDTH; c++) dot += (gathered[from + c] as number) * (vectors[from + c] as number)
      const error = 1 / (1 + Math.exp(-dot)) - (at & 1)
      const norm = Math.abs(error) * Math.sqrt(squares[at] as number)
      const factor = (error * (norm > MAX_GRAD_NORM ? MAX_GRAD_NORM / norm : 1)) / BATCH
      for (let c = 0; c < WIDTH; c++) gradient[from + c] = factor * (vectors[from + c] as number)
    }
  }

  const plain = fresh()
  let plainTurn = 0
  const factors = new Float32Array(BATCH)
  /** As lean as it gets: reads and writes the table in place, copies nothing. */
  const withoutPrivacy = () => {
    const batch = batches[plainTurn++ % batches.length] as Uint32Array
    for (let at = 0; at < BATCH; at++) {
      const row = (batch[at] as number) * WIDTH
      const from = at * WIDTH
      let dot = 0
      for (let c = 0; c < WIDTH; c++) dot += (plain[row + c] as number) * (vectors[from + c] as number)
      factors[at] = (LEARNING_RATE * (1 / (1 + Math.exp(-dot)) - (at & 1))) / BATCH
    }
    for (let at = 0; at < BATCH; at++) {
      const row = (batch[at] as number) * WIDTH
      const from = at * WIDTH
      const factor = factors[at] as number
      for (let c = 0; c < WIDTH; c++) plain[row + c] = (plain[row + c] as number) - factor * (vectors[from + c] as number)
    }
  }

  const secure = secureRandom()
  const stream = createNormalStream(secure, { noise: aesNoise(secure) })
  const lazy = createLazyTable(fresh(), {
    width: WIDTH,
    optimizer: { kind: 'sgd', learningRate: LEARNING_RATE, momentum: 0 },
    normals: stream,
  })
  let lazyTurn = 0
  const withPrivacy = () => {
    const rows = batches[lazyTurn++ % batches.length] as Uint32Array
    lazy.gather(rows, BATCH, gathered)
    clippedGradients()
    lazy.step({ rows, count: BATCH, gradient, learningRate: LEARNING_RATE, noiseStdDev: MAX_GRAD_NORM / BATCH })
  }
  // Every batch once: afterwards every row it reads is owed noise, and pages of both tables are there.
  for (const _ of batches) {
    withoutPrivacy()
    withPrivacy()
  }
  const slice = new Float32Array(Math.min(rowCount, 20_000) * WIDTH)
  const dense = () => stream.add(slice, 0, slice.length, MAX_GRAD_NORM / BATCH)
  const times = takeTurns({ withoutPrivacy, withPrivacy }, { rounds: smoke ? 3 : 41, repeats: smoke ? 1 : 16 })
  const denseMs = (takeTurns({ dense }, { rounds: smoke ? 3 : 9 }).dense * rowCount * WIDTH) / slice.length
  const ms = (value: number) => `${value.toFixed(2)} ms`
  const rows: BenchRow[] = [
    {
      name: `lazy private step ÷ sparse step, ${rowCount.toLocaleString('en')} × ${WIDTH}, batch ${BATCH.toLocaleString('en')}`,
      value: times.withPrivacy / times.withoutPrivacy,
      unit: 'x',
      bar: { at: 'most', value: 3.5 },
      detail: `private ${ms(times.withPrivacy)} · without privacy ${ms(times.withoutPrivacy)} · noise ${stream.generator}`,
    },
    {
      name: 'dense noise on the whole table ÷ lazy private step',
      value: denseMs / times.withPrivacy,
      unit: 'x',
      bar: null,
      detail: `noise alone ${ms(denseMs)} a step`,
    },
  ]
  const kernels = hasWasm('wasm-relaxed') ? 'wasm-relaxed' : hasWasm('wasm') ? 'wasm' : 'reference'
  return {
    benchmark: 'lazy-noise',
    machine: machine(),
    kernels,
    smoke,
    data: `tables of ${rowCount.toLocaleString('en')} rows, evenly drawn batches`,
    rows,
  }
}
