/**
 * Runs one job: trains with the training functions directly (a study needs no run folders), measures on the test rows, prices, or attacks.
 * Randomness is derived from the job's seed as `tacet train --seed` derives it, so that a job can be repeated from the command line; nothing
 * that comes out is for release.
 */
import { type AuditReport, auditBiasFactors, auditWideAndDeep } from '../attacks/index.ts'
import { type Interactions, type Split, syntheticLike } from '../data/index.ts'
import { TacetError } from '../errors.ts'
import { constantBaseline, itemMeanBaseline, measureErrors } from '../evaluation/index.ts'
import { createWideAndDeepNetwork, type PredictPairs, withAvailableFeatures } from '../models/index.ts'
import {
  calibrate,
  gaussianEpsilon,
  maxBatchFor,
  type NeighboringRelation,
  type PrivacyEvent,
  type PrivatePlan,
  personEvent,
  planDpSgd,
  planEvent,
  pldAccountant,
  rdpAccountant,
} from '../privacy/index.ts'
import { type NoiseStream, type RandomSource, seededRandom } from '../random/index.ts'
import {
  createWideAndDeepEngine,
  loopOf,
  networkData,
  resolveRecipe,
  runTrainingLoop,
  trainBiasFactors,
  trainPrivateItemMean,
  type WideAndDeepSettings,
} from '../training/index.ts'
import { studySplit } from './facts.ts'
import type { AuditResult, DatasetKey, JobResult, Measured, PriceResult, SplitKind, StudyJob, StudyTask, TrainedResult } from './study.ts'

export interface JobRunnerOptions {
  readonly load: (key: DatasetKey) => Promise<Interactions>
  /** Bulk noise of an engine; default the portable generator. */
  readonly noiseOf?: (random: RandomSource) => NoiseStream
}

/** Below this σ a plan stands for "no noise to speak of" (the study of causes): it is no promise, and is not priced. */
const LEAST_PRICED_NOISE = 0.05

/** A runner that reads each data set, cuts each split and prices each plan once. */
export function createJobRunner({ load, noiseOf }: JobRunnerOptions): (job: StudyJob) => Promise<JobResult> {
  const datasets = remember(async (key: DatasetKey) => load(key))
  const splits = remember(async (key: `${DatasetKey} ${SplitKind}`) => {
    const [dataset, kind] = key.split(' ') as [DatasetKey, SplitKind]
    return studySplit(await datasets(dataset), kind)
  })
  const priceOf = remember((text: string) => {
    const { event, delta } = JSON.parse(text) as { event: PrivacyEvent; delta: number }
    return priced(event, delta)
  })
  const price = (event: PrivacyEvent, delta: number) => priceOf(JSON.stringify({ event, delta }))

  return async ({ task, dataset, split: kind, seed }) => {
    if (task.kind === 'price') return priceResult(task)
    if (task.kind === 'person-price')
      return {
        kind: 'person-price',
        rdp: finite(
          rdpAccountant()
            .compose(personEvent(planOf(task), task.ratings))
            .epsilon(task.delta).epsilon,
        ),
      }
    if (kind === null) throw new TacetError('internal', `a ${task.kind} job needs a split`)
    const data = await datasets(dataset)
    const split = await splits(`${dataset} ${kind}`)
    const context = { data, split, random: seededRandom(seed).split('attempt 1'), noiseOf, price }
    const startedAt = performance.now()
    const seconds = () => (performance.now() - startedAt) / 1000
    if (task.kind === 'audit') return { ...(await audit(task, context)), seconds: seconds() }
    try {
      return { ...(await train(task, context)), seconds: seconds() }
    } catch (error) {
      if (error instanceof TacetError && error.code === 'diverged') return { kind: 'diverged', message: error.message }
      throw error
    }
  }
}

interface Context {
  readonly data: Interactions
  readonly split: Split
  readonly random: RandomSource
  readonly noiseOf: ((random: RandomSource) => NoiseStream) | undefined
  readonly price: (event: PrivacyEvent, delta: number) => { readonly pld: number; readonly rdp: number }
}

type Trained = Omit<TrainedResult, 'seconds'>

async function train(task: Exclude<StudyTask, { kind: 'price' | 'person-price' | 'audit' }>, context: Context): Promise<Trained> {
  const { data, split } = context
  const unpriced = { kind: 'trained', privacy: null, clippedShare: null, persons: [] } as const
  switch (task.kind) {
    case 'wide-and-deep':
      return trainNetwork(task, context)
    case 'bias-factors':
      return trainBiases(task, context)
    case 'baseline': {
      const predict = (task.baseline === 'constant' ? constantBaseline : itemMeanBaseline)(data, split.train)
      return { ...unpriced, measured: measure(predict, context) }
    }
    case 'private-item-mean':
      return trainItemMean(task, context)
    default:
      return task satisfies never
  }
}

async function trainNetwork(
  task: Extract<StudyTask, { kind: 'wide-and-deep' }>,
  { data, split, random, noiseOf, price }: Context,
): Promise<Trained> {
  const settings = resolveNetwork(task, data, split.train.length)
  const { plan, config, batchSize } = settings
  const engineRandom = random.split('engine')
  const engine = createWideAndDeepEngine({
    config,
    ...networkData(data),
    ...columnsOf(data, split.train),
    maxBatch: plan ? maxBatchFor(plan) : batchSize,
    random: engineRandom,
    ...(noiseOf ? { noise: noiseOf(engineRandom) } : {}),
  })
  try {
    let examples = 0
    let clipped = 0
    await runTrainingLoop({
      engine,
      ...loopOf(settings, split.train.length),
      random: random.split('batches'),
      // A study has no budget to charge: its price stands in its report.
      spend: () => {},
      chunkSteps: 1000,
      onStep: (_, report, count) => {
        examples += count
        clipped += report.clipped
      },
    })
    const { noiseMultiplier, sampleRate } = plan ?? {}
    const promised = plan !== null && (noiseMultiplier as number) >= LEAST_PRICED_NOISE
    return {
      kind: 'trained',
      measured: measure(engine.predict, { data, split }),
      privacy: promised
        ? {
            ...price(planEvent(plan, 0, plan.steps), plan.delta),
            noiseMultiplier: noiseMultiplier as number,
            sampleRate: sampleRate as number,
            steps: plan.steps,
          }
        : null,
      clippedShare: plan === null || examples === 0 ? null : clipped / examples,
      persons: [],
    }
  } finally {
    engine.close()
  }
}

/** A recipe with the task's changes, as `tacet train` would resolve it, and its plan. */
export function resolveNetwork(
  { recipe, changes, privacy, delta }: Pick<Extract<StudyTask, { kind: 'wide-and-deep' }>, 'recipe' | 'changes' | 'privacy' | 'delta'>,
  data: Interactions,
  rows: number,
): WideAndDeepSettings {
  const { parts, hiddenLayers, maxGradNorm, batchSize } = changes
  const columns = networkData(data)
  return resolveRecipe(
    {
      recipe,
      rows,
      items: data.itemIds.length,
      ratingScale: data.ratingScale as { min: number; max: number },
      privacy:
        privacy.kind === 'none'
          ? null
          : privacy.kind === 'noise'
            ? { delta, noiseMultiplier: privacy.noiseMultiplier }
            : { delta, epsilon: privacy.epsilon },
      calibrate: ({ epsilon, delta: at, relation, eventOf }) => calibrate({ make: eventOf, epsilon, delta: at, relation }).value,
      overrides: { ...(maxGradNorm === undefined ? {} : { maxGradNorm }), ...(batchSize === undefined ? {} : { batchSize }) },
    },
    (wanted) => {
      const changed = { ...wanted, ...(parts === undefined ? {} : { parts }), ...(hiddenLayers === undefined ? {} : { hiddenLayers }) }
      const config = withAvailableFeatures(changed, columns)
      return { config, blocks: createWideAndDeepNetwork(config, columns, { kernels: 'reference' }).network.blocks.map(({ name }) => name) }
    },
  )
}

function trainBiases(task: Extract<StudyTask, { kind: 'bias-factors' }>, { data, split, random, price }: Context): Trained {
  const { privacy, delta, itemMetadata } = task
  if (privacy.kind === 'noise') throw new TacetError('internal', 'bias-factors spends an ε in stages; it has no one noise multiplier')
  const { model, events, userPriceOf } = trainBiasFactors({
    data,
    trainRows: split.train,
    privacy: privacy.kind === 'none' ? null : { epsilon: privacy.epsilon, delta },
    random: random.split('stages'),
    spend: () => {},
    itemMetadata,
  })
  return {
    kind: 'trained',
    measured: measure(model.predict, { data, split }),
    privacy:
      privacy.kind === 'none'
        ? null
        : { ...price({ kind: 'composed', events: [...events] }, delta), noiseMultiplier: null, sampleRate: null, steps: null },
    clippedShare: null,
    persons:
      privacy.kind === 'none'
        ? []
        : personsOf(data, split).map((ratings) => ({
            ratings,
            epsilon: finite(gaussianEpsilon({ mu: userPriceOf(ratings), delta })),
          })),
  }
}

function trainItemMean(
  { epsilon, delta }: Extract<StudyTask, { kind: 'private-item-mean' }>,
  { data, split, random, price }: Context,
): Trained {
  const { predict, events } = trainPrivateItemMean({
    data,
    trainRows: split.train,
    privacy: { epsilon, delta },
    random: random.split('private item mean'),
    spend: () => {},
  })
  return {
    kind: 'trained',
    measured: measure(predict, { data, split }),
    privacy: { ...price({ kind: 'composed', events: [...events] }, delta), noiseMultiplier: null, sampleRate: null, steps: null },
    clippedShare: null,
    persons: [],
  }
}

/** Training ratings of the median (upper median) and the heaviest person. */
function personsOf(data: Interactions, split: Split): number[] {
  const counts = new Uint32Array(data.userIds.length)
  for (const row of split.train) counts[data.users[row] as number] = (counts[data.users[row] as number] as number) + 1
  const present = counts.filter((count) => count > 0).sort()
  return [present[present.length >> 1] as number, present.at(-1) as number]
}

/** Predictions clipped to the rating scale, as the evaluation does; their spread is of the test rows. */
function measure(predict: PredictPairs, { data, split }: Pick<Context, 'data' | 'split'>): Measured {
  const onTest = predictionsOf(predict, data, split.test)
  const onTrain = predictionsOf(predict, data, split.train)
  const { rmse, mae } = measureErrors(onTest, ratingsOf(data, split.test))
  let sum = 0
  let squares = 0
  for (const value of onTest) {
    sum += value
    squares += value * value
  }
  const mean = sum / onTest.length
  return {
    rmse,
    mae,
    trainRmse: measureErrors(onTrain, ratingsOf(data, split.train)).rmse,
    predictionMean: mean,
    predictionStdDev: Math.sqrt(Math.max(0, squares / onTest.length - mean * mean)),
  }
}

function predictionsOf(predict: PredictPairs, data: Interactions, rows: Uint32Array): Float32Array {
  const { users, items } = columnsOf(data, rows)
  const out = new Float32Array(rows.length)
  predict(users, items, out)
  const { min, max } = data.ratingScale as { min: number; max: number }
  for (let i = 0; i < out.length; i++) out[i] = Math.min(max, Math.max(min, out[i] as number))
  return out
}

const ratingsOf = (data: Interactions, rows: Uint32Array) => Float32Array.from(rows, (row) => data.values[row] as number)

function columnsOf(data: Interactions, rows: Uint32Array) {
  return {
    users: rows.map((row) => data.users[row] as number),
    items: rows.map((row) => data.items[row] as number),
    ratings: ratingsOf(data, rows),
  }
}

function priced(event: PrivacyEvent, delta: number, relation: NeighboringRelation = 'add-or-remove-one') {
  return {
    pld: pldAccountant(relation).compose(event).epsilon(delta).epsilon,
    rdp: rdpAccountant(relation).compose(event).epsilon(delta).epsilon,
  }
}

/** The paper's kind of plan: so many passes over the rows in Poisson batches, one rating clipped at a time. */
const planOf = ({
  datasetSize,
  batchSize,
  epochs,
  noiseMultiplier,
  delta,
}: Pick<Extract<StudyTask, { kind: 'price' }>, 'datasetSize' | 'batchSize' | 'epochs' | 'noiseMultiplier' | 'delta'>) =>
  planDpSgd({
    privacyUnit: 'rating',
    datasetSize,
    expectedBatchSize: batchSize,
    epochs,
    noiseMultiplier,
    delta,
    clipping: { kind: 'flat', maxGradNorm: 1 },
  })

function priceResult(task: Extract<StudyTask, { kind: 'price' }>): PriceResult {
  const { epochs, noiseMultiplier, delta, persons } = task
  const plan = planOf(task)
  const event = planEvent(plan, 0, plan.steps)
  const pld = pldAccountant().compose(event).epsilon(delta)
  const rdp = rdpAccountant().compose(event).epsilon(delta)
  return {
    kind: 'price',
    sampleRate: plan.sampleRate as number,
    steps: plan.steps,
    pld: pld.epsilon,
    pldLower: pld.epsilonLower,
    rdp: rdp.epsilon,
    rdpOrder: rdp.optimalOrder ?? null,
    // Each rating once an epoch, whatever the order: that many Gaussian releases, without amplification.
    shuffled: gaussianEpsilon({ mu: Math.sqrt(epochs) / noiseMultiplier, delta }),
    persons: persons.map((ratings) => ({
      ratings,
      epsilon: finite(pldAccountant().compose(personEvent(plan, ratings)).epsilon(delta).epsilon),
    })),
  }
}

/** JSON knows no infinity. */
const finite = (value: number) => (Number.isFinite(value) ? value : null)

async function audit(
  task: Extract<StudyTask, { kind: 'audit' }>,
  { data, split, random, noiseOf, price }: Context,
): Promise<Omit<AuditResult, 'seconds'>> {
  const { model, privacy, delta, canaries } = task
  const synthetic = syntheticLike(data).data
  let report: AuditReport
  if (model === 'bias-factors') {
    if (privacy.kind !== 'epsilon') throw new TacetError('internal', 'bias-factors is audited at an ε')
    report = auditBiasFactors({ claim: { epsilon: privacy.epsilon, delta }, synthetic, itemMetadata: false, random, canaries })
  } else {
    const settings = resolveNetwork({ recipe: model, changes: {}, privacy, delta }, data, split.train.length)
    const plan = settings.plan as PrivatePlan
    const { config, optimizer, batchSize, steps } = settings
    report = await auditWideAndDeep({
      claim: { epsilon: price(planEvent(plan, 0, plan.steps), delta).pld, delta },
      plan,
      config,
      synthetic,
      optimizer,
      batchSize,
      steps,
      random,
      ...(noiseOf ? { noiseOf } : {}),
      canaries,
    })
  }
  return {
    kind: 'audit',
    claimedEpsilon: report.claimedEpsilon,
    epsilonLowerBound: report.epsilonLowerBound,
    confidence: report.confidence,
    canaries: report.canaries,
    power: report.power,
    verdict: report.verdict,
    bestAuc: Math.max(...report.attacks.map(({ auc }) => auc)),
    conformancePassed: report.conformance.every(({ passed }) => passed),
  }
}

/** Calls `compute` once a key. */
function remember<Key extends string, Result>(compute: (key: Key) => Result): (key: Key) => Result {
  const known = new Map<Key, Result>()
  return (key) => {
    if (!known.has(key)) known.set(key, compute(key))
    return known.get(key) as Result
  }
}
