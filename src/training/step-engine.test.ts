import { describe, expect, test } from 'vitest'
import { loadWideAndDeep, networkTensors, paperWideAndDeep, type WideAndDeepConfig, withAvailableFeatures } from '../models/index.ts'
import { aesNoise } from '../random/index.node.ts'
import { type RandomSource, secureRandom, seededRandom } from '../random/index.ts'
import type { Optimizer, StepSettings } from './engine.ts'
import { createWideAndDeepEngine, type WideAndDeepEngineOptions } from './step-engine.ts'

const USERS = 300
const ITEMS = 200
const ROWS = 4000

const column = (name: string, values: Float32Array, categories: readonly string[] | null = null) =>
  ({ name, kind: categories === null ? 'numeric' : 'categorical', values, categories }) as const

/** Ratings with a planted item effect, so that there is something to learn. */
function data() {
  const random = seededRandom(5)
  const pick = (n: number) => Math.floor(random.nextDouble() * n)
  const users = Uint32Array.from({ length: ROWS }, () => pick(USERS))
  const items = Uint32Array.from({ length: ROWS }, () => pick(ITEMS))
  return {
    userCount: USERS,
    itemCount: ITEMS,
    userFeatures: [
      column(
        'gender',
        Float32Array.from({ length: USERS }, () => pick(2)),
        ['F', 'M'],
      ),
      column(
        'age',
        Float32Array.from({ length: USERS }, () => 18 + pick(40)),
      ),
      column(
        'occupation',
        Float32Array.from({ length: USERS }, () => pick(21)),
      ),
    ],
    itemFeatures: [],
    users,
    items,
    ratings: Float32Array.from({ length: ROWS }, (_, r) => 2 + (items[r]! % 3) + (users[r]! % 2)),
  }
}
const shared = data()
const scaled: WideAndDeepConfig = { ...paperWideAndDeep, inputs: 'scaled', initialOutputBias: 3.5 }

const engineOf = (random: RandomSource, options: Partial<WideAndDeepEngineOptions> = {}) =>
  createWideAndDeepEngine({ config: scaled, ...shared, maxBatch: 1024, random, ...options })

const adam: Optimizer = { kind: 'adam', learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 }
const sgd = (learningRate: number, momentum = 0): Optimizer => ({ kind: 'sgd', learningRate, momentum })
const settings = (
  optimizer: Optimizer,
  noiseStdDev = 0,
  clipping: StepSettings['clipping'] = { kind: 'flat', maxGradNorm: 1 },
): StepSettings => ({
  divisor: 64,
  clipping,
  noiseStdDev,
  optimizer,
})
const rowsFrom = (seed: number, count: number) => {
  const random = seededRandom(seed)
  return Uint32Array.from({ length: count }, () => Math.floor(random.nextDouble() * ROWS))
}

/** √n·D against N(0, 1), Φ by a series good to 1e-9 there. */
function kolmogorovSmirnov(values: Float64Array): number {
  const sorted = Float64Array.from(values).sort()
  const phi = (x: number) => {
    let [term, sum] = [x, x]
    for (let k = 1; k < 120; k++) sum += term *= (x * x) / (2 * k + 1)
    return 0.5 + sum * Math.exp((-x * x) / 2) * Math.sqrt(1 / (2 * Math.PI))
  }
  let distance = 0
  sorted.forEach((value, i) => {
    const p = phi(value)
    distance = Math.max(distance, p - i / sorted.length, (i + 1) / sorted.length - p)
  })
  return distance * Math.sqrt(sorted.length)
}

describe.each([
  ['ChaCha20, seeded', () => engineOf(seededRandom(1)), 'seeded', 'chacha20'],
  ['AES, seeded', () => engineOf(seededRandom(1), { noise: aesNoise(seededRandom(2)) }), 'seeded', 'aes-256-ctr'],
  ['ChaCha20, secure', () => engineOf(secureRandom()), 'csprng', 'chacha20'],
  ['AES, secure', () => engineOf(secureRandom(), { noise: aesNoise(secureRandom()) }), 'csprng', 'aes-256-ctr-drbg'],
  [
    'AES on the reference kernels',
    () => engineOf(seededRandom(1), { noise: aesNoise(seededRandom(2)), kernels: 'reference' }),
    'seeded',
    'aes-256-ctr',
  ],
] as const)('noise of %s', (_name, create, kind, generator) => {
  /** The noise of one step: plain SGD at rate 1 and divisor 1 moves each parameter by minus its noise. */
  function noiseOf(engine: ReturnType<typeof create>, rows = new Uint32Array(0)): Float64Array {
    engine.parameters.fill(0)
    engine.step(rows, rows.length, { ...settings(sgd(1), 3, { kind: 'flat', maxGradNorm: 1e-6 }), divisor: 1 })
    return Float64Array.from(engine.parameters, (value) => -value / 3)
  }

  test('says what makes it, and passes Kolmogorov–Smirnov on every tensor, rows no example touched included (false alarms 2e-5)', () => {
    const engine = create()
    expect([engine.noiseSource, engine.noiseGenerator]).toEqual([kind, generator])
    // One row's batch leaves all but one user and one item untouched.
    const noise = noiseOf(engine, Uint32Array.of(0))
    for (const { name, offset, shape } of engine.blocks) {
      const size = shape.reduce((product, extent) => product * extent, 1)
      const block = noise.subarray(offset, offset + size)
      expect(kolmogorovSmirnov(block), name).toBeLessThan(2.69)
      expect(
        block.every((value) => value !== 0),
        name,
      ).toBe(true)
    }
    const { offset } = engine.blocks[0]!
    const untouched = Array.from({ length: USERS }, (_, user) => user).filter((user) => user !== shared.users[0])
    const rows = untouched.map((user) => noise.subarray(offset + user * 10, offset + user * 10 + 10))
    expect(kolmogorovSmirnov(Float64Array.from(rows.flatMap((row) => [...row])))).toBeLessThan(2.69)
  })

  test('is drawn anew at every step and in every engine (|correlation z| < 5.5: false alarms 8e-8)', () => {
    const engine = create()
    const [first, second, third] = [noiseOf(engine), noiseOf(engine), noiseOf(engine)]
    const score = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0) / Math.sqrt(a.length)
    expect(Math.abs(score(first, second))).toBeLessThan(5.5)
    expect(Math.abs(score(first, third))).toBeLessThan(5.5)
    if (kind === 'csprng') expect(Math.abs(score(first, noiseOf(create())))).toBeLessThan(5.5)
    else expect(noiseOf(create())).toEqual(first)
  })

  test('an empty batch is a legal Poisson batch: it moves every parameter by noise alone', () => {
    const engine = create()
    const before = engine.parameters.slice()
    const report = engine.step(new Uint32Array(4), 0, settings(sgd(1, 0.9), 1))
    expect(report).toEqual({ lossSum: 0, clipped: 0, invalid: 0 })
    expect(engine.parameters.every((value, i) => value !== before[i])).toBe(true)
  })
})

test('builds agree: ten private steps of Adam end within rounding of the reference', () => {
  const results = (['reference', 'wasm', 'wasm-relaxed'] as const).map((kernels) => {
    const engine = engineOf(seededRandom(3), { kernels })
    for (let step = 0; step < 10; step++) engine.step(rowsFrom(step, 100), 100, settings(adam, 0.5))
    expect(engine.kernelsName).toBe(kernels)
    return engine.parameters
  })
  for (const other of results.slice(1))
    expect(results[0]!.reduce((max, value, i) => Math.max(max, Math.abs(value - other[i]!)), 0)).toBeLessThan(1e-4)
})

test('plain training learns the planted ratings, and parts of the model can be left out', () => {
  for (const parts of ['joint', 'deep', 'wide'] as const) {
    const engine = engineOf(seededRandom(4), { config: { ...scaled, parts, initialOutputBias: 0 } })
    const losses = Array.from(
      { length: 150 },
      (_, step) => engine.step(rowsFrom(step, 256), 256, { ...settings(adam, 0, { kind: 'none' }), divisor: 256 }).lossSum / 256,
    )
    const late = losses.slice(-20).reduce((sum, loss) => sum + loss, 0) / 20
    // Demographics alone tell nothing here: the wide part can learn the mean, whose error is the variance of the ratings.
    if (parts === 'wide') expect(late).toBeLessThan(losses[0]! / 4)
    else expect(late).toBeLessThan(0.2)
  }
})

test('momentum and Adam are the textbook updates', () => {
  const rows = rowsFrom(1, 64)
  const gradientAt = (parameters: Float32Array) => {
    const engine = engineOf(seededRandom(6))
    engine.parameters.set(parameters)
    engine.step(rows, 64, settings(sgd(1)))
    return parameters.map((value, i) => value - engine.parameters[i]!)
  }
  for (const optimizer of [sgd(0.1, 0.9), adam]) {
    const engine = engineOf(seededRandom(6))
    const m = new Float64Array(engine.parameterCount)
    const v = new Float64Array(engine.parameterCount)
    for (let t = 1; t <= 3; t++) {
      const before = engine.parameters.slice()
      const g = gradientAt(before)
      engine.step(rows, 64, settings(optimizer))
      for (let i = 0; i < g.length; i++) {
        let expected: number
        if (optimizer.kind === 'sgd') {
          m[i] = optimizer.momentum * m[i]! + g[i]!
          expected = before[i]! - optimizer.learningRate * m[i]!
        } else {
          m[i] = optimizer.beta1 * m[i]! + (1 - optimizer.beta1) * g[i]!
          v[i] = optimizer.beta2 * v[i]! + (1 - optimizer.beta2) * g[i]! ** 2
          const alpha = (optimizer.learningRate * Math.sqrt(1 - optimizer.beta2 ** t)) / (1 - optimizer.beta1 ** t)
          expected = before[i]! - (alpha * m[i]!) / (Math.sqrt(v[i]!) + optimizer.epsilon)
        }
        // The gradient read off a step has the rounding of a parameter, which Adam's first steps blow up where it is near 0.
        if (optimizer.kind === 'adam' && Math.abs(g[i]!) < 1e-5) continue
        if (Math.abs(engine.parameters[i]! - expected) > 2e-4)
          expect.fail(`${optimizer.kind}, step ${t}: ${engine.parameters[i]} instead of ${expected}`)
      }
    }
  }
})

test('a checkpoint holds moments and step number, nothing of the generator, and continues where it was', () => {
  const whole = engineOf(seededRandom(7))
  const first = engineOf(seededRandom(7))
  for (let step = 0; step < 6; step++) whole.step(rowsFrom(step, 80), 80, settings(adam))
  for (let step = 0; step < 3; step++) first.step(rowsFrom(step, 80), 80, settings(adam))
  const state = first.saveState()
  expect(Object.keys(state)).toEqual(['optimizer.first', 'optimizer.second', 'optimizer.steps'])
  const second = engineOf(seededRandom(99))
  second.parameters.set(first.parameters)
  second.loadState(state)
  for (let step = 3; step < 6; step++) second.step(rowsFrom(step, 80), 80, settings(adam))
  expect(second.parameters).toEqual(whole.parameters)
  expect(() => second.loadState({})).toThrow('optimizer.first has no values')
})

test('a NaN rating contributes nothing to training, is counted, and leaves the model finite', () => {
  const ratings = shared.ratings.slice()
  ratings[0] = Number.NaN
  const engine = engineOf(seededRandom(8), { ratings })
  const without = engineOf(seededRandom(8))
  const report = engine.step(Uint32Array.of(1, 0, 2), 3, settings(sgd(0.1)))
  without.step(Uint32Array.of(1, 2), 2, settings(sgd(0.1)))
  expect(report.invalid).toBe(1)
  expect(engine.parameters).toEqual(without.parameters)
})

test('a step that failed half-way leaves nothing behind in the next one', () => {
  const engine = engineOf(seededRandom(9))
  const clean = engineOf(seededRandom(9))
  expect(() =>
    engine.step(
      Uint32Array.from({ length: 200 }, (_, r) => (r === 199 ? ROWS : r)),
      200,
      settings(sgd(0.1)),
    ),
  ).toThrow('outside the columns')
  engine.step(rowsFrom(1, 50), 50, settings(sgd(0.1)))
  clean.step(rowsFrom(1, 50), 50, settings(sgd(0.1)))
  expect(engine.parameters).toEqual(clean.parameters)
})

test('what cannot be private or right is refused', () => {
  const engine = engineOf(seededRandom(10))
  const rows = rowsFrom(1, 2000)
  expect(() => engine.step(rows, 1025, settings(adam))).toThrow(RangeError)
  expect(() => engine.step(rows, 8, settings(adam, 1, { kind: 'none' }))).toThrow('protects nobody')
  expect(() => engine.step(rows, 8, settings(adam, Number.NaN))).toThrow('noiseStdDev is NaN')
  expect(() => engine.step(rows, 8, settings(adam, 1, { kind: 'flat', maxGradNorm: 0 }))).toThrow('maxGradNorm is 0')
  expect(() => engine.step(rows, 8, settings(adam, 1, { kind: 'per-block', maxGradNorms: [1] }))).toThrow('1 bounds')
  expect(() => engine.step(rows, 8, { ...settings(adam), divisor: 0 })).toThrow('divisor is 0')
  expect(() => engineOf(secureRandom(), { noise: aesNoise(seededRandom(1)) })).toThrow('the noise is seeded')
  expect(() => engineOf(seededRandom(1), { config: { ...scaled, hiddenLayers: [0] } })).toThrow('hidden layer 1 is 0')
  expect(() => engineOf(seededRandom(1), { userFeatures: [] })).toThrow('no user column gender')
})

test('a trained model scores the same from its tensors, and other tensors are refused', () => {
  const engine = engineOf(seededRandom(11))
  for (let step = 0; step < 5; step++) engine.step(rowsFrom(step, 128), 128, settings(adam))
  const tensors = networkTensors(engine)
  const model = loadWideAndDeep(scaled, shared, tensors)
  const [fromEngine, fromModel] = [new Float32Array(ROWS), new Float32Array(ROWS)]
  engine.predict(shared.users, shared.items, fromEngine)
  model.predict(shared.users, shared.items, fromModel)
  expect(fromModel).toEqual(fromEngine)
  const scores = new Float32Array(2)
  model.score(shared.users[3]!, shared.items.subarray(3, 5), scores)
  expect(scores[0]).toBe(fromEngine[3])
  expect(() => loadWideAndDeep(scaled, shared, {})).toThrow('tensor embedding.user is missing')
  expect(() => loadWideAndDeep({ ...scaled, hiddenLayers: [8] }, shared, tensors)).toThrow('this model has')
})

test('data without demographics gets the model of the features it has', () => {
  const bare = { ...shared, userFeatures: [] }
  const config = withAvailableFeatures(scaled, bare)
  expect(config.categorical.map(({ name }) => name)).toEqual(['user', 'item'])
  expect(config.numeric).toEqual([])
  const engine = createWideAndDeepEngine({ config, ...bare, maxBatch: 64, random: seededRandom(1) })
  expect(engine.step(rowsFrom(1, 64), 64, settings(adam, 1)).invalid).toBe(0)
})
