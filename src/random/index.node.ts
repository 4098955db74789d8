/** Randomness that needs Node: AES-256 noise in bulk. */
export { aesNoise } from './aes.node.ts'
