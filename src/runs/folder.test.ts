import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { TacetError } from '../errors.ts'
import type { PrivacyEvent } from '../privacy/index.ts'
import { composeReleases } from './events.ts'
import {
  checkOutput,
  createWorkingFolder,
  files,
  lockFolder,
  openRunFolder,
  publishFolder,
  readRunJson,
  writeFileAtomically,
  writeJsonAtomically,
} from './folder.node.ts'
import { type JournalEntry, nextAttempt, openJournal, paidThrough, readJournal, spentEvents } from './journal.node.ts'

let scratch: string
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'tacet-folder-'))
})
afterEach(() => rmSync(scratch, { recursive: true, force: true }))

const codeOf = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    return error instanceof TacetError ? error.code : String(error)
  }
  return 'no error'
}
const step: PrivacyEvent = { kind: 'poisson-sampled', sampleRate: 0.01, event: { kind: 'gaussian', noiseMultiplier: 2 } }
const paid = (attempt: number, from: number, to: number): JournalEntry => ({
  kind: 'spend',
  attempt,
  from,
  to,
  event: { kind: 'repeated', times: to - from, event: step },
})

describe('the journal of what was spent', () => {
  test('reads back every entry in order, also after it was closed and opened again', () => {
    const path = join(scratch, 'journal.ndjson')
    const entries: JournalEntry[] = [
      { kind: 'attempt', attempt: 1 },
      paid(1, 0, 10),
      { kind: 'stopped', attempt: 1, step: 4 },
      { kind: 'attempt', attempt: 2 },
      { kind: 'continued', attempt: 2, from: 4, to: 10 },
      { kind: 'finished', attempt: 2 },
    ]
    for (const entry of entries) {
      const journal = openJournal(path)
      journal.append(entry)
      journal.close()
    }
    expect(readJournal(path)).toEqual(entries)
    expect(nextAttempt(readJournal(path))).toBe(3)
  })

  test('cut anywhere by a kill, it keeps every acknowledged line and goes on after them', () => {
    const path = join(scratch, 'cut.ndjson')
    const entries = [paid(1, 0, 10), paid(1, 10, 20), paid(1, 20, 30)]
    fc.assert(
      fc.property(fc.nat(1000), (cut) => {
        rmSync(path, { force: true })
        const journal = openJournal(path)
        const ends = entries.map((entry) => {
          journal.append(entry)
          return readFileSync(path).length
        })
        journal.close()
        const length = cut % ((ends[2] as number) + 1)
        truncateSync(path, length)
        const whole = ends.filter((end) => end <= length).length
        const reopened = openJournal(path)
        expect(reopened.entries).toEqual(entries.slice(0, whole))
        reopened.append(paid(2, 0, 10))
        reopened.close()
        expect(readJournal(path)).toEqual([...entries.slice(0, whole), paid(2, 0, 10)])
      }),
      { seed: 4, numRuns: 60 },
    )
  })

  test('with a damaged line in it is refused, never read as less', () => {
    const path = join(scratch, 'journal.ndjson')
    const journal = openJournal(path)
    journal.append(paid(1, 0, 10))
    journal.append(paid(1, 10, 20))
    journal.close()
    const [first, second] = readFileSync(path, 'utf8').split('\n') as [string, string]
    for (const damaged of [`${second}\n`, `${first}\nnonsense\n`, `${first}\n${first}\n`, `${first}\n{"n":1,"kind":"forgiven"}\n`]) {
      writeFileSync(path, damaged)
      expect(codeOf(() => readJournal(path))).toBe('corrupt-run')
      expect(codeOf(() => openJournal(path))).toBe('corrupt-run')
    }
  })

  test('lets paid steps be used without paying only directly after an attempt that stopped in good order', () => {
    const stopped: JournalEntry[] = [{ kind: 'attempt', attempt: 1 }, paid(1, 0, 10), { kind: 'stopped', attempt: 1, step: 4 }]
    expect(paidThrough(stopped, 4)).toBe(10)
    expect(paidThrough(stopped, 3)).toBe(3)
    expect(paidThrough(stopped.slice(0, 2), 4)).toBe(4)
    const takenUp: JournalEntry[] = [...stopped, { kind: 'continued', attempt: 2, from: 4, to: 10 }]
    expect(paidThrough(takenUp, 4)).toBe(4)
    expect(paidThrough([...takenUp, { kind: 'stopped', attempt: 2, step: 7 }], 7)).toBe(10)
    expect(paidThrough([...stopped, { kind: 'attempt', attempt: 2 }], 4)).toBe(4)
  })
})

describe('the releases of a journal', () => {
  test('count every attempt, and join what is equal', () => {
    const events = spentEvents([paid(1, 0, 10), { kind: 'attempt', attempt: 2 }, paid(2, 0, 10), paid(2, 10, 11)])
    expect(composeReleases(events)).toEqual({ kind: 'repeated', times: 21, event: step })
  })

  test('keep different releases apart and multiply nested repetitions', () => {
    const other: PrivacyEvent = { kind: 'gaussian', noiseMultiplier: 3 }
    const nested: PrivacyEvent = { kind: 'repeated', times: 3, event: { kind: 'composed', events: [step, other, step] } }
    expect(composeReleases([other, nested])).toEqual({
      kind: 'composed',
      events: [
        { kind: 'repeated', times: 4, event: other },
        { kind: 'repeated', times: 6, event: step },
      ],
    })
    expect(composeReleases([])).toEqual({ kind: 'composed', events: [] })
  })
})

describe('a run folder', () => {
  test('appears under its own name only when it is whole', () => {
    const out = join(scratch, 'deep/er/run')
    const { folder } = createWorkingFolder(out)
    writeJsonAtomically(join(folder, files.config), { formatVersion: 1 })
    expect(existsSync(out)).toBe(false)
    expect(codeOf(() => openRunFolder(out))).toBe('corrupt-run')
    publishFolder(folder, out)
    expect(openRunFolder(out).config).toEqual({ formatVersion: 1 })
    expect(existsSync(folder)).toBe(false)
  })

  test('is never made over something that is there, finished or not', () => {
    const out = join(scratch, 'run')
    createWorkingFolder(out)
    expect(codeOf(() => checkOutput(out))).toBe('output-exists')
    mkdirSync(join(scratch, 'other'))
    expect(codeOf(() => checkOutput(join(scratch, 'other')))).toBe('output-exists')
    mkdirSync(out)
    expect(codeOf(() => publishFolder(`${out}.partial`, out))).toBe('output-exists')
  })

  test('that cannot be written is refused before anything is', () => {
    writeFileSync(join(scratch, 'file'), '')
    expect(codeOf(() => checkOutput(join(scratch, 'file/run')))).toBe('output-not-writable')
    expect(codeOf(() => createWorkingFolder('/proc/nowhere/run'))).toBe('output-not-writable')
  })

  test('that failed before it spent anything leaves nothing behind, parents included', () => {
    const { discard } = createWorkingFolder(join(scratch, 'a/b/run'))
    discard()
    expect(existsSync(join(scratch, 'a'))).toBe(false)
    mkdirSync(join(scratch, 'kept'))
    createWorkingFolder(join(scratch, 'kept/run')).discard()
    expect(existsSync(join(scratch, 'kept'))).toBe(true)
  })

  test('from a newer version, without a config or with a broken one is named as such', () => {
    const run = (name: string, config: string | null) => {
      mkdirSync(join(scratch, name))
      if (config !== null) writeFileSync(join(scratch, name, files.config), config)
      return join(scratch, name)
    }
    expect(codeOf(() => openRunFolder(run('newer', '{"formatVersion": 2}')))).toBe('newer-run')
    expect(codeOf(() => openRunFolder(run('none', null)))).toBe('corrupt-run')
    expect(codeOf(() => openRunFolder(run('broken', '{"formatVersion"')))).toBe('corrupt-run')
    expect(codeOf(() => openRunFolder(run('text', '{"formatVersion": "1"}')))).toBe('corrupt-run')
    expect(codeOf(() => openRunFolder(join(scratch, 'absent')))).toBe('missing-file')
    writeFileSync(join(scratch, 'file'), '')
    expect(codeOf(() => openRunFolder(join(scratch, 'file')))).toBe('corrupt-run')
  })

  test('is worked on by one process at a time, and a dead process holds nothing', () => {
    const { folder } = createWorkingFolder(join(scratch, 'run'))
    const unlock = lockFolder(folder)
    expect(codeOf(() => lockFolder(folder))).toBe('output-exists')
    unlock()
    writeFileSync(join(folder, files.lock), '4194999')
    lockFolder(folder)()
  })
})

test('an atomic write leaves the old file or the new one, and no rest', () => {
  const path = join(scratch, 'file.json')
  writeFileAtomically(path, 'old')
  writeFileAtomically(path, 'new')
  expect(readFileSync(path, 'utf8')).toBe('new')
  expect(existsSync(`${path}.tmp`)).toBe(false)
  expect(codeOf(() => writeFileAtomically(join(scratch, 'no/where'), 'x'))).toBe('output-not-writable')
})

test('infinity is written as "inf" and NaN never', () => {
  writeJsonAtomically(join(scratch, 'a.json'), { epsilon: Number.POSITIVE_INFINITY })
  expect(readRunJson(scratch, 'a.json')).toEqual({ epsilon: 'inf' })
  expect(codeOf(() => writeJsonAtomically(join(scratch, 'b.json'), { epsilon: Number.NaN }))).toBe('internal')
  appendFileSync(join(scratch, 'a.json'), '}')
  expect(codeOf(() => readRunJson(scratch, 'a.json'))).toBe('corrupt-run')
})
