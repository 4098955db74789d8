/**
 * Trains `puresvd`: the leading right singular vectors of the 0/1 matrix, as eigenvectors of XᵀX that is never formed (two sparse products an
 * application). Refused under privacy.
 */
import { transposed } from '../../data/index.ts'
import { checkNumber } from '../../errors.ts'
import { largestEigenpairs, linearAlgebra } from '../../kernels/index.ts'
import { createPureSvd } from '../../models/index.ts'
import { refuseAllUnits, refuseUnder } from './linear-refusal.ts'
import type { RankingTrainer } from './trainer.ts'

export const pureSvdTrainer: RankingTrainer = {
  name: 'puresvd',
  about: 'the matrix of likes projected on its leading singular vectors (PureSVD)',
  parameters: {
    dimension: {
      default: 32,
      atLeast: 1,
      atMost: 512,
      integer: true,
      about: 'singular vectors kept; never more than half the people or items',
    },
  },
  ...refuseAllUnits('puresvd', 'item-gram', 'its vectors are those of the exact matrix of who likes what'),
  fit({ positives, parameters, privacy }) {
    refuseUnder(privacy, pureSvdTrainer)
    const { personCount, itemCount } = positives
    checkNumber('people and items', Math.min(personCount, itemCount), { atLeast: 1 })
    // All the vectors would give back the matrix itself, which recommends nothing.
    const dimension = Math.max(1, Math.min(parameters['dimension'] as number, Math.floor(Math.min(personCount, itemCount) / 2)))
    const algebra = linearAlgebra()
    const byItem = transposed(positives)
    const { vectors } = largestEigenpairs(
      algebra,
      (block, width) => algebra.multiplySparse(byItem, algebra.multiplySparse(positives, block, width), width),
      itemCount,
      dimension,
      { tolerance: 1e-4 },
    )
    const itemFactors = new Float32Array(itemCount * dimension)
    for (let k = 0; k < dimension; k++)
      for (let item = 0; item < itemCount; item++) itemFactors[item * dimension + k] = vectors[k * itemCount + item] as number
    return createPureSvd(
      { shape: [itemCount, dimension], data: itemFactors },
      { shape: [personCount, dimension], data: algebra.multiplySparse(positives, itemFactors, dimension) },
    )
  },
}
