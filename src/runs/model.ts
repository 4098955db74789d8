/** From a run's configuration, its data and its tensors to a model that scores. Checks that they fit one another; opens no file. */
import type { Interactions } from '../data/index.ts'
import { TacetError } from '../errors.ts'
import { loadBiasFactors, loadWideAndDeep, type NamedTensors, type PredictPairs, type Recommender } from '../models/index.ts'
import { networkData } from '../training/index.ts'
import type { RunConfig } from './config.ts'

export type RunModel = Recommender & { readonly predict: PredictPairs }

/** @throws TacetError corrupt-run if the tensors belong to another configuration or data set */
export function loadModel(config: RunConfig, data: Interactions, tensors: NamedTensors): RunModel {
  if (config.training) return loadWideAndDeep(config.training.config, networkData(data), tensors)
  const model = loadBiasFactors(tensors)
  if (model.persons !== data.userIds.length || model.items !== data.itemIds.length)
    throw new TacetError(
      'corrupt-run',
      `the model has ${model.persons} people and ${model.items} items; its data set has ${data.userIds.length} and ${data.itemIds.length}`,
      { wayOut: 'use the data set the run was trained on' },
    )
  return model
}
