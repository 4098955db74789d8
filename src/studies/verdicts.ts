/**
 * The paper's claims, each with a verdict computed from the study's own numbers. A difference counts only where the 95 % interval over seeds leaves
 * out zero; where it does not, the verdict is "not shown". Claims about printed figures are judged on the paper's data set only.
 */
import { type Book, type Cell, valuesOf } from './book.ts'
import { isPaperData, paperSettings, paperTable } from './paper.ts'
import { compare, marginOfMean, type Summary, summarise } from './statistics.ts'
import type { SplitKind, TrainedResult } from './study.ts'
import {
  baseline,
  biases,
  clippingAlone,
  network,
  noise,
  noPrivacy,
  privateItemMean,
  rowEpsilon,
  type StudyData,
  upTo,
} from './wide-and-deep-dp.ts'

export type VerdictWord = 'holds' | 'holds, for another reason' | 'not shown' | 'does not hold'

export interface ClaimVerdict {
  readonly claim: string
  /** Where the paper says it. */
  readonly where: string
  readonly verdict: VerdictWord
  readonly evidence: string
}

const four = (value: number) => value.toFixed(4)
export const spelled = (summary: Summary | null): string =>
  summary === null ? '–' : summary.stdDev === null ? `${four(summary.mean)} (1 run)` : `${four(summary.mean)} ± ${four(summary.stdDev)}`
const epsilonText = (value: number) => String(Number(value.toPrecision(value < 10 ? 2 : 3)))
/** "1 run" or "5 runs". */
const runs = (count: number) => `${count} run${count === 1 ? '' : 's'}`

/**
 * True where a model says nearly the same to everybody: its predictions spread by less than 2.5 % of the rating scale.
 */
export function saysTheSame(results: readonly TrainedResult[], scale: { readonly min: number; readonly max: number }): boolean {
  const spread = summarise(valuesOf(results, 'predictionStdDev'))
  return spread !== null && spread.mean < 0.025 * (scale.max - scale.min)
}

export function judgeClaims(book: Book, { primary }: StudyData): ClaimVerdict[] {
  const main = primary.mainSplit
  const onPaperData = isPaperData(primary)
  const cellAt = (sigma: number | null, split: SplitKind = main) =>
    book.cell('primary', split, network('paper', sigma === null ? noPrivacy : noise(sigma)))
  const constant = book.cell('primary', main, baseline('constant')).rmse?.mean as number
  const prices = book.prices('primary')
  const claims: ClaimVerdict[] = []

  if (onPaperData) {
    const random = cellAt(null, 'random').rmse
    const chronological = cellAt(null, 'chronological').rmse
    const printed = paperTable[0]!.rmse
    if (random && chronological) {
      // The printed figure is a mean of three runs too; the paper puts their spread below .01.
      const fits = (ours: Summary) => Math.abs(ours.mean - printed) <= marginOfMean(ours) + paperSettings.claimedStdDev
      const interval = (ours: Summary) =>
        `${spelled(ours)}${ours.n > 1 ? ` (95 % interval of the mean ± ${four(marginOfMean(ours))})` : ''}`
      claims.push({
        claim: `Without privacy, RMSE is ${printed} on a chronological split`,
        where: 'section 4.1, Table 1',
        verdict: chronological.stdDev === null ? 'not shown' : fits(chronological) ? 'holds' : 'does not hold',
        evidence: `The same recipe gives ${interval(chronological)} on the chronological split and ${interval(random)} on a random one. The printed figure ${
          fits(random) && !fits(chronological)
            ? 'fits a random split, and not the chronological one that the paper describes'
            : fits(chronological)
              ? 'fits the chronological split'
              : 'fits neither'
        }.`,
      })
    }
    const off = prices.flatMap(({ noiseMultiplier, price }) => {
      const epsilon = paperTable.find((row) => row.noiseMultiplier === noiseMultiplier)?.epsilon
      return epsilon !== undefined && epsilon !== null && Math.abs(epsilon - price.rdp) > 0.005 + 1e-4
        ? [{ noiseMultiplier, epsilon, price }]
        : []
    })
    const worst = [...off].sort((a, b) => b.epsilon / b.price.rdp - a.epsilon / a.price.rdp)[0]
    const understated = prices.filter(({ noiseMultiplier, price }) => {
      const epsilon = paperTable.find((row) => row.noiseMultiplier === noiseMultiplier)?.epsilon
      return epsilon !== undefined && epsilon !== null && epsilon < price.pld
    })
    if (prices.length > 0)
      claims.push({
        claim: 'ε is 0.66, 0.24, 0.07, 0.06, 0.04 for σ = 1 … 5',
        where: 'Table 1',
        verdict: off.length === 0 ? 'holds' : 'does not hold',
        evidence: `${
          worst
            ? `At σ = ${worst.noiseMultiplier} the printed ${worst.epsilon} is ${worst.price.rdp.toFixed(2)} by the same accountant: a gap in the grid of orders. `
            : ''
        }By RDP the row is ${prices.map(({ price }) => price.rdp.toFixed(4)).join(', ')}; by PLD ${prices.map(({ price }) => price.pld.toFixed(4)).join(', ')}. ${
          understated.length === 0
            ? 'No printed figure promises too much: all five are upper bounds.'
            : 'Some printed figures promise too much.'
        }`,
      })
  }

  const [one, two] = [cellAt(1), cellAt(2)]
  if (one.rmse && two.rmse) {
    const { difference, margin, clear } = compare(valuesOf(two.runs, 'rmse'), valuesOf(one.runs, 'rmse'))
    const range = `${four(Math.min(...valuesOf(one.runs, 'rmse')))} to ${four(Math.max(...valuesOf(one.runs, 'rmse')))}`
    claims.push({
      claim: 'σ = 2 beats σ = 1 although its privacy is stronger',
      where: 'sections 4.2 and 4.3',
      verdict: !clear ? 'not shown' : difference < 0 ? 'holds' : 'does not hold',
      evidence: `RMSE ${spelled(two.rmse)} at σ = 2 and ${spelled(one.rmse)} at σ = 1 (${runs(one.runs.length)} each); the difference is ${difference > 0 ? '+' : '−'}${four(Math.abs(difference))} ${Number.isFinite(margin) ? `with a 95 % margin of ${four(margin)}` : 'with no margin from single runs'}. Single runs at σ = 1 lie anywhere from ${range}.`,
    })
  }

  const high = [3, 4, 5].map((sigma) => cellAt(sigma))
  if (high.every(({ rmse }) => rmse !== null)) {
    const means = high.map(({ rmse }) => (rmse as Summary).mean)
    const range = Math.max(...means) - Math.min(...means)
    const same = high.every(({ runs: results }) => saysTheSame(results, primary.ratingScale))
    const worseThanConstant = means.every((mean) => mean > constant)
    const spread = Math.max(...high.flatMap(({ runs: results }) => valuesOf(results, 'predictionStdDev')))
    claims.push({
      claim: 'From σ = 3 on, error reaches a plateau: the architecture is robust to noise',
      where: 'sections 4.2 to 4.4',
      verdict: range > 0.01 ? 'does not hold' : same || worseThanConstant ? 'holds, for another reason' : 'holds',
      evidence: `RMSE at σ = 3, 4, 5 is ${means.map(four).join(', ')}. ${
        same
          ? `But these models say nearly the same to everybody (predictions spread by at most ${spread.toFixed(3)}): more noise cannot change much.`
          : `Predictions spread by up to ${spread.toFixed(3)}.`
      }${worseThanConstant ? ` All three are worse than one constant for everybody (${four(constant)}).` : ''}`,
    })
  }

  const clipped = book.cell('primary', main, network('paper', noise(clippingAlone.noiseMultiplier)))
  const noisy = paperSettings.noiseMultipliers.map((sigma) => ({ sigma, cell: cellAt(sigma) })).filter(({ cell }) => cell.rmse !== null)
  if (clipped.rmse && noisy.length > 0) {
    const better = noisy.filter(({ cell }) => {
      const { difference, clear } = compare(valuesOf(cell.runs, 'rmse'), valuesOf(clipped.runs, 'rmse'))
      return clear && difference < 0
    })
    const unclear = noisy.some(({ cell }) => !compare(valuesOf(cell.runs, 'rmse'), valuesOf(clipped.runs, 'rmse')).clear)
    const best = [...noisy].sort((a, b) => (a.cell.rmse as Summary).mean - (b.cell.rmse as Summary).mean)[0] as {
      sigma: number
      cell: Cell
    }
    claims.push({
      claim: 'Moderate noise regularises: it improves generalisation',
      where: 'sections 4.3 and 4.4',
      verdict:
        better.length > 0 ? 'holds' : unclear && !((best.cell.rmse as Summary).mean > clipped.rmse.mean) ? 'not shown' : 'does not hold',
      evidence: `The same clipping without noise scores ${spelled(clipped.rmse)}; the best noisy row, σ = ${best.sigma}, ${spelled(best.cell.rmse)}. ${
        better.length > 0
          ? `σ = ${better.map(({ sigma }) => sigma).join(', ')} clearly beat it.`
          : (best.cell.rmse as Summary).mean < clipped.rmse.mean
            ? 'The difference is within the spread of the runs.'
            : `No amount of noise beats it. On its own training rows σ = ${best.sigma} scores ${spelled(summarise(valuesOf(best.cell.runs, 'trainRmse')))}, against ${spelled(summarise(valuesOf(clipped.runs, 'trainRmse')))} without noise: it fits less, it does not generalise more.`
      }`,
    })
  }

  const rows = [null, ...paperSettings.noiseMultipliers].map((sigma) => ({ sigma, cell: cellAt(sigma) }))
  const spreads = rows.flatMap(({ sigma, cell }) =>
    cell.rmse?.stdDev === null || cell.rmse === null ? [] : [{ sigma, stdDev: cell.rmse.stdDev, n: cell.rmse.n }],
  )
  const named = (sigma: number | null) => (sigma === null ? 'without noise' : `at σ = ${sigma}`)
  if (spreads.length > 0) {
    const largest = [...spreads].sort((a, b) => b.stdDev - a.stdDev)[0]!
    const small = spreads.filter(({ stdDev }) => stdDev < paperSettings.claimedStdDev)
    claims.push({
      claim: 'The standard deviation of RMSE over three seeds is below .01 in all cases',
      where: 'section 4.2',
      verdict: small.length === spreads.length ? 'holds' : 'does not hold',
      evidence: `It is ${four(largest.stdDev)} ${named(largest.sigma)} (${largest.n} runs). Below .01: ${small.length === 0 ? 'none' : `${small.some(({ sigma }) => sigma === null) ? 'no noise, ' : ''}σ = ${small.flatMap(({ sigma }) => (sigma === null ? [] : [sigma])).join(', ')}`}.`,
    })
  }

  const tight = spreads.filter(({ sigma, stdDev }) => sigma !== null && sigma >= 2 && stdDev < paperSettings.claimedStdDev)
  if (tight.length > 0) {
    const collapsed = tight.filter(({ sigma }) => saysTheSame(cellAt(sigma).runs, primary.ratingScale))
    claims.push({
      claim: 'Low variance of RMSE at high noise shows robustness',
      where: 'section 4.4, Figure 6',
      verdict: collapsed.length > 0 ? 'holds, for another reason' : 'holds',
      evidence: `The spread is small at σ = ${tight.map(({ sigma }) => sigma).join(', ')}. ${
        collapsed.length > 0
          ? `There the output has collapsed to one value near ${(summarise(collapsed.flatMap(({ sigma }) => valuesOf(cellAt(sigma).runs, 'predictionMean'))) as Summary).mean.toFixed(2)} in every run: constants agree with each other.`
          : 'The predictions still differ between people and items.'
      }`,
    })
  }

  const private_ = noisy.map(({ sigma, cell }) => {
    const price = prices.find(({ noiseMultiplier }) => noiseMultiplier === sigma)?.price
    const epsilon = price ? rowEpsilon(price.pld) : null
    return {
      sigma,
      rmse: (cell.rmse as Summary).mean,
      itemMean: epsilon === null ? null : (book.cell('primary', main, privateItemMean(epsilon)).rmse?.mean ?? null),
      biases: epsilon === null ? null : (book.cell('primary', main, biases(upTo(epsilon))).rmse?.mean ?? null),
    }
  })
  if (private_.length > 0 && Number.isFinite(constant)) {
    const lost = private_.filter(({ rmse }) => rmse > constant)
    const list = (pick: (row: (typeof private_)[number]) => number | null) =>
      private_.map((row) => (pick(row) === null ? '–' : four(pick(row) as number))).join(', ')
    claims.push({
      claim: 'Private training keeps competitive accuracy; the loss is modest, also at ε ≤ 1',
      where: 'abstract, sections 4.4 and 5',
      verdict: lost.length > 0 ? 'does not hold' : 'holds',
      evidence: `One constant for everybody scores ${four(constant)}; the private rows at σ = ${private_.map(({ sigma }) => sigma).join(', ')} score ${list(({ rmse }) => rmse)}${lost.length > 0 ? `, so ${lost.length} of ${private_.length} lose to it` : ''}. At the same ε a noisy item mean scores ${list(({ itemMean }) => itemMean)}, and bias-factors ${list((row) => row.biases)}.`,
    })
  }

  if (prices.length > 0) {
    const first = prices[0]!
    const persons = first.price.persons
    const cost = (sigma: (typeof prices)[number], index: number) => sigma.price.persons[index]?.epsilon ?? null
    const within = prices.filter((row) => {
      const median = cost(row, 0)
      return median !== null && median <= 1
    })
    claims.push({
      claim: 'User-level privacy within ε ≤ 1',
      where: 'section 4.4',
      verdict: within.length === prices.length ? 'holds' : 'does not hold',
      evidence: `The recipe samples and clips ratings, so ε is for one rating. A person's ratings together cost more: for the median person (${persons[0]?.ratings} training ratings) ε = ${prices.map((row) => show(cost(row, 0))).join(', ')} at σ = ${prices.map(({ noiseMultiplier }) => noiseMultiplier).join(', ')}; for the heaviest (${persons[1]?.ratings}) ${prices.map((row) => show(cost(row, 1))).join(', ')}.`,
    })
  }

  const paperNone = cellAt(null)
  const biasNone = book.cell('primary', main, biases(noPrivacy))
  if (paperNone.rmse && biasNone.rmse) {
    const privateBetter = private_.filter(({ biases: rmse }) => rmse !== null && rmse < (paperNone.rmse as Summary).mean)
    claims.push({
      claim: 'The figure without privacy is an upper bound on achievable accuracy',
      where: 'section 4.1',
      verdict: biasNone.rmse.mean < paperNone.rmse.mean || privateBetter.length > 0 ? 'does not hold' : 'holds',
      evidence: `On the ${main} split the recipe without privacy scores ${spelled(paperNone.rmse)}; bias-factors without privacy ${spelled(biasNone.rmse)}${privateBetter.length > 0 ? `, and with privacy it is already ahead at the ε of σ = ${privateBetter.map(({ sigma }) => sigma).join(', ')}` : ''}.`,
    })
  }
  return claims
}

const show = (epsilon: number | null) => (epsilon === null ? '–' : epsilonText(epsilon))
