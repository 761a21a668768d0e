import { limits, type Message } from "#events/message.ts"
import { idOf } from "./message.ts"
import type { Page, Reading, Vendor } from "./source.ts"

/** Ids in properties by which the fold joins what is told of one thing. */
const JOINED = ["ticket_id"] as const

/**
 * A vendor whose ids are its account's own, as one account speaks: ticket 5 and customer 7 of one are not those of
 * another. Ids that begin with the vendor's name get the account's behind it; an e-mail address stays one person's.
 */
export function ofAccount(vendor: Vendor, account: string): Vendor {
  const own = `${vendor.id}:`
  const named = (id: string) => (id.startsWith(own) ? idOf(vendor.id, account, id.slice(own.length)) : id)
  const told = (message: Message): Message => ({
    ...message,
    ...renamed(message, ["messageId", "userId", "anonymousId", "previousId"], named),
    ...(!message.properties
      ? {}
      : {
          properties: {
            ...message.properties,
            ...renamed(message.properties, JOINED, (id) => `${account}:${id}`.slice(0, limits.idLength)),
          },
        }),
  })
  const { poll } = vendor
  return {
    ...vendor,
    read: (delivery, source): Reading => {
      const { id, messages } = vendor.read(delivery, source)
      return { id: named(id), messages: messages.map(told) }
    },
    ...(poll === undefined
      ? {}
      : {
          poll: async (needs, cursor, since): Promise<Page> => {
            const page = await poll(needs, cursor, since)
            return { ...page, messages: page.messages.map(told) }
          },
        }),
  }
}

const renamed = (values: object, fields: readonly string[], to: (id: string) => string) =>
  Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) =>
      fields.includes(name) && typeof value === "string" ? [[name, to(value)]] : [],
    ),
  )
