/** MovieLens 1M where it is present, else random columns of its shape: enough for timing, useless for accuracy. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readDataset } from '../src/data/index.node.ts'
import { type Interactions, splitInteractions } from '../src/data/index.ts'
import { itemFeatureColumns, type WideAndDeepData } from '../src/models/index.ts'
import { seededRandom } from '../src/random/index.ts'

/** The folder of ML-1M, or null. `TACET_DATA` names the folder of data sets. */
export function movieLensPath(): string | null {
  const path = join(process.env.TACET_DATA ?? join(import.meta.dirname, '../../shared/data'), 'ml-1m')
  return existsSync(join(path, 'users.dat')) ? path : null
}

export interface TrainingColumns extends WideAndDeepData {
  readonly name: string
  readonly users: Uint32Array
  readonly items: Uint32Array
  readonly ratings: Float32Array
}

/** The training part (first 80 % by time) of a data set, as columns of their own. */
export function trainingColumns(data: Interactions): TrainingColumns {
  const { train } = splitInteractions(data, { kind: 'chronological' })
  return {
    name: data.name,
    userCount: data.userIds.length,
    itemCount: data.itemIds.length,
    userFeatures: data.userAttributes,
    itemFeatures: itemFeatureColumns(data.itemTable),
    users: Uint32Array.from(train, (row) => data.users[row] as number),
    items: Uint32Array.from(train, (row) => data.items[row] as number),
    ratings: Float32Array.from(train, (row) => data.values[row] as number),
  }
}

/** ML-1M's training part or its shape: 800,167 ratings of 6,040 persons and 3,883 films. */
export async function movieLensColumns(options: { synthetic: boolean }): Promise<TrainingColumns> {
  const path = options.synthetic ? null : movieLensPath()
  if (path !== null) return trainingColumns(await readDataset(path))
  const [userCount, itemCount, rows] = [6040, 3883, 800_167]
  const random = seededRandom(1)
  const words = new Uint32Array(rows * 3 + userCount * 3)
  random.fillWords(words)
  const pick = (at: number, n: number) => (words[at] as number) % n
  const column = (index: number, n: number) =>
    Float32Array.from({ length: userCount }, (_, user) => pick(rows * 3 + index * userCount + user, n))
  return {
    name: 'random columns of the shape of ml-1m',
    userCount,
    itemCount,
    userFeatures: [
      { name: 'gender', kind: 'categorical', values: column(0, 2), categories: ['F', 'M'] },
      { name: 'age', kind: 'numeric', values: column(1, 57), categories: null },
      { name: 'occupation', kind: 'numeric', values: column(2, 21), categories: null },
    ],
    itemFeatures: [],
    users: Uint32Array.from({ length: rows }, (_, r) => pick(r, userCount)),
    items: Uint32Array.from({ length: rows }, (_, r) => pick(rows + r, itemCount)),
    ratings: Float32Array.from({ length: rows }, (_, r) => 1 + pick(rows * 2 + r, 5)),
  }
}
