/**
 * `tacet doctor`: what this machine offers, and whether Tacet computes rightly on it. The kernel self-test compares the build in use with the
 * plain reference on a small layer and on published ChaCha20 output; the full comparison is the kernels' contract suite. Writes nothing.
 */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { availableParallelism, freemem, totalmem } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { TacetError } from '../../errors.ts'
import type { KernelsName } from '../../kernels/index.ts'
import { examples } from '../flags.ts'
import type { CommandContext } from '../io.ts'
import { line, printResult, under } from '../output.ts'

interface Check {
  readonly name: string
  readonly ok: boolean
  readonly found: string
}

interface DoctorReport {
  readonly ok: boolean
  readonly node: string
  readonly platform: string
  readonly cores: number
  readonly memoryMb: number
  readonly freeMemoryMb: number
  readonly simd: boolean
  readonly relaxedSimd: boolean
  readonly kernels: KernelsName
  readonly randomness: string
  readonly dataFolder: string | null
  readonly dataSets: readonly string[]
  readonly checks: readonly Check[]
}

export function addDoctorCommand(program: Command, contextOf: () => CommandContext): void {
  program
    .command('doctor')
    .description('Tell what this machine offers, and whether the kernels are right on it')
    .addHelpText('after', examples('tacet doctor', 'tacet doctor --json'))
    .action(async () => {
      const context = contextOf()
      const report = await examine(context.io.env)
      printResult(context, report, describe(report))
      const bad = report.checks.filter(({ ok }) => !ok)
      if (bad.length > 0) {
        throw new TacetError('check-failed', bad.map(({ name, found }) => `${name}: ${found}`).join('; '), {
          wayOut: 'Do not train for release on this machine until this is mended',
          details: { failed: bad.map(({ name }) => name) },
        })
      }
    })
}

async function examine(env: CommandContext['io']['env']): Promise<DoctorReport> {
  const node = process.versions.node
  const kernels = await kernelSelfTest()
  const randomness = await randomnessSelfTest()
  const nodeCheck: Check = { name: 'node', ok: newEnough(node), found: `${node}, needs 22.12 or later` }
  const dataFolder = findDataFolder(env.TACET_DATA)
  const checks = [nodeCheck, ...kernels.checks, randomness]
  return {
    ok: checks.every(({ ok }) => ok),
    node,
    platform: `${process.platform}-${process.arch}`,
    cores: availableParallelism(),
    memoryMb: Math.round(totalmem() / 2 ** 20),
    freeMemoryMb: Math.round(freemem() / 2 ** 20),
    simd: WebAssembly.validate(simdProbe),
    relaxedSimd: WebAssembly.validate(relaxedSimdProbe),
    kernels: kernels.name,
    randomness: 'operating system, through ChaCha20 with fast key erasure',
    dataFolder,
    dataSets: dataFolder ? await recognisedIn(dataFolder) : [],
    checks,
  }
}

function newEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 22 || (major === 22 && minor >= 12)
}

/** The smallest modules that use one instruction of each proposal. */
const simdProbe = Uint8Array.of(
  0,
  97,
  115,
  109,
  1,
  0,
  0,
  0,
  1,
  5,
  1,
  96,
  0,
  1,
  123,
  3,
  2,
  1,
  0,
  10,
  10,
  1,
  8,
  0,
  65,
  0,
  253,
  15,
  253,
  98,
  11,
)
const relaxedSimdProbe = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0],
  ...[10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11],
)

async function kernelSelfTest(): Promise<{ name: KernelsName; checks: Check[] }> {
  const { createArena, createKernels } = await import('../../kernels/index.ts')
  const { seededRandom } = await import('../../random/index.ts')
  // 5 rows: not a multiple of any vector length, so a kernel that takes in a stale row shows.
  const [rows, inWidth, outWidth] = [5, 7, 8]
  const arena = createArena()
  const [x, weights, bias, out] = [rows * inWidth, inWidth * outWidth, outWidth, (rows + 3) * outWidth].map((n) => arena.allocate(n)) as [
    number,
    number,
    number,
    number,
  ]
  const [state, keystream] = [arena.allocate(16), arena.allocate(16)]
  const run = (choice: 'auto' | 'reference') => {
    const kernels = createKernels(choice, arena.byteLength)
    const floats = new Float32Array(kernels.buffer)
    const random = seededRandom(1)
    for (const [at, length] of [
      [x, rows * inWidth],
      [weights, inWidth * outWidth],
      [bias, outWidth],
    ] as const) {
      for (let i = 0; i < length; i++) floats[at / 4 + i] = random.nextDouble() - 0.5
    }
    kernels.denseForward(rows, inWidth, outWidth, x, inWidth, weights, bias, out, outWidth, 0)
    const words = new Uint32Array(kernels.buffer)
    words.set(rfc8439State, state / 4)
    kernels.chacha20(state, keystream, 1)
    return { name: kernels.name, layer: floats.slice(out / 4, out / 4 + (rows + 3) * outWidth), first: words[keystream / 4] ?? 0 }
  }
  const reference = run('reference')
  const fast = run('auto')
  const difference = Math.max(...fast.layer.map((value, i) => Math.abs(value - (reference.layer[i] ?? Number.NaN))))
  return {
    name: fast.name,
    checks: [
      { name: 'kernels', ok: difference <= 1e-5, found: `${fast.name} differs from the reference by ${difference.toExponential(1)}` },
      {
        name: 'chacha20',
        ok: fast.first === rfc8439FirstWord && reference.first === rfc8439FirstWord,
        found: fast.first === rfc8439FirstWord ? 'agrees with RFC 8439' : 'does not agree with RFC 8439: noise would not be what it claims',
      },
    ],
  }
}

/** RFC 8439, section 2.3.2: key 00…1f, block counter 1, nonce 00 00 00 09 00 00 00 4a 00 00 00 00; the first word of the block. */
const rfc8439State = Uint32Array.of(
  ...[0x61707865, 0x3320646e, 0x79622d32, 0x6b206574],
  ...[0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c, 0x13121110, 0x17161514, 0x1b1a1918, 0x1f1e1d1c],
  ...[0x00000001, 0x09000000, 0x4a000000, 0x00000000],
)
const rfc8439FirstWord = 0xe4e7f110

async function randomnessSelfTest(): Promise<Check> {
  const { secureRandom } = await import('../../random/index.ts')
  const draws = [secureRandom(), secureRandom()].map((source) => {
    const words = new Uint32Array(1024)
    source.fillWords(words)
    return { kind: source.kind, words }
  })
  const same = draws[0]?.words.every((word, i) => word === draws[1]?.words[i])
  let bits = 0
  for (const { words } of draws) for (const word of words) bits += word.toString(2).replaceAll('0', '').length
  // 65,536 fair bits: standard deviation 128, so a sound generator fails this once in about 10¹⁵ runs (8 standard deviations).
  const ok = draws.every(({ kind }) => kind === 'csprng') && !same && Math.abs(bits - 32_768) < 8 * 128
  return {
    name: 'randomness',
    ok,
    found: ok ? 'two sources are independent and balanced' : 'the secure source repeats itself or is biased',
  }
}

/** TACET_DATA, or `shared/data` beside the working folder, as the tests look for it. */
function findDataFolder(fromEnvironment: string | undefined): string | null {
  return [fromEnvironment, join('..', 'shared', 'data')].find((path) => path && existsSync(path) && statSync(path).isDirectory()) ?? null
}

async function recognisedIn(folder: string): Promise<string[]> {
  const { detectFormat } = await import('../../data/index.node.ts')
  return readdirSync(folder)
    .sort()
    .filter((name) => statSync(join(folder, name)).isDirectory())
    .flatMap((name) => {
      try {
        return [`${name} (${detectFormat(join(folder, name))})`]
      } catch {
        return [] // not a data set: nothing to report
      }
    })
}

function describe(report: DoctorReport): string[] {
  return [
    line('machine', `${report.platform}`, `${report.cores} cores`, `${report.memoryMb} MB, ${report.freeMemoryMb} MB free`),
    line('node', report.node),
    line(
      'simd',
      report.simd ? 'yes' : 'no: the plain reference is used',
      `relaxed ${report.relaxedSimd ? 'yes' : 'no'}`,
      `kernels ${report.kernels}`,
    ),
    line('random', report.randomness),
    line('data', report.dataFolder ?? 'no data folder found; set TACET_DATA to one, or let tacet demo make some up'),
    ...(report.dataSets.length > 0 ? [under(...report.dataSets)] : []),
    ...report.checks.map(({ name, ok, found }) => line(ok ? 'ok' : 'FAILED', name, found)),
  ]
}
