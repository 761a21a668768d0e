/** The stages that are tried: one of each kind, and production with all that can be set. */
export const stages = [
  { stage: "jo", environment: {} },
  {
    stage: "staging",
    environment: {
      // As a workflow says that nobody has set them.
      OCTANT_DOMAIN: "",
      OCTANT_REDIS_URL: "",
      OCTANT_SENDER_DOMAIN: "",
      OCTANT_ALARM_EMAIL: "",
      OTEL_EXPORTER_OTLP_ENDPOINT: "",
      OTEL_TRACES_SAMPLER_ARG: "",
      SST_SECRET_OperatorToken: "a token of the operator's",
    },
  },
  {
    stage: "production",
    environment: {
      OCTANT_DOMAIN: "octant.example",
      OCTANT_REDIS_URL: "https://tidy-crab.upstash.io",
      OCTANT_SENDER_DOMAIN: "mail.octant.example",
      OCTANT_ALARM_EMAIL: "operators@octant.example",
      OTEL_EXPORTER_OTLP_ENDPOINT: "https://traces.octant.example",
      OTEL_TRACES_SAMPLER_ARG: "0.05",
      SST_SECRET_OperatorToken: "a token of the operator's",
      SST_SECRET_RedisToken: "a token of Upstash's",
    },
  },
]
