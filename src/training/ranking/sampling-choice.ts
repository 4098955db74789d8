/**
 * Whether to sample people (ULS) or interactions (ELS): what each costs in noise at the wanted ε, from public sizes alone. Prices plans; runs
 * and spends nothing. What it cannot know is how much a person's interactions agree, which is private: it is an assumption, and the figure at
 * which the answer turns is printed beside it.
 */
import { checkNumber } from '../../errors.ts'
import type { RankingPrivacy } from './trainer.ts'
import { type PersonPlanRequest, type PersonSampling, planPersonSteps } from './user-dp-sgd.ts'

export interface SamplingPrice {
  /** σ ÷ what one person (ULS) or one interaction (ELS) moves the sum by. */
  readonly noiseMultiplier: number
  /** Units in an average step. */
  readonly expectedBatchSize: number
  /**
   * Standard deviation of the noise on the average step's mean gradient, over the steps of a run, in units of the length of that mean if
   * everybody's gradient were at the bound and pointed the same way.
   */
  readonly noiseToSignal: number
}

export interface SamplingChoice {
  readonly people: SamplingPrice
  readonly interactions: SamplingPrice
  readonly cheaper: PersonSampling
  /** The assumption under which `cheaper` holds. */
  readonly coherence: number
  /** Below this coherence sampling people is cheaper, above it sampling interactions; ≥ 1: people always. */
  readonly breakEvenCoherence: number
}

/**
 * @param request.interactionsPerPerson k: slots a person holds under ELS; under ULS the mean is over as many
 * @param request.coherence length of a person's mean gradient ÷ mean length of their single gradients: 1 if all their interactions pull the
 *   same way (default: nothing is assumed in favour of sampling people), 1/√k if they are unrelated. Sampling people may clip that much lower.
 * @throws TacetError as `planPersonSteps`
 */
export function choosePersonSampling(
  request: Pick<PersonPlanRequest, 'model' | 'personCount' | 'interactionsPerPerson' | 'sampleRate' | 'steps' | 'beside'> & {
    readonly privacy: RankingPrivacy
    readonly coherence?: number
  },
): SamplingChoice {
  const { coherence = 1, steps } = request
  checkNumber('coherence', coherence, { above: 0, atMost: 1 })
  const priceOf = (sampling: PersonSampling): SamplingPrice => {
    const { plan } = planPersonSteps({ ...request, sampling, clipping: { kind: 'flat', maxGradNorm: 1 } })
    const noiseMultiplier = plan.noiseMultiplier as number
    const scale = sampling === 'people' ? coherence : 1
    return {
      noiseMultiplier,
      expectedBatchSize: plan.expectedBatchSize,
      noiseToSignal: (scale * noiseMultiplier) / (plan.expectedBatchSize * Math.sqrt(steps)),
    }
  }
  const people = priceOf('people')
  const interactions = priceOf('interactions')
  return {
    people,
    interactions,
    cheaper: people.noiseToSignal <= interactions.noiseToSignal ? 'people' : 'interactions',
    coherence,
    breakEvenCoherence: (coherence * interactions.noiseToSignal) / people.noiseToSignal,
  }
}

/** The choice in words, a fact a line: for the command line. */
export function samplingReport({ people, interactions, cheaper, coherence, breakEvenCoherence }: SamplingChoice): string[] {
  const line = (what: string, { noiseMultiplier, expectedBatchSize, noiseToSignal }: SamplingPrice) =>
    `${what}  noise multiplier ${noiseMultiplier.toPrecision(4)} · ${expectedBatchSize.toPrecision(4)} a step · noise ÷ signal ${noiseToSignal.toPrecision(3)}`
  return [
    line('sampling people (ULS)      ', people),
    line('sampling interactions (ELS)', interactions),
    `cheaper: sampling ${cheaper}, if a person's mean gradient is ${coherence.toPrecision(3)} of its parts; ${
      breakEvenCoherence >= 1 ? 'people, whatever it is' : `people below ${breakEvenCoherence.toPrecision(3)}, interactions above`
    }`,
  ]
}
