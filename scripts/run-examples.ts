/**
 * Runs every examples/*.ts as a user would, and holds each to the lines it promises: an example states them in its header as
 * `Prints: …` (one regular expression a line). An example without a promise fails, so that none rots unnoticed.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const examples = join(import.meta.dirname, '../examples')
const work = mkdtempSync(join(tmpdir(), 'tacet-examples-'))
process.on('exit', () => rmSync(work, { recursive: true, force: true }))

let failed = 0
const files = readdirSync(examples)
  .filter((file) => file.endsWith('.ts'))
  .sort()
for (const file of files) {
  const startedAt = performance.now()
  const promises = [...readFileSync(join(examples, file), 'utf8').matchAll(/^ \* Prints: (.+)$/gm)].map((match) => match[1] as string)
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(examples, file)], {
    encoding: 'utf8',
    timeout: 120_000,
    env: { ...process.env, TACET_EXAMPLE_DIR: join(work, file) },
  })
  const missing = promises.filter((promise) => !new RegExp(promise, 'm').test(stdout))
  const ok = status === 0 && promises.length > 0 && missing.length === 0
  process.stdout.write(`${ok ? 'ok  ' : 'FAIL'} examples/${file} (${((performance.now() - startedAt) / 1000).toFixed(1)} s)\n`)
  if (!ok) {
    failed++
    process.stderr.write(`exit ${status}${promises.length === 0 ? '; it promises nothing ("Prints: …")' : ''}\n`)
    for (const promise of missing) process.stderr.write(`not printed: ${promise}\n`)
    process.stderr.write(`${stdout}\n${stderr}\n`)
  }
}
process.stdout.write(`examples: ${files.length - failed} passed, ${failed} failed\n`)
process.exitCode = failed === 0 && files.length > 0 ? 0 : 1
