import { fork } from "node:child_process"
import { extname, join } from "node:path"
import * as z from "zod/mini"
import { REGION } from "./cloud.ts"
import type { Model } from "./model.ts"

/** What Lambda puts into every function's environment. */
export const given = {
  AWS_REGION: REGION,
  AWS_DEFAULT_REGION: REGION,
  AWS_ACCESS_KEY_ID: "ASIA",
  AWS_SECRET_ACCESS_KEY: "secret",
  AWS_SESSION_TOKEN: "token",
  AWS_LAMBDA_FUNCTION_NAME: "octant",
  TZ: ":UTC",
}

const Reply = z.object({ answer: z.optional(z.unknown()), error: z.optional(z.string()) })
const HttpAnswer = z.object({ statusCode: z.number(), body: z.optional(z.string()) })
const QueueAnswer = z.object({ batchItemFailures: z.array(z.object({ itemIdentifier: z.string() })) })

type Elsewhere = {
  /** Instead of AWS. */
  endpoint?: string
  /** Instead of what anybody else would answer. */
  fetched?: unknown
}

/** A function's bundle, running with exactly the environment that it would have. Throws if it does not start. */
export async function startFunction(
  { bundle, handler, environment, resource }: Model["functions"][number],
  { endpoint, fetched = {} }: Elsewhere = {},
) {
  const child = fork(join(import.meta.dirname, "host.ts"), [bundle!.file, extname(handler).slice(1)], {
    cwd: bundle!.folder,
    env: {
      ...given,
      ...environment.variables,
      ...(endpoint ? endpoints(endpoint) : {}),
      FETCHED: JSON.stringify(fetched),
    },
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  })
  let said = ""
  child.stderr!.on("data", (chunk: Buffer) => (said += chunk.toString()))
  const ended = new Promise<never>((_, reject) =>
    child.once("close", () =>
      reject(new Error(`${resource} does not start: ${/^\w*Error: .*$/m.exec(said)?.[0] ?? said}`)),
    ),
  )
  ended.catch(() => {})
  const message = () => Promise.race([ended, new Promise<unknown>((resolve) => child.once("message", resolve))])
  await message()

  /** One event at a time, as Lambda does. */
  const call = async (event: unknown) => {
    const replied = message()
    child.send(event as object)
    const { answer, error } = Reply.parse(await replied)
    if (error !== undefined) throw new Error(`${resource}: ${error}`)
    return answer
  }
  return {
    call,
    request: async (request: HttpRequest) => {
      const { statusCode, body = "" } = HttpAnswer.parse(await call(httpEvent(request)))
      return { status: statusCode, body: body.startsWith("{") ? (JSON.parse(body) as Record<string, unknown>) : {} }
    },
    /** Works messages; how many have failed. */
    work: async (bodies: readonly string[]) =>
      QueueAnswer.parse(await call(queueEvent(bodies))).batchItemFailures.length,
    stop: () => void child.kill(),
  }
}

export const endpoints = (url: string) => ({
  AWS_ENDPOINT_URL_DYNAMODB: url,
  AWS_ENDPOINT_URL_SQS: url,
  AWS_ENDPOINT_URL_KMS: url,
  AWS_ENDPOINT_URL_CLOUDWATCH: url,
  AWS_ENDPOINT_URL_EVENTBRIDGE: url,
})

export type HttpRequest = {
  method: string
  path: string
  key?: string
  headers?: Record<string, string>
  /** Text goes out as it is, everything else as JSON. */
  body?: unknown
}

/** What a Function URL sends (payload format 2.0). */
export function httpEvent({ method, path, key, headers = {}, body }: HttpRequest) {
  const [rawPath, rawQueryString = ""] = path.split("?")
  return {
    version: "2.0",
    routeKey: "$default",
    rawPath,
    rawQueryString,
    headers: {
      host: "octant.example",
      "content-type": "application/json",
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...headers,
    },
    requestContext: {
      domainName: "octant.example",
      http: { method, path: rawPath, protocol: "HTTP/1.1", sourceIp: "203.0.113.7", userAgent: "test" },
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    isBase64Encoded: false,
  }
}

export const queueEvent = (bodies: readonly string[]) => ({
  Records: bodies.map((body, i) => ({
    messageId: `message-${i}`,
    receiptHandle: `handle-${i}`,
    body,
    eventSource: "aws:sqs",
  })),
})
