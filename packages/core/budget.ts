/** What retries are paid from: calls earn a part of one, and some are in store. */
export type Budget = { earn(): void; spend(): boolean }

/** A retry for every ten calls, and ten in store: when all calls fail, retries add a tenth to the load and not a multiple. */
export function retryBudget({ perCall = 0.1, most = 10 } = {}): Budget {
  let left = most
  return {
    earn: () => {
      left = Math.min(most, left + perCall)
    },
    spend: () => {
      if (left < 1) return false
      left -= 1
      return true
    },
  }
}
