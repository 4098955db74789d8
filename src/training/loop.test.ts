import { describe, expect, test } from 'vitest'
import { TacetError } from '../errors.ts'
import { type PrivacyEvent, type PrivatePlan, planDpSgd } from '../privacy/index.ts'
import { fillNormals, type RandomSource, seededRandom } from '../random/index.ts'
import { decodeCheckpoint, encodeCheckpoint } from './checkpoint.ts'
import type { StepEngine, StepSettings } from './engine.ts'
import { type LoopState, runTrainingLoop, type TrainingLoop } from './loop.ts'

interface Call {
  readonly rows: number[]
  readonly settings: StepSettings
}

/**
 * An engine whose two parameters move by −learningRate · (batch sum + noise) ÷ divisor, with momentum as its only state. It writes down how it
 * was called.
 */
function recordingEngine(noise: RandomSource, calls: Call[], log: string[] = []): StepEngine {
  const parameters = new Float32Array(2)
  const velocity = new Float32Array(2)
  return {
    kernelsName: 'recording',
    parameterCount: 2,
    blocks: [{ name: 'both', offset: 0, shape: [2] }],
    parameters,
    step(rows, count, settings) {
      calls.push({ rows: [...rows.subarray(0, count)], settings })
      log.push('step')
      const drawn = new Float32Array(2)
      if (settings.noiseStdDev > 0) fillNormals(drawn, noise, settings.noiseStdDev)
      for (let i = 0; i < 2; i++) {
        velocity[i] = 0.9 * (velocity[i] as number) + (count + (drawn[i] as number)) / settings.divisor
        parameters[i] = (parameters[i] as number) - settings.optimizer.learningRate * (velocity[i] as number)
      }
      return { lossSum: count, clipped: Math.floor(count / 2), invalid: 0 }
    },
    predict() {},
    saveState: () => ({ velocity: { shape: [2], data: Float32Array.from(velocity) } }),
    loadState(state) {
      velocity.set((state.velocity as { data: Float32Array }).data)
    },
    close() {},
  }
}

const sgd = () => ({ kind: 'sgd', learningRate: 0.01, momentum: 0.9 }) as const
const plan = (over: Partial<Parameters<typeof planDpSgd>[0]> = {}): PrivatePlan =>
  planDpSgd({
    privacyUnit: 'rating',
    datasetSize: 1000,
    expectedBatchSize: 20,
    steps: 50,
    noiseMultiplier: 2,
    delta: 1e-5,
    clipping: { kind: 'flat', maxGradNorm: 0.5 },
    ...over,
  })

function loopOf(over: Partial<TrainingLoop> & { calls?: Call[]; log?: string[]; noiseSeed?: number } = {}): TrainingLoop {
  const { calls = [], log = [], noiseSeed = 1, ...rest } = over
  return {
    engine: recordingEngine(seededRandom(noiseSeed), calls, log),
    batches: { kind: 'poisson', plan: plan() },
    optimizerAt: sgd,
    averaging: { kind: 'none' },
    random: seededRandom(2),
    spend: () => log.push('spend'),
    chunkSteps: 8,
    ...rest,
  }
}

const codeOf = async (work: () => unknown): Promise<string> => {
  try {
    await work()
  } catch (error) {
    return error instanceof TacetError ? error.code : String(error)
  }
  return 'no error'
}

describe('a private loop', () => {
  test('pays for every step before its noise is drawn, and for the whole plan exactly once', async () => {
    const log: string[] = []
    const paid: { event: PrivacyEvent; from: number; to: number }[] = []
    await runTrainingLoop(
      loopOf({
        log,
        spend: (event, from, to) => {
          log.push('spend')
          paid.push({ event, from, to })
        },
      }),
    )
    const chunks = [8, 8, 8, 8, 8, 8, 2]
    expect(log).toEqual(chunks.flatMap((size) => ['spend', ...Array.from({ length: size }, () => 'step')]))
    expect(paid.map(({ from, to }) => [from, to])).toEqual([
      [0, 8],
      [8, 16],
      [16, 24],
      [24, 32],
      [32, 40],
      [40, 48],
      [48, 50],
    ])
    expect(paid[6]?.event).toEqual({
      kind: 'repeated',
      times: 2,
      event: { kind: 'poisson-sampled', sampleRate: 0.02, event: { kind: 'gaussian', noiseMultiplier: 2 } },
    })
  })

  test('takes no step that was refused', async () => {
    const calls: Call[] = []
    const refused = new TacetError('budget-exhausted', 'no')
    const spend = (_event: PrivacyEvent, from: number) => {
      if (from >= 16) throw refused
    }
    expect(await codeOf(() => runTrainingLoop(loopOf({ calls, spend })))).toBe('budget-exhausted')
    expect(calls).toHaveLength(16)
  })

  test('divides by the expected batch size, never by the realised one, and survives empty batches', async () => {
    const calls: Call[] = []
    await runTrainingLoop(loopOf({ calls, batches: { kind: 'poisson', plan: plan({ expectedBatchSize: 1.5, steps: 200 }) } }))
    const sizes = new Set(calls.map(({ rows }) => rows.length))
    expect(sizes.has(0)).toBe(true)
    expect(sizes.size).toBeGreaterThan(3)
    for (const { settings } of calls) {
      expect(settings.divisor).toBe(1.5)
      expect(settings.noiseStdDev).toBe(2 * 0.5)
      expect(settings.clipping).toEqual({ kind: 'flat', maxGradNorm: 0.5 })
    }
  })

  test('follows a schedule of noise multipliers and sampling rates', async () => {
    const calls: Call[] = []
    const noiseMultiplier = [1, 1, 4, 4]
    const sampleRate = [0.01, 0.01, 0.9, 0.9]
    const scheduled = planDpSgd({
      privacyUnit: 'rating',
      datasetSize: 1000,
      sampleRate,
      steps: 4,
      noiseMultiplier,
      delta: 1e-5,
      clipping: { kind: 'flat', maxGradNorm: 1 },
    })
    await runTrainingLoop(loopOf({ calls, batches: { kind: 'poisson', plan: scheduled } }))
    expect(calls.map(({ settings }) => settings.noiseStdDev)).toEqual(noiseMultiplier)
    expect((calls[0] as Call).rows.length).toBeLessThan(40)
    expect((calls[2] as Call).rows.length).toBeGreaterThan(800)
  })

  test('scales the noise by the joint sensitivity of per-block clipping', async () => {
    const calls: Call[] = []
    const perBlock = plan({ clipping: { kind: 'per-block', maxGradNorms: [0.3, 0.4] }, steps: 1 })
    await runTrainingLoop(loopOf({ calls, batches: { kind: 'poisson', plan: perBlock } }))
    expect((calls[0] as Call).settings.noiseStdDev).toBeCloseTo(1, 12)
  })

  test('moves the bound of adaptive clipping, and noises the gradients with what the count leaves', async () => {
    const calls: Call[] = []
    const clipping = { kind: 'adaptive', initialMaxGradNorm: 4, targetQuantile: 0.9, learningRate: 0.5, countNoiseStdDev: 5 } as const
    await runTrainingLoop(loopOf({ calls, batches: { kind: 'poisson', plan: plan({ clipping, expectedBatchSize: 100 }) } }))
    const bounds = calls.map(({ settings }) => (settings.clipping.kind === 'flat' ? settings.clipping.maxGradNorm : Number.NaN))
    expect(bounds[0]).toBe(4)
    // Half of the rows are always clipped where a tenth should be: the bound rises.
    expect(bounds.at(-1)).toBeGreaterThan(40)
    const left = 1 / Math.sqrt(1 / 4 - 1 / 100)
    for (const [i, { settings }] of calls.entries()) expect(settings.noiseStdDev / (bounds[i] as number)).toBeCloseTo(left, 10)
  })

  test('stops at a step boundary with a checkpoint, and goes on from it without paying twice for what was not drawn', async () => {
    const stop = new AbortController()
    const calls: Call[] = []
    let last: LoopState | undefined
    const first = await runTrainingLoop(
      loopOf({
        calls,
        signal: stop.signal,
        onStep: (step) => {
          if (step === 10) stop.abort()
        },
        onCheckpoint: (state) => {
          last = state
        },
      }),
    )
    expect(first).toEqual({ finished: false, step: 11, stepsDone: 11 })
    expect(last?.step).toBe(11)
    const paid: number[][] = []
    const second = await runTrainingLoop(
      loopOf({
        calls,
        resume: { state: last as LoopState, paidThrough: 16 },
        spend: (_event, from, to) => paid.push([from, to]),
      }),
    )
    expect(second).toEqual({ finished: true, step: 50, stepsDone: 39 })
    expect(paid[0]).toEqual([16, 24])
    expect(calls).toHaveLength(50)
  })

  test('pays again from the checkpoint on when nothing says that the steps were not drawn', async () => {
    const states: LoopState[] = []
    await runTrainingLoop(loopOf({ onCheckpoint: (state) => states.push(state) }))
    expect(states.map(({ step }) => step)).toEqual([8, 16, 24, 32, 40, 48])
    const paid: number[][] = []
    const resume = { state: states[1] as LoopState, paidThrough: 16 }
    await runTrainingLoop(loopOf({ resume, spend: (_event, from, to) => paid.push([from, to]) }))
    expect(paid[0]).toEqual([16, 24])
  })

  test('reports divergence instead of handing on NaN', async () => {
    const engine = recordingEngine(seededRandom(1), [])
    const wild = loopOf({ engine, onStep: () => engine.parameters.fill(Number.NaN) })
    expect(await codeOf(() => runTrainingLoop(wild))).toBe('diverged')
  })
})

describe('a loop without privacy', () => {
  const batches = { kind: 'shuffled', datasetSize: 103, batchSize: 10, steps: 33 } as const

  test('sees every row once an epoch, divides by the rows of the batch, draws no noise and pays nothing', async () => {
    const calls: Call[] = []
    const log: string[] = []
    await runTrainingLoop(loopOf({ calls, log, batches }))
    expect(log).not.toContain('spend')
    for (const epoch of [0, 1, 2]) {
      const seen = calls.slice(epoch * 11, epoch * 11 + 11).flatMap(({ rows }) => rows)
      expect([...seen].sort((a, b) => a - b)).toEqual(Array.from({ length: 103 }, (_, i) => i))
    }
    expect((calls[0] as Call).rows).not.toEqual((calls[11] as Call).rows)
    for (const { rows, settings } of calls)
      expect(settings).toMatchObject({ divisor: rows.length, noiseStdDev: 0, clipping: { kind: 'none' } })
  })

  test('that was stopped and resumed with the same seed ends where the unbroken run ends, bit for bit', async () => {
    const unbroken = loopOf({ batches, averaging: { kind: 'tail', from: 5 } })
    await runTrainingLoop(unbroken)
    const stop = new AbortController()
    let saved: Uint8Array | undefined
    const pin = { dataFingerprint: 'd', planId: 'none' }
    await runTrainingLoop(
      loopOf({
        batches,
        averaging: { kind: 'tail', from: 5 },
        signal: stop.signal,
        onStep: (step) => {
          if (step === 18) stop.abort()
        },
        onCheckpoint: (state) => {
          saved = encodeCheckpoint(state, pin)
        },
      }),
    )
    const state = decodeCheckpoint(saved as Uint8Array, pin, 2)
    const resumed = loopOf({ batches, averaging: { kind: 'tail', from: 5 }, resume: { state, paidThrough: 0 } })
    await runTrainingLoop(resumed)
    expect([...resumed.engine.parameters]).toEqual([...unbroken.engine.parameters])
  })
})

describe('rates of single blocks', () => {
  test('move a block as a learning rate of its own would', async () => {
    const plain = loopOf({ optimizerAt: () => ({ kind: 'sgd', learningRate: 0.03, momentum: 0.9 }) })
    await runTrainingLoop(plain)
    const stretched = loopOf({ blockRates: { both: 3 } })
    await runTrainingLoop(stretched)
    for (const i of [0, 1]) expect(stretched.engine.parameters[i]).toBeCloseTo(plain.engine.parameters[i] as number, 5)
    expect(await codeOf(() => runTrainingLoop(loopOf({ blockRates: { absent: 2 } })))).toBe('invalid-argument')
  })
})

describe('averaging', () => {
  test('of the tail is the mean of the parameters after each of its steps', async () => {
    const seen: number[] = []
    const engine = recordingEngine(seededRandom(1), [])
    const onStep = (step: number) => {
      if (step >= 30) seen.push(engine.parameters[0] as number)
    }
    await runTrainingLoop(loopOf({ engine, averaging: { kind: 'tail', from: 30 }, onStep }))
    expect(seen).toHaveLength(20)
    expect(engine.parameters[0]).toBeCloseTo(seen.reduce((sum, value) => sum + value, 0) / 20, 5)
  })

  test('that is exponential weighs a step by decay to the power of its age', async () => {
    const seen: number[] = []
    const engine = recordingEngine(seededRandom(1), [])
    const onStep = () => seen.push(engine.parameters[0] as number)
    await runTrainingLoop(loopOf({ engine, averaging: { kind: 'exponential', decay: 0.8 }, onStep }))
    const weights = seen.map((_, i) => 0.8 ** (seen.length - 1 - i))
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    expect(engine.parameters[0]).toBeCloseTo(seen.reduce((sum, value, i) => sum + value * (weights[i] as number), 0) / total, 5)
  })
})

describe('a checkpoint', () => {
  const state: LoopState = {
    step: 7,
    parameters: Float32Array.of(1, 2),
    engine: { velocity: { shape: [2], data: Float32Array.of(3, 4) } },
    average: { values: Float32Array.of(5, 6), weight: 2.5 },
    maxGradNorm: 0.1,
  }
  const pin = { dataFingerprint: 'abc', planId: 'plan1-1' }

  test('reads back as it was written', () => {
    expect(decodeCheckpoint(encodeCheckpoint(state, pin), pin, 2)).toEqual(state)
    const bare: LoopState = { ...state, average: null, maxGradNorm: null }
    expect(decodeCheckpoint(encodeCheckpoint(bare, pin), pin, 2)).toEqual(bare)
  })

  test('is refused on other data, under another plan, or for another model', async () => {
    const bytes = encodeCheckpoint(state, pin)
    expect(await codeOf(() => decodeCheckpoint(bytes, { ...pin, dataFingerprint: 'xyz' }, 2))).toBe('unsafe-plan')
    expect(await codeOf(() => decodeCheckpoint(bytes, { ...pin, planId: 'plan1-2' }, 2))).toBe('unsafe-plan')
    expect(await codeOf(() => decodeCheckpoint(bytes, pin, 3))).toBe('corrupt-run')
    expect(await codeOf(() => decodeCheckpoint(bytes.subarray(0, bytes.length - 1), pin, 2))).toBe('corrupt-run')
  })

  test('holds nothing that belongs to a random generator', () => {
    const text = new TextDecoder('latin1').decode(encodeCheckpoint(state, pin))
    expect(text).not.toMatch(/seed|random|generator|nonce|key"/i)
  })
})
