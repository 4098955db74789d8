/**
 * Wide & Deep for ratings (Cheng et al. 2016): embeddings through a ReLU tower (deep), numbers each through a small
 * ReLU layer (wide), both concatenated into one linear output, squared error (or, for ranking, the logistic loss). `paperWideAndDeep` is the published network to the letter;
 * any other features, sizes and parts by configuration.
 *
 * Says how to score and how features reach the network. Training, clipping and noise live in training/. The vectors of persons are part of the
 * parameters, so a private release of this model protects ratings, not the fact that a person has a row.
 */

import type { AttributeColumn, ItemTable } from '../data/index.ts'
import { checkNumber, TacetError } from '../errors.ts'
import type { KernelsChoice } from '../kernels/index.ts'
import type { RandomSource } from '../random/index.ts'
import type { NamedTensors, PredictPairs, Recommender } from './model.ts'
import { createNetwork, type LookupSpec, type Network, type NetworkSpec } from './network/network.ts'

/** A categorical feature and its embedding. */
export interface CategoricalFeature {
  readonly name: string
  /** `user` and `item` are the dense indices themselves; otherwise a column of the user's or item's attributes. */
  readonly of: 'user' | 'item' | 'user-attribute' | 'item-attribute'
  /** Column name for attributes; `name` when left out. */
  readonly attribute?: string
  readonly dimensions: number
  /** Features that name the same table share one embedding (their columns must have the same categories). Default: `name`. */
  readonly table?: string
  /** For multi-valued columns. Default `mean`. */
  readonly combine?: 'sum' | 'mean'
  /** `deep` (default): into the tower. `wide`: straight to the output, linear. */
  readonly part?: 'deep' | 'wide'
}

/** A numeric feature and its dense ReLU layer. */
export interface NumericFeature {
  readonly name: string
  readonly of: 'user-attribute' | 'item-attribute'
  readonly attribute?: string
  readonly units: number
  /** Public range, from the documentation of the data set and never from private rows: `scaled` inputs map it to [0, 1]. */
  readonly range?: readonly [number, number]
}

export interface WideAndDeepConfig {
  readonly categorical: readonly CategoricalFeature[]
  readonly numeric: readonly NumericFeature[]
  readonly hiddenLayers: readonly number[]
  readonly parts: 'joint' | 'wide' | 'deep'
  readonly inputs: 'raw' | 'scaled'
  /** Public starting value of the output bias (a constant, not a mean of private ratings). */
  readonly initialOutputBias: number
  /** Embeddings start uniform on ±this. */
  readonly embeddingInitialScale: number
  /**
   * `keras` (default) starts as Keras does. `linear` starts the tower away from its kinks (hidden biases 1), with the prediction moving one unit of
   * rating per unit of an item's embedding, and the numbers silent: under noise, how fast a random start can learn is luck otherwise.
   */
  readonly start?: 'keras' | 'linear'
  /** squared (default): the output is a rating. logistic: it is the logit of a 0/1 target. */
  readonly loss?: 'squared' | 'logistic'
}

/** The network of Al-Omair 2026 ("An Empirical Evaluation of Differential Privacy in Wide & Deep Recommender Systems"), section 3.1; Keras' defaults for what it leaves open. */
export const paperWideAndDeep: WideAndDeepConfig = {
  categorical: [
    { name: 'user', of: 'user', dimensions: 10 },
    { name: 'item', of: 'item', dimensions: 10 },
    { name: 'gender', of: 'user-attribute', dimensions: 2 },
  ],
  numeric: [
    { name: 'age', of: 'user-attribute', units: 4, range: [1, 56] },
    { name: 'occupation', of: 'user-attribute', units: 4, range: [0, 20] },
  ],
  hiddenLayers: [64, 32],
  parts: 'joint',
  inputs: 'raw',
  initialOutputBias: 0,
  embeddingInitialScale: 0.05,
}

/** A column with any number of categories an entity: entity e has indices[offsets[e] … offsets[e+1]−1]. */
export interface MultiValuedColumn {
  readonly name: string
  readonly kind: 'multi-valued'
  readonly offsets: Uint32Array
  readonly indices: Uint32Array
  readonly categories: readonly string[]
}

export type FeatureColumn = AttributeColumn | MultiValuedColumn

export interface WideAndDeepData {
  readonly userCount: number
  readonly itemCount: number
  /** One value a user. */
  readonly userFeatures: readonly FeatureColumn[]
  /** One value an item. */
  readonly itemFeatures: readonly FeatureColumn[]
}

/** Keeps the features that the data set has: `user`, `item`, and attributes among its columns. A data set without demographics simply has fewer. */
export function withAvailableFeatures(
  config: WideAndDeepConfig,
  data: Pick<WideAndDeepData, 'userFeatures' | 'itemFeatures'>,
): WideAndDeepConfig {
  const has = (of: CategoricalFeature['of'], name: string) =>
    of === 'user' ||
    of === 'item' ||
    (of === 'user-attribute' ? data.userFeatures : data.itemFeatures).some((column) => column.name === name)
  return {
    ...config,
    categorical: config.categorical.filter((feature) => has(feature.of, feature.attribute ?? feature.name)),
    numeric: config.numeric.filter((feature) => has(feature.of, feature.attribute ?? feature.name)),
  }
}

/** The columns an item table offers: `genres` (multi-valued) and `year` (numeric), where it has them. */
export function itemFeatureColumns(table: ItemTable | null): FeatureColumn[] {
  if (table === null) return []
  const columns: FeatureColumn[] = []
  if (table.genreNames.length > 0) {
    const offsets = new Uint32Array(table.genres.length + 1)
    table.genres.forEach((genres, item) => {
      offsets[item + 1] = offsets[item]! + genres.length
    })
    columns.push({
      name: 'genres',
      kind: 'multi-valued',
      offsets,
      indices: Uint32Array.from(table.genres.flat()),
      categories: table.genreNames,
    })
  }
  if (table.years !== null) columns.push({ name: 'year', kind: 'numeric', values: table.years, categories: null })
  return columns
}

/** How one input of the network follows from the user or the item of an example. */
interface Input<Column> {
  readonly side: 'user' | 'item'
  /** Null: the index itself. */
  readonly values: Column | null
}

export interface WideAndDeepNetwork {
  readonly network: Network
  /**
   * Puts rows[from … from+count−1] into the tile; targets only where `ratings` is given.
   * @throws TacetError unknown-id if a user or item index is outside the tables
   */
  loadTile(
    rows: Uint32Array | null,
    from: number,
    count: number,
    users: Uint32Array,
    items: Uint32Array,
    ratings: Float32Array | null,
  ): void
}

/** @throws TacetError invalid-argument naming the feature that does not fit the data */
export function createWideAndDeepNetwork(
  config: WideAndDeepConfig,
  data: WideAndDeepData,
  options: { kernels?: KernelsChoice; tileRows?: number; reserve?: Parameters<typeof createNetwork>[2] } = {},
): WideAndDeepNetwork {
  const { spec, lookupInputs, numberInputs } = describe(config, data, options.tileRows)
  const network = createNetwork(spec, options.kernels ?? 'auto', options.reserve)
  const tileUsers = new Uint32Array(network.tileRows)
  const tileItems = new Uint32Array(network.tileRows)

  function fill<Target extends Uint32Array | Float32Array>(target: Target, input: Input<Target>, count: number): void {
    const entities = input.side === 'user' ? tileUsers : tileItems
    const { values } = input
    if (values === null) for (let r = 0; r < count; r++) target[r] = entities[r]!
    else for (let r = 0; r < count; r++) target[r] = values[entities[r]!]!
  }

  return {
    network,
    loadTile(rows, from, count, users, items, ratings) {
      for (let r = 0; r < count; r++) {
        const row = rows === null ? from + r : rows[from + r]!
        const user = users[row]!
        const item = items[row]!
        // Also catches a row outside the columns: undefined compares false.
        if (!(user < data.userCount && item < data.itemCount)) throw outside(row, user, item, data)
        tileUsers[r] = user
        tileItems[r] = item
        if (ratings !== null) network.targets[r] = ratings[row]!
      }
      for (let l = 0; l < lookupInputs.length; l++) fill(network.indices[l]!, lookupInputs[l]!, count)
      for (let n = 0; n < numberInputs.length; n++) fill(network.numbers[n]!, numberInputs[n]!, count)
    },
  }
}

function outside(row: number, user: number | undefined, item: number | undefined, data: WideAndDeepData): TacetError {
  return new TacetError(
    'unknown-id',
    user === undefined || item === undefined
      ? `row ${row} is outside the columns`
      : `row ${row} has user ${user} of ${data.userCount} and item ${item} of ${data.itemCount}`,
    { wayOut: 'Build the model with the counts of the data it is used on.' },
  )
}

/** Network and inputs that `config` asks for on `data`. */
function describe(config: WideAndDeepConfig, data: WideAndDeepData, tileRows: number | undefined) {
  const tables: { name: string; rows: number; dimensions: number }[] = []
  const lookups: LookupSpec[] = []
  const lookupInputs: Input<Uint32Array>[] = []
  const numberInputs: Input<Float32Array>[] = []
  checkConfig(config)
  for (const feature of config.categorical) {
    const part = feature.part ?? 'deep'
    if (config.parts !== 'joint' && config.parts !== part) continue
    const { side, column, entities } = sourceOf(feature, data)
    let rows: number
    let values: Uint32Array | null = null
    let bag: LookupSpec['bag'] = null
    if (column === null) rows = entities
    else if (column.kind === 'multi-valued') {
      checkBags(column, entities)
      rows = column.categories.length
      bag = { offsets: column.offsets, indices: column.indices, mean: (feature.combine ?? 'mean') === 'mean' }
    } else if (column.categories !== null) {
      const known = column.categories.length
      let unknown = false
      values = Uint32Array.from(column.values, (value) => {
        if (Number.isNaN(value)) {
          unknown = true
          return known
        }
        if (!(Number.isInteger(value) && value >= 0 && value < known))
          throw misfit(feature.name, `column ${column.name} holds category ${value} of ${known}`)
        return value
      })
      // An entity whose value is unknown reads a row of its own, the last.
      rows = known + (unknown ? 1 : 0)
    } else throw misfit(feature.name, `column ${column.name} has no categories; a categorical feature needs them`)
    const tableName = feature.table ?? feature.name
    let table = tables.findIndex(({ name }) => name === tableName)
    if (table < 0) table = tables.push({ name: tableName, rows, dimensions: feature.dimensions }) - 1
    else if (tables[table]!.rows !== rows || tables[table]!.dimensions !== feature.dimensions)
      throw misfit(
        feature.name,
        `table ${tableName} is ${tables[table]!.rows} × ${tables[table]!.dimensions}, not ${rows} × ${feature.dimensions}`,
      )
    lookups.push({ table, part, bag })
    lookupInputs.push({ side, values })
  }
  for (const feature of config.parts === 'deep' ? [] : config.numeric) {
    const { side, column } = sourceOf(feature, data)
    if (column === null || column.kind === 'multi-valued')
      throw misfit(feature.name, 'a numeric feature needs a column with one value an entity')
    const [low, high] = feature.range ?? [0, 1]
    // Unknown enters as the lower end (scaled) or 0 (raw): a fixed value, since a mean would be a statistic of private rows.
    const values = Float32Array.from(numbersOf(column), (value) =>
      Number.isNaN(value) ? 0 : config.inputs === 'scaled' ? (value - low) / (high - low) : value,
    )
    numberInputs.push({ side, values })
  }
  const numbers = config.parts === 'deep' ? [] : config.numeric.map(({ name, units }) => ({ name, units }))
  if (lookups.length === 0 && numbers.length === 0)
    throw new TacetError('invalid-argument', `Wide & Deep with parts '${config.parts}' has no feature left on this data set`, {
      wayOut: "Use parts 'joint', or declare features the data set has.",
    })
  const spec: NetworkSpec = {
    tables,
    lookups,
    numbers,
    hiddenLayers: config.hiddenLayers,
    loss: config.loss ?? 'squared',
    ...(tileRows === undefined ? {} : { tileRows }),
  }
  return { spec, lookupInputs, numberInputs }
}

/** The numbers of a column; a categorical one gives its categories where they are numbers, else their codes 0, 1, … (as ML-1M's occupation). */
function numbersOf(column: AttributeColumn): Float32Array {
  if (column.kind === 'numeric') return column.values
  const numbers = (column.categories ?? []).map(Number)
  return numbers.some(Number.isNaN) ? column.values : column.values.map((value) => numbers[value] ?? Number.NaN)
}

function sourceOf(feature: CategoricalFeature | NumericFeature, data: WideAndDeepData) {
  const side = feature.of === 'user' || feature.of === 'user-attribute' ? ('user' as const) : ('item' as const)
  const entities = side === 'user' ? data.userCount : data.itemCount
  if (feature.of === 'user' || feature.of === 'item') return { side, column: null, entities }
  const name = feature.attribute ?? feature.name
  const columns = side === 'user' ? data.userFeatures : data.itemFeatures
  const column = columns.find((candidate) => candidate.name === name)
  if (column === undefined)
    throw misfit(feature.name, `the data has no ${side} column ${name} (it has: ${columns.map((c) => c.name).join(', ') || 'none'})`)
  const length = column.kind === 'multi-valued' ? column.offsets.length - 1 : column.values.length
  if (length !== entities) throw misfit(feature.name, `column ${name} has ${length} values for ${entities} ${side}s`)
  return { side, column, entities }
}

function checkBags(column: MultiValuedColumn, entities: number): void {
  for (let e = 0; e < entities; e++)
    if (column.offsets[e]! > column.offsets[e + 1]!) throw misfit(column.name, `offsets fall at entity ${e}`)
  if (column.offsets[0] !== 0 || column.offsets[entities] !== column.indices.length)
    throw misfit(column.name, `offsets run from ${column.offsets[0]} to ${column.offsets[entities]}, over ${column.indices.length} indices`)
  for (const index of column.indices)
    if (index >= column.categories.length) throw misfit(column.name, `category ${index} of ${column.categories.length}`)
}

function checkConfig(config: WideAndDeepConfig): void {
  for (const { name, dimensions } of config.categorical)
    checkNumber(`dimensions of feature ${name}`, dimensions, { atLeast: 1, atMost: 1024, integer: true })
  for (const { name, units, range } of config.numeric) {
    checkNumber(`units of feature ${name}`, units, { atLeast: 1, atMost: 1024, integer: true })
    if (
      config.inputs === 'scaled' &&
      !(range !== undefined && Number.isFinite(range[0]) && Number.isFinite(range[1]) && range[0] < range[1])
    )
      throw misfit(name, `range is ${range}; scaled inputs need a public range [low, high]`)
  }
  config.hiddenLayers.forEach((units, layer) => {
    checkNumber(`hidden layer ${layer + 1}`, units, { atLeast: 1, atMost: 8192, integer: true })
  })
  checkNumber('initialOutputBias', config.initialOutputBias)
  checkNumber('embeddingInitialScale', config.embeddingInitialScale, { atLeast: 0 })
}

const misfit = (feature: string, why: string) =>
  new TacetError('invalid-argument', `feature ${feature}: ${why}`, { wayOut: 'Change the feature list of the model configuration.' })

/**
 * Starting parameters: embeddings uniform on ±scale, weights Glorot uniform, biases 0, the output bias as configured (Keras' defaults), then what
 * `config.start` asks for. Drawn with `random`, so that a seed repeats them. A function of public configuration only.
 */
export function initialiseWideAndDeep(
  network: Pick<Network, 'blocks' | 'parameters'>,
  config: WideAndDeepConfig | Pick<WideAndDeepConfig, 'initialOutputBias' | 'embeddingInitialScale'>,
  random: RandomSource,
): void {
  for (const { name, offset, shape } of network.blocks) {
    const size = shape.reduce((product, extent) => product * extent, 1)
    const block = network.parameters.subarray(offset, offset + size)
    if (name === 'output.bias') block.fill(config.initialOutputBias)
    else if (name.endsWith('.bias')) block.fill(0)
    else {
      const limit = name.startsWith('embedding.') ? config.embeddingInitialScale : Math.sqrt(6 / (shape[0]! + shape[1]!))
      for (let i = 0; i < size; i++) block[i] = (2 * random.nextDouble() - 1) * limit
    }
  }
  if ('start' in config && config.start === 'linear') startLinear(network, config)
}

function startLinear(network: Pick<Network, 'blocks' | 'parameters'>, config: WideAndDeepConfig): void {
  const blockOf = (name: string) => {
    const block = network.blocks.find((candidate) => candidate.name === name)
    if (block === undefined) return null
    return network.parameters.subarray(block.offset, block.offset + block.shape.reduce((product, extent) => product * extent, 1))
  }
  const output = blockOf('output.weights')!
  const layers = config.hiddenLayers.flatMap((width, layer) => {
    const weights = blockOf(`deep.${layer}.weights`)
    return weights === null ? [] : [{ width, weights, bias: blockOf(`deep.${layer}.bias`)! }]
  })
  const deepWidth = layers.at(-1)?.width ?? 0
  const numberUnits = network.blocks.reduce((sum, { name, shape }) => (/^wide\..*\.bias$/.test(name) ? sum + shape[0]! : sum), 0)
  if (layers.length === 0) return
  output.fill(0, deepWidth, deepWidth + numberUnits)

  // Forward at embeddings of 0, then the slope of the output back to the input.
  let activation = new Float64Array(layers[0]!.weights.length / layers[0]!.width)
  const activations = layers.map(({ width, weights, bias }) => {
    bias.fill(1)
    const next = Float64Array.from(bias)
    activation.forEach((value, i) => {
      for (let j = 0; j < width; j++) next[j]! += value * weights[i * width + j]!
    })
    activation = next.map((value) => Math.max(0, value))
    return activation
  })
  let slope = Float64Array.from(output.subarray(0, deepWidth))
  for (let layer = layers.length - 1; layer >= 0; layer--) {
    const { width, weights } = layers[layer]!
    const through = slope.map((value, j) => (activations[layer]![j]! > 0 ? value : 0))
    slope = new Float64Array(weights.length / width)
    for (let i = 0; i < slope.length; i++) for (let j = 0; j < width; j++) slope[i]! += weights[i * width + j]! * through[j]!
  }
  let column = 0
  let square = 0
  for (const { of, part = 'deep', dimensions } of config.categorical) {
    if (part !== 'deep') continue
    if (of === 'item') for (let j = column; j < column + dimensions; j++) square += slope[j]! ** 2
    column += dimensions
  }
  if (square > 0) for (let i = 0; i < layers[0]!.weights.length; i++) layers[0]!.weights[i]! /= Math.sqrt(square)
  const atZero = activation.reduce((sum, value, j) => sum + value * output[j]!, 0)
  blockOf('output.bias')!.fill(config.initialOutputBias - atZero)
}

/** The network's parameters under their names: the model's file format. Copies. */
export function networkTensors(network: Pick<Network, 'blocks' | 'parameters'>): NamedTensors {
  return Object.fromEntries(
    network.blocks.map(({ name, offset, shape }) => {
      const size = shape.reduce((product, extent) => product * extent, 1)
      return [name, { shape, data: network.parameters.slice(offset, offset + size) }]
    }),
  )
}

/**
 * Puts named tensors back into the flat parameters.
 * @throws TacetError corrupt-run if one is missing, has another shape, or is not finite
 */
export function loadNetworkTensors(network: Pick<Network, 'blocks' | 'parameters'>, tensors: NamedTensors): void {
  for (const { name, offset, shape } of network.blocks) {
    const tensor = tensors[name]
    if (tensor === undefined || tensor.shape.join('×') !== shape.join('×'))
      throw new TacetError('corrupt-run', `tensor ${name} is ${tensor?.shape.join('×') ?? 'missing'}; this model has ${shape.join('×')}`, {
        wayOut: 'Use the configuration and data set that the model was trained with.',
      })
    if (!tensor.data.every(Number.isFinite)) throw new TacetError('corrupt-run', `tensor ${name} holds values that are not finite`)
    network.parameters.set(tensor.data, offset)
  }
}

/** A trained Wide & Deep, for scoring only. */
export interface WideAndDeepModel extends Recommender {
  readonly predict: PredictPairs
}

/**
 * @param parameters as `networkTensors` wrote them
 * @throws TacetError corrupt-run if they do not fit `config` on `data`
 */
export function loadWideAndDeep(
  config: WideAndDeepConfig,
  data: WideAndDeepData,
  parameters: NamedTensors,
  kernels: KernelsChoice = 'auto',
): WideAndDeepModel {
  const model = createWideAndDeepNetwork(config, data, { kernels })
  loadNetworkTensors(model.network, parameters)
  model.network.prepare()
  const predict: PredictPairs = (users, items, out) => predictPairs(model, users, items, out)
  return {
    name: 'wide-and-deep',
    predict,
    score(userIndex, items, out) {
      predict(new Uint32Array(items.length).fill(userIndex), items, out)
    },
    parameters: () => networkTensors(model.network),
  }
}

/** Predictions for parallel columns, tile by tile; the network must be prepared. */
export function predictPairs({ network, loadTile }: WideAndDeepNetwork, users: Uint32Array, items: Uint32Array, out: Float32Array): void {
  for (let from = 0; from < users.length; from += network.tileRows) {
    const count = Math.min(network.tileRows, users.length - from)
    loadTile(null, from, count, users, items, null)
    network.forward(count)
    out.set(count === network.tileRows ? network.predictions : network.predictions.subarray(0, count), from)
  }
}
