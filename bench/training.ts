/**
 * How fast private training is, against plain training and against the plain code. Seeded but for the noise that a release would draw, which
 * comes from the operating system as it would there. Not a measure of accuracy, and of other libraries only in bench/peers.
 */
import { execFileSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { join } from 'node:path'
import { readDataset } from '../src/data/index.node.ts'
import { splitInteractions } from '../src/data/index.ts'
import { ARENA_START, createKernels, type KernelsChoice } from '../src/kernels/index.ts'
import { paperWideAndDeep } from '../src/models/index.ts'
import { aesNoise } from '../src/random/index.node.ts'
import { secureRandom, seededRandom } from '../src/random/index.ts'
import { createNodeWideAndDeepEngine } from '../src/training/index.node.ts'
import { createWideAndDeepEngine, type StepSettings, trainBiasFactors } from '../src/training/index.ts'
import { type BenchOptions, type BenchReport, type BenchRow, cpuMs, machine, takeTurns } from './measure.ts'
import { movieLensColumns, movieLensPath, type TrainingColumns } from './movielens.ts'

const LARGE = 8192

export async function benchTraining({ smoke }: BenchOptions): Promise<BenchReport> {
  const columns = await movieLensColumns({ synthetic: smoke })
  const kernels = createKernels('auto', ARENA_START).name
  const rows: BenchRow[] = [
    ...stepsAt512(columns, smoke),
    ...stepsAtLarge(columns, smoke),
    await twoThreads(columns, smoke),
    normalsAgainstJavaScript(smoke),
    ...epochs(smoke),
    ...(await onMovieLens(smoke)),
  ]
  return { benchmark: 'training', machine: machine(), kernels, smoke, data: `${columns.name}, ${columns.ratings.length} ratings`, rows }
}

const optimizer = { kind: 'adam', learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 } as const
const settingsFor = (batch: number): Record<'plain' | 'clipped' | 'private', StepSettings> => ({
  plain: { divisor: batch, clipping: { kind: 'none' }, noiseStdDev: 0, optimizer },
  clipped: { divisor: batch, clipping: { kind: 'flat', maxGradNorm: 1 }, noiseStdDev: 0, optimizer },
  private: { divisor: batch, clipping: { kind: 'flat', maxGradNorm: 1 }, noiseStdDev: 1, optimizer },
})

/** Batches drawn beforehand, so that no contestant pays for drawing. */
function batchesOf(columns: TrainingColumns, size: number): () => Uint32Array {
  const random = seededRandom(2)
  const batches = Array.from({ length: 32 }, () =>
    Uint32Array.from({ length: size }, () => Math.floor(random.nextDouble() * columns.ratings.length)),
  )
  let next = 0
  return () => batches[next++ % batches.length] as Uint32Array
}

const engineFor = (columns: TrainingColumns, kernels: KernelsChoice, noise: 'aes' | 'chacha20', maxBatch: number) => {
  const random = secureRandom()
  return createWideAndDeepEngine({
    config: paperWideAndDeep,
    ...columns,
    maxBatch,
    random,
    kernels,
    ...(noise === 'aes' ? { noise: aesNoise(random) } : {}),
  })
}

const ms = (value: number) => `${value.toFixed(3)} ms`

function stepsAt512(columns: TrainingColumns, smoke: boolean): BenchRow[] {
  const size = 512
  const settings = settingsFor(size)
  const stepper = (kernels: KernelsChoice, noise: 'aes' | 'chacha20', kind: keyof typeof settings) => {
    const engine = engineFor(columns, kernels, noise, size)
    const batch = batchesOf(columns, size)
    return () => {
      engine.step(batch(), size, settings[kind])
    }
  }
  const fast = takeTurns(
    {
      plain: stepper('auto', 'aes', 'plain'),
      clipped: stepper('auto', 'aes', 'clipped'),
      private: stepper('auto', 'aes', 'private'),
      portable: stepper('auto', 'chacha20', 'private'),
    },
    { rounds: smoke ? 5 : 200, repeats: smoke ? 2 : 20 },
  )
  const against = takeTurns(
    {
      reference: stepper('reference', 'aes', 'plain'),
      wasm: stepper('auto', 'aes', 'plain'),
      privateReference: stepper('reference', 'aes', 'private'),
      privateWasm: stepper('auto', 'aes', 'private'),
    },
    { rounds: smoke ? 3 : 60, repeats: smoke ? 1 : 4 },
  )
  return [
    {
      name: 'plain TypeScript ÷ WASM, plain step, batch 512',
      value: against.reference / against.wasm,
      unit: 'x',
      bar: { at: 'least', value: 8 },
      detail: `${ms(against.reference)} → ${ms(against.wasm)}`,
    },
    {
      name: 'plain TypeScript ÷ WASM, private step, batch 512',
      value: against.privateReference / against.privateWasm,
      unit: 'x',
      bar: null,
      detail: `${ms(against.privateReference)} → ${ms(against.privateWasm)}`,
    },
    {
      name: 'clipping only ÷ plain, batch 512',
      value: fast.clipped / fast.plain,
      unit: 'x',
      bar: { at: 'most', value: 1.12 },
      detail: `${ms(fast.clipped)} / ${ms(fast.plain)}`,
    },
    {
      name: 'private ÷ plain, batch 512, AES-256 of the system',
      value: fast.private / fast.plain,
      unit: 'x',
      bar: { at: 'most', value: 1.8 },
      detail: `${ms(fast.private)} / ${ms(fast.plain)}`,
    },
    {
      name: 'private ÷ plain, batch 512, portable ChaCha20',
      value: fast.portable / fast.plain,
      unit: 'x',
      bar: { at: 'most', value: 2.5 },
      detail: `${ms(fast.portable)} / ${ms(fast.plain)}`,
    },
  ]
}

function stepsAtLarge(columns: TrainingColumns, smoke: boolean): BenchRow[] {
  const settings = settingsFor(LARGE)
  const batch = batchesOf(columns, LARGE)
  const stepper = (kind: keyof typeof settings) => {
    const engine = engineFor(columns, 'auto', 'aes', LARGE)
    return () => {
      engine.step(batch(), LARGE, settings[kind])
    }
  }
  const times = takeTurns({ plain: stepper('plain'), private: stepper('private') }, { rounds: smoke ? 3 : 100, repeats: smoke ? 1 : 2 })
  return [
    {
      name: `private ÷ plain, batch ${LARGE}`,
      value: times.private / times.plain,
      unit: 'x',
      bar: { at: 'most', value: 1.15 },
      detail: `${ms(times.private)} / ${ms(times.plain)}`,
    },
  ]
}

/** The one row about threads, hence on the wall clock: it means something on an idle machine only. */
async function twoThreads(columns: TrainingColumns, smoke: boolean): Promise<BenchRow> {
  const settings = settingsFor(LARGE).private
  const batch = batchesOf(columns, LARGE)
  const engineOn = (threads: number) =>
    createNodeWideAndDeepEngine({ config: paperWideAndDeep, ...columns, maxBatch: LARGE, random: secureRandom(), threads })
  const [one, two] = [await engineOn(1), await engineOn(2)]
  const step = (engine: typeof one) => () => {
    engine.step(batch(), LARGE, settings)
  }
  const times = takeTurns({ one: step(one), two: step(two) }, { rounds: smoke ? 3 : 150, clock: () => performance.now() })
  for (const engine of [one, two]) engine.close()
  return {
    name: `one thread ÷ two, private step, batch ${LARGE}, wall clock`,
    value: times.one / times.two,
    unit: 'x',
    bar: null,
    detail: `${ms(times.one)} → ${ms(times.two)}`,
  }
}

function normalsAgainstJavaScript(smoke: boolean): BenchRow {
  const count = 2 ** 17
  const chunk = 2048
  const kernels = createKernels('auto', ARENA_START + 65536)
  const noise = aesNoise(secureRandom())
  const wordCount = (chunk / 16) * 12 + 24
  const words = new Uint8Array(kernels.buffer, ARENA_START, wordCount * 4 * 4)
  const out = ARENA_START + words.byteLength + 64
  const random = new Uint32Array(count)
  const normals = new Float32Array(count)
  const times = takeTurns(
    {
      tacet() {
        for (let from = 0, part = 0; from < count; from += chunk, part = (part + 1) % 4) {
          if (part === 0) noise.fill(words)
          const at = ARENA_START + part * wordCount * 4
          kernels.normals(chunk, at, at + (wordCount - 24) * 4, 24, out)
        }
      },
      javascript() {
        randomFillSync(random)
        for (let i = 0; i < count; i += 2) {
          const radius = Math.sqrt(-2 * Math.log(((random[i] as number) + 0.5) / 2 ** 32))
          const angle = ((2 * Math.PI) / 2 ** 32) * (random[i + 1] as number)
          normals[i] = radius * Math.cos(angle)
          normals[i + 1] = radius * Math.sin(angle)
        }
      },
    },
    { rounds: smoke ? 5 : 100, repeats: smoke ? 2 : 10 },
  )
  const rate = (time: number) => `${(count / time / 1000).toFixed(0)} M/s`
  return {
    name: 'secure normals ÷ node:crypto + JavaScript Box–Muller',
    value: times.javascript / times.tacet,
    unit: 'x',
    bar: { at: 'least', value: 5 },
    detail: `${rate(times.javascript)} → ${rate(times.tacet)}`,
  }
}

function epochs(smoke: boolean): BenchRow[] {
  const count = smoke ? 0.1 : 5
  const output = execFileSync(process.execPath, [join(import.meta.dirname, 'epochs.ts'), String(count), ...(smoke ? ['synthetic'] : [])], {
    encoding: 'utf8',
  })
  const result = JSON.parse(output) as { data: string; rows: number; steps: number; seconds: number; peakMemoryMb: number }
  const detail = `${result.data}, ${result.steps} steps, ${((result.seconds / result.steps) * 1000).toFixed(3)} ms each with Poisson sampling`
  return [
    { name: `${count} private epochs on one core`, value: result.seconds, unit: ' s', bar: { at: 'most', value: 8 }, detail },
    {
      name: 'peak memory of that training',
      value: result.peakMemoryMb,
      unit: ' MB',
      bar: { at: 'most', value: 500 },
      detail: 'data set included',
    },
  ]
}

/** What needs the data set itself. */
async function onMovieLens(smoke: boolean): Promise<BenchRow[]> {
  const path = movieLensPath()
  if (smoke || path === null) return []
  const beforeReading = cpuMs()
  const data = await readDataset(path)
  const reading = (cpuMs() - beforeReading) / 1000
  const { train } = splitInteractions(data, { kind: 'chronological' })
  const beforeTraining = cpuMs()
  trainBiasFactors({
    data,
    trainRows: train,
    privacy: { epsilon: 1, delta: 1e-5 },
    random: secureRandom(),
    spend() {},
    itemMetadata: false,
  })
  const training = (cpuMs() - beforeTraining) / 1000
  return [
    { name: 'reading gzipped ML-1M', value: reading, unit: ' s', bar: { at: 'most', value: 2 }, detail: `${data.values.length} ratings` },
    { name: 'bias-factors on ML-1M, ε = 1', value: training, unit: ' s', bar: { at: 'most', value: 5 }, detail: `${train.length} ratings` },
  ]
}
