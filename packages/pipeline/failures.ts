import { isAway } from "#core/away.ts"
import { type Clock, DAY, instant, SECOND } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import { inFlight } from "#core/parallel.ts"
import { isTenantId, keys, OPERATOR, type TenantId } from "#store/keys.ts"
import type { Item, Table } from "#store/table.ts"

/**
 * Why a message could not be worked: what is needed was away ("outage"), it cannot be read at all ("unreadable"), or
 * anything else ("fault"). SQS keeps no reason with a message, so it is noted in the table, by the message's id. What
 * has no note failed where nothing could be noted: the table was away, or the worker died.
 */
export type Reason = { kind: "outage" | "unreadable" | "fault"; code: string; message: string }
export type Failure = Reason & { at: string; received: number; sentAt?: string }

/** As long as a message may wait, and then lie among the dead letters. */
const KEPT_DAYS = 22
const NOTES_IN_FLIGHT = 8
export const MESSAGE_LENGTH = 300

/** A message that is not as we write them. */
export class Unreadable extends Error {
  override name = "Unreadable"
}

export function reasonOf(error: unknown): Reason {
  if (!(error instanceof Error)) return { kind: "fault", code: "unknown", message: "" }
  const { code = error.name } = error as { code?: unknown }
  const about = { code: String(code), message: error.message.slice(0, MESSAGE_LENGTH) }
  if (error instanceof Unreadable) return { kind: "unreadable", ...about }
  const isOutage = error instanceof Fault ? error.code === "unavailable" : isAway(error)
  return { kind: isOutage ? "outage" : "fault", ...about }
}

/** Whose a message is, as far as it can be read; the operator's, if it cannot. */
export function addresseeOf(body: string): TenantId {
  const [, appended = ""] = /^1 (\S{1,40}) /.exec(body) ?? []
  const tenant = appended === "" ? askedIn(body) : appended
  return isTenantId(tenant) ? tenant : OPERATOR
}

function askedIn(body: string): unknown {
  try {
    return (JSON.parse(body) as { tenant?: unknown } | null)?.tenant
  } catch {
    return undefined
  }
}

/** A message as a queue hands it over. */
export type Handed = { messageId: string; body: string; attributes?: Record<string, string> }

/** Notes why messages failed. One that cannot be noted is worth no error of its own. */
export async function noteFailures(
  { table, clock }: { table: Pick<Table, "put">; clock: Clock },
  queue: string,
  failed: readonly { message: Handed; error: unknown }[],
): Promise<void> {
  const now = clock()
  const note = ({ message: { messageId, body, attributes = {} }, error }: (typeof failed)[number]) => {
    const sent = Number(attributes.SentTimestamp ?? Number.NaN)
    return table.put({
      ...keys.failure(addresseeOf(body), queue, messageId),
      ...reasonOf(error),
      at: instant(now),
      received: Number(attributes.ApproximateReceiveCount ?? 1),
      ...(Number.isFinite(sent) ? { sentAt: instant(sent) } : {}),
      ttl: Math.ceil((now + KEPT_DAYS * DAY) / SECOND),
    })
  }
  // The first that cannot be noted ends it: the others could not be either.
  await inFlight(failed, NOTES_IN_FLIGHT, note).catch(() => {})
}

/** The notes of some messages, by their ids. */
export async function readFailures(
  { table }: { table: Pick<Table, "getMany"> },
  queue: string,
  messages: readonly { id: string; tenant: TenantId }[],
): Promise<Map<string, Failure>> {
  const items = await table.getMany(messages.map(({ id, tenant }) => keys.failure(tenant, queue, id)))
  return new Map(items.map((item) => [item.sk, toFailure(item)]))
}

const toFailure = (item: Item): Failure => ({
  kind: item.kind as Reason["kind"],
  code: String(item.code),
  message: String(item.message),
  at: String(item.at),
  received: Number(item.received),
  ...(item.sentAt === undefined ? {} : { sentAt: String(item.sentAt) }),
})
