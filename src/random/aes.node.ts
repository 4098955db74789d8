/**
 * AES-256 noise for Node, from the OpenSSL inside it.
 *
 * - `csprng`: OpenSSL's own generator (CTR_DRBG with AES-256, NIST SP 800-90A), seeded and reseeded from the operating system. It replaces its key
 *   after every request, so what it handed out cannot be computed from its later state; each thread has its own instance; it never counts
 *   past its limit. It writes straight into the caller's memory.
 * - `seeded`: AES-256-CTR under a fresh key and counter from the seeded source at every fill, so that a seed repeats its noise.
 */
import { createCipheriv, randomFillSync } from 'node:crypto'
import type { NoiseStream } from './noise.ts'
import type { RandomSource } from './source.ts'

/** @param random decides the kind, and feeds the seeded stream its keys */
export function aesNoise(random: RandomSource): NoiseStream {
  if (random.kind === 'csprng')
    return {
      generator: 'aes-256-ctr-drbg',
      kind: 'csprng',
      fill(out) {
        randomFillSync(out)
      },
    }
  const secret = new Uint32Array(12)
  let zeros = new Uint8Array(0)
  return {
    generator: 'aes-256-ctr',
    kind: 'seeded',
    fill(out) {
      if (zeros.length < out.length) zeros = new Uint8Array(out.length)
      random.fillWords(secret)
      const cipher = createCipheriv('aes-256-ctr', new Uint8Array(secret.buffer, 0, 32), new Uint8Array(secret.buffer, 32, 16))
      out.set(cipher.update(zeros.subarray(0, out.length)))
      secret.fill(0)
    },
  }
}
