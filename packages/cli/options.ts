import { type Command, InvalidArgumentError } from "commander"
import type * as z from "zod/mini"
import { Usage } from "./failure.ts"

/** What every command takes. */
export type Common = { data: string; tenant?: string; json?: true }
/** What those commands take that speak with the API. */
export type Remote = Common & { url?: string; key?: string }

/** For commands that are about no tenant, or about all. */
export const onData = (command: Command) =>
  command
    .option("--data <folder>", "folder of the local stack", ".octant")
    .option("--json", "one JSON document on stdout")

/** For commands that work on the storage. */
export const onStorage = (command: Command) =>
  onData(command).option("--tenant <id>", "the tenant (default: the only one of the local stack, or acme)")

/** For commands that go through the API. */
export const onApi = (command: Command) =>
  onStorage(command)
    .option("--url <url>", "an API elsewhere (or OCTANT_URL)")
    .option("--key <key>", "its key (better in OCTANT_KEY: others on this machine see arguments)")

/** Parses an option that counts something. */
export const whole = (least: number, most: number) => (text: string) => {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= least && value <= most) return value
  throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`)
}

export function jsonOption(name: string, text: string, example: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Usage(`${name} must be JSON such as ${example}`)
  }
}

/** Options as a schema takes them; `expiresAt` is spoken of as --expires-at. */
export function checked<T extends z.ZodMiniType>(schema: T, options: unknown): z.output<T> {
  const result = schema.safeParse(options)
  if (result.success) return result.data
  const { path, message } = result.error.issues[0]!
  throw new Usage(`--${kebab(String(path[0] ?? ""))}: ${message}`)
}

const kebab = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
