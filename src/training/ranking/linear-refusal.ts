/** Why the linear models that solve with everybody's raw rows have no private form, said the same way by each. */
import { TacetError } from '../../errors.ts'
import type { RankingPrivacy, RankingTrainer } from './trainer.ts'

/** @param instead the model that releases a noisy form of what this one solves with */
export function refuseAllUnits(name: string, instead: string, reason: string): Pick<RankingTrainer, 'privateFor' | 'refusal'> {
  return {
    privateFor: [],
    refusal: {
      reason: `${name} cannot be trained privately: ${reason}, with no bound on what one person moves and no noise`,
      wayOut: `use ${instead}, its relative that is private for a whole person, or --no-privacy`,
    },
  }
}

/**
 * A trainer without a private form refuses by itself too, whoever calls it.
 * @throws TacetError unsafe-plan if privacy is asked for
 */
export function refuseUnder(privacy: RankingPrivacy | null, { name, refusal }: Pick<RankingTrainer, 'name' | 'refusal'>): void {
  if (privacy !== null)
    throw new TacetError('unsafe-plan', refusal?.reason ?? `${name} cannot be trained privately`, {
      wayOut: refusal?.wayOut ?? 'train it with --no-privacy',
      details: { model: name, unit: privacy.unit },
    })
}
