/** Which build of linear-algebra.ts to use, and what is built on top of either. */
import type { LinearAlgebra } from './linear-algebra.ts'
import { referenceLinearAlgebra } from './linear-algebra-reference.ts'

/** Linear algebra over plain arrays. */
export function linearAlgebra(): LinearAlgebra {
  return referenceLinearAlgebra
}
