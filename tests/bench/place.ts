import { createKey } from "#access/key.ts"
import { createTenant, Tenant } from "#access/tenant.ts"
import { fakeClock, SECOND } from "#core/clock.ts"
import { silent } from "#core/log.ts"
import type { Message } from "#events/message.ts"
import { startDynamo } from "#local/dynamodb.ts"
import { createTable } from "#local/table.ts"
import { accept, type Enqueue } from "#pipeline/accept.ts"
import { appendMessages } from "#pipeline/append.ts"
import { foldTenant } from "#pipeline/folding.ts"
import { readConfig } from "#platform/config.ts"
import { runtimeOf } from "#platform/runtime.ts"
import type { TenantId } from "#store/keys.ts"
import type { Meter } from "#store/table.ts"
import { inBatches } from "./corpus.ts"

const NOWHERE = "http://127.0.0.1:9/queue"

/** A database with our table, and what the pipeline needs to run in this process. No queue: messages are handed over. */
export async function startPlace(options: { file?: string; meter?: Meter } = {}) {
  const dynamo = await startDynamo(options.file === undefined ? {} : { file: options.file })
  const config = await readConfig({
    OCTANT_TABLE: "octant-bench",
    OCTANT_APPEND_QUEUE_URL: NOWHERE,
    OCTANT_FOLD_QUEUE_URL: NOWHERE,
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_ENDPOINT_URL_DYNAMODB: dynamo.url,
    AWS_ENDPOINT_URL_SQS: NOWHERE,
  })
  const runtime = runtimeOf(config, { log: silent, ...(options.meter ? { meter: options.meter } : {}) })
  await createTable(runtime.call, config.OCTANT_TABLE)
  return { config, runtime, stop: dynamo.stop }
}
export type Place = Awaited<ReturnType<typeof startPlace>>

/** A tenant with a key that may read. */
export async function newTenant({ runtime }: Place, id: string): Promise<{ id: TenantId; readKey: string }> {
  const tenant = Tenant.parse({ id, name: id })
  await createTenant(runtime, tenant)
  const { key } = await createKey(runtime, tenant.id, { name: "bench", scope: "read" })
  return { id: tenant.id, readKey: key }
}

export type Flow = {
  eventsARequest: number
  /** How many messages one run of the append worker is given. */
  messagesAtOnce: number
  /** Whether views are folded whenever the append worker asks for it, and at the end. */
  folds: boolean
  /** Where messages go on their way, for whoever counts them. */
  queue?: (into: Enqueue) => Enqueue
}

/** Takes messages through accept, append and fold one after the other, with a clock that goes with them. */
export async function flow(
  { runtime }: Place,
  tenant: TenantId,
  messages: Iterable<Message>,
  options: Flow,
): Promise<number> {
  const clock = fakeClock("2020-01-01T00:00:00.000Z")
  const waiting: string[] = []
  let [sent, foldsWanted] = [0, 0]
  const enqueue = (options.queue ?? ((into) => into))(async (bodies) => void waiting.push(...bodies))
  const requestFold = async () => void foldsWanted++
  const needs = { ...runtime, clock, enqueue, requestFold }
  const work = async (least: number) => {
    while (waiting.length >= least) {
      const outcomes = await appendMessages(needs, waiting.splice(0, options.messagesAtOnce))
      if (outcomes.includes("failed")) throw new Error("a message could not be appended")
    }
    if (options.folds && foldsWanted > 0) await foldTenant(needs, tenant)
    foldsWanted = 0
  }
  for (const records of inBatches(messages, options.eventsARequest)) {
    clock.set(new Date(Date.parse(records.at(-1)!.timestamp!) + SECOND).toISOString())
    const { accepted, rejected } = await accept(needs, { tenant, source: "default", records })
    if (rejected.length > 0) throw new Error(`${rejected.length} events were refused: ${rejected[0]!.message}`)
    sent += accepted
    await work(options.messagesAtOnce)
  }
  await work(1)
  if (options.folds) await foldTenant(needs, tenant)
  return sent
}
