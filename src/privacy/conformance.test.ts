import { describe, expect, test } from 'vitest'
import { fillNormals, type RandomSource, seededRandom } from '../random/index.ts'
import { type ConformanceResult, checkInclusion, checkNoise, checkSensitivity } from './conformance.ts'
import { planDpSgd, poissonBatch } from './plan.ts'
import { poissonSample } from './sampling.ts'
import { binomialTwoSided } from './tails.ts'

// A trainer small enough to read: 60 people with an embedding of 4, and 8 dense weights. Row r belongs to person r % 60; its gradient touches
// that person's embedding and the dense weights. Rows 0, 7, 14 … have gradients far above the clipping bound; row 5's is not a number.
const people = 60
const width = 4
const dense = 8
const dimension = people * width + dense
const rowCount = 600
const clip = 1.5
const noiseMultiplier = 0.8
const expectedBatchSize = 40
const microBatch = 16

type Bug =
  | 'none'
  | 'half-noise'
  | 'touched-only'
  | 'per-micro-batch'
  | 'noise-averaged-over-micro-batches'
  | 'reused-seed'
  | 'same-noise-every-step'
  | 'noise-repeats-after-two-steps'
  | 'correlated-steps'
  | 'repeated-lanes'
  | 'correlated-neighbours'
  | 'uniform-noise'
  | 'vector-tail'
  | 'realised-divisor'
  | 'no-clipping'
  | 'clips-the-mean'
  | 'stale-rows'
  | 'nan-row'

function gradientOf(row: number): Float64Array {
  const gradient = new Float64Array(dimension)
  const size = row % 7 === 0 ? 3 : 0.2
  for (let k = 0; k < width; k++) gradient[(row % people) * width + k] = size * Math.sin(row * 1.7 + k)
  for (let k = 0; k < dense; k++) gradient[people * width + k] = size * Math.cos(row * 0.9 + 2 * k)
  if (row === 5) gradient[0] = Number.NaN
  return gradient
}

const gradients = Array.from({ length: rowCount }, (_, row) => gradientOf(row))

function trainer(bug: Bug, seed: number) {
  const buffer = new Float64Array(dimension)
  let random = seededRandom(seed)
  let attempt = 0
  const earlier: Float64Array[] = []

  function clippedSum(rows: Uint32Array): Float64Array {
    if (bug !== 'stale-rows') buffer.fill(0)
    else for (const row of rows) for (let k = 0; k < width; k++) buffer[(row % people) * width + k] = 0
    if (bug === 'stale-rows') buffer.fill(0, people * width)
    for (const row of rows) {
      const gradient = gradients[row] as Float64Array
      const norm = Math.hypot(...gradient)
      if (Number.isNaN(norm) && bug !== 'nan-row') continue
      const factor = bug === 'no-clipping' || bug === 'clips-the-mean' ? 1 : Math.min(1, clip / norm)
      for (let i = 0; i < dimension; i++) buffer[i]! += factor * (gradient[i] as number)
    }
    if (bug === 'clips-the-mean') {
      const norm = Math.hypot(...buffer) / expectedBatchSize
      for (let i = 0; i < dimension; i++) buffer[i]! *= Math.min(1, clip / norm)
    }
    return bug === 'realised-divisor' ? buffer.map((value) => (value * expectedBatchSize) / rows.length) : Float64Array.from(buffer)
  }

  function noise(rows: Uint32Array, source: RandomSource): Float64Array {
    const values = new Float64Array(dimension)
    const stdDev = noiseMultiplier * clip
    const draws =
      bug === 'per-micro-batch' || bug === 'noise-averaged-over-micro-batches' ? Math.max(1, Math.ceil(rows.length / microBatch)) : 1
    for (let d = 0; d < draws; d++) {
      const part = new Float64Array(dimension)
      fillNormals(part, source, bug === 'half-noise' ? stdDev / 2 : stdDev)
      for (let i = 0; i < dimension; i++)
        values[i]! += bug === 'noise-averaged-over-micro-batches' ? (part[i] as number) / draws : (part[i] as number)
    }
    if (bug === 'touched-only') {
      const touched = new Set([...rows].map((row) => row % people))
      for (let person = 0; person < people; person++) if (!touched.has(person)) values.fill(0, person * width, (person + 1) * width)
    }
    if (bug === 'uniform-noise') for (let i = 0; i < dimension; i++) values[i] = stdDev * Math.sqrt(12) * (source.nextDouble() - 0.5)
    if (bug === 'repeated-lanes') values.copyWithin(128, 64, 128)
    if (bug === 'vector-tail') values.fill(0, dimension - 3)
    if (bug === 'correlated-neighbours')
      for (let i = dimension - 1; i > 0; i--) values[i] = (values[i - 1] as number) * 0.5 + (values[i] as number) * Math.sqrt(0.75)
    const last = earlier.at(-1)
    const before = earlier.at(-2)
    if (bug === 'correlated-steps' && before)
      for (let i = 0; i < dimension; i++) values[i] = (before[i] as number) * 0.6 + (values[i] as number) * 0.8
    if (bug === 'noise-repeats-after-two-steps' && before && earlier.length % 4 > 1) values.set(before)
    if (bug === 'same-noise-every-step' && last) values.set(last)
    earlier.push(Float64Array.from(values))
    return values
  }

  return {
    clippedSum,
    release(request: { attempt: number; step: number; rows: Uint32Array }): Float64Array {
      if (request.attempt !== attempt) {
        attempt = request.attempt
        earlier.length = 0
        random = seededRandom(bug === 'reused-seed' ? seed : seed + 1_000_003 * attempt)
      }
      const sum = clippedSum(request.rows)
      const values = noise(request.rows, random)
      const factor = bug === 'realised-divisor' ? expectedBatchSize / Math.max(1, request.rows.length) : 1
      return sum.map((value, i) => value + factor * (values[i] as number))
    },
  }
}

const range = (from: number, to: number) => Uint32Array.from({ length: to - from }, (_, i) => from + i)
const blocks = [
  { name: 'embeddings', offset: 0, length: people * width },
  { name: 'dense', offset: people * width, length: dense },
]

function audit(bug: Bug, seed: number): ConformanceResult[] {
  const { clippedSum, release } = trainer(bug, seed)
  return [
    ...checkNoise({ dimension, noiseStdDev: noiseMultiplier * clip, blocks, batches: [range(0, 0), range(0, 1), range(10, 60)], release }),
    ...checkSensitivity({ sensitivity: clip, rows: range(0, 100), largestBatch: 64, clippedSum }),
  ]
}

const failed = (results: readonly ConformanceResult[]) => results.filter(({ passed }) => !passed).map(({ name }) => name)

describe('a trainer', () => {
  test('that is right passes every check in 20 of 20 seeds', () => {
    for (let seed = 1; seed <= 20; seed++) expect(failed(audit('none', seed))).toEqual([])
  })

  test.each<[Bug, string]>([
    ['half-noise', 'noise-variance'],
    ['touched-only', 'noise-on-every-coordinate'],
    ['vector-tail', 'noise-on-every-coordinate'],
    ['per-micro-batch', 'noise-variance'],
    ['noise-averaged-over-micro-batches', 'noise-variance'],
    ['reused-seed', 'noise-between-steps'],
    ['same-noise-every-step', 'noise-variance'],
    ['noise-repeats-after-two-steps', 'noise-between-steps'],
    ['correlated-steps', 'noise-between-steps'],
    ['repeated-lanes', 'noise-between-coordinates'],
    ['correlated-neighbours', 'noise-between-coordinates'],
    ['uniform-noise', 'noise-shape'],
    ['realised-divisor', 'sensitivity'],
    ['realised-divisor', 'additivity'],
    ['no-clipping', 'sensitivity'],
    ['clips-the-mean', 'sensitivity'],
    ['stale-rows', 'stale-rows'],
    ['nan-row', 'sensitivity'],
  ])('with the bug %s fails %s, in 5 of 5 seeds', (bug, check) => {
    for (let seed = 1; seed <= 5; seed++) expect(failed(audit(bug, seed))).toContain(check)
  })

  test('whose gradients never reach the bound is told that missing clipping would not be seen', () => {
    const quiet = checkSensitivity({
      sensitivity: 100,
      rows: range(0, 10),
      largestBatch: 8,
      clippedSum: trainer('none', 1).clippedSum,
    })
    expect(quiet[0]?.passed).toBe(true)
    expect(quiet[0]?.detail).toContain('would not be seen')
  })
})

describe('a sampler', () => {
  const n = 3000
  const q = 0.02
  const steps = 1000
  const plan = planDpSgd({
    privacyUnit: 'rating',
    datasetSize: n,
    sampleRate: q,
    steps,
    noiseMultiplier: 1,
    delta: 1e-5,
    clipping: { kind: 'flat', maxGradNorm: 1 },
  })
  const out = new Uint32Array(n)
  const poisson = (seed: number) => {
    const random = seededRandom(seed)
    return (step: number) => out.slice(0, poissonBatch(plan, step, random, out))
  }
  const shuffled = (seed: number, reshuffle: boolean) => {
    const random = seededRandom(seed)
    const order = range(0, n)
    const shuffle = () => {
      for (let i = n - 1; i > 0; i--) {
        const j = Math.floor(random.nextDouble() * (i + 1))
        const held = order[i] as number
        order[i] = order[j] as number
        order[j] = held
      }
    }
    const size = n * q
    return (step: number) => {
      const at = (step * size) % n
      if (at === 0 && (step === 0 || reshuffle)) shuffle()
      return order.slice(at, at + size)
    }
  }
  const fixedSize = (seed: number) => {
    const random = seededRandom(seed)
    return () => {
      const drawn = new Set<number>()
      while (drawn.size < n * q) drawn.add(Math.floor(random.nextDouble() * n))
      return Uint32Array.from(drawn)
    }
  }
  const fails = (batch: (step: number) => Uint32Array, count = steps) =>
    failed(checkInclusion({ rowCount: n, sampleRate: q, batch }, { steps: count }))

  test("the plan's own sampler passes every check in 20 of 20 seeds", () => {
    for (let seed = 1; seed <= 20; seed++) expect(fails(poisson(seed))).toEqual([])
  })

  test('a shuffled loader is seen: by its even counts, its equal batches and rows that never come twice in a pass', () => {
    expect(fails(shuffled(1, true))).toEqual(expect.arrayContaining(['inclusion-frequency', 'batch-size', 'inclusion-between-steps']))
  })

  test('a shuffled loader is seen within a single pass, too', () => {
    expect(fails(shuffled(2, true), 1 / q)).toEqual(expect.arrayContaining(['inclusion-frequency', 'batch-size']))
  })

  test('a loader that shuffles once and then repeats its batches is seen', () => {
    expect(fails(shuffled(3, false))).toContain('inclusion-frequency')
  })

  test('batches of a fixed size without replacement are seen by their size', () => {
    expect(fails(fixedSize(4))).toContain('batch-size')
  })

  test.each<[string, string, (batch: Uint32Array, step: number, random: RandomSource) => Uint32Array]>([
    ['the last row is never drawn', 'inclusion-between-rows', (batch) => batch.filter((row) => row !== n - 1)],
    ['the first row is always drawn', 'inclusion-between-rows', (batch) => Uint32Array.from(new Set([0, ...batch]))],
    [
      'the rate is 3 % too high',
      'inclusion-rate',
      (batch, _, random) =>
        Uint32Array.from(new Set([...batch, ...(random.nextDouble() < 0.99 ? [1, 2].map(() => Math.floor(random.nextDouble() * n)) : [])])),
    ],
    [
      'a tenth of the rows is drawn twice as often',
      'inclusion-frequency',
      (batch, step, random) =>
        Uint32Array.from(
          new Set([
            ...batch.filter((row) => row % 10 !== 1 || random.nextDouble() < 0.5),
            ...batch.filter((row) => row % 10 === 2).map((row) => (row + step * 10) % n),
          ]),
        ),
    ],
    [
      'pairs of rows come together',
      'inclusion-between-rows',
      (batch) => Uint32Array.from(new Set([...batch].flatMap((row) => (row % 2 === 0 ? [row, row + 1] : [])))),
    ],
    [
      'a row comes twice in a batch',
      'inclusion-rate',
      (batch) => (batch.length > 1 ? Uint32Array.of(batch[0] as number, ...batch.subarray(0, -1)) : batch),
    ],
    ['large batches are cut off', 'batch-size', (batch) => batch.subarray(0, 60)],
  ])('is caught when %s (%s)', (_, check, distort) => {
    const draw = poisson(5)
    const random = seededRandom(6)
    expect(fails((step) => distort(draw(step), step, random))).toContain(check)
  })

  test('a step that reuses the batch of the step before is seen', () => {
    const draw = poisson(7)
    let held: Uint32Array = new Uint32Array(0)
    expect(
      fails((step) => {
        if (step % 10 !== 9) held = draw(step)
        return held
      }),
    ).toContain('inclusion-between-steps')
  })
})

test('at a false-alarm rate of 0.05 a correct program fails each check no more often than that, over 300 seeds', () => {
  const alarms = new Map<string, number>()
  const rows = 400
  const rate = 0.03
  const out = new Uint32Array(rows)
  for (let seed = 1; seed <= 300; seed++) {
    const random = seededRandom(seed)
    const results = [
      ...checkInclusion(
        { rowCount: rows, sampleRate: rate, batch: () => out.slice(0, poissonSample(rows, rate, random, out)) },
        { steps: 200, falseAlarmRate: 0.05 },
      ),
      ...checkNoise(
        {
          dimension: 50,
          noiseStdDev: 2,
          batches: [range(0, 0), range(0, 3)],
          release: ({ rows: batch }) => {
            const values = new Float64Array(50)
            fillNormals(values, random, 2)
            return values.map((value) => value + batch.length)
          },
        },
        { falseAlarmRate: 0.05 },
      ),
    ]
    for (const { name, passed } of results) alarms.set(name, (alarms.get(name) ?? 0) + (passed ? 0 : 1))
  }
  // A check whose true rate is 0.05 fails this with chance 1e-6; fewer alarms are welcome.
  for (const [name, count] of alarms) if (count > 15) expect([name, binomialTwoSided(count, 300, 0.05) > 1e-6]).toEqual([name, true])
  expect(alarms.size).toBe(10)
})
