import type { Random } from "#core/random.ts"
import type { Message } from "#events/message.ts"

/** A webhook as it came in: the bytes as they were sent, since signatures are over those. */
export type Delivery = {
  method: string
  /** The whole public URL, with its query. */
  url: string
  /** Names in lower case. */
  headers: Record<string, string>
  body: Uint8Array
  /** Milliseconds since 1970. */
  receivedAt: number
}

/** Current secret first; the one before it is kept during a rotation. */
export type Secrets = readonly string[]

/** Whether a delivery is from whom it says. `code` is stable; `message` says what to check. */
export type Verdict =
  | "genuine"
  | { code: "missing_signature" | "bad_signature" | "stale" | "bad_certificate"; message: string }

/** An answer that a vendor expects at once, such as the echo of a challenge. */
export type Answer = { status: number; headers?: Record<string, string>; body: string }

/**
 * What a delivery says: tracking calls for the same door that everything else comes through.
 * `id` is the vendor's id of the delivery; each message carries a `messageId` made from the vendor's ids of the
 * *fact* (such as `stripe:evt_1`), so that a redelivery and a back-poll of the same fact are the same event.
 */
export type Reading = { id: string; messages: Message[] }

/** A page of what a vendor's own API lists. `cursor` is opaque and is handed back; `done` says that it has caught up. */
export type Page = { messages: Message[]; cursor: string; done: boolean }

/** What a vendor itself says there is, in the words of one of our metrics; `of` is what it was asked for. */
export type Counted = { metric: "events" | "orders" | "tickets_opened"; count: number; of: string }

export type PollNeeds = {
  fetch: typeof fetch
  /** The vendor's API credential, and where its API is (a stand-in on loopback in tests). */
  credential: string
  baseUrl: string
  /** Milliseconds since 1970. */
  now: number
}

/** Fetches a signing certificate or key by URL; `Fault("not_found")` if the vendor has none there; the caller caches. Only URLs that the vendor's own file has allowed are asked. */
export type FetchText = (url: string) => Promise<string>

/** One vendor: pure functions over bytes, and the vendor's facts. */
export type Vendor = {
  id: string
  name: string
  /** Where the vendor documents its webhooks. */
  docs: string
  facts: {
    /** What the vendor waits for an answer, in milliseconds. */
    timeoutMs: number
    retries: string
    /** Requests a second that its API allows us, for back-polls. */
    requestsPerSecond?: number
  }
  /** Its ids are its own within one account: two accounts' would be each other's. */
  idsOfAccount?: true
  /** Whether we make the secret (shown once) or the vendor does (pasted by the tenant). */
  secretFrom: "us" | "vendor"
  /** A secret in the form that its senders take; absent, any text is one. */
  makeSecret?(random: Random): string
  /** What to paste, where no secret of ours can stand in for it: what the vendor signs with is the vendor's alone. */
  pasted?: string
  /** Answers a handshake without storing anything; `undefined` for an ordinary delivery. Called only after `verify`, unless `challengeFirst`. */
  challenge?(delivery: Delivery): Answer | undefined
  challengeFirst?: true
  verify(delivery: Delivery, secrets: Secrets, needs: { fetchText: FetchText }): Verdict | Promise<Verdict>
  /**
   * `source`, by its id, is for vendors whose ids are each sender's own.
   * Throws `Fault("invalid_request")` if the body is not what the vendor sends. An unknown type is one `track` message named by the vendor's own type.
   */
  read(delivery: Delivery, source?: string): Reading
  /** Lists what happened since `cursor` (`undefined`: since `since`, milliseconds), oldest first, one page a call. */
  poll?(needs: PollNeeds, cursor: string | undefined, since: number): Promise<Page>
  /**
   * How many of [from, to) (milliseconds) the vendor knows: by its own count where its API has one, else by the length
   * of its list. `undefined` where the list is too long to be read for that.
   */
  count?(needs: PollNeeds, from: number, to: number): Promise<Counted | undefined>
  /** Where its API is: a credential goes to no other host. `url` is the usual place, where every account has the same. */
  api?: { url?: string; hosts: RegExp }
  /** What one object of the vendor's own export says, under the ids of the webhooks that told it. Throws as `read` does. */
  exported?(object: unknown): Message[]
  /**
   * The vendor's own CSV export of the same objects: the column by which lines belong together, the object that they
   * make, and what of them it cannot say.
   */
  table?: {
    groupBy: string
    object(lines: readonly Record<string, string>[]): unknown
    leavesOut(lines: readonly Record<string, string>[]): string | undefined
  }
  /** A signed sample of this vendor, for trying a source out. */
  sample(secret: string, now: number, url: string): Pick<Delivery, "method" | "headers" | "body">
}
