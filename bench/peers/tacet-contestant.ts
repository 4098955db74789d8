/** Tacet as a contestant: the same batches, settings and line protocol as the Python ones; see contest.py. Run by ../peers.ts. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { AttributeColumn } from '../../src/data/index.ts'
import { paperWideAndDeep } from '../../src/models/index.ts'
import { planDpSgd, poissonBatch } from '../../src/privacy/index.ts'
import { aesNoise } from '../../src/random/index.node.ts'
import { secureRandom } from '../../src/random/index.ts'
import { createWideAndDeepEngine, type StepSettings } from '../../src/training/index.ts'
import type { ContestMeta } from '../peers.ts'

const folder = process.argv[2] as string
const meta = JSON.parse(readFileSync(join(folder, 'meta.json'), 'utf8')) as ContestMeta
const bytes = (name: string) => {
  const { buffer, byteOffset, byteLength } = readFileSync(join(folder, `${name}.bin`))
  return buffer.slice(byteOffset, byteOffset + byteLength)
}
const numeric = (name: string): AttributeColumn => ({ name, kind: 'numeric', values: new Float32Array(bytes(name)), categories: null })
const data = {
  userCount: meta.users,
  itemCount: meta.items,
  userFeatures: [
    { name: 'gender', kind: 'categorical', values: new Float32Array(bytes('gender')), categories: ['F', 'M'] } as const,
    numeric('age'),
    numeric('occupation'),
  ],
  itemFeatures: [],
  users: new Uint32Array(bytes('users')),
  items: new Uint32Array(bytes('items')),
  ratings: new Float32Array(bytes('ratings')),
}
const rows = new Uint32Array(bytes('batches'))
const batches = Array.from({ length: rows.length / meta.batchSize }, (_, i) => rows.subarray(i * meta.batchSize, (i + 1) * meta.batchSize))

const optimizer = { kind: 'adam', learningRate: meta.learningRate, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 } as const
const flat = { kind: 'flat', maxGradNorm: meta.maxGradNorm } as const
const noiseStdDev = meta.noiseMultiplier * meta.maxGradNorm
const divisor = meta.batchSize

const plan = planDpSgd({
  privacyUnit: 'rating',
  datasetSize: data.users.length,
  expectedBatchSize: meta.batchSize,
  steps: 1_000_000,
  noiseMultiplier: meta.noiseMultiplier,
  clipping: flat,
  delta: 1e-5,
})
const sample = new Uint32Array(meta.batchSize * 4)

function engineOf() {
  const random = secureRandom()
  return createWideAndDeepEngine({ config: paperWideAndDeep, ...data, maxBatch: sample.length, random, noise: aesNoise(random) })
}

/** Noise keyed by the operating system, as for a release: the peers' default generators are cheaper and not secure. */
function stepper(settings: StepSettings) {
  const engine = engineOf()
  const step = (turn: number) =>
    engine.step(batches[turn % batches.length] as Uint32Array, meta.batchSize, settings).lossSum / meta.batchSize
  return { engine, step }
}

function sampledStepper(settings: StepSettings) {
  const engine = engineOf()
  const random = secureRandom()
  return (turn: number) => {
    const count = poissonBatch(plan, turn % plan.steps, random, sample)
    return engine.step(sample, count, settings).lossSum / Math.max(1, count)
  }
}

const plain = stepper({ divisor, clipping: { kind: 'none' }, noiseStdDev: 0, optimizer })
const privately: StepSettings = { divisor, clipping: flat, noiseStdDev, optimizer }
const variants: Record<string, (turn: number) => number> = {
  plain: plain.step,
  private: stepper(privately).step,
  sampled: sampledStepper(privately),
}

const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`)
say({
  name: 'Tacet',
  version: `kernels ${plain.engine.kernelsName} on Node ${process.versions.node}`,
  parameters: plain.engine.parameterCount,
  variants: Object.keys(variants),
  failures: [],
})
const turns = new Map<string, number>()
for await (const line of createInterface({ input: process.stdin })) {
  const [variant, steps] = line.split(' ') as [string, string]
  const step = variants[variant] as (turn: number) => number
  let turn = turns.get(variant) ?? 0
  let loss = Number.NaN
  const cpu = process.cpuUsage()
  const wall = performance.now()
  for (let i = 0; i < Number(steps); i++) loss = step(turn++)
  const { user, system } = process.cpuUsage(cpu)
  turns.set(variant, turn)
  say({ wall: (performance.now() - wall) / 1000, cpu: (user + system) / 1e6, loss })
}
