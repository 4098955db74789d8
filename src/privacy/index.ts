/** Privacy: events, mechanisms, accountants, clipping policies, the plan that binds sampler to accountant, and the statement. */
export type { BatchSelection, NeighboringRelation, PrivacyEvent, PrivacySpent, PrivacyUnit, Spend } from './event.ts'

export { gaussianDelta, gaussianEpsilon, gaussianMu } from './accounting/gaussian.ts'
