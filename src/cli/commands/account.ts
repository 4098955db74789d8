/**
 * `tacet account`: what a plan costs, or the noise that meets a price, before anybody's data is touched. With `--cases`, a file of questions,
 * one answer a line. Reads no data set and writes no file.
 */
import { type Command, Option } from 'commander'
import { TacetError } from '../../errors.ts'
import type { DpSgdPrice } from '../../privacy/index.ts'
import { answerCases, refuseSettingsBeside } from '../cases.ts'
import { choiceFlag, defined, deltaBounds, examples, integerFlag, numberFlag, rateBounds, refuse } from '../flags.ts'
import type { CommandContext } from '../io.ts'
import { count, line, printResult, significant, under } from '../output.ts'

interface AccountFlags {
  noiseMultiplier?: number
  epsilon?: number
  sampleRate?: number
  steps?: number
  delta?: number
  accountant?: 'pld' | 'rdp'
  relation?: DpSgdPrice['neighboringRelation']
  batchSelection?: DpSgdPrice['batchSelection']
  privacyUnit?: DpSgdPrice['privacyUnit']
  maxExamplesPerUser?: number
  users?: number
  cases?: string
}

export function addAccountCommand(program: Command, contextOf: () => CommandContext): void {
  const command = program
    .command('account')
    .description('Price a plan of private training, find the noise for a price, or price a file of events')
    .addOption(
      new Option(
        '--noise-multiplier <s>',
        'σ: noise standard deviation ÷ sensitivity, which is the clip norm C; with fixed-without-replacement it is 2C (one row replaced moves the sum by two)',
      ).argParser(numberFlag('--noise-multiplier', { above: 0 })),
    )
    .addOption(
      new Option('--epsilon <e>', 'in place of --noise-multiplier: find the σ that meets this ε')
        .argParser(numberFlag('--epsilon', { above: 0 }))
        .conflicts('noiseMultiplier'),
    )
    .addOption(new Option('--sample-rate <q>', 'chance of a row to be in a batch').argParser(numberFlag('--sample-rate', rateBounds)))
    .addOption(new Option('--steps <t>', 'number of noisy steps').argParser(integerFlag('--steps', { atLeast: 1 })))
    .addOption(new Option('--delta <d>', 'δ').argParser(numberFlag('--delta', deltaBounds)))
    .addOption(new Option('--accountant <name>', 'pld | rdp (default: pld)').argParser(choiceFlag('--accountant', ['pld', 'rdp'])))
    .addOption(
      new Option(
        '--batch-selection <kind>',
        'poisson | shuffle (no amplification) | fixed-without-replacement (default: poisson)',
      ).argParser(choiceFlag('--batch-selection', ['poisson', 'shuffle', 'fixed-without-replacement'])),
    )
    .addOption(
      new Option(
        '--relation <name>',
        'add-or-remove-one | replace-one | replace-special (default: by sampler, in the order of that list: add-or-remove-one, replace-special, replace-one)',
      ).argParser(choiceFlag('--relation', ['add-or-remove-one', 'replace-one', 'replace-special'])),
    )
    .addOption(
      new Option(
        '--privacy-unit <unit>',
        'rating | user: what the sampler draws, rows or whole people (default: rating; user with --max-examples-per-user)',
      ).argParser(choiceFlag('--privacy-unit', ['rating', 'user'])),
    )
    .addOption(
      new Option('--max-examples-per-user <k>', 'rows are drawn, and a person holds k of them: price the person, not the row').argParser(
        integerFlag('--max-examples-per-user', { atLeast: 1 }),
      ),
    )
    .addOption(
      new Option(
        '--users <n>',
        'with --epsilon and --max-examples-per-user: how many people; says whether drawing people or their rows is cheaper',
      ).argParser(integerFlag('--users', { atLeast: 1 })),
    )
    .addOption(new Option('--cases <file>', 'one question a line (NDJSON), one answer a line; takes no other setting'))
  command
    .addHelpText(
      'after',
      examples(
        'tacet account --noise-multiplier 1 --sample-rate 0.01 --steps 1000 --delta 1e-5',
        'tacet account --epsilon 2 --sample-rate 0.01 --steps 1000 --delta 1e-5 --accountant rdp --json',
        'tacet account --noise-multiplier 1 --sample-rate 0.01 --steps 1000 --delta 1e-5 --max-examples-per-user 80',
        'tacet account --epsilon 1 --sample-rate 0.1 --steps 200 --delta 1e-5 --privacy-unit user    # people are drawn, not rows',
        'tacet account --epsilon 1 --sample-rate 0.1 --steps 200 --delta 1e-6 --max-examples-per-user 50 --users 6040',
        'tacet account --cases questions.ndjson    # {"id":1,"event":{"kind":"gaussian","noiseMultiplier":2},"ask":{"epsilonAt":1e-5}}',
      ),
    )
    .action(async (flags: AccountFlags) => {
      const context = contextOf()
      if (flags.cases !== undefined) {
        refuseSettingsBeside(
          command,
          'cases',
          (long) => `${long} contradicts --cases: each line of the file says what it asks`,
          (long) => `Leave out ${long}`,
        )
        const { priceCase } = await import('../../privacy/index.ts')
        await answerCases(flags.cases, priceCase, context)
        return
      }
      const { priceDpSgd } = await import('../../privacy/index.ts')
      const { sampleRate, steps, delta } = flags
      for (const [flag, value] of [
        ['--sample-rate', sampleRate],
        ['--steps', steps],
        ['--delta', delta],
      ] as const) {
        if (value === undefined)
          refuse(`${flag} is missing`, 'A price needs --sample-rate, --steps, --delta, and --noise-multiplier or --epsilon')
      }
      if (flags.noiseMultiplier === undefined && flags.epsilon === undefined) {
        refuse('--noise-multiplier is missing', 'Give --noise-multiplier S, or --epsilon E to find it')
      }
      const question = {
        sampleRate: sampleRate as number,
        steps: steps as number,
        delta: delta as number,
        ...defined({
          batchSelection: flags.batchSelection,
          relation: flags.relation,
          privacyUnit: flags.privacyUnit,
          maxExamplesPerUser: flags.maxExamplesPerUser,
        }),
      }
      const price = priceDpSgd({
        ...question,
        ...defined({ noiseMultiplier: flags.noiseMultiplier, targetEpsilon: flags.epsilon, accountant: flags.accountant }),
      })
      // The other accountant's word is for people: a program asks for the one it wants.
      const other = context.json
        ? undefined
        : secondOpinion(() =>
            priceDpSgd({ ...question, noiseMultiplier: price.noiseMultiplier, accountant: price.accountant === 'pld' ? 'rdp' : 'pld' }),
          )
      const sampling = flags.users === undefined ? null : await cheaperSampling(flags, flags.users)
      printResult(context, sampling === null ? price : { ...price, sampling: sampling.choice }, [
        ...(context.json ? [] : describe(price, other, flags.epsilon, question.maxExamplesPerUser)),
        ...(sampling?.lines ?? []),
      ])
    })
}

/** People drawn (ULS) or their rows (ELS) at the same rate and steps: which needs less noise for the wanted ε. */
async function cheaperSampling(
  { epsilon, delta, sampleRate, steps, maxExamplesPerUser, batchSelection }: AccountFlags,
  personCount: number,
) {
  if (epsilon === undefined || maxExamplesPerUser === undefined)
    refuse('--users compares two ways to draw', 'Give --epsilon E and --max-examples-per-user K beside it')
  if (batchSelection !== undefined && batchSelection !== 'poisson')
    refuse(`--users contradicts --batch-selection ${batchSelection}: both ways are Poisson samplers`, 'Leave one of the two out')
  const { choosePersonSampling, samplingReport } = await import('../../training/index.ts')
  const choice = choosePersonSampling({
    model: 'the plan',
    personCount,
    interactionsPerPerson: maxExamplesPerUser as number,
    sampleRate: sampleRate as number,
    steps: steps as number,
    privacy: { unit: 'user', epsilon: epsilon as number, delta: delta as number, alongside: [] },
  })
  return { choice, lines: samplingReport(choice).map((text, at) => (at === 0 ? line('sampling', text) : under(text))) }
}

/** A plan that only one accountant can bound has one price. */
function secondOpinion(price: () => DpSgdPrice): DpSgdPrice | undefined {
  try {
    return price()
  } catch (error) {
    if (error instanceof TacetError) return undefined
    throw error
  }
}

const samplers: Readonly<Record<DpSgdPrice['batchSelection'], (drawn: string) => string>> = {
  poisson: (drawn) => `Poisson batches: every ${drawn} by its own coin`,
  shuffle: () => 'shuffled batches: no amplification is claimed',
  'fixed-without-replacement': () => 'batches of fixed size, without replacement',
  none: (drawn) => `every ${drawn} in every step`,
}
const relations: Readonly<Record<DpSgdPrice['neighboringRelation'], string>> = {
  'add-or-remove-one': 'hides whether it is there at all',
  'replace-one': 'hides its content: one replaced by another; the number of rows is public',
  'replace-special': 'hides its content: one replaced by an empty row; the number of rows is public',
}

function describe(price: DpSgdPrice, other: DpSgdPrice | undefined, asked: number | undefined, rowsOfPerson: number | undefined): string[] {
  const { epsilon, epsilonLower, delta, mu, noiseMultiplier, sampleRate, steps, privacyUnit, neighboringRelation, batchSelection } = price
  const unit = privacyUnit === 'rating' ? 'one row' : 'one person'
  const ratio = other && Math.max(other.epsilon, epsilon) / Math.min(other.epsilon, epsilon)
  const gap =
    other && ratio !== undefined && ratio > 1.0005 && ` · ${significant(ratio, 3)} × ${other.epsilon > epsilon ? 'looser' : 'tighter'}`
  const named = ({ accountant, epsilon: value, optimalOrder }: DpSgdPrice) =>
    `${accountant.toUpperCase()} ε = ${significant(value)}${optimalOrder === undefined ? '' : ` (order ${significant(optimalOrder, 3)})`}`
  return [
    line('privacy', `ε = ${significant(epsilon)} at δ = ${significant(delta)} for ${unit}`, price.accountant.toUpperCase()),
    line(
      'plan',
      `σ ${significant(noiseMultiplier, 5)}${asked === undefined ? '' : ` (found for ε = ${significant(asked)})`}`,
      `q ${significant(sampleRate)}`,
      `${count(steps)} steps`,
      `${significant(steps * sampleRate, 3)} passes over the data`,
    ),
    under(samplers[batchSelection](privacyUnit === 'user' && rowsOfPerson === undefined ? 'person' : 'row')),
    line('unit', `${unit}, ${neighboringRelation}`, relations[neighboringRelation]),
    line(
      'bounds',
      epsilonLower === null
        ? 'an upper bound'
        : `the true price lies between ${significant(epsilonLower, 6)} and ${significant(epsilon, 6)}`,
      mu !== null && `μ = ${significant(mu)}`,
    ),
    ...(other ? [under(`${named(other)}${gap || ' · the two agree'}`)] : []),
    line(
      'means',
      epsilon <= 10
        ? `seeing the output makes anyone at most e^ε = ${significant(Math.exp(epsilon), 3)} times surer about ${unit}, but for a chance of δ`
        : `an ε above 10 promises ${unit} next to nothing in the worst case`,
    ),
    line(
      'next',
      batchSelection === 'poisson' && privacyUnit === 'rating'
        ? `tacet train --model wide-and-deep --noise-multiplier ${significant(noiseMultiplier)} … prices its own plan like this`
        : 'tacet train prices its own plan like this',
    ),
  ]
}
