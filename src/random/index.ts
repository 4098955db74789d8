/** Randomness: sources (operating system or seeded), normals. A leaf. Discrete mechanisms' exact samplers live in privacy/mechanisms. */
export { chacha20Block, chacha20State } from './chacha20.ts'
export type { NoiseStream } from './noise.ts'
export { fillNormals } from './normal.ts'
export { type RandomSource, secureRandom, seededRandom } from './source.ts'
