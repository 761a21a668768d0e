import "#core/words.ts"
import * as z from "zod/mini"
import type { Random } from "#core/random.ts"
import { GenericConfig, generic } from "./generic.ts"
import { gorgias } from "./gorgias.ts"
import { paypal } from "./paypal.ts"
import { sendgrid } from "./sendgrid.ts"
import { ses } from "./ses.ts"
import { shopify } from "./shopify.ts"
import { slack } from "./slack.ts"
import type { Vendor } from "./source.ts"
import { standardWebhooks } from "./standard-webhooks.ts"
import { stripe } from "./stripe.ts"
import { twilio } from "./twilio.ts"
import { whop } from "./whop.ts"
import { zendesk } from "./zendesk.ts"

/** Every vendor is here, and nowhere else: another one is one file and its entry. */
const vendors = {
  gorgias,
  paypal,
  sendgrid,
  ses,
  shopify,
  slack,
  "standard-webhooks": {
    ...standardWebhooks,
    // Whoever sends takes the receiver's secret too, in the standard's own form.
    secretFrom: "us",
    makeSecret: (random: Random) => `whsec_${Buffer.from(random(32)).toString("base64")}`,
  },
  stripe,
  twilio,
  whop,
  zendesk,
} as const satisfies Record<string, Vendor>

/** Those of which each source has its own, made from the source's config; with a config that shows how. */
const described = {
  generic: {
    make: generic,
    example: { signature: { kind: "bearer" }, event: "/type", messageId: "/id", userId: "/user_id" },
    /** How a sender is read of which nothing was said. */
    usual: {
      name: "Any sender",
      signature: { kind: "hmac", header: "X-Signature", algorithm: "sha256", encoding: "hex", orBearer: true },
      event: ["/event", "/type"],
      messageId: "/id",
      messageIdHeader: "Webhook-Id",
      userId: ["/userId", "/user_id"],
      anonymousId: ["/anonymousId", "/anonymous_id"],
      timestamp: "/timestamp",
      properties: ["/properties", "/data"],
    },
  },
} as const satisfies Record<string, { make: typeof generic; example: VendorConfig; usual: VendorConfig }>

export const VendorId = z.enum([...keysOf(vendors), ...keysOf(described)])
export type VendorId = z.output<typeof VendorId>

const aliases = new Map<string, VendorId>([
  ...(["standard", "standardwebhooks", "standard_webhooks", "svix"] as const).map(
    (alias) => [alias, "standard-webhooks"] as const,
  ),
  ...(["hmac", "bearer", "custom", "webhook"] as const).map((alias) => [alias, "generic"] as const),
  ["sns", "ses"],
])
/** A vendor as people write it: in any case, and by its other names. */
export const canonicalVendor = (name: string): string => aliases.get(name.toLowerCase()) ?? name.toLowerCase()
export const VendorName = z.pipe(z.pipe(z.string(), z.transform(canonicalVendor)), VendorId)
/** What a source says of a vendor that has to be described. */
export const VendorConfig = GenericConfig
export type VendorConfig = z.input<typeof VendorConfig>

export const isDescribed = (id: VendorId): id is keyof typeof described => Object.hasOwn(described, id)

export const usualConfig = (id: keyof typeof described): VendorConfig => structuredClone(described[id].usual)

/** The vendor of a source. A described one throws for want of a config. */
export const vendorOf = (id: VendorId, config?: VendorConfig): Vendor =>
  isDescribed(id) ? described[id].make(config as VendorConfig) : vendors[id]

/** All, for whoever chooses one. */
export const listVendors = () =>
  VendorId.options.map((id) => {
    const example = isDescribed(id) ? described[id].example : undefined
    const { name, docs, facts, secretFrom, poll, api } = vendorOf(id, example as VendorConfig | undefined)
    return {
      id,
      name,
      docs,
      facts,
      secretFrom,
      polls: poll !== undefined,
      ...(api?.url === undefined ? {} : { baseUrl: api.url }),
      ...(example ? { config: example } : {}),
    }
  })

function keysOf<K extends string>(record: Record<K, unknown>): [K, ...K[]] {
  return Object.keys(record) as [K, ...K[]]
}
