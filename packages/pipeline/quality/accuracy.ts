import { instant } from "#core/clock.ts"
import { ownerOf } from "#store/keys.ts"
import { type Look, type Measured, recent, rounded, unknown, wilson } from "./look.ts"
import { together } from "./observe.ts"

const GATE = 0.01
const ENOUGH = 200
const LEAST = 20
const SHOWN = 10

/** Records that were refused or quarantined, of those received; by cause. */
export function accuracy(look: Look): Measured {
  const window = recent(look, look.ledger, ({ received }) => received, ENOUGH)
  const received = window.amount
  const [rejected, quarantined] = window.hours.reduce(([a, b], row) => [a + row.rejected, b + row.quarantined], [0, 0])
  const query = quarantined >= rejected ? "/v1/quarantine?limit=100" : whereRejected(look, window.from)
  if (received < LEAST) return unknown(`fewer than ${LEAST} records in 24 hours`, query)
  const broken = rejected + quarantined
  const causes = Object.entries(together(recent(look, look.hours, ({ events }) => events, ENOUGH).hours).reasons)
    .map(([cause, count]) => ({ cause, count }))
    .sort((a, b) => b.count - a.count)
    .slice(0, SHOWN)
  const failing = wilson(broken, received).low > GATE
  return {
    value: rounded(broken / received, 5),
    failing,
    evidence: { from: window.from, received, rejected, quarantined, causes },
    query,
    ...(failing && causes[0] ? { cause: `${causes[0].cause}: ${causes[0].count} records` } : {}),
  }
}

/** What is rejected never comes as far as the quarantine: of a webhook the delivery is kept, of a call only the count. */
const whereRejected = ({ source, now }: Look, from: string) =>
  ownerOf(source) === undefined
    ? `/v1/ledger?from=${from.slice(0, 10)}&to=${instant(now).slice(0, 10)}`
    : `/v1/sources/${source}/deliveries?limit=100`
