/**
 * Trains Wide & Deep for ranking without privacy: the network over a person, an item, and the catalogue's genres and year, by logistic loss on
 * likes (target 1) and items drawn at random (target 0). The rating model of the same name is trained elsewhere (recipes.ts).
 */
import { itemsOf } from '../../data/index.ts'
import {
  createNeuralRanker,
  fitFoldIn,
  initialiseWideAndDeep,
  itemFeatureColumns,
  rankingConfig,
  scaledYears,
  wideAndDeepParts,
} from '../../models/index.ts'
import { refuseUnder } from './linear-refusal.ts'
import { fitOnSampledPairs, type NeuralFitSettings, neuralParameters, reserveAdam } from './neural-fit.ts'
import { rowAPerson } from './neural-refusal.ts'
import type { ParameterSpec, RankingTrainer } from './trainer.ts'

interface WideAndDeepRankingSettings extends NeuralFitSettings {
  readonly dimension: number
  readonly firstLayer: number
  readonly layers: number
}

const settings: Record<keyof WideAndDeepRankingSettings, ParameterSpec> = {
  dimension: { default: 32, atLeast: 1, atMost: 1024, integer: true, about: 'numbers an embedding of a person or an item' },
  firstLayer: { default: 64, atLeast: 1, atMost: 1024, integer: true, about: 'units of the first hidden layer; each next one has half' },
  layers: { default: 2, atLeast: 0, atMost: 8, integer: true, about: 'hidden layers' },
  ...neuralParameters({ epochs: 8, batchSize: 0, negatives: 8, learningRate: 0.004, regularisation: 0.005 }),
}

export const wideAndDeepRankingTrainer: RankingTrainer = {
  name: 'wide-and-deep',
  about: 'embeddings of person and item with genres and year through a ReLU tower beside a linear part, one logit',
  parameters: settings,
  ...rowAPerson('wide-and-deep'),
  async fit({ positives, itemTable, parameters, privacy, random, onProgress, signal }) {
    refuseUnder(privacy, wideAndDeepRankingTrainer)
    const chosen = parameters as Readonly<Record<keyof WideAndDeepRankingSettings, number>>
    const { personCount, itemCount } = positives
    const adam = reserveAdam()
    const shape = {
      personCount,
      itemCount,
      dimensions: chosen.dimension,
      hiddenLayers: Array.from({ length: chosen.layers }, (_, layer) => Math.max(1, chosen.firstLayer >> layer)),
      itemFeatures: scaledYears(itemFeatureColumns(itemTable)),
    }
    const parts = wideAndDeepParts(shape, { reserve: adam.reserve })
    initialiseWideAndDeep(parts.pairs.network, rankingConfig(shape), random.split('initial parameters'))
    await fitOnSampledPairs(parts.pairs, adam.memory, positives, chosen, {
      random: random.split('likes'),
      ...(onProgress ? { onProgress } : {}),
      ...(signal ? { signal } : {}),
    })
    return createNeuralRanker({ ...parts, foldIn: fitFoldIn(parts, (person) => itemsOf(positives, person)) })
  },
}
