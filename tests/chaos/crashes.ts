import { fakeClock, SECOND } from "#core/clock.ts"
import { seededNumbers } from "#core/random.ts"
import { checkEnd } from "./check.ts"
import { calm } from "./proxy.ts"
import { Crash, type Ground, type Interference, settlement, someMessages } from "./world.ts"

const START = "2026-03-27T20:00:00.000Z"
const MOST_PLACES = 2000

/**
 * Dies once at every await of append and of fold (before it, and after it), one life each, then goes on as the next
 * worker would. Names each place, with what was wrong in the end.
 */
export async function* places(ground: Ground, run: string): AsyncGenerator<[string, string[]]> {
  ground.proxy.state.faults = calm
  for (const stage of ["append", "fold"] as const) {
    for (let at = 1; at <= MOST_PLACES; at++) {
      const clock = fakeClock("2026-04-02T00:00:00.000Z")
      let [armed, calls, died] = [false, 0, ""]
      const interfere: Interference = (moment, call, pk) => {
        if (!armed || ++calls !== at) return
        died = `${moment} ${call} ${pk.split("#").slice(2).join("#")}`
        throw new Crash(died)
      }
      const place = await settlement(ground, `${run}-${stage}-${at}`, 5, clock, interfere)
      const next = seededNumbers(11)
      const messages = someMessages(next, 40, START, "c")
      await place.submit(messages.slice(0, 25))
      while (place.queue.length > 0) await place.appendSome()
      if (stage === "fold") await place.foldSome()
      await place.submit(messages.slice(15))
      if (stage === "fold") while (place.queue.length > 0) await place.appendSome()
      armed = true
      if (stage === "append") await place.appendSome()
      else await place.foldSome()
      armed = false
      while (place.queue.length > 0) await place.appendSome()
      clock.advance(60 * SECOND)
      await place.foldSome()
      yield [`died in ${stage}, ${died || "nowhere"}`, await checkEnd(ground.straight, clock, place.tenant, messages)]
      if (died === "") break
    }
  }
}

export async function crashEverywhere(ground: Ground, run: string) {
  const found: [string, string[]][] = []
  for await (const one of places(ground, run)) found.push(one)
  return found
}
