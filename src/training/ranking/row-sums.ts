/**
 * A sum over a few rows of large tables: a person's gradient, or the sum of a batch of them. Costs what is touched, not what the tables hold,
 * save for one index a row. Which rows are touched is private: a sum leaves the training zone only with noise on every row (user-dp-sgd.ts), or
 * owed to every row (lazy-noise.ts).
 */

/** One parameter table; the tables of a model lie one after another in one vector. */
export interface TableShape {
  readonly name: string
  readonly rows: number
  readonly width: number
}

export interface RowSums {
  readonly tables: readonly TableShape[]
  /** The touched rows, one after another. Replaced when it grows: read it after `row`, never keep it. */
  values: Float64Array
  /** Offset in `values` of a row; zeros where the row is touched for the first time since `clear`. */
  row(table: number, row: number): number
  readonly touched: number
  /** Calls back for every touched row, in the order of first touch. */
  forEach(visit: (table: number, row: number, offset: number, width: number) => void): void
  /** ‖·‖² over everything touched; NaN or Infinity if anything is. */
  squaredNorm(): number
  /** Adds Σ direction[row] · row over the rows of the first table to `out`: Float64Array[width]. */
  along(direction: Float64Array, out: Float64Array): void
  /** Adds factor times everything of `other`, which has the same tables. */
  addScaled(other: RowSums, factor: number): void
  /** Adds everything to dense tables: Float64Array[rows × width] each. */
  addInto(dense: readonly Float64Array[]): void
  clear(): void
}

export function createRowSums(tables: readonly TableShape[]): RowSums {
  const firstRow: number[] = []
  let rowCount = 0
  for (const { rows } of tables) {
    firstRow.push(rowCount)
    rowCount += rows
  }
  const widths = Uint32Array.from(tables, ({ width }) => width)
  /** Slot of each row, or −1. */
  const slotOf = new Int32Array(rowCount).fill(-1)
  let touched = 0
  let used = 0
  let slotTable = new Uint16Array(64)
  let slotRow = new Uint32Array(64)
  let slotOffset = new Uint32Array(64)
  let values = new Float64Array(1024)

  function row(table: number, index: number): number {
    const at = (firstRow[table] as number) + index
    const slot = slotOf[at] as number
    if (slot >= 0) return slotOffset[slot] as number
    const width = widths[table] as number
    if (touched === slotRow.length) {
      slotTable = grown(slotTable, new Uint16Array(2 * touched))
      slotRow = grown(slotRow, new Uint32Array(2 * touched))
      slotOffset = grown(slotOffset, new Uint32Array(2 * touched))
    }
    if (used + width > values.length) {
      values = grown(values, new Float64Array(2 * Math.max(values.length, width)))
      sums.values = values
    }
    slotOf[at] = touched
    slotTable[touched] = table
    slotRow[touched] = index
    slotOffset[touched] = used
    values.fill(0, used, used + width)
    touched++
    used += width
    return used - width
  }

  const sums: RowSums = {
    tables,
    values,
    row,
    get touched() {
      return touched
    },
    forEach(visit) {
      for (let slot = 0; slot < touched; slot++) {
        const table = slotTable[slot] as number
        visit(table, slotRow[slot] as number, slotOffset[slot] as number, widths[table] as number)
      }
    },
    squaredNorm() {
      let sum = 0
      for (let i = 0; i < used; i++) {
        const value = values[i] as number
        sum += value * value
      }
      return sum
    },
    along(direction, out) {
      for (let slot = 0; slot < touched; slot++) {
        if (slotTable[slot] !== 0) continue
        const share = direction[slotRow[slot] as number] as number
        const from = slotOffset[slot] as number
        for (let c = 0; c < out.length; c++) (out[c] as number) += share * (values[from + c] as number)
      }
    },
    addScaled(other, factor) {
      const theirs = other.values
      other.forEach((table, index, from, width) => {
        const to = row(table, index)
        const mine = values
        for (let c = 0; c < width; c++) mine[to + c] = (mine[to + c] as number) + factor * (theirs[from + c] as number)
      })
    },
    addInto(dense) {
      for (let slot = 0; slot < touched; slot++) {
        const table = slotTable[slot] as number
        const width = widths[table] as number
        const into = dense[table] as Float64Array
        const to = (slotRow[slot] as number) * width
        const from = slotOffset[slot] as number
        for (let c = 0; c < width; c++) into[to + c] = (into[to + c] as number) + (values[from + c] as number)
      }
    },
    clear() {
      for (let slot = 0; slot < touched; slot++) slotOf[(firstRow[slotTable[slot] as number] as number) + (slotRow[slot] as number)] = -1
      touched = 0
      used = 0
    },
  }
  return sums
}

function grown<T extends Float64Array | Uint32Array | Uint16Array>(old: T, larger: T): T {
  larger.set(old)
  return larger
}
