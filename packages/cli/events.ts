import type { Event } from "#events/event.ts"
import { cut, plain } from "./print.ts"

const LINE_WIDTH = 200

/** An event in one line: when, what, who, from where, and what it carried. */
export function lineOfEvent(event: Event & { source: string }): string {
  const { at, type, event: name, userId, anonymousId, source, properties, traits, quarantine } = event
  const what = name === undefined ? type : type === "track" ? name : `${type} ${name}`
  const lies = quarantine ? `[quarantined: ${quarantine.field} ${quarantine.message}] ` : ""
  const carried = JSON.stringify(properties ?? traits ?? {})
  return `${cut(plain(`${at}  ${what}  ${userId ?? anonymousId ?? ""}  (${source})  ${lies}${carried}`), LINE_WIDTH)}\n`
}
