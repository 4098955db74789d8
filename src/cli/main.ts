#!/usr/bin/env node
/**
 * The `tacet` program: binds the command line to this process (streams, environment, signals, exit status) and nothing more.
 * Everything testable is in command-line.ts.
 */
import type { CliIo, TextSink } from './io.ts'

function sink(stream: NodeJS.WriteStream): TextSink {
  // The reader went away (`tacet … | head`): nothing more to say, and not an error.
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  return {
    write: (text) => {
      stream.write(text)
    },
    isTTY: stream.isTTY === true,
    columns: stream.columns ?? 80,
  }
}

let controller: AbortController | undefined
function interruptSignal(): AbortSignal {
  if (controller) return controller.signal
  const created = new AbortController()
  controller = created
  process.on('SIGINT', () => {
    if (created.signal.aborted) process.exit(130)
    process.stderr.write('\nstopping at the next step boundary; Ctrl-C again stops at once\n')
    created.abort()
  })
  return created.signal
}

const io: CliIo = { stdout: sink(process.stdout), stderr: sink(process.stderr), env: process.env, interruptSignal }

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 12)) {
  process.stderr.write(`invalid-argument: this is Node ${process.versions.node}; tacet needs 22.12 or later\n`)
  process.exitCode = 2
} else {
  // Loaded after the check: on an older Node the modules themselves would not load. exitCode and not exit(): a pipe may still be draining.
  const { runCommandLine } = await import('./command-line.ts')
  process.exitCode = await runCommandLine(process.argv.slice(2), io)
}
