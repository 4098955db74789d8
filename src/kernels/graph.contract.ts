/** The contract every build of the graph kernels passes: the whole memory after a call is what the reference leaves, to rounding. */
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../random/index.ts'
import type { GraphKernels } from './graph.ts'
import { referenceGraphKernels } from './graph-reference.ts'
import { createArena } from './kernels.ts'

const rows = 13
const largestWidth = 76

export function describeGraphKernels(name: string, create: (byteLength: number) => GraphKernels): void {
  const arena = createArena()
  const matrix = () => arena.allocate((rows + 1) * largestWidth)
  const at = {
    first: matrix(),
    second: matrix(),
    third: matrix(),
    positive: matrix(),
    factors: arena.allocate(rows),
    offsets: arena.allocate(rows + 1),
    neighbours: arena.allocate(64),
    left: arena.allocate(40),
    preferred: arena.allocate(40),
    other: arena.allocate(40),
  }

  /** Both builds over one random memory: node 4 has no neighbour, some have one twice. */
  function pair(scale = 1): readonly [GraphKernels, GraphKernels] {
    const random = seededRandom(3)
    const builds = [referenceGraphKernels(arena.byteLength), create(arena.byteLength)] as const
    const floats = new Float32Array(builds[0].buffer)
    const words = new Uint32Array(builds[0].buffer)
    for (let i = at.first / 4; i < at.offsets / 4; i++) floats[i] = scale * (2 * random.nextDouble() - 1)
    for (let i = at.positive / 4; i < at.factors / 4; i++) floats[i] = Math.abs(floats[i]!)
    for (let r = 0; r < rows; r++) words[at.offsets / 4 + r + 1] = words[at.offsets / 4 + r]! + (r === 4 ? 0 : 1 + (r % 6))
    for (let i = at.neighbours / 4; i < at.left / 4; i++) words[i] = Math.floor(random.nextDouble() * rows)
    for (let n = 0; n < 40; n++) {
      words[at.left / 4 + n] = n % 5
      words[at.preferred / 4 + n] = 5 + (n % 4)
      words[at.other / 4 + n] = 9 + (n % 3)
    }
    new Uint8Array(builds[1].buffer).set(new Uint8Array(builds[0].buffer).subarray(at.first), at.first)
    return builds
  }

  function expectSameMemory([reference, subject]: readonly [GraphKernels, GraphKernels], label: string, tolerance = 2e-5): void {
    const [expected, got] = [reference, subject].map(({ buffer }) => new Float32Array(buffer, at.first)) as [Float32Array, Float32Array]
    const words = [reference, subject].map(({ buffer }) => new Uint32Array(buffer, at.first)) as [Uint32Array, Uint32Array]
    for (let i = 0; i < (arena.byteLength - at.first) / 4; i++)
      if (words[0][i] !== words[1][i] && !(Math.abs(expected[i]! - got[i]!) <= tolerance * (1 + Math.abs(expected[i]!))))
        expect.fail(`${label}: word ${i} is ${got[i]}, reference ${expected[i]}`)
  }

  const calls: Record<string, (k: GraphKernels, count: number, width: number) => unknown> = {
    neighbourSums: (k, count, width) => {
      k.neighbourSums(count, width, at.offsets, at.neighbours, at.first, at.factors, at.second, 0.25, at.third)
      k.neighbourSums(count, width, at.offsets, at.neighbours, at.first, at.factors, at.second, 1, at.second)
    },
    addScaledRows: (k, count, width) => k.addScaledRows(count, width, at.factors, at.first, at.second),
    adam: (k, count, width) => k.adam(count * width, at.first, at.second, at.third, at.positive, 0.5, 0.01, 0.9, 0.99, 1e-8),
  }

  describe(`${name} graph kernels`, () => {
    test.each(Object.keys(calls))('%s leaves the memory that the reference leaves, at every width and number of rows', (kernel) => {
      for (const width of [4, 28, 32, 36, 64, largestWidth])
        for (const count of [0, 1, 4, 5, rows]) {
          const both = pair()
          for (const k of both) calls[kernel]!(k, count, width)
          expectSameMemory(both, `${kernel}, ${count} rows, width ${width}`)
        }
    })

    test('the pairwise loss and its gradient are those of the reference, repeated nodes and large margins included', () => {
      for (const scale of [1, 20])
        for (const width of [4, 20, 64])
          for (const count of [0, 1, 3, 40]) {
            const both = pair(scale)
            const losses = both.map((k) => k.pairwise(count, width, at.left, at.preferred, at.other, at.first, at.third))
            expect(Math.abs(losses[0]! - losses[1]!)).toBeLessThanOrEqual(1e-5 * (1 + losses[0]!))
            expectSameMemory(both, `${count} triples, width ${width}, scale ${scale}`, 2e-5 * scale)
          }
    })

    test('the pairwise gradient is the slope of the loss, by central differences', () => {
      const width = 8
      const k = pair()[1]
      const vectors = new Float32Array(k.buffer, at.first, rows * width)
      const gradient = new Float32Array(k.buffer, at.third, rows * width)
      const loss = () => k.pairwise(40, width, at.left, at.preferred, at.other, at.first, at.second)
      gradient.fill(0)
      k.pairwise(40, width, at.left, at.preferred, at.other, at.first, at.third)
      for (let i = 0; i < vectors.length; i++) {
        const value = vectors[i]!
        vectors[i] = value + 2 ** -8
        const above = loss()
        vectors[i] = value - 2 ** -8
        const below = loss()
        vectors[i] = value
        expect(Math.abs((above - below) * 2 ** 7 - gradient[i]!)).toBeLessThan(2e-3)
      }
    })

    test('a margin beyond the range of exp neither overflows nor hides its gradient', () => {
      const k = pair()[1]
      const vectors = new Float32Array(k.buffer, at.first, rows * 4)
      const gradient = new Float32Array(k.buffer, at.third, rows * 4)
      for (const sign of [1, -1]) {
        vectors.fill(0)
        gradient.fill(0)
        vectors[0] = 1000
        vectors[5 * 4] = sign
        expect(k.pairwise(1, 4, at.left, at.preferred, at.other, at.first, at.third)).toBeCloseTo(sign > 0 ? 0 : 1000, 3)
        expect(gradient[5 * 4]).toBeCloseTo(sign > 0 ? 0 : -1000, 3)
      }
    })
  })
}
