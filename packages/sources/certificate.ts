import { type KeyObject, X509Certificate } from "node:crypto"
import { Fault } from "#core/fault.ts"
import type { FetchText, Verdict } from "./source.ts"

/** Where a vendor's signing certificates are, and the host names that they are issued to. */
export type Issue = {
  /** Asked only of https URLs without a port or a user. */
  allows(url: URL): boolean
  names(url: URL): readonly string[]
}

type Refusal = Exclude<Verdict, "genuine">
const MAX_LENGTH = 65_536

/** The URL, if the vendor's certificates can be there. Nothing else may be fetched: the URL is the sender's to choose. */
export function vendorUrl(text: string, allows: (url: URL) => boolean): URL | undefined {
  const url = URL.parse(text)
  if (url?.protocol !== "https:" || url.port !== "" || url.username !== "" || url.password !== "") return undefined
  return allows(url) ? url : undefined
}

/**
 * The public key of the certificate at `location`, if that is the vendor's and current at `at` (milliseconds).
 * The certificates are trusted for being served by the vendor over TLS. Beyond that we check what node:crypto can:
 * the leaf's name and kind, every date, and that each certificate served has issued the one before it. Neither PayPal
 * nor SNS serves its issuer's certificate, so a chain up to a known root cannot be built from what is there.
 */
export async function keyAt(
  location: string,
  issue: Issue,
  fetchText: FetchText,
  at: number,
): Promise<KeyObject | Refusal> {
  const url = vendorUrl(location, issue.allows)
  if (!url) return refused("the certificate's URL is not one of the vendor's")
  const pem = await unlessAbsent(fetchText(url.href))
  if (pem === undefined) return refused("the vendor has no certificate at this URL")
  const chain = certificates(pem)
  const leaf = chain?.[0]
  if (!chain || !leaf) return refused("what is at the certificate's URL is no certificate")
  if (leaf.ca || leaf.checkIssued(leaf)) return refused("the certificate is an authority's or signed by itself")
  if (!issue.names(url).some((name) => leaf.checkHost(name, { wildcards: false }))) {
    return refused("the certificate is issued to somebody else")
  }
  if (!chain.every((one) => one.validFromDate.getTime() <= at && at <= one.validToDate.getTime())) {
    return refused("the certificate has expired or is not valid yet")
  }
  if (!chain.every((one, i) => !chain[i + 1] || issuedBy(one, chain[i + 1]!))) {
    return refused("the certificates served do not form a chain")
  }
  return leaf.publicKey
}

/** `undefined` for what the vendor says is not there; any other fault is thrown on. */
export const unlessAbsent = (text: Promise<string>): Promise<string | undefined> =>
  text.catch((fault: unknown) => {
    if (fault instanceof Fault && fault.code === "not_found") return undefined
    throw fault
  })

const refused = (message: string): Refusal => ({ code: "bad_certificate", message })
const issuedBy = (one: X509Certificate, next: X509Certificate) =>
  next.ca && one.checkIssued(next) && one.verify(next.publicKey)

function certificates(pem: string): X509Certificate[] | undefined {
  if (pem.length > MAX_LENGTH) return undefined
  try {
    return pem
      .match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)
      ?.map((one) => new X509Certificate(one))
  } catch {
    return undefined
  }
}
