/** One spelling of plain data, and a short name of it: for keys, checkpoints and names of files. Not cryptographic. */

/** JSON with keys in alphabetical order at every level; undefined entries are not there. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (value !== null && typeof value === 'object')
    return `{${Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`)
      .join(',')}}`
  return JSON.stringify(value)
}

/** FNV-1a, 128 bits, in hexadecimal: against mistakes, not against forgers. */
export function hash128(text: string): string {
  let hash = 0x6c62272e07bb014262b821756295c58dn
  for (const byte of new TextEncoder().encode(text)) hash = ((hash ^ BigInt(byte)) * 0x1000000000000000000013bn) & (2n ** 128n - 1n)
  return hash.toString(16).padStart(32, '0')
}
