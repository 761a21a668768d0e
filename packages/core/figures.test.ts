import { expect, test } from "vitest"
import { exposition } from "./exposition.ts"
import { newFigures } from "./figures.ts"

test("figures are told in Prometheus' text format, names together and with their meaning", () => {
  const figures = newFigures()
  figures.count("octant_requests_total", { route: "/v1/query", status: 200 })
  figures.count("octant_requests_total", { route: "/v1/query", status: 200 }, 2)
  figures.gauge("octant_dead_letters", { queue: "append" }, 7)
  figures.gauge("octant_dead_letters", { queue: "append" }, 3)
  for (const ms of [4, 40, 400, 4000, 400_000]) figures.took("octant_request_seconds", { route: 'a"b\\c\n' }, ms)
  expect(exposition(figures)).toBe(`# HELP octant_requests_total Requests, by route and status.
# TYPE octant_requests_total counter
octant_requests_total{route="/v1/query",status="200"} 3
# HELP octant_request_seconds Time from a request to its answer, by route and status.
# TYPE octant_request_seconds histogram
octant_request_seconds_bucket{route="a\\"b\\\\c\\n",le="0.005"} 1
octant_request_seconds_bucket{route="a\\"b\\\\c\\n",le="0.01"} 1
octant_request_seconds_bucket{route="a\\"b\\\\c\\n",le="0.025"} 1
octant_request_seconds_bucket{route="a\\"b\\\\c\\n",le="0.05"} 2
octant_request_seconds_bucket{route="a\\"b\\\\c\\n",le="0.1"} 2
octant_request_seconds_bucket{route="a\\"b\\\\c\\n",le="0.25"} 2
octant_request_seconds_bucket{route="a\\"b\\\\c\\n",le="0.5"} 3
octant_request_seconds_bucket{route="a\\"b\\\\c\\n",le="1"} 3
octant_request_seconds_bucket{route="a\\"b\\\\c\\n",le="2.5"} 3
octant_request_seconds_bucket{route="a\\"b\\\\c\\n",le="5"} 4
octant_request_seconds_bucket{route="a\\"b\\\\c\\n",le="10"} 4
octant_request_seconds_bucket{route="a\\"b\\\\c\\n",le="60"} 4
octant_request_seconds_bucket{route="a\\"b\\\\c\\n",le="+Inf"} 5
octant_request_seconds_sum{route="a\\"b\\\\c\\n"} 404.444
octant_request_seconds_count{route="a\\"b\\\\c\\n"} 5
# HELP octant_dead_letters Messages that were given up, by the queue they came from.
# TYPE octant_dead_letters gauge
octant_dead_letters{queue="append"} 3
`)
})

test("a label that has no end does not fill the memory", () => {
  const figures = newFigures()
  for (let i = 0; i < 20_000; i++) figures.count("octant_requests_total", { route: `/${i}` })
  figures.count("octant_requests_total", { route: "/1" })
  expect(exposition(figures).split("\n").length).toBeLessThan(5010)
  expect(exposition(figures)).toContain('{route="/1"} 2')
})
