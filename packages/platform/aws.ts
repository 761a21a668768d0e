import type { Agent } from "node:http"
import { retryBudget } from "#core/budget.ts"
import { type Clock, systemClock } from "#core/clock.ts"
import type { Breaker } from "./breaker.ts"
import { type Credentials, signer } from "./signature.ts"

// To import them makes Node load all that they could export, its own fetch too: a third of a worker's cold start.
const transports = {
  "http:": () => process.getBuiltinModule("node:http"),
  "https:": () => process.getBuiltinModule("node:https"),
}

/** What AWS refused, by its own code, such as `ConditionalCheckFailedException`. */
export class AwsError extends Error {
  readonly code: string
  readonly status: number
  readonly body: Record<string, unknown>
  constructor(code: string, status: number, body: Record<string, unknown>) {
    super(`${code}: ${String(body.message ?? body.Message ?? status)}`)
    this.name = "AwsError"
    this.code = code
    this.status = status
    this.body = body
  }
}

export type Service = "dynamodb" | "sqs" | "kms" | "monitoring" | "events"
export type AwsOptions = {
  region: string
  /** Asked at each call: Lambda renews what stands in its environment. */
  credentials: () => Credentials
  /** Other than AWS's own, such as `http://127.0.0.1:8000`. */
  endpoints?: Partial<Record<Service, string | undefined>>
  /** Numbers in [0, 1), for the jitter of retries. */
  random: () => number
  sleep: (ms: number) => Promise<void>
  timeoutMs?: number
  attempts?: number
  /** How long all attempts may take together. */
  withinMs?: number
  clock?: Clock
  /** Hears when a service is left alone for a while, and when it is well again. */
  onChange?: (service: Service, state: "open" | "closed") => void
}

/** One request of the AWS JSON protocol; throws `AwsError`, or the network's own error after the last attempt. */
export type AwsCall = (service: Service, action: string, body: object) => Promise<Record<string, unknown>>

const protocols = {
  dynamodb: { target: "DynamoDB_20120810", type: "application/x-amz-json-1.0" },
  sqs: { target: "AmazonSQS", type: "application/x-amz-json-1.0" },
  kms: { target: "TrentService", type: "application/x-amz-json-1.1" },
  /** CloudWatch. */
  monitoring: { target: "GraniteServiceVersion20100801", type: "application/x-amz-json-1.0" },
  /** EventBridge. */
  events: { target: "AWSEvents", type: "application/x-amz-json-1.1" },
} as const
const passing = new Set([
  "ThrottlingException",
  "ProvisionedThroughputExceededException",
  "RequestLimitExceeded",
  "TransactionInProgressException",
  "TransactionConflictException",
  // As a transaction's reasons have it.
  "ThrottlingError",
  "TransactionConflict",
  "ProvisionedThroughputExceeded",
  "InternalServerError",
  "ServiceUnavailable",
])
const TIMEOUT_MS = 10_000
/** So many attempts in a row that came to nothing: then nobody waits for that service for a while. */
const MOST_FAILURES = 10
const OPEN_MS = 5_000
/** A retry for every five calls of a service, and a hundred in store: when all of them fail, retries add a fifth to its load. */
const RETRIES = { perCall: 0.2, most: 100 }
const FIRST_BACKOFF_MS = 50
const SLOWEST_BACKOFF_MS = 2000

/**
 * AWS by signed requests (Signature Version 4) over kept-alive connections. The SDK would do the same in ten times
 * the bytes and twenty times the start-up (docs/decisions/003). Passing faults are retried with full jitter, within a
 * budget: what is away for all is not asked four times as often, and after ten failures in a row not at all for five
 * seconds: each service has a circuit breaker, which is loaded with its first failure.
 */
export function awsClient(options: AwsOptions): AwsCall {
  const agents = new Map<string, Agent>()
  const agentFor = (protocol: keyof typeof transports) => {
    const known = agents.get(protocol)
    if (known) return known
    const agent = new (transports[protocol]().Agent)({ keepAlive: true })
    agents.set(protocol, agent)
    return agent
  }
  const attempts = options.attempts ?? 4
  const clock = options.clock ?? systemClock
  const sign = signer()
  const urlOf = (service: Service) =>
    new URL(options.endpoints?.[service] ?? `https://${service}.${options.region}.amazonaws.com`)
  const urls = {
    dynamodb: urlOf("dynamodb"),
    sqs: urlOf("sqs"),
    kms: urlOf("kms"),
    monitoring: urlOf("monitoring"),
    events: urlOf("events"),
  }

  const once = (service: Service, action: string, body: string, timeout: number) =>
    new Promise<Record<string, unknown>>((resolve, reject) => {
      const url = urls[service]
      const { target, type } = protocols[service]
      const unsigned = {
        service,
        region: options.region,
        host: url.host,
        target: `${target}.${action}`,
        contentType: type,
        body,
      }
      const headers = sign(unsigned, options.credentials(), clock())
      const protocol = url.protocol as keyof typeof transports
      const send = transports[protocol]().request
      const request = send(
        {
          hostname: url.hostname,
          port: url.port,
          method: "POST",
          path: "/",
          headers,
          agent: agentFor(protocol),
          timeout,
        },
        (response) => {
          const chunks: Buffer[] = []
          response.on("data", (chunk: Buffer) => chunks.push(chunk))
          response.on("error", reject)
          response.on("end", () => {
            if (!response.complete) return reject(broken("ECONNRESET", "the answer was cut off"))
            const text = Buffer.concat(chunks).toString("utf8")
            const answer = parsed(text)
            const status = response.statusCode ?? 0
            if (status === 200 && answer) return resolve(answer)
            const code = String(answer?.__type ?? "").replace(/^.*#/, "") || `Http${status}`
            reject(new AwsError(code, status, answer ?? {}))
          })
        },
      )
      request.on("timeout", () => request.destroy(broken("ETIMEDOUT", `no answer in ${timeout} ms`)))
      request.on("error", reject)
      request.end(body)
    })

  const budgets = {
    dynamodb: retryBudget(RETRIES),
    sqs: retryBudget(RETRIES),
    kms: retryBudget(RETRIES),
    monitoring: retryBudget(RETRIES),
    events: retryBudget(RETRIES),
  }

  const breakers: Partial<Record<Service, Breaker>> = {}
  const guarded = async <T>(service: Service, work: () => Promise<T>): Promise<T> => {
    const known = breakers[service]
    if (known) return closed(known.execute(work))
    try {
      return await work()
    } catch (error) {
      if (!counts(error)) throw error
      const { breaker } = await import("./breaker.ts")
      const onChange = (state: "open" | "closed") => options.onChange?.(service, state)
      const made = breaker(clock, { failures: MOST_FAILURES, openMs: OPEN_MS, counts, onChange })
      breakers[service] ??= made
      return closed(breakers[service].execute(() => Promise.reject(error as Error)))
    }
  }

  return async (service, action, body) => {
    const text = JSON.stringify(body)
    budgets[service].earn()
    const until = clock() + (options.withinMs ?? Number.POSITIVE_INFINITY)
    for (let attempt = 1; ; attempt++) {
      try {
        const timeoutMs = Math.max(1, Math.min(options.timeoutMs ?? TIMEOUT_MS, until - clock()))
        return await guarded(service, () => once(service, action, text, timeoutMs))
      } catch (error) {
        const retry = error instanceof AwsError ? isPassing(error) : !(error instanceof CircuitOpen)
        const pauseMs = options.random() * Math.min(SLOWEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** attempt)
        if (!retry || attempt >= attempts || clock() + pauseMs >= until || !budgets[service].spend()) throw error
        await options.sleep(pauseMs)
      }
    }
  }
}

/** A service that is left alone for a moment. */
export class CircuitOpen extends Error {
  readonly code = "CircuitOpen"
  override name = "CircuitOpen"
}
const closed = <T>(call: Promise<T>): Promise<T> =>
  call.catch((error: Error) => {
    throw "isBrokenCircuitError" in error
      ? new CircuitOpen("it has failed too often; it is left alone for a while")
      : error
  })

/** What we asked for in vain, or too often, says nothing about the service's health. */
const counts = (error: unknown) => !(error instanceof AwsError) || error.status >= 500

/** A transaction passes with all of its reasons: another one was in the way, or the table was busy. */
function isPassing({ code, status, body }: AwsError) {
  const reasons = (body.CancellationReasons ?? []) as { Code: string }[]
  return (
    passing.has(code) ||
    status >= 500 ||
    (reasons.length > 0 && reasons.every(({ Code }) => Code === "None" || passing.has(Code)))
  )
}

/** As the network itself would say it. */
const broken = (code: string, message: string) => Object.assign(new Error(message), { code })

function parsed(text: string): Record<string, unknown> | undefined {
  if (text === "") return {}
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return undefined
  }
}
