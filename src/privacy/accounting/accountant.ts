/**
 * What an accountant is: something that adds up releases and says what they cost together. Both accountants are immutable values; they
 * hold no ledger and enforce no budget. A price is for a plan fixed beforehand: where later releases depend on earlier ones' outputs,
 * a filter is needed, not an accountant.
 */
import { checkNumber, TacetError } from '../../errors.ts'
import type { NeighboringRelation, PrivacyEvent } from '../event.ts'

export interface EpsilonBound {
  /** Upper bound of ε; Infinity if nothing finite can be said. */
  readonly epsilon: number
  /** Certified lower bound of the same price, or null where the accountant has none (RDP). */
  readonly epsilonLower: number | null
  /** The Rényi order the bound came from (RDP only); Infinity for the pure bound. */
  readonly optimalOrder?: number
}

export interface Accountant {
  readonly name: 'rdp' | 'pld'
  readonly relation: NeighboringRelation
  /** μ if everything so far is a composition of plain Gaussian releases, else null. */
  readonly mu: number | null
  /** Whether `compose` would take the event. */
  supports(event: PrivacyEvent): boolean
  /**
   * The accountant after `event` was released `times` more times.
   * @throws TacetError unsupported-event where it cannot be bounded; invalid-argument for a malformed event
   */
  compose(event: PrivacyEvent, times?: number): Accountant
  /**
   * @param delta in [0, 1)
   * @param onlyUpper leaves `epsilonLower` at 0 (or null), which halves the work: for searches
   */
  epsilon(delta: number, onlyUpper?: boolean): EpsilonBound
  /** Upper bound of δ at `epsilon` ≥ 0. */
  delta(epsilon: number): number
}

export const checkDelta = (delta: number) => checkNumber('delta', delta, { atLeast: 0, below: 1 })
export const checkEpsilon = (epsilon: number) => checkNumber('epsilon', epsilon, { atLeast: 0 })
export const checkTimes = (times: number) => checkNumber('times', times, { atLeast: 0, integer: true })

/** Whether `read` takes an event, that is, does not throw `unsupported-event`. */
export function isSupported(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch (error) {
    if (error instanceof TacetError && error.code === 'unsupported-event') return false
    throw error
  }
}

/**
 * How often the best guesser of whether a record (or a person, by the unit of the events) was in the data is right, at even odds:
 * (1 + TV)/2 with the total variation TV = δ(0).
 */
export const bestGuessChance = (accountant: Accountant): number => (1 + accountant.delta(0)) / 2
