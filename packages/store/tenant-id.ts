import "#core/words.ts"
import * as z from "zod/mini"
import { TENANT_ID } from "./keys.ts"

/** Apart from the keys: a door knows a tenant's id without zod. */
export const TenantId = z
  .string()
  .check(z.regex(TENANT_ID, "must be 1 to 40 characters of a-z, 0-9 and inner hyphens"))
  .brand<"TenantId">()
export type TenantId = z.infer<typeof TenantId>
