import { expect, test } from "vitest"
import type { TenantId } from "#store/keys.ts"
import { deliverySender } from "./deliveries.ts"

const requests = Array.from({ length: 12 }, (_, i) => ({
  version: 1 as const,
  tenant: "acme" as TenantId,
  webhook: `wh_${i}`,
  delivery: "1",
  round: 0,
}))

test("deliveries are asked for ten at a time, those of a tenant as a group: it holds up nobody else's", async () => {
  const asked: { QueueUrl: string; Entries: { MessageGroupId: string; MessageBody: string }[] }[] = []
  await deliverySender(async (_, action, body) => {
    expect(action).toBe("SendMessageBatch")
    asked.push(body as (typeof asked)[number])
    return {}
  }, "https://sqs/deliveries")(requests)
  expect(asked.map(({ Entries }) => Entries.length)).toEqual([10, 2])
  const sent = asked.flatMap(({ Entries }) => Entries)
  expect(sent.map(({ MessageBody }) => JSON.parse(MessageBody))).toEqual(requests)
  expect(new Set(sent.map(({ MessageGroupId }) => MessageGroupId))).toEqual(new Set(["acme"]))
})

test("a message that the queue refuses is not taken for sent", async () => {
  const refusing = async () => ({ Failed: [{ Id: "1", Code: "InternalError" }] })
  await expect(deliverySender(refusing, "https://sqs/deliveries")(requests.slice(0, 2))).rejects.toThrow(
    "the queue refused 1 of 2 messages: InternalError",
  )
})
