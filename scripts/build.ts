/**
 * Builds dist/ with plain tsc: one .js and one .d.ts a source, no bundling. Then checks what tsc cannot know: that the program is executable,
 * that every path of the exports map exists, and that no worker or asset is still addressed by its .ts name.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')

rmSync(dist, { recursive: true, force: true })
const tsc = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
})
if (tsc.status !== 0) fail('tsc found errors')

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  bin: Record<string, string>
  exports: Record<string, string | Record<string, string>>
}
for (const path of Object.values(manifest.bin)) {
  if (!readFileSync(join(root, path), 'utf8').startsWith('#!/usr/bin/env node')) fail(`${path} has no shebang`)
  chmodSync(join(root, path), 0o755)
}
for (const [name, target] of Object.entries(manifest.exports)) {
  for (const path of typeof target === 'string' ? [target] : Object.values(target)) {
    if (!existsSync(join(root, path))) fail(`exports["${name}"] names ${path}, which the build did not make`)
  }
}

const built = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.js'))
for (const file of built) {
  const unresolved = readFileSync(join(dist, file), 'utf8').match(/new URL\(\s*['"][^'"]+\.ts['"]\s*,\s*import\.meta\.url/)
  if (unresolved) fail(`dist/${file} addresses a source file: ${unresolved[0]}`)
}
process.stdout.write(`built ${built.length} modules into dist/\n`)

function fail(reason: string): never {
  process.stderr.write(`build: ${reason}\n`)
  process.exit(1)
}
