/** Models: how to score, and what a trainer needs for per-example clipping. Never sees privacy. */
export { type BiasFactors, type BiasFactorsModel, createBiasFactorsModel, loadBiasFactors } from './bias-factors.ts'
export type { NamedTensors, PredictPairs, Ranked, Recommender, TensorData } from './model.ts'
export {
  type Block,
  type ClippingFactors,
  createNetwork,
  type LookupSpec,
  type Network,
  type NetworkSpec,
  type TableSpec,
  type TileCounts,
} from './network/network.ts'
export { type BprModel, createBprRanker, type FoldInSettings, loadBpr, rateOf } from './ranking/bpr.ts'
export type { ContentParts, ContentSettings } from './ranking/content.ts'
export { createContentPopularity } from './ranking/content-popularity.ts'
export { createDpalsRanker, type DpalsModel, loadDpals, personVectors } from './ranking/dpals.ts'
export { createEase, type Ease, loadEase } from './ranking/ease.ts'
export { createFactorDescent, type DescentRates, type DescentShape, type FactorDescent, withoutPadding } from './ranking/factor-descent.ts'
export { createFactorRanker, type FactorRankerOptions, type Factors, type FoldIn, loadFactors, sharesOf } from './ranking/factor-ranker.ts'
export { fitHistoryMap } from './ranking/history-map.ts'
export { createIals, type IalsObjective, ialsBase, ialsRidge, loadIals } from './ranking/ials.ts'
export { createItemFoldIn, type ItemFoldInTables } from './ranking/item-fold-in.ts'
export { createItemGram, type ItemGramParts } from './ranking/item-gram.ts'
export { createItemKnn, type ItemNeighbours, loadItemKnn } from './ranking/itemknn.ts'
export { createLightGcnRanker, type LightGcnVectors } from './ranking/lightgcn.ts'
export { type NeuMfShape, neuMfParts } from './ranking/neumf.ts'
export { createNeuralRanker, fitFoldIn, type NeuralRankerParts } from './ranking/neural-ranker.ts'
export { createPopularity } from './ranking/popularity.ts'
export { createPureSvd, loadPureSvd } from './ranking/puresvd.ts'
export { type Person, type Ranker, scoreSome, topItems } from './ranking/ranker.ts'
export { loadRanker } from './ranking/registry.ts'
export { type TopLists, topLists } from './ranking/top-lists.ts'
export { rankingConfig, scaledYears, type WideAndDeepRankerShape, wideAndDeepParts } from './ranking/wide-and-deep.ts'
export { decodeSafetensors, encodeSafetensors, expectTensor, type SafetensorsFile } from './safetensors.ts'
export {
  type CategoricalFeature,
  createWideAndDeepNetwork,
  type FeatureColumn,
  initialiseWideAndDeep,
  itemFeatureColumns,
  loadNetworkTensors,
  loadWideAndDeep,
  type MultiValuedColumn,
  type NumericFeature,
  networkTensors,
  paperWideAndDeep,
  predictPairs,
  type WideAndDeepConfig,
  type WideAndDeepData,
  type WideAndDeepModel,
  type WideAndDeepNetwork,
  withAvailableFeatures,
} from './wide-and-deep.ts'
