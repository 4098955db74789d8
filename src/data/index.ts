/** Data: interactions as typed columns, readers that parse text, splits, and a synthetic generator. Files are opened in index.node.ts. */
export { rowsByUser } from './assemble.ts'
export { type DatasetDescription, datasetSize, describeDataset, type Spread } from './describe.ts'
export { filesInMemory } from './files-in-memory.ts'
export { type ColumnMapping, type DatasetFormat, datasetFormats, type FileSet, type ReadOptions } from './formats.ts'
export { compareIds } from './ids.ts'
export type { AttributeColumn, Interactions, ItemTable, RatingScale, Split } from './interactions.ts'
export type { TextFile } from './lines.ts'
export { toCsv, toNdjson } from './ndjson.ts'
export { parseDataset } from './parse.ts'
export { itemCounts, itemsOf, noPositives, type Positives, positiveRows, positivesFrom, transposed } from './positives.ts'
export {
  availableRankingSplits,
  type DataDependence,
  type RankedPeople,
  type RankingSplit,
  type RankingSplitKind,
  type RankingSplitOptions,
  rankingSplitKinds,
  splitForRanking,
  type TuningSplit,
  tuningSplit,
} from './ranking-splits.ts'
export { breakSeal, type SealedTest, sealTest } from './sealed.ts'
export { availableSplits, countTestRowsOfUnseenUsers, type SplitOptions, splitInteractions, splitKinds } from './splits.ts'
export {
  bestRmseOver,
  type SyntheticData,
  type SyntheticOptions,
  type SyntheticTruth,
  syntheticInteractions,
  syntheticLike,
} from './synthetic.ts'
