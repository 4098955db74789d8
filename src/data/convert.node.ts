/** `tacet data convert`: any readable data set → generic CSV or the compact form, gzipped when the name ends in `.gz`. */
import { createWriteStream, existsSync, renameSync, rmSync } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { TacetError } from '../errors.ts'
import type { Interactions } from './interactions.ts'
import { toCsv, toNdjson } from './ndjson.ts'

export interface ConversionReport {
  readonly out: string
  readonly to: 'csv' | 'ndjson'
  readonly interactions: number
  readonly bytes: number
  /** What the chosen form cannot hold and this data set has. */
  readonly leftOut: readonly string[]
}

/**
 * Writes `data` to `out`, first under a temporary name beside it: a killed conversion leaves no half file under the final name.
 * @throws TacetError invalid-argument (unknown form), output-exists, output-not-writable
 */
export async function convertDataset(data: Interactions, { to, out }: { to: 'csv' | 'ndjson'; out: string }): Promise<ConversionReport> {
  if (to !== 'csv' && to !== 'ndjson') throw new TacetError('invalid-argument', `--to is ${JSON.stringify(to)}; it must be csv or ndjson`)
  if (existsSync(out)) {
    throw new TacetError('output-exists', `${out} is there already`, {
      wayOut: 'Give another --out, or remove it first.',
      details: { out },
    })
  }
  const temporary = `${out}.${process.pid}.tmp`
  let bytes = 0
  try {
    const blocks = Readable.from(to === 'csv' ? toCsv(data) : toNdjson(data), { objectMode: true })
    const file = createWriteStream(temporary, { flags: 'wx' })
    if (/\.gz$/i.test(out)) await pipeline(blocks, createGzip(), file)
    else await pipeline(blocks, file)
    bytes = file.bytesWritten
    renameSync(temporary, out)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw new TacetError('output-not-writable', `${out} cannot be written (${(error as Error).message})`, {
      wayOut: 'Check that its folder exists, may be written and has room.',
      details: { out },
      cause: error,
    })
  }
  return { out, to, interactions: data.users.length, bytes, leftOut: to === 'csv' ? leftOutOfCsv(data) : [] }
}

function leftOutOfCsv(data: Interactions): string[] {
  return [
    ...data.userAttributes.map(({ name }) => `user attribute ${name}`),
    ...(data.itemTable ? ['item table'] : []),
    ...(data.givenSplit ? ['the split of the data set'] : []),
  ]
}
