/**
 * Bad input, one row each: the exit status and code it must end with, the words its message must hold, at most six lines on stderr, nothing on
 * stdout, and nothing written. Runs in-process on a tiny data set in MovieLens 1M's format.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { errorOf, lineCount, tacet } from './capture.ts'

const work = mkdtempSync(join(tmpdir(), 'tacet-bad-input-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

const people = 12
const films = 15

/** A folder in MovieLens 1M's format, with `change` applied to its files. */
function dataSet(name: string, change: (files: Record<string, string[]>) => void = () => {}): string {
  const files: Record<string, string[]> = { 'users.dat': [], 'movies.dat': [], 'ratings.dat': [] }
  for (let user = 1; user <= people; user++)
    files['users.dat']?.push(`${user}::${user % 2 ? 'M' : 'F'}::${[1, 18, 25, 35][user % 4]}::${user % 5}::02138`)
  for (let film = 1; film <= films; film++) files['movies.dat']?.push(`${film}::Film ${film} (19${60 + film})::Drama|Comedy`)
  for (let user = 1; user <= people; user++) {
    for (let film = 1; film <= films; film += 1 + (user % 2)) {
      files['ratings.dat']?.push(`${user}::${film}::${1 + ((user * film) % 5)}::${970_000_000 + user * 100_000 + film * 700_000}`)
    }
  }
  change(files)
  const folder = join(work, name)
  mkdirSync(folder)
  for (const [file, lines] of Object.entries(files)) writeFileSync(join(folder, file), lines.map((text) => `${text}\n`).join(''))
  return folder
}

const good = dataSet('good')
const malformed = dataSet('malformed', (files) => files['ratings.dat']?.splice(2, 1, '1::3::five::978300760'))
const empty = dataSet('empty', (files) => {
  files['ratings.dat'] = []
})
const unknownPerson = dataSet('unknown-person', (files) => files['ratings.dat']?.splice(4, 0, '999::1::4::978300760'))
const plainFile = join(work, 'plain-file')
writeFileSync(plainFile, 'not a folder\n')

const out = () => join(work, 'out')
const privately = ['--epsilon', '1'] as const
const network = ['--model', 'wide-and-deep'] as const

interface Row {
  readonly what: string
  readonly argv: () => readonly string[]
  readonly status: number
  readonly code: string
  readonly says: readonly (string | RegExp)[]
}

const train = (...flags: readonly string[]) => ['train', '--data', good, '--out', out(), ...flags]

const rows: readonly Row[] = [
  {
    what: 'a malformed rating line',
    argv: () => ['train', '--data', malformed, '--out', out(), ...privately],
    status: 3,
    code: 'malformed-data',
    says: ['ratings.dat', /\b3\b/, 'five'],
  },
  {
    what: 'a malformed rating line, described',
    argv: () => ['data', 'describe', malformed],
    status: 3,
    code: 'malformed-data',
    says: ['ratings.dat', /\b3\b/],
  },
  {
    what: 'a data set that is not there',
    argv: () => ['train', '--data', join(work, 'nowhere'), '--out', out(), ...privately],
    status: 3,
    code: 'missing-file',
    says: ['nowhere'],
  },
  {
    what: 'an empty data set',
    argv: () => ['train', '--data', empty, '--out', out(), ...privately],
    status: 3,
    code: 'empty-data',
    says: ['empty', /\bno\b/],
  },
  {
    what: 'a rating by somebody who is not in users.dat',
    argv: () => ['train', '--data', unknownPerson, '--out', out(), ...privately],
    status: 3,
    code: 'unknown-id',
    says: ['999', 'users.dat', /\b5\b/],
  },
  { what: 'ε = 0', argv: () => train('--epsilon', '0'), status: 2, code: 'invalid-argument', says: ['--epsilon is 0', '> 0'] },
  { what: 'ε < 0', argv: () => train('--epsilon', '-1'), status: 2, code: 'invalid-argument', says: ['--epsilon is -1'] },
  {
    what: 'ε that is not a number',
    argv: () => train('--epsilon', 'one'),
    status: 2,
    code: 'invalid-argument',
    says: ['--epsilon is "one"'],
  },
  {
    what: 'an infinite ε',
    argv: () => train('--epsilon', 'Infinity'),
    status: 2,
    code: 'invalid-argument',
    says: ['--epsilon is Infinity'],
  },
  { what: 'δ = 1', argv: () => train(...privately, '--delta', '1'), status: 2, code: 'invalid-argument', says: ['--delta is 1', '< 1'] },
  { what: 'δ = 0', argv: () => train(...privately, '--delta', '0'), status: 2, code: 'invalid-argument', says: ['--delta is 0'] },
  {
    what: 'σ = 0',
    argv: () => train(...network, '--noise-multiplier', '0'),
    status: 4,
    code: 'unsafe-plan',
    says: ['--noise-multiplier 0', '--no-privacy'],
  },
  { what: 'σ = 0 for bias-factors', argv: () => train('--noise-multiplier', '0'), status: 4, code: 'unsafe-plan', says: ['--no-privacy'] },
  {
    what: 'σ < 0',
    argv: () => train(...network, '--noise-multiplier', '-1'),
    status: 2,
    code: 'invalid-argument',
    says: ['--noise-multiplier is -1'],
  },
  {
    what: 'σ with bias-factors',
    argv: () => train('--noise-multiplier', '1'),
    status: 2,
    code: 'invalid-argument',
    says: ['--noise-multiplier', 'wide-and-deep'],
  },
  {
    what: 'a recipe with bias-factors',
    argv: () => train(...privately, '--recipe', 'paper'),
    status: 2,
    code: 'invalid-argument',
    says: ['--recipe'],
  },
  {
    what: 'film metadata with the network',
    argv: () => train(...network, ...privately, '--item-metadata'),
    status: 2,
    code: 'invalid-argument',
    says: ['--item-metadata'],
  },
  {
    what: 'both ε and σ',
    argv: () => train(...network, ...privately, '--noise-multiplier', '1'),
    status: 2,
    code: 'invalid-argument',
    says: ['--epsilon', '--noise-multiplier'],
  },
  {
    what: 'ε and --no-privacy',
    argv: () => train(...privately, '--no-privacy'),
    status: 2,
    code: 'invalid-argument',
    says: ['--epsilon', '--no-privacy'],
  },
  { what: 'no privacy setting at all', argv: () => train(), status: 2, code: 'invalid-argument', says: ['--epsilon', '--no-privacy'] },
  { what: 'no --out', argv: () => ['train', '--data', good, ...privately], status: 2, code: 'invalid-argument', says: ['--out'] },
  { what: 'no --data', argv: () => ['train', '--out', out(), ...privately], status: 2, code: 'invalid-argument', says: ['--data'] },
  {
    what: 'a batch larger than the data',
    argv: () => train(...network, ...privately, '--batch-size', '100000'),
    status: 2,
    code: 'invalid-argument',
    says: ['100000'],
  },
  {
    what: 'a batch of a half',
    argv: () => train(...network, ...privately, '--batch-size', '0.5'),
    status: 2,
    code: 'invalid-argument',
    says: ['--batch-size is 0.5'],
  },
  {
    what: 'an unknown model',
    argv: () => train('--model', 'svd++', ...privately),
    status: 2,
    code: 'unknown-model',
    says: ['svd++', 'bias-factors', 'wide-and-deep'],
  },
  {
    what: 'an unknown split',
    argv: () => train('--split', 'by-mood', ...privately),
    status: 2,
    code: 'invalid-argument',
    says: ['by-mood', 'chronological'],
  },
  { what: 'an unknown flag', argv: () => train('--epsilom', '1'), status: 2, code: 'invalid-argument', says: ["'--epsilom'"] },
  {
    what: 'an out folder that exists',
    argv: () => ['train', '--data', good, '--out', good, ...privately],
    status: 2,
    code: 'output-exists',
    says: ['good'],
  },
  {
    what: 'an out folder that cannot be made',
    argv: () => ['train', '--data', good, '--out', join(plainFile, 'run'), ...privately],
    status: 2,
    code: 'output-not-writable',
    says: ['plain-file'],
  },
  // A file system without room for folders: Node's recursive mkdir never comes back from it.
  {
    what: 'an out folder where there can be none',
    argv: () => ['train', '--data', good, '--out', '/proc/nowhere/run', ...privately],
    status: 2,
    code: 'output-not-writable',
    says: ['/proc/nowhere', 'name a folder you may write to'],
  },
  {
    what: 'a study where there can be none',
    argv: () => ['study', 'wide-and-deep-dp', '--data', good, '--out', '/proc/nowhere/study'],
    status: 2,
    code: 'output-not-writable',
    says: ['/proc/nowhere', '--out'],
  },
  {
    what: 'a private vocabulary where public tables name everything',
    argv: () => train(...privately, '--private-vocabulary', '--cut-timestamp', '970900000'),
    status: 2,
    code: 'invalid-argument',
    says: ['public tables', 'leave out --private-vocabulary'],
  },
  {
    what: 'a private vocabulary without privacy',
    argv: () => train('--no-privacy', '--private-vocabulary'),
    status: 2,
    code: 'invalid-argument',
    says: ['--private-vocabulary contradicts --no-privacy'],
  },
  {
    what: 'a private vocabulary of a model that ranks',
    argv: () => train(...privately, '--model', 'item-gram', '--private-vocabulary'),
    status: 2,
    code: 'invalid-argument',
    says: ['item-gram as a ranking model has no --private-vocabulary'],
  },
  {
    what: 'clipping of bias-factors',
    argv: () => train(...privately, '--clipping', 'adaptive'),
    status: 2,
    code: 'invalid-argument',
    says: ['--clipping goes with --model wide-and-deep'],
  },
  {
    what: 'a setting beside --resume',
    argv: () => ['train', '--resume', out(), '--epsilon', '2'],
    status: 2,
    code: 'invalid-argument',
    says: ['--resume', '--epsilon'],
  },
  {
    what: 'resuming what is not there',
    argv: () => ['train', '--resume', join(work, 'nowhere')],
    status: 3,
    code: 'missing-file',
    says: ['nowhere'],
  },
  {
    what: 'evaluating what is not there',
    argv: () => ['evaluate', join(work, 'nowhere')],
    status: 3,
    code: 'missing-file',
    says: ['nowhere'],
  },
  { what: 'a missing run argument', argv: () => ['evaluate'], status: 2, code: 'invalid-argument', says: ["'run'"] },
  {
    what: 'converting onto a file that exists',
    argv: () => ['data', 'convert', good, '--to', 'csv', '--out', plainFile],
    status: 2,
    code: 'output-exists',
    says: ['plain-file'],
  },
  {
    what: 'an unknown form',
    argv: () => ['data', 'convert', good, '--to', 'xml', '--out', out()],
    status: 2,
    code: 'invalid-argument',
    says: ['xml', 'ndjson'],
  },
  {
    what: 'half a rating scale',
    argv: () => ['data', 'describe', good, '--rating-min', '1'],
    status: 2,
    code: 'invalid-argument',
    says: ['--rating-max'],
  },
]

/** Every path under the work folder, with its size: what must not change. */
function contents(): string[] {
  return readdirSync(work, { recursive: true, encoding: 'utf8' }).sort()
}

async function holdsTo({ argv, status, code, says }: Row): Promise<void> {
  const before = contents()
  const people = await tacet(argv())
  expect(people.stderr).toMatch(new RegExp(`^${code}: `, 'm'))
  expect(people).toMatchObject({ status, stdout: '' })
  expect(lineCount(people.stderr)).toBeLessThanOrEqual(6)
  for (const words of says)
    expect(people.stderr).toMatch(typeof words === 'string' ? new RegExp(words.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')) : words)
  const program = await tacet([...argv(), '--json'])
  expect(program).toMatchObject({ status, stdout: '' })
  expect(errorOf(program)).toMatchObject({ code, message: expect.any(String), details: expect.any(Object) })
  expect(contents()).toEqual(before)
}

describe('refused with a clear error, and nothing written', () => {
  test.each(rows)('$what', holdsTo)
})

describe('a run folder that cannot be trusted is refused', () => {
  const whole = join(work, 'whole-run')
  beforeAll(async () => {
    const { status, stderr } = await tacet(['train', '--data', good, '--no-privacy', '--seed', '1', '--out', whole])
    expect(stderr).not.toMatch(/^internal/m)
    expect(status).toBe(0)
  })

  const damaged = (name: string, damage: (folder: string) => void) => {
    const folder = join(work, name)
    cpSync(whole, folder, { recursive: true })
    damage(folder)
    return folder
  }
  const commands = (folder: string) => [
    ['evaluate', folder],
    ['recommend', folder, '--user', '1'],
  ]

  test('a model file cut short', async () => {
    const folder = damaged('cut-model', (path) => truncateSync(join(path, 'model.safetensors'), 100))
    for (const argv of commands(folder))
      await holdsTo({ what: '', argv: () => argv, status: 3, code: 'corrupt-run', says: ['model.safetensors'] })
  })

  test('a model file with one byte changed', async () => {
    const folder = damaged('changed-model', (path) => {
      const file = join(path, 'model.safetensors')
      const bytes = readFileSync(file)
      const last = bytes.length - 1
      bytes[last] = (bytes[last] as number) ^ 0x40
      writeFileSync(file, bytes)
    })
    for (const argv of commands(folder))
      await holdsTo({ what: '', argv: () => argv, status: 3, code: 'corrupt-run', says: ['model.safetensors'] })
  })

  test('a configuration that is not JSON', async () => {
    const folder = damaged('no-json', (path) => writeFileSync(join(path, 'config.json'), '{"formatVersion": 1,'))
    for (const argv of commands(folder))
      await holdsTo({ what: '', argv: () => argv, status: 3, code: 'corrupt-run', says: ['config.json'] })
  })

  test('a run folder from a newer version', async () => {
    const folder = damaged('newer', (path) => {
      const file = join(path, 'config.json')
      writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), formatVersion: 999 }))
    })
    for (const argv of commands(folder)) await holdsTo({ what: '', argv: () => argv, status: 3, code: 'newer-run', says: ['999'] })
  })

  test('a person the run does not know', async () => {
    await holdsTo({ what: '', argv: () => ['recommend', whole, '--user', 'nobody'], status: 3, code: 'unknown-id', says: ['nobody'] })
  })

  test('a list of no items', async () => {
    await holdsTo({
      what: '',
      argv: () => ['recommend', whole, '--user', '1', '-n', '0'],
      status: 2,
      code: 'invalid-argument',
      says: ['-n is 0'],
    })
  })
})
