import { type Guard, type GuardNeeds, type GuardOptions, guard, OutsideError, retryBudget } from "./guard.ts"

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

/**
 * Calls of vendors' APIs: each attempt has its time, answers have a size, and each host its own circuit breaker and
 * budget of retries. Redirects are not followed: a secret in a header goes to the host it was meant for. Throws
 * `OutsideError` for whatever is not a 2xx or 3xx.
 */
export function outsideFetch(needs: GuardNeeds, options: Partial<OutsideOptions> = {}): OutsideFetch {
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
    const work = async (signal: AbortSignal) => {
      const response = await fetch(url, { redirect: "manual", ...init, signal })
      if (response.status < 400) return answerOf(response, await bodyOf(response, bytes))
      await response.body?.cancel()
      const retryAfter = Number(response.headers.get("retry-after") ?? Number.NaN)
      throw new OutsideError("status", `the answer was ${response.status}`, {
        status: response.status,
        ...(Number.isFinite(retryAfter) ? { retryAfter } : {}),
      })
    }
    return guardOf(new URL(url).host).run(work, { attempts })
  }
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
