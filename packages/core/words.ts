import { config } from "zod/mini"
import en from "zod/v4/locales/en.js"

/** zod/mini comes without words; every schema's messages are English. Imported by whoever declares schemas. */
config(en())
