import { closeSync, createReadStream, openSync, readSync } from "node:fs"
import { pipeline, Readable } from "node:stream"
import { createGunzip } from "node:zlib"
import { CsvError, type Info, parse } from "csv-parse"
import type { JsonObject } from "#events/event.ts"

/** A line of a file by its number, or why it cannot be read. */
export type Row = { line: number; cells: JsonObject } | { line: number; refusal: string }

export type Format = {
  kind: "csv" | "ndjson"
  /** Of CSV. */
  delimiter: string
  /** As the WHATWG names it, such as utf-8 or windows-1252. */
  encoding: string
}

/** No event may be larger than a quarter of this: it is a quote that was not closed, or no such file. */
const LINE_CHARACTERS = 1024 * 1024

/** The lines of a file, plain or gzip. Throws where the file cannot be understood any further. */
export function rowsOf(file: string, format: Format, onBytes: (bytes: number) => void = () => {}): AsyncGenerator<Row> {
  const text = textOf(file, format.encoding, onBytes)
  return format.kind === "csv" ? csvRows(text, format.delimiter) : jsonRows(text)
}

async function* textOf(file: string, encoding: string, onBytes: (bytes: number) => void): AsyncGenerator<string> {
  const bytes = createReadStream(file)
  const decoder = new TextDecoder(encoding, { fatal: true })
  // A failure ends the last stream with it, and so the loop.
  const chunks = isGzip(file) ? pipeline(bytes, createGunzip(), () => {}) : bytes
  try {
    for await (const chunk of chunks as AsyncIterable<Uint8Array>) {
      onBytes(bytes.bytesRead)
      yield decoder.decode(chunk, { stream: true })
    }
    yield decoder.decode()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === "ERR_ENCODING_INVALID_ENCODED_DATA")
      throw new Error(`${file} is not ${encoding}: name its encoding, such as --encoding windows-1252`)
    if (code?.startsWith("Z_")) throw new Error(`${file} is gzip that is cut off or damaged: ${message}`)
    throw error
  }
}

/** By its first bytes: names lie. */
function isGzip(file: string) {
  const start = Buffer.alloc(2)
  const handle = openSync(file, "r")
  readSync(handle, start, 0, 2, 0)
  closeSync(handle)
  return start[0] === 0x1f && start[1] === 0x8b
}

async function* csvRows(text: AsyncIterable<string>, delimiter: string): AsyncGenerator<Row> {
  const options = {
    delimiter,
    info: true,
    skip_empty_lines: true,
    relax_column_count: true,
    max_record_size: LINE_CHARACTERS,
  }
  const records = pipeline(Readable.from(text), parse(options), () => {}) as AsyncIterable<{
    record: string[]
    info: Info
  }>
  let head: string[] | undefined
  try {
    for await (const { record, info } of records) {
      if (head === undefined) head = headOf(record)
      else if (record.length === head.length)
        yield { line: info.lines, cells: Object.fromEntries(head.map((name, i) => [name, record[i]!])) }
      else yield { line: info.lines, refusal: `has ${record.length} columns, the header ${head.length}` }
    }
  } catch (error) {
    if (error instanceof CsvError) throw new Error(`this is not CSV: ${error.message}`)
    throw error
  }
}

function headOf(names: string[]) {
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw new Error(`the header names the column ${JSON.stringify(twice)} twice`)
  return names
}

async function* jsonRows(text: AsyncIterable<string>): AsyncGenerator<Row> {
  let [line, rest] = [0, ""]
  for await (const chunk of text) {
    const lines = (rest + chunk).split("\n")
    rest = lines.pop()!
    if (rest.length > LINE_CHARACTERS)
      throw new Error(`line ${line + lines.length + 1} has more than ${LINE_CHARACTERS} characters: is this NDJSON?`)
    for (const one of lines) yield* jsonRow(++line, one)
  }
  yield* jsonRow(line + 1, rest)
}

function* jsonRow(line: number, text: string): Generator<Row> {
  if (text.trim() === "") return
  try {
    const cells: unknown = JSON.parse(text)
    if (typeof cells === "object" && cells !== null && !Array.isArray(cells)) yield { line, cells: cells as JsonObject }
    else yield { line, refusal: "is not a JSON object" }
  } catch {
    yield { line, refusal: "is not JSON" }
  }
}
