/**
 * A checkpoint as bytes: parameters, optimiser state, running average, and what they belong to (data fingerprint, plan id). Pinned, so that it
 * cannot be resumed on changed data or under another plan; without generator state, so that a resumed attempt draws fresh noise.
 *
 * Checkpoints hold unreleased intermediate models: they stay in the training zone (`private/`). Writing them to disk is the run folder's job.
 */
import { TacetError } from '../errors.ts'
import { decodeSafetensors, encodeSafetensors, expectTensor, type TensorData } from '../models/index.ts'
import type { LoopState } from './loop.ts'

const FORMAT = 'tacet-checkpoint-1'
const ENGINE_PREFIX = 'engine.'

/** What a checkpoint belongs to. `planId` is `none` without privacy. */
export interface CheckpointPin {
  readonly dataFingerprint: string
  readonly planId: string
}

export function encodeCheckpoint(state: LoopState, pin: CheckpointPin): Uint8Array<ArrayBuffer> {
  const size = state.parameters.length
  const tensors: Record<string, TensorData> = { parameters: { shape: [size], data: state.parameters } }
  if (state.average) tensors.average = { shape: [size], data: state.average.values }
  for (const [name, tensor] of Object.entries(state.engine)) tensors[`${ENGINE_PREFIX}${name}`] = tensor
  const metadata: Record<string, string> = {
    format: FORMAT,
    dataFingerprint: pin.dataFingerprint,
    planId: pin.planId,
    step: String(state.step),
  }
  if (state.average) metadata.averageWeight = String(state.average.weight)
  if (state.maxGradNorm !== null) metadata.maxGradNorm = String(state.maxGradNorm)
  return encodeSafetensors(tensors, metadata)
}

/**
 * @param parameterCount size of the engine that will take it
 * @throws TacetError corrupt-run if the bytes are damaged or hold another model, unsafe-plan if data or plan have changed
 */
export function decodeCheckpoint(bytes: Uint8Array, pin: CheckpointPin, parameterCount: number, label = 'checkpoint'): LoopState {
  const { tensors, metadata } = decodeSafetensors(bytes, label)
  const corrupt = (what: string) =>
    new TacetError('corrupt-run', `${label} is damaged: ${what}`, {
      wayOut: 'remove the checkpoint to start its run again; what it spent stays spent',
    })
  if (metadata.format !== FORMAT) throw corrupt(`its format is ${metadata.format ?? 'not named'}, not ${FORMAT}`)
  if (metadata.dataFingerprint !== pin.dataFingerprint)
    throw new TacetError('unsafe-plan', `${label} was made on other data than is there now`, {
      wayOut: 'resume on the data the run was started on, or start a new run',
    })
  if (metadata.planId !== pin.planId)
    throw new TacetError('unsafe-plan', `${label} was made under plan ${metadata.planId}, not ${pin.planId}`, {
      wayOut: 'resume with the configuration the run was started with, or start a new run',
    })
  const number = (name: string): number => {
    const value = Number(metadata[name])
    if (metadata[name] === undefined || metadata[name] === '' || !Number.isFinite(value) || value < 0)
      throw corrupt(`its ${name} is ${metadata[name]}`)
    return value
  }
  const step = number('step')
  if (!Number.isInteger(step)) throw corrupt(`its step is ${step}`)
  return {
    step,
    parameters: expectTensor(tensors, 'parameters', [parameterCount], label),
    engine: Object.fromEntries(
      Object.entries(tensors).flatMap(([name, tensor]) =>
        name.startsWith(ENGINE_PREFIX) ? [[name.slice(ENGINE_PREFIX.length), tensor]] : [],
      ),
    ),
    average:
      tensors.average === undefined
        ? null
        : { values: expectTensor(tensors, 'average', [parameterCount], label), weight: number('averageWeight') },
    maxGradNorm: metadata.maxGradNorm === undefined ? null : number('maxGradNorm'),
  }
}
