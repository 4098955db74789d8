/**
 * Ranking questions as text: one JSON object a line in, one answer a line out; a wrong line is answered with its error and stops nothing.
 * JSON has no NaN and no infinity: "NaN", "inf", "-inf" and the bare words that Python writes are read; null as a score is a NaN.
 */
import { TacetError } from '../errors.ts'
import { type RankingAnswer, rankingMetric } from './ranking-metrics.ts'
import { invalid, malformed, type RankingOptions, type RankingQuestion } from './ranking-question.ts'

export type RankingCaseAnswer =
  | {
      id: unknown
      value: number | 'inf' | '-inf'
      /** Where people had to be left out of the mean: how many. */
      excluded?: number
      /** With options.perPerson. */
      perPerson?: Record<string, number>
      /** Group metrics: each group's figure. */
      groups?: Record<string, number>
    }
  | { id: unknown; error: { code: string; message: string } }

/** Answers one line: `{id, value}`, with `excluded` where people had to be left out, or `{id, error: {code, message}}`. Never throws. */
export function answerRankingCase(line: string): RankingCaseAnswer {
  let id: unknown = null
  try {
    const given = parseLine(line)
    id = given['id'] ?? null
    const { question, perPerson } = readQuestion(given)
    return { id, ...shown(rankingMetric(question), perPerson) }
  } catch (error) {
    if (!(error instanceof TacetError)) throw error
    return { id, error: { code: error.code, message: error.message } }
  }
}

function shown({ value, excluded, perPerson, groups }: RankingAnswer, withPeople: boolean) {
  return {
    value: Number.isFinite(value) ? value : value > 0 ? ('inf' as const) : ('-inf' as const),
    ...(excluded ? { excluded } : {}),
    ...(groups ? { groups: Object.fromEntries(groups) } : {}),
    ...(withPeople && perPerson ? { perPerson: Object.fromEntries(perPerson) } : {}),
  }
}

type Json = Readonly<Record<string, unknown>>

function parseLine(line: string): Json {
  let given: unknown
  try {
    given = JSON.parse(line)
  } catch {
    try {
      // Python's json writes NaN and Infinity bare. Texts are matched first, so that words inside of them stay.
      given = JSON.parse(line.replaceAll(/"(?:[^"\\]|\\.)*"|\bNaN\b|-?\bInfinity\b/g, (token) => bareNumbers[token] ?? token))
    } catch {
      malformed('the line is not JSON')
    }
  }
  if (!isRecord(given)) malformed('the line is not a JSON object')
  return given
}

const bareNumbers: Readonly<Record<string, string>> = { NaN: '"NaN"', Infinity: '"inf"', '-Infinity': '"-inf"' }

function readQuestion(given: Json): { question: RankingQuestion; perPerson: boolean } {
  const { metric, k } = given
  if (typeof metric !== 'string') invalid(`metric is ${show(metric)}; it must be the name of a metric`)
  const { options, perPerson } = readOptions(given['options'])
  const lists = peopleOf(given['lists'], 'lists', readItems)
  const scores = peopleOf(given['scores'], 'scores', (value, name, user) => {
    if (!isRecord(value)) malformed(`${name} must be an object {item: score}`)
    return numbersOf(
      value,
      (item, entry) =>
        toNumber(entry) ?? malformed(`the score of item ${item} for person ${user} is ${show(entry)}; it must be a number`, { user, item }),
    )
  })
  const relevant = peopleOf(given['relevant'], 'relevant', (value, name, user) => {
    if (isRecord(value))
      return numbersOf(
        value,
        (item, entry) =>
          toNumber(entry) ??
          malformed(`the gain of item ${item} for person ${user} is ${show(entry)}; it must be a number`, { user, item }),
      )
    const items = readItems(value, name)
    const gains = new Map(items.map((item) => [item, 1]))
    if (gains.size < items.length) malformed(`${name} holds item ${twice(items)} twice`, { user, item: twice(items) })
    return gains
  })
  const catalogue = given['catalogue'] == null ? undefined : readItems(given['catalogue'], 'catalogue')
  const popularity = numbersField(given['popularity'], 'popularity')
  const question: RankingQuestion = {
    metric,
    ...(k == null ? {} : { k: typeof k === 'number' ? k : invalid(`k is ${show(k)}; it must be an integer ≥ 1`) }),
    ...(lists ? { lists } : {}),
    ...(scores ? { scores } : {}),
    ...(relevant ? { relevant } : {}),
    ...(catalogue ? { catalogue } : {}),
    ...(popularity ? { popularity } : {}),
    options,
  }
  return { question, perPerson }
}

/** Reader of each option, by name: what is not here is refused, so that a misspelt option cannot pass unseen. */
const optionReaders: Readonly<Record<keyof RankingOptions | 'perPerson', (value: unknown, name: string) => unknown>> = {
  gains: choice(['linear', 'exponential', 'binary']),
  ties: choice(['expected', 'pessimistic']),
  trainingPeople: number,
  relevance: flag,
  headShare: number,
  itemGroups: (value, name) => peopleOf(value, name, readItems),
  history: (value, name) => peopleOf(value, name, readItems),
  vectors: (value, name) =>
    peopleOf(value, name, (vector, of) => {
      if (!Array.isArray(vector) || !vector.every((entry) => typeof entry === 'number')) malformed(`${of} must be a list of numbers`)
      return vector as number[]
    }),
  genres: (value, name) => peopleOf(value, name, readItems),
  of: text,
  groups: (value, name) =>
    peopleOf(value, name, (group, of) => toItem(group) ?? malformed(`${of} is ${show(group)}; it must name a group`)),
  perPerson: flag,
}

function readOptions(given: unknown): { options: RankingOptions; perPerson: boolean } {
  if (given == null) return { options: {}, perPerson: false }
  if (!isRecord(given)) malformed('options must be an object')
  const entries = Object.entries(given).flatMap(([name, value]) => {
    if (!Object.hasOwn(optionReaders, name))
      invalid(`there is no option "${name}"; the options are ${Object.keys(optionReaders).join(', ')}`)
    return value === null ? [] : [[name, optionReaders[name as keyof typeof optionReaders](value, `options.${name}`)] as const]
  })
  const { perPerson = false, ...options } = Object.fromEntries(entries) as RankingOptions & { perPerson?: boolean }
  return { options, perPerson }
}

function choice(values: readonly string[]) {
  return (value: unknown, name: string): unknown =>
    values.includes(value as string) ? value : invalid(`${name} is ${show(value)}; it must be one of ${values.join(', ')}`)
}

function number(value: unknown, name: string): number {
  return typeof value === 'number' ? value : invalid(`${name} is ${show(value)}; it must be a number`)
}

function flag(value: unknown, name: string): boolean {
  return typeof value === 'boolean' ? value : invalid(`${name} is ${show(value)}; it must be true or false`)
}

function text(value: unknown, name: string): string {
  return typeof value === 'string' ? value : invalid(`${name} is ${show(value)}; it must be a text`)
}

function peopleOf<T>(value: unknown, name: string, read: (entry: unknown, name: string, user: string) => T): Map<string, T> | undefined {
  if (value == null) return undefined
  if (!isRecord(value)) malformed(`${name} must be an object`)
  return new Map(Object.entries(value).map(([key, entry]) => [key, read(entry, `${name} of ${key}`, key)]))
}

function numbersField(value: unknown, name: string): Map<string, number> | undefined {
  if (value == null) return undefined
  if (!isRecord(value)) malformed(`${name} must be an object {item: number}`)
  return numbersOf(
    value,
    (item, entry) => toNumber(entry) ?? malformed(`the ${name} of item ${item} is ${show(entry)}; it must be a number`, { item }),
  )
}

function numbersOf(value: Json, read: (item: string, entry: unknown) => number): Map<string, number> {
  return new Map(Object.entries(value).map(([item, entry]) => [item, read(item, entry)]))
}

function readItems(value: unknown, name: string): string[] {
  if (!Array.isArray(value)) malformed(`${name} must be a list of items`)
  return value.map((entry) => toItem(entry) ?? malformed(`${name} holds ${show(entry)}; an item is a text or a number`))
}

function toItem(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  return typeof value === 'number' ? String(value) : undefined
}

/** A number, NaN included; undefined for what is none. */
function toNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  return value === null ? Number.NaN : numberWords[value as string]
}

const numberWords: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  nan: Number.NaN,
  inf: Number.POSITIVE_INFINITY,
  Infinity: Number.POSITIVE_INFINITY,
  '-inf': Number.NEGATIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
}

function twice(items: readonly string[]): string | undefined {
  return items.find((item, i) => items.indexOf(item) < i)
}

function show(value: unknown): string {
  const shown = JSON.stringify(value) ?? 'missing'
  return shown.length > 60 ? `${shown.slice(0, 59)}…` : shown
}

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
