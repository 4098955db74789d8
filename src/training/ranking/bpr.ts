/**
 * Trains `bpr`: matrix factorisation by stochastic gradient descent, one like after the other against drawn items that the person does not have.
 * With `loss=1` the same model by logistic loss on single pairs, as in Rendle et al. 2020.
 *
 * Without privacy it holds a row a person, and its steps are neither clipped nor noised: training on one thread, and a seed gives the same factors to
 * the bit in one kernel build. With privacy, private-bpr.ts trains the item side alone.
 *
 * @see Rendle, Freudenthaler, Gantner & Schmidt-Thieme 2009, "BPR: Bayesian Personalized Ranking from Implicit Feedback"
 */
import { TacetError } from '../../errors.ts'
import { createBprRanker, createFactorDescent, rateOf, withoutPadding } from '../../models/index.ts'
import { fillNormals } from '../../random/index.ts'
import { personOnly } from './person-budget.ts'
import { fitPrivateBpr, planPrivateBpr, privateBprParameters } from './private-bpr.ts'
import type { RankingFitRequest, RankingTrainer } from './trainer.ts'

export const bprTrainer: RankingTrainer = {
  name: 'bpr',
  about: 'matrix factorisation by stochastic gradient descent: a liked item above a drawn one (BPR), or liked or not (logistic)',
  parameters: {
    dimension: { default: 64, atLeast: 1, atMost: 1024, integer: true, about: 'coordinates of each vector' },
    epochs: { default: 30, atLeast: 1, integer: true, about: 'passes over all likes' },
    learningRate: { default: 0.1, above: 0, atMost: 1, about: 'step size of the first pass; it falls on a straight line' },
    regularisation: { default: 0.02, atLeast: 0, atMost: 1, about: 'pull of vectors and biases to 0 in each step' },
    initialStdDev: { default: 0.1, above: 0, atMost: 1, about: 'standard deviation of the first coordinates' },
    negatives: { default: 5, atLeast: 1, atMost: 100, integer: true, about: 'items drawn beside each like, anew in each pass' },
    hardest: {
      default: 1,
      atLeast: 0,
      atMost: 1,
      integer: true,
      about: '1: step against the drawn item that scores highest; 0: against each of them (with loss=1 always)',
    },
    loss: { default: 0, atLeast: 0, atMost: 1, integer: true, about: '0: a like above a drawn item; 1: logistic, liked or not' },
    itemBias: { default: 1, atLeast: 0, atMost: 1, integer: true, about: '1: items have a bias (with loss=1 always)' },
    ...privateBprParameters,
  },
  privateFor: ['user'],
  refusal: personOnly('bpr'),
  plan: ({ parameters, privacy, personCount, itemCount }) => planPrivateBpr(parameters, privacy, personCount, itemCount),
  fit,
}

async function fit(request: RankingFitRequest) {
  if (request.privacy !== null) return fitPrivateBpr(request, request.privacy)
  const { positives, parameters, random, onProgress, signal } = request
  const { dimension, epochs, learningRate, regularisation, initialStdDev, negatives } = parameters as Readonly<Record<string, number>> & {
    dimension: number
    epochs: number
    learningRate: number
    regularisation: number
    initialStdDev: number
    negatives: number
  }
  const loss = parameters['loss'] === 1 ? 'pointwise' : 'pairwise'
  const hardest = loss === 'pairwise' && parameters['hardest'] === 1
  const hasBias = loss === 'pointwise' || parameters['itemBias'] === 1
  const { personCount, itemCount } = positives
  const descent = createFactorDescent({
    personCount,
    itemCount,
    dimension,
    likes: positives.items.length,
    negatives,
    hardest,
    loss,
    itemBias: hasBias,
  })
  const { width } = descent
  const start = random.split('start')
  for (const rows of [descent.personFactors, descent.itemFactors]) {
    fillNormals(rows, start, initialStdDev)
    for (let at = 0; at < rows.length; at++) if (at % width >= dimension) rows[at] = 0
  }
  const state = new Uint32Array(4)
  random.split('examples').fillWords(state)
  descent.setState(state)
  descent.setLikes(positives)
  // Of a pointwise model: the odds of a drawn pair, so that biases start at what they are to say beyond it.
  if (loss === 'pointwise') descent.intercept = -Math.log(negatives)

  for (let epoch = 0; epoch < epochs; epoch++) {
    if (signal?.aborted) throw new TacetError('interrupted', `training of bpr was interrupted after epoch ${epoch} of ${epochs}`)
    const rate = rateOf(learningRate, epoch, epochs)
    const meanLoss = descent.epoch({ person: rate, item: rate, decay: regularisation })
    if (!Number.isFinite(meanLoss))
      throw new TacetError('diverged', `bpr diverged in epoch ${epoch + 1}: the loss is ${meanLoss} at learning rate ${learningRate}`, {
        wayOut: 'Lower --param learningRate, or raise --param regularisation.',
        details: { epoch: epoch + 1, learningRate, regularisation },
      })
    onProgress?.('epoch', epoch + 1, epochs)
    // A turn of the event loop, so that a signal can arrive.
    await new Promise((resolve) => setTimeout(resolve, 0))
  }

  const personFactors = withoutPadding(descent.personFactors, width, dimension)
  const known = Array.from({ length: personCount }, (_, person) => positives.offsets[person + 1] !== positives.offsets[person])
  const prior = new Float32Array(dimension)
  let personBias = 0
  const count = Math.max(1, known.filter(Boolean).length)
  for (let person = 0; person < personCount; person++) {
    if (!known[person]) continue
    personBias += (descent.personBias[person] as number) / count
    for (let k = 0; k < dimension; k++) prior[k] = (prior[k] as number) + (personFactors[person * dimension + k] as number) / count
  }
  // A person without likes has only their random start: they are ranked for as a stranger without a history is.
  for (let person = 0; person < personCount; person++) if (!known[person]) personFactors.set(prior, person * dimension)
  return createBprRanker({
    personFactors: { shape: [personCount, dimension], data: personFactors },
    itemFactors: { shape: [itemCount, dimension], data: withoutPadding(descent.itemFactors, width, dimension) },
    itemBias: hasBias ? descent.itemBias.slice() : null,
    prior,
    foldIn: { loss, negatives, hardest, learningRate, regularisation, epochs, intercept: descent.intercept, personBias },
  })
}
