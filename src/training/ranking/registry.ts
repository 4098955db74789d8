/** Every ranking trainer there is, and how the settings of one are resolved. */
import { checkNumber, TacetError } from '../../errors.ts'
import { bprTrainer } from './bpr.ts'
import { contentPopularityTrainer } from './content-popularity.ts'
import { dpalsTrainer } from './dpals.ts'
import { easeTrainer } from './ease.ts'
import { ialsTrainer } from './ials.ts'
import { itemFoldInTrainer } from './item-fold-in.ts'
import { itemGramTrainer } from './item-gram.ts'
import { itemKnnTrainer } from './itemknn.ts'
import { lightGcnTrainer } from './lightgcn.ts'
import { neuMfTrainer } from './neumf.ts'
import { popularityTrainer } from './popularity.ts'
import { pureSvdTrainer } from './puresvd.ts'
import type { RankingTrainer } from './trainer.ts'
import { wideAndDeepRankingTrainer } from './wide-and-deep.ts'

export const rankingTrainers: readonly RankingTrainer[] = [
  bprTrainer,
  contentPopularityTrainer,
  dpalsTrainer,
  easeTrainer,
  ialsTrainer,
  pureSvdTrainer,
  itemFoldInTrainer,
  itemKnnTrainer,
  popularityTrainer,
  itemGramTrainer,
  lightGcnTrainer,
  neuMfTrainer,
  wideAndDeepRankingTrainer,
]

/** @throws TacetError unknown-model */
export function rankingTrainer(name: string): RankingTrainer {
  const found = rankingTrainers.find((trainer) => trainer.name === name)
  if (found === undefined)
    throw new TacetError(
      'unknown-model',
      `model "${name}" is not a ranking model; it must be one of ${rankingTrainers.map((trainer) => trainer.name).join(', ')}`,
      { details: { model: name } },
    )
  return found
}

/**
 * Defaults filled in, bounds checked.
 * @throws TacetError invalid-argument for a name the trainer does not have, or a value outside its bounds
 */
export function resolveParameters(
  trainer: Pick<RankingTrainer, 'name' | 'parameters'>,
  given: Readonly<Record<string, number>>,
): Record<string, number> {
  for (const name of Object.keys(given))
    if (!Object.hasOwn(trainer.parameters, name)) {
      const known = Object.keys(trainer.parameters)
      throw new TacetError('invalid-argument', `${trainer.name} has no parameter "${name}"`, {
        wayOut: known.length === 0 ? 'leave it out: this model has none' : `it has ${known.join(', ')}`,
        details: { parameter: name, known },
      })
    }
  return Object.fromEntries(
    Object.entries(trainer.parameters).map(([name, spec]) => {
      const { default: fallback, about: _about, ...bounds } = spec
      return [name, checkNumber(name, given[name] ?? fallback, bounds)]
    }),
  )
}
