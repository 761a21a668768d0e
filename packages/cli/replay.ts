import type { Command } from "commander"
import * as z from "zod/mini"
import { Tenant } from "#access/tenant.ts"
import { SECOND } from "#core/clock.ts"
import { replay } from "#pipeline/replay.ts"
import { journalHead } from "#store/journal.ts"
import { type Common, checked, onStorage } from "./options.ts"
import { show } from "./print.ts"
import { openTenant } from "./storage.ts"
import type { Terminal } from "./terminal.ts"

const { timeZone, currency } = Tenant.shape
const Settings = z.object({
  timeZone: z.optional(timeZone.def.innerType),
  currency: z.optional(currency.def.innerType),
})

export function addReplay(program: Command, terminal: Terminal) {
  onStorage(program.command("replay"))
    .description("build the views anew from the journal, beside those that are read, and switch to them")
    .option("--time-zone <zone>", "see all history by the days of this zone")
    .option("--currency <code>", "add up amounts in this currency, and those that name none")
    .action(async (options: Common & { timeZone?: string; currency?: string }) => {
      const settings = checked(Settings, options)
      const { runtime, tenant } = await openTenant(options, terminal)
      const started = terminal.clock()
      const bar = terminal.bar("replaying", (await journalHead(runtime, tenant)).position)
      const wish = {
        ...(settings.timeZone ? { zone: settings.timeZone } : {}),
        ...(settings.currency ? { currency: settings.currency } : {}),
      }
      const built = await replay(runtime, tenant, { ...wish, onProgress: bar.to }).finally(bar.end)
      const seconds = (terminal.clock() - started) / SECOND
      show(terminal, options.json, { tenant, ...built, seconds }, () => {
        return `the views of ${tenant} are built anew (generation ${built.generation}), up to position ${built.position}, in ${seconds.toFixed(1)} s\n`
      })
    })
}
