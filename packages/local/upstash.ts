import { createHash } from "node:crypto"
import { Hono } from "hono"
import "#core/words.ts"
import * as z from "zod/mini"
import { sameSecret } from "#core/hash.ts"

/** A Redis, as far as the shim needs one: replies with strings as bytes. */
export type Commands = {
  run(command: readonly string[]): Promise<unknown>
  /** All or nothing; each reply with its error. */
  runAll(commands: readonly (readonly string[])[]): Promise<[error: Error | null, reply: unknown][]>
}

const Part = z.pipe(
  z.json(),
  z.transform((part) => (typeof part === "object" && part !== null ? JSON.stringify(part) : String(part))),
)
const Command = z.array(Part).check(z.minLength(1))
const Pipeline = z.array(Command)

/** Upstash's REST protocol in front of a plain Redis, for tests and for whoever runs a Redis of their own. */
export function upstashApp({ token, redis }: { token: string; redis: Commands }) {
  const app = new Hono()
  const scripts = plainScripts()
  let writes = 0

  app.use(async (c, next) => {
    if (!sameSecret(c.req.header("authorization") ?? "", `Bearer ${token}`))
      return c.json({ error: "WRONGPASS invalid or missing auth token" }, 401)
    await next()
    c.header("Upstash-Sync-Token", String(++writes))
  })
  app.onError((error, c) => c.json({ error: `ERR ${error.message}` }, 400))

  const one = async (command: readonly string[], form: Form) => {
    try {
      return { result: form(await redis.run(scripts(command))) }
    } catch (error) {
      return { error: (error as Error).message }
    }
  }

  app.post("/", async (c) => {
    const answer = await one(Command.parse(await c.req.json()), formOf(c.req.raw))
    return c.json(answer, "error" in answer ? 400 : 200)
  })
  app.post("/pipeline", async (c) => {
    const form = formOf(c.req.raw)
    const answers = []
    for (const command of Pipeline.parse(await c.req.json())) answers.push(await one(command, form))
    return c.json(answers)
  })
  app.post("/multi-exec", async (c) => {
    const form = formOf(c.req.raw)
    const replies = await redis.runAll(Pipeline.parse(await c.req.json()).map(scripts))
    return c.json(replies.map(([error, reply]) => (error ? { error: error.message } : { result: form(reply) })))
  })
  return app
}

/** Upstash's own flags in a script's first line are unknown to Redis: it is taken away, and so its hash is another. */
function plainScripts() {
  const sha1 = (text: string) => createHash("sha1").update(text).digest("hex")
  const hashes = new Map<string, string>()
  const plain = (script: string) => {
    const stripped = script.replace(/^#!lua[^\n]*\n/, "")
    if (stripped !== script) hashes.set(sha1(script), sha1(stripped))
    return stripped
  }
  return (command: readonly string[]): string[] => {
    const [name = "", first = "", second = "", ...rest] = command
    const verb = name.toUpperCase()
    if (verb === "EVAL") return [name, plain(first), ...command.slice(2)]
    if (verb === "EVALSHA") return [name, hashes.get(first) ?? first, ...command.slice(2)]
    if (verb === "SCRIPT" && first.toUpperCase() === "LOAD") return [name, first, plain(second), ...rest]
    return [...command]
  }
}

type Form = (reply: unknown) => unknown
const formOf = (request: Request): Form => (request.headers.get("upstash-encoding") === "base64" ? base64 : plainly)

/** Every text as base64, except an `OK` that is the whole reply. */
const base64: Form = (reply) => (textOf(reply) === "OK" ? "OK" : within(reply, (text) => text.toString("base64")))
const plainly: Form = (reply) => within(reply, (text) => text.toString("utf8"))

const textOf = (reply: unknown) =>
  typeof reply === "string" || Buffer.isBuffer(reply) ? reply.toString("utf8") : undefined

function within(reply: unknown, form: (text: Buffer) => string): unknown {
  if (reply === null || reply === undefined) return null
  if (typeof reply === "string") return form(Buffer.from(reply, "utf8"))
  if (Buffer.isBuffer(reply)) return form(reply)
  if (Array.isArray(reply)) return reply.map((part) => within(part, form))
  if (reply instanceof Map) return [...reply].flat().map((part) => within(part, form))
  if (typeof reply === "object")
    return Object.entries(reply)
      .flat()
      .map((part) => within(part, form))
  return typeof reply === "bigint" ? Number(reply) : reply
}
