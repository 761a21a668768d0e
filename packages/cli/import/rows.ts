import { closeSync, createReadStream, openSync, readSync } from "node:fs"
import { pipeline, Readable } from "node:stream"
import { createGunzip } from "node:zlib"
import { CsvError, type Info, parse as parseCsv } from "csv-parse"
import type { JsonObject } from "#events/event.ts"
import { jsonOf } from "#sources/generic.ts"

/** A line of a file by its number, or why it cannot be read. */
export type Row = { line: number; cells: JsonObject } | { line: number; refusal: string }

export type Format = {
  /** `json`: one document, which is a list or a page of one. */
  kind: "csv" | "ndjson" | "json"
  /** Of JSON: numbers that no double holds, such as a vendor's long ids, stay what they are, as text. */
  exact?: true
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
  const parse = format.exact ? jsonOf : (json: string): unknown => JSON.parse(json)
  if (format.kind === "json") return documentRows(text, parse)
  return format.kind === "csv" ? csvRows(text, format.delimiter) : jsonRows(text, parse)
}

const DOCUMENT_CHARACTERS = 256 * 1024 * 1024

/** The objects of one JSON document, counted from 1: a list, or what an API answers with that holds one. */
async function* documentRows(text: AsyncIterable<string>, parse: Parse): AsyncGenerator<Row> {
  let whole = ""
  for await (const chunk of text) {
    whole += chunk
    if (whole.length > DOCUMENT_CHARACTERS) throw new Error("this document is too large: write one object a line")
  }
  let value: unknown
  try {
    value = parse(whole)
  } catch {
    throw new Error("this is not one JSON document: is it NDJSON (--format ndjson)?")
  }
  const lists = Array.isArray(value) ? [value] : Object.values(value ?? {}).filter(Array.isArray)
  if (lists.length !== 1) throw new Error("this document holds no list of objects, or several")
  for (const [i, cells] of lists[0]!.entries()) yield rowOf(i + 1, cells)
}

const rowOf = (line: number, cells: unknown): Row =>
  typeof cells === "object" && cells !== null && !Array.isArray(cells)
    ? { line, cells: cells as JsonObject }
    : { line, refusal: "is not a JSON object" }

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
  const records = pipeline(Readable.from(text), parseCsv(options), () => {}) as AsyncIterable<{
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

type Parse = (json: string) => unknown

async function* jsonRows(text: AsyncIterable<string>, parse: Parse): AsyncGenerator<Row> {
  let [line, rest] = [0, ""]
  for await (const chunk of text) {
    const lines = (rest + chunk).split("\n")
    rest = lines.pop()!
    if (rest.length > LINE_CHARACTERS)
      throw new Error(`line ${line + lines.length + 1} has more than ${LINE_CHARACTERS} characters: is this NDJSON?`)
    for (const one of lines) yield* jsonRow(++line, one, parse)
  }
  yield* jsonRow(line + 1, rest, parse)
}

function* jsonRow(line: number, text: string, read: Parse): Generator<Row> {
  if (text.trim() === "") return
  try {
    yield rowOf(line, read(text))
  } catch {
    yield { line, refusal: "is not JSON" }
  }
}
