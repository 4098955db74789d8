/** Privacy: events, mechanisms, accountants, clipping policies, the plan that binds sampler to accountant, and the statement. */

export { type Accountant, bestGuessChance, type EpsilonBound } from './accounting/accountant.ts'
export {
  type AccountantName,
  accountantNamed,
  accountantNames,
  type Calibrated,
  type Calibration,
  calibrate,
} from './accounting/calibrate.ts'
export { type CaseAnswer, priceCase, priceCases } from './accounting/cases.ts'
export { gaussianDelta, gaussianEpsilon, gaussianMu } from './accounting/gaussian.ts'
export { pldAccountant } from './accounting/pld.ts'
export {
  binomialMixture,
  checkRelation,
  type DpSgdPrice,
  type DpSgdQuestion,
  dpSgdEvent,
  jsonReady,
  priceDpSgd,
} from './accounting/price.ts'
export {
  drawTrials,
  expectedTrials,
  priceRandomSearch,
  type RandomSearchPrice,
  type TrialCount,
  trialsOfMean,
} from './accounting/random-search.ts'
export { rdpAccountant, rdpAt } from './accounting/rdp.ts'
export { logBinomialPmf } from './accounting/special.ts'
export { canonical, hash128 } from './canonical.ts'
export {
  adaptiveClipStep,
  type ClippingPolicy,
  checkClipping,
  sensitivityOf,
  type UnclippedCount,
} from './clipping.ts'
export {
  type ConformanceResult,
  checkInclusion,
  checkNoise,
  checkSensitivity,
  type NoiseCheckOptions,
  type NoiseProbe,
  type SamplerProbe,
  type SensitivityCheckOptions,
  type SensitivityProbe,
} from './conformance.ts'
export {
  type BatchSelection,
  type NeighboringRelation,
  type PrivacyEvent,
  type PrivacySpent,
  type PrivacyUnit,
  parsePrivacyEvent,
  type Spend,
} from './event.ts'
export {
  type DiscreteGaussianRelease,
  discreteGaussianEvent,
  releaseDiscreteGaussian,
  sampleDiscreteGaussian,
} from './mechanisms/discrete-gaussian.ts'
export {
  type DiscreteLaplaceRelease,
  discreteLaplaceEvent,
  releaseDiscreteLaplace,
  sampleDiscreteLaplace,
} from './mechanisms/discrete-laplace.ts'
export { exactRational, type Rational } from './mechanisms/exact.ts'
export { type GaussianRelease, releaseGaussian } from './mechanisms/gaussian.ts'
export {
  estimateFrequencies,
  noiseParameterFor,
  type RandomizedResponseRelease,
  randomizedResponseEvent,
  releaseRandomizedResponse,
} from './mechanisms/randomized-response.ts'
export { exponentialMechanism, permuteAndFlip, type SelectionRelease } from './mechanisms/selection.ts'
export {
  calibratePartitionSelection,
  namingChance,
  type PartitionRows,
  type PartitionSelectionPlan,
  type PartitionSelectionRequest,
  partitionSelectionEvent,
  planPartitionSelection,
  selectPartitions,
} from './partition-selection.ts'
export {
  type CalibrateNoise,
  checkPlan,
  type DpSgdRequest,
  gradientNoiseMultiplier,
  maxBatchFor,
  type PrivatePlan,
  personEvent,
  planDpSgd,
  planEvent,
  planId,
  poissonBatch,
  type Schedule,
  scheduleAt,
} from './plan.ts'
export { type PersonPrice, type PublicFact, privacyStatement, type StatementInput, type StatementMechanism } from './statement.ts'
