/**
 * The noise is normal, independent, and reaches its tail. Seeds are fixed (fresh ones under TACET_SLOW); each bound states its false-alarm
 * rate, that is the chance that a right generator fails it under a fresh seed.
 */
import { describe, expect, test } from 'vitest'
import { aesNoise } from '../random/index.node.ts'
import { secureRandom, seededRandom } from '../random/index.ts'
import { createKernels } from './create.ts'
import { ARENA_START } from './kernels.ts'
import { hasWasm } from './wasm.ts'

const seed = process.env.TACET_SLOW ? Math.floor(Math.random() * 2 ** 40) : 20_26
const CHUNK = 2048
const builds = (['reference', 'wasm', 'wasm-relaxed'] as const).filter((build) => build === 'reference' || hasWasm(build))

/** `count` normals of a build, from AES or ChaCha20 bytes. */
function draw(build: (typeof builds)[number], count: number, source: 'aes' | 'chacha20', drawSeed: number | 'secure'): Float32Array {
  const kernels = createKernels(build, ARENA_START + 65536)
  const random = drawSeed === 'secure' ? secureRandom() : seededRandom(drawSeed)
  const words = ARENA_START + 64
  const wordCount = (CHUNK / 16) * 12 + 32
  const out = words + wordCount * 4 + 64
  const bytes = new Uint8Array(kernels.buffer, words, wordCount * 4)
  const aes = aesNoise(random)
  const normals = new Float32Array(kernels.buffer, out, CHUNK)
  const result = new Float32Array(count)
  for (let from = 0; from < count; from += CHUNK) {
    if (source === 'aes') aes.fill(bytes)
    else {
      const state = new Uint32Array(kernels.buffer, ARENA_START, 16)
      random.fillWords(state.subarray(4, 12))
      state.fill(0, 12)
      kernels.chacha20(ARENA_START, words, wordCount / 16)
    }
    if (kernels.normals(CHUNK, words, words + (wordCount - 32) * 4, 32, out) < 0) throw new Error('reserve exhausted')
    result.set(count - from >= CHUNK ? normals : normals.subarray(0, count - from), from)
  }
  return result
}

/** Φ by Abramowitz & Stegun 7.1.26: error below 1.5e-7, far under the statistics' resolution here. */
function phi(x: number): number {
  const t = 1 / (1 + (0.3275911 * Math.abs(x)) / Math.SQRT2)
  const erf = 1 - t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) * Math.exp((-x * x) / 2)
  return x < 0 ? (1 - erf) / 2 : (1 + erf) / 2
}

/** √n · D of Kolmogorov–Smirnov. Above 2.69 with chance 1e-6. */
function kolmogorovSmirnov(values: Float32Array): number {
  const sorted = Float32Array.from(values).sort()
  let distance = 0
  sorted.forEach((value, i) => {
    const expected = phi(value)
    distance = Math.max(distance, expected - i / sorted.length, (i + 1) / sorted.length - expected)
  })
  return distance * Math.sqrt(sorted.length)
}

const correlation = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0) / Math.sqrt(a.length)

describe.each(builds)('normals of the %s kernels', (build) => {
  const count = build === 'reference' ? 2 ** 17 : 2 ** 20

  test.each(['aes', 'chacha20'] as const)(
    'from %s bytes have the moments of a standard normal (|z| < 5.5, four of them: false alarms 1.5e-7)',
    (source) => {
      const values = draw(build, count, source, seed)
      let [mean, square, cube, fourth] = [0, 0, 0, 0]
      for (const x of values) {
        mean += x / count
        square += (x * x) / count
        cube += x ** 3 / count
        fourth += x ** 4 / count
      }
      // Var x = 1, Var x² = 2, Var x³ = 15, Var x⁴ = 96.
      const z = [mean, (square - 1) / Math.sqrt(2), cube / Math.sqrt(15), (fourth - 3) / Math.sqrt(96)].map(
        (value) => value * Math.sqrt(count),
      )
      for (const score of z) expect(Math.abs(score), z.join(' ')).toBeLessThan(5.5)
    },
  )

  test('pass Kolmogorov–Smirnov in each of the 16 places of a group (√n·D < 2.95: false alarms 9e-7)', () => {
    const values = draw(build, count, 'aes', seed + 1)
    for (let place = 0; place < 16; place++)
      expect(kolmogorovSmirnov(values.filter((_, i) => i % 16 === place)), `place ${place}`).toBeLessThan(2.95)
  })

  test('have the right number beyond 3, 4 and 5 standard deviations (false alarms below 1e-6)', () => {
    const values = draw(build, count, 'chacha20', seed + 2)
    for (const [bound, chance] of [
      [3, 2.699796e-3],
      [4, 6.334248e-5],
      [5, 5.733031e-7],
    ] as const) {
      const beyond = values.reduce((sum, x) => sum + (Math.abs(x) > bound ? 1 : 0), 0)
      const expected = chance * count
      // Six deviations of a Poisson count, and room for its skew where few are expected.
      expect(Math.abs(beyond - expected), `beyond ${bound}: ${beyond}, expected ${expected}`).toBeLessThan(6 * Math.sqrt(expected) + 6)
    }
  })

  test('are uncorrelated with their neighbours, their squares too, and with the next draw (|z| < 5.5: false alarms 2e-6)', () => {
    const values = draw(build, count, 'aes', seed + 3)
    const other = draw(build, count, 'aes', seed + 4)
    const squares = values.map((x) => (x * x - 1) / Math.SQRT2)
    const scores: number[] = [correlation(values, other)]
    for (const lag of [1, 2, 4, 8, 12, 16, CHUNK]) {
      scores.push(correlation(values.subarray(0, count - lag), values.subarray(lag)))
      scores.push(correlation(squares.subarray(0, count - lag), squares.subarray(lag)))
    }
    for (const score of scores) expect(Math.abs(score), scores.join(' ')).toBeLessThan(5.5)
  })

  test('agree with the reference on the same bytes to 2e-6, and a seed repeats them', () => {
    const values = draw(build, 2 ** 15, 'chacha20', seed)
    const reference = draw('reference', 2 ** 15, 'chacha20', seed)
    expect(draw(build, 2 ** 15, 'chacha20', seed)).toEqual(values)
    const worst = values.reduce((max, x, i) => Math.max(max, Math.abs(x - reference[i]!)), 0)
    expect(worst).toBeLessThan(2e-6)
  })

  test('of the operating system are normal and never the same (KS: false alarms 1e-6)', () => {
    const first = draw(build, 2 ** 15, 'aes', 'secure')
    const second = draw(build, 2 ** 15, 'aes', 'secure')
    expect(kolmogorovSmirnov(first)).toBeLessThan(2.69)
    expect(Math.abs(correlation(first, second))).toBeLessThan(5.5)
    expect(first).not.toEqual(second)
  })
})
