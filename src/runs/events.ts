/**
 * The releases of a run as one event: what its journal of attempts adds up to. Equal steps are counted together, in whatever attempt they were
 * paid for; nothing is ever left out. Pricing is the accountants' business.
 */
import { canonical, type PrivacyEvent } from '../privacy/index.ts'

/**
 * All of `events` as one event: compositions flattened, equal releases joined into `repeated`. Order is kept by first appearance; the price
 * does not depend on it. No events cost nothing: an empty composition.
 */
export function composeReleases(events: readonly PrivacyEvent[]): PrivacyEvent {
  const counts = new Map<string, { event: PrivacyEvent; times: number }>()
  const add = (event: PrivacyEvent, times: number): void => {
    if (event.kind === 'composed') {
      for (const part of event.events) add(part, times)
      return
    }
    if (event.kind === 'repeated') {
      add(event.event, times * event.times)
      return
    }
    const key = canonical(event)
    const known = counts.get(key)
    if (known) known.times += times
    else counts.set(key, { event, times })
  }
  for (const event of events) add(event, 1)
  const joined = [...counts.values()].map(({ event, times }): PrivacyEvent => (times === 1 ? event : { kind: 'repeated', times, event }))
  return joined.length === 1 ? (joined[0] as PrivacyEvent) : { kind: 'composed', events: joined }
}
