/** One hash of everything a run learns from. A fact about private rows (it confirms a guess of all of them), so it stays under `private/`. */
import { createHash } from 'node:crypto'
import type { Interactions } from '../data/index.ts'

/** SHA-256, hex, over rows, attributes and ids: the data themselves, in whatever file they lie. */
export function fingerprintOf(data: Interactions): string {
  const hash = createHash('sha256')
  for (const column of [data.users, data.items, data.values, ...(data.timestamps ? [data.timestamps] : [])])
    hash.update(new Uint8Array(column.buffer, column.byteOffset, column.byteLength))
  for (const column of data.userAttributes)
    hash.update(column.name).update(new Uint8Array(column.values.buffer, column.values.byteOffset, column.values.byteLength))
  hash.update(JSON.stringify([data.userIds, data.itemIds]))
  return hash.digest('hex')
}
