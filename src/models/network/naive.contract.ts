/**
 * The definition that book-keeping must equal: one example's gradient written out in full, in doubles, parameter by parameter. Slow, for tests.
 */
import type { Block, NetworkSpec } from './network.ts'

export interface Example {
  /** Per look-up: the table row, or the entity of a bag. */
  readonly indices: readonly number[]
  readonly numbers: readonly number[]
  readonly target: number
}

export interface NaiveGradient {
  readonly prediction: number
  readonly gradient: Float64Array
}

/** Gradient of (prediction − target)², or of the logistic loss, with respect to the flat parameters. */
export function naiveGradient(spec: NetworkSpec, blocks: readonly Block[], parameters: ArrayLike<number>, example: Example): NaiveGradient {
  const gradient = new Float64Array(blocks.reduce((total, block) => total + sizeOf(block), 0))
  const offsetOf = (name: string) => {
    const block = blocks.find((candidate) => candidate.name === name)
    if (block === undefined) throw new Error(`no block ${name}`)
    return block.offset
  }
  /** The (table row, weight) pairs that look-up `l` reads. */
  const reads = spec.lookups.map((lookup, l) => {
    const index = example.indices[l]!
    if (lookup.bag === null) return [{ row: index, weight: 1 }]
    const rows = [...lookup.bag.indices.slice(lookup.bag.offsets[index]!, lookup.bag.offsets[index + 1]!)]
    return rows.map((row) => ({ row, weight: lookup.bag!.mean ? 1 / rows.length : 1 }))
  })
  const vectors = spec.lookups.map((lookup, l) => {
    const { name, dimensions } = spec.tables[lookup.table]!
    const at = offsetOf(`embedding.${name}`)
    return Array.from({ length: dimensions }, (_, k) =>
      reads[l]!.reduce((sum, { row, weight }) => sum + weight * parameters[at + row * dimensions + k]!, 0),
    )
  })
  const part = (wanted: 'deep' | 'wide') => spec.lookups.flatMap((lookup, l) => (lookup.part === wanted ? vectors[l]! : []))

  // Forward.
  const deepInput = part('deep')
  const hidden = deepInput.length === 0 ? [] : spec.hiddenLayers
  const activations: number[][] = [deepInput]
  hidden.forEach((units, layer) => {
    const input = activations[layer]!
    const weights = offsetOf(`deep.${layer}.weights`)
    const bias = offsetOf(`deep.${layer}.bias`)
    activations.push(
      Array.from({ length: units }, (_, j) =>
        Math.max(
          0,
          input.reduce((sum, x, i) => sum + x * parameters[weights + i * units + j]!, parameters[bias + j]!),
        ),
      ),
    )
  })
  const numberOutputs = spec.numbers.map(({ name, units }, n) => {
    const weights = offsetOf(`wide.${name}.weights`)
    const bias = offsetOf(`wide.${name}.bias`)
    return Array.from({ length: units }, (_, j) => Math.max(0, example.numbers[n]! * parameters[weights + j]! + parameters[bias + j]!))
  })
  const factors = spec.lookups.flatMap(({ part }, l) => (part === 'product' ? [l] : []))
  const product = factors.length === 0 ? [] : vectors[factors[0]!]!.map((x, k) => x * vectors[factors[1]!]![k]!)
  const concatenation = [...activations.at(-1)!, ...numberOutputs.flat(), ...part('wide'), ...product]
  const outputWeights = offsetOf('output.weights')
  const outputBias = offsetOf('output.bias')
  const prediction = concatenation.reduce((sum, x, j) => sum + x * parameters[outputWeights + j]!, parameters[outputBias]!)

  // Backward.
  const error = spec.loss === 'logistic' ? 1 / (1 + Math.exp(-prediction)) - example.target : 2 * (prediction - example.target)
  gradient[outputBias] = error
  const delta = concatenation.map((x, j) => {
    gradient[outputWeights + j] = error * x
    return error * parameters[outputWeights + j]!
  })
  let column = activations.at(-1)!.length
  spec.numbers.forEach(({ name, units }, n) => {
    for (let j = 0; j < units; j++) {
      const d = numberOutputs[n]![j]! > 0 ? delta[column + j]! : 0
      gradient[offsetOf(`wide.${name}.weights`) + j] = d * example.numbers[n]!
      gradient[offsetOf(`wide.${name}.bias`) + j] = d
    }
    column += units
  })
  const wideDelta = delta.slice(column, column + part('wide').length)
  const productDelta = delta.slice(column + part('wide').length)
  let below = delta.slice(0, activations.at(-1)!.length)
  for (let layer = hidden.length - 1; layer >= 0; layer--) {
    const units = hidden[layer]!
    const input = activations[layer]!
    const output = activations[layer + 1]!
    const d = below.map((value, j) => (output[j]! > 0 ? value : 0))
    const weights = offsetOf(`deep.${layer}.weights`)
    const bias = offsetOf(`deep.${layer}.bias`)
    for (let j = 0; j < units; j++) {
      gradient[bias + j] = d[j]!
      for (let i = 0; i < input.length; i++) gradient[weights + i * units + j] = input[i]! * d[j]!
    }
    below = input.map((_, i) => d.reduce((sum, value, j) => sum + value * parameters[weights + i * units + j]!, 0))
  }
  const deltas = { deep: below, wide: wideDelta }
  const columns = { deep: 0, wide: 0 }
  factors.forEach((l, which) => {
    const at = offsetOf(`embedding.${spec.tables[spec.lookups[l]!.table]!.name}`) + example.indices[l]! * product.length
    productDelta.forEach((d, k) => {
      gradient[at + k] = d * vectors[factors[1 - which]!]![k]!
    })
  })
  spec.lookups.forEach((lookup, l) => {
    if (lookup.part === 'product') return
    const { name, dimensions } = spec.tables[lookup.table]!
    const at = offsetOf(`embedding.${name}`)
    for (const { row, weight } of reads[l]!)
      for (let k = 0; k < dimensions; k++) gradient[at + row * dimensions + k]! += weight * deltas[lookup.part][columns[lookup.part] + k]!
    columns[lookup.part] += dimensions
  })
  return { prediction, gradient }
}

export const sizeOf = (block: Block): number => block.shape.reduce((product, extent) => product * extent, 1)

export const squaredNorm = (values: Float64Array): number => values.reduce((sum, value) => sum + value * value, 0)
