import { describe, expect, test } from 'vitest'
import { positivesFrom } from '../../data/index.ts'
import { createRankingKernels, referenceRankingKernels } from '../../kernels/index.ts'
import { fillNormals, seededRandom } from '../../random/index.ts'
import { createFactorDescent, type DescentShape, withoutPadding } from './factor-descent.ts'

const [personCount, itemCount] = [30, 25]
const random = seededRandom(6)
const positives = positivesFrom(
  Array.from({ length: personCount }, (_, person) =>
    Array.from({ length: itemCount }, (_, item) => item).filter(() => person === 4 || random.nextDouble() < 0.3),
  ),
  itemCount,
)
const shape: DescentShape = {
  personCount,
  itemCount,
  dimension: 6,
  likes: positives.items.length,
  negatives: 3,
  loss: 'pairwise',
  itemBias: true,
}

function started(given: Partial<DescentShape>, create = createRankingKernels) {
  const descent = createFactorDescent({ ...shape, ...given }, create)
  const normals = seededRandom(1)
  for (const rows of [descent.personFactors, descent.itemFactors]) {
    fillNormals(rows, normals, 0.3)
    for (let at = 0; at < rows.length; at++) if (at % descent.width >= 6) rows[at] = 0
  }
  descent.setState([9, 8, 7, 6])
  descent.setLikes(positives)
  return descent
}

const rates = { person: 0.05, item: 0.05, decay: 0.01 }

describe.each([
  ['pairwise', {}],
  ['the hardest of three', { hardest: true }],
  ['pointwise', { loss: 'pointwise' }],
] as const)('%s', (_, given) => {
  test('every build trains the same vectors, to rounding, and the loss falls', () => {
    const [fast, plain] = [started(given), started(given, referenceRankingKernels)]
    const losses: number[] = []
    for (let epoch = 0; epoch < 4; epoch++) {
      const loss = fast.epoch(rates)
      expect(loss).toBeCloseTo(plain.epoch(rates), 3)
      losses.push(loss)
    }
    expect(losses[3]).toBeLessThan(losses[0]!)
    for (const name of ['personFactors', 'itemFactors', 'itemBias', 'personBias'] as const)
      for (const [at, value] of fast[name].entries()) expect(value, `${name} ${at}`).toBeCloseTo(plain[name][at]!, 3)
  })

  test('with an item rate of 0 items stay as they are; padding stays 0; who has everything is left alone', () => {
    const descent = started(given)
    const [items, bias, people] = [descent.itemFactors.slice(), descent.itemBias.slice(), descent.personFactors.slice()]
    descent.epoch({ ...rates, item: 0 })
    expect(descent.itemFactors).toEqual(items)
    expect(descent.itemBias).toEqual(bias)
    const { width } = descent
    for (let person = 0; person < personCount; person++) {
      const row = descent.personFactors.subarray(person * width, (person + 1) * width)
      expect([...row.subarray(6)]).toEqual([0, 0])
      if (person === 4) expect(row).toEqual(people.subarray(person * width, (person + 1) * width))
      else expect(row).not.toEqual(people.subarray(person * width, (person + 1) * width))
    }
  })
})

test('more likes than were planned for are refused', () => {
  const descent = createFactorDescent({ ...shape, likes: 3 })
  expect(() => descent.setLikes(positives)).toThrow('3 likes was given')
})

test('padding is cut off row by row', () => {
  expect([...withoutPadding(Float32Array.of(1, 2, 0, 0, 3, 4, 0, 0), 4, 2)]).toEqual([1, 2, 3, 4])
  expect([...withoutPadding(Float32Array.of(1, 2), 2, 2)]).toEqual([1, 2])
})
