/** What every command shares: help, errors, exit status, JSON, progress. */
import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { describeFailure } from '../../src/cli/failure.ts'
import { count, duration, line, prose, significant, textTable, toJson } from '../../src/cli/output.ts'
import { createProgress } from '../../src/cli/progress.ts'
import { TacetError } from '../../src/errors.ts'
import { errorOf, lineCount, tacet } from './capture.ts'

const main = join(import.meta.dirname, '../../src/cli/main.ts')

/** The commands as `tacet --help` lists them, so that a new one cannot be forgotten here. */
async function listedCommands(group: readonly string[] = []): Promise<string[]> {
  const { stdout } = await tacet([...group, '--help'])
  const section = stdout.split(/^Commands:$/m)[1]?.split(/^\S/m)[0] ?? ''
  return [...section.matchAll(/^ {2}([a-z-]+)/gm)].map((match) => match[1] as string).filter((name) => name !== 'help')
}

describe('help', () => {
  test('tacet --help lists the commands and shows examples on stdout, exit 0', async () => {
    const { status, stdout, stderr } = await tacet(['--help'])
    expect(status).toBe(0)
    expect(stderr).toBe('')
    expect(stdout).toContain('Examples:')
    expect(await listedCommands()).toEqual(expect.arrayContaining(['account', 'data', 'train', 'evaluate', 'recommend', 'demo', 'doctor']))
  })

  test('every command, and every command of a group, shows at least two examples', async () => {
    for (const name of await listedCommands()) {
      const paths = [[name], ...(await listedCommands([name])).map((inner) => [name, inner])]
      for (const path of paths) {
        const { status, stdout } = await tacet([...path, '--help'])
        expect(status, path.join(' ')).toBe(0)
        expect([...stdout.matchAll(/^ {2}\$ tacet /gm)].length, path.join(' ')).toBeGreaterThanOrEqual(2)
        expect(stdout, path.join(' ')).toContain('--json')
      }
    }
  })

  test('tacet alone shows the help, exit 0', async () => {
    const { status, stdout, stderr } = await tacet([])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toContain('Commands:')
  })

  test('--version prints the version of package.json', async () => {
    expect((await tacet(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })
})

describe('errors', () => {
  test('an unknown command is exit 2 and suggests the one that was meant', async () => {
    const { status, stdout, stderr } = await tacet(['accout'])
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toBe("invalid-argument: unknown command 'accout'\n  Did you mean account?\n")
  })

  test('an unknown flag is exit 2 and suggests the one that was meant', async () => {
    const { status, stderr } = await tacet(['doctor', '--jsno'])
    expect(status).toBe(2)
    expect(stderr).toMatch(/^invalid-argument: unknown option '--jsno'\n {2}Did you mean --json\?\n$/)
  })

  test('with --json an error is one object on stderr, wherever the flag stands', async () => {
    for (const argv of [
      ['--json', 'nothing'],
      ['nothing', '--json'],
    ]) {
      const captured = await tacet(argv)
      expect(captured).toMatchObject({ status: 2, stdout: '' })
      expect(errorOf(captured)).toEqual({
        code: 'invalid-argument',
        message: "unknown command 'nothing'",
        wayOut: expect.any(String),
        details: {},
      })
    }
  })

  test('a message of many lines is cut to six with its way out kept', () => {
    const error = new TacetError('malformed-data', Array.from({ length: 20 }, (_, i) => `line ${i}`).join('\n'), { wayOut: 'mend it' })
    const { exitStatus, text } = describeFailure(error, { json: false, debug: false })
    expect(exitStatus).toBe(3)
    expect(lineCount(text)).toBeLessThanOrEqual(6)
    expect(text).toMatch(/^malformed-data: line 0\n/)
    expect(text).toContain('  mend it\n')
  })

  test('an unexpected error is internal, exit 1, and shows its stack only when debugging', () => {
    const bug = new TypeError('x is not a function')
    const plain = describeFailure(bug, { json: false, debug: false })
    expect(plain.exitStatus).toBe(1)
    expect(plain.text).toMatch(/^internal: x is not a function\n/)
    expect(plain.text).not.toContain('.ts:')
    expect(describeFailure(bug, { json: false, debug: true }).text).toContain('frame.test.ts:')
  })

  test('a missing file that no module named is bad data, not a bug', () => {
    const error = Object.assign(new Error("ENOENT: no such file or directory, open 'x'"), { code: 'ENOENT' })
    expect(describeFailure(error, { json: false, debug: false }).exitStatus).toBe(3)
  })
})

describe('output', () => {
  test('JSON writes infinity as "inf", NaN as null and typed arrays as arrays', () => {
    const value = { a: Infinity, b: -Infinity, c: NaN, d: Float64Array.of(0.5, Infinity), e: 1e-12 }
    expect(toJson(value)).toBe('{"a":"inf","b":"-inf","c":null,"d":[0.5,"inf"],"e":1e-12}')
  })

  test('numbers are short without losing their size', () => {
    expect([0, 0.256_891, 1234.5678, 1e-5, 0.000_123_456, Infinity, 12_345_678].map((n) => significant(n))).toEqual([
      '0',
      '0.2569',
      '1235',
      '1e-5',
      '0.0001235',
      '∞',
      '1.235e+7',
    ])
    expect(count(1_000_209)).toBe('1,000,209')
    expect([0.4, 12.34, 125, 7265].map(duration)).toEqual(['0.40 s', '12.3 s', '2 min 05 s', '2 h 01 min'])
  })

  test('prose is broken at spaces and loses its emphasis', () => {
    expect(prose('**one** two three', 8)).toEqual(['one two', 'three'])
    expect(prose('unbreakable', 3)).toEqual(['unbreakable'])
  })

  test('facts that are not there leave no gap', () => {
    expect(line('data', 'ml-100k', null, undefined, false, '943 users')).toBe('data      ml-100k · 943 users')
    expect(
      textTable(
        ['>#', 'name'],
        [
          ['1', 'a'],
          ['10', 'b'],
        ],
      ),
    ).toEqual([' #  name', ' 1  a', '10  b'])
  })
})

describe('progress', () => {
  const run = (isTTY: boolean, quiet: boolean) => {
    const stderr: string[] = []
    let clock = 0
    const sink = { write: (text: string) => void stderr.push(text), isTTY, columns: 80 }
    const io = {
      stdout: { ...sink, write: () => expect.fail('progress on stdout') },
      stderr: sink,
      env: {},
      interruptSignal: () => new AbortController().signal,
    }
    const progress = createProgress({ io, json: false, quiet }, () => clock)
    for (let done = 0; done <= 100; done++) {
      clock += 200
      progress.update('train', done, 100)
    }
    progress.end()
    return stderr.join('')
  }

  test('a log gets a line every few seconds, the last one at the end', () => {
    const lines = run(false, false).trimEnd().split('\n')
    expect(lines.length).toBeGreaterThan(2)
    expect(lines.length).toBeLessThan(8)
    expect(lines.at(-1)).toMatch(/^train 100 % · 100\/100 · 20\.0 s$/)
    expect(lines[0]).toMatch(/left$/)
  })

  test('a terminal gets one line that redraws itself and is cleared at the end', () => {
    const text = run(true, false)
    expect(text).not.toContain('\n')
    expect(text).toContain('█')
    expect(text.endsWith('\r\x1b[2K')).toBe(true)
    for (const frame of text.split('\r\x1b[2K')) expect(frame.length).toBeLessThanOrEqual(80)
  })

  test('--quiet prints nothing', () => {
    expect(run(true, true)).toBe('')
  })
})

describe('as a real process', () => {
  test('exit status, streams and shebang are those of a program', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'nothing'], { encoding: 'utf8' })
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(/^invalid-argument: /)
  })

  test('a reader that goes away early is not an error', async () => {
    const child = spawn(process.execPath, [main, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.destroy()
    let stderr = ''
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString()
    })
    const status = await new Promise((resolve) => child.on('close', resolve))
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })
})

test('doctor finds this machine sound and says what it offers', async () => {
  const { status, stdout, stderr } = await tacet(['doctor', '--json'])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const report = JSON.parse(stdout) as Record<string, unknown>
  expect(report).toMatchObject({
    ok: true,
    node: process.versions.node,
    cores: expect.any(Number),
    simd: true,
    kernels: expect.any(String),
  })
})
