import { HOUR, MINUTE, SECOND } from "#core/clock.ts"
import { between, chance, exponential, indexLottery, logNormal, lottery } from "./distributions.ts"
import { idOf, type Person } from "./people.ts"
import { fromServer } from "./visit.ts"
import { moods, remark, type Words } from "./words.ts"
import type { World } from "./world.ts"

const channelOf = lottery({ email: 5, chat: 4, phone: 1 })
const SLOW_HOURS = 24

/** A ticket, nearly always its end, and sometimes a rating: the longer it took, the worse. */
export function openTicket(world: World, person: Person, at: number, words: Words, text?: string) {
  const { next } = world
  const ticket_id = idOf(next, "ticket")
  const first = text ?? remark(next, words, chance(next, 0.6) ? "bad" : "plain")
  fromServer(world, person, at, "Ticket Opened", { ticket_id, channel: channelOf(next), text: first })
  if (chance(next, 0.05)) return
  const took = logNormal(next, 7, 1.1) * HOUR
  const seconds = chance(next, 0.7) ? { resolution_seconds: Math.floor(took / SECOND) } : {}
  const resolved = at + Math.floor(took)
  fromServer(world, person, resolved, "Ticket Resolved", { ticket_id, ...seconds })
  if (chance(next, 0.4)) rate(world, person, resolved, words, took > SLOW_HOURS * HOUR ? [1, 2, 5] : [6, 2, 1])
}

/** A rating some while after `at`; `odds` are those of a good, a plain and a bad mood. */
export function rate(world: World, person: Person, at: number, words: Words, odds = [7, 2, 1]) {
  const { next } = world
  const mood = moods[indexLottery(odds)(next)]!
  const rating = mood === "good" ? between(next, 4, 5) : mood === "plain" ? between(next, 3, 4) : between(next, 1, 2)
  const text = chance(next, 0.7) ? { text: remark(next, words, mood) } : {}
  fromServer(world, person, at + Math.ceil(exponential(next, 30 * MINUTE)), "Satisfaction Rated", { rating, ...text })
}
