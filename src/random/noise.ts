/**
 * Bulk random bytes for training noise. A stream hands out each byte once: it never repeats a (key, counter) pair, keeps no way back to bytes
 * it handed out, and is never shared between threads. The portable one lives in the kernels (ChaCha20); Node's is in index.node.ts (AES-256).
 */
export interface NoiseStream {
  /** What makes the bits, for reports: `aes-256-ctr-drbg`, `aes-256-ctr`, `chacha20`. */
  readonly generator: string
  /** As its `RandomSource`: only `csprng` may make a release. */
  readonly kind: 'csprng' | 'seeded'
  /** Fills `out` with uniform bytes. */
  fill(out: Uint8Array<ArrayBuffer>): void
}
