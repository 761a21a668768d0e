import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync, gzipSync } from "node:zlib"
import "#core/words.ts"
import * as z from "zod/mini"
import { sha256 } from "#core/hash.ts"
import type { RawItem } from "#platform/raw.ts"
import { TenantId } from "#store/tenant-id.ts"

const VERSION = 1
const MANIFEST = "manifest.json"
/** Holds personal data and the hashes of keys. */
const [ONLY_OWNER, ONLY_OWNERS_FOLDER] = [0o600, 0o700]
/** So much text is in memory at once. */
const PART_CHARACTERS = 32 * 1024 * 1024
const LARGEST_PART_BYTES = 1024 * 1024 * 1024

const Part = z.strictObject({
  file: z.string().check(z.regex(/^part-\d{6}\.json\.gz$/)),
  items: z.number(),
  sha256: z.string(),
})
const Copied = z.strictObject({ id: TenantId, position: z.number(), events: z.number() })
export type Copied = z.output<typeof Copied>
const Content = z.strictObject({
  version: z.literal(VERSION),
  takenAt: z.string(),
  table: z.string(),
  /** The journal of each tenant is whole up to its position. */
  tenants: z.array(Copied),
  parts: z.array(Part),
})
const Manifest = z.strictObject({ ...Content.shape, sha256: z.string() })
export type Manifest = z.output<typeof Manifest>
type Part = z.output<typeof Part>

/**
 * Writes a backup: parts of gzipped lines, each `{"Item": …}` as DynamoDB's own exports are, and in the end a manifest
 * with their checksums. The folder appears under its name when it is whole, or not at all.
 */
export function newBackup(folder: string) {
  if (existsSync(folder)) throw new Error(`${folder} is there already; give the backup a folder of its own`)
  const unfinished = `${folder}.unfinished`
  rmSync(unfinished, { recursive: true, force: true })
  mkdirSync(unfinished, { recursive: true, mode: ONLY_OWNERS_FOLDER })
  const parts: Part[] = []
  let [lines, characters]: [string[], number] = [[], 0]
  const endPart = () => {
    if (lines.length === 0) return
    const file = `part-${String(parts.length + 1).padStart(6, "0")}.json.gz`
    const bytes = gzipSync(`${lines.join("\n")}\n`)
    writeFileSync(join(unfinished, file), bytes, { mode: ONLY_OWNER, flush: true })
    parts.push({ file, items: lines.length, sha256: sha256(bytes) })
    lines = []
    characters = 0
  }
  return {
    add: (items: readonly RawItem[]) => {
      for (const Item of items) {
        const line = JSON.stringify({ Item })
        lines.push(line)
        characters += line.length
        if (characters >= PART_CHARACTERS) endPart()
      }
    },
    finish: (about: Pick<Manifest, "takenAt" | "table" | "tenants">): Manifest => {
      endPart()
      const content = { version: VERSION, ...about, parts } as const
      const manifest = { ...content, sha256: sumOf(content) }
      writeFileSync(join(unfinished, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`, {
        mode: ONLY_OWNER,
        flush: true,
      })
      renameSync(unfinished, folder)
      return manifest
    },
    abandon: () => rmSync(unfinished, { recursive: true, force: true }),
  }
}

const sumOf = (content: z.output<typeof Content>) => sha256(JSON.stringify(Content.parse(content)))

/** A backup that is whole, byte for byte; throws before anything of it is used. */
export function openBackup(folder: string) {
  const manifest = readManifest(folder)
  const bytesOf = ({ file, sha256: expected }: Part) => {
    const path = join(folder, file)
    if (!existsSync(path)) throw new Error(`${file} is missing from the backup`)
    const bytes = readFileSync(path)
    if (sha256(bytes) !== expected) throw new Error(`${file} is not what was written: its checksum differs`)
    return bytes
  }
  for (const part of manifest.parts) bytesOf(part)
  return {
    manifest,
    *items(): Generator<RawItem[]> {
      for (const part of manifest.parts) {
        const text = gunzipSync(bytesOf(part), { maxOutputLength: LARGEST_PART_BYTES }).toString("utf8")
        yield text
          .trimEnd()
          .split("\n")
          .map((line) => (JSON.parse(line) as { Item: RawItem }).Item)
      }
    },
  }
}
export type Backup = ReturnType<typeof openBackup>

function readManifest(folder: string): Manifest {
  const path = join(folder, MANIFEST)
  if (!existsSync(path)) throw new Error(`${folder} holds no whole backup: there is no ${MANIFEST}`)
  const read = Manifest.safeParse(jsonOf(readFileSync(path, "utf8")))
  if (!read.success) throw new Error(`${MANIFEST} is no manifest of a backup that this version reads`)
  const { sha256: expected, ...content } = read.data
  if (sumOf(content) !== expected) throw new Error(`${MANIFEST} is not what was written: its checksum differs`)
  return read.data
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
