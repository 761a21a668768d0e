import { afterAll, beforeAll, expect, test } from "vitest"
import { DAY, instant, MINUTE } from "#core/clock.ts"
import { FOLD_EVERY } from "#pipeline/append.ts"
import { noteFailures, Unreadable } from "#pipeline/failures.ts"
import { writeCensus } from "#pipeline/quality/documents.ts"
import { replay } from "#pipeline/replay.ts"
import { type FunctionName, functions } from "#platform/topology.ts"
import { vendorOf } from "#sources/registry.ts"
import { append, packBatches } from "#store/journal.ts"
import { keys } from "#store/keys.ts"
import { happened, toTell, untold } from "#store/outbox.ts"
import { readHead } from "#store/views.ts"
import { type Cast, OPERATOR_TOKEN, startCast } from "./cast.ts"
import { queueEvent } from "./lambda.ts"
import type { Statement } from "./model.ts"

/**
 * The deployed bundles live through everything that makes them ask AWS for something, each with the rights that it is
 * granted. So its role grants enough; and as at the end each action that it grants has been asked for, not too much.
 */
let cast: Cast
beforeAll(async () => {
  cast = await startCast()
})
afterAll(() => cast.stop())

const orders = Array.from({ length: 1000 }, (_, i) => ({
  type: "track",
  event: "Order Completed",
  userId: `u${i % 50}`,
  properties: i === 0 ? { order_id: "broken", total: "much" } : { order_id: `o${i}`, total: 10, currency: "USD" },
}))
/** A message of the append queue; every delivery of it is another copy of one batch. */
let message: string

test("collect takes events in, once more with the same idempotency key", async () => {
  const { actors, keys, received } = cast
  const request = { method: "POST", path: "/v1/batch", key: keys.write, body: { batch: orders } }
  for (let sending = 0; sending < 2; sending++) {
    const answer = await actors.collect.request({ ...request, headers: { "idempotency-key": "first" } })
    expect(answer).toMatchObject({ status: 200, body: { accepted: 1000, quarantined: 1 } })
  }
  expect(received("AppendRequestsQueue")).toHaveLength(2)
  await actors.collect.request(request)
  message = received("AppendRequestsQueue")[0]!
})

test("append appends them, though its place is taken, and asks for a fold", async () => {
  const { actors, operator, tenant, received } = cast
  const filler = { at: instant(Date.now()), n: 0, writer: "filler", body: packBatches([]) }
  await operator.table.put({ ...keys.entry(tenant, 1), ...filler })
  for (let events = 0; events < FOLD_EVERY; events += 1000) expect(await actors.append.work([message])).toBe(0)
  expect(received("FoldRequestsQueue")).toHaveLength(1)
})

/** A place that its writer never filled, so long ago that whoever reads it fills it. */
async function leaveHole() {
  const { actors, operator, tenant } = cast
  const { seq: hole = 0 } = await operator.table.add(keys.sequencer(tenant), { seq: 1 })
  expect(await actors.append.work([message])).toBe(0)
  await operator.table.set(keys.entry(tenant, hole + 1), { at: instant(Date.now() - MINUTE) })
  return async () => (await operator.table.get(keys.entry(tenant, hole)))?.writer
}

test("fold folds them, twice, and fills a hole", async () => {
  const { actors, tenant } = cast
  const fillerOf = await leaveHole()
  const request = JSON.stringify({ version: 1, tenant })
  expect(await actors.fold.work([request])).toBe(0)
  expect(await fillerOf()).toBe("filler")
  expect(await actors.append.work([message])).toBe(0)
  expect(await actors.fold.work([request])).toBe(0)
})

test("fold hides what it cannot read, until it is to be tried again", async () => {
  expect(await cast.actors.fold.work(["junk"])).toBe(1)
})

test("fold asks for the rest when its time is up", async () => {
  const { actors, tenant, received } = cast
  for (let events = 0; events <= 50_000; events += 1000) expect(await actors.append.work([message])).toBe(0)
  received("FoldRequestsQueue")
  const body = JSON.stringify({ version: 1, tenant })
  expect(await actors.fold.call({ ...queueEvent([body]), hurried: true })).toEqual({ batchItemFailures: [] })
  const rest = received("FoldRequestsQueue")
  expect(rest).toEqual([body])
  expect(await actors.fold.work(rest)).toBe(0)
  expect(received("FoldRequestsQueue")).toEqual([])
})

test("api answers, releases, makes and ends keys", async () => {
  const { actors, keys, received } = cast
  const ask = (method: string, path: string, body?: unknown) =>
    actors.api.request({ method, path, key: keys.admin, body })
  const today = instant(Date.now()).slice(0, 10)
  const query = `/v1/query?metric=events&grain=total&from=${today}&to=${today}`
  expect(await ask("GET", query)).toMatchObject({ status: 200, body: { total: 999 } })
  expect(await ask("GET", "/v1/customers/u7/timeline")).toMatchObject({ status: 200 })
  const release = { all: true, set: { total: 10 } }
  expect(await ask("POST", "/v1/quarantine/release", release)).toMatchObject({ status: 200 })
  expect(received("AppendRequestsQueue")).toHaveLength(1)
  const { status, body } = await ask("POST", "/v1/keys", { name: "other", scope: "read" })
  expect(status).toBe(201)
  expect(await ask("DELETE", `/v1/keys/${String(body.id)}`)).toMatchObject({ status: 200 })
})

test("jobs are asked for and worked, each by the workers of its priority; one that another worker has waits", async () => {
  const { actors, keys: keyOf, received, operator, tenant } = cast
  const ask = (method: string, path: string, body?: unknown) =>
    actors.api.request({ method, path, key: keyOf.admin, body })
  // What is not folded is read from the journal, and a hole of it is filled.
  await leaveHole()
  const where = { field: "properties.total", op: "gt", value: 5 }
  const query = { kind: "query", input: { metric: "orders", where } }
  for (const [wish, actor, queue] of [
    [query, actors.jobsHigh, "JobsHighRequestsQueue"],
    [{ kind: "replay", input: { timeZone: "Europe/Athens" } }, actors.jobsLow, "JobsLowRequestsQueue"],
    [{ kind: "reconcile" }, actors.jobsLow, "JobsLowRequestsQueue"],
  ] as const) {
    await leaveHole()
    const { status, body } = await ask("POST", "/v1/jobs", wish)
    expect(status).toBe(202)
    const [told] = received(queue)
    const job = keys.job(tenant, String(body.id))
    await operator.table.set(job, { state: "running", run: "another", runUntilMs: Date.now() + MINUTE })
    expect(await actor.work([told!])).toBe(0)
    expect(received(queue)).toEqual([told])
    await operator.table.set(job, { runUntilMs: 0 })
    expect(await actor.work([told!])).toBe(0)
    expect(await ask("GET", `/v1/jobs/${body.id}/result`)).toMatchObject({ status: 200 })
  }
  const { body } = await ask("POST", "/v1/jobs", query)
  expect(await ask("POST", `/v1/jobs/${body.id}/cancel`)).toMatchObject({ status: 200 })
  expect(await ask("GET", "/v1/jobs")).toMatchObject({ status: 200 })
  received("JobsHighRequestsQueue")
})

test("api knows the operator's token, which its environment does not show, and looks at the queues", async () => {
  const { api } = cast.actors
  expect(await api.request({ method: "GET", path: "/metrics", key: OPERATOR_TOKEN })).toMatchObject({ status: 200 })
  expect(await api.request({ method: "GET", path: "/metrics", key: "guessed" })).toMatchObject({ status: 401 })
  expect(JSON.stringify(cast.model.plan)).not.toContain(OPERATOR_TOKEN)
})

test("hooks takes a webhook in, of a source that api has made, and refuses a forged one", async () => {
  const { actors, keys, received } = cast
  const ask = (method: string, path: string, body?: unknown) =>
    actors.api.request({ method, path, key: keys.admin, body })
  const secret = `whsec_${Buffer.from("a key that only the sender knows").toString("base64")}`
  const { body: source } = await ask("POST", "/v1/sources", { vendor: "standard-webhooks", name: "Ours", secret })
  const { id, url } = source as { id: string; url: string }
  const { headers, body } = vendorOf("standard-webhooks").sample(secret, Date.now(), url)
  const delivery = { method: "POST", path: new URL(url).pathname, headers, body: Buffer.from(body).toString("utf8") }
  expect(await actors.hooks.request(delivery)).toMatchObject({ status: 200 })
  expect(received("AppendRequestsQueue")).toHaveLength(1)
  expect(await actors.hooks.request({ ...delivery, body: "{}" })).toMatchObject({ status: 401 })

  const { body: page } = await ask("GET", `/v1/sources/${id}/deliveries`)
  const [kept] = page.deliveries as { id: string }[]
  expect(await ask("GET", `/v1/sources/${id}/deliveries/${kept!.id}`)).toMatchObject({
    status: 200,
    body: { body: delivery.body },
  })
  expect(await ask("DELETE", `/v1/sources/${id}`)).toMatchObject({ status: 200 })
})

let polled = ""

test("poll asks a vendor for what no webhook brought", async () => {
  const { actors, keys, received } = cast
  const body = { vendor: "stripe", name: "Stripe", credential: "rk_live_1" }
  const made = await actors.api.request({ method: "POST", path: "/v1/sources", key: keys.admin, body })
  expect(made.status).toBe(201)
  polled = String(made.body.id)
  const fillerOf = await leaveHole()
  await actors.poll.call({})
  expect(await fillerOf()).toBe("filler")
  expect(received("AppendRequestsQueue").length).toBeGreaterThan(0)
})

test("api shows queues and dead letters to the operator, and sends them back; close does so by itself", async () => {
  const { actors, lay, operator, received, tenant } = cast
  const ask = (method: string, path: string, body?: unknown) =>
    actors.api.request({ method, path: `/v1/admin/queues${path}`, key: OPERATOR_TOKEN, body })
  const { status, body } = await ask("GET", "")
  expect(status).toBe(200)
  expect(body.queues).toMatchObject([...Array(5).fill({ oldestSeconds: 7 }), ...Array(4).fill({ deadLetters: 0 })])
  const request = { version: 1, tenant, webhook: "wh_0", delivery: "0" }
  const job = JSON.stringify({ version: 1, tenant, job: "job_0000000000000000" })
  const letters = {
    append: message,
    fold: JSON.stringify({ version: 1, tenant }),
    deliveries: JSON.stringify(request),
    "jobs-high": job,
    "jobs-low": job,
  }
  const queue = {
    append: "Append",
    fold: "Fold",
    deliveries: "Deliveries",
    "jobs-high": "JobsHigh",
    "jobs-low": "JobsLow",
  } as const
  const names = Object.keys(queue) as (keyof typeof queue)[]
  for (const name of names) {
    lay(`${queue[name]}DeadQueue`, letters[name])
    expect(await ask("GET", `/${name}/dead`)).toMatchObject({ status: 200, body: { letters: [{ tenant }] } })
    lay(`${queue[name]}DeadQueue`, letters[name])
    expect(await ask("POST", `/${name}/redrive`, {})).toMatchObject({ status: 200, body: { moved: ["letter-0"] } })
    expect(received(`${queue[name]}RequestsQueue`)).toEqual([letters[name]])
  }
  const event = happened(tenant, "alert.opened", "al_0", { at: instant(Date.now()), data: { id: "al_0" } })
  const told = JSON.stringify({ source: "octant", "detail-type": event.type, detail: event })
  for (const [name, letter, redrive] of [
    ["Notify", told, "published"],
    ["Close", "{}", "dropped"],
    ["Check", "{}", "dropped"],
    ["Poll", "{}", "dropped"],
  ] as const) {
    lay(`${name}DeadQueue`, letter)
    const path = `/${name.toLowerCase()}`
    expect(await ask("GET", `${path}/dead`)).toMatchObject({ status: 200, body: { letters: [{ received: 0 }] } })
    lay(`${name}DeadQueue`, letter)
    expect(await ask("POST", `${path}/redrive`, {})).toMatchObject({ body: { moved: ["letter-0"], redrive } })
  }
  lay("NotifyDeadQueue", told, "poison")
  // Of two messages of poison and one that an outage has killed.
  for (const name of names) {
    lay(`${queue[name]}DeadQueue`, letters[name], "poison")
    const poison = { messageId: "letter-1", body: "poison" }
    await noteFailures(operator, name, [{ message: poison, error: new Unreadable("poison") }])
  }
  await actors.close.call({})
  expect(received("AppendRequestsQueue")).toEqual([letters.append])
  expect(received("FoldRequestsQueue")).toContain(letters.fold)
  expect(received("DeliveriesRequestsQueue")).toEqual([letters.deliveries])
  for (const name of ["JobsHigh", "JobsLow"]) expect(received(`${name}RequestsQueue`)).toEqual([job])
})

test("close asks for a fold of what yesterday has left", async () => {
  const { actors, operator, tenant, received } = cast
  const head = (await readHead(operator, tenant))!
  await operator.table.set(keys.viewHead(tenant, head.generation), { at: instant(Date.now() - DAY) })
  await actors.close.call({})
  expect(received("FoldRequestsQueue")).toHaveLength(1)
})

test("check looks at the data, and asks for a fold of a long tail and a poll of what never came", async () => {
  const { actors, operator, tenant, received } = cast
  const [now, day] = [instant(Date.now()), instant(Date.now()).slice(0, 10)]
  const half = { metric: "events", count: 100, ours: 50, of: "GET /v1/events" } as const
  await writeCensus(operator, tenant, { source: polled, day, at: now, from: now, to: now, query: "/", ...half })
  // Places that their writers have left lie before an entry of a minute ago: they are filled by whoever reads.
  await operator.table.add(keys.sequencer(tenant), { seq: 1001 })
  await append({ ...operator, clock: () => Date.now() - MINUTE }, tenant, [])
  await actors.check.call({})
  expect(received("FoldRequestsQueue")).toHaveLength(1)
  expect(await operator.table.get(keys.source(tenant, polled))).toMatchObject({ rewindTo: expect.any(Number) })
})

test("check tells the bus what it was not told, notify asks for deliveries, and deliver makes them", async () => {
  const { actors, keys, operator, tenant, received } = cast
  const wish = { method: "POST", key: keys.admin }
  // Nobody is there: the name is reserved for that.
  const body = { url: "https://hooks.invalid/octant" }
  const { body: hook, status } = await actors.api.request({ ...wish, path: "/v1/webhooks", body })
  expect(status).toBe(201)
  const event = happened(tenant, "alert.opened", "al_1", { at: instant(Date.now()), data: { id: "al_1" } })
  await operator.table.transact([toTell(event)], "told")
  await actors.check.call({})
  expect(await untold(operator, tenant)).toEqual([])
  await actors.notify.call({ source: "octant", "detail-type": event.type, detail: event })
  const messages = received("DeliveriesRequestsQueue")
  expect(messages).toHaveLength(1)
  expect(await actors.deliver.work([...messages, "junk"])).toBe(2)
  const path = `/v1/webhooks/${String(hook.id)}`
  expect(await actors.api.request({ method: "GET", key: keys.admin, path: `${path}/deliveries` })).toMatchObject({
    body: {
      deliveries: [{ state: "pending", attempts: 1, tries: [{ error: expect.stringContaining("hooks.invalid") }] }],
    },
  })
  expect(await actors.api.request({ ...wish, path: `${path}/test` })).toMatchObject({ status: 200 })
  expect(received("DeliveriesRequestsQueue")).toHaveLength(1)
})

test("close deletes views that a replay has replaced", async () => {
  const { actors, operator, tenant, received } = cast
  await replay(operator, tenant)
  const { generation } = (await readHead(operator, tenant))!
  await operator.table.set(keys.currentViews(tenant), { switchedAt: Date.now() - DAY })
  await actors.close.call({})
  expect(await readHead(operator, tenant, generation - 1)).toBeUndefined()
  received("FoldRequestsQueue")
})

test("a function that is granted less feels it", async () => {
  const { model, act, keys } = cast
  const collect = model.functions.find(({ name }) => name === "collect")!
  const without = (refused: string) => collect.grants.filter(({ Action }) => !Action.includes(refused))
  const request = { method: "POST", path: "/v1/track", key: keys.write, body: { userId: "u1", event: "Looked" } }
  for (const refused of ["dynamodb:GetItem", "sqs:SendMessage"]) {
    const lesser = await act(collect, without(refused))
    expect((await lesser.request(request)).status).toBeGreaterThanOrEqual(500)
  }
})

test.each(Object.keys(functions) as FunctionName[])(
  "%s has asked for all that it is granted, and for nothing else",
  (name) => {
    const { model, actors } = cast
    // Lambda itself sends there what a scheduled function has failed at.
    const ofLambda = model.failures.flatMap(
      ({ destinationConfig }) => `sqs:SendMessage ${destinationConfig?.onFailure.destination}`,
    )
    const { grants, queue } = {
      queue: model.queues.find(({ worker }) => worker?.name === name),
      ...model.functions.find((one) => one.name === name)!,
    }
    /** Lambda receives for a worker; a worker of jobs sends there too, what it hands on, and one of deliveries hides some. */
    const itsOwn = ["sqs:SendMessage", "sqs:ChangeMessageVisibility"]
    const isOfLambda = (action: string, arn: string) => arn === queue?.arn && !itsOwn.includes(action)
    const ofCode = ({ Action, Resource }: Statement) =>
      Resource.filter((arn) => arn !== "*" && !arn.startsWith("arn:aws:logs:")).flatMap((arn) =>
        Action.filter((action) => !isOfLambda(action, arn)).map((action) => `${action} ${arn}`),
      )
    const granted = grants.flatMap(ofCode).filter((grant) => !ofLambda.includes(grant))
    expect([...actors[name].used].sort()).toEqual(granted.sort())
  },
)
