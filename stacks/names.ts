/** `append-dead` → `AppendDead`, as SST wants its components to be called. */
export const pascal = (name: string) => name.replace(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase())

/** `OCTANT_REDIS_TOKEN`, which functions read, is set by `sst secret set RedisToken`. */
export const secretName = (variable: string) =>
  pascal(
    variable
      .replace(/^OCTANT_/, "")
      .toLowerCase()
      .replaceAll("_", "-"),
  )
