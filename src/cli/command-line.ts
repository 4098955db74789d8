/**
 * The composition root's frame: global flags, the list of commands, and the way from a thrown error to an exit status.
 *
 * Each command is a file in commands/ that declares its flags and examples, and imports the modules that do the work only when it runs:
 * `tacet --help` stays fast. Exit statuses are in errors.ts.
 */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { addAccountCommand } from './commands/account.ts'
import { addAuditCommand } from './commands/audit.ts'
import { addCompareCommand } from './commands/compare.ts'
import { addDataCommand } from './commands/data.ts'
import { addDemoCommand } from './commands/demo.ts'
import { addDoctorCommand } from './commands/doctor.ts'
import { addEvaluateCommand, addRecommendCommand } from './commands/evaluate.ts'
import { addMetricsCommand } from './commands/metrics.ts'
import { addStudyCommand } from './commands/study.ts'
import { addTrainCommand } from './commands/train.ts'
import { addTuneCommand } from './commands/tune.ts'
import { describeFailure } from './failure.ts'
import { examples } from './flags.ts'
import type { CliIo, CommandContext } from './io.ts'

/** Adds one command (or group) to the program. */
export type AddCommand = (program: Command, contextOf: () => CommandContext) => void

const commands: readonly AddCommand[] = [
  addAccountCommand,
  addDataCommand,
  addTrainCommand,
  addTuneCommand,
  addEvaluateCommand,
  addRecommendCommand,
  addMetricsCommand,
  addCompareCommand,
  addStudyCommand,
  addAuditCommand,
  addDemoCommand,
  addDoctorCommand,
]

/**
 * Runs one command line.
 * @param argv arguments without the program's name
 * @returns the exit status; never throws
 */
export async function runCommandLine(argv: readonly string[], io: CliIo): Promise<number> {
  // Looked up by hand because an unparsable command line must be answered in the format it asked for.
  const json = argv.includes('--json')
  try {
    const program = createProgram(io)
    await program.parseAsync([...argv], { from: 'user' })
    return 0
  } catch (thrown) {
    const { exitStatus, text } = describeFailure(thrown, { json, debug: Boolean(io.env.TACET_DEBUG) })
    if (text) io.stderr.write(text)
    return exitStatus
  }
}

function createProgram(io: CliIo): Command {
  const program = new Command('tacet')
    .description('A recommender system that can prove what it does not know about the people it serves')
    .version(packageVersion(), '--version', 'print the version')
    .option('--json', 'print one JSON object instead of text (errors too, on stderr)')
    .option('--quiet', 'no progress on stderr')
    .helpOption('-h, --help', 'show this help')
    .exitOverride()
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      // Commander's only other text: the help of a group called without its command. That is an answer, not an error.
      writeErr: (text) => io.stdout.write(text),
      outputError: () => {}, // describeFailure prints it, once, in our format
    })
    .showSuggestionAfterError(true)
    .addHelpText(
      'after',
      examples(
        'tacet account --noise-multiplier 1 --sample-rate 0.01 --steps 1000 --delta 1e-5   # what would this plan cost?',
        'tacet demo                                                                        # everything once, on synthetic data',
      ),
    )
  const contextOf = (): CommandContext => {
    const { json = false, quiet = false } = program.opts<{ json?: boolean; quiet?: boolean }>()
    return { io, json, quiet }
  }
  for (const add of commands) add(program, contextOf)
  return program
}

function packageVersion(): string {
  // src/cli and dist/cli are equally far from package.json.
  return (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version
}
