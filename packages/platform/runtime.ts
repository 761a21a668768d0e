import { setTimeout as sleep } from "node:timers/promises"
import { authenticator } from "#access/key.ts"
import { instant, systemClock } from "#core/clock.ts"
import { jsonLog, type Log } from "#core/log.ts"
import { randomText, systemRandom } from "#core/random.ts"
import type { Meter } from "#store/table.ts"
import { type AwsOptions, awsClient } from "./aws.ts"
import type { Config } from "./config.ts"
import { dynamoTable } from "./dynamodb.ts"
import { foldRequester, sender } from "./queue.ts"

const NONCE_LENGTH = 20

/** Everything that a function may be given: the clock, chance, the table, the queues. Made once for each process. */
export function runtimeOf(config: Config, options: { log?: Log; meter?: Meter } = {}) {
  const aws: AwsOptions = {
    region: config.AWS_REGION,
    credentials: () => ({
      accessKeyId: config.AWS_ACCESS_KEY_ID,
      secretAccessKey: config.AWS_SECRET_ACCESS_KEY,
      ...(config.AWS_SESSION_TOKEN === undefined ? {} : { sessionToken: config.AWS_SESSION_TOKEN }),
    }),
    endpoints: {
      ...(config.AWS_ENDPOINT_URL_DYNAMODB === undefined ? {} : { dynamodb: config.AWS_ENDPOINT_URL_DYNAMODB }),
      ...(config.AWS_ENDPOINT_URL_SQS === undefined ? {} : { sqs: config.AWS_ENDPOINT_URL_SQS }),
    },
    random: Math.random,
    sleep,
  }
  const call = awsClient(aws)
  const table = dynamoTable({ call, table: config.OCTANT_TABLE, ...(options.meter ? { meter: options.meter } : {}) })
  const clock = systemClock
  return {
    aws,
    call,
    table,
    clock,
    random: systemRandom,
    nonce: () => randomText(systemRandom, NONCE_LENGTH),
    log:
      options.log ??
      jsonLog(
        (line) => process.stdout.write(line),
        () => instant(clock()),
      ),
    authenticate: authenticator({ table, clock }),
    enqueue: sender(call, config.OCTANT_APPEND_QUEUE_URL),
    requestFold: foldRequester(call, config.OCTANT_FOLD_QUEUE_URL),
  }
}
export type Runtime = ReturnType<typeof runtimeOf>
