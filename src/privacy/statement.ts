/**
 * The privacy statement: what a trained model promises, in plain language, with everything the promise does not cover under it.
 *
 * It prints what it is given and prices nothing: the caller brings the figures of both accountants. It is written for a reader who has to
 * decide whether to release a model, so nothing is left out because it looks bad. Input is plain data.
 */
import { checkNumber } from '../errors.ts'
import { type ClippingPolicy, sensitivityOf } from './clipping.ts'
import type { BatchSelection, NeighboringRelation, PrivacyUnit } from './event.ts'

/** How the model's releases were made. */
export type StatementMechanism =
  | {
      readonly kind: 'dp-sgd'
      readonly batchSelection: BatchSelection
      readonly clipping: ClippingPolicy
      /** σ; one number, or one a step. */
      readonly noiseMultiplier: number | readonly number[]
      /** q; one number, or one a step. */
      readonly sampleRate: number | readonly number[]
      readonly steps: number
      readonly expectedBatchSize: number
    }
  | {
      /** Noisy sufficient statistics released in stages (bias-factors); every stage reads every row. */
      readonly kind: 'gaussian-stages'
      readonly stages: readonly {
        readonly name: string
        readonly noiseMultiplier: number
        /** 'people': a person's ratings meet in one coordinate; 'items': they lie in different coordinates; 'global': in one. */
        readonly over: 'items' | 'people' | 'global'
      }[]
    }
  | {
      /** Releases of several kinds, each told in words (ranking runs). */
      readonly kind: 'releases'
      readonly batchSelection: BatchSelection
      readonly releases: readonly { readonly name: string; readonly how: string }[]
    }

/** What the same model costs one person who gave `ratings` of the training ratings. */
export interface PersonPrice {
  readonly ratings: number
  readonly epsilon: number
  /** Upper bound of the total variation distance, if known: gives the odds of a best guesser. */
  readonly totalVariation?: number | null
}

/** How a fact that could give a row away was treated. */
export type PublicFact =
  /** Read exactly from the data and taken as known to everybody. */
  | 'public'
  /** A constant stated beforehand (`--declared-size`), not read from the data. */
  | 'declared'
  /** Released with noise, inside the stated ε. */
  | 'priced'
  /** Not used at all. */
  | 'unused'

export interface StatementInput {
  readonly model: string
  readonly mechanism: StatementMechanism
  readonly privacyUnit: PrivacyUnit
  readonly neighboringRelation: NeighboringRelation
  readonly delta: number
  /** Near-exact accountant; null where it cannot bound the releases. */
  readonly pld: { readonly epsilon: number; readonly epsilonLower: number | null } | null
  readonly rdp: { readonly epsilon: number; readonly optimalOrder: number | null } | null
  /** ε (replace-special) had the same steps read shuffled batches; null where nothing was sampled. */
  readonly epsilonIfShuffled: number | null
  /** μ, only where every release is an unsampled Gaussian; else null. */
  readonly mu: number | null
  /** Upper bound of δ(0) by the PLD, for one unit; null if not computed. */
  readonly totalVariation: number | null
  /** The same model seen as a promise to whole persons; null where there are no persons in the data. */
  readonly people: {
    readonly method: 'mixture-of-gaussians' | 'stage-sum'
    readonly median: PersonPrice
    readonly heaviest: PersonPrice
  } | null
  readonly noiseSource: 'csprng' | 'seeded'
  /** Size of the training data as far as it is public anyway. */
  readonly data: { readonly name: string; readonly users: number; readonly items: number; readonly trainingRows: number }
  readonly publicFacts: {
    readonly rowCount: PublicFact
    /** How many people are listed; absent: not used. */
    readonly peopleCount?: PublicFact
    readonly ids: PublicFact
    /** Demographic columns of people. */
    readonly userTable: PublicFact
    readonly catalogue: PublicFact
    readonly timestamps: PublicFact
    /** Which items and people exist, where only interactions were given. */
    readonly vocabulary: PublicFact
    readonly itemMetadata: PublicFact
  }
  readonly split: {
    readonly kind: string
    /**
     * What decided on which side a row fell. 'own-rows': the order of the same person's rows, no secret from a promise to whole persons.
     * 'row-rank' and 'shuffled-index' move other people's rows when one person leaves.
     */
    readonly by: 'public-time' | 'keyed-hash' | 'own-rows' | 'shipped' | 'row-rank' | 'shuffled-index'
    /** Null where it is not to be told: an exact count of private rows. */
    readonly testRows: number | null
  }
  /** Whatever else read private rows: searches, counts, centring, validation, gates. `priced` means inside the stated ε. */
  readonly touched: readonly { readonly what: string; readonly priced: boolean; readonly note?: string }[]
  /** Data sets on which the defaults in use were tuned; the guarantee does not cover that tuning (empty: none). */
  readonly defaultsTunedOn: readonly string[]
  /** Further limits, one sentence each. */
  readonly notCovered?: readonly string[]
}

/**
 * The statement as Markdown.
 * @throws TacetError invalid-argument if ε, δ or the data's sizes are not numbers that can be stated (NaN never prints as a promise)
 */
export function privacyStatement(input: StatementInput): string {
  checkNumber('delta', input.delta, { atLeast: 0, below: 1 })
  for (const [name, price] of [
    ['epsilon by PLD', input.pld?.epsilon],
    ['epsilon by RDP', input.rdp?.epsilon],
    ['epsilon of the median person', input.people?.median.epsilon],
    ['epsilon of the heaviest person', input.people?.heaviest.epsilon],
  ] as const)
    if (price !== undefined && price !== Number.POSITIVE_INFINITY) checkNumber(name, price, { atLeast: 0 })
  const sections = [
    `# Privacy statement: ${input.model} on ${input.data.name}`,
    ...(input.noiseSource === 'seeded'
      ? [
          '> **SEEDED: not for release.** The noise came from a seed, so whoever knows the seed can subtract it. Nothing below holds for this model.',
        ]
      : []),
    promise(input),
    howItWasMade(input),
    people(input),
    touched(input),
    notCovered(input),
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}

function promise(input: StatementInput): string {
  const epsilon = statedEpsilon(input)
  const unit = unitName(input.privacyUnit)
  const lines = ['## What is promised', '']
  if (epsilon === null || epsilon === Number.POSITIVE_INFINITY) {
    lines.push(`No bound on ε is known: **this model promises nothing about any ${unit}.**`)
    return lines.join('\n')
  }
  lines.push(
    `Protected is **one ${unit}**. Whatever somebody concludes from the released model, they would have concluded it about as often ${neighborClause(input)}: **ε = ${up(epsilon)} at δ = ${plain(input.delta)}**.`,
    '',
  )
  lines.push(
    epsilon > 20
      ? `- An ε of ${up(epsilon)} bounds nothing that a person would notice: do not call this model private on its strength.`
      : `- No conclusion becomes more than ${up(Math.exp(epsilon))} times as likely (e^ε), but for a chance of δ = ${plain(input.delta)}.`,
  )
  if (input.totalVariation !== null)
    lines.push(
      `- Somebody who knows every other row, and guesses ${guess(input)} when a fair coin decided, is right at most ${guesser(input.totalVariation)} of the time (50 % is guessing).`,
    )
  if (input.mu !== null)
    lines.push(`- μ = ${up(input.mu)}: telling the two worlds apart is at least as hard as telling N(0, 1) from N(μ, 1).`)
  const [units, what] = input.privacyUnit === 'user' ? [input.data.users, 'people'] : [input.data.trainingRows, 'rows']
  if (input.delta * units > 1)
    lines.push(
      `- δ = ${plain(input.delta)} is above one in the number of ${what} (${count(units)}): a mechanism that publishes one at random could satisfy it. Choose a smaller δ.`,
    )
  lines.push('', '| accountant | ε | |', '| --- | --- | --- |')
  lines.push(
    input.pld === null
      ? '| PLD | – | cannot bound these releases |'
      : `| PLD (near-exact) | ${up(input.pld.epsilon)} | ${input.pld.epsilonLower === null ? 'no lower bound computed' : `true value at least ${down(input.pld.epsilonLower)}`} |`,
  )
  lines.push(
    input.rdp === null
      ? '| RDP | – | cannot bound these releases |'
      : `| RDP (upper bound) | ${up(input.rdp.epsilon)} | ${input.rdp.optimalOrder === null ? '' : `best order ${plain(input.rdp.optimalOrder)}`} |`,
  )
  if (input.epsilonIfShuffled !== null)
    lines.push(
      `| had the batches only been shuffled | ${up(input.epsilonIfShuffled)} | replace-special, no amplification: what an ordinary data loader could claim |`,
    )
  return lines.join('\n')
}

function howItWasMade(input: StatementInput): string {
  const { mechanism } = input
  const unit = unitName(input.privacyUnit)
  const lines = ['## How', '']
  const fact = (name: string, text: string) => lines.push(`- **${name}**: ${text}`)
  fact('unit', `one ${unit}${input.privacyUnit === 'user' ? ' with everything they rated or liked' : ''}`)
  fact('neighbouring data', `${input.neighboringRelation} (${neighborMeaning[input.neighboringRelation]})`)
  if (mechanism.kind === 'dp-sgd') {
    fact('sampler', `${mechanism.batchSelection}: ${samplerMeaning(mechanism.batchSelection, unit)}`)
    fact('sampling rate q', schedule(mechanism.sampleRate))
    fact('steps T', count(mechanism.steps))
    fact('noise multiplier σ', `${schedule(mechanism.noiseMultiplier)} (standard deviation of the noise ÷ sensitivity)`)
    fact('clipping C', clippingText(mechanism.clipping))
    fact('divisor', `${plain(mechanism.expectedBatchSize)}, the expected batch size: the same at every step, whatever batch was drawn`)
  } else if (mechanism.kind === 'releases') {
    fact(
      'sampler',
      mechanism.batchSelection === 'none'
        ? 'none: every release reads every row'
        : `${mechanism.batchSelection}, in the releases that say so`,
    )
    fact('releases', `${mechanism.releases.length}, composed exactly`)
    for (const { name, how } of mechanism.releases) lines.push(`  - ${name}: ${how}`)
  } else {
    fact('sampler', 'none: every stage reads every row')
    fact('releases', `${mechanism.stages.length} vectors of noisy statistics, each a Gaussian mechanism`)
    for (const stage of mechanism.stages)
      lines.push(`  - ${stage.name} (${stage.over}): σ = ${up(stage.noiseMultiplier)}, μ = ${up(1 / stage.noiseMultiplier)}`)
  }
  fact(
    'noise',
    input.noiseSource === 'csprng'
      ? "the operating system's generator (csprng), drawn as floating-point numbers: rounding attacks on them are not excluded"
      : 'SEEDED: not for release',
  )
  fact(
    'split',
    `${input.split.kind}, ${input.split.testRows === null ? '' : `${count(input.split.testRows)} rows `}held out, decided by ${
      {
        'public-time': 'a fixed public time',
        'keyed-hash': 'a keyed hash of the id',
        'own-rows': "each person's own rows alone",
        shipped: 'the data set, which ships the split',
        'row-rank': 'the rank of the row',
        'shuffled-index': 'a shuffled row number',
      }[input.split.by]
    }`,
  )
  return lines.join('\n')
}

function people({ people, privacyUnit, delta }: StatementInput): string {
  if (people === null)
    return privacyUnit === 'user' ? '' : '## For a whole person\n\nNot worked out: the promise is about one rating, and a person has many.'
  const row = (name: string, { ratings, epsilon, totalVariation }: PersonPrice) =>
    `| ${name} | ${count(ratings)} | ${up(epsilon)} | ${totalVariation === undefined || totalVariation === null ? '–' : guesser(totalVariation)} |`
  return [
    '## For a whole person',
    '',
    privacyUnit === 'rating'
      ? 'The ε above is about one rating. Somebody who asks about everything a person rated at once is held back much less:'
      : 'The ε above holds for every person. By number of ratings:',
    '',
    `| person | training ratings k | ε at δ = ${plain(delta)} | a best guesser is right |`,
    '| --- | --- | --- | --- |',
    row('median', people.median),
    row('heaviest', people.heaviest),
    '',
    people.method === 'mixture-of-gaussians'
      ? 'Worked out as a mixture of Gaussians: each step draws a binomial number of the k ratings, and the sum moves by as many clipping bounds.'
      : 'Worked out as √(Σ k²μ² + Σ kμ²): in stages over people (and global ones) the k ratings share a coordinate, in stages over items each has its own.',
    ...(people.median.epsilon > 20 || people.heaviest.epsilon > 20
      ? ['', 'An ε above 20 is no protection in practice. **This model protects ratings, not persons.**']
      : []),
  ].join('\n')
}

function touched({ touched }: StatementInput): string {
  const lines = ['## What else read private rows', '']
  if (touched.length === 0) lines.push('Nothing was declared.')
  for (const { what, priced, note } of touched)
    lines.push(
      `- ${what}: ${priced ? 'priced, inside the ε above' : '**not covered by the ε above**'}${note === undefined ? '' : `. ${note}`}`,
    )
  return lines.join('\n')
}

function notCovered(input: StatementInput): string {
  const { publicFacts, people, split, data } = input
  const lines = ['## What is not covered', '']
  const name: Record<keyof StatementInput['publicFacts'], string> = {
    rowCount: `the number of rows (${count(data.trainingRows)})`,
    peopleCount: `the number of people (${count(data.users)})`,
    ids: 'the ids of people and items',
    userTable: 'the user table (age, gender, occupation and the like)',
    catalogue: `the catalogue (${count(data.items)} items)`,
    timestamps: 'the time stamps',
    vocabulary: 'which people and items occur at all (the vocabulary)',
    itemMetadata: 'the metadata of items',
  }
  const facts = Object.entries(publicFacts) as [keyof typeof publicFacts, PublicFact][]
  const taken = facts.filter(([, how]) => how === 'public').map(([fact]) => name[fact])
  if (people !== null) taken.push('how many ratings the median and the heaviest person gave (printed above)')
  lines.push(`- **Taken as public**, read exactly and not hidden: ${taken.length === 0 ? 'nothing' : taken.join('; ')}.`)
  for (const [how, words] of [
    ['declared', 'Declared beforehand, not read from the data'],
    ['priced', 'Released with noise, inside the ε above'],
  ] as const) {
    const which = facts.filter(([, value]) => value === how).map(([fact]) => name[fact])
    if (which.length > 0) lines.push(`- ${words}: ${which.join('; ')}.`)
  }
  if (publicFacts.rowCount === 'public' || publicFacts.ids === 'public')
    lines.push(
      `- **${publicFacts.rowCount === 'public' && publicFacts.ids === 'public' ? 'n and ids' : publicFacts.rowCount === 'public' ? 'n' : 'Ids'} public: this protects the content of a person's rows (replace-special), not that they are there.**${publicFacts.rowCount === 'public' ? ' Sampling rate, divisor and sizes follow from the number of rows.' : ''}`,
    )
  lines.push(
    '- Metrics on held-out rows are exact functions of those rows. They lie under `private/` in the run and are not part of the release.',
    '- Checkpoints, logs, loss curves and clip fractions stay inside the training zone (`private/`). Whoever reads them is not held back by ε.',
    "- A list of recommendations made from a person's own history shows that history to whoever receives the list.",
    '- Facts true of people in general. If the model learns that people who like A like B, that can be used about somebody who was never in the data.',
  )
  if (split.by === 'row-rank' || split.by === 'shuffled-index')
    lines.push(
      `- **The split by ${split.by === 'row-rank' ? 'row rank' : 'shuffled index'}**: one row more or less moves other people's rows across the cut, which the ε above does not count. Fine for a study on public data, not for a release.`,
    )
  if (input.defaultsTunedOn.length > 0)
    lines.push(
      `- Defaults (shares, clipping bounds, priors) were tuned on ${input.defaultsTunedOn.join(', ')}: on ${input.defaultsTunedOn.includes(data.name) ? '**this very data set** that choice is not in the ε above' : 'those data sets that choice would not be in the ε; this is another data set'}.`,
    )
  if (input.privacyUnit === 'rating')
    lines.push('- Persons: see the table above. A promise for one rating is not a promise for one person.')
  if (input.mechanism.kind === 'dp-sgd')
    lines.push('- A Poisson batch too large for memory stops the run; the chance of that, below 1e-12, is to be added to δ.')
  for (const sentence of input.notCovered ?? []) lines.push(`- ${sentence}`)
  lines.push('- A compromised operating system, and timing or rounding of floating-point noise.')
  return lines.join('\n')
}

/** The near-exact price where there is one, else the RDP's; both are upper bounds. */
function statedEpsilon({ pld, rdp }: StatementInput): number | null {
  return pld?.epsilon ?? rdp?.epsilon ?? null
}

const unitName = (unit: PrivacyUnit) => (unit === 'user' ? 'person' : 'rating')

/** Where the number of rows or the ids are public, a row's being there is no secret, whatever relation its price was worked out for. */
const presenceIsPublic = ({ neighboringRelation, publicFacts }: StatementInput) =>
  neighboringRelation === 'replace-special' || publicFacts.rowCount === 'public' || publicFacts.ids === 'public'

function neighborClause(input: StatementInput): string {
  const unit = unitName(input.privacyUnit)
  if (input.neighboringRelation === 'replace-one') return `had any one ${unit} been another`
  return presenceIsPublic(input) ? `had the content of any one ${unit} been blank` : `had any one ${unit} not been in the training data`
}

/** What the best guesser tries to find out. */
function guess(input: StatementInput): string {
  const unit = unitName(input.privacyUnit)
  if (input.neighboringRelation === 'replace-one') return `which of two given ${unit}s was in that place`
  return presenceIsPublic(input) ? `whether one ${unit} counted or a blank stood in its place` : `whether that one ${unit} was used`
}

const neighborMeaning: Record<NeighboringRelation, string> = {
  'add-or-remove-one': 'the data with and without one unit',
  'replace-one': 'one unit replaced by any other',
  'replace-special': 'one unit replaced by a blank one that contributes nothing; the number of units is public',
}

function samplerMeaning(selection: BatchSelection, unit: string): string {
  switch (selection) {
    case 'poisson':
      return `every ${unit} enters each step's batch independently with chance q; a batch may be empty`
    case 'shuffle':
      return 'batches of a shuffled pass over the data; no amplification is claimed'
    case 'fixed-without-replacement':
      return `each step draws a fixed number of different ${unit}s`
    case 'none':
      return 'every step reads every row'
  }
}

function clippingText(clipping: ClippingPolicy): string {
  switch (clipping.kind) {
    case 'flat':
      return `${plain(clipping.maxGradNorm)} on the L2 norm of each example's gradient`
    case 'per-block':
      return `per block ${clipping.maxGradNorms.map(plain).join(', ')}; together ${up(sensitivityOf(clipping))}`
    case 'automatic':
      return `${plain(clipping.maxGradNorm)} by AUTO-S (every gradient divided by its norm + ${plain(clipping.stability)})`
    case 'adaptive':
      return `adaptive from ${plain(clipping.initialMaxGradNorm)}, following the ${plain(clipping.targetQuantile)} quantile; the noisy count (standard deviation ${plain(clipping.countNoiseStdDev)}) is paid for inside σ`
  }
}

function schedule(values: number | readonly number[]): string {
  if (typeof values === 'number') return plain(values)
  const low = Math.min(...values)
  const high = Math.max(...values)
  return `a schedule of ${values.length} values between ${plain(low)} and ${plain(high)}, composed exactly`
}

/** Four significant digits, never below the value: an upper bound stays one in print. */
function up(value: number): string {
  return rounded(value, Math.ceil)
}

/** Four significant digits, never above the value. */
function down(value: number): string {
  return rounded(value, Math.floor)
}

function rounded(value: number, round: (value: number) => number): string {
  if (value === Number.POSITIVE_INFINITY) return '∞'
  if (value === 0) return '0'
  // A value that four digits state exactly is not moved.
  if (Number(value.toPrecision(4)) === value) return plain(value)
  const decimals = 3 - Math.floor(Math.log10(Math.abs(value)))
  return plain(shifted(round(shifted(value, decimals)), -decimals))
}

/** value · 10^places through the decimal text, so that 0.0123 · 10⁵ is 1230. */
function shifted(value: number, places: number): number {
  const [digits, exponent = '0'] = String(value).split('e')
  return Number(`${digits}e${Number(exponent) + places}`)
}

/** As it is, in the shorter notation; at most seven digits. */
function plain(value: number): string {
  const short = Number(value.toPrecision(7))
  const text = String(short)
  const scientific = short.toExponential()
  return scientific.length < text.length ? scientific : text
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}

/** Chance that the best guesser is right, (1 + TV)/2, rounded up to a tenth of a per cent. */
function guesser(totalVariation: number): string {
  return `${Math.min(100, Math.ceil(500 * (1 + totalVariation)) / 10)} %`
}
