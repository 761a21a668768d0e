/** A value of an attribute. Structure goes into packed bytes, so that a write costs what it weighs. */
export type Value = string | number | boolean | Uint8Array
export type Key = { pk: string; sk: string }
export type Item = Key & { [attribute: string]: Value }

/** When a write may happen: the item is not there; or one attribute compares so (`orAbsent`: or the item is not there). */
export type Condition = "absent" | { attribute: string; is: "=" | "<"; value: string | number; orAbsent?: true }

/** One write of several that are done together. */
export type Write =
  | { put: Item; condition?: Condition }
  | { set: Key; values: Record<string, Value | null>; condition?: Condition }
  | { delete: Key; condition?: Condition }

/** Sort keys in [from, to], both inclusive; `after` excludes. */
export type Range = { from?: string; after?: string; to?: string; reverse?: boolean; limit?: number }

/** Capacity that a call consumed, as DynamoDB itself reports it. */
export type Meter = (action: string, pk: string, units: { write: number; read: number }) => void

/**
 * One DynamoDB table, as far as we use it. Reads are strongly consistent: an answer must not miss what was acknowledged.
 * Every method retries passing faults; after an unclear answer a conditional write may report `false` although it was
 * its own first attempt that won, so whoever needs to know reads the item.
 */
export type Table = {
  get(key: Key): Promise<Item | undefined>
  /** Those that exist, in no particular order. */
  getMany(keys: readonly Key[]): Promise<Item[]>
  query(pk: string, range?: Range): Promise<Item[]>
  /** The same page by page (up to 1 MB each), for what may be long. */
  pages(pk: string, range?: Range): AsyncGenerator<Item[]>
  /** `false` when the condition did not hold. */
  put(item: Item, condition?: Condition): Promise<boolean>
  /** Adds to number attributes, making the item if need be; the new values. */
  add(key: Key, amounts: Record<string, number>): Promise<Record<string, number>>
  /** Sets attributes of an item; `false` when the condition did not hold. `null` removes an attribute. */
  set(key: Key, values: Record<string, Value | null>, condition?: Condition): Promise<boolean>
  delete(key: Key): Promise<void>
  /**
   * Does all writes or none, each to an item of its own, a hundred at most. Gives the places of those whose conditions
   * did not hold: no places, and all are done. The same writes under the same token (up to 36 characters) are done once,
   * however often they are sent within ten minutes.
   */
  transact(writes: readonly Write[], token: string): Promise<number[]>
  /** Deletes all, 25 a request. */
  deleteMany(keys: readonly Key[]): Promise<void>
}
