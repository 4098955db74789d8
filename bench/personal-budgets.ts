/**
 * npm run bench -- personal-budgets [--low E] [--high E] [--seeds N] [--smoke]: what it is worth that some people allow more. `item-gram` on MovieLens
 * 1M, rating ≥ 4, held-out people, all items ranked, δ = 1e-6: everybody at the low ε, every second person at the high one, everybody at the high one.
 *
 * Who chooses what is made up here (every second id): people who allow more may like other things, which no such figure shows.
 */
import { readDataset } from '../src/data/index.node.ts'
import { splitForRanking, syntheticInteractions } from '../src/data/index.ts'
import { evaluateRanker, freeze, openTest } from '../src/evaluation/index.ts'
import { seededRandom } from '../src/random/index.ts'
import { levelScales, rankingTrainer, resolveParameters } from '../src/training/index.ts'
import { movieLensPath } from './movielens.ts'

const delta = 1e-6
const metric = 'ndcg@100'

export async function run(args: readonly string[]): Promise<void> {
  const option = (name: string, fallback: number) => {
    const at = args.indexOf(`--${name}`)
    return at < 0 ? fallback : Number(args[at + 1])
  }
  const smoke = args.includes('--smoke')
  const [low, high, seeds] = [option('low', 1), option('high', 4), option('seeds', smoke ? 1 : 3)]
  const path = movieLensPath()
  if (!smoke && path === null) {
    process.stdout.write('ml-1m: data set not present; TACET_DATA names the folder of data sets\n')
    return
  }
  const data =
    smoke || path === null ? syntheticInteractions({ users: 400, items: 120, interactions: 8_000, seed: 1 }).data : await readDataset(path)
  const split = splitForRanking(data, { kind: 'held-out-users', minRating: 4, seed: 0 })
  const [small] = levelScales([low, high], delta) as [number, number]
  const trainer = rankingTrainer('item-gram')
  const people = data.userIds.length
  // All low is planned for the low ε: its noise and its head are what a run at that ε would have.
  const cases: readonly [string, number, Float64Array | undefined][] = [
    [`everybody ε = ${low}`, low, undefined],
    [`half ε = ${low}, half ε = ${high}`, high, Float64Array.from({ length: people }, (_, person) => (person % 2 === 0 ? small : 1))],
    [`everybody ε = ${high}`, high, undefined],
  ]
  for (const [name, epsilon, personScale] of cases) {
    const values: number[] = []
    for (let seed = 1; seed <= seeds; seed++) {
      const ranker = await trainer.fit({
        positives: split.train,
        itemTable: data.itemTable,
        parameters: resolveParameters(trainer, {}),
        privacy: { unit: 'user', epsilon, delta, alongside: [] },
        random: seededRandom(seed),
        spend: () => {},
        personScale,
      })
      const { metrics } = evaluateRanker(ranker, openTest(split, freeze(ranker)), { metrics: [] })
      values.push(metrics[metric] as number)
    }
    const mean = values.reduce((sum, value) => sum + value, 0) / seeds
    process.stdout.write(`${name.padEnd(26)} ${metric} ${mean.toFixed(4)}  (${values.map((value) => value.toFixed(4)).join(', ')})\n`)
  }
}
