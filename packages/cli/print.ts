import type { Terminal } from "./terminal.ts"

/** Prints the one JSON document, or the text for people. */
export function show(terminal: Terminal, json: true | undefined, value: unknown, text: () => string) {
  terminal.out(json ? `${JSON.stringify(value, null, 2)}\n` : text())
}

/** Control characters and those that turn the direction of text would let an event's name command the terminal. */
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g
export const plain = (text: string) => text.replace(UNSAFE, "�")

/** Columns under their heads; a head that begins with ">" is of numbers, at the right. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const right = heads.map((head) => head.startsWith(">"))
  const lines = [heads.map((head) => head.replace(/^>/, "")), ...rows.map((row) => row.map(plain))]
  const widths = heads.map((_, i) => lines.reduce((most, line) => Math.max(most, widthOf(line[i] ?? "")), 0))
  const cell = (text: string, i: number) => {
    const space = " ".repeat(widths[i]! - widthOf(text))
    return right[i] ? space + text : text + space
  }
  return lines.map((line) => `${line.map(cell).join("  ").trimEnd()}\n`).join("")
}

const widthOf = (text: string) => [...text].length

export const cut = (text: string, width: number) =>
  widthOf(text) <= width ? text : `${[...text].slice(0, width - 1).join("")}…`

/** 1234567.50 → 1,234,567.50: digit by digit, so that no amount loses any. */
export const grouped = (figure: number | string | null) =>
  figure === null ? "–" : String(figure).replace(/^-?\d+/, (digits) => digits.replace(/\B(?=(\d{3})+$)/g, ","))

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]

/** A bar as long as a value's share of the largest. */
export function bar(value: number, largest: number, width: number): string {
  if (!(value > 0) || !(largest > 0)) return ""
  const eighths = Math.max(1, Math.round((value / largest) * width * 8))
  return "█".repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8]!
}

const LEVELS = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]

/** A series in one line; a space where there is no value. */
export function sparkline(values: readonly (number | undefined)[]): string {
  const largest = Math.max(...values.map((value) => value ?? 0))
  const level = (value: number) => (value > 0 ? Math.ceil((value / largest) * LEVELS.length) - 1 : 0)
  return values.map((value) => (value === undefined ? " " : LEVELS[level(value)]!)).join("")
}

/** RFC 4180. */
export const csv = (rows: readonly (readonly (string | number | null)[])[]) =>
  rows.map((row) => `${row.map(csvCell).join(",")}\r\n`).join("")
const csvCell = (value: string | number | null) => {
  const text = value === null ? "" : String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

export const countOf = (count: number, thing: string) => `${grouped(count)} ${thing}${count === 1 ? "" : "s"}`
