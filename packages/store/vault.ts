import type { TenantId } from "./keys.ts"

/** Whose it is and what for: what was sealed for one opens for no other. */
export type Sealing = { tenant: TenantId; purpose: string }

/** Keeps what must not lie open in a table, under a key of each tenant that is itself kept under another (envelope encryption). */
export type Vault = {
  seal(about: Sealing, content: Uint8Array): Promise<Uint8Array>
  /** Throws when it was sealed for another, was altered, or its key is gone. */
  open(about: Sealing, sealed: Uint8Array): Promise<Uint8Array>
}

export const sealText = async (vault: Vault, about: Sealing, text: string) => vault.seal(about, Buffer.from(text))
export const openText = async (vault: Vault, about: Sealing, sealed: Uint8Array) =>
  Buffer.from(await vault.open(about, sealed)).toString("utf8")
