import { setting } from "./stage.ts"

const domain = setting("OCTANT_SENDER_DOMAIN")

/** Who sends our mail, and where it is told what became of each message. Only where there is a domain to send from. */
export const email = domain ? sender(domain) : undefined

function sender(domain: string) {
  const events = new sst.aws.SnsTopic("EmailEvents")
  const identity = new sst.aws.Email("Email", {
    sender: domain,
    events: [
      {
        name: "delivery",
        types: [
          "send",
          "reject",
          "bounce",
          "complaint",
          "delivery",
          "delivery-delay",
          "rendering-failure",
          "subscription",
        ],
        topic: events.arn,
      },
    ],
  })
  new aws.sns.TopicPolicy("EmailEventsPolicy", {
    arn: events.arn,
    policy: aws.iam.getPolicyDocumentOutput({
      statements: [
        {
          principals: [{ type: "Service", identifiers: ["ses.amazonaws.com"] }],
          actions: ["sns:Publish"],
          resources: [events.arn],
          conditions: [
            { test: "StringEquals", variable: "aws:SourceAccount", values: [aws.getCallerIdentityOutput().accountId] },
            { test: "StringEquals", variable: "aws:SourceArn", values: [identity.nodes.configurationSet.arn] },
          ],
        },
      ],
    }).json,
  })
  return identity
}
