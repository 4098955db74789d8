/**
 * The world as a command sees it: two streams, the environment, and an interrupt. Everything a command prints goes through here, so that
 * a test can run the whole command line in-process (`runCommandLine(argv, io)`) and read what a person or a program would have read.
 */

export interface TextSink {
  write(text: string): void
  /** A person is looking: progress may redraw its line. */
  readonly isTTY: boolean
  readonly columns: number
}

export interface CliIo {
  /** Results, and nothing else: safe to pipe. */
  readonly stdout: TextSink
  /** Progress and errors. */
  readonly stderr: TextSink
  readonly env: Readonly<Record<string, string | undefined>>
  /**
   * Aborts on the first SIGINT. Commands that can stop at a step boundary ask for it; the handler is installed at the first call, so that
   * a command which never asks is ended by Ctrl-C at once, as usual.
   */
  interruptSignal(): AbortSignal
}

/** What every command receives: where to print, and how. */
export interface CommandContext {
  readonly io: CliIo
  readonly json: boolean
  readonly quiet: boolean
}
