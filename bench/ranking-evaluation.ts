/**
 * Evaluation of rankers beyond their scoring: every default metric over the whole catalogue, at the sizes of MovieLens 1M and of Gowalla.
 * Scores are copied from a pool of random numbers, which costs little and never ties; what copying costs is taken off.
 */
import { itemCounts, type Positives, positivesFrom, type RankedPeople } from '../src/data/index.ts'
import { type EvaluationRequest, evaluateRanker } from '../src/evaluation/index.ts'
import type { Ranker } from '../src/models/index.ts'
import { seededRandom } from '../src/random/index.ts'
import { type BenchOptions, type BenchReport, type BenchRow, cpuMs, machine, median } from './measure.ts'

const sizes = [
  { name: '6,040 people × 3,706 items', people: 6_040, items: 3_706, seen: 75, relevant: 18, most: 2_000 },
  { name: '29,858 people × 40,981 items', people: 29_858, items: 40_981, seen: 27, relevant: 7, most: null },
] as const

export async function benchRankingEvaluation({ smoke }: BenchOptions): Promise<BenchReport> {
  const rows: BenchRow[] = []
  for (const size of sizes) {
    const { people, ranker } = world(smoke ? { ...size, people: 60, items: 400 } : size)
    const catalogue = { counts: itemCounts(people.history), trainingPeople: size.people }
    const evaluate = (request: EvaluationRequest) => () => evaluateRanker(ranker, people, { catalogue, ...request })
    const sorting = () => {
      const row = new Float32Array(ranker.itemCount)
      for (let p = 0; p < people.users.length; p++) {
        ranker.scoreAll([{ userIndex: p, history: new Uint32Array(0) }], row)
        const scored = Array.from(row, (score, item) => ({ item, score }))
        scored.sort((a, b) => b.score - a.score)
      }
    }
    const copying = () => {
      const out = new Float32Array(64 * ranker.itemCount)
      const batch = Array.from({ length: 64 }, (_, p) => ({ userIndex: p, history: new Uint32Array(0) }))
      for (let p = 0; p < people.users.length; p += 64) ranker.scoreAll(batch, out)
    }
    const rounds = smoke ? 1 : size.most === null ? 1 : 5
    const times = { evaluation: [] as number[], auc: [] as number[], copying: [] as number[] }
    for (let round = -1; round < rounds; round++)
      for (const [name, task] of [
        ['evaluation', evaluate({})],
        ['auc', evaluate({ metrics: ['auc'] })],
        ['copying', copying],
      ] as const) {
        const spent = timed(task)
        if (round >= 0) times[name].push(spent)
      }
    const beyond = median(times.evaluation) - median(times.copying)
    const detail = `scores copied in ${median(times.copying).toFixed(0)} ms · ndcg, recall, hr and auc ${median(times.auc).toFixed(0)} ms`
    rows.push({
      name: `default metrics beyond scoring, ${size.name}`,
      value: beyond,
      unit: ' ms',
      // The larger one once: it takes as long as the rest together.
      bar: size.most === null ? null : { at: 'most', value: size.most },
      detail,
    })
    // Sorting the larger catalogue for everybody takes minutes and says the same.
    if (size.most !== null)
      rows.push({
        name: `sorting every list ÷ evaluation, ${size.name}`,
        value: timed(sorting) / median(times.evaluation),
        unit: 'x',
        bar: null,
        detail: 'once',
      })
  }
  return { benchmark: 'ranking-evaluation', machine: machine(), kernels: 'none', smoke, data: 'random numbers', rows }
}

function timed(task: () => void): number {
  const before = cpuMs()
  task()
  return cpuMs() - before
}

interface Size {
  readonly people: number
  readonly items: number
  readonly seen: number
  readonly relevant: number
}

function world({ people, items, seen, relevant }: Size): { readonly people: RankedPeople; readonly ranker: Ranker } {
  const random = seededRandom(1)
  const draw = (count: number, barred: Positives | null) =>
    positivesFrom(
      Array.from({ length: people }, (_, p) => {
        const own = new Set(barred ? barred.items.subarray(barred.offsets[p], barred.offsets[p + 1]) : [])
        const from = own.size
        while (own.size < from + count) own.add(random.nextWord() % items)
        return [...own].slice(from)
      }),
      items,
    )
  const history = draw(seen, null)
  const pool = Float32Array.from({ length: items + 65_521 }, () => random.nextDouble())
  const ranker: Ranker = {
    name: 'random numbers',
    itemCount: items,
    personCount: people,
    foldsIn: false,
    scoreAll(some, out) {
      some.forEach(({ userIndex }, i) => {
        const from = ((userIndex ?? 0) * 7_919) % 65_521
        out.set(pool.subarray(from, from + items), i * items)
      })
    },
    score: () => {},
    similarItems: () => [],
    reasons: () => [],
    parameters: () => ({ pool: { shape: [pool.length], data: pool } }),
  }
  const users = Uint32Array.from({ length: people }, (_, p) => p)
  return { people: { users, history, seen: history, relevant: draw(relevant, history), strangers: false }, ranker }
}
