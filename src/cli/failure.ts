/**
 * The one place where an error becomes text and an exit status. People get `code: sentence` and the way out, at most six lines; programs
 * (`--json`) get `{"error":{code,message,wayOut,details}}`. Both on stderr: stdout holds results only.
 *
 * A stack is printed for unexpected errors alone, and only with TACET_DEBUG: it names files of the machine and helps no user.
 */
import { CommanderError } from 'commander'
import { type ErrorCode, exitStatusByCode, TacetError } from '../errors.ts'
import { toJson } from './output.ts'

const maxLines = 6
const maxLineLength = 400

export interface Failure {
  readonly exitStatus: number
  /** What to write to stderr, with its final newline. Empty when commander only stopped to show help or the version. */
  readonly text: string
}

/** Turns anything thrown into an exit status and a text. */
export function describeFailure(thrown: unknown, { json, debug }: { json: boolean; debug: boolean }): Failure {
  if (thrown instanceof CommanderError && (thrown.exitCode === 0 || thrown.code === 'commander.help')) return { exitStatus: 0, text: '' }
  const error = asTacetError(thrown)
  const exitStatus = exitStatusByCode[error.code]
  const stack = debug && error.code === 'internal' && thrown instanceof Error ? `${thrown.stack ?? ''}\n` : ''
  if (json) {
    const { code, message, wayOut = null, details } = error
    return { exitStatus, text: `${stack}${toJson({ error: { code, message, wayOut, details } })}\n` }
  }
  const lines = `${error.code}: ${error.message}`.trimEnd().split('\n')
  const wayOut = error.wayOut?.trimEnd().split('\n') ?? []
  const shown = [...lines.slice(0, maxLines - Math.min(wayOut.length, 2)), ...wayOut.slice(0, 2).map((text) => `  ${text}`)]
  return { exitStatus, text: `${stack}${shown.map(shorten).join('\n')}\n` }
}

function shorten(text: string): string {
  return text.length <= maxLineLength ? text : `${text.slice(0, maxLineLength - 1)}…`
}

function asTacetError(thrown: unknown): TacetError {
  if (thrown instanceof TacetError) return thrown
  if (thrown instanceof CommanderError) return usageError(thrown)
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  const code = systemCodes[(thrown as { code?: string } | null)?.code ?? '']
  if (code) return new TacetError(code, message, { wayOut: 'Check the path and its permissions' })
  return new TacetError('internal', message || 'an error without a message', {
    wayOut: 'This is a bug in Tacet. Run it again with TACET_DEBUG=1 and report the stack',
  })
}

/** System errors that no module turned into a sentence of its own. */
const systemCodes: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'missing-file',
  EISDIR: 'missing-file',
  ENOTDIR: 'missing-file',
  ENOSPC: 'output-not-writable',
  EROFS: 'output-not-writable',
}

/** Commander's `error: unknown option '--foo'\n(Did you mean --food?)` as one of ours. */
function usageError({ message }: CommanderError): TacetError {
  const [sentence = '', suggestion] = message.replace(/^error: /, '').split('\n')
  const wanted = suggestion?.match(/\(Did you mean (?:one of )?(.*?)\?\)/)?.[1]
  return new TacetError('invalid-argument', sentence.trim(), {
    wayOut: wanted ? `Did you mean ${wanted}?` : '`--help` after any command lists its options and shows examples',
  })
}
