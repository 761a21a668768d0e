import { fakeClock, SECOND } from "#core/clock.ts"
import { seededNumbers } from "#core/random.ts"
import type { Message } from "#events/message.ts"
import { checkEnd, checkMoment } from "./check.ts"
import { calm, rough } from "./proxy.ts"
import { Crash, type Ground, type Interference, settlement, someMessages } from "./world.ts"

const START = "2026-03-27T20:00:00.000Z"
/** Items of views, not the commit before them. */
const SETTLING = /#views#\d+#(?!redo)/

/**
 * One life under faults: clients that retry and re-chunk, a queue that repeats and reorders, workers and folds that die
 * or dawdle at any await, questions in between. What it found wrong, or nothing.
 */
export async function liveThrough(ground: Ground, seed: number, run: string): Promise<string[]> {
  const next = seededNumbers(seed)
  const pick = (most: number) => Math.floor(next() * most)
  const clock = fakeClock("2026-04-02T00:00:00.000Z")
  ground.proxy.state.random = seededNumbers(seed + 7)
  let rowdy = true
  let step = 0
  const stragglers: (() => void)[] = []
  const held: { go: () => void; due: number }[] = []

  /**
   * Dies at one await in forty; at one in thirty it is held up while others go on, sometimes longer than anyone's patience.
   * In every third life a fold that puts its items in their places does not die: it is held up until others have
   * finished its commit and gone on.
   */
  const interfere: Interference = async (moment, call, pk) => {
    if (!rowdy) return
    const draw = next()
    if (seed % 3 === 0 && call === "put" && SETTLING.test(pk)) {
      if (moment === "before" && draw < 0.1) await new Promise<void>((go) => stragglers.push(go))
      return
    }
    if (draw < 0.025) throw new Crash("died here")
    // A writer between its position and its entry is the one that others may overtake.
    const overtaken = moment === "before" && call === "put" && pk.includes("#journal#")
    if (draw < (overtaken ? 0.35 : 0.06)) {
      await new Promise<void>((go) => held.push({ go, due: step + pick(10) }))
    }
  }
  const place = await settlement(ground, `${run}-${seed}`, seed, clock, interfere)
  const letGo = (all = false) => {
    const [free, still] = [held.filter(({ due }) => all || due <= step), held.filter(({ due }) => !all && due > step)]
    held.splice(0, held.length, ...still)
    for (const { go } of free) go()
  }
  const wrong: string[] = []
  const accepted: Message[] = []
  const busy = new Set<Promise<unknown>>()
  const begin = (work: Promise<unknown>) => {
    const one = work.catch((error: unknown) => {
      if (!(error instanceof Crash) && !/injected|socket|hang up|cut off|ECONN|too fast/.test(String(error)))
        wrong.push(`${String(error)} ${(error as Error).stack}`)
    })
    busy.add(one)
    void one.finally(() => busy.delete(one))
  }

  ground.proxy.state.faults = rough
  const messages = someMessages(next, 60 + pick(140), START, `m${seed}`)
  for (let from = 0; from < messages.length; ) {
    const size = 1 + pick(15)
    const batch = messages.slice(from, from + size)
    from += size
    await place.submit(batch)
    accepted.push(...batch)
    if (next() < 0.15) await place.submit(batch)
    // A client that lost our answer sends the same messages again in other batches.
    if (next() < 0.15) await place.submit(messages.slice(Math.max(0, from - pick(25)), from))
    step++
    clock.advance(pick(4) * SECOND)
    if (next() < 0.7) begin(place.appendSome())
    if (next() < 0.25) begin(place.foldSome())
    if (next() < 0.1)
      begin(
        checkMoment({ table: place.needs.table, clock }, ground.straight, place.tenant).then(
          (found) => void wrong.push(...found),
        ),
      )
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
    letGo()
  }
  rowdy = false
  ground.proxy.state.faults = calm
  if (stragglers.length > 0) {
    letGo(true)
    while (place.queue.length > 0) await place.appendSome()
    clock.advance(60 * SECOND)
    await place.foldSome()
    for (const go of stragglers) go()
  }
  while (busy.size > 0) {
    letGo(true)
    await Promise.race([Promise.all(busy), new Promise((resolve) => setImmediate(resolve))])
  }
  while (place.queue.length > 0) await place.appendSome()
  clock.advance(60 * SECOND)
  await place.foldSome()
  wrong.push(...(await checkEnd(ground.straight, clock, place.tenant, accepted)))
  return wrong
}
