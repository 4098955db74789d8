import { expect, test } from 'vitest'
import { paperWideAndDeep } from '../models/index.ts'
import { secureRandom, seededRandom } from '../random/index.ts'
import type { StepSettings } from './engine.ts'
import { createNodeWideAndDeepEngine } from './index.node.ts'

const [USERS, ITEMS, ROWS] = [50, 40, 3000]
const random = seededRandom(1)
const pick = (n: number) => Math.floor(random.nextDouble() * n)
const columns = {
  userCount: USERS,
  itemCount: ITEMS,
  userFeatures: ['gender', 'age', 'occupation'].map((name, index) => ({
    name,
    kind: index === 0 ? ('categorical' as const) : ('numeric' as const),
    values: Float32Array.from({ length: USERS }, () => pick(index === 0 ? 2 : 20)),
    categories: index === 0 ? ['F', 'M'] : null,
  })),
  itemFeatures: [],
  users: Uint32Array.from({ length: ROWS }, () => pick(USERS)),
  items: Uint32Array.from({ length: ROWS }, () => pick(ITEMS)),
  ratings: Float32Array.from({ length: ROWS }, (_, r) => (r === 77 ? Number.NaN : 1 + pick(5))),
}
const rows = Uint32Array.from({ length: 501 }, (_, r) => (r * 7) % ROWS)
const settings = (clipping: StepSettings['clipping'], noiseStdDev: number): StepSettings => ({
  divisor: 500,
  clipping,
  noiseStdDev,
  optimizer: { kind: 'sgd', learningRate: 0.5, momentum: 0.9 },
})
const engineWith = (threads: number) =>
  createNodeWideAndDeepEngine({
    config: { ...paperWideAndDeep, inputs: 'scaled' },
    ...columns,
    maxBatch: 1024,
    random: seededRandom(3),
    threads,
    minRowsPerThread: 64,
  })

test('three threads take the same private steps as one, to rounding, and count the same, NaN example included', async () => {
  const [one, three] = [await engineWith(1), await engineWith(3)]
  const bounds = one.blocks.map((_, b) => 0.2 + 0.1 * b)
  const clippings = [
    { kind: 'flat', maxGradNorm: 1 },
    { kind: 'automatic', maxGradNorm: 1, stability: 0.01 },
    { kind: 'per-block', maxGradNorms: bounds },
    { kind: 'none' },
  ] as const
  for (const clipping of clippings)
    for (const count of [0, 1, 63, 130, 501]) {
      const noise = clipping.kind === 'none' ? 0 : 0.1
      // Row 11·7 = 77 holds the NaN.
      const [a, b] = [one.step(rows, count, settings(clipping, noise)), three.step(rows, count, settings(clipping, noise))]
      expect({ clipped: b.clipped, invalid: b.invalid }).toEqual({ clipped: a.clipped, invalid: count > 11 ? 1 : 0 })
      expect(Math.abs(a.lossSum - b.lossSum)).toBeLessThanOrEqual(1e-4 * (1 + a.lossSum))
      const worst = one.parameters.reduce((max, value, i) => Math.max(max, Math.abs(value - three.parameters[i]!)), 0)
      expect(worst, `${clipping.kind}, ${count} rows`).toBeLessThan(1e-4)
    }
  for (const engine of [one, three]) engine.close()
})

test('a thread that fails makes the step fail, with nothing changed', async () => {
  const engine = await engineWith(2)
  const before = engine.parameters.slice()
  const outside = Uint32Array.from({ length: 400 }, (_, r) => (r === 399 ? ROWS : r))
  expect(() => engine.step(outside, 400, settings({ kind: 'flat', maxGradNorm: 1 }, 1))).toThrow('the step had no effect')
  expect(engine.parameters).toEqual(before)
  expect(engine.step(rows, 400, settings({ kind: 'flat', maxGradNorm: 1 }, 1)).invalid).toBe(1)
  engine.close()
})

test('the engine of Node draws its noise from the system, or from the seed when the run is seeded', async () => {
  const of = (source: ReturnType<typeof seededRandom>) =>
    createNodeWideAndDeepEngine({ config: paperWideAndDeep, ...columns, maxBatch: 8, random: source })
  expect((await of(secureRandom())).noiseGenerator).toBe('aes-256-ctr-drbg')
  expect((await of(seededRandom(1))).noiseGenerator).toBe('aes-256-ctr')
  await expect(engineWith(0)).rejects.toThrow('threads is 0')
})
