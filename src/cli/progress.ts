/**
 * Progress on stderr: a bar that redraws itself where a person is looking, a line now and then where a log file is. Never on stdout, and
 * nothing at all with --quiet. A progress line tells what the process is doing, not what the data says: losses and metrics on private rows
 * stay out of it.
 */
import type { CommandContext } from './io.ts'
import { duration } from './output.ts'

export interface Progress {
  /** @param phase what is being done, e.g. `train` @param done units finished @param total of how many; 0 = unknown */
  update(phase: string, done: number, total: number): void
  /** Clears the bar; call once, before results are printed. */
  end(): void
}

const redrawEveryMs = 80
const logEveryMs = 5_000

/** @param now clock in milliseconds, held still by tests */
export function createProgress({ io, quiet }: CommandContext, now: () => number = () => performance.now()): Progress {
  if (quiet) return { update() {}, end() {} }
  const { stderr } = io
  let phase = ''
  let startedAt = now()
  let shownAt = Number.NEGATIVE_INFINITY
  let finishedShown = false
  let barDrawn = false

  return {
    update(nextPhase, done, total) {
      const at = now()
      const changed = nextPhase !== phase
      if (changed) {
        phase = nextPhase
        startedAt = at
        finishedShown = false
        if (!stderr.isTTY) shownAt = at
      }
      const finished = total > 0 && done >= total
      if (!finished) finishedShown = false
      if (finished && finishedShown) return
      if (stderr.isTTY) {
        if (!changed && !finished && at - shownAt < redrawEveryMs) return
        shownAt = at
        finishedShown = finished
        stderr.write(`\r\x1b[2K${bar(phase, done, total, (at - startedAt) / 1000, stderr.columns)}`)
        barDrawn = true
      } else if (at - shownAt >= logEveryMs || (finished && at - startedAt >= logEveryMs)) {
        shownAt = at
        finishedShown = finished
        stderr.write(`${summary(phase, done, total, (at - startedAt) / 1000)}\n`)
      }
    },
    end() {
      if (barDrawn) stderr.write('\r\x1b[2K')
      barDrawn = false
    },
  }
}

/** `train 62 % · 1,240/2,000 · 3.1 s, 1.9 s left` */
function summary(phase: string, done: number, total: number, seconds: number): string {
  if (total <= 0) return `${phase} · ${done.toLocaleString('en-US')} · ${duration(seconds)}`
  const share = Math.min(1, done / total)
  const left = share > 0 && share < 1 ? `, ${duration((seconds * (1 - share)) / share)} left` : ''
  return `${phase} ${Math.floor(share * 100)} % · ${done.toLocaleString('en-US')}/${total.toLocaleString('en-US')} · ${duration(seconds)}${left}`
}

function bar(phase: string, done: number, total: number, seconds: number, columns: number): string {
  const text = summary(phase, done, total, seconds)
  const room = Math.min(30, columns - text.length - 4)
  if (total <= 0 || room < 5) return text.slice(0, Math.max(0, columns - 1))
  const filled = Math.round(Math.min(1, done / total) * room)
  return `${'█'.repeat(filled)}${'░'.repeat(room - filled)}  ${text}`
}
