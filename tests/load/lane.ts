import { randomUUID } from "node:crypto"
import { Agent, type IncomingMessage, request } from "node:http"
import { Agent as TlsAgent, request as tlsRequest } from "node:https"
import { setTimeout as pause } from "node:timers/promises"
import { DAY, instant, SECOND } from "#core/clock.ts"
import { corpus } from "../bench/corpus.ts"
import type { Doors } from "./doors.ts"
import type { Kind, Sample } from "./verdict.ts"

export type Urls = { collect: Doors; api: Doors }
export type Account = { id: string; writeKey: string; readKey: string }

const EVENTS_A_REQUEST = 20
/** Of five requests one asks. */
const ASKS_EVERY = 5
const PATIENCE_MS = 60 * SECOND
const COUNTED_WITHIN_MS = 300 * SECOND
const GLANCE_MS = 500
const PROBE_MS = 50
const FROM_DAYS = 30
const MOST_SOCKETS = 200

/** What a dashboard asks, one after the other. */
const questions: Record<string, string>[] = [
  { metric: "events", grain: "day" },
  { metric: "gross_revenue", grain: "day" },
  { metric: "gross_revenue", grain: "total", by: "country", limit: "10" },
  { metric: "active_customers", grain: "day" },
  { metric: "orders", grain: "week", compare: "previous" },
]

/** One tenant: sends events and asks questions at the times that its rate says, whether or not it has been answered. */
export function lane({ urls, account, number, rate }: { urls: Urls; account: Account; number: number; rate: number }) {
  const bodies = bodiesOf(number)
  const [send, ask] = [senderTo(urls.collect), senderTo(urls.api)]
  let [accepted, asked] = [0, 0]
  const once = async (kind: Kind): Promise<number> => {
    if (kind === "query") {
      const question = questions[asked++ % questions.length]!
      const query = new URLSearchParams({ ...question, ...days() })
      return (await ask("GET", `/v1/query?${query}`, account.readKey)).status
    }
    const body = bodies.next().value as string
    const answer = await send("POST", "/v1/batch", account.writeKey, body)
    if (answer.status === 200) accepted += (JSON.parse(answer.text) as { accepted: number }).accepted
    return answer.status
  }
  return {
    account,
    accepted: () => accepted,
    /** Sends for a while and waits for the last answer. `times` says how many times the rate of each kind. */
    run: async (forMs: number, times: (kind: Kind) => number): Promise<Sample[]> => {
      const samples: Sample[] = []
      const running: Promise<void>[] = []
      const begun = performance.now()
      // Measured from when it should have been sent: a queue in front of the door is the door's.
      const shoot = async (kind: Kind, due: number) => {
        const status = await once(kind).catch(() => 0)
        samples.push({ kind, status, ms: performance.now() - due })
      }
      const shooting = async (kind: Kind, aSecond: number) => {
        const gapMs = SECOND / aSecond
        for (let due = begun + gapMs * ((number + 1) / 7); due < begun + forMs; due += gapMs) {
          const early = due - performance.now()
          if (early > 0) await pause(early)
          running.push(shoot(kind, due))
        }
      }
      await Promise.all([
        shooting("collect", rate * (1 - 1 / ASKS_EVERY) * times("collect")),
        shooting("query", (rate / ASKS_EVERY) * times("query")),
      ])
      await Promise.all(running)
      return samples
    },
  }
}

const days = () => {
  const now = Date.now()
  return { from: instant(now - FROM_DAYS * DAY).slice(0, 10), to: instant(now + DAY).slice(0, 10) }
}

/** Events of the last days, made as they are needed, each with an id of its own. */
function* bodiesOf(number: number): Generator<string> {
  const from = instant(Date.now() - 3 * DAY)
  // Long before the end of one, the run is over; the next has other ids.
  for (let round = 0; ; round++) {
    const seed = Date.now() + number * 1000 + round
    let batch: object[] = []
    for (const message of corpus({ seed, events: 200_000, customers: 2000, from, days: 3 })) {
      batch.push(message)
      if (batch.length < EVENTS_A_REQUEST) continue
      yield JSON.stringify({ batch })
      batch = []
    }
  }
}

/** `fetch` costs as much as the door; this shares the machine with it. */
export function senderTo(doors: Doors) {
  const options = { keepAlive: true, maxSockets: MOST_SOCKETS }
  const [agent, tlsAgent] = [new Agent(options), new TlsAgent(options)]
  type Answer = { status: number; text: string }
  const sendTo = (url: string, method: string, path: string, key: string, body?: string): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" }
      const to = new URL(path, url)
      const how = { method, headers, timeout: PATIENCE_MS }
      const hear = (answer: IncomingMessage) => {
        let text = ""
        answer.setEncoding("utf8")
        answer.on("data", (chunk: string) => (text += chunk))
        answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text }))
        answer.on("error", reject)
      }
      const asked =
        to.protocol === "https:"
          ? tlsRequest(to, { ...how, agent: tlsAgent }, hear)
          : request(to, { ...how, agent }, hear)
      asked.on("timeout", () => asked.destroy(new Error("no answer")))
      asked.on("error", (error: NodeJS.ErrnoException) => {
        // The door ended a connection that lay idle just as this was sent on it: clients send it again (RFC 9110, 9.2.2).
        if (asked.reusedSocket && error.code === "ECONNRESET") resolve(sendTo(url, method, path, key, body))
        else reject(error)
      })
      asked.end(body)
    })
  return async (method: string, path: string, key: string, body?: string): Promise<Answer> => {
    const { url, done } = doors.next()
    return sendTo(url, method, path, key, body).finally(done)
  }
}

/** For a while sends one event after the other, and looks until it is counted: the milliseconds that each took. */
export async function freshness(urls: Urls, account: Account, forMs: number): Promise<number[]> {
  const [send, ask] = [senderTo(urls.collect), senderTo(urls.api)]
  const path = `/v1/query?${new URLSearchParams({ metric: "events", grain: "total", ...days() })}`
  const counted = async () => (JSON.parse((await ask("GET", path, account.readKey)).text) as { total: number }).total
  const took: number[] = []
  const until = performance.now() + forMs
  for (let expected = (await counted()) + 1; performance.now() < until; expected++) {
    const event = { type: "track", event: "Load Probed", userId: "probe", messageId: randomUUID() }
    const sent = performance.now()
    await send("POST", "/v1/batch", account.writeKey, JSON.stringify({ batch: [event] }))
    while ((await counted()) < expected && performance.now() < until + COUNTED_WITHIN_MS) await pause(PROBE_MS)
    took.push(performance.now() - sent)
    await pause(GLANCE_MS)
  }
  return took
}

/** How many events of a tenant have been counted or quarantined so far. */
export async function countedSoFar(doors: Doors, { readKey }: Account): Promise<number> {
  const { status, text } = await senderTo(doors)("GET", `/v1/ledger?${new URLSearchParams(days())}`, readKey)
  if (status !== 200) return Number.NaN
  const { counted, quarantined } = (JSON.parse(text) as { total: { counted: number; quarantined: number } }).total
  return counted + quarantined
}

/** Waits until so many are counted; by how many it is wrong in the end. */
export async function checkCounted(doors: Doors, account: Account, expected: number): Promise<number> {
  const until = performance.now() + COUNTED_WITHIN_MS
  for (;;) {
    const counted = await countedSoFar(doors, account)
    if (counted === expected) return 0
    if (counted > expected || performance.now() > until) return Math.abs(expected - counted)
    await pause(GLANCE_MS)
  }
}
