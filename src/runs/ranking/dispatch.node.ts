/** One way in for both tasks: which pipeline a request, or a run folder, belongs to. */
import { existsSync } from 'node:fs'
import { TacetError } from '../../errors.ts'
import { files, openRunFolder, readRunJson, workingFolderOf } from '../folder.node.ts'
import { resumeRun, train } from '../train.node.ts'
import type { RunIo, TrainReport } from '../types.ts'
import { refuseRankingSettings, taskOf } from './config.ts'
import { resumeRankingRun, trainRanking } from './train.node.ts'
import type { RankingTrainReport, RunRequest } from './types.ts'

/**
 * `tacet train`: a rating model or one that ranks, as the request says. Wide & Deep on data without ratings ranks.
 * @throws TacetError as `train` and `trainRanking`
 */
export async function trainRun(request: RunRequest, io: RunIo = {}): Promise<TrainReport | RankingTrainReport> {
  const task = taskOf(request)
  if (task === 'ranking') return trainRanking(request, io)
  refuseRankingSettings(request)
  if (task === 'rating') return train(request, io)
  try {
    return await train(request, io)
  } catch (error) {
    if (error instanceof TacetError && error.details.feedback === 'implicit') return trainRanking(request, io)
    throw error
  }
}

/** `tacet train --resume`: goes on with whatever the working folder holds. @throws TacetError as `resumeRun` */
export async function resumeAnyRun(run: string, io: RunIo = {}): Promise<TrainReport | RankingTrainReport> {
  const folder = workingFolderOf(run.replace(/\.partial\/*$/, '').replace(/\/+$/, '') || run)
  const ranks = existsSync(folder) && readRunJson(folder, files.config).task === 'ranking'
  return ranks ? resumeRankingRun(run, io) : resumeRun(run, io)
}

/** What a finished run does. @throws TacetError missing-file, corrupt-run, newer-run */
export const taskOfRun = (run: string): 'rating' | 'ranking' => (openRunFolder(run).config.task === 'ranking' ? 'ranking' : 'rating')
