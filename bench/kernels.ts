/** Single kernels and generators, each build beside the others: for choosing and tuning. Sizes are those of the published Wide & Deep. */
import { ARENA_START, createArena, createKernels, hasWasm, type Kernels } from '../src/kernels/index.ts'
import { aesNoise } from '../src/random/index.node.ts'
import { secureRandom, seededRandom } from '../src/random/index.ts'
import { type BenchOptions, type BenchReport, type BenchRow, machine, takeTurns } from './measure.ts'

/** Parameters of the published network, rounded to whole chunks of normals. */
const PARAMETERS = 102_400
const BATCH = 512

export async function benchKernels({ smoke }: BenchOptions): Promise<BenchReport> {
  const arena = createArena()
  const words = arena.allocate((PARAMETERS / 16) * 12)
  const [parameters, gradient, first, second] = [0, 1, 2, 3].map(() => arena.allocate(PARAMETERS)) as [number, number, number, number]
  const normals = arena.allocate(2048)
  const state = arena.allocate(16)
  const [x, delta] = [arena.allocate(BATCH * 24), arena.allocate(BATCH * 64)]
  const weights = arena.allocate(24 * 64)
  const builds = (['reference', 'wasm', 'wasm-relaxed'] as const).filter((build) => build === 'reference' || hasWasm(build))

  const kernelsOf = new Map(builds.map((build) => [build, createKernels(build, arena.byteLength)] as const))
  for (const { buffer } of kernelsOf.values()) {
    const random = seededRandom(1)
    random.fillWords(new Uint32Array(buffer, words, (PARAMETERS / 16) * 12))
    const floats = new Float32Array(buffer, ARENA_START)
    for (let i = parameters / 4 - ARENA_START / 4; i < floats.length; i++) floats[i] = random.nextDouble()
  }
  const tasks: Record<string, (k: Kernels) => void> = {
    [`normals, ${PARAMETERS}`]: (k) => {
      for (let i = 0; i < PARAMETERS; i += 2048) k.normals(2048, words + i * 3, words, 24, normals)
    },
    [`ChaCha20 for ${PARAMETERS} normals`]: (k) => k.chacha20(state, words, ((PARAMETERS / 16) * 12) / 16),
    [`Adam, ${PARAMETERS} parameters`]: (k) => k.adam(PARAMETERS, parameters, gradient, first, second, 0, 0, 1, 1e-3, 0.9, 0.999, 1e-7),
    'dense forward, 512 × 24 × 64': (k) => k.denseForward(BATCH, 24, 64, x, 24, weights, state, delta, 64, 1),
    'dense gradient, 512 × 24 × 64': (k) => k.denseGradient(BATCH, 24, 64, x, 24, delta, 64, weights),
  }
  const rows: BenchRow[] = []
  for (const [name, task] of Object.entries(tasks)) {
    const contestants = Object.fromEntries(builds.map((build) => [build, () => task(kernelsOf.get(build) as Kernels)]))
    const times = takeTurns(contestants, { rounds: smoke ? 3 : 60, repeats: smoke ? 1 : 10 })
    const fastest = Math.min(...Object.values(times))
    const detail = builds.map((build) => `${build} ${((times[build] as number) * 1000).toFixed(1)} µs`).join(' · ')
    rows.push({ name, value: (times.reference as number) / fastest, unit: 'x', bar: null, detail })
  }
  const bytes = new Uint8Array(
    (kernelsOf.get(builds[builds.length - 1] as (typeof builds)[number]) as Kernels).buffer,
    words,
    (PARAMETERS / 16) * 48,
  )
  const [system, seeded] = [aesNoise(secureRandom()), aesNoise(seededRandom(1))]
  const fills = takeTurns(
    { system: () => system.fill(bytes), seeded: () => seeded.fill(bytes) },
    { rounds: smoke ? 3 : 60, repeats: smoke ? 1 : 10 },
  )
  rows.push({
    name: `AES-256 for ${PARAMETERS} normals, seeded ÷ system's`,
    value: fills.seeded / fills.system,
    unit: 'x',
    bar: null,
    detail: `${system.generator} ${(fills.system * 1000).toFixed(1)} µs · ${seeded.generator} ${(fills.seeded * 1000).toFixed(1)} µs`,
  })
  return { benchmark: 'kernels', machine: machine(), kernels: builds.join(', '), smoke, data: 'random numbers', rows }
}
