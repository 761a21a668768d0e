/// <reference path="./.sst/platform/config.d.ts" />

/**
 * Three kinds of stages: `production`, which nothing removes; `staging`, the same but for that; and everybody's own,
 * gone without a trace by `sst remove`. Settings come from the environment, and all of them are optional:
 * `OCTANT_DOMAIN`, `OCTANT_REDIS_URL`, `OCTANT_SENDER_DOMAIN`, `OCTANT_ALARM_EMAIL`, `OTEL_EXPORTER_OTLP_ENDPOINT`,
 * `OTEL_TRACES_SAMPLER_ARG`.
 */
export default $config({
  app: ({ stage }) => ({
    name: "octant",
    home: "aws",
    removal: stage === "production" ? "retain" : "remove",
    protect: stage === "production",
    providers: { aws: { defaultTags: { tags: { app: "octant", stage } } } },
  }),
  async run() {
    await import("./stacks/storage.ts")
    await import("./stacks/vault.ts")
    await import("./stacks/queues.ts")
    await import("./stacks/bus.ts")
    await import("./stacks/secrets.ts")
    const { router } = await import("./stacks/router.ts")
    await import("./stacks/api.ts")
    await import("./stacks/workers.ts")
    await import("./stacks/schedules.ts")
    await import("./stacks/subscribers.ts")
    await import("./stacks/email.ts")
    const { alarms } = await import("./stacks/alarms.ts")
    return { url: router.url, alarms: alarms.arn }
  },
})
