import { Fault } from "#core/fault.ts"
import { packText, unpackText } from "#core/pack.ts"
import { inFlight } from "#core/parallel.ts"
import { keys, type TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"

/** One answer of Lambda's takes 6 MB, with what stands around it. */
export const RESULT_BYTES = 5_000_000
const PART_BYTES = 350 * 1024
const PARTS_IN_FLIGHT = 4

/** Where the result of a job lies: under the run that has found it, so that two runs never mix. */
export type Found = { run: string; parts: number; bytes: number }
type Place = { tenant: TenantId; id: string }

/** Keeps what a run has found until `ttl`. Throws `Fault("job_too_large")`. */
export async function writeResult(
  { table }: { table: Pick<Table, "put"> },
  { tenant, id }: Place,
  run: string,
  { text, ttl }: { text: string; ttl: number },
): Promise<Found> {
  const bytes = Buffer.byteLength(text)
  if (bytes > RESULT_BYTES) {
    const message = `the result takes ${bytes} bytes, and ${RESULT_BYTES} can be kept; ask for fewer keys, fewer days or larger steps`
    throw new Fault("job_too_large", message)
  }
  const packed = packText(text)
  const parts = Math.ceil(packed.length / PART_BYTES)
  await inFlight(
    Array.from({ length: parts }, (_, part) => part),
    PARTS_IN_FLIGHT,
    (part) => {
      const body = packed.subarray(part * PART_BYTES, (part + 1) * PART_BYTES)
      return table.put({ ...keys.jobResult(tenant, id, run, part), body, ttl })
    },
  )
  return { run, parts, bytes }
}

export async function readResult(
  { table }: { table: Pick<Table, "getMany"> },
  { tenant, id }: Place,
  { run, parts }: Found,
): Promise<string> {
  const wanted = Array.from({ length: parts }, (_, part) => keys.jobResult(tenant, id, run, part))
  const bodies = new Map((await table.getMany(wanted)).map(({ sk, body }) => [sk, body as Uint8Array]))
  const packed = wanted.map(({ sk }) => bodies.get(sk))
  if (packed.includes(undefined)) throw new Error("a part of the result is missing")
  return unpackText(Buffer.concat(packed as Uint8Array[]))
}
