import aws4 from "aws4"
import fc from "fast-check"
import { expect, test } from "vitest"
import { instant } from "#core/clock.ts"
import { signer } from "./signature.ts"

const word = fc.stringMatching(/^[A-Za-z0-9/+=_-]{1,40}$/)

test("a request is signed as aws4 signs it, whatever it says, whoever sends it and whenever", () => {
  const sign = signer()
  fc.assert(
    fc.property(
      fc.record({ accessKeyId: word, secretAccessKey: word, sessionToken: fc.option(word, { nil: undefined }) }),
      fc.constantFrom("dynamodb", "sqs", "kms"),
      fc.constantFrom("eu-central-1", "us-east-1"),
      fc.integer({ min: 0, max: 4e12 }),
      fc.json(),
      (credentials, service, region, now, body) => {
        const host = `${service}.${region}.amazonaws.com`
        const date = instant(now).replace(/[-:]|\.\d{3}/g, "")
        const oracle = aws4.sign(
          {
            service,
            region,
            host,
            method: "POST",
            path: "/",
            headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": "T.Action", "x-amz-date": date },
            body,
          },
          credentials as Required<typeof credentials>,
        )
        const { sessionToken, ...keys } = credentials
        const given = sessionToken === undefined ? keys : { ...keys, sessionToken }
        const request = { service, region, host, target: "T.Action", contentType: "application/x-amz-json-1.0", body }
        const signature = (headers: Record<string, unknown>) => Object(headers).authorization ?? headers.Authorization
        const headers = sign(request, given, now)
        expect(signature(headers)).toBe(signature(oracle.headers as Record<string, unknown>))
        expect(headers["content-length"]).toBe(String(Buffer.byteLength(body)))
      },
    ),
  )
})
