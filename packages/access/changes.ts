/**
 * Which sources this process has changed: a door in the same process must not go on believing what it read before.
 * Doors elsewhere find out by reading again.
 */
const changes = new Map<string, number>()
const CHANGES_REMEMBERED = 10_000
let count = 0

export function noteChange(id: string): void {
  if (changes.size >= CHANGES_REMEMBERED) changes.clear()
  count += 1
  changes.set(id, count)
}

/** Another number after every change. */
export const changeOf = (id: string): number => changes.get(id) ?? 0
