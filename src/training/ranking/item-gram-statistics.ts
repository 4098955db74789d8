/**
 * The private statistics of `item-gram`, each with the bound that its noise is scaled to: what one person adds to it, whatever they liked.
 * Exact functions of private rows: they go to a noisy release and nowhere else. Everything that shapes a row (head, weights, directions, factors)
 * comes from earlier releases or public facts, never from these rows: given those, a person's own row alone decides their term.
 *
 * Bounds rest on scaling in double precision: a row's norm is right to some 1e-15, far below what floating-point noise gives away anyway.
 */
import type { Positives } from '../../data/index.ts'
import { scaleOf } from './personal-budgets.ts'

/** The items that the Gram matrix is about, and how each weighs in a row. */
export interface Head {
  /** Uint32Array[m]: distinct item indices. */
  readonly items: Uint32Array
  /** Float64Array[m], > 0: damping weights d. */
  readonly weights: Float64Array
  /** Float64Array[m]: unit vector, the popularity direction that is taken out of every row. */
  readonly direction: Float64Array
  /** In (0, 1]: a deflated row shorter than this is not stretched to length 1. */
  readonly shortest: number
}

/** Item index → place in the head, −1 outside. */
export function placesIn(items: Uint32Array, itemCount: number): Int32Array {
  const places = new Int32Array(itemCount).fill(-1)
  items.forEach((item, place) => {
    places[item] = place
  })
  return places
}

/** One person's row before deflation: places in the head, ascending by first mention, distinct; values d / ‖d∘x‖. */
interface RestrictedRow {
  readonly places: number[]
  readonly values: number[]
}

/**
 * Visits the rows that have something in the head, each as the deflated unit-norm row of the recipe in two parts: y = factor · (a − along·p₀),
 * with a sparse and ‖y‖ ≤ 1.
 */
function forEachRow(
  positives: Positives,
  head: Head,
  visit: (row: RestrictedRow, along: number, factor: number, person: number) => void,
): void {
  const { personCount, itemCount, offsets, items } = positives
  const places = placesIn(head.items, itemCount)
  const seenBy = new Int32Array(head.items.length).fill(-1)
  const row: RestrictedRow = { places: [], values: [] }
  for (let person = 0; person < personCount; person++) {
    row.places.length = 0
    row.values.length = 0
    let square = 0
    for (let at = offsets[person] as number; at < (offsets[person + 1] as number); at++) {
      const place = places[items[at] as number] ?? -1
      if (place < 0 || seenBy[place] === person) continue
      seenBy[place] = person
      row.places.push(place)
      square += (head.weights[place] as number) ** 2
    }
    if (row.places.length === 0) continue
    const norm = Math.sqrt(square)
    let along = 0
    for (const place of row.places) {
      const value = (head.weights[place] as number) / norm
      row.values.push(value)
      along += value * (head.direction[place] as number)
    }
    // ‖a − along·p₀‖² = 1 − along², both being unit vectors.
    const left = Math.sqrt(Math.max(0, 1 - along * along))
    visit(row, along, 1 / Math.max(left, head.shortest), person)
  }
}

/** Frobenius (and so L2) bound on what one person adds to `gramStatistic`. */
export const gramSensitivity = 1

/**
 * Σ over people of y yᵀ, as the vector of its upper triangle with the entries off the diagonal times √2: Float64Array[m(m + 1)/2], row by row.
 * Its Euclidean norm is the Frobenius norm of the matrix, so that one person moves it by ‖y yᵀ‖_F = ‖y‖² ≤ 1, and independent noise of standard
 * deviation σ on the vector is σ on the diagonal and σ/√2 off it.
 * @param scale in (0, 1] a person: their y yᵀ is multiplied by it, and so is its bound
 */
export function gramStatistic(positives: Positives, head: Head, scale?: Float64Array): Float64Array {
  const m = head.items.length
  // y yᵀ = f²·(a aᵀ − along·(a p₀ᵀ + p₀ aᵀ) + along²·p₀ p₀ᵀ): only a aᵀ is a sum over pairs, and a is sparse.
  const matrix = new Float64Array(m * m)
  const cross = new Float64Array(m)
  let square = 0
  forEachRow(positives, head, ({ places, values }, along, factor, person) => {
    const f2 = factor * factor * scaleOf(scale, person)
    for (let i = 0; i < places.length; i++) {
      const [place, value] = [places[i] as number, f2 * (values[i] as number)]
      const from = place * m
      for (let j = 0; j < places.length; j++) (matrix[from + (places[j] as number)] as number) += value * (values[j] as number)
      ;(cross[place] as number) += value * along
    }
    square += f2 * along * along
  })
  const packed = new Float64Array((m * (m + 1)) / 2)
  let at = 0
  for (let i = 0; i < m; i++) {
    const [ci, pi] = [cross[i] as number, head.direction[i] as number]
    for (let j = i; j < m; j++) {
      const [cj, pj] = [cross[j] as number, head.direction[j] as number]
      const entry = (matrix[i * m + j] as number) - ci * pj - pi * cj + square * pi * pj
      packed[at++] = i === j ? entry : Math.SQRT2 * entry
    }
  }
  return packed
}

/** The symmetric matrix of a packed vector: Float64Array[m × m]. */
export function unpackGram(packed: Float64Array, m: number): Float64Array {
  const matrix = new Float64Array(m * m)
  let at = 0
  for (let i = 0; i < m; i++)
    for (let j = i; j < m; j++) {
      const entry = (packed[at++] as number) / (i === j ? 1 : Math.SQRT2)
      matrix[i * m + j] = entry
      matrix[j * m + i] = entry
    }
  return matrix
}

/** Where the second pass projects people, and which items it gives factors to. */
export interface Extension {
  readonly head: Head
  /** Float64Array[rank × m]: rows orthonormal, from the released Gram matrix. */
  readonly factors: Float64Array
  readonly rank: number
  /** Uint32Array: items outside the head that get factors. */
  readonly items: Uint32Array
  /** Float64Array: damping weights of these. */
  readonly weights: Float64Array
  /** In (0, 1]: a projection shorter than this is not stretched to length 1. */
  readonly shortest: number
}

/** L2 bound on what one person adds to `extensionStatistic`. */
export const extensionSensitivity = 1

/**
 * Σ over people of z wᵀ: Float64Array[rank × items], z their row's projection on the released factors with ‖z‖ ≤ 1, w their weighted row over the
 * extension's items with ‖w‖ ≤ 1; ‖z wᵀ‖_F = ‖z‖·‖w‖ ≤ 1.
 * @param personScale in (0, 1] a person: their z wᵀ is multiplied by it, and so is its bound
 */
export function extensionStatistic(positives: Positives, extension: Extension, personScale?: Float64Array): Float64Array {
  const { head, factors, rank, items, weights, shortest } = extension
  const m = head.items.length
  const count = items.length
  const sums = new Float64Array(rank * count)
  const places = placesIn(items, positives.itemCount)
  const seenBy = new Int32Array(count).fill(-1)
  const z = new Float64Array(rank)
  forEachRow(positives, head, (row, _along, factor, person) => {
    const own: number[] = []
    let square = 0
    for (let at = positives.offsets[person] as number; at < (positives.offsets[person + 1] as number); at++) {
      const place = places[positives.items[at] as number] ?? -1
      if (place < 0 || seenBy[place] === person) continue
      seenBy[place] = person
      own.push(place)
      square += (weights[place] as number) ** 2
    }
    if (own.length === 0) return
    // The factors are orthogonal to the direction taken out, so that the sparse part of the row is enough.
    let length = 0
    for (let r = 0; r < rank; r++) {
      let sum = 0
      for (let i = 0; i < row.places.length; i++) sum += (factors[r * m + (row.places[i] as number)] as number) * (row.values[i] as number)
      z[r] = sum * factor
      length += (z[r] as number) ** 2
    }
    const scale = scaleOf(personScale, person) / (Math.max(Math.sqrt(length), shortest) * Math.sqrt(square))
    for (let r = 0; r < rank; r++) {
      const value = (z[r] as number) * scale
      const from = r * count
      for (const place of own) (sums[from + place] as number) += value * (weights[place] as number)
    }
  })
  return sums
}
