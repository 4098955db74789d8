import { describe, expect, test } from 'vitest'
import { chacha20Block, chacha20State } from './chacha20.ts'
import { secureRandom, seededRandom } from './source.ts'

test('the ChaCha20 block function matches RFC 8439, section 2.3.2', () => {
  const key = new Uint32Array(new Uint8Array(Array.from({ length: 32 }, (_, i) => i)).buffer)
  const out = new Uint32Array(16)
  chacha20Block(chacha20State(key, 1, [0x09000000, 0x4a000000, 0]), out, 0)
  expect([...out].map((word) => word.toString(16).padStart(8, '0')).join(' ')).toBe(
    'e4e7f110 15593bd1 1fdd0f50 c47120a3 c7f4d1c7 0368c033 9aaa2204 4e6cd4c3 466482d2 09aa9f07 05d7c214 a2028bd9 d19c12b5 b94e16de e883d0cb 4e3c50a2',
  )
})

describe.each([
  ['seeded', () => seededRandom(7)],
  ['csprng', () => secureRandom()],
] as const)('%s source', (kind, make) => {
  test('says what it is, and so do its children', () => {
    expect(make().kind).toBe(kind)
    expect(make().split('child').kind).toBe(kind)
  })

  test('children differ from the parent and from each other', () => {
    const parent = make()
    const words = [parent, parent.split('a'), parent.split('b')].map((source) => source.nextWord())
    expect(new Set(words).size).toBe(3)
  })

  test('bytes are uniform: χ² over 256 cells of 2¹⁸ bytes below its 1 − 1e-9 quantile (false-alarm rate 1e-9)', () => {
    const words = new Uint32Array(2 ** 16)
    make().fillWords(words)
    const counts = new Float64Array(256)
    for (const byte of new Uint8Array(words.buffer)) counts[byte]! += 1
    const chi2 = counts.reduce((sum, count) => sum + (count - 1024) ** 2 / 1024, 0)
    expect(chi2).toBeLessThan(410)
  })
})

test('a seed repeats its stream and another seed does not', () => {
  const draw = (seed: number) =>
    Array.from(
      { length: 8 },
      (
        (source) => () =>
          source.nextWord()
      )(seededRandom(seed)),
    )
  expect(draw(5)).toEqual(draw(5))
  expect(draw(5)).not.toEqual(draw(6))
})
