import { retryBudget } from "#core/budget.ts"
import type { Figures } from "#core/figures.ts"
import { failure, type Log } from "#core/log.ts"
import { origin, traced } from "#core/unit.ts"
import { type Guard, type GuardNeeds, type GuardOptions, guard, OutsideError } from "./guard.ts"

export type OutsideAnswer = { status: number; headers: Headers; body: Uint8Array; text(): string; json(): unknown }
/** Like `fetch`, for vendors' APIs; `repeatable` says that a second attempt does no harm (GET, HEAD, PUT and DELETE are so). */
export type OutsideFetch = (url: string, init?: RequestInit & { repeatable?: boolean }) => Promise<OutsideAnswer>

export type OutsideOptions = Omit<GuardOptions, "onChange"> & {
  bytes: number
  onChange?: (host: string, state: "open" | "closed") => void
}

const repeatableMethods = new Set(["GET", "HEAD", "PUT", "DELETE"])
const HOSTS_REMEMBERED = 1000
const usual: OutsideOptions = { timeoutMs: 10_000, attempts: 3, bytes: 5 * 1024 * 1024 }

type Needs = GuardNeeds & { fetch?: typeof fetch }

/**
 * Calls of vendors' APIs: each attempt has its time, answers have a size, and each host its own circuit breaker and
 * budget of retries. Redirects are not followed: a secret in a header goes to the host it was meant for. Throws
 * `OutsideError` for whatever is not a 2xx or 3xx.
 */
export function outsideFetch(needs: Needs, options: Partial<OutsideOptions> = {}): OutsideFetch {
  const { fetch: beneath = fetch } = needs
  const { bytes, onChange, ...rest } = { ...usual, ...options }
  const guards = new Map<string, Guard>()
  const guardOf = (host: string) => {
    const known = guards.get(host)
    if (known) return known
    if (guards.size >= HOSTS_REMEMBERED) guards.clear()
    const made = guard(needs, { budget: retryBudget(), ...rest, onChange: (state) => onChange?.(host, state) })
    guards.set(host, made)
    return made
  }

  return (url, { repeatable, ...init } = {}) => {
    const attempts = (repeatable ?? repeatableMethods.has(init.method ?? "GET")) ? (rest.attempts ?? 1) : 1
    const work = async (late: AbortSignal) => {
      // Whoever has gone is not asked for again.
      if (init.signal?.aborted) throw new OutsideError("gone", "nobody waits for the answer any more")
      const signal = init.signal ? AbortSignal.any([init.signal, late]) : late
      const response = await beneath(url, { redirect: "manual", ...init, signal })
      const answer = answerOf(response, await bodyOf(response, bytes))
      if (answer.status < 400) return answer
      const retryAfter = Number(answer.headers.get("retry-after") ?? Number.NaN)
      throw new OutsideError("status", `the answer was ${answer.status}`, {
        status: answer.status,
        answer,
        ...(Number.isFinite(retryAfter) ? { retryAfter } : {}),
      })
    }
    return guardOf(new URL(url).host).run(work, { attempts })
  }
}

type Told = { log: Log; figures: Figures }

/**
 * The same as a `fetch` for whoever asks others: an answer is an answer, whatever its status. Each call is timed, is
 * part of the trace, and it is said once when a host is left alone and once when it is well again.
 */
export function guardedFetch(needs: Needs & Told, options: Partial<OutsideOptions> = {}): typeof fetch {
  const { clock, log, figures } = needs
  const open = new Set<string>()
  const onChange = (host: string, state: "open" | "closed") => {
    if (state === "open") open.add(host)
    else open.delete(host)
    figures.gauge("octant_outside_open", {}, open.size)
    log(`outside.${state}`, { host })
  }
  // All tenants ask the same vendors: one account that asks too often must not keep the others from theirs.
  const ask = outsideFetch(needs, { breaksOn429: false, ...options, onChange })

  return async (input, init = {}) => {
    if (input instanceof Request) throw new TypeError("others are asked by a URL and its options")
    const url = String(input)
    const method = init.method ?? "GET"
    const started = clock()
    const tell = (outcome: string) => figures.took("octant_outside_seconds", { outcome }, clock() - started)
    const work = async () => {
      const { traceId, traceparent } = origin()
      const headers = new Headers(init.headers)
      if (traceId !== undefined && traceparent !== undefined) headers.set("traceparent", traceparent)
      try {
        const answer = await ask(url, { ...init, headers })
        tell("ok")
        return responseOf(answer)
      } catch (error) {
        tell(failure(error).code === "OutsideError" ? (error as OutsideError).reason : "failed")
        if (error instanceof OutsideError && error.answer) return responseOf(error.answer as OutsideAnswer)
        throw error
      }
    }
    return traced(method, "client", work, { "server.address": new URL(url).host, "http.request.method": method })
  }
}

const hasNoBody = (status: number) => [204, 205, 304].includes(status)

const responseOf = ({ status, headers, body }: OutsideAnswer) =>
  new Response(hasNoBody(status) ? null : Uint8Array.from(body), { status, headers: unpacked(headers) })

/** The body has been unpacked. */
function unpacked(headers: Headers) {
  const left = new Headers(headers)
  for (const name of ["content-encoding", "content-length", "transfer-encoding"]) left.delete(name)
  return left
}

function answerOf({ status, headers }: Response, body: Uint8Array): OutsideAnswer {
  const text = () => new TextDecoder().decode(body)
  return { status, headers, body, text, json: () => JSON.parse(text()) as unknown }
}

async function bodyOf(response: Response, most: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength
    // Leaving the loop cancels the rest.
    if (size > most) throw new OutsideError("too_large", `the answer is larger than ${most} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
