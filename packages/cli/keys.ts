import { type Command, Option } from "commander"
import { scopes } from "#access/caller.ts"
import { createKey, listKeys, NewKey, revokeKey } from "#access/key.ts"
import { instant } from "#core/clock.ts"
import { parseInstant } from "#events/message.ts"
import { Usage } from "./failure.ts"
import { type Common, checked, onStorage } from "./options.ts"
import { show, table } from "./print.ts"
import { openTenant } from "./storage.ts"
import type { Terminal } from "./terminal.ts"

export function addKeys(program: Command, terminal: Terminal) {
  const group = program.command("keys").description("API keys of a tenant")
  onStorage(group.command("create"))
    .description("make a key; it is shown this once")
    .requiredOption("--name <name>", "what it is for")
    .addOption(new Option("--scope <scope>", "what it may do").choices(scopes).makeOptionMandatory())
    .option("--source <source>", "the source under which what comes with it is counted")
    .option("--expires-at <instant>", "until when it is good, such as 2027-01-31 or 2027-01-31T12:00:00Z")
    .action(async (options: Common & { expiresAt?: string }) => {
      const { data: _, tenant: __, json, expiresAt, ...wish } = options
      const wanted = checked(NewKey, {
        ...wish,
        ...(expiresAt === undefined ? {} : { expiresAt: future(expiresAt, terminal) }),
      })
      const { runtime, tenant } = await openTenant(options, terminal)
      const made = await createKey(runtime, tenant, wanted)
      show(terminal, json, made, () => `${made.key}\n`)
      terminal.err(`key ${made.id} of ${tenant}, scope ${made.scope}: keep it now, it is not shown again\n`)
    })
  onStorage(group.command("list"))
    .description("all keys of a tenant, never the keys themselves")
    .action(async (options: Common) => {
      const { runtime, tenant } = await openTenant(options, terminal)
      const keys = await listKeys(runtime, tenant)
      const rows = keys.map(({ id, name, scope, source, createdAt, expiresAt = "", revokedAt = "" }) => [
        id,
        name,
        scope,
        source,
        createdAt,
        expiresAt,
        revokedAt,
      ])
      show(terminal, options.json, { keys }, () =>
        table(["id", "name", "scope", "source", "created", "expires", "revoked"], rows),
      )
    })
  onStorage(group.command("revoke <id>"))
    .description("end a key, within seconds")
    .action(async (id: string, options: Common) => {
      const { runtime, tenant } = await openTenant(options, terminal)
      const key = await revokeKey(runtime, tenant, id)
      show(terminal, options.json, key, () => `the key ${id} (${key.name}) was revoked at ${key.revokedAt}\n`)
    })
}

function future(text: string, { clock }: Terminal) {
  const ms = parseInstant(text)
  if (ms === undefined) throw new Usage("--expires-at: must be an instant such as 2027-01-31T12:00:00Z")
  if (ms <= clock()) throw new Usage("--expires-at: must lie in the future")
  return instant(ms)
}
