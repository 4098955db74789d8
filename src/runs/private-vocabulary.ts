/**
 * `--private-vocabulary`: which ids a run may name at all, where they are read off the interactions and not off a public table. Every id is named or
 * not by its noisy number of training rows (privacy/partition-selection.ts), items and people apart, inside the run's ε. All ids that are not named
 * share one row of the model, `unnamedId`: their ratings train it, and whoever asks for one of them, or for an id nobody ever saw, gets it. A rating
 * still lies in one row of the model a side, whatever its ids, so its price in training is the same.
 *
 * One rating counts for one item and one person, so it is protected in both choices. A whole person is not: somebody with many ratings is named
 * almost surely, and their price says so (`namesForPerson`). Pure; the journal and the files are train.node.ts's.
 */
import { compareIds, type Interactions, type Split } from '../data/index.ts'
import { TacetError } from '../errors.ts'
import {
  calibrate,
  gaussianEpsilon,
  gaussianMu,
  namingChance,
  type PartitionSelectionPlan,
  type PrivacyEvent,
  partitionSelectionEvent,
  planPartitionSelection,
  type Spend,
  selectPartitions,
} from '../privacy/index.ts'
import type { RandomSource } from '../random/index.ts'
import type { RecipeOverrides } from '../training/index.ts'
import { alignToVocabulary, unnamedId, type Vocabulary } from './vocabulary.ts'

export type NamedKind = 'items' | 'users'

/** `config.privateVocabulary`: how the ids are chosen, fixed before a row is looked at. */
export interface PrivateVocabulary {
  /** Null where a public table names them. */
  readonly items: PartitionSelectionPlan | null
  readonly users: PartitionSelectionPlan | null
  /** bias-factors: the ε of its stages alone, such that with the choices the run costs its ε. Null for Wide & Deep, whose plan says it. */
  readonly stagesEpsilon: number | null
  /** Wide & Deep: what was asked of the recipe, whose rates depend on how many items are named. */
  readonly overrides: RecipeOverrides
}

/**
 * Part of the budget that goes to naming: a tenth of μ² and a tenth of δ, halved where items and people are both chosen. In μ² because Gaussian
 * releases add up there: a tenth of it costs training 5 % of its μ.
 */
export const vocabularyShare = 0.1

/**
 * Plans the choices for what `data` reads off its interactions.
 * @param budget ε and δ of the whole run
 * @throws TacetError invalid-argument if public tables name everybody and everything already
 */
export function planChoices(
  data: Pick<Interactions, 'name' | 'vocabulary'>,
  { epsilon, delta }: { readonly epsilon: number; readonly delta: number },
): Pick<PrivateVocabulary, NamedKind> {
  const open = (['items', 'users'] as const).filter((kind) => data.vocabulary[kind] === 'from-interactions')
  if (open.length === 0)
    throw new TacetError(
      'invalid-argument',
      `${data.name} has public tables of its people and items: there are no ids to choose privately`,
      {
        wayOut: 'leave out --private-vocabulary',
      },
    )
  const share = vocabularyShare / open.length
  const plan = planPartitionSelection({
    privacyUnit: 'rating',
    sigma: 1 / (gaussianMu({ epsilon, delta }) * Math.sqrt(share)),
    // The other half of δ's share is left to the noise on the counts, as everywhere a Gaussian meets a δ.
    thresholdDelta: (share * delta) / 2,
  })
  return { items: open.includes('items') ? plan : null, users: open.includes('users') ? plan : null }
}

/** What the choices cost one rating; one event a choice. */
export const choiceEvents = (choices: Pick<PrivateVocabulary, NamedKind>): PrivacyEvent[] =>
  [choices.items, choices.users].flatMap((plan) => (plan ? [partitionSelectionEvent(plan)] : []))

/** The ε of Gaussian stages beside which the choices fit into the run's, by the PLD accountant. @throws TacetError not-calibratable */
export function epsilonLeftForStages(
  choices: Pick<PrivateVocabulary, NamedKind>,
  { epsilon, delta }: { readonly epsilon: number; readonly delta: number },
): number {
  const beside = choiceEvents(choices)
  const { value } = calibrate({
    make: (noiseMultiplier) => ({ kind: 'composed', events: [...beside, { kind: 'gaussian', noiseMultiplier }] }),
    epsilon,
    delta,
  })
  return gaussianEpsilon({ mu: 1 / value, delta })
}

/**
 * A choice as a release about one person with `ratings` training ratings of different items: their items' counts move by one each. Their own id
 * is theirs alone, so its choice tells with the chance that so many ratings are named, which is nearly 1 for most people.
 */
export function namesForPerson(kind: NamedKind, plan: PartitionSelectionPlan, ratings: number): PrivacyEvent {
  if (kind === 'users') return { kind: 'approximate', epsilon: 0, delta: namingChance(plan, ratings) }
  const delta = Math.min(1, -Math.expm1(ratings * Math.log1p(-plan.thresholdDelta)) * (1 + 1e-12))
  return {
    kind: 'composed',
    events: [
      { kind: 'repeated', times: ratings, event: { kind: 'discrete-gaussian', sigma: plan.sigma, sensitivity: 1 } },
      { kind: 'approximate', epsilon: 0, delta },
    ],
  }
}

/**
 * Chooses the ids by the training rows. Spends a choice before its noise is drawn.
 * @returns ids in an order of their own, the row for everything unnamed last; a public table as it is
 * @throws whatever `spend` throws
 */
export function chooseVocabulary(
  choices: Pick<PrivateVocabulary, NamedKind>,
  data: Interactions,
  split: Split,
  { random, spend }: { readonly random: RandomSource; readonly spend: (kind: NamedKind, event: Parameters<Spend>[0]) => void },
): Vocabulary {
  const chosen = (kind: NamedKind, plan: PartitionSelectionPlan | null, column: Uint32Array, ids: readonly string[]): readonly string[] => {
    if (plan === null) return ids
    const rows = Uint32Array.from(split.train, (row) => column[row] as number)
    const named = selectPartitions({ partitions: rows, partitionCount: ids.length }, plan, {
      random: random.split(kind),
      spend: (event) => spend(kind, event),
    })
    return [...Array.from(named, (index) => ids[index] as string).sort(compareIds), unnamedId]
  }
  return {
    itemIds: chosen('items', choices.items, data.items, data.itemIds),
    userIds: chosen('users', choices.users, data.users, data.userIds),
  }
}

/**
 * The data set as the run may know it: the same rows, with all ids that were not named on the unnamed row.
 * @throws TacetError empty-data if a choice named nothing
 */
export function restrictToVocabulary(data: Interactions, vocabulary: Vocabulary): Interactions {
  const [users, items] = [namedCount(vocabulary.userIds), namedCount(vocabulary.itemIds)]
  if (users === 0 || items === 0)
    throw new TacetError('empty-data', `no ${items === 0 ? 'item' : 'person'} of ${data.name} has enough ratings to be named at this ε`, {
      wayOut: 'start a new run with a higher --epsilon, or with a public table of ids; what this one spent stays spent',
    })
  return alignToVocabulary(data, vocabulary)
}

/** How many of `ids` are names. */
export const namedCount = (ids: readonly string[]): number => (ids.at(-1) === unnamedId ? ids.length - 1 : ids.length)
