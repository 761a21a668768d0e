type Kind = "counter" | "gauge" | "histogram"
/** Every figure there is, and what it says. */
export const known = {
  octant_requests_total: ["counter", "Requests, by route and status."],
  octant_request_seconds: ["histogram", "Time from a request to its answer, by route and status."],
  octant_errors_total: ["counter", "Answers that are our fault (5xx), by route."],
  octant_store_seconds: [
    "histogram",
    "Time of a call of the table or of a queue, by action and outcome (ok; refused, when a condition did not hold; failed).",
  ],
  octant_capacity_units_total: ["counter", "Capacity that the table has used, by action, kind and part."],
  octant_cache_lookups_total: ["counter", "Look-ups of answers: hit, miss, or skipped because the cache is away."],
  octant_refusals_total: ["counter", "Requests refused by a limit or a quota, by which and by plan."],
  octant_redis_away: ["gauge", "1 while limits are counted in this process because Redis does not answer."],
  octant_queue_messages: ["gauge", "Messages in a queue: visible, in flight, delayed."],
  octant_dead_letters: ["gauge", "Messages that were given up, by the queue they came from."],
  octant_queue_wait_seconds: ["histogram", "How long messages had waited when they were received, by queue."],
  octant_fold_lag_entries: ["gauge", "Entries of journals that are not folded yet: all, and the most of one tenant."],
  octant_jobs_total: ["counter", "What became of messages of jobs, by kind and outcome."],
  octant_job_seconds: ["histogram", "Time of one run of a job, by kind and outcome."],
  octant_outside_seconds: ["histogram", "Time of a call of somebody else's API, by outcome."],
  octant_outside_open: ["gauge", "Hosts that are left alone for a while because they kept failing."],
  octant_delivery_seconds: ["histogram", "Time of an attempt to tell a webhook, by outcome."],
  octant_up_seconds: ["gauge", "How long this process has lived."],
} as const satisfies Record<string, readonly [Kind, string]>
export type FigureName = keyof typeof known
