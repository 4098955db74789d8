/** `tacet account`: what a plan costs before anybody's data is touched. Reads no data set and writes no file. */
import type { Command } from 'commander'
import type { CommandContext } from '../io.ts'
export function addAccountCommand(_program: Command, _contextOf: () => CommandContext): void {}
