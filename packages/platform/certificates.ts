import { type Clock, HOUR, SECOND } from "#core/clock.ts"
import { Fault } from "#core/fault.ts"
import type { FetchText } from "#sources/source.ts"

const TIMEOUT_MS = 5 * SECOND
const MOST_BYTES = 64 * 1024
const TRUST_MS = HOUR
const URLS_REMEMBERED = 100

/**
 * Fetches vendors' signing certificates: by https only, following nothing, and each once an hour. What the
 * vendor says is not there (4xx) is `Fault("not_found")`: the URL was the sender's to choose. What else cannot be fetched
 * is our trouble and not the sender's: `Fault("unavailable")`, so that the delivery is sent again.
 */
export function certificateFetcher(needs: { fetch: typeof fetch; clock: Clock }): FetchText {
  const { clock } = needs
  const remembered = new Map<string, { until: number; text: Promise<string> }>()

  const ask = async (url: string) => {
    if (new URL(url).protocol !== "https:") throw new Error("a certificate is fetched by https alone")
    try {
      const answer = await needs.fetch(url, { redirect: "error", signal: AbortSignal.timeout(TIMEOUT_MS) })
      if (isRefusal(answer.status)) throw new Fault("not_found", `the vendor answered ${answer.status}`)
      if (answer.status !== 200) throw new Error(`the answer was ${answer.status}`)
      return await textOf(answer)
    } catch (cause) {
      if (cause instanceof Fault) throw cause
      throw new Fault("unavailable", "the vendor's signing certificate cannot be fetched now", {
        retryAfter: 10,
        cause,
      })
    }
  }

  return (url) => {
    const known = remembered.get(url)
    if (known && known.until > clock()) return known.text
    if (remembered.size >= URLS_REMEMBERED) remembered.clear()
    const text = ask(url)
    remembered.set(url, { until: clock() + TRUST_MS, text })
    text.catch(() => remembered.delete(url))
    return text
  }
}

/** 408 and 429 say "later", not "no". */
const isRefusal = (status: number) => status >= 400 && status < 500 && status !== 408 && status !== 429

async function textOf(answer: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > MOST_BYTES) throw new Error(`it is larger than ${MOST_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString("utf8")
}
