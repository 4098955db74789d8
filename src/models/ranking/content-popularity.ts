/**
 * `content-popularity`: popularity^power times how much more of an item's kind (genres, year) a person's history holds than popularity alone would
 * put there. The only thing learnt from people is popularity; taste is read off the person's own history and the public catalogue.
 */
import type { NamedTensors, Ranked } from '../model.ts'
import { type ContentParts, contentScorer, contentTensors, loadContentParts } from './content.ts'
import { vectorOf } from './popularity.ts'
import { type Ranker, scoreSome, topItems } from './ranker.ts'

export function createContentPopularity(popularity: Float32Array, content: ContentParts): Ranker {
  const itemCount = popularity.length
  // From the numbers of the file, so that a model read back scores the same.
  const tensors: NamedTensors = { popularity: { shape: [itemCount], data: popularity }, ...contentTensors(content) }
  const scorer = contentScorer(loadContentParts(tensors, itemCount, 'content-popularity'))
  const own = new Float64Array(itemCount)
  const ranker: Ranker = {
    name: 'content-popularity',
    itemCount,
    personCount: 0,
    foldsIn: true,
    score: (userIndex, items, out) => scoreSome(ranker, userIndex, items, out),
    scoreAll(people, out) {
      for (const [at, { history }] of people.entries()) {
        scorer.score(history, own)
        out.set(own, at * itemCount)
      }
    },
    similarItems(item, n) {
      const likeness = Float32Array.from({ length: itemCount }, (_, other) => scorer.likeness(item, other))
      return topItems(likeness, n, { exclude: Uint32Array.of(item) })
    },
    reasons: ({ history }, item, n) => shares(history, (liked) => scorer.likeness(liked, item), n),
    parameters: () => tensors,
  }
  return ranker
}

/** The items of a history that speak most for something, by `pull`; only what speaks for it, as shares of the whole. */
export function shares(history: Uint32Array, pull: (liked: number) => number, n: number): Ranked[] {
  const parts = Array.from(history, (item) => ({ item, score: pull(item) })).filter(({ score }) => score > 0)
  const total = parts.reduce((sum, { score }) => sum + score, 0)
  return parts
    .sort((a, b) => b.score - a.score || a.item - b.item)
    .slice(0, n)
    .map(({ item, score }) => ({ item, score: score / total }))
}

/** @throws TacetError corrupt-run */
export function loadContentPopularity(tensors: NamedTensors): Ranker {
  const popularity = vectorOf(tensors, 'popularity', 'content-popularity')
  return createContentPopularity(popularity, loadContentParts(tensors, popularity.length, 'content-popularity'))
}
