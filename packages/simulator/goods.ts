import { chance, lottery, type Next, pick, poisson } from "./distributions.ts"
import { adoption, stories } from "./stories.ts"
import { amount } from "./world.ts"

export type Product = { product_id: string; name: string; category: string; cents: number }

const shelves = {
  Beans: { "House Blend": 950, Yirgacheffe: 1350, Huila: 1225, Decaf: 1095, "Espresso No 4": 1175, Gesha: 2850 },
  Tea: { "Earl Grey": 645, Sencha: 895, Rooibos: 575, Darjeeling: 1120, Peppermint: 495 },
  Brewers: { Dripper: 2400, "French Press": 3299, "Moka Pot": 3895, Kettle: 7450 },
  Grinders: { "Hand Grinder": 5900, "Burr Grinder": 14900, "Grinder Brush": 725 },
  Cups: { "Tall Mug": 1250, "Espresso Pair": 1895, "Travel Cup": 2199 },
  Supplies: { "Filters 100": 499, Descaler: 875, Scale: 4250, "Oat Milk 6": 1194 },
} as const
export type Category = keyof typeof shelves

const slug = (name: string) => name.toLowerCase().replaceAll(" ", "-")
const onShelf = (category: Category): Product[] =>
  Object.entries(shelves[category]).map(([name, cents]) => ({ product_id: slug(name), name, category, cents }))

const products = Object.fromEntries((Object.keys(shelves) as Category[]).map((name) => [name, onShelf(name)]))
const coldBrewKit: Product = {
  product_id: "cold-brew-kit",
  name: "Cold Brew Kit",
  category: "Brewers",
  cents: 4495,
}

export const categoryOf = lottery<Category>({ Beans: 9, Tea: 5, Brewers: 2, Grinders: 1, Cups: 2, Supplies: 3 })

/** What somebody looks at on a day: often of a favourite category, and the new kit as far as it is adopted. */
export function choose(next: Next, favourite: Category, day: number): Product {
  if (chance(next, 0.16 * adoption(stories.productLaunch, day))) return coldBrewKit
  return pick(next, products[chance(next, 0.6) ? favourite : categoryOf(next)]!)
}

/** A line of a cart or an order, as a message carries it. */
export const line = ({ product_id, name, category, cents }: Product, quantity: number) => ({
  product_id,
  name,
  category,
  price: amount(cents),
  quantity,
})

const SMALL_ORDER = 4000
const SHIPPING = 395

export type Basket = { product: Product; quantity: number }[]

/** One to six lines of different products. */
export function basket(next: Next, favourite: Category, day: number): Basket {
  const length = Math.min(6, 1 + poisson(next, 1.1))
  const chosen = new Set(Array.from({ length }, () => choose(next, favourite, day)))
  return [...chosen].map((product) => ({ product, quantity: chance(next, 0.18) ? 2 + poisson(next, 0.3) : 1 }))
}

export function price(lines: Basket) {
  const revenue = lines.reduce((sum, { product, quantity }) => sum + product.cents * quantity, 0)
  return { revenue, shipping: revenue < SMALL_ORDER ? SHIPPING : 0 }
}
