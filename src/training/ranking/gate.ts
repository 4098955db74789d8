/**
 * The gate: does a private model beat private popularity? Asked of people kept out of training, answered by one noisy number, so that the choice
 * between the two models is a release like any other (a choice costs what it looked at). Pure: who is kept out and which model is saved is the
 * run's business. docs/mechanisms/gate.md has the proof and the chance of a wrong answer.
 *
 * Where it stops being safe: the differences must be of people on whom neither model was trained and nothing was tuned, one figure a person. Noise
 * is floating-point (privacy/mechanisms/gaussian.ts).
 */
import { checkNumber, TacetError } from '../../errors.ts'
import { createPopularity, type Ranker } from '../../models/index.ts'
import { gaussianDelta, gaussianMu, type PrivacyEvent, releaseGaussian, type Spend } from '../../privacy/index.ts'
import type { RandomSource } from '../../random/index.ts'

/** Share of μ² that the comparison gets, inside the stated ε. */
export const gateShare = 0.02
/** Share of μ² for the baseline's own release, where popularity is not a stage of the model. */
export const baselineShare = 0.1
/**
 * A difference in a person's NDCG beyond this counts as this. Small: most of a person's say is which model serves them better, hardly by how much,
 * so that few people outvote the noise; not 0, so that a difference of nothing has no vote.
 */
export const gateClip = 0.05

/** Models that release popularity themselves and carry it as the tensor `popularity`. */
const popularityIsAStage = ['content-popularity', 'dpals', 'item-fold-in', 'item-gram', 'popularity']

interface Target {
  readonly epsilon: number
  readonly delta: number
}

const shareOf = ({ epsilon, delta }: Target, share: number): { readonly kind: 'gaussian'; readonly noiseMultiplier: number } => ({
  kind: 'gaussian',
  noiseMultiplier: 1 / (gaussianMu({ epsilon, delta }) * Math.sqrt(share)),
})

/** The comparison's event at the run's (ε, δ), known before anything is trained. */
export const gateEvent = (target: Target): PrivacyEvent => shareOf(target, gateShare)

/** The baseline's own event, and its share of μ²; null for a model whose own first release is the baseline: nothing more is spent on it. */
export function baselineEvent(model: string, target: Target): { readonly event: PrivacyEvent; readonly share: number } | null {
  return popularityIsAStage.includes(model) ? null : { event: shareOf(target, baselineShare), share: baselineShare }
}

/**
 * How many people to keep out of training for the gate: a twentieth of those listed, but a hundred where that is no more than a tenth; at most
 * 1,000. Fewer are not heard over the noise at small ε; more cost the model more than a better answer is worth.
 */
export const peopleForGate = (listedPeople: number): number =>
  Math.max(1, Math.min(1_000, Math.floor(listedPeople / 10), Math.max(100, Math.floor(listedPeople / 20))))

export interface GateDecision {
  readonly beatsPrivatePopularity: boolean
  /** The release: Σ clipped differences ÷ gateClip, with noise; in persons' full votes. */
  readonly noisyVotes: number
  /** Of the noise, in the same unit. */
  readonly noiseStdDev: number
}

/**
 * Σ over people of their difference clipped to ± gateClip, ÷ gateClip: one person adds at most 1 in either direction. A difference that is no
 * number counts as 0: it must not undo the noise.
 * @param differences one a person: metric of the model − metric of private popularity
 */
export function gateVotes(differences: ArrayLike<number>): number {
  let sum = 0
  for (let person = 0; person < differences.length; person++) {
    const own = differences[person] as number
    if (!Number.isNaN(own)) sum += Math.max(-1, Math.min(1, own / gateClip))
  }
  return sum
}

/** One person more or less moves `gateVotes` by no more. */
export const gateSensitivity = 1

/**
 * Asks. Spends `event` before the noise is drawn.
 * @param differences as for `gateVotes`
 * @param event from `gateEvent`
 * @throws TacetError unsafe-plan if the event is not an unsampled Gaussian; whatever `spend` throws
 */
export function decideGate({
  differences,
  event,
  random,
  spend,
  release = releaseGaussian,
}: {
  readonly differences: ArrayLike<number>
  readonly event: PrivacyEvent
  readonly random: RandomSource
  readonly spend: Spend
  readonly release?: typeof releaseGaussian | undefined
}): GateDecision {
  if (event.kind !== 'gaussian')
    throw new TacetError('unsafe-plan', `the gate adds Gaussian noise; its event is ${event.kind}`, { wayOut: 'Plan it with gateEvent.' })
  const [noisyVotes] = release(Float64Array.of(gateVotes(differences)), {
    sensitivity: gateSensitivity,
    noiseMultiplier: event.noiseMultiplier,
    random,
    spend,
  }) as unknown as [number]
  return { beatsPrivatePopularity: noisyVotes > 0, noisyVotes, noiseStdDev: event.noiseMultiplier * gateSensitivity }
}

/**
 * Chance that the gate answers wrongly: Φ(−n·|v| / √(σ² + n·s²)), with noise σ and people drawn at random.
 * @param people n
 * @param meanVote v: the mean over all people of their clipped difference ÷ gateClip, −1 … 1
 * @param voteStdDev s: its standard deviation between people; at most √(1 − v²), the default
 * @throws TacetError invalid-argument
 */
export function gateErrorChance({
  people,
  meanVote,
  voteStdDev = Math.sqrt(1 - meanVote * meanVote),
  ...target
}: Target & { readonly people: number; readonly meanVote: number; readonly voteStdDev?: number }): number {
  checkNumber('people', people, { atLeast: 0, integer: true })
  checkNumber('meanVote', meanVote, { atLeast: -1, atMost: 1 })
  const noise = shareOf(target, gateShare).noiseMultiplier
  const z = (people * Math.abs(meanVote)) / Math.sqrt(noise * noise + people * voteStdDev * voteStdDev)
  // δ(0) of the Gaussian mechanism is 2Φ(μ/2) − 1.
  return (1 - gaussianDelta({ mu: 2 * z, epsilon: 0 })) / 2
}

/**
 * Private popularity as a model of its own, out of a model whose first release it is.
 * @throws TacetError internal if the model has no such tensor
 */
export function popularityStage(model: Ranker): Ranker {
  const tensor = model.parameters()['popularity']
  if (tensor?.shape.length !== 1 || tensor.shape[0] !== model.itemCount)
    throw new TacetError('internal', `${model.name} has no popularity of its own to compare with`)
  return createPopularity(tensor.data)
}
