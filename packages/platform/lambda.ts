import { SECOND } from "#core/clock.ts"
import type { Base } from "./base.ts"

type Handler<A extends unknown[], R> = (...args: A) => Promise<R>

/** A function that somebody waits for: its figures are written before it is frozen, its spans when there is time. */
export const awaited =
  <A extends unknown[], R>({ told }: Pick<Base, "told">, handler: Handler<A, R>): Handler<A, R> =>
  async (...args) => {
    try {
      return await begun(told, handler(...args))
    } finally {
      await told.figures()
      setImmediate(() => void told.spans(SECOND))
    }
  }

/** A function that nobody waits for: it is frozen only when its spans are out, or a second later. */
export const worker =
  <A extends unknown[], R>({ told }: Pick<Base, "told">, handler: Handler<A, R>): Handler<A, R> =>
  async (...args) => {
    try {
      return await begun(told, handler(...args))
    } finally {
      await told.figures()
      await told.spans(SECOND)
    }
  }

/** What tells of a call is made ready while the call waits for its first answer: when its question is on its way. */
function begun<R>({ ready }: Base["told"], call: Promise<R>): Promise<R> {
  setImmediate(ready)
  return call
}
