/** A place where requests are answered: a URL, and as many processes behind it as there are. */
export type Doors = {
  /** Where the next request goes; `done` when it is answered. */
  next(): { url: string; done(): void }
}

/** Processes as Lambda has them, which answers no two requests with one: to the first that is idle, else to the least busy. */
export function doorsOf(urls: readonly string[]): Doors {
  const doors = urls.map((url) => ({ url, busy: 0 }))
  return {
    next: () => {
      const door = doors.reduce((least, one) => (one.busy < least.busy ? one : least))
      door.busy++
      return { url: door.url, done: () => void door.busy-- }
    },
  }
}
