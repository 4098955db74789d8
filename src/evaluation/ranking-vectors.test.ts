/**
 * The named metrics against five toolkits' own answers (test/vectors/ranking-*.json, made by scripts/make-vectors/ranking_*.py). Where a toolkit
 * deviates, the file says why and holds the right value: Tacet is held to that, and the deviation to being one.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { answerRankingCase } from './ranking-cases.ts'

interface VectorFile {
  source: string
  version: string
  tolerance: number
  deviations: string[]
  questions: Record<string, object>
  cases: {
    id: string
    on: string
    metric: string
    k?: number
    options?: object
    value: number
    deviates?: 'convention' | 'defect'
    why?: string
    right?: number
  }[]
}

const files = ['pytrec-eval', 'ranx', 'scikit-learn', 'cornac', 'recbole'].map(
  (name) => JSON.parse(readFileSync(new URL(`../../test/vectors/ranking-${name}.json`, import.meta.url), 'utf8')) as VectorFile,
)

function ask(file: VectorFile, entry: VectorFile['cases'][number], options = entry.options): number {
  const { id, metric, k, on } = entry
  const answer = answerRankingCase(JSON.stringify({ id, metric, k, options, ...file.questions[on] }))
  if ('error' in answer) throw new Error(`${id}: ${answer.error.message}`)
  return answer.value as number
}

describe.each(files)('$source $version', (file) => {
  test(`agrees with Tacet wherever it follows the definition, to ${file.tolerance}`, () => {
    const agreeing = file.cases.filter((entry) => entry.deviates === undefined)
    expect(agreeing.length).toBeGreaterThan(40)
    for (const entry of agreeing) expect(Math.abs(ask(file, entry) - entry.value), entry.id).toBeLessThanOrEqual(file.tolerance)
  })

  test('where it deviates, Tacet has the right value and not the toolkit’s, and the file says why', () => {
    const deviating = file.cases.filter((entry) => entry.deviates !== undefined)
    expect([...new Set(deviating.map((entry) => entry.why))].sort()).toEqual([...file.deviations].sort())
    for (const entry of deviating) {
      expect(Math.abs(ask(file, entry) - (entry.right as number)), entry.id).toBeLessThanOrEqual(file.tolerance)
      expect(Math.abs(entry.value - (entry.right as number)), entry.id).toBeGreaterThan(file.tolerance)
    }
  })
})

test('the deviations that have a name here are reproduced by that name', () => {
  const [cornac, recbole] = [files[3], files[4]] as [VectorFile, VectorFile]
  let reproduced = 0
  for (const file of [cornac, recbole]) {
    for (const entry of file.cases) {
      const named = entry.why?.match(/options\.(gains|ties) "(\w+)"/)
      if (!named) continue
      expect(Math.abs(ask(file, entry, { [named[1] as string]: named[2] }) - entry.value), entry.id).toBeLessThanOrEqual(file.tolerance)
      reproduced++
    }
  }
  expect(reproduced).toBeGreaterThan(10)
})
