/**
 * A release as data. Whatever leaves the private zone is one `PrivacyEvent`: accountants price it, the ledger keeps it, and a second
 * accountant can recompute it years later. The JSON spelling is a file format: names never change meaning, new kinds are only added.
 *
 * Nothing here prices anything (accounting/) or draws noise (mechanisms/). An unknown kind is an error, never ε = 0.
 */

import { checkNumber, TacetError } from '../errors.ts'

/** `noiseMultiplier` = standard deviation (gaussian) or scale (laplace) ÷ sensitivity. */
export type PrivacyEvent =
  | { kind: 'gaussian' | 'laplace'; noiseMultiplier: number }
  | { kind: 'discrete-gaussian'; sigma: number; sensitivity: number }
  | { kind: 'discrete-laplace'; parameter: number; sensitivity: number }
  | { kind: 'skellam'; variance: number; l1Sensitivity: number; l2Sensitivity: number }
  | { kind: 'randomized-response'; noiseParameter: number; buckets: number }
  | { kind: 'exponential' | 'permute-and-flip' | 'pure'; epsilon: number }
  | { kind: 'approximate'; epsilon: number; delta: number }
  | { kind: 'zcdp'; rho: number; xi?: number }
  | { kind: 'poisson-sampled'; sampleRate: number; event: PrivacyEvent }
  | {
      kind: 'sampled-without-replacement' | 'sampled-with-replacement'
      datasetSize: number
      sampleSize: number
      event: PrivacyEvent
    }
  | { kind: 'mixture-of-gaussians'; standardDeviation: number; sensitivities: number[]; samplingProbabilities: number[] }
  | { kind: 'tree-aggregation'; noiseMultiplier: number; stepCounts: number[] }
  | { kind: 'repeated'; times: number; event: PrivacyEvent }
  | { kind: 'composed'; events: PrivacyEvent[] }
  | { kind: 'non-private' }

export type NeighboringRelation = 'add-or-remove-one' | 'replace-one' | 'replace-special'
export type PrivacyUnit = 'rating' | 'user'
export type BatchSelection = 'poisson' | 'shuffle' | 'fixed-without-replacement' | 'none'

/** Called with a release before its noise is drawn, and must return before it is. Throwing refuses the release: nothing has left yet. */
export type Spend = (event: PrivacyEvent) => void

/**
 * What a run has spent. `epsilon` is an upper bound at `delta`, `epsilonLower` a lower bound of the same price (not of the attack);
 * fields that do not apply are null. `mu` only for pure Gaussian compositions.
 */
export interface PrivacySpent {
  epsilon: number
  epsilonLower: number | null
  delta: number
  mu: number | null
  accountant: 'rdp' | 'pld'
  optimalOrder: number | null
  privacyUnit: PrivacyUnit
  neighboringRelation: NeighboringRelation
  batchSelection: BatchSelection
  noiseMultiplier: number | null
  sampleRate: number | null
  steps: number | null
  maxGradNorm: number | null
  noiseSource: 'csprng' | 'seeded'
}

const positive = { above: 0 }
const natural = { atLeast: 1, integer: true }
const count = { atLeast: 0, integer: true }
const chance = { atLeast: 0, atMost: 1 }
const notNegative = { atLeast: 0 }

/** The numeric fields of each kind and their bounds; what is not here or read by hand in `parse` is refused. */
const numericFields: Record<PrivacyEvent['kind'], Record<string, Parameters<typeof checkNumber>[2]>> = {
  gaussian: { noiseMultiplier: positive },
  laplace: { noiseMultiplier: positive },
  'discrete-gaussian': { sigma: positive, sensitivity: natural },
  'discrete-laplace': { parameter: positive, sensitivity: natural },
  skellam: { variance: positive, l1Sensitivity: positive, l2Sensitivity: positive },
  'randomized-response': { noiseParameter: chance, buckets: natural },
  exponential: { epsilon: notNegative },
  'permute-and-flip': { epsilon: notNegative },
  pure: { epsilon: notNegative },
  approximate: { epsilon: notNegative, delta: chance },
  zcdp: { rho: notNegative, xi: notNegative },
  'poisson-sampled': { sampleRate: chance },
  'sampled-without-replacement': { datasetSize: natural, sampleSize: count },
  'sampled-with-replacement': { datasetSize: natural, sampleSize: count },
  'mixture-of-gaussians': { standardDeviation: positive },
  'tree-aggregation': { noiseMultiplier: positive },
  repeated: { times: count },
  composed: {},
  'non-private': {},
}
const optionalFields = new Set(['zcdp.xi'])
/** Fields that are no single number. */
const otherFields: Partial<Record<PrivacyEvent['kind'], readonly string[]>> = {
  'poisson-sampled': ['event'],
  'sampled-without-replacement': ['event'],
  'sampled-with-replacement': ['event'],
  repeated: ['event'],
  composed: ['events'],
  'mixture-of-gaussians': ['sensitivities', 'samplingProbabilities'],
  'tree-aggregation': ['stepCounts'],
}

function refuse(message: string): never {
  throw new TacetError('invalid-argument', message, { wayOut: 'See the event spellings in docs/mechanisms/accounting.md.' })
}

function parseNumbers(name: string, value: unknown, bounds: Parameters<typeof checkNumber>[2]): number[] {
  if (!Array.isArray(value) || value.length === 0) refuse(`${name} must be a list of at least one number`)
  return value.map((each, i) => checkNumber(`${name}[${i}]`, each, bounds))
}

function parse(json: unknown, where: string, depth: number): PrivacyEvent {
  if (depth > 200) refuse(`${where}: events nest more than 200 deep`)
  if (typeof json !== 'object' || json === null || Array.isArray(json)) refuse(`${where} must be an object with a kind`)
  const given = json as Record<string, unknown>
  const kind = given['kind'] as PrivacyEvent['kind']
  if (typeof kind !== 'string') refuse(`${where} has no kind`)
  const numbers = Object.hasOwn(numericFields, kind) ? numericFields[kind] : undefined
  if (!numbers) {
    throw new TacetError('unsupported-event', `${where}: no accountant knows the event kind "${kind}"`, {
      wayOut: `Use one of ${Object.keys(numericFields).join(', ')}.`,
    })
  }
  const others = otherFields[kind] ?? []
  const parsed: Record<string, unknown> = { kind }
  for (const [field, bounds] of Object.entries(numbers)) {
    if (given[field] === undefined && optionalFields.has(`${kind}.${field}`)) continue
    parsed[field] = checkNumber(`${where}: ${field} of ${kind}`, given[field] as number, bounds)
  }
  for (const field of Object.keys(given)) {
    if (field !== 'kind' && !(field in numbers) && !others.includes(field)) refuse(`${where}: ${kind} has no field "${field}"`)
  }
  if (others.includes('event')) parsed['event'] = parse(given['event'], `${where}.event`, depth + 1)
  if (kind === 'composed') {
    if (!Array.isArray(given['events'])) refuse(`${where}: events of composed must be a list`)
    parsed['events'] = (given['events'] as unknown[]).map((each, i) => parse(each, `${where}.events[${i}]`, depth + 1))
  }
  if (kind === 'tree-aggregation') parsed['stepCounts'] = parseNumbers(`${where}: stepCounts`, given['stepCounts'], count)
  if (kind === 'mixture-of-gaussians') {
    const sensitivities = parseNumbers(`${where}: sensitivities`, given['sensitivities'], notNegative)
    const chances = parseNumbers(`${where}: samplingProbabilities`, given['samplingProbabilities'], chance)
    if (sensitivities.length !== chances.length) refuse(`${where}: sensitivities and samplingProbabilities differ in length`)
    const total = chances.reduce((sum, p) => sum + p, 0)
    if (Math.abs(total - 1) > 1e-9) refuse(`${where}: samplingProbabilities add up to ${total}; they must add up to 1`)
    parsed['sensitivities'] = sensitivities
    parsed['samplingProbabilities'] = chances
  }
  if (kind.startsWith('sampled-without') && (parsed['sampleSize'] as number) > (parsed['datasetSize'] as number))
    refuse(`${where}: sampleSize ${parsed['sampleSize']} is larger than datasetSize ${parsed['datasetSize']}`)
  return parsed as unknown as PrivacyEvent
}

/**
 * Reads an event from JSON (a ledger, a run's events.json, `tacet account --cases`), field by field and strictly: what it returns has
 * the fields of its kind, in a fixed order, and no others.
 * @throws TacetError unsupported-event for a kind nobody knows; invalid-argument for a missing, surplus, NaN or out-of-range field
 */
export function parsePrivacyEvent(json: unknown): PrivacyEvent {
  return parse(json, 'event', 0)
}
