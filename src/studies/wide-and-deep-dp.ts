/**
 * The study `wide-and-deep-dp`: every run that its report needs, declared. Nothing is trained here. Prices come first, because the models that are
 * compared "at the same ε" are given the ε that the paper's recipe costs by the PLD accountant.
 */
import { paperSettings } from './paper.ts'
import {
  type DatasetFacts,
  type DatasetKey,
  declareJob,
  type RecipeChanges,
  type SplitKind,
  type StudyJob,
  type StudyPrivacy,
  type StudyTask,
} from './study.ts'

export interface StudyOptions {
  /** Runs of each setting, numbered 1 … seeds. */
  readonly seeds: number
  /** For tests: the same parts with the fewest runs. */
  readonly quick: boolean
}

export interface StudyData {
  readonly primary: DatasetFacts
  /** Null: not given. */
  readonly second: DatasetFacts | null
}

const { delta, batchSize, epochs, noiseMultipliers, boxes } = paperSettings
export const noPrivacy: StudyPrivacy = { kind: 'none' }
export const noise = (noiseMultiplier: number): StudyPrivacy => ({ kind: 'noise', noiseMultiplier })
export const upTo = (epsilon: number): StudyPrivacy => ({ kind: 'epsilon', epsilon })

/** Spellings of tasks, so that the report asks for exactly what was declared. */
export const network = (recipe: 'paper' | 'repaired', privacy: StudyPrivacy, changes: RecipeChanges = {}): StudyTask => ({
  kind: 'wide-and-deep',
  recipe,
  changes,
  privacy,
  delta,
})
export const biases = (privacy: StudyPrivacy, itemMetadata = false): StudyTask => ({ kind: 'bias-factors', privacy, itemMetadata, delta })
export const privateItemMean = (epsilon: number): StudyTask => ({ kind: 'private-item-mean', epsilon, delta })
export const baseline = (name: 'constant' | 'item-mean'): StudyTask => ({ kind: 'baseline', baseline: name })

/** σ of the sweeps, and the σ whose price the repaired recipe is swept at. */
export const sweepNoise = { paper: 2, repaired: 1 } as const

/** What the study varies, and how far. */
export function studyScope({ seeds, quick }: StudyOptions) {
  const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1)
  return {
    seeds: numbers(seeds),
    /** A box of fewer than five values says nothing. */
    boxSeeds: numbers(Math.max(seeds, quick ? 2 : 5)),
    frontier: quick ? [0.5, 2, 8] : [0.04, 0.06, 0.14, 0.24, 0.66, 1, 2, 4, 8],
    repairedFrontier: quick ? [2] : [0.04, 0.25, 1.15, 4, 8],
    /** σ priced by RDP for the median person: seconds to a minute each. */
    personNoise: quick ? [5] : noiseMultipliers,
    partNoise: quick ? [1] : [1, 2],
    clipNorms: { paper: quick ? [10] : [0.1, 10, 100], repaired: quick ? [] : [1, 4, 16] },
    batchSizes: { paper: quick ? [128] : [128, 2048, 8192], repaired: quick ? [] : [4096, 131_072] },
    layers: quick ? [[]] : [[], [32], [128, 64, 32]],
    audits: quick
      ? { paper: [1], repaired: [], biases: [1], canaries: 300, biasCanaries: 300 }
      : { paper: [1, 2, 5], repaired: [4, 8], biases: [1, 8], canaries: 2000, biasCanaries: 20_000 },
    second: quick ? { noiseMultipliers: [1], epsilons: [2] } : { noiseMultipliers: [1, 2, 5], epsilons: [0.5, 1, 2, 4, 8] },
  }
}

/** The paper's plan at each σ on the main split of `facts`. */
export function priceJobs(key: DatasetKey, facts: DatasetFacts, sigmas: readonly number[] = noiseMultipliers): StudyJob[] {
  const split = facts.splits[facts.mainSplit]!
  return sigmas.map((noiseMultiplier) =>
    declareJob(
      {
        groups: [key === 'primary' ? 'prices' : 'second-data'],
        dataset: key,
        split: null,
        seed: 0,
        task: {
          kind: 'price',
          datasetSize: split.train,
          batchSize: Math.min(batchSize, split.train),
          epochs,
          noiseMultiplier,
          delta,
          persons: [split.medianPersonRatings, split.heaviestPersonRatings],
        },
      },
      '',
    ),
  )
}

/**
 * Everything else.
 * @param epsilons ε of the paper's plan at each σ, by the PLD accountant
 */
export function trainingJobs({ primary, second }: StudyData, epsilons: ReadonlyMap<number, number>, options: StudyOptions): StudyJob[] {
  const scope = studyScope(options)
  const jobs: StudyJob[] = []
  const main = primary.mainSplit

  const add = (group: string, key: DatasetKey, split: SplitKind, seeds: readonly number[], task: StudyTask) => {
    const facts = key === 'primary' ? primary : (second as DatasetFacts)
    for (const seed of seeds) jobs.push(declareJob({ groups: [group], dataset: key, split, task, seed }, facts.fingerprint))
  }
  const once = [1]

  for (const split of Object.keys(primary.splits) as SplitKind[]) {
    add('baselines', 'primary', split, once, baseline('constant'))
    add('baselines', 'primary', split, once, baseline('item-mean'))
    for (const privacy of [noPrivacy, ...noiseMultipliers.map(noise)])
      add('table-1', 'primary', split, scope.seeds, network('paper', privacy))
    for (const privacy of [noPrivacy, ...noiseMultipliers.map((sigma) => upTo(epsilons.get(sigma) as number))]) {
      add('table-1', 'primary', split, scope.seeds, network('repaired', privacy))
      add('table-1', 'primary', split, scope.seeds, biases(privacy))
      if (privacy.kind === 'epsilon') add('table-1', 'primary', split, scope.seeds, privateItemMean(privacy.epsilon))
    }
  }
  for (const sigma of boxes) add('figure-6', 'primary', main, scope.boxSeeds, network('paper', sigma === null ? noPrivacy : noise(sigma)))

  for (const parts of ['wide', 'deep'] as const)
    for (const privacy of [noPrivacy, ...scope.partNoise.map(noise)])
      add('parts', 'primary', main, scope.seeds, network('paper', privacy, { parts }))

  // Why private rows are bad: the clipping of σ = 1 with noise too small to matter, and its noise with a bound that hardly clips.
  add('causes', 'primary', main, scope.seeds, network('paper', noise(clippingAlone.noiseMultiplier), {}))
  add('causes', 'primary', main, scope.seeds, network('paper', noise(noiseAlone.noiseMultiplier), { maxGradNorm: noiseAlone.maxGradNorm }))

  const train = primary.splits[main]!.train
  const swept = { paper: noise(sweepNoise.paper), repaired: upTo(epsilons.get(sweepNoise.repaired) as number) }
  for (const recipe of ['paper', 'repaired'] as const) {
    const sweep = (group: string, changes: RecipeChanges) =>
      add(group, 'primary', main, scope.seeds, network(recipe, swept[recipe], changes))
    for (const maxGradNorm of scope.clipNorms[recipe]) sweep('sweep-clip-norm', { maxGradNorm })
    for (const size of scope.batchSizes[recipe]) if (size <= train / 4) sweep('sweep-batch', { batchSize: size })
    for (const hiddenLayers of scope.layers) sweep('sweep-layers', { hiddenLayers })
  }

  for (const epsilon of scope.frontier) {
    add('frontier', 'primary', main, scope.seeds, biases(upTo(epsilon)))
    if (primary.itemMetadata) add('frontier', 'primary', main, scope.seeds, biases(upTo(epsilon), true))
    add('frontier', 'primary', main, scope.seeds, privateItemMean(epsilon))
  }
  for (const epsilon of scope.repairedFrontier) add('frontier', 'primary', main, scope.seeds, network('repaired', upTo(epsilon)))

  const { train: rows, medianPersonRatings } = primary.splits[main]!
  for (const noiseMultiplier of scope.personNoise)
    jobs.push(
      declareJob(
        {
          groups: ['prices'],
          dataset: 'primary',
          split: null,
          seed: 0,
          task: {
            kind: 'person-price',
            datasetSize: rows,
            batchSize: Math.min(batchSize, rows),
            epochs,
            noiseMultiplier,
            delta,
            ratings: medianPersonRatings,
          },
        },
        '',
      ),
    )

  const { canaries, biasCanaries } = scope.audits
  for (const sigma of scope.audits.paper)
    add('audits', 'primary', main, once, {
      kind: 'audit',
      model: 'paper',
      privacy: { kind: 'noise', noiseMultiplier: sigma },
      delta,
      canaries,
    })
  for (const epsilon of scope.audits.repaired)
    add('audits', 'primary', main, once, { kind: 'audit', model: 'repaired', privacy: { kind: 'epsilon', epsilon }, delta, canaries })
  for (const epsilon of scope.audits.biases)
    add('audits', 'primary', main, once, {
      kind: 'audit',
      model: 'bias-factors',
      privacy: { kind: 'epsilon', epsilon },
      delta,
      canaries: biasCanaries,
    })

  if (second !== null) {
    const split = second.mainSplit
    const both = (task: StudyTask) => add('second-data', 'second', split, scope.seeds, task)
    add('second-data', 'second', split, once, baseline('constant'))
    add('second-data', 'second', split, once, baseline('item-mean'))
    for (const privacy of [noPrivacy, ...scope.second.noiseMultipliers.map(noise)]) both(network('paper', privacy))
    for (const privacy of [noPrivacy, ...scope.second.epsilons.map(upTo)]) {
      both(network('repaired', privacy))
      both(biases(privacy))
      if (privacy.kind === 'epsilon') both(privateItemMean(privacy.epsilon))
    }
  }
  return jobs
}

/** σ so small that only the clipping is left; not a private run. */
export const clippingAlone = { noiseMultiplier: 1e-9 } as const
/** The absolute noise of σ = 1, C = 1 under a bound that few gradients reach. */
export const noiseAlone = { noiseMultiplier: 0.01, maxGradNorm: 100 } as const

/** ε of the paper's plan as the declarations use it: the PLD's upper bound, rounded down to four digits so that it never exceeds it. */
export function rowEpsilon(pld: number): number {
  const unit = 10 ** (Math.floor(Math.log10(pld)) - 3)
  return Number((Math.floor(pld / unit) * unit).toPrecision(4))
}
