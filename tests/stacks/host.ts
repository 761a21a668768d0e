import { pathToFileURL } from "node:url"

/** Lambda's part: loads a bundle, and hands it one event after the other. What it fetches from elsewhere is `FETCHED`. */
const [file = "", exported = ""] = process.argv.slice(2)
globalThis.fetch = () => Promise.resolve(Response.json(JSON.parse(process.env.FETCHED ?? "{}")))

type Handler = (event: unknown, context: object) => Promise<unknown>
const module = (await import(pathToFileURL(file).href)) as Record<string, Handler | undefined>
const handler = module[exported]
if (typeof handler !== "function") throw new Error(`${exported} is not a function`)

process.on("message", (event: unknown) => {
  handler(event, {}).then(
    (answer) => process.send!({ answer: answer ?? null }),
    (error: unknown) => process.send!({ error: (error as Error).message }),
  )
})
process.send!("ready")
