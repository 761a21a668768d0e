import { setting } from "./stage.ts"

const domain = setting("OCTANT_DOMAIN")

/** The header in which the router tells who has called; as CloudFront writes addresses, a port comes last. */
export const ADDRESS_HEADER = "x-octant-address"

/** One address for all; which function answers is decided by the path. */
export const router = new sst.aws.Router("Router", {
  ...(domain ? { domain } : {}),
  edge: {
    viewerRequest: {
      injection: `event.request.headers["${ADDRESS_HEADER}"] = { value: event.viewer.ip + ":0" };`,
    },
  },
})
