import { DAY, HOUR, MINUTE } from "#core/clock.ts"
import { quantile } from "#science/sketch.ts"
import { hourName, type Look, type Measured, recent, rounded, unknown, wilson } from "./look.ts"
import { AHEAD_MS, together } from "./observe.ts"

const GATE_SECONDS = 300
const AHEAD_GATE = 0.01
const ENOUGH = 50
const LEAST = 20
const EVENTS = "/v1/query?metric=events&grain=hour&by=source"

/** Seconds from when events happened until we heard of them, at the 95th percentile. */
export function lag(look: Look): Measured {
  const window = recent(look, look.hours, ({ events }) => events, ENOUGH)
  const hour = together(window.hours)
  const [p50, p95] = [quantile(hour.lag, 0.5), quantile(hour.lag, 0.95)]
  if (hour.events - hour.old < LEAST || p50 === undefined || p95 === undefined)
    return unknown(`fewer than ${LEAST} dated events in 24 hours`, EVENTS)
  const failing = p95 > GATE_SECONDS
  const shifted = p50 > GATE_SECONDS
  return {
    value: rounded(p95, 1),
    failing,
    evidence: {
      from: window.from,
      events: hour.events,
      p50: rounded(p50, 1),
      p95: rounded(p95, 1),
      max: rounded(hour.maxLag, 1),
      olderThanADay: hour.old,
      clocksCorrected: hour.corrected,
    },
    query: EVENTS,
    ...(failing
      ? {
          cause: shifted
            ? `all events are late by about ${spoken(p50)}: a clock or a time zone is wrong, or a queue on the sender's side stands`
            : `some events are late by up to ${spoken(hour.maxLag)}: senders that were offline, or batches that wait long`,
        }
      : {}),
  }
}

const spoken = (seconds: number) =>
  seconds >= 5400 ? `${rounded(seconds / 3600, 1)} hours` : `${Math.round(seconds / 60)} minutes`

/** The share of events that are more than five minutes ahead of our clock. */
export function clock(look: Look): Measured {
  const window = recent(look, look.hours, ({ events }) => events, ENOUGH)
  const { events, ahead } = together(window.hours)
  if (events < LEAST) return unknown(`fewer than ${LEAST} events in 24 hours`, EVENTS)
  const failing = wilson(ahead, events).low > AHEAD_GATE
  return {
    value: rounded(ahead / events),
    failing,
    evidence: { from: window.from, events, ahead, minutes: AHEAD_MS / MINUTE },
    query: EVENTS,
    ...(failing ? { cause: "the sender's clock is ahead, or it sends local times as if they were UTC" } : {}),
  }
}

const COMPARED_DAYS = 14
const LEAST_DAYS = 7
const LEAST_GAP = 5
const LOOKED_BACK = 24 * 60
/** A gap that ended so many minutes ago is still told, so that a short one is not missed between two checks. */
const REMEMBERED = 15
/** How unlikely (−ln) a gap must be. */
const SURE = 25
const BUSIEST = 0.95

/**
 * Minutes without anything against what is usual: each silent minute is as unlikely as the same hour was busy on the
 * fourteen days before (the lower quarter of the days on which anything came).
 */
export function silence(look: Look): Measured {
  const minute = Math.floor(look.now / MINUTE) - 1
  const busy = busyness(look)
  const heard = (at: number) => {
    const hour = look.hours.get(hourName(at * MINUTE))
    return hour !== undefined && hour.minutes[new Date(at * MINUTE).getUTCMinutes()]! > 0
  }
  let longest = { minutes: 0, surprise: 0, endedAgo: 0 }
  let at = minute
  while (at > minute - LOOKED_BACK) {
    const start = at
    let surprise = 0
    for (; at > minute - LOOKED_BACK && !heard(at); at--) {
      const share = busy(at * MINUTE)
      if (share === undefined) return unknown(`${LEAST_DAYS} days of history are needed`, EVENTS)
      surprise -= Math.log(1 - share)
    }
    const gap = { minutes: start - at, surprise, endedAgo: minute - start }
    if (gap.surprise > longest.surprise) longest = gap
    if (minute - at > REMEMBERED) break
    at--
  }
  const failing = longest.surprise > SURE && longest.minutes >= LEAST_GAP
  const share = busy(look.now)
  if (share === undefined) return unknown(`${LEAST_DAYS} days of history are needed`, EVENTS)
  return {
    value: longest.minutes,
    failing,
    evidence: {
      silentMinutes: longest.minutes,
      endedMinutesAgo: longest.endedAgo,
      busyMinutesUsually: rounded(share, 2),
      limitMinutes: share === 0 ? null : Math.max(LEAST_GAP, Math.ceil(SURE / -Math.log(1 - share))),
      surprise: rounded(longest.surprise, 1),
    },
    query: EVENTS,
    ...(failing
      ? {
          cause: `nothing came for ${longest.minutes} minutes, where ${Math.round(share * 60)} of 60 minutes are usually busy: the sender is down, its key was revoked, or its release lost the tracking`,
        }
      : {}),
  }
}

/** The share of minutes in which something comes, at that hour of the day. */
function busyness({ hours }: Look) {
  const known = new Map<number, number | undefined>()
  const living = new Map<number, boolean>()
  /** Days on which a source was dead teach nothing about what is usual. */
  const alive = (ms: number) => {
    const day = Math.floor(ms / DAY)
    const there =
      living.get(day) ??
      Array.from({ length: 24 }, (_, i) => hourName(day * DAY + i * HOUR)).some((name) => hours.has(name))
    living.set(day, there)
    return there
  }
  return (ms: number) => {
    const hour = Math.floor(ms / HOUR)
    if (known.has(hour)) return known.get(hour)
    const shares: number[] = []
    for (let day = 1; day <= COMPARED_DAYS; day++) {
      const then = hour * HOUR - day * DAY
      if (!alive(then)) continue
      const minutes = hours.get(hourName(then))?.minutes ?? []
      shares.push(minutes.filter((n) => n > 0).length / 60)
    }
    shares.sort((a, b) => a - b)
    const share = shares.length < LEAST_DAYS ? undefined : Math.min(BUSIEST, shares[shares.length >> 2]!)
    known.set(hour, share)
    return share
  }
}
