import { DAY, instant } from "#core/clock.ts"
import { crypto } from "#core/node.ts"

const { createHmac, hash } = crypto

export type Credentials = { accessKeyId: string; secretAccessKey: string; sessionToken?: string }
export type Unsigned = {
  service: string
  region: string
  host: string
  /** Of the AWS JSON protocol: `DynamoDB_20120810.GetItem`. */
  target: string
  contentType: string
  body: string
}

const SECURITY_TOKEN = "x-amz-security-token"

/**
 * The headers of a signed POST to `/`: AWS Signature Version 4, as in "Create a signed AWS API request" of the IAM user
 * guide. Every call pays for it, so that it takes a fifth of what `aws4` takes, which stays as the tests' oracle.
 */
export function signer() {
  const known = new Map<string, { until: number; mac: Mac }>()

  const macFor = ({ service, region }: Unsigned, { secretAccessKey }: Credentials, day: string, now: number) => {
    const name = `${secretAccessKey} ${day} ${region} ${service}`
    const there = known.get(name)
    if (there) return there.mac
    for (const [other, { until }] of known) if (until < now) known.delete(other)
    const key = [day, region, service, "aws4_request"].reduce<string | Buffer>(
      (under, part) => createHmac("sha256", under).update(part).digest(),
      `AWS4${secretAccessKey}`,
    )
    const mac = macOf(key as Buffer)
    known.set(name, { until: now + DAY, mac })
    return mac
  }

  return (request: Unsigned, credentials: Credentials, now: number): Record<string, string> => {
    const { service, region, host, target, contentType, body } = request
    const date = instant(now).replace(/[-:]|\.\d{3}/g, "")
    const day = date.slice(0, 8)
    const token = credentials.sessionToken
    const scope = `${day}/${region}/${service}/aws4_request`
    const length = String(Buffer.byteLength(body))
    const names = `content-length;content-type;host;x-amz-date;${token === undefined ? "" : `${SECURITY_TOKEN};`}x-amz-target`
    const canonical = [
      "POST\n/\n",
      `content-length:${length}`,
      `content-type:${contentType}`,
      `host:${host}`,
      `x-amz-date:${date}`,
      ...(token === undefined ? [] : [`${SECURITY_TOKEN}:${token}`]),
      `x-amz-target:${target}\n`,
      names,
      hash("sha256", body, "hex"),
    ].join("\n")
    const mac = macFor(request, credentials, day, now)
    const signature = mac(`AWS4-HMAC-SHA256\n${date}\n${scope}\n${hash("sha256", canonical, "hex")}`)
    return {
      "content-type": contentType,
      "content-length": length,
      host,
      "x-amz-date": date,
      "x-amz-target": target,
      ...(token === undefined ? {} : { [SECURITY_TOKEN]: token }),
      authorization: `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
    }
  }
}

type Mac = (text: string) => string
const BLOCK_BYTES = 64

/** HMAC-SHA-256 (RFC 2104) in hex, under a key of at most 64 bytes: `createHmac` takes three times as long to begin. */
function macOf(key: Uint8Array): Mac {
  const padded = (pad: number) => Uint8Array.from({ length: BLOCK_BYTES }, (_, i) => (key[i] ?? 0) ^ pad)
  const [inner, outer] = [padded(0x36), padded(0x5c)]
  return (text) => {
    const within = hash("sha256", Buffer.concat([inner, Buffer.from(text)]), "buffer")
    return hash("sha256", Buffer.concat([outer, within]), "hex")
  }
}
