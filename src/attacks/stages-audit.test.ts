import { describe, expect, test } from 'vitest'
import { syntheticInteractions } from '../data/index.ts'
import { gaussianMu } from '../privacy/index.ts'
import { seededRandom } from '../random/index.ts'
import { auditStages, gaussianStageMechanism, type StageMechanism, stagesConformance } from './stages-audit.ts'
import { verdictOf } from './verdict.ts'

const delta = 1e-5
const { data: synthetic } = syntheticInteractions({ users: 120, items: 80, interactions: 2000, seed: 5 })

function audit(epsilon: number, seed: number, canaries: number, mechanism: StageMechanism = gaussianStageMechanism) {
  return auditStages({
    epsilon,
    delta,
    mu: gaussianMu({ epsilon, delta }),
    synthetic,
    itemMetadata: false,
    canaries,
    confidence: 0.999,
    random: seededRandom(seed),
    mechanism,
  })
}

const halved: StageMechanism = (statistic, request) =>
  gaussianStageMechanism(statistic, { ...request, noiseMultiplier: request.noiseMultiplier / 2 })

describe('auditing bias-factors', () => {
  test('on correct code the bound stays below the claim in 20 of 20 seeded runs', () => {
    for (let seed = 0; seed < 20; seed++)
      for (const epsilon of [0.5, 4]) expect(audit(epsilon, seed, 600).epsilonLowerBound).toBeLessThanOrEqual(epsilon)
  })

  test('at ε = 2 it would see halved noise, and does when it is planted', () => {
    const honest = audit(2, 1, 16_000)
    expect(honest.power).toBeGreaterThanOrEqual(0.8)
    expect(verdictOf({ claimedEpsilon: 2, ...honest, conformanceFailed: false })).toBe('holds')
    expect(audit(2, 1, 16_000, halved).epsilonLowerBound).toBeGreaterThan(2)
  })

  test('at ε = 0.04 it says inconclusive', () => {
    expect(verdictOf({ claimedEpsilon: 0.04, ...audit(0.04, 1, 1000), conformanceFailed: false })).toBe('inconclusive')
  })
})

describe('conformance of the stages', () => {
  const failed = (mechanism: StageMechanism, epsilon: number, seed = 1) =>
    stagesConformance({ epsilon, delta, synthetic, itemMetadata: false, random: seededRandom(seed), mechanism, neighbours: 8 })
      .filter(({ passed }) => !passed)
      .map(({ name }) => name)

  test('correct code passes every check in 20 of 20 seeded runs (false-alarm rate 1e-6 a check)', () => {
    for (let seed = 0; seed < 20; seed++) expect(failed(gaussianStageMechanism, seed % 2 ? 8 : 0.3, seed)).toEqual([])
  })

  test('half the noise fails the noise variance of every stage', () => {
    expect(failed(halved, 0.3).filter((name) => name.startsWith('noise-variance')).length).toBeGreaterThan(0)
  })

  test('noise drawn from a seed that every release starts anew is seen', () => {
    const repeated: StageMechanism = (statistic, request) => gaussianStageMechanism(statistic, { ...request, random: seededRandom(3) })
    expect(failed(repeated, 0.3).some((name) => name.startsWith('noise-'))).toBe(true)
  })
})
