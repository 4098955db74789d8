/**
 * Test people under seal. What is sealed cannot be read through the object that stands for it: `openTest` of evaluation hands it out, for a
 * model that has been frozen, and for that model only. It keeps honest code honest (a choice made on test figures is the commonest way to
 * fool oneself); it is no protection against somebody who wants to cheat in the same process.
 */
import { TacetError } from '../errors.ts'
import type { RankedPeople } from './ranking-splits.ts'

export interface SealedTest {
  /** Exact counts: as private as the rows. */
  readonly peopleCount: number
  readonly positiveCount: number
  /** Fingerprints of the frozen models it was opened for, in order: how often somebody has looked. */
  readonly openedFor: readonly string[]
}

const contents = new WeakMap<SealedTest, { readonly people: RankedPeople; readonly openedFor: string[] }>()

export function sealTest(people: RankedPeople): SealedTest {
  const openedFor: string[] = []
  const sealed: SealedTest = Object.freeze({
    peopleCount: people.users.length,
    positiveCount: people.relevant.items.length,
    get openedFor() {
      return [...openedFor]
    },
  })
  contents.set(sealed, { people, openedFor })
  return sealed
}

/**
 * For `openTest` (evaluation/frozen.ts) alone, which checks that the model is frozen; a test holds that nobody else calls it.
 * @param fingerprint of the frozen model
 */
export function breakSeal(sealed: SealedTest, fingerprint: string): RankedPeople {
  const found = contents.get(sealed)
  if (found === undefined) throw new TacetError('internal', 'this is not a sealed test that splitForRanking made')
  if (!found.openedFor.includes(fingerprint)) found.openedFor.push(fingerprint)
  // A new object each time: who may use it is remembered by identity.
  return { ...found.people }
}
