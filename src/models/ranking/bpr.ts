/**
 * Matrix factorisation learnt by stochastic gradient descent on likes: Bayesian personalised ranking (Rendle et al. 2009), or logistic loss pair by
 * pair. Scores are those of any factor model; what is its own is how a stranger is folded in: the descent that trained everybody, on their history
 * alone against fixed items, from the mean person vector and with draws that the history itself decides, so that one history has one list.
 *
 * Holds a row a person it was trained with: not a model for a release that promises a whole person privacy.
 */
import { positivesFrom } from '../../data/index.ts'
import { TacetError } from '../../errors.ts'
import type { NamedTensors } from '../model.ts'
import { expectTensor } from '../safetensors.ts'
import { createFactorDescent, type FactorDescent, withoutPadding } from './factor-descent.ts'
import { createFactorRanker, type Factors, loadFactors } from './factor-ranker.ts'
import type { Ranker } from './ranker.ts'

/** How a stranger is folded in: the settings that the model was trained with, and where to start. */
export interface FoldInSettings {
  readonly loss: 'pairwise' | 'pointwise'
  readonly negatives: number
  /** Pairwise only: of the negatives drawn, the one that scores highest is stepped against. */
  readonly hardest?: boolean
  readonly learningRate: number
  readonly regularisation: number
  /** Passes over the history. */
  readonly epochs: number
  /** Pointwise only: added to every score, and the mean person bias. */
  readonly intercept: number
  readonly personBias: number
}

export interface BprModel extends Required<Omit<Factors, 'extra'>> {
  /** Float32Array[dimension]: the mean person vector; somebody without a history. */
  readonly prior: Float32Array
  readonly foldIn: FoldInSettings
}

/** The learning rate of one pass, 0 … epochs − 1: a straight line towards 0, so that the last passes settle what the first ones found. */
export const rateOf = (learningRate: number, epoch: number, epochs: number): number => learningRate * (1 - epoch / epochs)

export function createBprRanker(model: BprModel): Ranker {
  const { itemFactors, itemBias, prior } = model
  const [itemCount = 0, dimension = 0] = itemFactors.shape
  // As the file will hold them: a model read back folds in the same vectors to the bit.
  const settings = {
    ...model.foldIn,
    ...Object.fromEntries(
      (['learningRate', 'regularisation', 'intercept', 'personBias'] as const).map((name) => [name, Math.fround(model.foldIn[name])]),
    ),
  }
  const { loss, negatives, hardest = false, learningRate, regularisation, epochs } = settings
  let descent: FactorDescent | null = null

  function prepared(): FactorDescent {
    if (descent !== null) return descent
    descent = createFactorDescent({
      personCount: 1,
      itemCount,
      dimension,
      likes: itemCount,
      negatives,
      hardest,
      loss,
      itemBias: itemBias !== null,
    })
    for (let item = 0; item < itemCount; item++)
      descent.itemFactors.set(itemFactors.data.subarray(item * dimension, (item + 1) * dimension), item * descent.width)
    if (itemBias !== null) descent.itemBias.set(itemBias)
    descent.intercept = settings.intercept
    return descent
  }

  return createFactorRanker({
    name: 'bpr',
    ...model,
    foldIn(history) {
      const steps = prepared()
      steps.personFactors.fill(0)
      steps.personFactors.set(prior)
      steps.personBias[0] = settings.personBias
      steps.setState(hashOf(history))
      if (steps.setLikes(positivesFrom([history], itemCount)) > 0)
        for (let epoch = 0; epoch < epochs; epoch++)
          steps.epoch({ person: rateOf(learningRate, epoch, epochs), item: 0, decay: regularisation })
      return withoutPadding(steps.personFactors, steps.width, dimension)
    },
    extra: {
      prior: { shape: [dimension], data: prior },
      fold_in: {
        shape: [8],
        data: Float32Array.of(
          loss === 'pairwise' ? 0 : 1,
          negatives,
          learningRate,
          regularisation,
          epochs,
          settings.intercept,
          settings.personBias,
          hardest ? 1 : 0,
        ),
      },
    },
  })
}

/** @throws TacetError corrupt-run if the tensors do not fit together */
export function loadBpr(tensors: NamedTensors): Ranker {
  const factors = loadFactors(tensors, 'bpr')
  const dimension = factors.itemFactors.shape[1] as number
  const [loss, negatives, learningRate, regularisation, epochs, intercept, personBias, hardest] = expectTensor(
    tensors,
    'fold_in',
    [8],
    'bpr',
  ) as unknown as [number, number, number, number, number, number, number, number]
  if (!(Number.isInteger(negatives) && negatives >= 1 && Number.isInteger(epochs) && epochs >= 0))
    throw new TacetError('corrupt-run', `bpr: tensor fold_in asks for ${epochs} epochs with ${negatives} negatives`, {
      wayOut: 'Restore the file from a copy, or train again.',
    })
  return createBprRanker({
    ...factors,
    prior: expectTensor(tensors, 'prior', [dimension], 'bpr'),
    foldIn: {
      loss: loss === 0 ? 'pairwise' : 'pointwise',
      negatives,
      hardest: hardest === 1,
      learningRate,
      regularisation,
      epochs,
      intercept,
      personBias,
    },
  })
}

/** Four words out of a history (FNV-1a from four starts): which draws it is compared with is a function of itself. */
function hashOf(history: Uint32Array): Uint32Array {
  const words = Uint32Array.of(0x811c9dc5, 0x2c1b3c6d, 0x297a2d39, 0x9e3779b9)
  for (const item of history)
    for (let at = 0; at < 4; at++) {
      const mixed = Math.imul((words[at] as number) ^ item, 0x01000193)
      words[at] = mixed ^ (mixed >>> 15)
    }
  return words
}
