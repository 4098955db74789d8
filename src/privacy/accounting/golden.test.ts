/**
 * What other implementations printed (test/vectors), priced here. Each file says where its figures come from and how close they are; the
 * form of a case is in test/vectors/README.md.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { NeighboringRelation, PrivacyEvent } from '../event.ts'
import { accountantNamed } from './calibrate.ts'
import { priceCase } from './cases.ts'

interface Case {
  readonly id: string
  readonly event: PrivacyEvent
  readonly relation: NeighboringRelation
  readonly accountant: 'rdp' | 'pld'
  readonly ask: Record<string, unknown>
  readonly value: number | 'inf'
  readonly bound?: 'equal' | 'upper' | 'lower'
  readonly tolerance?: number
  readonly answer?: 'epsilonLower'
  readonly wrong?: boolean
  readonly right?: number
  readonly direction?: 'high' | 'low'
}
interface File {
  readonly source: string
  readonly version: string
  readonly kind: string
  readonly tolerance: number
  readonly cases: readonly Case[]
}

const folder = join(import.meta.dirname, '../../../test/vectors')
const files = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => ({ name, file: JSON.parse(readFileSync(join(folder, name), 'utf8')) as File }))
  // Other modules keep their vectors here too; those about prices hold events.
  .filter(({ file }) => file.cases?.every((each) => each.event && each.ask))

const number = (value: number | 'inf') => (value === 'inf' ? Infinity : value)
const answers = new Map<string, Record<string, unknown>>()

/** Tacet's answer, each question priced once however many figures it is compared with. */
function answerTo({ event, relation, accountant, ask, answer }: Case): number {
  const line = JSON.stringify({ id: '', event, relation, accountant, ask })
  let found = answers.get(line)
  if (!found) {
    found = priceCase(line)
    answers.set(line, found)
  }
  const key = answer ?? ['epsilon', 'delta', 'rdp', 'noiseMultiplier'].find((each) => each in found)
  if (key === undefined) throw new Error(JSON.stringify(found))
  return number(found[key] as number | 'inf')
}

describe.each(files)('$name', ({ file }) => {
  test.each(file.cases)('$id', (each) => {
    const { wrong, bound = 'equal', tolerance = file.tolerance } = each
    const reference = number(wrong ? (each.right as number) : each.value)
    const found = answerTo(each)
    if (wrong) {
      // Else the case would say nothing: theirs must really be off, on the side it is said to be.
      const theirs = number(each.value)
      if (each.direction === 'low') expect(theirs).toBeLessThan(reference * (1 - tolerance))
      else expect(theirs).toBeGreaterThan(reference * (1 + tolerance))
    }
    if (found === reference) return
    if (bound === 'upper') expect(found).toBeLessThanOrEqual(reference * (1 + tolerance))
    else if (bound === 'lower') expect(found).toBeGreaterThanOrEqual(reference * (1 - tolerance))
    else expect(Math.abs(found - reference)).toBeLessThanOrEqual(tolerance * Math.abs(reference))
  })
})

test('at least 150 figures from at least four other implementations', () => {
  const cases = files.flatMap(({ file }) => file.cases)
  expect(cases.length).toBeGreaterThanOrEqual(150)
  expect(new Set(files.map(({ file }) => file.source)).size).toBeGreaterThanOrEqual(4)
  expect(new Set(cases.map(({ id }) => id)).size).toBe(cases.length)
  expect(cases.filter(({ wrong }) => wrong).length).toBeGreaterThan(5)
})

test('a planted bug in a price would be seen: half the noise misses nearly every figure', () => {
  const prices = files.flatMap(({ file }) => file.cases.map((each) => ({ each, tolerance: each.tolerance ?? file.tolerance })))
  const byRdp = prices.filter(({ each }) => each.accountant === 'rdp' && 'rdpAt' in each.ask && (each.bound ?? 'equal') === 'equal')
  const halved = (event: PrivacyEvent): PrivacyEvent =>
    JSON.parse(JSON.stringify(event), (key, value) => (key === 'noiseMultiplier' && typeof value === 'number' ? value / 2 : value))
  const noisy = byRdp.filter(({ each }) => JSON.stringify(each.event).includes('noiseMultiplier') && number(each.value) < Infinity)
  const missed = noisy.filter(({ each, tolerance }) => {
    const reference = number(each.wrong ? (each.right as number) : each.value)
    return Math.abs(answerTo({ ...each, event: halved(each.event) }) - reference) > tolerance * Math.abs(reference)
  })
  expect(noisy.length).toBeGreaterThan(30)
  expect(missed.length).toBe(noisy.length)
})

test('the accountants named in the vectors exist', () => {
  for (const { file } of files)
    for (const { accountant, relation } of file.cases) expect(accountantNamed(accountant, relation).name).toBe(accountant)
})
