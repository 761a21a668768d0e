import { CommanderError } from "commander"
import { Fault } from "#core/fault.ts"
import { AwsError } from "#platform/aws.ts"

/** The command was used in a wrong way: exit code 2. */
export class Usage extends Error {}

/** The API did not answer. */
export class Unreachable extends Error {}

/** The API refused. */
export class Refusal extends Error {
  readonly status: number
  /** The problem details, or whatever came. */
  readonly body: unknown
  readonly retryAfterMs: number | undefined
  constructor(message: string, status: number, about: { body?: unknown; retryAfterMs?: number | undefined } = {}) {
    super(message)
    this.status = status
    this.body = about.body
    this.retryAfterMs = about.retryAfterMs
  }
}

export const exitCodes = { fine: 0, failed: 1, usage: 2 } as const

/** 0 when help was asked for, 2 when the command was used in a wrong way, else 1. */
export function codeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.fine : exitCodes.usage
  return error instanceof Usage || (error instanceof Refusal && error.status === 400)
    ? exitCodes.usage
    : exitCodes.failed
}

const unreachable = new Set(["ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ETIMEDOUT"])

/** What went wrong, in one line that says what to do. */
export function lineOf(error: unknown): string {
  const { code, message } = rootOf(error)
  if (error instanceof AwsError)
    return `the storage refused: ${message}; check the table's name, the region and the credentials`
  if (error instanceof Fault) return error.field ? `${error.field}: ${message}` : message
  if (code === "ENOENT") return message.replace(/^ENOENT.*'(.*)'$/, "there is no file $1")
  if (code !== undefined && unreachable.has(code))
    return `the storage cannot be reached (${message || code}): is the stack running? start it with npm start`
  return message.split("\n")[0] || "something went wrong; OCTANT_DEBUG=1 shows where"
}

/** Node hides the reason of a failed connection in `cause`, or in several errors, one for each address. */
export function rootOf(error: unknown): { code: string | undefined; message: string } {
  if (error instanceof AggregateError && error.errors.length > 0) return rootOf(error.errors[0])
  if (!(error instanceof Error)) return { code: undefined, message: String(error) }
  if (error.cause instanceof Error) return rootOf(error.cause)
  return { code: (error as NodeJS.ErrnoException).code, message: error.message }
}
