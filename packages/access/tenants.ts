import { keys, OPERATOR, type TenantId } from "#store/keys.ts"
import type { Table } from "#store/table.ts"

/** The ids of all tenants, in order. */
export const listTenants = async ({ table }: { table: Pick<Table, "query"> }) =>
  (await table.query(keys.registered(OPERATOR).pk)).map(({ sk }) => sk as TenantId)
