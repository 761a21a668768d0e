import { physical, production } from "./stage.ts"

/** The key under which each tenant's keys are kept. Whoever loses it has lost every secret and every kept delivery. */
export const vaultKey = new aws.kms.Key(
  "Vault",
  {
    description: `${physical("vault")}: the keys of tenants`,
    enableKeyRotation: true,
    deletionWindowInDays: production ? 30 : 7,
  },
  { retainOnDelete: production },
)
new aws.kms.Alias("VaultAlias", { name: `alias/${physical("vault")}`, targetKeyId: vaultKey.keyId })
