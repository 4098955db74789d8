/** Data: interactions as typed columns, readers that parse text, splits, and a synthetic generator. Files are opened in index.node.ts. */
export { rowsByUser } from './assemble.ts'
export { type ColumnMapping, type DatasetFormat, datasetFormats, type FileSet, type ReadOptions } from './formats.ts'
export type { AttributeColumn, Interactions, ItemTable, RatingScale, Split } from './interactions.ts'
export type { TextFile } from './lines.ts'
export { parseDataset } from './parse.ts'
