import { createHmac } from "node:crypto"
import { MINUTE } from "#core/clock.ts"
import { sameSecret } from "#core/hash.ts"
import type { Delivery, Secrets, Verdict } from "./source.ts"

export const TOLERANCE_MS = 5 * MINUTE

type Bytes = string | Uint8Array

/** HMAC over `data`; several parts are signed as if they were joined, so that a raw body never becomes text. */
export function hmac(
  algorithm: "sha1" | "sha256" | "sha512",
  secret: Bytes,
  data: Bytes | Bytes[],
  encoding: "hex" | "base64",
): string {
  const mac = createHmac(algorithm, secret)
  for (const part of Array.isArray(data) ? data : [data]) mac.update(part)
  return mac.digest(encoding)
}

/** Whether one of the signatures sent is one of those expected. Looks at every pair, so its time tells nothing. */
export const anySame = (candidates: string[], expected: string[]): boolean =>
  candidates.reduce(
    (found, candidate) => expected.reduce((same, one) => sameSecret(candidate, one) || same, found),
    false,
  )

/** One signature for each secret. An empty secret signs nothing: anybody could sign with it. */
export const signedWith = (secrets: Secrets, sign: (secret: string) => string): string[] =>
  secrets.filter((secret) => secret !== "").map(sign)

/** Whether a signed time is at most five minutes from ours, in either direction. `false` for what is no number. */
export const withinTolerance = (timestampSeconds: number, receivedAtMs: number): boolean =>
  Math.abs(receivedAtMs - timestampSeconds * 1000) <= TOLERANCE_MS

/** Whole seconds since 1970 as a header carries them; `NaN` for anything else, which no tolerance admits. */
export const secondsOf = (text: string | undefined): number =>
  text && /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN

/** A header by its name in any case; `undefined` when it is absent or empty. */
export const header = (delivery: Pick<Delivery, "headers">, name: string): string | undefined =>
  delivery.headers[name.toLowerCase()] || undefined

export const missing = (headers: string): Verdict => ({
  code: "missing_signature",
  message: `the vendor must send ${headers}`,
})

export const mismatch: Verdict = {
  code: "bad_signature",
  message:
    "no secret of this source makes this signature: check that the secret is this endpoint's, and that nothing on the way rewrites the body",
}

export const stale: Verdict = {
  code: "stale",
  message: "signed more than five minutes before or after it came in: check the sender's clock, or have it sent again",
}
