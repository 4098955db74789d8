/**
 * External ids ↔ dense indices. Ids are text and compared as text: "7" and "007" are two ids. Canonical decimal integers below 10⁷ (nearly
 * all ids in practice) go through a flat table without ever becoming strings per row; everything else through a Map.
 */
import { decodeText } from './lines.ts'

export interface IdIndex {
  readonly size: number
  /** Index of the id, or −1. */
  find(bytes: Uint8Array, start: number, end: number): number
  /** Index of the id, which is added when new. */
  intern(bytes: Uint8Array, start: number, end: number): number
  /** `ids()[index]` is the id. */
  ids(): string[]
}

/** The integer 0 … 9,999,999 written without sign or leading zeros in `bytes[start, end)`, else −1. */
function canonicalInteger(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start
  if (length < 1 || length > 7 || (length > 1 && bytes[start] === 48)) return -1
  let value = 0
  for (let i = start; i < end; i++) {
    const digit = (bytes[i] as number) - 48
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return value
}

export function createIdIndex(): IdIndex {
  // Entry = index + 1, so that a fresh table of zeros means "not there".
  let table = new Uint32Array(1 << 14)
  const map = new Map<string, number>()
  const ids: string[] = []

  function find(bytes: Uint8Array, start: number, end: number): number {
    const integer = canonicalInteger(bytes, start, end)
    if (integer >= 0) return integer < table.length ? (table[integer] as number) - 1 : -1
    return map.get(decodeText(bytes, start, end)) ?? -1
  }

  return {
    get size() {
      return ids.length
    },
    find,
    intern(bytes, start, end) {
      const known = find(bytes, start, end)
      if (known >= 0) return known
      const integer = canonicalInteger(bytes, start, end)
      const text = decodeText(bytes, start, end)
      if (integer >= 0) {
        if (integer >= table.length) {
          let length = table.length
          while (length <= integer) length *= 2
          const grown = new Uint32Array(length)
          grown.set(table)
          table = grown
        }
        table[integer] = ids.length + 1
      } else map.set(text, ids.length)
      return ids.push(text) - 1
    },
    ids: () => ids,
  }
}

/** Orders ids for a vocabulary read off the interactions: canonical integers by value first, then text by code unit; never by row. */
export function compareIds(a: string, b: string): number {
  const x = canonicalNumber(a)
  const y = canonicalNumber(b)
  if (x !== y) return x < y ? -1 : 1
  return a < b ? -1 : a > b ? 1 : 0
}

function canonicalNumber(id: string): number {
  return /^(0|[1-9]\d{0,14})$/.test(id) ? Number(id) : Number.POSITIVE_INFINITY
}
