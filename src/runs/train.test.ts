import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { syntheticInteractions, toCsv, toNdjson } from '../data/index.ts'
import { TacetError } from '../errors.ts'
import { decodeSafetensors, encodeSafetensors } from '../models/index.ts'
import { type PrivacyEvent, pldAccountant } from '../privacy/index.ts'
import { files } from './folder.node.ts'
import { evaluateRun, loadRun, recommendFromRun, resumeRun, train } from './index.node.ts'
import { readJournal, spentEvents } from './journal.node.ts'
import type { RunIo, TrainReport, TrainRequest } from './types.ts'
import { tacetVersion } from './version.ts'

const scratch = mkdtempSync(join(tmpdir(), 'tacet-runs-'))
const dataPath = join(scratch, 'invented.ndjson')
let counter = 0
let out: string
const invented = syntheticInteractions({ users: 300, items: 120, interactions: 12_000, seed: 5 }).data

beforeAll(() => {
  writeFileSync(dataPath, [...toNdjson(invented)].join(''))
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
beforeEach(() => {
  out = join(scratch, `run-${++counter}`)
})

const codeOf = async (work: () => unknown): Promise<string> => {
  try {
    await work()
  } catch (error) {
    return error instanceof TacetError ? error.code : String(error)
  }
  return 'no error'
}
const bias = (over: Partial<TrainRequest> = {}): TrainRequest => ({ dataPath, epsilon: 2, seed: 1, out, ...over })
const network = (over: Partial<TrainRequest> = {}): TrainRequest => ({
  dataPath,
  model: 'wide-and-deep',
  recipe: 'paper',
  noiseMultiplier: 1.5,
  batchSize: 200,
  epochs: 2,
  seed: 1,
  out,
  ...over,
})
const json = (...path: string[]) => JSON.parse(readFileSync(join(...path), 'utf8'))
/** Every public file of a run folder as one text. */
const publicText = (run: string) =>
  readdirSync(run)
    .filter((name) => name !== 'private' && name !== files.model)
    .map((name) => readFileSync(join(run, name), 'utf8'))
    .join('\n')
const sameLists = (a: readonly unknown[], b: readonly unknown[]) => expect(a).toEqual(b)

describe('a private run', () => {
  test('of bias-factors spends exactly the ε it was given, and says so in every file', async () => {
    const report = await train(bias())
    expect(report.model).toBe('bias-factors')
    expect(report.recipe).toBeNull()
    expect(report.privacy).toMatchObject({
      accountant: 'pld',
      privacyUnit: 'rating',
      batchSelection: 'none',
      steps: null,
      noiseSource: 'seeded',
    })
    expect(report.privacy?.epsilon).toBeLessThanOrEqual(2)
    expect(report.privacy?.epsilon).toBeGreaterThan(1.999)
    expect(report.privacy?.mu).toBeGreaterThan(0)
    expect(report.privacyDetails?.rating.rdp?.epsilon).toBeGreaterThan(2)
    expect(report.privacyDetails?.user?.heaviest.pld?.epsilon).toBeGreaterThan(report.privacyDetails?.user?.median.pld?.epsilon as number)
    expect(report.metrics.rmse).toBeLessThan(report.baselines.constant.rmse)
    expect(report.baselines.privateItemMean?.epsilon).toBe(report.privacy?.epsilon)
    sameLists(
      readdirSync(out).sort(),
      ['card.json', 'config.json', 'events.json', 'model.safetensors', 'private', 'privacy.json', 'report.html', 'statement.md'].sort(),
    )
    sameLists(readdirSync(join(out, 'private')).sort(), ['data.json', 'journal.ndjson', 'log.ndjson', 'results.json'])
    expect(json(out, 'privacy.json').rating.pld.epsilon).toBe(report.privacy?.epsilon)
    expect(json(out, files.results).metrics).toEqual(report.metrics)
    const priced = pldAccountant().compose(json(out, 'events.json').event).epsilon(1e-5).epsilon
    expect(priced).toBeCloseTo(report.privacy?.epsilon as number, 9)
    expect(readFileSync(join(out, 'statement.md'), 'utf8')).toContain('not for release')
  })

  test('of Wide & Deep releases what its plan says, and prices people by how many of their ratings a step can hold', async () => {
    const report = await train(network())
    const rows = report.split.train
    expect(report.recipe).toBe('paper')
    expect(report.privacy).toMatchObject({
      batchSelection: 'poisson',
      noiseMultiplier: 1.5,
      steps: Math.floor((2 * rows) / 200),
      sampleRate: 200 / rows,
      maxGradNorm: 1,
      mu: null,
    })
    expect(json(out, 'events.json').event).toEqual({
      kind: 'repeated',
      times: report.privacy?.steps,
      event: { kind: 'poisson-sampled', sampleRate: 200 / rows, event: { kind: 'gaussian', noiseMultiplier: 1.5 } },
    })
    expect(report.privacyDetails?.user?.method).toBe('mixture-of-gaussians')
    expect(report.privacyDetails?.epsilonIfShuffled).toBeGreaterThan(report.privacy?.epsilon as number)
    expect(report.timing.stepsPerSecond).toBeGreaterThan(0)
    expect(existsSync(join(out, files.checkpoint))).toBe(false)
  })

  test('with the repaired recipe meets the ε it is given without going over', async () => {
    const report = await train(
      network({ recipe: 'repaired', noiseMultiplier: undefined, epsilon: 3, batchSize: undefined, epochs: undefined } as never),
    )
    expect(report.privacy?.epsilon).toBeLessThanOrEqual(3)
    expect(report.privacy?.epsilon).toBeGreaterThan(2.98)
    expect(report.metrics.rmse).toBeLessThan(report.baselines.constant.rmse)
  })

  test.each(['flat', 'automatic', 'adaptive'] as const)('may clip by %s at the recipe’s price, and says how', async (clipping) => {
    const report = await train(network({ clipping, epochs: 1, maxGradNorm: 0.5 }))
    const { plan } = json(out, files.config).training
    expect(plan.clipping.kind).toBe(clipping)
    expect(report.privacy?.noiseMultiplier).toBe(1.5)
    expect(report.privacy?.maxGradNorm).toBe(clipping === 'adaptive' ? null : 0.5)
    // One price whatever the clipping: the adaptive count is paid for inside σ.
    const steps = { kind: 'repeated', times: plan.steps, event: { kind: 'poisson-sampled', sampleRate: plan.sampleRate } }
    expect(json(out, files.events).event).toMatchObject(steps)
    expect(readFileSync(join(out, files.statement), 'utf8')).toContain(
      { flat: '0.5 on the L2 norm', automatic: '0.5 by AUTO-S', adaptive: 'adaptive from 0.5' }[clipping],
    )
    expect((await evaluateRun(out)).metrics).toEqual(report.metrics)
  })

  test('with two threads differs from one in rounding only', async () => {
    const batches = { recipe: 'repaired', batchSize: 4000, epochs: 2, noiseMultiplier: 1 } as const
    const one = await train(network({ ...batches }))
    const two = await train(network({ ...batches, threads: 2, out: `${out}-two` }))
    expect(json(`${out}-two`, files.config).threads).toBe(2)
    expect(two.privacy).toEqual(one.privacy)
    expect(two.metrics.rmse).toBeCloseTo(one.metrics.rmse, 4)
  })

  test('without a seed draws from the operating system, and two of them differ', async () => {
    const { seed: _, ...unseeded } = bias()
    const first = await train(unseeded)
    const second = await train({ ...unseeded, out: `${out}-again` })
    expect(first.privacy?.noiseSource).toBe('csprng')
    expect(first.notForRelease).toBe(false)
    expect(first.warnings).toEqual([])
    expect(publicText(out)).not.toMatch(/not for release/i)
    expect(readFileSync(join(out, files.model))).not.toEqual(readFileSync(join(`${out}-again`, files.model)))
    expect(second.privacy).toEqual(first.privacy)
  })

  test('with a seed repeats to the bit and is marked "not for release" everywhere', async () => {
    const said: string[] = []
    const report = await train(network(), { onWarning: (sentence) => said.push(sentence) })
    await train(network({ out: `${out}-again` }))
    expect(readFileSync(join(out, files.model))).toEqual(readFileSync(join(`${out}-again`, files.model)))
    expect(report.notForRelease).toBe(true)
    expect(said.join()).toContain('not for release')
    for (const name of ['statement.md', 'report.html', 'card.json'])
      expect(readFileSync(join(out, name), 'utf8')).toMatch(/not for release/i)
    expect(json(out, 'config.json').noiseSource).toBe('seeded')
  })

  test('keeps every figure of private rows out of its public files', async () => {
    const report = await train(bias())
    const text = publicText(out)
    for (const figure of [report.metrics.rmse, report.metrics.mae, report.baselines.itemMean.rmse, report.baselines.constant.rmse])
      for (const digits of [4, 6]) expect(text).not.toContain(figure.toFixed(digits))
    expect(text).not.toContain(json(out, files.data).fingerprint)
    expect(text).not.toMatch(/rmse|clipped|loss"/i)
  })

  test('trains on rows before the public cut only', async () => {
    const report = await train(bias())
    const { split, data } = await loadRun(out)
    const cut = data.publicCutTimestamp as number
    expect(report.split).toMatchObject({ kind: 'chronological', train: split.train.length, test: split.test.length })
    expect(split.train.every((row) => ((data.timestamps as Float64Array)[row] as number) < cut)).toBe(true)
    expect(json(out, 'config.json').split).toEqual({ kind: 'chronological', cutTimestamp: cut })
  })

  test('trains before a public cut that the request names, and refuses one on a random split', async () => {
    const cut = 1_690_000_000
    const report = await train(bias({ cutTimestamp: cut }))
    const before = (invented.timestamps as Float64Array).filter((time) => time < cut).length
    expect(report.split).toMatchObject({ kind: 'chronological', train: before, test: 12_000 - before })
    expect(json(out, 'config.json').split).toEqual({ kind: 'chronological', cutTimestamp: cut })
    expect(await codeOf(() => train(bias({ split: 'random', cutTimestamp: cut, out: `${out}-2` })))).toBe('invalid-argument')
  })

  test('on a random split keeps a row on its side when other rows go', async () => {
    await train(bias({ split: 'random' }))
    expect((await loadRun(out)).split.dataDependent).toBe(false)
  })
})

describe('a run without privacy', () => {
  test('says in every file that nothing is promised', async () => {
    const report = await train(
      network({ noiseMultiplier: undefined, noPrivacy: true, recipe: 'repaired', epochs: 20, batchSize: 50 } as never),
    )
    expect(report.privacy).toBeNull()
    expect(report.privacyDetails).toBeNull()
    expect(report.baselines.privateItemMean).toBeNull()
    expect(report.notForRelease).toBe(true)
    expect(json(out, 'events.json').event).toEqual({ kind: 'non-private' })
    expect(json(out, 'privacy.json').rating).toBeNull()
    for (const name of ['statement.md', 'report.html', 'card.json'])
      expect(readFileSync(join(out, name), 'utf8')).toMatch(/without privacy|No privacy/)
    expect(report.metrics.rmse).toBeLessThan(report.baselines.constant.rmse)
  })
})

describe('a request is refused before anything is written when', () => {
  test.each<[string, string, { readonly [Key in keyof TrainRequest]?: TrainRequest[Key] | undefined }]>([
    ['it says nothing about privacy', 'invalid-argument', { epsilon: undefined }],
    ['it asks for two kinds of privacy', 'invalid-argument', { noPrivacy: true }],
    ['it gives σ to bias-factors', 'invalid-argument', { epsilon: undefined, noiseMultiplier: 1 }],
    ['σ is 0', 'unsafe-plan', { model: 'wide-and-deep', epsilon: undefined, noiseMultiplier: 0 }],
    ['σ is below 0', 'invalid-argument', { model: 'wide-and-deep', epsilon: undefined, noiseMultiplier: -1 }],
    ['ε is 0', 'invalid-argument', { epsilon: 0 }],
    ['ε is below 0', 'invalid-argument', { epsilon: -1 }],
    ['ε is NaN', 'invalid-argument', { epsilon: Number.NaN }],
    ['δ is 1', 'invalid-argument', { delta: 1 }],
    ['δ is 0', 'invalid-argument', { delta: 0 }],
    ['the model is unknown', 'unknown-model', { model: 'svd++' }],
    ['the recipe is unknown', 'invalid-argument', { model: 'wide-and-deep', recipe: 'secret' }],
    ['the split is unknown', 'invalid-argument', { split: 'leave-one-out' }],
    ['the batch is larger than the data', 'invalid-argument', { model: 'wide-and-deep', batchSize: 1_000_000 }],
    ['the batch is empty', 'invalid-argument', { model: 'wide-and-deep', batchSize: 0 }],
    ['steps are set for bias-factors', 'invalid-argument', { epochs: 3 }],
    ['item metadata is asked of Wide & Deep', 'invalid-argument', { model: 'wide-and-deep', itemMetadata: true }],
    ['the clipping is unknown', 'invalid-argument', { model: 'wide-and-deep', clipping: 'ghost' }],
    [
      'a clipping is asked of a run without privacy',
      'invalid-argument',
      { model: 'wide-and-deep', epsilon: undefined, noPrivacy: true, clipping: 'flat' },
    ],
    ['threads are set for bias-factors', 'invalid-argument', { threads: 2 }],
    ['threads are not a number of threads', 'invalid-argument', { model: 'wide-and-deep', threads: 0 }],
    ['the seed is not a whole number', 'invalid-argument', { seed: 1.5 }],
    ['the data are not there', 'missing-file', { dataPath: '/nowhere/at/all' }],
  ])('%s', async (_why, code, over) => {
    expect(await codeOf(() => train({ ...bias(), ...over } as TrainRequest))).toBe(code)
    expect(existsSync(out)).toBe(false)
    expect(existsSync(`${out}.partial`)).toBe(false)
  })

  test('the folder is there already, or cannot be made', async () => {
    mkdirSync(out)
    expect(await codeOf(() => train(bias()))).toBe('output-exists')
    sameLists(readdirSync(out), [])
    expect(await codeOf(() => train(bias({ out: join(dataPath, 'run') })))).toBe('output-not-writable')
  })

  test('the data are malformed or implicit', async () => {
    const bad = join(scratch, 'bad.csv')
    writeFileSync(bad, 'user,item,rating,timestamp\n1,2,3,100\n1,x\n')
    expect(await codeOf(() => train(bias({ dataPath: bad })))).toBe('malformed-data')
    const implicit = join(scratch, 'implicit.csv')
    writeFileSync(implicit, 'user,item\na,x\nb,y\nc,z\nd,x\ne,y\nf,x\ng,z\n')
    expect(await codeOf(() => train(bias({ dataPath: implicit, split: 'random' })))).toBe('invalid-argument')
    expect(existsSync(`${out}.partial`)).toBe(false)
  })
})

describe('a finished run', () => {
  let report: TrainReport
  let run: string
  beforeAll(async () => {
    run = join(scratch, 'finished')
    report = await train(bias({ out: run }))
  })
  /** A copy of the run with one file changed. */
  const damaged = (name: string, change: (bytes: Buffer) => Buffer | string | null) => {
    const copy = join(scratch, `damaged-${++counter}`)
    mkdirSync(join(copy, 'private'), { recursive: true })
    for (const file of [...readdirSync(run), ...readdirSync(join(run, 'private')).map((entry) => `private/${entry}`)]) {
      if (file === 'private') continue
      const bytes = readFileSync(join(run, file))
      const changed = file === name ? change(bytes) : bytes
      if (changed !== null) writeFileSync(join(copy, file), changed)
    }
    return copy
  }

  test('evaluates to what training reported, from its own config', async () => {
    const again = await evaluateRun(run)
    expect(again.metrics.rmse).toBeCloseTo(report.metrics.rmse, 12)
    expect(again.baselines.itemMean).toEqual(report.baselines.itemMean)
    expect(again.split).toEqual(report.split)
    expect(again.privacy).toEqual(report.privacy)
    expect(again.warnings).toEqual([])
  })

  test('evaluates on the same rows in another file and another order, and says when the rows differ', async () => {
    const [head, ...rows] = [...toCsv(invented)].join('').trimEnd().split('\n')
    const moved = join(scratch, 'moved.csv')
    writeFileSync(moved, `${[head, ...rows.reverse()].join('\n')}\n`)
    expect(rows.length).toBe(report.data.interactions)
    const same = await evaluateRun(run, { dataPath: moved })
    expect(same.metrics.rmse).toBeCloseTo(report.metrics.rmse, 9)
    expect(same.warnings).toHaveLength(1)
  })

  test('recommends what scores highest among what a person has not rated', async () => {
    const { data, split, model } = await loadRun(run)
    const user = data.userIds[7] as string
    const { items } = await recommendFromRun(run, { user, n: 200 })
    const seen = new Set([...split.train].filter((row) => data.users[row] === 7).map((row) => data.itemIds[data.items[row] as number]))
    expect(seen.size).toBeGreaterThan(0)
    expect(items.length).toBe(data.itemIds.length - seen.size)
    expect(items.some(({ id }) => seen.has(id))).toBe(false)
    expect(items.every(({ score }, i) => i === 0 || score <= (items[i - 1] as { score: number }).score)).toBe(true)
    const scored = new Float32Array(1)
    model.score(7, Uint32Array.of(data.itemIds.indexOf((items[0] as { id: string }).id)), scored)
    expect(items[0]?.score).toBeCloseTo(scored[0] as number, 6)
    expect(await codeOf(() => recommendFromRun(run, { user: 'nobody', n: 3 }))).toBe('unknown-id')
    expect(await codeOf(() => recommendFromRun(run, { user, n: 0 }))).toBe('invalid-argument')
  })

  test('with a damaged file is refused as corrupt', async () => {
    const flip = (bytes: Buffer) => {
      const changed = Buffer.from(bytes)
      changed[bytes.length - 2] = (changed[bytes.length - 2] as number) ^ 1
      return changed
    }
    const cases: [string, (bytes: Buffer) => Buffer | string | null][] = [
      [files.model, (bytes) => bytes.subarray(0, bytes.length - 7)],
      [files.model, flip],
      [files.model, () => 'not a model'],
      [files.model, () => null],
      [files.config, () => '{'],
      [files.config, (bytes) => bytes.toString().replace('bias-factors', 'other')],
      [files.privacy, () => null],
      [files.card, () => null],
      [files.data, () => '{"userIds": 3}'],
    ]
    for (const [name, change] of cases) expect(await codeOf(() => evaluateRun(damaged(name, change))), name).toBe('corrupt-run')
    const newer = damaged(files.config, (bytes) => bytes.toString().replace('"formatVersion": 1', '"formatVersion": 2'))
    expect(await codeOf(() => evaluateRun(newer))).toBe('newer-run')
  })

  test('whose model has been swapped for one of another shape is refused', async () => {
    const { tensors } = decodeSafetensors(readFileSync(join(run, files.model)))
    const other = encodeSafetensors({ ...tensors, 'item.bias': { shape: [1], data: Float32Array.of(0) } }, { model: 'bias-factors' })
    expect(await codeOf(() => evaluateRun(damaged(files.model, () => Buffer.from(other))))).toBe('corrupt-run')
  })

  test('cannot be resumed', async () => {
    expect(await codeOf(() => resumeRun(run))).toBe('output-exists')
    expect(await codeOf(() => resumeRun(join(scratch, 'never-started')))).toBe('missing-file')
  })
})

describe('a run that is interrupted', () => {
  /** Stops the run once training has reported `after` steps. */
  const stopping = (after: number): RunIo => {
    const stop = new AbortController()
    return {
      signal: stop.signal,
      onProgress: (phase, done) => {
        if (phase === 'train' && done >= after) stop.abort()
      },
    }
  }
  const slow = network({ epochs: 60, checkpointEvery: 100 })

  test('leaves a checkpoint, resumes, and pays for no step twice that was not drawn', async () => {
    const request = { ...slow, out }
    expect(await codeOf(() => train(request, stopping(1)))).toBe('interrupted')
    expect(existsSync(out)).toBe(false)
    expect(existsSync(join(`${out}.partial`, files.checkpoint))).toBe(true)
    expect(await codeOf(() => train(request))).toBe('output-exists')
    expect(await codeOf(() => evaluateRun(out))).toBe('corrupt-run')
    const report = await resumeRun(out)
    const planned = json(out, 'config.json').training.plan.steps
    expect(report.attempts).toBe(2)
    expect(report.privacy?.steps).toBe(planned)
    expect(report.warnings.join()).toContain('started 2 times')
  })

  test('and has lost its checkpoint starts again with other noise, and pays for everything again', async () => {
    const request = { ...network({ epochs: 40 }), out }
    const unbroken = `${out}-unbroken`
    await train({ ...request, out: unbroken })
    expect(await codeOf(() => train(request, stopping(1)))).toBe('interrupted')
    rmSync(join(`${out}.partial`, files.checkpoint))
    const report = await resumeRun(out)
    expect(readFileSync(join(out, files.model))).not.toEqual(readFileSync(join(unbroken, files.model)))
    expect(report.privacy?.steps).toBeGreaterThan(json(out, 'config.json').training.plan.steps)
  })

  test('before anything was spent leaves nothing', async () => {
    const stop = new AbortController()
    stop.abort()
    expect(await codeOf(() => train(bias(), { signal: stop.signal }))).toBe('interrupted')
    expect(existsSync(`${out}.partial`)).toBe(false)
  })

  test('is not resumed on other data, nor under another plan', async () => {
    const own = join(scratch, 'own.ndjson')
    writeFileSync(own, readFileSync(dataPath))
    await codeOf(() => train({ ...slow, dataPath: own, out }, stopping(1)))
    const lines = readFileSync(own, 'utf8').trimEnd().split('\n')
    writeFileSync(own, `${lines.slice(0, -1).join('\n')}\n`)
    expect(['unsafe-plan', 'malformed-data']).toContain(await codeOf(() => resumeRun(out)))
    writeFileSync(own, `${lines.join('\n')}\n`)
    const config = join(`${out}.partial`, files.config)
    const text = readFileSync(config, 'utf8')
    writeFileSync(config, text.replaceAll('"noiseMultiplier": 1.5', '"noiseMultiplier": 1.4'))
    expect(await codeOf(() => resumeRun(out))).toBe('unsafe-plan')
    writeFileSync(config, text)
    expect((await resumeRun(`${out}.partial`)).privacy?.noiseMultiplier).toBe(1.5)
  })
})

/**
 * Kills a training process at random points until it is done, and compares what the run says it spent with what the journal and the steps that
 * were really drawn say. Three kills here, twenty with TACET_SLOW.
 */
describe('a run that is killed', () => {
  const kills = process.env.TACET_SLOW ? 20 : 3
  const worker = (work: string) => `
    import { resumeRun, train } from ${JSON.stringify(join(import.meta.dirname, 'index.node.ts'))}
    import { appendFileSync, readFileSync } from 'node:fs'
    const attempt = () => readFileSync(${JSON.stringify(join(`${out}.partial`, files.journal))}, 'utf8').split('"kind":"attempt"').length - 1
    const io = { onProgress: (phase, done) => phase.startsWith('train') && appendFileSync(${JSON.stringify(join(scratch, 'drawn'))}, attempt() + ' ' + done + '\\n') }
    ${work}`
  const start = (work: string) => {
    const script = join(scratch, `worker-${++counter}.ts`)
    writeFileSync(script, worker(work))
    return spawn(process.execPath, [script], { stdio: ['ignore', 'ignore', 'pipe'] })
  }
  const ended = (child: ReturnType<typeof start>) =>
    new Promise<{ signal: string | null; code: number | null }>((done) => child.on('exit', (code, signal) => done({ code, signal })))

  test.for<[string, TrainRequest]>([
    ['Wide & Deep', network({ epochs: kills > 3 ? 600 : 120, checkpointEvery: 60 })],
    ['bias-factors', bias()],
  ])(
    '%s: resumes to a whole folder, and the price covers every attempt',
    { timeout: 60_000 + kills * 15_000 },
    async ([_name, request]) => {
      rmSync(join(scratch, 'drawn'), { force: true })
      const working = `${out}.partial`
      const paidAtKill: PrivacyEvent[][] = []
      let started = false
      for (let kill = 0; kill < kills; kill++) {
        if (existsSync(out)) break
        const before = existsSync(join(working, files.journal)) ? readFileSync(join(working, files.journal)).length : 0
        const child = start(
          started ? `await resumeRun(${JSON.stringify(out)}, io)` : `await train(${JSON.stringify({ ...request, out })}, io)`,
        )
        const exit = ended(child)
        // A random while after the attempt has spent something (every other time: after it has told of a step), or has ended.
        const drawn = () => (existsSync(join(scratch, 'drawn')) ? readFileSync(join(scratch, 'drawn')).length : 0)
        const drawnBefore = drawn()
        for (let waited = 0; waited < 20_000 && child.exitCode === null; waited += 5) {
          await new Promise((next) => setTimeout(next, 5))
          const size = existsSync(join(working, files.journal)) ? readFileSync(join(working, files.journal)).length : 0
          const stepped = kill % 2 === 1 || request.model !== 'wide-and-deep' || drawn() > drawnBefore
          if (size > before + 200 && stepped) break
        }
        await new Promise((next) => setTimeout(next, Math.random() * (request.model === 'wide-and-deep' ? 150 : 30)))
        child.kill('SIGKILL')
        await exit
        started = existsSync(working)
        expect(existsSync(out) && existsSync(working)).toBe(false)
        if (started) paidAtKill.push(spentEvents(readJournal(join(working, files.journal))))
      }
      const report = existsSync(out) ? json(out, files.results) : started ? await resumeRun(out) : await train({ ...request, out })
      expect(readdirSync(out)).toContain('report.html')
      expect(existsSync(working)).toBe(false)
      const journal = readJournal(join(out, files.journal))
      const everything = spentEvents(journal)
      // What had been paid at each kill is still there, and the folder's price is the price of all of it.
      for (const paid of paidAtKill) expect(everything.slice(0, paid.length)).toEqual(paid)
      const priced = everything.reduce((accountant, event) => accountant.compose(event), pldAccountant()).epsilon(1e-5).epsilon
      expect(report.privacy.epsilon).toBeCloseTo(priced, 6)
      const once = request.epsilon ?? pldAccountant().compose(json(out, 'events.json').event).epsilon(1e-5).epsilon
      expect(report.privacy.epsilon).toBeGreaterThanOrEqual(once * (1 - 1e-9))
      if (request.model === 'wide-and-deep') {
        const planned = json(out, 'config.json').training.plan.steps
        expect(report.privacy.steps).toBeGreaterThan(planned)
        expect(paidAtKill.length).toBe(kills)
        // Each attempt told which steps it had drawn, and must have paid up to there.
        const reached = new Map<number, number>()
        for (const line of readFileSync(join(scratch, 'drawn'), 'utf8').trim().split('\n')) {
          const [attempt, step] = line.split(' ').map(Number) as [number, number]
          reached.set(attempt, step)
        }
        expect(reached.size).toBeGreaterThan(1)
        for (const [attempt, step] of reached) {
          const paid = journal.flatMap((entry) => (entry.kind === 'spend' && entry.attempt === attempt ? [entry.to] : []))
          expect(Math.max(...paid)).toBeGreaterThanOrEqual(step)
        }
      }
      expect((await evaluateRun(out)).metrics.rmse).toBeCloseTo(report.metrics.rmse, 9)
    },
  )
})

test('the version in run folders is the package version', () => {
  expect(tacetVersion).toBe(json(import.meta.dirname, '../../package.json').version)
})
