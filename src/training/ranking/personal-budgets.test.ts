/** Personal budgets: what a level moves, what it spends, what a file of choices may say, and that more budget makes a better model. Fixed seeds. */
import { describe, expect, test } from 'vitest'
import { itemsOf, type Positives, positivesFrom } from '../../data/index.ts'
import { type Ranker, topItems } from '../../models/index.ts'
import { gaussianMu, type PrivacyEvent, releaseGaussian } from '../../privacy/index.ts'
import { seededRandom } from '../../random/index.ts'
import { itemMoments, itemSums, unitRows, upperGram } from './dpals.ts'
import { chooseHead } from './item-gram.ts'
import { extensionStatistic, gramStatistic } from './item-gram-statistics.ts'
import { levelScales, personScales, priceByLevel, readPersonalBudgets } from './personal-budgets.ts'
import { popularityStatistic } from './popularity.ts'
import { rankingTrainer, rankingTrainers, resolveParameters } from './registry.ts'

const levels = [0.5, 1, 4]
const delta = 1e-6
const scales = levelScales(levels, delta)

const distance = (a: Float64Array, b: Float64Array) => Math.sqrt(a.reduce((sum, value, at) => sum + (value - (b[at] as number)) ** 2, 0))

describe('what a person of a level moves', () => {
  const itemCount = 12
  const dimension = 3
  const random = seededRandom(31)
  const popularity = Float64Array.from({ length: itemCount }, (_, item) => 40 / (item + 1))
  const head = chooseHead(popularity, 8, 1, { damping: 0.25, shortest: 0.3 })
  const basis = new Float64Array(8)
  // A unit vector orthogonal to the direction that the head takes out.
  basis[0] = head.direction[1] as number
  basis[1] = -(head.direction[0] as number)
  const length = Math.hypot(...basis)
  const extension = {
    head,
    factors: basis.map((value) => value / length),
    rank: 1,
    items: Uint32Array.of(8, 9, 10, 11),
    weights: Float64Array.of(1, 1.1, 1.2, 1.3),
    shortest: 0.3,
  }
  const weights = Float64Array.from({ length: itemCount }, (_, item) => 1 + item / 5)
  const statistics: readonly [string, (rows: Positives, scale: Float64Array, people: Float32Array) => Float64Array][] = [
    ['popularity', (rows, scale) => popularityStatistic(rows, 3, scale)],
    ['gram', (rows, scale) => gramStatistic(rows, head, scale)],
    ['extension', (rows, scale) => extensionStatistic(rows, extension, scale)],
    ['item sums', (rows, scale, people) => itemSums(rows, people, weights, dimension, scale)],
    ['upper gram', (_rows, scale, people) => upperGram(people, dimension, scale)],
    ['item moments', (rows, scale, people) => itemMoments(rows, people, weights, dimension, scale)],
  ]
  const rowOf = (kind: number) =>
    kind === 0
      ? Array.from({ length: itemCount }, (_, item) => item)
      : kind === 1
        ? [Math.floor(itemCount * random.nextDouble())]
        : Array.from({ length: itemCount }, (_, item) => item).filter(() => random.nextDouble() < 0.4)

  test.each(statistics)('%s: by at most its scale, which some reach; 2,400 neighbouring pairs', (_name, statistic) => {
    const most = levels.map(() => 0)
    for (let pair = 0; pair < 2_400; pair++) {
      const level = pair % levels.length
      const rows = [rowOf(2), rowOf(2), rowOf(pair % 5)]
      const people = unitRows(
        Float32Array.from({ length: 3 * dimension }, () => random.nextDouble() - 0.5),
        dimension,
      )
      const scale = Float64Array.of(...[0, 1].map(() => scales[Math.floor(3 * random.nextDouble())] as number), scales[level] as number)
      const all = statistic(positivesFrom(rows, itemCount), scale, people)
      const less = statistic(positivesFrom([...rows.slice(0, 2), []], itemCount), scale, Float32Array.from(people).fill(0, 2 * dimension))
      most[level] = Math.max(most[level] as number, distance(all, less))
    }
    for (const [level, moved] of most.entries()) {
      expect(moved).toBeLessThanOrEqual((scales[level] as number) * (1 + 1e-9))
      expect(moved).toBeGreaterThan((scales[level] as number) * 0.9)
    }
  })
})

describe('what a level spends', () => {
  const events: PrivacyEvent[] = [0.2, 0.8].map((share) => ({
    kind: 'gaussian',
    noiseMultiplier: 1 / (gaussianMu({ epsilon: 4, delta }) * Math.sqrt(share)),
  }))

  test('never more than its ε, and all of it where the releases take all of the highest', () => {
    for (const { level, epsilon } of priceByLevel(levels, { delta, events })) {
      expect(epsilon).toBeLessThanOrEqual(level * (1 + 1e-9))
      expect(epsilon).toBeGreaterThan(level * 0.999)
    }
  })

  test('releases that cost more than the highest level are refused', () => {
    expect(() => priceByLevel([0.5, 3], { delta, events })).toThrow(/who chose ε = 0.5 would spend/)
  })

  test('a plan with sampled steps is refused: a scale says nothing about its price', () => {
    const sampled: PrivacyEvent = { kind: 'poisson-sampled', sampleRate: 0.1, event: { kind: 'gaussian', noiseMultiplier: 2 } }
    expect(() => priceByLevel(levels, { delta, events: [sampled] })).toThrow(/unsampled Gaussian/)
  })
})

describe('the choices of people', () => {
  const userIds = ['a', 'b', 'c,d', 'e']
  const read = (text: string) => readPersonalBudgets(text, { levels, userIds, source: 'budgets.csv' })

  test('are read line by line; who is not listed has the strictest level', () => {
    expect(Array.from(read('user,epsilon\r\nb,4\n\n# a note\nc,d,1.0\n').levelOf)).toEqual([0, 2, 1, 0])
    expect(Array.from(personScales(read('b,4'), delta))).toEqual([scales[0], 1, scales[0], scales[0]])
  })

  test.each([
    ['a,4\nzz,1', /budgets.csv, line 2: user zz is not in the data/],
    ['a,2', /line 1: ε "2" is not one of the levels 0.5, 1, 4/],
    ['a,', /line 1: ε "" is not one of the levels/],
    ['a,4\nb,1\na,1', /line 3: user a was given a level on line 1 already/],
    ['a 4', /line 1: "a 4" is not user,epsilon/],
  ])('%j is refused with its line', (text, message) => {
    expect(() => read(text)).toThrow(message)
  })

  test.each([[[]], [[0, 1]], [[1, 1]], [[4, 1]], [[1, Number.NaN]], [[1, 2, 3, 4, 5, 6, 7, 8, 9]]])('levels %j are refused', (wrong) => {
    expect(() => levelScales(wrong, delta)).toThrow()
  })
})

describe('trainers', () => {
  const itemCount = 90
  const personCount = 1_200
  const random = seededRandom(5)
  const positives = positivesFrom(
    Array.from({ length: personCount }, (_, person) => {
      const likes = new Set<number>()
      while (likes.size < 8 + (person % 9)) {
        const near = Math.floor(itemCount * random.nextDouble() ** 1.5)
        const own = random.nextDouble() < 0.85 ? near - (near % 3) + (person % 3) : near
        if (own < itemCount) likes.add(own)
      }
      return [...likes]
    }),
    itemCount,
  )
  const table = {
    titles: null,
    genreNames: ['a', 'b'],
    genres: Array.from({ length: itemCount }, (_, item) => [item % 2]),
    years: null,
  }
  const train = async (
    name: string,
    personScale: Float64Array | undefined,
    { epsilon = 4, seed = 1, release }: { epsilon?: number; seed?: number; release?: typeof releaseGaussian } = {},
  ) => {
    const trainer = rankingTrainer(name)
    const spent: PrivacyEvent[] = []
    const ranker = await trainer.fit({
      positives,
      itemTable: table,
      parameters: resolveParameters(trainer, name === 'item-gram' ? { guardSignal: 0, guardItems: 0 } : {}),
      privacy: { unit: 'user', epsilon, delta, alongside: [] },
      random: seededRandom(seed),
      spend: (event) => void spent.push(event),
      ...(release ? { release } : {}),
      personScale,
    })
    return { ranker, spent }
  }
  const privately = rankingTrainers.filter(({ privateFor }) => privateFor.includes('user'))

  test('each that is private for a person either scales people or refuses to, before it spends', async () => {
    const scaling = privately.filter(({ scalesPeople }) => scalesPeople).map(({ name }) => name)
    expect(scaling.sort()).toEqual(['content-popularity', 'dpals', 'item-gram', 'popularity'])
    for (const { name, scalesPeople } of privately) {
      if (scalesPeople) continue
      let paid = 0
      const trainer = rankingTrainer(name)
      const attempt = async () =>
        trainer.fit({
          positives,
          itemTable: table,
          parameters: resolveParameters(trainer, {}),
          privacy: { unit: 'user', epsilon: 4, delta, alongside: [] },
          random: seededRandom(1),
          spend: () => void paid++,
          personScale: new Float64Array(personCount).fill(0.5),
        })
      await expect(attempt(), name).rejects.toThrow(/personal budgets by scale are not a promise there/)
      expect(paid, name).toBe(0)
    }
  })

  test.each(privately.filter(({ scalesPeople }) => scalesPeople).map(({ name }) => name))(
    '%s: every release is of scaled terms, the first one linearly; the events are those without scales',
    async (name) => {
      const seen: Float64Array[][] = []
      const watch = (): typeof releaseGaussian => {
        const own: Float64Array[] = []
        seen.push(own)
        return (values, options) => {
          own.push(Float64Array.from(values))
          return releaseGaussian(values, options)
        }
      }
      const plain = await train(name, undefined, { release: watch() })
      const half = await train(name, new Float64Array(personCount).fill(0.5), { release: watch() })
      expect(half.spent).toEqual(plain.spent)
      const [first, second] = seen as [Float64Array[], Float64Array[]]
      expect(second).toHaveLength(first.length)
      expect(
        distance(
          second[0] as Float64Array,
          (first[0] as Float64Array).map((value) => value / 2),
        ),
      ).toBeLessThan(1e-9)
      // A later statistic stands on a noisier release; with all terms halved it cannot reach what people at full scale may add up to.
      for (const values of second) expect(Math.hypot(...values)).toBeLessThanOrEqual(personCount / 2)
    },
  )

  test.each([
    ['of another number of people', new Float64Array(3).fill(1), /3 personal scales/],
    ['above 1', new Float64Array(personCount).fill(1.5), /outside/],
    ['that is no number', new Float64Array(personCount).fill(Number.NaN), /outside/],
  ])('a scale %s is refused', async (_what, scale, message) => {
    await expect((async () => train('popularity', scale))()).rejects.toThrow(message)
  })

  /** Share of the ten best unseen items that are of the person's own taste. */
  const ownTaste = (ranker: Ranker) => {
    const out = new Float32Array(itemCount)
    let own = 0
    for (let person = 0; person < 120; person++) {
      const history = itemsOf(positives, person)
      ranker.scoreAll([{ userIndex: null, history }], out)
      own += topItems(out, 10, { exclude: history }).filter(({ item }) => item % 3 === person % 3).length
    }
    return own / 1_200
  }

  test('half the people at a high ε: a model between all low and all high (means of six seeds)', async () => {
    const [low] = levelScales([0.1, 0.4], delta) as [number, number]
    const mixture = Float64Array.from({ length: personCount }, (_, person) => (Math.floor(person / 3) % 2 === 0 ? low : 1))
    const mean = async (scale: Float64Array | undefined) => {
      let sum = 0
      for (let seed = 1; seed <= 6; seed++) sum += ownTaste((await train('item-gram', scale, { epsilon: 0.4, seed })).ranker)
      return sum / 6
    }
    const [allLow, mixed, allHigh] = [await mean(new Float64Array(personCount).fill(low)), await mean(mixture), await mean(undefined)]
    expect(mixed).toBeGreaterThan(allLow + 0.02)
    expect(allHigh).toBeGreaterThan(mixed + 0.02)
  })
})
