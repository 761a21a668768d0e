import { Fault } from "#core/fault.ts"
import { zlib } from "#core/node.ts"

const JSON_TYPES = new Set(["", "application/json", "text/plain"])

/**
 * The JSON of a request: `application/json`, or the same as `text/plain` (browsers' beacons), plain or gzip. Reads no
 * more than `limit` bytes, packed or unpacked; no body at all is `ifEmpty`, where that may be. Throws a `Fault` for anything else.
 */
export async function readJson(request: Request, limit: number, ifEmpty?: unknown): Promise<unknown> {
  const [type = "", ...parameters] = (request.headers.get("content-type") ?? "")
    .toLowerCase()
    .split(";")
    .map((part) => part.trim())
  if (!JSON_TYPES.has(type))
    throw new Fault("unsupported_media_type", "send application/json", { field: "Content-Type" })
  const charset = parameters
    .find((parameter) => parameter.startsWith("charset="))
    ?.slice(8)
    .replaceAll('"', "")
  if (charset !== undefined && charset !== "utf-8" && charset !== "utf8") {
    throw new Fault("unsupported_media_type", "send UTF-8", { field: "Content-Type" })
  }
  const bytes = unpacked(await readBytes(request, limit), request.headers.get("content-encoding"), limit)
  if (bytes.length === 0 && ifEmpty !== undefined) return ifEmpty
  if (bytes.length === 0) throw new Fault("invalid_json", "the body is empty; send JSON")
  try {
    return JSON.parse(textOf(bytes))
  } catch (error) {
    if (error instanceof Fault) throw error
    throw new Fault("invalid_json", "the body is not JSON")
  }
}

/** The bytes of a body, up to a limit. */
export async function readBytes(request: Request, limit: number): Promise<Uint8Array> {
  const tooLarge = () => new Fault("payload_too_large", `a request may take ${limit} bytes`)
  const length = request.headers.get("content-length")
  if (Number(length ?? 0) > limit) throw tooLarge()
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    if (length !== null) {
      // HTTP lets nobody send more than was announced; and a stream is dear to make.
      chunks.push(new Uint8Array(await request.arrayBuffer()))
      size = chunks[0]!.byteLength
    } else if (request.body) {
      for await (const chunk of request.body) {
        size += chunk.byteLength
        if (size > limit) break
        chunks.push(chunk)
      }
    }
  } catch {
    // Only the client's own connection can fail here.
    throw new Fault("invalid_request", "the request ended before its body did")
  }
  if (size > limit) throw tooLarge()
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
}

function unpacked(bytes: Uint8Array, encoding: string | null, limit: number): Uint8Array {
  if (encoding === null || encoding === "identity" || encoding === "") return bytes
  if (encoding.toLowerCase() !== "gzip")
    throw new Fault("unsupported_media_type", "send the body plain or as gzip", { field: "Content-Encoding" })
  try {
    return zlib().gunzipSync(bytes, { maxOutputLength: limit })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") {
      throw new Fault("payload_too_large", `a request may take ${limit} bytes, unpacked`)
    }
    throw new Fault("invalid_encoding", "the body is not gzip, though Content-Encoding says so", {
      field: "Content-Encoding",
    })
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true })

function textOf(bytes: Uint8Array) {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new Fault("invalid_encoding", "the body is not UTF-8")
  }
}
