/**
 * `npm run prove -- MILESTONE.LINE` runs one of the project's measurable promises in full and prints figure, bar, and pass or miss;
 * `npm run prove` lists them. Exit 1 on any miss.
 *
 * These are the long runs: `npm test` holds quick versions of most. What needs a data set looks in TACET_DATA, else in ../shared/data, and
 * misses when it is not there: a promise that was not run is not shown. Timings are wall clock on whatever else the machine is doing.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { rankingPromises } from './prove-ranking.ts'
import { atMost, clone, data, dataSet, hold, mean, missed, type Promised, show, tacet, tests, within, work } from './prove-tools.ts'

interface Trained {
  readonly metrics: { readonly rmse: number }
  readonly baselines: {
    readonly constant: { rmse: number }
    readonly itemMean: { rmse: number }
    readonly privateItemMean: { rmse: number } | null
  }
  readonly privacy: { readonly epsilon: number } | null
  readonly timing: { readonly trainSeconds: number }
  readonly peakMemoryMb: number
}

let runs = 0
function train(...args: readonly string[]): Trained {
  const out = join(work, `run-${runs++}`)
  const report = tacet<Trained>('train', '--out', out, ...args)
  rmSync(out, { recursive: true, force: true })
  return report
}

const seeds = [1, 2, 3] as const

/** Seed 000's plan: MovieLens 1M, chronological 80/20, five epochs of batches of 512. */
const paperPlan = ['--sample-rate', String(512 / 800_167), '--steps', '7814', '--delta', '1e-5'] as const

const promises: Readonly<Record<string, Promised>> = {
  '1.1': {
    title: 'a fresh clone shows itself in three minutes and tests itself in five; the demo takes real data',
    run() {
      const cwd = clone()
      for (const [script, bar] of [
        ['demo', 180],
        ['test', 300],
      ] as const) {
        rmSync(join(cwd, 'node_modules'), { recursive: true, force: true })
        const { status, seconds } = show('bash', ['-c', `npm ci && npm run ${script}`], { cwd })
        hold(`npm ci && npm run ${script}`, `exit ${status}`, 'exit 0', status === 0)
        atMost(`npm ci && npm run ${script}`, seconds, bar, ' s')
      }
      const { status } = show('npm', ['run', 'demo', '--', '--data', dataSet('ml-1m')], { cwd })
      hold('the demo on MovieLens 1M', `exit ${status}`, 'exit 0', status === 0)
    },
  },
  '1.2': {
    title: "ε of the paper's plan by both accountants, shuffled, per person, and calibrated back",
    run() {
      const expected = {
        rdp: [0.6503, 0.1402, 0.0682, 0.0461, 0.0358],
        pld: [0.25689, 0.09303, 0.05703, 0.04087, 0.03168],
        shuffled: [11.48, 4.98, 3.13, 2.26, 1.76],
      }
      for (let sigma = 1; sigma <= 5; sigma++) {
        const base = ['account', '--noise-multiplier', String(sigma), ...paperPlan]
        within(`RDP σ = ${sigma}`, tacet(...base, '--accountant', 'rdp').epsilon as number, expected.rdp[sigma - 1] as number, 0.01)
        const startedAt = performance.now()
        const pld = tacet(...base).epsilon as number
        atMost(`PLD σ = ${sigma}, time`, (performance.now() - startedAt) / 1000, 2, ' s')
        within(`PLD σ = ${sigma}`, pld, expected.pld[sigma - 1] as number, 0.01)
        hold(
          `PLD σ = ${sigma} is not below`,
          pld / (expected.pld[sigma - 1] as number) - 1,
          '≥ −.1 %',
          pld / (expected.pld[sigma - 1] as number) >= 0.999,
        )
        // Shuffling: each rating once an epoch, no amplification, five epochs of 1,563 batches.
        const shuffled = tacet('account', '--noise-multiplier', String(sigma), ...paperPlan, '--batch-selection', 'shuffle')
          .epsilon as number
        within(`shuffled σ = ${sigma}`, shuffled, expected.shuffled[sigma - 1] as number, 0.01)
      }
      for (const [sigma, epsilon] of [
        [1, 41.2],
        [3, 7.08],
        [5, 3.8],
      ] as const) {
        const person = tacet('account', '--noise-multiplier', String(sigma), ...paperPlan, '--max-examples-per-user', '77')
        within(`a person with 77 ratings, σ = ${sigma}`, person.epsilon as number, epsilon, 0.01)
      }
      for (const [accountant, sigma] of [
        ['rdp', 0.8426],
        ['pld', 0.658],
      ] as const) {
        const calibrated = tacet('account', '--epsilon', '1', ...paperPlan, '--accountant', accountant)
        within(`σ for ε = 1 by ${accountant}`, calibrated.noiseMultiplier as number, sigma, 0.001)
      }
    },
  },
  '1.3': {
    title: 'golden vectors of other implementations, and PLD lower ≤ PLD upper ≤ RDP on a thousand plans',
    run: () => tests('accounting', ['src/privacy']),
  },
  '1.4': {
    title: "the paper's recipe at σ = 1 … 5 and without noise, chronological and random",
    run() {
      const paper = [0.8962, 1.2048, 1.1876, 1.1715, 1.156, 1.1529]
      for (const split of ['chronological', 'random']) {
        for (let sigma = 0; sigma <= 5; sigma++) {
          const privacy = sigma === 0 ? ['--no-privacy'] : ['--noise-multiplier', String(sigma)]
          const rmse = seeds.map((seed) => {
            const { metrics } = train(
              '--data',
              dataSet('ml-1m'),
              '--model',
              'wide-and-deep',
              '--recipe',
              'paper',
              '--split',
              split,
              ...privacy,
              '--seed',
              String(seed),
            )
            return metrics.rmse
          })
          const spread = Math.sqrt(mean(rmse.map((value) => (value - mean(rmse)) ** 2)) * (rmse.length / (rmse.length - 1)))
          const name = `${split}, ${sigma === 0 ? 'no noise' : `σ = ${sigma}`}`
          process.stdout.write(`figure  ${name}: RMSE ${mean(rmse).toFixed(4)} ± ${spread.toFixed(4)} (paper ${paper[sigma]})\n`)
        }
      }
    },
  },
  '1.5': {
    title: 'error at each ε on the chronological split of MovieLens 1M, and against the baselines elsewhere',
    run() {
      const ml1m = ['--data', dataSet('ml-1m')] as const
      const bars = [
        [0.04, 1.023],
        [0.06, 1.011],
        [0.14, 0.987],
        [0.24, 0.9755],
        [0.66, 0.9625],
        [1, 0.957],
        [2, 0.953],
        [4, 0.947],
        [8, 0.943],
      ] as const
      const metadataBars = [
        [0.04, 1.011],
        [0.06, 1.003],
        [0.24, 0.976],
        [0.66, 0.963],
        [1, 0.958],
        [2, 0.952],
        [4, 0.946],
        [8, 0.942],
      ] as const
      const networkBars = [
        [0.04, 1.06],
        [0.25, 0.995],
        [1.15, 0.98],
      ] as const
      const sweep = (name: string, rows: readonly (readonly [number, number])[], slack: boolean, ...flags: readonly string[]) => {
        for (const [epsilon, bar] of rows) {
          const reports = seeds.map((seed) => train(...ml1m, ...flags, '--epsilon', String(epsilon), '--seed', String(seed)))
          const rmse = reports.map(({ metrics }) => metrics.rmse)
          atMost(`${name}, ε = ${epsilon}, mean of ${seeds.length}`, mean(rmse), slack ? bar + 0.003 : bar)
          if (slack) atMost(`${name}, ε = ${epsilon}, worst`, Math.max(...rmse), bar + 0.006)
          atMost(`${name}, ε as stated`, Math.max(...reports.map(({ privacy }) => privacy?.epsilon ?? Number.POSITIVE_INFINITY)), epsilon)
        }
      }
      sweep('bias-factors', bars, true)
      sweep('bias-factors with film metadata', metadataBars, true, '--item-metadata')
      sweep('wide-and-deep repaired', networkBars, false, '--model', 'wide-and-deep', '--recipe', 'repaired')
      atMost('bias-factors without privacy', train(...ml1m, '--no-privacy', '--seed', '1').metrics.rmse, 0.935)
      for (const [name, split, from] of [
        ['ml-1m', 'random', 0.1],
        ['ml-100k', 'chronological', 0.5],
        ['ml-latest-small', 'chronological', 0.5],
      ] as const) {
        for (const epsilon of [0.1, 0.5, 1, 2, 4, 8].filter((value) => value >= from)) {
          const { metrics, baselines } = train('--data', dataSet(name), '--split', split, '--epsilon', String(epsilon), '--seed', '1')
          atMost(`${name} ${split}, ε = ${epsilon}, against the constant`, metrics.rmse, baselines.constant.rmse)
          if (baselines.privateItemMean)
            atMost(`${name} ${split}, ε = ${epsilon}, against the private item mean`, metrics.rmse, baselines.privateItemMean.rmse)
          if (name === 'ml-1m' && epsilon >= 1)
            atMost(`${name} ${split}, ε = ${epsilon}, against the item mean`, metrics.rmse, baselines.itemMean.rmse)
        }
      }
    },
  },
  '1.6': {
    title: 'speed of a training step, of normals, of reading, of whole runs',
    run: () =>
      hold(
        'npm run bench -- training',
        '',
        'the table above holds its own bars',
        show('npm', ['run', 'bench', '--', 'training']).status === 0,
      ),
  },
  '1.7': {
    title: 'the same step in Opacus and TensorFlow Privacy on the same cores',
    run: () => hold('npm run bench -- peers', '', 'the table above', show('npm', ['run', 'bench', '--', 'peers']).status === 0),
  },
  '1.8': {
    title: 'book-keeping equals naive clipping; NaN examples; the law of the noise; inclusion',
    run: () => tests('kernels, training, random, sampling', ['src/kernels', 'src/training', 'src/random', 'src/privacy']),
  },
  '1.9': {
    title: 'the audit stays below the claim on correct code and catches every planted bug',
    run: () => tests('attacks', ['src/attacks']),
  },
  '1.10': {
    title: 'kill −9 and SIGINT: a run resumes, and what was spent is never forgotten',
    run: () => tests('runs', ['src/runs']),
  },
  '1.11': {
    title: 'bad input: a clear error of at most six lines, the right exit status, nothing written',
    run: () => tests('command line', ['test/cli']),
  },
  '1.12': {
    title: 'the report in real Chromium: no console error, no request, no accessibility violation',
    run: () => hold('npm run test:browser', '', 'all pass', show('npm', ['run', 'test:browser']).status === 0),
  },
  '1.13': {
    title: 'continuous integration from a fresh clone in 25 minutes',
    run() {
      const { status, seconds } = show('bash', [join(clone(), '.ci/run')], { env: { CI: 'true', TACET_DATA: data } })
      hold('.ci/run', `exit ${status}`, 'exit 0', status === 0)
      atMost('.ci/run', seconds / 60, 25, ' min')
    },
  },
  ...rankingPromises,
}

const asked = process.argv.slice(2)
if (asked.length === 0) {
  for (const [name, { title }] of Object.entries(promises)) process.stdout.write(`${name.padEnd(5)} ${title}\n`)
}
for (const name of asked) {
  const promise = promises[name]
  if (!promise) {
    process.stderr.write(`prove: there is no ${name}; \`npm run prove\` lists what there is\n`)
    process.exit(2)
  }
  process.stdout.write(`${name} ${promise.title}\n`)
  try {
    promise.run()
  } catch (error) {
    hold(name, error instanceof Error ? error.message : String(error), 'runs to its end', false)
  }
}
process.exitCode = missed() === 0 ? 0 : 1
