/**
 * The numeric contract: what a network needs, a whole layer a call, over one fixed block of memory. Three builds keep it: `reference`
 * (plain TypeScript, doubles inside: the meaning of every kernel), `wasm` (SIMD) and `wasm-relaxed` (SIMD with fused multiply-add, only where
 * the engine accepts it). Builds agree to rounding, not bit for bit: a seeded run names its build.
 *
 * Every argument called like a thing (`x`, `weights`, `out`, …) is a byte offset into `buffer`, from an `Arena`. Strides and widths count
 * elements (4 bytes). Kernels read and write exactly rows 0 … rows−1: a batch that is not a multiple of the vector length must never take in
 * a stale row, since that row was not clipped in this step. They do not check their arguments: callers are Tacet's own networks and engines.
 */

export type KernelsName = 'reference' | 'wasm' | 'wasm-relaxed'

/** Byte offset into a kernel memory. */
export type Pointer = number

/** 1 = rectify (or mask by a rectified activation), 0 = leave alone. */
export type Flag = 0 | 1

/** How `clipFactors` turns a norm into a factor. */
export const clipMode = { flat: 0, automatic: 1 } as const

/** Words a table feature takes in the descriptor array of `tableSquaredNorms`: delta, deltaStride, indices, offsets (0: one index a row), bagIndices, mean. */
export const TABLE_DESCRIPTOR_WORDS = 6

/** Radius words below this (of 2²⁴) get 32 more random bits, so that the tail of a normal is not cut: it reaches 8.9 standard deviations. */
export const REFINE_BELOW = 2 ** 14

export interface Kernels {
  readonly name: KernelsName
  /** The whole memory. Its size never changes, so views into it never detach. */
  readonly buffer: ArrayBuffer

  /**
   * out[r] = act(x[r] · weights + bias); weights is [inWidth × outWidth] row-major. ReLU keeps NaN (it must not launder a bad example).
   * @param inWidth any; @param outWidth a multiple of 4, as are the strides
   */
  denseForward(
    rows: number,
    inWidth: number,
    outWidth: number,
    x: Pointer,
    xStride: number,
    weights: Pointer,
    bias: Pointer,
    out: Pointer,
    outStride: number,
    relu: Flag,
  ): void

  /**
   * out[r] = delta[r] · weightsTransposed, [outWidth × inWidth] row-major; with `relu`, 0 where activation[r] ≤ 0.
   * @param inWidth a multiple of 4
   */
  denseBackward(
    rows: number,
    outWidth: number,
    inWidth: number,
    delta: Pointer,
    deltaStride: number,
    weightsTransposed: Pointer,
    activation: Pointer,
    activationStride: number,
    out: Pointer,
    outStride: number,
    relu: Flag,
  ): void

  /** gradient[inWidth × outWidth] += Σ_r x[r]ᵀ · delta[r]. Both widths are multiples of 4. */
  denseGradient(
    rows: number,
    inWidth: number,
    outWidth: number,
    x: Pointer,
    xStride: number,
    delta: Pointer,
    deltaStride: number,
    gradient: Pointer,
  ): void

  /** out[r] = table[indices[r]], rows of any `dimensions`. */
  gatherRows(rows: number, dimensions: number, table: Pointer, indices: Pointer, out: Pointer, outStride: number): void
  /** gradient[indices[r]] += factors[r]·delta[r]; repeated indices add up; factors = 0 (no pointer) means 1. */
  scatterRows(
    rows: number,
    dimensions: number,
    gradient: Pointer,
    indices: Pointer,
    delta: Pointer,
    deltaStride: number,
    factors: Pointer,
  ): void

  /** out[r] = Σ (or mean) of table rows bagIndices[offsets[e] … offsets[e+1]−1], e = entities[r]; an empty bag gives 0. */
  gatherBags(
    rows: number,
    dimensions: number,
    table: Pointer,
    entities: Pointer,
    offsets: Pointer,
    bagIndices: Pointer,
    mean: Flag,
    out: Pointer,
    outStride: number,
  ): void
  scatterBags(
    rows: number,
    dimensions: number,
    gradient: Pointer,
    entities: Pointer,
    offsets: Pointer,
    bagIndices: Pointer,
    mean: Flag,
    delta: Pointer,
    deltaStride: number,
    factors: Pointer,
  ): void

  /**
   * out[r] += ‖gradient of one example with respect to one table‖², for `features` look-ups or bags into the same table. Repeated rows within
   * a bag and rows shared between features add before they are squared: the cross terms that ‖a‖² + ‖b‖² forgets.
   * @param descriptors Uint32[features × TABLE_DESCRIPTOR_WORDS]
   */
  tableSquaredNorms(rows: number, dimensions: number, features: number, descriptors: Pointer, out: Pointer): void

  /** out[r, j] = act(x[r]·weights[j] + bias[j]): a dense layer on one number. `units` is a multiple of 4. */
  unitForward(rows: number, units: number, x: Pointer, weights: Pointer, bias: Pointer, out: Pointer, outStride: number): void

  /** out[r] = x[r] · weights + bias[0]. `width` is a multiple of 4. */
  rowDot(rows: number, width: number, x: Pointer, xStride: number, weights: Pointer, bias: Pointer, out: Pointer): void

  /** out[r, j] = error[r]·weights[j]; with `relu`, 0 where activation[r, j] ≤ 0. `width` is a multiple of 4. */
  outerBackward(
    rows: number,
    width: number,
    error: Pointer,
    weights: Pointer,
    activation: Pointer,
    activationStride: number,
    out: Pointer,
    outStride: number,
    relu: Flag,
  ): void

  /** out[r] = Σ_j x[r, j]², any width. */
  rowSquaredNorms(rows: number, width: number, x: Pointer, xStride: number, out: Pointer): void

  /** out[r] += (a[r] + addend)·b[r]; a = 0 (no pointer) reads as 0. */
  multiplyAccumulate(rows: number, a: Pointer, addend: number, b: Pointer, out: Pointer): void
  /** out[r] = a[r]·b[r]. */
  multiply(rows: number, a: Pointer, b: Pointer, out: Pointer): void

  /**
   * factors[r] = min(1, bound/‖g‖) (flat) or bound/(‖g‖ + stability) (automatic); 0 where validity[r] is NaN or infinite.
   * @param validity the squared norm of the whole gradient (may equal `squaredNorms`)
   * @returns how many valid rows have ‖g‖ > bound
   */
  clipFactors(
    rows: number,
    squaredNorms: Pointer,
    validity: Pointer,
    mode: 0 | 1,
    bound: number,
    stability: number,
    factors: Pointer,
  ): number

  /** x[r] *= factors[r]. `width` is a multiple of 4. */
  scaleRows(rows: number, width: number, x: Pointer, xStride: number, factors: Pointer): void
  /** out[j] += Σ_r weights[r]·x[r, j]; weights = 0 (no pointer) means 1. `width` is a multiple of 4. */
  columnSums(rows: number, width: number, x: Pointer, xStride: number, weights: Pointer, out: Pointer): void

  /** out[r·outStride + c] = source[r·columns + c]: into a padded layout whose other cells stay as they are. */
  pack(rows: number, columns: number, source: Pointer, out: Pointer, outStride: number): void
  /** out[c·outStride + r] = source[r·columns + c]. */
  packTransposed(rows: number, columns: number, source: Pointer, out: Pointer, outStride: number): void
  /** out[r·columns + c] += source[r·sourceStride + c]: back from the padded layout. */
  unpackAdd(rows: number, columns: number, source: Pointer, sourceStride: number, out: Pointer): void

  /** Writes `blocks` ChaCha20 blocks (RFC 8439) and advances the 32-bit counter state[12]; the caller keeps it from wrapping. */
  chacha20(state: Pointer, out: Pointer, blocks: number): void

  /**
   * Standard normals by Box–Muller. Each group of 16 (8 pairs) takes 12 words, [first ×4, second ×4, third ×4]: pair i < 4 has radius bits
   * first[i] >>> 8 and angle bits (first[i] & 255, third[i] >>> 16); pair 4 + i the same of second[i] and the low half of third[i]. The radius
   * uniform has 24 bits, and 56 where it is small (the tail): those draw one word each from `reserve`. Written as [cos ×4, sin ×4] twice.
   * @param count a multiple of 16
   * @returns reserve words used, or −1 if `reserveWords` did not suffice (the output must then be thrown away)
   */
  normals(count: number, words: Pointer, reserve: Pointer, reserveWords: number, out: Pointer): number

  /**
   * g = (gradient + noiseStdDev·noise)·scale; m = β₁m + (1−β₁)g; v = β₂v + (1−β₂)g²; parameters −= alpha·m/(√v + epsilon); gradient = 0.
   * @param noise 0 (no pointer) for none; @param count a multiple of 4
   */
  adam(
    count: number,
    parameters: Pointer,
    gradient: Pointer,
    m: Pointer,
    v: Pointer,
    noise: Pointer,
    noiseStdDev: number,
    scale: number,
    alpha: number,
    beta1: number,
    beta2: number,
    epsilon: number,
  ): void

  /** g as in `adam`; m = momentum·m + g; parameters −= learningRate·m; gradient = 0. `count` is a multiple of 4. */
  sgd(
    count: number,
    parameters: Pointer,
    gradient: Pointer,
    m: Pointer,
    noise: Pointer,
    noiseStdDev: number,
    scale: number,
    learningRate: number,
    momentum: number,
  ): void
}

/** First byte an arena hands out: below it lies the static data of the compiled module. */
export const ARENA_START = 65536

/** Plans a memory before it exists: hands out 64-byte aligned offsets, and knows the total. */
export interface Arena {
  /** Room for `elements` 4-byte elements. */
  allocate(elements: number): Pointer
  readonly byteLength: number
}

export function createArena(): Arena {
  let top = ARENA_START
  return {
    allocate(elements) {
      const at = top
      top = Math.ceil((top + elements * 4) / 64) * 64
      return at
    },
    get byteLength() {
      return top
    },
  }
}

/** The smallest multiple of 4 that is ≥ n: the padded width of a layer. */
export const padded = (n: number): number => (n + 3) & ~3
