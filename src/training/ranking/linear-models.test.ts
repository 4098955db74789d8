/** What EASE, iALS and PureSVD are, held against their definitions in doubles; what every trainer must do is in trainers.test.ts. */
import { describe, expect, test } from 'vitest'
import { itemsOf, type Positives, positivesFrom } from '../../data/index.ts'
import { symmetricEigen } from '../../kernels/index.ts'
import { decodeSafetensors, encodeSafetensors, loadRanker, type Person, type Ranker } from '../../models/index.ts'
import { seededRandom } from '../../random/index.ts'
import { EASE_ITEM_LIMIT, easeTrainer, easeWeights } from './ease.ts'
import { ialsHalfSweep, ialsLoss, ialsSweeps, ialsTrainer } from './ials.ts'
import { pureSvdTrainer } from './puresvd.ts'
import { resolveParameters } from './registry.ts'
import type { RankingTrainer } from './trainer.ts'

const [personCount, itemCount] = [61, 23]

/** Items near a place of one's own on a circle; person 7 likes nothing, item 22 is liked by nobody. */
const positives: Positives = (() => {
  const random = seededRandom(3)
  return positivesFrom(
    Array.from({ length: personCount }, (_, person) => {
      if (person === 7) return []
      const liked = new Set<number>()
      while (liked.size < 3 + (person % 6)) liked.add((person + Math.floor(random.nextDouble() ** 2 * 12)) % (itemCount - 1))
      return [...liked]
    }),
    itemCount,
  )
})()

const dense = new Float64Array(personCount * itemCount)
for (let p = 0; p < personCount; p++) for (const item of itemsOf(positives, p)) dense[p * itemCount + item] = 1

const train = async (trainer: RankingTrainer, parameters: Record<string, number> = {}, rows = positives): Promise<Ranker> =>
  trainer.fit({
    positives: rows,
    itemTable: null,
    parameters: resolveParameters(trainer, parameters),
    privacy: null,
    random: seededRandom(1),
    spend: () => expect.fail('nothing may be spent'),
  })

const scores = (ranker: Ranker, person: Person): Float32Array => {
  const out = new Float32Array(ranker.itemCount)
  ranker.scoreAll([person], out)
  return out
}
const row = (person: number): Person => ({ userIndex: person, history: itemsOf(positives, person) })
const stranger = (...history: number[]): Person => ({ userIndex: null, history: Uint32Array.from(history) })

/** Solves A·x = b by elimination with pivoting: nothing of what the kernels do. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const rows = matrix.map((cells, at) => [...cells, right[at]!])
  for (let k = 0; k < rows.length; k++) {
    const best = rows.slice(k).reduce((most, cells, at) => (Math.abs(cells[k]!) > Math.abs(rows[most]![k]!) ? at + k : most), k)
    ;[rows[k], rows[best]] = [rows[best]!, rows[k]!]
    for (let r = 0; r < rows.length; r++) {
      if (r === k) continue
      const factor = rows[r]![k]! / rows[k]![k]!
      for (let c = k; c <= rows.length; c++) rows[r]![c]! -= factor * rows[k]![c]!
    }
  }
  return rows.map((cells, k) => cells[rows.length]! / cells[k]!)
}

function expectClose(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-4): void {
  expect(got.length).toBe(expected.length)
  const size = Math.max(...Array.from(expected, Math.abs), 1e-30)
  const worst = Math.max(...Array.from(expected, (value, at) => Math.abs(value - got[at]!)))
  expect(worst / size).toBeLessThan(tolerance)
}

describe('EASE', () => {
  test.each([
    ['more people than items', personCount],
    ['few people', 9],
  ])('each column of the weights is the ridge regression of its item on all the others, solved directly in doubles: %s', (_, people) => {
    const lambda = 2.5
    const rows = positivesFrom(
      Array.from({ length: people }, (_, p) => itemsOf(positives, p)),
      itemCount,
    )
    const weights = easeWeights(rows, lambda)
    for (let item = 0; item < itemCount; item++) {
      // Steck 2019, (2): minimise ‖x_item − X·b‖² + λ‖b‖² under b_item = 0: that is the regression without the item.
      const others = Array.from({ length: itemCount }, (_, at) => at).filter((at) => at !== item)
      const gram = (a: number, b: number) => {
        let sum = a === b ? lambda : 0
        for (let p = 0; p < people; p++) sum += dense[p * itemCount + a]! * dense[p * itemCount + b]!
        return sum
      }
      const expected = solve(
        others.map((a) => others.map((b) => gram(a, b))),
        others.map((a) => gram(a, item)),
      )
      const column = others.map((other) => weights[other * itemCount + item]!)
      expectClose([...column, 1], [...expected, 1])
      expect(weights[item * itemCount + item]).toBe(0)
    }
  })

  test('a score is the sum of the weights of the history, and its reasons are their shares', async () => {
    const ranker = await train(easeTrainer, { lambda: 3 })
    const weights = easeWeights(positives, 3)
    const history = [2, 3, 9]
    const expected = Array.from({ length: itemCount }, (_, item) => history.reduce((sum, j) => sum + weights[j * itemCount + item]!, 0))
    expectClose(scores(ranker, stranger(...history)), expected)
    const speaks = history.map((j) => Math.max(0, weights[j * itemCount + 4]!))
    const reasons = ranker.reasons(stranger(...history), 4, 3)
    expect(reasons[0]!.item).toBe(history[speaks.indexOf(Math.max(...speaks))])
    expect(reasons.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 5)
  })

  test('of a head only, the other items come after it by popularity; an empty history gets popularity', async () => {
    const ranker = await train(easeTrainer, { items: 10, lambda: 1 })
    const counts = new Array(itemCount).fill(0)
    for (const item of positives.items) counts[item]++
    const byCount = [...counts.keys()].sort((a, b) => counts[b] - counts[a] || a - b)
    const head = new Set(byCount.slice(0, 10))
    const list = scores(ranker, stranger(...byCount.slice(0, 3)))
    const order = [...list.keys()].sort((a, b) => list[b]! - list[a]!)
    expect(order.slice(0, 10).every((item) => head.has(item))).toBe(true)
    expect(order.slice(10).map((item) => counts[item])).toEqual(byCount.slice(10).map((item) => counts[item]))
    for (const nothing of [stranger(), stranger(byCount[15]!)]) {
      const prior = scores(ranker, nothing)
      expect([...prior.keys()].sort((a, b) => prior[b]! - prior[a]!).map((item) => counts[item])).toEqual(
        byCount.map((item) => counts[item]),
      )
    }
    const again = loadRanker('ease', decodeSafetensors(encodeSafetensors(ranker.parameters(), {}), 'model').tensors)
    expect(scores(again, stranger(1, 2, 3))).toEqual(scores(ranker, stranger(1, 2, 3)))
    expect(ranker.similarItems(byCount[20]!, 3)).toEqual([])
    expect(ranker.similarItems(byCount[0]!, 3)).toHaveLength(3)
  })

  test('a catalogue that is too large is refused with its size, the memory and the way out', async () => {
    const large = positivesFrom([[0, 40_980]], 40_981)
    await expect(train(easeTrainer, {}, large)).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringMatching(/6\.7 GB .* 40981 × 40981 items/),
      wayOut: expect.stringContaining(`items=${EASE_ITEM_LIMIT}`),
    })
    const small = await train(easeTrainer, { items: 1 }, large)
    expect(scores(small, stranger(0)).every(Number.isFinite)).toBe(true)
  })
})

describe('iALS', () => {
  const objective = { unobservedWeight: 0.3, regularization: 0.02, frequencyExponent: 0.8 }
  const dimension = 6

  test('the objective falls with every half-sweep until it stands still', () => {
    let before = Number.POSITIVE_INFINITY
    let items: Float32Array | null = null
    const sweeps = ialsSweeps(positives, dimension, objective, seededRandom(2))
    for (let sweep = 0; sweep < 12; sweep++) {
      const { personFactors, itemFactors } = sweeps.next().value!
      if (items !== null) {
        const halfway = ialsLoss(positives, personFactors, items, dimension, objective)
        expect(halfway, `people of sweep ${sweep}`).toBeLessThan(before)
        before = halfway
      }
      const after = ialsLoss(positives, personFactors, itemFactors, dimension, objective)
      expect(after, `items of sweep ${sweep}`).toBeLessThan(before)
      before = after
      items = itemFactors
    }
  })

  test('a half-sweep gives each row the minimiser of the objective, solved directly in doubles', () => {
    const factors = Float32Array.from({ length: itemCount * dimension }, (_, at) => Math.sin(7 * at))
    const found = ialsHalfSweep(positives, factors, dimension, objective)
    for (const person of [0, 1, 7, 30]) {
      const likes = itemsOf(positives, person)
      const y = (item: number, k: number) => factors[item * dimension + k]!
      const axes = [...Array(dimension).keys()]
      const ridge = objective.regularization * (likes.length + objective.unobservedWeight * itemCount) ** objective.frequencyExponent
      const expected = solve(
        axes.map((a) =>
          axes.map((b) => {
            let sum = a === b ? ridge : 0
            for (let item = 0; item < itemCount; item++) sum += objective.unobservedWeight * y(item, a) * y(item, b)
            for (const item of likes) sum += y(item, a) * y(item, b)
            return sum
          }),
        ),
        axes.map((a) => likes.reduce((sum, item) => sum + y(item, a), 0)),
      )
      expectClose([...found.subarray(person * dimension, (person + 1) * dimension), 1], [...expected, 1])
    }
  })

  test('somebody of the training rows folded in as a stranger has their own scores', async () => {
    const ranker = await train(ialsTrainer, { dimension, sweeps: 5 })
    for (const person of [0, 5, 7, 60])
      expectClose([...scores(ranker, stranger(...itemsOf(positives, person))), 1], [...scores(ranker, row(person)), 1])
  })

  test('the reasons are the parts of the score: what is taken away with a liked item’s right side', async () => {
    const ranker = await train(ialsTrainer, { dimension, sweeps: 5 })
    const person = row(12)
    const reasons = ranker.reasons(person, 15, 10)
    expect(reasons.length).toBeGreaterThan(0)
    expect(reasons.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 5)
    // The nearest liked item on the circle speaks for it most.
    const nearest = [...person.history].sort((a, b) => Math.abs(a - 15) - Math.abs(b - 15))
    expect(nearest.slice(0, 3)).toContain(reasons[0]!.item)
    expect(ranker.reasons(stranger(), 15, 3)).toEqual([])
  })

  test('stops at a signal, naming the sweep', () => {
    const stop = new AbortController()
    expect(() =>
      ialsTrainer.fit({
        positives,
        itemTable: null,
        parameters: resolveParameters(ialsTrainer, {}),
        privacy: null,
        random: seededRandom(1),
        spend: () => {},
        signal: stop.signal,
        onProgress: (_phase, done) => done === 3 && stop.abort(),
      }),
    ).toThrow('after sweep 3 of 10')
  })
})

describe('PureSVD', () => {
  test('the item vectors span the leading right singular vectors of the matrix', async () => {
    const dimension = 4
    const ranker = await train(pureSvdTrainer, { dimension })
    const gram = new Float64Array(itemCount * itemCount)
    for (let p = 0; p < personCount; p++)
      for (const i of itemsOf(positives, p)) for (const j of itemsOf(positives, p)) gram[i * itemCount + j]!++
    const { vectors } = symmetricEigen(gram, itemCount, dimension)
    for (const person of [0, 20]) {
      // Rows projected on the span: the signs and order of the vectors do not matter.
      const expected = new Float64Array(itemCount)
      for (let k = 0; k < dimension; k++) {
        const v = vectors.subarray(k * itemCount, (k + 1) * itemCount)
        const weight = itemsOf(positives, person).reduce((sum, item) => sum + v[item]!, 0)
        for (let item = 0; item < itemCount; item++) expected[item]! += weight * v[item]!
      }
      expectClose(scores(ranker, row(person)), expected, 2e-3)
      expectClose(scores(ranker, stranger(...itemsOf(positives, person))), scores(ranker, row(person)))
    }
  })

  test('never keeps all singular vectors, which would give the matrix back', async () => {
    const ranker = await train(pureSvdTrainer, { dimension: 500 })
    expect(ranker.parameters()['item_factors']!.shape).toEqual([itemCount, 11])
  })
})
