/**
 * Popularity: one score an item, the same list for everybody, less what they have. What every other model has to beat. The scores are counts or
 * a noisy release of weighted counts; where they come from is the trainer's business. Knows nothing of taste: no reasons, nothing is similar.
 */
import { TacetError } from '../../errors.ts'
import type { NamedTensors } from '../model.ts'
import { expectTensor } from '../safetensors.ts'
import { type Ranker, scoreSome } from './ranker.ts'

/** @param popularity Float32Array[items], finite; larger is more popular; may be negative where it is noisy */
export function createPopularity(popularity: Float32Array, name = 'popularity'): Ranker {
  const itemCount = popularity.length
  const ranker: Ranker = {
    name,
    itemCount,
    personCount: 0,
    foldsIn: false,
    score: (userIndex, items, out) => scoreSome(ranker, userIndex, items, out),
    scoreAll(people, out) {
      for (let at = 0; at < people.length; at++) out.set(popularity, at * itemCount)
    },
    similarItems: () => [],
    reasons: () => [],
    parameters: () => ({ popularity: { shape: [itemCount], data: popularity } }),
  }
  return ranker
}

/** @throws TacetError corrupt-run */
export function loadPopularity(tensors: NamedTensors): Ranker {
  return createPopularity(vectorOf(tensors, 'popularity', 'popularity'))
}

/**
 * A tensor of one axis, whatever its length.
 * @throws TacetError corrupt-run if it is missing, empty, or has more axes
 */
export function vectorOf(tensors: NamedTensors, name: string, label: string): Float32Array {
  const length = tensors[name]?.data.length ?? 0
  if (tensors[name] !== undefined && length === 0)
    throw new TacetError('corrupt-run', `${label}: tensor ${name} is empty`, { wayOut: 'restore the file from a copy, or train again' })
  return expectTensor(tensors, name, [length], label)
}
