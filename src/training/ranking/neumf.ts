/**
 * Trains NeuMF (He et al. 2017) and its halves, GMF (tower=0) and MLP (product=0): logistic loss on likes and drawn items, both halves at once from a
 * random start. The published pre-training of the halves is not done. Private for a person it is another training: private-neumf.ts.
 */
import { itemsOf } from '../../data/index.ts'
import { createNeuralRanker, fitFoldIn, initialiseWideAndDeep, neuMfParts } from '../../models/index.ts'
import { fitOnSampledPairs, type NeuralFitSettings, neuralParameters, reserveAdam } from './neural-fit.ts'
import { personOnly } from './person-budget.ts'
import { fitPrivateNeuMf, planPrivateNeuMf, privateNeuMfParameters } from './private-neumf.ts'
import type { ParameterSpec, RankingTrainer } from './trainer.ts'

interface NeuMfSettings extends NeuralFitSettings {
  readonly product: number
  readonly tower: number
  readonly productDimension: number
  readonly towerDimension: number
  readonly firstLayer: number
  readonly layers: number
  readonly initialScale: number
}

const flag = { atLeast: 0, atMost: 1, integer: true }
const width = { atLeast: 1, atMost: 1024, integer: true }
const settings: Record<keyof NeuMfSettings, ParameterSpec> = {
  product: { default: 1, ...flag, about: '1: the cell-by-cell product of two embeddings (GMF); 0: without' },
  tower: { default: 1, ...flag, about: '1: the ReLU tower over two embeddings (MLP); 0: without' },
  productDimension: { default: 64, ...width, about: 'numbers an embedding of the product' },
  towerDimension: { default: 8, ...width, about: 'numbers an embedding under the tower; a tower alone wants 32 and a firstLayer of 64' },
  firstLayer: { default: 16, ...width, about: 'units of the first hidden layer; each next one has half' },
  layers: { default: 2, atLeast: 0, atMost: 8, integer: true, about: 'hidden layers' },
  initialScale: { default: 0.05, above: 0, atMost: 10, about: 'embeddings start uniform on ± this' },
  ...neuralParameters({ epochs: 8, batchSize: 0, negatives: 8, learningRate: 0.004, regularisation: 0.005 }),
}

export const neuMfTrainer: RankingTrainer = {
  name: 'neumf',
  about: 'product of embeddings beside a ReLU tower, one logit (NeuMF; GMF with tower=0, MLP with product=0)',
  parameters: { ...settings, ...privateNeuMfParameters },
  privateFor: ['user'],
  refusal: personOnly('neumf'),
  plan: ({ parameters, privacy, personCount, itemCount }) => planPrivateNeuMf(parameters, privacy, personCount, itemCount),
  async fit(request) {
    if (request.privacy !== null) return fitPrivateNeuMf(request, request.privacy)
    const { positives, parameters, random, onProgress, signal } = request
    const chosen = parameters as Readonly<Record<keyof NeuMfSettings, number>>
    const { personCount, itemCount } = positives
    const adam = reserveAdam()
    const parts = neuMfParts(
      {
        personCount,
        itemCount,
        productDimension: chosen.product * chosen.productDimension,
        towerDimension: chosen.tower * chosen.towerDimension,
        hiddenLayers: Array.from({ length: chosen.tower * chosen.layers }, (_, layer) => Math.max(1, chosen.firstLayer >> layer)),
      },
      { reserve: adam.reserve },
    )
    initialiseWideAndDeep(
      parts.pairs.network,
      { initialOutputBias: 0, embeddingInitialScale: chosen.initialScale },
      random.split('initial parameters'),
    )
    await fitOnSampledPairs(parts.pairs, adam.memory, positives, chosen, {
      random: random.split('likes'),
      ...(onProgress ? { onProgress } : {}),
      ...(signal ? { signal } : {}),
    })
    return createNeuralRanker({ ...parts, foldIn: fitFoldIn(parts, (person) => itemsOf(positives, person)) })
  },
}
