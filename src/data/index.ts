/** Data: interactions as typed columns, readers that parse text, splits, and a synthetic generator. Files are opened in index.node.ts. */
export type { AttributeColumn, Interactions, ItemTable, Split } from './interactions.ts'
