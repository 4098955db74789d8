/**
 * Neural matrix factorisation (He et al. 2017): the cell-by-cell product of one pair of embeddings beside a ReLU tower over another pair, both into
 * one logit. Without the tower it is their GMF, without the product their MLP. Scoring and fold-in are those of neural-ranker.ts.
 */
import { TacetError } from '../../errors.ts'
import type { KernelsChoice } from '../../kernels/index.ts'
import type { NamedTensors } from '../model.ts'
import { createNetwork, type LookupSpec, type TableSpec } from '../network/network.ts'
import type { WideAndDeepNetwork } from '../wide-and-deep.ts'
import { hiddenLayersOf, loadNeuralRanker, type NeuralRankerParts, tableShape } from './neural-ranker.ts'
import type { Ranker } from './ranker.ts'

export interface NeuMfShape {
  readonly personCount: number
  readonly itemCount: number
  /** Width of the embeddings that are multiplied; 0: no product. */
  readonly productDimension: number
  /** Width of the embeddings under the tower; 0: no tower. */
  readonly towerDimension: number
  /** Of the tower, from the bottom. */
  readonly hiddenLayers: readonly number[]
}

export interface NeuMfOptions {
  readonly kernels?: KernelsChoice
  readonly tileRows?: number
  readonly reserve?: Parameters<typeof createNetwork>[2]
}

/** The network and what a ranker needs to know of it. @throws TacetError invalid-argument without product and tower */
export function neuMfParts(shape: NeuMfShape, options: NeuMfOptions = {}): Omit<NeuralRankerParts, 'foldIn'> {
  const { personCount, itemCount, productDimension, towerDimension } = shape
  const kinds = [
    { part: 'product' as const, dimensions: productDimension },
    { part: 'deep' as const, dimensions: towerDimension },
  ].filter(({ dimensions }) => dimensions > 0)
  if (kinds.length === 0)
    throw new TacetError('invalid-argument', 'neumf without its product and without its tower has nothing to learn', {
      wayOut: 'Keep product=1 (GMF), tower=1 (MLP), or both (NeuMF).',
    })
  const tables: TableSpec[] = kinds.flatMap(({ part, dimensions }) => [
    { name: `user.${part}`, rows: personCount + 1, dimensions },
    { name: `item.${part}`, rows: itemCount, dimensions },
  ])
  const lookups: LookupSpec[] = kinds.flatMap(({ part }, kind) => [0, 1].map((side) => ({ table: 2 * kind + side, part, bag: null })))
  const { kernels = 'auto', tileRows, reserve } = options
  const network = createNetwork(
    { tables, lookups, numbers: [], hiddenLayers: shape.hiddenLayers, loss: 'logistic', ...(tileRows === undefined ? {} : { tileRows }) },
    kernels,
    reserve,
  )
  const loadTile: WideAndDeepNetwork['loadTile'] = (rows, from, count, users, items, targets) => {
    for (let r = 0; r < count; r++) {
      const row = rows === null ? from + r : (rows[from + r] as number)
      for (let at = 0; at < lookups.length; at += 2) {
        ;(network.indices[at] as Uint32Array)[r] = users[row] as number
        ;(network.indices[at + 1] as Uint32Array)[r] = items[row] as number
      }
      if (targets !== null) network.targets[r] = targets[row] as number
    }
  }
  return {
    name: 'neumf',
    personCount,
    itemCount,
    pairs: { network, loadTile },
    personTables: kinds.map(({ part }) => `user.${part}`),
    itemTables: kinds.map(({ part }) => `item.${part}`),
    catalogue: {},
  }
}

/** @throws TacetError corrupt-run */
export function loadNeuMf(tensors: NamedTensors): Ranker {
  const parts = ['product', 'deep'].filter((part) => tensors[`embedding.item.${part}`] !== undefined)
  const [itemCount] = tableShape(tensors, `item.${parts[0] ?? 'product'}`, 'neumf')
  const [personRows] = tableShape(tensors, `user.${parts[0] ?? 'product'}`, 'neumf')
  const widthOf = (part: string) => (parts.includes(part) ? tableShape(tensors, `item.${part}`, 'neumf')[1] : 0)
  return loadNeuralRanker(
    neuMfParts({
      personCount: personRows - 1,
      itemCount,
      productDimension: widthOf('product'),
      towerDimension: widthOf('deep'),
      hiddenLayers: hiddenLayersOf(tensors),
    }),
    tensors,
  )
}
