import { type Clock, SECOND } from "./clock.ts"

type Needs = { clock: Clock; sleep: (ms: number) => Promise<unknown> }

/** A bucket that `perSecond` tokens drip into, one at most: whoever takes one waits until it is there, in turn. */
export function bucket({ clock, sleep }: Needs, perSecond: number) {
  const apart = SECOND / perSecond
  let next = Number.NEGATIVE_INFINITY
  return async () => {
    const at = Math.max(clock(), next)
    next = at + apart
    if (at > clock()) await sleep(Math.ceil(at - clock()))
  }
}
