export const kinds = ["collect", "query"] as const
export type Kind = (typeof kinds)[number]
/** One request: its status (0 when no answer came), and how long after its time it was answered. */
export type Sample = { kind: Kind; status: number; ms: number }

/** The others' slowest hundredth may take so many times as long. */
const TWICE = 2

/** Processors that other programs may take: with more of them, the others wait for the machine and not for us. */
const QUIET = 0.25
type Disturbed = { others: number }
const quiet = <R extends Disturbed>(rounds: readonly R[]) => rounds.filter(({ others }) => others <= QUIET)

/** Whether too few rounds had the machine for themselves. */
export const isDisturbed = (rounds: readonly Disturbed[], wanted: number) => quiet(rounds).length < wanted

/** The rounds that had the machine for themselves; all of them, if those are too few to judge by. */
export const comparable = <R extends Disturbed>(rounds: readonly R[], wanted: number): readonly R[] =>
  isDisturbed(rounds, wanted) ? rounds : quiet(rounds)

/** The value below which a share of them lies. */
export function quantile(ms: readonly number[], share: number): number | undefined {
  const sorted = [...ms].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]
}

const isFailed = ({ status }: Sample) => status === 0 || status >= 500

const howOf = ({ status }: Sample) => (status === 0 ? "without an answer" : `with ${status}`)

export function summary(samples: readonly Sample[]) {
  return {
    requests: samples.length,
    failed: samples.filter(isFailed).length,
    limited: samples.filter(({ status }) => status === 429).length,
    // Refusals are quick, and would make a flood look harmless.
    ms: samples.filter(({ status }) => status === 200).map(({ ms }) => ms),
  }
}

type Run = { calm: readonly Sample[]; flooded: readonly Sample[]; all: readonly Sample[]; missing: number }

/** What a run has missed, as sentences; nothing if all is well. */
export function verdicts({ calm, flooded, all, missing }: Run): string[] {
  const failed = all.filter(isFailed)
  const refused = all.filter(({ status }) => status >= 400 && status < 500 && status !== 429)
  return [
    ...(failed.length > 0 ? [`${failed.length} requests failed, the first ${howOf(failed[0]!)}`] : []),
    ...(refused.length > 0 ? [`${refused.length} requests were refused, the first with ${refused[0]!.status}`] : []),
    ...(missing === 0 ? [] : [`${missing} accepted events were not counted`]),
    ...kinds.flatMap((kind) => slower(kind, calm, flooded)),
    ...limitedOthers(calm, flooded),
  ]
}

function slower(kind: Kind, calm: readonly Sample[], flooded: readonly Sample[]): string[] {
  const p99 = (samples: readonly Sample[]) => quantile(summary(samples.filter((one) => one.kind === kind)).ms, 0.99)
  const [before, after] = [p99(calm), p99(flooded)]
  if (before === undefined || after === undefined) return [`nothing of the others' ${kind} was answered`]
  if (after <= TWICE * before) return []
  return [
    `the others' ${kind} has a p99 of ${after.toFixed(0)} ms while one floods, and ${before.toFixed(0)} ms before: ${(after / before).toFixed(1)} times`,
  ]
}

/** The flood is one tenant's; its limits are nobody else's. */
function limitedOthers(...phases: (readonly Sample[])[]): string[] {
  const { limited } = summary(phases.flat())
  return limited === 0 ? [] : [`${limited} requests of the others were limited`]
}
