import type { Config } from "./config.ts"

/** Calls of schedules and of the bus, with where one goes that has failed for good, and what a redrive does with it. */
export const callsOf = (config: Config) =>
  ({
    notify: { dead: config.OCTANT_NOTIFY_DEAD_QUEUE_URL, redrive: "published" },
    close: { dead: config.OCTANT_CLOSE_DEAD_QUEUE_URL, redrive: "dropped" },
    check: { dead: config.OCTANT_CHECK_DEAD_QUEUE_URL, redrive: "dropped" },
    poll: { dead: config.OCTANT_POLL_DEAD_QUEUE_URL, redrive: "dropped" },
  }) as const
