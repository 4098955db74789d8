/**
 * What would a private training run cost, before touching any data? Prices one plan by both accountants, for one rating and for a person with
 * many, and finds the noise that meets a target.
 *
 * Prints: ^PLD  ε = 0\.\d+
 * Prints: ^RDP  ε = 0\.\d+
 * Prints: ^person with 77 ratings  ε = \d
 * Prints: ^σ for ε = 1  0\.65\d
 */
import { priceDpSgd } from '../src/privacy/index.ts'

// MovieLens 1M, a chronological 80 % of its ratings, five passes in batches of about 512.
const plan = { sampleRate: 512 / 800_167, steps: 7814, delta: 1e-5 }

for (const accountant of ['pld', 'rdp'] as const) {
  const { epsilon } = priceDpSgd({ ...plan, noiseMultiplier: 1, accountant })
  console.log(`${accountant.toUpperCase()}  ε = ${epsilon.toPrecision(4)} at δ = ${plan.delta} for one rating`)
}

const person = priceDpSgd({ ...plan, noiseMultiplier: 1, maxExamplesPerUser: 77 })
console.log(`person with 77 ratings  ε = ${person.epsilon.toPrecision(4)}`)

const calibrated = priceDpSgd({ ...plan, targetEpsilon: 1 })
console.log(`σ for ε = 1  ${calibrated.noiseMultiplier.toPrecision(4)}`)
