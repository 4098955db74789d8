/**
 * Private epochs of Wide & Deep by the paper's recipe (batch 512, C = 1, σ = 1, Adam) in a process of its own, so that its time and its memory are
 * those of a training and of nothing else. Prints one line of JSON. Arguments: epochs, `synthetic` to leave the data set out.
 */
import { paperWideAndDeep } from '../src/models/index.ts'
import { maxBatchFor, planDpSgd, poissonBatch } from '../src/privacy/index.ts'
import { aesNoise } from '../src/random/index.node.ts'
import { secureRandom, seededRandom } from '../src/random/index.ts'
import { createWideAndDeepEngine, type StepSettings } from '../src/training/index.ts'
import { cpuMs } from './measure.ts'
import { movieLensColumns } from './movielens.ts'

const epochs = Number(process.argv[2] ?? 5)
const columns = await movieLensColumns({ synthetic: process.argv[3] === 'synthetic' })
const datasetSize = columns.ratings.length
const steps = Math.round((epochs * datasetSize) / 512)
const plan = planDpSgd({
  privacyUnit: 'rating',
  datasetSize,
  expectedBatchSize: 512,
  steps,
  noiseMultiplier: 1,
  clipping: { kind: 'flat', maxGradNorm: 1 },
  delta: 1e-5,
})
const random = secureRandom()
const engine = createWideAndDeepEngine({
  config: paperWideAndDeep,
  ...columns,
  maxBatch: maxBatchFor(plan),
  random,
  noise: aesNoise(random),
})
const settings: StepSettings = {
  divisor: 512,
  clipping: { kind: 'flat', maxGradNorm: 1 },
  noiseStdDev: 1,
  optimizer: { kind: 'adam', learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 },
}
const batch = new Uint32Array(maxBatchFor(plan))
const batches = seededRandom(1)
const before = cpuMs()
for (let step = 0; step < steps; step++) engine.step(batch, poissonBatch(plan, step, batches, batch), settings)
const seconds = (cpuMs() - before) / 1000
process.stdout.write(
  `${JSON.stringify({ data: columns.name, rows: datasetSize, steps, seconds, peakMemoryMb: process.resourceUsage().maxRSS / 1024 })}\n`,
)
