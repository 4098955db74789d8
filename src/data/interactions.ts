/**
 * Interactions as typed columns, the only form the rest of Tacet reads. Row r says: person users[r] gave item items[r] the value values[r].
 * Dense indices inside, external ids outside: `userIds[userIndex]`, `itemIds[itemIndex]`.
 *
 * When a data set ships a user table or a catalogue, the vocabulary is that public table (an item nobody rated keeps its row);
 * otherwise it is read off the interactions, which `vocabulary` says, because then the ids themselves are private information.
 */

export interface AttributeColumn {
  readonly name: string
  readonly kind: 'categorical' | 'numeric'
  /** For categorical: index into `categories`; for numeric: the value. NaN = unknown. */
  readonly values: Float32Array
  /**
   * Names of the codes. Always there for categorical. On a numeric column it is null, except where the number is a code that the data set's
   * own readme names (MovieLens 1M's `occupation`, 0 … 20): then `values` are indices into it as well, and either reading is right.
   */
  readonly categories: readonly string[] | null
}

export interface ItemTable {
  readonly titles: readonly string[] | null
  /** Multi-valued: genreNames[g] for g in genres[itemIndex]. */
  readonly genreNames: readonly string[]
  readonly genres: readonly (readonly number[])[]
  /** Release year, NaN = unknown. */
  readonly years: Float32Array | null
}

export interface RatingScale {
  readonly min: number
  readonly max: number
}

export interface Interactions {
  /** Short name such as `ml-1m`; shown to people. */
  readonly name: string
  /** explicit: `values` are ratings on `ratingScale`; implicit: `values` are weights (1 or a count). */
  readonly feedback: 'explicit' | 'implicit'
  /** Public bounds of a rating. Null for implicit feedback. */
  readonly ratingScale: RatingScale | null
  /** Where the scale comes from; `inferred` means it was read off private values, and a statement has to say so. Absent = by the format. */
  readonly ratingScaleSource?: 'format' | 'declared' | 'inferred'
  readonly users: Uint32Array
  readonly items: Uint32Array
  readonly values: Float32Array
  /** Seconds since 1970; null when the data has none. */
  readonly timestamps: Float64Array | null
  readonly userIds: readonly string[]
  readonly itemIds: readonly string[]
  readonly vocabulary: { readonly users: 'public-table' | 'from-interactions'; readonly items: 'public-table' | 'from-interactions' }
  readonly userAttributes: readonly AttributeColumn[]
  readonly itemTable: ItemTable | null
  /** Row → 'train' or 'test' when the data set ships its own split. */
  readonly givenSplit: Uint8Array | null
  /** What the reader skipped under `--skip-bad-lines`. */
  readonly skippedLines: number
  /** Rows dropped because the same person and item came again (assemble.ts, "One row a pair"). Absent = none. */
  readonly duplicateRows?: number
  /** A public constant (seconds) declared with the format: where a chronological split cuts when nobody says otherwise. Absent = none. */
  readonly publicCutTimestamp?: number
}

/** Row numbers into one `Interactions`. Rows of `train` and `test` never overlap. */
export interface Split {
  readonly kind: 'chronological' | 'random' | 'per-user-chronological' | 'leave-one-out' | 'given'
  readonly train: Uint32Array
  readonly test: Uint32Array
  /** How the cut was made, in words for the statement: e.g. "ratings before the public time 975768738". */
  readonly description: string
  /** The time of a chronological cut (seconds), else null. */
  readonly cutTimestamp: number | null
  /**
   * True when taking one row away could move another row between train and test (a cut by rank or by fraction, one person's last row).
   * A private run refuses such a split: its sensitivity is not one row.
   */
  readonly dataDependent: boolean
}
