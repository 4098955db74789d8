/** Why the rankers that hold an embedding of each person have no private form here, said the same way by each. */
import type { RankingTrainer } from './trainer.ts'

export const rowAPerson = (name: string): Pick<RankingTrainer, 'privateFor' | 'refusal'> => ({
  privateFor: [],
  refusal: {
    reason: `${name} cannot be trained privately: it holds an embedding of each person, learnt from that person's likes, and whoever gets the model gets them`,
    wayOut: 'use item-gram, dpals or item-fold-in, which hold nothing of a single person, or --no-privacy',
  },
})
