import type { Publish } from "#delivery/publish.ts"
import type { RequestDelivery } from "#delivery/telling.ts"
import type { AwsCall } from "./aws.ts"
import type { Config } from "./config.ts"

type Name = "OCTANT_BUS" | "OCTANT_DELIVERIES_QUEUE_URL"

/** What it takes to tell others of what happens. Few functions do, so that each part is loaded when it is first needed. */
export function tellingOf(config: Config, { call, loopback }: { call: AwsCall; loopback: boolean }) {
  const wanted = (name: Name) => {
    const value = config[name]
    if (value === undefined) throw new Error(`${name} is needed to tell others of what happens`)
    return value
  }
  const publish: Publish = async (events) => (await import("./late.ts")).putEvents(call, wanted("OCTANT_BUS"))(events)
  const requestDelivery: RequestDelivery = async (requests) =>
    (await import("./late.ts")).deliverySender(call, wanted("OCTANT_DELIVERIES_QUEUE_URL"))(requests)
  const complaint = async (url: string) => (await import("./late.ts")).complaintAbout(url, loopback)
  return { publish, requestDelivery, complaint }
}
