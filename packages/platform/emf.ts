import { Metrics, MetricUnit } from "@aws-lambda-powertools/metrics"
import type { Labels } from "#core/figures.ts"
import { type FigureName, known } from "#core/known.ts"

export const NAMESPACE = "octant"

/**
 * Which labels a figure keeps in CloudWatch, where each combination costs by itself. What is not here is not told there:
 * AWS tells it of its own.
 */
export const dimensions: Partial<Record<FigureName, readonly string[]>> = {
  octant_requests_total: ["status"],
  octant_request_seconds: ["route"],
  octant_errors_total: ["route"],
  octant_store_seconds: ["service", "outcome"],
  octant_capacity_units_total: ["kind"],
  octant_cache_lookups_total: ["outcome"],
  octant_refusals_total: ["reason"],
  octant_redis_away: [],
  octant_queue_wait_seconds: ["queue"],
  octant_fold_lag_entries: ["of"],
  octant_jobs_total: ["kind", "outcome"],
  octant_job_seconds: ["kind"],
  octant_outside_seconds: ["outcome"],
  octant_outside_open: [],
  octant_delivery_seconds: ["outcome"],
}

/** Powertools says by `service` which function has told. */
const renamed: Record<string, string> = { service: "called" }

export type Told = { name: FigureName; labels: Labels; value: number }

/** At a hundred Powertools begins a new line by itself, and forgets the labels. */
const LINE_VALUES = 99

/** Writes what a call of a function has told, as lines that CloudWatch reads figures from (EMF): one for each set of labels. */
export function publisher(service: string): (told: readonly Told[]) => void {
  const metrics = new Metrics({ namespace: NAMESPACE, serviceName: service })
  return (told) => {
    const kept = told.flatMap(({ name, labels, value }) => {
      const wanted = dimensions[name]
      if (!wanted) return []
      return [
        {
          name,
          value,
          labels: Object.fromEntries(wanted.map((label) => [renamed[label] ?? label, String(labels[label])])),
        },
      ]
    })
    for (const [labels, some] of Map.groupBy(kept, ({ labels }) => JSON.stringify(labels))) {
      for (let at = 0; at < some.length; at += LINE_VALUES) {
        metrics.addDimensions(JSON.parse(labels) as Record<string, string>)
        for (const { name, value } of some.slice(at, at + LINE_VALUES)) metrics.addMetric(name, unitOf(name), value)
        metrics.publishStoredMetrics()
      }
    }
  }
}

const unitOf = (name: FigureName) => (known[name][0] === "histogram" ? MetricUnit.Seconds : MetricUnit.Count)
