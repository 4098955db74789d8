/**
 * Trains `content-popularity`: one noisy popularity release and the public catalogue. All that people give away is in that release
 * (docs/mechanisms/dp-popularity.md); genres and years are taken as public, as the catalogue is.
 */
import { type ItemTable, itemCounts } from '../../data/index.ts'
import { TacetError } from '../../errors.ts'
import { type ContentParts, createContentPopularity } from '../../models/index.ts'
import { personMu, personOnly } from './person-budget.ts'
import { checkPersonScale } from './personal-budgets.ts'
import { releasePopularity, rowFloor } from './popularity.ts'
import { popularityLevel } from './popularity-level.ts'
import type { ParameterSpec, RankingTrainer } from './trainer.ts'

/** The fixed rule of content: chosen on MovieLens 1M validation people (decision 0013). */
export const contentParameters = {
  yearScale: { default: 8, above: 0, about: 'years apart at which likeness falls to 1/e' },
  anyGenre: { default: 0.1, above: 0, about: 'likeness of items without a common genre, beside 1 for equal genres' },
  sharpness: { default: 1.5, above: 0, about: 'exponent of the cosine of genres' },
  caution: { default: 3, atLeast: 0, about: 'likes that an average history counts beside one’s own' },
  levelPower: { default: 0.7, atLeast: 0, about: 'exponent of popularity' },
} as const satisfies Record<string, ParameterSpec>

/**
 * @param level > 0, from a release
 * @throws TacetError invalid-argument where the data has no catalogue with genres or years
 */
export function contentOf(
  model: string,
  table: ItemTable | null,
  level: Float64Array,
  parameters: Readonly<Record<string, number>>,
): ContentParts {
  const itemCount = level.length
  const genreCount = table?.genreNames.length ?? 0
  const years = Float32Array.from({ length: itemCount }, (_, item) => {
    const year = table?.years?.[item] ?? 0
    return Number.isFinite(year) ? year : 0
  })
  if (table === null || (genreCount === 0 && years.every((year) => year === 0)))
    throw new TacetError('invalid-argument', `${model} reads genres or years of a public catalogue, and this data set has none`, {
      wayOut: model === 'item-gram' ? 'Leave out --param content=1.' : 'Use --model item-gram or popularity.',
    })
  const genres = new Float32Array(itemCount * genreCount)
  for (const [item, own] of table.genres.entries()) for (const genre of own) genres[item * genreCount + genre] = 1
  const setting = (name: keyof typeof contentParameters) => parameters[name] as number
  return {
    genres,
    genreCount,
    years,
    level: Float32Array.from(level),
    settings: {
      yearScale: setting('yearScale'),
      anyGenre: setting('anyGenre'),
      sharpness: setting('sharpness'),
      caution: setting('caution'),
      levelPower: setting('levelPower'),
    },
  }
}

export const contentPopularityTrainer: RankingTrainer = {
  name: 'content-popularity',
  about: 'popularity times likeness of genres and years to the person’s own history (private: only popularity is learnt from people)',
  parameters: { rowFloor, ...contentParameters },
  privateFor: ['user'],
  scalesPeople: true,
  refusal: personOnly('content-popularity'),
  plan: ({ privacy }) => [{ kind: 'gaussian', noiseMultiplier: 1 / personMu('content-popularity', privacy) }],
  fit({ positives, itemTable, parameters, privacy, random, spend, release, personScale }) {
    checkPersonScale('content-popularity', personScale, positives.personCount, privacy)
    // Refused before anything is spent.
    contentOf('content-popularity', itemTable, new Float64Array(positives.itemCount).fill(1), parameters)
    const mu = privacy === null ? Number.POSITIVE_INFINITY : personMu('content-popularity', privacy)
    const popularity =
      privacy === null
        ? Float64Array.from(itemCounts(positives))
        : releasePopularity(positives, { mu, floor: parameters['rowFloor'] as number, random, spend, release, personScale })
    const level = popularityLevel(popularity, 1 / mu)
    return createContentPopularity(Float32Array.from(popularity), contentOf('content-popularity', itemTable, level, parameters))
  },
}
