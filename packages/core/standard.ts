import { createHmac } from "node:crypto"

/** Standard Webhooks, in and out: how a secret is written, and what is signed. */

/** The key inside a secret of the form `whsec_<base64>`. */
export const standardKey = (secret: string): Uint8Array => Buffer.from(secret.replace(/^whsec_/, ""), "base64")

/** One signature in the form of the header `webhook-signature`. The body may be bytes: a raw body never becomes text. */
export const standardSignature = (key: Uint8Array, id: string, seconds: string, body: string | Uint8Array): string =>
  `v1,${createHmac("sha256", key).update(`${id}.${seconds}.`).update(body).digest("base64")}`
