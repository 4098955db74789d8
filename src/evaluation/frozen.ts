/**
 * Selection on validation only, enforced: the test people of a split come out of their seal for a model that has been frozen, and only that
 * model may be measured on them. Frozen means: a fingerprint of every parameter was taken, and evaluation takes it again. It keeps honest code
 * honest; it is not a defence against a caller who means to cheat, and nothing here is a cryptographic commitment.
 */
import { breakSeal, type RankedPeople, type RankingSplit } from '../data/index.ts'
import { TacetError } from '../errors.ts'
import type { Ranker } from '../models/index.ts'

export interface FrozenRanker<R extends Ranker = Ranker> {
  readonly ranker: R
  /** 32 hexadecimal digits of the name and every parameter. */
  readonly fingerprint: string
}

type Parameterised = Pick<Ranker, 'name' | 'parameters'>

const openedFor = new WeakMap<RankedPeople, string>()

/** Says that the model is final. Any later change of a parameter makes its evaluation on the test an error. */
export function freeze<R extends Ranker>(ranker: R): FrozenRanker<R> {
  return Object.freeze({ ranker, fingerprint: fingerprintOf(ranker) })
}

/**
 * The test people of a split, for a frozen model. `evaluateRanker` refuses to measure any other model on what comes out. Who opened the seal
 * is kept in `split.test.openedFor`: a choice among many models by their test figures shows there.
 * @throws TacetError check-failed if the model has changed since it was frozen
 */
export function openTest(split: Pick<RankingSplit, 'test'>, frozen: FrozenRanker): RankedPeople {
  checkUnchanged(frozen.ranker, frozen.fingerprint)
  const people = breakSeal(split.test, frozen.fingerprint)
  openedFor.set(people, frozen.fingerprint)
  return people
}

/**
 * @throws TacetError check-failed if the people came out of a seal for another model, or for another state of this one
 */
export function checkMayMeasure(ranker: Parameterised, people: RankedPeople): void {
  const fingerprint = openedFor.get(people)
  if (fingerprint !== undefined) checkUnchanged(ranker, fingerprint)
}

function checkUnchanged(ranker: Parameterised, fingerprint: string): void {
  const now = fingerprintOf(ranker)
  if (now === fingerprint) return
  throw new TacetError('check-failed', `the test was opened for the frozen model ${fingerprint}, and ${ranker.name} is ${now}`, {
    wayOut: 'Choose on validation; when the model is final, freeze it and open the test for it.',
    details: { frozen: fingerprint, now },
  })
}

/** Four 32-bit lanes over the bits of every tensor, with names and shapes (MurmurHash3's mixing steps). Changes if a single bit does. */
export function fingerprintOf({ name, parameters }: Parameterised): string {
  const lanes = Uint32Array.of(0x9e3779b9, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f)
  const text = new TextEncoder()
  const absorb = (words: Uint32Array) => {
    let [a, b, c, d] = lanes as unknown as [number, number, number, number]
    for (let i = 0; i < words.length; i++) {
      let word = Math.imul(words[i] as number, 0xcc9e2d51)
      word = Math.imul((word << 15) | (word >>> 17), 0x1b873593)
      const next = Math.imul((a ^ word) + 0x561ccd1b, 5)
      a = b
      b = c
      c = d
      d = (next << 13) | (next >>> 19)
      a ^= d
    }
    lanes.set([a, b, c, d])
  }
  const absorbText = (entry: string) => absorb(Uint32Array.from(text.encode(`${entry}\n`)))
  absorbText(name)
  for (const [key, { shape, data }] of Object.entries(parameters()).sort(([x], [y]) => (x < y ? -1 : 1))) {
    absorbText(`${key} ${shape.join('x')}`)
    absorb(new Uint32Array(data.buffer, data.byteOffset, data.length))
  }
  absorb(Uint32Array.of(0, 0, 0, 0, 0, 0, 0, 0))
  return Array.from(lanes, (lane) => mix(lane).toString(16).padStart(8, '0')).join('')
}

function mix(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
