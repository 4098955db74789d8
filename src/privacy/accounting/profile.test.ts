/** Dominating pairs against mechanisms: what the profiles claim must be at least what neighbours really show. */
import { describe, expect, test } from 'vitest'
import { type GridDistribution, lowerDistribution, lowerStart, sample, upperDistribution } from './grid.ts'
import {
  approximateProfile,
  exponentialProfile,
  gaussianProfile,
  laplaceProfile,
  mixtureProfile,
  type Profile,
  poissonProfile,
  poissonReplaceProfile,
  zcdpProfile,
} from './profile.ts'
import { renyiDivergence } from './rdp-curves.ts'

/** H(P‖Q)(eˣ) of finite distributions. */
const divergence = (p: readonly number[], q: readonly number[], x: number) =>
  p.reduce((sum, each, i) => sum + Math.max(0, each - Math.exp(x) * q[i]!), 0)

/** Output chances of permute-and-flip (McKenna & Sheldon 2020) by summing over the orders: utilities in units of their sensitivity. */
function permuteAndFlip(utilities: readonly number[], epsilon: number): number[] {
  const best = Math.max(...utilities)
  const accept = utilities.map((utility) => Math.exp((epsilon / 2) * (utility - best)))
  const out = utilities.map(() => 0)
  const visit = (left: readonly number[], chance: number) => {
    for (const i of left) {
      const turn = chance / left.length
      out[i]! += turn * accept[i]!
      if (accept[i]! < 1) {
        visit(
          left.filter((each) => each !== i),
          turn * (1 - accept[i]!),
        )
      }
    }
  }
  visit(
    utilities.map((_, i) => i),
    1,
  )
  return out
}
const exponential = (utilities: readonly number[], epsilon: number): number[] => {
  const weights = utilities.map((utility) => Math.exp((epsilon / 2) * utility))
  const total = weights.reduce((sum, each) => sum + each, 0)
  return weights.map((each) => each / total)
}

/** All neighbours of some score vectors: each score moves by at most 1 (its sensitivity). */
function neighbours(count: number): [number[], number[]][] {
  const pairs: [number[], number[]][] = []
  const starts =
    count === 2
      ? [
          [0, 0],
          [0, 1],
          [0, 2.5],
        ]
      : count === 3
        ? [
            [0, 0, 0],
            [0, 1, 1],
            [0, 0.5, 2],
          ]
        : [
            [0, 0, 0, 0],
            [0, 1, 1, 2],
          ]
  const moves = (left: number): number[][] =>
    left === 0 ? [[]] : moves(left - 1).flatMap((rest) => [-1, 0, 1].map((move) => [move, ...rest]))
  for (const start of starts) for (const move of moves(count)) pairs.push([start, start.map((each, i) => each + move[i]!)])
  return pairs
}

describe('selection mechanisms, every output chance counted', () => {
  const epsilon = 1.3
  test.each([
    ['permute-and-flip', permuteAndFlip, laplaceProfile(epsilon)],
    ['exponential', exponential, exponentialProfile(epsilon)],
  ] as const)('%s never shows more than its profile', (kind, mechanism, profile) => {
    let closest = 0
    for (const count of [2, 3, 4]) {
      for (const [one, other] of neighbours(count)) {
        const [p, q] = [mechanism(one, epsilon), mechanism(other, epsilon)]
        for (const x of [0, 0.2, 0.5, 0.9, 1.2]) {
          const shown = divergence(p, q, x)
          expect(shown).toBeLessThanOrEqual(Math.exp(profile.logUp(x)) * (1 + 1e-12))
          closest = Math.max(closest, shown / Math.exp(profile.logUp(x)))
        }
        for (const alpha of [1.5, 3, 12]) {
          const shown = Math.log(p.reduce((sum, each, i) => sum + each ** alpha * q[i]! ** (1 - alpha), 0)) / (alpha - 1)
          expect(shown).toBeLessThanOrEqual(renyiDivergence({ kind, epsilon }, alpha) * (1 + 1e-12))
        }
      }
    }
    // And some neighbours show nearly as much: the profile is no idle bound.
    expect(closest).toBeGreaterThan(0.9)
  })
})

test('Poisson sampling under replacement: two records in any direction show no more than two opposite ones', () => {
  const [q, sigma] = [0.3, 0.8]
  const claimed = poissonReplaceProfile(q, sigma)
  const step = 0.05
  for (const angle of [0.3, 1, 2, 2.8, Math.PI]) {
    for (const length of [0.5, 1]) {
      const [gx, gy] = [length * Math.cos(angle), length * Math.sin(angle)]
      for (const x of [0, 0.1, 0.5, 1.5]) {
        let shown = 0
        let reversed = 0
        for (let a = -6; a < 6; a += step) {
          for (let b = -6; b < 6; b += step) {
            const at = (u: number, v: number) => Math.exp(-((a - u) ** 2 + (b - v) ** 2) / (2 * sigma * sigma))
            const [none, one, other] = [at(0, 0), at(1, 0), at(gx, gy)]
            const [p, r] = [(1 - q) * none + q * one, (1 - q) * none + q * other]
            shown += Math.max(0, p - Math.exp(x) * r)
            reversed += Math.max(0, r - Math.exp(x) * p)
          }
        }
        const scale = (step * step) / (2 * Math.PI * sigma * sigma)
        // The sum over the grid is good to about 1e-4 at the kink.
        expect(Math.max(shown, reversed) * scale).toBeLessThanOrEqual(Math.exp(claimed.logUp(x)) * 1.001 + 1e-5)
      }
    }
  }
})

const profiles: [string, Profile][] = [
  ['gaussian', gaussianProfile(0.7)],
  ['narrow gaussian', gaussianProfile(8)],
  ['laplace', laplaceProfile(0.8)],
  ['pure', approximateProfile(0.61, 0)],
  ['approximate', approximateProfile(0.61, 1e-3)],
  ['exponential', exponentialProfile(0.9)],
  ['sampled gaussian', poissonProfile(0.05, gaussianProfile(1))],
  ['sampled gaussian of little noise', poissonProfile(0.001, gaussianProfile(6))],
  ['sampled laplace', poissonProfile(0.2, laplaceProfile(1.5))],
  ['sampled pure', poissonProfile(0.2, approximateProfile(1, 0))],
  ['replaced', poissonReplaceProfile(0.1, 1.5)],
  ['mixture', mixtureProfile(1, [0, 1, 2, 4], [0.9, 0.06, 0.03, 0.01])],
]

describe.each(profiles)('the profile %s', (_, profile) => {
  test('falls, is convex in eˣ, and starts at one total variation in both directions', () => {
    expect(profile.logDown(0)).toBeCloseTo(profile.logUp(0), 10)
    for (const log of [profile.logUp, profile.logDown]) {
      const h = (y: number) => Math.exp(log(Math.log(y)))
      for (let y = 1; y < 6; y += 0.13) {
        expect(h(y + 0.1)).toBeLessThanOrEqual(h(y) + 1e-15)
        expect(h(y) + h(y + 0.2)).toBeGreaterThanOrEqual(2 * h(y + 0.1) - 1e-12)
      }
    }
  })

  test.each([0.5, 0.11, 0.01])('on a grid of %d the upper distribution is never below it and the lower never above', (interval) => {
    const starts = [
      -profile.maxDown,
      Number.NEGATIVE_INFINITY,
      ...(Number.isFinite(profile.maxDown) ? [lowerStart(profile, interval)] : []),
    ]
    let lowers = 0
    for (const [direction, start] of (['up', 'down'] as const).flatMap((each) => starts.map((start) => [each, start] as const))) {
      const upper = upperDistribution(sample(profile, interval, -40, start)!, direction)
      const lower = lowerDistribution(upper, interval)
      if (lower) lowers++
      const log = direction === 'up' ? profile.logUp : profile.logDown
      const at = ({ first, offset, mass, infinite }: GridDistribution, x: number) =>
        mass.reduce((sum, each, i) => sum + each * Math.max(0, -Math.expm1(x - offset - (first + i) * interval)), infinite)
      expect(upper.mass.reduce((sum, each) => sum + each, upper.infinite)).toBeCloseTo(1, 10)
      if (lower) expect(lower.mass.reduce((sum, each) => sum + each, lower.infinite)).toBeCloseTo(1, 10)
      for (let x = 0; x < 3; x += 0.037) {
        const exact = Math.exp(log(x))
        expect(at(upper, x)).toBeGreaterThanOrEqual(exact - 1e-12)
        if (lower) expect(at(lower, x)).toBeLessThanOrEqual(exact + 1e-12)
      }
    }
    // A grid that holds the loss 0 always has a distribution below.
    expect(lowers).toBeGreaterThanOrEqual(2)
  })
})

test('the zCDP profile lies above the Gaussian of the same ρ', () => {
  const [zcdp, gaussian] = [zcdpProfile(0.02, 0), gaussianProfile(0.2)]
  for (let x = 0; x < 2; x += 0.05) expect(zcdp.logUp(x)).toBeGreaterThanOrEqual(gaussian.logUp(x))
})
