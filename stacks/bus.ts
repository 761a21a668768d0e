import { physical } from "./stage.ts"

const KEPT_DAYS = 30

/** Where what happened in the product is told, for whoever wants to know; the archive can tell it again. */
export const bus = new sst.aws.Bus("Bus")

new aws.cloudwatch.EventArchive("BusArchive", {
  name: physical("bus"),
  eventSourceArn: bus.arn,
  retentionDays: KEPT_DAYS,
})
