/** Why a line was refused, by its number in the file. */
export type Reason = { line: number; reason: string }

const REASONS_KEPT = 10

/** What became of the lines of a file before anything was sent. */
export function newTally() {
  const reasons: Reason[] = []
  const notes = new Map<string, number>()
  return {
    lines: 0,
    /** Lines that no rule took. */
    skipped: 0,
    refusedLines: 0,
    reasons,
    /** What was left out on purpose, and how often. */
    notes,
    note(text: string) {
      notes.set(text, (notes.get(text) ?? 0) + 1)
    },
    refuse(line: number, lines: number, reason: string) {
      this.refusedLines += lines
      if (reasons.length < REASONS_KEPT) reasons.push({ line, reason })
    },
  }
}
export type Tally = ReturnType<typeof newTally>

/** What the API said of the events that were sent. */
export type Outcome = { accepted: number; quarantined: number; refusedEvents: number; reasons: Reason[] }

export const noOutcome: Outcome = { accepted: 0, quarantined: 0, refusedEvents: 0, reasons: [] }

export const sum = (a: Outcome, b: Outcome): Outcome => ({
  accepted: a.accepted + b.accepted,
  quarantined: a.quarantined + b.quarantined,
  refusedEvents: a.refusedEvents + b.refusedEvents,
  reasons: [...a.reasons, ...b.reasons].slice(0, REASONS_KEPT),
})
