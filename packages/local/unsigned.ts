import type { Call } from "#local/sqs.ts"

/** For tests: calls the local SQS, which looks at no signature. */
export const unsigned =
  (url: string): Call =>
  async (_, action, body) => {
    const reply = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": `AmazonSQS.${action}` },
      body: JSON.stringify(body),
    })
    const answer = JSON.parse((await reply.text()) || "{}")
    if (reply.status !== 200) throw new Error(`${reply.status} ${answer.__type}: ${answer.message}`)
    return answer
  }
