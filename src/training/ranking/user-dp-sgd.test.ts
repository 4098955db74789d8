import { describe, expect, test } from 'vitest'
import { type Positives, positivesFrom } from '../../data/index.ts'
import { type ClippingPolicy, checkInclusion, type PrivacyEvent, pldAccountant, poissonBatch, sensitivityOf } from '../../privacy/index.ts'
import { fillNormals, type RandomSource, seededRandom } from '../../random/index.ts'
import { itemFoldInTrainer, tasteObjective } from './item-fold-in.ts'
import { checkNoPersonVectors, personConformance, plantedPersonBugs, withFoldInVectors } from './person-conformance.ts'
import { pairwiseObjective } from './private-bpr.ts'
import { createTower, towerObjective } from './private-neumf.ts'
import { rankingTrainer, resolveParameters } from './registry.ts'
import { createRowSums } from './row-sums.ts'
import { choosePersonSampling, samplingReport } from './sampling-choice.ts'
import type { RankingPrivacy } from './trainer.ts'
import {
  type CrossPersonOperator,
  createClippedSummer,
  type PersonObjective,
  type PersonRows,
  personUnits,
  planPersonSteps,
  refuseCrossPerson,
  removeDirection,
  runPersonSteps,
} from './user-dp-sgd.ts'

const rows = 24
const width = 3

/** A public direction and weights as a popularity release would give them; a table that may be extreme. */
function setting(random: RandomSource, scale = 1) {
  const direction = Float64Array.from({ length: rows }, () => 0.2 + random.nextDouble())
  const length = Math.hypot(...direction)
  const table = new Float64Array(rows * width)
  fillNormals(table, random, scale)
  return {
    weights: Float64Array.from({ length: rows }, () => 10 ** (2 * random.nextDouble() - 1)),
    direction: direction.map((x) => x / length),
    table,
  }
}

const objectives: Record<string, (random: RandomSource, scale?: number) => PersonObjective> = {
  'taste (item-fold-in)': (random, scale) => {
    const { weights, direction, table } = setting(random, scale)
    return tasteObjective(weights, direction, table, width)
  },
  'pairwise (bpr)': (random, scale) => {
    const { weights, direction, table } = setting(random, scale)
    return pairwiseObjective(weights, table, width, { negatives: 2, projectOut: direction })
  },
  'tower (neumf)': (random, scale) => {
    const { table } = setting(random, scale)
    const bias = Float64Array.from({ length: rows }, () => 4 * random.nextDouble() - 2)
    const output = table.map((x) => x / 2)
    return towerObjective(createTower([2 * width, 4, 2, 1], random), { input: table, output, bias, width, negatives: 2 })
  },
}

const policies: ClippingPolicy[] = [
  { kind: 'flat', maxGradNorm: 0.3 },
  { kind: 'flat', maxGradNorm: 1e-3 },
  { kind: 'automatic', maxGradNorm: 0.5, stability: 1e-3 },
  { kind: 'adaptive', initialMaxGradNorm: 0.2, targetQuantile: 0.5, learningRate: 0.2, countNoiseStdDev: 10 },
]

/** People who try to move a sum: everything, one thing, the same thing again and again, the most and the least common only, nothing. */
function adversary(kind: number, random: RandomSource): Uint32Array {
  const one = Math.floor(random.nextDouble() * rows)
  switch (kind % 7) {
    case 0:
      return Uint32Array.from({ length: rows }, (_, item) => item)
    case 1:
      return Uint32Array.of(one)
    case 2:
      return new Uint32Array(50).fill(one)
    case 3:
      return Uint32Array.of(0, rows - 1)
    case 4:
      return new Uint32Array(0)
    case 5:
      return Uint32Array.from({ length: rows * 2 }, (_, at) => at % rows)
    default:
      return Uint32Array.from({ length: rows }, (_, item) => item).filter(() => random.nextDouble() < 0.3)
  }
}

/** Projected clipped sum over people, as the step releases it but for the noise. */
function sumOf(
  objective: PersonObjective,
  clipping: ClippingPolicy,
  people: readonly PersonRows[],
  seeds: readonly number[],
): Float64Array {
  const summer = createClippedSummer(objective, clipping)
  for (const [at, person] of people.entries()) summer.add(person, sensitivityOf(clipping), seededRandom(seeds[at] as number))
  const dense = objective.tables.map((table) => new Float64Array(table.rows * table.width))
  summer.batch.sum.addInto(dense)
  if (objective.projectOut) removeDirection(dense[0] as Float64Array, objective.projectOut, width)
  return Float64Array.from(dense.flatMap((table) => [...table]))
}

const distance = (a: Float64Array, b: Float64Array) => Math.sqrt(a.reduce((sum, x, i) => sum + (x - (b[i] as number)) ** 2, 0))

describe.each(Object.entries(objectives))('a person in a step: %s', (_name, make) => {
  test('moves the clipped sum by no more than the bound: 3,360 neighbouring pairs, adversarial people and extreme tables among them', () => {
    const random = seededRandom(11)
    let most = 0
    for (let round = 0; round < 40; round++) {
      const objective = make(random, [1, 1e-6, 1e6, 1e150][round % 4])
      for (const clipping of policies)
        for (let kind = 0; kind < 21; kind++) {
          const others = Array.from({ length: kind % 4 }, (_, at) => adversary(kind + at + 1, random))
          const added = adversary(kind, random)
          const people = [...others, added].map((history) => ({ history, targets: history }))
          const seeds = people.map((_, at) => 1_000 * round + at)
          const moved = distance(sumOf(objective, clipping, people, seeds), sumOf(objective, clipping, people.slice(0, -1), seeds))
          const share = moved / sensitivityOf(clipping)
          expect(share, `${clipping.kind}, person of kind ${kind % 7}`).toBeLessThanOrEqual(1 + 1e-9)
          most = Math.max(most, share)
        }
    }
    // The bound is reached: a missing factor would show.
    expect(most).toBeGreaterThan(0.999)
  })

  test('moves it by no more than as many bounds as slots of theirs were sampled', () => {
    const random = seededRandom(12)
    for (let round = 0; round < 300; round++) {
      const objective = make(random)
      const clipping = policies[round % policies.length] as ClippingPolicy
      const history = adversary(round, random)
      const likes = positivesFrom([[1, 2, 3], [...new Set(history)]], rows)
      const unit = personUnits(likes, { sampling: 'interactions', interactionsPerPerson: 6 }, random)
      const others = [unit(0), unit(2)]
      const sampled = [6, 7, 9, 11].slice(0, 1 + (round % 4)).map(unit)
      const seeds = [1, 2, 3, 4, 5, 6]
      const moved = distance(sumOf(objective, clipping, [...others, ...sampled], seeds), sumOf(objective, clipping, others, seeds))
      expect(moved).toBeLessThanOrEqual(sampled.length * sensitivityOf(clipping) * (1 + 1e-9))
    }
  })

  test('passes the conformance checks, and each planted bug is caught by the check that is named for it', () => {
    const random = seededRandom(13)
    const likes = positivesFrom(
      Array.from({ length: 31 }, (_, person) => [...new Set(adversary(person % 7 === 4 ? 6 : person, random))]),
      rows,
    )
    const scene = { objective: make(random), likes, clipping: policies[1] as ClippingPolicy, noiseMultiplier: 1.3, expectedBatchSize: 12 }
    for (const result of personConformance(scene)) expect(result.passed, `${result.name}: ${result.detail}`).toBe(true)
    for (const bug of ['clipped-per-interaction', 'no-noise-on-untouched-rows'] as const) {
      const failed = personConformance(scene, bug).filter(({ passed }) => !passed)
      expect(failed.map(({ name }) => name)).toContain(plantedPersonBugs[bug].check)
    }
  })
})

describe('gradients are those of the losses they are named for', () => {
  const history = Uint32Array.of(1, 4, 5, 9)
  const gradientOf = (objective: PersonObjective) => {
    const sums = createRowSums(objective.tables)
    objective.addGradient({ history, targets: history }, sums, seededRandom(6))
    const dense = objective.tables.map((table) => new Float64Array(table.rows * table.width))
    sums.addInto(dense)
    return dense
  }
  const derivative = (loss: () => number, parameters: Float64Array, at: number) => {
    const kept = parameters[at] as number
    const values = [1e-5, -1e-5].map((step) => {
      parameters[at] = kept + step
      return loss()
    }) as [number, number]
    parameters[at] = kept
    return (values[0] - values[1]) / 2e-5
  }

  test('taste: ‖Vᵀy‖', () => {
    const { weights, direction, table } = setting(seededRandom(21))
    const objective = tasteObjective(weights, direction, table, width)
    const length = () => {
      const vector = new Float64Array(width)
      let square = 0
      for (const row of history) {
        square += (weights[row] as number) ** 2
        for (let c = 0; c < width; c++) vector[c]! += (weights[row] as number) * (table[row * width + c] as number)
      }
      return Math.hypot(...vector) / Math.sqrt(square)
    }
    const [gradient] = gradientOf(objective) as [Float64Array]
    for (let at = 0; at < table.length; at++) expect(gradient[at]).toBeCloseTo(derivative(length, table, at), 6)
  })

  test('tower: mean logistic loss over likes and drawn items', () => {
    const random = seededRandom(22)
    const { table } = setting(random)
    const tower = createTower([2 * width, 4, 2, 1], random)
    const bias = Float64Array.from({ length: rows }, (_, row) => row / 10 - 1)
    const objective = towerObjective(tower, { input: table, output: table.map((x) => -x), bias, width, negatives: 2 })
    const layers = tower.layers
    /** The same loss by another way: forward only, with the same draws. */
    const loss = () => {
      const draws = seededRandom(6)
      const vector = Array.from({ length: width }, (_, c) => {
        let sum = 0
        for (const row of history) sum += table[row * width + c] as number
        return sum / Math.sqrt(history.length)
      })
      const logit = (row: number) => {
        const item = [...table.subarray(row * width, (row + 1) * width)]
        let values = [...vector, ...item]
        for (const [layer, weights] of layers.entries()) {
          const outputs = weights.length / (values.length + 1)
          values = Array.from({ length: outputs }, (_, o) => {
            const sum = [...values, 1].reduce((total, x, i) => total + x * (weights[i * outputs + o] as number), 0)
            return layer === layers.length - 1 ? sum : Math.max(0, sum)
          })
        }
        return (bias[row] as number) - item.reduce((sum, x, c) => sum + x * (vector[c] as number), 0) + (values[0] as number)
      }
      let total = 0
      for (const row of history) {
        total += Math.log1p(Math.exp(-logit(row)))
        for (let draw = 0; draw < 2; draw++) {
          let other = Math.floor(draws.nextDouble() * rows)
          while (history.includes(other)) other = Math.floor(draws.nextDouble() * rows)
          total += Math.log1p(Math.exp(logit(other)))
        }
      }
      return total / (3 * history.length)
    }
    for (const [layer, gradient] of gradientOf(objective).entries())
      for (let at = 0; at < gradient.length; at++) expect(gradient[at]).toBeCloseTo(derivative(loss, layers[layer] as Float64Array, at), 6)
  })
})

test('a gradient that is not a number contributes nothing', () => {
  const objective: PersonObjective = {
    tables: [{ name: 'items', rows: 2, width: 1 }],
    addGradient({ history }, into) {
      into.values[into.row(0, 0)]! += history[0] === 0 ? Number.NaN : history[0] === 1 ? Infinity : 1e200
    },
  }
  const clipping: ClippingPolicy = { kind: 'flat', maxGradNorm: 1 }
  const person = (item: number) => ({ history: Uint32Array.of(item), targets: Uint32Array.of(item) })
  const summer = createClippedSummer(objective, clipping)
  for (const item of [0, 1, 2]) summer.add(person(item), 1, seededRandom(1))
  const dense = [new Float64Array(2)]
  summer.batch.sum.addInto(dense)
  // The square of 1e200 is infinite: the norm cannot be told, so nothing is added.
  expect([...(dense[0] as Float64Array)]).toEqual([0, 0])
  expect(summer.batch.unclipped).toBe(0)
})

describe('a plan for people', () => {
  const privacy: RankingPrivacy = { unit: 'user', epsilon: 2, delta: 1e-6, alongside: [{ kind: 'gaussian', noiseMultiplier: 30 }] }
  const base = { model: 'test', personCount: 3_000, interactionsPerPerson: 8, steps: 20, privacy }
  const epsilonOf = (events: readonly PrivacyEvent[]) =>
    events.reduce((accountant, event) => accountant.compose(event), pldAccountant()).epsilon(privacy.delta).epsilon

  test.each([
    ['people', 1],
    ['people', 0.1],
    ['interactions', 1],
    ['interactions', 0.1],
  ] as const)('sampling %s at rate %d meets ε with everything beside it, and wastes nothing', (sampling, sampleRate) => {
    const { event, plan } = planPersonSteps({ ...base, sampling, sampleRate, clipping: { kind: 'flat', maxGradNorm: 1 } })
    const epsilon = epsilonOf([...privacy.alongside, event])
    expect(epsilon).toBeLessThanOrEqual(privacy.epsilon * (1 + 1e-9))
    expect(epsilon).toBeGreaterThan(privacy.epsilon * 0.99)
    expect(plan.privacyUnit).toBe(sampling === 'people' ? 'user' : 'rating')
    const kinds = JSON.stringify(event)
    expect(kinds.includes('mixture-of-gaussians')).toBe(sampling === 'interactions' && sampleRate < 1)
    expect(kinds.includes('poisson-sampled')).toBe(sampling === 'people' && sampleRate < 1)
  })

  test('adaptive clipping pays for its count out of the same noise', async () => {
    const { plan, event } = planPersonSteps({
      ...base,
      sampling: 'people',
      sampleRate: 1,
      clipping: (noiseMultiplier) => ({
        kind: 'adaptive',
        initialMaxGradNorm: 1,
        targetQuantile: 0.5,
        learningRate: 0.2,
        countNoiseStdDev: noiseMultiplier,
      }),
    })
    const flat = planPersonSteps({ ...base, sampling: 'people', sampleRate: 1, clipping: { kind: 'flat', maxGradNorm: 1 } })
    // The same price, by the same events: what the count takes is taken from the gradients (gradientShare).
    expect(event).toEqual(flat.event)
    const noise: number[] = []
    const random = seededRandom(3)
    await runPersonSteps({
      objective: objectives['taste (item-fold-in)']?.(random) as PersonObjective,
      likes: { ...positivesFrom([], rows), personCount: 3_000, offsets: new Uint32Array(3_001) },
      plan: { sampling: 'people', plan, interactionsPerPerson: 8, event },
      random,
      apply: ({ noiseStdDev, maxGradNorm }) => void noise.push((noiseStdDev * plan.expectedBatchSize) / maxGradNorm),
    })
    const sigma = plan.noiseMultiplier as number
    for (const each of noise) expect(each).toBeCloseTo(sigma / Math.sqrt(1 - 1 / 4), 6)
  })

  test('whose row is emptied moves the count of adaptive clipping by no more than the half that it is paid for', () => {
    const random = seededRandom(17)
    const objective = objectives['taste (item-fold-in)']?.(random) as PersonObjective
    const clipping: ClippingPolicy = {
      kind: 'adaptive',
      initialMaxGradNorm: 1e-3,
      targetQuantile: 0.5,
      learningRate: 0.2,
      countNoiseStdDev: 10,
    }
    const centredCount = (own: Uint32Array, bound: number) => {
      const summer = createClippedSummer(objective, clipping)
      for (const history of [Uint32Array.of(1, 2), own]) summer.add({ history, targets: history }, bound, seededRandom(1))
      return summer.batch.unclipped - summer.batch.units / 2
    }
    for (const bound of [1e-3, 1e3])
      for (let kind = 0; kind < 7; kind++) {
        const moved = centredCount(adversary(kind, random), bound) - centredCount(new Uint32Array(0), bound)
        expect(Math.abs(moved)).toBeLessThanOrEqual(0.5)
      }
  })

  test('refuses ratings as the unit, data of another size, per-block clipping, and more than is left', async () => {
    const plan = planPersonSteps({ ...base, sampling: 'people', sampleRate: 1, clipping: { kind: 'flat', maxGradNorm: 1 } })
    const ask = { ...base, sampling: 'people', sampleRate: 1, clipping: { kind: 'flat', maxGradNorm: 1 } } as const
    expect(() => planPersonSteps({ ...ask, privacy: { ...privacy, unit: 'rating' } })).toThrow('whole person')
    expect(() => planPersonSteps({ ...ask, beside: [{ kind: 'gaussian', noiseMultiplier: 0.1 }] })).toThrow('leaves nothing')
    const random = seededRandom(1)
    const objective = objectives['pairwise (bpr)']?.(random) as PersonObjective
    const run = (likes: Positives) => runPersonSteps({ objective, likes, plan, random, apply: () => {} })
    await expect(run(positivesFrom([[1]], rows))).rejects.toThrow('3000 rows')
    expect(() => createClippedSummer(objective, { kind: 'per-block', maxGradNorms: [1] })).toThrow('as a whole')
  })

  test('people enter a step as its Poisson sampler says', () => {
    const { plan } = planPersonSteps({
      ...base,
      personCount: 200,
      sampling: 'people',
      sampleRate: 0.2,
      clipping: { kind: 'flat', maxGradNorm: 1 },
    })
    const random = seededRandom(9)
    const out = new Uint32Array(200)
    const results = checkInclusion(
      { rowCount: 200, sampleRate: 0.2, batch: (step) => out.slice(0, poissonBatch(plan, step % plan.steps, random, out)) },
      { steps: 400 },
    )
    for (const result of results) expect(result.passed, `${result.name}: ${result.detail}`).toBe(true)
  })

  test('slots hold a bounded part of a history, each like at most once, and empty ones hold nothing', () => {
    const likes = positivesFrom([[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [3, 4], []], rows)
    const unit = personUnits(likes, { sampling: 'interactions', interactionsPerPerson: 4 }, seededRandom(2))
    const held = (person: number) => Array.from({ length: 4 }, (_, slot) => [...unit(4 * person + slot).targets]).flat()
    expect(new Set(held(0)).size).toBe(4)
    expect(held(1).sort()).toEqual([3, 4])
    expect(held(2)).toEqual([])
  })
})

describe('which sampling is cheaper', () => {
  const privacy: RankingPrivacy = { unit: 'user', epsilon: 1, delta: 1e-6, alongside: [] }
  const base = { model: 'test', personCount: 5_000, interactionsPerPerson: 10, steps: 40, privacy }

  test('full batches: alike if a person’s interactions agree, people if they do not', () => {
    const choice = choosePersonSampling({ ...base, sampleRate: 1 })
    expect(choice.breakEvenCoherence).toBeCloseTo(1, 9)
    expect(choosePersonSampling({ ...base, sampleRate: 1, coherence: 0.5 }).cheaper).toBe('people')
  })

  test('the answer turns at the coherence that is printed', () => {
    const choice = choosePersonSampling({ ...base, steps: 10, sampleRate: 0.05 })
    const at = choice.breakEvenCoherence
    expect(choice.cheaper).toBe(at >= 1 ? 'people' : 'interactions')
    expect(samplingReport(choice).join('\n')).toMatch(/ULS[\s\S]*ELS[\s\S]*cheaper/)
    const below = choosePersonSampling({ ...base, steps: 10, sampleRate: 0.05, coherence: Math.min(1, at * 0.99) })
    expect(below.cheaper).toBe('people')
    expect(below.breakEvenCoherence).toBeCloseTo(at, 9)
  })
})

test.each(['in-batch-negatives', 'popularity-negatives', 'batch-statistics'] satisfies CrossPersonOperator[])(
  '%s are refused under privacy, with the reason',
  (operator) => {
    expect(() => refuseCrossPerson('bpr', operator)).toThrow(/cannot be private with .*: \w+/)
  },
)

test.each([
  ['bpr', 'negativeSource', 1, 'same batch'],
  ['bpr', 'negativeSource', 2, 'count over everybody'],
  ['neumf', 'negativeSource', 2, 'count over everybody'],
  ['neumf', 'batchStatistics', 1, 'statistics over a batch'],
] as const)('%s with %s=%d is refused under privacy before anything is spent', async (name, parameter, value, reason) => {
  const trainer = rankingTrainer(name)
  const privacy: RankingPrivacy = { unit: 'user', epsilon: 3, delta: 1e-5, alongside: [] }
  const parameters = resolveParameters(trainer, { [parameter]: value })
  let spent = 0
  const request = { positives: positivesFrom([[0, 1]], 5), itemTable: null, parameters, privacy, random: seededRandom(1) }
  await expect((async () => trainer.fit({ ...request, spend: () => void spent++ }))()).rejects.toThrow(reason)
  expect(spent).toBe(0)
  expect(() => trainer.plan?.({ parameters, privacy, personCount: 9, itemCount: 5 })).toThrow(reason)
})

test('a saved fold-in vector is found in a release, and an honest release holds none', async () => {
  const random = seededRandom(4)
  const histories = Array.from({ length: 101 }, (_, person) =>
    [person % 40, (person * 7) % 40, (person * 3 + 1) % 40].sort((a, b) => a - b),
  )
  const likes = positivesFrom(
    histories.map((each) => [...new Set(each)]),
    40,
  )
  const ranker = await itemFoldInTrainer.fit({
    positives: likes,
    itemTable: null,
    parameters: resolveParameters(itemFoldInTrainer, { dimensions: 4 }),
    privacy: { unit: 'user', epsilon: 50, delta: 1e-5, alongside: [] },
    random,
    spend: () => {},
  })
  const released = ranker.parameters()
  const { shape, data } = released['itemFoldIn.input'] as { shape: readonly number[]; data: Float32Array }
  const dimensions = shape[1] as number
  const vectors = histories.slice(0, 60).map((history) => {
    const vector = new Float32Array(dimensions)
    for (const item of new Set(history)) for (let c = 0; c < dimensions; c++) vector[c]! += data[item * dimensions + c] as number
    return vector
  })
  expect(dimensions).toBeGreaterThan(1)
  expect(checkNoPersonVectors(released, 101, vectors).passed).toBe(true)
  const planted = checkNoPersonVectors(withFoldInVectors(released, vectors), 101, vectors)
  expect(planted.passed).toBe(false)
  expect(planted.name).toBe(plantedPersonBugs['fold-in-vectors-saved'].check)
})

test.each([
  ['item-fold-in', { sampleRate: 0.5, steps: 4, popularityShare: 0.2 }],
  ['item-fold-in', { sampling: 2, maxInteractions: 3, steps: 4 }],
  ['item-fold-in', { sampling: 0, steps: 2 }],
  ['item-fold-in', { clipping: 2, steps: 4 }],
  ['bpr', { lazyNoise: 1, steps: 4 }],
  ['bpr', { clipping: 1, steps: 4, negativeSource: 3 }],
  ['neumf', { tower: 0, steps: 4 }],
  ['neumf', { sampleRate: 0.5, steps: 4, popularityShare: 0.2, towerShare: 0.2, towerSteps: 3 }],
] as const)('%s with %o spends what it planned, keeps ε, and gives a model that is a number everywhere', async (name, given) => {
  const trainer = rankingTrainer(name)
  const random = seededRandom(31)
  const positives = positivesFrom(
    Array.from({ length: 73 }, (_, person) =>
      Array.from({ length: 40 }, (_item, item) => item).filter((item) => (item * 7 + person) % 5 < 2),
    ),
    40,
  )
  const privacy: RankingPrivacy = { unit: 'user', epsilon: 3, delta: 1e-5, alongside: [{ kind: 'gaussian', noiseMultiplier: 9 }] }
  const parameters = resolveParameters(trainer, given)
  const spent: PrivacyEvent[] = []
  const ranker = await trainer.fit({ positives, itemTable: null, parameters, privacy, random, spend: (event) => void spent.push(event) })
  expect(spent).toEqual(trainer.plan?.({ parameters, privacy, personCount: 73, itemCount: 40 }))
  const accountant = [...spent, ...privacy.alongside].reduce((sum, event) => sum.compose(event), pldAccountant())
  expect(accountant.epsilon(privacy.delta).epsilon).toBeLessThanOrEqual(privacy.epsilon * (1 + 1e-9))
  const scores = new Float32Array(80)
  ranker.scoreAll(
    [[], [1, 2, 3]].map((history) => ({ userIndex: null, history: Uint32Array.from(history) })),
    scores,
  )
  expect(scores.every(Number.isFinite)).toBe(true)
  const parametersBefore = JSON.stringify(ranker.parameters(), (_key, value) => (value instanceof Float32Array ? [...value] : value))
  expect(checkNoPersonVectors(ranker.parameters(), 73).passed).toBe(true)
  // Serving somebody leaves nothing of them in what is saved.
  ranker.scoreAll([{ userIndex: null, history: Uint32Array.of(5, 6, 9) }], new Float32Array(40))
  const after = JSON.stringify(ranker.parameters(), (_key, value) => (value instanceof Float32Array ? [...value] : value))
  expect(after === parametersBefore).toBe(true)
})

test('a catalogue of 140,000 items is not paid for in vain: bpr with lazy noise gives a model of it', async () => {
  const trainer = rankingTrainer('bpr')
  const itemCount = 140_000
  const ranker = await trainer.fit({
    positives: positivesFrom([[0, 1], [2, 3], [70_000]], itemCount),
    itemTable: null,
    parameters: resolveParameters(trainer, { lazyNoise: 1, steps: 1, privateDimension: 1 }),
    privacy: { unit: 'user', epsilon: 3, delta: 1e-5, alongside: [] },
    random: seededRandom(2),
    spend: () => {},
  })
  expect(ranker.itemCount).toBe(itemCount)
})

test('row sums add, scale and clear; growing keeps what is there', () => {
  const tables = [
    { name: 'a', rows: 500, width: 3 },
    { name: 'b', rows: 2, width: 1000 },
  ]
  const sums = createRowSums(tables)
  const add = (table: number, row: number, column: number, amount: number) => {
    const at = sums.row(table, row) + column
    sums.values[at] = (sums.values[at] as number) + amount
  }
  for (let row = 0; row < 500; row++) for (const half of [0.5, 1.5]) add(0, row, 1, half * row)
  add(1, 1, 999, 5)
  expect(sums.touched).toBe(501)
  const total = createRowSums(tables)
  total.addScaled(sums, 2)
  total.addScaled(sums, -0.5)
  const dense = tables.map((table) => new Float64Array(table.rows * table.width))
  total.addInto(dense)
  expect(dense[0]?.[499 * 3 + 1]).toBe(1.5 * 998)
  expect(dense[1]?.[1999]).toBe(7.5)
  sums.clear()
  expect([sums.touched, sums.squaredNorm(), sums.values[sums.row(0, 3) + 1]]).toEqual([0, 0, 0])
})
