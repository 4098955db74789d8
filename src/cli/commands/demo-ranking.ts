/**
 * The ranking half of `tacet demo`: lists without privacy and lists that are private for a whole person, on the same people; what the gate said;
 * a list with its reasons for somebody no model has seen. Checks what must hold whatever the noise was.
 */
import { join } from 'node:path'
import type { RankingRecommendReport, RankingTrainReport } from '../../runs/index.ts'
import { line, significant, textTable, under } from '../output.ts'
import type { Progress } from '../progress.ts'

export interface RankingDemo {
  readonly plain: RankingTrainReport
  readonly private: RankingTrainReport
  /** What a stranger of this history is shown, by the model without privacy and by the one that is private. */
  readonly history: readonly { readonly id: string; readonly title?: string }[]
  readonly lists: { readonly plain: RankingRecommendReport; readonly private: RankingRecommendReport }
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly found: string }[]
}

export interface RankingDemoRequest {
  /** Null: invented people with planted tastes. */
  readonly dataPath: string | null
  /** ε of the private lists, for a whole person. */
  readonly epsilon: number
  readonly folder: string
  readonly progress: Progress
  readonly signal: AbortSignal
}

/** Enough people for lists that are private for each of them; two planted tastes, so that popularity is not all there is to know. */
const inventedWorld = { users: 4_000, items: 300, interactions: 200_000, rank: 2, name: 'invented' }

export async function runRankingDemo({ dataPath: given, epsilon, folder, progress, signal }: RankingDemoRequest): Promise<RankingDemo> {
  const { syntheticInteractions } = await import('../../data/index.ts')
  const { topItems } = await import('../../models/index.ts')
  const { convertDataset, readDataset } = await import('../../data/index.node.ts')
  const { loadRankingRelease, recommendFromRankingRun, trainRanking } = await import('../../runs/index.node.ts')
  let dataPath = given
  if (dataPath === null) {
    dataPath = join(folder, 'invented-lists.ndjson')
    await convertDataset(syntheticInteractions(inventedWorld).data, { to: 'ndjson', out: dataPath })
  }
  const { ratingScale } = await readDataset(dataPath)
  const io = { onProgress: progress.update, signal }
  // The upper quarter of the scale counts as liked: 4 and 5 of five stars.
  const minRating = ratingScale ? ratingScale.min + 0.75 * (ratingScale.max - ratingScale.min) : undefined
  const common = { dataPath, split: 'held-out-users', ...(minRating === undefined ? {} : { minRating }) }
  const plain = await trainRanking({ ...common, model: 'ease', noPrivacy: true, out: join(folder, 'lists-plain') }, io)
  const priv = await trainRanking({ ...common, model: 'item-gram', epsilon, out: join(folder, 'lists-private') }, io)
  const release = loadRankingRelease(priv.run)
  // Somebody invented, who liked what everybody likes and two items alike to it.
  const scores = new Float32Array(release.ranker.itemCount)
  release.ranker.scoreAll([{ userIndex: null, history: new Uint32Array(0) }], scores)
  const first = topItems(scores, 1)[0]?.item ?? 0
  const alike = loadRankingRelease(plain.run).ranker.similarItems(first, 2)
  const liked = [first, ...alike.map(({ item }) => item)]
  const history = liked.map((item) => release.itemIds[item] as string)
  const ask = (run: string) => recommendFromRankingRun(run, { history, n: 5 })
  const lists = { plain: await ask(plain.run), private: await ask(priv.run) }
  const rowsOfPeople = Object.entries(release.ranker.parameters()).filter(
    ([, { shape }]) => shape[0] === priv.data.users && priv.data.users !== release.ranker.itemCount,
  )
  const reasons = lists.plain.items.flatMap(({ because }) => because)
  return {
    plain,
    private: priv,
    history: liked.map((item) => {
      const title = release.titles?.[item]
      return { id: release.itemIds[item] as string, ...(title ? { title } : {}) }
    }),
    lists,
    checks: [
      {
        name: 'lists made from a history beat the same list for everybody',
        ok: ndcg(plain.metrics) > ndcg(plain.baselines.popularity),
        found: `NDCG@10 ${ndcg(plain.metrics).toFixed(4)}, popularity ${ndcg(plain.baselines.popularity).toFixed(4)}`,
      },
      {
        name: 'the private lists cost no more than they were given, gate and baseline included',
        ok: priv.privacy !== null && priv.privacy.epsilon <= epsilon * 1.0001,
        found: `ε = ${significant(priv.privacy?.epsilon ?? Number.NaN)} per person`,
      },
      {
        name: 'the run holds the model that the gate named',
        ok: release.ranker.name === priv.gate?.saved,
        found: `${release.ranker.name} in the folder, ${priv.gate?.saved} by the gate`,
      },
      {
        name: 'the private model holds nothing a person',
        ok: release.ranker.personCount === 0 && rowsOfPeople.length === 0,
        found: `${Object.keys(release.ranker.parameters()).length} tensors, none with a row a person`,
      },
      {
        name: 'every reason is an item of the reader’s own history',
        ok: lists.plain.items.length === 5 && reasons.length > 0 && reasons.every(({ id }) => history.includes(id)),
        found: `${reasons.length} reasons for ${lists.plain.items.length} items`,
      },
    ],
  }
}

const ndcg = (figures: Readonly<Record<string, number>>) => figures['ndcg@10'] as number

export function describeRankingDemo({ plain, private: priv, history, lists }: RankingDemo): string[] {
  const { gate, privacy } = priv
  const named = ({ id, title }: { readonly id: string; readonly title?: string }) => title ?? id
  const figures = (figure: Readonly<Record<string, number>>) =>
    `NDCG@10 ${ndcg(figure).toFixed(4)} · recall@20 ${(figure['recall@20'] as number).toFixed(4)}`
  const list = ({ items }: RankingRecommendReport) =>
    textTable(
      ['>#', 'item', '>score', 'title', ''],
      items.map((item, index) => [
        String(index + 1),
        item.id,
        item.score.toFixed(3),
        item.title ?? '',
        item.because.length > 0 ? `because you liked ${named(item.because[0] as { id: string })}` : '',
      ]),
    ).map((text) => under(text))
  return [
    line('lists', `${plain.split.testUsers} people nobody was trained on`, 'all items they have not seen'),
    line('popular', figures(plain.baselines.popularity), 'the same list for everybody'),
    line('ease', figures(plain.metrics), 'no privacy'),
    line(
      'item-gram',
      figures(priv.metrics),
      privacy && `ε = ${significant(privacy.epsilon)} at δ = ${significant(privacy.delta)} per person`,
    ),
    line(
      'gate',
      gate?.beatsPrivatePopularity
        ? 'item-gram beats private popularity, and is kept'
        : 'item-gram does not beat private popularity, which is saved instead',
    ),
    line('liked', history.map(named).join(', ')),
    line('ease', 'would show'),
    ...list(lists.plain),
    line(gate?.saved ?? 'private', 'would show'),
    ...list(lists.private),
  ]
}
