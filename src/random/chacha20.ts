/**
 * ChaCha20 block function (RFC 8439, section 2.3), plain TypeScript: the portable keystream, and the reference for the WASM build.
 * Not an encryption API: it turns (key, counter, nonce) into 16 words. The caller must never repeat a (key, nonce, counter) triple.
 */

const rotl = (x: number, n: number) => (x << n) | (x >>> (32 - n))

/**
 * Writes the 16 keystream words of one block.
 * @param state Uint32Array[16]: constants, key[8], counter, nonce[3] as RFC 8439 lays them out; not modified
 * @param out Uint32Array, words out[offset … offset+15] are written
 */
export function chacha20Block(state: Uint32Array, out: Uint32Array, offset: number): void {
  const x = scratch
  for (let i = 0; i < 16; i++) x[i] = state[i] as number
  for (let round = 0; round < 10; round++) {
    quarter(x, 0, 4, 8, 12)
    quarter(x, 1, 5, 9, 13)
    quarter(x, 2, 6, 10, 14)
    quarter(x, 3, 7, 11, 15)
    quarter(x, 0, 5, 10, 15)
    quarter(x, 1, 6, 11, 12)
    quarter(x, 2, 7, 8, 13)
    quarter(x, 3, 4, 9, 14)
  }
  for (let i = 0; i < 16; i++) out[offset + i] = ((x[i] as number) + (state[i] as number)) >>> 0
}

const scratch = new Int32Array(16)

function quarter(x: Int32Array, a: number, b: number, c: number, d: number): void {
  x[a] = (x[a]! + x[b]!) | 0
  x[d] = rotl(x[d]! ^ x[a]!, 16)
  x[c] = (x[c]! + x[d]!) | 0
  x[b] = rotl(x[b]! ^ x[c]!, 12)
  x[a] = (x[a]! + x[b]!) | 0
  x[d] = rotl(x[d]! ^ x[a]!, 8)
  x[c] = (x[c]! + x[d]!) | 0
  x[b] = rotl(x[b]! ^ x[c]!, 7)
}

/** State words for a 32-byte key (as 8 words), a block counter and a 96-bit nonce. */
export function chacha20State(key: Uint32Array, counter: number, nonce: readonly [number, number, number]): Uint32Array {
  const state = new Uint32Array(16)
  state.set([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574])
  state.set(key.subarray(0, 8), 4)
  state[12] = counter
  state.set(nonce, 13)
  return state
}
