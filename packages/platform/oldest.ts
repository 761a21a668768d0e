import type { AwsCall } from "./aws.ts"

const METRIC_SECONDS = 60
const LOOKED_BACK_SECONDS = 600

/** How long the oldest message of a queue has waited: only CloudWatch knows, and tells it minute by minute. */
export async function oldestSeconds(call: AwsCall, queueUrl: string, now: number): Promise<number | undefined> {
  const seconds = Math.floor(now / 1000)
  const { Datapoints = [] } = await call("monitoring", "GetMetricStatistics", {
    Namespace: "AWS/SQS",
    MetricName: "ApproximateAgeOfOldestMessage",
    Dimensions: [{ Name: "QueueName", Value: queueUrl.split("/").at(-1) }],
    StartTime: seconds - LOOKED_BACK_SECONDS,
    EndTime: seconds + METRIC_SECONDS,
    Period: METRIC_SECONDS,
    Statistics: ["Maximum"],
  })
  const points = Datapoints as { Timestamp: number; Maximum: number }[]
  return points.sort((a, b) => b.Timestamp - a.Timestamp)[0]?.Maximum
}
