/**
 * What NeuMF and Wide & Deep have in common once trained: a network over pairs of a person and an item, with embeddings of both. Scores are logits.
 *
 * Such a network has no place for somebody it was not trained with. A stranger's embeddings are therefore guessed from their history, by a linear
 * map that training fitted from histories to the embeddings of the people it had (`fold-in.weights`): a good start, not what training with them
 * would have given. The last row of each person table is where a guess is put for scoring. One ranker is one memory: not for several threads.
 */
import { TacetError } from '../../errors.ts'
import type { NamedTensors } from '../model.ts'
import type { Network } from '../network/network.ts'
import { expectTensor } from '../safetensors.ts'
import { loadNetworkTensors, networkTensors, predictPairs, type WideAndDeepNetwork } from '../wide-and-deep.ts'
import { sharesOf } from './factor-ranker.ts'
import { fitHistoryMap, putGuess, type Table, widthOf } from './history-map.ts'
import { type Person, type Ranker, scoreSome, topItems } from './ranker.ts'

export interface NeuralRankerParts {
  readonly name: string
  readonly personCount: number
  readonly itemCount: number
  /** With personCount + 1 rows in each person table. */
  readonly pairs: WideAndDeepNetwork
  /** Tables with a row a person, and those with a row an item, by name. */
  readonly personTables: readonly string[]
  readonly itemTables: readonly string[]
  /** Float32Array[(widths of the item tables + 1) × widths of the person tables]; see `fitFoldIn`. */
  readonly foldIn: Float32Array
  /** Facts of the catalogue that the network reads, saved with it. */
  readonly catalogue: NamedTensors
}

function tablesOf(network: Pick<Network, 'blocks' | 'parameters'>, names: readonly string[]): Table[] {
  return names.map((name) => {
    const { offset, shape } = network.blocks.find((block) => block.name === `embedding.${name}`) as Network['blocks'][number]
    const [rows, width] = shape as [number, number]
    return { values: network.parameters.subarray(offset, offset + rows * width), width }
  })
}

/** The map from histories to embeddings (`fitHistoryMap`); people without a history get what it guesses, in place of a row that training never touched. */
export function fitFoldIn(
  { pairs, personCount, personTables, itemTables }: Pick<NeuralRankerParts, 'pairs' | 'personCount' | 'personTables' | 'itemTables'>,
  historyOf: (person: number) => Uint32Array,
): Float32Array {
  const [items, people] = [tablesOf(pairs.network, itemTables), tablesOf(pairs.network, personTables)]
  const map = fitHistoryMap(items, people, personCount, historyOf)
  const scratch = new Float32Array(widthOf(items) + 1)
  for (let person = 0; person < personCount; person++) if (historyOf(person).length === 0) putGuess(items, people, map, [], person, scratch)
  return map
}

export function createNeuralRanker(parts: NeuralRankerParts): Ranker {
  const { name, personCount, itemCount, pairs, foldIn } = parts
  const items = tablesOf(pairs.network, parts.itemTables)
  const people = tablesOf(pairs.network, parts.personTables)
  const inputs = widthOf(items) + 1
  const scratch = new Float32Array(inputs)
  const everyItem = Uint32Array.from({ length: itemCount }, (_, item) => item)
  const who = new Uint32Array(itemCount)
  pairs.network.prepare()

  /** Row of the person tables to score with, filled for a stranger. */
  function rowOf({ userIndex, history }: Person): number {
    if (userIndex !== null && userIndex < personCount) return userIndex
    putGuess(items, people, foldIn, history, personCount, scratch)
    return personCount
  }

  // Item vectors of unit length, for likeness.
  const width = inputs - 1
  const unit = new Float32Array(itemCount * width)
  for (let item = 0; item < itemCount; item++) {
    let column = item * width
    for (const table of items) {
      unit.set(table.values.subarray(item * table.width, (item + 1) * table.width), column)
      column += table.width
    }
    let square = 0
    for (let k = item * width; k < (item + 1) * width; k++) square += (unit[k] as number) ** 2
    const scale = square > 0 ? 1 / Math.sqrt(square) : 0
    for (let k = item * width; k < (item + 1) * width; k++) (unit[k] as number) *= scale
  }

  const ranker: Ranker = {
    name,
    itemCount,
    personCount,
    foldsIn: true,
    score: (userIndex, wanted, out) => scoreSome(ranker, userIndex, wanted, out),
    scoreAll(persons, out) {
      for (const [at, person] of persons.entries()) {
        who.fill(rowOf(person))
        predictPairs(pairs, who, everyItem, out.subarray(at * itemCount, (at + 1) * itemCount))
      }
    },
    similarItems(item, n) {
      const likeness = new Float32Array(itemCount)
      for (let other = 0; other < itemCount; other++) {
        let sum = 0
        for (let k = 0; k < width; k++) sum += (unit[item * width + k] as number) * (unit[other * width + k] as number)
        likeness[other] = sum
      }
      return topItems(likeness, n, { exclude: Uint32Array.of(item) })
    },
    // By what the logit of a stranger with this history would lose without each of its items.
    reasons({ history }, item, n) {
      const one = Uint32Array.of(item)
      const score = new Float32Array(1)
      const scoreWith = (known: ArrayLike<number>): number => {
        putGuess(items, people, foldIn, known, personCount, scratch)
        predictPairs(pairs, Uint32Array.of(personCount), one, score)
        return score[0] as number
      }
      const whole = scoreWith(history)
      return sharesOf(history, (liked) => whole - scoreWith(history.filter((other) => other !== liked)), n)
    },
    parameters() {
      // The row for strangers holds whoever was served last: nobody's vector may leave with the model.
      putGuess(items, people, foldIn, new Uint32Array(0), personCount, scratch)
      return {
        ...networkTensors(pairs.network),
        ...parts.catalogue,
        'fold-in.weights': { shape: [inputs, widthOf(people)], data: foldIn.slice() },
      }
    },
  }
  return ranker
}

/**
 * The other half of `parameters`.
 * @param parts with a network made for the shapes of `tensors`
 * @throws TacetError corrupt-run
 */
export function loadNeuralRanker(parts: Omit<NeuralRankerParts, 'foldIn'>, tensors: NamedTensors): Ranker {
  loadNetworkTensors(parts.pairs.network, tensors)
  const items = tablesOf(parts.pairs.network, parts.itemTables)
  const people = tablesOf(parts.pairs.network, parts.personTables)
  const foldIn = expectTensor(tensors, 'fold-in.weights', [widthOf(items) + 1, widthOf(people)], parts.name)
  return createNeuralRanker({ ...parts, foldIn: foldIn.slice() })
}

/**
 * Rows and columns of a table of the file, for a loader that does not know the sizes.
 * @throws TacetError corrupt-run if it is missing or not a matrix
 */
export function tableShape(tensors: NamedTensors, table: string, label: string): readonly [number, number] {
  const shape = tensors[`embedding.${table}`]?.shape
  if (shape?.length !== 2 || !shape.every((extent) => extent > 0))
    throw new TacetError('corrupt-run', `${label}: tensor embedding.${table} is ${shape?.join('×') ?? 'missing'}; a matrix is needed`, {
      wayOut: 'restore the file from a copy, or train again',
    })
  return shape as unknown as readonly [number, number]
}

/** Widths of the hidden layers that the file has. */
export function hiddenLayersOf(tensors: NamedTensors): number[] {
  const widths: number[] = []
  for (let layer = 0; ; layer++) {
    const width = tensors[`deep.${layer}.bias`]?.shape[0]
    if (width === undefined) return widths
    widths.push(width)
  }
}
