/**
 * What AWS would say of what is made in it, as far as the components read it. All is derived from logical names, so
 * that the same stacks always give the same plan.
 */
export type Made = { type: string; name: string; inputs: Record<string, unknown> }
export type State = Record<string, unknown> & { arn: string }

export const ACCOUNT = "123456789012"
export const REGION = "eu-central-1"

const arn = (service: string, rest: string) => `arn:aws:${service}:${REGION}:${ACCOUNT}:${rest}`

const states: Record<string, (name: string, inputs: Record<string, unknown>) => Record<string, unknown>> = {
  "aws:sqs/queue:Queue": (name, { fifoQueue }) => {
    const physical = fifoQueue ? `${name}.fifo` : name
    return {
      name: physical,
      arn: arn("sqs", physical),
      url: `https://sqs.${REGION}.amazonaws.com/${ACCOUNT}/${physical}`,
    }
  },
  "aws:dynamodb/table:Table": (name) => ({ name, arn: arn("dynamodb", `table/${name}`) }),
  "aws:s3/bucket:Bucket": (name) => ({ bucket: name.toLowerCase(), arn: `arn:aws:s3:::${name.toLowerCase()}` }),
  "aws:lambda/function:Function": (name) => {
    const own = arn("lambda", `function:${name}`)
    return { name, arn: own, version: "1", qualifiedArn: `${own}:1`, invokeArn: `${own}/invocations`, publish: true }
  },
  "aws:lambda/alias:Alias": (name, { functionName }) => ({
    arn: arn("lambda", `function:${functionName}:live`),
    name: "live",
    alias: name,
  }),
  "aws:lambda/functionUrl:FunctionUrl": (name) => ({
    functionUrl: `https://${name.toLowerCase()}.lambda-url.${REGION}.on.aws/`,
  }),
  "aws:kms/key:Key": (name) => ({ keyId: name, arn: arn("kms", `key/${name}`) }),
  "aws:cloudwatch/logGroup:LogGroup": (_, { name }) => ({ arn: arn("logs", `log-group:${name}`) }),
  "aws:cloudwatch/eventBus:EventBus": (name) => ({ name, arn: arn("events", `event-bus/${name}`) }),
  "aws:cloudwatch/eventRule:EventRule": (_, { name, eventBusName }) => ({
    arn: arn("events", `rule/${eventBusName}/${name}`),
  }),
  "aws:sns/topic:Topic": (name) => ({ name, arn: arn("sns", name) }),
  "aws:iam/role:Role": (name) => ({ name, arn: `arn:aws:iam::${ACCOUNT}:role/${name}` }),
  "aws:cloudfront/distribution:Distribution": () => ({
    domainName: "router.cloudfront.net",
    hostedZoneId: "Z2FDTNDATAQYW2",
    etag: "E1",
  }),
  "aws:acm/certificate:Certificate": (_, { domainName }) => ({
    domainValidationOptions: [
      {
        resourceRecordName: `_check.${domainName}`,
        resourceRecordType: "CNAME",
        resourceRecordValue: "check.acm-validations.aws",
      },
    ],
  }),
  "aws:acm/certificateValidation:CertificateValidation": (_, { certificateArn }) => ({ certificateArn }),
  "aws:sesv2/emailIdentity:EmailIdentity": () => ({ dkimSigningAttributes: { tokens: ["one", "two", "three"] } }),
  "random:index/randomBytes:RandomBytes": (_, { length }) => ({
    base64: Buffer.alloc(Number(length)).toString("base64"),
  }),
  "pulumi-nodejs:dynamic:Resource": () => ({ zoneId: "Z1", isDone: true }),
}

export function stateOf({ type, name, inputs }: Made): State {
  return { arn: `arn:aws:mock:${REGION}:${ACCOUNT}:${name}`, ...inputs, ...states[type]?.(name, inputs) }
}

type Statement = { effect?: string; actions?: unknown; resources?: unknown; principals?: unknown; conditions?: unknown }

/** What is asked of AWS, rather than made in it. */
export function answerOf(token: string, inputs: Record<string, unknown>): Record<string, unknown> {
  if (token.includes("getCallerIdentity"))
    return { accountId: ACCOUNT, arn: `arn:aws:iam::${ACCOUNT}:user/somebody`, userId: "somebody" }
  if (token.includes("getRegion")) return { id: REGION, name: REGION, region: REGION }
  if (token.includes("getPartition")) return { id: "aws", partition: "aws", dnsSuffix: "amazonaws.com" }
  if (token.includes("getPolicyDocument")) {
    const statements = (inputs.statements ?? []) as Statement[]
    return { statements, json: JSON.stringify({ Version: "2012-10-17", Statement: statements.map(written) }) }
  }
  throw new Error(`the stacks ask AWS for ${token}, and nothing here knows the answer`)
}

const written = ({ effect = "Allow", actions, resources, principals, conditions }: Statement) => ({
  Effect: effect,
  Action: actions,
  Resource: resources,
  Principal: principals,
  Condition: conditions,
})
