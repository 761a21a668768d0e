import { HOUR } from "#core/clock.ts"
import { BASELINE_DAYS, hourName, type Look, type Measured, rounded, unknown, wilson } from "./look.ts"

const LEAST = 100
/** Copies are counted once whatever their number, so this only speaks when there are far more than usual. */
const ALWAYS_FINE = 0.05
const TIMES_USUAL = 3

/** Copies of what was counted already, of what was received in the last 24 hours. */
export function uniqueness({ ledger, now }: Look): Measured {
  const query = `/v1/ledger?from=${hourName(now - 24 * HOUR).slice(0, 10)}&to=${hourName(now).slice(0, 10)}`
  const over = (from: number, hours: number) => {
    let [received, duplicate] = [0, 0]
    for (let i = from; i < from + hours; i++) {
      const row = ledger.get(hourName(now - i * HOUR))
      received += row?.received ?? 0
      duplicate += row?.duplicate ?? 0
    }
    return { received, duplicate, share: received === 0 ? 0 : duplicate / received }
  }
  const today = over(0, 24)
  if (today.received < LEAST) return unknown(`fewer than ${LEAST} records in 24 hours`, query)
  const usual = over(24, BASELINE_DAYS * 24).share
  const limit = Math.max(ALWAYS_FINE, TIMES_USUAL * usual)
  const failing = wilson(today.duplicate, today.received).low > limit
  return {
    value: rounded(today.share, 5),
    failing,
    evidence: {
      received: today.received,
      duplicate: today.duplicate,
      usual: rounded(usual, 5),
      limit: rounded(limit, 5),
    },
    query,
    ...(failing ? { cause: "a client sends again what was acknowledged, or two senders share their message ids" } : {}),
  }
}
