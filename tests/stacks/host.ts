import { pathToFileURL } from "node:url"

/** Lambda's part: loads a bundle, and hands it one event after the other. What it fetches from elsewhere is `FETCHED`. */
const [file = "", exported = ""] = process.argv.slice(2)
globalThis.fetch = () => Promise.resolve(Response.json(JSON.parse(process.env.FETCHED ?? "{}")))

type Handler = (event: unknown, context: object) => Promise<unknown>
const module = (await import(pathToFileURL(file).href)) as Record<string, Handler | undefined>
const handler = module[exported]
if (typeof handler !== "function") throw new Error(`${exported} is not a function`)

/** A clock that whoever looks at it often finds to run fast: a call that takes longer than anybody can wait for. */
const { now } = Date
let looks = 0
const hurry = () => {
  Date.now = () => now() + looks++ * 30_000
}

process.on("message", (event: unknown) => {
  Date.now = now
  if ((event as { hurried?: boolean } | null)?.hurried) hurry()
  handler(event, {}).then(
    (answer) => process.send!({ answer: answer ?? null }),
    (error: unknown) => process.send!({ error: (error as Error).message }),
  )
})
process.send!("ready")
