/**
 * `bias-factors`, the rating model Tacet recommends by default: rating ≈ offset + item bias + person bias + person vector · item vector,
 * clipped to the rating scale. This file says how to score and what is stored; how the numbers are found (in priced stages, or exactly) is in
 * training/bias-factors.ts.
 *
 * The parameters hold one row a person, so a private release of this model protects ratings, not the fact that a person has a row. People and
 * items are dense indices into the vocabulary it was trained with.
 */
import { checkNumber, TacetError } from '../errors.ts'
import type { NamedTensors, PredictPairs, Recommender, TensorData } from './model.ts'

/** What the model is, in rating units. Vectors of persons and items have `dimension` coordinates, row by row; 0 coordinates are legal. */
export interface BiasFactors {
  readonly scale: { readonly min: number; readonly max: number }
  readonly offset: number
  /** Float32Array[persons] */
  readonly personBias: Float32Array
  /** Float32Array[items] */
  readonly itemBias: Float32Array
  readonly dimension: number
  /** Float32Array[persons · dimension] */
  readonly personVectors: Float32Array
  /** Float32Array[items · dimension] */
  readonly itemVectors: Float32Array
}

export interface BiasFactorsModel extends Recommender {
  readonly name: 'bias-factors'
  readonly persons: number
  readonly items: number
  /** Ratings, clipped to the scale; a person or item outside the vocabulary is an error. */
  readonly predict: PredictPairs
}

/**
 * A scorer over `factors`; keeps a reference, does not copy.
 * @throws TacetError corrupt-run if sizes disagree or a number is not finite
 */
export function createBiasFactorsModel(factors: BiasFactors): BiasFactorsModel {
  const { personBias, itemBias, dimension, personVectors, itemVectors } = factors
  // as they are stored, so that a model scores the same before and after
  const offset = Math.fround(factors.offset)
  const scale = { min: Math.fround(factors.scale.min), max: Math.fround(factors.scale.max) }
  const persons = personBias.length
  const items = itemBias.length
  if (personVectors.length !== persons * dimension || itemVectors.length !== items * dimension)
    throw new TacetError(
      'corrupt-run',
      `bias-factors: vectors of ${dimension} coordinates do not fit ${persons} persons and ${items} items (${personVectors.length} and ${itemVectors.length} numbers)`,
      { wayOut: 'Train the model again, or restore the run folder from a copy.' },
    )
  if (!(scale.min < scale.max) || !Number.isFinite(offset))
    throw new TacetError('corrupt-run', `bias-factors: scale ${scale.min}…${scale.max} and offset ${offset} make no rating model`, {
      wayOut: 'Train the model again, or restore the run folder from a copy.',
    })

  const rating = (person: number, item: number): number => {
    let sum = offset + (personBias[person] as number) + (itemBias[item] as number)
    const p = person * dimension
    const q = item * dimension
    for (let j = 0; j < dimension; j++) sum += (personVectors[p + j] as number) * (itemVectors[q + j] as number)
    return Math.min(scale.max, Math.max(scale.min, sum))
  }
  const check = (name: string, index: number, bound: number) => checkNumber(name, index, { atLeast: 0, below: bound, integer: true })

  return {
    name: 'bias-factors',
    persons,
    items,
    score(userIndex, wanted, out) {
      check('userIndex', userIndex, persons)
      for (let k = 0; k < wanted.length; k++) out[k] = rating(userIndex, check('item', wanted[k] as number, items))
    },
    predict(users, wanted, out) {
      for (let k = 0; k < users.length; k++)
        out[k] = rating(check('user', users[k] as number, persons), check('item', wanted[k] as number, items))
    },
    parameters: () => ({
      'rating.scale': { shape: [2], data: Float32Array.of(scale.min, scale.max) },
      offset: { shape: [1], data: Float32Array.of(offset) },
      'person.bias': { shape: [persons], data: personBias },
      'item.bias': { shape: [items], data: itemBias },
      'person.vectors': { shape: [persons, dimension], data: personVectors },
      'item.vectors': { shape: [items, dimension], data: itemVectors },
    }),
  }
}

/**
 * The model that `parameters()` of a trained one describes.
 * @throws TacetError corrupt-run if a tensor is missing, has the wrong shape or holds a number that is not finite
 */
export function loadBiasFactors(parameters: NamedTensors): BiasFactorsModel {
  const tensor = (name: string, rank: number): TensorData => {
    const found = parameters[name]
    const wayOut = 'Train the model again, or restore the run folder from a copy.'
    if (!found) throw new TacetError('corrupt-run', `bias-factors: tensor ${name} is missing`, { wayOut, details: { tensor: name } })
    if (found.shape.length !== rank || found.shape.reduce((a, b) => a * b, 1) !== found.data.length)
      throw new TacetError('corrupt-run', `bias-factors: tensor ${name} has shape [${found.shape}] and ${found.data.length} values`, {
        wayOut,
        details: { tensor: name },
      })
    if (!found.data.every(Number.isFinite))
      throw new TacetError('corrupt-run', `bias-factors: tensor ${name} holds a number that is not finite`, {
        wayOut,
        details: { tensor: name },
      })
    return found
  }
  const scale = tensor('rating.scale', 1).data
  const personVectors = tensor('person.vectors', 2)
  const itemVectors = tensor('item.vectors', 2)
  const personBias = tensor('person.bias', 1)
  const itemBias = tensor('item.bias', 1)
  const dimension = personVectors.shape[1] as number
  // sizes are compared by shape: with vectors of 0 coordinates their data says nothing
  if (personVectors.shape[0] !== personBias.shape[0] || itemVectors.shape[0] !== itemBias.shape[0] || itemVectors.shape[1] !== dimension)
    throw new TacetError(
      'corrupt-run',
      `bias-factors: vectors of shape [${personVectors.shape}] and [${itemVectors.shape}] do not fit ${personBias.shape} persons and ${itemBias.shape} items`,
      { wayOut: 'Train the model again, or restore the run folder from a copy.' },
    )
  return createBiasFactorsModel({
    scale: { min: scale[0] ?? Number.NaN, max: scale[1] ?? Number.NaN },
    offset: tensor('offset', 1).data[0] ?? Number.NaN,
    personBias: personBias.data,
    itemBias: itemBias.data,
    dimension,
    personVectors: personVectors.data,
    itemVectors: itemVectors.data,
  })
}
