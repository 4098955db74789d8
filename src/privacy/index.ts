/** Privacy: events, mechanisms, accountants, clipping policies, the plan that binds sampler to accountant, and the statement. */

export { gaussianDelta, gaussianEpsilon, gaussianMu } from './accounting/gaussian.ts'
export {
  adaptiveClipStep,
  type ClippingPolicy,
  checkClipping,
  sensitivityOf,
  type UnclippedCount,
} from './clipping.ts'
export type { BatchSelection, NeighboringRelation, PrivacyEvent, PrivacySpent, PrivacyUnit, Spend } from './event.ts'
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
