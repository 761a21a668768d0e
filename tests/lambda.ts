import { type Config, readConfig } from "#platform/config.ts"
import type { World } from "./world.ts"

/** A function's name as SST gives it in production. */
export const deployed = (component: string) => `octant-production-${component}Function-abcdefgh`

/** What a function is configured by on Lambda: there it tells its figures to its log. */
export const onLambda = ({ stack }: World, component: string): Promise<Config> =>
  readConfig({ ...stack.config, AWS_LAMBDA_FUNCTION_NAME: deployed(component) })

/** What work writes to the log of its function. */
export async function logOf(work: () => Promise<unknown>): Promise<string> {
  const { write } = process.stdout
  let written = ""
  process.stdout.write = (text: string | Uint8Array) => {
    written += String(text)
    return true
  }
  try {
    await work()
  } finally {
    process.stdout.write = write
  }
  return written
}

type Emf = { CloudWatchMetrics: { Dimensions: string[][]; Metrics: { Name: string }[] }[] }
export type Line = { _aws?: Emf; [field: string]: unknown }

export const linesOf = (log: string): Line[] =>
  log
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Line)

/** A figure's name with its dimensions: each such set is a metric of CloudWatch's. */
export const metricOf = (name: string, dimensions: readonly (readonly [string, string])[]) =>
  [name, ...dimensions.map(([label, value]) => `${label}=${value}`).sort()].join(" ")

/** The metrics that CloudWatch makes of a log. */
export const metricsIn = (log: string): string[] => {
  const all = linesOf(log).flatMap((line) =>
    (line._aws?.CloudWatchMetrics ?? []).flatMap(({ Dimensions: [labels = []], Metrics }) =>
      Metrics.map(({ Name }) =>
        metricOf(
          Name,
          labels.map((label) => [label, String(line[label])] as const),
        ),
      ),
    ),
  )
  return [...new Set(all)].sort()
}
