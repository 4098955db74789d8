/**
 * Membership inference as statistics of two samples of scores, members' and non-members'. How a score is made is the caller's business.
 */
import { TacetError } from '../errors.ts'

export interface MembershipResult {
  readonly name: string
  /** P[member's score > non-member's] + half the ties: Mann–Whitney, over all pairs. */
  readonly auc: number
  /** Share of members found when at most 1 % of non-members are accused (no interpolation between thresholds). */
  readonly tprAt1Fpr: number
}

/** @throws TacetError invalid-argument if a sample is empty or a score is NaN */
export function membershipResult(name: string, members: ArrayLike<number>, nonMembers: ArrayLike<number>): MembershipResult {
  if (members.length === 0 || nonMembers.length === 0) {
    throw new TacetError(
      'invalid-argument',
      `the attack ${name} has ${members.length} members and ${nonMembers.length} non-members; it needs both`,
    )
  }
  const all = [
    ...Array.from(members, (score) => ({ score, member: true })),
    ...Array.from(nonMembers, (score) => ({ score, member: false })),
  ]
  if (all.some(({ score }) => Number.isNaN(score)))
    throw new TacetError('invalid-argument', `the attack ${name} has a score that is not a number`)
  all.sort((a, b) => b.score - a.score)
  let accusedMembers = 0
  let accusedOthers = 0
  let pairs = 0
  let tprAt1Fpr = 0
  for (let i = 0; i < all.length; ) {
    let tiedMembers = 0
    let tiedOthers = 0
    const { score } = all[i] as { score: number }
    for (; i < all.length && all[i]?.score === score; i++) {
      if (all[i]?.member) tiedMembers++
      else tiedOthers++
    }
    pairs += tiedOthers * (accusedMembers + tiedMembers / 2)
    accusedMembers += tiedMembers
    accusedOthers += tiedOthers
    if (accusedOthers <= nonMembers.length * 0.01) tprAt1Fpr = accusedMembers / members.length
  }
  return { name, auc: pairs / (members.length * nonMembers.length), tprAt1Fpr }
}
