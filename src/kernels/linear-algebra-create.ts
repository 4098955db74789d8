/** Which build of linear-algebra.ts to use. */
import { TacetError } from '../errors.ts'
import type { KernelsChoice } from './create.ts'
import type { LinearAlgebra } from './linear-algebra.ts'
import { referenceLinearAlgebra } from './linear-algebra-reference.ts'
import { createWasmLinearAlgebra } from './linear-algebra-wasm.ts'

const created = new Map<KernelsChoice, LinearAlgebra>()

let replacement: LinearAlgebra | null = null

/**
 * What `auto` is from now on in this thread: the threaded build while a program trains with several threads; null: the build of one thread again. The
 * caller closes what it put in. Models reach for the linear algebra deep inside, also after training, hence a setting and not an argument.
 */
export function replaceLinearAlgebra(algebra: LinearAlgebra | null): void {
  replacement = algebra
}

/**
 * Linear algebra over plain arrays; `auto` is the fastest build this engine accepts. The same object every time.
 * @throws TacetError invalid-argument if a build is asked for by name and this engine does not accept it
 */
export function linearAlgebra(choice: KernelsChoice = 'auto'): LinearAlgebra {
  if (choice === 'auto' && replacement !== null) return replacement
  let algebra = created.get(choice)
  if (algebra === undefined) {
    algebra = choose(choice)
    created.set(choice, algebra)
  }
  return algebra
}

function choose(choice: KernelsChoice): LinearAlgebra {
  switch (choice) {
    case 'reference':
      return referenceLinearAlgebra
    case 'wasm':
    case 'wasm-relaxed': {
      const algebra = createWasmLinearAlgebra(choice)
      if (algebra === null)
        throw new TacetError('invalid-argument', `this engine does not accept the kernels '${choice}'`, { wayOut: "Use 'auto'." })
      return algebra
    }
    case 'auto':
      return createWasmLinearAlgebra('wasm-relaxed') ?? createWasmLinearAlgebra('wasm') ?? referenceLinearAlgebra
  }
}
