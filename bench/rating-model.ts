/**
 * npm run bench -- rating-model [--datasets ml-1m,ml-100k,ml-latest-small] [--seeds N] [--smoke] [--json]
 *
 * What `bias-factors` predicts at which ε: RMSE and MAE on the chronological and the random split, with and without film metadata, beside the
 * constant, the exact and the private item mean, and the exact fit. Figures are exact functions of research data, printed as such; δ = 1e-5, one
 * rating added or removed, seeded noise. CPU seconds of one training are those of this process.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readDataset } from '../src/data/index.node.ts'
import { type Interactions, type Split, splitInteractions } from '../src/data/index.ts'
import { constantBaseline, itemMeanBaseline } from '../src/evaluation/index.ts'
import type { PredictPairs } from '../src/models/index.ts'
import { seededRandom } from '../src/random/index.ts'
import { trainBiasFactors, trainPrivateItemMean } from '../src/training/index.ts'
import { cpuMs } from './measure.ts'

const delta = 1e-5
const epsilons = [0.04, 0.06, 0.07, 0.1, 0.14, 0.24, 0.5, 0.66, 1, 2, 4, 8] as const

/** RMSE wanted on ML-1M's chronological split. */
const bars: Record<'plain' | 'metadata', Partial<Record<number, number>> & { exact?: number }> = {
  plain: { 0.04: 1.023, 0.06: 1.011, 0.14: 0.987, 0.24: 0.9755, 0.66: 0.9625, 1: 0.957, 2: 0.953, 4: 0.947, 8: 0.943, exact: 0.935 },
  metadata: { 0.04: 1.011, 0.06: 1.003, 0.24: 0.976, 0.66: 0.963, 1: 0.958, 2: 0.952, 4: 0.946, 8: 0.942 },
}

interface Line {
  readonly dataset: string
  readonly split: string
  readonly model: string
  readonly epsilon: number | null
  readonly rmse: number
  /** Largest and smallest over the seeds. */
  readonly rmseBySeed: readonly number[]
  readonly mae: number
  readonly bar: number | null
  readonly cpuSeconds: number
}

export async function run(args: readonly string[]): Promise<void> {
  const value = (flag: string, otherwise: string) => (args.includes(flag) ? (args[args.indexOf(flag) + 1] ?? otherwise) : otherwise)
  const smoke = args.includes('--smoke')
  const json = args.includes('--json')
  const seeds = smoke ? 1 : Number(value('--seeds', '3'))
  const folder = process.env.TACET_DATA ?? join(import.meta.dirname, '../../shared/data')
  const names = value('--datasets', smoke ? 'ml-100k' : 'ml-1m,ml-100k,ml-latest-small').split(',')
  const lines: Line[] = []
  for (const name of names) {
    const path = join(folder, name)
    if (!existsSync(path)) {
      process.stdout.write(`${name}: data set not present under ${folder}; TACET_DATA names the folder of data sets\n`)
      continue
    }
    const data = await readDataset(path)
    const chronological =
      data.publicCutTimestamp === undefined
        ? splitInteractions(data, { kind: 'chronological', testFraction: 0.2 })
        : splitInteractions(data, { kind: 'chronological' })
    for (const split of [chronological, splitInteractions(data, { kind: 'random' })]) {
      if (!json) process.stdout.write(`\n${name} · ${split.kind} · ${split.train.length} train, ${split.test.length} test\n`)
      for (const line of measure(data, split, seeds, smoke ? [1] : epsilons)) {
        lines.push(line)
        if (!json) process.stdout.write(`${format(line)}\n`)
      }
    }
  }
  if (json) process.stdout.write(`${JSON.stringify({ benchmark: 'rating-model', delta, seeds, smoke, lines })}\n`)
}

function* measure(data: Interactions, split: Split, seeds: number, wanted: readonly number[]): Generator<Line> {
  const score = errorsOn(data, split.test)
  const line = (
    model: string,
    epsilon: number | null,
    bar: number | undefined,
    train: (seed: number) => PredictPairs,
    runs = seeds,
  ): Line => {
    const before = cpuMs()
    const predictors = Array.from({ length: runs }, (_, k) => train(k + 1))
    const cpuSeconds = (cpuMs() - before) / 1000 / runs
    const errors = predictors.map(score)
    const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length
    const onMl1m = data.name === 'ml-1m' && split.kind === 'chronological'
    return {
      dataset: data.name,
      split: split.kind,
      model,
      epsilon,
      rmse: mean(errors.map(({ rmse }) => rmse)),
      rmseBySeed: errors.map(({ rmse }) => rmse),
      mae: mean(errors.map(({ mae }) => mae)),
      bar: onMl1m ? (bar ?? null) : null,
      cpuSeconds,
    }
  }
  const common = (seed: number) => ({ data, trainRows: split.train, random: seededRandom(seed), spend: () => {} })
  const model = (epsilon: number | null, itemMetadata: boolean) => (seed: number) =>
    trainBiasFactors({ ...common(seed), privacy: epsilon === null ? null : { epsilon, delta }, itemMetadata }).model.predict
  yield line('constant', null, undefined, () => constantBaseline(data, split.train), 1)
  yield line('item mean', null, undefined, () => itemMeanBaseline(data, split.train), 1)
  yield line('bias-factors', null, bars.plain.exact, model(null, false), 1)
  yield line('bias-factors + metadata', null, undefined, model(null, true), 1)
  for (const epsilon of wanted) {
    yield line(
      'private item mean',
      epsilon,
      undefined,
      (seed) => trainPrivateItemMean({ ...common(seed), privacy: { epsilon, delta } }).predict,
    )
    yield line('bias-factors', epsilon, bars.plain[epsilon], model(epsilon, false))
    yield line('bias-factors + metadata', epsilon, bars.metadata[epsilon], model(epsilon, true))
  }
}

function errorsOn(data: Interactions, rows: Uint32Array): (predict: PredictPairs) => { rmse: number; mae: number } {
  const users = Uint32Array.from(rows, (row) => data.users[row] as number)
  const items = Uint32Array.from(rows, (row) => data.items[row] as number)
  const out = new Float32Array(rows.length)
  return (predict) => {
    predict(users, items, out)
    let square = 0
    let absolute = 0
    for (let k = 0; k < rows.length; k++) {
      const error = (data.values[rows[k] as number] as number) - (out[k] as number)
      square += error * error
      absolute += Math.abs(error)
    }
    return { rmse: Math.sqrt(square / rows.length), mae: absolute / rows.length }
  }
}

function format({ model, epsilon, rmse, rmseBySeed, mae, bar, cpuSeconds }: Line): string {
  const spread = rmseBySeed.length > 1 ? `${Math.min(...rmseBySeed).toFixed(4)}–${Math.max(...rmseBySeed).toFixed(4)}` : ''
  // a mean within .003 of the bar counts as met
  const verdict = bar === null ? '' : rmse <= bar ? `≤ ${bar}` : rmse <= bar + 0.003 ? `≤ ${bar} + .003` : `MISS of ${bar}`
  const privacy = epsilon === null ? 'not private' : `ε = ${epsilon}`
  return `  ${privacy.padEnd(12)} ${model.padEnd(24)} ${rmse.toFixed(4)}  ${spread.padEnd(14)} MAE ${mae.toFixed(4)}  ${cpuSeconds.toFixed(2)} s  ${verdict}`
}

if (import.meta.main) await run(process.argv.slice(2))
