import { slices } from "#core/parallel.ts"
import { traced } from "#core/unit.ts"
import type { RequestDelivery } from "#delivery/telling.ts"
import type { AwsCall } from "./aws.ts"
import { originAttributes } from "./queue.ts"

const AT_ONCE = 10

/** Asks for deliveries. Messages of one tenant are a group: SQS lets none of them hold up the others'. */
export const deliverySender =
  (call: AwsCall, queueUrl: string): RequestDelivery =>
  async (requests) => {
    for (const some of slices(requests, AT_ONCE)) {
      await traced("send deliveries", "producer", () => send(call, queueUrl, some), {
        "messaging.system": "aws_sqs",
        "messaging.batch.message_count": some.length,
      })
    }
  }

async function send(call: AwsCall, QueueUrl: string, requests: Parameters<RequestDelivery>[0]) {
  const attributes = originAttributes()
  const Entries = requests.map((request, i) => ({
    Id: String(i),
    MessageBody: JSON.stringify(request),
    MessageGroupId: request.tenant,
    ...attributes,
  }))
  const { Failed = [] } = (await call("sqs", "SendMessageBatch", { QueueUrl, Entries })) as {
    Failed?: { Code: string }[]
  }
  if (Failed[0]) throw new Error(`the queue refused ${Failed.length} of ${requests.length} messages: ${Failed[0].Code}`)
}
