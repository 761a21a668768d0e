import type { Item } from "./table.ts"

/** That an item is the one that was read: nothing is made anew of what was deleted meanwhile. */
export const isStill = (item: Item) => ({ attribute: "createdAt", is: "=", value: String(item.createdAt) }) as const
