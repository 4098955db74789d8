/** Attacks: what an adversary can learn from what was released. A claimed ε stands beside the lower bound found here. */
export {
  type AuditReport,
  auditBiasFactors,
  auditRanking,
  auditWideAndDeep,
  type BiasFactorsAuditOptions,
  type RankingAuditOptions,
  type WideAndDeepAuditOptions,
} from './audit.ts'
export { clopperPearson } from './binomial.ts'
export { type MembershipResult, membershipResult } from './membership.ts'
export { oneRunAudit, oneRunEpsilonLowerBound, oneRunPValue } from './one-run.ts'
export { auditPeople, type PeopleAuditOptions, type PeopleAuditResult, peopleConformance } from './people-audit.ts'
