import { createTenant, Tenant } from "#access/tenant.ts"
import { type fakeClock, instant, MINUTE } from "#core/clock.ts"
import { silent } from "#core/log.ts"
import { randomText, seededNumbers, seededRandom } from "#core/random.ts"
import type { Message } from "#events/message.ts"
import { startDynamo } from "#local/dynamodb.ts"
import { createTable } from "#local/table.ts"
import { accept } from "#pipeline/accept.ts"
import { appendMessages } from "#pipeline/append.ts"
import { foldTenant } from "#pipeline/folding.ts"
import { awsClient } from "#platform/aws.ts"
import { dynamoTable } from "#platform/dynamodb.ts"
import type { TenantId } from "#store/keys.ts"
import type { Table, Write } from "#store/table.ts"
import { startProxy } from "./proxy.ts"

const TABLE = "chaos"

/** An emulator behind the fault-injecting proxy, and a straight way to it for setting up and for checking. */
export async function startGround() {
  const dynamo = await startDynamo({})
  const proxy = await startProxy(dynamo.url)
  const client = (url: string, random: () => number) =>
    awsClient({
      region: "us-east-1",
      credentials: () => ({ accessKeyId: "local", secretAccessKey: "local" }),
      endpoints: { dynamodb: url },
      random,
      sleep: () => Promise.resolve(),
    })
  const straight = client(dynamo.url, () => 0)
  await createTable(straight, TABLE)
  return {
    proxy,
    straight: dynamoTable({ call: straight, table: TABLE }),
    faulty: (random: () => number) => dynamoTable({ call: client(proxy.url, random), table: TABLE }),
    stop: async () => {
      await proxy.stop()
      await dynamo.stop()
    },
  }
}
export type Ground = Awaited<ReturnType<typeof startGround>>

/** The process died here. */
export class Crash extends Error {}

/** Where a table's calls may die or be held up: asked before and after each. */
export type Interference = (moment: "before" | "after", call: keyof Table, pk: string) => void | Promise<void>

/** A table whose every await is a place to die or to dawdle. */
export function interfered(table: Table, interfere: Interference): Table {
  const around =
    <A extends unknown[], R>(name: keyof Table, pkOf: (...args: A) => string, call: (...args: A) => Promise<R>) =>
    async (...args: A) => {
      await interfere("before", name, pkOf(...args))
      const answer = await call(...args)
      await interfere("after", name, pkOf(...args))
      return answer
    }
  return {
    get: around("get", ({ pk }) => pk, table.get),
    getMany: around("getMany", (keys) => keys[0]?.pk ?? "", table.getMany),
    query: around("query", (pk) => pk, table.query),
    async *pages(pk, range) {
      await interfere("before", "pages", pk)
      for await (const page of table.pages(pk, range)) {
        yield page
        await interfere("after", "pages", pk)
      }
    },
    put: around("put", ({ pk }) => pk, table.put),
    add: around("add", ({ pk }) => pk, table.add),
    set: around("set", ({ pk }) => pk, table.set),
    delete: around("delete", ({ pk }) => pk, table.delete),
    transact: around("transact", (writes) => pkOf(writes[0]!), table.transact),
    deleteMany: around("deleteMany", (keys) => keys[0]?.pk ?? "", table.deleteMany),
  }
}

const pkOf = (write: Write) => ("put" in write ? write.put : "set" in write ? write.set : write.delete).pk

export type Clock = ReturnType<typeof fakeClock>

/** A tenant, a queue that delivers at least once and in any order, and workers that may die. */
export async function settlement(ground: Ground, id: string, seed: number, clock: Clock, interfere: Interference) {
  const tenant = id as TenantId
  const bytes = seededRandom(seed)
  const nonce = () => randomText(bytes, 16)
  const next = seededNumbers(seed + 1)
  await createTenant(
    { table: ground.straight, clock, nonce },
    Tenant.parse({ id, name: id, timeZone: "Europe/Athens", currency: "EUR" }),
  )
  const queue: string[] = []
  const table = interfered(ground.faulty(next), interfere)
  const needs = { table, clock, nonce, log: silent, requestFold: async () => undefined }
  const pick = (most: number) => Math.floor(next() * most)

  const take = () => {
    const taken: string[] = []
    for (let i = 1 + pick(6); i > 0 && queue.length > 0; i--) taken.push(queue.splice(pick(queue.length), 1)[0]!)
    return taken
  }
  return {
    tenant,
    needs,
    clock,
    queue,
    next,
    /** As a client does: tries until it is told that its events are safe. The queue may have taken them before. */
    submit: async (messages: readonly Message[], idempotencyKey?: string) => {
      for (;;) {
        try {
          const enqueue = async (bodies: readonly string[]) => {
            queue.push(...bodies)
            if (next() < 0.1) throw new Crash("the queue's answer was lost")
          }
          return await accept(
            { clock, nonce, table: ground.straight, enqueue },
            { tenant, source: "app", records: messages, idempotencyKey },
          )
        } catch (error) {
          if (!(error instanceof Crash)) throw error
        }
      }
    },
    /** A worker takes some messages; what it did not finish comes back, and some come back although it did. */
    appendSome: async () => {
      const taken = take()
      const outcomes = await appendMessages(needs, taken)
      for (const [i, message] of taken.entries()) if (outcomes[i] === "failed" || next() < 0.1) queue.push(message)
    },
    foldSome: async () => {
      try {
        await foldTenant(needs, tenant)
      } catch {
        // It died; another comes.
      }
    },
  }
}
export type Settlement = Awaited<ReturnType<typeof settlement>>

/** A customer's small life, so that every kind of view has something to hold. Each anonymous id belongs to one user. */
export function someMessages(next: () => number, count: number, start: string, name: string): Message[] {
  const pick = (most: number) => Math.floor(next() * most)
  return Array.from({ length: count }, (_, i): Message => {
    // A few who do much, and enough others that the pages of customers split.
    const user = next() < 0.7 ? pick(10) : pick(50)
    const person =
      next() < 0.4
        ? { anonymousId: `anon-${user}` }
        : { userId: `user-${user}`, ...(next() < 0.3 ? { anonymousId: `anon-${user}` } : {}) }
    const timestamp = instant(Date.parse(start) + pick(3 * 24 * 60) * MINUTE + pick(60_000))
    const base = { messageId: `${name}-${i}`, timestamp, ...person }
    const kind = pick(10)
    if (kind < 3) return { ...base, type: "page", name: "Home", context: { page: { path: `/p${pick(4)}` } } }
    if (kind < 6) {
      const products = Array.from({ length: 1 + pick(3) }, () => ({
        product_id: `sku-${pick(5)}`,
        price: `${pick(90)}.${10 + pick(89)}`,
        quantity: 1 + pick(4),
      }))
      return {
        ...base,
        type: "track",
        event: "Order Completed",
        properties: { order_id: `${name}-${i}`, products, country: ["GR", "DE", "FR"][pick(3)] },
      }
    }
    if (kind === 6)
      return {
        ...base,
        type: "track",
        event: "Order Refunded",
        properties: { order_id: `r-${i}`, revenue: `${pick(20)}.5` },
      }
    if (kind === 7)
      return {
        ...base,
        type: "track",
        event: "Subscription Started",
        properties: { subscription_id: `s-${user}`, plan: ["pro", "free"][pick(2)], mrr: `${pick(50)}` },
      }
    if (kind === 8)
      return { ...base, type: "identify", userId: `user-${user}`, traits: { plan: ["pro", "free"][pick(2)] } }
    return next() < 0.5
      ? { ...base, type: "track", event: "Satisfaction Rated", properties: { rating: 9 } }
      : {
          ...base,
          type: "track",
          event: "Response Received",
          properties: { model: "m", tokens: pick(100), response_time_ms: pick(5000), cost: `0.00${pick(99)}` },
        }
  })
}
