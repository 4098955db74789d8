/**
 * The plain build of the kernels: the meaning of each one, in the order one would write it on paper. Sums are kept in doubles, which is both
 * faster here than rounding each term to single precision and nearer to the truth. Not the fast path; the fallback where WASM SIMD is missing.
 */
import { clipMode, type Kernels, type Pointer, REFINE_BELOW, TABLE_DESCRIPTOR_WORDS } from './kernels.ts'

/** @param byteLength size of the memory, from the arena that planned it */
export function createReferenceKernels(byteLength: number): Kernels {
  const buffer = new ArrayBuffer(Math.ceil(byteLength / 65536) * 65536)
  const f = new Float32Array(buffer)
  const u = new Uint32Array(buffer)
  /** Largest width whose row sums fit the scratch row below. */
  let row = new Float64Array(64)
  const rowOf = (width: number) => {
    if (row.length < width) row = new Float64Array(width)
    return row
  }
  const at = (pointer: Pointer) => pointer >>> 2

  const bagStart = (offsets: number, entity: number) => u[at(offsets) + entity]!

  return {
    name: 'reference',
    buffer,

    denseForward(rows, inWidth, outWidth, x, xStride, weights, bias, out, outStride, relu) {
      const sums = rowOf(outWidth)
      for (let r = 0; r < rows; r++) {
        const xRow = at(x) + r * xStride
        const outRow = at(out) + r * outStride
        for (let j = 0; j < outWidth; j++) sums[j] = f[at(bias) + j]!
        for (let i = 0; i < inWidth; i++) {
          const value = f[xRow + i]!
          const w = at(weights) + i * outWidth
          for (let j = 0; j < outWidth; j++) sums[j]! += value * f[w + j]!
        }
        for (let j = 0; j < outWidth; j++) f[outRow + j] = relu && sums[j]! < 0 ? 0 : sums[j]!
      }
    },

    denseBackward(rows, outWidth, inWidth, delta, deltaStride, weightsTransposed, activation, activationStride, out, outStride, relu) {
      const sums = rowOf(inWidth)
      for (let r = 0; r < rows; r++) {
        const deltaRow = at(delta) + r * deltaStride
        const activationRow = at(activation) + r * activationStride
        const outRow = at(out) + r * outStride
        for (let i = 0; i < inWidth; i++) sums[i] = 0
        for (let j = 0; j < outWidth; j++) {
          const value = f[deltaRow + j]!
          const w = at(weightsTransposed) + j * inWidth
          for (let i = 0; i < inWidth; i++) sums[i]! += value * f[w + i]!
        }
        for (let i = 0; i < inWidth; i++) f[outRow + i] = relu && f[activationRow + i]! <= 0 ? 0 : sums[i]!
      }
    },

    denseGradient(rows, inWidth, outWidth, x, xStride, delta, deltaStride, gradient) {
      const sums = rowOf(outWidth)
      for (let i = 0; i < inWidth; i++) {
        const g = at(gradient) + i * outWidth
        for (let j = 0; j < outWidth; j++) sums[j] = f[g + j]!
        for (let r = 0; r < rows; r++) {
          const value = f[at(x) + r * xStride + i]!
          const deltaRow = at(delta) + r * deltaStride
          for (let j = 0; j < outWidth; j++) sums[j]! += value * f[deltaRow + j]!
        }
        for (let j = 0; j < outWidth; j++) f[g + j] = sums[j]!
      }
    },

    gatherRows(rows, dimensions, table, indices, out, outStride) {
      for (let r = 0; r < rows; r++) {
        const source = at(table) + u[at(indices) + r]! * dimensions
        for (let k = 0; k < dimensions; k++) f[at(out) + r * outStride + k] = f[source + k]!
      }
    },

    scatterRows(rows, dimensions, gradient, indices, delta, deltaStride, factors) {
      for (let r = 0; r < rows; r++) {
        const factor = factors === 0 ? 1 : f[at(factors) + r]!
        const target = at(gradient) + u[at(indices) + r]! * dimensions
        for (let k = 0; k < dimensions; k++) f[target + k]! += factor * f[at(delta) + r * deltaStride + k]!
      }
    },

    gatherBags(rows, dimensions, table, entities, offsets, bagIndices, mean, out, outStride) {
      for (let r = 0; r < rows; r++) {
        const entity = u[at(entities) + r]!
        const from = bagStart(offsets, entity)
        const to = bagStart(offsets, entity + 1)
        const weight = mean && to > from ? 1 / (to - from) : 1
        for (let k = 0; k < dimensions; k++) {
          let sum = 0
          for (let b = from; b < to; b++) sum += f[at(table) + u[at(bagIndices) + b]! * dimensions + k]!
          f[at(out) + r * outStride + k] = sum * weight
        }
      }
    },

    scatterBags(rows, dimensions, gradient, entities, offsets, bagIndices, mean, delta, deltaStride, factors) {
      for (let r = 0; r < rows; r++) {
        const entity = u[at(entities) + r]!
        const from = bagStart(offsets, entity)
        const to = bagStart(offsets, entity + 1)
        const factor = factors === 0 ? 1 : f[at(factors) + r]!
        const weight = mean && to > from ? factor / (to - from) : factor
        for (let b = from; b < to; b++) {
          const target = at(gradient) + u[at(bagIndices) + b]! * dimensions
          for (let k = 0; k < dimensions; k++) f[target + k]! += weight * f[at(delta) + r * deltaStride + k]!
        }
      }
    },

    tableSquaredNorms(rows, dimensions, features, descriptors, out) {
      const word = (feature: number, field: number) => u[at(descriptors) + feature * TABLE_DESCRIPTOR_WORDS + field]!
      const read = (feature: number, r: number) => {
        const index = u[at(word(feature, 2)) + r]!
        const offsets = word(feature, 3)
        if (offsets === 0) return { list: word(feature, 2), from: r, to: r + 1, weight: 1 }
        const from = bagStart(offsets, index)
        const to = bagStart(offsets, index + 1)
        return { list: word(feature, 4), from, to, weight: word(feature, 5) && to > from ? 1 / (to - from) : 1 }
      }
      for (let r = 0; r < rows; r++) {
        let total = 0
        for (let a = 0; a < features; a++) {
          for (let b = 0; b < features; b++) {
            const left = read(a, r)
            const right = read(b, r)
            let coincidences = 0
            for (let i = left.from; i < left.to; i++)
              for (let j = right.from; j < right.to; j++) if (u[at(left.list) + i] === u[at(right.list) + j]) coincidences++
            let dot = 0
            for (let k = 0; k < dimensions; k++) dot += f[at(word(a, 0)) + r * word(a, 1) + k]! * f[at(word(b, 0)) + r * word(b, 1) + k]!
            // A product that is not finite counts even where no row coincides: a bad example must show.
            if (coincidences > 0 || !Number.isFinite(dot)) total += dot * coincidences * left.weight * right.weight
          }
        }
        f[at(out) + r]! += total
      }
    },

    unitForward(rows, units, x, weights, bias, out, outStride) {
      for (let r = 0; r < rows; r++) {
        const value = f[at(x) + r]!
        for (let j = 0; j < units; j++) {
          const sum = value * f[at(weights) + j]! + f[at(bias) + j]!
          f[at(out) + r * outStride + j] = Math.max(sum, 0)
        }
      }
    },

    rowDot(rows, width, x, xStride, weights, bias, out) {
      for (let r = 0; r < rows; r++) {
        let sum = f[at(bias)]!
        for (let j = 0; j < width; j++) sum += f[at(x) + r * xStride + j]! * f[at(weights) + j]!
        f[at(out) + r] = sum
      }
    },

    outerBackward(rows, width, error, weights, activation, activationStride, out, outStride, relu) {
      for (let r = 0; r < rows; r++) {
        const value = f[at(error) + r]!
        for (let j = 0; j < width; j++)
          f[at(out) + r * outStride + j] = relu && f[at(activation) + r * activationStride + j]! <= 0 ? 0 : value * f[at(weights) + j]!
      }
    },

    rowSquaredNorms(rows, width, x, xStride, out) {
      for (let r = 0; r < rows; r++) {
        let sum = 0
        for (let j = 0; j < width; j++) sum += f[at(x) + r * xStride + j]! ** 2
        f[at(out) + r] = sum
      }
    },

    multiplyAccumulate(rows, a, addend, b, out) {
      for (let r = 0; r < rows; r++) f[at(out) + r]! += ((a === 0 ? 0 : f[at(a) + r]!) + addend) * f[at(b) + r]!
    },

    multiply(rows, a, b, out) {
      for (let r = 0; r < rows; r++) f[at(out) + r] = f[at(a) + r]! * f[at(b) + r]!
    },

    clipFactors(rows, squaredNorms, validity, mode, bound, stability, factors) {
      let clipped = 0
      for (let r = 0; r < rows; r++) {
        const norm = Math.sqrt(f[at(squaredNorms) + r]!)
        if (!Number.isFinite(f[at(validity) + r]!) || !Number.isFinite(norm)) {
          f[at(factors) + r] = 0
          continue
        }
        if (norm > bound) clipped++
        f[at(factors) + r] = mode === clipMode.automatic ? bound / (norm + stability) : norm > bound ? bound / norm : 1
      }
      return clipped
    },

    scaleRows(rows, width, x, xStride, factors) {
      for (let r = 0; r < rows; r++) for (let j = 0; j < width; j++) f[at(x) + r * xStride + j]! *= f[at(factors) + r]!
    },

    columnSums(rows, width, x, xStride, weights, out) {
      const sums = rowOf(width)
      for (let j = 0; j < width; j++) sums[j] = f[at(out) + j]!
      for (let r = 0; r < rows; r++) {
        const weight = weights === 0 ? 1 : f[at(weights) + r]!
        for (let j = 0; j < width; j++) sums[j]! += weight * f[at(x) + r * xStride + j]!
      }
      for (let j = 0; j < width; j++) f[at(out) + j] = sums[j]!
    },

    pack(rows, columns, source, out, outStride) {
      for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) f[at(out) + r * outStride + c] = f[at(source) + r * columns + c]!
    },

    packTransposed(rows, columns, source, out, outStride) {
      for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) f[at(out) + c * outStride + r] = f[at(source) + r * columns + c]!
    },

    unpackAdd(rows, columns, source, sourceStride, out) {
      for (let r = 0; r < rows; r++)
        for (let c = 0; c < columns; c++) f[at(out) + r * columns + c]! += f[at(source) + r * sourceStride + c]!
    },

    chacha20(state, out, blocks) {
      const s = at(state)
      const x = new Int32Array(16)
      const rotate = (value: number, by: number) => (value << by) | (value >>> (32 - by))
      const quarter = (a: number, b: number, c: number, d: number) => {
        x[a]! += x[b]!
        x[d] = rotate(x[d]! ^ x[a]!, 16)
        x[c]! += x[d]!
        x[b] = rotate(x[b]! ^ x[c]!, 12)
        x[a]! += x[b]!
        x[d] = rotate(x[d]! ^ x[a]!, 8)
        x[c]! += x[d]!
        x[b] = rotate(x[b]! ^ x[c]!, 7)
      }
      for (let block = 0; block < blocks; block++) {
        for (let i = 0; i < 16; i++) x[i] = u[s + i]!
        for (let round = 0; round < 10; round++) {
          for (let i = 0; i < 4; i++) quarter(i, 4 + i, 8 + i, 12 + i)
          for (let i = 0; i < 4; i++) quarter(i, 4 + ((i + 1) & 3), 8 + ((i + 2) & 3), 12 + ((i + 3) & 3))
        }
        for (let i = 0; i < 16; i++) u[at(out) + block * 16 + i] = x[i]! + u[s + i]!
        u[s + 12]! += 1
      }
    },

    normals(count, words, reserve, reserveWords, out) {
      let used = 0
      for (let pair = 0; pair < count / 2; pair++) {
        const lane = pair & 3
        const group = pair >> 3
        const half = (pair >> 2) & 1
        const own = u[at(words) + group * 12 + half * 4 + lane]!
        const shared = u[at(words) + group * 12 + 8 + lane]!
        const word = own >>> 8
        let uniform = (word + 0.5) / 2 ** 24
        if (word < REFINE_BELOW) {
          if (used === reserveWords) return -1
          uniform = (word * 2 ** 32 + u[at(reserve) + used]! + 0.5) / 2 ** 56
          used++
        }
        const radius = Math.sqrt(-2 * Math.log(uniform))
        const angleBits = ((own & 0xff) << 16) | (half === 0 ? shared >>> 16 : shared & 0xffff)
        const angle = (angleBits * 2 * Math.PI) / 2 ** 24
        const target = at(out) + group * 16 + half * 8 + lane
        f[target] = radius * Math.cos(angle)
        f[target + 4] = radius * Math.sin(angle)
      }
      return used
    },

    adam(count, parameters, gradient, m, v, noise, noiseStdDev, scale, alpha, beta1, beta2, epsilon) {
      for (let i = 0; i < count; i++) {
        const g = (f[at(gradient) + i]! + (noise === 0 ? 0 : noiseStdDev * f[at(noise) + i]!)) * scale
        const first = beta1 * f[at(m) + i]! + (1 - beta1) * g
        const second = beta2 * f[at(v) + i]! + (1 - beta2) * g * g
        f[at(m) + i] = first
        f[at(v) + i] = second
        f[at(parameters) + i]! -= (alpha * first) / (Math.sqrt(second) + epsilon)
        f[at(gradient) + i] = 0
      }
    },

    sgd(count, parameters, gradient, m, noise, noiseStdDev, scale, learningRate, momentum) {
      for (let i = 0; i < count; i++) {
        const g = (f[at(gradient) + i]! + (noise === 0 ? 0 : noiseStdDev * f[at(noise) + i]!)) * scale
        const velocity = momentum * f[at(m) + i]! + g
        f[at(m) + i] = velocity
        f[at(parameters) + i]! -= learningRate * velocity
        f[at(gradient) + i] = 0
      }
    },
  }
}
