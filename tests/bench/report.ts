/** One line of the report: both sides of a comparison, what it should be, and whether it is. */
export type Row = {
  bench: string
  what: string
  ours: string
  against?: string
  /** The figure that is judged: a ratio, or ours again. */
  figure: string
  aim?: string
  /** Absent: nothing was promised. */
  ok?: boolean
  /** Does not depend on the machine: a miss fails the run. */
  exact?: true
}

export type Bench = (settings: Settings) => Promise<Row[]>
export type Settings = { quick: boolean; rounds: number; newFolder: () => string; say: (text: string) => void }

export const perSecond = (count: number, seconds: number) => `${Math.round(count / seconds).toLocaleString("en")}/s`
export const times = (ratio: number) => `${ratio.toFixed(2)}x`
export const inMs = (ms: number) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`

/** The value below which the share `q` of them lies (nearest rank). */
export function quantile(values: readonly number[], q: number) {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN
}

/** How many times a second this machine does one fixed thing, right now. */
export function calibrate() {
  const text = JSON.stringify({
    id: "0f5c8b1e-7a56-4b8f-9d2e-3b7a1c9e4f60",
    type: "track",
    at: "2026-11-20T12:00:00.000Z",
    properties: { price: "12.50", quantity: 2 },
  })
  const rounds: number[] = []
  for (let round = 0; round < 7; round++) {
    const begun = performance.now()
    for (let i = 0; i < 100_000; i++) JSON.parse(text)
    rounds.push(100_000 / (performance.now() - begun))
  }
  return quantile(rounds, 0.5) * 1000
}

const heads = ["", "ours", "against", "figure", "aim", ""]

export function table(rows: readonly Row[]): string {
  const cells = rows.map(({ bench, what, ours, against = "", figure, aim = "", ok }) => [
    `${bench}: ${what}`,
    ours,
    against,
    figure,
    aim,
    ok === undefined ? "" : ok ? "PASS" : "MISS",
  ])
  const widths = heads.map((head, i) => Math.max(head.length, ...cells.map((row) => row[i]!.length)))
  return [heads, ...cells]
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n")
}
