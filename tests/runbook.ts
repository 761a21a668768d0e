import { readFileSync } from "node:fs"

export const runbook = readFileSync("docs/runbook.md", "utf8")

/** A section by its heading, up to the next of its rank or above. */
export function section(heading: string): string {
  const rank = heading.indexOf(" ")
  const from = runbook.indexOf(`\n${heading}\n`)
  if (from < 0) throw new Error(`the runbook has no section ${heading}`)
  const rest = runbook.slice(from + heading.length + 2)
  const end = rest.search(new RegExp(`\n#{1,${rank}} `))
  return end < 0 ? rest : rest.slice(0, end)
}

export type Kind = { heading: string; text: string; alarms: string[] }

/** The kinds of alarms, and the alarms of which each section says how bad they are. */
export const alarmKinds = (): Kind[] =>
  [...section("## Alarms").matchAll(/^### (.+)$/gm)].map(([, heading = ""]) => {
    const text = section(`### ${heading}`)
    const rows = [...text.matchAll(/^\| (`.+`) \| P[012] \|$/gm)]
    const alarms = rows.flatMap(([, names = ""]) => [...names.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name))
    return { heading, text, alarms }
  })
