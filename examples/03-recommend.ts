/**
 * Loads a finished run and lists what it would recommend, skipping what the person has rated.
 *
 * Prints: ^person 1 would be shown
 * Prints: ^ +\d\.\d\d  .+ \(\d{4}\)$
 * Prints: ^5 items, none of them rated before
 */
import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { convertDataset } from '../src/data/index.node.ts'
import { syntheticInteractions } from '../src/data/index.ts'
import { loadRun, recommendFromRun, train } from '../src/runs/index.node.ts'

const folder = process.env.TACET_EXAMPLE_DIR ?? mkdtempSync(join(tmpdir(), 'tacet-example-'))
mkdirSync(folder, { recursive: true })
const dataPath = join(folder, 'ratings.ndjson')
await convertDataset(syntheticInteractions({ users: 400, items: 200, interactions: 16_000 }).data, { to: 'ndjson', out: dataPath })
const { run } = await train({ dataPath, epsilon: 2, out: join(folder, 'run') })

const { user, items } = await recommendFromRun(run, { user: '1', n: 5 })
console.log(`person ${user} would be shown`)
for (const { title, id, score } of items) console.log(`  ${score.toFixed(2)}  ${title ?? id}`)

// The run's own data set says what was rated in training.
const { data, split } = await loadRun(run)
const rated = new Set(
  [...split.train].filter((row) => data.userIds[data.users[row]!] === user).map((row) => data.itemIds[data.items[row]!]),
)
console.log(`${items.length} items, ${items.some(({ id }) => rated.has(id)) ? 'some' : 'none'} of them rated before`)
