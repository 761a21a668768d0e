import { Argument, type Command } from "commander"
import { type PlanName, planNames } from "#access/plans.ts"
import { changePlan, createTenant, getTenant, Tenant } from "#access/tenant.ts"
import { listTenants } from "#access/tenants.ts"
import { inFlight } from "#core/parallel.ts"
import { type Common, checked, onData, onStorage } from "./options.ts"
import { show, table } from "./print.ts"
import { openStorage, openTenant } from "./storage.ts"
import type { Terminal } from "./terminal.ts"

const READS_IN_FLIGHT = 8

export function addTenants(program: Command, terminal: Terminal) {
  const group = program.command("tenants").description("whose data there is")
  onData(group.command("create"))
    .description("make a tenant with empty views")
    .requiredOption("--id <id>", "1 to 40 characters of a-z, 0-9 and inner hyphens")
    .requiredOption("--name <name>", "as people call it")
    .option("--time-zone <zone>", "whose days are meant, such as Europe/Athens", "UTC")
    .option("--currency <code>", "ISO 4217", "USD")
    .action(async ({ data, json, ...wish }: Common) => {
      const tenant = checked(Tenant, wish)
      await createTenant(await openStorage({ data }, terminal), tenant)
      const next = `octant keys create --tenant ${tenant.id} --scope write --name <name>`
      show(
        terminal,
        json,
        tenant,
        () => `made the tenant ${tenant.id} (${tenant.timeZone}, ${tenant.currency}); keys for it: ${next}\n`,
      )
    })
  onStorage(group.command("plan").addArgument(new Argument("<plan>", "what it may use").choices(planNames)))
    .description("put a tenant on another plan, within a minute")
    .action(async (plan: PlanName, options: Common) => {
      const { runtime, tenant } = await openTenant(options, terminal)
      const changed = await changePlan(runtime, tenant, plan)
      show(terminal, options.json, changed, () => `${tenant} is on the plan ${plan}\n`)
    })
  onData(group.command("list"))
    .description("all tenants")
    .action(async (options: Common) => {
      const runtime = await openStorage(options, terminal)
      const tenants = await inFlight(await listTenants(runtime), READS_IN_FLIGHT, (id) => getTenant(runtime, id))
      const rows = tenants.map(({ id, name, timeZone, currency, createdAt }) => [
        id,
        name,
        timeZone,
        currency,
        createdAt,
      ])
      show(terminal, options.json, { tenants }, () => table(["id", "name", "time zone", "currency", "created"], rows))
    })
}
