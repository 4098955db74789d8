/**
 * Strangers of models that hold a vector of each person: a linear map from what is known of a history, the normalised sum of its items' vectors, to
 * the person's vector, fitted by ridge regression over the people trained with. A good guess, not what training with the stranger would have given.
 */
import { linearAlgebra } from '../../kernels/index.ts'

/** Vectors row by row; several tables stand for their rows side by side. */
export interface Table {
  readonly values: Float32Array
  readonly width: number
}

export const widthOf = (tables: readonly Table[]) => tables.reduce((sum, { width }) => sum + width, 0)

/** Σ of the rows of `history`, tables side by side, ÷ √their number, and a 1: what a person's embeddings are guessed from. */
function describeHistory(tables: readonly Table[], history: ArrayLike<number>, out: Float32Array): Float32Array {
  out.fill(0)
  out[out.length - 1] = 1
  const scale = history.length === 0 ? 0 : 1 / Math.sqrt(history.length)
  let column = 0
  for (const { values, width } of tables) {
    for (let n = 0; n < history.length; n++) {
      const from = (history[n] as number) * width
      for (let k = 0; k < width; k++) (out[column + k] as number) += scale * (values[from + k] as number)
    }
    column += width
  }
  return out
}

/**
 * @param historyOf items of a person; people without any are not fitted to
 * @returns Float32Array[(width of items + 1) × width of people]
 */
export function fitHistoryMap(
  items: readonly Table[],
  people: readonly Table[],
  personCount: number,
  historyOf: (person: number) => Uint32Array,
): Float32Array {
  const [inputs, outputs] = [widthOf(items) + 1, widthOf(people)]
  const trained = Array.from({ length: personCount }, (_, person) => person).filter((person) => historyOf(person).length > 0)
  const descriptions = new Float32Array(trained.length * inputs)
  const vectors = new Float32Array(trained.length * outputs)
  for (const [row, person] of trained.entries()) {
    describeHistory(items, historyOf(person), descriptions.subarray(row * inputs, (row + 1) * inputs))
    let column = row * outputs
    for (const { values, width } of people) {
      vectors.set(values.subarray(person * width, (person + 1) * width), column)
      column += width
    }
  }
  const algebra = linearAlgebra()
  const times = (left: Float32Array, rows: number) =>
    algebra.multiply(left, descriptions, { rows, depth: trained.length, columns: inputs, transposeA: true })
  const gram = times(descriptions, inputs)
  const trace = Array.from({ length: inputs }, (_, i) => gram[i * inputs + i] as number).reduce((sum, value) => sum + value, 0)
  // A thousandth of the mean square of an input: enough for single precision, too little to bend the map.
  for (let i = 0; i < inputs; i++) (gram[i * inputs + i] as number) += (0.001 * trace) / inputs + 1e-6
  const solved = algebra.choleskySolve(algebra.choleskyFactor(gram, inputs), inputs, times(vectors, outputs), outputs)
  const map = new Float32Array(inputs * outputs)
  for (let i = 0; i < inputs; i++) for (let o = 0; o < outputs; o++) map[i * outputs + o] = solved[o * inputs + i] as number
  return map
}

/**
 * Writes the guess for `history` into a row of the person tables.
 * @param scratch Float32Array[width of items + 1]
 */
export function putGuess(
  items: readonly Table[],
  people: readonly Table[],
  map: Float32Array,
  history: ArrayLike<number>,
  row: number,
  scratch: Float32Array,
): void {
  const description = describeHistory(items, history, scratch)
  const outputs = widthOf(people)
  let column = 0
  for (const { values, width } of people) {
    for (let k = 0; k < width; k++) {
      let sum = 0
      for (let i = 0; i < description.length; i++) sum += (description[i] as number) * (map[i * outputs + column + k] as number)
      values[row * width + k] = sum
    }
    column += width
  }
}
