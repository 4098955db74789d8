/**
 * Composite Gauss–Legendre quadrature, for integrands that are analytic on each panel. Nodes are computed here (Newton on the Legendre
 * polynomial), not tabulated. Not adaptive: the caller chooses panels short enough for its integrand and tests say how close it comes.
 */

export interface GaussRule {
  /** Nodes on (−1, 1), ascending. */
  readonly nodes: Float64Array
  readonly weights: Float64Array
}

const rules = new Map<number, GaussRule>()

/** The `points`-point Gauss–Legendre rule on (−1, 1); exact for polynomials of degree 2·points − 1. */
export function gaussLegendre(points: number): GaussRule {
  const known = rules.get(points)
  if (known) return known
  const nodes = new Float64Array(points)
  const weights = new Float64Array(points)
  for (let i = 0; i < points; i++) {
    let x = -Math.cos((Math.PI * (i + 0.75)) / (points + 0.5))
    let slope = 0
    for (let round = 0; round < 20; round++) {
      let below = 1
      let value = x
      for (let degree = 2; degree <= points; degree++) {
        const next = ((2 * degree - 1) * x * value - (degree - 1) * below) / degree
        below = value
        value = next
      }
      slope = (points * (x * value - below)) / (x * x - 1)
      const step = value / slope
      x -= step
      if (Math.abs(step) < 1e-16) break
    }
    nodes[i] = x
    weights[i] = 2 / ((1 - x * x) * slope * slope)
  }
  const rule = { nodes, weights }
  rules.set(points, rule)
  return rule
}

/** ∫ f over [from, to] with `panels` equal panels of a `points`-point rule. */
export function integrate(f: (x: number) => number, from: number, to: number, panels: number, points = 16): number {
  const { nodes, weights } = gaussLegendre(points)
  const half = (to - from) / (2 * panels)
  let sum = 0
  for (let panel = 0; panel < panels; panel++) {
    const middle = from + (2 * panel + 1) * half
    for (let i = 0; i < points; i++) sum += (weights[i] as number) * f(middle + half * (nodes[i] as number))
  }
  return sum * half
}
