/**
 * The papers of a ranking run. Those that may be handed on (statement, model card, report) hold public facts and priced figures only; the page
 * with the figures on test people is for `private/`. Pure: no file is opened here.
 */
import type { Interactions, RankingSplit } from '../../data/index.ts'
import type { Ranker } from '../../models/index.ts'
import { type PrivacyEvent, type PublicFact, privacyStatement, type StatementInput } from '../../privacy/index.ts'
import { barChart, formatNumber, type Html, html, page, table } from '../../report/index.ts'
import { rankingTrainer, spentByLevel, squaredMu } from '../../training/index.ts'
import type { RankingConfig } from './config.ts'
import { gateOf } from './gate.ts'
import { pricesOf, statedSpent } from './pricing.ts'
import type { GateReport, RankingFigures, RankingPrivacyFile, RankingTrainReport, ReleasedMetrics } from './types.ts'

export interface RankingFacts {
  readonly config: RankingConfig
  readonly data: Interactions
  readonly split: RankingSplit
  /** Null without privacy. */
  readonly privacy: RankingPrivacyFile | null
  /** The model in the folder. */
  readonly saved: Ranker
  readonly attempts: number
  /** SHA-256 of model.safetensors, hex. */
  readonly modelHash: string
  readonly parameterCount: number
}

const notForRelease = 'Seeded run: whoever knows the seed can take the noise off. Not for release.'
const noPrivacy = 'Trained without privacy: the model may reveal anything it was trained on. Not for release.'

/** Data sets that the private models' fixed rules were chosen with in sight. */
const rulesChosenOn = ['ml-1m', 'ml-100k', 'gowalla']

/** The warning above every document of a run that must not leave the house, or null. */
export function bannerOf({ config, privacy }: Pick<RankingFacts, 'config' | 'privacy'>): string | null {
  if (privacy === null) return noPrivacy
  return config.noiseSource === 'seeded' ? notForRelease : null
}

/** `statement.md` */
export function statementOf(facts: RankingFacts): string {
  const input = rankingStatement(facts)
  if (input !== null) return privacyStatement(input)
  const { saved, data } = facts
  return [
    `# Privacy statement: ${saved.name} on ${data.name}`,
    '> **No privacy was asked for.** Nothing limits what this model reveals about the people it was trained on.',
    'ε is infinite. Keep the model and everything computed from it where the interactions themselves may be kept.',
    '',
  ].join('\n\n')
}

/** What the statement says about a private run; null without privacy. */
export function rankingStatement(facts: RankingFacts): StatementInput | null {
  const { config, data, split, privacy, saved, attempts } = facts
  if (privacy === null || config.privacy === null) return null
  const { pld, rdp } = pricesOf(privacy)
  const spent = statedSpent(privacy)
  const { unit } = config.privacy
  const person = unit === 'user'
  const publicTable = (table: 'users' | 'items'): PublicFact => (data.vocabulary[table] === 'public-table' ? 'public' : 'unused')
  return {
    model: saved.name,
    mechanism: {
      kind: 'releases',
      batchSelection: spent.batchSelection,
      releases: releasesOf(privacy, attempts),
    },
    privacyUnit: unit,
    neighboringRelation: spent.neighboringRelation,
    delta: spent.delta,
    pld: pld && { epsilon: pld.epsilon, epsilonLower: pld.epsilonLower },
    rdp: rdp && { epsilon: rdp.epsilon, optimalOrder: rdp.optimalOrder },
    epsilonIfShuffled: null,
    mu: spent.mu,
    totalVariation: privacy.totalVariation,
    people: null,
    noiseSource: config.noiseSource,
    data: { name: data.name, users: data.userIds.length, items: data.itemIds.length, trainingRows: split.counts.train },
    publicFacts: {
      rowCount: 'unused',
      peopleCount: 'public',
      ids: 'public',
      userTable: 'unused',
      catalogue: publicTable('items'),
      timestamps: split.kind === 'chronological' ? 'public' : 'unused',
      vocabulary: data.vocabulary.users === 'public-table' && data.vocabulary.items === 'public-table' ? 'unused' : 'public',
      itemMetadata: usesMetadata(config) ? 'public' : 'unused',
    },
    split: { kind: split.kind, by: decidedBy[split.kind], testRows: null },
    touched: [
      ...gateTouched(privacy.gate),
      ...levelsTouched(facts, privacy),
      ...(privacy.releasedMetrics ? [{ what: 'noisy figures on test people (`--private-metrics`), in report.html', priced: true }] : []),
      {
        what: 'exact figures on test people',
        priced: false,
        note: 'kept under private/ of the run folder, which is not part of the release',
      },
      ...(attempts > 1 ? [{ what: `${attempts} attempts at this run: each is in the stated ε`, priced: true }] : []),
    ],
    defaultsTunedOn: rulesChosenOn,
    notCovered: [
      ...(person
        ? [
            `**Joint differential privacy**: released are numbers about items. What is computed for one person (a vector, a list, a reason) is computed from that person's own history when they ask, is not in the release, and is not covered: a list reveals the history it was made from to whoever receives it. ε holds what everybody else's lists, all together, reveal about one person.`,
          ]
        : []),
      `Test people${split.gatePeople ? ', and the people kept out for the comparison,' : ''} are chosen by keyed hashes of ids among those listed: that somebody is listed is public, what they did is not.`,
      'Journal, logs, the exact figures and the list of ids of people lie under private/ of the run folder and must stay in the training zone.',
      ...(config.budgetLevels
        ? [
            '**Personal budgets**: the stated ε is that of people who chose the highest level. Who chose which level, and how many did, is not released.',
          ]
        : []),
      ...(saved.name === config.model
        ? []
        : [`The model asked for, ${config.model}, lost to private popularity and is under private/; it was a priced release too.`]),
    ],
  }
}

const decidedBy: Readonly<Record<RankingSplit['kind'], StatementInput['split']['by']>> = {
  random: 'keyed-hash',
  'k-fold': 'keyed-hash',
  'held-out-users': 'keyed-hash',
  chronological: 'public-time',
  'per-user-chronological': 'own-rows',
  'leave-latest-out': 'own-rows',
  given: 'shipped',
}

/** Whether the model reads genres and years of the catalogue. */
const usesMetadata = ({ model, parameters }: RankingConfig) => model === 'content-popularity' || parameters['content'] === 1

/** What people of each level of ε spent, all attempts together. */
function levelsTouched({ config, data }: RankingFacts, { parts }: RankingPrivacyFile): StatementInput['touched'] {
  const { budgetLevels: levels, privacy, parameters, model } = config
  if (levels === undefined || privacy === null) return []
  const trainer = rankingTrainer(model)
  const sizes = { personCount: data.userIds.length, itemCount: data.itemIds.length }
  const alongside = gateOf(config, sizes.personCount)?.alongside ?? []
  const once = trainer.levelEvents?.({ parameters, privacy: { ...privacy, alongside }, ...sizes, levels })
  const fits = parts.filter(({ part }) => part === 'model').length
  const own = once?.map((events) => events.map((event): PrivacyEvent => (fits > 1 ? { kind: 'repeated', times: fits, event } : event)))
  const events = parts.filter(({ part }) => own === undefined || part !== 'model').map(({ event }) => event)
  const how = own ? 'drawn into fewer steps for it' : 'their part of every release scaled down to it'
  return spentByLevel(levels, { delta: privacy.delta, events, ...(own ? { own } : {}) }).map(({ level, epsilon }) => ({
    what: `a person who chose ε = ${level}: ε ≤ ${formatNumber(epsilon)} at δ = ${privacy.delta}, ${how}`,
    priced: true,
  }))
}

function gateTouched(gate: GateReport | null): StatementInput['touched'] {
  if (!gate || gate.event === null) return []
  return [
    {
      what: `a comparison with private popularity on ${gate.people} people kept out of training`,
      priced: true,
      note: `Its verdict: ${gate.beatsPrivatePopularity ? 'the model is better' : 'the model is not better'}; ${gate.saved} is what was saved`,
    },
    ...(gate.baselineEpsilon ? [{ what: 'that private popularity itself', priced: true }] : []),
  ]
}

/** One line a part and attempt: "model: Gaussian, σ = 2.14 (3 of them)". */
function releasesOf({ parts }: RankingPrivacyFile, attempts: number): { readonly name: string; readonly how: string }[] {
  return parts.map(({ part, attempt, event }) => ({ name: attempts > 1 ? `${part} (attempt ${attempt})` : part, how: inWords(event) }))
}

function inWords(event: PrivacyEvent): string {
  switch (event.kind) {
    case 'gaussian':
      return `Gaussian, σ = ${Number(event.noiseMultiplier.toPrecision(4))} times what one unit can move it`
    case 'poisson-sampled':
      return `${inWords(event.event)}, reading each unit with chance ${Number(event.sampleRate.toPrecision(4))}`
    case 'mixture-of-gaussians':
      return `Gaussian, σ = ${Number(event.standardDeviation.toPrecision(4))}, of sampled interactions, at most ${event.sensitivities.length - 1} of one unit (mixture of Gaussians)`
    case 'repeated':
      return `${event.times} × (${inWords(event.event)})`
    case 'composed':
      return event.events.map(inWords).join('; ')
    case 'approximate':
      return `the best of a random number of random trials, each private, together ε = ${Number(event.epsilon.toPrecision(4))} at δ = ${event.delta}`
    default:
      return event.kind
  }
}

/** `card.json`: a CycloneDX 1.6 bill of materials with one machine-learning model and its card. */
export function cardOf(facts: RankingFacts): Record<string, unknown> {
  const { config, data, split, privacy, saved, modelHash, parameterCount } = facts
  const banner = bannerOf(facts)
  const spent = privacy && statedSpent(privacy)
  const properties: Record<string, string> = {
    'tacet:notForRelease': String(banner !== null),
    'tacet:noiseSource': config.noiseSource,
    'tacet:parameters': String(parameterCount),
    'tacet:rowsOfPeople': String(saved.personCount),
    'tacet:foldsIn': String(saved.foldsIn),
    ...(spent
      ? {
          'tacet:privacy:epsilon': String(spent.epsilon),
          'tacet:privacy:delta': String(spent.delta),
          'tacet:privacy:unit': spent.privacyUnit,
          'tacet:privacy:accountant': spent.accountant,
          'tacet:privacy:neighboringRelation': spent.neighboringRelation,
        }
      : { 'tacet:privacy:epsilon': 'inf' }),
    ...(privacy?.gate
      ? {
          'tacet:gate:askedFor': config.model,
          'tacet:gate:beatsPrivatePopularity': String(privacy.gate.beatsPrivatePopularity),
          'tacet:gate:saved': privacy.gate.saved,
        }
      : {}),
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
        name: `${saved.name} on ${data.name}`,
        description: banner ?? 'Ranks items. Trained under differential privacy; see statement.md for what that does and does not cover.',
        hashes: [{ alg: 'SHA-256', content: modelHash }],
        modelCard: {
          modelParameters: {
            approach: { type: 'supervised' },
            task: 'ranking',
            architectureFamily: saved.personCount > 0 ? 'vectors of people and items' : 'numbers about items',
            modelArchitecture: saved.name,
            datasets: [
              {
                type: 'dataset',
                name: data.name,
                description: `${data.userIds.length} people, ${data.itemIds.length} items; ${split.description}`,
                sensitiveData: ['what people liked'],
              },
            ],
            inputs: [{ format: saved.foldsIn ? 'the items somebody liked' : 'a person of the training data' }],
            outputs: [{ format: 'a score for every item, larger is better' }],
          },
          considerations: {
            useCases: ['lists of items for one reader, made where their history is'],
            technicalLimitations: [
              saved.personCount > 0
                ? 'Holds a row of numbers for every person it was trained on.'
                : "Holds nothing about single people: a person's side is computed from their own history.",
              'Knows only the items it was trained with.',
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

/** `report.html`: what may be handed on. */
export function reportOf(facts: RankingFacts): string {
  const { config, data, privacy, saved } = facts
  const banner = bannerOf(facts)
  const spent = privacy && statedSpent(privacy)
  const unit = config.privacy?.unit === 'rating' ? 'one rating' : 'one person'
  return page({
    title: `${saved.name} on ${data.name}`,
    lead: spent
      ? `Ranking model, private for the content of ${unit}${config.privacy?.unit === 'user' ? ' (that somebody is listed is public)' : ''}: ε = ${formatNumber(spent.epsilon)} at δ = ${spent.delta}.`
      : 'Ranking model trained without privacy.',
    ...(banner ? { banner } : {}),
    body: [
      ...whatWasTrained(facts),
      ...(privacy ? whatItCost(privacy, config) : [html`<p>Nothing limits what this model reveals about its training data.</p>`]),
      ...(privacy?.releasedMetrics ? releasedFigures(privacy.releasedMetrics, saved.name) : []),
      html`<h2>Quality</h2><p>Exact figures on test people are exact functions of what they did. They are kept in <code>private/results.json</code>
and drawn in <code>private/quality.html</code>, and are not part of what may be handed on.</p>`,
    ],
  })
}

function releasedFigures({ figures, people, epsilon, candidates }: ReleasedMetrics, model: string): Html[] {
  return [
    html`<h2>Released figures</h2>`,
    table(
      `${model} on about ${Math.round(people.value)} test people, ${candidates === 'all' ? 'all items ranked' : candidates}; noisy, for ε = ${formatNumber(epsilon)} of the total`,
      [{ label: 'Metric' }, { label: 'Value', numeric: true }, { label: 'Noise, standard error', numeric: true }],
      Object.entries(figures).map(([name, { value, noiseStandardError }]) => [name, value, noiseStandardError]),
    ),
  ]
}

function whatWasTrained({ config, data, split, saved, privacy, attempts }: RankingFacts): Html[] {
  const gate = privacy?.gate
  return [
    html`<h2>What was trained</h2>`,
    table(
      'The run',
      [{ label: 'What' }, { label: 'Value' }],
      [
        ['Model', saved.name === config.model ? saved.name : `${saved.name}, in place of ${config.model}`],
        [
          'Settings',
          Object.entries(config.parameters)
            .map(([name, value]) => `${name} ${value}`)
            .join(', ') || 'none',
        ],
        ['Data', `${data.name}: ${data.userIds.length} people, ${data.itemIds.length} items`],
        ['Split', split.description],
        ...(gate?.event
          ? [
              [
                'Against private popularity',
                gate.beatsPrivatePopularity ? 'better, by a noisy comparison' : 'not better, by a noisy comparison',
              ],
            ]
          : []),
        ['Holds rows of people', saved.personCount > 0 ? String(saved.personCount) : 'no'],
        ['Randomness', config.noiseSource === 'seeded' ? 'seeded' : 'operating system'],
        ['Attempts', String(attempts)],
        ['Made by', `Tacet ${config.tacetVersion}`],
      ],
    ),
  ]
}

function whatItCost(privacy: RankingPrivacyFile, config: RankingConfig): Html[] {
  const { pld, rdp } = pricesOf(privacy)
  const unit = config.privacy?.unit === 'rating' ? 'one rating' : 'one person'
  const shares = sharesOf(privacy)
  return [
    html`<h2>What it cost</h2>`,
    table(
      `ε at δ = ${config.privacy?.delta ?? ''}`,
      [{ label: 'For' }, { label: 'Accountant' }, { label: 'ε', numeric: true }, { label: 'ε at least', numeric: true }],
      [pld, rdp].flatMap((spent) => (spent ? [[unit, spent.accountant.toUpperCase(), spent.epsilon, spent.epsilonLower]] : [])),
    ),
    ...(shares.length > 1
      ? [
          barChart({
            title: 'Where the budget went',
            summary: shares.map(({ part, share }) => `${part} ${(100 * share).toFixed(1)} %`).join(', '),
            xLabel: 'part of the run',
            yLabel: 'share of μ², %',
            categories: shares.map(({ part }) => part),
            series: [{ label: 'share of μ²', values: shares.map(({ share }) => 100 * share) }],
          }),
        ]
      : []),
    html`<p>An upper bound of what anybody can learn from the model about ${unit}, and a lower bound of the same price. The statement beside this
page (<code>statement.md</code>) says in words what the promise covers and what it does not; <code>events.json</code> holds the releases, so that
another accountant can work the price out again.</p>`,
  ]
}

/** Each part's share of Σμ², where all releases are unsampled Gaussians; empty otherwise. */
function sharesOf({ parts }: RankingPrivacyFile): { readonly part: string; readonly share: number }[] {
  const squares = new Map<string, number>()
  for (const { part, event } of parts) {
    const square = squaredMu([event])
    if (square === null) return []
    squares.set(part, (squares.get(part) ?? 0) + square)
  }
  const total = [...squares.values()].reduce((sum, square) => sum + square, 0)
  return [...squares].map(([part, square]) => ({ part, share: square / total }))
}

/** `private/quality.html`: the run's figures on test people beside its baselines. Exact: not to be handed on. */
export function qualityPageOf({ config, data, saved }: RankingFacts, report: RankingTrainReport): string {
  const { metrics, baselines, gate, candidates } = report
  const columns: readonly (readonly [string, RankingFigures])[] = [
    [config.model, metrics],
    ...(baselines.privatePopularity && config.model !== 'popularity' ? [['private popularity', baselines.privatePopularity] as const] : []),
    ['popularity, exact counts', baselines.popularity],
  ]
  const shown = ['ndcg@10', 'ndcg@100', 'recall@20', 'hr@10', 'mrr@10', 'coverage@10'].filter((key) => metrics[key] !== undefined)
  const [ours, theirs] = columns.map(([, figures]) => figures['ndcg@10'] as number)
  return page({
    title: `${config.model} on ${data.name}: figures on test people`,
    lead: `${report.split.testUsers} test people, ${candidates === 'all' ? 'all items they have not seen' : `${candidates} candidates`} ranked.`,
    banner: 'Exact figures of private rows: keep them inside.',
    body: [
      ...(saved.name === config.model
        ? []
        : [
            html`<p>${config.model} did not beat private popularity, which is what the run folder holds. The figures in its own name are those of the model that
was asked for.</p>`,
          ]),
      barChart({
        title: 'Quality beside the baselines',
        summary: `NDCG@10 ${formatNumber(ours)} for ${config.model}, ${formatNumber(theirs)} for ${columns[1]?.[0] ?? ''}`,
        xLabel: 'metric',
        yLabel: 'mean over test people (coverage: share of the catalogue)',
        categories: shown,
        series: columns.map(([label, figures]) => ({ label, values: shown.map((key) => figures[key] ?? 0) })),
      }),
      table(
        `Every metric, ${candidates === 'all' ? 'all items' : candidates}`,
        [{ label: 'Metric' }, ...columns.map(([label]) => ({ label, numeric: true }))],
        Object.keys(metrics).map((key) => [key, ...columns.map(([, figures]) => figures[key] ?? null)]),
      ),
      ...(gate?.event
        ? [
            html`<p>The comparison with private popularity was made with noise on ${gate.people} other people, at ε = ${formatNumber(gate.epsilon)} of the
total: ${gate.beatsPrivatePopularity ? 'the model is better' : 'the model is not better'}.</p>`,
          ]
        : []),
    ],
  })
}
