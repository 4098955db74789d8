/**
 * The papers of a run, made of public facts and priced figures only: model card (CycloneDX), statement, HTML page. No metric, count or loss of
 * private rows reaches them (privacy-rules 1); errors on held-out rows lie in `private/results.json`. Pure: no file is opened here.
 */
import type { Interactions, Split } from '../data/index.ts'
import { type PrivacyEvent, type PrivacySpent, privacyStatement, type StatementInput } from '../privacy/index.ts'
import { formatNumber, html, page, table } from '../report/index.ts'
import type { RunConfig } from './config.ts'
import type { Mechanism, PaidChunk } from './pricing.ts'
import { namedCount, type PrivateVocabulary } from './private-vocabulary.ts'
import type { PersonSpent, PrivacyFile } from './types.ts'

export interface RunFacts {
  readonly config: RunConfig
  /** In the vocabulary of the run. */
  readonly data: Interactions
  readonly split: Split
  /** Null without privacy. */
  readonly privacy: PrivacyFile | null
  readonly mechanism: Mechanism | null
  readonly chunks: readonly PaidChunk[]
  readonly events: PrivacyEvent
  readonly attempts: number
  /** SHA-256 of model.safetensors, hex. */
  readonly modelHash: string
  readonly parameterCount: number
}

const notForRelease = 'Seeded run: whoever knows the seed can take the noise off. Not for release.'
const noPrivacy = 'Trained without privacy: the model may reveal any rating it was trained on. Not for release.'

/** The warning above every document of a run that must not leave the house, or null. */
export function bannerOf({ config, privacy }: RunFacts): string | null {
  if (privacy === null) return noPrivacy
  return config.noiseSource === 'seeded' ? notForRelease : null
}

/** `statement.md` */
export function statementOf(facts: RunFacts): string {
  const input = statementInput(facts)
  if (input !== null) return privacyStatement(input)
  const { config, data } = facts
  return [
    `# Privacy statement: ${config.model} on ${data.name}`,
    '> **No privacy was asked for.** Nothing limits what this model reveals about the ratings it was trained on.',
    'ε is infinite. Keep the model and everything computed from it where the ratings themselves may be kept.',
    '',
  ].join('\n\n')
}

/** What the statement says about a private run; null without privacy. */
export function statementInput({ config, data, split, privacy, mechanism, chunks, attempts }: RunFacts): StatementInput | null {
  if (privacy === null || mechanism === null) return null
  const { pld, rdp } = privacy.rating
  const first = (pld ?? rdp) as PrivacySpent
  const person = ({ ratings, pld: byPld, rdp: byRdp }: PersonSpent) => ({
    ratings,
    epsilon: (byPld ?? byRdp)?.epsilon ?? Number.POSITIVE_INFINITY,
  })
  const chosen = config.privateVocabulary
  const idsArePriced = (['users', 'items'] as const).every((table) => data.vocabulary[table] === 'public-table' || chosen?.[table])
  const publicTable = (table: 'users' | 'items') => (data.vocabulary[table] === 'public-table' ? 'public' : 'unused')
  return {
    model: config.model,
    mechanism:
      mechanism.kind === 'dp-sgd'
        ? {
            kind: 'dp-sgd',
            batchSelection: mechanism.plan.batchSelection,
            clipping: mechanism.plan.clipping,
            noiseMultiplier: mechanism.plan.noiseMultiplier,
            sampleRate: mechanism.plan.sampleRate,
            steps: first.steps ?? mechanism.plan.steps,
            expectedBatchSize: mechanism.plan.expectedBatchSize,
          }
        : {
            kind: 'gaussian-stages',
            stages: chunks.map(({ from, event }) => ({
              name: mechanism.stages[from]?.name ?? 'stage',
              noiseMultiplier: event.kind === 'gaussian' ? event.noiseMultiplier : Number.NaN,
              over: overOf[mechanism.stages[from]?.per ?? 'all'],
            })),
          },
    privacyUnit: 'rating',
    neighboringRelation: first.neighboringRelation,
    delta: first.delta,
    pld: pld && { epsilon: pld.epsilon, epsilonLower: pld.epsilonLower },
    rdp: rdp && { epsilon: rdp.epsilon, optimalOrder: rdp.optimalOrder },
    epsilonIfShuffled: privacy.epsilonIfShuffled,
    mu: first.mu,
    totalVariation: privacy.totalVariation,
    people: privacy.user && {
      method: privacy.user.method,
      median: person(privacy.user.median),
      heaviest: person(privacy.user.heaviest),
    },
    noiseSource: config.noiseSource,
    data: { name: data.name, users: namedCount(data.userIds), items: namedCount(data.itemIds), trainingRows: split.train.length },
    publicFacts: {
      rowCount: 'public',
      // A public table's ids are public whatever was chosen beside it.
      ids: chosen?.users && chosen.items ? 'priced' : 'public',
      userTable: data.userAttributes.length > 0 ? 'public' : 'unused',
      catalogue: publicTable('items'),
      timestamps: split.kind === 'chronological' ? 'public' : 'unused',
      vocabulary: chosen && idsArePriced ? 'priced' : idsArePriced ? 'unused' : 'public',
      itemMetadata: config.itemMetadata ? 'public' : 'unused',
    },
    split: {
      kind: split.kind,
      by: split.kind === 'chronological' ? 'public-time' : 'keyed-hash',
      testRows: split.test.length,
    },
    touched: [
      ...(chosen ? choicesTouched(chosen) : []),
      { what: "the numbers of ratings of the median and of the heaviest person, in this run's privacy figures", priced: false },
      { what: 'errors on held-out rows and on baselines', priced: false, note: 'kept under private/ of the run folder' },
      ...(attempts > 1 ? [{ what: `${attempts} attempts at this run: each is in the stated ε`, priced: true }] : []),
      ...(data.ratingScaleSource === 'inferred' ? [{ what: 'the rating scale, read off the ratings', priced: false }] : []),
    ],
    defaultsTunedOn: ['ml-1m'],
    notCovered: [
      ...(chosen ? unnamedSentences(chosen) : []),
      'Checkpoints, journal and logs lie under private/ of the run folder and must stay in the training zone.',
    ],
  }
}

const nounOf = { items: 'item', users: 'person' } as const

function choicesTouched(chosen: PrivateVocabulary): StatementInput['touched'] {
  return (['items', 'users'] as const).flatMap((kind) => {
    const plan = chosen[kind]
    if (!plan) return []
    const what = `the choice of the ${kind === 'items' ? 'items' : 'people'} that are named: every ${nounOf[kind]} whose number of training ratings, with discrete Gaussian noise of σ = ${Number(plan.sigma.toPrecision(4))}, reaches ${plan.threshold}`
    const note = `The chance that ${kind === 'items' ? 'an item' : 'a person'} with a single rating is named is about ${Number(plan.thresholdDelta.toPrecision(2))}, inside δ. Ratings of all the others train one row of the model that they share`
    return [{ what, priced: true, note }]
  })
}

function unnamedSentences(chosen: PrivateVocabulary): string[] {
  const kinds = [...(chosen.users ? ['people'] : []), ...(chosen.items ? ['items'] : [])].join(' and ')
  return [
    `${kinds === 'items' ? 'Items' : kinds === 'people' ? 'People' : 'People and items'} that are not named share one row of the model, and so does whatever it never saw.`,
    ...(chosen.items
      ? [
          "A person's items may meet in that row, so for a whole person a stage over items was counted like one over people: with k, not √k.",
        ]
      : []),
    ...(chosen.users
      ? [
          'Being named: the choice hides a single rating, and somebody with many ratings is named almost surely. So it bounds nothing for a whole person who is likely to be named: their ε is infinite.',
        ]
      : []),
  ]
}

const overOf = { all: 'global', person: 'people', item: 'items' } as const

/** `card.json`: a CycloneDX 1.6 bill of materials with one machine-learning model and its card. */
export function cardOf(facts: RunFacts): Record<string, unknown> {
  const { config, data, split, privacy, modelHash, parameterCount } = facts
  const banner = bannerOf(facts)
  const spent = privacy && (privacy.rating.pld ?? privacy.rating.rdp)
  const properties: Record<string, string> = {
    'tacet:notForRelease': String(banner !== null),
    'tacet:noiseSource': config.noiseSource,
    'tacet:recipe': config.recipe ?? 'none',
    'tacet:parameters': String(parameterCount),
    ...(spent
      ? {
          'tacet:privacy:epsilon': String(spent.epsilon),
          'tacet:privacy:delta': String(spent.delta),
          'tacet:privacy:unit': spent.privacyUnit,
          'tacet:privacy:accountant': spent.accountant,
          'tacet:privacy:neighboringRelation': spent.neighboringRelation,
        }
      : { 'tacet:privacy:epsilon': 'inf' }),
  }
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { tools: { components: [{ type: 'application', name: 'tacet', version: config.tacetVersion }] } },
    components: [
      {
        type: 'machine-learning-model',
        'bom-ref': 'model',
        name: `${config.model} on ${data.name}`,
        description:
          banner ?? 'Predicts ratings. Trained under differential privacy; see statement.md for what that does and does not cover.',
        hashes: [{ alg: 'SHA-256', content: modelHash }],
        modelCard: {
          modelParameters: {
            approach: { type: 'supervised' },
            task: 'rating prediction',
            architectureFamily: config.model === 'bias-factors' ? 'matrix factorisation' : 'feed-forward network over embeddings',
            modelArchitecture: config.model,
            datasets: [
              {
                type: 'dataset',
                name: data.name,
                description: `${namedCount(data.userIds)} people, ${namedCount(data.itemIds)} items; ${split.description}`,
                sensitiveData: ['ratings that people gave to items'],
              },
            ],
            inputs: [{ format: 'dense index of a person, dense index of an item' }],
            outputs: [{ format: 'predicted rating' }],
          },
          considerations: {
            useCases: ['ranking items of a catalogue for the people it was trained on'],
            technicalLimitations: [
              'Holds one row of numbers a person, so it protects ratings and not the fact that a person was there.',
              'Knows only the people and items it was trained with.',
            ],
            ethicalConsiderations: [
              {
                name: 'privacy',
                mitigationStrategy: spent ? `ε = ${formatNumber(spent.epsilon)} at δ = ${spent.delta} per ${spent.privacyUnit}` : 'none',
              },
            ],
          },
        },
        properties: Object.entries(properties).map(([name, value]) => ({ name, value })),
      },
    ],
  }
}

/** `report.html` */
export function reportOf(facts: RunFacts): string {
  const { config, data, split, privacy, attempts } = facts
  const banner = bannerOf(facts)
  const spent = privacy && (privacy.rating.pld ?? privacy.rating.rdp)
  const row = (unit: string, figures: PrivacySpent | null) => [
    unit,
    figures?.accountant.toUpperCase() ?? 'not bounded',
    figures?.epsilon ?? null,
    figures?.epsilonLower ?? null,
  ]
  const prices = privacy && [
    row('one rating', privacy.rating.pld),
    row('one rating', privacy.rating.rdp),
    ...(privacy.user
      ? [privacy.user.median, privacy.user.heaviest].flatMap((person) => [
          row(`a person with ${person.ratings} ratings`, person.pld),
          ...(person.rdp ? [row(`a person with ${person.ratings} ratings`, person.rdp)] : []),
        ])
      : []),
  ]
  return page({
    title: `${config.model} on ${data.name}`,
    lead: spent
      ? `Private rating model: ε = ${formatNumber(spent.epsilon)} at δ = ${spent.delta} for one ${spent.privacyUnit} added or removed.`
      : 'Rating model trained without privacy.',
    ...(banner ? { banner } : {}),
    body: [
      html`<h2>What was trained</h2>`,
      table(
        'The run',
        [{ label: 'What' }, { label: 'Value' }],
        [
          ['Model', config.recipe ? `${config.model}, recipe ${config.recipe}` : config.model],
          ['Data', `${data.name}: ${namedCount(data.userIds)} people, ${namedCount(data.itemIds)} items`],
          ['Split', split.description],
          ['Randomness', config.noiseSource === 'seeded' ? 'seeded' : 'operating system'],
          ['Attempts', String(attempts)],
          ['Made by', `Tacet ${config.tacetVersion}`],
        ],
      ),
      ...(prices
        ? [
            html`<h2>What it cost</h2>`,
            table(
              `ε at δ = ${spent?.delta ?? ''}`,
              [{ label: 'For' }, { label: 'Accountant' }, { label: 'ε', numeric: true }, { label: 'ε at least', numeric: true }],
              prices,
            ),
            html`<p>An upper bound of what anybody can learn from the model about one rating, and a lower bound of the same price. The statement
beside this page (<code>statement.md</code>) says in words what the promise covers and what it does not; <code>events.json</code> holds the
releases, so that another accountant can work the price out again.</p>`,
          ]
        : [html`<p>Nothing limits what this model reveals about its training data.</p>`]),
      html`<h2>Quality</h2><p>Errors on held-out rows are exact functions of private ratings. They are kept in <code>private/results.json</code>
and are not part of what may be handed on.</p>`,
    ],
  })
}
