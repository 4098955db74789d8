/**
 * Many prices from NDJSON (`tacet account --cases`): one question a line, one answer a line, in order. A line that cannot be answered
 * answers with its error; the others are not touched by it.
 */
import { TacetError } from '../../errors.ts'
import { type PrivacyEvent, parsePrivacyEvent } from '../event.ts'
import { accountantNamed, calibrate } from './calibrate.ts'
import { checkRelation, jsonReady } from './price.ts'
import { rdpAt } from './rdp.ts'

export type CaseAnswer = Readonly<Record<string, unknown>> & { readonly id: unknown }

const asks = ['epsilonAt', 'deltaAt', 'rdpAt', 'calibrate'] as const

function wrong(message: string, wayOut?: string): never {
  throw new TacetError('invalid-argument', message, wayOut === undefined ? {} : { wayOut })
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

/** A number, or "inf" for infinity. */
function numberOf(name: string, value: unknown): number {
  if (value === 'inf') return Infinity
  if (typeof value !== 'number') wrong(`${name} is ${JSON.stringify(value)}; it must be a number`)
  return value
}

/** Replaces the one null noiseMultiplier of an event tree; how many there are is counted first. */
function openNoise(event: unknown): { count: number; fill: (noiseMultiplier: number) => unknown } {
  if (Array.isArray(event)) {
    const each = event.map(openNoise)
    return { count: each.reduce((sum, { count }) => sum + count, 0), fill: (value) => each.map(({ fill }) => fill(value)) }
  }
  if (!isRecord(event)) return { count: 0, fill: () => event }
  const fields = Object.entries(event).map(([key, value]) => {
    if (key === 'noiseMultiplier' && value === null) return { key, count: 1, fill: (noise: number): unknown => noise }
    return { key, ...openNoise(value) }
  })
  return {
    count: fields.reduce((sum, { count }) => sum + count, 0),
    fill: (value) => Object.fromEntries(fields.map(({ key, fill }) => [key, fill(value)])),
  }
}

/** Answers one case. @throws TacetError */
function answer(given: Record<string, unknown>): Record<string, unknown> {
  const { event, ask } = given
  if (given['relation'] !== undefined && typeof given['relation'] !== 'string') wrong('relation must be a string')
  if (given['accountant'] !== undefined && typeof given['accountant'] !== 'string') wrong('accountant must be a string')
  const relation = checkRelation((given['relation'] as string | undefined) ?? 'add-or-remove-one')
  const accountant = accountantNamed((given['accountant'] as string | undefined) ?? 'pld', relation)
  if (!isRecord(ask) || Object.keys(ask).length !== 1 || !asks.some((each) => each in ask)) {
    wrong(`ask must be an object with exactly one of ${asks.join(', ')}`)
  }
  if (event === undefined) wrong('the case has no event')
  if ('calibrate' in ask) {
    const target = ask['calibrate']
    if (!isRecord(target)) wrong('calibrate must be an object with epsilon and delta')
    const open = openNoise(event)
    if (open.count !== 1) wrong(`calibrate needs exactly one "noiseMultiplier": null in the event; there are ${open.count}`)
    const make = (noiseMultiplier: number): PrivacyEvent => parsePrivacyEvent(open.fill(noiseMultiplier))
    const epsilon = numberOf('calibrate.epsilon', target['epsilon'])
    const delta = numberOf('calibrate.delta', target['delta'])
    return { noiseMultiplier: calibrate({ make, epsilon, delta, relation, accountant: accountant.name }).value }
  }
  const parsed = parsePrivacyEvent(event)
  if ('rdpAt' in ask) return { rdp: rdpAt(parsed, numberOf('rdpAt', ask['rdpAt']), relation) }
  if ('deltaAt' in ask) return { delta: accountant.compose(parsed).delta(numberOf('deltaAt', ask['deltaAt'])) }
  const { epsilon, epsilonLower, optimalOrder } = accountant.compose(parsed).epsilon(numberOf('epsilonAt', ask['epsilonAt']))
  return { epsilon, ...(epsilonLower === null ? {} : { epsilonLower }), ...(optimalOrder === undefined ? {} : { optimalOrder }) }
}

/** Answers one line of NDJSON: `{id, …}` or `{id, error: {code, message}}`, infinities as "inf". Never throws. */
export function priceCase(line: string): CaseAnswer {
  let id: unknown = null
  try {
    let given: unknown
    try {
      given = JSON.parse(line)
    } catch {
      wrong('the line is not JSON')
    }
    if (!isRecord(given)) wrong('the line is not a JSON object')
    id = given['id'] ?? null
    return jsonReady({ id, ...answer(given) }) as CaseAnswer
  } catch (error) {
    if (!(error instanceof TacetError)) throw error
    return { id, error: { code: error.code, message: error.message } }
  }
}

/** Answers each non-empty line, in order, as they come. */
export async function* priceCases(lines: AsyncIterable<string> | Iterable<string>): AsyncGenerator<CaseAnswer> {
  for await (const line of lines) if (line.trim() !== '') yield priceCase(line)
}
