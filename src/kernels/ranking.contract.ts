/**
 * The contract every build of the ranking kernels passes: after any call the whole memory is what the plain build leaves, whole numbers exactly and
 * floats to rounding; and what the plain build leaves is right (gradients against differences of the loss, lists against a full sort).
 */
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../random/index.ts'
import { createArena, padded } from './kernels.ts'
import type { RankingKernels } from './ranking.ts'
import { PANEL_ITEMS, referenceRankingKernels, TILE_PEOPLE } from './ranking-reference.ts'

const people = 9
const itemCount = 21
const counts = [0, 1, 2, 7, 40]
const widths = [4, 8, 12, 32, 64]
const negatives = 3
const MAX = 40 * negatives

/** What each person has; the first has all items but one, the second only the last. */
const histories = [
  Array.from({ length: itemCount - 1 }, (_, at) => at + (at >= 5 ? 1 : 0)),
  [itemCount - 1],
  ...Array.from({ length: people - 2 }, (_, person) => Array.from({ length: person + 2 }, (_, at) => at * 2 + (person % 2))),
]
const likes = histories.flat().length
/** Of a row of scores. */
const scoreWidth = Math.ceil(itemCount / PANEL_ITEMS) * PANEL_ITEMS

const sizes = {
  personFactors: people * 64,
  itemFactors: itemCount * 64,
  personBias: people,
  itemBias: scoreWidth,
  order: likes,
  owner: likes,
  offsets: people + 1,
  items: likes,
  state: 4,
  people: MAX,
  preferred: MAX,
  others: MAX * negatives,
  panels: scoreWidth * 64,
  scores: (people + TILE_PEOPLE) * scoreWidth,
  topItems: people * 30,
  topScores: people * 30,
  lengths: people,
}
const arena = createArena()
const at = Object.fromEntries(Object.entries(sizes).map(([name, size]) => [name, arena.allocate(size)])) as Record<
  keyof typeof sizes,
  number
>
const { byteLength } = arena
const wholeNumbers = ['order', 'owner', 'offsets', 'items', 'state', 'people', 'preferred', 'others', 'topItems', 'lengths'] as const

/** Where each row of lists begins, and the end of the last. */
function endsOf(lists: readonly (readonly number[])[]): number[] {
  const ends = [0]
  for (const list of lists) ends.push((ends.at(-1) as number) + list.length)
  return ends
}

/** Random floats, the likes, and examples of them: from the first pointer on, what lies below belongs to the build. */
const image = (() => {
  const random = seededRandom(3)
  const floats = Float32Array.from({ length: byteLength / 4 }, () => random.nextDouble() - 0.5)
  const words = new Uint32Array(floats.buffer)
  for (const name of wholeNumbers) words.fill(0, at[name] / 4, at[name] / 4 + sizes[name])
  words.set(
    histories.flatMap((items, person) => items.map(() => person)),
    at.owner / 4,
  )
  words.set(histories.flat(), at.items / 4)
  words.set(endsOf(histories), at.offsets / 4)
  words.set(
    Array.from({ length: likes }, (_, like) => like),
    at.order / 4,
  )
  words.set([1, 2, 3, 4], at.state / 4)
  for (let n = 0; n < MAX; n++) {
    const own = histories[n % people] as number[]
    const liked = own[n % own.length] as number
    words[at.people / 4 + n] = n % people
    words[at.preferred / 4 + n] = liked
    for (let k = 0; k < negatives; k++) words[at.others / 4 + n * negatives + k] = (liked + 1 + ((n + k) % (itemCount - 1))) % itemCount
  }
  return floats.subarray(at.personFactors / 4)
})()

function prepare(kernels: RankingKernels, width: number): RankingKernels {
  new Float32Array(kernels.buffer).set(image, at.personFactors / 4)
  kernels.packItems(itemCount, width, at.itemFactors, at.panels)
  return kernels
}

const calls: Record<string, (k: RankingKernels, count: number, width: number) => unknown> = {
  shuffle: (k, count) => k.shuffle(count, at.order, at.state),
  sampleOthers: (k, count) => {
    k.shuffle(likes, at.order, at.state)
    k.sampleOthers(count, negatives, itemCount, at.order, at.owner, at.offsets, at.items, at.state, at.people, at.preferred, at.others)
  },
  pairwiseSteps: (k, count, width) => {
    const examples = [width, at.people, at.preferred, at.others, at.personFactors, at.itemFactors] as const
    return [
      k.pairwiseSteps(count, negatives, 0, ...examples, 0, 0.1, 0.2, 0.03),
      k.pairwiseSteps(count, negatives, 1, ...examples, at.itemBias, 0.1, 0.2, 0.03),
      k.pairwiseSteps(count, 1, 0, ...examples, at.itemBias, 0.1, 0, 0.03),
    ]
  },
  pointwiseSteps: (k, count, width) =>
    k.pointwiseSteps(
      count,
      negatives,
      width,
      at.people,
      at.preferred,
      at.others,
      at.personFactors,
      at.itemFactors,
      at.personBias,
      at.itemBias,
      -0.4,
      0.1,
      0.2,
      0.03,
    ),
  packItems: (k, count, width) => k.packItems(Math.min(count, itemCount), width - 1, at.itemFactors, at.panels),
  scoreBlock: (k, count, width) => {
    k.scoreBlock(Math.min(count, people), itemCount, width, at.personFactors, at.panels, at.itemBias, at.scores)
  },
}

export function describeRankingKernels(name: string, create: (byteLength: number) => RankingKernels): void {
  describe(`${name} ranking kernels`, () => {
    const [reference, subject] = [referenceRankingKernels(byteLength), create(byteLength)]

    describe.each(Object.entries(calls))('%s', (kernel, call) => {
      test.each(counts)('%i: the memory is that of the plain build', (count) => {
        for (const width of widths) {
          const expected = call(prepare(reference, width), count, width)
          const got = call(prepare(subject, width), count, width)
          if (expected !== undefined)
            for (const [n, value] of [expected].flat().entries()) expect([got].flat()[n]).toBeCloseTo(value as number, 2)
          expectSameMemory(`${kernel} of ${count}, width ${width}`, kernel === 'scoreBlock' ? Math.min(count, people) : people)
        }
      })
    })

    /** @param scored rows of scores that mean something: the rest of a tile and of a panel is the build's own */
    function expectSameMemory(label: string, scored: number): void {
      const [expected, got] = [new Float32Array(reference.buffer), new Float32Array(subject.buffer)]
      for (let i = at.personFactors / 4; i < byteLength / 4; i++) {
        const score = i - at.scores / 4
        if (score >= 0 && 4 * i < at.topItems && (score >= scored * scoreWidth || score % scoreWidth >= itemCount)) continue
        const whole = wholeNumbers.some((each) => i >= at[each] / 4 && i < at[each] / 4 + sizes[each])
        const close = whole
          ? new Uint32Array(reference.buffer)[i] === new Uint32Array(subject.buffer)[i]
          : Math.abs(expected[i]! - got[i]!) <= 2e-5 * (1 + Math.abs(expected[i]!))
        if (!close) expect.fail(`${label}: word ${4 * i} is ${got[i]}, plain ${expected[i]} (${JSON.stringify(at)})`)
      }
    }

    const words = (pointer: number, length: number) => new Uint32Array(subject.buffer, pointer, length)
    const floats = (pointer: number, length: number) => new Float32Array(subject.buffer, pointer, length)

    test('a shuffle is a permutation, and every order of four comes up equally often', () => {
      prepare(subject, 4)
      const seen = new Map<string, number>()
      const draws = 24_000
      for (let n = 0; n < draws; n++) {
        words(at.order, 4).set([0, 1, 2, 3])
        subject.shuffle(4, at.order, at.state)
        const order = [...words(at.order, 4)].join('')
        seen.set(order, (seen.get(order) ?? 0) + 1)
      }
      expect(seen.size).toBe(24)
      let chiSquared = 0
      for (const count of seen.values()) chiSquared += (count - draws / 24) ** 2 / (draws / 24)
      // 23 degrees of freedom: 58.6 is exceeded once in 20,000 seeds.
      expect(chiSquared).toBeLessThan(58.6)
    })

    test('nobody is given an item of their own to compare with, and every other one equally often', () => {
      prepare(subject, 4)
      const person = 4
      const own = new Set(histories[person])
      const first = histories.slice(0, person).flat().length
      const drawn = new Float64Array(itemCount)
      const [batch, rounds] = [40, 200]
      for (let round = 0; round < rounds; round++) {
        words(at.order, batch).fill(first)
        subject.sampleOthers(batch, 3, itemCount, at.order, at.owner, at.offsets, at.items, at.state, at.people, at.preferred, at.others)
        expect([...new Set(words(at.people, batch))]).toEqual([person])
        expect([...new Set(words(at.preferred, batch))]).toEqual([histories[person]![0]])
        for (const item of words(at.others, batch * 3)) drawn[item]!++
      }
      const free = itemCount - own.size
      let chiSquared = 0
      for (let item = 0; item < itemCount; item++) {
        if (own.has(item)) expect(drawn[item]).toBe(0)
        else chiSquared += (drawn[item]! - (batch * 3 * rounds) / free) ** 2 / ((batch * 3 * rounds) / free)
      }
      // 14 or 15 degrees of freedom: 46 is exceeded once in 20,000 seeds.
      expect(chiSquared).toBeLessThan(46)
      // Who has everything but item 5 is always given item 5.
      words(at.order, 1)[0] = 0
      subject.sampleOthers(1, 3, itemCount, at.order, at.owner, at.offsets, at.items, at.state, at.people, at.preferred, at.others)
      expect([...words(at.others, 3)]).toEqual([5, 5, 5])
    })

    /** Loss of one example, decay included, with everything it touches as arguments: what one step is held against. */
    function stepAgainstDifferences(loss: 'pairwise' | 'pointwise'): void {
      const width = 8
      const [rate, decay, intercept] = [1e-3, 0.05, -0.3]
      const run = (personRate: number, itemRate: number) => {
        const example = [width, at.people, at.preferred, at.others, at.personFactors, at.itemFactors] as const
        return loss === 'pairwise'
          ? subject.pairwiseSteps(1, 1, 0, ...example, at.itemBias, personRate, itemRate, decay)
          : // Its negative is left for the next test, so that one step is one gradient.
            subject.pointwiseSteps(1, 0, ...example, at.personBias, at.itemBias, intercept, personRate, itemRate, decay)
      }
      prepare(subject, width)
      words(at.people, 1)[0] = 2
      words(at.preferred, 1)[0] = 3
      words(at.others, 1)[0] = 11
      const touched = [
        ...Array.from({ length: width }, (_, k) => at.personFactors + 4 * (2 * width + k)),
        ...[3, ...(loss === 'pairwise' ? [11] : [])].flatMap((item) => [
          ...Array.from({ length: width }, (_, k) => at.itemFactors + 4 * (item * width + k)),
          at.itemBias + 4 * item,
        ]),
        ...(loss === 'pointwise' ? [at.personBias + 4 * 2] : []),
      ]
      const start = new Float32Array(subject.buffer.slice(0))
      const restore = () => new Float32Array(subject.buffer).set(start)
      const objective = () =>
        run(0, 0) + touched.reduce((sum, pointer) => sum + (decay / 2) * new Float32Array(subject.buffer)[pointer / 4]! ** 2, 0)
      const step = 1 / 64
      const gradient = touched.map((pointer) => {
        const sides = [step, -step].map((move) => {
          restore()
          new Float32Array(subject.buffer)[pointer / 4]! += move
          return objective()
        }) as [number, number]
        return (sides[0] - sides[1]) / (2 * step)
      })
      restore()
      run(rate, rate)
      const after = new Float32Array(subject.buffer.slice(0))
      for (const [n, pointer] of touched.entries())
        expect((start[pointer / 4]! - after[pointer / 4]!) / rate, `parameter ${n}`).toBeCloseTo(gradient[n]!, 2)
      const changed = Array.from(after.keys()).filter((word) => 4 * word >= at.personFactors && after[word] !== start[word])
      expect(changed.map((word) => 4 * word).sort((a, b) => a - b)).toEqual([...touched].sort((a, b) => a - b))
    }

    test('a pairwise step is the gradient of its loss, by differences, and touches nothing else', () => stepAgainstDifferences('pairwise'))
    test('a pointwise step is the gradient of its loss, by differences, and touches nothing else', () =>
      stepAgainstDifferences('pointwise'))

    test('a step on a liked item pulls its score up, one on an item that is not pushes it down', () => {
      const width = 8
      prepare(subject, width)
      words(at.people, 1)[0] = 2
      words(at.preferred, 1)[0] = 3
      words(at.others, 1)[0] = 11
      const score = (item: number) => {
        const [p, q] = [floats(at.personFactors + 4 * 2 * width, width), floats(at.itemFactors + 4 * item * width, width)]
        return p.reduce((sum, value, k) => sum + value * q[k]!, floats(at.itemBias, itemCount)[item]!)
      }
      const before = [score(3), score(11)] as const
      calls['pointwiseSteps']?.(subject, 1, width)
      expect(score(3)).toBeGreaterThan(before[0])
      expect(score(11)).toBeLessThan(before[1])
    })

    test('of several drawn items the hardest is the one that scores highest', () => {
      const width = 4
      prepare(subject, width)
      words(at.people, 1)[0] = 1
      words(at.preferred, 1)[0] = 0
      words(at.others, 3).set([7, 5, 9])
      floats(at.itemBias, itemCount).fill(0)
      for (const [item, value] of [
        [0, 0],
        [5, 3],
        [7, 1],
        [9, 2],
      ] as const)
        floats(at.itemFactors + 16 * item, width).set([value, 0, 0, 0])
      floats(at.personFactors + 16, width).set([1, 0, 0, 0])
      const examples = [width, at.people, at.preferred, at.others, at.personFactors, at.itemFactors, at.itemBias] as const
      expect(subject.pairwiseSteps(1, 3, 1, ...examples, 0, 1, 0)).toBeCloseTo(Math.log1p(Math.exp(3)), 4)
      const moved = [5, 7, 9].filter((item) => floats(at.itemBias, itemCount)[item] !== 0)
      expect(moved).toEqual([5])
    })

    test('extreme scores neither overflow nor stall: loss and pull are exact at both ends', () => {
      const width = 4
      for (const size of [30, 200, 1e4]) {
        for (const sign of [1, -1]) {
          prepare(subject, width)
          words(at.people, 1)[0] = 0
          words(at.preferred, 1)[0] = 0
          words(at.others, 1)[0] = 1
          floats(at.personFactors, width).set([size, 0, 0, 0])
          floats(at.itemFactors, 2 * width).set([sign, 0, 0, 0, 0, 0, 0, 0])
          const loss = subject.pairwiseSteps(
            1,
            1,
            0,
            width,
            at.people,
            at.preferred,
            at.others,
            at.personFactors,
            at.itemFactors,
            0,
            1,
            0,
            0,
          )
          expect(loss).toBeCloseTo(sign > 0 ? Math.log1p(Math.exp(-size)) : size, 3)
          expect(floats(at.personFactors, 1)[0]).toBeCloseTo(sign > 0 ? size : size - 1, 3)
        }
      }
    })

    test('a diverged vector shows in the loss', () => {
      prepare(subject, 4)
      floats(at.personFactors, people * 4).fill(Number.NaN)
      expect(calls['pairwiseSteps']?.(subject, 7, 4)).toEqual([Number.NaN, Number.NaN, Number.NaN])
      expect(calls['pointwiseSteps']?.(subject, 7, 4)).toBeNaN()
    })

    test('top lists are the first of a full sort, with equal scores by item index and nothing that was excluded', () => {
      const random = seededRandom(8)
      const rows = 6
      // One value: all tied; four: many ties; thousands: hardly any.
      for (const length of [1, 3, 7, 8, 9, 16, 20, 21])
        for (const n of [1, 2, 10, 21, 30])
          for (const values of [1, 4, 1000]) {
            prepare(subject, 4)
            const width = padded(length)
            const scores = floats(at.scores, rows * width)
            for (let i = 0; i < scores.length; i++) scores[i] = Math.floor(random.nextDouble() * values) - 1
            const excluded = Array.from({ length: rows }, (_, row) =>
              Array.from({ length }, (_, item) => item).filter(() => random.nextDouble() < [0, 0.3, 0.9, 1][row % 4]!),
            )
            const expected = excluded.map((out, row) =>
              Array.from({ length }, (_, item) => item)
                .filter((item) => !out.includes(item))
                .sort((a, b) => scores[row * width + b]! - scores[row * width + a]! || a - b)
                .slice(0, n)
                .map((item) => [item, scores[row * width + item]]),
            )
            for (const [row, out] of excluded.entries()) for (const item of out) scores[row * width + item] = Number.NEGATIVE_INFINITY
            subject.topRows(rows, length, width, n, at.scores, at.topItems, at.topScores, at.lengths)
            const got = excluded.map((_, row) =>
              Array.from({ length: words(at.lengths, rows)[row]! }, (_, place) => [
                words(at.topItems, rows * n)[row * n + place],
                floats(at.topScores, rows * n)[row * n + place],
              ]),
            )
            expect(got).toEqual(expected)
          }
    })
  })
}
