import { expect, test } from 'vitest'
import { itemsOf, positivesFrom } from '../../data/index.ts'
import { createItemKnn, topItems } from '../../models/index.ts'
import { seededRandom } from '../../random/index.ts'
import { nearestItems } from './itemknn.ts'

const itemCount = 23
const random = seededRandom(4)
const positives = positivesFrom(
  Array.from({ length: 60 }, (_, person) =>
    person === 7 ? [] : Array.from({ length: itemCount }, (_, item) => item).filter((item) => random.nextDouble() < 4 / (item + 5)),
  ),
  itemCount,
)

test.each([
  [0, 0],
  [0, 3],
  [1, 0],
  [0.5, 2],
])('likeness is the cosine of weighted rows (weight n^−%d, shrinkage %d), the largest of each item first', (personWeight, shrinkage) => {
  const people = Array.from({ length: positives.personCount }, (_, person) => [...itemsOf(positives, person)])
  const weights = people.map((row) => (row.length === 0 ? 0 : row.length ** -personWeight))
  const mean = people.reduce((sum, row, person) => sum + row.length * weights[person]!, 0) / positives.items.length
  const held = (...items: number[]) =>
    people.reduce((sum, row, person) => sum + (items.every((item) => row.includes(item)) ? weights[person]! : 0), 0)
  const model = nearestItems(positives, { neighbours: 6, shrinkage, personWeight })
  for (let item = 0; item < itemCount; item++) {
    const expected = Array.from({ length: itemCount }, (_, other) => ({
      other,
      value: held(item, other) / (Math.sqrt(held(item) * held(other)) + shrinkage * mean),
    }))
      .filter(({ other, value }) => other !== item && value > 0)
      .sort((a, b) => Math.fround(b.value) - Math.fround(a.value) || a.other - b.other)
      .slice(0, 6)
    expect([...model.neighbours.subarray(item * 6, item * 6 + expected.length)]).toEqual(expected.map(({ other }) => other))
    for (const [at, { value }] of expected.entries()) expect(model.likeness[item * 6 + at]).toBeCloseTo(value, 6)
    expect([...model.likeness.subarray(item * 6 + expected.length, item * 6 + 6)].every((value) => value === 0)).toBe(true)
  }
})

test('a score is the sum over the neighbours that are in the history, and reasons are its terms as shares', () => {
  const model = nearestItems(positives, { neighbours: 5, shrinkage: 1, personWeight: 1 })
  const ranker = createItemKnn(model)
  const history = Uint32Array.of(0, 2, 5, 9)
  const scores = new Float32Array(itemCount)
  ranker.scoreAll([{ userIndex: null, history }], scores)
  let scored = 0
  for (let item = 0; item < itemCount; item++) {
    const terms = Array.from({ length: 5 }, (_, at) => [model.neighbours[item * 5 + at]!, model.likeness[item * 5 + at]!] as const).filter(
      ([other, value]) => value > 0 && history.includes(other),
    )
    const sum = terms.reduce((total, [, value]) => total + value, 0)
    if (sum === 0) expect(scores[item]).toBeLessThan(0)
    else {
      scored++
      expect(scores[item]).toBeCloseTo(sum, 5)
      const reasons = ranker.reasons({ userIndex: null, history }, item, 9)
      expect(reasons.map(({ item: liked }) => liked).sort((a, b) => a - b)).toEqual(terms.map(([other]) => other).sort((a, b) => a - b))
      expect(reasons.reduce((total, { score }) => total + score, 0)).toBeCloseTo(1, 5)
    }
  }
  expect(scored).toBeGreaterThan(5)
})

test('where nothing speaks for an item, popularity decides: so for somebody without a history', () => {
  const model = nearestItems(positives, { neighbours: 5, shrinkage: 1, personWeight: 1 })
  const scores = new Float32Array(itemCount)
  createItemKnn(model).scoreAll([{ userIndex: null, history: new Uint32Array(0) }], scores)
  expect(topItems(scores, itemCount).map(({ item }) => item)).toEqual(topItems(model.popularity, itemCount).map(({ item }) => item))
})
