/**
 * npm run bench -- private-ranking [--data NAME,…] [--split KIND,…] [--epsilons E,…] [--seeds N] [--param k=v,…] [--every N]
 * [--gate-people N] [--model NAME] [--smoke]: quality of
 * `item-gram` at δ = 1e-6 with the gate's 2 % of μ² inside ε, means over noise seeds, beside private popularity at the same ε. All items ranked.
 *
 * Exact figures on public research data. The people whom a run keeps out of training for its gate are out here too. `--every N` measures each N-th
 * test person. Columns: NDCG, its smallest lead over private popularity among the seeds, how often the gate kept the model.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readDataset } from '../src/data/index.node.ts'
import {
  itemsOf,
  type Positives,
  positivesFrom,
  type RankedPeople,
  type RankingSplitKind,
  splitForRanking,
  syntheticInteractions,
} from '../src/data/index.ts'
import { evaluateRanker, freeze, openTest } from '../src/evaluation/index.ts'
import type { Ranker } from '../src/models/index.ts'
import { seededRandom } from '../src/random/index.ts'
import { decideGate, gateEvent, peopleForGate, popularityStage, rankingTrainer, resolveParameters } from '../src/training/index.ts'

const delta = 1e-6

export async function run(args: readonly string[]): Promise<void> {
  const option = (name: string, fallback: string) => {
    const at = args.indexOf(`--${name}`)
    return at < 0 ? fallback : (args[at + 1] ?? fallback)
  }
  const smoke = args.includes('--smoke')
  const folder = process.env['TACET_DATA'] ?? join(import.meta.dirname, '../../shared/data')
  const names = smoke ? ['synthetic'] : option('data', 'ml-1m,gowalla-lightgcn,ml-100k,ml-latest-small,lastfm-2k').split(',')
  const seeds = Number(option('seeds', smoke ? '1' : '5'))
  const given = Object.fromEntries(
    option('param', '')
      .split(',')
      .filter(Boolean)
      .map((pair) => [pair.split('=')[0] as string, Number(pair.split('=')[1])]),
  )
  for (const name of names) {
    if (!smoke && !existsSync(join(folder, name))) {
      process.stdout.write(`${name}: data set not present; TACET_DATA names the folder of data sets\n`)
      continue
    }
    const data = smoke
      ? syntheticInteractions({ users: 400, items: 120, interactions: 8_000, seed: 1 }).data
      : await readDataset(join(folder, name))
    const kinds = data.givenSplit ? 'given' : data.timestamps ? 'per-user-chronological,held-out-users' : 'held-out-users'
    for (const kind of option('split', kinds).split(',') as RankingSplitKind[]) {
      const gatePeople = Number(option('gate-people', String(peopleForGate(data.userIds.length))))
      const split = splitForRanking(data, { kind, minRating: 4, seed: 0, keepOutPeople: { count: gatePeople } })
      const metric = kind === 'held-out-users' ? 'ndcg@100' : 'ndcg@10'
      const every = Number(option('every', '1'))
      process.stdout.write(
        `${name} · ${kind} · ${split.counts.trainPeople} of ${data.userIds.length} people trained on, ${Math.ceil(split.counts.testPeople / every)} measured, ${split.counts.gatePeople} for the gate · ${metric} · ${seeds} seeds\n`,
      )
      for (const epsilon of option('epsilons', smoke ? '4' : '.5,1,2,4,8')
        .split(',')
        .map(Number)) {
        const target = { epsilon, delta }
        const rows: { own: number; popular: number; kept: boolean; recall: number; coverage: number }[] = []
        for (let seed = 1; seed <= seeds; seed++) {
          const trainAs = (model: string, parameters: Record<string, number>) => {
            const trainer = rankingTrainer(model)
            return trainer.fit({
              positives: split.train,
              itemTable: data.itemTable,
              parameters: resolveParameters(trainer, parameters),
              privacy: { unit: 'user', ...target, alongside: model === 'popularity' ? [] : [gateEvent(target)] },
              random: seededRandom(seed),
              spend: () => {},
            })
          }
          const model = await trainAs(option('model', 'item-gram'), given)
          const popular = await trainAs('popularity', {})
          const on = (ranker: Ranker, people: RankedPeople) => evaluateRanker(ranker, people, { metrics: [] })
          const onTest = (ranker: Ranker) => on(ranker, everyNth(openTest(split, freeze(ranker)), every))
          const own = onTest(model)
          let kept = false
          if (split.gatePeople && split.gatePeople.users.length > 0) {
            const [ours, theirs] = [model, popularityStage(model)].map((ranker) =>
              on(ranker, split.gatePeople as RankedPeople).perPerson('ndcg@100'),
            )
            const differences = (ours as Float64Array).map((value, p) => value - ((theirs as Float64Array)[p] as number))
            kept = decideGate({
              differences,
              event: gateEvent(target),
              random: seededRandom(seed + 1_000),
              spend: () => {},
            }).beatsPrivatePopularity
          }
          rows.push({
            own: own.metrics[metric] as number,
            popular: onTest(popular).metrics[metric] as number,
            kept,
            recall: own.metrics['recall@20'] as number,
            coverage: model.foldsIn ? 1 : 0,
          })
        }
        const mean = (pick: (row: (typeof rows)[number]) => number) => rows.reduce((sum, row) => sum + pick(row), 0) / rows.length
        const guarded = rows.filter(({ coverage }) => coverage === 0).length
        process.stdout.write(
          `  ε ${String(epsilon).padEnd(4)} ${mean(({ own }) => own).toFixed(4)}  popularity ${mean(({ popular }) => popular).toFixed(4)}  smallest lead ${Math.min(
            ...rows.map(({ own, popular }) => own - popular),
          ).toFixed(
            4,
          )}  recall@20 ${mean(({ recall }) => recall).toFixed(4)}  gate kept it ${rows.filter(({ kept }) => kept).length}/${rows.length}${guarded > 0 ? `  (guard: popularity in ${guarded})` : ''}\n`,
        )
      }
    }
  }
}

function everyNth(people: RankedPeople, step: number): RankedPeople {
  if (step === 1) return people
  const chosen = Array.from(people.users.keys()).filter((at) => at % step === 0)
  const pick = (matrix: Positives) =>
    positivesFrom(
      chosen.map((at) => itemsOf(matrix, at)),
      matrix.itemCount,
    )
  return {
    ...people,
    users: Uint32Array.from(chosen, (at) => people.users[at] as number),
    history: pick(people.history),
    seen: pick(people.seen),
    relevant: pick(people.relevant),
  }
}
