import type { Base } from "./base.ts"
import { awaited } from "./lambda.ts"
import { installWeb, LightHeaders, LightRequest, type LightResponse } from "./web.ts"

/** What a Function URL sends (payload format 2.0). */
export type UrlEvent = {
  rawPath: string
  rawQueryString: string
  headers: Record<string, string | undefined>
  cookies?: string[]
  requestContext: { domainName: string; http: { method: string; sourceIp: string } }
  body?: string
  isBase64Encoded: boolean
}
type UrlAnswer = {
  statusCode: number
  headers: Record<string, string>
  cookies: string[]
  body: string
  isBase64Encoded: boolean
}
type App = { fetch: (request: Request, env: object) => Response | Promise<Response> }

/** An app behind a Function URL. The process answers with the light classes of `web.ts` from then on. */
export function door(runtime: Pick<Base, "told">, app: App) {
  installWeb()
  return awaited(runtime, async (event: UrlEvent): Promise<UrlAnswer> => {
    const answer = await app.fetch(requestOf(event), { requestContext: event.requestContext })
    return answerOf(answer as unknown as LightResponse)
  })
}

/** HTTP's own bytes are Latin-1; whatever else comes is for nobody here. */
const readable = (value: string) => value.replaceAll(/[^\t -~\xa0-\xff]/g, "?")

function requestOf({ rawPath, rawQueryString, headers: sent, cookies, requestContext, ...sentBody }: UrlEvent) {
  const headers = new LightHeaders()
  for (const [name, value] of Object.entries(sent)) {
    if (value !== undefined) headers.set(name, readable(value))
  }
  if (cookies) headers.set("cookie", readable(cookies.join("; ")))
  const { domainName, http } = requestContext
  const url = `https://${domainName}${rawPath}${rawQueryString === "" ? "" : `?${rawQueryString}`}`
  const body = Buffer.from(sentBody.body ?? "", sentBody.isBase64Encoded ? "base64" : "utf8")
  // As a whole: what a proxy said of its length, or that it came in chunks, is over.
  headers.set("content-length", String(body.byteLength))
  return new LightRequest(url, { method: http.method, headers, body }) as unknown as Request
}

async function answerOf(response: LightResponse): Promise<UrlAnswer> {
  const { status: statusCode, headers, body } = response
  const cookies = headers.getSetCookie()
  headers.delete("set-cookie")
  const text = typeof body === "string" || body === null
  return {
    statusCode,
    headers: Object.fromEntries(headers),
    cookies,
    body: text ? (body ?? "") : Buffer.from(body).toString("base64"),
    isBase64Encoded: !text,
  }
}
