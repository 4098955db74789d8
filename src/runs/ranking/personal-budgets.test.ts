/** Personal budgets in a ranking run: choices stay under private/, levels are stated, who chose less has no say in the gate. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { positivesFrom } from '../../data/index.ts'
import { seededRandom } from '../../random/index.ts'
import { atFullScale } from './gate.ts'
import { resumeRankingRun, trainRanking } from './train.node.ts'
import type { RunRequest } from './types.ts'

let folder: string
let dataPath: string
let choices: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tacet-budgets-'))
  dataPath = join(folder, 'likes.csv')
  choices = join(folder, 'budgets.csv')
  const random = seededRandom(3)
  const rows = new Set<string>()
  for (let row = 0; row < 4_000; row++) rows.add(`u${Math.floor(random.nextDouble() * 300)},i${Math.floor(40 * random.nextDouble() ** 2)}`)
  writeFileSync(dataPath, `user,item\n${[...rows].join('\n')}\n`)
  const known = [...new Set([...rows].map((row) => row.split(',')[0] as string))]
  writeFileSync(
    choices,
    `user,epsilon\n${known
      .slice(0, 150)
      .map((id, at) => `${id},${at % 2 === 0 ? 4 : 2}`)
      .join('\n')}\n`,
  )
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const request = (out: string, more: Partial<RunRequest> = {}): RunRequest => ({
  dataPath,
  model: 'dpals',
  out: join(folder, out),
  seed: 1,
  personalBudgets: choices,
  budgetLevels: [1, 2, 4],
  ...more,
})

describe('a run with personal budgets', () => {
  test('has the highest level as its ε, states each level, and keeps who chose what under private/', async () => {
    const report = await trainRanking(request('levels'))
    expect(report.privacy?.epsilon).toBeLessThanOrEqual(4 * (1 + 1e-9))
    expect(report.privacy?.epsilon).toBeGreaterThan(3.9)
    const run = join(folder, 'levels')
    const config = JSON.parse(readFileSync(join(run, 'config.json'), 'utf8'))
    expect(config.budgetLevels).toEqual([1, 2, 4])
    expect(JSON.stringify(config)).not.toContain('budgets.csv')
    const { levelOf } = JSON.parse(readFileSync(join(run, 'private/personal-budgets.json'), 'utf8'))
    expect([0, 1, 2].map((level) => levelOf.filter((own: number) => own === level).length)).toEqual([levelOf.length - 150, 75, 75])
    const statement = readFileSync(join(run, 'statement.md'), 'utf8')
    for (const level of [1, 2, 4]) expect(statement).toContain(`a person who chose ε = ${level}: ε ≤ `)
    expect(statement).toContain('Who chose which level, and how many did, is not released')
    for (const file of readdirSync(run, { withFileTypes: true }))
      if (file.isFile()) expect(readFileSync(join(run, file.name), 'utf8'), file.name).not.toContain('levelOf')
  }, 30_000)

  test.each([
    ['an ε that is not the highest level', { epsilon: 2 }, /--epsilon 2 is not the highest of the budget levels 1, 2, 4/],
    ['no levels', { budgetLevels: undefined }, /belong together/],
    ['a model of sampled steps', { model: 'bpr' }, /bpr would spend the highest ε of people who chose less/],
    ['released metrics', { privateMetrics: 1 }, /--private-metrics would spend the highest ε/],
    ['no privacy', { noPrivacy: true }, /contradicts --no-privacy/],
    ['a file that is not there', { personalBudgets: 'nowhere.csv' }, /there is no file nowhere.csv/],
    ['a level nobody declared', { budgetLevels: [1, 4] }, /budgets.csv, line 3: ε "2" is not one of the levels 1, 4/],
  ])('with %s is refused, and leaves nothing', async (_what, more, message) => {
    await expect(trainRanking(request('refused', more as Partial<RunRequest>))).rejects.toThrow(message)
    expect(existsSync(join(folder, 'refused'))).toBe(false)
    expect(existsSync(join(folder, 'refused.partial'))).toBe(false)
  })

  test('finds the same choices when it is resumed, whatever the file says by then', async () => {
    const [controller, before] = [new AbortController(), readFileSync(choices)]
    const onProgress = (phase: string) => void (phase.includes('sweep') && controller.abort())
    await expect(trainRanking(request('stopped'), { signal: controller.signal, onProgress })).rejects.toThrow(/stopped/)
    try {
      writeFileSync(choices, 'user,epsilon\n')
      const report = await resumeRankingRun(join(folder, 'stopped'))
      expect(report.attempts).toBe(2)
      const { levelOf } = JSON.parse(readFileSync(join(folder, 'stopped/private/personal-budgets.json'), 'utf8'))
      expect(levelOf.filter((level: number) => level === 2)).toHaveLength(75)
    } finally {
      writeFileSync(choices, before)
    }
  }, 30_000)

  test('asks only people of the highest level in the gate', () => {
    const rows = positivesFrom([[0], [1], [2]], 3)
    const people = { users: Uint32Array.of(4, 7, 9), history: rows, seen: rows, relevant: rows, strangers: true }
    const scale = new Float64Array(10).fill(0.5)
    scale[7] = 1
    const asked = atFullScale(people, scale)
    expect([...asked.users]).toEqual([7])
    expect([...asked.relevant.items]).toEqual([1])
  })
})
