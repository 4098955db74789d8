/**
 * Trains the same model with and without privacy on invented ratings, and says what the privacy cost. Needs no data set.
 *
 * Prints: ^best possible  RMSE 0\.\d+
 * Prints: ^constant  RMSE \d\.\d+
 * Prints: ^no privacy  RMSE 0\.\d+
 * Prints: ^ε = 1  RMSE 0\.\d+
 * Prints: ^private beats the constant: true
 */
import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { convertDataset } from '../src/data/index.node.ts'
import { syntheticInteractions } from '../src/data/index.ts'
import { train } from '../src/runs/index.node.ts'

const folder = process.env.TACET_EXAMPLE_DIR ?? mkdtempSync(join(tmpdir(), 'tacet-example-'))
mkdirSync(folder, { recursive: true })

// Planted tastes, so that the best possible error is known; nobody is in these ratings.
const { data, bestRmse } = syntheticInteractions({ users: 800, items: 300, interactions: 40_000 })
const dataPath = join(folder, 'ratings.ndjson')
await convertDataset(data, { to: 'ndjson', out: dataPath })

const plain = await train({ dataPath, noPrivacy: true, out: join(folder, 'plain') })
// ε = 1 per rating, noise from the operating system: a run that may be released.
const released = await train({ dataPath, epsilon: 1, out: join(folder, 'private') })

console.log(`best possible  RMSE ${bestRmse.toFixed(3)}`)
console.log(`constant  RMSE ${released.baselines.constant.rmse.toFixed(3)}`)
console.log(`no privacy  RMSE ${plain.metrics.rmse.toFixed(3)}`)
console.log(`ε = 1  RMSE ${released.metrics.rmse.toFixed(3)}`)
console.log(`private beats the constant: ${released.metrics.rmse < released.baselines.constant.rmse}`)
console.log(`the promise in plain words: ${join(released.run, 'statement.md')}`)
