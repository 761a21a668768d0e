/**
 * Node's own modules that every function needs. To import them as modules makes Node load all that they could export, such
 * as the whole of Web Crypto: two of the forty milliseconds in which a door starts.
 */
export const crypto = process.getBuiltinModule("node:crypto")
/** Asked for when something is packed: a door that takes a few small events never loads it, another two and a half. */
export const zlib = () => process.getBuiltinModule("node:zlib")
