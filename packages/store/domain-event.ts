import "#core/words.ts"
import * as z from "zod/mini"
import { TenantId } from "./tenant-id.ts"

/** Something that happened to a tenant, as it travels over the bus. The same fact has the same id, however often it is told. */
export const DomainEvent = z.object({
  id: z.string().check(z.regex(/^evt_[\w-]{16}$/)),
  type: z.string().check(z.regex(/^[a-z]+\.[a-z_]+$/)),
  tenant: TenantId,
  at: z.iso.datetime(),
  data: z.record(z.string(), z.unknown()),
})
export type DomainEvent = z.output<typeof DomainEvent>
