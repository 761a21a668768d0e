import type { DatabaseSync } from "node:sqlite"
import { type BuildAppOptions, buildApp } from "fauxqs"

/**
 * The emulator from the inside (2.4.1, pinned). Its own `startFauxqs` listens on every network interface,
 * forgets the messages of a queue that is created again, and gives no way to add an action.
 */
export type Stores = NonNullable<BuildAppOptions["stores"]>
export type SqsStore = Stores["sqsStore"]
export type SqsQueue = NonNullable<ReturnType<SqsStore["getQueueByName"]>>
export type SqsMessage = Parameters<SqsQueue["enqueue"]>[0]
type Persistence = NonNullable<SqsStore["persistence"]>

const ACCOUNT = "000000000000"
const REGION = "us-east-1"

export const arnOf = (name: string) => `arn:aws:sqs:${REGION}:${ACCOUNT}:${name}`
export const urlOf = (origin: string, name: string) => `${origin}/${ACCOUNT}/${name}`

/** An answer of SQS that says what is wrong with the request. */
export class Refusal extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** The HTTP application with empty stores. */
export async function emulator() {
  const stores: Stores = {
    sqsStore: new (await inside("sqs/sqsStore.js")).SqsStore(),
    snsStore: new (await inside("sns/snsStore.js")).SnsStore(),
    s3Store: new (await inside("s3/s3Store.js")).S3Store(),
  }
  // Queue URLs name the host that the caller reached us by, not `sqs.us-east-1.localhost`, which does not resolve.
  stores.sqsStore.host = ""
  return { stores, app: buildApp({ logger: false, stores }) }
}

/** Loads what `folder` holds and writes every change there. Messages survive SIGKILL of this process. */
export async function persist({ sqsStore, snsStore, s3Store }: Stores, folder: string, origin: string) {
  const { PersistenceManager } = await inside("persistence.js")
  const persistence = new PersistenceManager(folder)
  mend(persistence, origin)
  persistence.load(sqsStore, snsStore, s3Store)
  for (const store of [sqsStore, snsStore, s3Store, ...sqsStore.allQueues()]) store.persistence = persistence
  return persistence
}

function mend(persistence: Persistence, origin: string) {
  // biome-ignore lint/complexity/useLiteralKeys: only this spelling reaches a private member
  const database: DatabaseSync = persistence["db"]
  // Without an fsync per message: a power cut may lose the last of them, the end of the process does not.
  database.exec("PRAGMA synchronous = NORMAL")
  // The port may be another than last time.
  database.prepare("UPDATE sqs_queues SET url = ? || name").run(urlOf(origin, ""))
  // Its own statement sets a NOT NULL column to null, fails, and the message is in neither list any more.
  const ready = database.prepare(
    "UPDATE sqs_messages SET receipt_handle = NULL, visibility_deadline = NULL WHERE message_id = ?",
  )
  persistence.updateMessageReady = (id) => void ready.run(id)
}

type Inside = {
  "sqs/sqsStore.js": { SqsStore: new () => SqsStore }
  "sns/snsStore.js": { SnsStore: new () => Stores["snsStore"] }
  "s3/s3Store.js": { S3Store: new () => Stores["s3Store"] }
  "persistence.js": { PersistenceManager: new (folder: string) => Persistence }
}

/** By file address, for the package exports its entry point only. */
const inside = async <Path extends keyof Inside>(path: Path): Promise<Inside[Path]> =>
  await import(new URL(path, import.meta.resolve("fauxqs")).href)
