import { expect, test } from 'vitest'
import { describeRankingKernels } from './ranking.contract.ts'
import { createRankingKernels, wasmRankingKernels } from './ranking.ts'
import { referenceRankingKernels } from './ranking-reference.ts'

const builds = (['wasm', 'wasm-relaxed'] as const).filter((build) => wasmRankingKernels(build, 65536) !== null)

describeRankingKernels('reference', referenceRankingKernels)
for (const build of builds)
  describeRankingKernels(build, (byteLength) => wasmRankingKernels(build, byteLength) as NonNullable<ReturnType<typeof wasmRankingKernels>>)

test('the fastest build that this engine accepts is taken', () => {
  expect(createRankingKernels(65536).name).toBe(builds.at(-1) ?? 'reference')
})
