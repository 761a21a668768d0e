import type { Clock } from "#core/clock.ts"
import { failure, type Log } from "#core/log.ts"
import { type Origin, type Tracing, unitOf } from "#core/unit.ts"
import { append, type BatchText, eventsIn } from "#store/journal.ts"
import { keys, type TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { fromMessage } from "./accept.ts"
import { Unreadable } from "./failures.ts"

type Needs = {
  table: Table
  clock: Clock
  nonce: () => string
  log: Log
  requestFold: (tenant: TenantId, step: string) => Promise<void>
  tracing?: Tracing | undefined
  /** A fold is asked for whenever the journal has grown by so many events. */
  foldEvery?: (() => number) | undefined
  /** Hears why a message failed. */
  failed?: (index: number, error: unknown) => void
}

/** Raw bytes of an entry: it fits into an item of 400 KB even if nothing in it can be compressed. */
const ENTRY_BYTES = 390 * 1024
const ENTRY_EVENTS = 5000
export const FOLD_EVERY = 20_000
/** Of those whose messages share an entry, a log line names so many. */
const MOST_JOINED = 20

/**
 * Appends what messages carry, the batches of one tenant merged into as few entries as hold them. Gives for each
 * message whether it is done: one that cannot be read fails alone. `origins` says for each what it came from.
 */
export async function appendMessages(
  needs: Needs,
  messages: readonly string[],
  origins: readonly Origin[] = [],
): Promise<("done" | "failed")[]> {
  const outcomes = messages.map((): "done" | "failed" => "failed")
  const tenants = new Map<TenantId, Carried[]>()
  for (const [index, message] of messages.entries()) {
    try {
      const { tenant, ...carried } = fromMessage(message)
      const one = { index, ...carried, events: eventsIn(carried.batches), origin: origins[index] ?? {} }
      tenants.set(tenant, [...(tenants.get(tenant) ?? []), one])
    } catch (error) {
      // Stays "failed": the queue gives it back, and in the end to the dead letters.
      const { correlationId } = origins[index] ?? {}
      const { code } = failure(error)
      needs.failed?.(index, new Unreadable((error as Error).message))
      needs.log("append.unreadable", { correlationId, route: "append", outcome: "failed", code, bytes: message.length })
    }
  }
  const appendTenant = async ([tenant, carried]: [TenantId, Carried[]]) => {
    // A queue keeps no order; a customer's traits count for what comes after them.
    for (const group of groupsOf(carried.toSorted(byReceipt))) {
      const ended = (error?: unknown) => {
        for (const { index } of group) {
          if (error === undefined) outcomes[index] = "done"
          else if (outcomes[index] === "failed") needs.failed?.(index, error)
        }
      }
      await appendGroup(needs, tenant, group, ended)
    }
  }
  await Promise.all([...tenants].map(appendTenant))
  return outcomes
}

/** One entry: a unit of work of its own, below the first of those that it came from. */
function appendGroup(needs: Needs, tenant: TenantId, group: readonly Carried[], ended: (error?: unknown) => void) {
  const [first, ...others] = originsOf(group)
  const wish = { name: "process append", kind: "consumer", origin: first ?? {}, joined: others } as const
  return unitOf(needs, wish, async (unit) => {
    const started = needs.clock()
    const events = group.reduce((sum, one) => sum + one.events, 0)
    unit.about["octant.tenant"] = tenant
    unit.about["octant.events"] = events
    const tell = (name: string, more: object) =>
      needs.log(name, {
        correlationId: unit.correlationId,
        joined: others.length === 0 ? undefined : others.slice(0, MOST_JOINED).map((one) => one.correlationId),
        tenant,
        route: "append",
        count: group.length,
        events,
        ms: needs.clock() - started,
        readUnits: unit.read,
        writeUnits: unit.write,
        ...more,
      })
    try {
      if (!(await needs.table.get(keys.settings(tenant)))) throw new Error("there is no such tenant")
      const { position, events: all } = await append(needs, tenant, group)
      ended()
      const every = needs.foldEvery?.() ?? FOLD_EVERY
      const step = Math.floor(all / every)
      if (step > Math.floor((all - events) / every)) await needs.requestFold(tenant, String(step))
      tell("append", { outcome: "appended", position })
    } catch (error) {
      unit.failed = true
      ended(error)
      tell("append.failed", { outcome: "failed", ...failure(error) })
    }
  })
}

/** From whom messages came: each once. */
const originsOf = (group: readonly Carried[]): Origin[] => [
  ...new Map(group.map(({ origin }) => [origin.correlationId, origin])).values(),
]

const byReceipt = (a: Carried, b: Carried) => {
  const [first, second] = [a.batches[0]?.receivedAt ?? "", b.batches[0]?.receivedAt ?? ""]
  return first < second ? -1 : first > second ? 1 : 0
}

type Carried = BatchText & { index: number; events: number; origin: Origin }

/** Cuts what came together so that each group fits into an entry. */
function groupsOf(carried: readonly Carried[]): Carried[][] {
  const groups: Carried[][] = []
  let [bytes, events] = [Number.POSITIVE_INFINITY, 0]
  for (const one of carried) {
    const size = Buffer.byteLength(one.text)
    if (bytes + size > ENTRY_BYTES || events + one.events > ENTRY_EVENTS) {
      groups.push([])
      ;[bytes, events] = [0, 0]
    }
    groups.at(-1)!.push(one)
    bytes += size
    events += one.events
  }
  return groups
}
