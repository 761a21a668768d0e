import { type Command, Option } from "commander"
import { listTenants } from "#access/tenants.ts"
import { instant, SECOND } from "#core/clock.ts"
import { rawTable } from "#platform/raw.ts"
import { noted } from "#store/audit.ts"
import { Usage } from "../failure.ts"
import { type Common, onData } from "../options.ts"
import { countOf, show } from "../print.ts"
import { openTable, openTenant } from "../storage.ts"
import type { Terminal } from "../terminal.ts"
import { copy } from "./copy.ts"
import { type Copied, newBackup, openBackup } from "./files.ts"
import { putBack } from "./putback.ts"

type BackupOptions = Common & { all?: true }
type RestoreOptions = Common & { force?: true; check?: true }

export function addBackup(program: Command, terminal: Terminal) {
  onData(program.command("backup"))
    .argument("<folder>", "a folder that is not there yet")
    .description("copy a tenant, or all, into a folder: journal, settings, keys, sources; the views follow from them")
    .option("--tenant <id>", "the tenant (default: the only one of the local stack, or acme)")
    .addOption(new Option("--all", "every tenant, and the operator's registers").conflicts("tenant"))
    .action((folder: string, options: BackupOptions) => backup(folder, options, terminal))
  onData(program.command("restore"))
    .argument("<folder>", "what octant backup has written")
    .description("put a backup into a table where its tenants are not, and build their views from their journals")
    .option("--tenant <id>", "this one alone (default: all that are in the backup)")
    .option("--force", "delete first what the table has of these tenants")
    .option("--check", "only look whether the backup is whole")
    .action((folder: string, options: RestoreOptions) => restore(folder, options, terminal))
}

async function backup(folder: string, options: BackupOptions, terminal: Terminal) {
  const only = options.all ? undefined : (await openTenant(options, terminal)).tenant
  const { runtime, table } = await openTable(options, terminal)
  const raw = rawTable(runtime.call, table)
  const started = terminal.clock()
  const target = newBackup(folder)
  const bar = terminal.bar("copying", await raw.size())
  let read = 0
  const onItems = (count: number) => {
    read += count
    bar.to(read)
  }
  try {
    // Before it is read: so the copy tells of itself.
    for (const id of only === undefined ? await listTenants(runtime) : [only])
      await noted(runtime, id, { action: "tenant.backup", subject: id })
    const tenants = await copy({ ...runtime, raw }, only, {
      add: target.add,
      onItems,
      note: (text) => terminal.err(`${text}\n`),
    })
    const manifest = target.finish({ takenAt: instant(terminal.clock()), table, tenants })
    const seconds = (terminal.clock() - started) / SECOND
    const items = itemsIn(manifest.parts)
    show(terminal, options.json, { folder, tenants, items, sha256: manifest.sha256, seconds }, () => {
      return `copied ${countOf(items, "item")} to ${folder} in ${seconds.toFixed(1)} s\n${tenants.map(lineOf).join("")}`
    })
  } catch (error) {
    target.abandon()
    throw error
  } finally {
    bar.end()
  }
}

async function restore(folder: string, options: RestoreOptions, terminal: Terminal) {
  const source = openBackup(folder)
  const { manifest } = source
  const tenants = manifest.tenants.filter(({ id }) => options.tenant === undefined || id === options.tenant)
  if (options.tenant !== undefined && tenants.length === 0)
    throw new Usage(`the backup has no tenant ${options.tenant}`)
  const items = itemsIn(manifest.parts)
  if (options.check) {
    show(terminal, options.json, manifest, () => {
      return `whole: ${countOf(items, "item")} of ${manifest.takenAt}\n${tenants.map(lineOf).join("")}`
    })
    return
  }
  const { runtime, table } = await openTable(options, terminal)
  const started = terminal.clock()
  const bar = terminal.bar("restoring", items)
  let done = 0
  const onItems = (count: number) => {
    done += count
    bar.to(done)
  }
  const raw = rawTable(runtime.call, table)
  await putBack({ ...runtime, raw }, source, tenants, { force: options.force === true, onItems }).finally(bar.end)
  const seconds = (terminal.clock() - started) / SECOND
  show(terminal, options.json, { table, tenants, seconds }, () => {
    return `restored to ${table} in ${seconds.toFixed(1)} s; octant reconcile proves it\n${tenants.map(lineOf).join("")}`
  })
}

const itemsIn = (parts: readonly { items: number }[]) => parts.reduce((sum, part) => sum + part.items, 0)
const lineOf = ({ id, position, events }: Copied) => `  ${id}: ${countOf(events, "event")} up to position ${position}\n`
