/**
 * The contract every build of the kernels passes: after any call, the whole memory is what reference.ts leaves, to rounding. Comparing all of
 * it, and not only the output, catches what a vector loop does to the rows and columns beside it. Each call comes after one with more rows,
 * whose leftovers must not show.
 */
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../random/index.ts'
import { clipMode, createArena, type Kernels, TABLE_DESCRIPTOR_WORDS } from './kernels.ts'
import { createReferenceKernels } from './reference.ts'

const counts = [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33]
const LARGER = 40
const WIDTH = 28

/** @param tolerance of single-precision sums in another order */
export function describeKernels(name: string, create: (byteLength: number) => Kernels, tolerance = 2e-5): void {
  const arena = createArena()
  const matrix = () => arena.allocate(LARGER * WIDTH)
  const at = {
    a: matrix(),
    b: matrix(),
    c: matrix(),
    weights: arena.allocate(WIDTH * WIDTH),
    gradient: arena.allocate(WIDTH * WIDTH),
    bias: arena.allocate(WIDTH),
    vector: arena.allocate(LARGER),
    other: arena.allocate(LARGER),
    positive: arena.allocate(LARGER),
    out: arena.allocate(LARGER * WIDTH),
    table: arena.allocate(50 * WIDTH),
    indices: arena.allocate(LARGER),
    offsets: arena.allocate(LARGER + 1),
    bagIndices: arena.allocate(4 * LARGER),
    descriptors: arena.allocate(4 * TABLE_DESCRIPTOR_WORDS),
    words: arena.allocate(256),
    normals: arena.allocate(256),
  }

  const reference = createReferenceKernels(arena.byteLength)
  const subject = create(arena.byteLength)
  const image = randomImage()

  /** A random memory with valid indices. */
  function randomImage(): Uint8Array {
    const random = seededRandom(7)
    const { buffer } = createReferenceKernels(arena.byteLength)
    const floats = new Float32Array(buffer)
    const words = new Uint32Array(buffer)
    for (let i = at.a / 4; i < arena.byteLength / 4; i++) floats[i] = 2 * random.nextDouble() - 1
    for (let i = 0; i < LARGER; i++) {
      floats[at.positive / 4 + i] = 4 * random.nextDouble() ** 2
      words[at.indices / 4 + i] = Math.floor(random.nextDouble() * 20)
    }
    let offset = 0
    for (let i = 0; i <= LARGER; i++) {
      words[at.offsets / 4 + i] = offset
      offset = Math.min(4 * LARGER, offset + Math.floor(random.nextDouble() * 5))
    }
    for (let i = 0; i < 4 * LARGER; i++) words[at.bagIndices / 4 + i] = Math.floor(random.nextDouble() * 6)
    random.fillWords(words.subarray(at.words / 4, at.words / 4 + 256))
    words.set(
      [
        [at.a, WIDTH, at.indices, 0, 0, 0],
        [at.b, WIDTH, at.indices, at.offsets, at.bagIndices, 1],
        [at.c, WIDTH, at.indices, at.offsets, at.bagIndices, 0],
      ].flat(),
      at.descriptors / 4,
    )
    return new Uint8Array(buffer).subarray(at.a)
  }

  /** Reference and subject over the same random memory. */
  function pair(): readonly [Kernels, Kernels] {
    for (const kernels of [reference, subject]) new Uint8Array(kernels.buffer).set(image, at.a)
    return [reference, subject]
  }

  function expectSameMemory(reference: Kernels, subject: Kernels, label: string): void {
    const [expected, got] = [
      new Float32Array(reference.buffer, at.a),
      new Float32Array(subject.buffer, at.a, new Float32Array(reference.buffer, at.a).length),
    ]
    const [expectedWords, gotWords] = [new Uint32Array(expected.buffer, at.a), new Uint32Array(got.buffer, at.a, got.length)]
    for (let i = 0; i < arena.byteLength / 4 - at.a / 4; i++) {
      if (expectedWords[i] === gotWords[i]) continue
      const close = Math.abs(expected[i]! - got[i]!) <= tolerance * (1 + Math.abs(expected[i]!))
      if (!close && !(Number.isNaN(expected[i]!) && Number.isNaN(got[i]!)))
        expect.fail(`${label}: word ${i * 4 + at.a} is ${got[i]}, reference ${expected[i]} (${JSON.stringify(at)})`)
    }
  }

  /** Calls of each kernel at one number of rows and a few widths. */
  const calls: Record<string, (k: Kernels, rows: number, width: number) => unknown> = {
    denseForward: (k, rows, width) => {
      k.denseForward(rows, width + 1, width, at.a, WIDTH, at.weights, at.bias, at.out, WIDTH, 1)
      k.denseForward(rows, 3, width, at.b, WIDTH, at.weights, at.bias, at.c, WIDTH, 0)
    },
    denseBackward: (k, rows, width) => {
      k.denseBackward(rows, 5, width, at.a, WIDTH, at.weights, at.b, WIDTH, at.out, WIDTH, 1)
      k.denseBackward(rows, 1, width, at.a, WIDTH, at.weights, at.b, WIDTH, at.c, WIDTH, 0)
    },
    denseGradient: (k, rows, width) => k.denseGradient(rows, 12, width, at.a, WIDTH, at.b, WIDTH, at.gradient),
    gatherRows: (k, rows, width) => k.gatherRows(rows, width - 1, at.table, at.indices, at.out, WIDTH),
    scatterRows: (k, rows, width) => {
      k.scatterRows(rows, width - 1, at.table, at.indices, at.a, WIDTH, 0)
      k.scatterRows(rows, width - 1, at.table, at.indices, at.b, WIDTH, at.vector)
    },
    gatherBags: (k, rows, width) => {
      k.gatherBags(rows, width - 1, at.table, at.indices, at.offsets, at.bagIndices, 1, at.out, WIDTH)
      k.gatherBags(rows, width - 2, at.table, at.indices, at.offsets, at.bagIndices, 0, at.c, WIDTH)
    },
    scatterBags: (k, rows, width) => {
      k.scatterBags(rows, width - 1, at.table, at.indices, at.offsets, at.bagIndices, 1, at.a, WIDTH, 0)
      k.scatterBags(rows, width - 2, at.table, at.indices, at.offsets, at.bagIndices, 0, at.a, WIDTH, at.vector)
    },
    tableSquaredNorms: (k, rows, width) => k.tableSquaredNorms(rows, width - 1, 3, at.descriptors, at.out),
    unitForward: (k, rows, width) => k.unitForward(rows, width, at.vector, at.weights, at.bias, at.out, WIDTH),
    rowDot: (k, rows, width) => k.rowDot(rows, width, at.a, WIDTH, at.weights, at.bias, at.out),
    outerBackward: (k, rows, width) => {
      k.outerBackward(rows, width, at.vector, at.weights, at.a, WIDTH, at.out, WIDTH, 1)
      k.outerBackward(rows, width, at.vector, at.weights, at.a, WIDTH, at.c, WIDTH, 0)
    },
    rowSquaredNorms: (k, rows, width) => {
      k.rowSquaredNorms(rows, width - 1, at.a, WIDTH, at.out)
      k.rowSquaredNorms(rows, width, at.a, WIDTH, at.vector)
    },
    multiplyAccumulate: (k, rows) => {
      k.multiplyAccumulate(rows, at.vector, 1, at.other, at.out)
      k.multiplyAccumulate(rows, 0, 1, at.other, at.c)
    },
    multiply: (k, rows) => k.multiply(rows, at.vector, at.other, at.out),
    clipFactors: (k, rows) => [
      k.clipFactors(rows, at.positive, at.positive, clipMode.flat, 0.8, 0, at.out),
      k.clipFactors(rows, at.positive, at.positive, clipMode.automatic, 0.8, 0.01, at.c),
    ],
    scaleRows: (k, rows, width) => k.scaleRows(rows, width - 1, at.a, WIDTH, at.vector),
    columnSums: (k, rows, width) => {
      k.columnSums(rows, width, at.a, WIDTH, at.vector, at.out)
      k.columnSums(rows, width, at.a, WIDTH, 0, at.c)
    },
    pack: (k, rows, width) => k.pack(Math.min(rows, WIDTH), width - 1, at.a, at.out, WIDTH),
    packTransposed: (k, rows, width) => k.packTransposed(Math.min(rows, WIDTH), width - 1, at.a, at.out, LARGER),
    unpackAdd: (k, rows, width) => k.unpackAdd(Math.min(rows, WIDTH), width - 1, at.a, WIDTH, at.out),
    chacha20: (k, rows) => k.chacha20(at.words, at.out, rows),
    normals: (k, rows) => k.normals(16 * Math.min(rows, 16), at.words, at.words, 48, at.normals),
    adam: (k, rows, width) => {
      k.adam(rows * 4, at.a, at.b, at.c, at.out, 0, 0, 0.5, 0.01, 0.9, 0.99, 1e-7)
      k.adam(width, at.weights, at.gradient, at.c, at.positive, at.normals, 0.7, 0.5, 0.01, 0.9, 0.99, 1e-7)
    },
    sgd: (k, rows, width) => {
      k.sgd(rows * 4, at.a, at.b, at.c, 0, 0, 0.5, 0.01, 0.9)
      k.sgd(width, at.weights, at.gradient, at.c, at.normals, 0.7, 0.5, 0.01, 0)
    },
  }

  describe(`${name} kernels`, () => {
    test.each(Object.keys(calls))('%s leaves the memory that the reference leaves, at every number of rows', (kernel) => {
      for (const width of [4, 20, 24])
        for (const rows of counts) {
          const [reference, subject] = pair()
          // adam takes square roots of its second moment.
          if (kernel === 'adam')
            for (const k of [reference, subject])
              for (const p of [at.out, at.positive]) {
                const view = new Float32Array(k.buffer, p, LARGER)
                view.forEach((value, i) => {
                  view[i] = Math.abs(value)
                })
                new Float32Array(k.buffer, at.out, LARGER * WIDTH).fill(0.5)
              }
          for (const count of [LARGER, rows]) {
            const label = `${kernel}, ${count} rows, width ${width}`
            expect(calls[kernel]!(subject, count, width), label).toEqual(calls[kernel]!(reference, count, width))
            expectSameMemory(reference, subject, label)
          }
        }
    })

    test('a rectifier keeps NaN, and its mask does too', () => {
      const k = create(arena.byteLength)
      const floats = (p: number, length: number) => new Float32Array(k.buffer, p, length)
      floats(at.a, 4).set([Number.NaN, 0, 0, 0])
      floats(at.weights, 16).fill(1)
      floats(at.bias, 4).fill(-1)
      k.denseForward(1, 4, 4, at.a, WIDTH, at.weights, at.bias, at.out, WIDTH, 1)
      expect([...floats(at.out, 4)]).toEqual([Number.NaN, Number.NaN, Number.NaN, Number.NaN])
      k.denseBackward(1, 4, 4, at.a, WIDTH, at.weights, at.out, WIDTH, at.c, WIDTH, 1)
      expect([...floats(at.c, 4)].every(Number.isNaN)).toBe(true)
      floats(at.vector, 1).set([Number.NaN])
      k.unitForward(1, 4, at.vector, at.weights, at.bias, at.out, WIDTH)
      expect([...floats(at.out, 4)].every(Number.isNaN)).toBe(true)
    })

    test('a norm that is NaN or infinite gets factor 0 and is not counted as clipped', () => {
      const k = create(arena.byteLength)
      const norms = [Number.NaN, Number.POSITIVE_INFINITY, 4, 0.25, 0, 3.5e38]
      new Float32Array(k.buffer, at.vector, 6).set(norms)
      for (const mode of [clipMode.flat, clipMode.automatic]) {
        expect(k.clipFactors(6, at.vector, at.vector, mode, 1, 1, at.out)).toBe(1)
        const factors = [...new Float32Array(k.buffer, at.out, 6)]
        expect([factors[0], factors[1], factors[5]]).toEqual([0, 0, 0])
        expect(factors.slice(2, 5)).toEqual(mode === clipMode.flat ? [0.5, 1, 1] : [1 / 3, 1 / 1.5, 1].map(Math.fround))
      }
    })

    test('ChaCha20 gives the keystream of RFC 8439, section 2.3.2, and counts its blocks', () => {
      const k = create(arena.byteLength)
      const state = new Uint32Array(k.buffer, at.words, 16)
      const key = new Uint32Array(new Uint8Array(Array.from({ length: 32 }, (_, i) => i)).buffer)
      const start = () => {
        state.set([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574])
        state.set(key, 4)
        state.set([1, 0x09000000, 0x4a000000, 0], 12)
      }
      start()
      k.chacha20(at.words, at.out, 1)
      const block = [...new Uint32Array(k.buffer, at.out, 16)]
      expect(block.map((word) => word.toString(16).padStart(8, '0')).join(' ')).toBe(
        'e4e7f110 15593bd1 1fdd0f50 c47120a3 c7f4d1c7 0368c033 9aaa2204 4e6cd4c3 466482d2 09aa9f07 05d7c214 a2028bd9 d19c12b5 b94e16de e883d0cb 4e3c50a2',
      )
      start()
      k.chacha20(at.words, at.out, 7)
      expect([...new Uint32Array(k.buffer, at.out, 16)]).toEqual(block)
      expect(state[12]).toBe(8)
    })

    test('the tail of the normals reaches past 6.6 standard deviations, and a reserve that is too small is reported', () => {
      const k = create(arena.byteLength)
      const words = new Uint32Array(k.buffer, at.words, 64)
      words.fill(0)
      expect(k.normals(16, at.words, at.words + 128, 8, at.normals)).toBe(8)
      const largest = Math.max(...new Float32Array(k.buffer, at.normals, 16))
      expect(largest).toBeCloseTo(Math.sqrt(2 * 57 * Math.LN2), 4)
      expect(k.normals(16, at.words, at.words + 128, 7, at.normals)).toBe(-1)
    })
  })
}
