import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TacetError } from '../errors.ts'
import { decodeSafetensors, encodeSafetensors, expectTensor } from './safetensors.ts'

const tensors = {
  'item.bias': { shape: [3], data: Float32Array.of(0.5, -1, 2.25) },
  'user.factors': { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) },
  nothing: { shape: [0, 4], data: new Float32Array(0) },
  scalar: { shape: [], data: Float32Array.of(7) },
}

/** A file with this header object and this many data bytes, made by hand. */
function fileOf(header: unknown, dataBytes: number): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header))
  const bytes = new Uint8Array(8 + json.length + dataBytes)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true)
  bytes.set(json, 8)
  return bytes
}

const codeOf = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    return error instanceof TacetError ? error.code : String(error)
  }
  return 'no error'
}

test('what is written reads back, metadata included, and equal tensors give equal bytes', () => {
  const bytes = encodeSafetensors(tensors, { format: 'tacet' })
  const { metadata, tensors: read } = decodeSafetensors(bytes)
  expect(metadata).toEqual({ format: 'tacet' })
  expect(read).toEqual(tensors)
  const reordered = Object.fromEntries(Object.entries(tensors).reverse())
  expect(encodeSafetensors(reordered, { format: 'tacet' })).toEqual(bytes)
})

test('a file reads from the middle of a larger buffer', () => {
  const bytes = encodeSafetensors(tensors)
  const shifted = new Uint8Array(bytes.length + 3)
  shifted.set(bytes, 3)
  expect(decodeSafetensors(shifted.subarray(3)).tensors).toEqual(tensors)
})

test('the layout is the published one: header length, JSON, little-endian data on an 8-byte boundary', () => {
  const bytes = encodeSafetensors({ a: { shape: [1], data: Float32Array.of(1) } })
  const headerBytes = Number(new DataView(bytes.buffer).getBigUint64(0, true))
  expect((8 + headerBytes) % 8).toBe(0)
  expect(JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerBytes))).a).toEqual({
    dtype: 'F32',
    shape: [1],
    data_offsets: [0, 4],
  })
  expect([...bytes.subarray(8 + headerBytes)]).toEqual([0, 0, 0x80, 0x3f])
})

test('cutting a file anywhere is noticed', () => {
  const bytes = encodeSafetensors(tensors)
  fc.assert(
    fc.property(fc.integer({ min: 0, max: bytes.length - 1 }), (length) => {
      expect(codeOf(() => decodeSafetensors(bytes.subarray(0, length)))).toBe('corrupt-run')
    }),
    { seed: 1 },
  )
})

test('changing any byte of the header either fails as corrupt or leaves every value finite', () => {
  const bytes = encodeSafetensors(tensors)
  fc.assert(
    fc.property(fc.integer({ min: 0, max: bytes.length - 1 }), fc.integer({ min: 0, max: 255 }), (position, value) => {
      const changed = Uint8Array.from(bytes)
      changed[position] = value
      expect(['corrupt-run', 'no error']).toContain(codeOf(() => decodeSafetensors(changed)))
    }),
    { seed: 2, numRuns: 500 },
  )
})

describe('a file is refused as corrupt when', () => {
  const a = { dtype: 'F32', shape: [2], data_offsets: [0, 8] }
  test.each<[string, Uint8Array]>([
    ['its header is not JSON', fileOf('{"a":', 0)],
    ['its header is an array', fileOf([], 0)],
    ['its header claims more than the file has', Uint8Array.from(fileOf({}, 0), (byte, i) => (i === 0 ? 200 : byte))],
    ['its header length is absurd', Uint8Array.from(fileOf({}, 0), (byte, i) => (i < 8 ? 255 : byte))],
    ['its metadata are not strings', fileOf({ __metadata__: { version: 1 } }, 0)],
    ['a tensor has another dtype', fileOf({ a: { ...a, dtype: 'F16' } }, 8)],
    ['a shape is negative', fileOf({ a: { ...a, shape: [-2] } }, 8)],
    ['shape and offsets disagree', fileOf({ a: { ...a, shape: [3] } }, 8)],
    ['offsets pass the end', fileOf({ a: { ...a, data_offsets: [8, 16] } }, 8)],
    ['two tensors overlap', fileOf({ a, b: { dtype: 'F32', shape: [2], data_offsets: [4, 12] } }, 12)],
    ['bytes are left over', fileOf({ a }, 12)],
    ['a tensor has no description', fileOf({ a: null }, 0)],
  ])('%s', (_reason, bytes) => {
    expect(codeOf(() => decodeSafetensors(bytes))).toBe('corrupt-run')
  })

  test('a value is NaN', () => {
    const bytes = encodeSafetensors({ a: { shape: [2], data: Float32Array.of(1, 2) } })
    new DataView(bytes.buffer).setFloat32(bytes.length - 4, Number.NaN, true)
    expect(codeOf(() => decodeSafetensors(bytes))).toBe('corrupt-run')
  })
})

test('a NaN or a wrong shape is never written', () => {
  expect(codeOf(() => encodeSafetensors({ a: { shape: [1], data: Float32Array.of(Number.NaN) } }))).toBe('internal')
  expect(codeOf(() => encodeSafetensors({ a: { shape: [2], data: Float32Array.of(1) } }))).toBe('internal')
  expect(codeOf(() => encodeSafetensors({ __metadata__: { shape: [1], data: Float32Array.of(1) } }))).toBe('internal')
})

test('a tensor of the wrong shape or a missing one is named', () => {
  expect(expectTensor(tensors, 'item.bias', [3])[2]).toBe(2.25)
  expect(() => expectTensor(tensors, 'item.bias', [4])).toThrow('tensor item.bias has shape [3]; [4] is needed')
  expect(() => expectTensor(tensors, 'item.bias', [3, 1])).toThrow(TacetError)
  expect(() => expectTensor(tensors, 'absent', [3])).toThrow('has no tensor absent')
})
