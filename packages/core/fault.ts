/** Every code that a stranger can be answered with, and its HTTP status. Codes never change their meaning. */
export const faults = {
  invalid_request: 400,
  invalid_json: 400,
  invalid_encoding: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  not_ready: 409,
  payload_too_large: 413,
  unsupported_media_type: 415,
  idempotency_conflict: 422,
  query_too_large: 422,
  job_too_large: 422,
  headers_too_large: 431,
  rate_limited: 429,
  quota_exceeded: 429,
  too_many_jobs: 429,
  internal: 500,
  unavailable: 503,
} as const

export type FaultCode = keyof typeof faults

/**
 * The one error that may speak to strangers: its message leaves the building, any other error's does not.
 * The message says what to do next; `field` is a path into the request such as `batch[3].timestamp`.
 */
export class Fault extends Error {
  readonly code: FaultCode
  readonly field: string | undefined
  readonly retryAfter: number | undefined
  /** @param about `field`: where in the request; `retryAfter`: seconds until a retry makes sense. */
  constructor(code: FaultCode, message: string, about: { field?: string; retryAfter?: number; cause?: unknown } = {}) {
    super(message, { cause: about.cause })
    this.name = "Fault"
    this.code = code
    this.field = about.field
    this.retryAfter = about.retryAfter
  }
  get status() {
    return faults[this.code]
  }
}
