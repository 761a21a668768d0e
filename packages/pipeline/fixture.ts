import { createTenant, Tenant } from "#access/tenant.ts"
import { fakeClock } from "#core/clock.ts"
import { silent } from "#core/log.ts"
import { randomText, seededNumbers, seededRandom } from "#core/random.ts"
import { Query, type QueryInput } from "#metrics/query.ts"
import type { TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { accept, type Request } from "./accept.ts"
import { answer } from "./answer.ts"
import { appendMessages } from "./append.ts"
import { foldTenant } from "./folding.ts"
import { ledger } from "./ledger.ts"
import { ask, newTails, type Reading } from "./reading.ts"

let made = 0

/** For tests: a tenant of its own on a table, with a queue, a worker and a clock that stands still. */
export async function settle(table: Table, about: Partial<Omit<Tenant, "id">> = {}) {
  const seed = ++made
  const clock = fakeClock("2026-05-10T12:00:00.000Z")
  const bytes = seededRandom(seed)
  const tenant = `acme-${seed}` as TenantId
  const nonce = () => randomText(bytes, 16)
  await createTenant({ table, clock, nonce }, Tenant.parse({ id: tenant, name: "Acme", currency: "EUR", ...about }))
  const queue: string[] = []
  const asked: string[] = []
  const needs = {
    table,
    clock,
    nonce,
    log: silent,
    tails: newTails(),
    enqueue: async (messages: readonly string[]) => void queue.push(...messages),
    requestFold: async (_: string, step: string) => void asked.push(step),
  }
  const world = {
    tenant,
    clock,
    needs,
    /** Messages that were accepted and not yet appended. */
    queue,
    /** Steps at which a fold was asked for. */
    asked,
    accept: (records: readonly unknown[], more: Partial<Request> = {}) =>
      accept(needs, { tenant, source: "app", records, ...more }),
    /** Appends all that waits, as one worker would. */
    append: () => appendMessages(needs, queue.splice(0)),
    /** Accepts records and appends them: one entry of the journal. */
    send: async (records: readonly unknown[], more: Partial<Request> = {}) => {
      const accepted = await world.accept(records, more)
      await world.append()
      return accepted
    },
    fold: () => foldTenant(needs, tenant),
    ask: (query: QueryInput) => answer(needs, tenant, Query.parse(query)),
    /** The figure over a whole period: May, if none is said. */
    total: async (query: QueryInput) =>
      (await world.ask({ from: "2026-05-01", to: "2026-05-31", grain: "total", ...query })).total,
    reading: <T>(work: (reading: Reading) => Promise<T>) => ask(needs, tenant, work),
    /** What became of everything that was received, in all. */
    ledger: async () => {
      const { total } = await world.reading((reading) => ledger(reading, "2026-01-01", "2026-12-31"))
      return total
    },
  }
  return world
}
export type Settled = Awaited<ReturnType<typeof settle>>

let numbered = 0
/** A call of the tracking API with a message id of its own, on 5 May at noon. */
export const call = (event: string, userId: string, properties: object = {}, more: object = {}) => ({
  type: "track",
  event,
  userId,
  messageId: `m${++numbered}`,
  timestamp: "2026-05-05T12:00:00.000Z",
  properties,
  ...more,
})
export const order = (userId: string, revenue: string, properties: object = {}, more: object = {}) =>
  call("Order Completed", userId, { order_id: `o${++numbered}`, revenue, ...properties }, more)

/** Text of so many bytes in which each byte is about as likely as any other: what packs worst of all that JSON can hold. */
export function anyLetters(bytes: number) {
  const next = seededNumbers(bytes + ++numbered)
  const below = (most: number) => Math.floor(next() * most)
  const parts: string[] = []
  for (let size = 0; size < bytes; ) {
    const draw = next()
    const [width, code] =
      draw < 0.02
        ? [4, 0x10000 + below(0x100000)]
        : draw < 0.08
          ? [3, 0x800 + below(0xd000)]
          : draw < 0.33
            ? [2, 0x80 + below(1920)]
            : [1, 0x23 + below(91)]
    parts.push(String.fromCodePoint(code === 0x5c ? 0x7e : code))
    size += width
  }
  return parts.join("")
}
