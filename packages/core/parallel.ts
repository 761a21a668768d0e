/** Runs `work` over all, at most `most` at a time; answers in their order. The first failure ends it. */
export async function inFlight<T, R>(all: readonly T[], most: number, work: (one: T) => Promise<R>): Promise<R[]> {
  const answers: R[] = new Array(all.length)
  let next = 0
  const lane = async () => {
    while (next < all.length) {
      const i = next++
      try {
        answers[i] = await work(all[i]!)
      } catch (error) {
        next = all.length
        throw error
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(most, all.length) }, lane))
  return answers
}

/** Lets others have their turn: long work is done in pieces, so that nobody waits for all of it. */
export const breath = () => new Promise<void>((go) => setImmediate(go))

/** Cuts a list into pieces of at most `size`. */
export const slices = <T>(all: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size))
