/**
 * Where randomness comes from. Two kinds, never mixed:
 *
 * - `csprng`: keyed by the operating system, with forward secrecy (each refill replaces its key by keystream that is never handed out, so a
 *   memory dump tells nothing about noise already drawn). The only kind a release may use.
 * - `seeded`: the same generator keyed by a seed, so that papers and tests repeat. Everything it touches is "not for release".
 *
 * A source is never shared between workers: give each its own `split(label)`. State is never written to a checkpoint (privacy-rules 16).
 */
import { checkNumber } from '../errors.ts'
import { chacha20Block, chacha20State } from './chacha20.ts'

export interface RandomSource {
  readonly kind: 'csprng' | 'seeded'
  /** One uniform 32-bit word, 0 … 2³²−1. */
  nextWord(): number
  /** Fills `out` with independent uniform 32-bit words. */
  fillWords(out: Uint32Array): void
  /** Uniform double in [0, 1) with 53 random bits. */
  nextDouble(): number
  /** An independent source of the same kind. Seeded: determined by seed and label; csprng: freshly keyed by the operating system. */
  split(label: string): RandomSource
}

/** Operating-system-seeded source for releases (Node and browsers). */
export function secureRandom(): RandomSource {
  const key = crypto.getRandomValues(new Uint32Array(8))
  return chachaSource('csprng', key, () => secureRandom())
}

/**
 * Repeatable source for tests and papers: never for a release.
 * @param seed integer 0 … 2⁵³−1
 */
export function seededRandom(seed: number): RandomSource {
  checkNumber('seed', seed, { atLeast: 0, atMost: Number.MAX_SAFE_INTEGER, integer: true })
  const key = new Uint32Array(8)
  key[0] = seed >>> 0
  key[1] = Math.floor(seed / 2 ** 32)
  key[7] = 0x7ace7
  return seededFromKey(key)
}

function seededFromKey(key: Uint32Array): RandomSource {
  const parent = Uint32Array.from(key)
  return chachaSource('seeded', Uint32Array.from(key), (label) => {
    const child = new Uint32Array(16)
    // Domain separation: the label is hashed into the nonce; the child key is a keystream block under the parent's own key.
    let a = 0x811c9dc5
    let b = 0x01000193
    for (let i = 0; i < label.length; i++) {
      a = Math.imul(a ^ label.charCodeAt(i), 0x01000193) >>> 0
      b = Math.imul(b + label.charCodeAt(i), 0x85ebca6b) >>> 0
    }
    chacha20Block(chacha20State(parent, 0, [a, b, 0x5b117]), child, 0)
    return seededFromKey(child.subarray(0, 8))
  })
}

const BUFFER_WORDS = 1024

/** ChaCha20 with fast key erasure: words 0–7 of every refill become the next key. */
function chachaSource(kind: RandomSource['kind'], initialKey: Uint32Array, split: (label: string) => RandomSource): RandomSource {
  const key = initialKey
  const buffer = new Uint32Array(BUFFER_WORDS)
  let used = BUFFER_WORDS

  function refill(): void {
    const state = chacha20State(key, 0, [0, 0, 0])
    for (let block = 0; block < BUFFER_WORDS / 16; block++) {
      state[12] = block
      chacha20Block(state, buffer, block * 16)
    }
    key.set(buffer.subarray(0, 8))
    buffer.fill(0, 0, 8)
    used = 8
  }

  function nextWord(): number {
    if (used === BUFFER_WORDS) refill()
    const word = buffer[used] as number
    buffer[used++] = 0
    return word
  }

  return {
    kind,
    nextWord,
    fillWords(out) {
      for (let i = 0; i < out.length; i++) out[i] = nextWord()
    },
    nextDouble() {
      const high = nextWord() >>> 5
      const low = nextWord() >>> 6
      return (high * 67108864 + low) / 9007199254740992
    },
    split,
  }
}
