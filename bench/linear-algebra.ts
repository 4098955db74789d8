/**
 * Linear algebra: the WASM build beside the plain one, the sizes that the linear models need, and how far single precision is from doubles on the
 * matrix that EASE inverts. Random matrices and likes of MovieLens 1M's shape; the figure of accuracy takes its likes where they are present.
 */
import { readDataset } from '../src/data/index.node.ts'
import { itemCounts, type Positives, positivesFrom } from '../src/data/index.ts'
import { createThreadedLinearAlgebra } from '../src/kernels/index.node.ts'
import { largestEigenpairs, linearAlgebra } from '../src/kernels/index.ts'
import { seededRandom } from '../src/random/index.ts'
import { type BenchOptions, type BenchReport, type BenchRow, cpuMs, machine, takeTurns } from './measure.ts'
import { movieLensPath } from './movielens.ts'

export async function benchLinearAlgebra({ smoke }: BenchOptions): Promise<BenchReport> {
  const wasm = linearAlgebra()
  const plain = linearAlgebra('reference')
  const random = seededRandom(1)
  const rounds = smoke ? 1 : 5
  const uniform = (length: number) => Float32Array.from({ length }, () => random.nextDouble() - 0.5)
  const symmetric = (n: number) => {
    const out = uniform(n * n)
    for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) out[j * n + i] = out[i * n + j] as number
    return out
  }
  const once = (work: () => void): number => {
    const start = cpuMs()
    work()
    return cpuMs() - start
  }
  const rows: BenchRow[] = []
  const ratio = (name: string, small: { plain: () => void; wasm: () => void }) => {
    const found = takeTurns(small, { rounds })
    rows.push({
      name: `plain ÷ WASM, ${name}`,
      value: found.plain / found.wasm,
      unit: 'x',
      bar: null,
      detail: `${found.plain.toFixed(1)} → ${found.wasm.toFixed(1)} ms`,
    })
  }
  const timed = (name: string, atMost: number | null, work: () => void, detail = () => '') => {
    const { it } = takeTurns({ it: work }, { rounds: smoke ? 1 : 3 })
    rows.push({ name, value: it / 1000, unit: ' s', bar: atMost === null ? null : { at: 'most', value: atMost }, detail: detail() })
  }

  const n = smoke ? 60 : 500
  const square = { rows: n, depth: n, columns: n }
  const [a, b] = [uniform(n * n), uniform(n * n)]
  ratio(`product, ${n} rows`, { plain: () => plain.multiply(a, b, square), wasm: () => wasm.multiply(a, b, square) })
  const definite = wasm.multiply(a, a, { ...square, transposeB: true })
  for (let i = 0; i < n; i++) (definite[i * n + i] as number) += 30
  ratio(`inverse, ${n} rows`, {
    plain: () => plain.invertPositiveDefinite(definite, n),
    wasm: () => wasm.invertPositiveDefinite(definite, n),
  })
  const wigner = symmetric(n)
  ratio(`eigenpairs, 50 of ${n}`, { plain: () => plain.topEigenpairs(wigner, n, 50), wasm: () => wasm.topEigenpairs(wigner, n, 50) })

  const likes = await positives(smoke)
  const { personCount, itemCount } = likes.matrix
  const dimension = smoke ? 8 : 64
  const ridge = {
    rows: likes.matrix,
    factors: uniform(itemCount * dimension),
    base: new Float32Array(dimension * dimension),
    ridge: new Float32Array(personCount).fill(1),
    dimension,
  }
  ratio(`ridge rows, d = ${dimension}, ${personCount} people`, { plain: () => plain.ridgeRows(ridge), wasm: () => wasm.ridgeRows(ridge) })

  const large = smoke ? 100 : 2_000
  const [c, d] = [uniform(large * large), uniform(large * large)]
  const product = takeTurns(
    { it: () => void wasm.multiply(c, d, { rows: large, depth: large, columns: large }) },
    { rounds: smoke ? 1 : 3 },
  )
  rows.push({
    name: `product, ${large} rows`,
    value: (2 * large ** 3) / product.it / 1e6,
    unit: ' GF/s',
    bar: null,
    detail: `${product.it.toFixed(0)} ms, copies included`,
  })
  const gram = wasm.gramMatrix({ ...likes.matrix })
  const lambda = 500
  const whole = gram.slice()
  for (let i = 0; i < itemCount; i++) (whole[i * itemCount + i] as number) += lambda
  timed(`Gram matrix, ${itemCount} items`, null, () => void wasm.gramMatrix(likes.matrix))
  timed(`inverse, ${itemCount} rows`, smoke ? null : 15, () => void wasm.invertPositiveDefinite(whole, itemCount))
  const eigen = smoke ? 80 : 2_500
  const wide = symmetric(eigen)
  timed(`eigenpairs, ${smoke ? 10 : 400} of ${eigen}`, smoke ? null : 20, () => void wasm.topEigenpairs(wide, eigen, smoke ? 10 : 400))
  timed(`eigenpairs, all of ${eigen}`, smoke ? null : 20, () => void wasm.topEigenpairs(wide, eigen, eigen))
  const pairs = smoke ? 4 : 64
  let applications = 0
  timed(
    `largest ${pairs} eigenpairs of ${itemCount} items by Krylov space`,
    null,
    () => {
      applications = 0
      largestEigenpairs(
        wasm,
        (block, width) => {
          applications++
          return wasm.multiply(gram, block, { rows: itemCount, depth: itemCount, columns: width })
        },
        itemCount,
        pairs,
        { tolerance: 1e-4 },
      )
    },
    () => `${applications} applications`,
  )

  const two = await createThreadedLinearAlgebra(2)
  const threads = (name: string, work: (algebra: typeof wasm) => void) => {
    const found = takeTurns({ one: () => work(wasm), two: () => work(two) }, { rounds: smoke ? 1 : 7, clock: () => performance.now() })
    rows.push({
      name: `one thread ÷ two, ${name}`,
      value: found.one / found.two,
      unit: 'x',
      bar: null,
      detail: `${found.one.toFixed(0)} → ${found.two.toFixed(0)} ms, wall clock`,
    })
  }
  threads(`inverse, ${itemCount} rows`, (algebra) => algebra.invertPositiveDefinite(whole, itemCount))
  threads(`ridge rows, d = ${dimension}`, (algebra) => algebra.ridgeRows(ridge))
  await two.close()

  // How far EASE's weights are from those that doubles give, on the most popular items (in doubles all of them would take minutes).
  const head = smoke ? 30 : 1_000
  const counts = itemCounts(likes.matrix)
  const popular = [...counts.keys()].sort((x, y) => (counts[y] as number) - (counts[x] as number)).slice(0, head)
  const part = new Float32Array(head * head)
  for (const [i, x] of popular.entries()) for (const [j, y] of popular.entries()) part[i * head + j] = whole[x * itemCount + y] as number
  let inverses: readonly Float32Array[] = []
  const spent = once(() => {
    inverses = [wasm.invertPositiveDefinite(part, head), plain.invertPositiveDefinite(part, head)]
  })
  const [single, double] = inverses as [Float32Array, Float32Array]
  let [size, worst] = [0, 0]
  for (let i = 0; i < head; i++)
    for (let j = 0; j < head; j++) {
      if (i === j) continue
      const weight = (inverse: Float32Array) => -(inverse[j * head + i] as number) / (inverse[i * head + i] as number)
      size = Math.max(size, Math.abs(weight(double)))
      worst = Math.max(worst, Math.abs(weight(single) - weight(double)))
    }
  rows.push({
    name: `single against doubles: EASE weights of ${head} items`,
    value: (worst / size) * 1e6,
    unit: 'e-6',
    bar: { at: 'most', value: 100 },
    detail: `largest difference ÷ largest weight, λ = ${lambda} (${(spent / 1000).toFixed(1)} s)`,
  })

  return { benchmark: 'linear-algebra', machine: machine(), kernels: wasm.name, smoke, data: likes.name, rows }
}

/** Ratings ≥ 4 of MovieLens 1M, or random likes of a like shape. */
async function positives(smoke: boolean): Promise<{ readonly matrix: Positives; readonly name: string }> {
  const path = smoke ? null : movieLensPath()
  if (path !== null) {
    const data = await readDataset(path)
    const lists: number[][] = Array.from({ length: data.userIds.length }, () => [])
    for (const [row, value] of data.values.entries())
      if (value >= 4) (lists[data.users[row] as number] as number[]).push(data.items[row] as number)
    return { matrix: positivesFrom(lists, data.itemIds.length), name: 'likes (≥ 4) of ml-1m' }
  }
  const random = seededRandom(2)
  const [people, items] = smoke ? [200, 90] : [6_040, 3_706]
  const matrix = positivesFrom(
    Array.from({ length: people }, () => [
      ...new Set(Array.from({ length: smoke ? 10 : 110 }, () => Math.floor(items * random.nextDouble() ** 2.5))),
    ]),
    items,
  )
  return { matrix, name: `random likes, ${people} × ${items}` }
}
