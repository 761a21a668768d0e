import type { Command } from "commander"
import { listTenants } from "#access/tenants.ts"
import { type AuditRow, type Verified, verifyAudit } from "#store/audit.ts"
import { OPERATOR, type TenantId } from "#store/keys.ts"
import { ask, type Target, targetOf } from "./api.ts"
import { Usage } from "./failure.ts"
import { type Common, onApi, onStorage, type Remote, whole } from "./options.ts"
import { countOf, show, table } from "./print.ts"
import { openStorage, openTenant } from "./storage.ts"
import type { Terminal } from "./terminal.ts"

type Page = { rows: AuditRow[]; next?: number }
type Which = { action?: string; actor?: string; from?: string; to?: string; limit: number }

const PAGE = 1000

export function addAudit(program: Command, terminal: Terminal) {
  const group = program.command("audit").description("who did what, and who looked at what")
  onApi(group.command("list"))
    .description("rows of the audit log, the newest first")
    .option("--action <name>", "only this, such as key.revoke")
    .option("--actor <actor>", "only by this one: key:<id>, operator or schedule")
    .option("--from <instant>", "an instant or a day")
    .option("--to <instant>", "an instant or a day")
    .option("--limit <count>", "how many", whole(1, 1_000_000), 100)
    .action(async (options: Remote & Which) => {
      const found = await rowsOf(targetOf(options, terminal, "admin"), options)
      const rows = found.rows.map(({ seq, at, actor, action, subject, details }) => [
        String(seq),
        at,
        actor,
        action,
        subject,
        JSON.stringify(details),
      ])
      show(terminal, options.json, found, () => {
        const more = found.next === undefined ? "" : "… there is more: --limit\n"
        return rows.length === 0
          ? "there is no such row\n"
          : table([">seq", "at", "actor", "action", "subject", "details"], rows) + more
      })
    })
  onStorage(group.command("verify"))
    .description("recompute the chain of hashes: whether a row was altered, removed, inserted, or the end cut off")
    .option("--all", "the logs of all tenants, and the operator's own")
    .option("--anchor <seq:hash>", "a row as it was noted elsewhere before, such as the last one of an earlier verify")
    .action(async (options: Common & { all?: true; anchor?: string }) => {
      const { runtime, tenants } = await logsOf(options, terminal)
      const anchor = anchorOf(options)
      const logs: Verified[] = []
      for (const tenant of tenants) logs.push(await verifyAudit(runtime, tenant, anchor))
      show(terminal, options.json, { logs }, () => logs.map(textOf).join(""))
      const bad = logs.filter(({ flaws }) => flaws.length > 0)
      if (bad.length > 0) {
        const places = bad.map(({ tenant, flaws }) => `${tenant} at row ${flaws[0]!.seq} (${flaws[0]!.what})`)
        throw new Error(`the audit log is not whole: ${places.join(", ")}`)
      }
    })
}

async function rowsOf(target: Target, { limit: most, action, actor, from, to }: Which): Promise<Page> {
  const rows: AuditRow[] = []
  for (let after: number | undefined; ; ) {
    const limit = Math.min(PAGE, most - rows.length)
    const parameters = { action, actor, from, to, limit, after }
    const page = await ask<Page>(target, "/v1/audit", { parameters })
    rows.push(...page.rows)
    if (page.next === undefined || rows.length >= most) return { ...page, rows }
    after = page.next
  }
}

async function logsOf(options: Common & { all?: true; anchor?: string }, terminal: Terminal) {
  if (!options.all) {
    const { runtime, tenant } = await openTenant(options, terminal)
    return { runtime, tenants: [tenant] }
  }
  if (options.tenant !== undefined || options.anchor !== undefined)
    throw new Usage("--all is about all tenants: leave --tenant and --anchor out")
  const runtime = await openStorage(options, terminal)
  return { runtime, tenants: [...(await listTenants(runtime)), OPERATOR] as TenantId[] }
}

function anchorOf({ anchor }: { anchor?: string }) {
  if (anchor === undefined) return undefined
  const [, seq, hash] = /^(\d{1,12}):([0-9a-f]{64})$/.exec(anchor) ?? []
  if (seq === undefined || hash === undefined) throw new Usage("--anchor must be <seq>:<hash>, as verify prints it")
  return { seq: Number(seq), hash }
}

const textOf = ({ tenant, rows, hash, flaws }: Verified) =>
  flaws.length === 0
    ? `${tenant}: ${countOf(rows, "row")}, whole${rows === 0 ? "" : `; the last is ${rows}:${hash}`}\n`
    : flaws.map(({ seq, what }) => `${tenant}: row ${seq} ${said[what]}\n`).join("")

const said = {
  altered: "was altered",
  removed: "was removed",
  inserted: "was inserted",
  unlinked: "does not follow from the one before it",
  "cut off": "was cut off from the end",
} as const
