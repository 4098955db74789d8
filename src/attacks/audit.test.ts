import { describe, expect, test } from 'vitest'
import { syntheticInteractions } from '../data/index.ts'
import { paperWideAndDeep } from '../models/index.ts'
import { gaussianEpsilon, planDpSgd, planEvent, pldAccountant } from '../privacy/index.ts'
import { seededRandom } from '../random/index.ts'
import { auditBiasFactors, auditWideAndDeep, planClaimFamily } from './audit.ts'

const { data: synthetic } = syntheticInteractions({ users: 100, items: 60, interactions: 3000, seed: 4 })
const delta = 1e-5

describe('the audit report', () => {
  test('Wide & Deep: keys, a bound below the claim, conformance passed, and no verdict of violated on correct code', async () => {
    const plan = planDpSgd({
      privacyUnit: 'rating',
      datasetSize: 3000,
      sampleRate: 0.2,
      steps: 20,
      noiseMultiplier: 0.9,
      clipping: { kind: 'flat', maxGradNorm: 1 },
      delta,
    })
    const { epsilon } = pldAccountant('add-or-remove-one')
      .compose(planEvent(plan, 0, plan.steps))
      .epsilon(delta)
    const report = await auditWideAndDeep({
      claim: { epsilon, delta },
      plan,
      config: paperWideAndDeep,
      synthetic,
      optimizer: { kind: 'adam', learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 },
      batchSize: 600,
      steps: 20,
      random: seededRandom(3),
      canaries: 600,
    })
    expect(report.claimedEpsilon).toBe(epsilon)
    expect(report.epsilonLowerBound).toBeLessThanOrEqual(epsilon)
    expect(report.conformance.filter(({ passed }) => !passed)).toEqual([])
    expect(report.verdict).not.toBe('violated')
    expect(report.holds).toBe(true)
    expect(report.attacks.map(({ name }) => name)).toEqual(['likelihood-ratio', 'parameters-moved', 'loss', 'loss-against-item'])
    for (const { auc, tprAt1Fpr } of report.attacks) {
      expect(auc).toBeGreaterThan(0.3)
      expect(tprAt1Fpr).toBeLessThanOrEqual(1)
    }
  })

  test('Wide & Deep with one bound a block: a canary may use the whole sensitivity', async () => {
    const plan = planDpSgd({
      privacyUnit: 'rating',
      datasetSize: 3000,
      sampleRate: 1,
      steps: 4,
      noiseMultiplier: 2,
      // 3 tables, 2 × 2 of the tower, 2 × 2 of the numbers, 2 of the output
      clipping: { kind: 'per-block', maxGradNorms: Array.from({ length: 13 }, (_, i) => 0.1 + (i % 3) / 10) },
      delta,
    })
    const report = await auditWideAndDeep({
      claim: { epsilon: gaussianEpsilon({ mu: 1, delta }), delta },
      plan,
      config: paperWideAndDeep,
      synthetic,
      optimizer: { kind: 'sgd', learningRate: 0.01, momentum: 0.9 },
      batchSize: 3000,
      steps: 4,
      random: seededRandom(5),
    })
    expect(report.power).toBeGreaterThanOrEqual(0.8)
    expect(report.verdict).toBe('holds')
    expect(report.epsilonLowerBound).toBeGreaterThan(0.3 * report.claimedEpsilon)
  })

  test('a run without privacy has no claim to refute; a network that memorises is seen by its losses', async () => {
    const report = await auditWideAndDeep({
      claim: null,
      plan: null,
      config: paperWideAndDeep,
      synthetic,
      optimizer: { kind: 'adam', learningRate: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 },
      batchSize: 100,
      steps: 1500,
      random: seededRandom(3),
    })
    expect(report.claimedEpsilon).toBe(Number.POSITIVE_INFINITY)
    expect(report.verdict).toBe('inconclusive')
    expect(report.attacks.find(({ name }) => name === 'loss')?.auc).toBeGreaterThan(0.6)
  })

  test('bias-factors: the same report', () => {
    const report = auditBiasFactors({
      claim: { epsilon: 1, delta },
      synthetic,
      itemMetadata: false,
      random: seededRandom(3),
      canaries: 1000,
    })
    expect(report.claimedEpsilon).toBe(1)
    expect(report.epsilonLowerBound).toBeLessThanOrEqual(1)
    expect(report.conformance.filter(({ passed }) => !passed)).toEqual([])
    expect(report.holds).toBe(true)
  })

  test('member 1 of a plan’s family costs what the plan costs, and less noise costs more', () => {
    const plan = planDpSgd({
      privacyUnit: 'rating',
      datasetSize: 3000,
      sampleRate: 0.05,
      steps: 40,
      noiseMultiplier: 1,
      clipping: { kind: 'flat', maxGradNorm: 1 },
      delta,
    })
    const family = planClaimFamily(plan, delta)
    expect(family.epsilonAt(1)).toBeCloseTo(
      pldAccountant('add-or-remove-one')
        .compose(planEvent(plan, 0, 40))
        .epsilon(delta).epsilon,
      6,
    )
    expect(family.epsilonAt(2)).toBeGreaterThan(family.epsilonAt(1))
    expect(family.inverseBlowUpAt(2)(0.9)).toBeLessThan(family.inverseBlowUpAt(1)(0.9))
  })
})
