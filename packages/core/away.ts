const away =
  /^(E(CONN(REFUSED|RESET|ABORTED)|TIMEDOUT|PIPE|NOTFOUND|AI_AGAIN|HOSTUNREACH|NETUNREACH)|.*Throttl.*|.*ThroughputExceeded.*|RequestLimitExceeded|CircuitOpen|ServiceUnavailable.*|InternalServerError|InternalFailure|Transaction(Conflict|InProgress)Exception)$/

/** Whether what was asked did not answer, or was too busy: the same may do well in a moment. */
export function isAway(error: Error): boolean {
  const { code = error.name, status = 0 } = error as { code?: unknown; status?: unknown }
  return away.test(String(code)) || Number(status) >= 500
}
