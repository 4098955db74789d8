/** Runs one job of a comparison: split, training, figures of the test people. Keeps the last data set and split. */
import { type Interactions, itemCounts, type RankedPeople, type RankingSplit, splitForRanking } from '../data/index.ts'
import { TacetError } from '../errors.ts'
import {
  activityGroups,
  attributeGroups,
  evaluateRanker,
  freeze,
  type GroupFigures,
  groupMetrics,
  openTest,
  popularityGroups,
  type RankerEvaluation,
  recallByItemGroup,
} from '../evaluation/index.ts'
import type { PrivacyEvent } from '../privacy/index.ts'
import { canonical } from '../privacy/index.ts'
import { seededRandom } from '../random/index.ts'
import { rankingTrainer, resolveParameters } from '../training/index.ts'
import { besideTheModel, type ComparisonJob, type ComparisonResult } from './comparison.ts'

/** @param load reads the data set that a job names */
export function createComparisonRunner({
  load,
  leadMetric,
}: {
  readonly load: (dataset: string) => Promise<Interactions>
  readonly leadMetric: string
}): (job: ComparisonJob) => Promise<ComparisonResult> {
  let kept: { readonly key: string; readonly data: Interactions; readonly split: RankingSplit } | null = null
  return async (job) => {
    const key = canonical({ dataset: job.dataset, split: job.split })
    if (kept?.key !== key) {
      const data = await load(job.dataset)
      kept = { key, data, split: splitForRanking(data, job.split) }
    }
    const { data, split } = kept
    const trainer = rankingTrainer(job.model)
    const parameters = resolveParameters(trainer, job.parameters)
    if (job.privacy !== null && !trainer.privateFor.includes('user'))
      return { kind: 'refused', reason: trainer.refusal?.reason ?? `${job.model} cannot be private` }
    const events: PrivacyEvent[] = []
    const startedAt = performance.now()
    let ranker: Awaited<ReturnType<typeof trainer.fit>>
    try {
      ranker = await trainer.fit({
        positives: split.train,
        itemTable: data.itemTable,
        parameters,
        privacy: job.privacy === null ? null : { unit: 'user', ...job.privacy, alongside: besideTheModel(job.model, job.privacy) },
        random: seededRandom(job.seed),
        spend: (event) => void events.push(event),
      })
    } catch (error) {
      // What a model cannot do (a catalogue too large, no public content) is a cell of the table; anything else ends the comparison.
      if (error instanceof TacetError && (error.code === 'unsafe-plan' || error.code === 'invalid-argument'))
        return { kind: 'refused', reason: error.message }
      throw error
    }
    const trainSeconds = (performance.now() - startedAt) / 1000
    const people = openTest(split, freeze(ranker))
    const counts = itemCounts(split.train)
    const evaluation = evaluateRanker(ranker, people, {
      candidates: job.candidates === 'all' ? 'all' : { sampled: job.candidates, seed: 0 },
      catalogue: {
        counts,
        trainingPeople: split.counts.trainPeople,
        ...(data.itemTable ? { genres: data.itemTable.genres } : {}),
      },
    })
    const lead = evaluation.perPerson(leadMetric)
    return {
      kind: 'measured',
      metrics: evaluation.metrics,
      perPerson: Array.from(lead, (value) => (Number.isNaN(value) ? null : Number(value.toFixed(5)))),
      trainSeconds,
      events,
      groups: groupsOf(data, people, evaluation, lead, counts),
    }
  }
}

function groupsOf(
  data: Interactions,
  people: RankedPeople,
  evaluation: RankerEvaluation,
  lead: Float64Array,
  counts: Uint32Array,
): GroupFigures[] {
  const ofPeople = [
    attributeGroups(data, people.users, 'gender'),
    attributeGroups(data, people.users, 'age'),
    activityGroups(people.history),
  ]
  return [
    ...ofPeople.flatMap((groups) => (groups === null || !groups.of.some((group) => group >= 0) ? [] : [groupMetrics(lead, groups)])),
    recallByItemGroup(evaluation, people, popularityGroups(counts), 20),
  ]
}
