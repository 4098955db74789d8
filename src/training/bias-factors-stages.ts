/**
 * Which stages `bias-factors` releases at a given ε, how the budget is shared among them, and the bounds each clips to. A function of ε and of the
 * public number of people: it never looks at ratings, so it costs nothing. The defaults were chosen on training rows of MovieLens data sets
 * (docs/decisions/0006-bias-factors.md says how), which privacy-rules rule 5 makes a caveat on those.
 */

/** `per`: what one person's k ratings share in this release: one coordinate block (`person`, `all`) or k of them (`item`). */
export type StageKind =
  | { readonly name: 'moments' | 'calibration' | 'recency'; readonly per: 'all' }
  | { readonly name: 'items' | 'items-again' | 'demographic-response' | 'item-vectors'; readonly per: 'item' }
  | { readonly name: 'people' | 'people-again' | 'person-vectors'; readonly per: 'person' }

export type StageName = StageKind['name']

export interface PlannedStage {
  readonly name: StageName
  readonly per: StageKind['per']
  /** μ of this release: 1 ÷ its noise multiplier. */
  readonly mu: number
}

export interface StagePlan {
  readonly stages: readonly PlannedStage[]
  /** Bound of a normalised rating in the item stage. */
  readonly ratingBound: number
  /** Bound of a residual in every later stage. */
  readonly residualBound: number
  /** Weight of a row in the counts of items and of people, in the unit of the bounded values. */
  readonly itemCountWeight: number
  readonly personCountWeight: number
  /** Coordinates of the low-rank factors (0 when no such stage runs). */
  readonly dimension: number
  /** Cap on the norm of a factor row. */
  readonly vectorCap: number
  /** Cap on the norm of a person's whitened demographics. */
  readonly demographicsCap: number
}

/** Share of μ² for the global moments. */
const momentsShare = 0.01

const perOf: Record<StageName, StageKind['per']> = {
  moments: 'all',
  calibration: 'all',
  recency: 'all',
  items: 'item',
  'items-again': 'item',
  'demographic-response': 'item',
  'item-vectors': 'item',
  people: 'person',
  'people-again': 'person',
  'person-vectors': 'person',
}

/** Order of release. The calibration before `people` sees residuals of items, the later one residuals of both. */
const order = [
  'items',
  'recency',
  'calibration',
  'people',
  'calibration',
  'demographic-response',
  'items-again',
  'person-vectors',
  'item-vectors',
  'person-vectors',
  'item-vectors',
  'person-vectors',
  'item-vectors',
  'calibration',
  'items-again',
  'people-again',
] as const satisfies readonly StageName[]

/** One weight per entry of `order`; μ goes in proportion, w/√Σw². */
const anchors: readonly {
  readonly epsilon: number
  readonly weights: readonly number[]
  readonly ratingBound: number
  readonly residualBound: number
  readonly dimension: number
}[] = [
  //                                I    T    C    B    C    Z   I2   U    V    U    V    U    V    C   I2   B2
  {
    epsilon: 0.05,
    weights: [1.0, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    ratingBound: 0.8,
    residualBound: 1.0,
    dimension: 4,
  },
  {
    epsilon: 0.09,
    weights: [0.4, 0.05, 0.05, 0.35, 0.05, 0.0, 0.4, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    ratingBound: 0.8,
    residualBound: 1.0,
    dimension: 4,
  },
  {
    epsilon: 0.4,
    weights: [0.4, 0.05, 0.05, 0.37, 0.05, 0.0, 0.4, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    ratingBound: 1.0,
    residualBound: 1.0,
    dimension: 4,
  },
  {
    epsilon: 1,
    weights: [0.4, 0.04, 0.04, 0.4, 0.04, 0.2, 0.3, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.03, 0.2, 0.0],
    ratingBound: 1.0,
    residualBound: 1.2,
    dimension: 4,
  },
  {
    epsilon: 2,
    weights: [0.3, 0.04, 0.04, 0.3, 0.04, 0.2, 0.3, 0.2, 0.2, 0.3, 0.3, 0.0, 0.0, 0.03, 0.15, 0.15],
    ratingBound: 1.0,
    residualBound: 1.3,
    dimension: 6,
  },
  {
    epsilon: 4,
    weights: [0.3, 0.04, 0.04, 0.3, 0.04, 0.25, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.03, 0.2, 0.2],
    ratingBound: 1.0,
    residualBound: 1.5,
    dimension: 12,
  },
]

/**
 * The stages for a total μ at ε. Between two anchors weights are interpolated in ln ε; a stage that only one of them has runs, with its weight, on
 * that one's half: a trickle of budget would buy noise.
 * @param mu total μ: Σ μₖ² = mu²
 * @param persons size of the public user table: with fewer people than the anchors were chosen for, each item has fewer ratings against the same noise,
 *   so the stages are those of a smaller ε (the price stays `mu`)
 * @param hasDemographics, hasRecency whether these public inputs exist (a user table; a public time)
 */
export function planStages({
  epsilon,
  mu,
  persons = Number.POSITIVE_INFINITY,
  hasDemographics,
  hasRecency,
}: {
  epsilon: number
  mu: number
  persons?: number
  hasDemographics: boolean
  hasRecency: boolean
}): StagePlan {
  const { weights, ratingBound, residualBound, dimension } = interpolate(epsilonForSize(epsilon, persons))
  const chosen = order.flatMap((name, k) => {
    const weight = weights[k] as number
    const possible = name === 'demographic-response' ? hasDemographics : name === 'recency' ? hasRecency : true
    return possible && weight > 0 ? [{ name, weight }] : []
  })
  const norm = Math.hypot(...chosen.map(({ weight }) => weight))
  const rest = mu * Math.sqrt(1 - momentsShare)
  const usesVectors = chosen.some(({ name }) => name === 'person-vectors')
  return {
    stages: [
      { name: 'moments', per: 'all', mu: mu * Math.sqrt(momentsShare) },
      ...chosen.map(({ name, weight }) => ({ name, per: perOf[name], mu: (rest * weight) / norm })),
    ],
    ratingBound,
    residualBound,
    itemCountWeight: 0.4,
    personCountWeight: 0.8,
    dimension: usesVectors ? dimension : 0,
    vectorCap: 1,
    demographicsCap: 2,
  }
}

/** Enough people for the anchors as they stand. */
const fullSize = 4000
/** From here on people have a stage, however few they are. */
const peopleFrom = 0.09

function epsilonForSize(epsilon: number, persons: number): number {
  const scaled = epsilon * Math.min(1, persons / fullSize)
  return Math.max(Math.min(epsilon, peopleFrom), scaled)
}

function interpolate(epsilon: number): Omit<(typeof anchors)[number], 'epsilon'> {
  const above = anchors.findIndex((anchor) => anchor.epsilon >= epsilon)
  const last = anchors[anchors.length - 1] as (typeof anchors)[number]
  if (above < 0) return last
  const high = anchors[above] as (typeof anchors)[number]
  const low = anchors[Math.max(0, above - 1)] as (typeof anchors)[number]
  const t = high === low ? 1 : Math.log(epsilon / low.epsilon) / Math.log(high.epsilon / low.epsilon)
  const mix = (a: number, b: number) => a + t * (b - a)
  return {
    weights: high.weights.map((above, k) => {
      const below = low.weights[k] as number
      if (above > 0 && below > 0) return mix(below, above)
      return t < 0.5 ? below : above
    }),
    ratingBound: mix(low.ratingBound, high.ratingBound),
    residualBound: mix(low.residualBound, high.residualBound),
    dimension: Math.round(mix(low.dimension, high.dimension)),
  }
}
