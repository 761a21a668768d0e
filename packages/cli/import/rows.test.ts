import { mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { expect, test } from "vitest"
import { type Format, type Row, rowsOf } from "./rows.ts"

const folder = mkdtempSync(join(tmpdir(), "octant-rows-"))
const csv: Format = { kind: "csv", delimiter: ",", encoding: "utf-8" }
const ndjson: Format = { ...csv, kind: "ndjson" }

async function read(content: string | Uint8Array, format: Format): Promise<Row[]> {
  const file = join(folder, "file")
  writeFileSync(file, content)
  const rows: Row[] = []
  for await (const row of rowsOf(file, format)) rows.push(row)
  return rows
}

test("CSV of every make: quotes, line breaks inside, empty lines, CRLF, a byte-order mark", async () => {
  const text = '\ufeffid,name\r\n1,"a ""quoted"", one"\r\n\r\n2,"two\nlines"\r\n3,è\r\n'
  const expected = [
    { line: 2, cells: { id: "1", name: 'a "quoted", one' } },
    { line: 5, cells: { id: "2", name: "two\nlines" } },
    { line: 6, cells: { id: "3", name: "è" } },
  ]
  expect(await read(text, csv)).toEqual(expected)
  expect(await read(gzipSync(text), csv)).toEqual(expected)
  expect(await read(text.replaceAll(",", "\t"), { ...csv, delimiter: "\t" })).toEqual(
    expected.map((row) => (row.line === 2 ? { line: 2, cells: { id: "1", name: 'a "quoted"\t one' } } : row)),
  )
})

test("another encoding is read when it is named, and told when it is not", async () => {
  const bytes = Buffer.from("id,name\n1,caf\u00e9\n", "latin1")
  expect(await read(bytes, { ...csv, encoding: "windows-1252" })).toEqual([
    { line: 2, cells: { id: "1", name: "café" } },
  ])
  await expect(read(bytes, csv)).rejects.toThrow("is not utf-8: name its encoding, such as --encoding windows-1252")
})

test("a line with too many or too few columns is refused alone", async () => {
  expect(await read("a,b\n1\n1,2\n1,2,3\n", csv)).toEqual([
    { line: 2, refusal: "has 1 columns, the header 2" },
    { line: 3, cells: { a: "1", b: "2" } },
    { line: 4, refusal: "has 3 columns, the header 2" },
  ])
})

test("NDJSON: a line that is not an object is refused alone; a line separator within a text separates nothing", async () => {
  expect(await read('{"a":1}\n\n[1]\n{"a":"x\u2028y"}\r\nnonsense\n{"a":2}', ndjson)).toEqual([
    { line: 1, cells: { a: 1 } },
    { line: 3, refusal: "is not a JSON object" },
    { line: 4, cells: { a: "x\u2028y" } },
    { line: 5, refusal: "is not JSON" },
    { line: 6, cells: { a: 2 } },
  ])
})

test("a character whose bytes lie in two pieces of the file is whole", async () => {
  const text = "é".repeat(100_000)
  expect(await read(`{"a":"x${text}"}`, ndjson)).toEqual([{ line: 1, cells: { a: `x${text}` } }])
})

test.each<[string, string | Uint8Array, Format, RegExp]>([
  ["a quote that is never closed", 'a,b\n1,"2\n3,4\n', csv, /this is not CSV: Quote Not Closed.* line 3/],
  ["a header with one name twice", "a,b,a\n1,2,3\n", csv, /the header names the column "a" twice/],
  [
    "gzip that is cut off",
    gzipSync("a,b\n1,2\n".repeat(1000)).subarray(0, 40),
    csv,
    /is gzip that is cut off or damaged/,
  ],
  ["a file without lines", `{"a":"${"x".repeat(2 ** 21)}"}`, ndjson, /line 1 has more than 1048576 characters/],
])("%s ends the reading", async (_, content, format, message) => {
  await expect(read(content, format)).rejects.toThrow(message)
})
