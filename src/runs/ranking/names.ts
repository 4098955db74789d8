/** Files of a ranking run beside those that every run has (folder.node.ts). */
export const rankingFiles = {
  /** Ids and titles of the items, in the order of the model's rows: with it the released folder lists for a history by itself. */
  items: 'items.json',
  /** The baseline the gate compared with. */
  baseline: 'private/popularity.safetensors',
  /** The model asked for, where another one was saved in its place. */
  refused: 'private/refused.safetensors',
  /** Who chose which level of ε: private, and read again by a resumed run. */
  budgets: 'private/personal-budgets.json',
  /** What the fit decided: read again by an attempt that only finishes the folder. */
  fit: 'private/fit.json',
  /** Every trial of a search: neither their number nor the losers are released. */
  trials: 'private/trials.json',
  /** The figures of results.json as a page. */
  quality: 'private/quality.html',
} as const
