import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { sha256 } from "#core/hash.ts"
import { type VendorId, vendorOf } from "#sources/registry.ts"
import type { Target } from "../api.ts"
import { type Call, callsOf } from "./calls.ts"
import { exportedCalls } from "./exported.ts"
import type { Rule } from "./mapping.ts"
import { type Packed, requestsOf } from "./requests.ts"
import { type Format, type Row, rowsOf } from "./rows.ts"
import type { Tally } from "./tally.ts"

/** A file, how it is read, and what is made of its lines. */
export type Source = { file: string; format: Format; rules: Rule[] | undefined; vendor?: VendorId }

/** Who wants to see what passes by. */
export type Watch = { bytes?: (read: number) => void; row?: (row: Row) => void; call?: (call: Call) => void }

/** File → lines → tracking calls → requests: the same ones each time. */
export function packed(source: Source, tally: Tally, watch: Watch = {}): AsyncGenerator<Packed> {
  const { file, format, rules, vendor } = source
  const rows = seen(rowsOf(file, format, watch.bytes), watch.row)
  const calls =
    vendor === undefined
      ? callsOf(rows, rules, tally)
      : exportedCalls(rows, vendorOf(vendor), format.kind === "csv", tally)
  return requestsOf(seen(calls, watch.call), tally)
}

async function* seen<T>(all: AsyncIterable<T>, see: (one: T) => void = () => {}): AsyncGenerator<T> {
  for await (const one of all) {
    see(one)
    yield one
  }
}

/** Changes when other requests are made of the file. */
const VERSION = 1

/** Of the file's content, of what is made of it, and of whose it becomes: a key belongs to one tenant of one stack. */
export async function identityOf({ file, format, rules, vendor }: Source, { key }: Target) {
  const content = createHash("sha256")
  for await (const chunk of createReadStream(file)) content.update(chunk as Uint8Array)
  const parts = [VERSION, content.digest("hex"), format, rules ?? vendor ?? null, sha256(key)]
  return sha256(JSON.stringify(parts)).slice(0, 32)
}
