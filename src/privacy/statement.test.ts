import { describe, expect, test } from 'vitest'
import { privacyStatement, type StatementInput } from './statement.ts'

const staged: StatementInput = {
  model: 'bias-factors',
  mechanism: {
    kind: 'gaussian-stages',
    stages: [
      { name: 'moments', noiseMultiplier: 37.3, over: 'global' },
      { name: 'items', noiseMultiplier: 4.2, over: 'items' },
    ],
  },
  privacyUnit: 'rating',
  neighboringRelation: 'add-or-remove-one',
  delta: 1e-7,
  pld: { epsilon: 1.00004, epsilonLower: 0.99996 },
  rdp: { epsilon: 1.0931, optimalOrder: 12.3 },
  epsilonIfShuffled: null,
  mu: 0.26805,
  totalVariation: 0.10661,
  people: { method: 'stage-sum', median: { ratings: 86, epsilon: 12.31 }, heaviest: { ratings: 1851, epsilon: 812.3, totalVariation: 1 } },
  noiseSource: 'csprng',
  data: { name: 'ml-1m', users: 6040, items: 3706, trainingRows: 800_167 },
  publicFacts: {
    rowCount: 'public',
    ids: 'public',
    userTable: 'public',
    catalogue: 'public',
    timestamps: 'public',
    vocabulary: 'unused',
    itemMetadata: 'unused',
  },
  split: { kind: 'chronological', by: 'public-time', testRows: 200_042 },
  touched: [
    { what: 'global moments', priced: true },
    { what: 'choice of stages', priced: false, note: 'Fixed defaults' },
  ],
  defaultsTunedOn: ['ml-1m'],
}
const sgd: StatementInput = {
  ...staged,
  model: 'wide-and-deep',
  mechanism: {
    kind: 'dp-sgd',
    batchSelection: 'poisson',
    clipping: { kind: 'flat', maxGradNorm: 1.5 },
    noiseMultiplier: 2,
    sampleRate: 0.05,
    steps: 7814,
    expectedBatchSize: 512,
  },
  mu: null,
  epsilonIfShuffled: 4.98,
}
const hidden = { ...staged.publicFacts, rowCount: 'declared', ids: 'unused' } as const

describe('the statement', () => {
  test('says whose data, the price by both accountants, and never rounds an upper bound down or a lower bound up', () => {
    const text = privacyStatement(staged)
    expect(text).toContain('Protected is **one rating**')
    expect(text).toContain('ε = 1.001 at δ = 1e-7')
    expect(text).toContain('true value at least 0.9999')
    expect(text).toContain('| RDP (upper bound) | 1.094 | best order 12.3 |')
    expect(privacyStatement({ ...staged, pld: { epsilon: 0.2, epsilonLower: null } })).toContain('ε = 0.2 at')
    expect(privacyStatement({ ...staged, pld: { epsilon: 3.00001e-7, epsilonLower: null } })).toContain('ε = 3.001e-7 at')
  })

  test('gives the odds of a best guesser from the total variation, rounded up', () => {
    // (1 + 0.10661)/2 = 0.553305
    expect(privacyStatement(staged)).toContain('right at most 55.4 % of the time')
    expect(privacyStatement({ ...staged, totalVariation: null })).not.toContain('coin')
  })

  test('claims to hide that a row is there only where number of rows and ids are not public', () => {
    expect(privacyStatement(staged)).toContain('had the content of any one rating been blank')
    expect(privacyStatement(staged)).toContain('n and ids public: this protects the content')
    const text = privacyStatement({ ...staged, publicFacts: hidden })
    expect(text).toContain('had any one rating not been in the training data')
    expect(text).toContain('Declared beforehand, not read from the data: the number of rows')
    expect(text).not.toContain('protects the content')
    expect(privacyStatement({ ...staged, publicFacts: { ...hidden, ids: 'public' } })).toContain('Ids public: this protects the content')
    expect(privacyStatement({ ...staged, neighboringRelation: 'replace-one' })).toContain('had any one rating been another')
  })

  test('describes how DP-SGD was run: sampler, q, T, σ, C and the constant divisor', () => {
    const text = privacyStatement(sgd)
    for (const part of [
      '**sampler**: poisson: every rating enters',
      '**sampling rate q**: 0.05',
      '**steps T**: 7,814',
      '**noise multiplier σ**: 2',
      '**clipping C**: 1.5',
      '**divisor**: 512, the expected batch size',
      '| had the batches only been shuffled | 4.98 |',
    ])
      expect(text).toContain(part)
  })

  test('describes schedules and every clipping policy', () => {
    const mechanism = sgd.mechanism as Extract<StatementInput['mechanism'], { kind: 'dp-sgd' }>
    const clipped = (clipping: typeof mechanism.clipping) => privacyStatement({ ...sgd, mechanism: { ...mechanism, clipping } })
    expect(clipped({ kind: 'per-block', maxGradNorms: [3, 4] })).toContain('per block 3, 4; together 5')
    expect(clipped({ kind: 'automatic', maxGradNorm: 1, stability: 0.01 })).toContain('AUTO-S')
    expect(clipped({ kind: 'adaptive', initialMaxGradNorm: 1, targetQuantile: 0.5, learningRate: 0.2, countNoiseStdDev: 25 })).toContain(
      'paid for inside σ',
    )
    expect(privacyStatement({ ...sgd, mechanism: { ...mechanism, noiseMultiplier: [3, 1, 2] } })).toContain('3 values between 1 and 3')
  })

  test('prices whole persons, says by which formula, and says when that is no protection', () => {
    const text = privacyStatement(staged)
    expect(text).toContain('| median | 86 | 12.31 | – |')
    expect(text).toContain('| heaviest | 1,851 | 812.3 | 100 % |')
    expect(text).toContain('√(Σ k²μ² + Σ kμ²)')
    expect(text).toContain('protects ratings, not persons')
    expect(privacyStatement({ ...sgd, people: { ...staged.people!, method: 'mixture-of-gaussians' } })).toContain('mixture of Gaussians')
    expect(privacyStatement({ ...staged, people: null })).toContain('Not worked out')
  })

  test('lists what was taken as public, and counts the person sizes it prints among it', () => {
    const text = privacyStatement(staged)
    const line = text.split('\n').find((each) => each.includes('Taken as public')) as string
    for (const fact of [
      'number of rows (800,167)',
      'user table',
      'catalogue (3,706 items)',
      'time stamps',
      'median and the heaviest person',
    ])
      expect(line).toContain(fact)
    expect(line).not.toContain('metadata')
    const priced = privacyStatement({ ...staged, publicFacts: { ...staged.publicFacts, vocabulary: 'priced' } })
    expect(priced).toContain('Released with noise, inside the ε above: which people and items occur')
  })

  test('says what else read private rows, and what the guarantee leaves out', () => {
    const text = privacyStatement({ ...sgd, notCovered: ['A limit of this run.'] })
    for (const part of [
      'global moments: priced, inside the ε above',
      'choice of stages: **not covered by the ε above**. Fixed defaults',
      'Metrics on held-out rows',
      'Checkpoints, logs',
      'list of recommendations',
      '**this very data set**',
      'A limit of this run.',
      'below 1e-12',
    ])
      expect(text).toContain(part)
    expect(privacyStatement({ ...staged, data: { ...staged.data, name: 'other' } })).toContain('this is another data set')
    expect(privacyStatement({ ...staged, defaultsTunedOn: [] })).not.toContain('were tuned on')
  })

  test('warns of a split that moves other people’s rows', () => {
    expect(privacyStatement(staged)).not.toContain('across the cut')
    for (const by of ['row-rank', 'shuffled-index'] as const)
      expect(privacyStatement({ ...staged, split: { ...staged.split, by } })).toContain('across the cut')
  })

  test('puts a seeded run’s unfitness above everything else', () => {
    const lines = privacyStatement({ ...staged, noiseSource: 'seeded' }).split('\n')
    expect(lines[2]).toContain('SEEDED: not for release')
    expect(privacyStatement(staged)).not.toContain('SEEDED')
  })

  test('makes no promise of an unknown or infinite ε, a meagre one of a large ε, and warns of a large δ', () => {
    expect(privacyStatement({ ...staged, pld: null, rdp: null })).toContain('promises nothing about any rating')
    expect(privacyStatement({ ...staged, pld: { epsilon: Number.POSITIVE_INFINITY, epsilonLower: null } })).toContain('promises nothing')
    expect(privacyStatement({ ...staged, pld: { epsilon: 41.2, epsilonLower: 41 } })).toContain('do not call this model private')
    expect(privacyStatement({ ...staged, delta: 1e-5 })).toContain('Choose a smaller δ')
    expect(privacyStatement(staged)).not.toContain('Choose a smaller δ')
    expect(privacyStatement({ ...staged, pld: null })).toContain('ε = 1.094')
  })

  test('refuses to state what is not a number', () => {
    expect(() => privacyStatement({ ...staged, pld: { epsilon: Number.NaN, epsilonLower: null } })).toThrow('epsilon by PLD')
    expect(() => privacyStatement({ ...staged, delta: Number.NaN })).toThrow('delta')
    expect(() => privacyStatement({ ...staged, people: { ...staged.people!, heaviest: { ratings: 3, epsilon: -1 } } })).toThrow('heaviest')
  })
})
