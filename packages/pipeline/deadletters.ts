import { type Clock, instant, MINUTE, SECOND } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import { shortHash } from "#core/hash.ts"
import { inFlight, slices } from "#core/parallel.ts"
import { type AuditNeeds, announced, noted } from "#store/audit.ts"
import type { DomainEvent } from "#store/domain-event.ts"
import { OPERATOR, type TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"
import { fromMessage } from "./accept.ts"
import { readCall } from "./calls.ts"
import { addresseeOf, type Failure, type Reason, readFailures } from "./failures.ts"

/** Messages and calls that were given up: to be looked at, and to be sent back to where they came from. */
export type DeadLetter = {
  id: string
  /** `null` when nobody can read whose it is. */
  tenant: TenantId | null
  /** Ids of the batches that it carries. */
  batches: string[]
  reason: Reason & { at: string | null }
  received: number
  firstSentAt: string
  /** How often a schedule has sent it back already. */
  redriven: number
  bytes: number
  payload: { text: string; cut: boolean }
}
/**
 * What a redrive does with dead letters: they go back to their queue; the bus tells its subscriber once more; or they are
 * dropped, for the schedule that failed has run again or will.
 */
export type Way = "sent" | "published" | "dropped"
export type Moved = { redrive: Way; moved: string[]; left: number; dryRun: boolean }

type Sqs = (service: "sqs", action: string, body: object) => Promise<Record<string, unknown>>
type Live = { url: string; dead: string | undefined }
/** Calls of a schedule or of the bus: what waits, waits inside of Lambda, where nobody can look. */
type Calls = { url?: undefined; dead: string | undefined; redrive: Exclude<Way, "sent"> }
export type Queues = Readonly<Record<string, Live | Calls>>
export type DeadNeeds = AuditNeeds & {
  table: Table
  clock: Clock
  call: Sqs
  queues: Queues
  /** Puts events on the bus, ten at most; the ids of those that it did not take. */
  publish: (events: readonly DomainEvent[]) => Promise<ReadonlySet<string>>
}
export const wayOf = (queue: Live | Calls): Way => (queue.url === undefined ? queue.redrive : "sent")

type Attribute = { DataType: string; StringValue?: string }
type Message = {
  MessageId: string
  ReceiptHandle: string
  Body: string
  Attributes?: Record<string, string>
  MessageAttributes?: Record<string, Attribute>
}
type Letter = Pick<DeadLetter, "reason" | "received" | "firstSentAt" | "redriven"> & {
  message: Message
  tenant: TenantId
  carried: () => { text: string; batches: string[] }
  /** Only what the bus has told can be told again. */
  event?: DomainEvent | undefined
}

const AT_ONCE = 10
const SENDS_IN_FLIGHT = 4
/** Nobody else receives what we look at meanwhile. */
const HELD_SECONDS = 120
/** A look ends by then, well within the time of whoever asks. */
const LOOK_MS = 40 * SECOND
const SHOWN_CHARACTERS = 4096
/** An outage is over when nothing has failed by it for so long. */
const QUIET_MS = MINUTE

/** These travel with a message: SQS gives it another id and another time whenever it is sent. */
const REDRIVEN = "octant-redriven"
const FIRST_SENT = "octant-first-sent"
/** Stands between a deduplication id and the dead letter that it is sent for again. */
const AGAIN = ".again-"

/** What is kept of a message that no worker could note anything of. */
const UNNOTED = {
  kind: "outage",
  code: "unnoted",
  message: "nothing could be noted: the table was away, or the worker died",
} as const

/** Dead letters of a queue, with what they carry; each tenant's audit log tells that they were looked at. */
export async function listDead(needs: DeadNeeds, queue: string, most: number): Promise<DeadLetter[]> {
  const found: Letter[] = []
  await looking(needs, queue, async (held) => {
    for await (const letters of lettersOf(needs, queue, most, held)) found.push(...letters)
  })
  for (const [tenant, letters] of Map.groupBy(found, ({ tenant }) => tenant)) {
    const details = { ids: letters.map(({ message }) => message.MessageId) }
    await noted(needs, tenant, { action: "dead.read", subject: queue, details })
  }
  return found.map(shown)
}

export type Redrive = { dryRun?: boolean | undefined; ids?: readonly string[] | undefined; max?: number | undefined }

/** Sends dead letters back, or drops those of a schedule. What is sent twice because we died in between counts once all the same. */
export function redrive(needs: DeadNeeds, queue: string, { dryRun = false, ids, max }: Redrive): Promise<Moved> {
  const isWanted = ({ message }: Letter) => ids === undefined || ids.includes(message.MessageId)
  const most = max ?? ids?.length ?? Number.POSITIVE_INFINITY
  return moved(needs, queue, { dryRun, isWanted, most, by: 0, unseen: () => waitingIn(needs, queue) })
}

/**
 * Sends back what an outage has killed, now that it is over: once for each message, and one that dies again stays. It is
 * over when the table takes the audit row, and nothing has failed by it for a minute.
 */
export function redriveAfterOutage(needs: DeadNeeds, queue: string): Promise<Moved> {
  const now = needs.clock()
  const isWanted = ({ reason: { kind, at }, redriven }: Letter) =>
    kind === "outage" && redriven === 0 && (at === null || now - Date.parse(at) >= QUIET_MS)
  return moved({ ...needs, actor: "schedule" }, queue, {
    dryRun: false,
    isWanted,
    most: Number.POSITIVE_INFINITY,
    by: 1,
    // Nobody asks how many stay.
    unseen: async () => 0,
  })
}

type Wish = {
  dryRun: boolean
  isWanted: (letter: Letter) => boolean
  most: number
  by: number
  /** How many there are that were not looked at, when it ends before all were. */
  unseen: () => Promise<number>
}

async function moved(needs: DeadNeeds, queue: string, { dryRun, isWanted, most, by, unseen }: Wish): Promise<Moved> {
  const started = needs.clock()
  const redrive = wayIn(needs, queue)
  const isMovable = ({ event }: Letter) => redrive !== "published" || event !== undefined
  const gone: string[] = []
  let [seen, more] = [0, 0]
  await looking(needs, queue, async (held) => {
    for await (const letters of lettersOf(needs, queue, Number.POSITIVE_INFINITY, held)) {
      seen += letters.length
      // What has been sent back and died again meanwhile is not sent round and round.
      const old = letters.filter(({ message }) => Number(message.Attributes?.SentTimestamp ?? 0) <= started)
      const wanted = old.filter((letter) => isMovable(letter) && isWanted(letter)).slice(0, most - gone.length)
      for (const [tenant, own] of Map.groupBy(wanted, ({ tenant }) => tenant)) {
        if (!dryRun) await sendBack(needs, queue, tenant, own, { by, held })
        gone.push(...own.map(({ message }) => message.MessageId))
      }
      if (gone.length >= most) break
    }
    // What we hold is in flight and not counted there.
    if (gone.length >= most || needs.clock() - started >= LOOK_MS) more = await unseen()
  })
  return { redrive, moved: gone, left: seen + more - gone.length, dryRun }
}

async function waitingIn(needs: DeadNeeds, queue: string): Promise<number> {
  const AttributeNames = ["ApproximateNumberOfMessages"]
  const { Attributes = {} } = await needs.call("sqs", "GetQueueAttributes", {
    QueueUrl: deadOf(needs, queue),
    AttributeNames,
  })
  return Number((Attributes as Record<string, string>).ApproximateNumberOfMessages ?? 0)
}

/** Some of one tenant's, with a row before: sent first, then deleted. */
async function sendBack(
  needs: DeadNeeds,
  queue: string,
  tenant: TenantId,
  letters: readonly Letter[],
  { by, held }: { by: number; held: Held },
) {
  const { dead, url } = needs.queues[queue]!
  const way = wayIn(needs, queue)
  const action = way === "dropped" ? "dead.drop" : "dead.redrive"
  const details = { ids: letters.map(({ message }) => message.MessageId) }
  await announced(needs, tenant, { action, subject: queue, details }, async () => {
    if (url !== undefined) await sendAgain(needs, url, letters, by)
    const refused = way === "published" ? await publishAgain(needs, letters, by) : new Set()
    const done = letters.filter(({ event }) => event === undefined || !refused.has(event.id))
    const handles = done.map(({ message: { ReceiptHandle } }) => ({ ReceiptHandle }))
    await inTens(needs, "DeleteMessageBatch", dead!, handles)
    for (const { message } of done) held.delete(message.MessageId)
    if (refused.size > 0)
      throw new Fault("unavailable", "the bus did not take all of them; try again", { retryAfter: 5 })
  })
}

async function sendAgain(needs: DeadNeeds, QueueUrl: string, letters: readonly Letter[], by: number) {
  const fifo = QueueUrl.endsWith(".fifo")
  await inFlight(letters, fifo ? 1 : SENDS_IN_FLIGHT, (letter) =>
    needs.call("sqs", "SendMessage", { QueueUrl, ...again(letter, fifo, by) }),
  )
}

/** The same events once more: whoever listens knows them by their ids. How often that was done travels with them. */
const publishAgain = ({ publish }: DeadNeeds, letters: readonly Letter[], by: number) =>
  publish(letters.flatMap(({ event, redriven }) => (event ? [{ ...event, redriven: redriven + by }] : [])))

/** The same message once more: its group, and whatever travels with it. Sent twice for one dead letter, it is one. */
function again({ message, redriven, firstSentAt }: Letter, fifo: boolean, by: number) {
  const { Attributes = {}, MessageAttributes = {}, Body, MessageId } = message
  const count = redriven + by
  return {
    MessageBody: Body,
    MessageAttributes: {
      ...MessageAttributes,
      [FIRST_SENT]: { DataType: "String", StringValue: firstSentAt },
      ...(count === 0 ? {} : { [REDRIVEN]: { DataType: "Number", StringValue: String(count) } }),
    },
    // A queue of the standard kind may have groups too, by which it is fair.
    ...(Attributes.MessageGroupId === undefined ? {} : { MessageGroupId: Attributes.MessageGroupId }),
    ...(fifo
      ? {
          // Under its own id alone it would be taken for the first one of the last five minutes, and be lost.
          MessageDeduplicationId: `${(Attributes.MessageDeduplicationId ?? "").split(AGAIN)[0]}${AGAIN}${shortHash(MessageId)}`,
        }
      : {}),
  }
}

function deadOf({ queues }: Pick<DeadNeeds, "queues">, queue: string): string {
  const dead = Object.hasOwn(queues, queue) ? queues[queue]!.dead : undefined
  if (dead === undefined) throw new Fault("not_found", "there is no such queue")
  return dead
}

function wayIn(needs: Pick<DeadNeeds, "queues">, queue: string): Way {
  deadOf(needs, queue)
  return wayOf(needs.queues[queue]!)
}

/** Receipt handles of what we have received and neither deleted nor given back, by message. */
type Held = Map<string, string>

/** Gives back what stays, so that the next look finds it; if we die before, it is back in two minutes. */
async function looking(needs: DeadNeeds, queue: string, look: (held: Held) => Promise<void>) {
  const held: Held = new Map()
  try {
    await look(held)
  } finally {
    const entries = [...held.values()].map((ReceiptHandle) => ({ ReceiptHandle, VisibilityTimeout: 0 }))
    await inTens(needs, "ChangeMessageVisibilityBatch", deadOf(needs, queue), entries).catch(() => {})
  }
}

/**
 * What lies there, ten at a time, with the note of why. Of a FIFO group only the first can be seen for as long as it is
 * held: those behind it come when it has gone.
 */
async function* lettersOf(needs: DeadNeeds, queue: string, most: number, held: Held): AsyncGenerator<Letter[]> {
  const until = needs.clock() + LOOK_MS
  const url = deadOf(needs, queue)
  for (let left = most; left > 0 && needs.clock() < until; ) {
    const answer = await needs.call("sqs", "ReceiveMessage", {
      QueueUrl: url,
      MaxNumberOfMessages: Math.min(AT_ONCE, left),
      VisibilityTimeout: HELD_SECONDS,
      // A long poll asks all of SQS's servers: a short one may find nothing although there is something.
      WaitTimeSeconds: 1,
      MessageSystemAttributeNames: ["All"],
      MessageAttributeNames: ["All"],
    })
    const messages = (answer.Messages ?? []) as Message[]
    if (messages.length === 0) return
    left -= messages.length
    for (const { MessageId, ReceiptHandle } of messages) held.set(MessageId, ReceiptHandle)
    yield wayIn(needs, queue) === "sent" ? await messagesIn(needs, queue, messages) : messages.map(callIn)
  }
}

/** Why a message could not be worked is noted in the table. */
async function messagesIn(needs: DeadNeeds, queue: string, messages: readonly Message[]): Promise<Letter[]> {
  const whose = messages.map((message) => ({ message, id: message.MessageId, tenant: addresseeOf(message.Body) }))
  const failures = await readFailures(needs, queue, whose)
  return whose.map(({ message, id, tenant }) => {
    const failure = failures.get(id)
    const { Attributes = {}, MessageAttributes = {}, Body } = message
    const sentAt = failure?.sentAt ?? instant(Number(Attributes.SentTimestamp ?? 0))
    return {
      message,
      tenant,
      reason: reasonIn(failure),
      received: failure?.received ?? Number(Attributes.ApproximateReceiveCount ?? 0),
      firstSentAt: MessageAttributes[FIRST_SENT]?.StringValue ?? sentAt,
      redriven: Number(MessageAttributes[REDRIVEN]?.StringValue ?? 0),
      carried: () => decoded(Body),
    }
  })
}

/** Why a call has failed stands in its letter. */
function callIn(message: Message): Letter {
  const { text, ...call } = readCall(message)
  return { ...call, message, carried: () => ({ text, batches: [] }) }
}

async function inTens({ call }: DeadNeeds, action: string, QueueUrl: string, entries: readonly object[]) {
  for (const some of slices(entries, AT_ONCE)) {
    const Entries = some.map((entry, i) => ({ Id: String(i), ...entry }))
    const { Failed = [] } = (await call("sqs", action, { QueueUrl, Entries })) as { Failed?: { Code: string }[] }
    if (Failed[0]) throw new Error(`${action}: ${Failed.length} of ${Entries.length} failed, first ${Failed[0].Code}`)
  }
}

function shown({ message, tenant, reason, received, firstSentAt, redriven, carried }: Letter): DeadLetter {
  const { text, batches } = carried()
  return {
    id: message.MessageId,
    tenant: tenant === OPERATOR ? null : tenant,
    batches,
    reason,
    received,
    firstSentAt,
    redriven,
    bytes: Buffer.byteLength(message.Body),
    payload: { text: text.slice(0, SHOWN_CHARACTERS), cut: text.length > SHOWN_CHARACTERS },
  }
}

/** The lines of its batches; the body as it is, if it cannot be read. */
function decoded(body: string): { text: string; batches: string[] } {
  try {
    const { text, batches } = fromMessage(body)
    return { text, batches: batches.map(({ id }) => id) }
  } catch {
    return { text: body, batches: [] }
  }
}

function reasonIn(failure: Failure | undefined): DeadLetter["reason"] {
  if (failure === undefined) return { ...UNNOTED, at: null }
  const { kind, code, message, at } = failure
  return { kind, code, message, at }
}
