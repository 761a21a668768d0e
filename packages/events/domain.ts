/** What the product tells of itself over the bus. Whoever adds a type adds it here: subscribers and webhooks know it then. */
export const eventTypes = ["alert.opened", "alert.closed", "job.done", "job.failed"] as const

/** Who tells it: subscribers listen to us and to nobody else. */
export const EVENT_SOURCE = "octant"
