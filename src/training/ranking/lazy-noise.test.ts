import { describe, expect, test } from 'vitest'
import { chiSquareTwoSided, kolmogorovSmirnovAbove } from '../../privacy/tails.ts'
import { fillNormals, type RandomSource, seededRandom } from '../../random/index.ts'
import { createLazyTable, requirePlainSgd } from './lazy-noise.ts'
import { createNormalStream, type NormalStream } from './normal-stream.ts'

// Statistical tests fail a correct program with chance 1e-6 each; seeds are fixed, `npm run test:slow` draws fresh ones.
const falseAlarmRate = 1e-6
const slow = process.env['TACET_SLOW'] !== undefined
const seedOr = (seed: number) => (slow ? Math.floor(Math.random() * 2 ** 40) : seed)
const sgd = { kind: 'sgd', learningRate: 0.3, momentum: 0 } as const

const rows = 5
const width = 2
const steps = 7
/** Rows read at each step: one often, one never, one only at the first and last step, an empty step, a row twice in one step. */
const schedule = [[0, 3], [0], [], [0, 1], [1, 1, 0], [2], [0, 3]].map((each) => Uint32Array.from(each))
const rateAt = (step: number) => 0.3 - 0.02 * step
const noiseAt = (step: number) => 0.5 + 0.25 * (step % 3)
const start = () => Float32Array.from({ length: rows * width }, (_, i) => 0.3 * Math.sin(i + 1))

/** A gradient that depends on what is read, not linearly: a later step feels the noise of the steps before it. */
const gradientOf = (values: Float32Array, count: number) =>
  Float32Array.from(values.subarray(0, count * width), (x) => Math.tanh(3 * x) + x * x)

function lazily(random: RandomSource, normals: NormalStream = createNormalStream(random, { kernels: 'reference' })): Float32Array {
  const table = createLazyTable(start(), { width, optimizer: sgd, normals })
  const out = new Float32Array(3 * width)
  for (let step = 0; step < steps; step++) {
    const batch = schedule[step] as Uint32Array
    table.gather(batch, batch.length, out)
    const gradient = gradientOf(out, batch.length)
    table.step({ rows: batch, count: batch.length, gradient, learningRate: rateAt(step), noiseStdDev: noiseAt(step) })
  }
  return table.settle().slice()
}

/** What lazy noise must be equal to: every row gets its noise at every step. `forget` leaves the noise of rows that a step does not touch out. */
function densely(random: RandomSource, { forget = false } = {}): Float32Array {
  const table = start()
  const noise = new Float32Array(table.length)
  for (let step = 0; step < steps; step++) {
    const batch = schedule[step] as Uint32Array
    const read = Float32Array.from([...batch].flatMap((row) => [...table.subarray(row * width, (row + 1) * width)]))
    const gradient = gradientOf(read, batch.length)
    for (const [at, row] of batch.entries())
      for (let c = 0; c < width; c++) table[row * width + c]! -= rateAt(step) * (gradient[at * width + c] as number)
    fillNormals(noise, random, rateAt(step) * noiseAt(step))
    for (const [i, x] of noise.entries()) if (!forget || batch.includes(Math.floor(i / width))) table[i]! += x
  }
  return table
}

/** Largest distance of two samples' distribution functions, as the chance of one as large from equal laws. */
function chanceOfEqualLaws(a: Float64Array, b: Float64Array): number {
  const [x, y] = [a.slice().sort(), b.slice().sort()]
  let [i, j, distance] = [0, 0, 0]
  while (i < x.length && j < y.length) {
    const at = Math.min(x[i] as number, y[j] as number)
    while (i < x.length && (x[i] as number) <= at) i++
    while (j < y.length && (y[j] as number) <= at) j++
    distance = Math.max(distance, Math.abs(i / x.length - j / y.length))
  }
  return kolmogorovSmirnovAbove(distance, Math.floor((x.length * y.length) / (x.length + y.length)))
}

/** The least chance over every coordinate, every product of two, and random directions: what two laws in ten dimensions can differ in. */
function twoSamples(first: (run: number) => Float32Array, second: (run: number) => Float32Array, runs: number): number {
  const a = Array.from({ length: runs }, (_, run) => first(run))
  const b = Array.from({ length: runs }, (_, run) => second(run))
  const n = rows * width
  const views: ((x: Float32Array) => number)[] = []
  for (let i = 0; i < n; i++) {
    views.push((x) => x[i] as number)
    for (let j = 0; j < i; j++) views.push((x) => (x[i] as number) * (x[j] as number))
  }
  const random = seededRandom(5)
  for (let k = 0; k < 20; k++) {
    const direction = new Float64Array(n)
    fillNormals(direction, random)
    views.push((x) => x.reduce((sum, value, i) => sum + value * (direction[i] as number), 0))
  }
  const chances = views.map((view) => chanceOfEqualLaws(Float64Array.from(a, view), Float64Array.from(b, view)))
  return Math.min(1, Math.min(...chances) * chances.length)
}

describe('lazy noise', () => {
  const runs = slow ? 40_000 : 4_000

  test('gives tables of the same distribution as noise on every row at every step', () => {
    const [one, two] = [seededRandom(seedOr(1)), seededRandom(seedOr(2))]
    const normals = createNormalStream(one, { kernels: 'reference' })
    expect(
      twoSamples(
        () => lazily(one, normals),
        () => densely(two),
        runs,
      ),
    ).toBeGreaterThan(falseAlarmRate)
  })

  test('the two-sample test sees noise that is left out on rows nobody touched', () => {
    const [one, two] = [seededRandom(1), seededRandom(2)]
    expect(
      twoSamples(
        () => densely(one, { forget: true }),
        () => densely(two),
        1_000,
      ),
    ).toBeLessThan(falseAlarmRate)
  })

  test('a row that was never read carries the noise of all steps once it is settled', () => {
    const random = seededRandom(seedOr(3))
    const normals = createNormalStream(random)
    const table = createLazyTable(new Float32Array(20_000), { width: 4, optimizer: sgd, normals })
    const nobody = new Uint32Array(0)
    let variance = 0
    for (let step = 0; step < 50; step++) {
      table.step({ rows: nobody, count: 0, gradient: new Float32Array(0), learningRate: rateAt(step % 7), noiseStdDev: noiseAt(step) })
      variance += (rateAt(step % 7) * noiseAt(step)) ** 2
    }
    const settled = table.settle()
    const sum = settled.reduce((total, x) => total + x * x, 0)
    expect(chiSquareTwoSided(sum / variance, settled.length)).toBeGreaterThan(falseAlarmRate)
    // Paid once: settling again adds nothing.
    const before = settled.slice()
    expect(table.settle()).toEqual(before)
  })

  test('reading a row twice in one step reads the same values', () => {
    const random = seededRandom(4)
    const table = createLazyTable(new Float32Array(8), { width: 2, optimizer: sgd, normals: createNormalStream(random) })
    table.step({ rows: new Uint32Array(0), count: 0, gradient: new Float32Array(0), learningRate: 1, noiseStdDev: 1 })
    const out = new Float32Array(4)
    table.gather(Uint32Array.of(3, 3), 2, out)
    expect(out[0]).not.toBe(0)
    expect(out.slice(2)).toEqual(out.slice(0, 2))
  })

  test('refuses optimisers under which late noise would be other noise, with the reason', () => {
    for (const optimizer of [
      { kind: 'adam', learningRate: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const,
      { ...sgd, momentum: 0.9 },
    ]) {
      expect(() => requirePlainSgd(optimizer)).toThrow('plain SGD')
      expect(() => createLazyTable(new Float32Array(4), { width: 2, optimizer, normals: createNormalStream(seededRandom(1)) })).toThrow(
        'plain SGD',
      )
    }
  })

  test('refuses to move a row that was not read in the step, and steps without noise', () => {
    const table = createLazyTable(new Float32Array(8), { width: 2, optimizer: sgd, normals: createNormalStream(seededRandom(1)) })
    const row = Uint32Array.of(1)
    const request = { rows: row, count: 1, gradient: new Float32Array(2), learningRate: 1, noiseStdDev: 1 }
    expect(() => table.step(request)).toThrow('without having been read')
    table.gather(row, 1, new Float32Array(2))
    expect(() => table.step({ ...request, noiseStdDev: 0 })).toThrow('noiseStdDev')
    table.step(request)
    expect(() => table.step(request)).toThrow('without having been read')
  })

  test('hands out every normal once, from both sources of bits, and never mixes seeded noise with the system’s', () => {
    const one = createNormalStream(seededRandom(8))
    const values = new Float32Array(3 * 4096)
    one.add(values, 0, 5_000, 1)
    one.add(values, 5_000, values.length - 5_000, 1)
    expect(new Set(values).size).toBeGreaterThan(values.length * 0.99)
    const again = new Float32Array(values.length)
    createNormalStream(seededRandom(8)).add(again, 0, again.length, 1)
    expect(again).toEqual(values)
    const foreign = { generator: 'other', kind: 'csprng' as const, fill: () => {} }
    expect(() => createNormalStream(seededRandom(1), { noise: foreign })).toThrow('one or the other')
  })
})
