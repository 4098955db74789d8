/** Runs the command line in this process and returns what a person would have seen. */
import { runCommandLine } from '../../src/cli/command-line.ts'

export interface Captured {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export async function tacet(
  argv: readonly string[],
  options: { signal?: AbortSignal; isTTY?: boolean; env?: Record<string, string> } = {},
): Promise<Captured> {
  const stdout: string[] = []
  const stderr: string[] = []
  const status = await runCommandLine(argv, {
    stdout: { write: (text) => void stdout.push(text), isTTY: false, columns: 80 },
    stderr: { write: (text) => void stderr.push(text), isTTY: options.isTTY ?? false, columns: 80 },
    env: options.env ?? {},
    interruptSignal: () => options.signal ?? new AbortController().signal,
  })
  return { status, stdout: stdout.join(''), stderr: stderr.join('') }
}

/** The error object that `--json` prints on stderr. */
export function errorOf({ stderr }: Captured): { code: string; message: string; wayOut: string | null; details: Record<string, unknown> } {
  return (JSON.parse(stderr.trim().split('\n').at(-1) as string) as { error: ReturnType<typeof errorOf> }).error
}

export function lineCount(text: string): number {
  return text === '' ? 0 : text.trimEnd().split('\n').length
}
