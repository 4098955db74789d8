import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../random/index.ts'
import { type Example, naiveGradient, sizeOf, squaredNorm } from './naive.contract.ts'
import { type ClippingFactors, createNetwork, type Network, type NetworkSpec } from './network.ts'

const bag = (lists: readonly (readonly number[])[], mean: boolean) => {
  const offsets = Uint32Array.from([0, ...lists.map((_, e) => lists.slice(0, e + 1).reduce((sum, list) => sum + list.length, 0))])
  return { offsets, indices: Uint32Array.from(lists.flat()), mean }
}
const genres = [[0, 1], [2], [], [1, 1, 4], [5, 0, 5, 2, 5]]

const specs: Record<string, NetworkSpec> = {
  'the published Wide & Deep': {
    tables: [
      { name: 'user', rows: 9, dimensions: 10 },
      { name: 'item', rows: 7, dimensions: 10 },
      { name: 'gender', rows: 2, dimensions: 2 },
    ],
    lookups: [0, 1, 2].map((table) => ({ table, part: 'deep' as const, bag: null })),
    numbers: ['age', 'occupation'].map((name) => ({ name, units: 4 })),
    hiddenLayers: [64, 32],
  },
  'one table shared by two look-ups and two bags': {
    tables: [
      { name: 'genre', rows: 6, dimensions: 5 },
      { name: 'user', rows: 9, dimensions: 3 },
    ],
    lookups: [
      { table: 0, part: 'deep', bag: null },
      { table: 0, part: 'deep', bag: null },
      { table: 0, part: 'deep', bag: bag(genres, true) },
      { table: 0, part: 'wide', bag: bag(genres, false) },
      { table: 1, part: 'deep', bag: null },
    ],
    numbers: [{ name: 'age', units: 3 }],
    hiddenLayers: [7, 5, 3],
  },
  'a bag alone, no hidden layer, linear item biases': {
    tables: [
      { name: 'genre', rows: 6, dimensions: 2 },
      { name: 'item bias', rows: 7, dimensions: 1 },
    ],
    lookups: [
      { table: 0, part: 'deep', bag: bag(genres, false) },
      { table: 1, part: 'wide', bag: null },
    ],
    numbers: [],
    hiddenLayers: [],
  },
  'neural matrix factorisation, logistic': {
    tables: [
      { name: 'person product', rows: 9, dimensions: 6 },
      { name: 'item product', rows: 7, dimensions: 6 },
      { name: 'person', rows: 9, dimensions: 5 },
      { name: 'item', rows: 7, dimensions: 5 },
      { name: 'item bias', rows: 7, dimensions: 1 },
    ],
    lookups: [
      { table: 0, part: 'product', bag: null },
      { table: 2, part: 'deep', bag: null },
      { table: 4, part: 'wide', bag: null },
      { table: 3, part: 'deep', bag: null },
      { table: 1, part: 'product', bag: null },
    ],
    numbers: [],
    hiddenLayers: [8, 3],
    loss: 'logistic',
  },
  'a product alone': {
    tables: [
      { name: 'person', rows: 9, dimensions: 7 },
      { name: 'item', rows: 7, dimensions: 7 },
    ],
    lookups: [0, 1].map((table) => ({ table, part: 'product' as const, bag: null })),
    numbers: [],
    hiddenLayers: [4],
  },
  'numbers only': { tables: [], lookups: [], numbers: [{ name: 'age', units: 6 }], hiddenLayers: [8] },
}

function setUp(spec: NetworkSpec, kernels: 'reference' | 'wasm' | 'wasm-relaxed', tileRows = 32) {
  const random = seededRandom(11)
  const network = createNetwork({ ...spec, tileRows }, kernels)
  const uniform = () => 2 * random.nextDouble() - 1
  for (const { name, offset, shape } of network.blocks)
    for (let i = 0; i < shape.reduce((product, extent) => product * extent, 1); i++)
      network.parameters[offset + i] = uniform() * (name.startsWith('embedding') ? 1 : 0.25)
  const rowsOf = (l: number) => {
    const lookup = spec.lookups[l]!
    return lookup.bag === null ? spec.tables[lookup.table]!.rows : lookup.bag.offsets.length - 1
  }
  const example = (): Example => ({
    indices: spec.lookups.map((_, l) => Math.floor(random.nextDouble() * rowsOf(l))),
    numbers: spec.numbers.map(() => Math.fround(3 * random.nextDouble())),
    target: 1 + Math.floor(5 * random.nextDouble()),
  })
  return { network, example }
}

/** Runs a batch tile by tile; the gradient and what was counted, with the squared norms of every example. */
function run(network: Network, examples: readonly Example[], clipping: ClippingFactors) {
  const counts = { lossSum: 0, clipped: 0, invalid: 0 }
  const norms: number[] = []
  network.clearGradient()
  network.prepare()
  for (let from = 0; from < examples.length; from += network.tileRows) {
    const tile = examples.slice(from, from + network.tileRows)
    tile.forEach((example, r) => {
      example.indices.forEach((index, l) => {
        network.indices[l]![r] = index
      })
      example.numbers.forEach((value, n) => {
        network.numbers[n]![r] = value
      })
      network.targets[r] = example.target
    })
    network.accumulate(tile.length, clipping, counts)
    norms.push(...network.squaredNorms.subarray(0, tile.length))
  }
  network.finishGradient()
  return { gradient: Float64Array.from(network.gradient.subarray(0, network.parameterCount)), norms, ...counts }
}

/** Naive gradients of examples, once each. */
function naiveGradients(spec: NetworkSpec, network: Network, examples: readonly Example[]) {
  return examples.map((example) => naiveGradient(spec, network.blocks, network.parameters, example).gradient)
}

/** One naive gradient, clipped the long way. */
function clipNaively(network: Network, gradient: Float64Array, clipping: ClippingFactors) {
  const norm = Math.sqrt(squaredNorm(gradient))
  const factors = network.blocks.map((block, b) => {
    if (clipping.kind === 'none') return 1
    if (clipping.kind === 'flat')
      return clipping.mode === 'flat' ? Math.min(1, clipping.bound / norm) : clipping.bound / (norm + clipping.stability)
    return Math.min(1, clipping.bounds[b]! / Math.sqrt(squaredNorm(gradient.subarray(block.offset, block.offset + sizeOf(block)))))
  })
  const clipped = gradient.slice()
  network.blocks.forEach((block, b) => {
    for (let i = block.offset; i < block.offset + sizeOf(block); i++) clipped[i]! *= factors[b]!
  })
  return { gradient: clipped, clipped: clipping.kind === 'flat' ? norm > clipping.bound : factors.some((factor) => factor < 1) }
}

function naiveSum(spec: NetworkSpec, network: Network, examples: readonly Example[], clipping: ClippingFactors) {
  const total = new Float64Array(network.parameterCount)
  for (const naive of naiveGradients(spec, network, examples)) {
    const { gradient } = clipNaively(network, naive, clipping)
    for (let i = 0; i < total.length; i++) total[i]! += gradient[i]!
  }
  return { total }
}

const distance = (a: Float64Array, b: Float64Array) => Math.sqrt(squaredNorm(a.map((value, i) => value - b[i]!)))
const length = (a: Float64Array) => Math.sqrt(squaredNorm(a))

const clippings = (network: Network): Record<string, ClippingFactors> => ({
  'no clipping': { kind: 'none' },
  'flat clipping': { kind: 'flat', mode: 'flat', bound: 1.5, stability: 0 },
  'automatic clipping': { kind: 'flat', mode: 'automatic', bound: 1, stability: 0.01 },
  'per-block clipping': { kind: 'per-block', bounds: network.blocks.map((_, b) => 0.1 + 0.3 * b) },
})

test.each(Object.keys(specs))('the naive gradient is the slope of the loss, by central differences: %s', (name) => {
  const spec = specs[name]!
  const { network, example } = setUp(spec, 'reference')
  const parameters = Float64Array.from(network.parameters)
  for (const one of Array.from({ length: 3 }, example)) {
    const lossAt = (values: Float64Array) => {
      const { prediction } = naiveGradient(spec, network.blocks, values, one)
      return spec.loss === 'logistic' ? Math.log1p(Math.exp(prediction)) - one.target * prediction : (prediction - one.target) ** 2
    }
    const { gradient } = naiveGradient(spec, network.blocks, parameters, one)
    for (let i = 0; i < parameters.length; i += 1 + (i % 7)) {
      const moved = (by: number) => lossAt(parameters.with(i, parameters[i]! + by))
      const step = 1e-6
      expect(Math.abs((moved(step) - moved(-step)) / (2 * step) - gradient[i]!)).toBeLessThan(1e-5 * (1 + Math.abs(gradient[i]!)))
    }
  }
})

describe.each(['reference', 'wasm', 'wasm-relaxed'] as const)('book-keeping on %s kernels', (kernels) => {
  describe.each(Object.keys(specs))('%s', (name) => {
    const spec = specs[name]!

    test('squared norms and clipped sums equal naive per-example clipping to 1e-6, at every batch size from 0 to 70 run after a larger batch', () => {
      const { network, example } = setUp(spec, kernels)
      const larger = Array.from({ length: 100 }, example)
      const examples = Array.from({ length: 70 }, example)
      const naive = naiveGradients(spec, network, examples)
      for (const [kind, clipping] of Object.entries(clippings(network))) {
        const total = new Float64Array(network.parameterCount)
        let naivelyClipped = 0
        for (let size = 0; size <= 70; size++) {
          if (size > 0) {
            const one = clipNaively(network, naive[size - 1]!, clipping)
            for (let i = 0; i < total.length; i++) total[i]! += one.gradient[i]!
            naivelyClipped += one.clipped ? 1 : 0
          }
          run(network, larger, clipping)
          const { gradient, norms, clipped, invalid } = run(network, examples.slice(0, size), clipping)
          expect(distance(gradient, total), `${kind}, batch ${size}`).toBeLessThanOrEqual(1e-6 * length(total))
          expect(invalid).toBe(0)
          if (clipping.kind === 'none') continue
          expect(clipped, `${kind}, batch ${size}`).toBe(naivelyClipped)
          for (let r = 0; r < size; r++) {
            const exact = squaredNorm(naive[r]!)
            if (Math.abs(norms[r]! - exact) > 1e-6 * exact)
              expect.fail(`${kind}, batch ${size}: ‖g‖² of example ${r} is ${norms[r]}, naive ${exact}`)
          }
        }
      }
    })

    test('an example whose target is NaN or infinite contributes nothing and is counted', () => {
      const { network, example } = setUp(spec, kernels)
      for (const clipping of Object.values(clippings(network)))
        for (const target of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e30]) {
          const good = Array.from({ length: 13 }, example)
          const bad = { ...example(), target }
          if (target === 1e30 && clipping.kind === 'none') continue
          const mixed = run(network, [...good.slice(0, 6), bad, ...good.slice(6)], clipping)
          expect(mixed.invalid).toBe(1)
          const { total } = naiveSum(spec, network, good, clipping)
          expect(distance(mixed.gradient, total)).toBeLessThanOrEqual(1e-6 * length(total))
        }
    })

    test('an input or parameter that is NaN or infinite cannot hide behind a rectifier', () => {
      for (const poison of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        const { network, example } = setUp(spec, kernels)
        // The last row of the first table (or the number) is bad; only one example reads it.
        const good = Array.from({ length: 13 }, example).map((one) => ({
          ...one,
          indices: one.indices.map((index, l) =>
            spec.lookups[l]!.table === 0 ? (spec.lookups[l]!.bag === null ? index % 5 : index % 4) : index,
          ),
        }))
        const bad = {
          ...example(),
          indices: spec.lookups.map(() => 0),
          numbers: spec.numbers.map(() => (spec.tables.length === 0 ? poison : 1)),
        }
        if (spec.tables.length > 0) {
          const { rows, dimensions } = spec.tables[0]!
          network.parameters[network.blocks[0]!.offset + rows * dimensions - 1] = poison
          bad.indices = spec.lookups.map((lookup) => (lookup.table === 0 ? (lookup.bag === null ? rows - 1 : 4) : 0))
        }
        const clipping: ClippingFactors = { kind: 'flat', mode: 'flat', bound: 1.5, stability: 0 }
        const mixed = run(network, [...good.slice(0, 6), bad, ...good.slice(6)], clipping)
        expect(mixed.invalid).toBe(1)
        const { total } = naiveSum(spec, network, good, clipping)
        expect(distance(mixed.gradient, total)).toBeLessThanOrEqual(1e-6 * length(total))
      }
    })
  })

  test('the penalty adds strength times what each example looked up, repeated rows once each time', () => {
    const spec = specs['neural matrix factorisation, logistic']!
    const { network, example } = setUp(spec, kernels)
    const examples = Array.from({ length: 20 }, example)
    const plain = run(network, examples, { kind: 'none' }).gradient
    const expected = plain.slice()
    for (const { indices } of examples)
      spec.lookups.forEach(({ table }, l) => {
        const { offset } = network.blocks[table]!
        const { dimensions } = spec.tables[table]!
        for (let k = offset + indices[l]! * dimensions; k < offset + (indices[l]! + 1) * dimensions; k++)
          expected[k]! += 0.3 * network.parameters[k]!
      })
    run(network, examples, { kind: 'none' })
    network.clearGradient()
    network.accumulate(20, { kind: 'none' }, { lossSum: 0, clipped: 0, invalid: 0 })
    network.addPenalty(20, 0.3)
    network.finishGradient()
    expect(distance(Float64Array.from(network.gradient.subarray(0, network.parameterCount)), expected)).toBeLessThan(
      1e-5 * length(expected),
    )
  })

  test('a product of one look-up, of two widths or of one table is refused', () => {
    const spec = specs['a product alone']!
    const refused = (change: Partial<NetworkSpec>) =>
      expect(() => createNetwork({ ...spec, ...change }, kernels)).toThrow('a product needs two')
    refused({ lookups: spec.lookups.slice(0, 1) })
    refused({ lookups: [spec.lookups[0]!, spec.lookups[0]!] })
    refused({ tables: [spec.tables[0]!, { ...spec.tables[1]!, dimensions: 3 }] })
  })

  test('the logistic loss is that of the logits, at both ends of the scale too', () => {
    const spec = specs['a product alone']!
    const network = createNetwork({ ...spec, loss: 'logistic', tileRows: 4 }, kernels)
    const bias = network.blocks.find((block) => block.name === 'output.bias')!.offset
    for (const logit of [-200, -1, 0, 3, 200]) {
      network.parameters[bias] = logit
      network.prepare()
      const counts = { lossSum: 0, clipped: 0, invalid: 0 }
      network.targets.set([1, 0])
      network.accumulate(2, { kind: 'none' }, counts)
      expect(counts.lossSum).toBeCloseTo(2 * Math.log1p(Math.exp(-Math.abs(logit))) + Math.abs(logit), 5)
      expect(counts.invalid).toBe(0)
    }
  })

  test('no example moves the clipped sum by more than the bound', () => {
    const { network, example } = setUp(specs['the published Wide & Deep']!, kernels)
    const clipping: ClippingFactors = { kind: 'flat', mode: 'flat', bound: 0.5, stability: 0 }
    for (let trial = 0; trial < 50; trial++) {
      const { gradient } = run(network, [example()], clipping)
      expect(length(gradient)).toBeLessThanOrEqual(0.5 * (1 + 1e-6))
    }
  })
})
