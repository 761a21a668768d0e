import { existsSync, readFileSync } from "node:fs"
import { Fault } from "#core/fault.ts"
import type { Event } from "#events/event.ts"
import { type Message, toEvent } from "#events/message.ts"
import type { Delivery, Vendor } from "./source.ts"

/** The small world of this folder's tests. */
export const NOW = Date.parse("2027-01-15T12:00:00.000Z")

export const delivery = (given: Partial<Delivery> & Pick<Delivery, "body">): Delivery => ({
  method: "POST",
  url: "https://in.octant.example/v1/hooks/src_1",
  headers: {},
  receivedAt: NOW,
  ...given,
})

export const bytes = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value))

/** A delivery of a vendor's own sample. */
export const sampleOf = (vendor: Vendor, secret: string) => {
  const url = "https://in.octant.example/v1/hooks/src_1"
  return delivery({ url, ...vendor.sample(secret, NOW, url) })
}

export const noFetch = { fetchText: () => Promise.reject(new Error("nothing may be fetched here")) }

/** The events that the door makes of messages; throws if one is refused or quarantined. */
export const told = (messages: Message[], receivedAt = NOW): Event[] =>
  messages.map((message) => {
    const event = toEvent(message, { receivedAt, messageId: () => "unnamed" })
    if ("code" in event) throw new Error(`refused: ${JSON.stringify(event)}`)
    if (event.quarantine) throw new Error(`quarantined: ${JSON.stringify(event)}`)
    return event
  })

/** The body with one byte changed. */
export function flipped(body: Uint8Array, at = body.length >> 1): Uint8Array {
  const copy = Uint8Array.from(body)
  copy[at] = copy[at]! ^ 1
  return copy
}

/** The JSON value with its `n`th part replaced, counted from the outside in. */
export function replaced(value: unknown, n: number, by: unknown): unknown {
  let left = n
  const walk = (here: unknown): unknown => {
    if (left-- === 0) return by
    if (Array.isArray(here)) return here.map(walk)
    if (typeof here !== "object" || here === null) return here
    return Object.fromEntries(Object.entries(here).map(([key, inner]) => [key, walk(inner)]))
  }
  return walk(value)
}

/** Whether a body is read, or refused with a `Fault`, and whether the door takes every message of it. */
export function isRead(vendor: Vendor, body: unknown, headers: Record<string, string> = {}): boolean {
  try {
    return vendor.read(delivery({ headers, body: bytes(body) })).messages.every((message) => {
      const event = toEvent(message, { receivedAt: NOW, messageId: () => "unnamed" })
      return !("code" in event) || event.code === "in_the_future"
    })
  } catch (error) {
    if (error instanceof Fault) return true
    throw error
  }
}

const data = new URL("../../../shared/data/webhooks/", import.meta.url)

/** Data that is not in this repository but beside it on some machines; nothing elsewhere. */
function beside<T>(path: string): T[] {
  const file = new URL(path, data)
  if (!existsSync(file)) return []
  const found = JSON.parse(readFileSync(file, "utf8"))
  return Array.isArray(found) ? found : found.vectors
}

export type Vector = {
  id: string
  provider: string
  secret?: string
  public_key?: string
  certificate?: string
  url?: string
  now?: number
  body: string
  headers: Record<string, string>
  valid: boolean
}
export const vectorsOf = (provider: string) =>
  beside<Vector>("signature_vectors.json").filter((vector) => vector.provider === provider)

export type Sample = { name: string; eventType: string; body: Record<string, unknown> | Record<string, unknown>[] }
export const samplesOf = (provider: string) => beside<Sample>(`samples/${provider}.json`)

export const lowerCase = (headers: Record<string, string>) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))

/** A vendor's API as a `fetch`: answers by path, and remembers what it was asked. */
export function standIn(
  answer: (url: URL, init: RequestInit) => { status?: number; headers?: Record<string, string>; body?: unknown },
) {
  const asked: { url: URL; init: RequestInit }[] = []
  const fetch = (input: string | URL | Request, init: RequestInit = {}) => {
    const url = new URL(input instanceof Request ? input.url : input)
    asked.push({ url, init })
    const { status = 200, headers = {}, body } = answer(url, init)
    return Promise.resolve(Response.json(body ?? {}, { status, headers }))
  }
  return { fetch: fetch as typeof globalThis.fetch, asked }
}

/**
 * Keys for tests alone, made once with openssl and valid for a hundred years from November 2026. The signer's names are
 * those that PayPal's and SNS's own certificates carry.
 */
export const signer = {
  key: `-----BEGIN PRIVATE KEY-----
MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQC6pdiMhjGFbUCz
nPMCv7JFmvj6sDAAr9QTrn+Qd1za40OCwhR6UT4IH1xHvzIz9fVXXXQKGbjZGzbh
uu/jHV3Y0Cz09LMXDSJYZAW2UbcKmzjv9GoaQ27HP5vRotk7Ce2PcoCOiPSo23tx
ZYtAB4pmO04Hk94Je6ddnuxcZpOJAMGAHn5YpOXTU5iisF3VXFSc6l5LNcnmNBJo
vzsPGp+N308t3Jl2SqngDB5NrRnixXF1h3vvtRNSvqU6Ekoq3nIH+50fwflakL29
3+p1/8S8yYaGQdBoLbDwqagENkK4Rj5wMjZpC/yl4AN7TlviJLrTAsNc8nwRf5G/
uUCumLUJAgMBAAECggEAB8TvhqnvVcZ+cvuNggfIu+z/gC/lT6ICCe+xj6noS5Q6
My8w+wZ2to/Xn4Tt6gvK8qAJPIJll2PynOLTKXkHdwbzWB73dXYuf89qDXTJUb+0
Vwitgfpcmh6jtc45jKOVJ+t0Pnqk9IJuWQIJEdk+gZLmZJpbG7nx9Yuv+wiqC4HS
PljQP+dD3mNYHXxoF1yoxTxXXeHKPjt4Gpqr8tqM1H1IJb1AINWaQgUiEvOKzWje
RolXg1Alqw/GDwWhQCGlvesWjrtyacD9wFhBT2OhdvMPBK9ASqhpVXSPRuQMrjr7
+NUsf1oAF5Phc73J3M/leo4dU0JO+1bulpKYYC9QAQKBgQDzenckrvBaJ29YcxhB
iSWBZnc98Su7038qH7duxZyIIZ/suDYSHZCaihyDTQXX2JChMw3GMecXeR8PmT45
W56iCEDjjyjQJZdUSkjDXIWJKo00dvGr6QAVuiY2Oex324WEHd+yz4yCV4trREe5
T0EkhlR6ikWDrWweWUjJQ+AMyQKBgQDEPyxcmTwTBg2udz1/yqRrbwaWwkhapVB3
GvmrfK7rOD+zQVfm3pH7Ge84pgnQlv/ql1gcJ7Cc9OPLy0YmynkRWn1+1jp2C11O
TL1I6nfmfwr2fpV+Z9blvFd1OFV4EVXqwtMj1PJkYvpo9EgsdvJjBQYhp+sSIvU9
lN+sdULGQQKBgCUrfAbgohbRUGFLaNeQbWZc0zVknQ2WkyJGJ0XE60mpAHYuBSss
0keVcBbnak3yZNoHJkIsmh/uQLyr42D0SLpp0iYrU8q7Amg+0u7oMAaptVbeFbTt
5DJs8apzm1MM80whF2Z/4u5/GOyuRtjWbZZ632i5tTUOA6R6cu8u6oRpAoGBALCD
beBgB7PItxecstk1qIvlUhTZ7QBzPxvSTI0dWavCbTFLbcf/m2gynIPkfGF83/Te
aebxIB8c+aO9U3zikuCz9rrV78FrWWJrDbn/Axd0X6T0mHwY5CbBMB0ELYQQe6nr
0MOi7t6yVC+AwUYVOtErnKc7BOnMPa9FL6ZL1mLBAoGBAMRUaMm2QB6kpk8Lo+/U
eCROA3O9yOnOjNjzuruQwQHFB/ENRu/zIqLci9081v2XJk47BdAeGq5F7DMz7hNk
EAyute7sMP0RifwFBiTc31RzVuWZO4Km92Ef+3iBcN/GT+7cMuScHGiZEU2DIR4b
HvT+atIivygS/wMyPQ/fByNU
-----END PRIVATE KEY-----
`,
  certificate: `-----BEGIN CERTIFICATE-----
MIICrjCCAlSgAwIBAgIUEffnpbfk2hcbNo4nwhtbbiNC3vcwCgYIKoZIzj0EAwIw
IDEeMBwGA1UEAwwVT2N0YW50IHRlc3QgYXV0aG9yaXR5MCAXDTI2MTEyMTA5MDYy
OVoYDzIxMjYxMDI4MDkwNjI5WjAdMRswGQYDVQQDDBJPY3RhbnQgdGVzdCBzaWdu
ZXIwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEKAoIBAQC6pdiMhjGFbUCznPMC
v7JFmvj6sDAAr9QTrn+Qd1za40OCwhR6UT4IH1xHvzIz9fVXXXQKGbjZGzbhuu/j
HV3Y0Cz09LMXDSJYZAW2UbcKmzjv9GoaQ27HP5vRotk7Ce2PcoCOiPSo23txZYtA
B4pmO04Hk94Je6ddnuxcZpOJAMGAHn5YpOXTU5iisF3VXFSc6l5LNcnmNBJovzsP
Gp+N308t3Jl2SqngDB5NrRnixXF1h3vvtRNSvqU6Ekoq3nIH+50fwflakL293+p1
/8S8yYaGQdBoLbDwqagENkK4Rj5wMjZpC/yl4AN7TlviJLrTAsNc8nwRf5G/uUCu
mLUJAgMBAAGjgaEwgZ4wQQYDVR0RBDowOIIjbWVzc2FnZXZlcmlmaWNhdGlvbmNl
cnRzLnBheXBhbC5jb22CEXNucy5hbWF6b25hd3MuY29tMAwGA1UdEwEB/wQCMAAw
CwYDVR0PBAQDAgeAMB0GA1UdDgQWBBSzL9YtrbvuQilDyDSrqsMMX1NlajAfBgNV
HSMEGDAWgBTDH2RYbb+Ba7rY5RCA3aZI7hpixjAKBggqhkjOPQQDAgNIADBFAiBl
/xIpTFLWmNtHMs+TToYI/QTvl1RsSAkXUZlJV7wxOAIhALb7IrthrjgL42bLxiZX
2DMBefaweOuJjiELVda8Viay
-----END CERTIFICATE-----
`,
  /** The one that issued the signer's, self-signed. */
  authority: `-----BEGIN CERTIFICATE-----
MIIBlzCCAT2gAwIBAgIUCl8D/WIonhH8cJ2U64NWNJxmGgowCgYIKoZIzj0EAwIw
IDEeMBwGA1UEAwwVT2N0YW50IHRlc3QgYXV0aG9yaXR5MCAXDTI2MTEyMTA5MDYy
OVoYDzIxMjYxMDI4MDkwNjI5WjAgMR4wHAYDVQQDDBVPY3RhbnQgdGVzdCBhdXRo
b3JpdHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASLRvHhF/MI6v+uT7o07POx
y/nMM5OszLNvBJhIOdjD4mVxuaILbvModXEcT89y1fC/kiBR7eu5OgPIEOeZl1Fi
o1MwUTAdBgNVHQ4EFgQUwx9kWG2/gWu62OUQgN2mSO4aYsYwHwYDVR0jBBgwFoAU
wx9kWG2/gWu62OUQgN2mSO4aYsYwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQD
AgNIADBFAiEAtXmsrbFaYJbwicqm0Pn3sb+oX97mUIQs/lfl1RSI1VcCIE51SeLM
/csmNg1v0mpLY58T1MZcK7SQjpGqZeQm+YtO
-----END CERTIFICATE-----
`,
  /** Of SNS's name, but issued by nobody. */
  selfSigned: `-----BEGIN CERTIFICATE-----
MIIBrDCCAVKgAwIBAgIUJavzEtNsWteX2mh18ATf74x2olQwCgYIKoZIzj0EAwIw
HTEbMBkGA1UEAwwST2N0YW50IHRlc3Qgc2lnbmVyMCAXDTI2MTEyMTA5MzMxOVoY
DzIxMjYxMDI4MDkzMzE5WjAdMRswGQYDVQQDDBJPY3RhbnQgdGVzdCBzaWduZXIw
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQPC9i+g99eXrqI/yHnhHkZ+4ryNk27
KgV61djjXXn3lPe1n6t6E+q1rBgb6h7Pej5cYmWW0qp7zM9xBqBMB3TKo24wbDAd
BgNVHQ4EFgQUQWlkFJMijJkELVWttlXlMG7JzSQwHwYDVR0jBBgwFoAUQWlkFJMi
jJkELVWttlXlMG7JzSQwHAYDVR0RBBUwE4IRc25zLmFtYXpvbmF3cy5jb20wDAYD
VR0TAQH/BAIwADAKBggqhkjOPQQDAgNIADBFAiEAm0WYc0LA6XFXzmYJ63HE6w3i
uYIWDCpo1VCwLbEyRakCIDCOCGQ9EL893ATHlc6/Oo9tznMufHAtg/OsWkskqQoq
-----END CERTIFICATE-----
`,
  /** For any name under amazonaws.com. */
  wildcard: `-----BEGIN CERTIFICATE-----
MIIBrTCCAVOgAwIBAgIUEffnpbfk2hcbNo4nwhtbbiNC3vgwCgYIKoZIzj0EAwIw
IDEeMBwGA1UEAwwVT2N0YW50IHRlc3QgYXV0aG9yaXR5MCAXDTI2MTEyMTA5MzMy
MFoYDzIxMjYxMDI4MDkzMzIwWjAdMRswGQYDVQQDDBJPY3RhbnQgdGVzdCBzaWdu
ZXIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASmMSEny8CkFP6LY5YpbwUbFyzf
m31kPWiSwnhBm2j197Fq2OP17PGnNI6QlkjNcZer5oXnhpnMg5F49N0ZDbGNo2ww
ajAaBgNVHREEEzARgg8qLmFtYXpvbmF3cy5jb20wDAYDVR0TAQH/BAIwADAdBgNV
HQ4EFgQULDkYx7Jnv/MHrZ3i7sVaSjGXeWUwHwYDVR0jBBgwFoAUwx9kWG2/gWu6
2OUQgN2mSO4aYsYwCgYIKoZIzj0EAwIDSAAwRQIhAODEVG4oODrrIePSMCRjS3tp
49geG6zRtNeJ4aZzjqQIAiBWPQ5fmF+TIHWyzfR6PqKUhl7fr5J9Cr0Yex22SVp2
tw==
-----END CERTIFICATE-----
`,
}

/** An ECDSA P-256 key such as SendGrid holds. */
export const sendgridKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgcfK8WzpdcQkfxHO1
DpDfa37dezrNjbHMN8+5rVnLFlGhRANCAARYk9bX3FeaqtYcEAFl3npVU+QsL3Z+
yHDHVlecvzUy+OMU39J1h8YCke6F+AJOtIWJmZZlz23FzG0E7vEzvKgB
-----END PRIVATE KEY-----
`
