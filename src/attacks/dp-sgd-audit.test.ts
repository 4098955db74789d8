import { describe, expect, test } from 'vitest'
import { paperWideAndDeep, type WideAndDeepConfig } from '../models/index.ts'
import { gaussianEpsilon, planDpSgd } from '../privacy/index.ts'
import { type RandomSource, seededRandom } from '../random/index.ts'
import { createWideAndDeepEngine, type StepEngine } from '../training/index.ts'
import { canaryScene } from './canary-scene.ts'
import { auditDpSgd, type RatingColumns } from './dp-sgd-audit.ts'
import { gaussianClaimFamily } from './f-dp.ts'
import { verdictOf } from './verdict.ts'

const delta = 1e-5
const config: WideAndDeepConfig = {
  ...paperWideAndDeep,
  categorical: paperWideAndDeep.categorical.filter(({ of }) => of !== 'user-attribute'),
  numeric: [],
  hiddenLayers: [16, 8],
}
const data = { userCount: 60, itemCount: 40, userFeatures: [], itemFeatures: [] }

/** Every row in every batch, so that the whole run is one Gaussian mechanism with μ = √steps/σ. */
function setting({
  noiseMultiplier,
  steps,
  canaryCount,
  seed,
}: {
  noiseMultiplier: number
  steps: number
  canaryCount: number
  seed: number
}) {
  const random = seededRandom(seed)
  const scene = canaryScene({ config, data, ratingScale: { min: 1, max: 5 }, count: canaryCount, random: random.split('scene') })
  const rows = 300
  const background: RatingColumns = {
    users: Uint32Array.from({ length: rows }, (_, i) => i % 60),
    items: Uint32Array.from({ length: rows }, (_, i) => (i * 7) % 40),
    ratings: Float32Array.from({ length: rows }, (_, i) => 1 + (i % 5)),
  }
  const engineOver = (columns: RatingColumns, maxBatch: number, source: RandomSource) =>
    createWideAndDeepEngine({ config: scene.config, ...scene.data, ...columns, maxBatch, random: source })
  const plan = planDpSgd({
    privacyUnit: 'rating',
    datasetSize: rows,
    sampleRate: 1,
    steps,
    noiseMultiplier,
    clipping: { kind: 'flat', maxGradNorm: 1 },
    delta,
  })
  const mu = Math.sqrt(steps) / noiseMultiplier
  const family = gaussianClaimFamily(mu, delta)
  const claim = gaussianEpsilon({ mu, delta })
  const audit = (plant: (engine: StepEngine) => StepEngine = (engine) => engine) =>
    auditDpSgd({
      plan,
      family,
      delta,
      confidence: 0.999,
      background,
      canaries: scene.canaries,
      exclusive: scene.exclusive,
      prepare: scene.prepare,
      makeEngine: (columns, maxBatch) => plant(engineOver(columns, maxBatch, random.split('engine'))),
      makeProbe: (columns, maxBatch) => engineOver(columns, maxBatch, random.split('probe')),
      random: random.split('audit'),
    })
  return { claim, audit }
}

describe('auditing DP-SGD with canaries', () => {
  test('on correct code the bound stays below the claim in 20 of 20 seeded runs, at confidence 99.9 % each', () => {
    for (let seed = 0; seed < 20; seed++) {
      const { claim, audit } = setting({ noiseMultiplier: 3, steps: 9, canaryCount: 600, seed })
      const { epsilonLowerBound } = audit()
      expect(epsilonLowerBound).toBeLessThanOrEqual(claim)
    }
  })

  test('at μ = 1 it has the power to see halved noise, finds a real share of the claim, and says holds', () => {
    const { claim, audit } = setting({ noiseMultiplier: 3, steps: 9, canaryCount: 2000, seed: 1 })
    const result = audit()
    expect(result.power).toBeGreaterThanOrEqual(0.8)
    expect(result.epsilonLowerBound).toBeGreaterThan(0.3 * claim)
    expect(verdictOf({ claimedEpsilon: claim, ...result, conformanceFailed: false })).toBe('holds')
  })

  test('at a small ε it has no power and says inconclusive', () => {
    const { claim, audit } = setting({ noiseMultiplier: 60, steps: 4, canaryCount: 300, seed: 1 })
    const result = audit()
    expect(claim).toBeLessThan(0.12)
    expect(result.power).toBeLessThan(0.8)
    expect(verdictOf({ claimedEpsilon: claim, ...result, conformanceFailed: false })).toBe('inconclusive')
  })

  const plants: Record<string, (engine: StepEngine) => StepEngine> = {
    'half the noise': (engine) => ({
      ...engine,
      step: (rows, count, settings) => engine.step(rows, count, { ...settings, noiseStdDev: settings.noiseStdDev / 2 }),
    }),
    'no clipping': (engine) => ({
      ...engine,
      step: (rows, count, settings) => engine.step(rows, count, { ...settings, clipping: { kind: 'flat', maxGradNorm: 1e6 } }),
    }),
    'noise missing on rows that no example touched': (engine) => {
      const before = new Float32Array(engine.parameterCount)
      return {
        ...engine,
        step(rows, count, settings) {
          // What a step without noise would leave alone gets no noise.
          before.set(engine.parameters)
          engine.step(rows, count, { ...settings, noiseStdDev: 0 })
          const touched = engine.parameters.map((value, i) => (value === before[i] ? 0 : 1))
          engine.parameters.set(before)
          const report = engine.step(rows, count, settings)
          for (let i = 0; i < touched.length; i++) if (touched[i] === 0) engine.parameters[i] = before[i] as number
          return report
        },
      }
    },
  }
  test.each(Object.entries(plants))('the bound catches a planted bug: %s', (_, plant) => {
    const { claim, audit } = setting({ noiseMultiplier: 3, steps: 9, canaryCount: 2000, seed: 2 })
    expect(audit(plant).epsilonLowerBound).toBeGreaterThan(claim)
  })
})
