/**
 * The audit of a trained run: canaries, membership attacks and conformance checks on the run's own trainer and plan, over invented rows of the
 * run's shape, and a verdict. It never reads the run's private rows, so it costs no privacy and its report may be published (privacy-rules 20).
 *
 * What it can show: that a claim is false. What it cannot: that it is true. Below a power of 0.8 it says inconclusive, not holds.
 */

import type { Interactions } from '../data/index.ts'
import { TacetError } from '../errors.ts'
import { itemFeatureColumns, type WideAndDeepConfig, type WideAndDeepData, withAvailableFeatures } from '../models/index.ts'
import {
  type ConformanceResult,
  gaussianMu,
  maxBatchFor,
  type PrivacyEvent,
  type PrivatePlan,
  planDpSgd,
  planEvent,
  pldAccountant,
  scheduleAt,
} from '../privacy/index.ts'
import type { NoiseStream, RandomSource } from '../random/index.ts'
import { createWideAndDeepEngine, type Optimizer, type RankingTrainer, runTrainingLoop, trainBiasFactors } from '../training/index.ts'
import { canaryScene } from './canary-scene.ts'
import { auditDpSgd, type RatingColumns } from './dp-sgd-audit.ts'
import { type ClaimFamily, gaussianClaimFamily, geometricMembers, type InverseBlowUp, inverseBlowUpOfProfile } from './f-dp.ts'
import { type MembershipResult, membershipResult } from './membership.ts'
import { auditPeople, peopleConformance, releasesThroughSeam, sampledStepsConformance } from './people-audit.ts'
import { auditStages, stagesConformance } from './stages-audit.ts'
import { trainerConformance } from './trainer-conformance.ts'
import { type BoundMethod, type Verdict, verdictOf } from './verdict.ts'

/** Key for key what `tacet audit --json` prints, and more. */
export interface AuditReport {
  readonly claimedEpsilon: number
  readonly delta: number
  readonly epsilonLowerBound: number
  readonly confidence: number
  readonly canaries: number
  readonly attacks: readonly MembershipResult[]
  /** Chance that this audit would have refuted the claim if the noise were half of what it should be. */
  readonly power: number
  readonly verdict: Verdict
  /** False only when violated. */
  readonly holds: boolean
  /** Which attack and which method gave the bound; null where nothing was claimed. */
  readonly bound: { readonly attack: string; readonly method: BoundMethod } | null
  readonly conformance: readonly ConformanceResult[]
  /** What was audited, and what was not, in sentences. */
  readonly notes: readonly string[]
}

/** ε of the claim and of the same plan with its noise divided by t, by the PLD accountant; each member is priced once. */
export function planClaimFamily(plan: PrivatePlan, delta: number): ClaimFamily {
  const accountantOf = remember((t: number) => {
    const noiseMultiplier = Array.isArray(plan.noiseMultiplier)
      ? (plan.noiseMultiplier as readonly number[]).map((sigma) => sigma / t)
      : (plan.noiseMultiplier as number) / t
    return pldAccountant(plan.neighboringRelation).compose(
      planEvent({ ...plan, clipping: { kind: 'flat', maxGradNorm: 1 }, noiseMultiplier }, 0, plan.steps),
    )
  })
  const curveOf = remember((t: number): InverseBlowUp => {
    // A few points where a test has its power; leaving points out is conservative.
    const points = [delta, 0.01, 0.06, 0.2].map((at) => [accountantOf(t).epsilon(at).epsilon, at] as const)
    return inverseBlowUpOfProfile(points.filter(([epsilon]) => Number.isFinite(epsilon)))
  })
  const mu = pldAccountant(plan.neighboringRelation).compose(planEvent(plan, 0, plan.steps)).mu
  if (mu !== null) return gaussianClaimFamily(mu, delta)
  return { members: geometricMembers(13, 4), epsilonAt: (t) => accountantOf(t).epsilon(delta).epsilon, inverseBlowUpAt: curveOf }
}

function remember<Result>(compute: (t: number) => Result): (t: number) => Result {
  const known = new Map<number, Result>()
  return (t) => {
    let result = known.get(t)
    if (result === undefined) {
      result = compute(t)
      known.set(t, result)
    }
    return result
  }
}

export interface WideAndDeepAuditOptions {
  /** The price the run states; null for a run without privacy, of which only the attacks are reported. */
  readonly claim: { readonly epsilon: number; readonly delta: number } | null
  readonly plan: PrivatePlan | null
  readonly config: WideAndDeepConfig
  /** Invented ratings of the run's shape (data/synthetic). */
  readonly synthetic: Interactions
  /** The run's optimiser and, without a plan, its shuffled batches: what the membership attacks retrain with. */
  readonly optimizer: Optimizer
  readonly blockRates?: Readonly<Record<string, number>>
  readonly batchSize: number
  readonly steps: number
  readonly random: RandomSource
  /** Bulk noise for an engine, as the run draws it; default the portable generator. */
  readonly noiseOf?: (random: RandomSource) => NoiseStream
  /** Default 8,000 for up to 500 steps, 2,000 beyond. */
  readonly canaries?: number
  /** Default 0.999. */
  readonly confidence?: number
  readonly onProgress?: (phase: string, done: number, total: number) => void
}

/** Rows that the canaries are hidden among, and rows that the membership attacks retrain on: enough to look like a run, few enough to wait for. */
const BACKGROUND_ROWS = 2000
const MEMBERSHIP_ROWS = 20_000

/** @throws TacetError invalid-argument if a claim comes without its plan */
export async function auditWideAndDeep(options: WideAndDeepAuditOptions): Promise<AuditReport> {
  const { claim, plan, synthetic, random, confidence = 0.999 } = options
  if (claim !== null && plan === null)
    throw new TacetError('invalid-argument', 'a run that claims ε has no plan; there is nothing to audit it against')
  const data: WideAndDeepData = {
    userCount: synthetic.userIds.length,
    itemCount: synthetic.itemIds.length,
    userFeatures: synthetic.userAttributes,
    itemFeatures: itemFeatureColumns(synthetic.itemTable),
  }
  const config = withAvailableFeatures(options.config, data)
  const rows = shuffledRows(synthetic, random.split('rows'))
  const membership = await membershipAttacks({ ...options, config, data, rows: rows.subarray(0, MEMBERSHIP_ROWS) })
  if (claim === null || plan === null) return unclaimed(confidence, membership)

  const scene = canaryScene({
    config,
    data,
    ratingScale: synthetic.ratingScale ?? { min: 0, max: 1 },
    // Each canary costs in every step; few steps leave room for many.
    count: options.canaries ?? (plan.steps > 500 ? 2000 : 8000),
    random: random.split('canaries'),
  })
  const background = columnsOf(synthetic, rows.subarray(0, BACKGROUND_ROWS))
  const engineOver = (columns: RatingColumns, maxBatch: number, source: RandomSource) =>
    createWideAndDeepEngine({
      config: scene.config,
      ...scene.data,
      ...columns,
      maxBatch,
      random: source,
      ...(options.noiseOf ? { noise: options.noiseOf(source) } : {}),
    })
  const audit = auditDpSgd({
    plan: { ...plan, clipping: scene.clippingOf(plan.clipping) },
    family: planClaimFamily(plan, claim.delta),
    delta: claim.delta,
    confidence,
    background,
    canaries: scene.canaries,
    exclusive: scene.exclusive,
    prepare: scene.prepare,
    makeEngine: (columns, maxBatch) => engineOver(columns, maxBatch, random.split('engine under audit')),
    makeProbe: (columns, maxBatch) => engineOver(columns, maxBatch, random.split('adversary')),
    random: random.split('audit'),
    onProgress: (done, total) => options.onProgress?.('canaries', done, total),
  })

  let started = 0
  const conformance = trainerConformance({
    plan,
    trainer: {
      makeEngine: (columns, maxBatch) => {
        const source = random.split(`conformance attempt ${started++}`)
        const small = { config, ...data, ...columns, maxBatch, random: source }
        return createWideAndDeepEngine({ ...small, ...(options.noiseOf ? { noise: options.noiseOf(source) } : {}) })
      },
    },
    columns: columnsOf(synthetic, rows.subarray(0, 400)),
    random: random.split('conformance'),
  })
  return judged(claim, confidence, { ...audit, attacks: [...audit.attacks, ...membership] }, conformance)
}

/** Loss-based membership inference on a model trained by the run's recipe on half of `rows`. */
async function membershipAttacks(
  options: WideAndDeepAuditOptions & { readonly data: WideAndDeepData; readonly rows: Uint32Array },
): Promise<MembershipResult[]> {
  const { plan, synthetic, rows, random, data, config } = options
  const half = rows.length >> 1
  const memberRows = rows.subarray(0, half)
  const own = planFor(plan, half)
  const batchSize = Math.min(options.batchSize, half)
  // The same noise over fewer rows weighs more: a plain gradient step shrinks with the rows, as a recipe for so few would have it.
  const optimizer =
    own && plan && options.optimizer.kind === 'sgd'
      ? { ...options.optimizer, learningRate: options.optimizer.learningRate * Math.min(1, half / plan.datasetSize) }
      : options.optimizer
  const source = random.split('membership')
  const engine = createWideAndDeepEngine({
    config,
    ...data,
    ...columnsOf(synthetic, memberRows),
    maxBatch: own ? maxBatchFor(own) : batchSize,
    random: source.split('engine'),
  })
  await runTrainingLoop({
    engine,
    batches: own ? { kind: 'poisson', plan: own } : { kind: 'shuffled', datasetSize: half, batchSize, steps: options.steps },
    optimizerAt: () => optimizer,
    blockRates: options.blockRates ?? {},
    averaging: { kind: 'none' },
    random: source.split('batches'),
    // Invented rows are nobody's: there is no budget to charge.
    spend: () => {},
    chunkSteps: 200,
    onProgress: (done, total) => options.onProgress?.('membership', done, total),
  })
  const all = columnsOf(synthetic, rows)
  const predictions = new Float32Array(rows.length)
  engine.predict(all.users, all.items, predictions)
  engine.close()
  return lossAttacks(predictions, all, half, data.itemCount)
}

/** The run's plan over another number of rows: same σ, clipping, rate and steps, so the same price. */
function planFor(plan: PrivatePlan | null, datasetSize: number): PrivatePlan | null {
  if (plan === null) return null
  const smallest = 1 / datasetSize
  return planDpSgd({
    privacyUnit: plan.privacyUnit,
    datasetSize,
    sampleRate:
      typeof plan.sampleRate === 'number'
        ? Math.max(smallest, plan.sampleRate)
        : plan.sampleRate.map((_, step) => Math.max(smallest, scheduleAt(plan.sampleRate, step))),
    steps: plan.steps,
    noiseMultiplier: plan.noiseMultiplier,
    clipping: plan.clipping,
    delta: plan.delta,
  })
}

export interface BiasFactorsAuditOptions {
  /** Null for a run without privacy. */
  readonly claim: { readonly epsilon: number; readonly delta: number } | null
  readonly synthetic: Interactions
  readonly itemMetadata: boolean
  readonly random: RandomSource
  /** Default 20,000. */
  readonly canaries?: number
  readonly confidence?: number
  readonly onProgress?: (phase: string, done: number, total: number) => void
}

/** The audit of a `bias-factors` run. */
export function auditBiasFactors(options: BiasFactorsAuditOptions): AuditReport {
  const { claim, synthetic, random, itemMetadata, confidence = 0.999, onProgress } = options
  const rows = shuffledRows(synthetic, random.split('rows')).subarray(0, MEMBERSHIP_ROWS)
  const half = rows.length >> 1
  onProgress?.('membership', 0, 1)
  const { model } = trainBiasFactors({
    data: synthetic,
    trainRows: rows.subarray(0, half),
    privacy: claim,
    random: random.split('membership'),
    // Invented rows are nobody's: there is no budget to charge.
    spend: () => {},
    itemMetadata,
  })
  const all = columnsOf(synthetic, rows)
  const predictions = new Float32Array(rows.length)
  model.predict(all.users, all.items, predictions)
  const membership = lossAttacks(predictions, all, half, synthetic.itemIds.length)
  if (claim === null) return unclaimed(confidence, membership)

  onProgress?.('canaries', 0, 1)
  const mu = gaussianMu(claim)
  // Canaries hide among few rows: more would only make the audit slower, since no other row touches a canary's coordinates.
  const small = subset(synthetic, rows.subarray(0, BACKGROUND_ROWS))
  const shared = { ...claim, mu, synthetic: small, itemMetadata }
  const audit = auditStages({ ...shared, canaries: options.canaries ?? 20_000, confidence, random: random.split('audit') })
  onProgress?.('conformance', 0, 1)
  const conformance = stagesConformance({ ...shared, random: random.split('conformance') })
  return judged(claim, confidence, { ...audit, attacks: [...audit.attacks, ...membership] }, conformance)
}

export interface RankingAuditOptions {
  /** Null for a run without privacy: nothing is claimed, and nothing of it is attacked here. */
  readonly claim: { readonly epsilon: number; readonly delta: number } | null
  readonly trainer: RankingTrainer
  readonly parameters: Readonly<Record<string, number>>
  /** What else the run released inside its ε (a gate, a baseline). */
  readonly alongside: readonly PrivacyEvent[]
  readonly random: RandomSource
  /** People. Default 480. */
  readonly canaries?: number
  readonly confidence?: number
  readonly onProgress?: (phase: string, done: number, total: number) => void
}

/** The audit of a ranking run: canaries are whole people. */
export async function auditRanking(options: RankingAuditOptions): Promise<AuditReport> {
  const { claim, trainer, parameters, alongside, random, canaries = 480, confidence = 0.999, onProgress } = options
  if (claim === null) return unclaimed(confidence, [])
  const shared = { trainer, parameters, privacy: { unit: 'user', ...claim, alongside } as const }
  onProgress?.('conformance', 0, 1)
  if (!(await releasesThroughSeam(shared))) {
    const report = judged(
      claim,
      confidence,
      { epsilonLowerBound: 0, canaries: 0, attacks: [], power: 0, attack: 'none', method: 'one-run' },
      sampledStepsConformance(random.split('conformance')),
    )
    return {
      ...report,
      bound: null,
      notes: [
        `${trainer.name} releases sampled steps, which no canary was put through: clipping, noise and sampling of its steps were checked on invented people, and no lower bound was sought.`,
      ],
    }
  }
  const audit = await auditPeople({ ...shared, canaries, confidence, random: random.split('audit'), ...(onProgress ? { onProgress } : {}) })
  const conformance = await peopleConformance({ ...shared, random: random.split('conformance') })
  const report = judged(claim, confidence, audit, conformance)
  return {
    ...report,
    notes: [...report.notes, 'A canary is a whole person with everything they liked; the gate that chose the model was not attacked.'],
  }
}

/** Loss, and loss against the mean loss of the same item: an item everybody rates alike is easy for members and others. The first `half` rows were members. */
function lossAttacks(predictions: Float32Array, { items, ratings }: RatingColumns, half: number, itemCount: number): MembershipResult[] {
  const losses = Float64Array.from(predictions, (prediction, i) => (prediction - (ratings[i] as number)) ** 2)
  const itemSums = new Float64Array(itemCount)
  const itemCounts = new Float64Array(itemCount)
  losses.forEach((loss, i) => {
    itemSums[items[i]!]! += loss
    itemCounts[items[i]!]! += 1
  })
  const scores = {
    loss: losses.map((loss) => -loss),
    'loss-against-item': losses.map((loss, i) => (itemSums[items[i]!] as number) / (itemCounts[items[i]!] as number) - loss),
  }
  return Object.entries(scores).map(([name, values]) => membershipResult(name, values.subarray(0, half), values.subarray(half)))
}

/** A run without privacy promises nothing: its attacks are reported, its claim is ε = ∞. */
function unclaimed(confidence: number, attacks: readonly MembershipResult[]): AuditReport {
  return {
    claimedEpsilon: Number.POSITIVE_INFINITY,
    delta: 0,
    epsilonLowerBound: 0,
    confidence,
    canaries: 0,
    attacks,
    power: 0,
    verdict: 'inconclusive',
    holds: true,
    bound: null,
    conformance: [],
    notes: ['The run claims no privacy, so there is no claim to refute; the attacks show what it leaks about invented rows.'],
  }
}

function judged(
  claim: { readonly epsilon: number; readonly delta: number },
  confidence: number,
  audit: Pick<AuditReport, 'epsilonLowerBound' | 'canaries' | 'attacks' | 'power'> & {
    readonly attack: string
    readonly method: BoundMethod
  },
  conformance: readonly ConformanceResult[],
): AuditReport {
  const conformanceFailed = conformance.some(({ passed }) => !passed)
  const verdict = verdictOf({ claimedEpsilon: claim.epsilon, ...audit, conformanceFailed })
  return {
    claimedEpsilon: claim.epsilon,
    delta: claim.delta,
    epsilonLowerBound: audit.epsilonLowerBound,
    confidence,
    canaries: audit.canaries,
    attacks: audit.attacks,
    power: audit.power,
    verdict,
    holds: verdict !== 'violated',
    bound: { attack: audit.attack, method: audit.method },
    conformance,
    notes: [
      'Audited on invented rows of the same shape with the run’s own plan and code; no private row was read.',
      ...(verdict === 'inconclusive'
        ? [
            `At ε = ${claim.epsilon.toPrecision(3)} this audit would see halved noise ${Math.round(audit.power * 100)} times in 100: its silence proves nothing.`,
          ]
        : []),
    ],
  }
}

function subset(data: Interactions, rows: Uint32Array): Interactions {
  return {
    ...data,
    ...columnsOf(data, rows),
    values: Float32Array.from(rows, (row) => data.values[row] as number),
    timestamps: null,
    givenSplit: null,
  }
}

function shuffledRows(data: Interactions, random: RandomSource): Uint32Array {
  const rows = Uint32Array.from({ length: data.users.length }, (_, i) => i)
  for (let i = rows.length - 1; i > 0; i--) {
    const j = Math.floor(random.nextDouble() * (i + 1))
    const swap = rows[i] as number
    rows[i] = rows[j] as number
    rows[j] = swap
  }
  return rows
}

function columnsOf(data: Interactions, rows: Uint32Array): RatingColumns {
  return {
    users: rows.map((row) => data.users[row] as number),
    items: rows.map((row) => data.items[row] as number),
    ratings: Float32Array.from(rows, (row) => data.values[row] as number),
  }
}
