/**
 * Wide & Deep for ranking: the network of ../wide-and-deep.ts over a person, an item, and what the catalogue says of the item, with one logit of
 * "likes it" at the end instead of a rating. Facts of the catalogue that it reads are saved with it, so that it can score without the data set.
 * Scoring and fold-in are those of neural-ranker.ts.
 */
import type { NamedTensors } from '../model.ts'
import { expectTensor } from '../safetensors.ts'
import { createWideAndDeepNetwork, type FeatureColumn, type WideAndDeepConfig } from '../wide-and-deep.ts'
import type { NeuMfOptions } from './neumf.ts'
import { hiddenLayersOf, loadNeuralRanker, type NeuralRankerParts, tableShape } from './neural-ranker.ts'
import type { Ranker } from './ranker.ts'

export interface WideAndDeepRankerShape {
  readonly personCount: number
  readonly itemCount: number
  readonly dimensions: number
  readonly hiddenLayers: readonly number[]
  /** Of the catalogue: `genres` (multi-valued) and `year` (numeric), each where it has it. */
  readonly itemFeatures: readonly FeatureColumn[]
}

const genreDimensions = 8
const yearUnits = 4

/** The configuration: person, item and genres through the tower; the item itself and its genres straight to the output. */
export function rankingConfig({ dimensions, hiddenLayers, itemFeatures }: WideAndDeepRankerShape): WideAndDeepConfig {
  const has = (name: string) => itemFeatures.some((column) => column.name === name)
  return {
    categorical: [
      { name: 'user', of: 'user', dimensions },
      { name: 'item', of: 'item', dimensions },
      ...(has('genres') ? [{ name: 'genres', of: 'item-attribute' as const, dimensions: genreDimensions }] : []),
      { name: 'item wide', of: 'item', dimensions: 1, part: 'wide' },
      ...(has('genres')
        ? [{ name: 'genres wide', of: 'item-attribute' as const, attribute: 'genres', dimensions: 1, part: 'wide' as const }]
        : []),
    ],
    numeric: has('year') ? [{ name: 'year', of: 'item-attribute', units: yearUnits, range: [0, 1] }] : [],
    hiddenLayers,
    parts: 'joint',
    inputs: 'scaled',
    loss: 'logistic',
    initialOutputBias: 0,
    embeddingInitialScale: 0.05,
  }
}

/**
 * Years to 0 … 1 over the span of the catalogue, which is public; unknown stays unknown.
 * @param columns as `itemFeatureColumns` gives them
 */
export function scaledYears(columns: readonly FeatureColumn[]): FeatureColumn[] {
  return columns.map((column) => {
    if (column.kind !== 'numeric') return column
    const known = column.values.filter((value) => !Number.isNaN(value))
    const [low, high] = [known, known].map((values, end) =>
      values.reduce((a, b) => (end === 0 ? Math.min(a, b) : Math.max(a, b)), end === 0 ? Infinity : -Infinity),
    ) as [number, number]
    return { ...column, values: column.values.map((value) => (high > low ? (value - low) / (high - low) : 0)) }
  })
}

export function wideAndDeepParts(shape: WideAndDeepRankerShape, options: NeuMfOptions = {}): Omit<NeuralRankerParts, 'foldIn'> {
  const { personCount, itemCount, itemFeatures } = shape
  return {
    name: 'wide-and-deep',
    personCount,
    itemCount,
    pairs: createWideAndDeepNetwork(
      rankingConfig(shape),
      { userCount: personCount + 1, itemCount, userFeatures: [], itemFeatures },
      options,
    ),
    personTables: ['user'],
    itemTables: ['item'],
    catalogue: Object.assign({}, ...itemFeatures.map(tensorsOfColumn)) as NamedTensors,
  }
}

function tensorsOfColumn(column: FeatureColumn): NamedTensors {
  const vector = (values: ArrayLike<number>) => ({ shape: [values.length], data: Float32Array.from(values) })
  if (column.kind !== 'multi-valued')
    return { [`item.${column.name}`]: vector(column.values.map((value) => (Number.isNaN(value) ? -1 : value))) }
  return { [`item.${column.name}.offsets`]: vector(column.offsets), [`item.${column.name}.indices`]: vector(column.indices) }
}

/** @throws TacetError corrupt-run */
export function loadWideAndDeepRanker(tensors: NamedTensors): Ranker {
  const label = 'wide-and-deep'
  const [personRows] = tableShape(tensors, 'user', label)
  const [itemCount, dimensions] = tableShape(tensors, 'item', label)
  const itemFeatures: FeatureColumn[] = []
  if (tensors['item.genres.offsets'] !== undefined) {
    const [genres] = tableShape(tensors, 'genres', label)
    const offsets = Uint32Array.from(expectTensor(tensors, 'item.genres.offsets', [itemCount + 1], label))
    const indices = Uint32Array.from(expectTensor(tensors, 'item.genres.indices', [offsets.at(-1) as number], label))
    itemFeatures.push({ name: 'genres', kind: 'multi-valued', offsets, indices, categories: Array.from({ length: genres }, String) })
  }
  if (tensors['item.year'] !== undefined) {
    const values = expectTensor(tensors, 'item.year', [itemCount], label).map((value) => (value < 0 ? Number.NaN : value))
    itemFeatures.push({ name: 'year', kind: 'numeric', values, categories: null })
  }
  const shape = { personCount: personRows - 1, itemCount, dimensions, hiddenLayers: hiddenLayersOf(tensors), itemFeatures }
  return loadNeuralRanker(wideAndDeepParts(shape), tensors)
}
