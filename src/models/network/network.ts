/**
 * A feed-forward network over embeddings, bags and numbers with one linear output, and the book-keeping that private training needs:
 * per-example squared gradient norms without per-example gradients, and sums of gradients under per-example factors (Goodfellow 2015; Bu et
 * al. 2023, "book-keeping"). It knows nothing of clipping bounds, noise or optimisers.
 *
 *   deep look-ups ─▶ dense+ReLU ─▶ … ─▶ dense+ReLU ─┐
 *   numbers ─▶ dense+ReLU on each number ───────────┼─▶ concatenation ─▶ linear output
 *   wide look-ups ──────────────────────────────────┤
 *   product look-ups ─▶ multiplied cell by cell ────┘
 *
 * Examples pass through in tiles of at most `tileRows`, so that memory does not grow with the batch. Inside, widths are padded to multiples
 * of 4 by cells that hold 0; outside, tensors have their own shapes. One instance is one memory: not to be shared between threads.
 */
import { TacetError } from '../../errors.ts'
import {
  type Arena,
  clipMode,
  createArena,
  createKernels,
  type Kernels,
  type KernelsChoice,
  type Pointer,
  padded,
  TABLE_DESCRIPTOR_WORDS,
} from '../../kernels/index.ts'

export interface TableSpec {
  readonly name: string
  readonly rows: number
  readonly dimensions: number
}

export interface LookupSpec {
  /** Index into `tables`; several look-ups may share one. */
  readonly table: number
  /**
   * Where the vector goes: through the hidden layers, straight to the output, or multiplied cell by cell with that of the one other look-up of this
   * part, of the same dimensions and of another table, and then to the output (generalised matrix factorisation, He et al. 2017).
   */
  readonly part: 'deep' | 'wide' | 'product'
  /** Multi-valued: entity e reads table rows indices[offsets[e] … offsets[e+1]−1]. Null: one row an example. */
  readonly bag: { readonly offsets: Uint32Array; readonly indices: Uint32Array; readonly mean: boolean } | null
}

export interface NetworkSpec {
  readonly tables: readonly TableSpec[]
  readonly lookups: readonly LookupSpec[]
  readonly numbers: readonly { readonly name: string; readonly units: number }[]
  readonly hiddenLayers: readonly number[]
  /** squared (default): (prediction − target)². logistic: the prediction is a logit, the target 0 or 1, the loss −log of its likelihood. */
  readonly loss?: 'squared' | 'logistic'
  /** Largest tile; a matter of cache size only. */
  readonly tileRows?: number
}

/** One parameter tensor: `offset` counts floats into the flat parameters. */
export interface Block {
  readonly name: string
  readonly offset: number
  readonly shape: readonly number[]
}

export type ClippingFactors =
  /** Plain sums. */
  | { readonly kind: 'none' }
  /** One factor an example. */
  | { readonly kind: 'flat'; readonly mode: 'flat' | 'automatic'; readonly bound: number; readonly stability: number }
  /** One factor an example and block, bounds in the order of `blocks`. */
  | { readonly kind: 'per-block'; readonly bounds: readonly number[] }

/** What one pass over a tile found; private facts. */
export interface TileCounts {
  lossSum: number
  clipped: number
  invalid: number
}

export interface Network {
  readonly kernels: Kernels
  readonly blocks: readonly Block[]
  readonly parameterCount: number
  /** parameterCount rounded up to whole vectors: the length of the flat arrays below. */
  readonly paddedCount: number
  readonly tileRows: number
  readonly parameters: Float32Array
  readonly parametersPointer: Pointer
  readonly gradient: Float32Array
  readonly gradientPointer: Pointer
  /** Inputs of a tile: per look-up the table row (bags: the entity), per number its value. */
  readonly indices: readonly Uint32Array[]
  readonly numbers: readonly Float32Array[]
  readonly targets: Float32Array
  readonly predictions: Float32Array
  /** Squared norm of each example's whole gradient, after `accumulate` with clipping. */
  readonly squaredNorms: Float32Array
  /** Must be called after the parameters changed and before `forward`. */
  prepare(): void
  /** Empties the gradient. */
  clearGradient(): void
  /** Fills predictions[0 … rows−1]. */
  forward(rows: number): void
  /** Forward, backward and the (clipped) sum of the loss gradients of rows 0 … rows−1, added to the layers' gradients. */
  accumulate(rows: number, clipping: ClippingFactors, counts: TileCounts): void
  /**
   * Adds the gradient of strength/2·Σ‖x‖² over the embeddings x that rows 0 … rows−1 of the tile read (bags are left out), directly after
   * `accumulate` of the same rows. Not clipped: for training without privacy.
   */
  addPenalty(rows: number, strength: number): void
  /** Moves the layers' gradients into `gradient`, once after the last tile. */
  finishGradient(): void
}

interface Dense {
  readonly inWidth: number
  readonly outWidth: number
  readonly inPadded: number
  readonly outPadded: number
  readonly weightsBlock: number
  readonly biasBlock: number
  readonly weights: Pointer
  readonly weightsTransposed: Pointer
  readonly bias: Pointer
  readonly weightsGradient: Pointer
  readonly biasGradient: Pointer
}

/** A padded row-major matrix of a tile. */
interface Matrix {
  readonly at: Pointer
  readonly stride: number
}

/**
 * @param reserve called with the arena before the memory is made, for whoever needs room beside the network (optimiser, noise)
 */
export function createNetwork(
  spec: NetworkSpec,
  kernelsChoice: KernelsChoice,
  reserve: (arena: Arena, paddedCount: number) => void = () => {},
): Network {
  const tileRows = spec.tileRows ?? 128
  const arena = createArena()

  // Blocks and flat parameters.
  const blocks: Block[] = []
  let parameterCount = 0
  const addBlock = (name: string, shape: readonly number[]) => {
    blocks.push({ name, offset: parameterCount, shape })
    parameterCount += shape.reduce((product, size) => product * size, 1)
    return blocks.length - 1
  }
  const tableBlocks = spec.tables.map((table) => addBlock(`embedding.${table.name}`, [table.rows, table.dimensions]))
  const deepLookups = spec.lookups.filter((lookup) => lookup.part === 'deep')
  const deepWidth = sum(deepLookups.map((lookup) => spec.tables[lookup.table]!.dimensions))
  const hidden = deepWidth === 0 ? [] : spec.hiddenLayers
  const hiddenBlocks = hidden.map((outWidth, layer) => {
    const inWidth = layer === 0 ? deepWidth : hidden[layer - 1]!
    return { weights: addBlock(`deep.${layer}.weights`, [inWidth, outWidth]), bias: addBlock(`deep.${layer}.bias`, [outWidth]) }
  })
  const numberBlocks = spec.numbers.map(({ name, units }) => ({
    weights: addBlock(`wide.${name}.weights`, [1, units]),
    bias: addBlock(`wide.${name}.bias`, [units]),
  }))
  const deepOutput = hidden.length > 0 ? hidden.at(-1)! : deepWidth
  const wideWidth = sum(spec.lookups.filter((lookup) => lookup.part === 'wide').map((lookup) => spec.tables[lookup.table]!.dimensions))
  const productWidth = productWidthOf(spec)
  const outputWidth = deepOutput + sum(spec.numbers.map((number) => number.units)) + wideWidth + productWidth
  const outputWeightsBlock = addBlock('output.weights', [outputWidth, 1])
  const outputBiasBlock = addBlock('output.bias', [1])
  const paddedCount = Math.ceil(parameterCount / 16) * 16

  const parametersAt = arena.allocate(paddedCount)
  const gradientAt = arena.allocate(paddedCount)

  // Layout of the concatenation: segments of the output weights, each padded.
  let concatenationWidth = padded(deepOutput)
  const numberColumns = spec.numbers.map(({ units }) => {
    const column = concatenationWidth
    concatenationWidth += padded(units)
    return column
  })
  const wideColumn = concatenationWidth
  concatenationWidth += padded(wideWidth)
  const productColumn = concatenationWidth
  concatenationWidth += padded(productWidth)
  const segments: { from: number; column: number; width: number }[] = []
  let segmentFrom = 0
  const addSegment = (column: number, width: number) => {
    if (width > 0) segments.push({ from: segmentFrom, column, width })
    segmentFrom += width
  }
  addSegment(0, deepOutput)
  spec.numbers.forEach(({ units }, index) => {
    addSegment(numberColumns[index]!, units)
  })
  addSegment(wideColumn, wideWidth)
  addSegment(productColumn, productWidth)

  // Activations and their gradients. The last hidden layer writes straight into the concatenation.
  const vector = () => arena.allocate(tileRows)
  const matrix = (width: number): Matrix => ({ at: arena.allocate(tileRows * width), stride: width })
  const concatenation = matrix(concatenationWidth)
  const concatenationDelta = matrix(concatenationWidth)
  const activations: Matrix[] = []
  const deltas: Matrix[] = []
  for (let layer = 0; layer <= hidden.length; layer++) {
    const last = layer === hidden.length
    const width = padded(layer === 0 ? deepWidth : hidden[layer - 1]!)
    activations.push(last ? concatenation : matrix(width))
    deltas.push(last ? concatenationDelta : matrix(width))
  }
  const dense: Dense[] = hidden.map((outWidth, layer) => {
    const inWidth = layer === 0 ? deepWidth : hidden[layer - 1]!
    const [inPadded, outPadded] = [padded(inWidth), padded(outWidth)]
    return {
      inWidth,
      outWidth,
      inPadded,
      outPadded,
      weightsBlock: hiddenBlocks[layer]!.weights,
      biasBlock: hiddenBlocks[layer]!.bias,
      weights: arena.allocate(inPadded * outPadded),
      weightsTransposed: arena.allocate(inPadded * outPadded),
      bias: arena.allocate(outPadded),
      weightsGradient: arena.allocate(inPadded * outPadded),
      biasGradient: arena.allocate(outPadded),
    }
  })
  const numbers = spec.numbers.map(({ units }, index) => ({
    units,
    unitsPadded: padded(units),
    column: numberColumns[index]!,
    weightsBlock: numberBlocks[index]!.weights,
    biasBlock: numberBlocks[index]!.bias,
    values: vector(),
    weights: arena.allocate(padded(units)),
    bias: arena.allocate(padded(units)),
    weightsGradient: arena.allocate(padded(units)),
    biasGradient: arena.allocate(padded(units)),
  }))
  const factor = (): Matrix => matrix(padded(productWidth))
  const product =
    productWidth === 0 ? null : { factors: [factor(), factor()], deltas: [factor(), factor()], result: factor(), delta: factor() }
  const outputWeights = arena.allocate(concatenationWidth)
  const outputWeightsGradient = arena.allocate(concatenationWidth)

  // Look-ups: where each reads and writes.
  let deepColumn = 0
  let wideOffset = wideColumn
  let factors = 0
  const lookups = spec.lookups.map((lookup) => {
    const { dimensions } = spec.tables[lookup.table]!
    const deep = lookup.part === 'deep'
    let [column, activation, delta] = [0, concatenation, concatenationDelta]
    if (lookup.part === 'product') {
      activation = product!.factors[factors]!
      delta = product!.deltas[factors++]!
    } else if (deep) {
      ;[column, activation, delta] = [deepColumn, activations[0]!, deltas[0]!]
      deepColumn += dimensions
    } else {
      column = wideOffset
      wideOffset += dimensions
    }
    return {
      table: lookup.table,
      deep,
      dimensions,
      out: activation.at + column * 4,
      outStride: activation.stride,
      delta: delta.at + column * 4,
      deltaStride: delta.stride,
      indices: vector(),
      bag: lookup.bag && {
        offsets: arena.allocate(lookup.bag.offsets.length),
        indices: arena.allocate(lookup.bag.indices.length),
        mean: lookup.bag.mean ? (1 as const) : (0 as const),
      },
    }
  })
  const tables = spec.tables.map((table, index) => {
    const mine = lookups.filter((lookup) => lookup.table === index)
    return {
      dimensions: table.dimensions,
      block: tableBlocks[index]!,
      parameters: parametersAt + blocks[tableBlocks[index]!]!.offset * 4,
      gradient: gradientAt + blocks[tableBlocks[index]!]!.offset * 4,
      lookups: mine,
      /** One row an example and nobody else on this table: the norm is the norm of the delta. */
      simple: mine.length === 1 && mine[0]!.bag === null,
      descriptors: arena.allocate(Math.max(1, mine.length) * TABLE_DESCRIPTOR_WORDS),
    }
  })
  const deepTablesAreSimple = deepWidth > 0 && lookups.every((lookup) => !lookup.deep || tables[lookup.table]!.simple)

  const targetsAt = vector()
  const predictionsAt = vector()
  const errorsAt = vector()
  const scaledAt = vector()
  const inputNormsAt = vector()
  const deltaNormsAt = vector()
  const totalAt = vector()
  const blockNormsAt = blocks.map(vector)
  const blockFactorsAt = blocks.map(vector)
  reserve(arena, paddedCount)

  const k = createKernels(kernelsChoice, arena.byteLength)
  const floats = (at: Pointer, length: number) => new Float32Array(k.buffer, at, length)
  const words = (at: Pointer, length: number) => new Uint32Array(k.buffer, at, length)
  spec.lookups.forEach(({ bag }, index) => {
    const placed = lookups[index]!.bag
    if (bag === null || placed === null) return
    words(placed.offsets, bag.offsets.length).set(bag.offsets)
    words(placed.indices, bag.indices.length).set(bag.indices)
  })
  for (const table of tables) {
    table.lookups.forEach((lookup, index) => {
      words(table.descriptors + index * TABLE_DESCRIPTOR_WORDS * 4, TABLE_DESCRIPTOR_WORDS).set([
        lookup.delta,
        lookup.deltaStride,
        lookup.indices,
        lookup.bag?.offsets ?? 0,
        lookup.bag?.indices ?? 0,
        lookup.bag?.mean ?? 0,
      ])
    })
  }

  const parameters = floats(parametersAt, parameterCount)
  const gradient = floats(gradientAt, paddedCount)
  const targets = floats(targetsAt, tileRows)
  const predictions = floats(predictionsAt, tileRows)
  const errors = floats(errorsAt, tileRows)
  const scaled = floats(scaledAt, tileRows)
  const total = floats(totalAt, tileRows)
  const numberValues = numbers.map((number) => floats(number.values, tileRows))
  const blockNorms = blockNormsAt.map((at) => floats(at, tileRows))
  const blockFactors = blockFactorsAt.map((at) => floats(at, tileRows))
  const outputBias = blocks[outputBiasBlock]!.offset
  const layerGradients = [
    ...dense.flatMap((layer) => [
      floats(layer.weightsGradient, layer.inPadded * layer.outPadded),
      floats(layer.biasGradient, layer.outPadded),
    ]),
    ...numbers.flatMap((number) => [floats(number.weightsGradient, number.unitsPadded), floats(number.biasGradient, number.unitsPadded)]),
    floats(outputWeightsGradient, concatenationWidth),
  ]
  const tileMatrices = [
    ...new Set([
      ...[...activations, ...deltas, concatenation, concatenationDelta],
      ...(product === null ? [] : [...product.factors, ...product.deltas, product.result, product.delta]),
    ]),
  ].map(({ at, stride }) => ({
    view: floats(at, tileRows * stride),
    stride,
  }))
  const parameterAt = (block: number) => parametersAt + blocks[block]!.offset * 4
  const gradientOf = (block: number) => gradientAt + blocks[block]!.offset * 4

  function prepare(): void {
    for (const layer of dense) {
      k.pack(layer.inWidth, layer.outWidth, parameterAt(layer.weightsBlock), layer.weights, layer.outPadded)
      k.packTransposed(layer.inWidth, layer.outWidth, parameterAt(layer.weightsBlock), layer.weightsTransposed, layer.inPadded)
      k.pack(1, layer.outWidth, parameterAt(layer.biasBlock), layer.bias, layer.outPadded)
    }
    for (const number of numbers) {
      k.pack(1, number.units, parameterAt(number.weightsBlock), number.weights, number.unitsPadded)
      k.pack(1, number.units, parameterAt(number.biasBlock), number.bias, number.unitsPadded)
    }
    for (const { from, column, width } of segments)
      k.pack(1, width, parameterAt(outputWeightsBlock) + from * 4, outputWeights + column * 4, width)
  }

  function forward(rows: number): void {
    for (const lookup of lookups) {
      const table = tables[lookup.table]!
      if (lookup.bag === null) k.gatherRows(rows, lookup.dimensions, table.parameters, lookup.indices, lookup.out, lookup.outStride)
      else {
        const { offsets, indices, mean } = lookup.bag
        k.gatherBags(rows, lookup.dimensions, table.parameters, lookup.indices, offsets, indices, mean, lookup.out, lookup.outStride)
      }
    }
    for (let l = 0; l < dense.length; l++) {
      const layer = dense[l]!
      const from = activations[l]!
      const to = activations[l + 1]!
      k.denseForward(rows, layer.inWidth, layer.outPadded, from.at, from.stride, layer.weights, layer.bias, to.at, to.stride, 1)
    }
    for (const number of numbers)
      k.unitForward(
        rows,
        number.unitsPadded,
        number.values,
        number.weights,
        number.bias,
        concatenation.at + number.column * 4,
        concatenation.stride,
      )
    if (product !== null) {
      const { factors, result } = product
      k.multiply(rows * result.stride, factors[0]!.at, factors[1]!.at, result.at)
      k.pack(rows, result.stride, result.at, concatenation.at + productColumn * 4, concatenation.stride)
    }
    k.rowDot(rows, concatenationWidth, concatenation.at, concatenation.stride, outputWeights, parameterAt(outputBiasBlock), predictionsAt)
  }

  /** Erases what row `r` would contribute: 0 times NaN is NaN, so a factor of 0 is not enough. */
  function clearRow(r: number): void {
    for (const { view, stride } of tileMatrices) view.fill(0, r * stride, (r + 1) * stride)
    for (const values of numberValues) values[r] = 0
    errors[r] = 0
  }

  function computeErrors(rows: number, counts: TileCounts): void {
    for (let r = 0; r < rows; r++) {
      const prediction = predictions[r]!
      const error = prediction - targets[r]!
      if (!Number.isFinite(error)) {
        clearRow(r)
        counts.invalid++
      } else if (spec.loss === 'logistic') {
        // e is the smaller of the two odds, so that neither end overflows.
        const e = Math.exp(-Math.abs(prediction))
        errors[r] = (prediction >= 0 ? 1 : e) / (1 + e) - targets[r]!
        counts.lossSum += Math.log1p(e) + Math.max(0, prediction) - targets[r]! * prediction
      } else {
        errors[r] = 2 * error
        counts.lossSum += error * error
      }
    }
  }

  function backward(rows: number): void {
    // The rectified part of the concatenation: the last hidden layer and the numbers. Look-ups in it are linear.
    const linearDeep = dense.length === 0 ? padded(deepWidth) : 0
    if (linearDeep > 0)
      k.outerBackward(
        rows,
        linearDeep,
        errorsAt,
        outputWeights,
        concatenation.at,
        concatenation.stride,
        concatenationDelta.at,
        concatenation.stride,
        0,
      )
    if (wideColumn > linearDeep)
      k.outerBackward(
        rows,
        wideColumn - linearDeep,
        errorsAt,
        outputWeights + linearDeep * 4,
        concatenation.at + linearDeep * 4,
        concatenation.stride,
        concatenationDelta.at + linearDeep * 4,
        concatenation.stride,
        1,
      )
    if (wideWidth > 0)
      k.outerBackward(
        rows,
        padded(wideWidth),
        errorsAt,
        outputWeights + wideColumn * 4,
        concatenation.at + wideColumn * 4,
        concatenation.stride,
        concatenationDelta.at + wideColumn * 4,
        concatenation.stride,
        0,
      )
    if (product !== null) {
      const { factors, deltas: factorDeltas, result, delta } = product
      const weights = outputWeights + productColumn * 4
      k.outerBackward(rows, result.stride, errorsAt, weights, result.at, result.stride, delta.at, delta.stride, 0)
      k.multiply(rows * result.stride, delta.at, factors[1]!.at, factorDeltas[0]!.at)
      k.multiply(rows * result.stride, delta.at, factors[0]!.at, factorDeltas[1]!.at)
    }
    for (let l = dense.length - 1; l >= 0; l--) {
      const layer = dense[l]!
      const from = deltas[l + 1]!
      const to = deltas[l]!
      const input = activations[l]!
      k.denseBackward(
        rows,
        layer.outPadded,
        layer.inPadded,
        from.at,
        from.stride,
        layer.weightsTransposed,
        input.at,
        input.stride,
        to.at,
        to.stride,
        l > 0 ? 1 : 0,
      )
    }
  }

  /** A dense layer's share of the norm: (‖x‖² + 1)·‖δ‖², weights and bias apart where blocks are. */
  function addDenseNorm(
    rows: number,
    perBlock: boolean,
    weightsBlock: number,
    biasBlock: number,
    inputNorms: Pointer,
    deltaNorms: Pointer,
  ): void {
    if (perBlock) {
      k.multiplyAccumulate(rows, inputNorms, 0, deltaNorms, blockNormsAt[weightsBlock]!)
      k.multiplyAccumulate(rows, 0, 1, deltaNorms, blockNormsAt[biasBlock]!)
    } else k.multiplyAccumulate(rows, inputNorms, 1, deltaNorms, totalAt)
  }

  function computeNorms(rows: number, perBlock: boolean): void {
    if (perBlock) for (const norms of blockNorms) norms.fill(0, 0, rows)
    total.fill(0, 0, rows)
    k.rowSquaredNorms(rows, concatenationWidth, concatenation.at, concatenation.stride, inputNormsAt)
    k.multiply(rows, errorsAt, errorsAt, deltaNormsAt)
    addDenseNorm(rows, perBlock, outputWeightsBlock, outputBiasBlock, inputNormsAt, deltaNormsAt)
    for (let l = 0; l < dense.length; l++) {
      const layer = dense[l]!
      k.rowSquaredNorms(rows, layer.inPadded, activations[l]!.at, activations[l]!.stride, inputNormsAt)
      k.rowSquaredNorms(rows, layer.outPadded, deltas[l + 1]!.at, deltas[l + 1]!.stride, deltaNormsAt)
      addDenseNorm(rows, perBlock, layer.weightsBlock, layer.biasBlock, inputNormsAt, deltaNormsAt)
    }
    for (const number of numbers) {
      k.multiply(rows, number.values, number.values, inputNormsAt)
      k.rowSquaredNorms(rows, number.unitsPadded, concatenationDelta.at + number.column * 4, concatenationDelta.stride, deltaNormsAt)
      addDenseNorm(rows, perBlock, number.weightsBlock, number.biasBlock, inputNormsAt, deltaNormsAt)
    }
    if (!perBlock && deepTablesAreSimple) {
      k.rowSquaredNorms(rows, deepWidth, deltas[0]!.at, deltas[0]!.stride, deltaNormsAt)
      k.multiplyAccumulate(rows, 0, 1, deltaNormsAt, totalAt)
    }
    for (const table of tables) {
      const target = perBlock ? blockNormsAt[table.block]! : totalAt
      if (table.simple) {
        const lookup = table.lookups[0]!
        if (!perBlock && deepTablesAreSimple && lookup.deep) continue
        k.rowSquaredNorms(rows, table.dimensions, lookup.delta, lookup.deltaStride, deltaNormsAt)
        k.multiplyAccumulate(rows, 0, 1, deltaNormsAt, target)
      } else if (table.lookups.length > 0) {
        k.tableSquaredNorms(rows, table.dimensions, table.lookups.length, table.descriptors, target)
      }
    }
    if (perBlock) for (let b = 0; b < blocks.length; b++) k.multiplyAccumulate(rows, 0, 1, blockNormsAt[b]!, totalAt)
  }

  /** Fills the factor vectors; returns how many examples were clipped. */
  function computeFactors(rows: number, clipping: ClippingFactors): number {
    switch (clipping.kind) {
      case 'none':
        return 0
      case 'flat': {
        const mode = clipping.mode === 'flat' ? clipMode.flat : clipMode.automatic
        return k.clipFactors(rows, totalAt, totalAt, mode, clipping.bound, clipping.stability, blockFactorsAt[0]!)
      }
      case 'per-block': {
        for (let b = 0; b < blocks.length; b++)
          k.clipFactors(rows, blockNormsAt[b]!, totalAt, clipMode.flat, clipping.bounds[b]!, 0, blockFactorsAt[b]!)
        let clipped = 0
        for (let r = 0; r < rows; r++) {
          let any = 0
          for (let b = 0; b < blocks.length; b++) if (blockFactors[b]![r]! < 1) any = 1
          if (Number.isFinite(total[r]!)) clipped += any
        }
        return clipped
      }
    }
  }

  /** Adds Σ factor·gradient of the tile to the layers' gradients. `factorOf(block)` is a vector of the tile, or 0 for plain sums. */
  function addGradients(rows: number, kind: ClippingFactors['kind']): void {
    const factorOf = (block: number): Pointer => (kind === 'none' ? 0 : kind === 'flat' ? blockFactorsAt[0]! : blockFactorsAt[block]!)
    // Output: Σ factor·error·x and Σ factor·error.
    const biasFactor = factorOf(outputBiasBlock)
    const weightsFactor = factorOf(outputWeightsBlock)
    if (biasFactor !== 0) k.multiply(rows, biasFactor, errorsAt, scaledAt)
    const biasSource = biasFactor === 0 ? errors : scaled
    let biasSum = 0
    for (let r = 0; r < rows; r++) biasSum += biasSource[r]!
    gradient[outputBias]! += biasSum
    if (weightsFactor !== biasFactor) k.multiply(rows, weightsFactor, errorsAt, scaledAt)
    k.columnSums(
      rows,
      concatenationWidth,
      concatenation.at,
      concatenation.stride,
      weightsFactor === 0 ? errorsAt : scaledAt,
      outputWeightsGradient,
    )

    for (const number of numbers) {
      const delta = concatenationDelta.at + number.column * 4
      const factor = factorOf(number.weightsBlock)
      if (factor !== 0) k.multiply(rows, factor, number.values, scaledAt)
      k.columnSums(
        rows,
        number.unitsPadded,
        delta,
        concatenationDelta.stride,
        factor === 0 ? number.values : scaledAt,
        number.weightsGradient,
      )
      k.columnSums(rows, number.unitsPadded, delta, concatenationDelta.stride, factorOf(number.biasBlock), number.biasGradient)
    }
    for (let l = dense.length - 1; l >= 0; l--) {
      const layer = dense[l]!
      const input = activations[l]!
      const delta = deltas[l + 1]!
      k.columnSums(rows, layer.outPadded, delta.at, delta.stride, factorOf(layer.biasBlock), layer.biasGradient)
      if (kind !== 'none') k.scaleRows(rows, layer.outPadded, delta.at, delta.stride, factorOf(layer.weightsBlock))
      k.denseGradient(rows, layer.inPadded, layer.outPadded, input.at, input.stride, delta.at, delta.stride, layer.weightsGradient)
    }
    for (const table of tables) {
      const factor = factorOf(table.block)
      for (const lookup of table.lookups) {
        if (lookup.bag === null)
          k.scatterRows(rows, lookup.dimensions, table.gradient, lookup.indices, lookup.delta, lookup.deltaStride, factor)
        else {
          const { offsets, indices, mean } = lookup.bag
          k.scatterBags(
            rows,
            lookup.dimensions,
            table.gradient,
            lookup.indices,
            offsets,
            indices,
            mean,
            lookup.delta,
            lookup.deltaStride,
            factor,
          )
        }
      }
    }
  }

  function accumulate(rows: number, clipping: ClippingFactors, counts: TileCounts): void {
    if (rows === 0) return
    forward(rows)
    computeErrors(rows, counts)
    backward(rows)
    if (clipping.kind !== 'none') {
      computeNorms(rows, clipping.kind === 'per-block')
      counts.clipped += computeFactors(rows, clipping)
      for (let r = 0; r < rows; r++) {
        if (Number.isFinite(total[r]!)) continue
        clearRow(r)
        counts.invalid++
      }
    }
    addGradients(rows, clipping.kind)
  }

  function addPenalty(rows: number, strength: number): void {
    scaled.fill(strength, 0, rows)
    for (const lookup of lookups)
      if (lookup.bag === null)
        k.scatterRows(rows, lookup.dimensions, tables[lookup.table]!.gradient, lookup.indices, lookup.out, lookup.outStride, scaledAt)
  }

  function finishGradient(): void {
    for (const layer of dense) {
      k.unpackAdd(layer.inWidth, layer.outWidth, layer.weightsGradient, layer.outPadded, gradientOf(layer.weightsBlock))
      k.unpackAdd(1, layer.outWidth, layer.biasGradient, layer.outPadded, gradientOf(layer.biasBlock))
    }
    for (const number of numbers) {
      k.unpackAdd(1, number.units, number.weightsGradient, number.unitsPadded, gradientOf(number.weightsBlock))
      k.unpackAdd(1, number.units, number.biasGradient, number.unitsPadded, gradientOf(number.biasBlock))
    }
    for (const { from, column, width } of segments)
      k.unpackAdd(1, width, outputWeightsGradient + column * 4, width, gradientOf(outputWeightsBlock) + from * 4)
    for (const view of layerGradients) view.fill(0)
  }

  return {
    kernels: k,
    blocks,
    parameterCount,
    paddedCount,
    tileRows,
    parameters,
    parametersPointer: parametersAt,
    gradient,
    gradientPointer: gradientAt,
    indices: lookups.map((lookup) => words(lookup.indices, tileRows)),
    numbers: numberValues,
    targets,
    predictions,
    squaredNorms: total,
    prepare,
    clearGradient() {
      gradient.fill(0)
      for (const view of layerGradients) view.fill(0)
    },
    forward,
    accumulate,
    addPenalty,
    finishGradient,
  }
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)

/** @throws TacetError invalid-argument unless the look-ups to be multiplied are two, single-valued, of one width and of two tables */
function productWidthOf({ lookups, tables }: NetworkSpec): number {
  const factors = lookups.filter(({ part }) => part === 'product')
  if (factors.length === 0) return 0
  const dimensions = factors.map(({ table }) => tables[table]!.dimensions)
  if (
    factors.length !== 2 ||
    factors.some(({ bag }) => bag !== null) ||
    dimensions[0] !== dimensions[1] ||
    factors[0]!.table === factors[1]!.table
  )
    throw new TacetError(
      'invalid-argument',
      `a product needs two look-ups without bags, of one width and of two tables; it has ${factors.length}, of widths ${dimensions.join(', ')}`,
    )
  return dimensions[0]!
}
