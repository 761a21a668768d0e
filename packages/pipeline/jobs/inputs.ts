import "#core/words.ts"
import * as z from "zod/mini"
import { isZone } from "#core/zone.ts"

/** What views are built anew with. */
export const Settings = z.strictObject({
  timeZone: z.optional(
    z.string().check(z.refine(isZone, { error: "must be a zone of the IANA database such as Europe/Athens" })),
  ),
  currency: z.optional(z.string().check(z.regex(/^[A-Z]{3}$/, "must be an ISO 4217 code such as EUR"))),
})

/** Of what is asked for as it is. */
export const Nothing = z.strictObject({})
