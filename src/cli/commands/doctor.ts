import type { Command } from 'commander'
import type { CommandContext } from '../io.ts'
export function addDoctorCommand(_program: Command, _contextOf: () => CommandContext): void {}
