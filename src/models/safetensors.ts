/**
 * The safetensors file format: named float32 tensors with a JSON header, no code, no pickles. A model or a checkpoint is one such file.
 *
 * Reads and writes bytes; files are opened elsewhere (runs). Strict on reading: a header that does not parse, a dtype other than F32, offsets
 * that overlap, leave a hole or do not match the shape, or a value that is not finite is `corrupt-run`, because a model that loads half is worse
 * than none. The format carries no checksum: a flipped bit inside a finite float is caught by the hash in the run folder's card, not here.
 *
 * @see https://github.com/huggingface/safetensors (format: u64 little-endian header length, JSON header, raw little-endian data)
 */
import { TacetError } from '../errors.ts'
import type { NamedTensors, TensorData } from './model.ts'

/** The reference implementation's own bound: a longer header is an attack or an accident. */
const MAX_HEADER_BYTES = 100_000_000
const BYTES_PER_FLOAT = 4

export interface SafetensorsFile {
  readonly tensors: NamedTensors
  readonly metadata: Readonly<Record<string, string>>
}

/**
 * Encodes tensors in the order of their keys, so that equal models are equal bytes.
 * @param tensors each `data.length` equal to the product of its shape
 * @param metadata strings for people and loaders (`format`, `model`, …)
 * @throws TacetError internal if a shape and its data disagree or a value is not finite: such a file must never be written
 */
export function encodeSafetensors(tensors: NamedTensors, metadata: Readonly<Record<string, string>> = {}): Uint8Array<ArrayBuffer> {
  const names = Object.keys(tensors).sort()
  const header: Record<string, unknown> = { __metadata__: metadata }
  let offset = 0
  for (const name of names) {
    const { shape, data } = tensors[name] as TensorData
    if (name === '__metadata__') throw new TacetError('internal', 'a tensor may not be called __metadata__')
    if (data.length !== elements(shape))
      throw new TacetError(
        'internal',
        `tensor ${name} holds ${data.length} values; its shape [${shape.join(', ')}] needs ${elements(shape)}`,
      )
    const bad = firstNonFinite(data)
    if (bad >= 0) throw new TacetError('internal', `tensor ${name} is ${data[bad]} at position ${bad}; only finite values are stored`)
    header[name] = { dtype: 'F32', shape: [...shape], data_offsets: [offset, offset + data.length * BYTES_PER_FLOAT] }
    offset += data.length * BYTES_PER_FLOAT
  }
  const json = new TextEncoder().encode(JSON.stringify(header))
  // Padded with spaces so that the data starts on an 8-byte boundary, as the reference implementation does.
  const headerBytes = Math.ceil(json.length / 8) * 8
  const bytes = new Uint8Array(8 + headerBytes + offset)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes), true)
  bytes.fill(0x20, 8, 8 + headerBytes)
  bytes.set(json, 8)
  const view = new DataView(bytes.buffer, 8 + headerBytes)
  let position = 0
  for (const name of names) {
    for (const value of (tensors[name] as TensorData).data) {
      view.setFloat32(position, value, true)
      position += BYTES_PER_FLOAT
    }
  }
  return bytes
}

/**
 * Decodes a whole file.
 * @param label what the file is called in errors, e.g. its path
 * @throws TacetError corrupt-run naming what is wrong
 */
export function decodeSafetensors(bytes: Uint8Array, label = 'safetensors file'): SafetensorsFile {
  const corrupt = (what: string, cause?: unknown): TacetError =>
    new TacetError('corrupt-run', `${label} is damaged: ${what}`, { wayOut: 'restore the file from a copy, or train again', cause })

  if (bytes.length < 8) throw corrupt(`it has ${bytes.length} bytes, less than a header`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const headerBytes = Number(view.getBigUint64(0, true))
  if (headerBytes > MAX_HEADER_BYTES || 8 + headerBytes > bytes.length)
    throw corrupt(`its header claims ${headerBytes} bytes and the file has ${bytes.length}`)
  let header: unknown
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, 8 + headerBytes)))
  } catch (cause) {
    throw corrupt('its header is not JSON', cause)
  }
  if (!isRecord(header)) throw corrupt('its header is not a JSON object')

  const metadata: Record<string, string> = {}
  if (header.__metadata__ !== undefined) {
    if (!isRecord(header.__metadata__)) throw corrupt('its metadata is not an object of strings')
    for (const [key, value] of Object.entries(header.__metadata__)) {
      if (typeof value !== 'string') throw corrupt(`its metadata field ${key} is not a string`)
      metadata[key] = value
    }
  }

  const dataBytes = bytes.length - 8 - headerBytes
  const entries = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, entry]) => {
      if (!isRecord(entry)) throw corrupt(`tensor ${name} has no description`)
      const { dtype, shape, data_offsets: offsets } = entry
      if (dtype !== 'F32') throw corrupt(`tensor ${name} has dtype ${String(dtype)}; only F32 is read`)
      if (!isCounts(shape)) throw corrupt(`tensor ${name} has no valid shape`)
      if (!isCounts(offsets) || offsets.length !== 2) throw corrupt(`tensor ${name} has no valid data offsets`)
      const [begin, end] = offsets as [number, number]
      if (end - begin !== elements(shape) * BYTES_PER_FLOAT || end > dataBytes)
        throw corrupt(`tensor ${name} of shape [${shape.join(', ')}] is given bytes ${begin} to ${end} of ${dataBytes}`)
      return { name, shape, begin, end }
    })
    .sort((a, b) => a.begin - b.begin || a.end - b.end)

  // The tensors must tile the data exactly: no overlap, no hole, no trailing bytes.
  let position = 0
  const tensors: Record<string, TensorData> = {}
  const dataView = new DataView(bytes.buffer, bytes.byteOffset + 8 + headerBytes, dataBytes)
  for (const { name, shape, begin, end } of entries) {
    if (begin !== position) throw corrupt(`tensor ${name} starts at byte ${begin} where ${position} was expected`)
    const data = new Float32Array((end - begin) / BYTES_PER_FLOAT)
    for (let i = 0; i < data.length; i++) data[i] = dataView.getFloat32(begin + i * BYTES_PER_FLOAT, true)
    const bad = firstNonFinite(data)
    if (bad >= 0) throw corrupt(`tensor ${name} is ${data[bad]} at position ${bad}`)
    tensors[name] = { shape, data }
    position = end
  }
  if (position !== dataBytes) throw corrupt(`${dataBytes - position} bytes after the last tensor belong to none`)
  return { tensors, metadata }
}

/**
 * The tensor called `name`, checked against the shape the reader needs.
 * @throws TacetError corrupt-run if it is missing or has another shape
 */
export function expectTensor(tensors: NamedTensors, name: string, shape: readonly number[], label = 'model'): Float32Array {
  const tensor = tensors[name]
  const wayOut = 'the file belongs to another model or data set: use the run folder it was written in'
  if (tensor === undefined) throw new TacetError('corrupt-run', `${label} has no tensor ${name}`, { wayOut })
  if (tensor.shape.length !== shape.length || tensor.shape.some((size, axis) => size !== shape[axis]))
    throw new TacetError(
      'corrupt-run',
      `${label}: tensor ${name} has shape [${tensor.shape.join(', ')}]; [${shape.join(', ')}] is needed`,
      {
        wayOut,
      },
    )
  return tensor.data
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

function firstNonFinite(data: Float32Array): number {
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i] as number)) return i
  return -1
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((entry) => Number.isSafeInteger(entry) && entry >= 0)
}
