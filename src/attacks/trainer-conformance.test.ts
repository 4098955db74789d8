import { describe, expect, test } from 'vitest'
import { paperWideAndDeep, type WideAndDeepConfig } from '../models/index.ts'
import { planDpSgd, type poissonBatch } from '../privacy/index.ts'
import { type RandomSource, seededRandom } from '../random/index.ts'
import { createWideAndDeepEngine, type StepEngine } from '../training/index.ts'
import type { RatingColumns } from './dp-sgd-audit.ts'
import { type TrainerUnderTest, trainerConformance } from './trainer-conformance.ts'

const config: WideAndDeepConfig = {
  ...paperWideAndDeep,
  categorical: paperWideAndDeep.categorical.filter(({ of }) => of !== 'user-attribute'),
  numeric: [],
  hiddenLayers: [8],
}
const columns: RatingColumns = {
  users: Uint32Array.from({ length: 200 }, (_, i) => (i * 13) % 30),
  items: Uint32Array.from({ length: 200 }, (_, i) => (i * 7) % 25),
  ratings: Float32Array.from({ length: 200 }, (_, i) => 1 + (i % 5)),
}
const plan = planDpSgd({
  privacyUnit: 'rating',
  datasetSize: 2000,
  sampleRate: 0.05,
  steps: 50,
  noiseMultiplier: 1.3,
  clipping: { kind: 'flat', maxGradNorm: 0.7 },
  delta: 1e-5,
})

const engineOver = (over: RatingColumns, maxBatch: number, random: RandomSource) =>
  createWideAndDeepEngine({ config, userCount: 30, itemCount: 25, userFeatures: [], itemFeatures: [], ...over, maxBatch, random })

function failed(
  seed: number,
  plant: (engine: StepEngine) => StepEngine = (engine) => engine,
  trainer: Partial<TrainerUnderTest> = {},
): string[] {
  const random = seededRandom(seed)
  let started = 0
  const results = trainerConformance({
    plan,
    columns,
    random,
    trainer: { makeEngine: (over, maxBatch) => plant(engineOver(over, maxBatch, random.split(`engine ${started++}`))), ...trainer },
  })
  return results.filter(({ passed }) => !passed).map(({ name }) => name)
}

describe('conformance of the Wide & Deep trainer', () => {
  test('correct code passes every check in 20 of 20 seeded runs (false-alarm rate 1e-6 a check)', () => {
    for (let seed = 0; seed < 20; seed++) expect(failed(seed)).toEqual([])
  })

  test('half the noise fails the noise variance', () => {
    expect(
      failed(1, (engine) => ({
        ...engine,
        step: (rows, count, settings) => engine.step(rows, count, { ...settings, noiseStdDev: settings.noiseStdDev / 2 }),
      })),
    ).toContain('noise-variance')
  })

  test('no clipping fails the sensitivity', () => {
    const plant = (engine: StepEngine): StepEngine => ({
      ...engine,
      step: (rows, count, settings) => engine.step(rows, count, { ...settings, clipping: { kind: 'flat', maxGradNorm: 1e6 } }),
    })
    expect(failed(1, plant)).toContain('sensitivity')
  })

  test('noise missing on rows that no example touched fails the check of every coordinate', () => {
    const plant = (engine: StepEngine): StepEngine => ({
      ...engine,
      step(rows, count, settings) {
        const before = engine.parameters.slice()
        engine.step(rows, count, { ...settings, noiseStdDev: 0 })
        const quiet = engine.parameters.map((value, i) => (value === before[i] ? 1 : 0))
        engine.parameters.set(before)
        const report = engine.step(rows, count, settings)
        for (let i = 0; i < quiet.length; i++) if (quiet[i] === 1) engine.parameters[i] = before[i] as number
        return report
      },
    })
    expect(failed(1, plant)).toContain('noise-on-every-coordinate')
  })

  test('a divisor that follows the realised batch fails additivity', () => {
    const plant = (engine: StepEngine): StepEngine => ({
      ...engine,
      step: (rows, count, settings) => engine.step(rows, count, { ...settings, divisor: Math.max(1, count) }),
    })
    expect(failed(1, plant)).toContain('additivity')
  })

  test('shuffled batches in place of Poisson samples fail the inclusion checks', () => {
    let order: number[] = []
    const shuffled: typeof poissonBatch = (over, _step, random, out) => {
      const size = Math.round((over.sampleRate as number) * over.datasetSize)
      if (order.length < size) {
        order = Array.from({ length: over.datasetSize }, (_, i) => i)
        for (let i = order.length - 1; i > 0; i--) {
          const j = Math.floor(random.nextDouble() * (i + 1))
          ;[order[i], order[j]] = [order[j] as number, order[i] as number]
        }
      }
      out.set(order.splice(0, size))
      return size
    }
    expect(failed(1, undefined, { sampleBatch: shuffled })).toEqual(expect.arrayContaining(['batch-size', 'inclusion-frequency']))
  })

  test('a seed reused by the next attempt fails the independence of noise', () => {
    expect(failed(1, undefined, { makeEngine: (over, maxBatch) => engineOver(over, maxBatch, seededRandom(99)) })).toContain(
      'noise-between-steps',
    )
  })

  test('noise once a micro-batch fails the noise variance', () => {
    const plant = (engine: StepEngine): StepEngine => ({
      ...engine,
      step(rows, count, settings) {
        // Every 32 rows draw the noise again.
        const draws = Math.max(1, Math.ceil(count / 32))
        return engine.step(rows, count, { ...settings, noiseStdDev: settings.noiseStdDev * Math.sqrt(draws) })
      },
    })
    expect(failed(1, plant)).toContain('noise-variance')
  })

  test('rows left over from a larger batch are seen', () => {
    const plant = (engine: StepEngine): StepEngine => {
      let stale = new Uint32Array(0)
      return {
        ...engine,
        step(rows, count, settings) {
          // A loop in fours that takes in what the batch before left behind its end.
          const padded = Uint32Array.from(
            { length: Math.ceil(count / 4) * 4 },
            (_, i) => (i < count ? rows[i] : (stale[i] ?? rows[i])) ?? 0,
          )
          stale = rows.slice(0, Math.max(count, stale.length))
          return engine.step(padded, padded.length, settings)
        },
      }
    }
    const names = failed(1, plant)
    expect(names.some((name) => ['additivity', 'stale-rows', 'sensitivity'].includes(name))).toBe(true)
  })
})
