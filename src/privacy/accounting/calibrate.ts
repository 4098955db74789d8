/**
 * Calibration: the value of one parameter at which a plan just keeps its promise. Works for any parameter in which ε is monotone, in either
 * direction: the smallest noise multiplier, the largest sampling rate, number of steps, or per-release ε.
 *
 * Never overshoots: the value returned was itself priced and found within the target. It is within 1e-4 (relative) of the exact one, or
 * the exact integer.
 */
import { checkNumber, TacetError } from '../../errors.ts'
import type { NeighboringRelation, PrivacyEvent } from '../event.ts'
import type { Accountant } from './accountant.ts'
import { pldAccountant } from './pld.ts'
import { rdpAccountant } from './rdp.ts'

export const accountantNames = ['pld', 'rdp'] as const
export type AccountantName = (typeof accountantNames)[number]

/**
 * An accountant by name.
 * @throws TacetError invalid-argument; for `gdp` and its kin it says why there is none
 */
export function accountantNamed(name: string, relation: NeighboringRelation): Accountant {
  if (name === 'pld') return pldAccountant(relation)
  if (name === 'rdp') return rdpAccountant(relation)
  if (/^(gdp|clt|gdp-clt|f-dp)$/i.test(name)) {
    throw new TacetError(
      'invalid-argument',
      `accountant "${name}" is refused: the central-limit approximation understates ε of subsampled mechanisms (10.61 where the true price is 12.75, for one published run)`,
      { wayOut: 'Use pld (near exact, the default) or rdp.' },
    )
  }
  throw new TacetError('invalid-argument', `accountant "${name}" is not known; it must be one of ${accountantNames.join(', ')}`)
}

export interface Calibration {
  /** The event at a value of the parameter. */
  readonly make: (parameter: number) => PrivacyEvent
  readonly epsilon: number
  readonly delta: number
  readonly relation?: NeighboringRelation
  readonly accountant?: AccountantName
  /** Values to search between; default 1e-3 … 1e6, wide enough for noise multipliers. */
  readonly bracket?: readonly [number, number]
  /** The parameter is a whole number. */
  readonly integer?: boolean
}

export interface Calibrated {
  readonly value: number
  /** Price at `value`, ≤ the target. */
  readonly epsilon: number
}

/** Relative width at which the search stops. */
const close = 1e-4

/**
 * @throws TacetError not-calibratable if no value in the bracket keeps ε within the target; unsupported-event, invalid-argument
 */
export function calibrate(options: Calibration): Calibrated {
  const { make, epsilon, delta, relation = 'add-or-remove-one', accountant = 'pld', bracket = [1e-3, 1e6], integer = false } = options
  checkNumber('epsilon', epsilon, { above: 0 })
  checkNumber('delta', delta, { atLeast: 0, below: 1 })
  checkNumber('bracket[0]', bracket[0], { above: 0 })
  checkNumber('bracket[1]', bracket[1], { above: bracket[0] })
  const price = (value: number) => accountantNamed(accountant, relation).compose(make(value)).epsilon(delta, true).epsilon
  // RDP is cheap and close: it says where to look.
  const rough = accountant === 'pld' ? roughly({ ...options, relation, bracket }) : undefined
  return search(price, epsilon, bracket, integer, rough)
}

function roughly(options: Calibration & { relation: NeighboringRelation; bracket: readonly [number, number] }): number | undefined {
  try {
    return calibrate({ ...options, accountant: 'rdp' }).value
  } catch (error) {
    if (error instanceof TacetError && (error.code === 'unsupported-event' || error.code === 'not-calibratable')) return undefined
    throw error
  }
}

/** A priced value: x = ln parameter, y = ln(ε/target) clamped to ±60. */
interface Point {
  readonly x: number
  readonly y: number
  readonly value: number
  readonly epsilon: number
}

function search(
  price: (value: number) => number,
  target: number,
  [least, most]: readonly [number, number],
  integer: boolean,
  guess: number | undefined,
): Calibrated {
  const at = (wanted: number): Point => {
    const value = Math.min(most, Math.max(least, integer ? Math.round(wanted) : wanted))
    const epsilon = price(value)
    if (Number.isNaN(epsilon)) throw new TacetError('internal', `the price at ${value} is not a number`)
    return { x: Math.log(value), y: Math.max(-60, Math.min(60, Math.log(epsilon / target))), value, epsilon }
  }
  const fits = (point: Point) => point.epsilon <= target
  const result = ({ value, epsilon }: Point): Calibrated => ({ value, epsilon })

  let good: Point | undefined
  let bad: Point | undefined
  {
    // Near the guess the price tells on which side the target lies; step away from it until both sides are known. Ends of a wide bracket
    // are dear to price and rarely needed.
    const known = guess !== undefined && guess > least && guess < most
    let here = at(known ? guess : least <= 1 && most >= 1 ? 1 : Math.sqrt(least * most))
    let step = Math.log(known ? 1.1 : 1.5)
    let towards = 0
    while (!(good && bad)) {
      if (fits(here)) good = here
      else bad = here
      if (good && bad) break
      if (towards === 0) {
        const probe = at(here.value * (fits(here) ? Math.exp(-step) : Math.exp(step)))
        if (fits(probe)) good = probe
        else bad = probe
        if (good && bad) break
        // The probe went the way in which noise works; if the price moved the wrong way, this parameter works the other way.
        const direction = Math.sign(probe.x - here.x)
        if (probe.y === here.y) break
        const better = fits(here) ? probe.y > here.y : probe.y < here.y
        towards = better ? direction : -direction
        here = better ? probe : here
      }
      step *= 1.5
      const next = here.value * Math.exp(towards * step)
      if (next <= least || next >= most) break
      here = at(next)
    }
  }
  if (!(good && bad)) {
    const [low, high] = [at(least), at(most)]
    if (fits(low) && fits(high)) return result(low.epsilon >= high.epsilon ? low : high)
    if (!fits(low) && !fits(high)) {
      throw new TacetError(
        'not-calibratable',
        `no value between ${least} and ${most} keeps ε within ${target}: it is ${low.epsilon} at one end and ${high.epsilon} at the other`,
        { wayOut: 'Raise the target ε or δ, or lower what is not being calibrated (steps, sampling rate).' },
      )
    }
    good = fits(low) ? low : high
    bad = fits(low) ? high : low
  }

  // Secant steps on logarithms through the two latest points, kept inside the bracket; each aims a hair past the root, to the side that
  // was not hit last, so that both ends close in. Bisection where a price is clamped or the secant leaves the bracket.
  let previous = bad
  let latest = good
  for (let round = 0; round < 200; round++) {
    if (integer ? Math.abs(good.value - bad.value) <= 1 : Math.abs(good.x - bad.x) <= close) break
    const clamped = Math.abs(latest.y) >= 60 || Math.abs(previous.y) >= 60 || latest.y === previous.y
    const root: number = clamped ? Number.NaN : latest.x - (latest.y * (latest.x - previous.x)) / (latest.y - previous.y)
    const outward = Math.sign(bad.x - good.x)
    let x = root + (fits(latest) ? 0.45 : -0.45) * close * outward
    const inside = (x - good.x) * outward > 0 && (bad.x - x) * outward > 0
    if (!inside || round % 5 === 4) x = (good.x + bad.x) / 2
    let wanted = Math.exp(x)
    if (integer) wanted = Math.min(Math.max(good.value, bad.value) - 1, Math.max(Math.min(good.value, bad.value) + 1, Math.round(wanted)))
    previous = latest
    latest = at(wanted)
    if (fits(latest)) good = latest
    else bad = latest
  }
  return result(good)
}
