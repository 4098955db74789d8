import { expect, test } from 'vitest'
import { seededRandom } from '../random/index.ts'
import {
  createWideAndDeepNetwork,
  type FeatureColumn,
  initialiseWideAndDeep,
  itemFeatureColumns,
  paperWideAndDeep,
  predictPairs,
  type WideAndDeepConfig,
} from './wide-and-deep.ts'

const categorical = (name: string, values: readonly number[], categories: readonly string[]): FeatureColumn => ({
  name,
  kind: 'categorical',
  values: Float32Array.from(values),
  categories,
})
const numeric = (name: string, values: readonly number[], categories: readonly string[] | null = null): FeatureColumn => ({
  name,
  kind: 'numeric',
  values: Float32Array.from(values),
  categories,
})
const small = {
  userCount: 3,
  itemCount: 2,
  userFeatures: [
    categorical('gender', [0, 1, Number.NaN], ['F', 'M']),
    numeric('age', [1, 56, Number.NaN]),
    numeric('occupation', [0, 20, 10]),
  ],
  itemFeatures: itemFeatureColumns({
    titles: null,
    genreNames: ['Comedy', 'Drama', 'War'],
    genres: [[0, 2], []],
    years: Float32Array.of(1990, Number.NaN),
  }),
}

/** Values that reach the network for the pair (user, item), and the tile they stand in. */
function inputsOf(config: WideAndDeepConfig, user: number, item: number) {
  const { network, loadTile } = createWideAndDeepNetwork(config, small)
  loadTile(null, 0, 1, Uint32Array.of(user), Uint32Array.of(item), null)
  return { indices: network.indices.map((column) => column[0]), numbers: network.numbers.map((column) => column[0]), network }
}

test('the published network on MovieLens 1M has 102,843 parameters with the whole catalogue, 101,073 with the rated films', () => {
  const zeros = (n: number) => new Array<number>(n).fill(0)
  const movieLens = (itemCount: number) => ({
    userCount: 6040,
    itemCount,
    userFeatures: [categorical('gender', zeros(6040), ['F', 'M']), numeric('age', zeros(6040)), numeric('occupation', zeros(6040))],
    itemFeatures: [],
  })
  const { network } = createWideAndDeepNetwork(paperWideAndDeep, movieLens(3883))
  expect(network.parameterCount).toBe(102_843)
  expect(createWideAndDeepNetwork(paperWideAndDeep, movieLens(3706)).network.parameterCount).toBe(101_073)
  expect(network.blocks.map(({ name, shape }) => `${name} ${shape.join('×')}`)).toEqual([
    'embedding.user 6040×10',
    'embedding.item 3883×10',
    'embedding.gender 2×2',
    'deep.0.weights 22×64',
    'deep.0.bias 64',
    'deep.1.weights 64×32',
    'deep.1.bias 32',
    'wide.age.weights 1×4',
    'wide.age.bias 4',
    'wide.occupation.weights 1×4',
    'wide.occupation.bias 4',
    'output.weights 40×1',
    'output.bias 1',
  ])
})

test('inputs are raw as in the paper, or scaled by the declared public range; unknown values are a row of their own and a fixed number', () => {
  expect(inputsOf(paperWideAndDeep, 1, 0)).toMatchObject({ indices: [1, 0, 1], numbers: [56, 20] })
  expect(inputsOf({ ...paperWideAndDeep, inputs: 'scaled' }, 1, 0).numbers).toEqual([1, 1])
  const unknown = inputsOf(paperWideAndDeep, 2, 1)
  expect(unknown).toMatchObject({ indices: [2, 1, 2], numbers: [0, 10] })
  expect(unknown.network.blocks[2]).toMatchObject({ name: 'embedding.gender', shape: [3, 2] })
})

test('any features: bags of genres, release years, linear item biases, tables that two features share', () => {
  const config: WideAndDeepConfig = {
    ...paperWideAndDeep,
    categorical: [
      { name: 'user', of: 'user', dimensions: 3 },
      { name: 'genre', of: 'item-attribute', attribute: 'genres', dimensions: 5, combine: 'sum' },
      { name: 'genre bias', of: 'item-attribute', attribute: 'genres', dimensions: 5, table: 'genre', part: 'wide' },
      { name: 'item bias', of: 'item', dimensions: 1, part: 'wide' },
      { name: 'job', of: 'user-attribute', attribute: 'gender', dimensions: 2 },
    ],
    numeric: [{ name: 'year', of: 'item-attribute', units: 3, range: [1920, 2000] }],
    inputs: 'scaled',
    hiddenLayers: [5],
  }
  const { network, indices, numbers } = inputsOf(config, 1, 0)
  expect(indices).toEqual([1, 0, 0, 0, 1])
  expect(numbers).toEqual([0.875])
  expect(network.blocks.map(({ name }) => name)).toEqual([
    'embedding.user',
    'embedding.genre',
    'embedding.item bias',
    'embedding.job',
    'deep.0.weights',
    'deep.0.bias',
    'wide.year.weights',
    'wide.year.bias',
    'output.weights',
    'output.bias',
  ])
  expect(network.blocks.find(({ name }) => name === 'output.weights')?.shape).toEqual([5 + 3 + 5 + 1, 1])
})

test('parts leave out the other half', () => {
  const names = (parts: WideAndDeepConfig['parts']) =>
    inputsOf({ ...paperWideAndDeep, parts }, 0, 0).network.blocks.map(({ name }) => name.split('.')[0])
  expect(new Set(names('deep'))).toEqual(new Set(['embedding', 'deep', 'output']))
  expect(new Set(names('wide'))).toEqual(new Set(['wide', 'output']))
})

test('starting values: embeddings uniform on the declared scale, weights Glorot uniform, biases 0, output bias as declared', () => {
  const config = { ...paperWideAndDeep, embeddingInitialScale: 0.3, initialOutputBias: 3.5 }
  const { network } = createWideAndDeepNetwork(config, small)
  initialiseWideAndDeep(network, config, seededRandom(1))
  const block = (name: string) => {
    const { offset, shape } = network.blocks.find((candidate) => candidate.name === name)!
    return network.parameters.subarray(offset, offset + shape.reduce((product, extent) => product * extent, 1))
  }
  const largest = (values: Float32Array) => values.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
  expect(largest(block('embedding.user'))).toBeLessThanOrEqual(Math.fround(0.3))
  expect(largest(block('embedding.user'))).toBeGreaterThan(0.2)
  const limit = Math.sqrt(6 / 96)
  expect(largest(block('deep.1.weights'))).toBeLessThanOrEqual(limit)
  expect(largest(block('deep.1.weights'))).toBeGreaterThan(0.98 * limit)
  expect(largest(block('deep.0.bias'))).toBe(0)
  expect([...block('output.bias')]).toEqual([3.5])
})

test('a feature that does not fit the data is named, and so is a person outside the tables', () => {
  const create = (change: Partial<WideAndDeepConfig>) => () => createWideAndDeepNetwork({ ...paperWideAndDeep, ...change }, small)
  const feature = { name: 'x', of: 'user-attribute', dimensions: 2 } as const
  expect(create({ categorical: [feature] })).toThrow('feature x: the data has no user column x (it has: gender, age, occupation)')
  expect(create({ categorical: [{ ...feature, attribute: 'age' }] })).toThrow('has no categories')
  expect(create({ categorical: [{ ...feature, dimensions: 0 }] })).toThrow('dimensions of feature x is 0')
  expect(create({ numeric: [{ name: 'genres', of: 'item-attribute', units: 2 }] })).toThrow('one value an entity')
  expect(create({ inputs: 'scaled', numeric: [{ name: 'age', of: 'user-attribute', units: 2 }] })).toThrow('public range')
  expect(create({ parts: 'wide', numeric: [] })).toThrow('no feature left')
  expect(
    create({
      categorical: [
        { name: 'user', of: 'user', dimensions: 2, table: 't' },
        { name: 'item', of: 'item', dimensions: 2, table: 't' },
      ],
    }),
  ).toThrow('table t is 3 × 2, not 2 × 2')
  expect(() => inputsOf(paperWideAndDeep, 3, 0)).toThrow('user 3 of 3')
})

test('a linear start predicts the public bias for everybody and moves one unit of rating per unit of an item’s embedding, whatever the seed', () => {
  const data = { userCount: 30, itemCount: 20, userFeatures: [numeric('age', new Array(30).fill(30))], itemFeatures: [] }
  const config: WideAndDeepConfig = {
    ...paperWideAndDeep,
    categorical: paperWideAndDeep.categorical.slice(0, 2),
    numeric: paperWideAndDeep.numeric.slice(0, 1),
    inputs: 'scaled',
    initialOutputBias: 3.5,
    embeddingInitialScale: 1e-4,
    start: 'linear',
  }
  for (let seed = 0; seed < 8; seed++) {
    const model = createWideAndDeepNetwork(config, data)
    initialiseWideAndDeep(model.network, config, seededRandom(seed))
    const { network } = model
    const item = network.blocks.find(({ name }) => name === 'embedding.item')!
    const predict = () => {
      const out = new Float32Array(1)
      network.prepare()
      predictPairs(model, Uint32Array.of(3), Uint32Array.of(0), out)
      return out[0]!
    }
    const before = predict()
    expect(before).toBeCloseTo(3.5, 2)
    let square = 0
    for (let j = 0; j < 10; j++) {
      network.parameters[item.offset + j]! += 0.01
      square += ((predict() - before) / 0.01) ** 2
      network.parameters[item.offset + j]! -= 0.01
    }
    expect(Math.sqrt(square)).toBeCloseTo(1, 1)
  }
})
