/**
 * A release as data. Whatever leaves the private zone is one `PrivacyEvent`: accountants price it, the ledger keeps it, and a second
 * accountant can recompute it years later. The JSON spelling is a file format: names never change meaning, new kinds are only added.
 *
 * Nothing here prices anything (accounting/) or draws noise (mechanisms/). An unknown kind is an error, never ε = 0.
 */

/** `noiseMultiplier` = standard deviation (gaussian) or scale (laplace) ÷ sensitivity. */
export type PrivacyEvent =
  | { kind: 'gaussian' | 'laplace'; noiseMultiplier: number }
  | { kind: 'discrete-gaussian'; sigma: number; sensitivity: number }
  | { kind: 'discrete-laplace'; parameter: number; sensitivity: number }
  | { kind: 'skellam'; variance: number; l1Sensitivity: number; l2Sensitivity: number }
  | { kind: 'randomized-response'; noiseParameter: number; buckets: number }
  | { kind: 'exponential' | 'permute-and-flip' | 'pure'; epsilon: number }
  | { kind: 'approximate'; epsilon: number; delta: number }
  | { kind: 'zcdp'; rho: number; xi?: number }
  | { kind: 'poisson-sampled'; sampleRate: number; event: PrivacyEvent }
  | {
      kind: 'sampled-without-replacement' | 'sampled-with-replacement'
      datasetSize: number
      sampleSize: number
      event: PrivacyEvent
    }
  | { kind: 'mixture-of-gaussians'; standardDeviation: number; sensitivities: number[]; samplingProbabilities: number[] }
  | { kind: 'tree-aggregation'; noiseMultiplier: number; stepCounts: number[] }
  | { kind: 'repeated'; times: number; event: PrivacyEvent }
  | { kind: 'composed'; events: PrivacyEvent[] }
  | { kind: 'non-private' }

export type NeighboringRelation = 'add-or-remove-one' | 'replace-one' | 'replace-special'
export type PrivacyUnit = 'rating' | 'user'
export type BatchSelection = 'poisson' | 'shuffle' | 'fixed-without-replacement' | 'none'

/** Called with a release before its noise is drawn, and must return before it is. Throwing refuses the release: nothing has left yet. */
export type Spend = (event: PrivacyEvent) => void

/**
 * What a run has spent. `epsilon` is an upper bound at `delta`, `epsilonLower` a lower bound of the same price (not of the attack);
 * fields that do not apply are null. `mu` only for pure Gaussian compositions.
 */
export interface PrivacySpent {
  epsilon: number
  epsilonLower: number | null
  delta: number
  mu: number | null
  accountant: 'rdp' | 'pld'
  optimalOrder: number | null
  privacyUnit: PrivacyUnit
  neighboringRelation: NeighboringRelation
  batchSelection: BatchSelection
  noiseMultiplier: number | null
  sampleRate: number | null
  steps: number | null
  maxGradNorm: number | null
  noiseSource: 'csprng' | 'seeded'
}
