/** The present instant, in milliseconds since 1970 (UTC). Time is an argument everywhere else. */
export type Clock = () => number

export const systemClock: Clock = () => Date.now()

/** A clock that stands still until it is told to move. */
export function fakeClock(start: string) {
  let now = Date.parse(start)
  const clock: Clock & { advance(ms: number): void; set(instant: string): void } = Object.assign(() => now, {
    advance: (ms: number) => {
      now += ms
    },
    set: (instant: string) => {
      now = Date.parse(instant)
    },
  })
  return clock
}

/** ISO 8601 in UTC with milliseconds, the one form in which instants rest. */
export const instant = (ms: number) => new Date(ms).toISOString()

export const SECOND = 1000
/** By then a function has given its first answer: what it can do without until then is loaded afterwards. */
export const MOMENT = SECOND / 5
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR
