/**
 * Conformance checks of trainers whose unit is a person: is one person's part of a step within the bound, does noise reach every row, is nobody's
 * vector in what is released? With the bugs that they must catch, planted by name, for the audit of the auditor.
 *
 * Probes hand out noise-free sums: the people in a scene must be synthetic.
 */
import { itemsOf, type Positives } from '../../data/index.ts'
import type { NamedTensors } from '../../models/index.ts'
import { type ClippingPolicy, type ConformanceResult, checkNoise, checkSensitivity, sensitivityOf } from '../../privacy/index.ts'
import { seededRandom } from '../../random/index.ts'
import { type ClippedBatch, createClippedSummer, noisyMean, type PersonObjective, removeDirection } from './user-dp-sgd.ts'

/** What each planted bug does, and the check that must see it. */
export const plantedPersonBugs = {
  'clipped-per-interaction': {
    check: 'sensitivity',
    what: 'every interaction is clipped to the bound by itself, so that a person moves the sum by as many bounds as they have likes',
  },
  'no-noise-on-untouched-rows': {
    check: 'noise-variance',
    what: 'rows that nobody of the batch touched get no noise, which tells that nobody touched them',
  },
  'fold-in-vectors-saved': {
    check: 'no-person-vectors',
    what: 'the vectors of the people of the training data are saved beside the items',
  },
} as const
export type PlantedPersonBug = keyof typeof plantedPersonBugs

export interface PersonScene {
  readonly objective: PersonObjective
  /** Synthetic people, at least 8, some with gradients above the bound. */
  readonly likes: Positives
  readonly clipping: ClippingPolicy
  /** Noise on the sum ÷ bound. */
  readonly noiseMultiplier: number
  readonly expectedBatchSize: number
}

/**
 * `sensitivity`, `additivity`, `stale-rows` and the five checks of noise, on the code that trains.
 * @param bug one of the first two planted bugs, in place of that code
 */
export function personConformance(scene: PersonScene, bug?: Exclude<PlantedPersonBug, 'fold-in-vectors-saved'>): ConformanceResult[] {
  const { objective, likes, clipping, noiseMultiplier, expectedBatchSize } = scene
  const bound = sensitivityOf(clipping)
  const summer = createClippedSummer(objective, clipping)
  const everybody = Uint32Array.from({ length: likes.personCount }, (_, person) => person)
  const dimension = objective.tables.reduce((sum, { rows, width }) => sum + rows * width, 0)
  const tables = objective.tables.map(({ rows, width }) => new Float64Array(rows * width))
  const flat = () => Float64Array.from(tables.flatMap((table) => [...table]))

  function sumOver(people: Uint32Array): ClippedBatch {
    summer.clear()
    for (const person of people) {
      const history = itemsOf(likes, person)
      // A person's own draws are the same in every batch: neighbours differ in the person alone.
      const own = seededRandom(person)
      if (bug !== 'clipped-per-interaction') summer.add({ history, targets: history }, bound, own)
      else for (let at = 0; at < history.length; at++) summer.add({ history, targets: history.subarray(at, at + 1) }, bound, own)
    }
    return summer.batch
  }

  const sensitivity = checkSensitivity(
    {
      sensitivity: bound,
      rows: everybody,
      largestBatch: Math.min(likes.personCount, Math.ceil(2 * expectedBatchSize)),
      clippedSum(people) {
        for (const table of tables) table.fill(0)
        sumOver(people).sum.addInto(tables)
        if (objective.projectOut) removeDirection(tables[0] as Float64Array, objective.projectOut, objective.tables[0]?.width ?? 0)
        return flat()
      },
    },
    { trials: 48, tolerance: 1e-9 },
  )
  // Judged before the projection: afterwards one direction has no noise, and needs none.
  const { projectOut: _, ...unprojected } = objective
  const sources = new Map<number, ReturnType<typeof seededRandom>>()
  const noise = checkNoise({
    dimension,
    noiseStdDev: noiseMultiplier * bound,
    batches: [new Uint32Array(0), everybody.subarray(0, 1), everybody],
    release({ attempt, rows }) {
      const random = sources.get(attempt) ?? seededRandom(1_000 + attempt)
      sources.set(attempt, random)
      const batch = sumOver(rows)
      noisyMean(unprojected, batch, { noiseOnSum: noiseMultiplier * bound, divisor: expectedBatchSize, random, into: tables })
      if (bug === 'no-noise-on-untouched-rows') {
        const touched = objective.tables.map(({ rows: count }) => new Uint8Array(count))
        batch.sum.forEach((table, row) => {
          ;(touched[table] as Uint8Array)[row] = 1
        })
        for (const [table, { rows: count, width }] of objective.tables.entries())
          for (let row = 0; row < count; row++) if (touched[table]?.[row] === 0) tables[table]?.fill(0, row * width, (row + 1) * width)
      }
      return flat().map((value) => value * expectedBatchSize)
    },
  })
  return [...sensitivity, ...noise]
}

/**
 * `no-person-vectors`: no tensor has an axis as long as there are people, and no row of any tensor is a training person's vector.
 * @param personCount an odd number of people: one that no other axis has
 * @param vectors of some people of the training data, as the model folds them in; of length 2 or more
 */
export function checkNoPersonVectors(
  parameters: NamedTensors,
  personCount: number,
  vectors: readonly ArrayLike<number>[] = [],
): ConformanceResult {
  const found: string[] = []
  for (const [name, { shape, data }] of Object.entries(parameters)) {
    if (shape.includes(personCount)) found.push(`${name} [${shape.join(' × ')}] has a row a person`)
    const width = shape.at(-1) ?? 0
    const alike = vectors.filter((vector) => vector.length === width && width > 1 && holdsRow(data, vector))
    if (alike.length > 0) found.push(`${name} holds the vectors of ${alike.length} of ${vectors.length} people`)
  }
  return {
    name: 'no-person-vectors',
    passed: found.length === 0,
    statistic: found.length,
    threshold: 0,
    falseAlarmRate: 0,
    detail: found.length === 0 ? 'no tensor has anything of a single person' : found.join('; '),
  }
}

/** Whether a row of the matrix is a multiple of the vector, to single precision. */
function holdsRow(data: Float32Array, vector: ArrayLike<number>): boolean {
  const width = vector.length
  let own = 0
  for (let c = 0; c < width; c++) own += (vector[c] as number) ** 2
  if (!(own > 0)) return false
  for (let row = 0; row + width <= data.length; row += width) {
    let [dot, square] = [0, 0]
    for (let c = 0; c < width; c++) {
      dot += (data[row + c] as number) * (vector[c] as number)
      square += (data[row + c] as number) ** 2
    }
    if (square > 0 && dot * dot >= own * square * (1 - 1e-9)) return true
  }
  return false
}

/** The third planted bug: what is released, with the fold-in vectors of people beside it. */
export function withFoldInVectors(parameters: NamedTensors, vectors: readonly Float32Array[]): NamedTensors {
  const width = vectors[0]?.length ?? 0
  const data = new Float32Array(vectors.length * width)
  for (const [at, vector] of vectors.entries()) data.set(vector, at * width)
  return { ...parameters, 'cache.vectors': { shape: [vectors.length, width], data } }
}
