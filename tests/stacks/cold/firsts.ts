import { createKey } from "#access/key.ts"
import { createSource } from "#access/source.ts"
import { createTenant, Tenant } from "#access/tenant.ts"
import { type Clock, instant } from "#core/clock.ts"
import { silent } from "#core/log.ts"
import { randomText, systemRandom } from "#core/random.ts"
import { type DeliveryRequest, notify } from "#delivery/telling.ts"
import { createWebhook } from "#delivery/webhook.ts"
import type { Event } from "#events/event.ts"
import { toEvent } from "#events/message.ts"
import { toMessage } from "#pipeline/accept.ts"
import { appendMessages } from "#pipeline/append.ts"
import { createJob } from "#pipeline/jobs/job.ts"
import type { KindName } from "#pipeline/jobs/kind.ts"
import { kindNamed } from "#pipeline/jobs/kinds.ts"
import { kmsVault } from "#platform/vault.ts"
import { vendorOf } from "#sources/registry.ts"
import { happened } from "#store/outbox.ts"
import type { Item, Table } from "#store/table.ts"
import { httpEvent, queueEvent } from "../lambda.ts"
import { KEY } from "./endpoint.ts"

/** What a function is asked first, and what tells that it has really done it. */
export type First = {
  event: unknown
  /** Of the answer, of what was asked of AWS, and of what was logged. */
  answered(answer: unknown, asked: readonly string[], logged: string): boolean
}

export const HOOKS_URL = "https://octant.example"
const EVENTS = 100
/** What Segment's SDK for Node sends at once, unless it is told otherwise. */
const BATCH = 15
const acme = Tenant.parse({ id: "acme", name: "Acme" })

/** A tenant with a hundred events in its journal, as the code itself writes it, and a first request for each function. */
export async function firstRequests(clock: Clock): Promise<{ items: Item[]; firsts: Record<string, First> }> {
  const items: Item[] = []
  const table = recorder(items)
  const nonce = () => randomText(systemRandom, 20)
  await createTenant({ table, clock, nonce }, acme)
  const [write, read] = [
    await createKey({ table, clock, nonce, random: systemRandom }, acme.id, { name: "site", scope: "write" }),
    await createKey({ table, clock, nonce, random: systemRandom }, acme.id, { name: "console", scope: "read" }),
  ]
  const records = Array.from({ length: EVENTS }, (_, i) => record(i))
  const events = records.map((one) => toEvent(one, { receivedAt: clock(), messageId: () => "none" }) as Event)
  const message = toMessage(acme.id, { id: "first", source: "default", receivedAt: instant(clock()), events })
  const writing = { table, clock, nonce: () => "first", log: silent, requestFold: () => Promise.resolve() }
  const [appended] = await appendMessages(writing, [message])
  if (appended !== "done") throw new Error("the first events could not be appended")

  const secret = `whsec_${Buffer.from("a key that only the sender knows").toString("base64")}`
  const vault = kmsVault(
    { call: async () => ({ Plaintext: KEY, CiphertextBlob: KEY }), clock, random: systemRandom },
    "cold",
  )
  const needs = { table, clock, nonce, random: systemRandom, vault, hooksUrl: () => HOOKS_URL, loopback: false }
  const source = await createSource(needs, acme.id, { vendor: "standard-webhooks", name: "Ours", secret })
  const { headers, body } = vendorOf("standard-webhooks").sample(secret, clock(), source.url)
  const delivered = { path: new URL(source.url).pathname, headers, body: Buffer.from(body).toString("utf8") }

  // Asked for by a webhook that leads to where nothing is sent: whatever comes after that is the network.
  const hooked = { ...needs, table: { ...table, query: async () => [] }, complaint: async () => undefined }
  const hook = await createWebhook(hooked, acme.id, { url: "https://127.0.0.1/", events: ["*"] })
  const happening = happened(acme.id, "alert.opened", "al_1", { at: instant(clock()), data: { id: "al_1" } })
  const requested: DeliveryRequest[] = []
  const listing = { ...table, query: async (pk: string) => items.filter((item) => item.pk === pk) }
  const requestDelivery = async (requests: readonly DeliveryRequest[]) => void requested.push(...requests)
  await notify({ table: listing, clock, requestDelivery }, happening)
  if (requested[0]?.webhook !== hook.id) throw new Error("the first delivery was not asked for")

  const today = instant(clock()).slice(0, 10)
  const query = `/v1/query?metric=events&grain=total&from=${today}&to=${today}`
  const posted = httpEvent({
    method: "POST",
    path: "/v1/batch",
    key: write.key,
    body: { batch: records.slice(0, BATCH) },
  })
  const firsts: Record<string, First> = {
    bare: { event: posted, answered: (answer) => bodyOf(answer).accepted === BATCH },
    collect: {
      event: posted,
      answered: (answer, asked) => bodyOf(answer).accepted === BATCH && asked.includes("SendMessageBatch"),
    },
    hooks: {
      event: httpEvent({ method: "POST", ...delivered }),
      answered: (answer, asked) =>
        statusOf(answer) === 200 &&
        ["Decrypt", "PutItem", "SendMessageBatch"].every((action) => asked.includes(action)),
    },
    api: {
      event: httpEvent({ method: "GET", path: query, key: read.key }),
      answered: (answer) => bodyOf(answer).total === EVENTS,
    },
    append: {
      event: queueEvent([message]),
      answered: (answer, asked) => noneFailed(answer) && asked.includes("PutItem"),
    },
    fold: {
      event: queueEvent([JSON.stringify({ version: 1, tenant: acme.id })]),
      answered: (answer, asked, logged) =>
        noneFailed(answer) && asked.includes("BatchWriteItem") && logged.includes('"outcome":"folded"'),
    },
    jobsHigh: {
      event: await jobOf("query", { metric: "events", from: today, to: today }),
      answered: (answer, asked, logged) =>
        noneFailed(answer) && asked.includes("TransactWriteItems") && logged.includes('"outcome":"done"'),
    },
    jobsLow: {
      event: await jobOf("reconcile", {}),
      answered: (answer, asked, logged) =>
        noneFailed(answer) && asked.includes("BatchWriteItem") && logged.includes('"kind":"reconcile"'),
    },
    close: { event: {}, answered: (_, asked) => asked.includes("SendMessage") },
    check: {
      event: {},
      answered: (_, asked, logged) => asked.includes("PutItem") && logged.includes('"outcome":"checked"'),
    },
    poll: {
      event: {},
      answered: (_, asked, logged) => asked.join() === "Query" && logged.includes('"outcome":"done","count":0'),
    },
    notify: {
      event: { source: "octant", "detail-type": happening.type, detail: happening },
      answered: (_, asked) => asked.includes("SendMessageBatch"),
    },
    deliver: {
      event: queueEvent([JSON.stringify(requested[0])]),
      answered: (answer, asked, logged) =>
        !noneFailed(answer) &&
        ["Decrypt", "ChangeMessageVisibility"].every((action) => asked.includes(action)) &&
        logged.includes('"outcome":"retry"'),
    },
  }
  return { items, firsts }

  /** A job that was asked for, and the message that tells its worker. */
  async function jobOf(kind: KindName, input: object) {
    const { id } = await createJob({ table, clock, nonce }, acme.id, { kind, input }, await kindNamed(kind), 9)
    return queueEvent([JSON.stringify({ version: 1, tenant: acme.id, job: id })])
  }

  function record(i: number) {
    const properties = {
      order_id: `o-${i}`,
      total: `${i}.50`,
      currency: "USD",
      products: [{ product_id: `p-${i % 7}`, price: "3.25" }],
    }
    return {
      type: "track",
      event: "Order Completed",
      messageId: `m-${i}`,
      userId: `u-${i % 40}`,
      timestamp: instant(clock()),
      properties,
    }
  }
}

const statusOf = (answer: unknown) => (answer as { statusCode: number }).statusCode
const bodyOf = (answer: unknown) => {
  const { statusCode, body } = answer as { statusCode: number; body: string }
  return statusCode === 200 ? (JSON.parse(body) as Record<string, unknown>) : {}
}
const noneFailed = (answer: unknown) => (answer as { batchItemFailures: unknown[] }).batchItemFailures.length === 0

/** A table that keeps what is put into it. */
function recorder(items: Item[]): Table {
  const keep = (item: Item) => {
    items.push(item)
    return Promise.resolve(true)
  }
  const never = () => {
    throw new Error("not asked for")
  }
  return {
    put: keep,
    add: async (key, amounts) => {
      await keep({ ...key, ...amounts })
      return amounts
    },
    set: () => Promise.resolve(true),
    delete: () => Promise.resolve(),
    transact: async (writes) => {
      for (const write of writes) if ("put" in write) items.push(write.put)
      return []
    },
    deleteMany: () => Promise.resolve(),
    get: ({ pk, sk }) => Promise.resolve(items.find((item) => item.pk === pk && item.sk === sk)),
    getMany: never,
    query: (pk) => Promise.resolve(items.filter((item) => item.pk === pk)),
    pages: never,
  }
}
