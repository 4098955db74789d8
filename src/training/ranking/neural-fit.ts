/**
 * Trains a network over (person, item) pairs to tell likes from items drawn at random: logistic loss, Adam over all parameters, one pass an epoch over
 * all likes with fresh draws beside each. For NeuMF and Wide & Deep without privacy: batches are shuffled and of one size, and nothing is clipped.
 */

import type { Positives } from '../../data/index.ts'
import { TacetError } from '../../errors.ts'
import type { Arena } from '../../kernels/index.ts'
import type { WideAndDeepNetwork } from '../../models/index.ts'
import type { RandomSource } from '../../random/index.ts'
import { letOthersRun } from '../loop.ts'
import { createLikeSampler, shareOf } from './like-sampler.ts'
import type { ParameterSpec, RankingFitRequest } from './trainer.ts'

export interface NeuralFitSettings {
  readonly epochs: number
  /** Likes a step; `negatives` drawn items join each. */
  readonly batchSize: number
  readonly negatives: number
  /** Of Adam; falls linearly to 0 over the training. */
  readonly learningRate: number
  /** λ: each example adds λ/2·‖x‖² for each embedding x that it reads. */
  readonly regularisation: number
}

export const neuralParameters = (defaults: NeuralFitSettings): Record<keyof NeuralFitSettings, ParameterSpec> => ({
  epochs: { default: defaults.epochs, atLeast: 1, atMost: 10_000, integer: true, about: 'passes over the likes' },
  batchSize: {
    default: defaults.batchSize,
    atLeast: 0,
    atMost: 1_000_000,
    integer: true,
    about: 'likes a step; 0: a 320th of all, 128 … 4,096',
  },
  negatives: { default: defaults.negatives, atLeast: 1, atMost: 100, integer: true, about: 'items drawn beside each like' },
  learningRate: { default: defaults.learningRate, above: 0, atMost: 1, about: "Adam's first step size, falling linearly to 0" },
  regularisation: { default: defaults.regularisation, atLeast: 0, atMost: 10, about: 'L2 penalty of each embedding that an example reads' },
})

/** Room for Adam beside a network: hand `reserve` to whoever makes the network. */
export function reserveAdam() {
  const memory = { first: 0, second: 0 }
  return {
    memory,
    reserve(arena: Arena, paddedCount: number) {
      memory.first = arena.allocate(paddedCount)
      memory.second = arena.allocate(paddedCount)
    },
  }
}

const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }

/**
 * @param memory from `reserveAdam`, which the network was made with
 * @throws TacetError interrupted after `signal`; diverged if a score stops being a number
 */
export async function fitOnSampledPairs(
  { network, loadTile }: WideAndDeepNetwork,
  memory: { readonly first: number; readonly second: number },
  positives: Positives,
  settings: NeuralFitSettings,
  { random, onProgress, signal }: { readonly random: RandomSource } & Pick<RankingFitRequest, 'onProgress' | 'signal'>,
): Promise<void> {
  const { epochs, negatives, learningRate, regularisation } = settings
  const sampler = createLikeSampler(positives, random)
  const batchSize = settings.batchSize || shareOf(sampler.likes, 320, [128, 4096])
  const [people, preferred, others] = [1, 1, negatives].map((each) => new Uint32Array(batchSize * each)) as [
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ]
  // Each like is followed by what was drawn beside it.
  const examples = 1 + negatives
  const [users, items] = [0, 1].map(() => new Uint32Array(batchSize * examples)) as [Uint32Array, Uint32Array]
  const targets = Float32Array.from({ length: batchSize * examples }, (_, n) => (n % examples === 0 ? 1 : 0))
  const steps = epochs * Math.ceil(sampler.likes / batchSize)
  const counts = { lossSum: 0, clipped: 0, invalid: 0 }
  const { kernels, parametersPointer, gradientPointer, paddedCount } = network
  for (let epoch = 0, step = 1; epoch < epochs; epoch++) {
    onProgress?.('epochs', epoch, epochs)
    for (;;) {
      const count = sampler.next(batchSize, people, preferred, others, negatives)
      if (count === 0) break
      await letOthersRun()
      if (signal?.aborted) throw new TacetError('interrupted', `training was stopped in epoch ${epoch + 1} of ${epochs}`)
      for (let n = 0; n < count; n++) {
        users.fill(people[n] as number, n * examples, (n + 1) * examples)
        items[n * examples] = preferred[n] as number
        for (let k = 0; k < negatives; k++) items[n * examples + 1 + k] = others[n * negatives + k] as number
      }
      network.prepare()
      for (let from = 0; from < count * examples; from += network.tileRows) {
        const rows = Math.min(network.tileRows, count * examples - from)
        loadTile(null, from, rows, users, items, targets)
        network.accumulate(rows, { kind: 'none' }, counts)
        if (regularisation > 0) network.addPenalty(rows, regularisation)
      }
      network.finishGradient()
      if (counts.invalid > 0)
        throw new TacetError('diverged', `${counts.invalid} scores of epoch ${epoch + 1} are not finite`, {
          wayOut: 'lower learningRate',
        })
      const rate = learningRate * (1 - (step - 1) / steps)
      const alpha = (rate * Math.sqrt(1 - adam.beta2 ** step)) / (1 - adam.beta1 ** step)
      kernels.adam(
        ...([paddedCount, parametersPointer, gradientPointer, memory.first, memory.second, 0, 0] as const),
        ...([1 / (count * examples), alpha, adam.beta1, adam.beta2, adam.epsilon] as const),
      )
      step++
    }
  }
  onProgress?.('epochs', epochs, epochs)
}
