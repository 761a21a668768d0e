import "#core/words.ts"
import * as z from "zod/mini"

/** What a value of the environment may look like. */
export const forms = {
  text: z.string().check(z.minLength(1)),
  name: z.string().check(z.minLength(3)),
  token: z.string().check(z.minLength(24)),
  url: z.url({ protocol: /^https?$/ }),
  share: z.string().check(z.regex(/^(0(\.\d+)?|1)$/)),
}
export type Form = keyof typeof forms
