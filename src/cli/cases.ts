/** What commands with `--cases FILE` share: a file of questions, one JSON object a line, answered line by line while it is read. */
import { open, stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { TacetError } from '../errors.ts'
import { refuse } from './flags.ts'
import type { CommandContext } from './io.ts'
import { toJson } from './output.ts'

/**
 * Prints the answer to every line of the file that is not blank.
 * @param answer takes a line as it stands; what is wrong with one question is part of its answer
 * @throws TacetError missing-file, empty-data
 */
export async function answerCases(path: string, answer: (line: string) => unknown, { io }: CommandContext): Promise<void> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new TacetError('missing-file', `${path} cannot be read (${error.code ?? error.message})`, {
      wayOut: 'Check the path',
      details: { file: path },
    })
  })
  if (found.isDirectory())
    throw new TacetError('missing-file', `${path} is a folder, not a file of cases`, {
      wayOut: 'Name an NDJSON file',
      details: { file: path },
    })
  const file = await open(path)
  let answered = 0
  // readLines closes the file when it ends or throws.
  for await (const text of file.readLines()) {
    if (text.trim() === '') continue
    io.stdout.write(`${toJson(answer(text))}\n`)
    answered++
  }
  if (answered === 0)
    throw new TacetError('empty-data', `${path} holds no case`, { wayOut: 'Write one JSON object a line', details: { file: path } })
}

/** Refuses any other setting beside `only`, saying why. */
export function refuseSettingsBeside(
  command: Command,
  only: string,
  why: (long: string) => string,
  wayOut: (long: string) => string,
): void {
  for (const option of command.options) {
    const name = option.attributeName()
    if (name !== only && command.getOptionValueSource(name) === 'cli') refuse(why(option.long as string), wayOut(option.long as string))
  }
}
