import fc from "fast-check"
import { expect, test } from "vitest"
import { BUCKETS, belongs, keys, padded, seenKey, timelineKey } from "./keys.ts"
import { TenantId } from "./tenant-id.ts"

const tenants = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/).map((text) => TenantId.parse(text))
const anything = fc.string({ unit: "binary" })

test.each(["a", "0", "acme", "a-b", "a--b", "x".repeat(40)])("%s can be a tenant's id", (id) => {
  expect(TenantId.safeParse(id).success).toBe(true)
})

test.each(["", "-a", "a-", "A", "a_b", "a#b", "a b", "á", "x".repeat(41), "a\n", 7, null])(
  "%j cannot be a tenant's id",
  (id) => {
    expect(TenantId.safeParse(id).success).toBe(false)
  },
)

test("whatever is asked for, every key of a tenant begins with that tenant and no other", () => {
  fc.assert(
    fc.property(tenants, tenants, anything, fc.nat(), (tenant, other, text, number) => {
      const partitions = [
        keys.settings(tenant).pk,
        keys.apiKeys(tenant),
        keys.apiKey(tenant, text).pk,
        keys.claim(tenant, text).pk,
        keys.journal(tenant),
        keys.entry(tenant, number).pk,
        keys.sequencer(tenant).pk,
        keys.views(tenant),
        keys.currentViews(tenant).pk,
        keys.viewHead(tenant, number).pk,
        keys.redo(tenant, number),
        keys.block(tenant, number, text),
        keys.customerPage(tenant, number, number % 17, text).pk,
        keys.timeline(tenant, number),
        keys.seen(tenant, number),
        keys.copies(tenant, number),
        keys.copied(tenant, number, number).pk,
        keys.quarantine(tenant, number),
        keys.job(tenant, text).pk,
        keys.jobList(tenant),
        keys.jobListed(tenant, number, text).pk,
        keys.jobPlaces(tenant),
        keys.jobPlace(tenant, number).pk,
        keys.webhookPlace(tenant, number).pk,
        keys.jobResult(tenant, text, text, number).pk,
      ]
      const begins = (pk: string, id: string) => pk === `T#${id}` || pk.startsWith(`T#${id}#`)
      expect(partitions.filter((pk) => !begins(pk, tenant))).toEqual([])
      if (other !== tenant) expect(partitions.filter((pk) => begins(pk, other))).toEqual([])
    }),
  )
})

test("positions as text sort as numbers do", () => {
  fc.assert(
    fc.property(fc.nat(999_999_999_999), fc.nat(999_999_999_999), (a, b) => {
      expect(padded(a) < padded(b)).toBe(a < b)
    }),
  )
})

test("the end of a range of positions comes after nine hundred thousand million of them", () => {
  expect(seenKey("2026-01-31", 900_000_000_000) < seenKey("2026-01-31", Number.MAX_SAFE_INTEGER)).toBe(true)
  expect(timelineKey("u", 900_000_000_000) < timelineKey("u", Number.MAX_SAFE_INTEGER)).toBe(true)
})

test("customers are spread over all buckets, each customer always in the same", () => {
  const tenant = TenantId.parse("acme")
  const places = Array.from({ length: 500 }, (_, i) => keys.customerPage(tenant, 1, 9, `user-${i}`).pk)
  expect(new Set(places)).toEqual(
    new Set(Array.from({ length: BUCKETS }, (_, bucket) => keys.customers(tenant, 1, bucket))),
  )
  expect(keys.customerPage(tenant, 1, 9, "user-7")).toEqual(keys.customerPage(tenant, 1, 9, "user-7"))
})

test("a key alone says whose its item is and of what kind, in the operator's registers too", () => {
  const acme = TenantId.parse("acme")
  expect(belongs(keys.settings(acme))).toEqual({ tenant: "acme", kind: "settings" })
  expect(belongs(keys.entry(acme, 1))).toEqual({ tenant: "acme", kind: "journal" })
  expect(belongs(keys.viewHead(acme, 1))).toEqual({ tenant: "acme", kind: "views" })
  expect(belongs(keys.registered(acme))).toEqual({ tenant: "acme", kind: "tenants" })
  expect(belongs(keys.polled("src_acme_0123456789abcdef"))).toEqual({ tenant: "acme", kind: "polled" })
  expect(belongs({ pk: keys.polled("").pk, sk: "something else" })).toEqual({ tenant: undefined, kind: "polled" })
})
