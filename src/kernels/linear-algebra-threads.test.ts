import { afterAll, expect, test } from 'vitest'
import { seededRandom } from '../random/index.ts'
import { describeLinearAlgebra } from './linear-algebra.contract.ts'
import { linearAlgebra, replaceLinearAlgebra } from './linear-algebra-create.ts'
import { createThreadedLinearAlgebra } from './linear-algebra-threads.node.ts'

const threaded = await createThreadedLinearAlgebra(3, { minWork: 0, minInverse: 3 })
afterAll(() => threaded.close())

describeLinearAlgebra(threaded, 'three threads of ')

test('an error of another thread’s rows is that of one thread', () => {
  const rows = { personCount: 90, itemCount: 1, offsets: Uint32Array.from({ length: 91 }, (_, p) => p), items: new Uint32Array(90) }
  const problem = { rows, factors: Float32Array.of(1), base: Float32Array.of(0), ridge: new Float32Array(90).fill(1), dimension: 1 }
  expect(threaded.ridgeRows(problem)).toEqual(linearAlgebra().ridgeRows(problem))
  problem.ridge[80] = -5
  expect(() => threaded.ridgeRows(problem)).toThrow('is not positive definite')
  problem.ridge[80] = 1
  expect(threaded.ridgeRows(problem)).toEqual(linearAlgebra().ridgeRows(problem))
})

test('a large product is shared out, a small one is not, and both are right', async () => {
  const two = await createThreadedLinearAlgebra(2)
  const random = seededRandom(4)
  const n = 290
  const a = Float32Array.from({ length: n * n }, () => random.nextDouble())
  const shape = { rows: n, depth: n, columns: n, transposeA: true }
  expect(two.multiply(a, a, shape)).toEqual(linearAlgebra().multiply(a, a, shape))
  replaceLinearAlgebra(two)
  expect(linearAlgebra()).toBe(two)
  replaceLinearAlgebra(null)
  expect(linearAlgebra()).not.toBe(two)
  await two.close()
})
