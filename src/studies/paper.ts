/**
 * What Al-Omair 2026, "An Empirical Evaluation of Differential Privacy in Wide & Deep Recommender Systems", prints: settings of section 3.3 and
 * Table 1. Figures quoted for comparison; nothing here was measured by us.
 */

export interface PaperRow {
  /** σ; null for the row without privacy. */
  readonly noiseMultiplier: number | null
  /** ε as printed; null for the row without privacy. */
  readonly epsilon: number | null
  readonly rmse: number
  readonly mae: number
}

export const paperTable: readonly PaperRow[] = [
  { noiseMultiplier: null, epsilon: null, rmse: 0.8962, mae: 0.7172 },
  { noiseMultiplier: 1, epsilon: 0.66, rmse: 1.2048, mae: 0.901 },
  { noiseMultiplier: 2, epsilon: 0.24, rmse: 1.1876, mae: 0.8757 },
  { noiseMultiplier: 3, epsilon: 0.07, rmse: 1.1715, mae: 0.8875 },
  { noiseMultiplier: 4, epsilon: 0.06, rmse: 1.156, mae: 0.8915 },
  { noiseMultiplier: 5, epsilon: 0.04, rmse: 1.1529, mae: 0.8937 },
]

export const paperSettings = {
  delta: 1e-5,
  batchSize: 512,
  epochs: 5,
  maxGradNorm: 1,
  noiseMultipliers: [1, 2, 3, 4, 5],
  /** Groups of the paper's Figure 6; null is the row without privacy. */
  boxes: [null, 1, 2, 5],
  /** Bound that the paper states for the standard deviation of RMSE over its three seeds. */
  claimedStdDev: 0.01,
} as const

/** MovieLens 1M, the paper's data set, known by its size: only there are the paper's figures put beside ours. */
export function isPaperData({ users, interactions }: { readonly users: number; readonly interactions: number }): boolean {
  return users === 6040 && interactions === 1_000_209
}
