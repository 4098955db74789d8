/** How each ranking model is read back from its tensors: the other half of `Ranker.parameters`. */
import { TacetError } from '../../errors.ts'
import type { NamedTensors } from '../model.ts'
import { loadBpr } from './bpr.ts'
import { loadContentPopularity } from './content-popularity.ts'
import { loadDpals } from './dpals.ts'
import { loadEase } from './ease.ts'
import { loadIals } from './ials.ts'
import { loadItemFoldIn } from './item-fold-in.ts'
import { loadItemGram } from './item-gram.ts'
import { loadItemKnn } from './itemknn.ts'
import { loadLightGcn } from './lightgcn.ts'
import { loadNeuMf } from './neumf.ts'
import { loadPopularity } from './popularity.ts'
import { loadPureSvd } from './puresvd.ts'
import type { Ranker } from './ranker.ts'
import { loadWideAndDeepRanker } from './wide-and-deep.ts'

const loaders: Readonly<Record<string, (tensors: NamedTensors) => Ranker>> = {
  bpr: loadBpr,
  'content-popularity': loadContentPopularity,
  dpals: loadDpals,
  ease: loadEase,
  ials: loadIals,
  'item-fold-in': loadItemFoldIn,
  'item-gram': loadItemGram,
  lightgcn: loadLightGcn,
  neumf: loadNeuMf,
  itemknn: loadItemKnn,
  popularity: loadPopularity,
  puresvd: loadPureSvd,
  'wide-and-deep': loadWideAndDeepRanker,
}

/**
 * A ranking model from the tensors that its `parameters` gave.
 * @throws TacetError unknown-model; corrupt-run if a tensor is missing or of another shape
 */
export function loadRanker(name: string, tensors: NamedTensors): Ranker {
  const load = loaders[name]
  if (load === undefined)
    throw new TacetError('unknown-model', `there is no ranking model "${name}"; there are ${Object.keys(loaders).join(', ')}`)
  return load(tensors)
}
