/**
 * npm run bench -- wide-and-deep [--recipes paper,repaired] [--splits chronological,random] [--seeds N] [--smoke] [--json]
 *
 * Seed 000's table again on MovieLens 1M: Wide & Deep by the paper's recipe at σ = 1 … 5 and without noise, and by the repaired recipe at given ε,
 * beside the paper's figures and the bars. Figures are exact functions of research data, printed as such; δ = 1e-5, one rating added or removed,
 * seeded noise, nothing chosen on test rows. CPU seconds of one training are those of this process.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readDataset } from '../src/data/index.node.ts'
import { type Interactions, type Split, splitInteractions } from '../src/data/index.ts'
import { TacetError } from '../src/errors.ts'
import { constantBaseline, evaluateRatings, itemMeanBaseline } from '../src/evaluation/index.ts'
import { maxBatchFor, planEvent, pldAccountant } from '../src/privacy/index.ts'
import { seededRandom } from '../src/random/index.ts'
import { createNodeWideAndDeepEngine } from '../src/training/index.node.ts'
import { loopOf, networkData, type RecipeName, runTrainingLoop, wideAndDeepSettings } from '../src/training/index.ts'

const delta = 1e-5

interface Target {
  readonly noiseMultiplier?: number
  readonly epsilon?: number
  /** RMSE / MAE of the paper's Table 1. */
  readonly paper?: readonly [number, number]
  /** RMSE wanted on the chronological split. */
  readonly bar?: number
}

const targets: Record<RecipeName, readonly Target[]> = {
  paper: [
    { paper: [0.8962, 0.7172] },
    { noiseMultiplier: 1, paper: [1.2048, 0.901] },
    { noiseMultiplier: 2, paper: [1.1876, 0.8757] },
    { noiseMultiplier: 3, paper: [1.1715, 0.8875] },
    { noiseMultiplier: 4, paper: [1.156, 0.8915] },
    { noiseMultiplier: 5, paper: [1.1529, 0.8937] },
  ],
  repaired: [
    {},
    { epsilon: 10.6 },
    { epsilon: 4 },
    { epsilon: 1.15, bar: 0.98 },
    { epsilon: 0.25, bar: 0.995 },
    { epsilon: 0.04, bar: 1.06 },
  ],
}

interface Line {
  readonly split: string
  readonly recipe: RecipeName
  readonly noiseMultiplier: number | null
  readonly epsilon: number | null
  readonly rmse: number
  readonly mae: number
  readonly rmseBySeed: readonly number[]
  readonly standardDeviation: number
  readonly paper: readonly [number, number] | null
  readonly bar: number | null
  readonly cpuSeconds: number
}

export async function run(args: readonly string[]): Promise<void> {
  const value = (flag: string, otherwise: string) => (args.includes(flag) ? (args[args.indexOf(flag) + 1] ?? otherwise) : otherwise)
  const smoke = args.includes('--smoke')
  const json = args.includes('--json')
  const print = (text: string) => {
    if (!json) process.stdout.write(`${text}\n`)
  }
  const seeds = smoke ? 1 : Number(value('--seeds', '3'))
  const folder = process.env.TACET_DATA ?? join(import.meta.dirname, '../../shared/data')
  const path = join(folder, smoke ? 'ml-100k' : 'ml-1m')
  if (!existsSync(path)) {
    process.stdout.write(`data set not present: ${path}; TACET_DATA names the folder of data sets\n`)
    return
  }
  const data = await readDataset(path)
  const lines: Line[] = []
  for (const kind of value('--splits', 'chronological,random').split(',')) {
    const split = splitInteractions(data, kind === 'random' ? { kind: 'random' } : { kind: 'chronological' })
    const constant = evaluateRatings(constantBaseline(data, split.train), data, split.test)
    const itemMean = evaluateRatings(itemMeanBaseline(data, split.train), data, split.test)
    print(`\n${data.name} · ${kind} · ${split.train.length} train, ${split.test.length} test`)
    print(
      `constant ${constant.rmse.toFixed(4)} / ${constant.mae.toFixed(4)} · item mean ${itemMean.rmse.toFixed(4)} / ${itemMean.mae.toFixed(4)}`,
    )
    print('recipe     σ         ε (PLD)   RMSE / MAE        ± over seeds   paper             bar     CPU s')
    for (const recipe of value('--recipes', 'paper,repaired').split(',') as RecipeName[]) {
      for (const target of smoke ? targets[recipe].slice(0, 2) : targets[recipe]) {
        const line = await measure(data, split, kind, recipe, target, seeds)
        lines.push(line)
        print(format(line))
      }
    }
  }
  if (json) process.stdout.write(`${JSON.stringify(lines)}\n`)
}

async function measure(data: Interactions, split: Split, kind: string, recipe: RecipeName, target: Target, seeds: number): Promise<Line> {
  const { noiseMultiplier, epsilon, paper, bar } = target
  const isPrivate = noiseMultiplier !== undefined || epsilon !== undefined
  const settings = wideAndDeepSettings(data, split.train.length, {
    recipe,
    privacy: isPrivate ? { delta, noiseMultiplier, epsilon } : null,
  })
  const { plan, batchSize, steps } = settings
  const columns = {
    users: Uint32Array.from(split.train, (row) => data.users[row] as number),
    items: Uint32Array.from(split.train, (row) => data.items[row] as number),
    ratings: Float32Array.from(split.train, (row) => data.values[row] as number),
  }
  const rmseBySeed: number[] = []
  const maeBySeed: number[] = []
  const startedAt = process.cpuUsage()
  for (let seed = 1; seed <= seeds; seed++) {
    const random = seededRandom(seed)
    const engine = await createNodeWideAndDeepEngine({
      config: settings.config,
      ...networkData(data),
      ...columns,
      maxBatch: plan ? maxBatchFor(plan) : batchSize,
      random: random.split('engine'),
    })
    try {
      await runTrainingLoop({
        engine,
        ...loopOf(settings, split.train.length),
        random: random.split('batches'),
        // A benchmark on research data has no budget to charge: its price stands in its table.
        spend: () => {},
        chunkSteps: steps,
      })
      const errors = evaluateRatings((users, items, out) => engine.predict(users, items, out), data, split.test)
      rmseBySeed.push(errors.rmse)
      maeBySeed.push(errors.mae)
    } catch (error) {
      // A run that diverges is a result: worse than any number.
      if (!(error instanceof TacetError && error.code === 'diverged')) throw error
      rmseBySeed.push(Number.POSITIVE_INFINITY)
      maeBySeed.push(Number.POSITIVE_INFINITY)
    } finally {
      engine.close()
    }
  }
  const { user } = process.cpuUsage(startedAt)
  return {
    split: kind,
    recipe,
    noiseMultiplier: plan ? (plan.noiseMultiplier as number) : null,
    epsilon: plan
      ? pldAccountant()
          .compose(planEvent(plan, 0, plan.steps))
          .epsilon(delta).epsilon
      : null,
    rmse: mean(rmseBySeed),
    mae: mean(maeBySeed),
    rmseBySeed,
    standardDeviation: Math.sqrt(mean(rmseBySeed.map((rmse) => (rmse - mean(rmseBySeed)) ** 2)) * (seeds / Math.max(1, seeds - 1))),
    paper: paper ?? null,
    bar: kind === 'chronological' ? (bar ?? null) : null,
    cpuSeconds: user / 1e6 / seeds,
  }
}

const mean = (values: readonly number[]): number => values.reduce((sum, each) => sum + each, 0) / values.length

function format({ recipe, noiseMultiplier, epsilon, rmse, mae, standardDeviation, paper, bar, cpuSeconds }: Line): string {
  return [
    recipe.padEnd(10),
    (noiseMultiplier === null ? 'none' : noiseMultiplier.toFixed(3)).padEnd(9),
    (epsilon === null ? '∞' : epsilon.toFixed(4)).padEnd(9),
    `${rmse.toFixed(4)} / ${mae.toFixed(4)}`.padEnd(17),
    standardDeviation.toFixed(4).padEnd(14),
    (paper ? `${paper[0].toFixed(4)} / ${paper[1].toFixed(4)}` : '–').padEnd(17),
    (bar === null ? '–' : `${bar.toFixed(3)}${rmse <= bar ? '' : ' !'}`).padEnd(7),
    cpuSeconds.toFixed(1),
  ].join(' ')
}
