/**
 * Where canaries live: a Wide & Deep network of a run's shape with, for each canary, an item of its own and a bag of embedding rows of its own
 * straight into the output. Such a rating's clipped gradient lies almost wholly in parameters that nobody else touches, so whether it was there
 * is as visible as the mechanism allows. Extending the public catalogue changes nothing in the mechanism under audit.
 */
import type { AttributeColumn } from '../data/index.ts'
import type { FeatureColumn, MultiValuedColumn, WideAndDeepConfig, WideAndDeepData } from '../models/index.ts'
import { type PrivatePlan, sensitivityOf } from '../privacy/index.ts'
import type { RandomSource } from '../random/index.ts'
import type { StepEngine } from '../training/index.ts'
import type { RatingColumns } from './dp-sgd-audit.ts'

const FEATURE = 'canary'
const DIMENSIONS = 4
/** Rows of a canary's bag: its exclusive gradient grows with the root of this, the shared part does not. */
const BAG_ROWS = 16

export interface CanaryScene {
  readonly config: WideAndDeepConfig
  readonly data: WideAndDeepData
  readonly canaries: RatingColumns
  readonly exclusive: (engine: StepEngine, canary: number) => readonly (readonly [offset: number, length: number])[]
  /** The clipping of a plan for the network without canaries, for the one with them. */
  readonly clippingOf: (clipping: PrivatePlan['clipping']) => PrivatePlan['clipping']
  /** Parameters at which a canary's gradient lies almost wholly in its own rows. */
  readonly prepare: (engine: StepEngine) => void
}

/**
 * @param count canaries, each one more item of the catalogue
 * @param ratingScale public bounds: a canary rates at the end farther from where the untrained network starts
 */
export function canaryScene({
  config,
  data,
  ratingScale,
  count,
  random,
}: {
  config: WideAndDeepConfig
  data: WideAndDeepData
  ratingScale: { readonly min: number; readonly max: number }
  count: number
  random: RandomSource
}): CanaryScene {
  const itemCount = data.itemCount + count
  const bag: MultiValuedColumn = {
    name: FEATURE,
    kind: 'multi-valued',
    offsets: Uint32Array.from({ length: itemCount + 1 }, (_, item) => Math.max(0, item - data.itemCount) * BAG_ROWS),
    indices: Uint32Array.from({ length: count * BAG_ROWS }, (_, i) => i),
    categories: Array.from({ length: count * BAG_ROWS }, (_, i) => `${FEATURE} ${i}`),
  }
  const start = config.initialOutputBias
  const rating = Math.abs(ratingScale.max - start) >= Math.abs(ratingScale.min - start) ? ratingScale.max : ratingScale.min
  return {
    config: {
      ...config,
      categorical: [
        ...config.categorical,
        {
          name: FEATURE,
          of: 'item-attribute',
          dimensions: DIMENSIONS,
          combine: 'sum',
          part: config.parts === 'deep' ? 'deep' : 'wide',
        },
      ],
    },
    data: { ...data, itemCount, itemFeatures: [...data.itemFeatures.map((column) => extended(column, count)), bag] },
    canaries: {
      users: Uint32Array.from({ length: count }, () => Math.floor(random.nextDouble() * data.userCount)),
      items: Uint32Array.from({ length: count }, (_, i) => data.itemCount + i),
      ratings: new Float32Array(count).fill(rating),
    },
    clippingOf(clipping) {
      if (clipping.kind !== 'per-block') return clipping
      // The canaries' table is one more block, behind the other tables. Its bound outweighs the others, so that a canary may use the sensitivity.
      const inPart = config.categorical.filter(({ part = 'deep' }) => config.parts === 'joint' || config.parts === part)
      const tables = new Set(inPart.map(({ name, table }) => table ?? name)).size
      const bounds = clipping.maxGradNorms
      return { kind: 'per-block', maxGradNorms: [...bounds.slice(0, tables), 5 * sensitivityOf(clipping), ...bounds.slice(tables)] }
    },
    prepare(engine) {
      // A silent tower and large output weights leave the error two ways to go: the output bias, and the canary's own rows.
      if (config.parts === 'deep') return
      for (const { name, offset, shape } of engine.blocks) {
        const block = engine.parameters.subarray(offset, offset + shape.reduce((product, size) => product * size, 1))
        if (name === 'output.weights') for (let i = 0; i < block.length; i++) block[i]! *= 8
        else if (name !== 'output.bias') block.fill(0)
      }
    },
    exclusive(engine, canary) {
      return engine.blocks.flatMap(({ name, offset, shape }) => {
        const width = shape[1] as number
        if (name === `embedding.${FEATURE}`) return [[offset + canary * BAG_ROWS * width, BAG_ROWS * width] as const]
        if (name === 'embedding.item') return [[offset + (data.itemCount + canary) * width, width] as const]
        return []
      })
    },
  }
}

/** A canary has no attributes of its own: unknown values, empty bags. */
function extended(column: FeatureColumn, count: number): FeatureColumn {
  if (column.kind === 'multi-valued') {
    const offsets = new Uint32Array(column.offsets.length + count).fill(column.offsets.at(-1) as number)
    offsets.set(column.offsets)
    return { ...column, offsets }
  }
  const values = new Float32Array(column.values.length + count).fill(Number.NaN)
  values.set(column.values)
  return { ...column, values } satisfies AttributeColumn
}
