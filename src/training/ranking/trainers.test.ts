/**
 * The contract of a ranking trainer and of the ranker it gives, held by every trainer of the registry on one small world: people of two tastes,
 * one of whom is held out. Numbers of people and items are odd ones, so that a tensor with a row a person gives itself away.
 */
import { describe, expect, test } from 'vitest'
import { itemsOf, type Positives, positivesFrom } from '../../data/index.ts'
import { decodeSafetensors, encodeSafetensors, loadRanker, type Person, type Ranker, topItems } from '../../models/index.ts'
import { type PrivacyEvent, type PrivacyUnit, pldAccountant } from '../../privacy/index.ts'
import { seededRandom } from '../../random/index.ts'
import { rankingTrainer, rankingTrainers, resolveParameters } from './registry.ts'
import type { RankingPrivacy, RankingTrainer } from './trainer.ts'

const itemCount = 58
const personCount = 211
const taste = (item: number) => item % 2

/** Nine likes of ten are of one's own taste; even and odd people have opposite ones. The last person is held out: an empty row. */
function world(): Positives {
  const random = seededRandom(7)
  const uniform = () => random.nextWord() / 2 ** 32
  return positivesFrom(
    Array.from({ length: personCount }, (_, person) => {
      if (person === personCount - 1) return []
      const likes = new Set<number>()
      while (likes.size < 9 + (person % 5)) {
        const own = uniform() < 0.9 ? person % 2 : 1 - (person % 2)
        // Popular items come first, but nobody has all of them.
        likes.add(2 * Math.floor((uniform() * itemCount * (0.3 + 0.7 * uniform())) / 2) + own)
      }
      return [...likes]
    }),
    itemCount,
  )
}

const positives = world()
const table = {
  titles: Array.from({ length: itemCount }, (_, item) => `item ${item}`),
  genreNames: ['even', 'odd'],
  genres: Array.from({ length: itemCount }, (_, item) => [taste(item)]),
  years: Float32Array.from({ length: itemCount }, (_, item) => 1990 + (item % 7)),
}
const privacy: RankingPrivacy = { unit: 'user', epsilon: 4, delta: 1e-5, alongside: [{ kind: 'gaussian', noiseMultiplier: 20 }] }

async function trainSmall(trainer: RankingTrainer, { seed = 1, unit }: { seed?: number; unit?: PrivacyUnit } = {}) {
  const spent: PrivacyEvent[] = []
  const ranker = await trainer.fit({
    positives,
    itemTable: table,
    parameters: resolveParameters(trainer, {}),
    privacy: unit ? { ...privacy, unit } : null,
    random: seededRandom(seed),
    spend: (event) => void spent.push(event),
  })
  return { ranker, spent }
}

function scoresOf(ranker: Ranker, people: readonly Person[]): Float32Array {
  const out = new Float32Array(people.length * itemCount).fill(Number.NaN)
  ranker.scoreAll(people, out)
  return out
}

const known = (person: number): Person => ({ userIndex: person, history: itemsOf(positives, person) })
const stranger = (history: readonly number[]): Person => ({ userIndex: null, history: Uint32Array.from(history) })

test('no two trainers share a name', () => {
  expect(new Set(rankingTrainers.map(({ name }) => name)).size).toBe(rankingTrainers.length)
})

test('an unknown model, an unknown parameter and a value out of bounds are refused by name', () => {
  expect(() => rankingTrainer('tarot')).toThrow('tarot')
  const trainer = { name: 'example', parameters: { depth: { default: 2, atLeast: 1, integer: true, about: 'layers' } } }
  expect(resolveParameters(trainer, {})).toEqual({ depth: 2 })
  expect(() => resolveParameters(trainer, { depht: 3 })).toThrow('depht')
  expect(() => resolveParameters(trainer, { depth: 0 })).toThrow('depth')
  expect(() => resolveParameters(trainer, { depth: Number.NaN })).toThrow('depth')
})

describe.each(rankingTrainers.map((trainer) => [trainer.name, trainer] as const))('%s', (_name, trainer) => {
  const people = [0, 1, 2, 100, 209].map(known)

  test('scores the whole catalogue, finite, for several people at once as for each alone', async () => {
    const { ranker, spent } = await trainSmall(trainer)
    expect(spent).toEqual([])
    expect(ranker.itemCount).toBe(itemCount)
    const together = scoresOf(ranker, people)
    expect(together.every(Number.isFinite)).toBe(true)
    for (const [at, person] of people.entries()) {
      const alone = scoresOf(ranker, [person])
      for (let item = 0; item < itemCount; item++) expect(alone[item]).toBeCloseTo(together[at * itemCount + item] as number, 4)
    }
  })

  test('is read back from its file with the same scores', async () => {
    const { ranker } = await trainSmall(trainer)
    const bytes = encodeSafetensors(ranker.parameters(), { format: 'tacet-model-1', model: trainer.name })
    const again = loadRanker(trainer.name, decodeSafetensors(bytes, 'model.safetensors').tensors)
    expect([again.name, again.itemCount, again.personCount, again.foldsIn]).toEqual([
      ranker.name,
      ranker.itemCount,
      ranker.personCount,
      ranker.foldsIn,
    ])
    expect(scoresOf(again, people)).toEqual(scoresOf(ranker, people))
  })

  test('lists nothing twice, nothing excluded, and the best first', async () => {
    const { ranker } = await trainSmall(trainer)
    for (const person of people) {
      const list = topItems(scoresOf(ranker, [person]), 10, { exclude: person.history })
      expect(new Set(list.map(({ item }) => item)).size).toBe(10)
      expect(list.some(({ item }) => person.history.includes(item))).toBe(false)
      for (let at = 1; at < list.length; at++) expect(list[at - 1]!.score).toBeGreaterThanOrEqual(list[at]!.score)
    }
  })

  test('similar items: best first, at most n, never the item itself', async () => {
    const { ranker } = await trainSmall(trainer)
    const similar = ranker.similarItems(4, 6)
    expect(similar.length).toBeLessThanOrEqual(6)
    expect(similar.every(({ item, score }) => item !== 4 && item < itemCount && Number.isFinite(score))).toBe(true)
    expect(similar.map(({ score }) => score)).toEqual(similar.map(({ score }) => score).sort((a, b) => b - a))
  })

  test('gives as reasons only what the person liked themselves', async () => {
    const { ranker } = await trainSmall(trainer)
    for (const person of people.slice(0, 3))
      for (const { item, score } of ranker.reasons(person, 10, 3)) {
        expect(person.history).toContain(item)
        expect(Number.isFinite(score)).toBe(true)
      }
  })

  test('serves a stranger, by taste if it folds in, and somebody without any history', async () => {
    const { ranker } = await trainSmall(trainer)
    const attempt = () => [scoresOf(ranker, [stranger([0, 2, 4, 6, 8, 10])]), scoresOf(ranker, [stranger([1, 3, 5, 7, 9, 11])])] as const
    if (ranker.foldsIn) {
      const [even, odd] = attempt()
      // Mean difference between even and odd items: larger for who liked even ones.
      const lean = (scores: Float32Array) => scores.subarray(12).reduce((sum, score, at) => sum + (taste(at) === 0 ? score : -score), 0)
      expect(lean(even)).toBeGreaterThan(lean(odd))
      expect(scoresOf(ranker, [stranger([])]).every(Number.isFinite)).toBe(true)
    } else {
      let failed = false
      try {
        attempt()
      } catch (error) {
        failed = true
        expect((error as { code?: string }).code).toBeTypeOf('string')
      }
      if (!failed) expect(attempt().every((scores) => scores.every(Number.isFinite))).toBe(true)
    }
  })

  test('repeats with a seed', async () => {
    const [first, again] = [await trainSmall(trainer), await trainSmall(trainer)]
    expect(again.ranker.parameters()).toEqual(first.ranker.parameters())
  })

  if (trainer.privateFor.length === 0)
    test('refuses privacy, and says why and what to use instead', async () => {
      expect(trainer.refusal?.reason).toMatch(/\w{3}/)
      expect(trainer.refusal?.wayOut).toMatch(/\w{3}/)
      await expect((async () => trainSmall(trainer, { unit: 'user' }))()).rejects.toThrow()
    })

  for (const unit of trainer.privateFor) {
    test(`private for a ${unit}: spends what it planned, and stays within ε with what was spent beside it`, async () => {
      const { spent } = await trainSmall(trainer, { unit })
      const planned = trainer.plan?.({ parameters: resolveParameters(trainer, {}), privacy: { ...privacy, unit }, personCount, itemCount })
      expect(spent.length).toBeGreaterThan(0)
      const price = (events: readonly PrivacyEvent[]) =>
        [...events, ...privacy.alongside].reduce((accountant, event) => accountant.compose(event), pldAccountant()).epsilon(privacy.delta)
          .epsilon
      expect(price(spent)).toBeLessThanOrEqual(privacy.epsilon * (1 + 1e-9))
      expect(price(spent)).toBeGreaterThan(privacy.epsilon * 0.95)
      expect(price(planned ?? [])).toBeCloseTo(price(spent), 6)
    })

    test(`private for a ${unit}: a refused release ends the training`, async () => {
      let asked = 0
      const refusing = trainer.fit.bind(trainer)
      await expect(
        (async () =>
          refusing({
            positives,
            itemTable: table,
            parameters: resolveParameters(trainer, {}),
            privacy: { ...privacy, unit },
            random: seededRandom(1),
            spend: () => {
              asked++
              throw new Error('refused')
            },
          }))(),
      ).rejects.toThrow('refused')
      expect(asked).toBe(1)
    })

    if (unit === 'user')
      test('private for a person: no tensor of the model has a row a person', async () => {
        const { ranker } = await trainSmall(trainer, { unit })
        expect(ranker.personCount).toBe(0)
        for (const [name, { shape }] of Object.entries(ranker.parameters())) expect(shape, name).not.toContain(personCount)
        expect(scoresOf(ranker, [stranger([0, 2, 4])]).every(Number.isFinite)).toBe(true)
      })
  }
})
